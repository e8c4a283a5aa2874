//! A picture of what is left of each layer: heads one by one, neurons and hidden dims in stretches of neighbours, ranks in
//! columns.
//! It fits 100 columns for 12 layers × 12 heads × 3072 neurons with all seven adapters.

use std::collections::BTreeMap;
use std::fmt::Write;

use apt_experiment::{ModelShape, PruningPoint, Record, Site, UnitSet};

/// More heads than this are drawn as a bar.
const HEADS_SHOWN: usize = 32;
/// A cell filled by its share, from an eighth to the whole.
const EIGHTHS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Cells of a bar.
const BAR: usize = 16;

/// Draws what `point` left of a model of this dense `shape`.
#[must_use]
pub fn layer_picture(shape: &ModelShape, point: &PruningPoint) -> String {
    let ranks = Ranks::of(point);
    let heads_wide = shape.heads.iter().map(|heads| head_cells(*heads)).max().unwrap_or(0).max(5);
    let counts = |layer| (fraction(&point.heads, &shape.heads, layer), fraction(&point.neurons, &shape.neurons, layer));
    let layers = shape.heads.len().max(shape.neurons.len());
    let count_wide = |pick: fn((String, String)) -> String| {
        (0..layers).map(|layer| pick(counts(layer)).chars().count()).max().unwrap_or(0)
    };
    let (heads_count, neurons_count) = (count_wide(|both| both.0), count_wide(|both| both.1));

    let mut picture = format!(
        "layer  {:heads_wide$}  {:heads_count$}  {:neurons_wide$}",
        "heads",
        "",
        "neurons",
        neurons_wide = BAR + 2 + neurons_count,
    );
    for (site, wide) in &ranks.columns {
        let _ = write!(picture, "  {site:>wide$}");
    }
    picture.truncate(picture.trim_end().len());
    picture.push('\n');
    for layer in 0..layers {
        let (heads, neurons) = counts(layer);
        let line = format!(
            "{layer:>5}  {:heads_wide$}  {heads:>heads_count$}  {}  {neurons:>neurons_count$}{}",
            head_picture(shape, point, layer),
            neuron_picture(shape, point, layer),
            ranks.line(layer),
        );
        picture.push_str(line.trim_end());
        picture.push('\n');
    }
    let is_named = point.kept_hidden.len() == point.hidden;
    let dims = stretches(is_named.then_some(point.kept_hidden.as_slice()), point.hidden, shape.hidden);
    let _ = writeln!(picture, "hidden dims  {dims}  {}/{}", point.hidden, shape.hidden);
    if !point.kept_neurons.is_empty() {
        let _ = writeln!(
            picture,
            "             in order, of each sixteenth: █ all kept, ▄ half, ▁ an eighth or fewer, · none"
        );
    }
    if !ranks.others.is_empty() {
        let _ = writeln!(picture, "other adapters  {}", ranks.others.join(", "));
    }
    let _ = writeln!(
        picture,
        "density {:.4} (target {:.4}) after step {}{}",
        point.density,
        point.target_density,
        point.step,
        if point.removed { "" } else { ", masked and not yet removed" }
    );
    picture
}

/// [`layer_picture`] of the record's last pruning point; a run without any shows the whole model.
#[must_use]
pub fn record_picture(record: &Record) -> String {
    if let Some(point) = record.last_point() {
        return layer_picture(&record.shape, point);
    }
    let whole = PruningPoint {
        step: record.measures.train.steps.unwrap_or(0),
        target_density: 1.0,
        density: 1.0,
        heads: record.shape.heads.clone(),
        neurons: record.shape.neurons.clone(),
        hidden: record.shape.hidden,
        removed: true,
        ..PruningPoint::default()
    };
    layer_picture(&record.shape, &whole)
}

/// The same as a Markdown table, in numbers.
#[must_use]
pub fn layer_markdown(shape: &ModelShape, point: &PruningPoint) -> String {
    let ranks = Ranks::of(point);
    let mut text = String::from("| layer | heads | neurons |");
    for (site, _) in &ranks.columns {
        let _ = write!(text, " rank {site} |");
    }
    let _ = writeln!(text, "\n|{}", "--:|".repeat(3 + ranks.columns.len()));
    for layer in 0..shape.heads.len().max(shape.neurons.len()) {
        let heads = fraction(&point.heads, &shape.heads, layer);
        let _ = write!(text, "| {layer} | {heads} | {} |", fraction(&point.neurons, &shape.neurons, layer));
        for (site, _) in &ranks.columns {
            let rank = ranks.rank(layer, site).map_or_else(|| "–".to_owned(), |rank| rank.to_string());
            let _ = write!(text, " {rank} |");
        }
        text.push('\n');
    }
    let _ = writeln!(text, "\nHidden dims {} of {}, density {:.4}.", point.hidden, shape.hidden, point.density);
    text
}

fn at(counts: &[usize], layer: usize) -> usize {
    counts.get(layer).copied().unwrap_or(0)
}

fn fraction(kept: &[usize], dense: &[usize], layer: usize) -> String {
    format!("{}/{}", at(kept, layer), at(dense, layer))
}

fn head_cells(heads: usize) -> usize {
    if heads <= HEADS_SHOWN { heads } else { BAR }
}

fn head_picture(shape: &ModelShape, point: &PruningPoint, layer: usize) -> String {
    let (dense, kept) = (at(&shape.heads, layer), at(&point.heads, layer));
    match point.kept_heads.get(layer) {
        Some(which) if dense <= HEADS_SHOWN => {
            (0..dense).map(|head| if which.contains(&head) { '■' } else { '□' }).collect()
        }
        // Where the record does not name the heads kept, only their number can be drawn.
        _ if dense <= HEADS_SHOWN => (0..dense).map(|head| if head < kept { '■' } else { '□' }).collect(),
        _ => bar(kept, dense),
    }
}

fn neuron_picture(shape: &ModelShape, point: &PruningPoint, layer: usize) -> String {
    let which = point.kept_neurons.get(layer).map(UnitSet::list);
    stretches(which, at(&point.neurons, layer), at(&shape.neurons, layer))
}

/// [`BAR`] cells, each for a stretch of neighbouring units; where the record does not name those kept, a bar as long as
/// their share.
fn stretches(which: Option<&[usize]>, kept: usize, dense: usize) -> String {
    let Some(which) = which.filter(|_| dense >= BAR) else { return bar(kept, dense) };
    let cell = |(kept, of): (usize, usize)| {
        let eighths = 8.0 * kept.min(of) as f64 / of.max(1) as f64;
        if kept == 0 { '·' } else { EIGHTHS[(eighths.round() as usize).clamp(1, 8) - 1] }
    };
    kept_in_parts(which, dense, BAR).into_iter().map(cell).collect()
}

/// `dense` units in their order in `parts` stretches of neighbours: of each, how many are kept, and of how many. `kept` is
/// ascending.
#[must_use]
pub fn kept_in_parts(kept: &[usize], dense: usize, parts: usize) -> Vec<(usize, usize)> {
    // A record may claim any width.
    let edge = |part: usize| (part as u128 * dense as u128 / parts.max(1) as u128) as usize;
    let below = |edge: usize| kept.partition_point(|unit| *unit < edge);
    let part = |part: usize| (below(edge(part + 1)) - below(edge(part)), edge(part + 1) - edge(part));
    (0..parts).map(part).collect()
}

/// A bar of [`BAR`] cells; anything kept shows, anything lost shows.
fn bar(kept: usize, dense: usize) -> String {
    let share = if dense == 0 { 0.0 } else { (kept as f64 / dense as f64).clamp(0.0, 1.0) };
    let mut full = (share * BAR as f64).round() as usize;
    if kept > 0 {
        full = full.max(1);
    }
    if kept < dense {
        full = full.min(BAR - 1);
    }
    "█".repeat(full) + &"░".repeat(BAR - full)
}

/// Ranks by layer and site, read from adapter names such as `layers.3.attention.query`.
struct Ranks<'a> {
    cells: BTreeMap<(usize, &'a str), usize>,
    columns: Vec<(&'a str, usize)>,
    others: Vec<String>,
}

impl<'a> Ranks<'a> {
    fn of(point: &'a PruningPoint) -> Self {
        let mut cells = BTreeMap::new();
        let mut others = Vec::new();
        for (name, rank) in &point.ranks {
            let layer = name.split('.').find_map(|part| part.parse::<usize>().ok());
            match (layer, name.rsplit('.').next()) {
                (Some(layer), Some(site)) if Site::ALL.iter().any(|of| of.name() == site) => {
                    cells.insert((layer, site), *rank);
                }
                _ => others.push(format!("{name} {rank}")),
            }
        }
        let columns = Site::ALL
            .iter()
            .map(|site| site.name())
            .filter_map(|site| {
                let ranks = cells.iter().filter(|((_, at), _)| *at == site);
                ranks.map(|(_, rank)| rank.to_string().len().max(site.len())).max().map(|wide| (site, wide))
            })
            .collect();
        Self { cells, columns, others }
    }

    fn rank(&self, layer: usize, site: &str) -> Option<usize> {
        self.cells.get(&(layer, site)).copied()
    }

    fn line(&self, layer: usize) -> String {
        let cell = |(site, wide): &(&str, usize)| {
            let rank = self.rank(layer, site).map_or_else(|| "·".to_owned(), |rank| rank.to_string());
            format!("  {rank:>wide$}")
        };
        self.columns.iter().map(cell).collect()
    }
}
