//! Metrics of sets of classes, as scikit-learn defines them on indicator matrices: `f1_score` with `average="micro"` or
//! `"macro"` and `zero_division=0`, and `accuracy_score`.

use std::collections::BTreeMap;

use crate::metric::Metric;
use crate::target::{ClassSet, Target};

/// Answers beside the sets of the same examples.
type Pairs<'a> = Vec<(&'a ClassSet, &'a ClassSet)>;

/// Pairs of sets; what is none is left out.
fn pairs<'a>(answers: &'a [Target], targets: &'a [Target]) -> Pairs<'a> {
    answers.iter().zip(targets).filter_map(|(answer, target)| answer.set().zip(target.set())).collect()
}

/// What was answered of one class, or of all.
#[derive(Clone, Copy, Default)]
struct Counts {
    /// It was answered and applies.
    right: u64,
    /// It was answered and does not apply.
    wrong: u64,
    /// It applies and was not answered.
    missed: u64,
}

impl Counts {
    fn f1(self) -> f64 {
        super::ratio(2.0 * self.right as f64, (2 * self.right + self.wrong + self.missed) as f64)
    }
}

/// Counts of every class.
fn counts(pairs: &Pairs<'_>) -> Vec<Counts> {
    let classes = pairs.iter().map(|(answer, target)| answer.of().max(target.of())).max().unwrap_or(0);
    let mut counts = vec![Counts::default(); classes];
    for (answer, target) in pairs {
        for &class in answer.classes() {
            let Some(of) = counts.get_mut(class as usize) else { continue };
            if target.contains(class) { of.right += 1 } else { of.wrong += 1 }
        }
        for &class in target.classes() {
            let Some(of) = counts.get_mut(class as usize) else { continue };
            of.missed += u64::from(!answer.contains(class));
        }
    }
    counts
}

/// F1 of all decisions together.
pub(super) fn micro_f1(answers: &[Target], targets: &[Target]) -> f64 {
    let add = |sum: Counts, of: Counts| Counts {
        right: sum.right + of.right,
        wrong: sum.wrong + of.wrong,
        missed: sum.missed + of.missed,
    };
    counts(&pairs(answers, targets)).into_iter().fold(Counts::default(), add).f1()
}

/// The mean over the classes of each one's F1, which is 0 where a class neither applies nor is answered.
pub(super) fn macro_f1(answers: &[Target], targets: &[Target]) -> f64 {
    let counts = counts(&pairs(answers, targets));
    let sum: f64 = counts.iter().map(|of| of.f1()).sum();
    super::ratio(sum, counts.len() as f64)
}

/// Share of examples whose whole set was answered.
pub(super) fn exact_match(answers: &[Target], targets: &[Target]) -> f64 {
    let pairs = pairs(answers, targets);
    super::ratio(pairs.iter().filter(|(answer, target)| answer == target).count() as f64, pairs.len() as f64)
}

/// What `metric` gives the best constant answer to these targets: for the micro average some of the commonest classes, for
/// the macro average all classes, for the exact match the commonest set.
pub(super) fn of_constant(metric: Metric, targets: &[Target]) -> f64 {
    let sets: Vec<&ClassSet> = targets.iter().filter_map(Target::set).collect();
    let of = sets.iter().map(|set| set.of()).max().unwrap_or(0);
    if metric == Metric::ExactMatch {
        let mut counts: BTreeMap<&ClassSet, usize> = BTreeMap::new();
        sets.iter().for_each(|set| *counts.entry(set).or_default() += 1);
        return super::ratio(counts.values().copied().max().unwrap_or(0) as f64, sets.len() as f64);
    }
    let always = |classes: &[u32]| {
        let answer = Target::Set(ClassSet::new(classes.iter().copied(), of));
        metric.score(&vec![answer; targets.len()], targets).unwrap_or(0.0)
    };
    let mut counts = vec![0_usize; of];
    for &class in sets.iter().flat_map(|set| set.classes()) {
        if let Some(count) = counts.get_mut(class as usize) {
            *count += 1;
        }
    }
    let mut commonest: Vec<u32> = (0..of as u32).collect();
    commonest.sort_by_key(|&class| std::cmp::Reverse(counts.get(class as usize).copied()));
    if metric == Metric::MacroF1 {
        return always(&commonest);
    }
    // Always some of the commonest classes: hits of all that were taken, over what was answered and what applies.
    let all: usize = counts.iter().sum();
    let (mut right, mut best) = (0, 0.0_f64);
    for (taken, class) in (1..).zip(commonest) {
        right += counts.get(class as usize).copied().unwrap_or(0);
        best = best.max(super::ratio(2.0 * right as f64, (taken * sets.len() + all) as f64));
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets(sets: &[&[u32]]) -> Vec<Target> {
        sets.iter().map(|set| Target::Set(ClassSet::new(set.iter().copied(), 4))).collect()
    }

    fn close(what: &str, ours: f64, expected: f64) {
        assert!((ours - expected).abs() < 1e-12, "{what}: {ours}, expected {expected}");
    }

    // scikit-learn 1.9.1: f1_score(y, p, average=…, zero_division=0) and accuracy_score(y, p).
    #[test]
    fn metrics_of_sets_are_those_of_scikit_learn() {
        let targets = sets(&[&[0, 1], &[], &[2], &[1], &[0, 2], &[1, 2]]);
        let answers = sets(&[&[0], &[], &[2, 1], &[1], &[2], &[0, 1]]);
        close("micro", micro_f1(&answers, &targets), 0.666_666_666_666_666_6);
        close("macro", macro_f1(&answers, &targets), 0.491_666_666_666_666_64);
        close("exact match", exact_match(&answers, &targets), 0.333_333_333_333_333_3);
    }

    #[test]
    fn what_is_a_ratio_to_nothing_is_zero() {
        let none = sets(&[&[], &[]]);
        assert_eq!((micro_f1(&none, &none), macro_f1(&none, &none), exact_match(&none, &none)), (0.0, 0.0, 1.0));
        assert_eq!((micro_f1(&[], &[]), macro_f1(&[], &[]), exact_match(&[], &[])), (0.0, 0.0, 0.0));
        let class = [Target::Class(1)];
        assert_eq!(micro_f1(&class, &class), 0.0, "a class is no set");
    }

    #[test]
    fn the_best_constant_answer_is_found_without_trying_all() {
        let targets = sets(&[&[0, 1], &[], &[2], &[1], &[0, 2], &[1, 2], &[1]]);
        for metric in [Metric::MicroF1, Metric::MacroF1, Metric::ExactMatch] {
            let tried = (0..16_u32).map(|bits| {
                let answer: Vec<u32> = (0..4).filter(|class| bits >> class & 1 == 1).collect();
                metric.score(&sets(&vec![&answer[..]; targets.len()]), &targets).expect("always defined")
            });
            close(metric.name(), of_constant(metric, &targets), tried.fold(0.0, f64::max));
        }
        assert_eq!(of_constant(Metric::MicroF1, &[]), 0.0);
    }
}
