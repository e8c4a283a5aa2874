//! Runs side by side: each measure with its ratio to the first run's.

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle, presets};

use super::figures::{self, NOTHING};
use crate::Record;

/// With more runs than this the table is turned: one run per line.
const SIDE_BY_SIDE: usize = 4;

/// A rule above, below and under the header, none between rows.
const RULED: TableStyle = TableStyle::new().top_border(RULE).header_separator(RULE).bottom_border(RULE);
const RULE: LineStyle = LineStyle::none().fill('─').junction('─');

/// Compares runs, given by name; ratios are to the first. A measure that no run has is left out,
/// a single missing value is shown as a dash. For a dense run the dense model's values stand in
/// where it has no compacted one.
#[must_use]
pub fn comparison_table(rows: &[(&str, &Record)]) -> String {
    draw(rows, RULED, "\n")
}

/// [`comparison_table`] as a Markdown table.
#[must_use]
pub fn comparison_markdown(rows: &[(&str, &Record)]) -> String {
    draw(rows, presets::ASCII_MARKDOWN, " ")
}

struct Measure {
    label: String,
    value: fn(&Record) -> Option<f64>,
    show: fn(f64) -> String,
}

fn measures(first: &Record) -> Vec<Measure> {
    let measure = |label: &str, value, show| Measure { label: label.to_owned(), value, show };
    let name = match first.measures.metric.name.as_str() {
        "" => "metric",
        name => name,
    };
    let target = format!("time to {:.0} %", 100.0 * first.config.target_metric_fraction);
    vec![
        measure(&format!("{name}, validation"), |run| run.measures.metric.validation, figures::metric),
        measure(&format!("{name}, test"), |run| run.measures.metric.test, figures::metric),
        measure("parameters", |run| whole(run.measures.params.kept.or(run.measures.params.dense)), figures::count),
        measure("MACs", |run| whole(run.measures.macs.kept.or(run.measures.macs.dense)), figures::count),
        measure("training time", |run| run.measures.train.seconds, figures::seconds),
        measure(&target, |run| run.measures.train.seconds_to_target, figures::seconds),
        measure("peak device memory", |run| whole(run.measures.train.peak_device_bytes), figures::bytes),
        measure("peak process memory", |run| whole(run.measures.train.peak_process_bytes), figures::bytes),
        measure(
            "file size",
            |run| whole(run.measures.file_bytes.kept.or(run.measures.file_bytes.dense)),
            figures::bytes,
        ),
        measure(
            "inference, batch 1",
            |run| run.measures.inference.batch_1.compact_ms.or(run.measures.inference.batch_1.dense_ms),
            figures::milliseconds,
        ),
        measure(
            "inference, batch 32",
            |run| run.measures.inference.batch_32.compact_ms.or(run.measures.inference.batch_32.dense_ms),
            figures::milliseconds,
        ),
    ]
}

fn draw(rows: &[(&str, &Record)], style: TableStyle, between: &str) -> String {
    let Some((_, first)) = rows.first() else {
        return String::new();
    };
    let mut measures = measures(first);
    measures.retain(|measure| rows.iter().any(|(_, run)| (measure.value)(run).is_some()));

    let mut table = Table::new();
    table.load_style(style);
    let runs = rows.iter().map(|(name, _)| one_line(name));
    if rows.len() <= SIDE_BY_SIDE {
        table.set_header([String::new()].into_iter().chain(runs));
        for measure in &measures {
            let cells = rows.iter().enumerate().map(|(place, (_, run))| cell(measure, run, first, place == 0, " "));
            table.add_row([measure.label.clone()].into_iter().chain(cells));
        }
    } else {
        table.set_header(
            [String::new()].into_iter().chain(measures.iter().map(|measure| measure.label.replace(", ", between))),
        );
        for (place, (name, run)) in runs.zip(rows.iter().map(|(_, run)| run)).enumerate() {
            let cells = measures.iter().map(|measure| cell(measure, run, first, place == 0, between));
            table.add_row([name].into_iter().chain(cells));
        }
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

fn cell(measure: &Measure, run: &Record, first: &Record, is_first: bool, between: &str) -> String {
    let Some(value) = (measure.value)(run) else {
        return NOTHING.to_owned();
    };
    let shown = (measure.show)(value);
    let base = (measure.value)(first).filter(|_| !is_first);
    match base.and_then(|base| figures::ratio(value, base)) {
        Some(ratio) => format!("{shown}{between}({ratio})"),
        None => shown,
    }
}

/// A name from a file may hold anything; in a table it holds no line breaks, pipes or control characters.
fn one_line(name: &str) -> String {
    name.chars().map(|c| if c.is_control() || c == '|' { ' ' } else { c }).collect()
}

fn whole(number: Option<u64>) -> Option<f64> {
    number.map(|number| number as f64)
}
