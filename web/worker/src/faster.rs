//! Of a GPU that computes right and the CPU, the faster one for a run: a few of its steps are timed on each, unless the times
//! are remembered. Nothing of them is left in the run, which has a session of its own.

use crate::error::WorkerError;
use crate::run_lock::RunLock;
use crate::trial::Trial;
use crate::worker::Worker;
use crate::{clock, crew, gpu_errors, model_files, port};
use apt_bridge::Message;
use apt_bridge::step_times::{
    GPU_LIMIT_MS, StepSize, StepTime, StepTimes, Stopwatch, cpu_limit_ms, share_of, step_times_key,
};
use apt_experiment::Knobs;
use apt_train::CODE;
use apt_train::device::{OpenDevice, cpu};

/// The browser's lock of whoever is timing steps.
const LOCK: &str = "apt-lab steps";

/// The device of a run.
pub(crate) struct Chosen {
    pub(crate) opened: OpenDevice,
    pub(crate) on_gpu: bool,
    /// What was timed for the choice.
    pub(crate) times: Option<StepTimes>,
    /// What to tell of a choice that was just made.
    pub(crate) news: Option<String>,
}

impl Chosen {
    /// The CPU.
    pub(crate) fn cpu(why: &str) -> Self {
        Self { opened: cpu(why), on_gpu: false, times: None, news: None }
    }

    /// The GPU.
    pub(crate) fn gpu(opened: OpenDevice) -> Self {
        Self { opened, on_gpu: true, times: None, news: None }
    }

    fn of(times: StepTimes, gpu: OpenDevice) -> Self {
        let (on_gpu, why) = (times.takes_gpu(), times.words());
        let opened = if on_gpu { OpenDevice { why, ..gpu } } else { cpu(&why) };
        Self { opened, on_gpu, times: Some(times), news: None }
    }

    /// With what to tell of it, and of how to choose otherwise.
    fn announced(mut self) -> Self {
        let (why, taken) = (&self.opened.why, if self.on_gpu { "WebGPU" } else { "the CPU" });
        self.news = Some(match &self.times {
            Some(_) => format!("{why} for runs of this size. The setting device overrides this."),
            None => format!("This run uses {taken}: {why}. The setting device overrides this."),
        });
        self
    }
}

impl Worker {
    /// The faster of `gpu` and the CPU for a run with `knobs`.
    ///
    /// # Errors
    /// Whatever is wrong with settings, model, tokenizer or data.
    pub(crate) async fn faster(&self, knobs: &Knobs, gpu: OpenDevice) -> Result<Chosen, WorkerError> {
        let size = self.step_size(knobs).await?;
        let key = step_times_key(CODE, &gpu.name);
        if let Some(times) = StepTimes::of(&size, &self.timed(&key).await) {
            return Ok(Chosen::of(times.clone(), gpu));
        }
        // Another worker or tab that times at the same time would disturb this one, and may find the same.
        let _lock = RunLock::when_free(LOCK).await;
        let known = self.timed(&key).await;
        if let Some(times) = StepTimes::of(&size, &known) {
            return Ok(Chosen::of(times.clone(), gpu));
        }
        let trial = Trial::of(knobs, &gpu, self.store.as_deref()).await?;
        let on_gpu = time_gpu(trial).await;
        // Whatever the steps held there is free for the run.
        gpu.device.memory_cleanup();
        let on_gpu = match on_gpu {
            Ok(time) => time,
            Err(why) => {
                progress("WebGPU", Stopwatch::STEPS);
                return Ok(Chosen::cpu(&format!("WebGPU failed while its steps were timed ({why})")).announced());
            }
        };
        let share = share_of(knobs, size.shards, size.workers);
        let on_cpu = crew::time_apart(&share, cpu_limit_ms(on_gpu), |made| progress("the CPU", made)).await;
        progress("the CPU", Stopwatch::STEPS);
        let on_cpu = match on_cpu {
            Ok(time) => time,
            Err(why) => {
                let why = format!("the CPU's steps could not be timed ({why})");
                return Ok(Chosen::gpu(OpenDevice { why, ..gpu }).announced());
            }
        };
        let times = StepTimes { size, gpu: on_gpu, cpu: on_cpu };
        if let Some(store) = &self.store
            && let Err(error) = store.put_step_times(&key, &times.clone().beside(known)).await
        {
            port::post(&Message::Notice { text: format!("{error}; steps will be timed again") });
        }
        self.report(None).await;
        Ok(Chosen::of(times, gpu).announced())
    }

    /// What is remembered under `key`; what cannot be read is timed anew.
    async fn timed(&self, key: &str) -> Vec<StepTimes> {
        match &self.store {
            Some(store) => store.step_times(key).await.unwrap_or_default(),
            None => Vec::new(),
        }
    }

    async fn step_size(&self, knobs: &Knobs) -> Result<StepSize, WorkerError> {
        let config = model_files::config(&knobs.model, self.store.as_deref()).await?;
        let (hands, _) = self.hands(knobs, false).await?;
        Ok(StepSize {
            layers: config.layers.len(),
            hidden: config.hidden,
            words: config.vocab_size,
            parameters: config.shape().parameters(),
            batch_size: knobs.batch_size,
            length: knobs.max_length.min(config.max_length()),
            shards: hands.shards,
            workers: hands.workers,
        })
    }
}

/// Times steps on the GPU; why that cannot be done, in words.
async fn time_gpu(mut trial: Trial) -> Result<StepTime, String> {
    let began = clock::now();
    let mut watch = Stopwatch::default();
    while !watch.is_done() {
        progress("WebGPU", watch.made());
        let step = clock::within(began + GPU_LIMIT_MS, trial.step()).await;
        // Errors of the GPU arrive between steps, and may be why one does not end.
        clock::yield_now().await;
        if let Some(error) = gpu_errors::first() {
            return Err(error.message);
        }
        match step {
            Some(step) => watch.add(step.map_err(|error| error.to_string())?),
            None => break,
        }
    }
    Ok(watch.step(clock::now() - began))
}

fn progress(device: &str, made: usize) {
    let total = Some(Stopwatch::STEPS as u64);
    port::post(&Message::Progress { what: format!("timing steps on {device}"), done: made as u64, total });
}
