//! One control for every knob, made from its one definition.

use apt_experiment::{Axis, KNOBS, Knob, KnobKind};
use leptos::either::EitherOf4;
use leptos::prelude::*;

use super::buttons::lock_mark;
use super::state::Lab;

const GROUPS: [(Axis, &str); 8] = [
    (Axis::Model, "Model and adapters"),
    (Axis::Task, "Task"),
    (Axis::Training, "Training"),
    (Axis::Schedule, "Schedule of pruning"),
    (Axis::Salience, "Salience"),
    (Axis::Tuning, "Ranks"),
    (Axis::Distillation, "Distillation"),
    (Axis::Run, "Run"),
];

pub(crate) fn view(lab: Lab) -> impl IntoView {
    let changed = Memo::new(move |_| lab.settings.with(|settings| settings.changed_count()));
    let count = move || match changed.get() {
        0 => "as the preset has them".to_owned(),
        1 => "1 changed".to_owned(),
        number => format!("{number} changed"),
    };
    let reset = move |_| {
        lab.drafts.update(std::collections::BTreeMap::clear);
        lab.settings.update(crate::address::Settings::reset);
    };
    view! {
        <details class="knobs" data-testid="knobs">
            <summary>"All settings " <span class="aside">{count}</span></summary>
            {GROUPS.into_iter().map(|(axis, title)| group(lab, axis, title)).collect_view()}
            <p class="buttons">
                <button
                    type="button"
                    class="button"
                    data-testid="forget"
                    disabled=move || changed.get() == 0 || lab.is_open()
                    on:click=reset
                >
                    "Back to the preset"
                </button>
            </p>
        </details>
    }
}

fn group(lab: Lab, axis: Axis, title: &'static str) -> impl IntoView {
    let hidden = |knob: &&Knob| lab.settings.with_untracked(|settings| settings.is_hidden(knob.name));
    let knobs: Vec<&'static Knob> = KNOBS.iter().filter(|knob| knob.axis == axis && !hidden(knob)).collect();
    (!knobs.is_empty()).then(|| {
        view! {
            <fieldset class="group">
                <legend>{title}</legend>
                {knobs.into_iter().map(|knob| control(lab, knob)).collect_view()}
            </fieldset>
        }
    })
}

fn control(lab: Lab, knob: &'static Knob) -> impl IntoView {
    let locked = lab.settings.with_untracked(|settings| settings.is_locked(knob.name));
    let disabled = Memo::new(move |_| locked || (lab.is_open() && (!knob.live || lab.is_studying())));
    let text = Memo::new(move |_| {
        let draft = lab.drafts.with(|drafts| drafts.get(knob.name).map(|draft| draft.text.clone()));
        draft.unwrap_or_else(|| lab.settings.with(|settings| knob.text(&settings.knobs)))
    });
    let error =
        Memo::new(move |_| lab.drafts.with(|drafts| drafts.get(knob.name).and_then(|draft| draft.error.clone())));
    let range = knob.kind.range();
    let (low, high) = bounds(&knob.kind);
    let help = if range.is_empty() || matches!(knob.kind, KnobKind::Choice(_) | KnobKind::List(_) | KnobKind::Bool) {
        knob.help.to_owned()
    } else {
        format!("{} ({range})", knob.help)
    };
    view! {
        <div
            class="knob"
            class:locked=locked
            data-knob=knob.name
            data-type=knob.kind.type_name()
            data-min=low
            data-max=high
            data-help=knob.help
            data-range=range
        >
            {label(lab, knob)}
            {input(lab, knob, text, error, disabled)}
            <p class="help" id=format!("help-{}", knob.name)>{help}</p>
            <p class="error" id=format!("error-{}", knob.name) data-testid=format!("error-{}", knob.name) aria-live="polite">
                {error}
            </p>
        </div>
    }
}

fn label(lab: Lab, knob: &'static Knob) -> impl IntoView {
    let name = knob.name.replace('_', " ");
    let symbol = (!knob.symbol.is_empty()).then(|| view! { <span class="symbol">{knob.symbol}</span> });
    let live = knob.live.then(|| view! { <span class="live" title="can be changed during a run">"live"</span> });
    let marks = (symbol, live, lock_mark(lab, knob.name));
    match knob.kind {
        // A group of boxes has no one control to label.
        KnobKind::List(_) => {
            view! { <span class="knob-name" id=format!("label-{}", knob.name)>{name} {marks}</span> }.into_any()
        }
        _ => view! { <label class="knob-name" for=format!("knob-{}", knob.name)>{name} {marks}</label> }.into_any(),
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
