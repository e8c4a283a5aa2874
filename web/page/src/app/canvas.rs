//! Draws the picture of a model on a canvas.

use std::cell::Cell;

use leptos::prelude::window;
use wasm_bindgen::JsCast;
use web_sys::CanvasRenderingContext2d;

use crate::chart::Theme;
use crate::history::Frame;
use crate::picture::{Layout, Percentiles, Rect, Unit};

/// Levels of the colours of salience.
const LEVELS: f64 = 24.0;

/// What a picture is drawn from.
pub(crate) struct Scene {
    pub(crate) layout: Layout,
    pub(crate) frame: Frame,
    pub(crate) before: Option<Frame>,
    pub(crate) percentiles: Option<Percentiles>,
}

/// How a scene is drawn.
pub(crate) struct CanvasStyle {
    pub(crate) theme: &'static Theme,
    pub(crate) by_salience: bool,
    pub(crate) pointed: Option<Unit>,
    pub(crate) faded: f64,
    pub(crate) dark: bool,
}

type Drawn = Result<(), wasm_bindgen::JsValue>;

/// Draws a scene, to the size of its canvas.
pub(crate) fn draw(canvas: &web_sys::HtmlCanvasElement, scene: &Scene, style: &CanvasStyle) -> Drawn {
    let layout = &scene.layout;
    let (width, dense) = (f64::from(canvas.client_width()), window().device_pixel_ratio().max(1.0));
    let size = ((width * dense) as u32, (layout.height * dense) as u32);
    if (canvas.width(), canvas.height()) != size {
        canvas.set_width(size.0);
        canvas.set_height(size.1);
    }
    web_sys::HtmlElement::style(canvas).set_property("height", &format!("{}px", layout.height))?;
    let Some(context) = canvas.get_context("2d")? else { return Ok(()) };
    let painter = Painter {
        context: context.unchecked_into(),
        style,
        dense,
        last: Cell::new(None),
        gone: if style.dark { 0.16 } else { 0.13 },
    };
    painter.context.set_transform(dense, 0.0, 0.0, dense, 0.0, 0.0)?;
    painter.context.clear_rect(0.0, 0.0, width, layout.height);
    painter.headings(layout)?;
    for dim in 0..layout.shape.hidden {
        let kept = scene.frame.hidden.binary_search(&dim).is_ok();
        let was = scene.before.as_ref().is_some_and(|frame| frame.hidden.binary_search(&dim).is_ok());
        let percentile =
            scene.percentiles.as_ref().and_then(|percentiles| percentiles.hidden.get(dim).copied().flatten());
        painter.block(layout, Unit::Hidden(dim), (kept, was), percentile, 7);
    }
    for layer in 0..layout.layers() {
        for unit in layout.row_of(layer) {
            match unit {
                Unit::Head(_, head) => {
                    let has = |frame: &Frame| frame.heads.get(layer).is_some_and(|heads| heads.contains(&head));
                    let was = scene.before.as_ref().is_some_and(has);
                    let percentile = scene.percentiles.as_ref().and_then(|percentiles| {
                        percentiles.heads.get(layer).and_then(|heads| heads.get(head).copied().flatten())
                    });
                    painter.block(layout, unit, (has(&scene.frame), was), percentile, 0);
                }
                Unit::Neurons(_) => painter.neurons(scene, layer),
                Unit::Rank(_, site) => {
                    let rank = layout.rank(&scene.frame, layer, site).unwrap_or(0);
                    painter.rank(layout, unit, rank);
                }
                Unit::Hidden(_) | Unit::Neuron(..) => {}
            }
        }
        painter.layer_name(layout, layer)?;
    }
    painter.pointed(layout);
    Ok(())
}

struct Painter<'a> {
    context: CanvasRenderingContext2d,
    style: &'a CanvasStyle,
    /// The colour that is set: setting one costs more than drawing a block with it.
    last: Cell<Option<(u8, u8, u8)>>,
    /// Device pixels in one of the page's.
    dense: f64,
    /// Opacity of what is gone.
    gone: f64,
}

impl Painter<'_> {
    /// A block that is kept or not, and was before.
    fn block(&self, layout: &Layout, unit: Unit, (kept, was): (bool, bool), percentile: Option<f64>, colour: usize) {
        let opacity = match (kept, was) {
            (true, _) => 1.0,
            (false, true) => 1.0 - (1.0 - self.gone) * self.style.faded,
            (false, false) => self.gone,
        };
        self.colour(percentile.filter(|_| self.style.by_salience), colour);
        self.context.set_global_alpha(opacity);
        let place = layout.place(unit);
        if matches!(unit, Unit::Hidden(_)) {
            // Hidden dims touch: at edges of device pixels, or thin lines would shine through.
            let snap = |x: f64| (x * self.dense).round() / self.dense;
            let (left, right) = (snap(place.x), snap(place.x + place.w));
            self.context.fill_rect(left, place.y, right - left, place.h);
        } else {
            self.context.fill_rect(place.x, place.y, place.w, place.h);
            if !kept {
                self.hollow(place);
            }
        }
    }

    /// A frame around the place of what is gone, so that it is told from what is kept without colour.
    fn hollow(&self, place: Rect) {
        self.context.set_global_alpha(0.55);
        let (r, g, b) = self.style.theme.text;
        self.context.set_stroke_style_str(&format!("rgb({r} {g} {b})"));
        self.context.set_line_width(1.0);
        self.context.stroke_rect(place.x + 0.5, place.y + 0.5, (place.w - 1.0).max(0.5), (place.h - 1.0).max(0.5));
    }

    /// Neurons in columns of device pixels, each as solid as its neurons are kept.
    fn neurons(&self, scene: &Scene, layer: usize) {
        let place = scene.layout.place(Unit::Neurons(layer));
        let dense = scene.layout.shape.neurons.get(layer).copied().unwrap_or(0);
        let columns = (place.w * self.dense) as usize;
        let columns_of = |frame: &Frame| frame.columns(layer, dense, columns, scene.percentiles.as_ref());
        let now = columns_of(&scene.frame);
        let before = scene.before.as_ref().filter(|_| self.style.faded < 1.0).map(columns_of);
        let edge =
            |column: usize| ((place.x + place.w * column as f64 / now.len() as f64) * self.dense).round() / self.dense;
        for (number, column) in now.iter().enumerate() {
            let was = before.as_ref().and_then(|before| before.get(number)).map_or(column.kept, |before| before.kept);
            let kept = was + (column.kept - was) * self.style.faded;
            self.colour(column.percentile.filter(|_| self.style.by_salience), 2);
            self.context.set_global_alpha(self.gone + (1.0 - self.gone) * kept);
            self.context.fill_rect(edge(number), place.y, edge(number + 1) - edge(number), place.h);
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
        self.fill(self.style.theme.text);
        self.context.set_font("12px system-ui, sans-serif");
        self.context.set_text_baseline("middle");
        self.context.fill_text(words, x, y)
    }

    fn pointed(&self, layout: &Layout) {
        let Some(unit) = self.style.pointed else { return };
        let place = layout.place(unit);
        let paper = if self.style.dark { "#fff" } else { "#000" };
        self.context.set_global_alpha(1.0);
        self.context.set_stroke_style_str(paper);
        self.context.set_line_width(2.0);
        self.context.stroke_rect(place.x - 1.0, place.y - 1.0, place.w.max(2.0) + 2.0, place.h + 2.0);
    }

    fn colour(&self, percentile: Option<f64>, plain: usize) {
        self.fill(match percentile {
            Some(percentile) => ramp(percentile, self.style.dark),
            None => self.style.theme.palette[plain],
        });
    }

    fn fill(&self, colour: (u8, u8, u8)) {
        if self.last.replace(Some(colour)) != Some(colour) {
            let (r, g, b) = colour;
            self.context.set_fill_style_str(&format!("rgb({r} {g} {b})"));
        }
    }
}

/// From blue over grey to yellow: a ramp that rises in lightness, so that it reads without colour too. On a dark sheet it
/// begins lighter, well above what has gone.
fn ramp(share: f64, dark: bool) -> (u8, u8, u8) {
    const LIGHT: [(f64, f64, f64); 5] =
        [(20.0, 40.0, 95.0), (65.0, 80.0, 115.0), (122.0, 122.0, 122.0), (185.0, 170.0, 100.0), (250.0, 225.0, 70.0)];
    const DARK: [(f64, f64, f64); 5] = [
        (70.0, 95.0, 165.0),
        (105.0, 115.0, 150.0),
        (145.0, 145.0, 140.0),
        (195.0, 180.0, 115.0),
        (250.0, 225.0, 70.0),
    ];
    let stops = if dark { DARK } else { LIGHT };
    // In few levels, so that neighbours often share one.
    let at = (share.clamp(0.0, 1.0) * LEVELS).round() / LEVELS * (stops.len() - 1) as f64;
    let low = (at as usize).min(stops.len() - 2);
    let (a, b, t) = (stops[low], stops[low + 1], at - low as f64);
    let mix = |a: f64, b: f64| (a + (b - a) * t) as u8;
    (mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}
