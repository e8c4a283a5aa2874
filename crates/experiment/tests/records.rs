//! Events become records, records survive the disk, and damaged ones are refused with a reason.

mod example;

use apt_core::arms::Padding;
use apt_experiment::{
    Chance, Constant, CurvePoint, Evaluation, Event, Explain, KnobChange, Knobs, LayerSalience, Layout, Measures,
    MetricMeasure, NamedMetric, PlannedPoint, Problem, PruningPoint, Record, RecordBuilder, RecordError, Split,
    StepSeconds, UnitOutliers, UnitSalience, UnitScores, without_times,
};
use example::{events, point, pruned, record};
use serde_json::Value;
use std::collections::BTreeMap;

#[test]
fn every_event_round_trips_through_one_line() {
    for event in events() {
        let line = event.to_line().expect("finite");
        assert!(!line.contains('\n'), "{line}");
        assert_eq!(Event::from_line(&line).expect("our own line"), event);
    }
    let done = Event::Done { record: "runs/x/record.json".to_owned() };
    assert_eq!(done.to_line().expect("finite"), r#"{"event":"done","record":"runs/x/record.json"}"#);
}

#[test]
fn a_nan_is_an_error_that_names_its_field_and_never_null() {
    let mut step = point(3);
    step.loss = f64::NAN;
    let mut no_distill = point(3);
    no_distill.distill_loss = Some(f64::INFINITY);
    let mut measures = Measures::default();
    measures.inference.batch_1.dense_ms = Some(f64::NAN);
    let layers = vec![LayerSalience { heads: vec![1.0, f64::NAN], neurons: vec![] }];
    let cases = [
        (Event::Step(step), "loss"),
        (Event::Step(no_distill), "distill_loss"),
        (Event::Measured(Box::new(measures)), "inference.batch_1.dense_ms"),
        (Event::Salience { step: 1, layers, hidden: vec![] }, "layers"),
    ];
    for (event, field) in cases {
        let error = event.to_line().expect_err("not finite").to_string();
        assert!(error.contains(field) && error.contains("not a finite number"), "{error}");
    }
    let mut broken = record();
    broken.curve[1].density = f64::NAN;
    let error = broken.to_json("record.json").expect_err("not finite").to_string();
    assert!(error.contains("record.json: curve[1].density"), "{error}");
}

#[test]
fn a_null_where_a_number_must_be_is_refused_on_reading() {
    let line = Event::Step(point(1)).to_line().expect("finite").replace("\"loss\":1.0", "\"loss\":null");
    assert!(line.contains("\"loss\":null"), "{line}");
    assert!(Event::from_line(&line).is_err());
}

#[test]
fn two_runs_of_one_seed_differ_in_times_alone() {
    let strip = |event: &Event| without_times(&serde_json::to_value(event).expect("finite"));
    let mut later = point(1);
    later.seconds += 5.0;
    assert_eq!(strip(&Event::Step(point(1))), strip(&Event::Step(later.clone())));
    later.loss += 1e-12;
    assert_ne!(strip(&Event::Step(point(1))), strip(&Event::Step(later)));

    let mut slow = record();
    slow.measures.train.seconds = Some(99.0);
    slow.measures.train.seconds_to_target = Some(98.0);
    slow.measures.train.peak_process_bytes = Some(1);
    slow.measures.inference.batch_32.compact_ms = Some(7.0);
    slow.measures.train.phases.clear();
    let value = |record: &Record| without_times(&serde_json::to_value(record).expect("finite"));
    assert_eq!(value(&slow), value(&record()));
}

#[test]
fn the_record_is_rebuilt_from_events_alone() {
    let record = record();
    assert_eq!(record.curve.len(), 4);
    assert_eq!(record.pruning_points.len(), 2);
    let train = &record.measures.train;
    assert_eq!(train.steps, Some(4));
    let mean = train.mean_density.expect("there are steps");
    assert!((mean - 0.7).abs() < 1e-12, "mean density {mean} of 1, 0.8, 0.6, 0.4");
    assert_eq!(train.phases.get("pruning"), Some(&2.0));
    assert_eq!(train.phases.get("tuning"), Some(&2.0));
    assert_eq!(record.density(), Some(0.4));
}

#[test]
fn time_to_target_is_the_first_validation_that_reaches_it() {
    let mut record = record();
    record.evaluations = [
        (1, Split::Validation, 0.5),
        (2, Split::Test, 0.99),
        (3, Split::Validation, 0.88),
        (4, Split::Validation, 0.9),
    ]
    .map(|(step, split, metric)| Evaluation {
        step,
        split,
        metric,
        metrics: Default::default(),
        examples: Vec::new(),
        seconds: step as f64 * 10.0,
    })
    .to_vec();
    record.set_reference(0.9);
    assert_eq!(record.measures.train.steps_to_target, Some(3), "0.97 × 0.9 = 0.873");
    assert_eq!(record.measures.train.seconds_to_target, Some(30.0));
    record.set_reference(0.95);
    assert_eq!(record.measures.train.steps_to_target, None, "0.9215 was never reached");
    assert_eq!(record.measures.train.seconds_to_target, None);
    record.set_reference(-0.2);
    assert_eq!(record.measures.train.target, None, "a share of a negative metric says nothing");
    let chance = Constant { metric: 0.5, examples: 200 };
    record.measures.metric.chance.validation = Some(chance);
    record.set_reference(0.55);
    assert_eq!(record.measures.train.target, None, "the reference is at chance");
}

#[test]
fn a_resumed_run_counts_repeated_steps_once() {
    let mut stream = events();
    let done = stream.pop().expect("done");
    let measured = stream.pop().expect("measured");
    stream.push(Event::Resumed { step: 2 });
    stream.extend([Event::Step(point(3)), Event::Step(point(4)), measured, done]);
    let record = RecordBuilder::from_events(&stream).expect("complete");
    let steps: Vec<usize> = record.curve.iter().map(|point| point.step).collect();
    assert_eq!(steps, [1, 2, 3, 4]);
    assert_eq!(record.pruning_points.len(), 1, "the point after step 4 was not repeated");
}

#[test]
fn an_unfinished_stream_is_no_record() {
    let stream = events();
    let cut: Vec<Event> = stream.iter().filter(|event| !matches!(event, Event::Measured(_))).cloned().collect();
    assert!(matches!(RecordBuilder::from_events(&cut), Err(RecordError::Incomplete { missing: "measured" })));
    assert!(matches!(RecordBuilder::from_events(&stream[1..]), Err(RecordError::Incomplete { missing: "started" })));
}

#[test]
fn a_record_survives_the_disk_and_keeps_the_contract() {
    let record = record();
    let text = record.to_json("record.json").expect("finite");
    assert_eq!(Record::from_json(text.as_bytes(), "record.json").expect("our own file"), record);
    let value: Value = serde_json::from_str(&text).expect("JSON");
    let contract = [
        "/schema",
        "/config/density",
        "/provenance/commit",
        "/provenance/data_hash",
        "/provenance/threads",
        "/curve/0/loss",
        "/pruning_points/0/step",
        "/pruning_points/0/target_density",
        "/pruning_points/0/density",
        "/pruning_points/0/heads/0",
        "/pruning_points/0/kept_heads/0/0",
        "/pruning_points/0/neurons/0",
        "/pruning_points/0/kept_neurons/0",
        "/pruning_points/0/kept_hidden/0",
        "/pruning_points/0/salience/neurons/values/0",
        "/pruning_points/0/exceptions/by_floor/0",
        "/pruning_points/0/ranks",
        "/final/metric/name",
        "/final/metric/validation",
        "/final/metric/test",
        "/final/params/dense",
        "/final/params/kept",
        "/final/params/with_embeddings/dense",
        "/final/params/with_embeddings/kept",
        "/final/macs/dense",
        "/final/macs/kept",
        "/final/file_bytes/dense",
        "/final/file_bytes/kept",
        "/final/train/seconds",
        "/final/train/warmup_seconds",
        "/final/train/steps",
        "/final/train/steps_to_target",
        "/final/train/seconds_to_target",
        "/final/train/peak_device_bytes",
        "/final/train/peak_process_bytes",
        "/final/train/mean_density",
        "/final/train/phases",
        "/final/inference/batch_1/dense_ms",
        "/final/inference/batch_1/compact_ms",
        "/final/inference/batch_32/dense_ms",
        "/final/inference/batch_32/compact_ms",
    ];
    for path in contract {
        assert!(value.pointer(path).is_some(), "{path} is missing");
    }
    assert_eq!(value.pointer("/final/train/peak_device_bytes"), Some(&Value::Null), "not measured is null, not 0");
}

#[test]
fn damaged_records_say_what_is_wrong() {
    let text = record().to_json("r.json").expect("finite");
    let read = |text: &str| Record::from_json(text.as_bytes(), "r.json").expect_err("damaged");
    let swap = |from: &str, to: &str| {
        assert!(text.contains(from), "the example lacks {from}");
        read(&text.replacen(from, to, 1))
    };
    assert!(matches!(read(&text[..text.len() / 2]), RecordError::Truncated { .. }));
    assert!(matches!(read(""), RecordError::Truncated { .. }));
    assert!(matches!(read("not json"), RecordError::Syntax { .. }));
    assert!(matches!(read("[]"), RecordError::Schema { .. }));
    assert!(matches!(swap("record/1", "record/9"), RecordError::Schema { .. }));
    for number in ["NaN", "-Infinity", "Infinity", "1e999", "null"] {
        let error = swap("\"loss\": 1.0", &format!("\"loss\": {number}"));
        assert!(matches!(error, RecordError::NotFinite { .. }), "{number} gave {error}");
    }
    match swap("\"hidden\": 8", "\"hidden\": -8") {
        RecordError::Field { field, .. } => assert_eq!(field, "shape.hidden"),
        error => panic!("{error}"),
    }
    assert!(matches!(swap("\"density\": 0.4,", "\"density\": 7,"), RecordError::Config { .. }));
    assert!(matches!(swap("\"mask_step\"", "\"mask_stop\""), RecordError::Field { .. }));
    assert!(Record::from_json(b"\xff\xfe{}", "r.json").is_err());
    assert!(Record::from_json("[".repeat(100_000).as_bytes(), "r.json").is_err(), "deep nesting must not overflow");
}

#[test]
fn a_failed_event_holds_the_three_parts_of_its_problem_beside_each_other() {
    let event = Event::Failed { step: 3, problem: Problem::new("layers.0", "NaN; here", "lower the rate") };
    let line = event.to_line().expect("it can be written");
    assert_eq!(line, r#"{"event":"failed","step":3,"what":"NaN; here","where":"layers.0","remedy":"lower the rate"}"#);
    assert_eq!(Event::from_line(&line).expect("it reads back"), event);
}

#[test]
fn records_of_before_are_read() {
    // Class names, other metrics and vectors came later; changes of knobs are called what they always were.
    let mut value = serde_json::to_value(record()).expect("a record");
    value.as_object_mut().expect("an object").remove("labels");
    value["config"].as_object_mut().expect("an object").remove("padding").expect("the knob");
    value["provenance"].as_object_mut().expect("an object").remove("simd");
    value["final"]["metric"].as_object_mut().expect("an object").remove("others");
    value["turns"] = serde_json::json!([{"step": 3, "knob": "beta", "value": "0"}]);
    let read = Record::from_json(value.to_string().as_bytes(), "record.json").expect("a record of before");
    assert!(read.labels.is_empty() && read.measures.metric.others.is_empty() && read.provenance.simd.is_none());
    assert_eq!(read.config.padding, Padding::Counted, "there was no other way");
    assert_eq!(read.changes, [KnobChange { step: 3, knob: "beta".to_owned(), value: "0".to_owned() }]);
    let line = Event::KnobChanged(read.changes[0].clone()).to_line().expect("an event");
    assert_eq!(line, r#"{"event":"turned","step":3,"knob":"beta","value":"0"}"#);
}

#[test]
fn what_came_later_is_not_in_files_of_before_nor_asked_of_them() {
    let (mut value, whole) = (serde_json::to_value(record()).expect("a record"), record());
    value.as_object_mut().expect("an object").remove("examples").expect("examples are watched");
    for evaluation in value["evaluations"].as_array_mut().expect("evaluations") {
        evaluation.as_object_mut().expect("an object").remove("examples").expect("answers");
    }
    value["pruning_points"][0].as_object_mut().expect("an object").remove("outliers").expect("√kurtosis");
    let read = Record::from_json(value.to_string().as_bytes(), "record.json").expect("a record of before");
    assert!(read.examples.is_empty() && read.evaluations[0].examples.is_empty());
    assert_eq!((read.pruning_points[0].outliers.as_ref(), read.curve.len()), (None, whole.curve.len()));
    assert_eq!(serde_json::to_value(&read).expect("finite"), value, "what is not known is not written");
    // The salience of a unit is its activation × gradient plus factor × root.
    let first = &whole.pruning_points[0].outliers.as_ref().expect("the first point says it");
    assert_eq!((first.factors.heads, first.roots.heads.lists()[0][3]), (0.25, 1.0));
    assert!(whole.pruning_points[1].outliers.is_none());
}

#[test]
fn every_error_names_what_where_and_the_remedy_in_fields() {
    let unreadable = Record::from_json(b"{", "a.json").expect_err("no record");
    let problem = unreadable.problem();
    assert_eq!(
        (problem.place.as_str(), problem.remedy.as_str()),
        ("a.json", "it was cut off, run the experiment again")
    );
    assert_eq!(unreadable.to_string(), problem.to_string());
    let knob = Knobs::from_toml("\nrank = 0", "my.toml").expect_err("out of range").problem();
    assert_eq!(
        (knob.place.as_str(), knob.what.as_str(), knob.remedy.as_str()),
        ("my.toml, line 2", "`rank` cannot be 0", "give a whole number from 1 to 1024")
    );
}

#[test]
fn the_other_metrics_of_a_record_are_those_of_the_weights_that_were_measured() {
    let mut all = events();
    let evaluation = |step, split, spearman| {
        let metrics = [("loss", 0.3), ("accuracy", 0.9), ("spearman", spearman)];
        let metrics = metrics.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Event::Evaluation(Evaluation { step, split, metric: 0.9, metrics, examples: vec![], seconds: 1.0 })
    };
    let evaluations = [(3, Split::Validation, 0.1), (4, Split::Validation, 0.2), (4, Split::Test, 0.3)]
        .map(|(a, b, c)| evaluation(a, b, c));
    let at = all.len() - 2;
    all.splice(at..at, evaluations);
    let others = RecordBuilder::from_events(&all).expect("a whole run").measures.metric.others;
    assert_eq!(others, [NamedMetric { name: "spearman".to_owned(), validation: Some(0.2), test: Some(0.3) }]);
}

/// Ten steps each of 2 s dense, 3 s scored, 1.5 s taught and 1 s alone; an evaluation of 100 s after each fourth.
#[test]
fn costs_of_scoring_and_teaching_are_told_apart_and_evaluations_left_out() {
    let mut record = example::record();
    (record.curve, record.evaluations) = (Vec::new(), Vec::new());
    let point = |step, window_start| PlannedPoint { step, density: 0.4, window_start, mask_step: 1.0 };
    record.layout = Some(Layout {
        collect: 10..25,
        points: vec![point(22, 20), point(25, 22)],
        distill: Some(22..35),
        ..Layout::default()
    });
    let mut seconds = 0.0;
    for step in 0..45 {
        seconds += match step {
            0..10 => 2.0,
            10..20 => 3.0,
            20..26 => 50.0,
            26..35 => 1.5,
            _ => 1.0,
        };
        record.curve.push(CurvePoint { step: step + 1, seconds, ..CurvePoint::default() });
        if step % 4 == 3 {
            let (split, metrics) = (Split::Validation, BTreeMap::new());
            record.evaluations.push(Evaluation {
                step: step + 1,
                split,
                metric: 0.5,
                metrics,
                examples: vec![],
                seconds,
            });
            seconds += 100.0;
        }
    }
    let found = StepSeconds::of(&record).expect("a layout");
    let wanted = [Some(2.0), Some(3.0), Some(1.5), Some(1.0)];
    assert_eq!([found.dense, found.scoring, found.teaching, found.tuning], wanted);
    record.curve.truncate(30);
    assert_eq!(StepSeconds::of(&record).and_then(|found| found.tuning), None);
}

#[test]
fn the_points_of_a_base_model_with_every_unit_fit_a_megabyte() {
    // BERT-base from density 1 to 0.4 in ten points, which is more than is left when a run is pruned early.
    let points = (1..=10).map(|index| {
        let left = |of: usize| of - of * 6 * (index - 1) / 100;
        let kept: Vec<usize> = (0..3072).filter(|unit| unit * 7919 % 3072 < left(3072)).collect();
        let scores = |units: usize| (0..units).map(|unit| 1.0 + (unit as f64).sqrt()).collect::<Vec<_>>();
        PruningPoint {
            step: index,
            kept_heads: vec![(0..left(12)).collect(); 12],
            kept_neurons: vec![kept.into(); 12],
            kept_hidden: (0..left(768)).collect(),
            salience: Some(UnitSalience {
                heads: UnitScores::new(&vec![scores(left(12)); 12]),
                neurons: UnitScores::new(&vec![scores(left(3072)); 12]),
                hidden: UnitScores::new(&[scores(left(768))]),
            }),
            // As large as it gets, for every unit is there.
            outliers: (index == 1).then(|| UnitOutliers {
                roots: UnitSalience {
                    heads: UnitScores::new(&vec![scores(12); 12]),
                    neurons: UnitScores::new(&vec![scores(3072); 12]),
                    hidden: UnitScores::new(&[scores(768)]),
                },
                ..UnitOutliers::default()
            }),
            ..pruned(index)
        }
    });
    let bytes: usize = points.map(|point| Event::Pruned(Box::new(point)).to_line().expect("finite").len()).sum();
    assert!(bytes < 1_000_000, "{bytes} bytes");
}

#[test]
fn a_model_is_at_chance_on_all_that_it_was_measured_on() {
    let of = |validation, test| MetricMeasure {
        name: "accuracy".to_owned(),
        validation: Some(validation),
        test,
        chance: Chance {
            validation: Some(Constant { metric: 0.5, examples: 400 }),
            test: Some(Constant { metric: 0.6, examples: 400 }),
        },
        ..MetricMeasure::default()
    };
    assert!(of(0.5, None).is_at_chance() && of(0.51, Some(0.6)).is_at_chance());
    assert!(!of(0.5, Some(0.9)).is_at_chance() && !of(0.9, None).is_at_chance());
    assert!(!MetricMeasure { chance: Chance::default(), ..of(0.5, None) }.is_at_chance(), "nobody said");
}
