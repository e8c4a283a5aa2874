//! The picture of the model on a canvas, with pointer, keyboard, words and a way back through the run.

use std::rc::Rc;

use leptos::html::Canvas;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{KeyboardEvent, PointerEvent};

use super::browser;
use super::canvas::{CanvasStyle, Scene, draw};
use super::figure::theme;
use super::state::Lab;
use crate::figures::share;
use crate::history::Frame;
use crate::picture::{Layout, Percentiles, Unit};

/// How long blocks take to fade when they leave, in milliseconds.
const FADE_MS: f64 = 700.0;

pub(crate) fn view(lab: Lab) -> impl IntoView {
    let canvas = NodeRef::<Canvas>::new();
    // `None` follows the run.
    let chosen = RwSignal::new(None::<usize>);
    let by_salience = RwSignal::new(false);
    let pointed = RwSignal::new(None::<Unit>);
    let faded = RwSignal::new(1.0);
    let frames = Memo::new(move |_| lab.status.get().frames);
    let name = Memo::new(move |_| lab.run.with(|run| run.as_ref().map(|run| run.name.clone())));
    Effect::new(move || {
        name.get();
        chosen.set(None);
        pointed.set(None);
    });
    let shown = Memo::new(move |_| {
        let last = frames.get().saturating_sub(1);
        chosen.get().map_or(last, |chosen| chosen.min(last))
    });
    let scene = StoredValue::new_local(None::<Rc<Scene>>);
    let redrawn = RwSignal::new(0u64);
    Effect::new(move || {
        lab.width.track();
        frames.get();
        let width = canvas.get().map_or(0.0, |canvas| f64::from(canvas.client_width()));
        scene.set_value(stage(lab, shown.get(), width).map(Rc::new));
        redrawn.update(|redrawn| *redrawn += 1);
    });
    // Blocks fade where the run goes on; going back and forth shows them at once.
    Effect::new(move |before: Option<usize>| {
        let now = frames.get();
        let goes_on = before.is_some_and(|before| now == before + 1) && chosen.get_untracked().is_none();
        if goes_on && !browser::media("(prefers-reduced-motion: reduce)") {
            fade(faded, browser::now());
        } else {
            faded.set(1.0);
        }
        now
    });
    Effect::new(move || {
        redrawn.track();
        let (theme, by_salience, pointed, faded) = (theme(lab), by_salience.get(), pointed.get(), faded.get());
        let (Some(canvas), Some(scene)) = (canvas.get(), scene.get_value()) else { return };
        let style = CanvasStyle { theme, by_salience, pointed, faded, dark: lab.dark.get() };
        // A canvas that gives no context cannot be drawn on; the table below says the same.
        let _ = draw(&canvas, &scene, &style);
    });
    let words = move || {
        redrawn.track();
        let scene = scene.get_value()?;
        Some(match pointed.get() {
            Some(unit) => scene.layout.describe(unit, &scene.frame),
            None => frame_summary(&scene.frame, &scene.layout),
        })
    };
    let point = move |event: PointerEvent| {
        let unit = scene.with_value(|scene| {
            scene.as_ref().and_then(|scene| scene.layout.at(f64::from(event.offset_x()), f64::from(event.offset_y())))
        });
        if pointed.get_untracked() != unit {
            pointed.set(unit);
        }
    };
    let key = move |event: KeyboardEvent| {
        let (right, down) = match event.key().as_str() {
            "ArrowRight" => (1, 0),
            "ArrowLeft" => (-1, 0),
            "ArrowDown" => (0, 1),
            "ArrowUp" => (0, -1),
            "Escape" => {
                pointed.set(None);
                return;
            }
            _ => return,
        };
        event.prevent_default();
        if let Some(scene) = scene.get_value() {
            let unit = pointed.get_untracked().unwrap_or(Unit::Head(0, 0));
            pointed.set(Some(scene.layout.beside(unit, right, down)));
        }
    };
    view! {
        <div class="model" class:nothing=move || frames.get() == 0>
            <p class="empty">"A run shows its model here: a row per layer, every head, and what is left of neurons, hidden dims and ranks."</p>
            <div class="model-bar">
                {density(lab, scene, redrawn)}
                <label class="switch">
                    <input
                        type="checkbox"
                        data-testid="by-salience"
                        prop:checked=by_salience
                        on:change=move |event| by_salience.set(event_target_checked(&event))
                    />
                    "colour by salience"
                </label>
            </div>
            <canvas
                class="picture"
                data-testid="picture"
                tabindex="0"
                role="application"
                aria-label="The model: arrow keys move over hidden dims, heads, neurons and ranks"
                aria-describedby="picture-words"
                node_ref=canvas
                on:pointermove=point
                on:pointerleave=move |_| pointed.set(None)
                on:keydown=key
                on:focus=move |_| pointed.update(|unit| *unit = unit.or(Some(Unit::Head(0, 0))))
                on:blur=move |_| pointed.set(None)
            ></canvas>
            <p class="picture-words" id="picture-words" aria-live="polite" data-testid="picture-words">{words}</p>
            {scale(by_salience)}
            {scrubber(frames, chosen, shown)}
            {numbers(scene, redrawn)}
        </div>
    }
}

fn stage(lab: Lab, shown: usize, width: f64) -> Option<Scene> {
    lab.history.with_value(|history| {
        let shape = &history.record()?.shape;
        let frame = history.frames.get(shown)?.clone();
        Some(Scene {
            layout: Layout::new(shape, &history.frames, width.max(240.0)),
            percentiles: Percentiles::of(&frame, shape),
            before: shown.checked_sub(1).and_then(|before| history.frames.get(before)).cloned(),
            frame,
        })
    })
}

fn frame_summary(frame: &Frame, layout: &Layout) -> String {
    let heads: usize = frame.heads.iter().map(Vec::len).sum();
    let neurons: usize = frame.neurons.iter().sum();
    let shape = &layout.shape;
    format!(
        "after step {}: {} of {} heads, {} of {} neurons, {} of {} hidden dims",
        frame.step,
        heads,
        shape.heads.iter().sum::<usize>(),
        neurons,
        shape.neurons.iter().sum::<usize>(),
        frame.hidden.len(),
        shape.hidden
    )
}

fn fade(faded: RwSignal<f64>, began: f64) {
    let share = ((browser::now() - began) / FADE_MS).clamp(0.0, 1.0);
    faded.set(share);
    if share < 1.0 {
        request_animation_frame(move || fade(faded, began));
    }
}

/// How much of the model is left, as a bar that shrinks.
fn density(lab: Lab, scene: StoredValue<Option<Rc<Scene>>, LocalStorage>, redrawn: RwSignal<u64>) -> impl IntoView {
    let left = Memo::new(move |_| {
        redrawn.track();
        scene.with_value(|scene| scene.as_ref().map_or(1.0, |scene| scene.frame.density))
    });
    let words = move || {
        let left = left.get();
        let dense = lab.history.with_value(|history| history.parameters.map(|parameters| parameters.dense));
        let of = dense.map(|dense| {
            let kept = (left * dense as f64).round() as u64;
            format!("{} of {} weights left", crate::figures::count(kept), crate::figures::count(dense))
        });
        of.unwrap_or_default()
    };
    view! {
        <div class="density">
            <div class="density-bar" aria-hidden="true">
                <div class="density-left" style:width=move || format!("{:.2}%", 100.0 * left.get())></div>
            </div>
            <span class="density-words" data-testid="picture-density">{words} " (" {move || share(left.get())} ")"</span>
        </div>
    }
}

fn scale(by_salience: RwSignal<bool>) -> impl IntoView {
    move || {
        if by_salience.get() {
            view! {
                <p class="help">
                    <span class="ramp" aria-hidden="true"></span>
                    " from the lowest to the highest salience among blocks of a kind, as scored at this point. Faded blocks have left."
                </p>
            }
            .into_any()
        } else {
            view! { <p class="help">"Solid: kept. Faded, heads framed: removed."</p> }.into_any()
        }
    }
}

fn scrubber(frames: Memo<usize>, chosen: RwSignal<Option<usize>>, shown: Memo<usize>) -> impl IntoView {
    let last = move || frames.get().saturating_sub(1);
    let choose = move |event| {
        let place = event_target_value(&event).parse::<usize>().ok();
        chosen.set(place.filter(|place| *place + 1 < frames.get_untracked()));
    };
    let words = move || match (shown.get(), chosen.get()) {
        (_, None) => "now".to_owned(),
        (0, _) => "before training".to_owned(),
        (place, _) => format!("pruning point {place} of {}", last()),
    };
    view! {
        <p class="line">
            <label for="scrubber">"Through the run"</label>
            <input
                type="range"
                id="scrubber"
                data-testid="scrubber"
                min="0"
                max=move || last().to_string()
                prop:value=move || shown.get().to_string()
                aria-valuetext=words
                disabled=move || last() == 0
                on:input=choose
            />
            <output class="aside">{words}</output>
        </p>
    }
}

/// The same in numbers, for those who do not see the picture. Made when it is opened.
fn numbers(scene: StoredValue<Option<Rc<Scene>>, LocalStorage>, redrawn: RwSignal<u64>) -> impl IntoView {
    let open = RwSignal::new(false);
    let table = move || {
        redrawn.track();
        let scene = scene.get_value().filter(|_| open.get())?;
        let layout = &scene.layout;
        let of = |kept: usize, dense: Option<&usize>| format!("{kept} of {}", dense.copied().unwrap_or(0));
        let row = |layer: usize| {
            let heads = of(scene.frame.heads.get(layer).map_or(0, Vec::len), layout.shape.heads.get(layer));
            let neurons = of(scene.frame.neurons.get(layer).copied().unwrap_or(0), layout.shape.neurons.get(layer));
            let ranks = (0..layout.sites.len()).map(|site| {
                let rank = layout.rank(&scene.frame, layer, site);
                view! { <td>{crate::figures::or_nothing(rank, |rank| rank.to_string())}</td> }
            });
            view! { <tr><th scope="row">{layer}</th><td>{heads}</td><td>{neurons}</td>{ranks.collect_view()}</tr> }
        };
        let sites = layout.sites.iter().map(|site| view! { <th scope="col">{*site}</th> }).collect_view();
        Some(view! {
            <div class="scroll" tabindex="0" role="region" aria-label="The model in numbers">
                <table class="plain">
                    <thead>
                        <tr><th scope="col">"layer"</th><th scope="col">"heads"</th><th scope="col">"neurons"</th>{sites}</tr>
                    </thead>
                    <tbody>{(0..layout.layers()).map(row).collect_view()}</tbody>
                </table>
            </div>
        })
    };
    let toggle = move |event: web_sys::Event| {
        let details = event.target().and_then(|target| target.dyn_into::<web_sys::HtmlDetailsElement>().ok());
        open.set(details.is_some_and(|details| details.open()));
    };
    view! { <details on:toggle=toggle><summary>"In numbers"</summary>{table}</details> }
}
