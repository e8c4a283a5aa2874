//! The recorded run as it stands beside the program: what is shown of a method before anybody has run it.

use apt_bridge::{RunState, StoredRun};
use apt_experiment::Event;

use crate::baseline::RECORDED as NAME;
use crate::history::History;

/// Reads the events of a finished run.
///
/// # Errors
/// In words, if a line is no event or no run begins in them.
pub fn read(text: &str) -> Result<(StoredRun, History), String> {
    let events = text.lines().map(serde_json::from_str::<Event>).collect::<Result<Vec<_>, _>>();
    let events = events.map_err(|error| error.to_string())?;
    let history = History::of(&events);
    let record = history.record().ok_or("it holds no run")?;
    let run = StoredRun {
        state: RunState::Done,
        steps: history.steps,
        step: history.step(),
        ..StoredRun::new(NAME.to_owned(), record.preset.clone(), record.config.clone(), 0.0)
    };
    Ok((run, history))
}

#[cfg(test)]
mod tests {
    use super::*;
    use apt_experiment::{Device, Knobs};

    const RECORDED: &str = include_str!("../../static/recorded.jsonl");

    #[test]
    fn it_is_a_whole_run_of_the_method_as_it_is_now() {
        let (run, history) = read(RECORDED).expect("a run");
        // With other defaults it would show another method: record it anew (CONTRIBUTING).
        assert_eq!(run.knobs, Knobs { device: Device::Cpu, ..Knobs::default() });
        assert_eq!((run.preset.as_deref(), run.step), (Some("apt"), run.steps));
        let last = history.frames.last().expect("it prunes");
        assert!(history.done && history.frames.len() > 5 && last.density < 0.41);
        assert!(last.scores.is_some() && last.kept_neurons.len() == 4, "it says which units and why");
        assert!(RECORDED.len() < 250_000, "it is fetched before anything is shown: {} bytes", RECORDED.len());
    }

    #[test]
    fn what_is_no_run_is_refused() {
        assert!(read("").is_err_and(|why| why == "it holds no run"));
        assert!(read("<html>").is_err());
    }
}
