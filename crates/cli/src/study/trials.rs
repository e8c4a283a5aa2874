//! The trials of a study's `[tune]`: which there are, how they ended, and what they chose.

use super::folder::StudyFolder;
use super::plan::PlannedCell;
use crate::error::CliError;
use apt_experiment::{CellState, Choice, Study, TrialOutcome};

/// So many missing trials are named.
const NAMED: usize = 4;

/// What the trials in `folder` choose, decided by their records alone, so that every shard and every repetition decides
/// alike.
///
/// # Errors
/// A folder that cannot be read; [`CliError::Undecided`] where trials are missing.
pub(crate) fn decide(study: &Study, folder: &StudyFolder, trials: &[PlannedCell]) -> Result<Vec<Choice>, CliError> {
    let (mut outcomes, mut missing, mut running) = (Vec::new(), Vec::new(), false);
    for trial in trials {
        let found = folder.find_cell(&trial.folder)?;
        outcomes.push(match (found.record, found.state) {
            (Some(record), _) => TrialOutcome::of(&record),
            (None, CellState::Failed(why)) => TrialOutcome::Failed(why),
            (None, state) => {
                running |= state == CellState::Running;
                missing.push(trial.cell.name());
                TrialOutcome::Missing
            }
        });
    }
    if missing.is_empty() {
        return Ok(study.choices(&outcomes));
    }
    let more = if missing.len() > NAMED { format!(" and {} more", missing.len() - NAMED) } else { String::new() };
    let wait = if running { "wait for those that another process runs, " } else { "" };
    Err(CliError::Undecided {
        missing: missing.len(),
        trials: trials.len(),
        names: format!("{}{more}", missing[..missing.len().min(NAMED)].join(", ")),
        remedy: format!(
            "{wait}run the other shards, copy their cells into {} where they are on other machines, and give this command \
             again",
            folder.root().display()
        ),
    })
}

/// `apt at 0.4: learning_rate 0.001 (0.9123 on validation data, the largest learning_rate tried)`.
pub(crate) fn words(choice: &Choice) -> String {
    let chosen = choice.chosen.map(|chosen| &choice.tried[chosen]);
    let words = match (chosen, choice.failure()) {
        (Some(tried), _) => {
            let edge: String = choice.at_edge.iter().map(|edge| format!(", {edge} tried")).collect();
            let mean = tried.mean.unwrap_or_default();
            format!("{} ({mean:.4} on validation data{edge})", tried.values.text())
        }
        (None, Some(why)) => why,
        (None, None) => format!("{} trials are missing", choice.missing()),
    };
    format!("{}: {words}", choice.name())
}
