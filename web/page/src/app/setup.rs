//! What to run: preset, model, settings.

use apt_experiment::{Axis, PRESETS, Preset, ablation_axes};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::state::Lab;
use super::{browser, knobs, own};
use crate::address::PRESET;

pub(crate) fn view(lab: Lab) -> impl IntoView {
    view! {
        <section class="setup" aria-labelledby="setup-title">
            <h2 id="setup-title">"What to run"</h2>
            {presets(lab)}
            {own::view(lab)}
            {knobs::view(lab)}
            {address(lab)}
        </section>
    }
}

fn presets(lab: Lab) -> impl IntoView {
    let hidden = lab.settings.with_untracked(|settings| settings.is_hidden(PRESET));
    let whole = PRESETS.iter().filter(|preset| preset.axis.is_none() && !preset.baseline);
    let baselines = PRESETS.iter().filter(|preset| preset.baseline);
    let arms = |axis: Axis| PRESETS.iter().filter(move |preset| preset.axis == Some(axis));
    let axis = move |(axis, _): (Axis, &'static str)| {
        view! {
            <fieldset class="arms">
                <legend>{axis.name()}</legend>
                {arms(axis).map(|preset| arm(lab, preset)).collect_view()}
            </fieldset>
        }
    };
    (!hidden).then(|| {
        view! {
            <fieldset class="presets">
                <legend>"Preset" {lock_mark(lab, PRESET)}</legend>
                {whole.map(|preset| card(lab, preset)).collect_view()}
                <details class="axes" open=lab.settings.with_untracked(|settings| settings.preset.baseline)>
                    <summary>"Baselines: what APT was compared with"</summary>
                    {baselines.map(|preset| card(lab, preset)).collect_view()}
                </details>
                <details class="axes" open=lab.settings.with_untracked(|settings| settings.preset.axis.is_some())>
                    <summary>"Ablations: one idea changed"</summary>
                    {ablation_axes().into_iter().map(axis).collect_view()}
                    <p class="aside" aria-live="polite">
                        {move || lab.settings.with(|settings| settings.preset.axis.map(|_| settings.preset.summary))}
                    </p>
                </details>
            </fieldset>
        }
    })
}

fn card(lab: Lab, preset: &'static Preset) -> impl IntoView {
    view! {
        <label class="card">
            {radio(lab, preset)}
            <span class="card-name">{preset.name}</span>
            <span class="card-words">{preset.summary}</span>
        </label>
    }
}

fn arm(lab: Lab, preset: &'static Preset) -> impl IntoView {
    // `salience-random` under the heading `salience`.
    let short = preset.name.split_once('-').map_or(preset.name, |(_, arm)| arm);
    view! {
        <label class="arm" title=preset.summary>
            {radio(lab, preset)}
            <span>{short}</span>
        </label>
    }
}

fn radio(lab: Lab, preset: &'static Preset) -> impl IntoView {
    let chosen = move || lab.settings.with(|settings| settings.preset.name == preset.name);
    let disabled = move || lab.is_open() || lab.settings.with(|settings| settings.is_locked(PRESET));
    let choose = move |_| {
        lab.drafts.update(std::collections::BTreeMap::clear);
        lab.settings.update(|settings| settings.choose(preset));
    };
    view! {
        <input
            type="radio"
            name="preset"
            value=preset.name
            data-testid=format!("preset-{}", preset.name)
            prop:checked=chosen
            disabled=disabled
            on:change=choose
        />
    }
}

/// A lock beside what the address has locked.
pub(crate) fn lock_mark(lab: Lab, name: &'static str) -> impl IntoView {
    let locked = lab.settings.with_untracked(|settings| settings.is_locked(name));
    locked.then(|| {
        view! {
            <svg class="lock" viewBox="0 0 16 16" role="img" aria-label="locked by the address" data-testid=format!("lock-{name}")>
                <path d="M4 7V5a4 4 0 0 1 8 0v2h1v7H3V7zm2 0h4V5a2 2 0 0 0-4 0z"></path>
            </svg>
        }
    })
}

fn address(lab: Lab) -> impl IntoView {
    let told = RwSignal::new("");
    let copy = move |_| {
        lab.write_address();
        spawn_local(async move {
            let copied = browser::copy(&browser::address()).await;
            told.set(if copied { "Copied." } else { "Not copied: take it from the address bar." });
        });
    };
    view! {
        <p class="buttons">
            <button type="button" class="button" data-testid="copy-link" on:click=copy>"Copy link"</button>
            <span class="aside" role="status">
                {move || if told.with(|told| told.is_empty()) { "The address holds all settings." } else { told.get() }}
            </span>
        </p>
    }
}
