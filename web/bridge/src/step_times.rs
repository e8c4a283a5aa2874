//! Which of two devices makes a run faster: which steps are timed, for how long, what is taken of the two times, and what
//! they are remembered under. The worker makes the steps (`web/worker/src/faster.rs`).

use apt_experiment::Knobs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Steps that are not counted: they hold what is made once, as kernels are.
const WARM_UP: usize = 2;
/// Steps that are counted.
const COUNTED: usize = 5;
/// Milliseconds after which those counted are enough, however few they are.
const ENOUGH_MS: f64 = 2_000.0;
/// Milliseconds that the GPU may take for all of them: a browser compiles a kernel when it is first used.
pub const GPU_LIMIT_MS: f64 = 60_000.0;
/// Milliseconds that the CPU may take in any case.
const CPU_LEAST_MS: f64 = 2_000.0;
/// The CPU is given up when its first counted step has not ended after the time of so many of the GPU's. A run's first step
/// has a pass more.
const GIVEN_UP: f64 = 3.0 * PASSES;
const PASSES: f64 = (WARM_UP + 2) as f64;
/// The CPU is taken if it takes less than this share of the GPU's time: what is closer is no difference that a few steps
/// could tell, and the GPU leaves the processors to the page.
const FASTER: f64 = 0.9;
/// More steps than are made.
const MANY: usize = 1_000;

/// What the time of a step depends on, beside program and adapter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepSize {
    /// Layers of the model.
    pub layers: usize,
    /// Its hidden dims.
    pub hidden: usize,
    /// Its vocabulary.
    pub words: usize,
    /// Parameters of its layers.
    pub parameters: usize,
    /// Examples in a batch.
    pub batch_size: usize,
    /// The most tokens of an example.
    pub length: usize,
    /// Parts of a batch, on the CPU.
    pub shards: usize,
    /// Workers that compute them there.
    pub workers: usize,
}

impl StepSize {
    /// `4 layers of width 128, 790 k parameters`.
    #[must_use]
    pub fn model(&self) -> String {
        let parameters = match self.parameters as f64 {
            few if few < 1e6 => format!("{:.0} k", few / 1e3),
            more if more < 1e7 => format!("{:.1} M", more / 1e6),
            many => format!("{:.0} M", many / 1e6),
        };
        let layers = if self.layers == 1 { "layer" } else { "layers" };
        format!("{} {layers} of width {}, {parameters} parameters", self.layers, self.hidden)
    }

    /// `32 × 64`.
    #[must_use]
    pub fn batch(&self) -> String {
        format!("{} × {}", self.batch_size, self.length)
    }
}

/// Milliseconds of a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepTime {
    /// How many.
    pub ms: f64,
    /// Whether it takes longer: the device was given up.
    pub given_up: bool,
}

impl StepTime {
    /// `12 ms`, `over 3.1 s`.
    #[must_use]
    pub fn words(self) -> String {
        let time = match self.ms {
            ms if ms < 10.0 => format!("{ms:.1} ms"),
            ms if ms < 999.5 => format!("{ms:.0} ms"),
            ms => format!("{:.1} s", ms / 1e3),
        };
        if self.given_up { format!("over {time}") } else { time }
    }
}

/// What steps of one size take on both devices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepTimes {
    /// The size.
    pub size: StepSize,
    /// On the GPU.
    pub gpu: StepTime,
    /// On the CPU, of the share of a batch that one of its workers has.
    pub cpu: StepTime,
}

impl StepTimes {
    /// Whether the GPU is taken.
    #[must_use]
    pub fn takes_gpu(&self) -> bool {
        self.cpu.ms >= FASTER * self.gpu.ms
    }

    /// The device that is taken.
    #[must_use]
    pub fn taken(&self) -> &'static str {
        if self.takes_gpu() { "WebGPU" } else { "the CPU" }
    }

    /// `61 ms`, `about 61 ms with 2 workers`.
    #[must_use]
    pub fn cpu_words(&self) -> String {
        let time = self.cpu.words();
        match (self.size.workers, self.cpu.given_up) {
            (1, _) => time,
            (workers, true) => format!("{time} with {workers} workers"),
            (workers, false) => format!("about {time} with {workers} workers"),
        }
    }

    /// `WebGPU 12 ms a step, CPU 61 ms: WebGPU is taken`.
    #[must_use]
    pub fn words(&self) -> String {
        format!("WebGPU {} a step, CPU {}: {} is taken", self.gpu.words(), self.cpu_words(), self.taken())
    }

    /// Seconds by the setting that asks for the device, for the record of a run.
    #[must_use]
    pub fn seconds(&self) -> BTreeMap<String, f64> {
        [("webgpu", self.gpu), ("cpu", self.cpu)].map(|(device, time)| (device.to_owned(), time.ms / 1e3)).into()
    }

    /// Those of this size among what was timed.
    #[must_use]
    pub fn of<'a>(size: &StepSize, known: &'a [Self]) -> Option<&'a Self> {
        known.iter().find(|times| times.size == *size)
    }

    /// What was timed, newest first, with these in the place of those of their size.
    #[must_use]
    pub fn beside(self, mut known: Vec<Self>) -> Vec<Self> {
        known.retain(|times| times.size != self.size);
        known.insert(0, self);
        known
    }
}

/// What is timed on an adapter is remembered under this: another program, whose `code` is another, times anew.
#[must_use]
pub fn step_times_key(code: &str, adapter: &str) -> String {
    format!("steps {code} {adapter}")
}

/// Settings for the first steps of a run with `knobs`: nothing is done before or between them that a run does once or now
/// and then.
#[must_use]
pub fn steps_of(knobs: &Knobs) -> Knobs {
    Knobs { density: 1.0, via: None, steps: Some(MANY), eval_every: MANY, ..knobs.clone() }
}

/// The same of what one of the CPU's workers has of every batch.
#[must_use]
pub fn share_of(knobs: &Knobs, shards: usize, workers: usize) -> Knobs {
    let (shards, of_worker) = (shards.max(1), shards.div_ceil(workers.max(1)).max(1));
    let batch_size = (knobs.batch_size.div_ceil(shards) * of_worker).min(knobs.batch_size);
    Knobs { shards: of_worker.min(batch_size), batch_size, ..knobs.clone() }
}

/// The steps of one device as they are made.
#[derive(Clone, Debug, Default)]
pub struct Stopwatch {
    counted: Vec<f64>,
    made: usize,
}

impl Stopwatch {
    /// The most steps that are made.
    pub const STEPS: usize = WARM_UP + COUNTED;

    /// Takes in a step of so many milliseconds.
    pub fn add(&mut self, ms: f64) {
        self.made += 1;
        if self.made > WARM_UP {
            self.counted.push(ms);
        }
    }

    /// Steps that were made.
    #[must_use]
    pub fn made(&self) -> usize {
        self.made
    }

    /// Whether nothing more is to be timed.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.counted.len() >= COUNTED || self.counted.iter().sum::<f64>() >= ENOUGH_MS
    }

    /// The median step; if none was counted in `ms` milliseconds altogether, what a pass of the first steps has taken at
    /// least.
    #[must_use]
    pub fn step(&self, ms: f64) -> StepTime {
        let mut sorted = self.counted.clone();
        sorted.sort_by(f64::total_cmp);
        match (sorted.get(sorted.len() / 2), sorted.get(sorted.len().saturating_sub(1) / 2)) {
            (Some(upper), Some(lower)) => StepTime { ms: (upper + lower) / 2.0, given_up: false },
            _ => StepTime { ms: ms / PASSES, given_up: true },
        }
    }
}

/// Milliseconds that the CPU may take for its steps, beside a GPU that takes this long for one.
#[must_use]
pub fn cpu_limit_ms(gpu: StepTime) -> f64 {
    (GIVEN_UP * gpu.ms).clamp(CPU_LEAST_MS, GPU_LIMIT_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use apt_experiment::PRESETS;

    const SIZE: StepSize = StepSize {
        layers: 4,
        hidden: 128,
        words: 2_000,
        parameters: 790_000,
        batch_size: 32,
        length: 64,
        shards: 1,
        workers: 1,
    };

    fn times(gpu: f64, cpu: f64) -> StepTimes {
        let time = |ms| StepTime { ms, given_up: false };
        StepTimes { size: SIZE, gpu: time(gpu), cpu: time(cpu) }
    }

    #[test]
    fn the_faster_device_is_taken_and_of_two_that_are_close_the_gpu() {
        for (gpu, cpu, takes_gpu) in
            [(12.0, 61.0, true), (61.0, 12.0, false), (100.0, 100.0, true), (100.0, 90.0, true), (100.0, 89.0, false)]
        {
            assert_eq!(times(gpu, cpu).takes_gpu(), takes_gpu, "WebGPU {gpu} ms, CPU {cpu} ms");
        }
    }

    #[test]
    fn the_choice_is_said_with_both_times() {
        assert_eq!(times(9.6, 61.2).words(), "WebGPU 9.6 ms a step, CPU 61 ms: WebGPU is taken");
        let mut slow = times(12_400.0, 61.0);
        slow.gpu.given_up = true;
        slow.size.workers = 2;
        assert_eq!(slow.words(), "WebGPU over 12.4 s a step, CPU about 61 ms with 2 workers: the CPU is taken");
        assert_eq!(slow.seconds(), BTreeMap::from([("cpu".to_owned(), 0.061), ("webgpu".to_owned(), 12.4)]));
        assert_eq!((SIZE.model(), SIZE.batch()), ("4 layers of width 128, 790 k parameters".into(), "32 × 64".into()));
    }

    #[test]
    fn times_are_remembered_for_the_same_adapter_program_model_batch_and_workers() {
        let known = times(12.0, 61.0).beside(vec![times(1.0, 1.0)]);
        assert_eq!(known, [times(12.0, 61.0)], "one of a size, the newest");
        assert_eq!(StepTimes::of(&SIZE, &known), Some(&known[0]));
        for other in [
            StepSize { layers: 12, ..SIZE },
            StepSize { hidden: 256, ..SIZE },
            StepSize { words: 30_000, ..SIZE },
            StepSize { parameters: 400_000, ..SIZE },
            StepSize { batch_size: 8, ..SIZE },
            StepSize { length: 32, ..SIZE },
            StepSize { shards: 2, ..SIZE },
            StepSize { workers: 2, ..SIZE },
        ] {
            assert_eq!(StepTimes::of(&other, &known), None, "{other:?}");
            let both = StepTimes { size: other.clone(), ..times(3.0, 4.0) }.beside(known.clone());
            assert_eq!((both.len(), &both[0].size), (2, &other));
        }
        let key = step_times_key("abc", "acme one");
        assert_ne!(key, step_times_key("abd", "acme one"));
        assert_ne!(key, step_times_key("abc", "acme two"));
    }

    #[test]
    fn the_first_steps_are_not_counted_and_a_few_are_enough() {
        let mut watch = Stopwatch::default();
        for ms in [900.0, 300.0, 10.0, 14.0, 11.0, 12.0] {
            watch.add(ms);
            assert!(!watch.is_done(), "{watch:?}");
        }
        assert_eq!(watch.step(1_300.0), StepTime { ms: 11.5, given_up: false });
        watch.add(13.0);
        assert!(watch.is_done() && watch.made() == Stopwatch::STEPS);
        assert_eq!(watch.step(1_300.0), StepTime { ms: 12.0, given_up: false });
    }

    #[test]
    fn long_steps_are_few_and_a_device_without_a_counted_one_is_given_up() {
        let mut watch = Stopwatch::default();
        watch.add(9_000.0);
        watch.add(3_000.0);
        assert_eq!(watch.step(16_000.0), StepTime { ms: 4_000.0, given_up: true });
        watch.add(2_500.0);
        assert!(watch.is_done());
        assert_eq!(watch.step(16_000.0), StepTime { ms: 2_500.0, given_up: false });
    }

    #[test]
    fn the_cpu_has_as_long_as_decides_it() {
        let limit = |ms| cpu_limit_ms(StepTime { ms, given_up: false });
        assert_eq!((limit(10.0), limit(1_000.0), limit(50_000.0)), (2_000.0, 12_000.0, 60_000.0));
        let given_up = Stopwatch::default().step(limit(1_000.0));
        assert!(StepTimes { cpu: given_up, ..times(1_000.0, 0.0) }.takes_gpu());
        assert!(given_up.ms >= 3_000.0, "{given_up:?} for a GPU's second");
    }

    #[test]
    fn steps_of_every_preset_can_be_made_without_scoring_before_them() {
        for preset in PRESETS {
            let knobs = preset.knobs().expect("a preset");
            let steps = steps_of(&knobs);
            assert!(!steps.prunes(), "{}", preset.name);
            let checked = steps.clone().check();
            assert!(checked.is_ok(), "{}: {checked:?}", preset.name);
            assert_eq!((steps.rank, steps.batch_size, steps.adapters), (knobs.rank, knobs.batch_size, knobs.adapters));
        }
    }

    #[test]
    fn a_worker_has_its_share_of_a_batch() {
        let knobs = Knobs { batch_size: 32, ..Knobs::default() };
        let share = |shards, workers| {
            let share = share_of(&knobs, shards, workers);
            (share.batch_size, share.shards)
        };
        assert_eq!((share(1, 1), share(2, 2), share(4, 4)), ((32, 1), (16, 1), (8, 1)));
        assert_eq!((share(4, 2), share(4, 3), share(4, 1)), ((16, 2), (16, 2), (32, 4)));
        assert_eq!(share_of(&Knobs { batch_size: 1, ..knobs.clone() }, 1, 1).batch_size, 1);
    }
}
