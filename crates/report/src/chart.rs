//! Charts as SVG text, by plotters, with a summary in words for those who do not see them.

mod axis;
mod draw;
mod labels;
mod plot;
mod read;
mod svg_backend;
mod theme;

pub use draw::Drawing;
pub use plot::{Band, Curve, Marker, Plot, Style};
pub use read::{Mark, Reading, moved, nearest, place_read};
pub use theme::{DARK, LIGHT, Theme};

impl Plot {
    /// The chart as an SVG element of this size in pixels; empty when there is nothing to draw.
    #[must_use]
    pub fn svg(&self, size: (u32, u32), theme: &Theme) -> String {
        self.drawing(size, theme, draw::FONT_SIZE).svg
    }

    /// The same with text of `font` pixels, and where on it values stand.
    #[must_use]
    pub fn drawing(&self, size: (u32, u32), theme: &Theme, font: f64) -> Drawing {
        if self.is_empty() {
            return Drawing::default();
        }
        // Writing to a String cannot fail, and the ranges are finite and not empty.
        draw::draw(self, size, theme, font).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::Point;

    fn plot(points: Vec<Point>) -> Plot {
        let curve = Curve { name: "task".to_owned(), points, ..Curve::default() };
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
    fn a_part_of_a_chart_has_what_lies_in_it_and_its_axis_ends_there() {
        let steps = Curve { style: Style::Steps, points: vec![(0.0, 1.0), (5.0, 0.5)], ..Curve::default() };
        let late = Curve { points: vec![(90.0, 3.0)], ..Curve::default() };
        let mut whole = plot((0..=100).map(|x| (f64::from(x), f64::from(x))).collect());
        whole.curves.extend([steps, late]);
        let part = Plot { until: Some(100.0), vertical_lines: vec![5.0, 30.0], ..whole }.between((10.0, 40.0));
        assert_eq!((part.curves[0].points.len(), part.curves[0].points[0]), (31, (10.0, 10.0)));
        assert_eq!(part.curves[1].points, [(10.0, 0.5)], "what was left last still is");
        assert_eq!((part.curves.len(), part.vertical_lines.as_slice()), (2, [30.0].as_slice()));
        assert_eq!(part.drawing((400, 200), &LIGHT, 12.0).range, (10.0, 40.0));
        assert_eq!([3.0, 25.0, 90.0].map(|at| part.clamp(at)), [10.0, 25.0, 40.0]);
    }

    #[test]
    fn places_and_values_of_a_drawing_agree_and_text_is_as_large_as_asked() {
        let plot = Plot { until: Some(200.0), ..plot(vec![(1.0, 0.2), (100.0, 0.9)]) };
        let drawing = plot.drawing((400, 200), &LIGHT, 21.0);
        let middle = drawing.place_of(100.0);
        assert!(0.55 < middle && middle < 0.62, "{middle}");
        assert!((drawing.value_at(middle) - 100.0).abs() < 1e-9);
        assert!(drawing.svg.contains("font-size=\"2") && !drawing.svg.contains("font-size=\"1"), "{}", drawing.svg);
        assert!(drawing.svg.contains("step") && drawing.svg.contains("\n1.0\n"), "{}", drawing.svg);
    }

    #[test]
    fn a_ghost_is_drawn_in_dashes_and_rings() {
        let mut plot = plot(vec![(1.0, 0.2), (100.0, 0.9)]);
        let solid = plot.svg((400, 200), &LIGHT);
        plot.curves[0].ghost = true;
        let ghost = plot.svg((400, 200), &LIGHT);
        let lines = |svg: &str| svg.matches("<polyline").count();
        assert!(lines(&ghost) > lines(&solid) + 10, "{ghost}");
        plot.curves[0].style = Style::LargePoints;
        assert_eq!(plot.svg((400, 200), &LIGHT).matches("<circle").count(), 2);
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
    fn a_marker_outside_of_the_scale_stands_at_its_edge_with_its_value() {
        let marker = |name: &str, at| Marker { name: name.to_owned(), colour: 1, at, across: None, up: None };
        let mut markers: Vec<Marker> =
            (0..6).map(|place| marker("near", (f64::from(place), 0.9 + 0.01 * f64::from(place)))).collect();
        markers.push(marker("random", (2.0, 0.5)));
        let svg = Plot { markers, across: "cost".to_owned(), up: "gain".to_owned(), ..Plot::default() }
            .svg((400, 300), &LIGHT);
        assert!(svg.contains("random ↓ 0.50") && svg.contains("0.92") && !svg.contains("0.6"), "{svg}");
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
