//! Compare, in tabs: the answer first, then studies, all runs, curves and the whole report. The address names the tab, so
//! links and Back lead to it.

use std::collections::BTreeSet;
use std::sync::Arc;

use apt_experiment::Record;
use leptos::ev::hashchange;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use super::figure::figure;
use super::state::{Lab, Page};
use super::{answer, browser, paper, report, run_table, study};
use crate::chart::Plot;
use crate::plots;
use crate::runs::{Row, baseline, newest_of_each, rows, titles};
use crate::tabs::Tab;

/// Draws runs over each other, one of them as the ghost of the others.
type Overlay = fn(&[(&str, &Record)], Option<usize>) -> Plot;

/// What the tabs share.
#[derive(Clone, Copy)]
pub(crate) struct Compare {
    tab: RwSignal<Tab>,
    /// Runs and records, newest first.
    pub(crate) table: Memo<Vec<Row>>,
    /// Names of the runs that are selected.
    pub(crate) selected: RwSignal<BTreeSet<String>>,
}

impl Compare {
    /// Goes to a tab by the address, as links do.
    pub(crate) fn open(tab: Tab) {
        browser::set_fragment(&tab.fragment());
    }
}

/// The tab that the address names.
fn now(lab: Lab) -> Tab {
    let asks_for_study = lab.settings.with_untracked(|settings| settings.study.is_some());
    Tab::of(&browser::fragment(), asks_for_study)
}

pub(crate) fn view(lab: Lab) -> impl IntoView {
    lab.load_runs();
    lab.load_records();
    let compare = Compare {
        tab: RwSignal::new(now(lab)),
        table: Memo::new(move |_| lab.runs.with(|runs| lab.records.with(|records| rows(runs, records)))),
        selected: RwSignal::default(),
    };
    let followed = window_event_listener(hashchange, move |_| {
        if Page::now() == Page::Compare && compare.tab.get_untracked() != now(lab) {
            compare.tab.set(now(lab));
            window().scroll_to_with_x_and_y(0.0, 0.0);
        }
    });
    on_cleanup(move || followed.remove());
    view! {
        <div class="page compare" data-testid="page-compare">
            <h1>"Compare"</h1>
            <div class="tabs" role="tablist" aria-label="Parts of the comparison" on:keydown=move |event| by_key(compare, &event)>
                {Tab::ALL.map(|tab| handle(compare, tab)).collect_view()}
            </div>
            {Tab::ALL.map(|tab| panel(lab, compare, tab)).collect_view()}
        </div>
    }
}

fn handle_id(tab: Tab) -> String {
    format!("tab-{}", tab.name())
}

fn panel_id(tab: Tab) -> String {
    format!("panel-{}", tab.name())
}

fn handle(compare: Compare, tab: Tab) -> impl IntoView {
    let is_open = move || compare.tab.get() == tab;
    view! {
        <a
            role="tab"
            id=handle_id(tab)
            href=format!("#{}", tab.fragment())
            aria-selected=move || if is_open() { "true" } else { "false" }
            aria-controls=panel_id(tab)
            tabindex=move || if is_open() { "0" } else { "-1" }
            data-testid=handle_id(tab)
        >
            {tab.title()}
        </a>
    }
}

/// Arrows, Home and End open a tab and move the focus to it, without an entry in the history each.
fn by_key(compare: Compare, event: &web_sys::KeyboardEvent) {
    let Some(tab) = compare.tab.get_untracked().by_key(&event.key()) else { return };
    event.prevent_default();
    browser::replace_fragment(&tab.fragment());
    compare.tab.set(tab);
    let element = document().get_element_by_id(&handle_id(tab));
    if let Some(element) = element.and_then(|element| element.dyn_into::<HtmlElement>().ok()) {
        // One that the browser will not focus leaves the focus where it is.
        let _ = element.focus();
    }
}

fn panel(lab: Lab, compare: Compare, tab: Tab) -> impl IntoView {
    let is_open = Memo::new(move |_| compare.tab.get() == tab);
    let content = move || match tab {
        Tab::Answer => answer::view(lab).into_any(),
        Tab::Studies => study::view(lab).into_any(),
        Tab::Runs => run_table::view(lab, compare).into_any(),
        Tab::Curves => curves(lab, compare).into_any(),
        Tab::Report => report::view(lab).into_any(),
    };
    view! {
        <section
            role="tabpanel"
            id=panel_id(tab)
            aria-labelledby=handle_id(tab)
            tabindex="0"
            hidden=move || !is_open.get()
            data-testid=panel_id(tab)
        >
            {move || is_open.get().then(|| view! {
                <p class="what">{tab.summary()}</p>
                {content()}
            })}
        </section>
    }
}

fn curves(lab: Lab, compare: Compare) -> impl IntoView {
    paper::share_cursor();
    let none = Memo::new(move |_| compare.selected.with(BTreeSet::is_empty));
    let picked = move || {
        let rows = compare.table.get().into_iter().filter(|row| row.record.is_some()).collect::<Vec<Row>>();
        let picked = match none.get() {
            true => newest_of_each(rows, &lab.pin.get()),
            false => rows.into_iter().filter(|row| compare.selected.with(|names| names.contains(&row.name))).collect(),
        };
        let pinned = lab.pin.with(|pin| pin.row(&picked).map(|row| row.name.clone()));
        let base = pinned.or_else(|| baseline(&picked.iter().collect::<Vec<_>>()).map(|row| row.name.clone()));
        let base = picked.iter().position(|row| Some(&row.name) == base.as_ref());
        let titles = titles(&picked);
        let picked = titles.into_iter().zip(picked).filter_map(|(title, row)| Some((title, row.record?)));
        (picked.collect::<Vec<_>>(), base)
    };
    let overlay = move |plot: Overlay| {
        move || {
            let (picked, base): (Vec<(String, Arc<Record>)>, _) = picked();
            let runs: Vec<_> = picked.iter().map(|(name, record)| (name.as_str(), record.as_ref())).collect();
            plot(&runs, base)
        }
    };
    let empty = "No run is finished yet.";
    view! {
        {move || none.get().then(|| view! {
            <p class="aside">
                "No run is selected under " <a href=format!("#{}", Tab::Runs.fragment())>"All runs"</a>
                ": the newest of each arm is drawn."
            </p>
        })}
        <p class="aside">"Dashed is what the others are compared with."</p>
        <div class="charts">
            {figure(lab, "compare-metric", overlay(plots::metrics), empty)}
            {figure(lab, "compare-loss", overlay(plots::losses), empty)}
            {figure(lab, "compare-density", overlay(plots::densities), empty)}
        </div>
    }
}
