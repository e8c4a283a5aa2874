//! How long a run will take, before it is started: told from a run made here, else from the first steps of one here beside
//! those of the recorded run.

use std::time::Duration;

use apt_bridge::Command;
use apt_bridge::store::Store;
use apt_experiment::Knobs;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::recording::Recording;
use super::state::{Engine, Lab};
use crate::pace::{Pace, can_try, likest};

/// Milliseconds after the engine is ready until steps are tried: by then it is known which runs were made here.
const FIRST_STEPS_DELAY_MS: u64 = 500;

/// What is known of how long runs take here. A handle: copies are the same.
#[derive(Clone, Copy)]
pub(crate) struct Expected {
    /// From the run made here that is most like the settings.
    known: RwSignal<Pace>,
    /// From the first steps of one.
    tried: Memo<Option<Pace>>,
}

impl Expected {
    /// Begins to find out.
    pub(crate) fn begin(lab: Lab) -> Self {
        let likest = Memo::new(move |_| {
            let knobs = lab.settings.with(|settings| settings.knobs.clone());
            lab.runs.with(|runs| likest(&knobs, runs).map(|run| run.name.clone()))
        });
        let known = RwSignal::new(Pace::default());
        Effect::new(move || {
            let Some(run) = likest.get() else { return };
            spawn_local(async move {
                // Without storage there is no earlier run to tell from.
                if let Ok(store) = Store::open().await
                    && let Ok(Some(record)) = store.record(&run).await
                {
                    known.set(Pace::of_run(&record));
                }
            });
        });
        let recorded = use_context::<Recording>().map(|Recording(recorded)| recorded);
        let tried = Memo::new(move |_| {
            let recorded = recorded?;
            // Told anew when the recording is there.
            recorded.run.track();
            let steps = lab.first_steps.get()?;
            recorded.history.with_value(|history| Pace::of_first_steps(&steps, history.record()?))
        });
        if let Some(recorded) = recorded {
            try_steps(lab, recorded);
        }
        Self { known, tried }
    }

    /// Seconds that a run takes; `None` where nothing tells.
    pub(crate) fn seconds(self, knobs: &Knobs) -> Option<f64> {
        let of = |pace: &Pace| pace.seconds(knobs);
        self.known.with(of).or_else(|| self.tried.with(|tried| tried.as_ref().and_then(of)))
    }
}

/// Tries the first steps of a run once, if none was made here, nothing else is going on, and the recorded run is like it.
fn try_steps(lab: Lab, recorded: Lab) {
    let tried = StoredValue::new(false);
    Effect::new(move || {
        if lab.engine.get() != Engine::Ready {
            return;
        }
        let ask = move || {
            let knobs = lab.settings.with_untracked(|settings| settings.knobs.clone());
            let is_idle = untrack(|| !lab.is_open() && !lab.is_studying() && lab.refusal().is_none());
            let is_new = lab.runs.with_untracked(|runs| likest(&knobs, runs).is_none());
            let tells = || recorded.history.with_value(|of| of.record().is_some_and(|record| can_try(&knobs, record)));
            if is_idle && is_new && tells() && !tried.get_value() {
                tried.set_value(true);
                lab.send(Command::Time { knobs: Box::new(knobs) });
            }
        };
        set_timeout(ask, Duration::from_millis(FIRST_STEPS_DELAY_MS));
    });
}
