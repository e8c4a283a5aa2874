//! A batch in shards gives what the whole batch gives, up to rounding: on threads, and by several sessions in a team, of which
//! any but the leader may go.

mod common;

use apt_core::arms::{Padding, Salience};
use apt_data::{Reading, parse_task};
use apt_experiment::{Event, Knobs, Split, preset, without_times};
use apt_nn::ModelConfig;
use apt_train::device::cpu;
use apt_train::team::{Link, Note, Receiving, Team};
use apt_train::{Machine, ModelFiles, ModelSource, NoProbe, SNAPSHOT_VERSION, Session, Setup, Snapshot, sha256};
use common::{CONFIG, TOKENIZER};
use pollster::block_on;
use serde_json::Value;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

const STEPS: usize = 50;

fn knobs(name: &str, shards: usize) -> Knobs {
    Knobs {
        model: "nano".into(),
        steps: Some(STEPS),
        batch_size: 8,
        max_length: 16,
        train_examples: Some(200),
        eval_every: 10,
        round_neurons: 4,
        round_hidden: 2,
        shards,
        ..preset(name).expect("a preset")
    }
}

fn session(knobs: &Knobs) -> Session {
    Session::new(common::setup(knobs), Box::new(NoProbe)).expect("a session")
}

/// All events from here on.
fn rest(session: &mut Session) -> Vec<Event> {
    std::iter::from_fn(|| block_on(session.step()).expect("a step")).collect()
}

fn run(knobs: &Knobs) -> Vec<Event> {
    rest(&mut session(knobs))
}

/// Events that do not depend on how long anything took, but for what was told of workers that are gone.
fn plain(events: &[Event]) -> Vec<Value> {
    let lost = |event: &Event| matches!(event, Event::Warning { message } if message.contains("worker"));
    let measured = |event: &Event| matches!(event, Event::Measured(_));
    let told = events.iter().filter(|event| !lost(event) && !measured(event));
    told.map(|event| without_times(&serde_json::to_value(event).expect("an event is JSON"))).collect()
}

/// What was kept at every pruning point, and ranks.
fn layouts(events: &[Event]) -> Vec<Value> {
    let point = |event: &Event| match event {
        Event::Pruned(point) => Some(serde_json::json!([
            point.step,
            point.kept_heads,
            point.kept_neurons,
            point.kept_hidden,
            point.ranks,
            point.density
        ])),
        _ => None,
    };
    events.iter().filter_map(point).collect()
}

/// Losses and gradient norms of the steps, and all metrics.
fn numbers(events: &[Event]) -> Vec<f64> {
    let of = |event: &Event| match event {
        Event::Step(point) => {
            let norm = point.grad_norm.unwrap_or_default();
            vec![point.loss, point.task_loss, point.distill_loss.unwrap_or_default(), norm]
        }
        Event::Evaluation(evaluation) => evaluation.metrics.values().copied().collect(),
        _ => Vec::new(),
    };
    events.iter().flat_map(of).collect()
}

fn agree(name: &str, ours: &[Event], whole: &[Event]) {
    assert_eq!(layouts(ours), layouts(whole), "{name}: pruning points");
    let (ours, whole) = (numbers(ours), numbers(whole));
    assert_eq!(ours.len(), whole.len(), "{name}");
    for (place, (ours, whole)) in ours.iter().zip(&whole).enumerate() {
        assert!((ours - whole).abs() <= 1e-3 * whole.abs().max(0.1), "{name}: {ours}, of the whole {whole} ({place})");
    }
}

/// Settings in so many shards, with their name.
type Variant = (String, Box<dyn Fn(usize) -> Knobs>);

fn variants() -> Vec<Variant> {
    let mut variants: Vec<Variant> = Vec::new();
    for name in ["apt", "lora", "adalora", "llm-pruner", "lora-prune-distill", "distillation-separate"] {
        variants.push((name.into(), Box::new(move |shards| knobs(name, shards))));
    }
    for salience in [Salience::Gradient, Salience::Wanda, Salience::Magnitude, Salience::L0] {
        let of = move |shards| Knobs { salience, ..knobs("apt", shards) };
        variants.push((format!("{salience}"), Box::new(of)));
    }
    variants.push(("dropout".into(), Box::new(|shards| Knobs { dropout: 0.1, ..knobs("apt", shards) })));
    // A batch of five does not fall into shards of one size, nor the last of an epoch into four.
    variants.push((
        "odd".into(),
        Box::new(|shards| Knobs { batch_size: 5, train_examples: Some(97), ..knobs("apt", shards) }),
    ));
    variants
}

#[test]
fn shards_give_what_the_whole_batch_gives() {
    for (name, knobs) in variants() {
        let whole = run(&knobs(1));
        for shards in [2, 3, 4] {
            agree(&format!("{name} in {shards}"), &run(&knobs(shards)), &whole);
        }
    }
}

#[test]
fn the_same_number_of_shards_gives_the_same_bits() {
    for shards in [1, 2, 4] {
        let knobs = knobs("apt", shards);
        assert_eq!(plain(&run(&knobs)), plain(&run(&knobs)), "{shards}");
    }
}

struct Channel {
    to: Sender<Note>,
    from: Receiver<Note>,
}

fn link() -> (Channel, Channel) {
    let ((to, other_from), (other_to, from)) = (channel(), channel());
    (Channel { to, from }, Channel { to: other_to, from: other_from })
}

impl Link for Channel {
    fn send(&mut self, note: Note) {
        // Whether the other is gone is told by what is received.
        let _ = self.to.send(note);
    }

    fn receive(&mut self) -> Receiving<'_> {
        Box::pin(std::future::ready(self.from.recv().ok()))
    }
}

/// The events of the leader of a team, whose members compute these shards and leave after so many steps, if they do.
fn lead(
    knobs: &Knobs,
    own: Vec<usize>,
    members: &[(Vec<usize>, Option<usize>)],
    between: impl Fn(&mut Session, usize),
) -> Vec<Event> {
    let mut links: Vec<(Vec<usize>, Box<dyn Link>)> = Vec::new();
    let mut threads = Vec::new();
    for (shards, leaves) in members.iter().cloned() {
        let (here, there) = link();
        links.push((shards.clone(), Box::new(here)));
        let knobs = knobs.clone();
        threads.push(thread::spawn(move || {
            let mut session = session(&knobs);
            session.join(shards, Team::member(Box::new(there)));
            while leaves.is_none_or(|step| session.steps_made() < step) {
                if block_on(session.step()).expect("a step").is_none() {
                    break;
                }
            }
        }));
    }
    let mut session = session(knobs);
    session.join(own, Team::leader(knobs.shards, links));
    let mut events = Vec::new();
    while let Some(event) = block_on(session.step()).expect("a step") {
        events.push(event);
        if !session.has_pending_events() {
            let step = session.steps_made();
            between(&mut session, step);
        }
    }
    drop(session);
    threads.into_iter().for_each(|thread| thread.join().expect("a member without a panic"));
    events
}

#[test]
fn a_team_gives_the_bits_of_its_shards_on_one_worker() {
    let knobs = knobs("apt", 3);
    let alone = plain(&run(&knobs));
    assert_eq!(plain(&lead(&knobs, vec![0], &[(vec![1], None), (vec![2], None)], |_, _| {})), alone);
    assert_eq!(plain(&lead(&knobs, vec![1], &[(vec![0, 2], None)], |_, _| {})), alone);
}

#[test]
fn a_member_that_is_gone_changes_no_number_and_is_told_of() {
    let knobs = knobs("apt", 4);
    let alone = plain(&run(&knobs));
    let members = [(vec![1], Some(17)), (vec![2], None), (vec![3], Some(31))];
    let events = lead(&knobs, vec![0], &members, |_, _| {});
    assert_eq!(plain(&events), alone);
    let told = events.iter().filter(|event| matches!(event, Event::Warning { message } if message.contains("is gone")));
    assert_eq!(told.count(), 2);
}

/// Four layers of random weights.
fn deep(knobs: &Knobs) -> Session {
    let mut config: Value = serde_json::from_slice(CONFIG).expect("the built-in configuration");
    config["num_hidden_layers"] = 4.into();
    let config = ModelConfig::from_json(config.to_string().as_bytes(), "config.json").expect("a configuration");
    let source = ModelSource::random(config, 3);
    let model = ModelFiles::new(source, String::new(), TOKENIZER.to_vec(), "tokenizer.json").expect("a model");
    let task = parse_task("builtin", &[], &Reading::default()).expect("the built-in task");
    let knobs = knobs.clone().check().expect("settings that fit together");
    let setup = Setup::assemble(knobs, None, model, task, &cpu("a test"), Machine::default());
    Session::new(setup.expect("settings that fit"), Box::new(NoProbe)).expect("a session")
}

/// Where a layer is gone and there are two beside it, which of them stands for it is chosen by the losses of the whole batch.
/// The rate is high, and rounding grows with it: with this seed it turns no answer of an evaluation.
#[test]
fn layers_that_are_gone_are_stood_for_alike() {
    let of = |shards| Knobs {
        density: 0.1,
        salience: Salience::Random,
        distill_fraction: 0.6,
        prune_hidden: false,
        head_floor: 0.0,
        learning_rate: 1e-2,
        seed: 6,
        ..knobs("apt", shards)
    };
    let whole = rest(&mut deep(&of(1)));
    let mut gone = None;
    let mut taught = 0;
    for event in &whole {
        match event {
            Event::Pruned(point) => {
                let left: Vec<bool> = point.heads.iter().zip(&point.neurons).map(|(h, n)| h * n > 0).collect();
                let inner =
                    |layer: usize| !left[layer] && left[..layer].contains(&true) && left[layer..].contains(&true);
                gone = (1..3).find(|&layer| inner(layer)).or(gone);
            }
            Event::Step(point) if gone.is_some() => taught += usize::from(point.distill_loss.is_some()),
            _ => {}
        }
    }
    assert!(taught > 5, "no layer between two others is gone while there is a teacher: {:?}", layouts(&whole));
    agree("a lost layer", &rest(&mut deep(&of(3))), &whole);
}

#[test]
fn what_is_changed_or_asked_of_the_leader_in_between_holds_for_all() {
    let knobs = knobs("apt", 2);
    let change = |session: &mut Session, step: usize| {
        if step == 12 && session.knobs().learning_rate != 1e-4 {
            session.set_knob("learning_rate", "0.0001").expect("a knob that can be changed");
            block_on(session.evaluate_now()).expect("an evaluation");
        }
    };
    let mut session = session(&knobs);
    let mut alone = Vec::new();
    while let Some(event) = block_on(session.step()).expect("a step") {
        alone.push(event);
        if !session.has_pending_events() {
            let step = session.steps_made();
            change(&mut session, step);
        }
    }
    let led = lead(&knobs, vec![0], &[(vec![1], None)], change);
    assert!(led.iter().any(|event| matches!(event, Event::KnobChanged(_))));
    let evaluations = |events: &[Event]| {
        events.iter().filter(|e| matches!(e, Event::Evaluation(e) if e.split == Split::Validation)).count()
    };
    assert_eq!(evaluations(&led), evaluations(&alone));
    assert_eq!(plain(&led), plain(&alone));
}

/// A checkpoint in which a text of its session is another of the same length.
fn edited(saved: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let line = saved.iter().position(|&byte| byte == b'\n').expect("a first line");
    let mut body = saved[line + 1..].to_vec();
    let at = body.windows(from.len()).position(|window| window == from.as_bytes()).expect("the text");
    body[at..at + to.len()].copy_from_slice(to.as_bytes());
    let mut older = format!("apt-lab-checkpoint {SNAPSHOT_VERSION} {}\n", sha256(&body)).into_bytes();
    older.extend(body);
    older
}

/// A checkpoint from before there was a choice is of a run that counted padding.
#[test]
fn a_checkpoint_that_says_nothing_of_padding_counts_it() {
    let mut session = session(&knobs("apt", 1));
    let saved = loop {
        block_on(session.step()).expect("a step");
        if session.steps_made() == 1 && !session.has_pending_events() {
            break block_on(session.snapshot()).expect("a snapshot").bytes;
        }
    };
    let padding = |bytes: &[u8]| Snapshot::contents(bytes, "a test").expect("whole").knobs.padding;
    let says = r#"\"padding\":\"left_out\","#;
    assert_eq!(padding(&saved), Padding::LeftOut);
    assert_eq!(padding(&edited(&saved, says, &" ".repeat(says.len()))), Padding::Counted);
}

/// A checkpoint from before there were shards says 0 of them, as settings do that say nothing.
#[test]
fn a_checkpoint_that_says_nothing_of_shards_goes_on_with_one() {
    let knobs = knobs("apt", 1);
    let mut whole = session(&knobs);
    while whole.steps_made() < 20 {
        block_on(whole.step()).expect("a step");
    }
    while whole.has_pending_events() {
        block_on(whole.step()).expect("an event");
    }
    let saved = block_on(whole.snapshot()).expect("a snapshot").bytes;
    let older = edited(&saved, r#"\"shards\":1"#, r#"\"shards\":0"#);
    let resumed = Session::resume(common::setup(&knobs), Box::new(NoProbe), &older, "a test");
    assert_eq!(plain(&rest(&mut resumed.expect("a resume"))), plain(&rest(&mut whole)));
}
