//! The four ablation tables, filled from finished runs.
//!
//! An arm may only be compared with others that differ in nothing else. Runs are therefore put into settings (all knobs
//! but the four arms' and the seed, and the device), and the table of an axis takes those runs of one setting whose other
//! three arms are the default's.

use std::sync::Arc;

use apt_lab::{Axis, KNOBS, Knobs, PRESETS, Preset, Record};

use crate::runs::{changed, hardware};
use crate::series::mean;

/// The axes in the order of the presets that are their arms, each with the knob whose values the arms are.
#[must_use]
pub fn axes() -> Vec<(Axis, &'static str)> {
    let mut axes = Vec::new();
    for preset in PRESETS {
        if let (Some(axis), Some((knob, _))) = (preset.axis, preset.overrides.first())
            && !axes.contains(&(axis, *knob))
        {
            axes.push((axis, *knob));
        }
    }
    axes
}

/// What two runs must share to stand in one table, in any of their arms.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The knobs, arms and seed at their defaults.
    pub knobs: Knobs,
    /// The device, in words.
    pub device: String,
    /// How many runs it has.
    pub runs: usize,
}

impl Setting {
    /// What it sets otherwise than the defaults, and on what.
    #[must_use]
    pub fn describe(&self) -> String {
        let own = changed(&Knobs::default(), &self.knobs);
        let own = if own.is_empty() { "defaults".to_owned() } else { own.join(", ") };
        format!("{own} · {}", self.device)
    }
}

/// One line of a table: an arm with the means over its runs. A measure that no run has is `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// The preset that runs it.
    pub preset: &'static Preset,
    /// Its name on its axis.
    pub name: &'static str,
    /// Names of its runs.
    pub runs: Vec<String>,
    /// Metric on validation data.
    pub validation: Option<f64>,
    /// Metric on test data.
    pub test: Option<f64>,
    /// Seconds of training.
    pub seconds: Option<f64>,
    /// Seconds until the target was reached.
    pub seconds_to_target: Option<f64>,
    /// Peak of memory, on the device where that was measured, else of the process.
    pub peak_bytes: Option<f64>,
    /// Share of the parameters kept.
    pub kept: Option<f64>,
    /// Milliseconds of inference, batch 32.
    pub milliseconds: Option<f64>,
}

/// The settings of these runs, that with the most runs first. Runs whose knobs were turned on the way are of no setting.
#[must_use]
pub fn settings(records: &[(String, Arc<Record>)]) -> Vec<Setting> {
    let mut found: Vec<Setting> = Vec::new();
    for (_, record) in records.iter().filter(|(_, record)| counts(record)) {
        let (knobs, device) = (without_arms(&record.config), device(record));
        match found.iter_mut().find(|setting| setting.knobs == knobs && setting.device == device) {
            Some(setting) => setting.runs += 1,
            None => found.push(Setting { knobs, device, runs: 1 }),
        }
    }
    found.sort_by_key(|setting| std::cmp::Reverse(setting.runs));
    found
}

/// The table of one axis within a setting; arms without runs are there too.
#[must_use]
pub fn table(axis: Axis, setting: &Setting, records: &[(String, Arc<Record>)]) -> Vec<Arm> {
    let target = reference(setting, records);
    let arms = PRESETS.iter().filter(|preset| preset.axis == Some(axis));
    arms.map(|preset| {
        let mut wanted = setting.knobs.clone();
        for (name, text) in preset.overrides {
            // A preset's values are in range; a test in apt-lab sees to it.
            let _ = wanted.set(name, text);
        }
        let of_arm = records.iter().filter(|(_, record)| {
            let mut knobs = record.config.clone();
            forget(&mut knobs, NOT_COMPARED);
            counts(record) && knobs == wanted && device(record) == setting.device
        });
        let of_arm: Vec<_> = of_arm.map(|(name, record)| (name.clone(), aimed(record, target))).collect();
        arm(preset, &of_arm)
    })
    .collect()
}

/// Knobs that may differ between runs that are compared.
const NOT_COMPARED: &[&str] = &["seed", "device", "checkpoint_every", "reference_metric"];

fn arm(preset: &'static Preset, runs: &[(String, Record)]) -> Arm {
    let over = |measure: fn(&Record) -> Option<f64>| mean(runs.iter().filter_map(|(_, record)| measure(record)));
    let whole = |number: Option<u64>| number.map(|number| number as f64);
    Arm {
        preset,
        name: preset.overrides.first().map_or(preset.name, |(_, arm)| *arm),
        runs: runs.iter().map(|(name, _)| name.clone()).collect(),
        validation: over(|run| run.measures.metric.validation),
        test: over(|run| run.measures.metric.test),
        seconds: over(|run| run.measures.train.seconds),
        seconds_to_target: over(|run| run.measures.train.seconds_to_target),
        peak_bytes: mean(runs.iter().filter_map(|(_, run)| {
            whole(run.measures.train.peak_device_bytes.or(run.measures.train.peak_process_bytes))
        })),
        kept: over(Record::density),
        milliseconds: over(|run| {
            let batch = &run.measures.inference.batch_32;
            batch.compact_ms.or(batch.dense_ms)
        }),
    }
}

/// The mean validation metric of dense LoRA in this setting: what time to target is measured against.
fn reference(setting: &Setting, records: &[(String, Arc<Record>)]) -> Option<f64> {
    let mut dense = setting.knobs.clone();
    let lora = PRESETS.iter().find(|preset| preset.name == "lora")?;
    for (name, text) in lora.overrides {
        let _ = dense.set(name, text);
    }
    let same = |record: &Record| {
        let mut knobs = record.config.clone();
        forget(&mut knobs, NOT_COMPARED);
        counts(record) && knobs == dense && device(record) == setting.device
    };
    mean(records.iter().filter(|(_, record)| same(record)).filter_map(|(_, record)| record.measures.metric.validation))
}

/// The record with its time to target taken from `reference` if it has none of its own.
fn aimed(record: &Record, reference: Option<f64>) -> Record {
    let mut record = record.clone();
    if let (None, Some(reference)) = (record.measures.train.target, reference) {
        record.set_reference(reference);
    }
    record
}

fn counts(record: &Record) -> bool {
    record.turns.is_empty()
}

fn device(record: &Record) -> String {
    hardware(&record.provenance.device, &record.provenance.backend)
}

fn without_arms(knobs: &Knobs) -> Knobs {
    let mut knobs = knobs.clone();
    forget(&mut knobs, NOT_COMPARED);
    forget(&mut knobs, &axes().into_iter().map(|(_, knob)| knob).collect::<Vec<_>>());
    knobs
}

fn forget(knobs: &mut Knobs, names: &[&str]) {
    let defaults = Knobs::default();
    for knob in KNOBS.iter().filter(|knob| names.contains(&knob.name)) {
        // The default is in range.
        let _ = knob.set_json(knobs, &knob.get(&defaults));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use apt_lab::{RecordBuilder, preset};

    fn record(of: &str, seed: u64, metric: f64, device: &str) -> (String, Arc<Record>) {
        let mut knobs = preset(of).expect("a preset");
        knobs.seed = seed;
        let events = crate::history::tests::run(knobs, 4, true);
        let mut record = RecordBuilder::from_events(&events).expect("a whole run");
        record.measures.metric.validation = Some(metric);
        record.provenance.device = device.to_owned();
        (format!("{of}-{seed}"), Arc::new(record))
    }

    #[test]
    fn there_are_four_axes_and_each_has_one_knob() {
        let knobs: Vec<_> = axes().into_iter().map(|(_, knob)| knob).collect();
        assert_eq!(knobs, ["salience", "rank_growth", "distillation", "schedule"]);
    }

    #[test]
    fn an_arm_is_the_mean_over_its_seeds_and_knows_how_many() {
        let records = [
            record("apt", 1, 0.9, "CPU"),
            record("salience-random", 1, 0.6, "CPU"),
            record("salience-random", 2, 0.8, "CPU"),
            record("tuning-static", 1, 0.7, "CPU"),
            record("salience-random", 3, 0.1, "another GPU"),
        ];
        let settings = settings(&records);
        assert_eq!(settings.iter().map(|setting| setting.runs).collect::<Vec<_>>(), [4, 1]);
        let table = table(Axis::Salience, &settings[0], &records);
        let line = |name: &str| table.iter().find(|arm| arm.name == name).expect("every arm has a line");
        assert_eq!((line("random").runs.len(), line("random").validation), (2, Some(0.7)));
        assert_eq!((line("outlier_aware").runs.len(), line("wanda").runs.len()), (1, 0));
        assert_eq!(line("wanda").validation, None, "no run, no number");
        let tuning = super::table(Axis::Tuning, &settings[0], &records);
        assert_eq!(tuning.iter().map(|arm| arm.runs.len()).collect::<Vec<_>>(), [1, 0, 1]);
    }

    #[test]
    fn time_to_target_is_taken_from_the_dense_reference_of_the_same_setting() {
        let apt = record("apt", 1, 0.7, "CPU");
        let dense = {
            let mut knobs = preset("lora").expect("a preset");
            knobs.seed = 5;
            let events = crate::history::tests::run(knobs, 4, true);
            let mut record = RecordBuilder::from_events(&events).expect("a whole run");
            record.measures.metric.validation = Some(0.76);
            record.provenance.device = "CPU".to_owned();
            ("dense".to_owned(), Arc::new(record))
        };
        let alone = [apt.clone()];
        let of = |records: &[(String, Arc<Record>)]| {
            let setting = settings(records).into_iter().find(|setting| setting.knobs.density < 1.0).expect("a setting");
            table(Axis::Schedule, &setting, records)[0].seconds_to_target
        };
        // The run evaluates to 0.75 after 2 seconds, which is more than 97 % of 0.76.
        assert_eq!((of(&alone), of(&[apt, dense])), (None, Some(2.0)));
    }

    #[test]
    fn a_run_turned_on_the_way_is_of_no_setting() {
        let (name, run) = record("apt", 1, 0.7, "CPU");
        let mut run = Arc::unwrap_or_clone(run);
        run.turns.push(apt_lab::Turn { step: 2, knob: "beta".to_owned(), value: "0".to_owned() });
        assert!(settings(&[(name, Arc::new(run))]).is_empty());
    }
}
