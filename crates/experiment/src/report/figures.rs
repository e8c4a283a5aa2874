//! How numbers are written: few digits, with their unit, the same everywhere.

use bytesize::ByteSize;

/// Stands where nothing was measured.
pub(super) const NOTHING: &str = "—";

/// `950`, `12.3 k`, `85.1 M`.
pub(super) fn count(number: f64) -> String {
    let (scaled, unit) = match number.abs() {
        size if size >= 1e9 => (number / 1e9, " G"),
        size if size >= 1e6 => (number / 1e6, " M"),
        size if size >= 1e4 => (number / 1e3, " k"),
        _ => return format!("{number:.0}"),
    };
    format!("{}{unit}", three_digits(scaled))
}

/// `812 B`, `3.4 MB`.
pub(super) fn bytes(number: f64) -> String {
    ByteSize::b(number.max(0.0) as u64).display().si().to_string()
}

/// `0.42 s`, `12.3 s`, `4 min 03 s`, `2 h 05 min`.
pub(super) fn seconds(number: f64) -> String {
    let whole = number.round() as u64;
    match whole {
        0..=99 => format!("{} s", three_digits(number)),
        100..=5999 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// `0.42 ms`, `12.3 ms`.
pub(super) fn milliseconds(number: f64) -> String {
    format!("{} ms", three_digits(number))
}

/// A metric, `0.9123`.
pub(super) fn metric(number: f64) -> String {
    format!("{number:.4}")
}

/// A share, `40.0 %`.
pub(super) fn share(number: f64) -> String {
    format!("{:.1} %", 100.0 * number)
}

/// `0.41×`; nothing can be said of a base of 0.
pub(super) fn ratio(number: f64, base: f64) -> Option<String> {
    let ratio = number / base;
    ratio.is_finite().then(|| format!("{}×", if ratio >= 10.0 { format!("{ratio:.1}") } else { format!("{ratio:.2}") }))
}

fn three_digits(number: f64) -> String {
    match number.abs() {
        size if size >= 100.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_as_people_write_them() {
        assert_eq!(count(950.0), "950");
        assert_eq!(count(85_054_464.0), "85.1 M");
        assert_eq!(bytes(3_400_000.0), "3.4 MB");
        assert_eq!(seconds(0.42), "0.42 s");
        assert_eq!(seconds(243.0), "4 min 03 s");
        assert_eq!(seconds(7500.0), "2 h 05 min");
        assert_eq!(ratio(0.4, 1.0).as_deref(), Some("0.40×"));
        assert_eq!(ratio(1.0, 0.0), None);
    }
}
