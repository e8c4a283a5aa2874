//! How well models do by what is left of them, each trained to its end: the curve of the study.

use apt_experiment::Knobs;
use apt_report::{Brief, BriefArm};

use super::{CONTROL, dense, densities_of, level, over, test};
use crate::arms::called;
use crate::chart::{Band, Curve, Plot, Style};
use crate::figures::share;
use crate::series::Point;

/// The densities of the whole method's runs, the greatest first.
#[must_use]
pub fn densities(brief: &Brief) -> Vec<f64> {
    densities_of(brief, &brief.settings)
}

/// The whole method and the control at each density, with their intervals, and the dense runs; with `own`, a run of the
/// reader's.
#[must_use]
pub fn curve(brief: &Brief, own: Option<(&str, Point)>) -> Plot {
    let mut plot = Plot {
        title: "Accuracy on unseen examples, each model trained to its end".to_owned(),
        across: "density".to_owned(),
        up: "accuracy".to_owned(),
        until: Some(1.0),
        show: Some(share),
        ..Plot::default()
    };
    for (colour, arms) in [whole(brief), control(brief)].into_iter().enumerate() {
        let Some(name) = arms.first().map(|(_, arm)| called(&arm.preset)) else { continue };
        let all = || arms.iter().rev().filter_map(|(density, arm)| Some((*density, test(arm)?)));
        let points = all().map(|(density, of)| (density, of.mean)).collect();
        let band = all().filter_map(|(density, of)| Some((density, of.interval?.low, of.interval?.high))).collect();
        plot.curves.push(Curve { name, colour, style: Style::Dotted, points, ..Curve::default() });
        plot.bands.push(Band { colour, points: band });
    }
    let single = |name: &str, colour: usize, at: Point| Curve {
        name: name.to_owned(),
        colour,
        style: Style::LargePoints,
        points: vec![at],
        ..Curve::default()
    };
    if let Some((arm, of)) = dense(brief).and_then(|arm| Some((arm, test(arm)?))) {
        plot.curves.push(single(&format!("{}, nothing pruned", called(&arm.preset)), 2, (1.0, of.mean)));
    }
    plot.curves.extend(own.map(|(name, at)| single(name, 3, at)));
    plot
}

/// What the study has at the density nearest to this one, in a sentence.
#[must_use]
pub fn told(brief: &Brief, density: f64) -> Option<String> {
    if density >= 1.0 {
        let arm = dense(brief)?;
        let of = test(arm)?;
        return Some(format!(
            "Trained to its end with nothing pruned ({}): {} {}.",
            called(&arm.preset),
            level(of),
            over(of)
        ));
    }
    let distance = |(of, _): &(f64, &BriefArm)| (of - density).abs();
    let arms = whole(brief);
    let (nearest, arm) = arms.into_iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
    let of = test(arm)?;
    let control = control(brief).into_iter().find(|(at, _)| *at == nearest).and_then(|(_, arm)| test(arm));
    let control = control.map_or_else(String::new, |of| format!("; blocks removed by chance: {}", level(of)));
    let near = if (nearest - density).abs() < 1e-9 { "" } else { ", the nearest in the study" };
    Some(format!("Trained to its end at density {nearest}{near}: {} {}{control}.", level(of), over(of)))
}

fn whole(brief: &Brief) -> Vec<(f64, &BriefArm)> {
    let at = |density: f64| Some((density, super::whole_at(brief, density)?));
    densities(brief).into_iter().filter_map(at).collect()
}

fn control(brief: &Brief) -> Vec<(f64, &BriefArm)> {
    let mut knobs = brief.settings.clone();
    // A value of the knob; a test sees to it.
    let _ = knobs.set("salience", "random");
    let arm = |density: f64| brief.arm(&Knobs { density, ..knobs.clone() });
    let arms = densities_of(brief, &knobs).into_iter().filter_map(|density| Some((density, arm(density)?)));
    arms.filter(|(_, arm)| arm.preset == CONTROL).collect()
}
