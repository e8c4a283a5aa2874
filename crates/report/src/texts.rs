//! Tables and remarks as texts, the same in HTML and Markdown.

use apt_experiment::lower_is_better;

use crate::column::Column;
use crate::figures::NOTHING;
use crate::grid::Grid;
use crate::metric::{METRICS, Metric};
use crate::plots::NOT_COMPARABLE;
use crate::report::{Report, Section};
use crate::statistics::{Difference, Summary, Verdict};
use crate::tables::{Row, Table};

impl Grid {
    pub(crate) fn of(table: &Table, section: &Section) -> Self {
        let compares = table.rows.iter().any(|row| !row.differences.is_empty());
        let heading = |column: &Column| match column.key {
            _ if is_metric(column) => format!("{}, {}", section.metric, column.name),
            _ if table.relative => column.name.clone(),
            _ => column.heading(),
        };
        let mut headings = vec!["arm".to_owned(), "N".to_owned()];
        headings.extend(table.columns.iter().filter(|column| is_metric(column)).map(heading));
        if compares {
            let base = table.rows.iter().find(|row| row.is_base).map_or("", |row| row.name.as_str());
            headings.push(format!("{}, {}: minus {base}", section.metric, section.compared_by));
            headings.push("p, Holm".to_owned());
            headings.push("verdict".to_owned());
        }
        headings.extend(table.columns.iter().filter(|column| !is_metric(column)).map(heading));
        let rows = table.rows.iter().map(|row| cells(table, row, section, compares)).collect();
        // A phone has room for the arm, its difference to the baseline and the verdict.
        let main = compares.then(|| 2 + table.columns.iter().filter(|column| is_metric(column)).count());
        let is_minor = |place| main.is_some_and(|main| place != 0 && place != main && place != main + 2);
        Self { minor: (0..headings.len()).map(is_minor).collect(), headings, rows }
    }
}

fn is_metric(column: &Column) -> bool {
    matches!(column.key, "validation" | "test")
}

/// Name, N, the metric with its difference to the baseline, then what it cost.
fn cells(table: &Table, row: &Row, section: &Section, compares: bool) -> Vec<String> {
    let values = |metric: bool| {
        let columns = table.columns.iter().zip(&row.cells).filter(move |(column, _)| is_metric(column) == metric);
        columns.map(|(column, value)| {
            value.as_ref().map_or_else(|| NOTHING.to_owned(), |of| cell(table, row, column, of, section))
        })
    };
    let mut cells = vec![row.name.clone(), row.count.clone()];
    cells.extend(values(true));
    if compares {
        match row.differences.get(section.compared_by) {
            Some(difference) => cells.extend(comparison(difference, row, &section.metric)),
            None => cells.extend([if row.is_base { "baseline" } else { NOTHING }, NOTHING, NOTHING].map(str::to_owned)),
        }
    }
    cells.extend(values(false));
    cells
}

/// A value with the mark of times that must not be compared, and its N where that is not the row's.
pub(crate) fn cell(table: &Table, row: &Row, column: &Column, value: &Summary, section: &Section) -> String {
    let marked = column.timed && section.is_marked(row.group);
    let mark = if marked { format!(" {NOT_COMPARABLE}") } else { String::new() };
    let n = if value.n == row.n { String::new() } else { format!(" (N {})", value.n) };
    let unit = if table.relative && !is_metric(column) { " %" } else { "" };
    format!("{}{unit}{mark}{n}", column.text(value))
}

fn comparison(difference: &Difference, row: &Row, metric: &str) -> [String; 3] {
    let summary = &difference.summary;
    let interval = summary.interval.map(|of| format!(" [{}, {}]", signed(of.low), signed(of.high)));
    let n = if summary.n == row.n { String::new() } else { format!(" (N {})", summary.n) };
    let p = difference.holm.map_or_else(|| NOTHING.to_owned(), p_text);
    [format!("{}{}{n}", signed(summary.mean), interval.unwrap_or_default()), p, verdict(difference, metric).to_owned()]
}

/// What a difference of the metric of this name amounts to.
pub(crate) fn verdict(difference: &Difference, metric: &str) -> &'static str {
    match (difference.verdict, lower_is_better(metric)) {
        (Verdict::Higher, false) | (Verdict::Lower, true) => "better",
        (Verdict::Lower, false) | (Verdict::Higher, true) => "worse",
        (other, _) => other.words(),
    }
}

/// A difference of the metric.
fn signed(value: f64) -> String {
    let text = format!("{value:+.4}").replace('-', "−");
    if text.trim_start_matches(['+', '−']).chars().all(|c| c == '0' || c == '.') { "0.0000".to_owned() } else { text }
}

fn p_text(p: f64) -> String {
    if p < 0.0001 { "< 0.0001".to_owned() } else { format!("{p:.4}") }
}

/// What stands below a table.
pub(crate) fn remarks(table: &Table, section: &Section) -> Vec<String> {
    let mut remarks = Vec::new();
    if table.relative {
        let base = table.rows.iter().find(|row| row.is_base).map_or("", |row| row.name.as_str());
        remarks.push(format!(
            "All but the metric in % of {base}: 100 × arm ÷ {base} of the same seed, mean over seeds. Time of inference is \
             that of a batch of 32, memory of inference the size of the model file, which is what the weights take."
        ));
    }
    remarks.extend(table.rows.iter().filter_map(|row| resampled(row, section)));
    if table.tests > 1 {
        remarks.push(format!("p is corrected for the {} comparisons of this table.", table.tests));
    }
    let target = ["steps_to_target", "seconds_to_target"];
    if table.columns.iter().any(|column| target.contains(&column.key)) {
        remarks.push(match &section.target {
            Some(of) => format!(
                "The target is {:.4}: {} of the mean validation {} of {}, {:.4} (N {}). Runs that never reached it do \
                 not count in these means.",
                of.level(),
                of.percent(),
                section.metric,
                of.of,
                of.reference.mean,
                of.reference.n
            ),
            None => {
                "There is no dense run to take the target from; times to target are as the runs wrote them.".to_owned()
            }
        });
    }
    if table.rows.iter().any(|row| section.is_marked(row.group)) && table.columns.iter().any(|column| column.timed) {
        remarks.extend(not_comparable(section));
    }
    remarks
}

/// Where the bootstrap disagrees with t about zero.
fn resampled(row: &Row, section: &Section) -> Option<String> {
    let summary = row.differences.get(section.compared_by)?.summary;
    let (t, bootstrap) = (summary.interval?, summary.bootstrap?);
    let crosses = if bootstrap.holds(0.0) { "crosses" } else { "does not cross" };
    (t.holds(0.0) != bootstrap.holds(0.0)).then(|| {
        format!(
            "{}: the interval by resampling seeds, [{}, {}] (N {}), {crosses} zero; with few seeds it is too narrow.",
            row.name,
            signed(bootstrap.low),
            signed(bootstrap.high),
            summary.n
        )
    })
}

/// The footnote of times that must not be compared.
pub(crate) fn not_comparable(section: &Section) -> Option<String> {
    let why = match (section.side_by_side, section.several_devices) {
        (true, false) => "side by side on one machine",
        (false, true) => "on several devices",
        (true, true) => "on several devices, some side by side",
        (false, false) => return None,
    };
    Some(format!("{NOT_COMPARABLE} Runs were made {why}; their times are not comparable."))
}

/// How the numbers are made.
pub(crate) const METHOD: [&str; 5] = [
    "N is the number of finished runs of a row, each with another seed; a number from fewer runs has its own N beside it.",
    "± is half of the 95 % interval of the mean by Student's t; one run has none.",
    "Differences are arm minus baseline of the same seed, with the 95 % interval by t; p is that of the paired t-test, \
     corrected after Holm for all arms of the table.",
    "“Not distinguishable”: the interval crosses zero, or p is above 0.05 after the correction. It does not mean that both \
     are the same.",
    "A dash stands where nothing was measured.",
];

/// What was compared, in a sentence.
pub(crate) fn compared(report: &Report) -> String {
    let groups = report.sections.iter().flat_map(|section| &section.groups);
    let arms = groups.filter(|group| !group.runs.is_empty()).count();
    let plural = |n: usize, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
    let left = match report.left_out.len() {
        0 => String::new(),
        n => format!(" {} not, see below.", plural(n, "is", "are")),
    };
    let trials = match report.trials {
        0 => String::new(),
        n => format!("{} of [tune], ", plural(n, "is a trial", "are trials")),
    };
    if report.compared == report.given {
        return format!("{} in {}.", plural(report.given, "run", "runs"), plural(arms, "arm", "arms"));
    }
    format!(
        "Of {} given, {trials}{} compared, in {}.{left}",
        plural(report.given, "run", "runs"),
        plural(report.compared, "is", "are"),
        plural(arms, "arm", "arms"),
    )
}

/// Which arms have learned nothing; empty where all have.
pub(crate) fn chance(section: &Section) -> String {
    let arms = section.at_chance.join(", ");
    match section.at_chance.len() {
        0 => String::new(),
        n if n == section.groups.iter().filter(|group| !group.runs.is_empty()).count() => {
            "All arms are at chance: no better than always giving the same answer. Differences between them mean nothing; \
             train longer, or a model that can learn the task.".to_owned()
        }
        1 => format!(
            "{arms} is at chance: no better than always giving the same answer. No time to target is counted for it."
        ),
        _ => format!(
            "At chance, no better than always giving the same answer: {arms}. No time to target is counted for them."
        ),
    }
}

/// Arms, seeds and machine of a section.
pub(crate) fn setting(section: &Section) -> String {
    if section.origin.seeds.is_empty() {
        return "No run is finished yet.".to_owned();
    }
    let finished = section.groups.iter().filter(|group| !group.runs.is_empty()).count();
    let asked = section.groups.iter().flat_map(|group| &group.seeds_asked).max();
    let seeds: Vec<String> = section.origin.seeds.iter().map(u64::to_string).collect();
    let machine = section.origin.lines().into_iter().filter(|(name, _)| *name == "device" || *name == "backend");
    let machine: Vec<String> = machine.map(|(_, value)| value).collect();
    let of = if asked.is_some() { format!(" of {}", section.groups.len()) } else { String::new() };
    let arms = if section.groups.len() == 1 { "arm has runs" } else { "arms have runs" };
    let seed = if seeds.len() == 1 { "seed" } else { "seeds" };
    format!("{finished}{of} {arms}; {seed} {}; on {}.", seeds.join(", "), machine.join(", "))
}

/// The measures that a report's tables show.
pub(crate) fn measures(report: &Report) -> Vec<&'static Metric> {
    let shown = |metric: &&Metric| {
        let tables = report.sections.iter().flat_map(|section| &section.tables);
        tables.flat_map(|table| &table.columns).any(|column| column.key == metric.key)
    };
    METRICS.iter().filter(shown).collect()
}
