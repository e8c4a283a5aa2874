//! The report as data: CSV for spreadsheets and data frames, JSON with everything computed.

use apt_experiment::{Explain, Problem};

use crate::groups::Group;
use crate::metric::metric;
use crate::report::{Report, Section};
use crate::tuning::Tuning;

/// A report that cannot be written; what is in one does not lead here.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// As CSV.
    Csv(String),
    /// As JSON.
    Json(#[from] serde_json::Error),
}

apt_experiment::display_problem!(ReportError);

impl Explain for ReportError {
    fn problem(&self) -> Problem {
        let (format, why) = match self {
            Self::Csv(why) => ("CSV", why.clone()),
            Self::Json(why) => ("JSON", why.to_string()),
        };
        let remedy = "leave this format out, and report what happened to the authors of this program";
        Problem::new("report", format!("it cannot be written as {format}: {why}"), remedy)
    }
}

const HEADER: [&str; 12] =
    ["section", "arm", "preset", "density", "seed", "run", "jobs", "metric", "unit", "value", "status", "reason"];

/// One line per run and measure, with the plain value; a run that is not compared, or that a study still lacks, has one
/// line without. What `[tune]` tried has one line per arm and combination with the mean over its trials.
///
/// # Errors
/// [`ReportError::Csv`].
pub fn csv(report: &Report) -> Result<String, ReportError> {
    let mut lines = vec![HEADER.map(str::to_owned)];
    for section in &report.sections {
        for group in &section.groups {
            let line = |seed: u64, rest: [String; 7]| -> [String; 12] {
                let density = group.density.map_or_else(String::new, |density| density.to_string());
                let own = [section.title.clone(), group.arm.clone(), group.preset.clone(), density, seed.to_string()];
                let mut line = own.into_iter().chain(rest);
                std::array::from_fn(|_| line.next().unwrap_or_default())
            };
            for run in &group.runs {
                let jobs = run.jobs.map_or_else(String::new, |jobs| jobs.to_string());
                for (key, value) in &run.values {
                    let unit = metric(key).map_or("", |metric| metric.unit.name());
                    let rest = [&run.name, &jobs, *key, unit, &value.to_string(), "done", ""];
                    lines.push(line(run.seed, rest.map(str::to_owned)));
                }
            }
            for seed in missing(group) {
                lines.push(line(seed, ["", "", "", "", "", "missing", ""].map(str::to_owned)));
            }
        }
        lines.extend(section.tuning.iter().flat_map(|tuning| tried(section, tuning)));
    }
    for run in &report.left_out {
        let words = ["", "", "", "", "", &run.name, "", "", "", "", run.kind.words(), &run.reason];
        lines.push(words.map(str::to_owned));
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    let wrong = |error: &dyn std::error::Error| ReportError::Csv(error.to_string());
    lines.iter().try_for_each(|line| writer.write_record(line)).map_err(|error| wrong(&error))?;
    let bytes = writer.into_inner().map_err(|error| wrong(&error))?;
    String::from_utf8(bytes).map_err(|error| wrong(&error))
}

fn tried<'a>(section: &'a Section, tuning: &'a Tuning) -> impl Iterator<Item = [String; 12]> + 'a {
    tuning.choices.iter().flat_map(move |choice| {
        choice.tried.iter().enumerate().map(move |(place, tried)| {
            let density = choice.density.map_or_else(String::new, |density| density.to_string());
            let value = tried.mean.map_or_else(String::new, |mean| mean.to_string());
            let chosen = if choice.chosen == Some(place) { ", chosen" } else { "" };
            let of = format!("{} (N {}){chosen}", tried.values.text(), tried.n);
            let (title, arm) = (section.title.as_str(), choice.arm.as_str());
            [title, arm, choice.preset, &density, "", "", "", "validation", "", &value, "trials", &of]
                .map(str::to_owned)
        })
    })
}

/// Seeds that the study asks for and that have no finished run.
fn missing(group: &Group) -> impl Iterator<Item = u64> {
    group.seeds_asked.iter().copied().filter(|seed| group.runs.iter().all(|run| run.seed != *seed))
}

/// The computed report: runs with their values, groups with their statistics, tables, curves, fronts.
///
/// # Errors
/// [`ReportError::Json`].
pub fn json(report: &Report) -> Result<String, ReportError> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}
