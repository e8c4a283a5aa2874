//! What a model that has learned nothing scores. A model that is no better is at chance, and how it differs from others
//! means nothing.

use serde::{Deserialize, Serialize};

use crate::direction::lower_is_better;
use crate::finite::{Finite, checked};

/// Standard errors by which a metric must be above chance.
const STANDARD_ERRORS: f64 = 2.0;

/// Chance on both parts of the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Chance {
    /// On validation data.
    #[serde(serialize_with = "checked")]
    pub validation: Option<Constant>,
    /// On test data.
    #[serde(serialize_with = "checked")]
    pub test: Option<Constant>,
}

/// What the best constant answer scores on some examples: for accuracy the share of the most frequent class, 0 for
/// correlations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Constant {
    /// The metric that decides.
    pub metric: f64,
    /// How many examples there are.
    pub examples: usize,
}

impl Finite for Constant {
    fn first_bad(&self) -> Option<f64> {
        self.metric.first_bad()
    }
}

impl Constant {
    /// Whether a metric on these examples is at most two standard errors above this. The standard error is that of a share
    /// for metrics that are one, √(p (1 − p) / n) with p = `metric`, and 1/√n for correlations. Of a metric of which less is
    /// better it is not known: every value that is not below this is at chance.
    #[must_use]
    pub fn explains(&self, name: &str, metric: f64) -> bool {
        if lower_is_better(name) {
            return metric >= self.metric;
        }
        let examples = self.examples.max(1) as f64;
        let is_share = matches!(
            name,
            "accuracy" | "f1" | "micro_f1" | "macro_f1" | "exact_match" | "token_accuracy" | "accuracy_by_length"
        );
        let variance = if is_share { self.metric * (1.0 - self.metric) } else { 1.0 };
        metric <= self.metric + STANDARD_ERRORS * (variance.max(0.0) / examples).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_the_most_frequent_class_and_two_standard_errors() {
        let half = Constant { metric: 0.5, examples: 400 };
        assert!(half.explains("accuracy", 0.5) && half.explains("accuracy", 0.549), "one standard error is 0.025");
        assert!(!half.explains("accuracy", 0.551));
        let unigrams = Constant { metric: 90.0, examples: 400 };
        assert!(unigrams.explains("perplexity", 90.0) && !unigrams.explains("perplexity", 89.0));
        let none = Constant { metric: 0.0, examples: 100 };
        assert!(none.explains("matthews", 0.19) && !none.explains("matthews", 0.21));
    }
}
