//! How numbers are written: few digits, with their unit, the same everywhere.

/// Stands where nothing was measured.
pub const NOTHING: &str = "—";

/// `950`, `12.3 k`, `85.1 M`.
#[must_use]
pub fn count(number: u64) -> String {
    match number {
        0..10_000 => number.to_string(),
        10_000..1_000_000 => format!("{} k", three_digits(number as f64 / 1e3)),
        1_000_000..1_000_000_000 => format!("{} M", three_digits(number as f64 / 1e6)),
        _ => format!("{} G", three_digits(number as f64 / 1e9)),
    }
}

/// `812 B`, `3.40 MB`.
#[must_use]
pub fn bytes(number: u64) -> String {
    let size = number as f64;
    match number {
        0..1000 => format!("{number} B"),
        1000..1_000_000 => format!("{} kB", three_digits(size / 1e3)),
        1_000_000..1_000_000_000 => format!("{} MB", three_digits(size / 1e6)),
        _ => format!("{} GB", three_digits(size / 1e9)),
    }
}

/// `0.42 s`, `12.3 s`, `4 min 03 s`, `2 h 05 min`.
#[must_use]
pub fn seconds(number: f64) -> String {
    let whole = number.round() as u64;
    match whole {
        0..=99 => format!("{} s", three_digits(number)),
        100..=5999 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// `0.42 ms`, `12.3 ms`, `1.50 s`.
#[must_use]
pub fn milliseconds(number: f64) -> String {
    if number < 1000.0 { format!("{} ms", three_digits(number)) } else { seconds(number / 1000.0) }
}

/// A metric, `0.9123`.
#[must_use]
pub fn metric(number: f64) -> String {
    format!("{number:.4}")
}

/// A share, `40.0 %`.
#[must_use]
pub fn share(number: f64) -> String {
    format!("{:.1} %", 100.0 * number)
}

/// `0.41×`; `None` for a base of 0.
#[must_use]
pub fn ratio(number: f64, base: f64) -> Option<String> {
    let ratio = number / base;
    ratio.is_finite().then(|| format!("{}×", if ratio >= 10.0 { format!("{ratio:.1}") } else { format!("{ratio:.2}") }))
}

/// Three digits that count; small numbers in powers of ten.
#[must_use]
pub fn plain(number: f64) -> String {
    match number.abs() {
        size if size != 0.0 && size < 0.01 => format!("{number:.1e}"),
        _ => three_digits(number),
    }
}

/// `value`, shown by `show`, or a dash.
#[must_use]
pub fn or_nothing<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or_else(|| NOTHING.to_owned(), show)
}

fn three_digits(number: f64) -> String {
    match number.abs() {
        0.0 => "0".to_owned(),
        size if size >= 99.95 => format!("{number:.0}"),
        size if size >= 9.995 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_as_people_write_them() {
        assert_eq!([count(950), count(85_054_464)], ["950", "85.1 M"]);
        assert_eq!([bytes(812), bytes(3_400_000), bytes(9_400)], ["812 B", "3.40 MB", "9.40 kB"]);
        assert_eq!([milliseconds(12.34), milliseconds(1500.0)], ["12.3 ms", "1.50 s"]);
        assert_eq!([seconds(0.42), seconds(243.0), seconds(7500.0)], ["0.42 s", "4 min 03 s", "2 h 05 min"]);
        assert_eq!((ratio(0.4, 1.0).as_deref(), ratio(1.0, 0.0)), (Some("0.40×"), None));
        assert_eq!([plain(0.0), plain(0.000_012), plain(2.346)], ["0", "1.2e-5", "2.35"]);
    }
}
