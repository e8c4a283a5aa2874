//! The runs on this machine and the records from elsewhere as one list, and what one set otherwise than another.

use std::sync::Arc;

use apt_bridge::{RunState, StoredRun};
use apt_experiment::{Knobs, Record, compared, differences};
pub use apt_report::hardware;

use crate::arms::{APT, called};
use crate::baseline::Pin;

/// A run as the table has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// What it is of, see [`title`].
    pub title: String,
    /// The preset it started from.
    pub preset: Option<String>,
    /// Its settings.
    pub knobs: Knobs,
    /// Its state; `None` if it was made elsewhere.
    pub state: Option<RunState>,
    /// Steps made and planned, while it is not complete.
    pub progress: Option<(usize, usize)>,
    /// What it computed on.
    pub device: String,
    /// Its record, if it is complete.
    pub record: Option<Arc<Record>>,
}

/// Runs of this browser, newest first, then records from elsewhere.
#[must_use]
pub fn rows(runs: &[StoredRun], records: &[(String, Arc<Record>)]) -> Vec<Row> {
    let record_of = |name: &str| records.iter().find(|(of, _)| of == name).map(|(_, record)| Arc::clone(record));
    let own = runs.iter().map(|run| Row {
        name: run.name.clone(),
        title: title(run.preset.as_deref(), &run.knobs),
        preset: run.preset.clone(),
        knobs: run.knobs.clone(),
        state: Some(run.state),
        progress: (run.state != RunState::Done).then_some((run.step, run.steps)),
        device: hardware(&run.device, &run.backend),
        record: record_of(&run.name),
    });
    let elsewhere = records.iter().filter(|(name, _)| runs.iter().all(|run| run.name != *name));
    let elsewhere = elsewhere.map(|(name, record)| Row {
        name: name.clone(),
        title: title(record.preset.as_deref(), &record.config),
        preset: record.preset.clone(),
        knobs: record.config.clone(),
        state: None,
        progress: None,
        device: hardware(&record.provenance.device, &record.provenance.backend),
        record: Some(Arc::clone(record)),
    });
    own.chain(elsewhere).collect()
}

/// What `knobs` sets otherwise than `base`, as `density 0.5`.
#[must_use]
pub fn changed(base: &Knobs, knobs: &Knobs) -> Vec<String> {
    differences(base, knobs).into_iter().map(|difference| format!("{} {}", difference.knob, difference.b)).collect()
}

/// The run that others are compared with where none is pinned: the first of the whole method, else the first there is.
#[must_use]
pub fn baseline<'a>(rows: &[&'a Row]) -> Option<&'a Row> {
    rows.iter().find(|row| row.preset.as_deref() == Some(APT)).or(rows.first()).copied()
}

/// What settings without a preset are called.
const OWN: &str = "Own settings";

/// Curves that a chart tells apart.
const MOST_CURVES: usize = 8;

/// The run that is pinned and the first run of each other arm, as many as can be told apart.
#[must_use]
pub fn newest_of_each(rows: Vec<Row>, pin: &Pin) -> Vec<Row> {
    let mut newest: Vec<Row> = pin.row(&rows).cloned().into_iter().collect();
    for row in rows {
        if newest.iter().all(|of| compared(&of.knobs) != compared(&row.knobs)) {
            newest.push(row);
        }
    }
    newest.truncate(MOST_CURVES);
    newest
}

/// What runs are called beside each other: their titles, with the name where two are of the same.
#[must_use]
pub fn titles(rows: &[Row]) -> Vec<String> {
    told_apart(&rows.iter().map(|row| (row.title.clone(), row.name.as_str())).collect::<Vec<_>>())
}

/// The same of titles with the names of their runs.
#[must_use]
pub fn told_apart(all: &[(String, &str)]) -> Vec<String> {
    let several = |title: &str| all.iter().filter(|(of, _)| of == title).count() > 1;
    let of = |(title, name): &(String, &str)| match several(title) {
        true => format!("{title} ({name})"),
        false => title.clone(),
    };
    all.iter().map(of).collect()
}

/// What a run is of, for people: `Salience: random · seed 1`. Files keep the presets' own names.
#[must_use]
pub fn title(preset: Option<&str>, knobs: &Knobs) -> String {
    format!("{} · seed {}", preset.map_or_else(|| OWN.to_owned(), called), knobs.seed)
}

/// What a state is called.
#[must_use]
pub fn state_name(state: RunState) -> &'static str {
    match state {
        RunState::Loading => "loading",
        RunState::Running => "running",
        RunState::Paused => "paused",
        RunState::Closed => "closed",
        RunState::Failed => "failed",
        RunState::Done => "done",
    }
}

/// Whether the worker has the run open in this state.
#[must_use]
pub fn is_open(state: RunState) -> bool {
    matches!(state, RunState::Loading | RunState::Running | RunState::Paused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use apt_experiment::RecordBuilder;

    fn stored(name: &str, state: RunState) -> StoredRun {
        StoredRun {
            name: name.to_owned(),
            preset: Some("apt".to_owned()),
            knobs: Knobs::default(),
            state,
            step: 3,
            steps: 10,
            began: 0.0,
            device: "CPU".to_owned(),
            backend: "flex".to_owned(),
            why: String::new(),
        }
    }

    #[test]
    fn a_run_and_its_record_are_one_row_and_records_from_elsewhere_follow() {
        let events = crate::history::tests::run(Knobs::default(), 4, true);
        let record = Arc::new(RecordBuilder::from_events(&events).expect("a whole run"));
        let records = [("here", &record), ("desktop", &record)].map(|(name, r)| (name.to_owned(), Arc::clone(r)));
        let rows = rows(&[stored("here", RunState::Done), stored("half", RunState::Paused)], &records);
        let names: Vec<_> = rows.iter().map(|row| (row.name.as_str(), row.state, row.record.is_some())).collect();
        let expected =
            [("here", Some(RunState::Done), true), ("half", Some(RunState::Paused), false), ("desktop", None, true)];
        assert_eq!(names, expected);
        assert_eq!((rows[0].progress, rows[1].progress), (None, Some((3, 10))));
        assert_eq!(rows[0].device, "CPU (flex)");
    }

    #[test]
    fn a_run_is_called_by_its_arm_and_seed() {
        let row = |name: &str, preset: &str| {
            let run = StoredRun { preset: Some(preset.to_owned()), ..stored(name, RunState::Done) };
            rows(&[run], &[]).remove(0)
        };
        let rows = [row("a", "salience-random"), row("b", "apt"), row("c", "apt")];
        assert_eq!(
            baseline(&rows.each_ref()).map(|row| row.name.as_str()),
            Some("b"),
            "the whole method, wherever it stands"
        );
        assert_eq!(baseline(&[&rows[0]]).map(|row| row.name.as_str()), Some("a"));
        assert_eq!(titles(&rows), ["Salience: random · seed 1", "APT · seed 1 (b)", "APT · seed 1 (c)"]);
        let knobs = Knobs { seed: 7, ..Knobs::default() };
        let other = Row { knobs: knobs.clone(), name: "d".to_owned(), ..rows[1].clone() };
        let dense = Row { knobs: Knobs { density: 1.0, ..knobs.clone() }, ..rows[2].clone() };
        let newest = newest_of_each(vec![other.clone(), rows[1].clone(), dense.clone()], &Pin::Default);
        assert_eq!(
            newest.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(),
            ["d", "c"],
            "of each arm, whatever its seed"
        );
        let pinned = newest_of_each(vec![other, rows[1].clone(), dense], &Pin::Run("b".to_owned()));
        assert_eq!(
            pinned.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(),
            ["b", "c"],
            "the pinned one of its arm"
        );
        assert_eq!(title(Some("salience-random"), &knobs), "Salience: random · seed 7");
        assert_eq!(title(Some("apt"), &knobs), "APT · seed 7");
        assert_eq!(title(None, &knobs), "Own settings · seed 7");
    }

    #[test]
    fn what_changed_names_knob_and_value() {
        let other = Knobs { density: 0.5, ..Knobs::default() };
        assert_eq!(changed(&Knobs::default(), &other), ["density 0.5"]);
    }
}
