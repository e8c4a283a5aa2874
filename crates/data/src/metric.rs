//! The metrics by which tasks are judged, computed from answers and targets.

mod correlation;
mod sets;
mod tokens;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::target::{Target, TokenScore};
use correlation::{pearson, spearman};

/// A metric. Accuracy, exact match and F1 lie in 0..=1, Matthews and the correlations in −1..=1; more is better, except of
/// perplexity and bits per byte (`apt_experiment::lower_is_better`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Share of predicted classes that are right.
    Accuracy,
    /// Matthews correlation; with more than two classes Gorodkin's R_K, which equals it for two.
    Matthews,
    /// F1 of class 1 (GLUE's choice for MRPC).
    F1,
    /// F1 of sets of classes over all decisions, as scikit-learn's `f1_score(average="micro", zero_division=0)`.
    MicroF1,
    /// Mean over the classes of each one's F1, as scikit-learn's `f1_score(average="macro", zero_division=0)`: a class that
    /// neither applies nor is predicted counts as 0.
    MacroF1,
    /// Share of examples whose whole set of classes is predicted, as scikit-learn's `accuracy_score` of sets.
    ExactMatch,
    /// Pearson's correlation of predicted and true numbers, as `scipy.stats.pearsonr`.
    Pearson,
    /// Spearman's rank correlation of predicted and true numbers, as `scipy.stats.spearmanr`.
    Spearman,
    /// e to the mean loss per token: as many tokens, all equally likely, would be as hard to tell apart.
    Perplexity,
    /// The loss of all tokens in bits, by the bytes of the text that they stand for: comparable between tokenizers.
    BitsPerByte,
    /// Share of the tokens that the model thinks the most likely.
    TokenAccuracy,
    /// Share of the examples whose right ending has the largest likelihood per byte: `acc_norm` of lm-evaluation-harness, by
    /// bytes as in L. Gao, "Multiple Choice Normalization in LM Evaluation" (EleutherAI 2021). [`Self::Accuracy`] is its
    /// `acc`, by the likelihood alone.
    AccuracyByLength,
}

impl Metric {
    /// The name used in records and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::Matthews => "matthews",
            Self::F1 => "f1",
            Self::MicroF1 => "micro_f1",
            Self::MacroF1 => "macro_f1",
            Self::ExactMatch => "exact_match",
            Self::Pearson => "pearson",
            Self::Spearman => "spearman",
            Self::Perplexity => "perplexity",
            Self::BitsPerByte => "bits_per_byte",
            Self::TokenAccuracy => "token_accuracy",
            Self::AccuracyByLength => "accuracy_by_length",
        }
    }

    /// The metric of `answers` beside the `targets` of the same examples. Metrics of classes count classes only, those
    /// of sets sets only, and correlations numbers only; of two slices of different length the common part counts.
    ///
    /// Where a metric of classes is a ratio to nothing (no examples, one class only) it is 0, as in the GLUE scripts.
    /// A correlation with something constant, or of fewer than two numbers, is not defined: `None`, where scipy gives
    /// NaN. Metrics of tokens are not read off answers, but by [`Self::of_tokens`].
    pub fn score(self, answers: &[Target], targets: &[Target]) -> Option<f64> {
        match self {
            Self::Accuracy => Some(accuracy(&classes(answers, targets))),
            Self::Matthews => Some(matthews(&classes(answers, targets))),
            Self::F1 => Some(f1(&classes(answers, targets))),
            Self::MicroF1 => Some(sets::micro_f1(answers, targets)),
            Self::MacroF1 => Some(sets::macro_f1(answers, targets)),
            Self::ExactMatch => Some(sets::exact_match(answers, targets)),
            Self::Pearson => pearson(&values(answers, targets)),
            Self::Spearman => spearman(&values(answers, targets)),
            Self::Perplexity | Self::BitsPerByte | Self::TokenAccuracy | Self::AccuracyByLength => None,
        }
    }

    /// The metric of tokens that were scored as `scores` says, for each example one score, or one for each of its endings, of
    /// which `targets` know the right one. `None` where nothing was to be predicted, and of other metrics.
    pub fn of_tokens(self, scores: &[Vec<TokenScore>], targets: &[Target]) -> Option<f64> {
        match self {
            Self::Perplexity | Self::BitsPerByte | Self::TokenAccuracy => tokens::of_texts(self, scores, targets),
            Self::Accuracy => tokens::accuracy(scores, targets, |score| -score.nats),
            Self::AccuracyByLength => {
                tokens::accuracy(scores, targets, |score| -score.nats / score.bytes.max(1) as f64)
            }
            Self::Matthews
            | Self::F1
            | Self::MicroF1
            | Self::MacroF1
            | Self::ExactMatch
            | Self::Pearson
            | Self::Spearman => None,
        }
    }
}

impl Metric {
    /// The metric of the best constant answer to examples with these targets: what a model that has learned nothing
    /// reaches. A correlation with a constant is not defined and counts as 0. Of tokens it is what knows nothing but how often
    /// each occurs in `seen`, the targets that are trained on, with one more of each and of what is not there; other metrics
    /// do not look at these.
    pub fn of_learned_constant(self, seen: &[Target], targets: &[Target]) -> f64 {
        match targets.iter().any(|target| target.tokens().is_some()) {
            true => tokens::of_constant(self, seen, targets),
            false => self.of_constant(targets),
        }
    }

    /// As [`Self::of_learned_constant`], where nothing is known of what is trained on but these targets.
    pub fn of_constant(self, targets: &[Target]) -> f64 {
        if matches!(self, Self::MicroF1 | Self::MacroF1 | Self::ExactMatch) {
            return sets::of_constant(self, targets);
        }
        if targets.iter().any(|target| target.tokens().is_some()) {
            return tokens::of_constant(self, targets, targets);
        }
        let classes: BTreeSet<u32> = targets.iter().filter_map(Target::class).collect();
        let always = |class: u32| self.score(&vec![Target::Class(class); targets.len()], targets).unwrap_or(0.0);
        classes.into_iter().map(always).fold(0.0, f64::max)
    }
}

/// Predicted and true classes.
fn classes(answers: &[Target], targets: &[Target]) -> Vec<(u32, u32)> {
    answers.iter().zip(targets).filter_map(|(answer, target)| answer.class().zip(target.class())).collect()
}

/// Predicted and true numbers.
fn values(answers: &[Target], targets: &[Target]) -> Vec<(f64, f64)> {
    let pairs = answers.iter().zip(targets).filter_map(|(answer, target)| answer.value().zip(target.value()));
    pairs.map(|(answer, target)| (f64::from(answer), f64::from(target))).collect()
}

fn accuracy(pairs: &[(u32, u32)]) -> f64 {
    let right = pairs.iter().filter(|(predicted, actual)| predicted == actual).count();
    ratio(right as f64, pairs.len() as f64)
}

fn f1(pairs: &[(u32, u32)]) -> f64 {
    let count = |predicted: bool, actual: bool| {
        pairs.iter().filter(|(p, a)| (*p == 1, *a == 1) == (predicted, actual)).count() as f64
    };
    let hits = 2.0 * count(true, true);
    ratio(hits, hits + count(true, false) + count(false, true))
}

/// R_K = (c·s − Σ p_k t_k) / √((s² − Σ p_k²)(s² − Σ t_k²)): c right, s all, p_k and t_k how often
/// class k is predicted and true.
fn matthews(pairs: &[(u32, u32)]) -> f64 {
    let mut classes: Vec<u32> = pairs.iter().flat_map(|(p, a)| [*p, *a]).collect();
    classes.sort_unstable();
    classes.dedup();
    let samples = pairs.len() as f64;
    let right = pairs.iter().filter(|(p, a)| p == a).count() as f64;
    let (mut cross, mut predicted_squares, mut actual_squares) = (0.0, 0.0, 0.0);
    for class in classes {
        let predicted = pairs.iter().filter(|(p, _)| *p == class).count() as f64;
        let actual = pairs.iter().filter(|(_, a)| *a == class).count() as f64;
        cross += predicted * actual;
        predicted_squares += predicted * predicted;
        actual_squares += actual * actual;
    }
    let spread = (samples * samples - predicted_squares) * (samples * samples - actual_squares);
    ratio(right * samples - cross, spread.sqrt())
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    // 3 true positives, 1 false positive, 2 false negatives, 4 true negatives.
    const PREDICTIONS: [u32; 10] = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0];
    const LABELS: [u32; 10] = [1, 1, 1, 0, 1, 1, 0, 0, 0, 0];

    fn score(metric: Metric, predictions: &[u32], labels: &[u32]) -> f64 {
        let targets = |classes: &[u32]| classes.iter().copied().map(Target::Class).collect::<Vec<_>>();
        metric.score(&targets(predictions), &targets(labels)).expect("metrics of classes are always defined")
    }

    #[test]
    fn metrics_match_a_confusion_table_done_by_hand() {
        let cases = [
            (Metric::Accuracy, 7.0 / 10.0),
            (Metric::F1, 6.0 / 9.0),
            (Metric::Matthews, (3.0 * 4.0 - 1.0 * 2.0) / (4.0f64 * 5.0 * 5.0 * 6.0).sqrt()),
        ];
        for (metric, by_hand) in cases {
            let score = score(metric, &PREDICTIONS, &LABELS);
            assert!((score - by_hand).abs() < 1e-12, "{}: {score}, by hand {by_hand}", metric.name());
        }
    }

    #[test]
    fn a_constant_answer_scores_the_most_frequent_class() {
        let targets: Vec<Target> = LABELS.into_iter().map(Target::Class).collect();
        // Five of ten are of class 1: always 1 has precision 0.5 and recall 1.
        assert_eq!(Metric::Accuracy.of_constant(&targets), 0.5);
        assert!((Metric::F1.of_constant(&targets) - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(Metric::Matthews.of_constant(&targets), 0.0);
        assert_eq!(Metric::Accuracy.of_constant(&targets[..3]), 1.0);
        assert_eq!(Metric::Pearson.of_constant(&[Target::Value(1.0), Target::Value(2.0)]), 0.0);
        assert_eq!(Metric::Accuracy.of_constant(&[]), 0.0);
    }

    #[test]
    fn three_class_matthews_matches_the_formula_by_hand() {
        // c = 4, s = 6, predicted 2/2/2, true 3/2/1: (24 − 12) / √(24 · 22).
        let score = score(Metric::Matthews, &[0, 0, 1, 1, 2, 2], &[0, 0, 1, 0, 2, 1]);
        let by_hand = 12.0 / (24.0f64 * 22.0).sqrt();
        assert!((score - by_hand).abs() < 1e-12, "{score}, by hand {by_hand}");
    }

    #[test]
    fn undefined_metrics_of_classes_are_zero_and_undefined_correlations_none() {
        for metric in [Metric::Accuracy, Metric::F1, Metric::Matthews] {
            assert_eq!(score(metric, &[], &[]), 0.0, "{} of nothing", metric.name());
        }
        assert_eq!(score(Metric::Matthews, &[1, 1], &[1, 1]), 0.0, "one class only");
        assert_eq!(score(Metric::F1, &[0, 0], &[0, 0]), 0.0, "no positives");
        let (same, rising) = ([2.5; 3].map(Target::Value), [1.0, 2.0, 3.0].map(Target::Value));
        for metric in [Metric::Pearson, Metric::Spearman] {
            assert_eq!(metric.score(&same, &rising), None, "{} of a constant", metric.name());
            assert_eq!(metric.score(&rising, &same), None, "{} with a constant", metric.name());
            assert_eq!(metric.score(&rising[..1], &rising[..1]), None, "{} of one number", metric.name());
        }
    }

    #[test]
    fn a_metric_of_the_other_kind_of_target_counts_nothing() {
        let (classes, values) = ([0, 1].map(Target::Class), [0.0, 1.0].map(Target::Value));
        assert_eq!(Metric::Accuracy.score(&values, &values), Some(0.0));
        assert_eq!(Metric::Pearson.score(&classes, &classes), None);
    }
}
