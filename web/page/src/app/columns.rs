//! The choice of columns: which is the text, which the second text, which the label.

use apt_bridge::DataLook;
use apt_experiment::{KNOBS, Knobs};
use leptos::prelude::*;

use super::state::Lab;
use crate::looking::{column, may_choose};

/// The column that a setting names.
type Named = fn(&Knobs) -> &Option<String>;

/// The roles: the setting that names the column, what it is called, its value.
const ROLES: [(&str, &str, Named); 3] = [
    ("text", "Text", |knobs| &knobs.text),
    ("text_pair", "Second text", |knobs| &knobs.text_pair),
    ("label", "Label", |knobs| &knobs.label),
];

/// `None` where nothing is to be chosen.
pub(crate) fn view(lab: Lab, look: &DataLook) -> impl IntoView + use<> {
    let knobs = lab.settings.with_untracked(|settings| settings.knobs.clone());
    may_choose(look, &knobs).then(|| {
        let roles = ROLES.map(|(name, title, value)| select(lab, look, name, title, value)).into_iter().collect_view();
        view! {
            <fieldset class="columns" data-testid="columns">
                <legend>"Columns"</legend>
                {roles}
                {first_line(lab)}
            </fieldset>
        }
    })
}

fn select(lab: Lab, look: &DataLook, name: &'static str, title: &'static str, value: Named) -> impl IntoView + use<> {
    let used = look.read.files.first().and_then(|file| match name {
        "text" => Some(file.text.clone()),
        "label" => file.label.clone(),
        _ => file.text_pair.clone(),
    });
    let named = Memo::new(move |_| lab.settings.with(|settings| value(&settings.knobs).clone().unwrap_or_default()));
    let none = match used.filter(|_| named.with_untracked(String::is_empty)) {
        Some(used) => format!("{used} (found by its name)"),
        None => "none named".to_owned(),
    };
    let option = |of: &(String, String)| {
        let (name, words) = (of.0.clone(), column(of));
        view! { <option value=of.0.clone() prop:selected=move || named.get() == name>{words}</option> }
    };
    let id = format!("column-{name}");
    view! {
        <label for=id.clone()>{title}</label>
        <select
            id=id.clone()
            data-testid=id
            disabled=move || is_fixed(lab, name)
            on:change=move |event| set(lab, name, &event_target_value(&event))
        >
            <option value="" prop:selected=move || named.with(String::is_empty)>{none}</option>
            {look.columns.iter().map(option).collect_view()}
        </select>
    }
}

/// Whether the first line names the columns. Names found in it are no names without it, and the other way round.
fn first_line(lab: Lab) -> impl IntoView {
    let change = move |event| {
        ROLES.iter().for_each(|(name, ..)| set(lab, name, ""));
        set(lab, "no_header", if event_target_checked(&event) { "true" } else { "false" });
    };
    view! {
        <label class="check">
            <input
                type="checkbox"
                data-testid="column-no_header"
                disabled=move || is_fixed(lab, "no_header")
                prop:checked=move || lab.settings.with(|settings| settings.knobs.no_header)
                on:change=change
            />
            " The first line is an example and names no columns"
        </label>
    }
}

fn is_fixed(lab: Lab, name: &str) -> bool {
    lab.is_open() || lab.settings.with(|settings| settings.is_locked(name))
}

fn set(lab: Lab, name: &str, text: &str) {
    if let Some(knob) = KNOBS.iter().find(|knob| knob.name == name) {
        lab.edit_knob(knob, text, true);
    }
}
