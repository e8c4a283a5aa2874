//! `[tune]` of a study: every arm gets the same small sweep over some knobs, decided on validation data.
//!
//! A trial is one combination of values with one of the sweep's seeds. It is a run like any other, but no result: no
//! reported run has its seed. For every arm at every density the combination with the best mean validation metric is
//! chosen, and the study's cells run with it. Test data decide nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::error::StudyError;
use super::file::{ArmFile, StudyFile, TuneFile};
use super::{ArmId, Cell, Study};
use crate::knob::kind::KnobKind;
use crate::{DATA_KNOBS, Knobs, Record, knob};

/// Knobs that say, as [`DATA_KNOBS`] do, what is asked and not how it is done: runs that differ in them have no metric in common, or are what
/// the study compares.
const NOT_TUNED: [&str; 3] = ["seed", "density", "model"];
/// Means that differ by less are equal: they are sums of the same numbers in another order.
const TIE: f64 = 1e-12;

/// A value for every tuned knob.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Combination(BTreeMap<&'static str, Value>);

impl Combination {
    /// The settings with these values.
    #[must_use]
    pub fn applied(&self, knobs: &Knobs) -> Knobs {
        let mut knobs = knobs.clone();
        for (name, value) in &self.0 {
            // Knob and value were checked when the study was read.
            let _ = knob(name).and_then(|knob| knob.set_json(&mut knobs, value));
        }
        knobs
    }

    /// `dropout 0.1, learning_rate 0.001`.
    #[must_use]
    pub fn text(&self) -> String {
        let knobs = self.applied(&Knobs::default());
        let values = self.0.keys().map(|name| format!("{name} {}", knobs.text(name).unwrap_or_default()));
        values.collect::<Vec<_>>().join(", ")
    }
}

/// A study's sweep, and what was chosen by it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tune {
    /// Seeds of the trials.
    pub seeds: Vec<u64>,
    /// What is tried: knobs in the order of their names, values as the file lists them, those of the last knob
    /// changing first.
    pub combinations: Vec<Combination>,
    /// For an arm's own settings at a density, the combination that was chosen.
    choices: Vec<(ArmId, usize)>,
}

impl Tune {
    /// Looks up and checks what `file` names for the arms of `study`, which has no sweep yet.
    pub(super) fn resolve(tune: &TuneFile, file: &StudyFile, study: &Study) -> Result<Self, StudyError> {
        let place = format!("study `{}`, tune", study.name);
        let unfit = |what: String, remedy: &str| StudyError::unfit(place.clone(), what, remedy);
        let seeds: BTreeSet<u64> = tune.seeds.iter().copied().collect();
        if seeds.is_empty() {
            return Err(unfit("it has no seeds".into(), "list seeds that the study does not have, such as [101]"));
        }
        let shared: Vec<String> =
            seeds.iter().filter(|seed| study.seeds.contains(seed)).map(|seed| format!("seed {seed}")).collect();
        if !shared.is_empty() {
            let what = format!("{} is both the study's and of its trials", shared.join(", "));
            return Err(unfit(what, "choose on other seeds than those reported, such as [101]"));
        }
        let combinations = combinations(tune, &place)?;
        if combinations.len() < 2 {
            return Err(unfit("there is nothing to choose from".into(), "list two values or more for a knob"));
        }
        let name = |of: &str| knob(of).map_or("", |knob| knob.name);
        let is_tuned = |of: &String| combinations[0].0.contains_key(name(of));
        if let Some(fixed) = file.knobs.keys().find(|of| is_tuned(of)) {
            let what = format!("`{fixed}` is set for every cell too");
            return Err(unfit(what, "leave it out of the knobs and flags, or out of [tune]"));
        }
        for arm in file.axes.iter().flat_map(|axis| axis.arms.iter().flatten()) {
            if let ArmFile::Own(arm) = arm
                && let Some(fixed) = arm.knobs.keys().find(|of| is_tuned(of))
            {
                let what = format!("the arm `{}` sets `{fixed}` too", arm.name);
                return Err(unfit(what, "leave it out of the arm, or out of [tune]"));
            }
        }
        let cells = study.own_cells();
        if let Some((a, b)) = same_run(&combinations, |of| ArmId::of(&of.applied(&study.base.knobs))) {
            let what = format!("`{}` and `{}` are the same run", a.text(), b.text());
            return Err(unfit(what, "list every value once, and knobs that change what is computed"));
        }
        if let Some((a, b)) = same_run(&cells, |of| ArmId::of(&combinations[0].applied(&of.knobs))) {
            let what = format!("the arms `{}` and `{}` differ in nothing but what is tuned", a.arm, b.arm);
            return Err(unfit(what, "leave one of them out"));
        }
        Ok(Self { seeds: seeds.into_iter().collect(), combinations, choices: Vec::new() })
    }

    /// An arm's own settings at a density with what was chosen for them.
    pub(super) fn chosen(&self, own: &Knobs) -> Option<Knobs> {
        let id = ArmId::of(own);
        let (_, chosen) = self.choices.iter().find(|(of, _)| *of == id)?;
        Some(self.combinations.get(*chosen)?.applied(own))
    }
}

/// Every combination of the values, the first knob's changing last.
fn combinations(tune: &TuneFile, place: &str) -> Result<Vec<Combination>, StudyError> {
    let wrong = |source| StudyError::Knob { place: place.to_owned(), source: Box::new(source) };
    let mut all = vec![Combination(BTreeMap::new())];
    for (name, values) in &tune.knobs {
        let knob = knob(name).map_err(wrong)?;
        if NOT_TUNED.iter().chain(&DATA_KNOBS).any(|name| *name == knob.name) {
            let what = format!("`{}` cannot be tuned: it changes what is asked", knob.name);
            return Err(StudyError::unfit(place.to_owned(), what, "tune knobs that change how a model is trained"));
        }
        if values.is_empty() {
            let what = format!("`{}` has no values", knob.name);
            return Err(StudyError::unfit(place.to_owned(), what, "list the values to try"));
        }
        let mut wider = Vec::new();
        for combination in &all {
            for value in values {
                let mut knobs = Knobs::default();
                knob.set_json(&mut knobs, value).map_err(wrong)?;
                let mut with = combination.clone();
                with.0.insert(knob.name, knob.get(&knobs));
                wider.push(with);
            }
        }
        all = wider;
    }
    Ok(all)
}

/// The first two of `all` that have the same identity.
fn same_run<T>(all: &[T], id: impl Fn(&T) -> ArmId) -> Option<(&T, &T)> {
    let mut known: Vec<(ArmId, &T)> = Vec::new();
    for of in all {
        let own = id(of);
        if let Some((_, first)) = known.iter().find(|(id, _)| *id == own) {
            return Some((first, of));
        }
        known.push((own, of));
    }
    None
}

/// How a trial ended.
#[derive(Clone, Debug, PartialEq)]
pub enum TrialOutcome {
    /// It has not: it was not begun, or is not finished, or is on another machine.
    Missing,
    /// With an error.
    Failed(String),
    /// With this metric on validation data.
    Done(f64),
}

impl TrialOutcome {
    /// Of the run that left this record.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        let metric = record.measures.metric.validation.filter(|metric| metric.is_finite());
        metric.map_or_else(|| Self::Failed("it has no metric on validation data".to_owned()), Self::Done)
    }
}

/// A combination as it was tried in one arm.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tried {
    /// The values.
    pub values: Combination,
    /// Mean metric on validation data over the trials that are done.
    pub mean: Option<f64>,
    /// Trials that are done.
    pub n: usize,
    /// Why the others failed.
    pub failed: Vec<String>,
    /// Trials that have not ended.
    pub missing: usize,
}

impl Tried {
    fn new(values: &Combination, outcomes: &[TrialOutcome], seeds: usize) -> Self {
        let done: Vec<f64> = outcomes
            .iter()
            .filter_map(|of| if let TrialOutcome::Done(metric) = of { Some(*metric) } else { None })
            .collect();
        let failed: Vec<String> = outcomes
            .iter()
            .filter_map(|of| if let TrialOutcome::Failed(why) = of { Some(why.clone()) } else { None })
            .collect();
        Self {
            values: values.clone(),
            mean: apt_core::averages::mean(done.iter().copied()),
            n: done.len(),
            missing: seeds - done.len() - failed.len(),
            failed,
        }
    }

    /// Its mean, if every seed has a metric: one that fails on a seed is not chosen.
    fn score(&self) -> Option<f64> {
        self.mean.filter(|_| self.failed.is_empty() && self.missing == 0)
    }
}

/// What one arm at one density got out of what.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Choice {
    /// The arm's name.
    pub arm: String,
    /// The preset it starts from.
    pub preset: &'static str,
    /// Its density; none where nothing is pruned.
    pub density: Option<f64>,
    /// Every combination, in the order of [`Tune::combinations`].
    pub tried: Vec<Tried>,
    /// The one that was chosen; none while trials are missing, and where all failed.
    pub chosen: Option<usize>,
    /// Where the chosen values lie at the edge of what was tried: `the largest learning_rate`.
    pub at_edge: Vec<String>,
    /// The arm with its own settings.
    #[serde(skip)]
    own: Cell,
}

impl Choice {
    fn new(own: &Cell, tried: Vec<Tried>) -> Self {
        let is_whole = tried.iter().all(|of| of.missing == 0);
        let mut best: Option<(usize, f64)> = None;
        for (place, score) in tried.iter().enumerate().filter_map(|(place, of)| Some((place, of.score()?))) {
            // Of equal ones the first stays.
            if best.is_none_or(|(_, best)| score > best + TIE) {
                best = Some((place, score));
            }
        }
        let chosen = best.filter(|_| is_whole).map(|(place, _)| place);
        Self {
            arm: own.arm.clone(),
            preset: own.preset,
            density: own.knobs.prunes().then_some(own.knobs.density),
            at_edge: chosen.map_or_else(Vec::new, |chosen| edges(&tried, chosen)),
            chosen,
            tried,
            own: own.clone(),
        }
    }

    /// `apt at 0.4`.
    #[must_use]
    pub fn name(&self) -> String {
        self.density.map_or_else(|| self.arm.clone(), |density| format!("{} at {density}", self.arm))
    }

    /// Trials that have not ended; nothing is chosen before.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.tried.iter().map(|of| of.missing).sum()
    }

    /// Why its cells cannot be run: every combination failed on a seed.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        let first = self.tried.iter().flat_map(|of| &of.failed).next()?;
        (self.chosen.is_none() && self.missing() == 0)
            .then(|| format!("[tune] chose nothing, for every combination failed: {first}"))
    }
}

/// Knobs of numbers whose chosen value is the smallest or the largest tried, unless the knob's range ends there.
fn edges(tried: &[Tried], chosen: usize) -> Vec<String> {
    let mut edges = Vec::new();
    for (name, value) in &tried[chosen].values.0 {
        let range = match knob(name).map(|knob| &knob.kind) {
            Ok(KnobKind::Int { min, max } | KnobKind::OptionalInt { min, max }) => (*min as f64, *max as f64),
            Ok(KnobKind::Float { min, max } | KnobKind::OptionalFloat { min, max }) => (*min, *max),
            _ => continue,
        };
        let Some(value) = value.as_f64() else { continue };
        let others = tried.iter().filter_map(|of| of.values.0.get(name)?.as_f64());
        let (least, most) = others.fold((value, value), |(least, most), of| (least.min(of), most.max(of)));
        if least < most && value == least && value > range.0 {
            edges.push(format!("the smallest {name}"));
        }
        if least < most && value == most && value < range.1 {
            edges.push(format!("the largest {name}"));
        }
    }
    edges
}

impl Study {
    /// The study without its sweep: every arm with its own settings.
    #[must_use]
    pub fn untuned(&self) -> Self {
        Self { tune: None, ..self.clone() }
    }

    /// Every trial of `[tune]`: arm by arm, combination by combination, seed by seed.
    #[must_use]
    pub fn trials(&self) -> Vec<Cell> {
        let mut trials = Vec::new();
        let Some(tune) = &self.tune else { return trials };
        for own in self.own_cells() {
            for combination in &tune.combinations {
                trials.extend(tune.seeds.iter().map(|&seed| Cell {
                    arm: format!("{} {}", own.arm, combination.text()),
                    preset: own.preset,
                    knobs: Knobs { seed, ..combination.applied(&own.knobs) },
                }));
            }
        }
        trials
    }

    /// Whether `record` has a seed of the trials, which no reported run has.
    #[must_use]
    pub fn is_trial(&self, record: &Record) -> bool {
        self.tune.as_ref().is_some_and(|tune| tune.seeds.contains(&record.config.seed))
    }

    /// What every arm at every density gets, from the outcomes of [`Study::trials`], in their order.
    #[must_use]
    pub fn choices(&self, outcomes: &[TrialOutcome]) -> Vec<Choice> {
        let Some(tune) = &self.tune else { return Vec::new() };
        let mut by_combination = outcomes.chunks(tune.seeds.len());
        let mut tried = |values| Tried::new(values, by_combination.next().unwrap_or_default(), tune.seeds.len());
        let own = self.own_cells();
        own.iter().map(|own| Choice::new(own, tune.combinations.iter().map(&mut tried).collect())).collect()
    }

    /// The study in which these were chosen: [`Study::cells`] then has the cells of every arm that has a choice.
    #[must_use]
    pub fn with_choices(&self, choices: &[Choice]) -> Self {
        let chosen = choices.iter().filter_map(|of| Some((ArmId::of(&of.own.knobs), of.chosen?))).collect();
        let tune = self.tune.clone().map(|tune| Tune { choices: chosen, ..tune });
        Self { tune, ..self.clone() }
    }

    /// Names of the cells that cannot be run, because every trial of their arm failed, with the reason.
    #[must_use]
    pub fn failed_cells(&self, choices: &[Choice]) -> Vec<(String, String)> {
        let of_choice = |choice: &Choice| {
            let why = choice.failure()?;
            let name = |seed| Cell { knobs: Knobs { seed, ..choice.own.knobs.clone() }, ..choice.own.clone() }.name();
            Some(self.seeds.iter().map(|&seed| (name(seed), why.clone())).collect::<Vec<_>>())
        };
        choices.iter().filter_map(of_choice).flatten().collect()
    }
}
