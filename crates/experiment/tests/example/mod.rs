//! A whole small run as events: four steps, two pruning points, two layers.
#![allow(dead_code, reason = "each test file uses its part of the example")]

use std::collections::BTreeMap;

use apt_core::search::KindWeights;
use apt_experiment::{
    AdapterInfo, BatchTimes, Chance, Constant, CurvePoint, DenseKept, Evaluation, Event, ExampleAnswers, Growth,
    Inference, Knobs, Layout, LossChange, Measures, MetricMeasure, ModelShape, OpenedBy, Parameters, Params, Phase,
    PlannedPoint, Provenance, PruningPoint, Record, RecordBuilder, Split, TeacherUpdate, TrainMeasure, UnitExceptions,
    UnitOutliers, UnitSalience, UnitScores, UnitSet, WatchedExample,
};

pub(crate) fn point(step: usize) -> CurvePoint {
    CurvePoint {
        step,
        epoch: step as f64 / 2.0,
        loss: 1.0 / step as f64,
        task_loss: 1.0 / step as f64,
        learning_rate: 1e-3,
        density: 1.2 - 0.2 * step as f64,
        grad_norm: Some(0.5),
        seconds: step as f64,
        ..CurvePoint::default()
    }
}

pub(crate) fn pruned(step: usize) -> PruningPoint {
    PruningPoint {
        step,
        target_density: 0.4,
        density: 0.399,
        heads: vec![2, 0],
        kept_heads: vec![vec![0, 3], vec![]],
        neurons: vec![8, 0],
        hidden: 6,
        kept_neurons: vec![UnitSet::from(vec![0, 1, 2, 3, 9, 10, 11, 15]), UnitSet::default()],
        salience: Some(UnitSalience {
            heads: UnitScores::new(&[vec![2.0, 0.5, 0.25, 4.0], vec![1.0; 4]]),
            neurons: UnitScores::new(&[(0..32).map(f64::from).collect(), vec![1.0; 32]]),
            hidden: UnitScores::new(&[vec![1.0, 2.0, 3.0, 0.0, 0.0, 6.0, 7.0, 8.0]]),
        }),
        // At the first point alone.
        outliers: (step == 2).then(|| UnitOutliers {
            roots: UnitSalience {
                heads: UnitScores::new(&[vec![0.5, 0.0, 0.25, 1.0], vec![1.0; 4]]),
                neurons: UnitScores::new(&[(0..32).map(f64::from).collect(), vec![1.0; 32]]),
                hidden: UnitScores::new(&[vec![0.0; 8]]),
            },
            factors: KindWeights { heads: 0.25, neurons: 1e-3, hidden: 0.0 },
        }),
        exceptions: Some(UnitExceptions {
            by_floor: vec![UnitSet::from(vec![0]), UnitSet::default()],
            ..UnitExceptions::default()
        }),
        kind_weights: Some(KindWeights { heads: 2.0, ..KindWeights::default() }),
        kept_hidden: vec![0, 1, 2, 5, 6, 7],
        ranks: BTreeMap::from([
            ("layers.0.query".to_owned(), 16),
            ("layers.1.up".to_owned(), 8),
            ("head".to_owned(), 4),
        ]),
        removed: true,
        seconds: step as f64,
    }
}

pub(crate) fn layout() -> Layout {
    let point = |step, window_start| PlannedPoint { step, density: 0.4, window_start, mask_step: 1.0 };
    Layout {
        step: 1,
        opened_by: OpenedBy::LossMoved,
        loss: Some(LossChange { start: 1.0, now: 0.75 }),
        collect: 1..4,
        points: vec![point(2, 1), point(4, 2)],
        distill: Some(2..3),
    }
}

pub(crate) fn shape() -> ModelShape {
    ModelShape { heads: vec![4, 4], neurons: vec![32, 32], hidden: 8, head_size: 2, wiring: None }
}

pub(crate) fn measures() -> Measures {
    Measures {
        metric: MetricMeasure {
            chance: Chance { validation: Some(Constant { metric: 0.5, examples: 200 }), test: None },
            name: "accuracy".to_owned(),
            validation: Some(0.91),
            test: Some(0.9),
            step: Some(4),
            others: vec![],
        },
        params: Params {
            dense: Some(1000),
            kept: Some(400),
            with_embeddings: DenseKept { dense: Some(3000), kept: Some(2400) },
        },
        macs: DenseKept { dense: Some(2_000_000), kept: Some(800_000) },
        file_bytes: DenseKept { dense: Some(12_000), kept: Some(9_600) },
        train: TrainMeasure {
            seconds: Some(4.0),
            warmup_seconds: Some(0.5),
            peak_process_bytes: Some(123_456_789),
            ..TrainMeasure::default()
        },
        inference: Inference {
            batch_1: BatchTimes { dense_ms: Some(2.0), compact_ms: Some(1.0), ..BatchTimes::default() },
            batch_32: BatchTimes { dense_ms: Some(40.0), compact_ms: Some(16.0), ..BatchTimes::default() },
        },
    }
}

pub(crate) fn events() -> Vec<Event> {
    let started = Event::Started {
        preset: Some("apt".to_owned()),
        config: Box::new(Knobs::default()),
        provenance: Box::new(Provenance { device: "CPU".to_owned(), seed: 1, ..Provenance::default() }),
        shape: Box::new(shape()),
        parameters: Parameters { dense: 1000, with_embeddings: 3000, adapters: 64, trainable: 80 },
        adapters: vec![AdapterInfo { name: "layers.0.query".to_owned(), inputs: 8, outputs: 8, rank: 8 }],
        steps: 4,
        labels: vec!["negative".to_owned(), "positive".to_owned()],
        examples: vec![
            WatchedExample { index: 0, label: 1, text: Some("a lovely room".to_owned()) },
            WatchedExample { index: 3, label: 0, text: None },
        ],
    };
    let evaluation = |step, metric| {
        Event::Evaluation(Evaluation {
            step,
            split: Split::Validation,
            metric,
            metrics: BTreeMap::from([("loss".to_owned(), 0.3)]),
            examples: vec![
                ExampleAnswers { student: vec![0.25, 0.75], teacher: Some(vec![0.125, 0.875]) },
                ExampleAnswers { student: vec![0.5, 0.5], teacher: None },
            ],
            seconds: step as f64,
        })
    };
    vec![
        started,
        Event::Phase { name: Phase::Pruning, step: 0, seconds: 0.0 },
        Event::Step(point(1)),
        Event::Step(point(2)),
        Event::Layout(Box::new(layout())),
        Event::Pruned(Box::new(pruned(2))),
        Event::Grown(Growth { step: 2, budget: 128, parameters: 120, ..Growth::default() }),
        Event::Teacher(TeacherUpdate { step: 2, metric: 0.8 }),
        Event::Phase { name: Phase::Tuning, step: 2, seconds: 2.0 },
        Event::Step(point(3)),
        evaluation(3, 0.88),
        Event::Step(point(4)),
        Event::Pruned(Box::new(pruned(4))),
        evaluation(4, 0.91),
        Event::Warning { message: "slow disk".to_owned() },
        Event::Checkpoint { step: 4, path: "checkpoints/4".to_owned() },
        Event::Measured(Box::new(measures())),
        Event::Done { record: "record.json".to_owned() },
    ]
}

pub(crate) fn record() -> Record {
    RecordBuilder::from_events(&events()).expect("the example is a whole run")
}
