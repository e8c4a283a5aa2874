//! Runs side by side: each measure with its ratio to the first run's.

use apt_experiment::Record;
use comfy_table::{CellAlignment, LineStyle, Table, TableStyle, presets};

use crate::figures::{self, NOTHING};
use crate::metric::{Metric, metric};

/// With more runs than this each run is a line, else a column.
const SIDE_BY_SIDE: usize = 4;

/// A rule above, below and under the header, none between rows.
const RULED: TableStyle = TableStyle::new().top_border(RULE).header_separator(RULE).bottom_border(RULE);
const RULE: LineStyle = LineStyle::none().fill('─').junction('─');

/// Compares runs, given by name; ratios are to the first. A measure that no run has is left out,
/// a single missing value is shown as a dash. A dense run has no compacted model; its dense model's values stand there.
#[must_use]
pub fn comparison_table(rows: &[(&str, &Record)]) -> String {
    draw(rows, RULED, "\n")
}

/// [`comparison_table`] as a Markdown table.
#[must_use]
pub fn comparison_markdown(rows: &[(&str, &Record)]) -> String {
    draw(rows, presets::ASCII_MARKDOWN, " ")
}

/// The measures that are shown, by key.
const SHOWN: [&str; 11] = [
    "validation",
    "test",
    "parameters",
    "macs",
    "training_seconds",
    "seconds_to_target",
    "peak_device_bytes",
    "peak_process_bytes",
    "file_bytes",
    "latency_1",
    "latency_32",
];

/// What the measure is called beside `first`, whose task and target it may name.
fn label(measure: &Metric, first: &Record) -> String {
    match measure.key {
        "validation" | "test" => {
            let name = Some(first.measures.metric.name.as_str()).filter(|name| !name.is_empty()).unwrap_or("metric");
            format!("{name}, {}", measure.name)
        }
        "seconds_to_target" => format!("time to {:.0} %", 100.0 * first.config.target_metric_fraction),
        _ => measure.name.to_owned(),
    }
}

fn draw(rows: &[(&str, &Record)], style: TableStyle, between: &str) -> String {
    let Some((_, first)) = rows.first() else {
        return String::new();
    };
    let shown = SHOWN.iter().filter_map(|key| metric(key));
    let measures: Vec<_> = shown.filter(|measure| rows.iter().any(|(_, run)| (measure.read)(run).is_some())).collect();

    let mut table = Table::new();
    table.load_style(style);
    let runs = rows.iter().map(|(name, _)| one_line(name));
    if rows.len() <= SIDE_BY_SIDE {
        table.set_header([String::new()].into_iter().chain(runs));
        for &measure in &measures {
            let cells = rows.iter().enumerate().map(|(place, (_, run))| cell(measure, run, first, place == 0, " "));
            table.add_row([label(measure, first)].into_iter().chain(cells));
        }
    } else {
        table.set_header(
            [String::new()]
                .into_iter()
                .chain(measures.iter().map(|measure| label(measure, first).replace(", ", between))),
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

fn cell(measure: &Metric, run: &Record, first: &Record, is_first: bool, between: &str) -> String {
    let Some(value) = (measure.read)(run) else {
        return NOTHING.to_owned();
    };
    let shown = measure.unit.text(value);
    let base = (measure.read)(first).filter(|_| !is_first);
    match base.and_then(|base| figures::ratio(value, base)) {
        Some(ratio) => format!("{shown}{between}({ratio})"),
        None => shown,
    }
}

/// A name from a file may hold anything; in a table it holds no line breaks, pipes or control characters.
fn one_line(name: &str) -> String {
    name.chars().map(|c| if c.is_control() || c == '|' { ' ' } else { c }).collect()
}
