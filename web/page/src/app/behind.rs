//! The run behind the one that is shown: its curves are drawn as a ghost, so that one sees what an idea does without
//! starting two runs.

use apt_bridge::StoredRun;
use apt_bridge::store::Store;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::browser;
use super::recording::Recording;
use super::state::Lab;
use crate::baseline::{Behind, Pin, RECORDED, chosen, offered};
use crate::chart::Plot;
use crate::history::History;
use crate::plots;

/// What stands for none in the list.
const NONE: &str = "";

/// A handle: copies are the same.
#[derive(Clone, Copy)]
pub(super) struct Ghost {
    lab: Lab,
    offered: Memo<Vec<Behind>>,
    chosen: Memo<Option<Behind>>,
    /// The run whose history this is.
    history: StoredValue<(String, History), LocalStorage>,
    /// Changes with it.
    version: RwSignal<u64>,
}

impl Ghost {
    pub(super) fn new(lab: Lab, recording: Recording) -> Self {
        let clock = (browser::now(), browser::zone());
        let identity = |run: &StoredRun| (run.name.clone(), run.preset.clone(), run.knobs.clone());
        let shown = Memo::new(move |_| lab.run.with(|run| run.as_ref().map(identity)));
        let is_recorded = Memo::new(move |_| recording.0.run.with(Option::is_some));
        let offered = Memo::new(move |_| {
            let Some((name, preset, knobs)) = shown.get() else { return Vec::new() };
            let shown = StoredRun::new(name, preset, knobs, 0.0);
            let recorded = is_recorded.get().then(|| recording.0.run.get_untracked()).flatten();
            lab.runs.with(|runs| offered(&shown, runs, recorded.as_ref(), clock))
        });
        let chosen = Memo::new(move |_| {
            let (_, _, knobs) = shown.get()?;
            lab.pin.with(|pin| offered.with(|offered| chosen(pin, &knobs, offered).cloned()))
        });
        let history = StoredValue::new_local((String::new(), History::default()));
        let ghost = Self { lab, offered, chosen, history, version: RwSignal::default() };
        Effect::new(move || {
            match chosen.get() {
                Some(behind) if behind.run == RECORDED => ghost.take(behind.run, recording.0.history.get_value()),
                Some(behind) => spawn_local(async move {
                    // Without storage there is no earlier run.
                    if let Ok(store) = Store::open().await
                        && let Ok(events) = store.events(&behind.run).await
                    {
                        ghost.take(behind.run, History::of(&events));
                    }
                }),
                None => ghost.take(String::new(), History::default()),
            };
        });
        ghost
    }

    /// Takes a history; the page may be gone by then, or another run chosen.
    fn take(self, run: String, history: History) {
        let is_chosen = self.chosen.try_get_untracked().flatten().is_none_or(|of| of.run == run);
        if is_chosen && self.history.try_set_value((run, history)).is_none() {
            let _ = self.version.try_update(|version| *version += 1);
        }
    }

    /// A chart of the shown run before it.
    pub(super) fn plot(self, plot: fn(&History) -> Plot) -> Plot {
        self.version.track();
        let behind = self.chosen.get();
        self.lab.history.with_value(|shown| {
            self.history.with_value(|(run, history)| match behind.filter(|of| of.run == *run) {
                Some(of) => plots::pair(plot, [(&of.title, history), ("this run", shown)]),
                None => plot(shown),
            })
        })
    }

    /// What the run is compared with, and what it could be.
    pub(super) fn view(self) -> impl IntoView {
        let Self { lab, offered, chosen, .. } = self;
        let choose = move |event| {
            lab.pin.set(match event_target_value(&event) {
                none if none == NONE => Pin::Nothing,
                run => Pin::Run(run),
            });
        };
        let is_chosen = move |run: &str| chosen.with(|of| of.as_ref().map_or(NONE, |of| of.run.as_str()) == run);
        let option = move |of: Behind| {
            let run = of.run.clone();
            view! { <option value=of.run prop:selected=move || is_chosen(&run)>{of.label}</option> }
        };
        let options = move || offered.get().into_iter().map(option).collect_view();
        move || {
            (!offered.with(Vec::is_empty)).then(|| {
                view! {
                    <label class="behind">
                        <span>"Compared with"</span>
                        <select data-testid="behind" on:change=choose>
                            <option value=NONE prop:selected=move || is_chosen(NONE)>"none"</option>
                            {options}
                        </select>
                    </label>
                }
            })
        }
    }
}
