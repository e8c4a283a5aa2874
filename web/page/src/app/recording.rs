//! The recorded run: a real run of the built-in model that stands beside the program, shown until there is one of the
//! visitor's own.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::browser;
use super::state::Lab;
use crate::recorded::read;

/// Beside the page.
const FILE: &str = "recorded.jsonl";

/// The state that shows the recorded run.
#[derive(Clone, Copy)]
pub(crate) struct Recording(pub(crate) Lab);

/// Fetches the recorded run. The page is whole without it: that it cannot be had is said, and nothing else changes.
pub(crate) fn load(lab: Lab) -> Recording {
    let recorded = lab.another();
    spawn_local(async move {
        let read = async { read(&browser::text_of(FILE).await?) };
        match read.await {
            Ok((run, history)) => {
                recorded.history.set_value(history);
                recorded.run.set(Some(run));
                recorded.due();
            }
            Err(why) => lab.notice(format!("The recorded run {FILE} cannot be shown: {why}.")),
        }
    });
    Recording(recorded)
}
