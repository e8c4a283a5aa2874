//! When each schedule would prune a run of these settings.

use std::ops::Range;

use apt_experiment::{Opening, PruneSchedule, timeline};

use crate::history::History;

/// A schedule over the steps of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// Its name, as the setting has it.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// The preset that is the whole method with it.
    pub preset: &'static str,
    /// The steps of its pruning window.
    pub window: Range<usize>,
    /// Its pruning points.
    pub points: Vec<usize>,
    /// The steps with a teacher.
    pub taught: Option<Range<usize>>,
    /// Whether it is the schedule of the run.
    pub is_own: bool,
    /// What it gains and what it costs.
    pub words: &'static str,
}

const ALL: [(&str, &str, &str, &str); 4] = [
    (
        "early",
        "Early",
        "schedule-early",
        "It prunes as soon as the training loss has moved. Nearly all steps are then made on a small model, and what is \
         left has the most time to learn. The scores come from a model that has only begun to learn.",
    ),
    (
        "late",
        "Late",
        "schedule-late",
        "It prunes just before the final tuning. The scores come from a model that has learned, but most steps were made \
         on the whole model, and little time is left afterwards.",
    ),
    (
        "gradual",
        "Gradual",
        "schedule-gradual",
        "It prunes from the same step as early on, until the final tuning begins. Every cut is small, and the model is \
         large for longer.",
    ),
    (
        "one_shot",
        "One-shot",
        "schedule-one-shot",
        "It scores some batches before training and removes everything at once. All steps are cheap, but the scores come \
         from a model that has learned nothing of the task, and there is no whole model to be the teacher.",
    ),
];

/// The four schedules for the steps and settings of a run (METHOD §4); that of the run itself as it was laid out. Empty
/// while it is not laid out, and of a run to several densities, which is laid out for each.
#[must_use]
pub fn schedules(history: &History) -> Vec<Planned> {
    let Some((record, layout)) = history.record().and_then(|record| Some((record, record.layout.as_ref()?))) else {
        return Vec::new();
    };
    if record.config.via.is_some() {
        return Vec::new();
    }
    let (own, steps) = (record.config.schedule, history.steps.max(2));
    // Gradual pruning begins where early pruning does; a run of another schedule does not say where that would be.
    let opens = match own {
        PruneSchedule::Early | PruneSchedule::Gradual => layout.collect.start,
        _ => Opening::new(PruneSchedule::Early, record.config.tune_first, steps).latest(),
    };
    let plan = |(name, title, preset, words): (&'static str, &'static str, &'static str, &'static str)| {
        let mut knobs = record.config.clone();
        knobs.set("schedule", name).ok()?;
        let is_own = knobs.schedule == own;
        let (window, points, taught) = match is_own {
            // Behind the cut ranks alone change.
            _ if knobs.schedule == PruneSchedule::OneShot => (0..0, vec![0], None),
            true => (layout.collect.clone(), layout.points.iter().map(|of| of.step).collect(), layout.distill.clone()),
            false => {
                let planned = timeline(&knobs, steps, opens).ok()?;
                (planned.collect, planned.points.iter().map(|of| of.step).collect(), planned.distill)
            }
        };
        Some(Planned { name, title, preset, window, points, taught, is_own, words })
    };
    ALL.into_iter().filter_map(plan).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::tests::recorded;

    #[test]
    fn early_is_planned_as_the_recorded_run_was_laid_out() {
        let history = recorded();
        let layout = history.record().and_then(|record| record.layout.clone()).expect("laid out");
        let all = schedules(&history);
        assert_eq!(all.iter().map(|plan| plan.is_own).collect::<Vec<_>>(), [true, false, false, false]);
        let steps: Vec<usize> = layout.points.iter().map(|point| point.step).collect();
        assert_eq!((&all[0].points, &all[0].window), (&steps, &layout.collect));
        // Planned from the settings alone it would be the same.
        let config = &history.record().expect("a run").config;
        let planned = timeline(config, history.steps, layout.collect.start).expect("it can be laid out");
        assert_eq!(planned.points.iter().map(|point| point.step).collect::<Vec<_>>(), steps);
        assert_eq!((planned.collect, planned.distill), (layout.collect, layout.distill));
    }

    #[test]
    fn the_others_prune_in_their_own_part_of_the_run() {
        let all = schedules(&recorded());
        let ends = |plan: &Planned| (plan.window.clone(), plan.points.len(), plan.points.last().copied());
        assert_eq!(ends(&all[1]), (193..269, 10, Some(269)));
        assert_eq!(ends(&all[2]), (53..269, 10, Some(269)));
        assert_eq!(ends(&all[3]), (0..0, 1, Some(0)));
        assert_eq!((all[3].taught.clone(), all[1].taught.clone()), (None, Some(214..310)));
        assert!(schedules(&History::default()).is_empty());
    }
}
