//! What `[tune]` of a study chose out of what, from the trials among its runs.

use apt_experiment::{ArmId, Cell, Choice, Record, Study, TrialOutcome, Tried};

use serde::Serialize;

use crate::assignment::{Arms, Assigned};
use crate::figures::{NOTHING, metric};
use crate::grid::Grid;
use crate::left_out::{LeftOut, Reason};

/// The title of the table.
pub(crate) const TITLE: &str = "Chosen by [tune]";
/// Its question.
pub(crate) const QUESTION: &str = "Which settings did every arm get, out of what?";

/// What a study's sweep chose.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tuning {
    /// Seeds of the trials.
    pub seeds: Vec<u64>,
    /// What every arm at every density got.
    pub choices: Vec<Choice>,
}

/// The choices of a study from the records of trials and from the failures of runs by name. A trial with a record did not
/// fail, whatever else is called like it.
pub(crate) fn choices(study: &Study, records: &[Assigned], trials: &Arms, failures: &[(&str, &str)]) -> Vec<Choice> {
    let outcome = |cell: &Cell| {
        let own = trials.runs_of(&ArmId::of(&cell.knobs), records);
        if let Some(run) = own.iter().find(|run| run.record.config.seed == cell.knobs.seed) {
            return TrialOutcome::of(run.record);
        }
        let failure = failures.iter().find(|(name, _)| cell.is_run_name(name));
        failure.map_or(TrialOutcome::Missing, |(_, why)| TrialOutcome::Failed((*why).to_owned()))
    };
    study.choices(&study.trials().iter().map(outcome).collect::<Vec<_>>())
}

/// The arms of a study's trials, and the trials among `runs`; one with a seed of theirs and other settings is
/// `unassigned`.
pub(crate) fn trials<'a>(
    study: &Study,
    runs: &[(&'a str, &'a Record)],
    unassigned: &mut Vec<LeftOut>,
) -> (Arms, Vec<Assigned<'a>>) {
    let arms = Arms::of(study.trials().iter().map(|cell| ArmId::of(&cell.knobs)), runs);
    let mut own = Vec::new();
    for &(name, record) in runs.iter().filter(|(_, record)| study.is_trial(record)) {
        match arms.assign(name, record) {
            Ok(run) => own.push(run),
            Err(_) => {
                let why = "its seed is one of [tune], its settings are those of no trial";
                unassigned.push(LeftOut::new(name, Reason::NoArm, why));
            }
        }
    }
    (arms, own)
}

/// One row per arm and density, one column per combination.
pub(crate) fn grid(tuning: &Tuning) -> Grid {
    let tried = tuning.choices.first().map_or(&[][..], |choice| &choice.tried);
    let names = tried.iter().map(|tried| tried.values.text());
    let headings: Vec<String> = ["arm", "density", "chosen"].map(str::to_owned).into_iter().chain(names).collect();
    // What was tried for the choice can wait.
    let minor = (0..headings.len()).map(|place| place > 2).collect();
    let rows = tuning.choices.iter().map(|choice| {
        let density = choice.density.map_or_else(|| NOTHING.to_owned(), |density| density.to_string());
        let tried = choice.tried.iter().enumerate().map(|(at, tried)| cell(tried, choice.chosen == Some(at)));
        [choice.arm.clone(), density, verdict(choice)].into_iter().chain(tried).collect()
    });
    Grid { headings, minor, rows: rows.collect() }
}

fn verdict(choice: &Choice) -> String {
    match (choice.chosen, choice.failure(), choice.missing()) {
        (Some(chosen), _, _) => choice.tried[chosen].values.text(),
        (None, Some(_), _) => "nothing: all failed".to_owned(),
        (None, None, 1) => "not yet: 1 trial is missing".to_owned(),
        (None, None, missing) => format!("not yet: {missing} trials are missing"),
    }
}

/// `0.9123 (N 2) ✓`.
fn cell(tried: &Tried, is_chosen: bool) -> String {
    let mean = tried.mean.map_or_else(|| NOTHING.to_owned(), |mean| format!("{} (N {})", metric(mean), tried.n));
    let failed = if tried.failed.is_empty() { String::new() } else { format!(", {} failed", tried.failed.len()) };
    let mark = if is_chosen { " ✓" } else { "" };
    format!("{mean}{failed}{mark}")
}

/// What stands below the table.
pub(crate) fn remarks(tuning: &Tuning, metric: &str) -> Vec<String> {
    let seeds: Vec<String> = tuning.seeds.iter().map(u64::to_string).collect();
    let mut remarks = vec![format!(
        "Mean {metric} on validation data over the seeds of [tune] ({}), which no reported run has; the best is chosen, of \
         equal ones the first. A combination that fails on a seed is not chosen. Test data have no part in it.",
        seeds.join(", "),
    )];
    let mut edges: Vec<(&str, Vec<String>)> = Vec::new();
    for choice in &tuning.choices {
        for edge in &choice.at_edge {
            match edges.iter_mut().find(|(of, _)| of == edge) {
                Some((_, arms)) => arms.push(choice.name()),
                None => edges.push((edge, vec![choice.name()])),
            }
        }
    }
    let edge = |(edge, arms): (&str, Vec<String>)| {
        format!("At the edge of what was tried, so that the best may lie outside: {edge} for {}.", arms.join(", "))
    };
    remarks.extend(edges.into_iter().map(edge));
    for choice in &tuning.choices {
        let failed = choice.tried.iter().filter_map(|tried| Some((tried.values.text(), tried.failed.first()?)));
        remarks.extend(failed.map(|(values, why)| format!("{} with {values} failed: {why}", choice.name())));
    }
    remarks
}
