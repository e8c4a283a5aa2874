//! One run in a few lines.

use std::fmt::Write;

use apt_experiment::{Knobs, NamedMetric, Record, differences};

use crate::figures::{self, NOTHING, or_nothing};

/// What was run, what came of it and what it cost, in plain text.
#[must_use]
pub fn summary(record: &Record) -> String {
    let mut text = String::new();
    for (label, line) in lines(record) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{label:<11} {line}");
    }
    text
}

/// [`summary`] as a Markdown list.
#[must_use]
pub fn summary_markdown(record: &Record) -> String {
    let mut text = String::new();
    for (label, line) in lines(record) {
        // A line without a label goes on with the one before.
        let _ = if label.is_empty() { writeln!(text, "  {line}") } else { writeln!(text, "- **{label}**: {line}") };
    }
    text
}

fn lines(record: &Record) -> Vec<(&'static str, String)> {
    let (measures, provenance, config) = (&record.measures, &record.provenance, &record.config);
    let train = &measures.train;
    let preset = record.preset.as_deref().unwrap_or("own settings");
    let mut lines = vec![(
        "run",
        format!(
            "{preset} on {} from {}, seed {}, {} ({})",
            config.task, config.model, config.seed, provenance.device, provenance.backend
        ),
    )];
    let changed: Vec<String> = differences(&Knobs::default(), config)
        .into_iter()
        .map(|difference| format!("{} = {}", difference.knob, difference.b))
        .collect();
    if !changed.is_empty() {
        lines.push(("settings", changed.join(", ")));
    }
    let metric = &measures.metric;
    let both = |name: &str, validation, test| {
        let (validation, test) = (or_nothing(validation, figures::metric), or_nothing(test, figures::metric));
        format!("{name} {validation} validation, {test} test")
    };
    let others = metric.others.iter().map(|NamedMetric { name, validation, test }| both(name, *validation, *test));
    let all: Vec<String> = std::iter::once(both(&metric.name, metric.validation, metric.test)).chain(others).collect();
    let step = metric.step.map_or_else(String::new, |step| format!(", weights of step {step}"));
    lines.push(("metric", format!("{}{step}", all.join("; "))));
    if let Some(constant) = metric.chance.validation.filter(|_| metric.is_at_chance()) {
        let of = figures::metric(constant.metric);
        let words = format!("at chance: no better than always giving the same answer ({of}); differences mean nothing");
        lines.push(("", words));
    }
    lines.push((
        "kept",
        format!(
            "{} of {} parameters without embeddings ({}), {} of {} MACs, file {} of {}",
            or_nothing(measures.params.kept, figures::count),
            or_nothing(measures.params.dense, figures::count),
            or_nothing(record.density(), figures::share),
            or_nothing(measures.macs.kept, figures::count),
            or_nothing(measures.macs.dense, figures::count),
            or_nothing(measures.file_bytes.kept, figures::bytes),
            or_nothing(measures.file_bytes.dense, figures::bytes),
        ),
    ));
    lines.push((
        "training",
        format!(
            "{} for {} steps, {} to {:.0} %; peak {} on the device, {} in the process",
            or_nothing(train.seconds, figures::seconds),
            train.steps.map_or_else(|| NOTHING.to_owned(), |steps| steps.to_string()),
            or_nothing(train.seconds_to_target, figures::seconds),
            100.0 * config.target_metric_fraction,
            or_nothing(train.peak_device_bytes, figures::bytes),
            or_nothing(train.peak_process_bytes, figures::bytes),
        ),
    ));
    let of = train.step_seconds.unwrap_or_default();
    let parts = [
        (of.dense, "dense"),
        (of.scoring, "dense and scored"),
        (of.teaching, "pruned under the teacher"),
        (of.tuning, "pruned"),
    ];
    let medians = parts.into_iter().filter_map(|(seconds, what)| {
        seconds.map(|seconds| format!("{} {what}", figures::milliseconds(1000.0 * seconds)))
    });
    let medians: Vec<String> = medians.collect();
    if !medians.is_empty() {
        lines.push(("a step", format!("{} (medians)", medians.join(", "))));
    }
    for (label, batch) in [("batch 1", &measures.inference.batch_1), ("batch 32", &measures.inference.batch_32)] {
        let ratio = match (batch.compact_ms, batch.dense_ms) {
            (Some(compact), Some(dense)) => figures::ratio(compact, dense).map(|ratio| format!(" ({ratio})")),
            _ => None,
        };
        lines.push((
            label,
            format!(
                "{} compacted, {} dense{}",
                or_nothing(batch.compact_ms, figures::milliseconds),
                or_nothing(batch.dense_ms, figures::milliseconds),
                ratio.unwrap_or_default()
            ),
        ));
    }
    lines
}
