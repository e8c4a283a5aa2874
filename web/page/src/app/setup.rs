//! What to run: preset, model, settings.

use apt_experiment::{Axis, PRESETS, Preset, ablation_axes};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::buttons::lock_mark;
use super::state::Lab;
use super::{browser, knobs, model_choice};
use crate::address::PRESET;

pub(crate) fn view(lab: Lab) -> impl IntoView {
    view! {
        <section class="setup" aria-labelledby="setup-title">
            <h2 id="setup-title">"What to run"</h2>
            {presets(lab)}
            {model_choice::view(lab)}
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

fn address(lab: Lab) -> impl IntoView {
    let copied_note = RwSignal::new("");
    let copy = move |_| {
        lab.write_address();
        spawn_local(async move {
            let copied = browser::copy(&browser::address()).await;
            copied_note.set(if copied { "Copied." } else { "Not copied: take it from the address bar." });
        });
    };
    view! {
        <p class="buttons">
            <button type="button" class="button" data-testid="copy-link" on:click=copy>"Copy link"</button>
            <span class="aside" role="status">
                {move || if copied_note.with(|note| note.is_empty()) { "The address holds all settings." } else { copied_note.get() }}
            </span>
        </p>
    }
}
