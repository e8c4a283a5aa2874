//! A small picture of what is left of a model: a row per layer with its heads as cells, its neurons in columns of
//! neighbours, filled as far as they are kept, and the ranks of its adapters as columns; hidden dims, which all layers
//! share, are one band above.

use std::fmt::Write;

use apt_experiment::Site;
use maud::{Markup, html};

use crate::layers::kept_in_parts;
use crate::structure::Structure;

/// More heads than this are drawn as a bar.
const HEADS_SHOWN: usize = 16;

const WIDTH: usize = 300;
const LEFT: usize = 22;
const HEADS: usize = 96;
const NEURONS: usize = 90;
/// Of neurons, in a layer that has as many.
const COLUMNS: usize = 64;
const GAP: usize = 8;
const ROW: usize = 16;
const TOP: usize = 34;

/// The SVG element; colours come from the classes `kept`, `gone`, `rank` and `note`.
#[must_use]
pub fn picture(structure: &Structure) -> Markup {
    let (shape, point) = (&structure.shape, &structure.point);
    let layers = shape.heads.len().max(shape.neurons.len());
    let has_rank = |site: &&str| (0..layers).any(|layer| rank(structure, layer, site).is_some());
    let sites: Vec<&str> = Site::ALL.iter().map(|site| site.name()).filter(has_rank).collect();
    let top_rank = point.ranks.values().copied().max().unwrap_or(1).max(1);
    let neurons_at = LEFT + HEADS + GAP;
    let ranks_at = neurons_at + NEURONS + GAP;
    let height = TOP + ROW * layers + 4;
    let (mut kept, mut gone, mut ranks) = (String::new(), String::new(), String::new());
    band(&mut kept, &mut gone, shape.hidden, &point.kept_hidden);
    for layer in 0..layers {
        let y = (TOP + ROW * layer) as f64;
        heads(&mut kept, &mut gone, y, at(&shape.heads, layer), at(&point.heads, layer), point.kept_heads.get(layer));
        let (left, dense) = (at(&point.neurons, layer), at(&shape.neurons, layer));
        match point.kept_neurons.get(layer) {
            Some(which) => neurons(&mut kept, &mut gone, (neurons_at as f64, y), dense, which.list()),
            None => share(&mut kept, &mut gone, neurons_at as f64, y, NEURONS as f64, left, dense),
        }
        for (place, site) in sites.iter().enumerate() {
            let high = rank(structure, layer, site).unwrap_or(0) as f64 / top_rank as f64 * (ROW - 3) as f64;
            cell(&mut ranks, (ranks_at + 10 * place) as f64, y + (ROW - 3) as f64 - high, 8.0, high);
        }
    }
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {height}")) width=(WIDTH) height=(height) role="img" aria-label=(words(structure)) {
            path class="gone" d=(gone) {}
            path class="kept" d=(kept) {}
            path class="rank" d=(ranks) {}
            text class="note" x=(LEFT) y="9" { "hidden dims " (point.hidden) "/" (shape.hidden) }
            text class="note" x=(LEFT) y=(TOP - 4) { "heads" }
            text class="note" x=(neurons_at) y=(TOP - 4) { "neurons" }
            @if !sites.is_empty() { text class="note" x=(ranks_at) y=(TOP - 4) { "ranks ≤ " (top_rank) } }
            @for layer in 0..layers {
                text class="note" x="2" y=(TOP + ROW * layer + 10) { (layer) }
            }
        }
    }
}

/// The same in words.
#[must_use]
pub(crate) fn words(structure: &Structure) -> String {
    let (shape, point) = (&structure.shape, &structure.point);
    let mut words = format!("Density {:.3}, {} of {} hidden dims.", point.density, point.hidden, shape.hidden);
    for layer in 0..shape.heads.len().max(shape.neurons.len()) {
        let _ = write!(
            words,
            " Layer {layer}: {} of {} heads, {} of {} neurons",
            at(&point.heads, layer),
            at(&shape.heads, layer),
            at(&point.neurons, layer),
            at(&shape.neurons, layer)
        );
        let ranks = Site::ALL.iter().map(|site| site.name());
        let ranks = ranks.filter_map(|site| Some(format!("{site} {}", rank(structure, layer, site)?)));
        let ranks: Vec<String> = ranks.collect();
        words.push_str(&if ranks.is_empty() { ".".to_owned() } else { format!(", ranks {}.", ranks.join(", ")) });
    }
    words
}

fn at(counts: &[usize], layer: usize) -> usize {
    counts.get(layer).copied().unwrap_or(0)
}

/// Of a layer's adapter, read from names such as `layers.3.attention.query`.
fn rank(structure: &Structure, layer: usize, site: &str) -> Option<usize> {
    let ranks = &structure.point.ranks;
    let of = |name: &str| {
        name.rsplit('.').next() == Some(site)
            && name.split('.').find_map(|part| part.parse::<usize>().ok()) == Some(layer)
    };
    ranks.iter().find(|(name, _)| of(name)).map(|(_, rank)| *rank)
}

fn cell(path: &mut String, x: f64, y: f64, w: f64, h: f64) {
    if w > 0.0 && h > 0.0 {
        let n = |number: f64| (100.0 * number).round() / 100.0;
        let _ = write!(path, "M{} {}h{}v{}h-{}z", n(x), n(y), n(w), n(h), n(w));
    }
}

/// Dims that stand together are one rectangle.
fn band(kept: &mut String, gone: &mut String, hidden: usize, which: &[usize]) {
    let wide = (WIDTH - LEFT - 4) as f64 / hidden.max(1) as f64;
    let mut start = 0;
    while start < hidden {
        let is_kept = which.binary_search(&start).is_ok();
        let end = (start..hidden).find(|dim| which.binary_search(dim).is_ok() != is_kept).unwrap_or(hidden);
        let path = if is_kept { &mut *kept } else { &mut *gone };
        cell(path, LEFT as f64 + wide * start as f64, 12.0, wide * (end - start) as f64, 7.0);
        start = end;
    }
}

fn heads(kept: &mut String, gone: &mut String, y: f64, dense: usize, left: usize, which: Option<&Vec<usize>>) {
    let Some(which) = which.filter(|_| (1..=HEADS_SHOWN).contains(&dense)) else {
        return share(kept, gone, LEFT as f64, y, HEADS as f64, left, dense);
    };
    let wide = HEADS as f64 / dense as f64;
    for head in 0..dense {
        let path = if which.contains(&head) { &mut *kept } else { &mut *gone };
        cell(path, LEFT as f64 + wide * head as f64, y, wide - 1.5, (ROW - 3) as f64);
    }
}

/// Columns of neighbours, each filled from below as far as they are kept.
fn neurons(kept: &mut String, gone: &mut String, (x, y): (f64, f64), dense: usize, which: &[usize]) {
    let columns = COLUMNS.min(dense).max(1);
    let (wide, high) = (NEURONS as f64 / columns as f64, (ROW - 3) as f64);
    for (column, (left, of)) in kept_in_parts(which, dense, columns).into_iter().enumerate() {
        let filled = high * left as f64 / of.max(1) as f64;
        let x = x + wide * column as f64;
        cell(gone, x, y, wide, high - filled);
        cell(kept, x, y + high - filled, wide, filled);
    }
}

fn share(kept: &mut String, gone: &mut String, x: f64, y: f64, wide: f64, left: usize, dense: usize) {
    let share = if dense == 0 { 0.0 } else { (left as f64 / dense as f64).min(1.0) };
    cell(kept, x, y, wide * share, (ROW - 3) as f64);
    cell(gone, x + wide * share, y, wide * (1.0 - share), (ROW - 3) as f64);
}
