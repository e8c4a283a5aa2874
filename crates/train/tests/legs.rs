//! Runs that reach several densities one after the other, and runs that go on to a further one.

mod common;

use apt_experiment::{CurvePoint, Densities, Event, Knobs, Layout};
use apt_train::{NoProbe, Session, Snapshot};
use pollster::block_on;

const STEPS: usize = 30;

/// To the last of `densities`, through those before it.
fn knobs(densities: &[f64]) -> Knobs {
    let (last, via) = densities.split_last().expect("a density");
    Knobs {
        model: "nano".into(),
        density: *last,
        via: (!via.is_empty()).then(|| Densities::from(via)),
        steps: Some(STEPS),
        batch_size: 4,
        max_length: 16,
        train_examples: Some(64),
        eval_every: 6,
        learning_rate: 3e-3,
        num_prunings: 2,
        tune_first: Some(0.0),
        round_neurons: 1,
        round_hidden: 1,
        ..Knobs::default()
    }
}

fn session(knobs: &Knobs) -> Session {
    Session::new(common::setup(knobs), Box::new(NoProbe)).expect("a session")
}

/// Goes on until `steps` are made and what follows at once is over.
fn until(session: &mut Session, steps: usize) -> Vec<Event> {
    let mut events = Vec::new();
    while session.steps_made() < steps || session.has_pending_events() {
        events.extend(block_on(session.step()).expect("a step"));
    }
    events
}

fn to_the_end(session: &mut Session) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(event) = block_on(session.step()).expect("a step") {
        events.push(event);
    }
    events
}

fn snapshot(session: &Session) -> Snapshot {
    block_on(session.snapshot()).expect("a snapshot")
}

fn resumed(knobs: &Knobs, snapshot: &Snapshot) -> Session {
    Session::resume(common::setup(knobs), Box::new(NoProbe), &snapshot.bytes, "a test").expect("a resume")
}

fn curve(events: &[Event]) -> Vec<&CurvePoint> {
    events.iter().filter_map(|event| if let Event::Step(point) = event { Some(point) } else { None }).collect()
}

fn layouts(events: &[Event]) -> Vec<&Layout> {
    events.iter().filter_map(|event| if let Event::Layout(layout) = event { Some(&**layout) } else { None }).collect()
}

fn taught(events: &[Event]) -> Vec<usize> {
    events
        .iter()
        .filter_map(|event| if let Event::Teacher(teacher) = event { Some(teacher.step) } else { None })
        .collect()
}

/// What a run computed after `step`: all that its events say but times.
fn computed(events: &[Event], step: usize) -> Vec<String> {
    let of = |event: &Event| match event {
        Event::Step(p) if p.step > step => Some(format!(
            "{} {} {:?} {} {} {:?}",
            p.step, p.loss, p.distill_loss, p.learning_rate, p.density, p.grad_norm
        )),
        Event::Pruned(p) if p.step >= step => {
            Some(format!("{} {} {:?} {:?} {:?}", p.step, p.density, p.kept_heads, p.kept_neurons, p.ranks))
        }
        Event::Evaluation(e) if e.step > step => Some(format!("{} {:?} {:?}", e.step, e.split, e.metrics)),
        Event::Measured(measures) => Some(format!("{:?} {:?}", measures.metric, measures.params)),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

#[test]
fn every_density_is_reached_and_tuned_in_as_many_steps() {
    let events = to_the_end(&mut session(&knobs(&[0.8, 0.6, 0.4])));
    let curve = curve(&events);
    assert_eq!(curve.len(), 3 * STEPS);
    for (leg, density) in [0.8, 0.6, 0.4].into_iter().enumerate() {
        let of_leg = &curve[leg * STEPS..(leg + 1) * STEPS];
        let (first, last) = (of_leg[0].density, of_leg[STEPS - 1].density);
        assert!(last <= density && last > density - 0.15, "{last} for {density}");
        assert!(first > last, "nothing was pruned between {first} and {last}");
        // Its rates are those of the first.
        let rates = |points: &[&CurvePoint]| points.iter().map(|point| point.learning_rate).collect::<Vec<_>>();
        assert_eq!(rates(of_leg), rates(&curve[..STEPS]));
    }
    let layouts = layouts(&events);
    assert_eq!(layouts.iter().map(|layout| layout.step).collect::<Vec<_>>(), [0, STEPS, 2 * STEPS]);
    assert!(layouts.iter().all(|layout| layout.collect.start >= layout.step), "{layouts:?}");
    let teachers = taught(&events);
    assert!((0..3).all(|leg| teachers.iter().any(|step| step / STEPS == leg)), "{teachers:?}");
    let grown = events.iter().filter(|event| matches!(event, Event::Grown(_))).count();
    assert!(grown >= 3, "ranks changed {grown} times");
}

#[test]
fn a_run_that_goes_on_to_a_further_density_is_the_run_that_passes_the_first() {
    let (first, both) = (knobs(&[0.8]), knobs(&[0.8, 0.5]));
    let whole = to_the_end(&mut session(&both));
    let mut short = session(&first);
    until(&mut short, 20);
    let before_its_end = snapshot(&short);
    until(&mut short, STEPS);
    let after_its_last_step = snapshot(&short);
    to_the_end(&mut short);
    let when_it_is_over = snapshot(&short);
    for (snapshot, step) in [(&before_its_end, 20), (&after_its_last_step, STEPS), (&when_it_is_over, STEPS)] {
        let mut further = resumed(&both, snapshot);
        assert_eq!((further.steps_made(), further.steps_planned()), (step, 2 * STEPS));
        let events = to_the_end(&mut further);
        assert_eq!(computed(&events, step), computed(&whole, step), "from step {step}");
    }
    // Within a later leg too.
    let mut interrupted = session(&both);
    until(&mut interrupted, STEPS + 11);
    let events = to_the_end(&mut resumed(&both, &snapshot(&interrupted)));
    assert_eq!(computed(&events, STEPS + 11), computed(&whole, STEPS + 11));
}

#[test]
fn a_run_goes_on_only_to_densities_beyond_its_own() {
    let mut short = session(&knobs(&[0.8]));
    until(&mut short, 2);
    let snapshot = snapshot(&short);
    for other in [&[0.7][..], &[0.7, 0.5], &[0.9, 0.8]] {
        let refused = Session::resume(common::setup(&knobs(other)), Box::new(NoProbe), &snapshot.bytes, "a test").err();
        let words = refused.expect("it is another run").to_string();
        assert!(words.contains("other settings") && (words.contains("density") || words.contains("via")), "{words}");
    }
}
