//! The two terms of outlier-aware salience, unit by unit, at the first pruning point: activation × gradient, and √kurtosis.

use std::collections::HashSet;

use super::{Kind, Threshold};
use crate::figures::{count, plain};
use crate::history::{Frame, History, Scores};
use crate::stage::{Outliers, Unit};

/// The units of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// The step of the pruning point.
    pub step: usize,
    /// Units that stayed, each by its place from 0 to 1 across and up.
    pub kept: Vec<(f64, f64)>,
    /// Units that were removed.
    pub removed: Vec<(f64, f64)>,
    /// Where the salience is that of the method's line, in the order of both; none where it lies outside.
    pub line: Vec<(f64, f64)>,
    /// The least and the greatest activation × gradient.
    pub across: (f64, f64),
    /// The greatest √kurtosis.
    pub up: f64,
    /// The place of the unit with the greatest √kurtosis, its name, and what became of it.
    pub outlier: ((f64, f64), String, String),
}

/// Points of the line.
const FINE: usize = 80;

struct Term {
    unit: Unit,
    product: f64,
    root: f64,
    salience: f64,
}

impl Terms {
    /// Of a run that says which of its units are outliers, and has removed some.
    #[must_use]
    pub fn of(history: &History, kind: Kind) -> Option<Self> {
        let (place, frame, outliers) = first(history)?;
        let scores = frame.scores.as_ref()?;
        let units: Vec<Term> = scores
            .units()
            .filter(|(unit, _)| Kind::of(*unit) == Some(kind))
            .filter_map(|(unit, salience)| {
                let root = outliers.roots.get(unit)?;
                let product = (salience - outliers.factor(unit)? * root).max(0.0);
                Some(Term { unit, product, root, salience })
            })
            .collect();
        let (first, factor) = units.first().and_then(|of| Some((of, outliers.factor(of.unit)?)))?;
        let products = || units.iter().map(|of| of.product).filter(|product| *product > 0.0);
        let across = (products().fold(f64::MAX, f64::min), products().fold(0.0, f64::max));
        let outlier = units.iter().fold(first, |most, of| if of.root > most.root { of } else { most });
        let up = outlier.root;
        if across.0 >= across.1 || up <= 0.0 {
            return None;
        }
        let span = (across.1 / across.0).ln();
        let at = |product: f64, root: f64| (((product / across.0).ln() / span).clamp(0.0, 1.0), root / up);
        let split = |keeps: bool| {
            let is_so = |of: &&Term| frame.keeps(of.unit).unwrap_or(true) == keeps;
            units.iter().filter(is_so).map(|of| at(of.product, of.root)).collect()
        };
        // The line is one of salience per weight, and units of a kind weigh the same.
        let line = Threshold::of(history, place).map_or_else(Vec::new, |threshold| {
            let weights = Kind::ALL.into_iter().position(|of| of == kind).and_then(|at| threshold.weights.get(at));
            let salience = 10.0_f64.powf(threshold.own()) * weights.copied().unwrap_or(1) as f64;
            let point = |part: usize| {
                let product = across.0 * (span * part as f64 / FINE as f64).exp();
                at(product, (salience - product) / factor)
            };
            let mut line: Vec<(f64, f64)> = (0..=FINE).map(point).filter(|(_, up)| (0.0..=1.0).contains(up)).collect();
            if across.0 < salience && salience < across.1 {
                line.push(at(salience, 0.0));
            }
            line
        });
        let words = said(outlier, &units, frame);
        Some(Self {
            step: frame.step,
            kept: split(true),
            removed: split(false),
            line,
            across,
            up,
            outlier: (at(outlier.product, outlier.root), outlier.unit.name(), words),
        })
    }
}

/// What the greatest outlier is worth with and without √kurtosis.
fn said(outlier: &Term, units: &[Term], frame: &Frame) -> String {
    let rank = |value: fn(&Term) -> f64| 1 + units.iter().filter(|of| value(of) > value(outlier)).count();
    let (without, with) = (rank(|of| of.product), rank(|of| of.salience));
    let fate = if frame.keeps(outlier.unit).unwrap_or(true) { "It stayed" } else { "It was removed" };
    format!(
        "The greatest outlier is {}: √kurtosis {}. By activation × gradient alone it is number {} of {}, with √kurtosis \
         number {}. {fate}.",
        outlier.unit.name(),
        plain(outlier.root),
        count(without as u64),
        count(units.len() as u64),
        count(with as u64),
    ) + &without_any(units, frame)
}

/// How many of those that were removed, and of those that stayed, have no √kurtosis at all; nothing where none left.
fn without_any(units: &[Term], frame: &Frame) -> String {
    let (kept, removed): (Vec<&Term>, Vec<&Term>) = units.iter().partition(|of| frame.keeps(of.unit).unwrap_or(true));
    if removed.is_empty() {
        return String::new();
    }
    let zero = |units: &[&Term]| count(units.iter().filter(|of| of.root == 0.0).count() as u64);
    let of = |units: &[&Term]| count(units.len() as u64);
    format!(
        " Of the {} removed, {} have √kurtosis 0; of the {} that stayed, {}.",
        of(&removed),
        zero(&removed),
        of(&kept),
        zero(&kept)
    )
}

/// What √kurtosis changes in the choice of units at the first pruning point; `None` where a run does not say it.
#[must_use]
pub fn changed(history: &History) -> Option<String> {
    let (place, frame, outliers) = first(history)?;
    let scores = frame.scores.as_ref()?;
    let mut alone = scores.clone();
    subtract(&mut alone, outliers);
    let removed = |scores: &Scores| -> Option<HashSet<Unit>> {
        Some(Threshold::of_scores(history, place, scores)?.below_own().collect())
    };
    let (with, without) = (removed(scores)?, removed(&alone)?);
    let only = |a: &HashSet<Unit>, b: &HashSet<Unit>| a.difference(b).count();
    Some(difference(with.len(), only(&with, &without), only(&without, &with)))
}

fn difference(removed: usize, only_with: usize, only_without: usize) -> String {
    let units =
        |number: usize| if number == 1 { "1 unit".to_owned() } else { format!("{} units", count(number as u64)) };
    let below = format!("below the line of this point are {}", units(removed));
    match (only_with + only_without) as f64 / removed.max(1) as f64 {
        0.0 => {
            format!("Kurtosis changes nothing here: {below}, and by activation × gradient alone it would be the same.")
        }
        share => {
            let how = if share < 0.05 { "hardly matters here" } else { "matters here" };
            format!(
                "Kurtosis {how}: {below}; by activation × gradient alone {} of them would be above it, and {} others below.",
                count(only_with as u64),
                count(only_without as u64)
            )
        }
    }
}

/// The first pruning point, if the run says there which of its units are outliers.
fn first(history: &History) -> Option<(usize, &Frame, &Outliers)> {
    let place = history.frames.iter().position(|frame| frame.outliers.is_some())?;
    let frame = history.frames.get(place)?;
    Some((place, frame, frame.outliers.as_deref()?))
}

/// Leaves of all scores their activation × gradient.
fn subtract(scores: &mut Scores, outliers: &Outliers) {
    let take = |unit: Unit, score: &mut f64| {
        let term = outliers.factor(unit).zip(outliers.roots.get(unit)).map_or(0.0, |(factor, root)| factor * root);
        *score = (*score - term).max(0.0);
    };
    let Scores { layers, hidden, of_heads, of_neurons, of_hidden, .. } = scores;
    for (layer, ((of, heads), neurons)) in layers.iter_mut().zip(of_heads).zip(of_neurons).enumerate() {
        of.heads.iter_mut().zip(heads).for_each(|(score, head)| take(Unit::Head(layer, *head), score));
        let neurons = of.neurons.iter_mut().zip(neurons.list());
        neurons.for_each(|(score, neuron)| take(Unit::Neuron(layer, *neuron), score));
    }
    hidden.iter_mut().zip(of_hidden).for_each(|(score, dim)| take(Unit::Hidden(*dim), score));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::tests::recorded;

    #[test]
    fn every_unit_has_both_terms_and_those_that_left_are_on_their_side_of_the_line() {
        let history = recorded();
        for (kind, units) in Kind::ALL.into_iter().zip([16, 2048, 128]) {
            let terms = Terms::of(&history, kind).expect("an outlier-aware run");
            assert_eq!(terms.kept.len() + terms.removed.len(), units, "{}", kind.name());
            let inside = |(x, y): &(f64, f64)| (0.0..=1.0).contains(x) && (0.0..=1.0).contains(y);
            assert!(terms.kept.iter().chain(&terms.removed).chain(&terms.line).all(inside), "{}", kind.name());
            assert!(terms.kept.iter().chain(&terms.removed).any(|(_, up)| *up == 1.0));
        }
        let neurons = Terms::of(&history, Kind::Neurons).expect("neurons");
        assert!(neurons.line.len() > 10 && neurons.line.windows(2).all(|pair| pair[0].0 <= pair[1].0));
        // Left of the line and below it.
        let is_below = |(x, y): (f64, f64)| {
            let right = neurons.line.iter().find(|of| of.0 >= x);
            right.is_some_and(|of| y <= of.1 + 0.05)
        };
        let below = neurons.removed.iter().filter(|at| is_below(**at)).count();
        assert!(below * 10 > 9 * neurons.removed.len(), "{below} of {}", neurons.removed.len());
    }

    #[test]
    fn what_kurtosis_changes_is_said_with_its_number() {
        assert!(difference(40, 0, 0).starts_with("Kurtosis changes nothing here"));
        assert!(difference(100, 1, 2).contains("hardly matters here: below the line of this point are 100 units"));
        assert!(difference(100, 30, 28).ends_with("alone 30 of them would be above it, and 28 others below."));
        let words = changed(&recorded()).expect("an outlier-aware run");
        assert!(words.starts_with("Kurtosis "), "{words}");
        let mut unsaid = recorded();
        unsaid.frames.iter_mut().for_each(|frame| frame.outliers = None);
        assert_eq!((changed(&unsaid), Terms::of(&unsaid, Kind::Neurons)), (None, None));
    }

    #[test]
    fn an_outlier_is_said_to_be_one() {
        let history = History::of(&crate::history::tests::run(apt_experiment::Knobs::default(), 10, true));
        let terms = Terms::of(&history, Kind::Heads).expect("heads");
        // Saliences 0.5, 2, 1, 3; √kurtosis 0.5, 0, 0, 1, each times a half.
        let words = "The greatest outlier is layer 1, head 1: √kurtosis 1.00. By activation × gradient alone it is number 1 \
                     of 4, with √kurtosis number 1. It stayed. Of the 1 removed, 0 have √kurtosis 0; of the 3 that stayed, 2.";
        assert_eq!((terms.outlier.1.as_str(), terms.outlier.2.as_str()), ("layer 1, head 1", words));
        assert_eq!((terms.across, terms.up, terms.removed.as_slice()), ((0.25, 2.5), 1.0, &[(0.0, 0.5)][..]));
        assert_eq!(Terms::of(&history, Kind::Hidden), None, "no hidden dim is an outlier");
    }
}
