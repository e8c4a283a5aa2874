//! The memory that a run is said to need beside what it takes, counted by the allocator of this test's own process.
//!
//! One test in one binary: nothing else may allocate meanwhile.

mod common;

use apt_experiment::{Event, Knobs, preset};
use apt_train::{Memory, Probe, Session, estimate};
use peak_alloc::PeakAlloc;
use pollster::block_on;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

struct Counting;

impl Probe for Counting {
    fn seconds(&self) -> f64 {
        0.0
    }

    fn memory(&self) -> Memory {
        Memory { device_peak: Some(ALLOCATOR.peak_usage() as u64), process: None }
    }

    fn reset_peak(&self) {
        ALLOCATOR.reset_peak_usage();
    }
}

#[test]
fn the_estimate_is_near_the_peak_of_a_training_step() {
    for (name, model, dropout) in [
        ("lora", "builtin", 0.0),
        ("lora", "builtin", 0.1),
        ("apt", "builtin", 0.0),
        ("fine-tune", "builtin", 0.0),
        ("apt", "nano", 0.0),
    ] {
        let small =
            Knobs { steps: Some(8), eval_every: 100, train_examples: Some(512), ..preset(name).expect("a preset") };
        let knobs = Knobs { model: model.into(), dropout, ..small };
        let setup = common::setup(&knobs);
        let config = setup.source.config.clone();
        // What inputs really are: longer ones would be estimated and never seen. Dropout pads them to the longest.
        let lengths = || setup.task.train.iter().map(|example| example.tokens.ids.len());
        let length = match dropout > 0.0 {
            true => lengths().max().unwrap_or_default(),
            false => lengths().sum::<usize>().div_ceil(setup.task.train.len()),
        };
        let estimated: u64 =
            estimate(&config, &knobs, setup.task.objective.outputs(), length).iter().map(|(_, bytes)| bytes).sum();
        let before = ALLOCATOR.current_usage() as u64;
        let mut session = Session::new(setup, Box::new(Counting)).expect("a session");
        let mut peak = 0;
        while let Some(event) = block_on(session.step()).expect("a step") {
            if let Event::Step(point) = event {
                peak = peak.max(point.peak_device_bytes.unwrap_or_default() - before);
                if point.step == 8 {
                    break;
                }
            }
        }
        let ratio = estimated as f64 / peak as f64;
        println!("{name} on {model}, dropout {dropout}: {estimated} bytes estimated, {peak} taken, {ratio:.2} times");
        assert!((0.5..=2.0).contains(&ratio), "{name} on {model}: {estimated} bytes estimated, {peak} taken");
    }
}
