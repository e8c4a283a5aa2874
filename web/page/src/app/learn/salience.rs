//! Salience: how it is computed, how it is distributed, and what a threshold leaves.

use leptos::prelude::*;

use super::formula::{self, SALIENCE};
use super::{Run, terms};
use crate::figures::{count, share};
use crate::learn::{Kind, Threshold};
use crate::stage::ticks;

/// Bars of a histogram.
const PARTS: usize = 48;
/// Positions of the slider.
const FINE: f64 = 400.0;
const ROUNDED: &str = "widths are rounded to sizes that are fast to compute, and every layer keeps some heads.";

pub(super) fn view(run: Run) -> impl IntoView {
    let steps = run.memo(|history| ticks(&[history]));
    let place = RwSignal::new(1usize);
    let threshold = Memo::new(move |_| {
        run.version.track();
        run.lab.history.with_value(|history| Threshold::of(history, place.get()))
    });
    let option = move |(at, step): (usize, usize)| {
        let is_chosen = at == place.get_untracked();
        view! { <option value=at.to_string() selected=is_chosen>{format!("step {step}")}</option> }
    };
    let options = move || steps.get().into_iter().enumerate().skip(1).map(option).collect_view();
    let choose = move |event| {
        if let Ok(chosen) = event_target_value(&event).parse() {
            place.set(chosen);
        }
    };
    view! {
        {formula::view(run, &SALIENCE)}
        <h3>"Every unit, from the least salience to the greatest"</h3>
        <p class="line">
            <label class="switch point-choice">"Pruning point" <select data-testid="threshold-point" on:change=choose>{options}</select></label>
        </p>
        {move || match threshold.get() {
            Some(threshold) => histogram(threshold).into_any(),
            None => view! { <p class="empty">"No unit has been scored yet in this run."</p> }.into_any(),
        }}
        {terms::view(run)}
    }
}

fn histogram(threshold: Threshold) -> impl IntoView {
    let own = threshold.share_of_range(threshold.own());
    let at = RwSignal::new(own);
    let (below, above) = threshold.exceptions();
    let (target, weights) = (threshold.target, threshold.weights);
    let rows = Kind::ALL.into_iter().zip(weights).map(|(kind, weights)| {
        let bars = threshold.histogram(kind, PARTS);
        let most = bars.iter().copied().max().unwrap_or(1).max(1) as f64;
        let bar = move |(place, units): (usize, usize)| {
            let height = if units == 0 { 0.0 } else { (100.0 * units as f64 / most).max(4.0) };
            let is_below = move || units > 0 && (place as f64 + 0.5) / (PARTS as f64) < at.get();
            view! { <span class="part" class:below=is_below style:height=format!("{height:.1}%")></span> }
        };
        let bars = bars.into_iter().enumerate().map(bar).collect_view();
        view! {
            <div class="histogram-row">
                <span class="histogram-name">{kind.name()}<span class="aside">{format!("{} weights each", count(weights))}</span></span>
                <div class="histogram" aria-hidden="true">{bars}<span class="cut" style:left=move || format!("{:.2}%", 100.0 * at.get())></span></div>
            </div>
        }
    });
    let rows = rows.collect_view();
    let threshold = StoredValue::new(threshold);
    let left = Memo::new(move |_| threshold.with_value(|all| all.left(all.at_share(at.get()))));
    let words = move || {
        let left = left.get();
        let kinds = Kind::ALL.into_iter().zip(left.above).zip(left.all);
        let kinds: Vec<String> =
            kinds.map(|((kind, above), all)| format!("{above} of {all} {}", kind.name())).collect();
        format!("Above the threshold: {}. That leaves {} of the weights.", kinds.join(", "), share(left.density))
    };
    let slide = move |event| {
        if let Ok(position) = event_target_value(&event).parse::<f64>() {
            at.set(position / FINE);
        }
    };
    let exceptions = match below + above {
        0 => "The method kept exactly what is above its line.".to_owned(),
        1 => format!("The method kept what is above its line, but for one unit: {ROUNDED}"),
        units => format!("The method kept what is above its line, but for {units} units: {ROUNDED}"),
    };
    view! {
        <div class="histograms">
            {rows}
            <div class="histogram-row">
                <label class="histogram-name" for="threshold">"threshold"</label>
                <div class="histogram-slider">
                    <input
                        id="threshold"
                        type="range"
                        min="0"
                        max=FINE.to_string()
                        step="1"
                        data-testid="threshold"
                        prop:value=move || (at.get() * FINE).round().to_string()
                        aria-valuetext=words
                        on:input=slide
                    />
                    <span class="histogram-own" style:left=format!("{:.2}%", 100.0 * own)>"▲"</span>
                </div>
            </div>
            <p class="help histogram-axis"><span>"least salience per weight"</span><span>"greatest (logarithmic scale)"</span></p>
        </div>
        <p class="told" data-testid="threshold-words">{words}</p>
        <p class="buttons">
            <button type="button" class="button" data-testid="threshold-own" on:click=move |_| at.set(own)>"To the method's line ▲"</button>
        </p>
        <p class="help">{format!("▲ leaves {} of the weights, the target of this point. ", share(target))} {exceptions}</p>
    }
}
