//! What can be done with the run that is shown, in each of its states. What cannot be done is not offered.

use apt_bridge::RunState;

/// What the one large button does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Main {
    /// Begins a run with the settings as they are.
    Start,
    /// Holds the run.
    Pause,
    /// Lets it go on.
    Resume,
}

/// What is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actions {
    /// By the large button.
    pub main: Main,
    /// Whether it has to wait: the run is being loaded.
    pub waits: bool,
    /// Whether a run that is closed can be taken up again, beside starting another.
    pub reopen: bool,
    /// One training step.
    pub step: bool,
    /// Saving and closing the run.
    pub stop: bool,
    /// Saving it now, evaluating it now.
    pub save: bool,
    /// Beginning it anew.
    pub restart: bool,
    /// Starting another while this one is held.
    pub another: bool,
}

impl Actions {
    /// Of a run in this state. While one `step` is made on request a run counts as held, so that the button that was
    /// pressed stays where it is.
    #[must_use]
    pub fn of(state: Option<RunState>, stepping: bool) -> Self {
        use RunState::{Closed, Done, Failed, Loading, Paused, Running};
        let held = state == Some(Paused) || (stepping && state == Some(Running));
        let open = matches!(state, Some(Running | Paused));
        let main = match state {
            _ if held => Main::Resume,
            Some(Loading | Running) => Main::Pause,
            _ => Main::Start,
        };
        Self {
            main,
            waits: state == Some(Loading),
            reopen: matches!(state, Some(Closed | Failed)),
            step: held,
            stop: open || state == Some(Loading),
            save: open,
            restart: matches!(state, Some(Running | Paused | Closed | Failed | Done)),
            another: held,
        }
    }

    /// Whether there is anything besides the buttons that are always in sight.
    #[must_use]
    pub fn more(&self) -> bool {
        self.save || self.restart || self.another
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_first_there_is_one_button() {
        let first = Actions::of(None, false);
        assert_eq!(first.main, Main::Start);
        assert!(!first.waits && !first.reopen && !first.step && !first.stop && !first.more(), "{first:?}");
    }

    #[test]
    fn one_button_starts_holds_and_resumes() {
        let main = |state| Actions::of(Some(state), false).main;
        use RunState::{Closed, Done, Failed, Loading, Paused, Running};
        let expected = [
            (Loading, Main::Pause),
            (Running, Main::Pause),
            (Paused, Main::Resume),
            (Closed, Main::Start),
            (Failed, Main::Start),
            (Done, Main::Start),
        ];
        for (state, button) in expected {
            assert_eq!(main(state), button, "{state:?}");
        }
        assert!(Actions::of(Some(Loading), false).waits);
    }

    #[test]
    fn a_step_that_was_asked_for_moves_no_button() {
        assert_eq!(Actions::of(Some(RunState::Running), true), Actions::of(Some(RunState::Paused), false));
        let running = Actions::of(Some(RunState::Running), false);
        assert!(!running.step && !running.another && running.stop && running.save);
    }

    #[test]
    fn a_closed_run_can_be_taken_up_and_a_finished_one_only_made_again() {
        let closed = Actions::of(Some(RunState::Closed), false);
        assert!(closed.reopen && closed.restart && !closed.stop && !closed.save);
        let done = Actions::of(Some(RunState::Done), true);
        assert!(!done.reopen && !done.step && done.restart);
    }
}
