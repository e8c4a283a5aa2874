//! Which way a metric is better. More is, of all that are shares or correlations; less is, of what measures surprise.

/// Metrics of which less is better.
const LOWER: [&str; 3] = [crate::record::format::LOSS, "perplexity", "bits_per_byte"];

/// Whether less of the metric of this name is better.
#[must_use]
pub fn lower_is_better(metric: &str) -> bool {
    LOWER.contains(&metric)
}

/// Whether `value` of the metric of this name is better than `other`.
#[must_use]
pub fn is_better(metric: &str, value: f64, other: f64) -> bool {
    if lower_is_better(metric) { value < other } else { value > other }
}

/// What counts as `fraction` of a reference: so much of it, and where less is better so much more.
#[must_use]
pub fn fraction_of(metric: &str, reference: f64, fraction: f64) -> f64 {
    if lower_is_better(metric) { reference / fraction } else { reference * fraction }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_perplexity_is_better_and_more_accuracy() {
        assert!(is_better("perplexity", 3.0, 4.0) && !is_better("perplexity", 4.0, 3.0));
        assert!(is_better("accuracy", 0.9, 0.8) && !is_better("accuracy", 0.8, 0.8));
        assert_eq!((fraction_of("perplexity", 3.0, 0.5), fraction_of("f1", 0.8, 0.5)), (6.0, 0.4));
    }
}
