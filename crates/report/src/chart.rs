//! Charts as SVG text, by plotters, with a summary in words for those who do not see them.

use plotters::backend::DrawingBackend;
use plotters::prelude::*;
use plotters_backend::{BackendColor, BackendCoord, BackendTextStyle, DrawingErrorKind};

use crate::figures::plain;
use crate::series::{DRAWN, Point, thin};

/// A chart.
#[derive(Clone, Debug, Default)]
pub struct Plot {
    /// What it shows.
    pub title: String,
    /// What the horizontal axis counts.
    pub across: &'static str,
    /// Its curves.
    pub curves: Vec<Curve>,
    /// Places on the horizontal axis to mark: pruning points.
    pub marks: Vec<f64>,
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
    /// Its place in [`Ink::palette`].
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
    /// A few points.
    Marks,
    /// A value that holds until the next.
    Steps,
}

/// Colours of a theme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ink {
    /// Of text.
    pub text: (u8, u8, u8),
    /// Of the grid.
    pub grid: (u8, u8, u8),
    /// Of curves; told apart by colour-blind readers too.
    pub palette: [(u8, u8, u8); 8],
}

/// On light paper. The hues of both are those of Okabe and Ito, darkened or lightened until they stand off their paper.
pub const LIGHT: Ink = Ink {
    text: (70, 74, 80),
    grid: (224, 224, 219),
    palette: [
        (0, 99, 166),
        (200, 80, 0),
        (0, 128, 96),
        (170, 75, 130),
        (150, 105, 0),
        (45, 140, 190),
        (90, 90, 90),
        (120, 60, 170),
    ],
};

/// On dark paper.
pub const DARK: Ink = Ink {
    text: (176, 182, 190),
    grid: (52, 57, 64),
    palette: [
        (96, 180, 240),
        (245, 150, 70),
        (60, 200, 155),
        (235, 150, 195),
        (240, 200, 80),
        (150, 210, 250),
        (180, 180, 180),
        (190, 150, 250),
    ],
};

impl Ink {
    /// A colour of the palette as CSS writes it.
    #[must_use]
    pub fn css(&self, colour: usize) -> String {
        let (r, g, b) = self.palette[colour % self.palette.len()];
        format!("rgb({r} {g} {b})")
    }
}

const FONT: &str = "system-ui, sans-serif";
const FONT_SIZE: f64 = 14.0;

impl Plot {
    /// Whether there is nothing to draw.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.curves.iter().all(|curve| curve.points.is_empty())
    }

    /// Every curve with its first, last, least and greatest value.
    #[must_use]
    pub fn summary(&self) -> String {
        if self.is_empty() {
            return format!("{}: nothing yet", self.title);
        }
        let show = self.show.unwrap_or(plain);
        let told = self.curves.iter().filter(|curve| curve.style != Style::Mean).filter_map(|curve| {
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
        format!("{}. {}.", self.title, told.collect::<Vec<_>>().join("; "))
    }

    /// The chart as an SVG element of this size in pixels; empty when there is nothing to draw.
    #[must_use]
    pub fn svg(&self, size: (u32, u32), ink: &Ink) -> String {
        let mut svg = String::new();
        if !self.is_empty() {
            // Writing to a String cannot fail, and the ranges are finite and not empty.
            let _ = self.draw(SVGBackend::with_string(&mut svg, size), ink);
        }
        svg
    }

    fn draw(&self, paper: SVGBackend, ink: &Ink) -> Result<(), Box<dyn std::error::Error>> {
        // A line is one element of the page, points are one each.
        let drawn = |style: Style| if style == Style::Points { DRAWN / 4 } else { DRAWN };
        let curves: Vec<(&Curve, Vec<Point>)> =
            self.curves.iter().map(|curve| (curve, thin(&curve.points, drawn(curve.style)))).collect();
        let points = || curves.iter().flat_map(|(_, points)| points);
        let ends = self.until.into_iter().flat_map(|until| [0.0, until]);
        let across = span(points().map(|point| point.0).chain(self.marks.iter().copied()).chain(ends), false);
        let up = span(points().map(|point| point.1), self.from_zero);

        let root = Paper(paper).into_drawing_area();
        let decimals = decimals(up.1 - up.0);
        let show = |number: f64| self.show.map_or_else(|| format!("{number:.decimals$}"), |show| show(number));
        let mut chart = ChartBuilder::on(&root)
            .margin_top(8)
            .margin_right(10)
            .x_label_area_size(22)
            .y_label_area_size(54)
            .build_cartesian_2d(across.0..across.1, up.0..up.1)?;
        let grid = rgb(ink.grid);
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(grid)
            .axis_style(grid)
            .label_style((FONT, FONT_SIZE).into_font().color(&rgb(ink.text)))
            .x_labels(6)
            .y_labels(4)
            .x_label_formatter(&|x| if x.fract() == 0.0 { format!("{x:.0}") } else { plain(*x) })
            .y_label_formatter(&|y| show(*y))
            .draw()?;
        for mark in &self.marks {
            chart.draw_series(LineSeries::new([(*mark, up.0), (*mark, up.1)], grid.stroke_width(1)))?;
        }
        for (curve, points) in curves {
            let colour = rgb(ink.palette[curve.colour % ink.palette.len()]);
            let line = |points: Vec<Point>, width: u32| LineSeries::new(points, colour.stroke_width(width));
            let dots = |size: i32| points.iter().map(move |point| Circle::new(*point, size, colour.filled()));
            match curve.style {
                Style::Line | Style::Mean => chart.draw_series(line(points, 2))?,
                Style::Faint => chart.draw_series(LineSeries::new(points, colour.mix(0.35).stroke_width(1)))?,
                Style::Steps => chart.draw_series(line(stairs(&points), 2))?,
                Style::Points => chart.draw_series(dots(2))?,
                Style::Marks => chart.draw_series(dots(5))?,
                Style::Dotted => {
                    chart.draw_series(dots(3))?;
                    chart.draw_series(line(points, 2))?
                }
            };
        }
        root.present()?;
        Ok(())
    }
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

/// The SVG backend, with an estimate of text widths of its own: plotters' would ask the browser by way of an inline
/// style, which the page's content-security policy forbids.
struct Paper<'a>(SVGBackend<'a>);

type Drawn<E> = Result<(), DrawingErrorKind<E>>;

impl DrawingBackend for Paper<'_> {
    type ErrorType = std::io::Error;

    fn get_size(&self) -> (u32, u32) {
        self.0.get_size()
    }

    fn ensure_prepared(&mut self) -> Drawn<Self::ErrorType> {
        self.0.ensure_prepared()
    }

    fn present(&mut self) -> Drawn<Self::ErrorType> {
        self.0.present()
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> Drawn<Self::ErrorType> {
        self.0.draw_pixel(point, color)
    }

    fn draw_line<S: plotters_backend::BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Drawn<Self::ErrorType> {
        self.0.draw_line(from, to, style)
    }

    fn draw_rect<S: plotters_backend::BackendStyle>(
        &mut self,
        upper_left: BackendCoord,
        bottom_right: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn<Self::ErrorType> {
        self.0.draw_rect(upper_left, bottom_right, style, fill)
    }

    fn draw_path<S: plotters_backend::BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn<Self::ErrorType> {
        self.0.draw_path(path, style)
    }

    fn draw_circle<S: plotters_backend::BackendStyle>(
        &mut self,
        center: BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Drawn<Self::ErrorType> {
        self.0.draw_circle(center, radius, style, fill)
    }

    fn fill_polygon<S: plotters_backend::BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        vert: I,
        style: &S,
    ) -> Drawn<Self::ErrorType> {
        self.0.fill_polygon(vert, style)
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, pos: BackendCoord) -> Drawn<Self::ErrorType> {
        self.0.draw_text(text, style, pos)
    }

    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        text: &str,
        style: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<Self::ErrorType>> {
        // Digits of system fonts are about half as wide as high.
        Ok(((0.55 * style.size() * text.chars().count() as f64) as u32, style.size() as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(points: Vec<Point>) -> Plot {
        let curve = Curve { name: "task".to_owned(), colour: 0, style: Style::Line, points };
        Plot { title: "Loss".to_owned(), across: "step", curves: vec![curve], ..Plot::default() }
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
    fn labels_have_as_many_decimals_as_they_differ_in() {
        assert_eq!([decimals(2000.0), decimals(1.0), decimals(0.02), decimals(1e-12)], [0, 1, 3, 9]);
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
}
