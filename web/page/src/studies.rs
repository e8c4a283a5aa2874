//! The studies of this browser: what they are kept under, how far they are, what their reports are made from.

use std::collections::BTreeSet;
use std::sync::Arc;

use apt_bridge::{StoredCell, StoredStudy};
use apt_experiment::{CellState, Knobs, Problem, Record, STUDIES, Study, StudyFile};
use apt_report::Entry;

/// What `file` is to be kept under: the name of a kept study of the same file, else its own, with a number if that is
/// another's.
#[must_use]
pub fn name_for(file: &StudyFile, kept: &[StoredStudy]) -> String {
    if let Some(same) = kept.iter().find(|study| study.file == *file) {
        return same.name.clone();
    }
    let own = file.name.clone().unwrap_or_else(|| "study".to_owned());
    let numbered = (2..).map(|number| format!("{own}-{number}"));
    let mut names = std::iter::once(own.clone()).chain(numbered);
    names.find(|name| kept.iter().all(|study| study.name != *name)).unwrap_or_default()
}

/// The studies as they were stored, which tabs do side by side: one that is `here` gone through is as it is here, and no
/// other is taken to run.
#[must_use]
pub fn listed(stored: Vec<StoredStudy>, here: Option<&StoredStudy>) -> Vec<StoredStudy> {
    let as_here = |study: StoredStudy| match here.filter(|here| here.name == study.name) {
        Some(here) => here.clone(),
        None => study.stopped(),
    };
    stored.into_iter().map(as_here).collect()
}

/// The names of the built-in studies that can be run here.
pub fn offered() -> impl Iterator<Item = &'static str> {
    let can_be_run = |name: &&str| StudyFile::built_in(name).is_ok_and(|file| refusal(&file).is_none());
    STUDIES.iter().map(|(name, _)| *name).filter(can_be_run)
}

/// Why a study that the desktop runs cannot be run here.
#[must_use]
pub fn refusal(file: &StudyFile) -> Option<Problem> {
    let remedy = "Run it on the desktop: apt-lab study with this file. Here, leave [tune] out of it.";
    file.tune
        .as_ref()
        .map(|_| Problem::new("the study", "the trials of a [tune] are made by the desktop program alone", remedy))
}

/// `5 of 14 done, 1 failed`.
#[must_use]
pub fn progress(study: &StoredStudy) -> String {
    let done = study.count(|state| *state == CellState::Done);
    let mut words = format!("{done} of {} done", study.cells.len());
    let failed = study.count(|state| state.reason().is_some());
    if failed > 0 {
        words.push_str(&format!(", {failed} failed"));
    }
    words
}

/// What is being worked on, with how long the study will still take: `run 3 of 14: random at 0.4, seed 1; about 2 min left`,
/// `runs 3 and 4 of 14 at the same time: random at 0.4, seed 1, and magnitude at 0.4, seed 1`.
#[must_use]
pub fn current_run(study: &StoredStudy, left: Option<&str>) -> Option<String> {
    let runs = places(study)?;
    let cells = study.current_cells().map(|(_, cell)| format!("{}, seed {}", cell.arm, cell.seed));
    let cells: Vec<String> = cells.collect();
    let left = left.map_or_else(String::new, |left| format!("; about {left} left"));
    Some(match cells.as_slice() {
        [cell] => format!("{runs}: {cell}{left}"),
        cells => format!("{runs} at the same time: {}{left}", cells.join(", and ")),
    })
}

/// The same for the title of a tab: `run 3 of 14, about 2 min left`.
#[must_use]
pub fn current_run_short(study: &StoredStudy, left: Option<&str>) -> Option<String> {
    let left = left.map_or_else(String::new, |left| format!(", about {left} left"));
    Some(places(study)? + &left)
}

/// Which runs are being made: `run 3 of 14`, `runs 3, 4 and 6 of 14`.
fn places(study: &StoredStudy) -> Option<String> {
    let places: Vec<String> = study.current_cells().map(|(place, _)| (place + 1).to_string()).collect();
    let of = study.cells.len();
    match places.as_slice() {
        [] => None,
        [place] => Some(format!("run {place} of {of}")),
        [first @ .., last] => Some(format!("runs {} and {last} of {of}", first.join(", "))),
    }
}

/// Settings of the runs of a study that are neither over nor being made.
#[must_use]
pub fn waiting(stored: &StoredStudy) -> Vec<Knobs> {
    let Ok(study) = Study::resolve(&stored.file, &stored.name) else { return Vec::new() };
    let cells = study.cells().into_iter().zip(&stored.cells);
    let waits = |state: &CellState| !state.is_over() && *state != CellState::Running;
    cells.filter(|(_, cell)| waits(&cell.state)).map(|(cell, _)| cell.knobs).collect()
}

/// An arm with its cell of each seed.
pub type Line<'a> = (&'a str, Vec<Option<&'a StoredCell>>);

/// The seeds, and every arm with its cell of each.
#[must_use]
pub fn grid(study: &StoredStudy) -> (Vec<u64>, Vec<Line<'_>>) {
    let seeds: BTreeSet<u64> = study.cells.iter().map(|cell| cell.seed).collect();
    let mut arms: Vec<&str> = Vec::new();
    for cell in &study.cells {
        if !arms.contains(&cell.arm.as_str()) {
            arms.push(&cell.arm);
        }
    }
    let of = |arm: &str, seed: u64| study.cells.iter().find(|cell| cell.arm == arm && cell.seed == seed);
    let lines = arms.into_iter().map(|arm| (arm, seeds.iter().map(|&seed| of(arm, seed)).collect())).collect();
    (seeds.into_iter().collect(), lines)
}

/// What the report of a study is made from: the cells that were begun, and whatever else is here of one of its arms,
/// wherever it was made.
#[must_use]
pub fn entries(stored: &StoredStudy, study: &Study, records: &[(String, Arc<Record>)]) -> Vec<Entry> {
    let record = |run: &str| records.iter().find(|(name, _)| name == run).map(|(_, record)| Arc::clone(record));
    let begun = stored.cells.iter().filter(|cell| cell.state != CellState::Queued);
    let own = begun.filter_map(|cell| {
        let record = record(&cell.run);
        let failure = match (&record, &cell.state) {
            (Some(_), _) => None,
            // Another tab has just finished it, and its record is still being read.
            (None, CellState::Done) => return None,
            (None, state) => Some(state.reason().unwrap_or(state.name()).to_owned()),
        };
        Some(Entry { name: cell.run.clone(), record, failure })
    });
    let is_own = |name: &str| stored.cells.iter().any(|cell| cell.run == name);
    let others = records.iter().filter(|(name, record)| !is_own(name) && study.asks_for(record));
    let others =
        others.map(|(name, record)| Entry { name: name.clone(), record: Some(Arc::clone(record)), failure: None });
    own.chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::read;
    use apt_experiment::RecordBuilder;

    fn stored(query: &str) -> (StoredStudy, Study) {
        let file = read(query).settings.study_file().expect("a study");
        let study = Study::resolve(&file, "test").expect("it can be run");
        (StoredStudy::queued("salience", file, &study, 0.0), study)
    }

    #[test]
    fn a_study_keeps_its_name_and_another_of_that_name_gets_a_number() {
        let (two, _) = stored("study=salience&seeds=2");
        let (three, _) = stored("study=salience&seeds=3");
        assert_eq!(name_for(&two.file, &[]), "salience");
        assert_eq!(name_for(&two.file, std::slice::from_ref(&two)), "salience");
        assert_eq!(name_for(&three.file, &[two]), "salience-2");
    }

    #[test]
    fn a_study_that_runs_here_stays_so_when_the_list_is_read_again() {
        let (mut here, _) = stored("study=salience&seeds=2");
        (here.running, here.cells[0].state) = (true, CellState::Running);
        let mut of_another = here.clone();
        of_another.name = "another".to_owned();
        let read = || vec![here.clone(), of_another.clone()];
        let running = |list: Vec<StoredStudy>| list.iter().map(|study| study.running).collect::<Vec<_>>();
        assert_eq!(running(listed(read(), Some(&here))), [true, false]);
        assert_eq!(running(listed(read(), None)), [false, false]);
        assert_eq!(listed(read(), Some(&here))[0].cells[0].state, CellState::Running);
    }

    #[test]
    fn a_study_with_trials_is_the_desktops() {
        let (plain, _) = stored("study=salience&seeds=2");
        assert_eq!(refusal(&plain.file), None);
        let text = "[tune]\nseeds = [101]\nknobs = { rank = [4, 8] }\n[[axes]]\nname = \"salience\"";
        let tuned = StudyFile::from_toml(text, "tuned.toml").expect("a study");
        let problem = refusal(&tuned).expect("it is refused");
        assert!(problem.remedy.contains("on the desktop"), "{problem}");
        let offered: Vec<_> = offered().collect();
        assert!(offered.contains(&"all") && !offered.contains(&"real"), "{offered:?}");
    }

    #[test]
    fn the_grid_has_every_cell_once_and_progress_counts_them() {
        let (mut study, _) = stored("study=salience&seeds=2");
        let (seeds, lines) = grid(&study);
        assert_eq!((seeds.as_slice(), lines.len()), ([1, 2].as_slice(), 8), "seven scorers and the dense reference");
        assert_eq!(lines.iter().flat_map(|(_, cells)| cells).flatten().count(), study.cells.len());
        study.cells[0].state = CellState::Done;
        study.cells[1].state = CellState::Failed("NaN".to_owned());
        study.cells[2].state = CellState::Running;
        assert_eq!(progress(&study), "1 of 16 done, 1 failed");
        let words = current_run(&study, Some("2 min")).expect("one is being worked on");
        assert!(words.starts_with("run 3 of 16: ") && words.ends_with(", seed 1; about 2 min left"), "{words}");
        assert_eq!(current_run_short(&study, Some("2 min")).as_deref(), Some("run 3 of 16, about 2 min left"));
        let mut two = study.clone();
        two.cells[4].state = CellState::Running;
        let words = current_run(&two, None).expect("two are being worked on");
        assert!(
            words.starts_with("runs 3 and 5 of 16 at the same time: ") && words.contains(", seed 1, and "),
            "{words}"
        );
        assert_eq!(current_run_short(&two, None).as_deref(), Some("runs 3 and 5 of 16"));
        let waiting = waiting(&study);
        assert_eq!(waiting.len(), 13, "two are over, one is being made");
        assert_eq!(waiting.iter().filter(|knobs| knobs.seed == 1).count(), 5);
        assert_eq!(current_run(&study.stopped(), None), None);
    }

    #[test]
    fn a_report_is_made_from_cells_begun_and_from_what_else_fits() {
        let (mut stored, study) = stored("study=salience&seeds=2&steps=4");
        let record = |knobs: Knobs| {
            let events = crate::history::tests::run(knobs, 4, true);
            Arc::new(RecordBuilder::from_events(&events).expect("a whole run"))
        };
        let own = record(study.cells()[1].knobs.clone());
        let other = record(Knobs { seed: 7, ..study.cells()[1].knobs.clone() });
        let foreign = record(Knobs { rank: 16, ..Knobs::default() });
        stored.cells[1].state = CellState::Done;
        stored.cells[2].state = CellState::Failed("NaN (loss, step 3)".to_owned());
        let records = [(stored.cells[1].run.as_str(), own), ("desktop", other), ("foreign", foreign)];
        let records = records.map(|(name, record)| (name.to_owned(), record));
        let entries = entries(&stored, &study, &records);
        let found: Vec<_> = entries
            .iter()
            .map(|entry| (entry.name.as_str(), entry.record.is_some(), entry.failure.as_deref()))
            .collect();
        let expected = [
            (stored.cells[1].run.as_str(), true, None),
            (stored.cells[2].run.as_str(), false, Some("NaN (loss, step 3)")),
            ("desktop", true, None),
        ];
        assert_eq!(found, expected);
    }
}
