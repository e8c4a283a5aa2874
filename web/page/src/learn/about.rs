//! What to know about a run before the method is explained with it.

use apt_experiment::{Axis, Knobs, Record, differences, knob};

use crate::figures::share;
use crate::history::History;
use crate::outcome::{in_words, shown};

/// What it does otherwise than the whole method, in a sentence; `None` if it is the whole method.
#[must_use]
pub fn about(record: &Record) -> Option<String> {
    let of_the_method = |name: &str| {
        let axis = knob(name).map(|knob| knob.axis);
        matches!(axis, Ok(Axis::Schedule | Axis::Salience | Axis::Tuning | Axis::Distillation))
    };
    // How much is pruned is a question of size and not of method, unless nothing is.
    let differs = |name: &str| of_the_method(name) && (name != "density" || !record.config.prunes());
    let changes = differences(&Knobs::default(), &record.config).into_iter().filter(|of| differs(of.knob));
    let changes: Vec<String> =
        changes.map(|of| format!("{} = {} instead of {}", of.knob.replace('_', " "), of.b, of.a)).collect();
    (!changes.is_empty()).then(|| {
        format!(
            "This run is not the whole method: {}. What is shown here is what it did, and not always what the words say.",
            changes.join(", ")
        )
    })
}

/// How well the model did before it was pruned, and at the end; `None` before there is a measure.
#[must_use]
pub fn standing(history: &History) -> Option<Vec<(String, String)>> {
    let record = history.record()?;
    let all: Vec<_> = record.evaluations.iter().filter(|of| of.split == apt_experiment::Split::Validation).collect();
    let first_cut = history.frames.get(1).map(|frame| frame.step);
    let line = |when: String, value: f64| (when, measured(record, value));
    let mut lines = Vec::new();
    let first = |step: usize| match step {
        // A decoder is evaluated before it is trained: it knows how texts go on.
        0 => "before the first step".to_owned(),
        _ => format!("after {step} steps, before it has learned anything"),
    };
    lines.extend(all.first().map(|of| line(first(of.step), of.metric)));
    let before = first_cut.and_then(|cut| all.iter().rfind(|of| of.step < cut));
    lines.extend(
        before
            .filter(|of| all.first() != Some(of))
            .map(|of| line(format!("after {} steps, just before the first cut", of.step), of.metric)),
    );
    let end = record.measures.metric.test.filter(|_| history.done)?;
    let kept = record.density().map_or_else(String::new, |kept| format!(" with {} of the weights", share(kept)));
    let what = if record.config.predicts_tokens() { "texts" } else { "examples" };
    lines.push(line(format!("at the end{kept}, on {what} it has never seen"), end));
    Some(lines)
}

/// A value of the metric that decides, with its name: `Accuracy 94.4 %`.
#[must_use]
pub fn measured(record: &Record, value: f64) -> String {
    // A run that is not over names its metric only by its values.
    let in_evaluations = || {
        let metrics = &record.evaluations.iter().find(|of| of.metric == value)?.metrics;
        metrics.iter().find(|(_, of)| **of == value).map(|(name, _)| name.clone())
    };
    let name = Some(record.measures.metric.name.clone()).filter(|name| !name.is_empty()).or_else(in_evaluations);
    let name = name.unwrap_or_default();
    format!("{} {}", in_words(&name), shown(&name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::tests::recorded;

    #[test]
    fn an_ablation_is_said_to_be_one_and_a_smaller_target_is_none() {
        let mut record = recorded().record().expect("a run").clone();
        record.config.set("salience", "random").expect("an arm");
        let words = about(&record).expect("an ablation");
        let begins = "This run is not the whole method: salience = random instead of outlier_aware.";
        assert!(words.starts_with(begins), "{words}");
        record.config = Knobs { seed: 7, density: 0.2, steps: Some(128), ..Knobs::default() };
        assert_eq!(about(&record), None);
        record.config.density = 1.0;
        assert!(about(&record).is_some_and(|words| words.contains("density = 1")));
    }

    #[test]
    fn the_recorded_run_goes_from_chance_to_what_it_reached() {
        let lines = standing(&recorded()).expect("it is measured");
        let words: Vec<String> = lines.into_iter().map(|(when, what)| format!("{when}: {what}")).collect();
        assert_eq!(words[0], "after 15 steps, before it has learned anything: Accuracy 50.0 %");
        assert_eq!(words[1], "after 68 steps, just before the first cut: Accuracy 86.5 %");
        assert_eq!(words[2], "at the end with 39.8 % of the weights, on examples it has never seen: Accuracy 93.3 %");
    }
}
