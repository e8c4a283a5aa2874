//! What a finished run is worth, in words: how well the model does, what is left of it, what that buys.

use apt_experiment::{Constant, Record, lower_is_better};
use apt_report::metric::{LANDMARK, landmark};

use crate::figures::{bytes, count, metric, milliseconds, seconds, share};

/// What came out of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The answer, in a sentence.
    pub headline: String,
    /// Whether the model is no better than a constant answer.
    pub at_chance: bool,
    /// What it is made of: a word, and what is to be said under it.
    pub lines: Vec<(&'static str, String)>,
}

impl Outcome {
    /// Of a record; `None` before it is measured.
    #[must_use]
    pub fn of(record: &Record) -> Option<Self> {
        let measures = &record.measures;
        let of = &measures.metric;
        let what = if record.config.predicts_tokens() { "texts" } else { "examples" };
        let (value, seen, chance) = match of.test {
            Some(test) => (test, format!("{what} it has never seen"), of.chance.test),
            None => (of.validation?, format!("the validation {what}"), of.chance.validation),
        };
        let name = in_words(&of.name);
        let less = if lower_is_better(&of.name) { " (less is better)" } else { "" };
        let shown = format!("{}{less}", shown(&of.name, value));
        let at_chance = of.is_at_chance();
        let kept = record.density().filter(|_| record.config.prunes());
        let headline = match (at_chance, kept) {
            (true, _) => format!("This model has learned nothing: {name} {shown} on {seen}, {}.", constant(chance)),
            (false, Some(kept)) => format!("{name} {shown} on {seen}, with {} of the weights.", share(kept)),
            (false, None) => format!("{name} {shown} on {seen}, with all of the weights."),
        };
        let mut lines = Vec::new();
        if at_chance {
            let advice = "Nothing can be read from a comparison with it. Train it longer, or choose a model that can learn \
                          this task.";
            lines.push(("what to do", advice.to_owned()));
        }
        lines.extend(
            [("weights", weights(record)), ("speed", speed(record)), ("memory", memory(record))]
                .into_iter()
                .filter_map(line),
        );
        lines.extend(line(("training", training(record))));
        Some(Self { headline, at_chance, lines })
    }
}

fn line((name, words): (&'static str, Option<String>)) -> Option<(&'static str, String)> {
    words.map(|words| (name, words))
}

/// A metric's name as people write it.
#[must_use]
pub fn in_words(name: &str) -> String {
    match name {
        "accuracy" => "Accuracy".to_owned(),
        "f1" => "F1".to_owned(),
        "micro_f1" => "Micro F1".to_owned(),
        "macro_f1" => "Macro F1".to_owned(),
        "exact_match" => "Exact match".to_owned(),
        "matthews" => "Matthews correlation".to_owned(),
        "pearson" => "Pearson correlation".to_owned(),
        "perplexity" => "Perplexity".to_owned(),
        "bits_per_byte" => "Bits per byte".to_owned(),
        "token_accuracy" => "Accuracy of tokens".to_owned(),
        "" => "Metric".to_owned(),
        other => other.to_owned(),
    }
}

/// A value of a metric as people write it.
#[must_use]
pub fn shown(name: &str, value: f64) -> String {
    match name {
        "accuracy" | "token_accuracy" => share(value),
        // More digits are noise, from run to run.
        "perplexity" => format!("{value:.2}"),
        _ => metric(value),
    }
}

fn constant(chance: Option<Constant>) -> String {
    let of = chance.map_or_else(String::new, |of| format!(" ({})", metric(of.metric)));
    format!("no more than always giving the same answer{of}")
}

fn weights(record: &Record) -> Option<String> {
    let (dense, kept) = (record.measures.params.dense?, record.measures.params.kept?);
    let what = "in the layers, embeddings not counted";
    Some(match dense == kept {
        true => format!("all {} {what}", count(dense)),
        false => format!("{} of {} left {what}", count(kept), count(dense)),
    })
}

fn speed(record: &Record) -> Option<String> {
    let batch = &record.measures.inference.batch_32;
    let (dense, compact) = (batch.dense_ms?, batch.compact_ms?);
    let time = format!("a batch of 32 in {}", milliseconds(compact));
    Some(match record.config.prunes() && compact > 0.0 {
        true => format!("{time}, {:.1} times as fast as the whole model ({})", dense / compact, milliseconds(dense)),
        false => time,
    })
}

fn memory(record: &Record) -> Option<String> {
    let peak = record.measures.train.peak_device_bytes.map(|peak| format!("{} at most while training", bytes(peak)));
    let file = record.measures.file_bytes;
    let file = file.kept.map(|kept| match file.dense.filter(|dense| *dense != kept) {
        Some(dense) => format!("a file of {} instead of {}", bytes(kept), bytes(dense)),
        None => format!("a file of {}", bytes(kept)),
    });
    let parts: Vec<String> = peak.into_iter().chain(file).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn training(record: &Record) -> Option<String> {
    let train = &record.measures.train;
    let whole = format!("{} steps in {}", train.steps?, seconds(train.seconds?));
    let reached = match landmark(record) {
        Some(first) => format!("; {} on validation data from step {} on", share(LANDMARK), first.step),
        None => String::new(),
    };
    Some(whole + &reached)
}

#[cfg(test)]
mod tests {
    use super::*;
    use apt_experiment::{Chance, Evaluation, Knobs, Measures, RecordBuilder, Split};

    fn record(knobs: Knobs, test: f64) -> Record {
        let mut record = RecordBuilder::from_events(&crate::history::tests::run(knobs, 10, true)).expect("a run");
        let Measures { metric, params, train, inference, .. } = &mut record.measures;
        metric.name = "accuracy".to_owned();
        (metric.validation, metric.test) = (Some(test), Some(test));
        let half = Constant { metric: 0.5, examples: 1000 };
        metric.chance = Chance { validation: Some(half), test: Some(half) };
        (params.dense, params.kept) = (Some(793_000), Some(316_000));
        (train.steps, train.seconds) = (Some(384), Some(48.0));
        (inference.batch_32.dense_ms, inference.batch_32.compact_ms) = (Some(55.1), Some(23.7));
        let evaluation = Evaluation {
            step: 80,
            split: Split::Validation,
            metric: 0.91,
            metrics: [].into(),
            examples: vec![],
            seconds: 1.0,
        };
        record.evaluations.push(evaluation);
        record
    }

    #[test]
    fn a_finished_run_says_how_good_how_small_and_how_fast() {
        let outcome = Outcome::of(&record(Knobs::default(), 0.944)).expect("it is measured");
        assert_eq!(outcome.headline, "Accuracy 94.4 % on examples it has never seen, with 39.8 % of the weights.");
        let words: Vec<String> = outcome.lines.iter().map(|(name, words)| format!("{name}: {words}")).collect();
        assert_eq!(words[0], "weights: 316 k of 793 k left in the layers, embeddings not counted");
        assert_eq!(words[1], "speed: a batch of 32 in 23.7 ms, 2.3 times as fast as the whole model (55.1 ms)");
        assert_eq!(words[2], "training: 384 steps in 48.0 s; 90.0 % on validation data from step 80 on");
    }

    #[test]
    fn a_decoder_is_told_by_its_perplexity_of_which_less_is_better() {
        let mut record = record(Knobs { model: "builtin-decoder".into(), ..Knobs::default() }, 5.678);
        record.measures.metric.name = "perplexity".into();
        let most = Constant { metric: 90.0, examples: 1000 };
        record.measures.metric.chance = Chance { validation: Some(most), test: Some(most) };
        let outcome = Outcome::of(&record).expect("it is measured");
        let expected = "Perplexity 5.68 (less is better) on texts it has never seen, with 39.8 % of the weights.";
        assert_eq!((outcome.headline.as_str(), outcome.at_chance), (expected, false));
    }

    #[test]
    fn a_model_at_chance_is_said_to_be_and_promises_nothing() {
        let outcome = Outcome::of(&record(Knobs::default(), 0.5)).expect("it is measured");
        assert!(outcome.at_chance && outcome.headline.starts_with("This model has learned nothing: Accuracy 50.0 %"));
        assert!(outcome.headline.ends_with("no more than always giving the same answer (0.5000)."), "{outcome:?}");
        assert_eq!(outcome.lines[0].0, "what to do");
        assert!(!outcome.lines.iter().any(|(_, words)| words.contains("90.0 %")), "{outcome:?}");
    }

    #[test]
    fn nothing_is_said_before_a_run_is_measured() {
        let events = crate::history::tests::run(Knobs::default(), 10, true);
        let history = crate::history::History::of(&events[..5]);
        assert_eq!(Outcome::of(history.record().expect("begun")), None);
    }
}
