//! What a section says before all its numbers: a few sentences, and the arms in one short table with their difference to
//! the baseline and what that amounts to.

use std::collections::BTreeSet;

use apt_experiment::{ablation_axes, lower_is_better};

use crate::column::Column;
use crate::figures::NOTHING;
use crate::grid::Grid;
use crate::metric::metric;
use crate::plots::several_densities;
use crate::report::Section;
use crate::statistics::{Difference, Summary, Verdict};
use crate::tables::{Row, Table};
use crate::texts::{cell, chance, verdict};

/// Fewer seeds say next to nothing about chance.
pub const FEWEST_SEEDS: usize = 3;

/// What an arm costs, beside what it is worth.
const COSTS: [&str; 3] = ["density", "latency_32", "training_seconds"];

/// The arms as a table.
pub(crate) struct ShortTable {
    /// Headings, and which columns a narrow screen leaves out.
    pub(crate) head: Grid,
    /// Rows under the question that they answer, which is empty where there is but one.
    pub(crate) parts: Vec<(String, Vec<Line>)>,
}

/// A row of it.
pub(crate) struct Line {
    /// The name first.
    pub(crate) cells: Vec<String>,
    /// Whether the others are compared with it.
    pub(crate) is_base: bool,
}

impl Section {
    /// The most seeds that an arm has finished.
    #[must_use]
    pub fn seeds_finished(&self) -> usize {
        self.groups.iter().map(|group| group.runs.len()).max().unwrap_or(0)
    }

    /// How many arms have runs.
    #[must_use]
    pub fn arms_finished(&self) -> usize {
        self.groups.iter().filter(|group| !group.runs.is_empty()).count()
    }

    /// What can be said of the arms, a sentence each.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let finished = self.arms_finished();
        let at_chance = chance(self);
        if finished == 0 || self.at_chance.len() == finished {
            return Some(at_chance).filter(|words| !words.is_empty()).into_iter().collect();
        }
        let compared = self.compared_arms();
        let mut sentences = vec![at_chance];
        match compared.first() {
            None if finished == 1 => {
                sentences.push("One arm is finished; it takes a second one to compare.".to_owned())
            }
            None => sentences.push("No arm shares a seed with the baseline yet.".to_owned()),
            Some((base, ..)) => sentences.extend(kinds(&self.base_in_words(base)).map(|(what, with_points, is)| {
                let arms = compared.iter().filter(|(.., of)| is(of, &self.metric));
                let unit = if lower_is_better(&self.metric) { "" } else { " points" };
                let arms = arms.map(|(_, arm, of)| match with_points {
                    true => format!("{arm} ({}{unit})", self.points(&of.summary)),
                    false => arm.clone(),
                });
                let arms = arms.collect::<Vec<_>>().join(", ");
                if arms.is_empty() { arms } else { format!("{what}: {arms}.") }
            })),
        }
        sentences.extend(few_seeds(self.seeds_finished()));
        sentences.retain(|sentence| !sentence.is_empty());
        sentences
    }

    /// What sentences call the baseline: each arm is compared with that of its own density, unless the study asks for
    /// another.
    fn base_in_words(&self, base: &str) -> String {
        if !several_densities(self) {
            return base.to_owned();
        }
        let density = |row: &Row| self.groups[row.group].density;
        let mut apart = self.own_tables().filter_map(|table| {
            let base = table.rows.iter().find(|row| row.is_base)?;
            let is_apart = |row: &Row| density(row).is_some_and(|own| density(base).is_some_and(|of| of != own));
            table.rows.iter().any(is_apart).then_some(base)
        });
        match apart.next() {
            Some(row) => words(&self.groups[row.group].name(true)),
            None => format!("{base} at the same density"),
        }
    }

    /// Baseline, arm and difference, each pair once.
    fn compared_arms(&self) -> Vec<(String, String, &Difference)> {
        let several = several_densities(self);
        let name = |group: usize| words(&self.groups[group].name(several));
        let axes: BTreeSet<&str> = self.own_tables().map(|table| table.axis.as_str()).collect();
        let mut known = Vec::new();
        let mut arms = Vec::new();
        for table in self.own_tables() {
            let Some(base) = table.rows.iter().find(|row| row.is_base) else { continue };
            for row in &table.rows {
                let Some(difference) = row.differences.get(self.compared_by) else { continue };
                if !known.contains(&(base.group, row.group)) {
                    known.push((base.group, row.group));
                    // `off` alone does not say what is off.
                    let is_ablation = ablation_axes().iter().any(|(axis, _)| axis.name() == table.axis);
                    let arm = match is_ablation && axes.len() > 1 {
                        true => format!("{} {}", table.axis, name(row.group)),
                        false => name(row.group),
                    };
                    // What prunes nothing stands beside the baseline of every density.
                    let arm = match several && self.groups[row.group].density.is_none() {
                        true => format!("{arm} beside {}", name(base.group)),
                        false => arm,
                    };
                    arms.push((words(&self.groups[base.group].arm), arm, difference));
                }
            }
        }
        arms
    }

    /// The tables of differences to the baseline.
    fn own_tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.iter().filter(|table| !table.relative)
    }

    /// The arms as a table.
    pub(crate) fn short_table(&self) -> ShortTable {
        let tables: Vec<&Table> = self.own_tables().collect();
        let all = || tables.iter().flat_map(|table| &table.rows);
        let column = |key: &str| {
            let values = all().filter_map(|row| self.groups[row.group].summaries.get(key).copied());
            let values: Vec<Summary> = values.collect();
            Some(Column::new(metric(key)?, &values, false, None)).filter(|_| !values.is_empty())
        };
        let columns: Vec<Column> = [self.compared_by].into_iter().chain(COSTS).filter_map(column).collect();
        let base = all().find(|row| row.is_base).map_or_else(String::new, |row| words(&self.groups[row.group].arm));
        let mut headings = vec!["arm".to_owned(), format!("minus {base}, points"), "verdict".to_owned()];
        let main = headings.len();
        headings.extend(columns.iter().map(|column| match column.key {
            key if key == self.compared_by => format!("{}, {}", self.metric, column.name),
            "density" => "weights left (no embeddings), %".to_owned(),
            _ => column.heading(),
        }));
        headings.push("N".to_owned());
        let minor = (0..headings.len()).map(|place| place >= main).collect();
        let mut bases = Vec::new();
        let mut parts = Vec::new();
        for table in &tables {
            let mut lines = Vec::new();
            for row in &table.rows {
                // Without a study, arms that nobody has run were not asked for.
                let is_asked = row.n > 0 || !self.groups[row.group].seeds_asked.is_empty();
                if is_asked && !(row.is_base && bases.contains(&row.group)) {
                    lines.push(self.line(table, row, &columns));
                }
            }
            bases.extend(table.rows.iter().filter(|row| row.is_base).map(|row| row.group));
            let title = if tables.len() > 1 { table.title.clone() } else { String::new() };
            parts.push((title, lines));
        }
        parts.retain(|(_, lines)| !lines.is_empty());
        ShortTable { head: Grid { headings, minor, rows: Vec::new() }, parts }
    }

    fn line(&self, table: &Table, row: &Row, columns: &[Column]) -> Line {
        let group = &self.groups[row.group];
        let (difference, verdict) = match row.differences.get(self.compared_by) {
            Some(of) if of.summary.n == row.n => (self.points(&of.summary), self.short_verdict(of)),
            Some(of) => (format!("{} (N {})", self.points(&of.summary), of.summary.n), self.short_verdict(of)),
            None if row.is_base => ("baseline".to_owned(), NOTHING),
            None if row.n == 0 => (NOTHING.to_owned(), "not finished"),
            None => (NOTHING.to_owned(), "no seed in common"),
        };
        let value = |column: &Column| match group.summaries.get(column.key) {
            Some(value) => cell(table, row, column, value, self),
            None => NOTHING.to_owned(),
        };
        // An axis has a name of its own for the baseline.
        let name = words(if row.is_base { &group.arm } else { &row.name });
        let cells = [name, difference, verdict.to_owned()].into_iter().chain(columns.iter().map(value));
        Line { cells: cells.chain([row.count.clone()]).collect(), is_base: row.is_base }
    }

    /// What a difference amounts to; the whole report says more of it.
    fn short_verdict(&self, of: &Difference) -> &'static str {
        match of.verdict {
            Verdict::OneSeed => "one seed",
            Verdict::OnlyAlone => Verdict::NotDistinguishable.words(),
            _ => verdict(of, &self.metric),
        }
    }

    /// `−1.97 ± 0.40`: a difference of the metric in points, with half of its 95 % interval. Of a metric that is no share it
    /// is the difference itself.
    fn points(&self, of: &Summary) -> String {
        let scale = if lower_is_better(&self.metric) { 1.0 } else { 100.0 };
        let text = format!("{:+.2}", scale * of.mean).replace('-', "−");
        let mean = if text.trim_start_matches(['+', '−']) == "0.00" { "0.00".to_owned() } else { text };
        of.interval.map_or_else(|| mean.clone(), |interval| format!("{mean} ± {:.2}", scale * interval.half()))
    }
}

/// Whether a difference of the metric of this name is of a kind.
type Is = fn(&Difference, &str) -> bool;

/// The kinds of differences, the clear ones first, and whether their size is told: noise has none.
fn kinds(base: &str) -> impl Iterator<Item = (String, bool, Is)> {
    let kinds: [(String, bool, Is); 5] = [
        (format!("Worse than {base}"), true, |of, metric| verdict(of, metric) == "worse"),
        (format!("Better than {base}"), true, |of, metric| verdict(of, metric) == "better"),
        (format!("Not distinguishable from {base}"), false, |of, _| {
            matches!(of.verdict, Verdict::NotDistinguishable | Verdict::OnlyAlone)
        }),
        (format!("Beside {base} the same on every seed"), true, |of, _| of.verdict == Verdict::NoSpread),
        (format!("Beside {base}, on one seed"), true, |of, _| of.verdict == Verdict::OneSeed),
    ];
    kinds.into_iter()
}

/// What so few seeds cannot show.
fn few_seeds(seeds: usize) -> Option<String> {
    match seeds {
        1 => Some("One seed shows no uncertainty; run at least three to compare.".to_owned()),
        2 => Some("Two seeds say little about chance; run at least three to compare.".to_owned()),
        _ => None,
    }
}

/// An arm's name as people write it: `one shot`.
fn words(name: &str) -> String {
    name.replace('_', " ")
}
