//! Where every unit is. A row per layer: heads as tiles, neurons as a field of cells, adapters as bars; hidden dims, which
//! all layers share, are a strip above every layer and below the last. Places are those of the dense model and never
//! move: what has left leaves its place.

use apt_experiment::{ModelShape, Site};

use crate::history::Frame;

/// A rectangle in pixels of the page.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rect {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
}

impl Rect {
    fn contains(&self, x: f64, y: f64) -> bool {
        (self.x..self.x + self.w).contains(&x) && (self.y..self.y + self.h).contains(&y)
    }
}

/// Something on the stage that can be pointed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// A hidden dim.
    Hidden(usize),
    /// A layer as a whole.
    Layer(usize),
    /// A head of a layer.
    Head(usize, usize),
    /// A neuron of a layer.
    Neuron(usize, usize),
    /// An adapter: layer, and place in [`Layout::sites`].
    Rank(usize, usize),
}

/// Cells in lines, from left to right and from top to bottom.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Field {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Side of a cell with its gap, a whole number of device pixels.
    pub cell: f64,
    /// Cells in a line.
    pub columns: usize,
    /// Cells in all.
    pub count: usize,
}

impl Field {
    /// The largest square cells of which `count` fit; `dense` device pixels are one of the page's.
    fn fit(room: Rect, count: usize, dense: f64, largest: f64) -> Self {
        let (w, h) = ((room.w * dense).floor().max(1.0), (room.h * dense).floor().max(1.0));
        let fits = |side: f64| (w / side).floor() * (h / side).floor() >= count as f64;
        let mut side = (largest * dense).floor().max(1.0).min(h).min(w);
        while side > 1.0 && !fits(side) {
            side -= 1.0;
        }
        // Lines of one length, as far as they come out even.
        let lines = count.div_ceil(((w / side) as usize).max(1)).max(1);
        let columns = count.div_ceil(lines).max(1);
        // In the middle of the height, at a whole device pixel.
        let spare = h - side * count.div_ceil(columns) as f64;
        let y = room.y + (0.5 * spare.max(0.0)).floor() / dense;
        Self { x: room.x, y, cell: side / dense, columns, count }
    }

    /// Lines of cells.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.count.div_ceil(self.columns.max(1))
    }

    /// Where a cell is.
    #[must_use]
    pub fn place(&self, number: usize) -> Rect {
        let (line, column) = (number / self.columns.max(1), number % self.columns.max(1));
        let (x, y) = (self.x + self.cell * column as f64, self.y + self.cell * line as f64);
        Rect { x, y, w: self.cell, h: self.cell }
    }

    fn at(&self, x: f64, y: f64) -> Option<usize> {
        let (column, line) = ((x - self.x) / self.cell, (y - self.y) / self.cell);
        let is_in = column >= 0.0 && line >= 0.0 && column < self.columns as f64;
        let number = is_in.then(|| line as usize * self.columns + column as usize)?;
        (number < self.count).then_some(number)
    }
}

/// What a model is laid out on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sheet {
    /// Width in pixels of the page.
    pub width: f64,
    /// Device pixels in one of the page's.
    pub dense: f64,
    /// Size of type, of 16 pixels.
    pub type_size: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) layer: usize,
    /// The whole of it.
    pub(super) place: Rect,
    pub(super) heads: Field,
    pub(super) neurons: Field,
    bars: Rect,
}

/// Where everything is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    /// The dense model.
    pub shape: ModelShape,
    /// The adapters that a layer has.
    pub sites: Vec<&'static str>,
    /// The rank that fills a bar.
    pub top_rank: usize,
    /// What it is laid out on.
    pub sheet: Sheet,
    /// Height of the whole.
    pub height: f64,
    /// The strips of hidden dims.
    pub strips: Vec<Rect>,
    pub(super) rows: Vec<Row>,
}

// At type of 16 pixels.
const LABEL: f64 = 22.0;
const GAP: f64 = 12.0;
const BAR: f64 = 9.0;
/// A line of writing above the strips.
const WRITING: f64 = 20.0;
/// The counts of a layer, where there is room for them.
const COUNTS: f64 = 84.0;
const NARROW: f64 = 560.0;
/// Between a strip and a row.
const AIR: f64 = 5.0;

impl Layout {
    /// Lays a model out; with `zoom`, that layer alone. `most` is a rank that adapters can grow to.
    #[must_use]
    pub fn new(shape: &ModelShape, frames: &[Frame], sheet: Sheet, most: usize, zoom: Option<usize>) -> Self {
        let Sheet { width, dense, type_size } = sheet;
        let [label, gap, bar, writing] = [LABEL, GAP, BAR, WRITING].map(|length| type_size * length);
        let names = || frames.iter().flat_map(|frame| &frame.ranks);
        let sites = Site::ALL.iter().map(|site| site.name());
        let sites: Vec<_> = sites.filter(|site| names().any(|(name, _)| site_of(name) == *site)).collect();
        let all = shape.heads.len().max(shape.neurons.len());
        let layers: Vec<usize> = zoom.filter(|layer| *layer < all).map_or_else(|| (0..all).collect(), |one| vec![one]);
        let number = layers.len().max(1) as f64;

        let strip = if number > 8.0 { 4.0 } else { 8.0 };
        let tall = (0.46 * width).clamp(250.0, 620.0);
        let row = ((tall - (strip + 2.0 * AIR) * (number + 1.0)) / number)
            .clamp(18.0, if number < 2.0 { 420.0 } else { 84.0 });
        let counts = if width < type_size * NARROW { 0.0 } else { type_size * COUNTS };
        let bars = bar * sites.len() as f64;
        let room = (width - label - gap - counts - if bars > 0.0 { bars + gap } else { 0.0 }).max(60.0);
        let for_heads = 0.22 * room;

        let mut y = writing;
        let mut strips = vec![Rect { x: label, y, w: width - label, h: strip }];
        y += strip + writing;
        let mut rows = Vec::with_capacity(layers.len());
        for layer in layers {
            let heads = shape.heads.get(layer).copied().unwrap_or(0);
            let neurons = shape.neurons.get(layer).copied().unwrap_or(0);
            let field = Rect { x: label + for_heads + gap, y, w: room - for_heads, h: row };
            // More neurons than device pixels need a higher row.
            let need = (neurons as f64 / (field.w * dense).floor().max(1.0)).ceil() / dense;
            let high = row.max(need);
            let bars_at = field.x + field.w + gap;
            rows.push(Row {
                layer,
                place: Rect { x: 0.0, y, w: width, h: high },
                heads: Field::fit(Rect { x: label, y, w: for_heads, h: high }, heads, dense, 56.0),
                neurons: Field::fit(Rect { h: high, ..field }, neurons, dense, 26.0),
                bars: Rect { x: bars_at, y, w: bars, h: high },
            });
            y += high + AIR;
            strips.push(Rect { x: label, y, w: width - label, h: strip });
            y += strip + AIR;
        }
        Self {
            shape: shape.clone(),
            top_rank: names().map(|(_, rank)| *rank).max().unwrap_or(0).max(most),
            sheet,
            height: y,
            strips,
            rows,
            sites,
        }
    }

    /// The layers that are shown, from top to bottom.
    pub fn layers(&self) -> impl Iterator<Item = usize> + '_ {
        self.rows.iter().map(|row| row.layer)
    }

    /// A length at type of 16 pixels, at the size of this sheet.
    fn length(&self, length: f64) -> f64 {
        self.sheet.type_size * length
    }

    pub(super) fn row(&self, layer: usize) -> Option<&Row> {
        self.rows.iter().find(|row| row.layer == layer)
    }

    /// The heads of a layer.
    #[must_use]
    pub fn heads(&self, layer: usize) -> Field {
        self.row(layer).map(|row| row.heads).unwrap_or_default()
    }

    /// The neurons of a layer.
    #[must_use]
    pub fn neurons(&self, layer: usize) -> Field {
        self.row(layer).map(|row| row.neurons).unwrap_or_default()
    }

    /// Where a unit is; of a layer that is not shown, nowhere.
    #[must_use]
    pub fn place(&self, unit: Unit) -> Rect {
        let of = |layer: usize, place: &dyn Fn(&Row) -> Rect| self.row(layer).map(place).unwrap_or_default();
        match unit {
            Unit::Hidden(dim) => {
                let strip = self.strips.first().copied().unwrap_or_default();
                let w = strip.w / self.shape.hidden.max(1) as f64;
                Rect { x: strip.x + w * dim as f64, w, ..strip }
            }
            Unit::Layer(layer) => of(layer, &|row| Rect { w: self.length(LABEL) - 4.0, ..row.place }),
            Unit::Head(layer, head) => of(layer, &|row| row.heads.place(head)),
            Unit::Neuron(layer, neuron) => of(layer, &|row| row.neurons.place(neuron)),
            Unit::Rank(layer, site) => of(layer, &|row| Rect {
                x: row.bars.x + self.length(BAR) * site as f64,
                w: self.length(BAR) - 2.0,
                ..row.bars
            }),
        }
    }

    /// Where the counts of a layer are written; `None` where there is no room.
    #[must_use]
    pub fn counts(&self, layer: usize) -> Option<Rect> {
        let row = self.row(layer)?;
        let x = if row.bars.w > 0.0 { row.bars.x + row.bars.w + self.length(GAP) } else { row.bars.x };
        let has_room = self.sheet.width >= self.length(NARROW) && row.place.h >= self.length(26.0);
        has_room.then_some(Rect { x, w: self.length(COUNTS - GAP), ..row.place })
    }

    /// What is at a point.
    #[must_use]
    pub fn at(&self, x: f64, y: f64) -> Option<Unit> {
        let reach = |strip: &Rect| Rect { y: strip.y - 2.0, h: strip.h + 4.0, ..*strip };
        if let Some(strip) = self.strips.iter().find(|strip| reach(strip).contains(x, y)) {
            let dim = (x - strip.x) / strip.w * self.shape.hidden as f64;
            return Some(Unit::Hidden((dim as usize).min(self.shape.hidden.checked_sub(1)?)));
        }
        let row = self.rows.iter().find(|row| row.place.contains(x, y))?;
        let layer = row.layer;
        if let Some(head) = row.heads.at(x, y) {
            return Some(Unit::Head(layer, head));
        }
        if let Some(neuron) = row.neurons.at(x, y) {
            return Some(Unit::Neuron(layer, neuron));
        }
        if row.bars.contains(x, y) {
            return Some(Unit::Rank(
                layer,
                (((x - row.bars.x) / self.length(BAR)) as usize).min(self.sites.len().checked_sub(1)?),
            ));
        }
        (x < self.length(LABEL) || x >= row.bars.x + row.bars.w).then_some(Unit::Layer(layer))
    }

    /// The rank of an adapter; `None` if the layer has none there.
    #[must_use]
    pub fn rank(&self, frame: &Frame, layer: usize, site: usize) -> Option<usize> {
        let site = self.sites.get(site)?;
        let found = frame.ranks.iter().find(|(name, _)| site_of(name) == *site && layer_of(name) == Some(layer));
        found.map(|(_, rank)| *rank)
    }
}

/// The site of an adapter, the last part of its name.
pub(super) fn site_of(adapter: &str) -> &str {
    adapter.rsplit('.').next().unwrap_or_default()
}

/// The layer of an adapter, the number in its name.
pub(super) fn layer_of(adapter: &str) -> Option<usize> {
    adapter.split('.').find_map(|part| part.parse().ok())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::history::History;
    use apt_experiment::Knobs;

    pub(in crate::stage) fn layout() -> Layout {
        let history = History::of(&crate::history::tests::run(Knobs::default(), 10, true));
        let shape = history.record().expect("started").shape.clone();
        Layout::new(&shape, &history.frames, Sheet { width: 400.0, dense: 1.0, type_size: 1.0 }, 0, None)
    }

    /// A layout of a model of BERT's shape.
    fn large(width: f64, dense: f64, zoom: Option<usize>) -> Layout {
        let sheet = Sheet { width, dense, type_size: 0.5 + 0.5 * dense };
        let shape =
            ModelShape { heads: vec![12; 12], neurons: vec![3072; 12], hidden: 768, head_size: 64, wiring: None };
        let names = ["query", "value", "up"].map(|site| (0..12).map(move |layer| format!("layers.{layer}.{site}")));
        let ranks = names.into_iter().flatten().map(|name| (name, 8)).collect();
        Layout::new(&shape, &[Frame { ranks, ..Frame::default() }], sheet, 0, zoom)
    }

    pub(in crate::stage) fn all(layout: &Layout) -> Vec<Unit> {
        let mut units: Vec<Unit> = (0..layout.shape.hidden).map(Unit::Hidden).collect();
        for layer in layout.layers() {
            units.push(Unit::Layer(layer));
            units.extend((0..layout.heads(layer).count).map(|head| Unit::Head(layer, head)));
            units.extend((0..layout.neurons(layer).count).map(|neuron| Unit::Neuron(layer, neuron)));
            units.extend((0..layout.sites.len()).map(|site| Unit::Rank(layer, site)));
        }
        units
    }

    #[test]
    fn every_unit_is_found_where_it_stands() {
        let narrow = large(390.0, 2.0, None);
        for layout in [layout(), narrow, large(1200.0, 1.0, None), large(1200.0, 1.0, Some(7))] {
            for unit in all(&layout) {
                let place = layout.place(unit);
                let found = layout.at(place.x + 0.5 * place.w, place.y + 0.5 * place.h);
                assert_eq!(found, Some(unit), "{place:?}");
                let inside =
                    place.x + place.w <= layout.sheet.width + 1e-6 && place.y + place.h <= layout.height + 1e-6;
                assert!(inside, "{unit:?} at {place:?} is outside of {} × {}", layout.sheet.width, layout.height);
            }
            assert_eq!(layout.at(200.0, layout.height + 50.0), None);
        }
    }

    #[test]
    fn cells_never_lie_over_each_other() {
        let layout = large(1100.0, 1.5, None);
        let field = layout.neurons(3);
        assert!(
            field.cell * field.columns as f64 <= layout.place(Unit::Rank(3, 0)).x - field.x,
            "it ends before the bars"
        );
        let next = layout.place(Unit::Layer(4));
        assert!(field.y + field.cell * field.lines() as f64 <= next.y, "it ends above the next layer");
        assert!((field.cell * layout.sheet.dense).fract() < 1e-9, "cells are whole device pixels");
    }

    #[test]
    fn one_layer_alone_has_larger_cells() {
        let (whole, one) = (large(1100.0, 1.0, None), large(1100.0, 1.0, Some(5)));
        assert_eq!(one.layers().collect::<Vec<_>>(), [5]);
        assert!(one.neurons(5).cell >= 2.0 * whole.neurons(5).cell);
        assert_eq!(one.place(Unit::Head(4, 0)), Rect::default());
    }
}
