//! Presenting to a room: large type, the picture of the model over the whole width, and keys for what a lecturer does.
//!
//! The mode is an attribute of the root element; `present.css` says what it looks like.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement, KeyboardEvent};

use super::state::Lab;
use crate::keys::{Act, Focus, SHOWN, act};

/// The button that goes into the mode and leaves it. From here on keys are listened to.
pub(crate) fn view(lab: Lab) -> impl IntoView {
    let presenting = presenting(lab);
    Effect::new(move || {
        if let Some(root) = document().document_element() {
            let _ = root.toggle_attribute_with_force("data-present", presenting.get());
        }
    });
    window_event_listener(leptos::ev::keydown, move |event| on_key(lab, &event));
    view! {
        <button
            type="button"
            class="button quiet"
            data-testid="present"
            aria-keyshortcuts="p"
            on:click=move |_| toggle(lab)
        >
            {move || if presenting.get() { "Leave" } else { "Present" }}
        </button>
    }
}

/// The keys in a line, while they count.
pub(crate) fn keys(lab: Lab) -> impl IntoView {
    let presenting = presenting(lab);
    let one = |(key, does): (&'static str, &'static str)| view! { <span><kbd>{key}</kbd> " " {does}</span> };
    move || {
        presenting.get().then(|| {
            view! { <p class="present-keys aside" data-testid="present-keys">{SHOWN.map(one).collect_view()}</p> }
        })
    }
}

/// Goes into the mode, or leaves it. The address says so, so that a link can open in it.
pub(crate) fn toggle(lab: Lab) {
    lab.settings.update(|settings| settings.present = !settings.present);
    // The room looks at the model.
    if lab.settings.with_untracked(|settings| settings.present) {
        request_animation_frame(|| {
            if let Ok(Some(stage)) = document().query_selector(".hero") {
                stage.scroll_into_view();
            }
        });
    }
    // The space bar is to play the run, and not to press the button once more.
    if let Some(focused) = document().active_element().and_then(|element| element.dyn_into::<HtmlElement>().ok()) {
        let _ = focused.blur();
    }
}

fn presenting(lab: Lab) -> Memo<bool> {
    Memo::new(move |_| lab.settings.with(|settings| settings.present))
}

fn on_key(lab: Lab, event: &KeyboardEvent) {
    let is_taken = event.default_prevented() || event.ctrl_key() || event.alt_key() || event.meta_key();
    let has_dialogue = || document().query_selector("dialog[open]").ok().flatten().is_some();
    if is_taken || has_dialogue() {
        return;
    }
    let focus =
        event.target().and_then(|target| target.dyn_into::<Element>().ok()).map_or(Focus::Page, |at| focus(&at));
    let presenting = lab.settings.with_untracked(|settings| settings.present);
    let done = match act(&event.key(), presenting, focus, untrack(|| lab.is_open())) {
        None => false,
        Some(Act::Press(buttons)) => buttons.iter().any(|name| press(name)),
        Some(Act::Toggle | Act::Leave) => {
            toggle(lab);
            true
        }
    };
    if done {
        event.prevent_default();
    }
}

/// What the element that has the focus takes for itself.
fn focus(element: &Element) -> Focus {
    let kind = element.get_attribute("type").unwrap_or_default();
    match (element.tag_name().to_ascii_lowercase().as_str(), kind.as_str()) {
        ("input", "range" | "radio") | ("canvas", _) => Focus::Slider,
        ("input", "checkbox" | "file" | "submit" | "button") | ("button" | "a" | "summary", _) => Focus::Button,
        ("input" | "textarea" | "select", _) => Focus::Text,
        _ if element.dyn_ref::<HtmlElement>().is_some_and(HtmlElement::is_content_editable) => Focus::Text,
        _ => Focus::Page,
    }
}

/// Presses a button of the page; `false` if it is not there or cannot be pressed.
fn press(name: &str) -> bool {
    let selector = format!("[data-testid='{name}']:not(:disabled):not([aria-disabled='true'])");
    let button =
        document().query_selector(&selector).ok().flatten().and_then(|found| found.dyn_into::<HtmlElement>().ok());
    button.as_ref().map(HtmlElement::click).is_some()
}
