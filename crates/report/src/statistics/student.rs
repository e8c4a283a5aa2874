//! Student's t, by statrs. Of its quantile statrs promises few digits; Newton's method on the distribution function makes
//! it exact to 1e-13.

use statrs::distribution::{Continuous, ContinuousCDF, StudentsT};

/// The value that Student's t with `freedom` degrees falls below with probability `p`; 0 if there are none.
#[must_use]
pub fn quantile(p: f64, freedom: usize) -> f64 {
    let Ok(t) = StudentsT::new(0.0, 1.0, freedom as f64) else {
        return 0.0;
    };
    let mut x = t.inverse_cdf(p);
    for _ in 0..4 {
        let step = (t.cdf(x) - p) / t.pdf(x);
        if !step.is_finite() || step.abs() <= 1e-15 * x.abs() {
            break;
        }
        x -= step;
    }
    x
}

/// The probability that Student's t with `freedom` degrees is at least as far from 0 as `t`; 1 if there are none.
#[must_use]
pub fn two_sided(t: f64, freedom: usize) -> f64 {
    match StudentsT::new(0.0, 1.0, freedom as f64) {
        Ok(of) => (2.0 * of.sf(t.abs())).min(1.0),
        Err(_) => 1.0,
    }
}
