//! The pages on the screen.

mod alerts;
mod answer;
mod ask;
mod behind;
mod browser;
mod buttons;
mod columns;
mod compare;
mod confirm;
mod controls;
mod crash;
mod data_card;
mod device;
mod expected;
mod export;
mod figure;
mod hub;
mod knob;
mod knobs;
mod lab_page;
mod learn;
mod link;
mod measured;
mod messages;
mod model_choice;
mod outcome;
mod page;
mod paint;
mod pair;
mod paper;
mod phase_band;
mod playback;
mod present;
mod print;
mod recording;
mod report;
mod run_table;
mod setup;
mod share;
mod shell;
mod shipped;
mod stage;
mod state;
mod storage;
mod study;
mod study_form;
mod tester;
mod verdicts;
mod visit;
mod worker;
mod write;
mod zoom;

use leptos::prelude::*;

use crate::address;
use state::{Engine, Lab, Page};

/// Milliseconds from the last change of the settings until their memory is estimated.
const ESTIMATE_DELAY_MS: u64 = 400;

/// Puts the lab on the page and starts the worker.
pub fn start() {
    crash::watch();
    mount_to_body(root);
}

fn root() -> impl IntoView {
    let reading = address::read(&browser::query());
    let lab = Lab::new(reading.settings.clone());
    if browser::fragment().is_empty() && lab.settings.with_untracked(|settings| settings.study.is_some()) {
        lab.page.set(Page::Compare);
    }
    visit::Visit::begin(lab, reading);
    lab.start_first_worker();
    lab.load_runs();
    lab.load_sets();
    lab.load_studies();
    shell::watch_theme(lab);
    print::watch(lab);
    follow_browser(lab);
    follow_settings(lab);
    shipped::Shipped::load(lab);
    let pair = pair::Pair::new(lab);
    provide_context(pair);
    let recording = recording::load(lab);
    provide_context(recording);
    provide_context(expected::Expected::begin(lab));
    shell::view(lab, recording, pair)
}

fn follow_browser(lab: Lab) {
    let width = || window().inner_width().ok().and_then(|width| width.as_f64()).unwrap_or(0.0);
    lab.width.set(width());
    window_event_listener(leptos::ev::resize, move |_| lab.width.set(width()));
    window_event_listener(leptos::ev::hashchange, move |_| {
        let page = Page::now();
        if page != lab.page.get_untracked() {
            lab.page.set(page);
            // A page begins at its top, wherever the one before was left.
            window().scroll_to_with_x_and_y(0.0, 0.0);
        }
    });
    // A file that misses the drop zone must not replace the page, and with it a run.
    window_event_listener(leptos::ev::dragover, |event| event.prevent_default());
    window_event_listener(leptos::ev::drop, move |event| {
        event.prevent_default();
        if let Some(files) = event.data_transfer().and_then(|dropped| dropped.files()) {
            lab.take_files(browser::listed_files(&files));
        }
    });
    let study = study::title(lab);
    Effect::new(move || {
        let page = format!("{} · APT Lab", lab.page.get().title());
        document().set_title(&match study().or_else(|| lab.time_left()) {
            Some(left) => format!("{left} · {page}"),
            None => page,
        });
    });
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
        // What is elsewhere is not asked for.
        let foreign = lab.is_unconfirmed() || lab.absent_model().is_some();
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
                lab.send(apt_bridge::Command::Estimate { knobs: Box::new(knobs) });
            }
        };
        set_timeout(ask, std::time::Duration::from_millis(ESTIMATE_DELAY_MS));
    });
}
