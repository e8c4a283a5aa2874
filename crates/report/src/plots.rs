//! The plots of a report, drawn by [`crate::chart`], each with its content in words.

use apt_experiment::lower_is_better;

use crate::chart::{Band, Curve, Marker, Plot, Style};
use crate::column::Column;
use crate::curves::{ArmCurve, Curves};
use crate::figures;
use crate::fronts::Front;
use crate::groups::Group;
use crate::metric::metric;
use crate::report::Section;
use crate::statistics::Summary;

/// Marks times that must not be compared: of runs made side by side, or on several devices.
pub const NOT_COMPARABLE: &str = "†";

/// The metric on validation data by step: means as lines, their 95 % intervals as areas, single seeds faint behind.
#[must_use]
pub fn curve_plot(curves: &Curves, section: &Section) -> Plot {
    let mut plot = Plot {
        title: format!("{} on validation data: {}", section.metric, curves.title),
        across: "step".to_owned(),
        up: section.metric.clone(),
        ..Plot::default()
    };
    for arm in &curves.arms {
        let colour = arm.place;
        if arm.seeds.len() > 1 {
            plot.curves.extend(arm.seeds.iter().map(|seed| Curve {
                name: format!("{}, seed {}", arm.name, seed.seed),
                colour,
                style: Style::Faint,
                points: seed.points.iter().map(|(step, metric)| (*step as f64, *metric)).collect(),
                ..Curve::default()
            }));
            let point = |of: &crate::curves::MeanPoint| Some((of.step as f64, of.summary.interval?));
            let points = arm.mean.iter().filter_map(point).map(|(step, of)| (step, of.low, of.high)).collect();
            plot.bands.push(Band { colour, points });
        }
    }
    let mean = |arm: &ArmCurve| Curve {
        name: format!("{} (N {})", arm.name, arm.seeds.len()),
        colour: arm.place,
        style: Style::Mean,
        points: arm.mean.iter().map(|of| (of.step as f64, of.summary.mean)).collect(),
        ..Curve::default()
    };
    plot.curves.extend(curves.arms.iter().map(mean));
    plot
}

/// What [`curve_plot`] shows, in words.
#[must_use]
pub fn curve_words(curves: &Curves, section: &Section) -> String {
    let arm = |arm: &ArmCurve| {
        let last = arm.mean.last()?;
        let turn = if lower_is_better(&section.metric) { -1.0 } else { 1.0 };
        let best = arm.mean.iter().max_by(|a, b| (turn * a.summary.mean).total_cmp(&(turn * b.summary.mean)))?;
        let at = |of: &crate::curves::MeanPoint| format!("{} at step {}", with_half(&of.summary), of.step);
        Some(format!("{}, N {}: best mean {}, last {}", arm.name, arm.seeds.len(), at(best), at(last)))
    };
    let arms: Vec<String> = curves.arms.iter().filter_map(arm).collect();
    format!("{} on validation data by step. {}.", section.metric, arms.join("; "))
}

fn with_half(of: &Summary) -> String {
    let mean = figures::metric(of.mean);
    of.interval.map_or_else(|| mean.clone(), |interval| format!("{mean} ± {}", figures::metric(interval.half())))
}

/// The metric against a cost, every arm at every density with both intervals, and the front.
#[must_use]
pub fn front_plot(front: &Front, section: &Section) -> Plot {
    let Some(column) = column(front) else {
        return Plot::default();
    };
    let scaled = |of: f64| column.factor * of;
    let densities = several_densities(section);
    let markers = front.points.iter().map(|point| {
        let group = &section.groups[point.group];
        let across = point.cost.interval.map(|of| (scaled(of.low), scaled(of.high)));
        let name = group.name(densities);
        Marker {
            name: if column.timed && section.is_marked(point.group) {
                format!("{name} {NOT_COMPARABLE}")
            } else {
                name
            },
            colour: colour(group, section),
            at: (scaled(point.cost.mean), point.metric.mean),
            across,
            up: point.metric.interval.map(|of| (of.low, of.high)),
        }
    });
    let mut line: Vec<(f64, f64)> =
        front.points.iter().filter(|of| of.on_front).map(|of| (scaled(of.cost.mean), of.metric.mean)).collect();
    line.sort_by(|a, b| a.0.total_cmp(&b.0));
    Plot {
        title: format!("{} against {}", up(front, section), column.name),
        across: column.heading(),
        up: up(front, section),
        markers: markers.collect(),
        front: line,
        ..Plot::default()
    }
}

/// What [`front_plot`] shows, in words.
#[must_use]
pub fn front_words(front: &Front, section: &Section) -> String {
    let Some(column) = column(front) else {
        return String::new();
    };
    let densities = several_densities(section);
    let point = |point: &crate::fronts::FrontPoint| {
        let group = &section.groups[point.group];
        let best = if point.on_front { ", on the front" } else { "" };
        let (metric, cost) = (with_half(&point.metric), column.text(&point.cost));
        format!("{}, N {}: {metric} at {cost} {}{best}", group.name(densities), point.metric.n, column.unit)
    };
    let points: Vec<String> = front.points.iter().map(point).collect();
    format!("{} against {}. {}.", up(front, section), column.heading(), points.join("; "))
}

/// `accuracy, test`.
fn up(front: &Front, section: &Section) -> String {
    format!("{}, {}", section.metric, front.metric)
}

fn column(front: &Front) -> Option<Column> {
    let costs: Vec<Summary> = front.points.iter().map(|point| point.cost).collect();
    Some(Column::new(metric(front.cost)?, &costs, false, None))
}

/// Whether an arm stands there at more than one density.
pub(crate) fn several_densities(section: &Section) -> bool {
    let mut densities: Vec<f64> = section.groups.iter().filter_map(|group| group.density).collect();
    densities.sort_by(f64::total_cmp);
    densities.dedup();
    densities.len() > 1
}

/// What the colours of [`front_plot`] mean: name and place in the palette.
#[must_use]
pub fn front_legend(front: &Front, section: &Section) -> Vec<(String, usize)> {
    let mut legend = Vec::new();
    for point in &front.points {
        let group = &section.groups[point.group];
        let colour = colour(group, section);
        if legend.iter().all(|(_, of)| *of != colour) {
            let axis = axes(section).get(colour.wrapping_sub(1)).map(|axis| axis.replace('_', " "));
            let name = match (colour, axis) {
                (0, _) => format!("baseline: {}", group.arm),
                (_, Some(axis)) => axis,
                (_, None) => "dense reference".to_owned(),
            };
            legend.push((name, colour));
        }
    }
    legend.sort_by_key(|(_, colour)| *colour);
    legend
}

/// How many runs stand behind the points of [`front_plot`].
#[must_use]
pub fn front_counts(front: &Front, section: &Section) -> String {
    let mut counts: Vec<usize> = front.points.iter().map(|point| point.metric.n).collect();
    counts.sort_unstable();
    counts.dedup();
    if let [n] = counts[..] {
        return format!("N {n} for every arm.");
    }
    let densities = several_densities(section);
    let of = |n: &usize| {
        let own = front.points.iter().filter(|point| point.metric.n == *n);
        let names: Vec<String> = own.map(|point| section.groups[point.group].name(densities)).collect();
        format!("N {n}: {}", names.join(", "))
    };
    format!("{}.", counts.iter().rev().map(of).collect::<Vec<_>>().join("; "))
}

fn axes(section: &Section) -> Vec<&str> {
    let mut axes: Vec<&str> = Vec::new();
    for table in section.tables.iter().filter(|table| !table.relative) {
        if !axes.contains(&table.axis.as_str()) {
            axes.push(&table.axis);
        }
    }
    axes
}

/// One colour for the baseline and one for each axis.
fn colour(group: &Group, section: &Section) -> usize {
    let axes = axes(section);
    for table in section.tables.iter().filter(|table| !table.relative) {
        if let Some(row) = table.rows.iter().find(|row| std::ptr::eq(&section.groups[row.group], group)) {
            let axis = axes.iter().position(|axis| *axis == table.axis).unwrap_or(0);
            return if row.is_base { 0 } else { 1 + axis };
        }
    }
    // Of no axis: the dense reference.
    axes.len() + 1
}
