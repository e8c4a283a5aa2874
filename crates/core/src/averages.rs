//! Averages of a few numbers.

/// The median; between the two middle values where their number is even, `None` of nothing.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { upper } else { (values[middle - 1] + upper) / 2.0 })
}

/// The arithmetic mean; `None` of nothing.
pub fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.into_iter().fold((0.0, 0usize), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_means_of_nothing_are_nothing() {
        assert_eq!((median([]), mean([])), (None, None));
        assert_eq!((median([3.0, 1.0, 2.0]), median([1.0, 2.0])), (Some(2.0), Some(1.5)));
        assert_eq!(mean([1.0, 2.0, 6.0]), Some(3.0));
    }
}
