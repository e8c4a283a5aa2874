//! What the metric costs: every arm at every density, and which of them no other beats in both.

use apt_experiment::lower_is_better;
use serde::Serialize;

use crate::answer::FEWEST_SEEDS;
use crate::groups::Group;
use crate::metric::metric;
use crate::statistics::Summary;

/// The metric against one cost.
#[derive(Clone, Debug, Serialize)]
pub struct Front {
    /// The cost.
    pub cost: &'static str,
    /// The metric.
    pub metric: &'static str,
    /// Arms that have both.
    pub points: Vec<FrontPoint>,
}

/// One arm.
#[derive(Clone, Debug, Serialize)]
pub struct FrontPoint {
    /// Its place in [`crate::Section::groups`].
    pub group: usize,
    /// Its cost.
    pub cost: Summary,
    /// Its metric.
    pub metric: Summary,
    /// Whether no other mean is as good in both and better in one; no point is where one has too few seeds to say.
    pub on_front: bool,
}

const COSTS: [&str; 5] = ["parameters", "training_seconds", "peak_device_bytes", "peak_process_bytes", "latency_32"];

/// The fronts; one with fewer than two arms is left out, and so is the memory of the process where that
/// of the device is known.
///
/// `name` is that of the metric, as the task calls it.
pub(crate) fn fronts(groups: &[Group], by: &'static str, name: &str) -> Vec<Front> {
    let mut fronts: Vec<Front> = COSTS.iter().map(|cost| front(groups, cost, by, name)).collect();
    fronts.retain(|front| front.points.len() > 1);
    if fronts.iter().any(|front| front.cost == "peak_device_bytes") {
        fronts.retain(|front| front.cost != "peak_process_bytes");
    }
    fronts
}

fn front(groups: &[Group], cost: &'static str, by: &'static str, name: &str) -> Front {
    let point = |(place, group): (usize, &Group)| {
        let (cost, metric) = (*group.summaries.get(cost)?, *group.summaries.get(by)?);
        Some(FrontPoint { group: place, cost, metric, on_front: false })
    };
    let mut points: Vec<FrontPoint> = groups.iter().enumerate().filter_map(point).collect();
    let less = metric(cost).and_then(|of| of.lower_is_better) != Some(false);
    let turned = |value: f64, turns: bool| if turns { -value } else { value };
    let means = points.iter().map(|of| (turned(of.cost.mean, !less), turned(of.metric.mean, lower_is_better(name))));
    let means: Vec<(f64, f64)> = means.collect();
    // Means of fewer are noise, which a line between the best of them would show as a law.
    let settled = points.iter().all(|point| point.metric.n >= FEWEST_SEEDS);
    for (point, own) in points.iter_mut().zip(&means) {
        point.on_front = settled && !means.iter().any(|of| of.0 <= own.0 && of.1 >= own.1 && of != own);
    }
    Front { cost, metric: by, points }
}
