//! Charts as SVG text, by plotters, with a summary in words for those who do not see them.

mod draw;
mod labels;
mod plot;
mod svg_backend;
mod theme;

pub use plot::{Band, Curve, Marker, Plot, Style};
pub use theme::{DARK, LIGHT, Theme};

impl Plot {
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
