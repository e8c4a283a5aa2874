//! What a chart says at one place across: for a pointer that is held over it, and for who goes over it with keys.

use super::plot::{Curve, Plot, Style};
use crate::figures::plain;
use crate::series::Point;

/// An entry of the legend, with its value at one place.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The curve's name.
    pub name: String,
    /// Its place in the palette.
    pub colour: usize,
    /// How it is drawn, for the mark before its name.
    pub mark: Mark,
    /// Its value there and, if it is one of another place near, that place; `None` where it has none.
    pub value: Option<String>,
}

/// The mark of a curve in a legend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A line.
    Line,
    /// A line of what the others are compared with.
    Dashes,
    /// Points.
    Dot,
    /// Points of what the others are compared with.
    Ring,
}

impl Mark {
    /// The name of its class in a style sheet.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Dashes => "dashes",
            Self::Dot => "dot",
            Self::Ring => "ring",
        }
    }
}

impl Curve {
    fn mark(&self) -> Mark {
        match (matches!(self.style, Style::Points | Style::LargePoints), self.ghost) {
            (false, false) => Mark::Line,
            (false, true) => Mark::Dashes,
            (true, false) => Mark::Dot,
            (true, true) => Mark::Ring,
        }
    }

    /// What it has at this place: the nearest of its points, or the last if it ended before; of a value that holds until
    /// the next, that; of single points, the one that is there.
    fn at(&self, across: f64) -> Option<Point> {
        let after = self.points.partition_point(|point| point.0 <= across);
        let before = self.points[..after].last().copied()?;
        let after = self.points.get(after).copied();
        match (self.style, after) {
            (Style::Points, _) => Some(before).filter(|before| before.0 == across),
            // It is one of this place, too.
            (Style::Steps, Some(_)) => Some((across, before.1)),
            (_, Some(after)) if after.0 - across < across - before.0 => Some(after),
            _ => Some(before),
        }
    }
}

impl Plot {
    /// The curves that a legend names.
    fn named(&self) -> impl Iterator<Item = &Curve> {
        self.curves.iter().filter(|curve| curve.style != Style::Faint && !curve.points.is_empty())
    }

    /// All places across at which a curve has a point, from left to right.
    #[must_use]
    pub fn stops(&self) -> Vec<f64> {
        let mut stops: Vec<f64> = self.named().flat_map(|curve| &curve.points).map(|point| point.0).collect();
        stops.sort_unstable_by(f64::total_cmp);
        stops.dedup();
        stops
    }

    /// The legend, with the values at a place across. A mean line gives the exact value of the curve behind it.
    #[must_use]
    pub fn readings(&self, across: f64) -> Vec<Reading> {
        let exact = |curve: &Curve| {
            let behind = self.curves.iter().find(|of| of.style == Style::Faint && of.name == curve.name);
            behind.filter(|_| curve.style == Style::Mean).map_or_else(|| curve.at(across), |behind| behind.at(across))
        };
        let reading = |curve: &Curve| {
            let value = exact(curve).map(|(at, value)| {
                let value = self.show.unwrap_or(plain)(value);
                if at == across { value } else { format!("{value} (at {at})") }
            });
            Reading { name: curve.name.clone(), colour: curve.colour, mark: curve.mark(), value }
        };
        self.named().map(reading).collect()
    }

    /// The same in words: `step 120: task 0.43, distillation 0.02`.
    #[must_use]
    pub fn words_at(&self, across: f64) -> String {
        let said = self.readings(across).into_iter().filter_map(|of| Some(format!("{} {}", of.name, of.value?)));
        let said: Vec<String> = said.collect();
        let pruned = if self.vertical_lines.contains(&across) { ", a pruning point" } else { "" };
        format!("{} {across}{pruned}: {}", self.across, said.join(", "))
    }
}

/// The one of these places, which stand in order, that is nearest.
#[must_use]
pub fn nearest(stops: &[f64], across: f64) -> Option<usize> {
    let after = stops.partition_point(|stop| *stop < across);
    let (before, after) = (after.checked_sub(1), (after < stops.len()).then_some(after));
    let distance = |place: &usize| (stops[*place] - across).abs();
    before.into_iter().chain(after).min_by(|a, b| distance(a).total_cmp(&distance(b)))
}

/// The place that is read when one points to `across`: the nearest stop, the place itself where it lies before or after
/// all of them, and the last stop if one points nowhere.
#[must_use]
pub fn place_read(stops: &[f64], across: Option<f64>) -> Option<f64> {
    let (first, last) = (*stops.first()?, *stops.last()?);
    match across {
        None => Some(last),
        Some(across) if across < first || across > last => Some(across.round()),
        Some(across) => nearest(stops, across).and_then(|place| stops.get(place).copied()),
    }
}

/// Where a key leads from one of `count` places; `None` if it leads nowhere.
#[must_use]
pub fn moved(from: usize, count: usize, key: &str) -> Option<usize> {
    let last = count.checked_sub(1)?;
    let far = (count / 10).max(1);
    let to = match key {
        "ArrowLeft" | "ArrowDown" => from.saturating_sub(1),
        "ArrowRight" | "ArrowUp" => from + 1,
        "PageDown" => from.saturating_sub(far),
        "PageUp" => from + far,
        "Home" => 0,
        "End" => last,
        _ => return None,
    };
    Some(to.min(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot() -> Plot {
        let curve = |name: &str, style, points: &[Point]| Curve {
            name: name.to_owned(),
            style,
            points: points.to_vec(),
            ..Curve::default()
        };
        let steps: Vec<Point> = (1..=9).map(|step| (f64::from(step), 0.1 * f64::from(step))).collect();
        let mean: Vec<Point> = steps.iter().map(|(step, value)| (*step, value / 2.0)).collect();
        let curves = vec![
            curve("task", Style::Faint, &steps),
            curve("task", Style::Mean, &mean),
            curve("validation", Style::Dotted, &[(2.0, 0.5), (6.0, 0.75)]),
            curve("left", Style::Steps, &[(0.0, 1.0), (4.0, 0.5), (9.0, 0.5)]),
            Curve { ghost: true, ..curve("teacher", Style::LargePoints, &[(4.0, 0.8)]) },
            curve("nothing", Style::Line, &[]),
        ];
        Plot { across: "step".to_owned(), curves, vertical_lines: vec![4.0], ..Plot::default() }
    }

    #[test]
    fn a_place_is_told_with_the_exact_values_and_those_near_say_where_they_are() {
        let plot = plot();
        assert_eq!(plot.words_at(2.0), "step 2: task 0.20, validation 0.50, left 1.00");
        assert_eq!(
            plot.words_at(4.0),
            "step 4, a pruning point: task 0.40, validation 0.50 (at 2), left 0.50, teacher 0.80"
        );
        assert_eq!(plot.words_at(5.0), "step 5: task 0.50, validation 0.75 (at 6), left 0.50, teacher 0.80 (at 4)");
        assert_eq!(plot.words_at(9.0), "step 9: task 0.90, validation 0.75 (at 6), left 0.50, teacher 0.80 (at 4)");
        let mut times = plot;
        times.curves.iter_mut().for_each(|curve| curve.style = Style::Points);
        assert_eq!(times.words_at(6.0), "step 6: task 0.60, task 0.30, validation 0.75");
    }

    #[test]
    fn the_legend_tells_curves_apart_by_more_than_colour() {
        let marks: Vec<_> = plot().readings(1.0).into_iter().map(|of| (of.name, of.mark.class())).collect();
        let expected = [("task", "line"), ("validation", "line"), ("left", "line"), ("teacher", "ring")];
        assert_eq!(marks, expected.map(|(name, mark)| (name.to_owned(), mark)));
    }

    #[test]
    fn stops_are_all_places_once_and_the_nearest_is_found() {
        let stops = plot().stops();
        assert_eq!(stops, (0..=9).map(f64::from).collect::<Vec<_>>());
        assert_eq!([-3.0, 4.4, 4.6, 99.0].map(|at| nearest(&stops, at)), [Some(0), Some(4), Some(5), Some(9)]);
        assert_eq!(nearest(&[], 1.0), None);
        // A chart whose curves begin later, or ended, does not claim another step than the one pointed to.
        let read = [None, Some(25.2), Some(50.2), Some(90.0)].map(|at| place_read(&[42.0, 50.0, 73.0], at));
        assert_eq!(read, [Some(73.0), Some(25.0), Some(50.0), Some(90.0)]);
        assert_eq!(place_read(&[], Some(1.0)), None);
    }

    #[test]
    fn keys_lead_from_place_to_place_and_stop_at_the_ends() {
        let keys = ["ArrowLeft", "ArrowRight", "PageUp", "PageDown", "Home", "End", "Tab"];
        let to = |from| keys.map(|key| moved(from, 40, key));
        assert_eq!(to(10), [Some(9), Some(11), Some(14), Some(6), Some(0), Some(39), None]);
        assert_eq!(to(39), [Some(38), Some(39), Some(39), Some(35), Some(0), Some(39), None]);
        assert_eq!(moved(0, 0, "End"), None);
    }
}
