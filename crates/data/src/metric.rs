//! The figures by which a task is judged, computed from predicted and true class indices.

use serde::{Deserialize, Serialize};

/// A task's metric. Scores are fractions: accuracy and F1 lie in 0..=1, Matthews in −1..=1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Share of predictions that are right.
    Accuracy,
    /// Matthews correlation; with more than two classes Gorodkin's R_K, which equals it for two.
    Matthews,
    /// F1 of class 1 (GLUE's choice for MRPC); accuracy is reported beside it.
    F1,
}

impl Metric {
    /// The name used in records and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::Matthews => "matthews",
            Self::F1 => "f1",
        }
    }

    /// The figure a run is judged by. Where it is not defined (no examples, one class only) it is 0,
    /// as in the GLUE scripts. Of two slices of different length the common part counts.
    pub fn score(self, predictions: &[u32], labels: &[u32]) -> f64 {
        match self {
            Self::Accuracy => accuracy(predictions, labels),
            Self::Matthews => matthews(predictions, labels),
            Self::F1 => f1(predictions, labels),
        }
    }

    /// The primary figure first, then whatever is customary beside it.
    pub fn all(self, predictions: &[u32], labels: &[u32]) -> Vec<(&'static str, f64)> {
        let mut figures = vec![(self.name(), self.score(predictions, labels))];
        if self != Self::Accuracy {
            figures.push((Self::Accuracy.name(), accuracy(predictions, labels)));
        }
        figures
    }
}

fn accuracy(predictions: &[u32], labels: &[u32]) -> f64 {
    let right = predictions.iter().zip(labels).filter(|(p, l)| p == l).count();
    ratio(right as f64, predictions.len().min(labels.len()) as f64)
}

fn f1(predictions: &[u32], labels: &[u32]) -> f64 {
    let count = |predicted: bool, actual: bool| {
        let cells = predictions.iter().zip(labels);
        cells.filter(|(p, l)| (**p == 1, **l == 1) == (predicted, actual)).count() as f64
    };
    let hits = 2.0 * count(true, true);
    ratio(hits, hits + count(true, false) + count(false, true))
}

/// R_K = (c·s − Σ p_k t_k) / √((s² − Σ p_k²)(s² − Σ t_k²)): c right, s all, p_k and t_k how often
/// class k is predicted and true.
fn matthews(predictions: &[u32], labels: &[u32]) -> f64 {
    let pairs = || predictions.iter().zip(labels);
    let mut classes: Vec<u32> = pairs().flat_map(|(p, l)| [*p, *l]).collect();
    classes.sort_unstable();
    classes.dedup();
    let samples = pairs().count() as f64;
    let right = pairs().filter(|(p, l)| p == l).count() as f64;
    let (mut cross, mut predicted_squares, mut actual_squares) = (0.0, 0.0, 0.0);
    for class in classes {
        let predicted = pairs().filter(|(p, _)| **p == class).count() as f64;
        let actual = pairs().filter(|(_, l)| **l == class).count() as f64;
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

    #[test]
    fn figures_match_a_confusion_table_done_by_hand() {
        let cases = [
            (Metric::Accuracy, 7.0 / 10.0),
            (Metric::F1, 6.0 / 9.0),
            (Metric::Matthews, (3.0 * 4.0 - 1.0 * 2.0) / (4.0f64 * 5.0 * 5.0 * 6.0).sqrt()),
        ];
        for (metric, by_hand) in cases {
            let score = metric.score(&PREDICTIONS, &LABELS);
            assert!((score - by_hand).abs() < 1e-12, "{}: {score}, by hand {by_hand}", metric.name());
        }
    }

    #[test]
    fn three_class_matthews_matches_the_formula_by_hand() {
        // c = 4, s = 6, predicted 2/2/2, true 3/2/1: (24 − 12) / √(24 · 22).
        let score = Metric::Matthews.score(&[0, 0, 1, 1, 2, 2], &[0, 0, 1, 0, 2, 1]);
        let by_hand = 12.0 / (24.0f64 * 22.0).sqrt();
        assert!((score - by_hand).abs() < 1e-12, "{score}, by hand {by_hand}");
    }

    #[test]
    fn undefined_figures_are_zero_and_not_nan() {
        for metric in [Metric::Accuracy, Metric::F1, Metric::Matthews] {
            assert_eq!(metric.score(&[], &[]), 0.0, "{} of nothing", metric.name());
        }
        assert_eq!(Metric::Matthews.score(&[1, 1], &[1, 1]), 0.0, "one class only");
        assert_eq!(Metric::F1.score(&[0, 0], &[0, 0]), 0.0, "no positives");
    }

    #[test]
    fn f1_brings_accuracy_along() {
        let names: Vec<_> = Metric::F1.all(&PREDICTIONS, &LABELS).iter().map(|f| f.0).collect();
        assert_eq!(names, ["f1", "accuracy"]);
    }
}
