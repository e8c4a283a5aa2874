//! The studies that stand beside the program: what runs are judged beside. The page is whole without them.

use std::sync::Arc;

use apt_bridge::StoredRun;
use apt_experiment::Knobs;
use apt_report::Brief;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::browser;
use super::state::Lab;
use crate::pair::{arm, knobs};
use crate::shipped::{Next, Offer, expectation, fitting, next, offer, read, short_expectation};

/// Beside the page: runs of the length that the program's defaults give, and runs of 128 steps.
const FILES: [&str; 2] = ["study.json", "study-128.json"];

/// The studies, once they are there. A handle.
#[derive(Clone, Copy)]
pub(crate) struct Shipped(RwSignal<[Option<Arc<Brief>>; FILES.len()]>);

impl Shipped {
    /// Fetches them for every view; that one cannot be had is said, and nothing else changes.
    pub(crate) fn load(lab: Lab) {
        let studies = Self(RwSignal::default());
        spawn_local(async move {
            let mut missing = Vec::new();
            for (place, file) in FILES.into_iter().enumerate() {
                let read = async { read(&browser::text_of(file).await?) };
                match read.await {
                    Ok(brief) => studies.0.update(|all| all[place] = Some(Arc::new(brief))),
                    Err(why) => missing.push(format!("The study {file} cannot be shown: {why}.")),
                }
            }
            if !missing.is_empty() {
                lab.notice(missing.join(" "));
            }
        });
        provide_context(studies);
    }

    /// Those of the page.
    pub(crate) fn here() -> Self {
        use_context().unwrap_or_else(|| Self(RwSignal::default()))
    }

    /// What can be read from the study of the defaults; `None` while it is not there.
    pub(crate) fn read<T>(self, of: impl FnOnce(&Brief) -> T) -> Option<T> {
        self.0.with(|all| all[0].as_deref().map(of))
    }

    /// What can be read from the study of runs about as long as these settings make them.
    pub(crate) fn read_for<T>(self, knobs: &Knobs, of: impl FnOnce(&Brief) -> T) -> Option<T> {
        self.0.with(|all| fitting(there(all), knobs).map(of))
    }

    /// The ablation that is offered first with the Lab's settings as they are.
    pub(crate) fn offer(self, lab: Lab) -> Offer {
        lab.settings.with(|settings| self.0.with(|all| offer(&there(all), settings)))
    }

    /// What to do after a run.
    pub(crate) fn next(self, lab: Lab, run: &StoredRun) -> Option<Next> {
        let settings = lab.settings.get_untracked();
        let preset = run.preset.as_deref()?;
        self.0.with(|all| next(&there(all), settings, preset, &run.knobs))
    }

    /// What a preset can be expected to give with whatever else the Lab is set to, in few words.
    pub(crate) fn of_preset(self, lab: Lab, preset: &str) -> Option<String> {
        let knobs = lab.settings.with(|settings| knobs(settings, [arm(preset); 2])[0].clone());
        self.read_for(&knobs, |brief| expectation(brief, &knobs))?
    }

    /// What an arm differs by, where the study shows that it does.
    pub(crate) fn short_of_preset(self, lab: Lab, preset: &str) -> Option<String> {
        let knobs = lab.settings.with(|settings| knobs(settings, [arm(preset); 2])[0].clone());
        self.read_for(&knobs, |brief| short_expectation(brief, &knobs))?
    }
}

/// Those that have come.
fn there(all: &[Option<Arc<Brief>>]) -> Vec<&Brief> {
    all.iter().flatten().map(AsRef::as_ref).collect()
}
