//! The charts of a run.

use apt_experiment::{Phase, Record, Split};

use crate::chart::{Curve, Plot, Style};
use crate::figures::{bytes, milliseconds};
use crate::history::History;
use crate::series::{Point, smooth};

/// Loss: the task's part and the distillation's.
#[must_use]
pub fn loss(history: &History) -> Plot {
    let record = history.record();
    let parts = [
        ("task", 0, points(record, |point| Some(point.task_loss))),
        ("distillation", 1, points(record, |point| point.distill_loss)),
    ];
    let curves = parts.into_iter().flat_map(|(name, colour, points)| {
        // Every step faint, and what the noise leaves before it.
        let mean = smooth(&points, smoothing(history.step()));
        let curve = |name: String, style, points| Curve { name, colour, style, points };
        [curve(name.to_owned(), Style::Faint, points), curve(name.to_owned(), Style::Mean, mean)]
    });
    plot(history, "Loss", curves.collect())
}

/// The metric on validation data, and what teachers had.
#[must_use]
pub fn metric(history: &History) -> Plot {
    let record = history.record();
    let evaluations = record.into_iter().flat_map(|record| &record.evaluations);
    let validation = evaluations.filter(|evaluation| evaluation.split == Split::Validation);
    let validation = validation.map(|evaluation| (evaluation.step as f64, evaluation.metric)).collect();
    let teachers = record.into_iter().flat_map(|record| &record.teachers);
    let teachers = teachers.map(|teacher| (teacher.step as f64, teacher.metric)).collect();
    let curve = |name: &str, colour, style, points| Curve { name: name.to_owned(), colour, style, points };
    let curves =
        vec![curve("validation", 2, Style::Dotted, validation), curve("teacher", 3, Style::LargePoints, teachers)];
    plot(history, "Metric", curves)
}

/// Weights left in the model, which fall at pruning points; and as if what is masked had gone already, which it does in
/// small steps before.
#[must_use]
pub fn density(history: &History) -> Plot {
    let masked = points(history.record(), |point| Some(point.density));
    let mut left: Vec<Point> = history.frames.iter().map(|frame| (frame.step as f64, frame.density)).collect();
    // What was left last still is.
    if let (Some(&(_, last)), true) = (left.last(), history.step() > 0) {
        left.push((history.step() as f64, last));
    }
    let curves = vec![
        Curve { name: "not masked".to_owned(), colour: 1, style: Style::Line, points: masked },
        Curve { name: "in the model".to_owned(), colour: 0, style: Style::Steps, points: left },
    ];
    Plot { from_zero: true, ..plot(history, "Share of the weights", curves) }
}

/// The share of distillation in the loss.
#[must_use]
pub fn mu(history: &History) -> Plot {
    let points = points(history.record(), |point| point.mu);
    let curves = vec![Curve { name: "μ".to_owned(), colour: 1, style: Style::Line, points }];
    Plot { from_zero: true, ..plot(history, "Share of distillation, μ", curves) }
}

/// How long steps took, apart for each part of the run.
#[must_use]
pub fn times(history: &History) -> Plot {
    let parts = [Phase::Pruning, Phase::Distilling, Phase::Tuning];
    let curves = parts.into_iter().zip([1, 3, 2]).map(|(phase, colour)| {
        let times = history.times.iter().filter(|time| time.phase == Some(phase));
        let points = times.map(|time| (time.step as f64, time.milliseconds)).collect();
        Curve { name: phase.name().to_owned(), colour, style: Style::Points, points }
    });
    let curves = curves.collect();
    Plot { from_zero: true, show: Some(milliseconds), ..plot(history, "Time per step", curves) }
}

/// Most memory that tensors took in each step.
#[must_use]
pub fn memory(history: &History) -> Plot {
    let points = points(history.record(), |point| point.peak_device_bytes.map(|bytes| bytes as f64));
    let curves = vec![Curve { name: "peak of a step".to_owned(), colour: 4, style: Style::Line, points }];
    let show = |number: f64| bytes(number.max(0.0) as u64);
    Plot { from_zero: true, show: Some(show), ..plot(history, "Memory", curves) }
}

/// The validation metric of several runs.
#[must_use]
pub fn metrics(runs: &[(&str, &Record)]) -> Plot {
    overlay("Metric on validation data", runs, Style::Dotted, |record| {
        let validation = record.evaluations.iter().filter(|evaluation| evaluation.split == Split::Validation);
        validation.map(|evaluation| (evaluation.step as f64, evaluation.metric)).collect()
    })
}

/// The task loss of several runs.
#[must_use]
pub fn losses(runs: &[(&str, &Record)]) -> Plot {
    overlay("Task loss, mean over the last steps", runs, Style::Line, |record| {
        let points = points(Some(record), |point| Some(point.task_loss));
        smooth(&points, smoothing(points.len()))
    })
}

/// The density of several runs.
#[must_use]
pub fn densities(runs: &[(&str, &Record)]) -> Plot {
    let plot = overlay("Density", runs, Style::Line, |record| points(Some(record), |point| Some(point.density)));
    Plot { from_zero: true, ..plot }
}

/// Over how many steps the loss of a run of this length is averaged.
fn smoothing(steps: usize) -> usize {
    (steps / 40).clamp(1, 50)
}

fn overlay(title: &str, runs: &[(&str, &Record)], style: Style, of: impl Fn(&Record) -> Vec<Point>) -> Plot {
    let curve = |(colour, (name, record)): (usize, &(&str, &Record))| Curve {
        name: (*name).to_owned(),
        colour,
        style,
        points: of(record),
    };
    let curves = runs.iter().enumerate().map(curve).collect();
    Plot { title: title.to_owned(), across: "step".to_owned(), curves, ..Plot::default() }
}

fn points(record: Option<&Record>, of: impl Fn(&apt_experiment::CurvePoint) -> Option<f64>) -> Vec<Point> {
    let curve = record.into_iter().flat_map(|record| &record.curve);
    curve.filter_map(|point| Some((point.step as f64, of(point)?))).collect()
}

fn plot(history: &History, title: &str, mut curves: Vec<Curve>) -> Plot {
    curves.retain(|curve| !curve.points.is_empty());
    let vertical_lines = history.frames.iter().skip(1).map(|frame| frame.step as f64).collect();
    let until = Some(history.step().max(1) as f64);
    Plot { title: title.to_owned(), across: "step".to_owned(), curves, vertical_lines, until, ..Plot::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use apt_experiment::Knobs;

    #[test]
    fn the_style_sheet_turns_every_colour_of_light_charts_into_that_of_dark_ones() {
        let style = include_str!("../../style/report.css");
        let hex = |(r, g, b): (u8, u8, u8)| format!("#{r:02X}{g:02X}{b:02X}");
        let all = |of: &apt_report::chart::Theme| of.palette.into_iter().chain([of.text, of.grid]).map(hex);
        for (light, dark) in all(&apt_report::chart::LIGHT).zip(all(&apt_report::chart::DARK)) {
            for what in ["fill", "stroke"] {
                let rule = format!("[{what}=\"{light}\"] {{ {what}: light-dark({light}, {dark}); }}");
                assert!(style.contains(&rule), "report.css lacks {rule}");
            }
        }
    }

    #[test]
    fn charts_hold_what_the_events_said() {
        let history = History::of(&crate::history::tests::run(Knobs::default(), 10, true));
        assert_eq!(density(&history).vertical_lines, [5.0]);
        // The curve falls at the very step of the point.
        assert_eq!(density(&history).curves[1].points, [(0.0, 1.0), (5.0, 0.48), (10.0, 0.48)]);
        assert_eq!(metric(&history).curves[0].points, [(10.0, 0.75)]);
        let times = times(&history);
        let names: Vec<_> = times.curves.iter().map(|curve| (curve.name.as_str(), curve.points.len())).collect();
        assert_eq!(names, [("pruning", 5), ("tuning", 5)]);
        assert!(memory(&history).is_empty() && mu(&history).is_empty());
    }
}
