//! What a chart shows.

use crate::figures::plain;
use crate::series::Point;

/// A chart.
#[derive(Clone, Debug, Default)]
pub struct Plot {
    /// What it shows.
    pub title: String,
    /// What the horizontal axis counts.
    pub across: String,
    /// What the vertical axis shows; named beside it, as is the horizontal one, unless it is empty.
    pub up: String,
    /// Its curves.
    pub curves: Vec<Curve>,
    /// Intervals behind them.
    pub bands: Vec<Band>,
    /// Single points with their names.
    pub markers: Vec<Marker>,
    /// A line through the best of the markers, from left to right.
    pub front: Vec<Point>,
    /// Where a vertical line crosses the horizontal axis: pruning points.
    pub vertical_lines: Vec<f64>,
    /// Where a horizontal line crosses the vertical axis: no difference.
    pub level: Option<f64>,
    /// Where the horizontal axis ends at least; it then begins at `from`.
    pub until: Option<f64>,
    /// Where it begins, if it ends somewhere at least.
    pub from: f64,
    /// Whether the vertical axis begins at 0.
    pub from_zero: bool,
    /// How numbers of the vertical axis are written.
    pub show: Option<fn(f64) -> String>,
}

/// A curve.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// What the legend calls it.
    pub name: String,
    /// Its place in [`Theme::palette`](super::theme::Theme::palette).
    pub colour: usize,
    /// How it is drawn.
    pub style: Style,
    /// Whether it is what the others are compared with, drawn behind them: dashed lines, hollow points.
    pub ghost: bool,
    /// Its points, from left to right.
    pub points: Vec<Point>,
}

/// How a curve is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// A line.
    #[default]
    Line,
    /// A faint line behind the mean of its values; the legend leaves it out.
    Faint,
    /// A line through means of another curve; the words leave it out.
    Mean,
    /// A line with its points.
    Dotted,
    /// Many points.
    Points,
    /// A few points, drawn larger.
    LargePoints,
    /// A value that holds until the next.
    Steps,
}

/// An interval around a curve, drawn as an area.
#[derive(Clone, Debug, PartialEq)]
pub struct Band {
    /// Its curve's place in [`Theme::palette`](super::theme::Theme::palette).
    pub colour: usize,
    /// Across, lower end, upper end; from left to right.
    pub points: Vec<(f64, f64, f64)>,
}

/// A point with its name and, if they are known, its intervals.
#[derive(Clone, Debug, PartialEq)]
pub struct Marker {
    /// What stands beside it.
    pub name: String,
    /// Its place in [`Theme::palette`](super::theme::Theme::palette).
    pub colour: usize,
    /// Where it is.
    pub at: Point,
    /// Its interval across.
    pub across: Option<(f64, f64)>,
    /// Its interval upwards.
    pub up: Option<(f64, f64)>,
}

impl Plot {
    /// Whether there is nothing to draw.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.markers.is_empty() && self.curves.iter().all(|curve| curve.points.is_empty())
    }

    /// The same between two places of the horizontal axis, with what curves have there alone.
    #[must_use]
    pub fn between(mut self, (from, until): (f64, f64)) -> Self {
        for curve in &mut self.curves {
            // A value that holds until the next holds at the left end, too.
            let held = curve.points.iter().rfind(|point| point.0 < from).filter(|_| curve.style == Style::Steps);
            let held = held.map(|point| (from, point.1));
            curve.points.retain(|point| (from..=until).contains(&point.0));
            if let Some(held) = held.filter(|_| curve.points.first().is_none_or(|first| first.0 > from)) {
                curve.points.insert(0, held);
            }
        }
        self.curves.retain(|curve| !curve.points.is_empty());
        self.vertical_lines.retain(|at| (from..=until).contains(at));
        Self { from, until: Some(until), ..self }
    }

    /// The place on its horizontal axis, where that has ends, that is nearest to this one.
    #[must_use]
    pub fn clamp(&self, across: f64) -> f64 {
        self.until.map_or(across, |until| across.min(until).max(self.from))
    }

    /// Every curve with its first, last, least and greatest value, every marker with its place.
    #[must_use]
    pub fn summary(&self) -> String {
        if self.is_empty() {
            return format!("{}: nothing yet", self.title);
        }
        let show = self.show.unwrap_or(plain);
        let curves = self.curves.iter().filter(|curve| curve.style != Style::Mean).filter_map(|curve| {
            let (first, last) = (curve.points.first()?, curve.points.last()?);
            let least = curve.points.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
            let most = curve.points.iter().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
            Some(format!(
                "{}: first {} at {} {}, last {} at {} {}, least {}, greatest {}",
                curve.name,
                show(first.1),
                self.across,
                first.0,
                show(last.1),
                self.across,
                last.0,
                show(least),
                show(most)
            ))
        });
        let markers = self.markers.iter().map(|marker| {
            let best = if self.front.contains(&marker.at) { ", on the front" } else { "" };
            format!("{}: {} at {} {}{best}", marker.name, show(marker.at.1), self.across, plain(marker.at.0))
        });
        format!("{}. {}.", self.title, curves.chain(markers).collect::<Vec<_>>().join("; "))
    }
}
