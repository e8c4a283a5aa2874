//! The computed report: everything that HTML, Markdown, CSV and JSON show, each number with its N.

use std::sync::Arc;

use apt_experiment::{Choice, Knobs, Record, Study};
use serde::Serialize;

use crate::assignment::{Arms, Assigned};
use crate::curves::{Curves, curves};
use crate::fronts::{Front, fronts};
use crate::groups::{Group, groups};
use crate::infer::infer;
use crate::left_out::{LeftOut, Reason};
use crate::origin::{Basis, Origin};
use crate::sensitivity::Sensitivity;
use crate::structure::{Structure, structures};
use crate::tables::{Table, tables};
use crate::target::{Target, target};
use crate::tuning::{Tuning, choices, trials};

/// The version of the format that [`crate::json`] writes.
pub const REPORT_SCHEMA: &str = "apt-lab/report/1";

/// One cell of a study, or one run from elsewhere, as it was found.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its record, if it is complete.
    pub record: Option<Arc<Record>>,
    /// Why it is not.
    pub failure: Option<String>,
}

/// A comparison of runs, computed.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`REPORT_SCHEMA`].
    pub schema: &'static str,
    /// What it is called.
    pub title: String,
    /// Its question; may be empty.
    pub question: String,
    /// Runs that were given.
    pub given: usize,
    /// Runs that are compared.
    pub compared: usize,
    /// Runs that are trials of the study's `[tune]`.
    pub trials: usize,
    /// Runs that can be compared with each other, apart from others.
    pub sections: Vec<Section>,
    /// Runs that are not compared, and why.
    pub left_out: Vec<LeftOut>,
}

/// Runs of one setting from one model and data on one device.
#[derive(Clone, Debug, Serialize)]
pub struct Section {
    /// What distinguishes it from the other sections.
    pub title: String,
    /// The task's metric: `accuracy`, `f1`, `matthews`.
    pub metric: String,
    /// The measure that arms are compared and drawn by.
    pub compared_by: &'static str,
    /// What time to target is measured against.
    pub target: Option<Target>,
    /// Arms all of whose runs are at chance.
    pub at_chance: Vec<String>,
    /// Whether runs of it were made side by side, so that times are not comparable.
    pub side_by_side: bool,
    /// Whether runs of it were made on several devices, which makes their times not comparable either.
    pub several_devices: bool,
    /// Runs that differ in nothing but the seed.
    pub groups: Vec<Group>,
    /// Arms beside each other.
    pub tables: Vec<Table>,
    /// How small a difference the study can see; none of runs that belong to no study.
    pub sensitivity: Option<Sensitivity>,
    /// What the study's `[tune]` chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tuning: Option<Tuning>,
    /// How the metric grew.
    pub curves: Vec<Curves>,
    /// What the metric costs.
    pub fronts: Vec<Front>,
    /// What was left of the layers.
    pub structures: Vec<Structure>,
    /// Where the numbers come from.
    pub origin: Origin,
}

impl Report {
    /// Compares the runs of `entries` as the arms of `study`, wherever they were made: one study may be shared out over
    /// many machines. Without a study, runs of one device are compared that share all settings but the four ablation
    /// arms, density and seed. Runs from another model, other data or other code are never one group.
    #[must_use]
    pub fn new(entries: &[Entry], study: Option<&Study>) -> Self {
        Self::against(entries, study, None)
    }

    /// The same, but without a study the arm of these settings is what others are compared with, where it has runs.
    #[must_use]
    pub fn against(entries: &[Entry], study: Option<&Study>, base: Option<&Knobs>) -> Self {
        let mut left_out = Vec::new();
        let mut runs: Vec<(&str, &Record)> = Vec::new();
        for entry in entries {
            match comparable(entry) {
                Ok(record) => runs.push((&entry.name, record)),
                Err(reason) => left_out.push(reason),
            }
        }
        let failures: Vec<(&str, &str)> =
            entries.iter().filter_map(|entry| Some((entry.name.as_str(), entry.failure.as_deref()?))).collect();
        let (sections, trials) = match study {
            Some(study) => of_study(study, &runs, &failures, &mut left_out),
            None => (without_study(&runs, base, &mut left_out), 0),
        };
        let compared = sections.iter().flat_map(|section| &section.groups).map(|group| group.runs.len()).sum();
        Self {
            schema: REPORT_SCHEMA,
            title: study.map_or_else(|| "Comparison of runs".to_owned(), |study| format!("Study {}", study.name)),
            question: study.map_or_else(String::new, |study| study.summary.clone()),
            given: entries.len(),
            compared,
            trials,
            sections,
            left_out,
        }
    }
}

/// The runs of a study that were made from one content.
struct Part<'a> {
    basis: Basis,
    /// The study, with what the trials among these runs chose.
    study: Study,
    arms: Arms,
    runs: Vec<Assigned<'a>>,
    choices: Vec<Choice>,
    trials: usize,
}

impl<'a> Part<'a> {
    /// `runs` are all of one basis; those that are of no arm are `unassigned`.
    fn new(
        basis: Basis,
        study: &Study,
        runs: &[(&'a str, &'a Record)],
        failures: &[(&str, &str)],
        unassigned: &mut Vec<LeftOut>,
    ) -> Self {
        let (trial_arms, trials) = trials(study, runs, unassigned);
        let choices = choices(study, &trials, &trial_arms, failures);
        let study = study.with_choices(&choices);
        let arms = Arms::new(&study, runs);
        let mut own = Vec::new();
        for &(name, record) in runs.iter().filter(|(_, record)| !study.is_trial(record)) {
            match arms.assign(name, record) {
                Ok(run) => own.push(run),
                Err(why) => unassigned.push(LeftOut::new(name, Reason::NoArm, why)),
            }
        }
        Self { basis, study, arms, runs: own, choices, trials: trials.len() }
    }
}

/// A section for each content that the study's runs were made from, and how many of the runs are trials.
fn of_study(
    study: &Study,
    runs: &[(&str, &Record)],
    failures: &[(&str, &str)],
    left_out: &mut Vec<LeftOut>,
) -> (Vec<Section>, usize) {
    let differ = Arms::new(&study.untuned(), runs).differ_in_content();
    let basis_of = |record: &Record| Basis::of(record).on_any_device(differ);
    let mut unassigned = Vec::new();
    let mut parts = Vec::new();
    for basis in Basis::all(runs.iter().map(|(_, record)| basis_of(record))) {
        let runs: Vec<_> = runs.iter().filter(|(_, record)| basis_of(record) == basis).copied().collect();
        parts.push(Part::new(basis, study, &runs, failures, &mut unassigned));
    }
    parts.retain(|part| !part.runs.is_empty() || part.trials > 0);
    parts.sort_by_key(|part| std::cmp::Reverse(part.runs.len()));
    if parts.is_empty() {
        parts.push(Part::new(Basis::default(), study, &[], failures, &mut unassigned));
    }
    let bases: Vec<Basis> = parts.iter().map(|part| part.basis.clone()).collect();
    let section = |part: &Part| {
        let title = part.basis.title(&bases).unwrap_or_default();
        let section = Section::new(title, &part.study, &part.arms, &part.runs, true, left_out);
        let failed = part.study.failed_cells(&part.choices);
        left_out.extend(failed.iter().map(|(name, why)| LeftOut::new(name, Reason::Failed, why)));
        let seeds = part.study.tune.as_ref().map(|tune| tune.seeds.clone());
        Section { tuning: seeds.map(|seeds| Tuning { seeds, choices: part.choices.clone() }), ..section }
    };
    let sections = parts.iter().map(section).collect();
    left_out.extend(unassigned);
    (sections, parts.iter().map(|part| part.trials).sum())
}

/// For each device and content, a section for each study that its runs could be of.
fn without_study(runs: &[(&str, &Record)], base: Option<&Knobs>, left_out: &mut Vec<LeftOut>) -> Vec<Section> {
    let bases = Basis::all(runs.iter().map(|(_, record)| Basis::of(record)));
    let mut sections = Vec::new();
    for basis in &bases {
        let runs: Vec<_> = runs.iter().filter(|(_, record)| Basis::of(record) == *basis).copied().collect();
        for study in infer(&runs, base) {
            let arms = Arms::new(&study, &runs);
            let own: Vec<Assigned> = runs.iter().filter_map(|(name, record)| arms.assign(name, record).ok()).collect();
            let title = [Some(study.summary.clone()), basis.title(&bases)];
            let title = title.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ");
            sections.push(Section::new(title, &study, &arms, &own, false, left_out));
        }
    }
    sections
}

impl Section {
    fn new(
        title: String,
        study: &Study,
        arms: &Arms,
        runs: &[Assigned],
        asked: bool,
        left_out: &mut Vec<LeftOut>,
    ) -> Self {
        let target = target(study, arms, runs);
        let mut records: Vec<Record> = runs.iter().map(|run| run.record.clone()).collect();
        if let Some(target) = &target {
            records.iter_mut().for_each(|record| record.set_reference(target.reference.mean));
        }
        let runs: Vec<Assigned> = runs.iter().zip(&records).map(|(run, record)| Assigned { record, ..*run }).collect();
        let first = runs.first().map(|run| run.record);
        let has_test = runs.iter().any(|run| run.record.measures.metric.test.is_some());
        let compared_by = if has_test { "test" } else { "validation" };
        let (groups, repeated) = groups(study, arms, &runs, asked);
        left_out.extend(repeated);
        let tables = tables(study, &groups, target.as_ref(), compared_by, asked);
        Self {
            metric: first.map_or_else(String::new, |record| record.measures.metric.name.clone()),
            compared_by,
            at_chance: at_chance(&groups, &runs),
            side_by_side: groups.iter().any(|group| group.side_by_side),
            several_devices: Basis::all(runs.iter().map(|run| Basis::of(run.record).device_alone())).len() > 1,
            sensitivity: asked.then(|| Sensitivity::new(study.seeds.len(), &tables, compared_by)),
            tuning: None,
            curves: curves(&tables, &groups, &runs),
            fronts: fronts(&groups, compared_by, first.map_or("", |record| &record.measures.metric.name)),
            structures: structures(&groups, &runs),
            origin: Origin::of(&runs),
            title,
            target,
            groups,
            tables,
        }
    }

    /// Whether the times of the group at `place` must not be compared with others.
    pub(crate) fn is_marked(&self, place: usize) -> bool {
        self.several_devices || self.groups[place].side_by_side
    }
}

fn at_chance(groups: &[Group], runs: &[Assigned]) -> Vec<String> {
    let is_at_chance = |name: &str| {
        runs.iter().find(|run| run.name == name).is_some_and(|run| run.record.measures.metric.is_at_chance())
    };
    let at_chance = |group: &&Group| !group.runs.is_empty() && group.runs.iter().all(|run| is_at_chance(&run.name));
    groups.iter().filter(at_chance).map(|group| group.name(true)).collect()
}

fn comparable(entry: &Entry) -> Result<&Record, LeftOut> {
    if let Some(failure) = &entry.failure {
        return Err(LeftOut::new(&entry.name, Reason::Failed, failure));
    }
    let Some(record) = &entry.record else {
        return Err(LeftOut::new(&entry.name, Reason::Unfinished, "it has no record yet"));
    };
    if record.changes.is_empty() {
        return Ok(record);
    }
    let changes = record.changes.iter().map(|of| format!("{} = {} at step {}", of.knob, of.value, of.step));
    let reason = format!("knobs were changed while it went on: {}", changes.collect::<Vec<_>>().join(", "));
    Err(LeftOut::new(&entry.name, Reason::Changed, &reason))
}

impl Section {
    /// How small a difference the study can see; `None` of runs that belong to no study.
    #[must_use]
    pub fn sensitivity_words(&self) -> Option<String> {
        let measure = format!("{} {}", self.compared_by, self.metric);
        self.sensitivity.as_ref().map(|of| of.words(measure.trim()))
    }
}

impl Report {
    /// [`Section::sensitivity_words`] of the section with the most runs.
    #[must_use]
    pub fn sensitivity_words(&self) -> Option<String> {
        self.sections.first().and_then(Section::sensitivity_words)
    }
}
