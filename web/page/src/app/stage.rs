//! The stage on the page: the picture of a model on a canvas, with pointer, keyboard, words and numbers, at the pruning
//! point that a [`Playback`] is at.

use std::rc::Rc;
use std::sync::Arc;

use leptos::html::Canvas;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{KeyboardEvent, PointerEvent};

use super::figure::theme;
use super::measured::size_of;
use super::paint::{Colours, Scene, Style, draw, sheet};
use super::playback::Playback;
use super::state::Lab;
use crate::figures::{count, share};
use crate::history::{Frame, History};
use crate::stage::{Departures, Layout, Levels, Moment, Outliers, Percentiles, Sheet, Unit, moment};

/// How stages are looked at; those side by side are looked at alike. A handle.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    colours: RwSignal<Colours>,
    /// The layer that is shown alone.
    zoom: RwSignal<Option<usize>>,
}

impl Default for Look {
    fn default() -> Self {
        Self { colours: RwSignal::new(Colours::Kind), zoom: RwSignal::new(None) }
    }
}

/// The scene that is drawn, made anew when the run comes to another frame, and the signal that says so.
#[derive(Clone, Copy)]
struct Drawn {
    scene: StoredValue<Option<Rc<Scene>>, LocalStorage>,
    made: RwSignal<u64>,
}

impl Drawn {
    fn get(self) -> Option<Rc<Scene>> {
        self.made.track();
        self.scene.get_value()
    }
}

/// The stage of the run of `lab`; `name` tells it from others on the page.
pub(crate) fn view(lab: Lab, playback: Playback, look: Look, name: &'static str) -> impl IntoView {
    let canvas = NodeRef::<Canvas>::new();
    let pointed = RwSignal::new(None::<Unit>);
    let size = size_of(canvas);
    // The height follows from what is drawn.
    let sheet = Memo::new(move |_| size.with(|(width, _, font)| sheet(*width, *font)));
    let run = Memo::new(move |_| lab.run.with(|run| run.as_ref().map(|run| run.name.clone())));
    let frames = Memo::new(move |_| (run.get(), lab.status.with(|status| status.frames)));
    Effect::new(move || {
        run.track();
        pointed.set(None);
    });
    let now = Memo::new(move |_| {
        frames.track();
        let position = playback.position.get();
        playback.ticks.with(|ticks| lab.history.with_value(|history| moment(&history.frames, ticks, position)))
    });
    let ends = Memo::new(move |_| now.with(|now| (now.from, now.to)));
    let drawn = Drawn { scene: StoredValue::new_local(None), made: RwSignal::new(0) };
    Effect::new(move || {
        frames.track();
        let (from, to) = ends.get();
        let made = scene(lab, from, to, look.zoom.get(), sheet.get());
        drawn.scene.set_value(made.map(Rc::new));
        drawn.made.update(|made| *made += 1);
    });
    // The same at every point of a run, and only computed when it is looked at.
    let kurtosis = Memo::new(move |_| {
        frames.track();
        lab.history.with_value(|history| {
            Outliers::until(&history.frames, history.frames.len()).map(|outliers| Arc::new(outliers.percentiles()))
        })
    });
    Effect::new(move || {
        let (Some(canvas), Some(scene)) = (canvas.get(), drawn.get()) else { return };
        let (theme, dark, colours, pointed) = (theme(lab), lab.dark.get(), look.colours.get(), pointed.get());
        let kurtosis = if colours == Colours::Kurtosis { kurtosis.get() } else { None };
        let ranked = if colours == Colours::Kurtosis { kurtosis.as_deref() } else { scene.percentiles.as_ref() };
        let style = Style { theme, dark, colours, ranked, pointed, share: now.with(|now| now.share) };
        // A canvas that gives no context cannot be drawn on; the table below says the same.
        let _ = draw(&canvas, &scene, &style);
    });
    let place = Memo::new(move |_| now.with(shown));
    let words = move || {
        let scene = drawn.get()?;
        let unit = pointed.get();
        Some(lab.history.with_value(|history| match unit {
            Some(unit) => scene.layout.describe(unit, &history.frames, place.get()),
            None => {
                let place = place.get();
                history.frames.get(place).map_or_else(String::new, |frame| summary(frame, place, &scene.layout))
            }
        }))
    };
    let at = move |x: i32, y: i32| {
        drawn.scene.with_value(|scene| scene.as_ref().and_then(|scene| scene.layout.at(f64::from(x), f64::from(y))))
    };
    let point = move |event: PointerEvent| {
        let unit = at(event.offset_x(), event.offset_y());
        if pointed.get_untracked() != unit {
            pointed.set(unit);
        }
    };
    let enlarge = move |unit: Option<Unit>| {
        if let Some(layer) = unit.and_then(layer_of) {
            look.zoom.update(|zoom| *zoom = if zoom.is_some() { None } else { Some(layer) });
        }
    };
    let key = move |event: KeyboardEvent| {
        let (right, down) = match event.key().as_str() {
            "ArrowRight" => (1, 0),
            "ArrowLeft" => (-1, 0),
            "ArrowDown" => (0, 1),
            "ArrowUp" => (0, -1),
            "Enter" => {
                enlarge(pointed.get_untracked());
                return;
            }
            "Escape" => {
                look.zoom.set(None);
                return;
            }
            _ => return,
        };
        event.prevent_default();
        if let Some(scene) = drawn.scene.get_value() {
            let unit = pointed.get_untracked().or_else(|| first(&scene.layout));
            pointed.set(unit.map(|unit| scene.layout.beside(unit, right, down)));
        }
    };
    let focus = move |_| {
        let unit = drawn.scene.with_value(|scene| scene.as_ref().and_then(|scene| first(&scene.layout)));
        pointed.update(|pointed| *pointed = pointed.or(unit));
    };
    let id = format!("picture-words{name}");
    view! {
        <div class="stage" class:nothing=move || frames.with(|(_, frames)| *frames == 0) data-testid=format!("stage{name}")>
            <div class="stage-bar">{left(lab, drawn, now)}</div>
            <canvas
                class="picture"
                data-testid=format!("picture{name}")
                tabindex="0"
                role="application"
                aria-label="The model. Arrow keys move over hidden dims, heads, neurons and ranks; Enter shows a layer alone, Escape all of them"
                aria-describedby=id.clone()
                node_ref=canvas
                on:pointermove=point
                on:pointerdown=point
                on:pointerleave=move |event: PointerEvent| {
                    // A finger that is lifted leaves what it pointed at.
                    if event.pointer_type() == "mouse" {
                        pointed.set(None);
                    }
                }
                on:dblclick=move |event| enlarge(at(event.offset_x(), event.offset_y()))
                on:keydown=key
                on:focus=focus
                on:blur=move |_| pointed.set(None)
            ></canvas>
            <p class="picture-words" id=id aria-live="polite" data-testid=format!("picture-words{name}")>{words}</p>
            {numbers(lab, drawn, place)}
        </div>
    }
}

/// The frame that words speak of: the one that is being gone to.
fn shown(now: &Moment) -> usize {
    if now.share > 0.0 { now.to } else { now.from }
}

fn layer_of(unit: Unit) -> Option<usize> {
    match unit {
        Unit::Hidden(_) => None,
        Unit::Layer(layer) | Unit::Head(layer, _) | Unit::Neuron(layer, _) | Unit::Rank(layer, _) => Some(layer),
    }
}

fn first(layout: &Layout) -> Option<Unit> {
    layout.layers().next().map(Unit::Layer)
}

fn scene(lab: Lab, from: usize, to: usize, zoom: Option<usize>, sheet: Sheet) -> Option<Scene> {
    if sheet.width <= 0.0 {
        return None;
    }
    lab.history.with_value(|history| {
        let shape = &history.record()?.shape;
        let frames = &history.frames;
        let ends = [frames.get(from)?.clone(), frames.get(to)?.clone()];
        // Between two points, units have the colours of the scores that decide at the second.
        let percentiles = Percentiles::of(ends.last()?, shape).or_else(|| Percentiles::of(ends.first()?, shape));
        Some(Scene {
            layout: Layout::new(shape, frames, sheet, most(history), zoom),
            levels: [from, to].map(|place| Levels::at(frames, place, shape)),
            departures: (Departures::until(frames, to, shape), frames.len()),
            percentiles,
            frames: ends,
        })
    })
}

/// The rank that adapters of a run can grow to.
fn most(history: &History) -> usize {
    let first = history.adapters.iter().map(|adapter| adapter.rank).max().unwrap_or(0);
    let factor =
        history.record().filter(|record| record.config.ranks_change()).map(|record| record.config.max_rank_factor);
    first * factor.unwrap_or(1)
}

fn summary(frame: &Frame, place: usize, layout: &Layout) -> String {
    let shape = &layout.shape;
    let when = if place == 0 { "before training".to_owned() } else { format!("after step {}", frame.step) };
    format!(
        "{when}: {} of {} {}, {} of {} neurons, {} of {} hidden dims",
        frame.heads.iter().map(Vec::len).sum::<usize>(),
        shape.heads.iter().sum::<usize>(),
        layout.heads_called(),
        frame.neurons.iter().sum::<usize>(),
        shape.neurons.iter().sum::<usize>(),
        frame.hidden.len(),
        shape.hidden
    )
}

/// How much of the model is left, as a bar that shrinks.
fn left(lab: Lab, drawn: Drawn, now: Memo<Moment>) -> impl IntoView {
    let left = Memo::new(move |_| {
        let share = now.with(|now| now.share);
        drawn.get().map_or(1.0, |scene| {
            let [from, to] = &scene.frames;
            from.density + (to.density - from.density) * share
        })
    });
    let words = move || {
        let left = left.get();
        drawn.made.track();
        let dense = lab.history.with_value(|history| history.parameters.map(|parameters| parameters.dense));
        let of = dense
            .map(|dense| format!("{} of {} weights left", count((left * dense as f64).round() as u64), count(dense)));
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

impl Look {
    /// Its controls: colours and the layer that is shown, for a model of this many layers.
    pub(crate) fn view(self, layers: impl Fn() -> usize + Send + Sync + 'static) -> impl IntoView {
        let colours = move |event| {
            self.colours.set(match event_target_value(&event).as_str() {
                "salience" => Colours::Salience,
                "kurtosis" => Colours::Kurtosis,
                "departure" => Colours::Departure,
                _ => Colours::Kind,
            });
        };
        let chosen = move || match self.colours.get() {
            Colours::Kind => "kind",
            Colours::Salience => "salience",
            Colours::Kurtosis => "kurtosis",
            Colours::Departure => "departure",
        };
        let zoom = move |event| self.zoom.set(event_target_value(&event).parse().ok());
        let zoomed = move || self.zoom.get().map_or_else(String::new, |layer| layer.to_string());
        let layer = |layer: usize| view! { <option value=layer.to_string()>{format!("layer {layer}")}</option> };
        let help = move || {
            match self.colours.get() {
            Colours::Kind => view! { "Full cells are kept, small ones in their place are removed." }.into_any(),
            Colours::Salience => view! {
                <span class="ramp" aria-hidden="true"></span>
                " from the lowest to the highest salience among units of a kind, as scored at this point."
            }
            .into_any(),
            Colours::Kurtosis => view! {
                <span class="ramp" aria-hidden="true"></span>
                " from the lowest to the highest kurtosis among units of a kind, as the first point scored it; runs that do not score it have no such colours."
            }
            .into_any(),
            Colours::Departure => view! {
                <span class="ramp" aria-hidden="true"></span>
                " small cells: removed, from the first pruning point to the last."
            }
            .into_any(),
        }
        };
        view! {
            <p class="look">
                <label class="switch">
                    "Colours"
                    <select data-testid="colours" prop:value=chosen on:change=colours>
                        <option value="kind">"what is left"</option>
                        <option value="salience">"salience"</option>
                        <option value="kurtosis">"kurtosis"</option>
                        <option value="departure">"when it went"</option>
                    </select>
                </label>
                <label class="switch">
                    "Show"
                    <select data-testid="zoom" prop:value=zoomed on:change=zoom>
                        <option value="">"all layers"</option>
                        {move || (0..layers()).map(layer).collect_view()}
                    </select>
                </label>
                <span class="help" data-testid="legend">{help}</span>
            </p>
        }
    }
}

/// The same in numbers, for those who do not see the picture. Made when it is opened.
fn numbers(lab: Lab, drawn: Drawn, place: Memo<usize>) -> impl IntoView {
    let open = RwSignal::new(false);
    let table = move || {
        let scene = drawn.get().filter(|_| open.get())?;
        let frame = lab.history.with_value(|history| history.frames.get(place.get()).cloned())?;
        let layout = &scene.layout;
        let of = |kept: usize, dense: Option<&usize>| format!("{kept} of {}", dense.copied().unwrap_or(0));
        let row = |layer: usize| {
            let heads = of(frame.heads.get(layer).map_or(0, Vec::len), layout.shape.heads.get(layer));
            let neurons = of(frame.neurons.get(layer).copied().unwrap_or(0), layout.shape.neurons.get(layer));
            let ranks = (0..layout.sites.len()).map(|site| {
                let rank = layout.rank(&frame, layer, site);
                view! { <td>{crate::figures::or_nothing(rank, |rank| rank.to_string())}</td> }
            });
            view! { <tr><th scope="row">{layer}</th><td>{heads}</td><td>{neurons}</td>{ranks.collect_view()}</tr> }
        };
        let sites = layout.sites.iter().map(|site| view! { <th scope="col">{*site}</th> }).collect_view();
        let layers = 0..layout.shape.heads.len().max(layout.shape.neurons.len());
        Some(view! {
            <div class="scroll" tabindex="0" role="region" aria-label="The model in numbers">
                <table class="plain">
                    <thead>
                        <tr><th scope="col">"layer"</th><th scope="col">{layout.heads_called()}</th><th scope="col">"neurons"</th>{sites}</tr>
                    </thead>
                    <tbody>{layers.map(row).collect_view()}</tbody>
                </table>
            </div>
        })
    };
    let toggle = move |event: web_sys::Event| {
        let details = event.target().and_then(|target| target.dyn_into::<web_sys::HtmlDetailsElement>().ok());
        open.set(details.is_some_and(|details| details.open()));
    };
    view! { <details class="in-numbers" on:toggle=toggle><summary>"In numbers"</summary>{table}</details> }
}
