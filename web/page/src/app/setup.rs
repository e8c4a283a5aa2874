//! What to run: method, model, settings.

use leptos::prelude::*;

use super::buttons::lock_mark;
use super::shipped::Shipped;
use super::state::Lab;
use super::{knobs, model_choice};
use crate::address::PRESET;
use crate::arms::{self, Choice, METHODS, Methods, SWITCHES, Switch, WHOLE};

pub(crate) fn view(lab: Lab) -> impl IntoView {
    view! {
        <section class="setup" aria-labelledby="setup-title">
            <h2 id="setup-title">"What to run"</h2>
            {method(lab)}
            {knobs::view(lab)}
            {model_choice::view(lab)}
        </section>
    }
}

/// The method: APT with a switch for each of its ideas, and the methods it is compared with.
fn method(lab: Lab) -> impl IntoView {
    let [dense, others @ ..] = METHODS;
    (!is_hidden(lab, PRESET)).then(|| {
        view! {
            <fieldset class="method">
                <legend>"Method" {lock_mark(lab, PRESET)}</legend>
                <div class="card apt" class:chosen=move || is_of_apt(lab)>
                    {card(lab, WHOLE)}
                    <div class="switches">{SWITCHES.map(|idea| switch(lab, idea)).collect_view()}</div>
                </div>
                <h3>{dense.title}</h3>
                {dense.choices.iter().map(|choice| card(lab, *choice)).collect_view()}
                {others.map(|methods| folded(lab, methods)).collect_view()}
            </fieldset>
        }
    })
}

/// Every method in one control, for where there is room for no more.
pub(crate) fn arm_select(lab: Lab) -> impl IntoView {
    (!is_hidden(lab, PRESET)).then(|| {
        view! {
            <label class="arm-select">
                <span>"Method"</span>
                <select
                    data-testid="arm-select"
                    disabled=move || is_fixed(lab)
                    on:change=move |event| choose(lab, &event_target_value(&event))
                >
                    {arm_options(move || lab.settings.with(arms::chosen))}
                </select>
                <span class="card-words">
                    {move || arms::words(lab.settings.with(arms::chosen))} " "
                    {expected(lab, move || Some(lab.settings.with(arms::chosen)))}
                </span>
            </label>
        }
    })
}

/// The methods as options of a select: APT, APT with one idea changed, others.
pub(crate) fn arm_options(chosen: impl Fn() -> &'static str + Copy + Send + Sync + 'static) -> impl IntoView {
    let option = move |choice: Choice| {
        let is_chosen = move || chosen() == choice.preset;
        view! { <option value=choice.preset prop:selected=is_chosen>{arms::called(choice.preset)}</option> }
    };
    let switches = SWITCHES.map(|switch| {
        let arms = switch.arms.iter().filter(|arm| !arm.is_apt()).map(|arm| option(*arm)).collect_view();
        view! { <optgroup label=format!("APT with another {}", switch.name.to_lowercase())>{arms}</optgroup> }
    });
    let methods = METHODS.map(|methods| {
        let choices = methods.choices.iter().map(|choice| option(*choice)).collect_view();
        view! { <optgroup label=methods.title>{choices}</optgroup> }
    });
    view! {
        {option(WHOLE)}
        {switches.collect_view()}
        {methods.collect_view()}
    }
}

fn folded(lab: Lab, methods: Methods) -> impl IntoView {
    let is_open =
        lab.settings.with_untracked(|settings| methods.choices.iter().any(|of| of.preset == settings.preset.name));
    view! {
        <details class="others" open=is_open>
            <summary>{methods.title}</summary>
            {methods.choices.iter().map(|choice| card(lab, *choice)).collect_view()}
        </details>
    }
}

fn card(lab: Lab, choice: Choice) -> impl IntoView {
    let chosen = move || lab.settings.with(arms::chosen) == choice.preset;
    view! {
        <label class="card">
            <input
                type="radio"
                name="preset"
                value=choice.preset
                data-testid=format!("preset-{}", choice.preset)
                prop:checked=chosen
                disabled=move || is_fixed(lab)
                on:change=move |_| choose(lab, choice.preset)
            />
            <span class="card-name">{choice.name} " " {code(choice)}</span>
            <span class="card-words">{choice.words} " " {expected(lab, move || Some(choice.preset))}</span>
        </label>
    }
}

/// The preset's own name, where that is another.
fn code(choice: Choice) -> impl IntoView {
    (!choice.name.eq_ignore_ascii_case(choice.preset)).then(|| view! { <code class="code">{choice.preset}</code> })
}

/// One idea of the method: what it is switched to, and what that means.
fn switch(lab: Lab, switch: Switch) -> impl IntoView {
    let locked = lab.settings.with_untracked(|settings| settings.is_locked(switch.knob));
    let arm = Memo::new(move |_| lab.settings.with(|settings| switch.arm(settings)));
    let changed = move || arm.get().is_some_and(|arm| !arm.is_apt());
    let change = move |event| {
        let preset = event_target_value(&event);
        if let Some(arm) = switch.arms.iter().find(|arm| arm.preset == preset) {
            lab.drafts.update(std::collections::BTreeMap::clear);
            lab.settings.update(|settings| switch.choose(arm, settings));
        }
    };
    let study = Shipped::here();
    let option = move |of: &'static Choice| {
        let text = move || match of.is_apt() {
            true => format!("{} (APT)", of.name),
            false => {
                let shows = study.short_of_preset(lab, of.preset);
                shows.map_or_else(|| of.name.to_owned(), |points| format!("{}, {points}", of.name))
            }
        };
        view! { <option value=of.preset prop:selected=move || arm.get() == Some(of)>{text}</option> }
    };
    // The knob is set to what is no arm, or another method is chosen.
    let other = move || {
        arm.get().is_none().then(|| {
            let text = match is_of_apt(lab) {
                true => lab.settings.with(|settings| settings.knobs.text(switch.knob).unwrap_or_default()),
                false => "—".to_owned(),
            };
            view! { <option value="" selected disabled>{text.replace('_', " ")}</option> }
        })
    };
    let name = format!("switch-{}", switch.knob);
    let words = format!("{name}-words");
    (!is_hidden(lab, switch.knob)).then(|| {
        view! {
            <div class="switch-row" class:changed=changed>
                <label for=name.clone()>{switch.name} {lock_mark(lab, switch.knob)}</label>
                <select
                    id=name.clone()
                    data-testid=name
                    aria-describedby=words.clone()
                    disabled=move || locked || is_fixed(lab)
                    on:change=change
                >
                    {switch.arms.iter().map(option).collect_view()}
                    {other}
                </select>
                <p class="card-words" id=words>
                    {move || arm.get().map(|arm| arm.words)} " "
                    {move || arm.get().filter(|arm| !arm.is_apt()).map(|arm| view! { <code class="code">{arm.preset}</code> })} " "
                    {expected(lab, move || arm.get().filter(|arm| !arm.is_apt()).map(|arm| arm.preset))}
                </p>
            </div>
        }
    })
}

/// What a preset can be expected to give, where the study says so.
fn expected(lab: Lab, preset: impl Fn() -> Option<&'static str> + Send + Sync + 'static) -> impl IntoView {
    let study = Shipped::here();
    let words = Memo::new(move |_| study.of_preset(lab, preset()?));
    move || words.get().map(|words| view! { <span class="expected">{words}</span> })
}

fn choose(lab: Lab, preset: &str) {
    lab.drafts.update(std::collections::BTreeMap::clear);
    lab.settings.update(|settings| arms::choose(preset, settings));
}

/// Whether the method is APT, whole or with one idea changed.
fn is_of_apt(lab: Lab) -> bool {
    lab.settings.with(|settings| arms::is_of_apt(settings.preset))
}

fn is_fixed(lab: Lab) -> bool {
    lab.is_open() || lab.settings.with(|settings| settings.is_locked(PRESET))
}

fn is_hidden(lab: Lab, name: &str) -> bool {
    lab.settings.with_untracked(|settings| settings.is_hidden(name))
}
