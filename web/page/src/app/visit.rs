//! What a visitor came with, and starting over for the next one.
//!
//! A class is taught in groups at one computer: the next group is to find the lab as the lecturer's link sets it, and
//! nothing of what the group before did, while its runs stay among the stored ones.

use apt_bridge::Command;
use leptos::prelude::*;

use super::state::{Lab, Page};
use crate::address::{Reading, Settings};
use crate::baseline::Pin;

/// What the link asked for. A handle: copies are the same.
#[derive(Clone, Copy)]
pub(crate) struct Visit {
    /// What of it could not be taken over.
    pub(crate) problems: RwSignal<Vec<String>>,
    /// Whether what earlier visitors left is not to be offered.
    pub(crate) is_fresh: RwSignal<bool>,
    settings: StoredValue<Settings>,
    page: StoredValue<Page>,
    /// Whether the run that is open is on its way out.
    is_leaving: RwSignal<bool>,
}

impl Visit {
    /// Takes note of what the link asked for, for every view.
    pub(crate) fn begin(lab: Lab, reading: Reading) {
        let visit = Self {
            problems: RwSignal::new(reading.problems),
            is_fresh: RwSignal::new(false),
            settings: StoredValue::new(reading.settings),
            page: StoredValue::new(lab.page.get_untracked()),
            is_leaving: RwSignal::new(false),
        };
        Effect::new(move || {
            if visit.is_leaving.get() && !lab.is_open() && !lab.is_studying() {
                visit.is_leaving.set(false);
                visit.clear(lab);
            }
        });
        Effect::new(move || {
            if lab.run.with(Option::is_some) {
                visit.is_fresh.set(false);
            }
        });
        provide_context(visit);
    }

    /// Whether there is anything that starting over would put away.
    pub(crate) fn has_begun(self, lab: Lab) -> bool {
        let is_set = self.settings.with_value(|settings| {
            // How it is shown is no setting of a run.
            lab.settings.with(|now| *now != Settings { present: now.present, ..settings.clone() })
        });
        is_set || lab.run.with(Option::is_some)
    }

    /// Puts away what is shown and goes back to what the link asked for. A run that is open is saved and closed.
    pub(crate) fn start_over(self, lab: Lab) {
        if untrack(|| lab.is_open() || lab.is_studying()) {
            lab.send(Command::Stop);
        }
        self.is_leaving.set(true);
    }

    fn clear(self, lab: Lab) {
        lab.run.set(None);
        lab.current.set_value(None);
        lab.pending.update_value(|pending| (pending.run, pending.requested) = (None, None));
        lab.history.update_value(|history| *history = Default::default());
        lab.answer.set(None);
        lab.asking.set(false);
        lab.saved.set(None);
        lab.report_of.set(None);
        lab.pin.set(Pin::Default);
        lab.drafts.update(std::collections::BTreeMap::clear);
        lab.faults.update(std::collections::VecDeque::clear);
        lab.notices.update(std::collections::VecDeque::clear);
        lab.settings.set(self.settings.get_value());
        self.is_fresh.set(true);
        self.page.get_value().open();
        lab.due();
    }
}
