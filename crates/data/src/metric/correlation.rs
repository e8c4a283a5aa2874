//! Correlations of pairs of numbers, defined as in `scipy.stats`. `None` stands where scipy warns of a constant input
//! and gives NaN.

/// Pearson's r = Σ (x − x̄)(y − ȳ) / (‖x − x̄‖ ‖y − ȳ‖).
pub(super) fn pearson(pairs: &[(f64, f64)]) -> Option<f64> {
    let constant = |of: fn(&(f64, f64)) -> f64| pairs.windows(2).all(|two| of(&two[0]) == of(&two[1]));
    if constant(|pair| pair.0) || constant(|pair| pair.1) {
        return None;
    }
    let n = pairs.len() as f64;
    let sum = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>();
    let (mean_x, mean_y) = (sum(&|pair| pair.0) / n, sum(&|pair| pair.1) / n);
    let norm_x = sum(&|pair| (pair.0 - mean_x).powi(2)).sqrt();
    let norm_y = sum(&|pair| (pair.1 - mean_y).powi(2)).sqrt();
    // Each side is brought to length 1 first, so that products neither overflow nor vanish.
    let r = sum(&|pair| ((pair.0 - mean_x) / norm_x) * ((pair.1 - mean_y) / norm_y));
    Some(r.clamp(-1.0, 1.0))
}

/// Spearman's ρ: Pearson's r of the ranks, equal numbers sharing the mean of their ranks.
pub(super) fn spearman(pairs: &[(f64, f64)]) -> Option<f64> {
    let (x, y): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let ranks: Vec<(f64, f64)> = ranks(&x).into_iter().zip(ranks(&y)).collect();
    pearson(&ranks)
}

/// 1-based ranks of `values` in ascending order; equal values share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let shared = before as f64 + (equal.len() as f64 + 1.0) / 2.0;
        equal.iter().for_each(|&index| ranks[index] = shared);
        before += equal.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: [f64; 10] = [0.0, 0.5, 0.5, 1.25, 2.0, 2.0, 2.0, 3.75, 4.5, 5.0];
    const Y: [f64; 10] = [0.1, 0.9, 0.4, 1.5, 1.5, 2.6, 1.5, 3.1, 5.2, 4.4];

    const PEARSON_TIES: f64 = 0.9555465720989025;
    const SPEARMAN_TIES: f64 = 0.9595062135875116;
    const PEARSON_FAR: f64 = 0.47745526055942267;
    const SPEARMAN_FAR: f64 = 0.5030030300035688;

    fn pairs(x: &[f64], y: &[f64]) -> Vec<(f64, f64)> {
        assert_eq!(x.len(), y.len(), "as many x as y");
        x.iter().copied().zip(y.iter().copied()).collect()
    }

    fn assert_agree(name: &str, found: Option<f64>, scipy: f64) {
        let found = found.expect("defined");
        assert!((found - scipy).abs() < 1e-12, "{name}: {found}, scipy {scipy}");
    }

    /// Expected numbers: `pearsonr(x, y)[0]` and `spearmanr(x, y)[0]` of scipy 1.17.1 in double precision.
    #[test]
    fn correlations_agree_with_scipy() {
        let with_ties = pairs(&X, &Y);
        assert_agree("pearson with ties", pearson(&with_ties), PEARSON_TIES);
        assert_agree("spearman with ties", spearman(&with_ties), SPEARMAN_TIES);
        let far: Vec<f64> = (0..8).map(|i| 1e6 + 0.5 * f64::from(i)).collect();
        let far = pairs(&far, &[3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0]);
        assert_agree("pearson far from zero", pearson(&far), PEARSON_FAR);
        assert_agree("spearman far from zero", spearman(&far), SPEARMAN_FAR);
        let two = pairs(&[1.0, 2.0], &[5.0, 3.0]);
        assert_agree("pearson of two", pearson(&two), -1.0);
        assert_agree("spearman of two", spearman(&two), -1.0);
    }

    /// `rankdata(x)` of scipy 1.17.1.
    #[test]
    fn equal_numbers_share_the_mean_of_their_ranks() {
        assert_eq!(ranks(&X), [1.0, 2.5, 2.5, 4.0, 6.0, 6.0, 6.0, 8.0, 9.0, 10.0]);
        assert_eq!(ranks(&[0.0, -0.0, -1.0]), [2.5, 2.5, 1.0], "zero has no sign");
    }

    #[test]
    fn extreme_numbers_neither_overflow_nor_vanish() {
        for scale in [1e150, 1e-150] {
            let scaled: Vec<_> = pairs(&X, &Y).into_iter().map(|(x, y)| (x * scale, y * scale)).collect();
            assert_agree("pearson of scaled numbers", pearson(&scaled), PEARSON_TIES);
        }
    }
}
