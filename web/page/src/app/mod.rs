//! The pages on the screen.

mod alerts;
mod ask;
mod browser;
mod brush;
mod compare;
mod controls;
mod crash;
mod device;
mod export;
mod figure;
mod knobs;
mod lab;
mod learn;
mod link;
mod model;
mod news;
mod own;
mod report;
mod setup;
mod shell;
mod state;
mod storage;
mod study;

use leptos::prelude::*;
use wasm_bindgen::JsCast;

use crate::address;
use state::{Engine, Lab, Page};

/// How long after the last change of the settings the worker is asked what they need, in milliseconds.
const PATIENCE: u64 = 400;

/// Puts the lab on the page and starts the worker.
pub fn start() {
    crash::watch();
    mount_to_body(root);
}

fn root() -> impl IntoView {
    let reading = address::read(&browser::query());
    let lab = Lab::new(reading.settings);
    if browser::fragment().is_empty() && lab.settings.with_untracked(|settings| settings.study.is_some()) {
        lab.page.set(Page::Compare);
    }
    for fault in &reading.faults {
        lab.trouble("the address of this page", fault, "Correct the address.");
    }
    lab.start_worker();
    lab.load_runs();
    lab.load_sets();
    lab.load_studies();
    shell::watch_theme(lab);
    follow_browser(lab);
    follow_settings(lab);
    shell::view(lab)
}

fn follow_browser(lab: Lab) {
    let width = || window().inner_width().ok().and_then(|width| width.as_f64()).unwrap_or(0.0);
    lab.width.set(width());
    window_event_listener(leptos::ev::resize, move |_| lab.width.set(width()));
    window_event_listener(leptos::ev::hashchange, move |_| lab.page.set(Page::now()));
    // A file that misses the drop zone must not replace the page, and with it a run.
    window_event_listener(leptos::ev::dragover, |event| event.prevent_default());
    window_event_listener(leptos::ev::drop, move |event| {
        event.prevent_default();
        if let Some(files) = event.data_transfer().and_then(|dropped| dropped.files()) {
            lab.take_files(listed(&files));
        }
    });
    Effect::new(move || document().set_title(&format!("{} · APT Lab", lab.page.get().title())));
}

fn follow_settings(lab: Lab) {
    // The address is left as it came until something is changed.
    Effect::new(move |before: Option<()>| {
        lab.settings.track();
        if before.is_some() {
            lab.write_address();
        }
    });
    let asked = StoredValue::new(0u64);
    Effect::new(move || {
        let ready = lab.engine.get() == Engine::Ready;
        let knobs = lab.settings.with(|settings| settings.knobs.clone());
        let foreign = lab.is_foreign();
        if !ready || lab.is_open() || lab.refusal().is_some() {
            return;
        }
        lab.estimate.set(None);
        let number = asked.try_update_value(|asked| {
            *asked += 1;
            *asked
        });
        let ask = move || {
            if !foreign && number == Some(asked.get_value()) {
                lab.send(&apt_bridge::Command::Estimate { knobs: Box::new(knobs) });
            }
        };
        set_timeout(ask, std::time::Duration::from_millis(PATIENCE));
    });
}

/// The files of a list.
fn listed(files: &web_sys::FileList) -> Vec<web_sys::File> {
    (0..files.length()).filter_map(|place| files.get(place)).collect()
}

/// The files chosen with a control.
fn chosen(event: &web_sys::Event) -> Vec<web_sys::File> {
    let input = event.target().and_then(|target| target.dyn_into::<web_sys::HtmlInputElement>().ok());
    let files = input.as_ref().and_then(web_sys::HtmlInputElement::files).map(|files| listed(&files));
    // So that the same file can be chosen again.
    if let Some(input) = input {
        input.set_value("");
    }
    files.unwrap_or_default()
}
