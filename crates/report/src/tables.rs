//! Arms beside each other: the four ablation tables, one for axes of one's own, and the paper's Table 2.

use std::collections::BTreeMap;

use apt_experiment::{Arm, ArmId, Knobs, Study, StudyAxis};
use serde::Serialize;

use crate::column::Column;
use crate::groups::Group;
use crate::statistics::{Difference, Summary, paired, set_holm, summarise};
use crate::target::Target;

/// A table.
#[derive(Clone, Debug, Serialize)]
pub struct Table {
    /// The axis; empty for the paper's form.
    pub axis: String,
    /// Density of its arms that prune, where the study has several.
    pub density: Option<f64>,
    /// What it is called.
    pub title: String,
    /// Its question.
    pub question: String,
    /// Whether values but the metric are shares of the baseline's in %, seed by seed.
    pub relative: bool,
    /// The measures.
    pub columns: Vec<Column>,
    /// The arms, the baseline first.
    pub rows: Vec<Row>,
    /// Arms that Holm's correction counts, for the measure that arms are compared by.
    pub tests: usize,
}

/// An arm.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Its name on this axis.
    pub name: String,
    /// Its place in [`crate::Section::groups`].
    pub group: usize,
    /// Whether the others are compared with it.
    pub is_base: bool,
    /// Runs of it that are finished; a cell has its own N where that is another.
    pub n: usize,
    /// The same as text, with how many the study asks for.
    pub count: String,
    /// A value for each column, over the runs that have it.
    pub cells: Vec<Option<Summary>>,
    /// Arm minus baseline for each measure, Holm's correction within the measure.
    pub differences: BTreeMap<&'static str, Difference>,
}

/// Question and measures of an axis.
fn question_and_measures(axis: &str) -> (&'static str, &'static [&'static str]) {
    match axis {
        "salience" => (
            "What is it worth to know which blocks matter?",
            &["validation", "test", "training_seconds", "peak_device_bytes", "peak_process_bytes"],
        ),
        "tuning" => (
            "What is it worth to grow ranks where they matter?",
            &["validation", "test", "steps_to_target", "seconds_to_target", "peak_device_bytes", "peak_process_bytes"],
        ),
        "distillation" => (
            "What is a teacher worth, and what does it cost?",
            &["validation", "test", "peak_device_bytes", "peak_process_bytes", "training_seconds"],
        ),
        "schedule" => (
            "What is it worth to prune early?",
            &[
                "validation",
                "test",
                "training_seconds",
                "memory_time",
                "mean_density",
                "latency_1",
                "latency_32",
                "throughput_32",
            ],
        ),
        _ => (
            "",
            &[
                "validation",
                "test",
                "density",
                "parameters",
                "macs",
                "file_bytes",
                "training_seconds",
                "seconds_to_target",
                "peak_device_bytes",
                "latency_32",
            ],
        ),
    }
}

/// The paper's: metric, time to target, memory of training, time and memory of inference.
const PAPER: [&str; 7] =
    ["validation", "test", "seconds_to_target", "peak_device_bytes", "peak_process_bytes", "latency_32", "file_bytes"];

pub(crate) fn tables(
    study: &Study,
    groups: &[Group],
    target: Option<&Target>,
    compared_by: &'static str,
    asked: bool,
) -> Vec<Table> {
    let mut tables = Vec::new();
    for axis in &study.axes {
        let bases = study.at_densities(&study.base);
        for base in &bases {
            let rows = rows(study, axis, base, groups);
            let ran = |of: usize| !groups[of].runs.is_empty() && groups[of].id != ArmId::of(base);
            // A table that a study asks for is shown before its runs are made; others would only be empty.
            if asked || study.axes.len() == 1 || rows.iter().any(|(_, group)| ran(*group)) {
                let density = (bases.len() > 1).then_some(base.density);
                tables.push(ablation(axis, density, &rows, groups, target, compared_by));
            }
        }
    }
    tables.extend(paper(study, groups, target));
    tables
}

/// Name and group of the axis's arms that stand beside `base`: those that prune at its density. Beside a dense base all
/// do.
fn rows(study: &Study, axis: &StudyAxis, base: &Knobs, groups: &[Group]) -> Vec<(String, usize)> {
    let mut rows = Vec::new();
    for (place, arm) in axis.arms.iter().enumerate() {
        let variants = study.at_densities(arm);
        let several = variants.len() > 1;
        for knobs in variants {
            let id = ArmId::of(&knobs);
            if place == 0 && id != ArmId::of(base) {
                continue;
            }
            if several && base.prunes() && knobs.density != base.density {
                continue;
            }
            let name =
                if several && !base.prunes() { format!("{} at {}", arm.name, knobs.density) } else { arm.name.clone() };
            if let Some(group) = groups.iter().position(|group| group.id == id) {
                rows.push((name, group));
            }
        }
    }
    rows
}

fn ablation(
    axis: &StudyAxis,
    density: Option<f64>,
    rows: &[(String, usize)],
    groups: &[Group],
    target: Option<&Target>,
    compared_by: &'static str,
) -> Table {
    let (question, keys) = question_and_measures(&axis.name);
    let cells = |group: &Group| keys.iter().map(|key| group.summaries.get(key).copied()).collect();
    let mut rows: Vec<Row> =
        rows.iter().map(|(name, of)| Row::new(name, *of, &groups[*of], cells(&groups[*of]))).collect();
    let tests = compare(&mut rows, groups, compared_by);
    let at = density.map_or_else(String::new, |density| format!(", density {density}"));
    let mut table = Table {
        title: format!("{}{at}", capital(&axis.name.replace('_', " "))),
        question: question.to_owned(),
        axis: axis.name.clone(),
        density,
        relative: false,
        columns: Vec::new(),
        rows,
        tests,
    };
    table.set_columns(keys, target);
    table
}

/// Compares every row but the first with it; how many tests of the main measure were made.
fn compare(rows: &mut [Row], groups: &[Group], compared_by: &str) -> usize {
    let Some((base, arms)) = rows.split_first_mut() else {
        return 0;
    };
    base.is_base = true;
    let base = &groups[base.group];
    for arm in &mut *arms {
        let own = &groups[arm.group];
        let differences =
            own.summaries.keys().filter_map(|key| Some((*key, paired(&own.by_seed(key), &base.by_seed(key))?)));
        arm.differences = differences.collect();
    }
    for metric in crate::metric::METRICS {
        set_holm(arms.iter_mut().filter_map(|arm| arm.differences.get_mut(metric.key)));
    }
    arms.iter().filter_map(|arm| arm.differences.get(compared_by)).filter(|difference| difference.p.is_some()).count()
}

/// The paper's Table 2: every measure but the metric as a share of full fine-tuning's (or another dense arm's).
fn paper(study: &Study, groups: &[Group], target: Option<&Target>) -> Option<Table> {
    let has_runs = |knobs: &Knobs| {
        let id = ArmId::of(knobs);
        groups.iter().position(|group| !group.runs.is_empty() && group.id == id)
    };
    let dense_has_runs = |arm: &Arm| study.at_densities(arm).iter().find_map(has_runs);
    let dense_base = !study.base.knobs.prunes();
    let base = if dense_base { dense_has_runs(&study.base) } else { None };
    let named = |of: &str| study.arms().find(|arm| arm.name == of && !arm.knobs.prunes());
    let base = base.or_else(|| dense_has_runs(named(&target?.of)?))?;
    let whole: Vec<usize> = study.at_densities(&study.base).iter().filter_map(has_runs).collect();
    let belongs = |place: usize, group: &Group| {
        place != base && !group.runs.is_empty() && (dense_base || !group.knobs.prunes() || whole.contains(&place))
    };
    let others = groups.iter().enumerate().filter(|(place, group)| belongs(*place, group)).map(|(place, _)| place);
    let mut rows: Vec<Row> = [base]
        .into_iter()
        .chain(others)
        .map(|place| {
            let (group, base) = (&groups[place], &groups[base]);
            let cell = |key: &&str| match *key {
                "validation" | "test" => group.summaries.get(key).copied(),
                key => share(&group.by_seed(key), &base.by_seed(key)),
            };
            Row::new(&group.name(!study.densities.is_empty()), place, group, PAPER.iter().map(cell).collect())
        })
        .collect();
    if rows.len() < 2 {
        return None;
    }
    rows[0].is_base = true;
    let mut table = Table {
        title: format!("Relative to {}", groups[base].arm),
        question: "What do pruning and tuning buy beside dense training?".to_owned(),
        axis: String::new(),
        density: None,
        relative: true,
        columns: Vec::new(),
        rows,
        tests: 0,
    };
    table.set_columns(&PAPER, target);
    Some(table)
}

/// 100 × arm ÷ baseline, seed by seed.
fn share(arm: &[(u64, f64)], base: &[(u64, f64)]) -> Option<Summary> {
    let of = |(seed, value): &(u64, f64)| {
        let (_, base) = base.iter().find(|(of, _)| of == seed)?;
        Some(100.0 * value / base)
    };
    summarise(&arm.iter().filter_map(of).collect::<Vec<_>>())
}

impl Table {
    /// Makes the columns, without those that no run of any arm has a value for.
    fn set_columns(&mut self, keys: &[&'static str], target: Option<&Target>) {
        let measured = self.rows.iter().any(|row| row.n > 0);
        let mut kept = Vec::new();
        for (place, key) in keys.iter().enumerate() {
            let values: Vec<Summary> = self.rows.iter().filter_map(|row| row.cells[place]).collect();
            let Some(metric) = crate::metric::metric(key) else { continue };
            if !values.is_empty() || !measured {
                let relative = self.relative && metric.unit != crate::metric::Unit::Metric;
                self.columns.push(Column::new(metric, &values, relative, target));
                kept.push(place);
            }
        }
        for row in &mut self.rows {
            row.cells = kept.iter().map(|place| row.cells[*place]).collect();
        }
    }
}

impl Row {
    fn new(name: &str, place: usize, group: &Group, cells: Vec<Option<Summary>>) -> Self {
        Self {
            name: name.to_owned(),
            group: place,
            is_base: false,
            n: group.runs.len(),
            count: group.count(),
            cells,
            differences: BTreeMap::new(),
        }
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
