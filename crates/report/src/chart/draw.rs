//! A plot drawn by plotters.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::labels::{MARKER_RADIUS, Rect, place};
use super::plot::{Curve, Plot, Style};
use super::svg_backend::StylelessSvg;
use super::theme::Theme;
use crate::figures::plain;
use crate::series::{DRAWN, Point, thin};

const FONT: &str = "system-ui, sans-serif";
const FONT_SIZE: f64 = 14.0;
const LABEL_SIZE: f64 = 12.0;

pub(super) fn draw(
    plot: &Plot,
    svg: &mut String,
    size: (u32, u32),
    theme: &Theme,
) -> Result<(), std::boxed::Box<dyn std::error::Error>> {
    // A line is one element of the page, points are one each.
    let drawn = |style: Style| if style == Style::Points { DRAWN / 4 } else { DRAWN };
    let curves: Vec<(&Curve, Vec<Point>)> =
        plot.curves.iter().map(|curve| (curve, thin(&curve.points, drawn(curve.style)))).collect();
    let (across, up) = ranges(plot, &curves);

    let root = StylelessSvg(SVGBackend::with_string(svg, size)).into_drawing_area();
    let decimals = decimals(up.1 - up.0);
    let show = |number: f64| plot.show.map_or_else(|| format!("{number:.decimals$}"), |show| show(number));
    let named = !plot.up.is_empty();
    let mut chart = ChartBuilder::on(&root)
        .margin_top(8)
        .margin_right(10)
        .x_label_area_size(if named { 42 } else { 22 })
        .y_label_area_size(if named { 72 } else { 54 })
        .build_cartesian_2d(across.0..across.1, up.0..up.1)?;
    let (grid, text) = (rgb(theme.grid), rgb(theme.text));
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(grid)
        .axis_style(grid)
        .label_style((FONT, FONT_SIZE).into_font().color(&text))
        .x_desc(if named { plot.across.as_str() } else { "" })
        .y_desc(plot.up.as_str())
        .x_labels(6)
        .y_labels(4)
        .x_label_formatter(&|x| if x.fract() == 0.0 { format!("{x:.0}") } else { plain(*x) })
        .y_label_formatter(&|y| show(*y))
        .draw()?;
    let palette = |colour: usize| rgb(theme.palette[colour % theme.palette.len()]);
    for x in &plot.vertical_lines {
        chart.draw_series(LineSeries::new([(*x, up.0), (*x, up.1)], grid.stroke_width(1)))?;
    }
    for band in &plot.bands {
        let lower = band.points.iter().map(|(x, low, _)| (*x, *low));
        let upper = band.points.iter().rev().map(|(x, _, high)| (*x, *high));
        let area: Vec<Point> = lower.chain(upper).collect();
        chart.draw_series([Polygon::new(area, palette(band.colour).mix(0.16).filled())])?;
    }
    if let Some(level) = plot.level {
        let line = [(across.0, level), (across.1, level)];
        chart.draw_series(LineSeries::new(line, text.mix(0.6).stroke_width(1)))?;
    }
    for (curve, points) in curves {
        let colour = palette(curve.colour);
        if curve.ghost {
            let points = if curve.style == Style::Steps { stairs(&points) } else { points };
            if matches!(curve.style, Style::Points | Style::LargePoints) {
                let size = if curve.style == Style::Points { 2 } else { 5 };
                chart.draw_series(points.iter().map(|point| Circle::new(*point, size, colour.stroke_width(1))))?;
            } else {
                chart.draw_series(DashedLineSeries::new(points, 6, 4, colour.mix(0.8).stroke_width(2)))?;
            }
            continue;
        }
        let line = |points: Vec<Point>, width: u32| LineSeries::new(points, colour.stroke_width(width));
        let dots = |size: i32| points.iter().map(move |point| Circle::new(*point, size, colour.filled()));
        match curve.style {
            Style::Line | Style::Mean => chart.draw_series(line(points, 2))?,
            Style::Faint => chart.draw_series(LineSeries::new(points, colour.mix(0.35).stroke_width(1)))?,
            Style::Steps => chart.draw_series(line(stairs(&points), 2))?,
            Style::Points => chart.draw_series(dots(2))?,
            Style::LargePoints => chart.draw_series(dots(5))?,
            Style::Dotted => {
                chart.draw_series(dots(3))?;
                chart.draw_series(line(points, 2))?
            }
        };
    }
    if plot.front.len() > 1 {
        chart.draw_series(LineSeries::new(plot.front.iter().copied(), text.mix(0.5).stroke_width(1)))?;
    }
    for marker in &plot.markers {
        let thin = palette(marker.colour).mix(0.7).stroke_width(1);
        let bars = [
            marker.across.map(|(low, high)| vec![(low, marker.at.1), (high, marker.at.1)]),
            marker.up.map(|(low, high)| vec![(marker.at.0, low), (marker.at.0, high)]),
        ];
        chart.draw_series(bars.into_iter().flatten().map(|bar| PathElement::new(bar, thin)))?;
        chart.draw_series([Circle::new(marker.at, MARKER_RADIUS as i32, palette(marker.colour).filled())])?;
    }
    let at: Vec<(i32, i32)> = plot.markers.iter().map(|marker| chart.backend_coord(&marker.at)).collect();
    let names: Vec<&str> = plot.markers.iter().map(|marker| marker.name.as_str()).collect();
    let room = Rect { x: 0.0, y: 0.0, w: f64::from(size.0), h: f64::from(size.1) };
    for ((x, y), name) in place(&at, &names, LABEL_SIZE, &room).into_iter().zip(names) {
        let style = (FONT, LABEL_SIZE).into_font().color(&text).pos(Pos::new(HPos::Left, VPos::Top));
        root.draw(&Text::new(name.to_owned(), (x, y), style))?;
    }
    root.present()?;
    Ok(())
}

/// What the axes must hold.
fn ranges(plot: &Plot, curves: &[(&Curve, Vec<Point>)]) -> ((f64, f64), (f64, f64)) {
    let points = || curves.iter().flat_map(|(_, points)| points);
    let bands = || plot.bands.iter().flat_map(|band| &band.points);
    let ends_of = |at: f64, bar: Option<(f64, f64)>| bar.map_or([at, at], |(low, high)| [low, high]);
    let bars_across = plot.markers.iter().flat_map(|marker| ends_of(marker.at.0, marker.across));
    let bars_up = plot.markers.iter().flat_map(|marker| ends_of(marker.at.1, marker.up));
    let ends = plot.until.into_iter().flat_map(|until| [0.0, until]);
    let across = points().map(|point| point.0).chain(plot.vertical_lines.iter().copied()).chain(ends);
    let across = span(across.chain(bars_across), false);
    let up = points().map(|point| point.1).chain(bands().flat_map(|(_, low, high)| [*low, *high]));
    let up = span(up.chain(bars_up).chain(plot.level), plot.from_zero);
    if plot.markers.is_empty() {
        return (across, up);
    }
    // A marker on the edge would be cut, and its name needs room.
    let wider = |(low, high): (f64, f64), share: f64| (low - share * (high - low), high + share * (high - low));
    (wider(across, 0.08), wider(up, 0.06))
}

/// Decimals with which the labels of an axis of this length differ.
fn decimals(length: f64) -> usize {
    // Four labels or so.
    (1.0 - (length / 4.0).log10()).clamp(0.0, 9.0) as usize
}

/// Each value holds until the next.
fn stairs(points: &[Point]) -> Vec<Point> {
    let mut stairs = Vec::with_capacity(2 * points.len());
    for point in points {
        if let Some((_, before)) = stairs.last().copied() {
            stairs.push((point.0, before));
        }
        stairs.push(*point);
    }
    stairs
}

/// A range around the values that is not empty.
fn span(values: impl Iterator<Item = f64>, from_zero: bool) -> (f64, f64) {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values.filter(|value| value.is_finite()) {
        (low, high) = (low.min(value), high.max(value));
    }
    if low > high {
        return (0.0, 1.0);
    }
    if from_zero {
        (low, high) = (low.min(0.0), high + 0.05 * high.abs());
    }
    if high - low < 1e-9 * high.abs().max(1e-3) {
        let room = 0.05 * high.abs().max(0.02);
        (low, high) = (if from_zero { low } else { low - room }, high + room);
    }
    (low, high)
}

fn rgb((r, g, b): (u8, u8, u8)) -> RGBColor {
    RGBColor(r, g, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_have_as_many_decimals_as_they_differ_in() {
        assert_eq!([decimals(2000.0), decimals(1.0), decimals(0.02), decimals(1e-12)], [0, 1, 3, 9]);
    }
}
