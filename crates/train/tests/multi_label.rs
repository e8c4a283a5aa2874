//! A run that learns which of several classes apply, in any number, on a file of one's own.

mod common;
mod own_task;

use apt_data::{ObjectiveKind, RawTask, Reading, parse_task};
use apt_experiment::{Event, Knobs, RecordBuilder, Split};
use apt_nn::HeadConfig;
use apt_train::head_misfit;

/// Texts of three words and a number; each of three words is a class of its own that applies where it stands.
fn task(rows: u32) -> RawTask {
    let words = ["good", "awful", "slow"];
    let row = |n: u32| {
        let stands = |at: usize| (n * 7 + n / 3) >> at & 1 == 1;
        let text: Vec<&str> = (0..3).map(|at| if stands(at) { words[at] } else { "the" }).collect();
        let labels: Vec<&str> = (0..3).filter(|at| stands(*at)).map(|at| words[at]).collect();
        format!("{}\n", serde_json::json!({"text": format!("{} {n}", text.join(" ")), "label": labels}))
    };
    let file: String = (0..rows).map(row).collect();
    let files = [("words.jsonl".to_owned(), file.into_bytes())];
    parse_task("text", &files, &Reading::with_objective(ObjectiveKind::MultiLabel)).expect("a sound file")
}

#[test]
fn classes_that_apply_in_any_number_are_learned_pruned_distilled_and_recorded() {
    let knobs = Knobs {
        steps: Some(120),
        batch_size: 8,
        max_length: 16,
        learning_rate: 3e-3,
        eval_every: 40,
        density: 0.6,
        ..Knobs::default()
    };
    let (events, session) = own_task::run(&knobs, &task(120));
    let losses: Vec<f64> =
        events.iter().filter_map(|e| if let Event::Step(p) = e { Some(p.task_loss) } else { None }).collect();
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let (first, last) = (mean(&losses[..10]), mean(&losses[losses.len() - 10..]));
    assert!(last < 0.3 * first, "binary cross entropy {first} in the first ten steps, {last} in the last ten");
    let distilled = events.iter().filter_map(|e| if let Event::Step(p) = e { p.distill_loss } else { None });
    let distilled: Vec<f64> = distilled.collect();
    assert!(!distilled.is_empty() && distilled.iter().all(|loss| loss.is_finite()), "{distilled:?}");

    let record = RecordBuilder::from_events(&events).expect("a whole run");
    assert_eq!(record.labels, ["awful", "good", "slow"]);
    let last = record.evaluations.iter().rfind(|of| of.split == Split::Validation).expect("an evaluation");
    let names: Vec<&str> = last.metrics.keys().map(String::as_str).collect();
    assert_eq!(names, ["exact_match", "loss", "macro_f1", "micro_f1"]);
    let metric = &record.measures.metric;
    assert_eq!(
        (metric.name.as_str(), last.metric),
        ("micro_f1", last.metrics["micro_f1"]),
        "the micro average decides"
    );
    assert!(last.metric > 0.9, "micro F1 {} on validation texts", last.metric);
    let chance = metric.chance.validation.expect("validation texts").metric;
    assert!(chance > 0.4 && chance < 0.9, "always the same answer gives {chance}");
    let config = session.compacted().config;
    assert!(config.head.is_some_and(|head| head.multi_label), "{:?}", config.head);
    let task = task(20);
    assert_eq!(head_misfit(&config, &task.objective, None), None);
    let single = apt_data::Objective::Classification { labels: record.labels, metrics: &[] };
    let misfit = head_misfit(&config, &single, None).expect("one label is not any number of them");
    assert!(misfit.contains("any number of labels") && misfit.contains("classification"), "{misfit}");
    let head = config.head.map(|head| HeadConfig { multi_label: false, ..head });
    let unsaid = apt_nn::ModelConfig { head, ..config };
    assert_eq!(head_misfit(&unsaid, &task.objective, None), None, "files do not always say it");
}
