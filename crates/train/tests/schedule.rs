//! When a run prunes, and who teaches it.

mod common;

use apt_core::arms::{KindWeighing, PruneSchedule};
use apt_core::search::KindWeights;
use apt_experiment::{Event, Knobs, Layout, OpenedBy, TeacherUpdate};
use apt_train::{NoProbe, Session};
use pollster::block_on;

/// The built-in model, which learns within few steps.
fn knobs() -> Knobs {
    Knobs {
        steps: Some(176),
        batch_size: 16,
        max_length: 32,
        train_examples: Some(512),
        eval_every: 24,
        lr_warmup: 0.0,
        learning_rate: 3e-3,
        num_prunings: 3,
        ..Knobs::default()
    }
}

fn session(knobs: &Knobs) -> Session {
    Session::new(common::setup(knobs), Box::new(NoProbe)).expect("a session")
}

/// All events of the first steps of `session`, in which all pruning points lie.
fn trained(mut session: Session) -> Vec<Event> {
    let mut events = Vec::new();
    while session.steps_made() < 100 || session.has_pending_events() {
        events.extend(block_on(session.step()).expect("a step"));
    }
    events
}

fn layouts(events: &[Event]) -> Vec<&Layout> {
    events.iter().filter_map(|event| if let Event::Layout(layout) = event { Some(&**layout) } else { None }).collect()
}

fn pruned_at(events: &[Event]) -> Vec<usize> {
    events.iter().filter_map(|event| if let Event::Pruned(point) = event { Some(point.step) } else { None }).collect()
}

fn teachers(events: &[Event]) -> Vec<&TeacherUpdate> {
    events.iter().filter_map(|event| if let Event::Teacher(teacher) = event { Some(teacher) } else { None }).collect()
}

#[test]
fn pruning_waits_until_the_loss_has_moved_and_keeps_to_what_it_announced() {
    let events = trained(session(&knobs()));
    let layouts = layouts(&events);
    assert_eq!(layouts.len(), 1, "{layouts:?}");
    let layout = layouts[0];
    assert_eq!(layout.opened_by, OpenedBy::LossMoved, "{}", layout.sentence());
    let loss = layout.loss.expect("the run waited for its loss");
    assert!(loss.now <= 0.6 * loss.start, "{loss:?}");
    assert_eq!(layout.collect.start, layout.step, "scores are gathered from then on");
    let planned: Vec<usize> = layout.points.iter().map(|point| point.step).collect();
    assert_eq!(pruned_at(&events), planned);
}

#[test]
fn a_loss_that_does_not_move_is_waited_for_no_longer_than_said_and_warned_of() {
    let events = trained(session(&Knobs { learning_rate: 1e-6, ..knobs() }));
    let layout = layouts(&events)[0];
    assert_eq!((layout.opened_by, layout.step), (OpenedBy::Latest, 44), "a quarter of 176 steps");
    let warned = |event: &Event| matches!(event, Event::Warning { message } if message.contains("has not moved"));
    assert!(events.iter().any(warned), "no warning");
}

#[test]
fn a_run_that_is_resumed_while_it_waits_prunes_at_the_same_steps() {
    let whole = trained(session(&knobs()));
    let opened = layouts(&whole)[0].step;
    let mut first = session(&knobs());
    while first.steps_made() < opened - 2 || first.has_pending_events() {
        block_on(first.step()).expect("a step");
    }
    let saved = block_on(first.snapshot()).expect("a snapshot");
    let resumed = Session::resume(common::setup(&knobs()), Box::new(NoProbe), &saved.bytes, "a test");
    let resumed = trained(resumed.expect("a resume"));
    assert_eq!(layouts(&resumed), layouts(&whole));
    assert_eq!(pruned_at(&resumed), pruned_at(&whole));
}

#[test]
fn the_teacher_is_a_whole_self_that_has_learned() {
    let events = trained(session(&knobs()));
    let (layout, teachers) = (layouts(&events)[0], teachers(&events));
    assert_eq!(teachers.len(), 1, "more pruned selves became teachers: {teachers:?}");
    assert_eq!(teachers[0].step, layout.points[0].window_start);
    // Nothing is removed: the teacher is followed by better selves alone.
    let whole = Knobs { density: 1.0, ..knobs() };
    let events = trained(session(&whole));
    let metrics: Vec<f64> = self::teachers(&events).iter().map(|teacher| teacher.metric).collect();
    assert!(!metrics.is_empty() && metrics.windows(2).all(|pair| pair[0] < pair[1]), "{metrics:?}");
}

#[test]
fn one_shot_has_no_earlier_self_and_says_so() {
    let events = trained(session(&Knobs { schedule: PruneSchedule::OneShot, ..knobs() }));
    assert!(teachers(&events).is_empty());
    let warned = |event: &Event| matches!(event, Event::Warning { message } if message.contains("no earlier self"));
    assert!(events.iter().any(warned), "no warning");
    let distils = |event: &Event| matches!(event, Event::Step(point) if point.distill_loss.is_some());
    assert!(!events.iter().any(distils), "a step distils");
}

#[test]
fn tuning_that_leaves_no_room_for_pruning_is_refused_and_not_cut_short() {
    let refused = |first| {
        let knobs = Knobs { tune_first: Some(first), ..knobs() };
        Session::new(common::setup(&knobs), Box::new(NoProbe)).err().map(|error| error.to_string())
    };
    assert_eq!(refused(140.0), None, "a window of 35 steps ends within 176");
    let error = refused(170.0).expect("it does not fit");
    assert!(error.contains("tune-first") && error.contains("at most 140"), "{error}");
}

/// A window that takes most of the run opens before the wait for the loss would end.
#[test]
fn a_run_with_a_long_window_announces_it_before_it_opens() {
    for (prune_fraction, steps) in [(0.9, 176), (0.2, 3)] {
        let knobs = Knobs { prune_fraction, tuning_fraction: 0.0, steps: Some(steps), ..knobs() };
        let mut session = session(&Knobs { learning_rate: 1e-6, ..knobs });
        let mut events = Vec::new();
        while session.steps_made() < steps.min(60) || session.has_pending_events() {
            events.extend(block_on(session.step()).expect("a step"));
        }
        let layout = layouts(&events)[0];
        assert!(layout.step <= layout.collect.start, "{}", layout.sentence());
        assert!(pruned_at(&events).iter().all(|step| layout.points.iter().any(|point| point.step == *step)));
        assert!(teachers(&events).len() <= 1, "{:?}", teachers(&events));
    }
}

#[test]
fn a_run_that_weighs_kinds_says_with_which_factors_and_the_papers_has_none() {
    let weights = |kind_weights| {
        let knobs = Knobs { kind_weights, tune_first: Some(16.0), head_floor: 0.0, density: 0.2, ..knobs() };
        let events = trained(session(&knobs));
        let of = |event: Event| if let Event::Pruned(point) = event { Some(point.kind_weights) } else { None };
        events.into_iter().filter_map(of).collect::<Vec<_>>()
    };
    let paper = weights(KindWeighing::Paper);
    assert!(paper.len() == 3 && paper.iter().all(Option::is_none), "{paper:?}");
    let equal = weights(KindWeighing::Equal);
    assert!(equal.iter().flatten().all(|of| *of != KindWeights::default()), "{equal:?}");
    let measured = weights(KindWeighing::Measured);
    let halvings = |factor: f64| factor.log2().fract() == 0.0;
    assert!(measured.iter().flatten().all(|of| of.neurons == 1.0 && halvings(of.heads) && halvings(of.hidden)));
    assert_eq!((equal.iter().flatten().count(), measured.iter().flatten().count()), (3, 3));
    assert_ne!(measured, vec![Some(KindWeights::default()); 3], "no other weights lower the loss");
}

#[test]
fn a_point_says_which_units_are_left_what_each_scored_and_which_break_their_rank() {
    let events = trained(session(&Knobs { tune_first: Some(16.0), density: 0.2, round_hidden: 8, ..knobs() }));
    let points: Vec<_> = events
        .into_iter()
        .filter_map(|event| if let Event::Pruned(point) = event { Some(point) } else { None })
        .collect();
    assert_eq!(points.len(), 3);
    let mut before = (vec![4; 4], vec![512; 4], 128);
    for point in &points {
        let counts: Vec<usize> = point.kept_neurons.iter().map(|kept| kept.list().len()).collect();
        assert_eq!(counts, point.neurons, "after step {}", point.step);
        let salience = point.salience.as_ref().expect("blocks were scored");
        let scored = |of: &apt_experiment::UnitScores| of.lists().iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!((scored(&salience.heads), scored(&salience.neurons)), (before.0, before.1));
        assert_eq!(scored(&salience.hidden), [before.2]);
        before = (point.heads.clone(), point.neurons.clone(), point.hidden);
    }
    // What stays out of rank is there, what leaves out of rank is not.
    let last = points.last().expect("three points");
    let exceptions = last.exceptions.as_ref().expect("ranks decide");
    for layer in 0..4 {
        let kept = &last.kept_neurons[layer];
        assert!(exceptions.filled.neurons[layer].list().iter().all(|unit| kept.contains(*unit)));
        assert!(exceptions.rounded.neurons[layer].list().iter().all(|unit| !kept.contains(*unit)));
    }
    let broken = points
        .iter()
        .filter_map(|point| point.exceptions.as_ref())
        .filter(|of| !of.rounded.is_empty() || !of.filled.is_empty());
    assert!(broken.count() > 0, "{points:?}");
}
