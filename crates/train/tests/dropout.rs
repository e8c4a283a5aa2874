//! Dropout in a run: it repeats, goes on after a resume, and is nowhere but in training steps.

mod common;

use apt_core::arms::PruneSchedule;
use apt_experiment::{Event, Knobs};
use apt_train::{NoProbe, Session};
use pollster::block_on;

fn knobs() -> Knobs {
    Knobs {
        model: "nano".into(),
        steps: Some(12),
        batch_size: 4,
        max_length: 16,
        train_examples: Some(64),
        eval_every: 4,
        prune_fraction: 0.3,
        num_prunings: 2,
        dropout: 0.2,
        ..Knobs::default()
    }
}

fn session(knobs: &Knobs) -> Session {
    Session::new(common::setup(knobs), Box::new(NoProbe)).expect("a session")
}

/// All events from here to the end of training.
fn rest(session: &mut Session) -> Vec<Event> {
    let mut events = Vec::new();
    while session.steps_made() < session.steps_planned() || session.has_pending_events() {
        events.extend(block_on(session.step()).expect("a step"));
    }
    events
}

fn losses(events: &[Event]) -> Vec<f64> {
    let of = |event: &Event| if let Event::Step(point) = event { Some(point.loss) } else { None };
    events.iter().filter_map(of).collect()
}

#[test]
fn a_run_with_dropout_repeats_and_goes_on_bit_for_bit_from_a_checkpoint_after_pruning() {
    let all = rest(&mut session(&knobs()));
    assert_ne!(losses(&all), losses(&rest(&mut session(&Knobs { dropout: 0.0, ..knobs() }))), "nothing is dropped");

    let mut stopped = session(&knobs());
    let parameters = |session: &Session| session.student().config.shape().parameters();
    let dense = parameters(&stopped);
    while parameters(&stopped) == dense || stopped.has_pending_events() {
        block_on(stopped.step()).expect("a step");
    }
    assert!(stopped.steps_made() < stopped.steps_planned(), "blocks left in the last step");
    let saved = block_on(stopped.snapshot()).expect("a snapshot");
    let mut resumed =
        Session::resume(common::setup(&knobs()), Box::new(NoProbe), &saved.bytes, "a test").expect("a resume");
    let rest = rest(&mut resumed);
    assert!(!rest.is_empty() && all.ends_with(&rest), "resumed: {rest:?}, in one go: {all:?}");
}

#[test]
fn scores_before_training_drop_nothing() {
    let run = |dropout| {
        let events = rest(&mut session(&Knobs { schedule: PruneSchedule::OneShot, dropout, ..knobs() }));
        let of = |event: &Event| if let Event::Pruned(point) = event { point.salience.clone() } else { None };
        (events.iter().find_map(of).expect("blocks are scored"), losses(&events)[0])
    };
    let ((plain, loss), (dropping, loss_dropping)) = (run(0.0), run(0.5));
    assert_eq!(plain, dropping);
    assert_ne!(loss, loss_dropping, "the first step drops nothing");
}

#[test]
fn an_evaluation_drops_nothing() {
    let evaluation = |dropout| {
        let mut session = session(&Knobs { dropout, ..knobs() });
        let started = block_on(session.step()).expect("a start");
        assert!(matches!(started, Some(Event::Started { .. })), "{started:?}");
        block_on(session.evaluate_now()).expect("an evaluation");
        block_on(session.step()).expect("an event")
    };
    let (plain, dropping) = (evaluation(0.0), evaluation(0.5));
    assert!(matches!(plain, Some(Event::Evaluation(_))), "{plain:?}");
    assert_eq!(plain, dropping);
}
