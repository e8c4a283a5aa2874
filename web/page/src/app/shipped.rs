//! The study that stands beside the program: what runs are judged beside. The page is whole without it.

use std::sync::Arc;

use apt_bridge::StoredRun;
use apt_report::Brief;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::browser;
use super::state::Lab;
use crate::pair::{arm, knobs};
use crate::shipped::{Next, Offer, expectation, next, offer, read, short_expectation};

/// Beside the page.
const FILE: &str = "study.json";

/// The study, once it is there. A handle.
#[derive(Clone, Copy)]
pub(crate) struct Shipped(RwSignal<Option<Arc<Brief>>>);

impl Shipped {
    /// Fetches it for every view; that it cannot be had is said, and nothing else changes.
    pub(crate) fn load(lab: Lab) {
        let study = RwSignal::new(None);
        spawn_local(async move {
            let read = async { read(&browser::text_of(FILE).await?) };
            match read.await {
                Ok(brief) => study.set(Some(Arc::new(brief))),
                Err(why) => lab.notice(format!("The study {FILE} cannot be shown: {why}.")),
            }
        });
        provide_context(Self(study));
    }

    /// That of the page.
    pub(crate) fn here() -> Self {
        use_context().unwrap_or_else(|| Self(RwSignal::new(None)))
    }

    /// What can be read from it; `None` while it is not there.
    pub(crate) fn read<T>(self, of: impl FnOnce(&Brief) -> T) -> Option<T> {
        self.0.with(|study| study.as_deref().map(of))
    }

    /// The ablation that is offered first with the Lab's settings as they are.
    pub(crate) fn offer(self, lab: Lab) -> Offer {
        self.0.with(|study| lab.settings.with(|settings| offer(study.as_deref(), settings)))
    }

    /// What to do after a run.
    pub(crate) fn next(self, lab: Lab, run: &StoredRun) -> Option<Next> {
        let settings = lab.settings.get_untracked();
        self.0.with(|study| next(study.as_deref(), settings, run.preset.as_deref()?, &run.knobs))
    }

    /// What a preset can be expected to give with whatever else the Lab is set to, in few words.
    pub(crate) fn of_preset(self, lab: Lab, preset: &str) -> Option<String> {
        self.read(|brief| lab.settings.with(|settings| expectation(brief, &knobs(settings, [arm(preset); 2])[0])))?
    }

    /// What an arm differs by, where the study shows that it does.
    pub(crate) fn short_of_preset(self, lab: Lab, preset: &str) -> Option<String> {
        self.read(|brief| {
            lab.settings.with(|settings| short_expectation(brief, &knobs(settings, [arm(preset); 2])[0]))
        })?
    }
}
