//! The picture of the model on a canvas, with pointer, keyboard, words and a way back through the run.

use std::cell::Cell;
use std::rc::Rc;

use leptos::html::Canvas;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{CanvasRenderingContext2d, KeyboardEvent, PointerEvent};

use super::browser;
use super::figure::ink;
use super::state::Lab;
use crate::chart::Ink;
use crate::figures::share;
use crate::history::Frame;
use crate::picture::{Layout, Standing, Unit, binned};

/// How long blocks take to fade when they leave, in milliseconds.
const FADING: f64 = 700.0;

/// Levels of the colours of salience.
const LEVELS: f64 = 24.0;

/// What a picture is drawn from.
struct Scene {
    layout: Layout,
    frame: Frame,
    before: Option<Frame>,
    standing: Option<Standing>,
}

pub(crate) fn view(lab: Lab) -> impl IntoView {
    let canvas = NodeRef::<Canvas>::new();
    // `None` follows the run.
    let chosen = RwSignal::new(None::<usize>);
    let by_salience = RwSignal::new(false);
    let pointed = RwSignal::new(None::<Unit>);
    let faded = RwSignal::new(1.0);
    let frames = Memo::new(move |_| lab.stand.get().frames);
    let name = Memo::new(move |_| lab.run.with(|run| run.as_ref().map(|run| run.name.clone())));
    Effect::new(move || {
        name.track();
        chosen.set(None);
        pointed.set(None);
    });
    let shown = Memo::new(move |_| {
        let last = frames.get().saturating_sub(1);
        chosen.get().map_or(last, |chosen| chosen.min(last))
    });
    let scene = StoredValue::new_local(None::<Rc<Scene>>);
    let looked = RwSignal::new(0u64);
    Effect::new(move || {
        lab.width.track();
        frames.track();
        let width = canvas.get().map_or(0.0, |canvas| f64::from(canvas.client_width()));
        scene.set_value(stage(lab, shown.get(), width).map(Rc::new));
        looked.update(|looked| *looked += 1);
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
        looked.track();
        let (ink, by_salience, pointed, faded) = (ink(lab), by_salience.get(), pointed.get(), faded.get());
        let (Some(canvas), Some(scene)) = (canvas.get(), scene.get_value()) else { return };
        let brush = Brush { ink, by_salience, pointed, faded, dark: lab.dark.get() };
        // A canvas that gives no context cannot be drawn on; the table below says the same.
        let _ = draw(&canvas, &scene, &brush);
    });
    let words = move || {
        looked.track();
        let scene = scene.get_value()?;
        Some(match pointed.get() {
            Some(unit) => scene.layout.describe(unit, &scene.frame),
            None => standing(&scene.frame, &scene.layout),
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
                {density(lab, scene, looked)}
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
            {numbers(scene, looked)}
        </div>
    }
}

fn stage(lab: Lab, shown: usize, width: f64) -> Option<Scene> {
    lab.history.with_value(|history| {
        let shape = &history.record()?.shape;
        let frame = history.frames.get(shown)?.clone();
        Some(Scene {
            layout: Layout::new(shape, &history.frames, width.max(240.0)),
            standing: Standing::of(&frame, shape),
            before: shown.checked_sub(1).and_then(|before| history.frames.get(before)).cloned(),
            frame,
        })
    })
}

fn standing(frame: &Frame, layout: &Layout) -> String {
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
    let share = ((browser::now() - began) / FADING).clamp(0.0, 1.0);
    faded.set(share);
    if share < 1.0 {
        request_animation_frame(move || fade(faded, began));
    }
}

struct Brush {
    ink: &'static Ink,
    by_salience: bool,
    pointed: Option<Unit>,
    faded: f64,
    dark: bool,
}

type Drawn = Result<(), wasm_bindgen::JsValue>;

fn draw(canvas: &web_sys::HtmlCanvasElement, scene: &Scene, brush: &Brush) -> Drawn {
    let layout = &scene.layout;
    let (width, dense) = (f64::from(canvas.client_width()), window().device_pixel_ratio().max(1.0));
    let size = ((width * dense) as u32, (layout.height * dense) as u32);
    if (canvas.width(), canvas.height()) != size {
        canvas.set_width(size.0);
        canvas.set_height(size.1);
    }
    web_sys::HtmlElement::style(canvas).set_property("height", &format!("{}px", layout.height))?;
    let Some(context) = canvas.get_context("2d")? else { return Ok(()) };
    let pen = Pen {
        context: context.unchecked_into(),
        brush,
        dense,
        last: Cell::new(None),
        gone: if brush.dark { 0.16 } else { 0.13 },
    };
    pen.context.set_transform(dense, 0.0, 0.0, dense, 0.0, 0.0)?;
    pen.context.clear_rect(0.0, 0.0, width, layout.height);
    pen.headings(layout)?;
    for dim in 0..layout.shape.hidden {
        let kept = scene.frame.hidden.binary_search(&dim).is_ok();
        let was = scene.before.as_ref().is_some_and(|frame| frame.hidden.binary_search(&dim).is_ok());
        let stands = scene.standing.as_ref().and_then(|standing| standing.hidden.get(dim).copied().flatten());
        pen.block(layout, Unit::Hidden(dim), (kept, was), stands, 7);
    }
    for layer in 0..layout.layers() {
        for unit in layout.row_of(layer) {
            match unit {
                Unit::Head(_, head) => {
                    let has = |frame: &Frame| frame.heads.get(layer).is_some_and(|heads| heads.contains(&head));
                    let was = scene.before.as_ref().is_some_and(has);
                    let stands = scene.standing.as_ref().and_then(|standing| {
                        standing.heads.get(layer).and_then(|heads| heads.get(head).copied().flatten())
                    });
                    pen.block(layout, unit, (has(&scene.frame), was), stands, 0);
                }
                Unit::Neurons(_) => pen.neurons(scene, layer),
                Unit::Rank(_, site) => {
                    let rank = layout.rank(&scene.frame, layer, site).unwrap_or(0);
                    pen.rank(layout, unit, rank);
                }
                Unit::Hidden(_) => {}
            }
        }
        pen.layer_name(layout, layer)?;
    }
    pen.pointed(layout);
    Ok(())
}

struct Pen<'a> {
    context: CanvasRenderingContext2d,
    brush: &'a Brush,
    /// The colour that is set: setting one costs more than drawing a block with it.
    last: Cell<Option<(u8, u8, u8)>>,
    /// Device pixels in one of the page's.
    dense: f64,
    /// Opacity of what is gone.
    gone: f64,
}

impl Pen<'_> {
    /// A block that is kept or not, and was before.
    fn block(&self, layout: &Layout, unit: Unit, (kept, was): (bool, bool), stands: Option<f64>, colour: usize) {
        let opacity = match (kept, was) {
            (true, _) => 1.0,
            (false, true) => 1.0 - (1.0 - self.gone) * self.brush.faded,
            (false, false) => self.gone,
        };
        self.colour(stands.filter(|_| self.brush.by_salience), colour);
        self.context.set_global_alpha(opacity);
        let place = layout.place(unit);
        if matches!(unit, Unit::Hidden(_)) {
            // Hidden dims touch: at edges of device pixels, or thin lines would shine through.
            let snap = |x: f64| (x * self.dense).round() / self.dense;
            let (left, right) = (snap(place.x), snap(place.x + place.w));
            self.context.fill_rect(left, place.y, right - left, place.h);
        } else {
            self.context.fill_rect(place.x, place.y, place.w, place.h);
        }
    }

    fn neurons(&self, scene: &Scene, layer: usize) {
        let layout = &scene.layout;
        let place = layout.place(Unit::Neurons(layer));
        let of = |frame: &Frame| frame.neurons.get(layer).copied().unwrap_or(0) as f64;
        let dense = layout.shape.neurons.get(layer).copied().unwrap_or(0).max(1) as f64;
        let kept = of(&scene.frame);
        let shown = scene.before.as_ref().map_or(kept, |before| of(before) + (kept - of(before)) * self.brush.faded);
        self.context.set_global_alpha(self.gone);
        self.colour(None, 2);
        self.context.fill_rect(place.x, place.y, place.w, place.h);
        let scored = scene.standing.as_ref().and_then(|standing| standing.neurons.get(layer));
        match scored.filter(|scored| self.brush.by_salience && !scored.is_empty()) {
            Some(scored) => {
                // The events tell how many neurons left, not which: the scores are those of all that were there.
                let wide = place.w * scored.len() as f64 / dense;
                let bins = binned(scored, (0.5 * wide).ceil() as usize);
                let each = wide / bins.len() as f64;
                self.context.set_global_alpha(1.0);
                for (bin, stands) in bins.iter().enumerate() {
                    self.colour(Some(*stands), 2);
                    self.context.fill_rect(place.x + each * bin as f64, place.y, each + 0.5, place.h);
                }
                self.colour(None, 2);
                self.context.fill_rect(place.x, place.y + place.h - 3.0, place.w * shown / dense, 3.0);
            }
            None => {
                self.context.set_global_alpha(1.0);
                self.context.fill_rect(place.x, place.y, place.w * shown / dense, place.h);
            }
        }
    }

    fn rank(&self, layout: &Layout, unit: Unit, rank: usize) {
        let place = layout.place(unit);
        let high = place.h * rank as f64 / layout.top_rank.max(1) as f64;
        self.colour(None, 1);
        self.context.set_global_alpha(self.gone);
        self.context.fill_rect(place.x, place.y, place.w, place.h);
        self.context.set_global_alpha(1.0);
        self.context.fill_rect(place.x, place.y + place.h - high, place.w, high);
    }

    fn layer_name(&self, layout: &Layout, layer: usize) -> Drawn {
        let place = layout.place(Unit::Neurons(layer));
        self.write(&layer.to_string(), 4.0, place.y + 0.5 * place.h)
    }

    fn headings(&self, layout: &Layout) -> Drawn {
        self.write("hidden dims", layout.band.x, layout.band.y - 8.0)?;
        if layout.layers() == 0 {
            return Ok(());
        }
        let above = |unit| {
            let place = layout.place(unit);
            (place.x, place.y - 8.0)
        };
        for (words, unit) in [("heads", Unit::Head(0, 0)), ("neurons", Unit::Neurons(0)), ("ranks", Unit::Rank(0, 0))] {
            if layout.sites.is_empty() && words == "ranks" {
                continue;
            }
            let (x, y) = above(unit);
            self.write(words, x, y)?;
        }
        Ok(())
    }

    fn write(&self, words: &str, x: f64, y: f64) -> Drawn {
        self.context.set_global_alpha(1.0);
        self.ink(self.brush.ink.text);
        self.context.set_font("12px system-ui, sans-serif");
        self.context.set_text_baseline("middle");
        self.context.fill_text(words, x, y)
    }

    fn pointed(&self, layout: &Layout) {
        let Some(unit) = self.brush.pointed else { return };
        let place = layout.place(unit);
        let paper = if self.brush.dark { "#fff" } else { "#000" };
        self.context.set_global_alpha(1.0);
        self.context.set_stroke_style_str(paper);
        self.context.set_line_width(2.0);
        self.context.stroke_rect(place.x - 1.0, place.y - 1.0, place.w.max(2.0) + 2.0, place.h + 2.0);
    }

    fn colour(&self, stands: Option<f64>, plain: usize) {
        self.ink(match stands {
            Some(stands) => ramp(stands),
            None => self.brush.ink.palette[plain],
        });
    }

    fn ink(&self, colour: (u8, u8, u8)) {
        if self.last.replace(Some(colour)) != Some(colour) {
            let (r, g, b) = colour;
            self.context.set_fill_style_str(&format!("rgb({r} {g} {b})"));
        }
    }
}

/// From dark blue over grey to yellow: a ramp that rises in lightness, so that it reads without colour too.
fn ramp(share: f64) -> (u8, u8, u8) {
    const STOPS: [(f64, f64, f64); 5] =
        [(20.0, 40.0, 95.0), (65.0, 80.0, 115.0), (122.0, 122.0, 122.0), (185.0, 170.0, 100.0), (250.0, 225.0, 70.0)];
    // In few levels, so that neighbours often share one.
    let at = (share.clamp(0.0, 1.0) * LEVELS).round() / LEVELS * (STOPS.len() - 1) as f64;
    let low = (at as usize).min(STOPS.len() - 2);
    let (a, b, t) = (STOPS[low], STOPS[low + 1], at - low as f64);
    let mix = |a: f64, b: f64| (a + (b - a) * t) as u8;
    (mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}

/// How much of the model is left, as a bar that shrinks.
fn density(lab: Lab, scene: StoredValue<Option<Rc<Scene>>, LocalStorage>, looked: RwSignal<u64>) -> impl IntoView {
    let left = Memo::new(move |_| {
        looked.track();
        scene.with_value(|scene| scene.as_ref().map_or(1.0, |scene| scene.frame.density))
    });
    let words = move || {
        let dense = lab.history.with_value(|history| history.parameters.map(|parameters| parameters.dense));
        // A share of the prunable parameters.
        let of = dense.map_or_else(String::new, |dense| format!(" of {}", crate::figures::count(dense)));
        format!("{}{of}", share(left.get()))
    };
    view! {
        <div class="density">
            <div class="density-left" style:width=move || format!("{:.2}%", 100.0 * left.get())></div>
            <span class="density-words" data-testid="picture-density">{words}</span>
        </div>
    }
}

fn scale(by_salience: RwSignal<bool>) -> impl IntoView {
    move || {
        if by_salience.get() {
            view! {
                <p class="help">
                    <span class="ramp" aria-hidden="true"></span>
                    " from the lowest to the highest salience among blocks of a kind, as scored at this point. Faded blocks have left; the line under neurons is how many stayed."
                </p>
            }
            .into_any()
        } else {
            view! { <p class="help">"Solid is left in the model; what was removed leaves its place, faded."</p> }
                .into_any()
        }
    }
}

fn scrubber(frames: Memo<usize>, chosen: RwSignal<Option<usize>>, shown: Memo<usize>) -> impl IntoView {
    let last = move || frames.get().saturating_sub(1);
    let turn = move |event| {
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
                on:input=turn
            />
            <output class="aside">{words}</output>
        </p>
    }
}

/// The same in numbers, for those who do not see the picture. Made when it is opened.
fn numbers(scene: StoredValue<Option<Rc<Scene>>, LocalStorage>, looked: RwSignal<u64>) -> impl IntoView {
    let open = RwSignal::new(false);
    let table = move || {
        looked.track();
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
