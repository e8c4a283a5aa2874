//! Runs that differ in nothing but the seed.

use std::collections::BTreeMap;

use apt_experiment::{ArmId, Knobs, Record, Study};
use serde::Serialize;

use crate::assignment::{Arms, Assigned};
use crate::command::command;
use crate::left_out::{LeftOut, Reason};
use crate::metric::METRICS;

use crate::statistics::{Summary, summarise};

/// An arm at a density, with its runs.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// The arm as its study names it.
    #[serde(skip)]
    pub(crate) id: ArmId,
    /// The arm's name; for an arm of several axes, the first.
    pub arm: String,
    /// The preset it starts from.
    pub preset: String,
    /// Density asked for; none where nothing is pruned.
    pub density: Option<f64>,
    /// Its settings; the seed is that of its first run.
    pub knobs: Knobs,
    /// Seeds that the study asks for; empty where there is no study.
    pub seeds_asked: Vec<u64>,
    /// Its finished runs, by seed.
    pub runs: Vec<Run>,
    /// Whether one of them was made beside others.
    pub side_by_side: bool,
    /// Its measures over the runs that have them, by key.
    pub summaries: BTreeMap<&'static str, Summary>,
    /// The command that makes its runs again.
    pub command: String,
}

/// One finished run.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// Its name.
    pub name: String,
    /// Its seed.
    pub seed: u64,
    /// When it began.
    pub started_at: Option<String>,
    /// How many runs were made at once on its machine.
    pub jobs: Option<usize>,
    /// Steps of training.
    pub steps: Option<usize>,
    /// Its measures by key; what was not measured is not there.
    pub values: BTreeMap<&'static str, f64>,
}

impl Group {
    /// What tables without an axis call it: the arm, and its density where arms have several; a study may have named the
    /// arm so already.
    #[must_use]
    pub fn name(&self, with_density: bool) -> String {
        let density = self.density.filter(|_| with_density).map(|density| format!(" at {density}"));
        match density.filter(|density| !self.arm.ends_with(density)) {
            Some(density) => format!("{}{density}", self.arm),
            None => self.arm.clone(),
        }
    }

    /// A measure by seed.
    #[must_use]
    pub fn by_seed(&self, key: &str) -> Vec<(u64, f64)> {
        self.runs.iter().filter_map(|run| Some((run.seed, *run.values.get(key)?))).collect()
    }

    /// `3`, or `3 of 5` where the study asks for more.
    #[must_use]
    pub fn count(&self) -> String {
        match self.seeds_asked.len() {
            asked if asked > self.runs.len() => format!("{} of {asked}", self.runs.len()),
            _ => self.runs.len().to_string(),
        }
    }
}

/// The groups of a study's arms, those without runs too, and the runs whose seed was there already.
pub(crate) fn groups(study: &Study, arms: &Arms, runs: &[Assigned], asked: bool) -> (Vec<Group>, Vec<LeftOut>) {
    let mut groups: Vec<Group> = Vec::new();
    let mut repeated = Vec::new();
    for arm in study.arms() {
        for knobs in study.at_densities(arm) {
            let id = ArmId::of(&knobs);
            if groups.iter().any(|group| group.id == id) {
                continue;
            }
            let mut own = arms.runs_of(&id, runs);
            own.sort_by_key(|run| run.record.config.seed);
            let mut kept: Vec<Assigned> = Vec::new();
            for run in own {
                let seed = run.record.config.seed;
                match kept.iter().find(|of| of.record.config.seed == seed) {
                    None => kept.push(run),
                    Some(Assigned { name: first, .. }) => {
                        let why = format!("seed {seed} of this arm is there already: {first}");
                        repeated.push(LeftOut::new(run.name, Reason::Repeated, &why));
                    }
                }
            }
            let seeds = if asked { study.seeds.clone() } else { Vec::new() };
            groups.push(Group::new(id, &arm.name, arm.preset, knobs, seeds, &kept));
        }
    }
    (groups, repeated)
}

impl Group {
    fn new(id: ArmId, arm: &str, preset: &str, knobs: Knobs, seeds_asked: Vec<u64>, runs: &[Assigned]) -> Self {
        // What the first run was really given: paths and device may be others than in the study.
        let knobs = runs.first().map_or(knobs, |run| run.record.config.clone());
        let runs: Vec<Run> = runs.iter().map(|run| Run::new(run.name, run.record)).collect();
        let summary = |key| summarise(&runs.iter().filter_map(|run| run.values.get(key).copied()).collect::<Vec<_>>());
        let summaries = METRICS.iter().filter_map(|metric| Some((metric.key, summary(metric.key)?))).collect();
        let seeds: Vec<u64> =
            if runs.is_empty() { seeds_asked.clone() } else { runs.iter().map(|run| run.seed).collect() };
        Self {
            id,
            arm: arm.to_owned(),
            preset: preset.to_owned(),
            density: knobs.prunes().then_some(knobs.density),
            command: command(preset, &knobs, &seeds),
            side_by_side: runs.iter().any(|run| run.jobs.is_some_and(|jobs| jobs > 1)),
            seeds_asked,
            summaries,
            knobs,
            runs,
        }
    }
}

impl Run {
    fn new(name: &str, record: &Record) -> Self {
        let value = |read: fn(&Record) -> Option<f64>| read(record).filter(|value| value.is_finite());
        Self {
            name: name.to_owned(),
            seed: record.config.seed,
            started_at: record.provenance.started_at.clone(),
            jobs: record.provenance.jobs,
            steps: record.measures.train.steps,
            values: METRICS.iter().filter_map(|metric| Some((metric.key, value(metric.read)?))).collect(),
        }
    }
}
