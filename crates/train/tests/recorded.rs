//! What a run records to be looked at, beside what it does: which units are outliers, and what two examples are answered.

mod common;

use apt_core::arms::{OutlierScale, PruneSchedule, Salience};
use apt_experiment::{Evaluation, Event, Knobs, PruningPoint, Split, UnitSalience};
use apt_train::{NoProbe, Session};
use pollster::block_on;

fn knobs() -> Knobs {
    Knobs {
        model: "nano".into(),
        steps: Some(24),
        batch_size: 8,
        max_length: 16,
        train_examples: Some(256),
        eval_every: 4,
        round_neurons: 4,
        round_hidden: 2,
        // Blocks are cut at the point: until the first, all scorers train alike.
        mask_step: 1.0,
        tune_first: Some(0.0),
        ..Knobs::default()
    }
}

fn events(knobs: &Knobs) -> Vec<Event> {
    let mut session = Session::new(common::setup(knobs), Box::new(NoProbe)).expect("a session");
    std::iter::from_fn(|| block_on(session.step()).expect("a step")).collect()
}

fn points(knobs: &Knobs) -> Vec<PruningPoint> {
    let points = events(knobs).into_iter();
    points.filter_map(|event| if let Event::Pruned(point) = event { Some(*point) } else { None }).collect()
}

fn lists(of: &UnitSalience) -> [Vec<f64>; 3] {
    [&of.heads, &of.neurons, &of.hidden].map(|scores| scores.lists().concat())
}

#[test]
fn salience_is_activation_times_gradient_plus_factor_times_root_at_the_first_point_alone() {
    let alone = |schedule| Knobs { schedule, salience: Salience::ActivationGradient, ..knobs() };
    for schedule in [PruneSchedule::Early, PruneSchedule::OneShot] {
        let products = points(&alone(schedule));
        assert!(products.iter().all(|point| point.outliers.is_none()), "another scorer has no outliers");
        let products = lists(products[0].salience.as_ref().expect("scores"));
        for outlier_scale in [OutlierScale::Balanced, OutlierScale::Raw] {
            let points = points(&Knobs { schedule, outlier_scale, ..knobs() });
            let said: Vec<bool> = points.iter().map(|point| point.outliers.is_some()).collect();
            assert_eq!(said, (0..points.len()).map(|place| place == 0).collect::<Vec<_>>());
            let outliers = points[0].outliers.as_ref().expect("the first point says it");
            let factors = [outliers.factors.heads, outliers.factors.neurons, outliers.factors.hidden];
            let scores = lists(points[0].salience.as_ref().expect("scores"));
            let units = scores.iter().zip(&products).zip(lists(&outliers.roots)).zip(factors);
            for (((scores, products), roots), factor) in units {
                assert!(roots.len() == scores.len() && roots.iter().any(|root| *root > 0.0), "{roots:?}");
                for ((score, product), root) in scores.iter().zip(products).zip(roots) {
                    // Three numbers of eleven bits.
                    let missing = (product + factor * root - score).abs() / score.max(f64::MIN_POSITIVE);
                    assert!(missing < 2e-3, "{schedule} {outlier_scale}: {product} + {factor} × {root}, not {score}");
                }
            }
        }
    }
}

#[test]
fn every_evaluation_has_the_answers_to_two_examples_and_the_teachers_while_there_is_one() {
    let knobs = Knobs { num_prunings: 1, prune_fraction: 0.3, distill_fraction: 0.6, tune_first: Some(0.2), ..knobs() };
    let events = events(&knobs);
    let Some(Event::Started { examples, .. }) = events.first() else { panic!("{:?}", events.first()) };
    assert_eq!(examples.len(), 2);
    assert_ne!(examples[0].label, examples[1].label);
    let appointed = events.iter().position(|event| matches!(event, Event::Teacher(_))).expect("a teacher");
    let evaluations = |events: &[Event]| -> Vec<Evaluation> {
        let all = events.iter().filter_map(|e| if let Event::Evaluation(of) = e { Some(of.clone()) } else { None });
        all.filter(|of| of.split == Split::Validation).collect()
    };
    let (before, after) = (evaluations(&events[..appointed]), evaluations(&events[appointed..]));
    for evaluation in before.iter().chain(&after) {
        assert_eq!(evaluation.examples.len(), 2, "step {}", evaluation.step);
        for answers in &evaluation.examples {
            let sum: f64 = answers.student.iter().sum();
            assert!(answers.student.len() == 2 && (sum - 1.0).abs() < 2e-4, "{answers:?}");
        }
    }
    assert!(before.iter().flat_map(|of| &of.examples).all(|answers| answers.teacher.is_none()));
    // The teacher is what the student was when it was appointed, which it was evaluated for.
    let was = &before.last().expect("an evaluation").examples;
    let taught: Vec<_> = after.iter().filter(|of| of.examples[0].teacher.is_some()).collect();
    assert!(taught.len() >= 2, "a teacher in {} evaluations", taught.len());
    for evaluation in taught {
        for (answers, was) in evaluation.examples.iter().zip(was) {
            let teacher = answers.teacher.as_ref().expect("to both examples");
            let apart = teacher.iter().zip(&was.student).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(apart < 2e-3, "step {}: {teacher:?}, not {:?}", evaluation.step, was.student);
        }
    }
    let tests = events.iter().filter(|e| matches!(e, Event::Evaluation(of) if of.split == Split::Test));
    let none = |event: &Event| matches!(event, Event::Evaluation(of) if of.examples.is_empty());
    assert!(tests.clone().count() == 1 && tests.into_iter().all(none));
}

#[test]
fn a_run_that_is_resumed_while_units_are_scored_says_the_same_of_outliers() {
    let knobs = Knobs { num_prunings: 1, prune_fraction: 0.5, ..knobs() };
    let whole = points(&knobs).remove(0);
    let mut session = Session::new(common::setup(&knobs), Box::new(NoProbe)).expect("a session");
    while session.steps_made() < 5 || session.has_pending_events() {
        block_on(session.step()).expect("a step");
    }
    assert!(whole.step > 5, "the point at step {} is not to come", whole.step);
    let saved = block_on(session.snapshot()).expect("a snapshot");
    let setup = common::setup(&knobs);
    let mut resumed = Session::resume(setup, Box::new(NoProbe), &saved.bytes, "a test").expect("a resume");
    let point = loop {
        match block_on(resumed.step()).expect("a step") {
            Some(Event::Pruned(point)) => break *point,
            Some(_) => {}
            None => panic!("it has no point"),
        }
    };
    assert!(point.outliers.is_some());
    assert_eq!((point.outliers, point.salience), (whole.outliers, whole.salience));
}
