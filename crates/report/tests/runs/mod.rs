//! Records of cells that were never run: as many seeds, arms and steps as a test needs, with known numbers.
#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::Arc;

use std::collections::BTreeMap;

use apt_experiment::{
    BatchTimes, Cell, Chance, Constant, CurvePoint, DenseKept, Evaluation, Inference, Knobs, Measures, MetricMeasure,
    ModelShape, Params, Provenance, PruningPoint, RECORD_SCHEMA, Record, Split, Study, StudyFile, TrainMeasure, preset,
};
use apt_report::Entry;

/// The study of a TOML text.
pub(crate) fn study(toml: &str) -> Study {
    let file = StudyFile::from_toml(toml, "test").expect("a study");
    Study::resolve(&file, "test").expect("a study that can be run")
}

/// A run of `steps` steps that ends with this metric.
pub(crate) fn record(knobs: Knobs, metric: f64, steps: usize) -> Record {
    let kept = |dense: u64| Some((dense as f64 * knobs.density) as u64);
    let times = |ms: f64| BatchTimes {
        dense_ms: Some(ms),
        compact_ms: Some(ms * knobs.density),
        dense_per_second: Some(1000.0 / ms),
        compact_per_second: Some(1000.0 / (ms * knobs.density)),
    };
    let half = Constant { metric: 0.5, examples: 1000 };
    let growth = |step: usize| metric * step as f64 / steps as f64;
    Record {
        schema: RECORD_SCHEMA.to_owned(),
        preset: Some("apt".to_owned()),
        provenance: Provenance {
            version: "0.1.0".to_owned(),
            device: "CPU, 2 threads".to_owned(),
            backend: "flex".to_owned(),
            seed: knobs.seed,
            data_hash: Some("d".repeat(64)),
            model_hash: Some("m".repeat(64)),
            ..Provenance::default()
        },
        shape: ModelShape { heads: vec![12; 12], neurons: vec![3072; 12], hidden: 768, head_size: 64, wiring: None },
        labels: Vec::new(),
        examples: Vec::new(),
        curve: (1..=steps)
            .map(|step| CurvePoint {
                step,
                density: knobs.density,
                peak_device_bytes: Some(2_000_000_000),
                seconds: 0.5 * step as f64,
                ..CurvePoint::default()
            })
            .collect(),
        evaluations: (1..=steps)
            .map(|step| Evaluation {
                step,
                split: Split::Validation,
                metric: growth(step),
                metrics: BTreeMap::new(),
                examples: Vec::new(),
                seconds: 0.5 * step as f64,
            })
            .collect(),
        layout: None,
        pruning_points: if knobs.prunes() { vec![pruned(&knobs, steps)] } else { Vec::new() },
        growths: Vec::new(),
        teachers: Vec::new(),
        changes: Vec::new(),
        warnings: Vec::new(),
        measures: Measures {
            metric: MetricMeasure {
                name: "accuracy".to_owned(),
                validation: Some(metric),
                test: Some(metric - 0.01),
                step: Some(steps),
                others: Vec::new(),
                chance: Chance { validation: Some(half), test: Some(half) },
            },
            params: Params { dense: Some(85_000_000), kept: kept(85_000_000), with_embeddings: DenseKept::default() },
            macs: DenseKept { dense: Some(11_000_000_000), kept: kept(11_000_000_000) },
            file_bytes: DenseKept { dense: Some(500_000_000), kept: kept(500_000_000) },
            train: TrainMeasure {
                seconds: Some(0.5 * steps as f64),
                steps: Some(steps),
                peak_device_bytes: Some(2_000_000_000),
                mean_density: Some(knobs.density),
                ..TrainMeasure::default()
            },
            inference: Inference { batch_1: times(2.0), batch_32: times(40.0) },
        },
        config: knobs,
    }
}

fn pruned(knobs: &Knobs, step: usize) -> PruningPoint {
    let sites = ["query", "key", "value", "output", "up", "down"];
    let ranks = (0..12).flat_map(|layer| sites.map(|site| (format!("layers.{layer}.{site}"), 8 + layer)));
    PruningPoint {
        step,
        target_density: knobs.density,
        density: knobs.density,
        heads: vec![5; 12],
        kept_heads: vec![vec![0, 2, 4, 6, 11]; 12],
        neurons: vec![1024; 12],
        hidden: 512,
        kept_hidden: (0..768).filter(|dim| dim % 3 != 1).collect(),
        kept_neurons: Vec::new(),
        salience: None,
        outliers: None,
        exceptions: None,
        kind_weights: None,
        ranks: ranks.collect(),
        removed: true,
        seconds: 1.0,
    }
}

/// The run of a preset.
pub(crate) fn of(name: &str, seed: u64, metric: f64) -> Entry {
    let knobs = Knobs { seed, ..preset(name).expect("a preset") };
    entry(&format!("{name}-{seed}"), record(knobs, metric, 10))
}

pub(crate) fn entry(name: &str, record: Record) -> Entry {
    Entry { name: name.to_owned(), record: Some(record.into()), failure: None }
}

/// The record of an entry, to be changed.
pub(crate) fn record_of(entry: &mut Entry) -> &mut Record {
    Arc::make_mut(entry.record.as_mut().expect("a record"))
}

/// Every cell of a study, with a metric for each.
pub(crate) fn cells(study: &Study, steps: usize, metric: impl Fn(&Cell) -> f64) -> Vec<Entry> {
    study.cells().iter().map(|cell| entry(&cell.name(), record(cell.knobs.clone(), metric(cell), steps))).collect()
}

/// A metric that differs by arm, seed and density.
pub(crate) fn some_metric(cell: &Cell) -> f64 {
    let letters: u64 = cell.arm.bytes().map(u64::from).sum();
    0.8 + 0.001 * (letters % 17) as f64 + 0.003 * (cell.knobs.seed * 7 % 5) as f64 + 0.05 * cell.knobs.density
}
