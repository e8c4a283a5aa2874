//! One control for every knob, made from its one definition.

use std::collections::BTreeSet;

use apt_experiment::{Knob, KnobKind, Knobs};
use leptos::either::EitherOf4;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::buttons::lock_mark;
use super::state::Lab;
use crate::knob_list::{label, range, symbol, value};

/// What all controls read.
#[derive(Clone, Copy)]
pub(crate) struct Shared {
    /// The values of the preset.
    pub(crate) preset: Memo<Knobs>,
    /// The settings that are listed now.
    pub(crate) found: Memo<BTreeSet<&'static str>>,
}

pub(crate) fn control(lab: Lab, shared: Shared, knob: &'static Knob) -> impl IntoView {
    let locked = lab.settings.with_untracked(|settings| settings.is_locked(knob.name));
    let disabled = Memo::new(move |_| locked || (lab.is_open() && (!knob.live || lab.is_studying())));
    let text = Memo::new(move |_| {
        let draft = lab.drafts.with(|drafts| drafts.get(knob.name).map(|draft| draft.text.clone()));
        draft.unwrap_or_else(|| lab.settings.with(|settings| knob.text(&settings.knobs)))
    });
    let error =
        Memo::new(move |_| lab.drafts.with(|drafts| drafts.get(knob.name).and_then(|draft| draft.error.clone())));
    let normal = Memo::new(move |_| shared.preset.with(|preset| knob.text(preset)));
    let is_listed = move || shared.found.with(|found| found.contains(knob.name));
    let differs = Memo::new(move |_| text.with(|text| normal.with(|normal| text != normal)));
    let (low, high) = bounds(&knob.kind);
    let limits = range(knob).map(|range| format!("{range} · "));
    view! {
        <div
            class="knob"
            class:locked=locked
            class:changed=differs
            hidden=move || !is_listed()
            data-knob=knob.name
            data-type=knob.kind.type_name()
            data-min=low
            data-max=high
            data-help=knob.help
            data-range=knob.kind.range()
        >
            <div class="knob-head">{name(lab, knob)} {reset(lab, knob, normal, differs, disabled)}</div>
            {input(lab, knob, text, error, disabled)}
            <p class="error" id=format!("error-{}", knob.name) data-testid=format!("error-{}", knob.name) aria-live="polite">
                {error}
            </p>
            <p class="help" id=format!("help-{}", knob.name)>
                {knob.help} " "
                <span class="limits">{limits} "default " {move || normal.with(|normal| value(knob, normal))}</span>
            </p>
        </div>
    }
}

fn name(lab: Lab, knob: &'static Knob) -> impl IntoView {
    let part = |(letter, below): (String, String)| view! { {letter} <sub>{below}</sub> };
    let symbol = (!knob.symbol.is_empty())
        .then(|| view! { <span class="symbol">{symbol(knob.symbol).into_iter().map(part).collect_view()}</span> });
    let live = knob.live.then(|| view! { <span class="live" title="can be changed during a run">"live"</span> });
    let marks = (symbol, live, lock_mark(lab, knob.name));
    match knob.kind {
        // A group of boxes has no one control to label.
        KnobKind::List(_) => {
            view! { <span class="knob-name" id=format!("label-{}", knob.name)>{label(knob)} {marks}</span> }.into_any()
        }
        _ => view! { <label class="knob-name" for=format!("knob-{}", knob.name)>{label(knob)} {marks}</label> }
            .into_any(),
    }
}

/// Sets one knob back; the focus goes to its control, for the button goes away.
fn reset(
    lab: Lab,
    knob: &'static Knob,
    normal: Memo<String>,
    differs: Memo<bool>,
    disabled: Memo<bool>,
) -> impl IntoView {
    let act = move |_| {
        lab.edit_knob(knob, &normal.get_untracked(), true);
        let control = document().get_element_by_id(&format!("knob-{}", knob.name));
        if let Some(control) = control.and_then(|control| control.dyn_into::<web_sys::HtmlElement>().ok()) {
            // One that cannot take it leaves it to the browser.
            let _ = control.focus();
        }
    };
    move || {
        (differs.get() && !disabled.get()).then(|| {
            view! {
                <button
                    type="button"
                    class="button quiet small"
                    data-testid=format!("reset-{}", knob.name)
                    aria-label=move || format!("Reset {} to {}", label(knob), normal.with(|normal| value(knob, normal)))
                    on:click=act
                >
                    "Reset"
                </button>
            }
        })
    }
}

fn input(
    lab: Lab,
    knob: &'static Knob,
    text: Memo<String>,
    error: Memo<Option<String>>,
    disabled: Memo<bool>,
) -> impl IntoView {
    let name = format!("knob-{}", knob.name);
    let described = format!("help-{0} error-{0}", knob.name);
    match &knob.kind {
        KnobKind::Bool => {
            let change =
                move |event| lab.edit_knob(knob, if event_target_checked(&event) { "true" } else { "false" }, true);
            EitherOf4::A(view! {
                <input
                    type="checkbox"
                    id=name.clone()
                    data-testid=name
                    aria-describedby=described
                    prop:checked=move || text.get() == "true"
                    disabled=disabled
                    on:change=change
                />
            })
        }
        KnobKind::Choice(names) => {
            let option = |name: &&'static str| {
                let name = *name;
                view! { <option value=name selected=move || text.get() == name>{name.replace('_', " ")}</option> }
            };
            EitherOf4::B(view! {
                <select
                    id=name.clone()
                    data-testid=name
                    aria-describedby=described
                    disabled=disabled
                    prop:value=text
                    on:change=move |event| lab.edit_knob(knob, &event_target_value(&event), true)
                >
                    {names.iter().map(option).collect_view()}
                </select>
            })
        }
        KnobKind::List(names) => EitherOf4::C(view! {
            <div
                class="boxes"
                role="group"
                id=name.clone()
                tabindex="-1"
                data-testid=name
                aria-labelledby=format!("label-{}", knob.name)
                aria-describedby=described
            >
                {names.iter().map(|name| member(lab, knob, name, text, disabled)).collect_view()}
            </div>
        }),
        kind => {
            let keys = match kind {
                KnobKind::Int { .. } | KnobKind::OptionalInt { .. } => "numeric",
                KnobKind::Float { .. } | KnobKind::OptionalFloat { .. } => "decimal",
                _ => "text",
            };
            EitherOf4::D(view! {
                <input
                    type="text"
                    id=name.clone()
                    data-testid=name
                    inputmode=keys
                    autocomplete="off"
                    spellcheck="false"
                    aria-describedby=described
                    aria-invalid=move || error.with(Option::is_some).then_some("true")
                    prop:value=text
                    disabled=disabled
                    on:input=move |event| lab.edit_knob(knob, &event_target_value(&event), false)
                    on:change=move |event| lab.edit_knob(knob, &event_target_value(&event), true)
                />
            })
        }
    }
}

/// One name of a list as a box to tick.
fn member(
    lab: Lab,
    knob: &'static Knob,
    name: &'static str,
    text: Memo<String>,
    disabled: Memo<bool>,
) -> impl IntoView {
    let ticked = move || text.with(|text| text.split(',').any(|word| word == name));
    let change = move |event| {
        let mut words: Vec<String> = text.with_untracked(|text| text.split(',').map(str::to_owned).collect());
        words.retain(|word| word != name && !word.is_empty());
        if event_target_checked(&event) {
            words.push(name.to_owned());
        }
        lab.edit_knob(knob, &words.join(","), true);
    };
    view! {
        <label>
            <input
                type="checkbox"
                data-testid=format!("knob-{}-{name}", knob.name)
                prop:checked=ticked
                disabled=disabled
                on:change=change
            />
            {name}
        </label>
    }
}

fn bounds(kind: &KnobKind) -> (Option<String>, Option<String>) {
    match kind {
        KnobKind::Int { min, max } | KnobKind::OptionalInt { min, max } => {
            (Some(min.to_string()), Some(max.to_string()))
        }
        KnobKind::Float { min, max } | KnobKind::OptionalFloat { min, max } => {
            (Some(min.to_string()), Some(max.to_string()))
        }
        _ => (None, None),
    }
}
