//! The charts of a run, of two runs over each other, and of several.

use apt_experiment::{Phase, Record, Split, lower_is_better};

use crate::chart::{Curve, Plot, Style};
use crate::figures::{bytes, milliseconds, plain, share};
use crate::history::History;
use crate::learn::Answered;
use crate::outcome;
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
        [curve(name, colour, Style::Faint, points), curve(name, colour, Style::Mean, mean)]
    });
    plot(history, "Loss", curves.collect())
}

/// The metric on validation data, and what teachers had.
#[must_use]
pub fn metric(history: &History) -> Plot {
    let record = history.record();
    let teachers = record.into_iter().flat_map(|record| &record.teachers);
    let teachers = teachers.map(|teacher| (teacher.step as f64, teacher.metric)).collect();
    let validation = validation(record).into_iter().map(|(step, metric)| (step as f64, metric)).collect();
    let curves =
        vec![curve("validation", 2, Style::Dotted, validation), curve("teacher", 3, Style::LargePoints, teachers)];
    let name = metric_name(record);
    Plot { show: shown(name), ..plot(history, &titled(name, ""), curves) }
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
    let curves = vec![curve("not masked", 1, Style::Line, masked), curve("in the model", 0, Style::Steps, left)];
    Plot { from_zero: true, show: Some(share), ..plot(history, "Weights left", curves) }
}

/// The share of distillation in the loss.
#[must_use]
pub fn mu(history: &History) -> Plot {
    let points = points(history.record(), |point| point.mu);
    let curves = vec![curve("μ", 1, Style::Line, points)];
    Plot { from_zero: true, ..plot(history, "Share of distillation, μ", curves) }
}

/// The probability that student and teacher give to the right answer to an example.
#[must_use]
pub fn answers(history: &History, of: &Answered) -> Plot {
    let teacher = Curve { ghost: true, ..curve("teacher", 3, Style::Dotted, of.teacher.clone()) };
    let curves = vec![teacher, curve("student", 2, Style::Dotted, of.student.clone())];
    let title = format!("Probability of “{}”", of.label);
    Plot { from_zero: true, level: Some(0.5), show: Some(share), ..plot(history, &title, curves) }
}

/// How long steps took, apart for each part of the run.
#[must_use]
pub fn times(history: &History) -> Plot {
    let parts = [
        (Phase::Pruning, "tuning and pruning", 1),
        (Phase::Distilling, "with a teacher", 3),
        (Phase::Tuning, "tuning", 2),
    ];
    let curves = parts.into_iter().map(|(phase, name, colour)| {
        let times = history.times.iter().filter(|time| time.phase == Some(phase));
        let points = times.map(|time| (time.step as f64, time.milliseconds)).collect();
        curve(name, colour, Style::Points, points)
    });
    let curves = curves.collect();
    Plot { from_zero: true, show: Some(milliseconds), ..plot(history, "Time per step", curves) }
}

/// Most memory that tensors took in each step.
#[must_use]
pub fn memory(history: &History) -> Plot {
    let points = points(history.record(), |point| point.peak_device_bytes.map(|bytes| bytes as f64));
    let curves = vec![curve("peak of a step", 4, Style::Line, points)];
    let show = |number: f64| bytes(number.max(0.0) as u64);
    Plot { from_zero: true, show: Some(show), ..plot(history, "Memory", curves) }
}

/// A chart of two runs over each other, each with the name by which it is called: the first is what the second is compared
/// with, and is drawn as its ghost.
#[must_use]
pub fn pair(plot: fn(&History) -> Plot, runs: [(&str, &History); 2]) -> Plot {
    let [(baseline, behind), (run, before)] = runs.map(|(name, history)| (name, plot(history)));
    let mut kinds: Vec<&str> = before.curves.iter().chain(&behind.curves).map(|curve| curve.name.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let several = kinds.len() > 1;
    let named = |run: &str, curve: &Curve| match several {
        true => format!("{run}: {}", curve.name),
        false => run.to_owned(),
    };
    let mut curves = Vec::new();
    // Of the ghost one line is enough, where there is a faint one behind a mean.
    for curve in behind.curves.iter().filter(|curve| curve.style != Style::Faint) {
        let style = if curve.style == Style::Mean { Style::Line } else { curve.style };
        curves.push(Curve { name: named(baseline, curve), ghost: true, style, ..curve.clone() });
    }
    curves.extend(before.curves.iter().map(|curve| Curve { name: named(run, curve), ..curve.clone() }));
    let until = before.until.into_iter().chain(behind.until).reduce(f64::max);
    let shown = if before.is_empty() { behind } else { before };
    Plot { curves, until, ..shown }
}

/// What the second run has more of the metric on validation data than the first, at the steps at which both were
/// evaluated. Each comes with the name by which it is called.
#[must_use]
pub fn difference(runs: [(&str, &History); 2]) -> Plot {
    let [(baseline, behind), (run, before)] = runs;
    let of_baseline = validation(behind.record());
    let points = validation(before.record()).into_iter().filter_map(|(step, metric)| {
        let (_, base) = of_baseline.iter().find(|(of, _)| *of == step)?;
        Some((step as f64, metric - base))
    });
    let name = metric_name(before.record().or(behind.record()));
    let curves = vec![curve(&format!("{run} minus {baseline}"), 0, Style::Dotted, points.collect())];
    let of = if name == ACCURACY { name.to_owned() } else { outcome::in_words(name) };
    let title = format!("Difference in {of}");
    let show: fn(f64) -> String = if name == ACCURACY { percentage_points } else { signed };
    let until = Some(run_length(before).max(run_length(behind)));
    Plot { until, level: Some(0.0), show: Some(show), ..plot(before, &title, curves) }
}

/// The validation metric of several runs; as in all charts of several, the `base` is drawn as the ghost of the others.
#[must_use]
pub fn metrics(runs: &[(&str, &Record)], base: Option<usize>) -> Plot {
    let plot = overlay("Metric on validation data", (runs, base), Style::Dotted, |record| {
        validation(Some(record)).into_iter().map(|(step, metric)| (step as f64, metric)).collect()
    });
    let mut names: Vec<&str> = runs.iter().map(|(_, record)| metric_name(Some(record))).collect();
    names.dedup();
    match names[..] {
        // Tasks may differ in what they are judged by.
        [name] => Plot { title: titled(name, " on validation data"), show: shown(name), ..plot },
        _ => plot,
    }
}

/// The task loss of several runs.
#[must_use]
pub fn losses(runs: &[(&str, &Record)], base: Option<usize>) -> Plot {
    overlay("Task loss, mean over the last steps", (runs, base), Style::Line, |record| {
        let points = points(Some(record), |point| Some(point.task_loss));
        smooth(&points, smoothing(points.len()))
    })
}

/// The density of several runs.
#[must_use]
pub fn densities(runs: &[(&str, &Record)], base: Option<usize>) -> Plot {
    let plot =
        overlay("Density", (runs, base), Style::Line, |record| points(Some(record), |point| Some(point.density)));
    Plot { from_zero: true, ..plot }
}

/// A metric's name, on what it is taken, and that less of it is better where that is so.
fn titled(name: &str, on: &str) -> String {
    let less = if lower_is_better(name) { " (less is better)" } else { "" };
    format!("{}{on}{less}", outcome::in_words(name))
}

/// The metric that is written in percent.
const ACCURACY: &str = "accuracy";

/// Over how many steps the loss of a run of this length is averaged.
fn smoothing(steps: usize) -> usize {
    (steps / 40).clamp(1, 50)
}

fn overlay(
    title: &str,
    (runs, base): (&[(&str, &Record)], Option<usize>),
    style: Style,
    of: impl Fn(&Record) -> Vec<Point>,
) -> Plot {
    let curves = runs.iter().enumerate().map(|(place, (name, record))| {
        let ghost = base == Some(place) && runs.len() > 1;
        Curve { ghost, ..curve(name, place, style, of(record)) }
    });
    let curves: Vec<Curve> = curves.collect();
    let until = curves.iter().filter_map(|curve| curve.points.last()).map(|last| last.0).reduce(f64::max);
    Plot { title: title.to_owned(), across: "step".to_owned(), curves, until, ..Plot::default() }
}

fn curve(name: &str, colour: usize, style: Style, points: Vec<Point>) -> Curve {
    Curve { name: name.to_owned(), colour, style, points, ..Curve::default() }
}

fn points(record: Option<&Record>, of: impl Fn(&apt_experiment::CurvePoint) -> Option<f64>) -> Vec<Point> {
    let curve = record.into_iter().flat_map(|record| &record.curve);
    curve.filter_map(|point| Some((point.step as f64, of(point)?))).collect()
}

/// The metric on validation data by step.
fn validation(record: Option<&Record>) -> Vec<(usize, f64)> {
    let evaluations = record.into_iter().flat_map(|record| &record.evaluations);
    let validation = evaluations.filter(|evaluation| evaluation.split == Split::Validation);
    validation.map(|evaluation| (evaluation.step, evaluation.metric)).collect()
}

/// The name of the metric that decides; empty before anything was evaluated.
fn metric_name(record: Option<&Record>) -> &str {
    let Some(record) = record else { return "" };
    let measured = record.measures.metric.name.as_str();
    if !measured.is_empty() {
        return measured;
    }
    // A run that is not over names it only by its value.
    let Some(last) = record.evaluations.last() else { return "" };
    last.metrics.iter().find(|(_, value)| **value == last.metric).map_or("", |(name, _)| name)
}

/// How values of a metric are written, where not as plain numbers.
fn shown(metric: &str) -> Option<fn(f64) -> String> {
    (metric == ACCURACY).then_some(share)
}

fn percentage_points(difference: f64) -> String {
    let points = format!("{:.1}", 100.0 * difference.abs());
    if points == "0.0" { "0 points".to_owned() } else { format!("{}{points} points", sign(difference)) }
}

fn signed(difference: f64) -> String {
    format!("{}{}", sign(difference), plain(difference.abs()))
}

fn sign(number: f64) -> &'static str {
    match number {
        _ if number > 0.0 => "+",
        _ if number < 0.0 => "−",
        _ => "",
    }
}

/// Steps of a run, made or planned: where its charts end, so that they agree and stay as they are while it goes on.
fn run_length(history: &History) -> f64 {
    history.steps.max(history.step()).max(1) as f64
}

fn plot(history: &History, title: &str, mut curves: Vec<Curve>) -> Plot {
    curves.retain(|curve| !curve.points.is_empty());
    let vertical_lines = history.frames.iter().skip(1).map(|frame| frame.step as f64).collect();
    let until = Some(run_length(history));
    Plot { title: title.to_owned(), across: "step".to_owned(), curves, vertical_lines, until, ..Plot::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use apt_experiment::{Evaluation, Event, Knobs};

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
        assert_eq!(names, [("tuning and pruning", 5), ("tuning", 5)]);
        assert!(memory(&history).is_empty() && mu(&history).is_empty());
    }

    /// Two runs of 10 and 20 steps, evaluated at their last.
    fn two() -> [History; 2] {
        [10, 20].map(|steps| History::of(&crate::history::tests::run(Knobs::default(), steps, true)))
    }

    #[test]
    fn of_two_runs_the_first_is_the_ghost_behind_the_second() {
        let [baseline, run] = two();
        let plot = pair(memory, [("apt · seed 1", &baseline), ("random · seed 1", &run)]);
        assert!(plot.is_empty(), "nobody measured memory");
        let plot = pair(metric, [("apt · seed 1", &baseline), ("random · seed 1", &run)]);
        let seen: Vec<_> = plot.curves.iter().map(|of| (of.name.as_str(), of.ghost, of.points.as_slice())).collect();
        let expected: [(&str, bool, &[Point]); 2] =
            [("apt · seed 1", true, &[(10.0, 0.75)]), ("random · seed 1", false, &[(20.0, 0.75)])];
        assert_eq!(seen, expected);
        assert_eq!((plot.until, plot.vertical_lines.as_slice()), (Some(20.0), [10.0].as_slice()));
        // The other way round the longer run is the ghost, and the axis holds it.
        assert_eq!(pair(metric, [("a", &run), ("b", &baseline)]).until, Some(20.0));
    }

    #[test]
    fn curves_of_a_pair_say_run_and_part_and_the_ghost_has_one_line_each() {
        let taught = [10, 20].map(|steps| {
            let mut events = crate::history::tests::run(Knobs::default(), steps, true);
            for event in &mut events {
                if let Event::Step(point) = event {
                    point.distill_loss = Some(0.25);
                }
            }
            History::of(&events)
        });
        let [baseline, run] = &taught;
        let plot = pair(loss, [("apt", baseline), ("random", run)]);
        let seen: Vec<_> = plot.curves.iter().map(|of| (of.name.as_str(), of.ghost, of.style)).collect();
        let expected = [
            ("apt: task", true, Style::Line),
            ("apt: distillation", true, Style::Line),
            ("random: task", false, Style::Faint),
            ("random: task", false, Style::Mean),
            ("random: distillation", false, Style::Faint),
            ("random: distillation", false, Style::Mean),
        ];
        assert_eq!(seen, expected);
        // Before the second run has begun, the first is shown alone.
        let alone = pair(metric, [("apt", baseline), ("random", &History::default())]);
        assert_eq!((alone.curves.len(), alone.vertical_lines.as_slice()), (1, [5.0].as_slice()));
    }

    #[test]
    fn the_difference_is_taken_where_both_were_evaluated() {
        let evaluation = |step, metric| {
            let metrics = [("accuracy".to_owned(), metric), ("loss".to_owned(), 0.4)].into();
            Event::Evaluation(Evaluation {
                step,
                split: Split::Validation,
                metric,
                metrics,
                examples: vec![],
                seconds: 0.0,
            })
        };
        let with = |extra: &[(usize, f64)]| {
            let mut events = crate::history::tests::run(Knobs::default(), 10, true);
            let end = events.split_off(events.len() - 2);
            events.extend(extra.iter().map(|(step, metric)| evaluation(*step, *metric)));
            History::of(&[events, end].concat())
        };
        let (baseline, run) = (with(&[(4, 0.5), (8, 0.75)]), with(&[(4, 0.625), (6, 0.9)]));
        let plot = difference([("apt", &baseline), ("random", &run)]);
        assert_eq!(plot.curves[0].points, [(4.0, 0.125), (10.0, 0.0)]);
        assert_eq!((plot.curves[0].name.as_str(), plot.level), ("random minus apt", Some(0.0)));
        assert!(difference([("apt", &baseline), ("random", &History::default())]).is_empty());
        assert_eq!([-0.0123, 0.01, 0.0].map(percentage_points), ["−1.2 points", "+1.0 points", "0 points"]);
        assert_eq!([0.5, -0.5, 0.0].map(signed), ["+0.50", "−0.50", "0"]);
    }

    #[test]
    fn the_metric_has_its_name_before_the_run_is_over() {
        let mut events = crate::history::tests::run(Knobs::default(), 10, true);
        // The last says what was measured.
        events.pop();
        assert_eq!(metric(&History::of(&events)).title, "Metric");
        if let Some(Event::Evaluation(of)) = events.last_mut() {
            of.metrics = [("accuracy".to_owned(), 0.75), ("loss".to_owned(), 0.4)].into();
        }
        let plot = metric(&History::of(&events));
        assert_eq!((plot.title.as_str(), plot.show.map(|show| show(0.75))), ("Accuracy", Some("75.0 %".to_owned())));
    }

    #[test]
    fn several_runs_share_one_axis_and_the_name_of_their_metric() {
        let records: Vec<Record> = two()
            .iter()
            .filter_map(|history| history.record().cloned())
            .map(|mut record| {
                record.measures.metric.name = "accuracy".to_owned();
                record
            })
            .collect();
        let [first, second] = &records[..] else { panic!("two runs") };
        let plot = metrics(&[("a", first), ("b", second)], Some(1));
        assert_eq!(plot.curves.iter().map(|curve| curve.ghost).collect::<Vec<_>>(), [false, true]);
        assert_eq!((plot.title.as_str(), plot.until), ("Accuracy on validation data", Some(20.0)));
        let mut other = second.clone();
        other.measures.metric.name = "f1".to_owned();
        let plot = metrics(&[("a", first), ("b", &other)], None);
        assert_eq!((plot.title.as_str(), plot.show.is_some()), ("Metric on validation data", false));
    }

    #[test]
    fn all_charts_of_a_run_end_at_its_planned_last_step() {
        let history = History::of(&crate::history::tests::run(Knobs::default(), 10, true)[..5]);
        assert_eq!(history.step(), 3);
        for plot in [loss, metric, density, mu, times, memory] {
            assert_eq!(plot(&history).until, Some(10.0));
        }
    }
}
