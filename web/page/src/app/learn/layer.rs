//! One linear layer: frozen weights, the adapter beside them, and a mask on an output.

use apt_experiment::AdapterInfo;
use leptos::prelude::*;

use super::Run;
use super::formula::{self, LAYER};
use crate::figures::{count, plain, share};

/// Outputs that are drawn.
const OUTPUTS: usize = 16;
/// The one whose mask can be moved.
const MASKED: usize = 5;
/// How strongly the drawn outputs speak, made up: what a mask does to one does not depend on the numbers.
const STRENGTHS: [f64; OUTPUTS] =
    [0.4, 0.7, 0.3, 0.9, 0.5, 0.8, 0.2, 0.6, 0.35, 0.75, 0.5, 0.25, 0.65, 0.45, 0.85, 0.3];

pub(super) fn view(run: Run) -> impl IntoView {
    let shown = run.memo(|history| {
        // Its outputs are neurons, which masks stand on.
        let adapter =
            history.adapters.iter().find(|adapter| adapter.name.ends_with(".up")).or(history.adapters.first());
        let layout = history.record().and_then(|record| record.layout.as_ref());
        let step = layout.and_then(|layout| layout.points.first()).map(|point| point.mask_step);
        Some((adapter?.clone(), step, history.parameters?))
    });
    view! {
        {formula::view(run, &LAYER)}
        {move || match shown.get() {
            None => view! { <p class="empty">"This run has no adapters: it trains the weights themselves."</p> }.into_any(),
            Some((adapter, step, parameters)) => {
                let trained = share(parameters.trainable as f64 / (parameters.with_embeddings + parameters.adapters).max(1) as f64);
                view! {
                    {picture(&adapter)}
                    <p>
                        {format!("In the whole model {} weights are trained, {trained} of all; {} of them are in adapters.", count(parameters.trainable), count(parameters.adapters))}
                    </p>
                    {mask(&adapter, step)}
                }
                .into_any()
            }
        }}
    }
}

fn picture(adapter: &AdapterInfo) -> impl IntoView {
    let AdapterInfo { name, inputs, outputs, rank } = adapter;
    let product = |a: &usize, b: &usize| count((a * b) as u64);
    let name = match name.split('.').collect::<Vec<_>>()[..] {
        [_, layer, site] => format!("layer {layer}, {site}"),
        _ => name.clone(),
    };
    view! {
        <figure class="layer-picture">
            <figcaption>{format!("{name}: {inputs} inputs, {outputs} outputs")}</figcaption>
            <div class="layer-parts">
                <div class="matrix frozen"><b>"W"</b><span>{format!("{outputs} × {inputs}")}</span><span>{product(outputs, inputs)}" weights, frozen"</span></div>
                <span class="layer-sign" aria-label="plus">"+"</span>
                <div class="matrix thin-b"><b>"B"</b><span>{format!("{outputs} × {rank}")}</span></div>
                <span class="layer-sign" aria-label="times">"·"</span>
                <div class="matrix thin-a"><b>"A"</b><span>{format!("{rank} × {inputs}")}</span></div>
                <p class="layer-sum">{product(&(outputs + inputs), rank)} " weights, trained: " {share((outputs + inputs) as f64 * *rank as f64 / (outputs * inputs).max(1) as f64)} " of W"</p>
            </div>
        </figure>
    }
}

fn mask(adapter: &AdapterInfo, step: Option<f64>) -> impl IntoView {
    let mask = RwSignal::new(1.0f64);
    let gone = RwSignal::new(false);
    let (outputs, weights) = (adapter.outputs, adapter.inputs + adapter.rank);
    let bar = move |(place, strength): (usize, f64)| {
        let is_masked = place == MASKED;
        let height = move || format!("{:.1}%", 100.0 * strength * if is_masked { mask.get() } else { 1.0 });
        view! {
            <span class="output" class:masked=is_masked class:gone=move || is_masked && gone.get()>
                <span style:height=height></span>
            </span>
        }
    };
    let slide = move |event| {
        if let Ok(value) = event_target_value(&event).parse::<f64>() {
            mask.set(value / 100.0);
            if value > 0.0 {
                gone.set(false);
            }
        }
    };
    let words = move || match (gone.get(), mask.get()) {
        (true, _) => format!(
            "Removed: its row of W and its row of B are gone, {weights} weights fewer. The layer computes {} outputs instead of {outputs}.",
            outputs - 1
        ),
        (false, 0.0) => format!(
            "The mask is 0: this output says nothing any more. Its {weights} weights are still there and still computed; removing \
             them changes no answer."
        ),
        (false, 1.0) => "The mask is 1: this output passes as it is.".to_owned(),
        (false, mask) => format!("The mask is {mask:.2}: this output passes at {:.0} % of its strength.", 100.0 * mask),
    };
    let pace = step.map(|step| match step {
        step if step < 1.0 => format!("In this run a mask falls by {} in every step before a pruning point, so that the model can adjust before the unit is removed.", plain(step)),
        _ => "In this run masks do not move: units are cut at the pruning point.".to_owned(),
    });
    view! {
        <h3>"A mask on one output"</h3>
        <div class="outputs" aria-hidden="true">{STRENGTHS.into_iter().enumerate().map(bar).collect_view()}</div>
        <div class="line mask-drag">
            <label for="mask">"Mask of the marked output"</label>
            <input id="mask" type="range" min="0" max="100" step="1" data-testid="mask" prop:value=move || (mask.get() * 100.0).round().to_string() aria-valuetext=move || format!("{:.2}", mask.get()) on:input=slide />
            <output for="mask">{move || format!("{:.2}", mask.get())}</output>
            {super::action("Remove it", "mask-remove", super::never, move || mask.get() == 0.0 && !gone.get(), move || gone.set(true))}
        </div>
        <p class="told" role="status" data-testid="mask-words">{words}</p>
        <p class="help">{pace} " The heights are made up, the numbers of weights are the run's."</p>
    }
}
