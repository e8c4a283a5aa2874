//! The picture of a model: where each block is, how much it counts, and what it is called. `app::canvas` draws it.
//!
//! A row per layer: heads as cells, neurons as a strip, ranks as bars; hidden dims, which all layers share, are one band
//! above. Places are those of the dense model and never move: what has left leaves its place.

use apt_experiment::{ModelShape, Site, UnitSet, UnitSets};
use apt_report::kept_in_parts;

use crate::figures::plain;
use crate::history::Frame;

/// A rectangle in pixels.
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

/// Something in the picture that can be pointed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A hidden dim.
    Hidden(usize),
    /// A head of a layer.
    Head(usize, usize),
    /// A layer's neurons.
    Neurons(usize),
    /// A neuron of a layer.
    Neuron(usize, usize),
    /// An adapter: layer, and place in [`Layout::sites`].
    Rank(usize, usize),
}

/// Where everything is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    /// The dense model.
    pub shape: ModelShape,
    /// The adapters that a layer has.
    pub sites: Vec<&'static str>,
    /// The greatest rank there ever was.
    pub top_rank: usize,
    /// Height of the whole.
    pub height: f64,
    /// The band of hidden dims.
    pub band: Rect,
    cell: f64,
    row: f64,
    first: f64,
    strip: (f64, f64),
    bars: (f64, f64),
}

const LABEL: f64 = 26.0;
const GAP: f64 = 10.0;
const BAR: f64 = 7.0;
const BAND: f64 = 14.0;
/// A line of writing above band and rows.
const WRITING: f64 = 17.0;

impl Layout {
    /// Lays a model out over `width` pixels.
    #[must_use]
    pub fn new(shape: &ModelShape, frames: &[Frame], width: f64) -> Self {
        let names = || frames.iter().flat_map(|frame| &frame.ranks);
        let sites = Site::ALL.iter().map(|site| site.name());
        let sites: Vec<_> = sites.filter(|site| names().any(|(name, _)| site_of(name) == *site)).collect();
        let most = shape.heads.iter().copied().max().unwrap_or(0).max(1) as f64;
        let layers = shape.heads.len().max(shape.neurons.len());
        let room = (width - LABEL - 2.0 * GAP - BAR * sites.len() as f64).max(60.0);
        let cell = (0.45 * room / most).min(30.0);
        let row = (360.0 / layers.max(1) as f64).clamp(16.0, 44.0);
        let strip = LABEL + cell * most + GAP;
        let wide = (width - strip - GAP - BAR * sites.len() as f64).max(20.0);
        let first = WRITING + BAND + 4.0 + WRITING;
        Self {
            shape: shape.clone(),
            top_rank: names().map(|(_, rank)| *rank).max().unwrap_or(0),
            height: first + row * layers as f64 + 2.0,
            band: Rect { x: LABEL, y: WRITING, w: width - LABEL, h: BAND },
            cell,
            row,
            first,
            strip: (strip, wide),
            bars: (strip + wide + GAP, BAR),
            sites,
        }
    }

    /// How many layers there are.
    #[must_use]
    pub fn layers(&self) -> usize {
        self.shape.heads.len().max(self.shape.neurons.len())
    }

    /// Where a unit is.
    #[must_use]
    pub fn place(&self, unit: Unit) -> Rect {
        let top = |layer: usize| self.first + self.row * layer as f64;
        let high = self.row - 4.0;
        match unit {
            Unit::Hidden(dim) => {
                let w = self.band.w / self.shape.hidden.max(1) as f64;
                Rect { x: self.band.x + w * dim as f64, w, ..self.band }
            }
            Unit::Head(layer, head) => {
                Rect { x: LABEL + self.cell * head as f64, y: top(layer), w: (self.cell - 2.0).max(1.0), h: high }
            }
            Unit::Neurons(layer) => Rect { x: self.strip.0, y: top(layer), w: self.strip.1, h: high },
            Unit::Neuron(layer, neuron) => {
                let w = self.strip.1 / self.shape.neurons.get(layer).copied().unwrap_or(0).max(1) as f64;
                Rect { x: self.strip.0 + w * neuron as f64, y: top(layer), w, h: high }
            }
            Unit::Rank(layer, site) => {
                Rect { x: self.bars.0 + self.bars.1 * site as f64, y: top(layer), w: self.bars.1 - 2.0, h: high }
            }
        }
    }

    /// What is at a point.
    #[must_use]
    pub fn at(&self, x: f64, y: f64) -> Option<Unit> {
        if self.band.contains(x, y) {
            let dim = (x - self.band.x) / self.band.w * self.shape.hidden as f64;
            return Some(Unit::Hidden((dim as usize).min(self.shape.hidden.checked_sub(1)?)));
        }
        let layer = ((y - self.first) / self.row).floor();
        let layer = if layer < 0.0 || layer >= self.layers() as f64 { return None } else { layer as usize };
        let row = self.row_of(layer);
        // Gaps belong to their left neighbour.
        let unit = row.into_iter().rev().find(|unit| x >= self.place(*unit).x)?;
        let of = self.shape.neurons.get(layer).copied().unwrap_or(0);
        match unit {
            Unit::Neurons(layer) if of > 0 => {
                let neuron = (x - self.strip.0) / self.strip.1 * of as f64;
                Some(Unit::Neuron(layer, (neuron as usize).min(of - 1)))
            }
            unit => Some(unit),
        }
    }

    /// The unit that an arrow key leads to, `right` and `down` of this one.
    #[must_use]
    pub fn beside(&self, unit: Unit, right: isize, down: isize) -> Unit {
        let row = match unit {
            Unit::Hidden(_) => 0,
            Unit::Head(layer, _) | Unit::Neurons(layer) | Unit::Neuron(layer, _) | Unit::Rank(layer, _) => layer + 1,
        };
        // Keys go over a layer's neurons as one.
        let as_one = |unit| if let Unit::Neuron(layer, _) = unit { Unit::Neurons(layer) } else { unit };
        let unit = as_one(unit);
        if down != 0 {
            let row = row.saturating_add_signed(down).min(self.layers());
            let place = self.place(unit);
            let middle = (place.x + 0.5 * place.w).max(LABEL + 1.0);
            let y = if row == 0 { self.band.y + 1.0 } else { self.first + self.row * (row - 1) as f64 + 1.0 };
            return self.at(middle, y).map_or(unit, as_one);
        }
        if let Unit::Hidden(dim) = unit {
            return Unit::Hidden(dim.saturating_add_signed(right).min(self.shape.hidden.saturating_sub(1)));
        }
        let units = self.row_of(row - 1);
        let here = units.iter().position(|other| *other == unit).unwrap_or(0);
        let there = here.saturating_add_signed(right).min(units.len().saturating_sub(1));
        units.get(there).copied().unwrap_or(unit)
    }

    /// The units of a layer from left to right.
    #[must_use]
    pub fn row_of(&self, layer: usize) -> Vec<Unit> {
        let heads = 0..self.shape.heads.get(layer).copied().unwrap_or(0);
        let ranks = 0..self.sites.len();
        heads
            .map(|head| Unit::Head(layer, head))
            .chain([Unit::Neurons(layer)])
            .chain(ranks.map(|site| Unit::Rank(layer, site)))
            .collect()
    }

    /// The rank of an adapter; `None` if the layer has none there.
    #[must_use]
    pub fn rank(&self, frame: &Frame, layer: usize, site: usize) -> Option<usize> {
        let site = self.sites.get(site)?;
        let found = frame.ranks.iter().find(|(name, _)| site_of(name) == *site && layer_of(name) == Some(layer));
        found.map(|(_, rank)| *rank)
    }

    /// A unit described: what it is, whether it is kept and why, how it was scored.
    #[must_use]
    pub fn describe(&self, unit: Unit, frame: &Frame) -> String {
        let fate = |kept: bool| {
            let why = frame.reason(unit).map_or_else(String::new, |reason| format!(" ({})", reason.words()));
            format!("{}{why}{}", if kept { "kept" } else { "removed" }, frame.standing(unit))
        };
        match unit {
            Unit::Hidden(dim) => {
                let (left, of) = (frame.hidden.len(), self.shape.hidden);
                let is = fate(frame.hidden.binary_search(&dim).is_ok());
                format!("hidden dim {dim}: {is}; {left} of {of} kept")
            }
            Unit::Head(layer, head) => {
                let is = frame.heads.get(layer).is_some_and(|heads| heads.contains(&head));
                format!("layer {layer}, head {head}: {}", fate(is))
            }
            Unit::Neurons(layer) => {
                let scores = frame.scores.as_ref().and_then(|scores| scores.layers.get(layer));
                let mean = scores.and_then(|scores| crate::series::mean(scores.neurons.iter().copied()));
                let mean = mean.map_or_else(String::new, |mean| format!(", mean salience {}", plain(mean)));
                format!("layer {layer}: {}{mean}", self.neurons_left(frame, layer))
            }
            Unit::Neuron(layer, neuron) => match frame.kept_neurons.get(layer) {
                Some(kept) => {
                    let is = fate(kept.contains(neuron));
                    format!("layer {layer}, neuron {neuron}: {is}; {}", self.neurons_left(frame, layer))
                }
                None => self.describe(Unit::Neurons(layer), frame),
            },
            Unit::Rank(layer, site) => {
                let name = self.sites.get(site).copied().unwrap_or_default();
                match self.rank(frame, layer, site) {
                    Some(rank) => format!("layer {layer}, {name} adapter: rank {rank}"),
                    None => format!("layer {layer}: no {name} adapter"),
                }
            }
        }
    }

    fn neurons_left(&self, frame: &Frame, layer: usize) -> String {
        let left = frame.neurons.get(layer).copied().unwrap_or(0);
        format!("{left} of {} neurons kept", self.shape.neurons.get(layer).copied().unwrap_or(0))
    }
}

/// Why a unit is there or not although its rank says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Every layer keeps so many heads.
    Floor,
    /// There was room, for widths are rounded.
    Filled,
    /// A width was rounded.
    Rounded,
}

impl Reason {
    /// In files.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Filled => "filled",
            Self::Rounded => "rounded",
        }
    }

    /// For people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Floor => "by the head floor",
            Self::Filled => "in the room that rounding left",
            Self::Rounded => "to round the width",
        }
    }
}

impl Frame {
    /// The score of a head at this pruning point, if it was still there.
    #[must_use]
    pub fn head_score(&self, layer: usize, head: usize) -> Option<f64> {
        self.score(Unit::Head(layer, head)).map(|(score, _)| score)
    }

    /// Why a unit does not follow its rank; `None` where it does, or the run does not say.
    #[must_use]
    pub fn reason(&self, unit: Unit) -> Option<Reason> {
        let exceptions = self.exceptions.as_ref()?;
        let is_in = |sets: &UnitSets| match unit {
            Unit::Head(layer, head) => sets.heads.get(layer).is_some_and(|set| set.contains(head)),
            Unit::Neuron(layer, neuron) => sets.neurons.get(layer).is_some_and(|set| set.contains(neuron)),
            Unit::Hidden(dim) => sets.hidden.contains(dim),
            Unit::Neurons(_) | Unit::Rank(..) => false,
        };
        if let Unit::Head(layer, head) = unit
            && exceptions.by_floor.get(layer).is_some_and(|set| set.contains(head))
        {
            return Some(Reason::Floor);
        }
        match (is_in(&exceptions.filled), is_in(&exceptions.rounded)) {
            (true, _) => Some(Reason::Filled),
            (_, true) => Some(Reason::Rounded),
            _ => None,
        }
    }

    /// The score of a unit at this pruning point beside those of its kind, if it was still there.
    fn score(&self, unit: Unit) -> Option<(f64, Vec<f64>)> {
        let scores = self.scores.as_ref()?;
        let layers = || scores.layers.iter();
        match unit {
            Unit::Head(layer, head) => {
                let place = scores.of_heads.get(layer)?.iter().position(|of| *of == head)?;
                let own = *scores.layers.get(layer)?.heads.get(place)?;
                Some((own, layers().flat_map(|layer| &layer.heads).copied().collect()))
            }
            Unit::Neuron(layer, neuron) => {
                let place = scores.of_neurons.get(layer)?.list().binary_search(&neuron).ok()?;
                let own = *scores.layers.get(layer)?.neurons.get(place)?;
                Some((own, layers().flat_map(|layer| &layer.neurons).copied().collect()))
            }
            Unit::Hidden(dim) => {
                let place = scores.of_hidden.binary_search(&dim).ok()?;
                Some((*scores.hidden.get(place)?, scores.hidden.clone()))
            }
            Unit::Neurons(_) | Unit::Rank(..) => None,
        }
    }

    /// `, salience 0.50, rank 4 of 4`: among the units of the kind that were there.
    fn standing(&self, unit: Unit) -> String {
        let Some((score, all)) = self.score(unit) else { return String::new() };
        let above = all.iter().filter(|other| **other > score).count();
        format!(", salience {}, rank {} of {}", plain(score), above + 1, all.len())
    }
}

/// How high the score of each block is among the blocks of its kind, from 0 to 1: what colours show. Scores have long
/// tails, and a scale of values would paint nearly all blocks alike.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Percentiles {
    /// By layer and head of the dense model.
    pub heads: Vec<Vec<Option<f64>>>,
    /// By layer and neuron of the dense model; in a run of a version that did not say which were scored, the first.
    pub neurons: Vec<Vec<Option<f64>>>,
    /// By hidden dim of the dense model.
    pub hidden: Vec<Option<f64>>,
}

impl Percentiles {
    /// Of the scores of this frame; `None` if there are none.
    #[must_use]
    pub fn of(frame: &Frame, shape: &ModelShape) -> Option<Self> {
        let scores = frame.scores.as_ref()?;
        let order = |values: Vec<f64>| {
            let mut values = values;
            values.sort_by(f64::total_cmp);
            move |value: f64| values.partition_point(|other| *other < value) as f64 / values.len().max(1) as f64
        };
        let head = order(scores.layers.iter().flat_map(|layer| &layer.heads).copied().collect());
        let neuron = order(scores.layers.iter().flat_map(|layer| &layer.neurons).copied().collect());
        let dim = order(scores.hidden.clone());
        let heads = shape
            .heads
            .iter()
            .enumerate()
            .map(|(layer, heads)| (0..*heads).map(|number| frame.head_score(layer, number).map(&head)).collect());
        let neurons = scores.layers.iter().enumerate().map(|(layer, of_layer)| {
            let of: Option<&[usize]> = scores.of_neurons.get(layer).map(UnitSet::list);
            let mut percentiles = vec![None; shape.neurons.get(layer).copied().unwrap_or(0)];
            for (place, score) in of_layer.neurons.iter().enumerate() {
                let unit = of.map_or(Some(place), |of| of.get(place).copied());
                if let Some(percentile) = unit.and_then(|unit| percentiles.get_mut(unit)) {
                    *percentile = Some(neuron(*score));
                }
            }
            percentiles
        });
        let mut hidden = vec![None; shape.hidden];
        for (of, score) in scores.of_hidden.iter().zip(&scores.hidden) {
            if let Some(place) = hidden.get_mut(*of) {
                *place = Some(dim(*score));
            }
        }
        Some(Self { heads: heads.collect(), neurons: neurons.collect(), hidden })
    }
}

/// A stretch of neighbouring neurons.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Column {
    /// The share of them that is kept.
    pub kept: f64,
    /// The mean percentile of those that were scored.
    pub percentile: Option<f64>,
}

impl Frame {
    /// The neurons of a layer that has `dense` of them, in at most `columns` stretches from left to right. In a run of a
    /// version that did not say which are kept, the first.
    #[must_use]
    pub fn columns(&self, layer: usize, dense: usize, columns: usize, scored: Option<&Percentiles>) -> Vec<Column> {
        let columns = columns.clamp(1, dense.max(1));
        let first: UnitSet;
        let kept = match self.kept_neurons.get(layer) {
            Some(kept) => kept,
            None => {
                first = (0..self.neurons.get(layer).copied().unwrap_or(0)).collect::<Vec<_>>().into();
                &first
            }
        };
        let percentiles = scored.and_then(|scored| scored.neurons.get(layer));
        let mut start = 0;
        let column = |(left, of): (usize, usize)| {
            let scored = percentiles.and_then(|all| all.get(start..start + of)).unwrap_or_default();
            start += of;
            let percentile = crate::series::mean(scored.iter().copied().flatten());
            Column { kept: left as f64 / of.max(1) as f64, percentile }
        };
        kept_in_parts(kept.list(), dense, columns).into_iter().map(column).collect()
    }
}

fn site_of(adapter: &str) -> &str {
    adapter.rsplit('.').next().unwrap_or_default()
}

fn layer_of(adapter: &str) -> Option<usize> {
    adapter.split('.').find_map(|part| part.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::History;
    use apt_experiment::Knobs;

    fn picture() -> (Layout, Frame) {
        let history = History::of(&crate::history::tests::run(Knobs::default(), 10, true));
        let shape = history.record().expect("started").shape.clone();
        (Layout::new(&shape, &history.frames, 400.0), history.frames[1].clone())
    }

    #[test]
    fn every_unit_is_found_where_it_stands() {
        let (layout, _) = picture();
        let mut units: Vec<Unit> = (0..4).map(Unit::Hidden).collect();
        units.extend((0..2).flat_map(|layer| layout.row_of(layer)));
        units.retain(|unit| !matches!(unit, Unit::Neurons(_)));
        units.extend((0..8).map(|neuron| Unit::Neuron(neuron / 4, neuron % 4)));
        for unit in units {
            let place = layout.place(unit);
            assert_eq!(layout.at(place.x + 0.5 * place.w, place.y + 0.5 * place.h), Some(unit), "{place:?}");
            assert!(place.x + place.w <= 400.0 && place.y + place.h <= layout.height, "{unit:?} is outside");
        }
        assert_eq!(layout.at(200.0, layout.height + 50.0), None);
    }

    #[test]
    fn arrows_reach_every_layer_and_never_leave() {
        let (layout, _) = picture();
        assert_eq!(layout.beside(Unit::Head(0, 0), 1, 0), Unit::Head(0, 1));
        assert_eq!(layout.beside(Unit::Head(0, 1), 1, 0), Unit::Neurons(0));
        assert_eq!(layout.beside(Unit::Head(0, 0), 0, 1), Unit::Head(1, 0));
        assert_eq!(layout.beside(Unit::Neurons(1), 0, 1), Unit::Neurons(1));
        assert!(matches!(layout.beside(Unit::Head(0, 0), 0, -1), Unit::Hidden(_)));
        assert_eq!(layout.beside(Unit::Hidden(3), 1, 0), Unit::Hidden(3));
    }

    #[test]
    fn words_say_whether_a_unit_is_kept_and_how_it_was_scored() {
        let (layout, frame) = picture();
        assert_eq!(layout.describe(Unit::Head(0, 0), &frame), "layer 0, head 0: removed, salience 0.50, rank 4 of 4");
        let floor = "layer 0, head 1: kept (by the head floor), salience 2.00, rank 2 of 4";
        assert_eq!(layout.describe(Unit::Head(0, 1), &frame), floor);
        let neuron = "layer 1, neuron 0: removed, salience 1.00, rank 7 of 8; 3 of 4 neurons kept";
        assert_eq!(layout.describe(Unit::Neuron(1, 0), &frame), neuron);
        assert_eq!(layout.describe(Unit::Neurons(1), &frame), "layer 1: 3 of 4 neurons kept, mean salience 2.50");
        assert_eq!(layout.describe(Unit::Rank(0, 0), &frame), "layer 0, query adapter: rank 4");
        assert!(
            layout
                .describe(Unit::Hidden(0), &frame)
                .starts_with("hidden dim 0: removed, salience 1.00, rank 4 of 4; 3 of 4")
        );
    }

    #[test]
    fn neurons_stand_at_their_own_places() {
        let (layout, frame) = picture();
        let percentiles = Percentiles::of(&frame, &layout.shape);
        let kept =
            |columns| frame.columns(0, 4, columns, percentiles.as_ref()).iter().map(|of| of.kept).collect::<Vec<_>>();
        assert_eq!((kept(40), kept(2)), (vec![0.0, 1.0, 0.0, 1.0], vec![0.5, 0.5]));
        assert_eq!(frame.columns(0, 4, 2, percentiles.as_ref())[1].percentile, Some(0.375));
        assert_eq!(frame.columns(0, 4, 4, None)[0], Column { kept: 0.0, percentile: None });
        let unnamed = Frame { kept_neurons: Vec::new(), ..frame };
        assert_eq!(unnamed.columns(0, 4, 2, None).iter().map(|of| of.kept).collect::<Vec<_>>(), [1.0, 0.0]);
    }

    #[test]
    fn percentiles_order_blocks_of_a_kind() {
        let (layout, frame) = picture();
        let percentiles = Percentiles::of(&frame, &layout.shape).expect("scores");
        // Heads score 0.5, 2, 1, 3.
        assert_eq!(percentiles.heads, [[Some(0.0), Some(0.5)], [Some(0.25), Some(0.75)]]);
        assert_eq!(percentiles.neurons[0], [Some(0.0), Some(0.75), Some(0.25), Some(0.5)]);
    }
}
