//! Draws the stage on a canvas. Cells are painted into pixels of their own and put there at once: the neurons of a large
//! model are tens of thousands, more than a canvas draws as rectangles in a frame.

use leptos::prelude::window;
use wasm_bindgen::{Clamped, JsCast, JsValue};
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, ImageData};

use crate::chart::Theme;
use crate::history::Frame;
use crate::stage::{Departures, Field, Layout, Levels, Percentiles, Rect, Sheet, Unit};

/// What a picture is drawn from: a model on its way from one frame to another.
pub(crate) struct Scene {
    pub(crate) layout: Layout,
    pub(crate) frames: [Frame; 2],
    pub(crate) levels: [Levels; 2],
    /// When each unit went, as of the second frame, and how many frames there are in all.
    pub(crate) departures: (Departures, usize),
    pub(crate) percentiles: Option<Percentiles>,
}

/// What colours say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colours {
    /// The kind of a unit.
    Kind,
    /// Its salience among its kind.
    Salience,
    /// Its √kurtosis among its kind.
    Kurtosis,
    /// The pruning point at which it went.
    Departure,
}

/// How a scene is drawn.
pub(crate) struct Style<'a> {
    pub(crate) theme: &'static Theme,
    pub(crate) dark: bool,
    pub(crate) colours: Colours,
    /// How high each unit is among its kind in what colours say.
    pub(crate) ranked: Option<&'a Percentiles>,
    pub(crate) pointed: Option<Unit>,
    /// How far it is on its way, from 0 to 1.
    pub(crate) share: f64,
}

type Drawn = Result<(), JsValue>;
type Rgb = (u8, u8, u8);

const HEADS: usize = 0;
const RANKS: usize = 1;
const NEURONS: usize = 2;
const HIDDEN: usize = 7;

/// Side of a cell whose unit is removed, as a share of the whole cell.
const COLLAPSED: f64 = 0.3;
/// Opacity of what is removed.
const FAINT: f64 = 0.3;

/// Draws a scene, to the size of its canvas.
pub(crate) fn draw(canvas: &HtmlCanvasElement, scene: &Scene, style: &Style<'_>) -> Drawn {
    let (layout, Sheet { width, dense, type_size }) = (&scene.layout, scene.layout.sheet);
    let size = ((width * dense).round() as u32, (layout.height * dense).round() as u32);
    if (canvas.width(), canvas.height()) != size {
        canvas.set_width(size.0);
        canvas.set_height(size.1);
        web_sys::HtmlElement::style(canvas).set_property("height", &format!("{}px", layout.height))?;
    }
    let Some(context) = canvas.get_context("2d")? else { return Ok(()) };
    let painter = Painter { context: context.unchecked_into(), style, dense, type_size, scene };
    painter.context.set_transform(dense, 0.0, 0.0, dense, 0.0, 0.0)?;
    painter.context.clear_rect(0.0, 0.0, width, layout.height);
    painter.strips()?;
    for layer in layout.layers() {
        painter.heads(layer);
        painter.neurons(layer)?;
        painter.ranks(layer);
        painter.counts(layer)?;
    }
    painter.headings()?;
    painter.pointed();
    Ok(())
}

/// What a canvas of this width with type of this size is drawn on.
pub(crate) fn sheet(width: u32, font: f64) -> Sheet {
    let (dense, type_size) = (window().device_pixel_ratio().max(1.0), (font / 16.0).clamp(0.75, 3.0));
    Sheet { width: f64::from(width), dense, type_size }
}

struct Painter<'a> {
    context: CanvasRenderingContext2d,
    style: &'a Style<'a>,
    dense: f64,
    /// Size of type, of 16 pixels.
    type_size: f64,
    scene: &'a Scene,
}

impl Painter<'_> {
    /// How far a unit is there.
    fn level(&self, from: Option<f32>, to: Option<f32>) -> f64 {
        let (from, to) = (f64::from(from.unwrap_or(0.0)), f64::from(to.unwrap_or(0.0)));
        from + (to - from) * self.style.share
    }

    fn colour(&self, kind: usize, percentile: Option<f32>, gone: Option<u16>) -> Rgb {
        let plain = self.style.theme.palette.get(kind).copied().unwrap_or(self.style.theme.text);
        match self.style.colours {
            Colours::Kind => plain,
            Colours::Salience | Colours::Kurtosis => {
                percentile.map_or(plain, |share| ramp(f64::from(share), self.style.dark))
            }
            Colours::Departure => gone.map_or(plain, |point| {
                let points = self.scene.departures.1.saturating_sub(2).max(1) as f64;
                ramp((f64::from(point) - 1.0) / points, self.style.dark)
            }),
        }
    }

    /// Opacity at a level. What colours tell of the departed must be seen on them.
    fn opacity(&self, level: f64) -> f64 {
        let faint = if self.style.colours == Colours::Departure { 0.85 } else { FAINT };
        faint + (1.0 - faint) * level
    }

    /// Side of what is painted of a cell at a level.
    fn side(&self, level: f64) -> f64 {
        let collapsed = if self.style.colours == Colours::Departure { 0.6 } else { COLLAPSED };
        collapsed + (1.0 - collapsed) * level
    }

    fn heads(&self, layer: usize) {
        let field = self.scene.layout.heads(layer);
        for head in 0..field.count {
            let unit = Unit::Head(layer, head);
            let [from, to] = &self.scene.levels;
            let level = self.level(from.get(unit), to.get(unit));
            let percentile = self.style.ranked.and_then(|percentiles| percentiles.get(unit).flatten());
            let colour = self.colour(HEADS, percentile, self.scene.departures.0.get(unit).flatten());
            let place = field.place(head);
            let room = Rect { w: place.w - 3.0, h: place.h - 3.0, ..place };
            self.context.set_global_alpha(self.opacity(level));
            self.fill(colour);
            let side = self.side(level);
            let (w, h) = (room.w * side, room.h * side);
            self.context.fill_rect(room.x + 0.5 * (room.w - w), room.y + 0.5 * (room.h - h), w, h);
            if level < 0.75 {
                self.frame(room);
            }
        }
    }

    /// A frame around the place of what is going, so that it is told from what is kept without colour.
    fn frame(&self, place: Rect) {
        self.context.set_global_alpha(0.5);
        self.context.set_stroke_style_str(&css(self.style.theme.text));
        self.context.set_line_width(1.0);
        self.context.stroke_rect(place.x + 0.5, place.y + 0.5, (place.w - 1.0).max(0.5), (place.h - 1.0).max(0.5));
    }

    fn neurons(&self, layer: usize) -> Drawn {
        let field = self.scene.layout.neurons(layer);
        if field.count == 0 {
            return Ok(());
        }
        let [from, to] =
            self.scene.levels.each_ref().map(|levels| levels.neurons.get(layer).map(Vec::as_slice).unwrap_or_default());
        let percentiles = self.style.ranked.and_then(|percentiles| percentiles.neurons.get(layer));
        let gone = self.scene.departures.0.neurons.get(layer);
        let mut pixels = Pixels::of(&field, self.dense);
        for number in 0..field.count {
            let level = self.level(from.get(number).copied(), to.get(number).copied());
            let percentile = percentiles.and_then(|all| all.get(number).copied().flatten());
            let colour = self.colour(NEURONS, percentile, gone.and_then(|all| all.get(number).copied().flatten()));
            pixels.cell(number, &field, self.side(level), colour, self.opacity(level));
        }
        pixels.put(&self.context, field.x, field.y, self.dense)
    }

    /// Hidden dims touch: columns of device pixels, as high as their units are there.
    fn strips(&self) -> Drawn {
        let Some(strip) = self.scene.layout.strips.first() else { return Ok(()) };
        let dims = self.scene.layout.shape.hidden;
        let mut pixels = Pixels::new((strip.w * self.dense) as usize, (strip.h * self.dense).max(1.0) as usize);
        let [from, to] = &self.scene.levels;
        for column in 0..pixels.width {
            let dim = column * dims / pixels.width.max(1);
            let level = self.level(from.hidden.get(dim).copied(), to.hidden.get(dim).copied());
            let percentile = self.style.ranked;
            let percentile = percentile.and_then(|percentiles| percentiles.hidden.get(dim).copied().flatten());
            let gone = self.scene.departures.0.hidden.get(dim).copied().flatten();
            let high = ((pixels.height as f64 * self.side(level)).round() as usize).clamp(1, pixels.height);
            let top = (pixels.height - high) / 2;
            let colour = self.colour(HIDDEN, percentile, gone);
            // Where a dim has room for it, it is told from its neighbours.
            let is_gap = 4 * dims < pixels.width && (column + 1) * dims / pixels.width != dim;
            if !is_gap {
                pixels.block(column, top, 1, high, colour, self.opacity(level));
            }
        }
        for strip in &self.scene.layout.strips {
            pixels.put(&self.context, strip.x, strip.y, self.dense)?;
        }
        Ok(())
    }

    fn ranks(&self, layer: usize) {
        let layout = &self.scene.layout;
        let [from, to] = &self.scene.frames;
        for site in 0..layout.sites.len() {
            let rank = |frame: &Frame| layout.rank(frame, layer, site).unwrap_or(0) as f64;
            let rank = rank(from) + (rank(to) - rank(from)) * self.style.share;
            let place = layout.place(Unit::Rank(layer, site));
            let high = place.h * rank / layout.top_rank.max(1) as f64;
            self.fill(self.style.theme.palette.get(RANKS).copied().unwrap_or(self.style.theme.text));
            self.context.set_global_alpha(0.14);
            self.context.fill_rect(place.x, place.y, place.w, place.h);
            self.context.set_global_alpha(1.0);
            self.context.fill_rect(place.x, place.y + place.h - high, place.w, high);
        }
    }

    fn counts(&self, layer: usize) -> Drawn {
        let layout = &self.scene.layout;
        let label = layout.place(Unit::Layer(layer));
        self.write(&layer.to_string(), 4.0, label.y + 0.5 * label.h)?;
        let [from, to] = &self.scene.frames;
        let frame = if self.style.share > 0.0 { to } else { from };
        let Some(place) = layout.counts(layer) else { return Ok(()) };
        let of = |kept: Option<usize>, dense: Option<&usize>| {
            format!("{}/{}", kept.unwrap_or(0), dense.copied().unwrap_or(0))
        };
        let heads = of(frame.heads.get(layer).map(Vec::len), layout.shape.heads.get(layer));
        let neurons = of(frame.neurons.get(layer).copied(), layout.shape.neurons.get(layer));
        let middle = place.y + 0.5 * place.h;
        self.write(&heads, place.x, middle - 7.5 * self.type_size)?;
        self.write(&neurons, place.x, middle + 7.5 * self.type_size)
    }

    fn headings(&self) -> Drawn {
        let layout = &self.scene.layout;
        let Some(strip) = layout.strips.first() else { return Ok(()) };
        self.write("hidden dims, shared by all layers", strip.x, strip.y - 9.0 * self.type_size)?;
        let Some(layer) = layout.layers().next() else { return Ok(()) };
        let above = |x: f64| (x, strip.y + strip.h + 10.0 * self.type_size);
        let (heads, neurons) = (layout.heads(layer), layout.neurons(layer));
        let counts = layout.counts(layer).map(|place| place.x);
        let bars = (!layout.sites.is_empty()).then(|| layout.place(Unit::Rank(layer, 0)).x);
        let heads = (heads.count > 0).then_some(heads.x);
        let headings =
            [(layout.heads_called(), heads), ("neurons", Some(neurons.x)), ("ranks", bars), ("left", counts)];
        for (words, x) in headings {
            if let Some(x) = x {
                let (x, y) = above(x);
                self.write(words, x, y)?;
            }
        }
        Ok(())
    }

    fn write(&self, words: &str, x: f64, y: f64) -> Drawn {
        self.context.set_global_alpha(1.0);
        self.fill(self.style.theme.text);
        self.context.set_font(&format!("{:.1}px system-ui, sans-serif", 12.0 * self.type_size));
        self.context.set_text_baseline("middle");
        self.context.fill_text(words, x, y)
    }

    fn pointed(&self) {
        let Some(unit) = self.style.pointed else { return };
        let layout = &self.scene.layout;
        let places = match unit {
            // The same dim in every strip.
            Unit::Hidden(_) => {
                layout.strips.iter().map(|strip| Rect { y: strip.y, h: strip.h, ..layout.place(unit) }).collect()
            }
            _ => vec![layout.place(unit)],
        };
        self.context.set_global_alpha(1.0);
        self.context.set_stroke_style_str(if self.style.dark { "#fff" } else { "#000" });
        self.context.set_line_width(2.0);
        for place in places.into_iter().filter(|place| place.w > 0.0) {
            self.context.stroke_rect(place.x - 1.5, place.y - 1.5, place.w.max(2.0) + 2.0, place.h + 2.0);
        }
    }

    fn fill(&self, colour: Rgb) {
        self.context.set_fill_style_str(&css(colour));
    }
}

/// Device pixels of a part of the canvas.
struct Pixels {
    width: usize,
    height: usize,
    rgba: Vec<u8>,
    /// Side of a cell.
    side: usize,
}

impl Pixels {
    fn new(width: usize, height: usize) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        Self { width, height, rgba: vec![0; 4 * width * height], side: 1 }
    }

    fn of(field: &Field, dense: f64) -> Self {
        let side = ((field.cell * dense).round() as usize).max(1);
        Self { side, ..Self::new(side * field.columns.min(field.count), side * field.lines()) }
    }

    /// A cell, `share` of its side wide.
    fn cell(&mut self, number: usize, field: &Field, share: f64, colour: Rgb, opacity: f64) {
        let gap = usize::from(self.side >= 4) + usize::from(self.side >= 14);
        let room = self.side - gap;
        let side = ((room as f64 * share).round() as usize).clamp(1, room.max(1));
        let inset = (room.saturating_sub(side)) / 2;
        let (line, column) = (number / field.columns, number % field.columns);
        self.block(column * self.side + inset, line * self.side + inset, side, side, colour, opacity);
    }

    fn block(&mut self, x: usize, y: usize, w: usize, h: usize, (r, g, b): Rgb, opacity: f64) {
        let pixel = [r, g, b, (255.0 * opacity.clamp(0.0, 1.0)) as u8];
        for line in self.rgba.chunks_exact_mut(4 * self.width).skip(y).take(h) {
            for place in line.chunks_exact_mut(4).skip(x).take(w) {
                place.copy_from_slice(&pixel);
            }
        }
    }

    fn put(&self, context: &CanvasRenderingContext2d, x: f64, y: f64, dense: f64) -> Drawn {
        let (width, height) = (self.width as u32, self.height as u32);
        let image = ImageData::new_with_u8_clamped_array_and_sh(Clamped(&self.rgba), width, height)?;
        context.put_image_data(&image, (x * dense).round(), (y * dense).round())
    }
}

fn css((r, g, b): Rgb) -> String {
    format!("rgb({r} {g} {b})")
}

/// From blue over grey to yellow: a ramp that rises in lightness, so that it reads without colour too. On a dark sheet it
/// begins lighter, well above what has gone.
fn ramp(share: f64, dark: bool) -> Rgb {
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
    let at = share.clamp(0.0, 1.0) * (stops.len() - 1) as f64;
    let low = (at as usize).min(stops.len() - 2);
    let (a, b, t) = (stops[low], stops[low + 1], at - low as f64);
    let mix = |a: f64, b: f64| (a + (b - a) * t) as u8;
    (mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}
