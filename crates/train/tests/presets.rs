//! Every preset runs to its end and keeps what it promises, and those with a state of their own go on from a snapshot
//! as if nothing had happened.

mod common;

use apt_core::arms::{Distillation, PruneSchedule, RankGrowth};
use apt_experiment::{Event, Knobs, PRESETS, RecordBuilder, preset, without_times};
use apt_train::{NoProbe, Session};
use pollster::block_on;
use serde_json::Value;

fn knobs(name: &str) -> Knobs {
    Knobs {
        model: "nano".into(),
        steps: Some(24),
        batch_size: 8,
        max_length: 16,
        train_examples: Some(256),
        eval_every: 8,
        // A quarter of its hidden dims at once would miss any density.
        round_neurons: 4,
        round_hidden: 2,
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

fn plain(events: &[Event]) -> Vec<Value> {
    events.iter().map(|event| without_times(&serde_json::to_value(event).expect("an event is JSON"))).collect()
}

#[test]
fn every_preset_runs_to_its_end_and_keeps_its_promises() {
    for entry in PRESETS {
        let (name, knobs) = (entry.name, knobs(entry.name));
        let events = rest(&mut session(&knobs));
        let record = RecordBuilder::from_events(&events).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(record.curve.len(), 24, "{name}");
        let density = record.density().expect("it was measured");
        assert!(density <= knobs.density && density > knobs.density * 0.8, "{name}: density {density}");
        let last = record.pruning_points.last();
        assert_eq!(last.is_some(), knobs.prunes() || knobs.ranks_change(), "{name}: pruning points");
        if let Some(point) = last {
            assert_eq!(point.removed, knobs.prunes(), "{name}");
            let whole = point.kept_hidden.len() == record.shape.hidden;
            assert!(knobs.prune_hidden || whole, "{name}: hidden dims were pruned");
            let ranks: Vec<usize> = point.ranks.values().copied().collect();
            match knobs.rank_growth {
                RankGrowth::Static => assert!(ranks.iter().all(|&rank| rank == knobs.rank), "{name}: {ranks:?}"),
                RankGrowth::Adaptive | RankGrowth::Uniform => {
                    assert!(ranks.iter().any(|&rank| rank > knobs.rank), "{name}: {ranks:?}");
                }
                RankGrowth::Allocate => {
                    assert_eq!(ranks.iter().sum::<usize>(), knobs.rank * ranks.len(), "{name}: {ranks:?}");
                    assert!(ranks.iter().any(|&rank| rank != knobs.rank), "{name}: every rank is the same");
                    assert!(!record.growths.is_empty(), "{name}: no event says that ranks changed");
                }
            }
        }
        let distils = record.curve.iter().any(|point| point.distill_loss.is_some());
        // Before the first step there is no earlier self.
        let taught = knobs.distillation != Distillation::Off && knobs.schedule != PruneSchedule::OneShot;
        assert_eq!(distils, taught, "{name}: distillation");
    }
}

/// From a snapshot after every step of a run, the events are those of the run itself.
#[test]
fn learned_masks_and_allotted_ranks_go_on_from_any_step_bit_for_bit() {
    for name in ["prune-distill", "lora-prune-distill", "adalora", "lora-prune", "apt-no-pruning"] {
        let knobs = Knobs { steps: Some(12), num_prunings: knobs(name).num_prunings.min(3), ..knobs(name) };
        let mut whole = session(&knobs);
        let mut events = Vec::new();
        let mut snapshots = Vec::new();
        while let Some(event) = block_on(whole.step()).expect("a step") {
            let step = matches!(event, Event::Step(_));
            events.push(event);
            // Events after a step belong to it.
            while step && whole.has_pending_events() {
                events.extend(block_on(whole.step()).expect("nothing is computed"));
            }
            if step && whole.steps_made() < 12 {
                snapshots.push((events.len(), block_on(whole.snapshot()).expect("a snapshot")));
            }
        }
        assert_eq!(snapshots.len(), 11, "{name}");
        let events = plain(&events);
        for (from, saved) in snapshots {
            let resumed = Session::resume(common::setup(&knobs), Box::new(NoProbe), &saved.bytes, "a test");
            let again =
                plain(&rest(&mut resumed.unwrap_or_else(|error| panic!("{name}, step {}: {error}", saved.step))));
            assert_eq!(again.len(), events.len() - from, "{name}, step {}: number of events", saved.step);
            for (again, once) in again.iter().zip(&events[from..]) {
                assert_eq!(again, once, "{name}, resumed after step {}", saved.step);
            }
        }
    }
}
