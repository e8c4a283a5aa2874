//! Charts as SVG text, by plotters, with a summary in words for those who do not see them.

mod draw;
mod labels;
mod svg_backend;
mod theme;

use crate::figures::plain;
use crate::series::Point;

pub use theme::{DARK, LIGHT, Theme};

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
    /// Where the horizontal axis ends at least; it then begins at 0.
    pub until: Option<f64>,
    /// Whether the vertical axis begins at 0.
    pub from_zero: bool,
    /// How numbers of the vertical axis are written.
    pub show: Option<fn(f64) -> String>,
}

/// A curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// What the legend calls it.
    pub name: String,
    /// Its place in [`Theme::palette`].
    pub colour: usize,
    /// How it is drawn.
    pub style: Style,
    /// Its points, from left to right.
    pub points: Vec<Point>,
}

/// How a curve is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A line.
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
    /// Its curve's place in [`Theme::palette`].
    pub colour: usize,
    /// Across, lower end, upper end; from left to right.
    pub points: Vec<(f64, f64, f64)>,
}

/// A point with its name and, if they are known, its intervals.
#[derive(Clone, Debug, PartialEq)]
pub struct Marker {
    /// What stands beside it.
    pub name: String,
    /// Its place in [`Theme::palette`].
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

    /// The chart as an SVG element of this size in pixels; empty when there is nothing to draw.
    #[must_use]
    pub fn svg(&self, size: (u32, u32), theme: &Theme) -> String {
        let mut svg = String::new();
        if !self.is_empty() {
            // Writing to a String cannot fail, and the ranges are finite and not empty.
            let _ = draw::draw(self, &mut svg, size, theme);
        }
        svg
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(points: Vec<Point>) -> Plot {
        let curve = Curve { name: "task".to_owned(), colour: 0, style: Style::Line, points };
        Plot { title: "Loss".to_owned(), across: "step".to_owned(), curves: vec![curve], ..Plot::default() }
    }

    #[test]
    fn a_chart_is_one_svg_element_without_inline_styles() {
        let svg = plot((0..5000).map(|x| (f64::from(x), f64::from(x % 7))).collect()).svg((400, 200), &LIGHT);
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        assert!(svg.contains("<polyline") && svg.contains("<text"), "{svg:.600}");
        assert!(!svg.contains("style="), "the policy of the page forbids inline styles");
        assert!(svg.len() < 40_000, "{} bytes", svg.len());
    }

    #[test]
    fn one_point_or_a_flat_line_can_be_drawn() {
        for points in [vec![(1.0, 0.0)], vec![(1.0, 0.5), (2.0, 0.5)], vec![(3.0, 1e-12)]] {
            assert!(plot(points).svg((400, 200), &DARK).contains("</svg>"));
        }
    }

    #[test]
    fn the_summary_says_first_last_least_and_greatest() {
        assert_eq!(
            plot(vec![(1.0, 2.0), (2.0, 0.5), (3.0, 1.0)]).summary(),
            "Loss. task: first 2.00 at step 1, last 1.00 at step 3, least 0.50, greatest 2.00."
        );
        assert_eq!(plot(vec![]).summary(), "Loss: nothing yet");
        assert_eq!(plot(vec![]).svg((400, 200), &LIGHT), "");
    }

    #[test]
    fn spots_have_bars_names_and_a_front_and_names_are_escaped() {
        let marker = |name: &str, at| Marker {
            name: name.to_owned(),
            colour: 1,
            at,
            across: Some((at.0 - 0.1, at.0 + 0.1)),
            up: Some((at.1 - 0.2, at.1 + 0.2)),
        };
        let markers = vec![marker("</text><script>", (1.0, 2.0)), marker("b", (2.0, 1.0))];
        let plot = Plot {
            markers,
            front: vec![(1.0, 2.0)],
            across: "cost".to_owned(),
            up: "gain".to_owned(),
            ..Plot::default()
        };
        let svg = plot.svg((400, 300), &LIGHT);
        assert!(svg.contains("&lt;script&gt;") && !svg.contains("<script"), "{svg}");
        assert!(svg.contains("cost") && svg.contains("gain") && !svg.contains("style="));
        assert!(plot.summary().contains("b: 1.00 at cost 2.00."), "{}", plot.summary());
    }

    #[test]
    fn a_band_is_an_area_behind_its_curve() {
        let mut plot = plot(vec![(1.0, 2.0), (2.0, 0.5)]);
        plot.bands.push(Band { colour: 0, points: vec![(1.0, 1.5, 2.5), (2.0, 0.0, 1.0)] });
        let svg = plot.svg((400, 200), &LIGHT);
        let (area, line) = (svg.find("<polygon"), svg.rfind("<polyline"));
        assert!(area.is_some() && area < line, "{svg}");
    }
}
