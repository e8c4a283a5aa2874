//! A run that learns numbers instead of classes, on a file of one's own.

mod common;
mod own_task;

use apt_core::arms::Distillation;
use apt_data::{ObjectiveKind, RawTask, Reading, parse_task};
use apt_experiment::{Event, Knobs, RecordBuilder, Split};

/// Texts of four words, each with the number of good ones among them, from −1 to 3 so that means are not zero.
fn task(rows: u32) -> RawTask {
    let words = |n: u32| (0..4).map(move |word| if (n * 7 + n * word / 3) >> word & 1 == 1 { "good" } else { "awful" });
    let row = |n: u32| {
        let good = words(n).filter(|word| *word == "good").count() as f64;
        format!("{} {n},{}\n", words(n).collect::<Vec<_>>().join(" "), good - 1.0 + 0.25)
    };
    let file = format!("text,label\n{}", (0..rows).map(row).collect::<String>());
    let files = [("ratings.csv".to_owned(), file.into_bytes())];
    parse_task("text", &files, &Reading::with_objective(ObjectiveKind::Regression)).expect("a sound file")
}

fn knobs() -> Knobs {
    Knobs {
        model: "nano".into(),
        steps: Some(80),
        batch_size: 8,
        max_length: 16,
        learning_rate: 5e-3,
        eval_every: 20,
        density: 0.6,
        ..Knobs::default()
    }
}

#[test]
fn a_regression_learns_and_records_both_correlations() {
    let (events, _) = own_task::run(&knobs(), &task(60));
    let losses: Vec<f64> =
        events.iter().filter_map(|e| if let Event::Step(p) = e { Some(p.task_loss) } else { None }).collect();
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let (first, last) = (mean(&losses[..10]), mean(&losses[70..]));
    assert!(last < 0.5 * first, "squared error {first} in the first ten steps, {last} in the last ten");

    let distilled = events.iter().filter_map(|e| if let Event::Step(p) = e { p.distill_loss } else { None });
    let distilled: Vec<f64> = distilled.collect();
    assert!(!distilled.is_empty() && distilled.iter().all(|loss| loss.is_finite()), "{distilled:?}");

    let record = RecordBuilder::from_events(&events).expect("a whole run");
    let last = record.evaluations.iter().rfind(|of| of.split == Split::Validation).expect("an evaluation");
    let names: Vec<&str> = last.metrics.keys().map(String::as_str).collect();
    assert_eq!(names, ["loss", "pearson", "spearman"]);
    assert_eq!(last.metric, last.metrics["pearson"], "Pearson decides");
    assert!(last.metric > 0.7, "Pearson {} on validation texts", last.metric);
    let metric = &record.measures.metric;
    let others: Vec<&str> = metric.others.iter().map(|other| other.name.as_str()).collect();
    assert_eq!((metric.name.as_str(), others), ("pearson", vec!["spearman"]));
    assert!(record.labels.is_empty(), "numbers have no labels: {:?}", record.labels);
}

#[test]
fn a_correlation_that_is_not_defined_is_warned_of_and_counts_as_zero() {
    // Of twelve rows one is held out, and one number correlates with nothing.
    let knobs = Knobs { steps: Some(2), eval_every: 2, density: 1.0, distillation: Distillation::Off, ..knobs() };
    let (events, _) = own_task::run(&knobs, &task(12));
    let warnings = events.iter().filter_map(|e| if let Event::Warning { message } = e { Some(message) } else { None });
    let warnings: Vec<&String> = warnings.filter(|message| message.contains("not defined")).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("pearson and spearman not defined"), "{}", warnings[0]);
    let evaluations = events.iter().filter_map(|e| if let Event::Evaluation(of) = e { Some(of) } else { None });
    for evaluation in evaluations {
        assert_eq!(evaluation.metric, 0.0, "step {}", evaluation.step);
        assert!(!evaluation.metrics.contains_key("pearson"), "{:?}", evaluation.metrics);
    }
}
