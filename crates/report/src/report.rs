//! The computed report: everything that HTML, Markdown, CSV and JSON show, each number with its N.

use std::sync::Arc;

use apt_experiment::{Record, Study};
use serde::Serialize;

use crate::curves::{Curves, curves};
use crate::fronts::{Front, fronts};
use crate::groups::{Group, groups};
use crate::infer::infer;
use crate::origin::{Origin, Place};
use crate::structure::{Structure, structures};
use crate::tables::{Table, tables};
use crate::target::{Target, aim};

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
    /// What was asked; may be empty.
    pub question: String,
    /// Runs that were given.
    pub given: usize,
    /// Runs that are compared.
    pub compared: usize,
    /// Runs that can be compared with each other, apart from others.
    pub sections: Vec<Section>,
    /// Runs that are not compared, and why.
    pub left_out: Vec<LeftOut>,
}

/// Runs of one setting from one model and data on one device.
#[derive(Clone, Debug, Serialize)]
pub struct Section {
    /// What tells it from the other sections.
    pub title: String,
    /// The task's metric: `accuracy`, `f1`, `matthews`.
    pub metric: String,
    /// The measure that arms are compared and drawn by.
    pub compared_by: &'static str,
    /// What time to target is measured against.
    pub target: Option<Target>,
    /// Whether runs of it were made side by side, so that times are not comparable.
    pub side_by_side: bool,
    /// Whether runs of it were made on several devices, which makes their times not comparable either.
    pub several_devices: bool,
    /// Runs that differ in nothing but the seed.
    pub groups: Vec<Group>,
    /// Arms beside each other.
    pub tables: Vec<Table>,
    /// How the metric grew.
    pub curves: Vec<Curves>,
    /// What the metric costs.
    pub fronts: Vec<Front>,
    /// What was left of the layers.
    pub structures: Vec<Structure>,
    /// Where the numbers come from.
    pub origin: Origin,
}

/// A run that is not compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LeftOut {
    /// Its name.
    pub name: String,
    /// The kind of reason.
    pub kind: Reason,
    /// The reason in words.
    pub reason: String,
}

/// Why a run is not compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It failed.
    Failed,
    /// It is not complete.
    Unfinished,
    /// Knobs were turned while it went on.
    Turned,
    /// Its seed is there already.
    Repeated,
    /// It is no arm of the study.
    NoArm,
}

impl Report {
    /// Compares the runs of `entries` as the arms of `study`, wherever they were made: one study may be shared out over
    /// many machines. Without a study, runs of one device are compared that share all settings but the four ablation
    /// arms, density and seed.
    #[must_use]
    pub fn new(entries: &[Entry], study: Option<&Study>) -> Self {
        let mut left_out = Vec::new();
        let mut runs: Vec<(&str, &Record)> = Vec::new();
        for entry in entries {
            match comparable(entry) {
                Ok(record) => runs.push((&entry.name, record)),
                Err(reason) => left_out.push(reason),
            }
        }
        let inferred = study.is_none().then(|| infer(&runs));
        let studies: Vec<&Study> = study.into_iter().chain(inferred.iter().flatten()).collect();
        let mut sections = Vec::new();
        let mut homeless = runs.clone();
        let several = studies.len() > 1 || study.is_none();
        for of in studies {
            let arms: Vec<_> = of.arms().flat_map(|arm| of.at_densities(arm)).collect();
            let fits =
                |record: &Record| arms.iter().any(|knobs| apt_experiment::same_experiment(knobs, &record.config));
            let own: Vec<_> = runs.iter().filter(|(_, record)| fits(record)).copied().collect();
            homeless.retain(|(_, record)| own.iter().all(|(_, of)| !std::ptr::eq(*of, *record)));
            let place_of = |record: &Record| {
                let place = Place::of(record);
                if study.is_some() { place.anywhere() } else { place }
            };
            let mut places = Place::all(own.iter().map(|(_, record)| place_of(record)));
            if places.is_empty() && study.is_some() {
                places.push(Place::default());
            }
            for place in &places {
                let own: Vec<_> = own.iter().filter(|(_, record)| place_of(record) == *place).copied().collect();
                let title = [several.then(|| of.summary.clone()), place.title(&places)];
                let title = title.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ");
                sections.push(Section::new(title, of, &own, study.is_some(), &mut left_out));
            }
        }
        let why = "its settings are those of no arm of the study";
        left_out.extend(homeless.iter().map(|(name, _)| LeftOut::new(name, Reason::NoArm, why)));
        let compared = sections.iter().flat_map(|section| &section.groups).map(|group| group.runs.len()).sum();
        Self {
            schema: REPORT_SCHEMA,
            title: study.map_or_else(|| "Comparison of runs".to_owned(), |study| format!("Study {}", study.name)),
            question: study.map_or_else(String::new, |study| study.summary.clone()),
            given: entries.len(),
            compared,
            sections,
            left_out,
        }
    }
}

impl Section {
    fn new(title: String, study: &Study, runs: &[(&str, &Record)], asked: bool, left_out: &mut Vec<LeftOut>) -> Self {
        let (target, records) = aim(study, runs);
        let runs: Vec<(&str, &Record)> = runs.iter().map(|(name, _)| *name).zip(&records).collect();
        let first = runs.first().map(|(_, record)| *record);
        let has_test = runs.iter().any(|(_, record)| record.measures.metric.test.is_some());
        let compared_by = if has_test { "test" } else { "validation" };
        let (groups, repeated) = groups(study, &runs, asked);
        left_out.extend(repeated);
        let tables = tables(study, &groups, target.as_ref(), compared_by, asked);
        Self {
            metric: first.map_or_else(String::new, |record| record.measures.metric.name.clone()),
            compared_by,
            side_by_side: groups.iter().any(|group| group.side_by_side),
            several_devices: Place::all(runs.iter().map(|(_, record)| Place::of(record))).len() > 1,
            curves: curves(&tables, &groups, &runs),
            fronts: fronts(&groups, compared_by),
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

impl LeftOut {
    pub(crate) fn new(name: &str, kind: Reason, reason: &str) -> Self {
        Self { name: name.to_owned(), kind, reason: reason.to_owned() }
    }
}

fn comparable(entry: &Entry) -> Result<&Record, LeftOut> {
    if let Some(failure) = &entry.failure {
        return Err(LeftOut::new(&entry.name, Reason::Failed, failure));
    }
    let Some(record) = &entry.record else {
        return Err(LeftOut::new(&entry.name, Reason::Unfinished, "it has no record yet"));
    };
    if record.turns.is_empty() {
        return Ok(record);
    }
    let turned = record.turns.iter().map(|turn| format!("{} = {} at step {}", turn.knob, turn.value, turn.step));
    let reason = format!("knobs were turned while it went on: {}", turned.collect::<Vec<_>>().join(", "));
    Err(LeftOut::new(&entry.name, Reason::Turned, &reason))
}
