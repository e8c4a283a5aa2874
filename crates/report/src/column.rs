//! A column of a table: one unit and one number of decimals for all its values, so that they can be read down.

use serde::Serialize;

use crate::metric::{Metric, Unit};
use crate::statistics::Summary;
use crate::target::Target;

/// A measure as a table writes it.
#[derive(Clone, Debug, Serialize)]
pub struct Column {
    /// The measure.
    pub key: &'static str,
    /// Its name.
    pub name: String,
    /// The unit its numbers are written in; may be empty.
    pub unit: &'static str,
    /// What a value is multiplied with to be in that unit.
    pub factor: f64,
    /// Decimals.
    pub decimals: usize,
    /// Whether other work on the machine changes it.
    pub timed: bool,
}

impl Column {
    pub(crate) fn new(metric: &'static Metric, values: &[Summary], relative: bool, target: Option<&Target>) -> Self {
        let largest = values.iter().map(|value| value.mean.abs()).fold(0.0, f64::max);
        let (unit, factor) = if relative { ("%", 1.0) } else { scale(metric.unit, largest) };
        let name = match (metric.key, target) {
            ("steps_to_target" | "seconds_to_target", Some(target)) => metric.name.replace("target", &target.percent()),
            _ => metric.name.to_owned(),
        };
        let least = values.iter().map(|value| value.mean.abs()).filter(|size| *size > 0.0).fold(largest, f64::min);
        let decimals = match metric.unit {
            Unit::Metric => 4,
            // Small numbers show three digits too, unless large ones would have too many.
            _ => decimals(factor * least).min(decimals(factor * largest) + 1),
        };
        Self { key: metric.key, name, unit, factor, decimals, timed: metric.timed }
    }

    /// Name and unit.
    #[must_use]
    pub fn heading(&self) -> String {
        if self.unit.is_empty() { self.name.clone() } else { format!("{}, {}", self.name, self.unit) }
    }

    /// `12.3 ± 0.4`: the mean with half of its 95 % interval.
    #[must_use]
    pub fn text(&self, value: &Summary) -> String {
        let mean = self.number(value.mean);
        value.interval.map_or_else(|| mean.clone(), |interval| format!("{mean} ± {}", self.number(interval.half())))
    }

    /// One number in the column's unit.
    #[must_use]
    pub fn number(&self, value: f64) -> String {
        let decimals = self.decimals;
        plus_zero(format!("{:.decimals$}", self.factor * value)).replace('-', "−")
    }

    /// One number with its sign.
    #[must_use]
    pub fn signed(&self, value: f64) -> String {
        let decimals = self.decimals;
        plus_zero(format!("{:+.decimals$}", self.factor * value)).replace('-', "−")
    }
}

/// Zero has no minus.
fn plus_zero(text: String) -> String {
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| c == '0' || c == '.') => rest.to_owned(),
        _ => text,
    }
}

/// A unit in which a number of this size has few digits, and the factor to it.
pub(crate) fn scale(unit: Unit, size: f64) -> (&'static str, f64) {
    let step = |steps: &[(f64, &'static str, f64)]| {
        let (_, name, factor) = steps.iter().find(|(from, ..)| size >= *from).copied().unwrap_or((0.0, "", 1.0));
        (name, factor)
    };
    match unit {
        Unit::Metric => ("", 1.0),
        Unit::Share => ("%", 100.0),
        Unit::Seconds => step(&[(18_000.0, "h", 1.0 / 3600.0), (600.0, "min", 1.0 / 60.0), (0.0, "s", 1.0)]),
        Unit::Milliseconds => step(&[(10_000.0, "s", 1e-3), (0.0, "ms", 1.0)]),
        Unit::Bytes => step(&[(1e10, "GB", 1e-9), (1e5, "MB", 1e-6), (1e4, "kB", 1e-3), (0.0, "B", 1.0)]),
        Unit::GigabyteSeconds => ("GB·s", 1.0),
        Unit::PerSecond => ("1/s", 1.0),
        Unit::Count => step(&[(1e10, "G", 1e-9), (1e6, "M", 1e-6), (1e5, "k", 1e-3), (0.0, "", 1.0)]),
    }
}

/// Decimals with which a number of this size has three digits that count.
fn decimals(size: f64) -> usize {
    if size <= 0.0 {
        return 0;
    }
    (2.0 - size.log10().floor()).clamp(0.0, 6.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::metric;
    use crate::statistics::summarise;

    #[test]
    fn a_column_has_one_unit_and_as_many_decimals_as_its_largest_number_needs() {
        let values = [summarise(&[83e6, 84e6]).expect("values"), summarise(&[5e6]).expect("a value")];
        let column = Column::new(metric("peak_device_bytes").expect("a measure"), &values, false, None);
        assert_eq!(column.heading(), "peak device memory, MB");
        assert_eq!((column.text(&values[0]), column.text(&values[1])), ("83.50 ± 6.35".to_owned(), "5.00".to_owned()));
        assert_eq!(
            (column.signed(-2e6), column.signed(-1.0), column.signed(2e6)),
            ("−2.00".into(), "0.00".into(), "+2.00".into())
        );
    }

    #[test]
    fn counts_are_whole_until_they_are_large() {
        assert_eq!(scale(Unit::Count, 384.0), ("", 1.0));
        assert_eq!([decimals(384.0), decimals(0.41), decimals(8.8), decimals(0.0)], [0, 3, 2, 0]);
    }
}
