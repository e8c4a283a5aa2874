//! What may be asked of a run between two steps.

mod common;

use apt_core::arms::Distillation;
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
        eval_every: 100,
        lr_warmup: 0.0,
        ..Knobs::default()
    }
}

fn session(knobs: &Knobs) -> Session {
    Session::new(common::setup(knobs), Box::new(NoProbe)).expect("a session")
}

/// Goes on until the next training step; the events on the way.
fn step(session: &mut Session) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let event = block_on(session.step()).expect("a step").expect("the run is not over");
        events.push(event);
        if matches!(events.last(), Some(Event::Step(_))) {
            return events;
        }
    }
}

fn rate(events: &[Event]) -> f64 {
    events
        .iter()
        .find_map(|event| if let Event::Step(point) = event { Some(point.learning_rate) } else { None })
        .expect("a step")
}

#[test]
fn a_changed_learning_rate_counts_from_the_next_step_and_gives_an_event() {
    let (mut changed, mut left_alone) = (session(&knobs()), session(&knobs()));
    assert_eq!(rate(&step(&mut changed)), rate(&step(&mut left_alone)));
    changed.set_knob("learning_rate", "0.0001").expect("a live knob");
    let (events, plain) = (step(&mut changed), step(&mut left_alone));
    let ratio = rate(&plain) / rate(&events);
    assert!((ratio - 10.0).abs() < 1e-9, "the rate is a tenth, not 1/{ratio}");
    let changes: Vec<_> =
        events.iter().filter_map(|e| if let Event::KnobChanged(change) = e { Some(change) } else { None }).collect();
    assert_eq!(changes.len(), 1, "{events:?}");
    assert_eq!((changes[0].step, changes[0].knob.as_str(), changes[0].value.as_str()), (1, "learning_rate", "0.0001"));
}

#[test]
fn what_is_changed_stays_changed_after_a_resume() {
    let mut session = session(&knobs());
    step(&mut session);
    session.set_knob("weight_decay", "0").expect("a live knob");
    session.set_knob("clip_norm", "0.01").expect("a live knob");
    step(&mut session);
    while session.has_pending_events() {
        block_on(session.step()).expect("nothing is computed");
    }
    let saved = block_on(session.snapshot()).expect("a snapshot");
    // The settings are those the run began with; the changes are in the snapshot.
    let mut resumed =
        Session::resume(common::setup(&knobs()), Box::new(NoProbe), &saved.bytes, "a test").expect("a resume");
    let loss = |events: &[Event]| {
        let point = events.iter().find_map(|event| if let Event::Step(point) = event { Some(point) } else { None });
        point.map(|point| (point.loss, point.grad_norm))
    };
    for at in 3..6 {
        assert_eq!(loss(&step(&mut session)), loss(&step(&mut resumed)), "step {at}");
    }
}

#[test]
fn a_fixed_knob_a_wrong_value_and_a_new_teacher_are_refused_and_change_nothing() {
    let mut session = session(&Knobs { distillation: Distillation::Off, ..knobs() });
    step(&mut session);
    for (name, text, word) in [
        ("density", "0.5", "fixed"),
        ("learning_rate", "seven", "learning_rate"),
        ("learning_rate", "7", "learning_rate"),
        ("distillation", "shared", "teacher"),
        ("no_such_knob", "1", "no_such_knob"),
    ] {
        let error = session.set_knob(name, text).expect_err("refused").to_string();
        assert!(error.replace('-', "_").contains(word), "{name} = {text}: {error}");
    }
    assert!(!session.has_pending_events(), "a refusal gave an event");
}

#[test]
fn a_teacher_that_was_dropped_distils_no_more() {
    let mut session = session(&Knobs { prune_fraction: 0.3, num_prunings: 1, distill_fraction: 0.6, ..knobs() });
    let distils =
        |events: &[Event]| events.iter().any(|e| matches!(e, Event::Step(point) if point.distill_loss.is_some()));
    let mut steps = 0;
    while !distils(&step(&mut session)) {
        steps += 1;
        assert!(steps < 10, "no step distils");
    }
    session.set_knob("distillation", "off").expect("a teacher may be dropped");
    assert!(session.teacher().is_none());
    assert!(!distils(&step(&mut session)), "the teacher still distils");
}

#[test]
fn an_evaluation_in_between_gives_an_event_and_chooses_nothing() {
    let (mut asked, mut left_alone) = (session(&knobs()), session(&knobs()));
    step(&mut asked);
    step(&mut left_alone);
    block_on(asked.evaluate_now()).expect("an evaluation");
    let events = step(&mut asked);
    assert!(events.iter().any(|event| matches!(event, Event::Evaluation(e) if e.step == 1)), "{events:?}");
    let plain = step(&mut left_alone);
    assert_eq!(events.last(), plain.last(), "the next step is the same");
}

/// What a benchmark relies on: a clock around such a call times one training step and nothing else.
#[test]
fn a_call_that_returns_a_step_made_that_step_and_nothing_else() {
    // Otherwise it is said after a step when the run will prune.
    let mut session = session(&Knobs { tune_first: Some(0.0), ..knobs() });
    let mut steps = 0;
    while session.steps_made() < 10 {
        let (made, idle) = (session.steps_made(), !session.has_pending_events());
        let event = block_on(session.step()).expect("a step");
        if let (true, Some(Event::Step(point))) = (idle, event) {
            assert_eq!((session.steps_made(), point.step), (made + 1, made + 1));
            assert!(!session.has_pending_events(), "step {}: more than a step was made", point.step);
            steps += 1;
        }
    }
    assert!(steps >= 5, "only {steps} of 10 steps came alone");
}
