//! A report in brief: what arms gave, at each density, in a file that a page can fetch and show beside a run of its own.
//! Its numbers are those of the report, with five digits.

use std::collections::BTreeMap;

use apt_experiment::{ArmId, KNOBS, Knobs, compared, setting};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::files::ReportError;
use crate::groups::Group;
use crate::origin::Origin;
use crate::report::{Report, Section};
use crate::statistics::{Difference, Interval, Summary};

/// The version of the format.
pub const BRIEF_SCHEMA: &str = "apt-lab/brief/1";

/// The measures that stand in it beside the metric.
const MEASURES: [&str; 6] =
    ["density", "mean_density", "training_seconds", "steps_to_landmark", "seconds_to_landmark", "latency_32"];

/// The arms of one setting and how they compare.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Brief {
    /// [`BRIEF_SCHEMA`].
    pub schema: String,
    /// Commands that make the runs again.
    pub commands: Vec<String>,
    /// The task's metric.
    pub metric: String,
    /// The measure that arms are compared by, `test` or `validation`.
    pub compared_by: String,
    /// What all arms have in common: the settings with every idea of the method, density and seed at their defaults.
    pub settings: Knobs,
    /// Steps of a run.
    pub steps: Option<usize>,
    /// The arms that have runs, each at each density.
    pub arms: Vec<BriefArm>,
    /// Arms beside their baseline.
    pub compared: Vec<Compared>,
    /// Whether runs were made side by side or on several devices, so that times are rough.
    pub rough_times: bool,
    /// Where the numbers come from.
    pub origin: Origin,
    /// What tells the arms apart, in their order.
    #[serde(skip)]
    ids: Vec<ArmId>,
}

/// An arm at a density.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BriefArm {
    /// The preset it starts from.
    pub preset: String,
    /// The density asked for; none where nothing is pruned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub density: Option<f64>,
    /// What it sets otherwise than [`Brief::settings`].
    pub changes: BTreeMap<String, Value>,
    /// The metric of each run, by seed.
    pub runs: Vec<f64>,
    /// The metric and other measures over the runs that have them, by key.
    pub values: BTreeMap<String, Summary>,
}

/// An arm minus its baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// The place of the arm.
    pub arm: usize,
    /// The place of the baseline.
    pub base: usize,
    /// The difference of the metric over the seeds of both.
    #[serde(flatten)]
    pub difference: Difference,
}

impl Brief {
    /// Of the report's first section, that of the most runs; `None` if no run is in it. `commands` make its runs again.
    #[must_use]
    pub fn of(report: &Report, commands: Vec<String>) -> Option<Self> {
        let section = report.sections.first()?;
        let kept: Vec<usize> = (0..section.groups.len()).filter(|of| !section.groups[*of].runs.is_empty()).collect();
        let base = kept.iter().map(|of| &section.groups[*of]).find(|group| group.preset == "apt");
        let base = base.or_else(|| section.groups.get(*kept.first()?))?;
        let settings = Knobs { density: Knobs::default().density, ..setting(&base.knobs) };
        let brief = Self {
            schema: BRIEF_SCHEMA.to_owned(),
            commands,
            metric: section.metric.clone(),
            compared_by: section.compared_by.to_owned(),
            steps: base.runs.first().and_then(|run| run.steps),
            arms: kept.iter().map(|of| BriefArm::of(&section.groups[*of], section.compared_by, &settings)).collect(),
            compared: differences(section, &kept),
            rough_times: section.several_devices || section.side_by_side,
            origin: section.origin.clone(),
            settings,
            ids: Vec::new(),
        };
        Some(brief.with_ids())
    }

    /// Reads what [`Brief::to_json`] has written.
    ///
    /// # Errors
    /// In words, if it is none, or one of another version.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let brief: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let is_whole = brief.compared.iter().all(|of| of.arm.max(of.base) < brief.arms.len());
        match brief.schema == BRIEF_SCHEMA && is_whole {
            true => Ok(brief.with_ids()),
            false => Err(format!("it is {} and no whole {BRIEF_SCHEMA}", brief.schema)),
        }
    }

    /// As a file, an arm or a comparison a line.
    ///
    /// # Errors
    /// [`ReportError::Json`].
    pub fn to_json(&self) -> Result<String, ReportError> {
        let text = serde_json::to_string(self)?;
        Ok(text.replace("{\"preset\"", "\n{\"preset\"").replace("{\"arm\"", "\n{\"arm\"") + "\n")
    }

    fn with_ids(mut self) -> Self {
        self.ids = self.arms.iter().map(|arm| ArmId::of(&self.settings_of(arm))).collect();
        self
    }

    /// The settings of an arm; the seed is the default.
    #[must_use]
    pub fn settings_of(&self, arm: &BriefArm) -> Knobs {
        let mut knobs = self.settings.clone();
        for knob in KNOBS.iter() {
            if let Some(value) = arm.changes.get(knob.name) {
                // A value that the knob refuses was no setting of a run.
                let _ = knob.set_json(&mut knobs, value);
            }
        }
        knobs
    }

    /// The arm with these settings, whatever the seed and the device. Whoever asks for as many steps as the runs made
    /// asks for the same.
    #[must_use]
    pub fn arm(&self, knobs: &Knobs) -> Option<&BriefArm> {
        let mut knobs = knobs.clone();
        if knobs.steps == self.steps {
            knobs.steps = self.settings.steps;
        }
        let id = ArmId::of(&knobs);
        self.ids.iter().position(|of| *of == id).and_then(|place| self.arms.get(place))
    }

    /// The difference of an arm to a baseline.
    #[must_use]
    pub fn difference(&self, arm: &BriefArm, base: &BriefArm) -> Option<&Difference> {
        let is = |place: usize, of: &BriefArm| self.arms.get(place).is_some_and(|own| std::ptr::eq(own, of));
        self.compared.iter().find(|of| is(of.arm, arm) && is(of.base, base)).map(|of| &of.difference)
    }
}

impl BriefArm {
    fn of(group: &Group, compared_by: &str, settings: &Knobs) -> Self {
        let own = compared(&group.knobs);
        let changes = KNOBS.iter().filter(|knob| knob.get(&own) != knob.get(settings));
        let values = [compared_by].into_iter().chain(MEASURES);
        Self {
            preset: group.preset.clone(),
            density: group.density,
            changes: changes.map(|knob| (knob.name.to_owned(), knob.get(&own))).collect(),
            runs: group.by_seed(compared_by).into_iter().map(|(_, value)| digits(value)).collect(),
            values: values.filter_map(|key| Some((key.to_owned(), short(group.summaries.get(key)?)))).collect(),
        }
    }
}

/// Each pair of baseline and arm once.
fn differences(section: &Section, kept: &[usize]) -> Vec<Compared> {
    let place = |group: usize| kept.iter().position(|of| *of == group);
    let mut all: Vec<Compared> = Vec::new();
    for table in section.tables.iter().filter(|table| !table.relative) {
        let Some(base) = table.rows.iter().find(|row| row.is_base).and_then(|row| place(row.group)) else { continue };
        for row in &table.rows {
            let (Some(arm), Some(of)) = (place(row.group), row.differences.get(section.compared_by)) else { continue };
            if !all.iter().any(|known| (known.arm, known.base) == (arm, base)) {
                let (p, holm) = (of.p.map(digits), of.holm.map(digits));
                let difference = Difference { summary: short(&of.summary), p, holm, ..of.clone() };
                all.push(Compared { arm, base, difference });
            }
        }
    }
    all
}

fn short(of: &Summary) -> Summary {
    let interval = of.interval.map(|of| Interval { low: digits(of.low), high: digits(of.high) });
    Summary { n: of.n, mean: digits(of.mean), sd: of.sd.map(digits), interval, bootstrap: None }
}

/// With five digits that count.
fn digits(number: f64) -> f64 {
    format!("{number:.4e}").parse().unwrap_or(number)
}
