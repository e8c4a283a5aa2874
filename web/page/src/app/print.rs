//! Printing: charts and pictures are drawn in the colours of light paper while the page is printed, whatever the theme.

use leptos::ev::{afterprint, beforeprint};
use leptos::prelude::*;

use super::state::Lab;

pub(crate) fn watch(lab: Lab) {
    let was_dark = StoredValue::new(false);
    window_event_listener(beforeprint, move |_| {
        was_dark.set_value(lab.dark.get_untracked());
        lab.dark.set(false);
    });
    window_event_listener(afterprint, move |_| {
        if was_dark.get_value() {
            lab.dark.set(true);
        }
    });
}
