//! All settings in a dialog: found by a word, grouped, and set back one by one or together.

use std::collections::{BTreeMap, BTreeSet};

use apt_experiment::{Knob, Knobs};
use leptos::html::Dialog;
use leptos::prelude::*;

use super::knob::{Shared, control};
use super::state::Lab;
use crate::knob_list::{Group, groups, is_found};

pub(crate) fn view(lab: Lab) -> impl IntoView {
    let dialog = NodeRef::<Dialog>::new();
    let changed = Memo::new(move |_| lab.settings.with(|settings| settings.changed_count()));
    let count = move || match changed.get() {
        0 => String::new(),
        number => format!("{number} changed"),
    };
    let open = move |_| {
        if let Some(dialog) = dialog.get_untracked() {
            // It is in the page and not open.
            let _ = dialog.show_modal();
        }
    };
    view! {
        <p class="settings-line">
            <button type="button" class="button" data-testid="settings" aria-haspopup="dialog" on:click=open>
                "Settings" {move || (changed.get() > 0).then(|| format!(" ({})", count()))}
            </button>
            <span class="aside">"density, seed, steps and all others"</span>
        </p>
        <dialog class="settings" closedby="any" aria-labelledby="settings-title" data-testid="knobs" node_ref=dialog>
            {contents(lab, dialog, changed)}
        </dialog>
    }
}

fn contents(lab: Lab, dialog: NodeRef<Dialog>, changed: Memo<usize>) -> impl IntoView {
    let search = RwSignal::new(String::new());
    // What was changed when only that was asked for: nothing leaves the list under the hand that sets it back.
    let only = RwSignal::new(None::<BTreeSet<&'static str>>);
    let preset = Memo::new(move |_| lab.settings.with(|settings| settings.preset.knobs().unwrap_or_default()));
    let all: Vec<Group> = groups().into_iter().filter_map(|group| shown_group(lab, group)).collect();
    let total: usize = all.iter().map(|group| group.knobs.len()).sum();
    let listed: Vec<(&'static str, &'static Knob)> =
        all.iter().flat_map(|group| group.knobs.iter().map(|knob| (group.title, *knob))).collect();
    let found = Memo::new(move |_| {
        let search = search.get();
        let matching = listed.iter().filter(|(group, knob)| {
            only.with(|only| only.as_ref().is_none_or(|only| only.contains(knob.name)))
                && is_found(knob, group, &search)
        });
        matching.map(|(_, knob)| knob.name).collect::<BTreeSet<_>>()
    });
    let toggle = move |event| {
        only.set(event_target_checked(&event).then(|| changed_now(lab, &preset.get_untracked())));
    };
    let reset = move |_| {
        lab.drafts.update(BTreeMap::clear);
        lab.settings.update(crate::address::Settings::reset);
    };
    let close = move |_| {
        if let Some(dialog) = dialog.get_untracked() {
            dialog.close();
        }
    };
    let words = move || match found.with(BTreeSet::len) {
        0 if only.with(|only| only.as_ref().is_some_and(BTreeSet::is_empty)) => "Nothing is changed.".to_owned(),
        0 => "No setting is called or says so.".to_owned(),
        shown if shown == total => format!("{total} settings"),
        shown => format!("{shown} of {total} settings"),
    };
    view! {
        <header class="settings-head">
            <h2 id="settings-title">"Settings"</h2>
            <input
                type="search"
                data-testid="settings-search"
                aria-label="Search settings"
                placeholder="Search"
                autocomplete="off"
                spellcheck="false"
                prop:value=search
                on:input=move |event| search.set(event_target_value(&event))
            />
            <label class="switch">
                <input type="checkbox" data-testid="settings-changed" on:change=toggle />
                "Changed only"
            </label>
            <span class="aside" role="status" data-testid="settings-count">{words}</span>
            <button type="button" class="button" data-testid="settings-close" on:click=close>"Close"</button>
        </header>
        {move || lab.is_open().then(|| view! {
            <p class="aside">"A run is open: only settings marked live can be changed; a change counts from the next step."</p>
        })}
        <div class="settings-groups" tabindex="-1">
            {all.into_iter().map(|all| group(lab, Shared { preset, found }, all)).collect_view()}
        </div>
        <footer class="buttons">
            <button
                type="button"
                class="button"
                data-testid="forget"
                disabled=move || changed.get() == 0 || lab.is_open()
                on:click=reset
            >
                "Reset all to the preset"
            </button>
            <span class="aside">
                {move || match changed.get() {
                    0 => "Everything is as the preset has it.".to_owned(),
                    1 => "1 setting differs from the preset.".to_owned(),
                    number => format!("{number} settings differ from the preset."),
                }}
            </span>
        </footer>
    }
}

/// A group without what the address hides; `None` if nothing is left.
fn shown_group(lab: Lab, group: Group) -> Option<Group> {
    let is_shown = |knob: &&'static Knob| lab.settings.with_untracked(|settings| !settings.is_hidden(knob.name));
    let knobs: Vec<_> = group.knobs.into_iter().filter(is_shown).collect();
    (!knobs.is_empty()).then_some(Group { knobs, ..group })
}

/// The settings that differ from the preset's, or whose text cannot be read.
fn changed_now(lab: Lab, preset: &Knobs) -> BTreeSet<&'static str> {
    let drafts: Vec<&'static str> = lab.drafts.with_untracked(|drafts| drafts.keys().copied().collect());
    let differs = |knob: &&Knob| lab.settings.with_untracked(|settings| knob.get(&settings.knobs) != knob.get(preset));
    let changed = apt_experiment::KNOBS.iter().filter(differs).map(|knob| knob.name);
    changed.chain(drafts).collect()
}

fn group(lab: Lab, shared: Shared, group: Group) -> impl IntoView {
    let names: Vec<&'static str> = group.knobs.iter().map(|knob| knob.name).collect();
    let is_empty = move || shared.found.with(|found| names.iter().all(|name| !found.contains(name)));
    view! {
        <fieldset class="group" hidden=is_empty>
            <legend>{group.title}</legend>
            <div class="group-knobs">{group.knobs.into_iter().map(|knob| control(lab, shared, knob)).collect_view()}</div>
        </fieldset>
    }
}
