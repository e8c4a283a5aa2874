//! A plot drawn by plotters.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::{Axis, axes};
use super::labels::{MARKER_RADIUS, Rect, place};
use super::plot::{Curve, Marker, Plot, Style};
use super::svg_backend::StylelessSvg;
use super::theme::Theme;
use crate::figures::plain;
use crate::series::{DRAWN, Point, thin};

const FONT: &str = "system-ui, sans-serif";
/// The size of text, in pixels, where nothing asks for another.
pub(super) const FONT_SIZE: f64 = 12.0;
/// Pixels from an axis to its labels, as plotters places them.
const TICK: u32 = 10;
/// The size of text that plotters writes as 1.
const UNIT: f64 = 1.24;

/// A chart as it is drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drawing {
    /// The SVG element.
    pub svg: String,
    /// Left and right end of the horizontal axis, in shares of the element's width.
    pub sides: (f64, f64),
    /// The values at these ends.
    pub range: (f64, f64),
}

impl Drawing {
    /// Where this value of the horizontal axis stands, in shares of the element's width.
    #[must_use]
    pub fn place_of(&self, across: f64) -> f64 {
        let ((left, right), (low, high)) = (self.sides, self.range);
        left + (right - left) * (across - low) / (high - low)
    }

    /// The value of the horizontal axis that stands at this share of the element's width.
    #[must_use]
    pub fn value_at(&self, place: f64) -> f64 {
        let ((left, right), (low, high)) = (self.sides, self.range);
        low + (high - low) * (place - left) / (right - left)
    }
}

/// Draws it in a size in pixels, with text of so many pixels; the width of lines goes with the text.
pub(super) fn draw(
    plot: &Plot,
    size: (u32, u32),
    theme: &Theme,
    font: f64,
) -> Result<Drawing, std::boxed::Box<dyn std::error::Error>> {
    // A line is one element of the page, points are one each.
    let drawn = |style: Style| if style == Style::Points { DRAWN / 4 } else { DRAWN };
    let curves: Vec<(&Curve, Vec<Point>)> =
        plot.curves.iter().map(|curve| (curve, thin(&curve.points, drawn(curve.style)))).collect();
    let room = |share: f64, of: u32, most: f64| (f64::from(of) / (share * font)).clamp(2.0, most) as usize;
    let (across, up) = axes(plot, &curves, (room(5.5, size.0, 8.0), room(3.2, size.1, 6.0)));

    let mut svg = String::new();
    let root = StylelessSvg(SVGBackend::with_string(&mut svg, size)).into_drawing_area();
    let show = |number: f64| {
        let decimals = up.decimals;
        plot.show.map_or_else(|| format!("{number:.decimals$}"), |show| shortened(&show(number)))
    };
    let pixels = |of: f64| (of * font).round() as u32;
    let wide = |width: u32| (f64::from(width) * font / FONT_SIZE).round().max(1.0) as u32;
    let named = !plot.up.is_empty();
    let longest = up.ticks.iter().map(|tick| show(*tick).chars().count()).max().unwrap_or(0);
    // Of the letters of most labels, so that charts of one size have their axes at the same place.
    let labels = TICK + pixels((0.66 * longest as f64).max(3.3)) + if named { pixels(1.5) } else { 0 };
    let mut chart = ChartBuilder::on(&root)
        .margin_top(pixels(0.6))
        .margin_right(pixels(0.8))
        .x_label_area_size(TICK + if named { pixels(2.8) } else { pixels(1.2) })
        .y_label_area_size(labels)
        .build_cartesian_2d(across.clone(), up.clone())?;
    let (grid, text) = (rgb(theme.grid), rgb(theme.text));
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(grid)
        .axis_style(grid)
        .label_style((FONT, UNIT * font).into_font().color(&text))
        .x_desc(if named { plot.across.as_str() } else { "" })
        .y_desc(plot.up.as_str())
        .x_label_formatter(&|x| format!("{x:.*}", across.decimals))
        .y_label_formatter(&|y| show(*y))
        .draw()?;
    let (sides, heights) = chart.plotting_area().get_pixel_range();
    if !named {
        // In the corner, before the first label of its axis and as far below it.
        let style = (FONT, UNIT * font).into_font().color(&text).pos(Pos::new(HPos::Right, VPos::Top));
        let corner = (sides.start - pixels(0.7) as i32, heights.end + TICK as i32);
        root.draw(&Text::new(plot.across.clone(), corner, style))?;
    }
    let palette = |colour: usize| rgb(theme.palette[colour % theme.palette.len()]);
    let (bottom, top) = up.range;
    for x in &plot.vertical_lines {
        chart.draw_series(LineSeries::new([(*x, bottom), (*x, top)], text.mix(0.55).stroke_width(wide(1))))?;
    }
    for band in &plot.bands {
        let lower = band.points.iter().map(|(x, low, _)| (*x, *low));
        let upper = band.points.iter().rev().map(|(x, _, high)| (*x, *high));
        let area: Vec<Point> = lower.chain(upper).collect();
        chart.draw_series([Polygon::new(area, palette(band.colour).mix(0.16).filled())])?;
    }
    if let Some(level) = plot.level {
        let line = [(across.range.0, level), (across.range.1, level)];
        chart.draw_series(LineSeries::new(line, text.mix(0.8).stroke_width(wide(1))))?;
    }
    for (curve, points) in curves {
        let colour = palette(curve.colour);
        if curve.ghost {
            let points = if curve.style == Style::Steps { stairs(&points) } else { points };
            if matches!(curve.style, Style::Points | Style::LargePoints) {
                let size = wide(if curve.style == Style::Points { 2 } else { 5 });
                chart.draw_series(points.iter().map(|point| Circle::new(*point, size, colour.stroke_width(1))))?;
            } else {
                chart.draw_series(DashedLineSeries::new(
                    points,
                    pixels(0.5),
                    pixels(0.3),
                    colour.mix(0.7).stroke_width(wide(2)),
                ))?;
            }
            continue;
        }
        let line = |points: Vec<Point>, width: u32| LineSeries::new(points, colour.stroke_width(wide(width)));
        let dots = |size: u32| points.iter().map(move |point| Circle::new(*point, wide(size), colour.filled()));
        match curve.style {
            Style::Line | Style::Mean => chart.draw_series(line(points, 2))?,
            Style::Faint => chart.draw_series(LineSeries::new(points, colour.mix(0.35).stroke_width(wide(1))))?,
            Style::Steps => chart.draw_series(line(stairs(&points), 2))?,
            Style::Points => chart.draw_series(dots(2))?,
            Style::LargePoints => chart.draw_series(dots(5))?,
            Style::Dotted => {
                chart.draw_series(dots(3))?;
                chart.draw_series(line(points, 2))?
            }
        };
    }
    // What lies outside of the axes stands at their edge.
    let clamped = |(x, y): Point| (across.clamp(x), up.clamp(y));
    if plot.front.len() > 1 {
        let line = plot.front.iter().copied().map(clamped);
        chart.draw_series(LineSeries::new(line, text.mix(0.5).stroke_width(wide(1))))?;
    }
    let mut drawn_bars = Vec::new();
    for marker in &plot.markers {
        let colour = palette(marker.colour);
        let thin = colour.mix(0.7).stroke_width(wide(1));
        let (x, y) = marker.at;
        let bars = [
            marker.across.filter(|_| up.holds(y)).map(|(low, high)| vec![(low, y), (high, y)]),
            marker.up.filter(|_| across.holds(x)).map(|(low, high)| vec![(x, low), (x, high)]),
        ];
        let bars = bars.into_iter().flatten().map(|bar| bar.into_iter().map(clamped).collect::<Vec<_>>());
        for bar in bars {
            drawn_bars
                .extend(bar.first().zip(bar.last()).map(|ends| [ends.0, ends.1].map(|end| chart.backend_coord(end))));
            chart.draw_series([PathElement::new(bar, thin)])?;
        }
        let is_in = across.holds(x) && up.holds(y);
        let style = if is_in { colour.filled() } else { colour.stroke_width(wide(2)) };
        chart.draw_series([Circle::new(clamped(marker.at), MARKER_RADIUS as i32, style)])?;
    }
    let at: Vec<(i32, i32)> = plot.markers.iter().map(|marker| chart.backend_coord(&clamped(marker.at))).collect();
    let names: Vec<String> =
        plot.markers.iter().map(|marker| named_with_place(marker, &across, &up, plot.show)).collect();
    let small = 0.9 * font;
    let wh = (f64::from(sides.end - sides.start), f64::from(heights.end - heights.start));
    let room = Rect { x: f64::from(sides.start), y: f64::from(heights.start), w: wh.0, h: wh.1 };
    for ((label, name), at) in place(&at, &drawn_bars, &names, small, &room).into_iter().zip(names).zip(at) {
        let from = (f64::from(at.0), f64::from(at.1));
        if label.distance(from) > 2.0 * MARKER_RADIUS + small {
            let (x, y) = label.nearest(from);
            root.draw(&PathElement::new(vec![at, (x as i32, y as i32)], text.mix(0.5).stroke_width(wide(1))))?;
        }
        let style = (FONT, UNIT * small).into_font().color(&text).pos(Pos::new(HPos::Left, VPos::Top));
        root.draw(&Text::new(name, (label.x as i32, label.y as i32), style))?;
    }
    root.present()?;
    drop((chart, root));
    let share = |at: i32| f64::from(at) / f64::from(size.0);
    Ok(Drawing { svg, sides: (share(sides.start), share(sides.end)), range: across.range })
}

/// A marker's name; of one outside of an axis with an arrow to where it is and its value: `random ↓ 0.50`.
fn named_with_place(marker: &Marker, across: &Axis, up: &Axis, show: Option<fn(f64) -> String>) -> String {
    let outside = |at: f64, axis: &Axis, arrows: [&str; 2], text: String| {
        let arrow = if at < axis.range.0 { arrows[0] } else { arrows[1] };
        (!axis.holds(at)).then(|| format!(" {arrow} {text}"))
    };
    let (x, y) = marker.at;
    let beside = outside(x, across, ["←", "→"], plain(x)).unwrap_or_default();
    let above = outside(y, up, ["↓", "↑"], show.unwrap_or(plain)(y)).unwrap_or_default();
    format!("{}{beside}{above}", marker.name)
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

fn rgb((r, g, b): (u8, u8, u8)) -> RGBColor {
    RGBColor(r, g, b)
}

/// `20.0 MB` as `20 MB`: labels stand at round numbers.
fn shortened(label: &str) -> String {
    let (number, unit) = label.split_once(' ').map_or((label, ""), |(number, unit)| (number, unit));
    let number = if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number };
    if unit.is_empty() { number.to_owned() } else { format!("{number} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_have_no_idle_zeros() {
        assert_eq!(
            ["20.0 MB", "1.50 s", "100 %", "0", "-0.50"].map(shortened),
            ["20 MB", "1.5 s", "100 %", "0", "-0.5"]
        );
    }
}
