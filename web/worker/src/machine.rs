//! What runs are computed on: the device that a run asks for, as on the desktop, its report for the page, and how much
//! memory a run would need.

use crate::crew::{self, Hands};
use crate::error::WorkerError;
use crate::faster::Chosen;
use crate::gpu::Gpu;
use crate::worker::Worker;
use crate::{gpu_errors, model_files, port, run_lock, sources};
use apt_bridge::adapter::describe;
use apt_bridge::step_times::{StepTimes, step_times_key};
use apt_bridge::{Check, DeviceReport, Estimate, Message};
use apt_experiment::{Device as Choice, Knobs};
use apt_nn::ModelConfig;
use apt_nn::tile::RELAXED;
use apt_train::CODE;
use apt_train::device::OpenDevice;

/// A head of so many outputs needs as good as no memory.
const FEW_CLASSES: usize = 2;
/// The end of WebAssembly's memory.
const WASM_LIMIT: u64 = 4 << 30;

impl Worker {
    /// The device that the knob asks for. `auto` takes a real GPU that passes the self-test, if it is faster; a run that
    /// goes on, on the backend `goes_on`, stays on the GPU.
    pub(crate) async fn choose(&mut self, knobs: &Knobs, goes_on: &str) -> Result<Chosen, WorkerError> {
        let choice = knobs.device;
        let asked = match choice {
            Choice::Cpu => return Ok(Chosen::cpu("asked for")),
            Choice::Auto => false,
            Choice::Webgpu => true,
            other => {
                return Err(WorkerError::new(
                    format!("device {}", other.name()),
                    "a browser cannot use it",
                    "set device to webgpu, cpu or auto",
                ));
            }
        };
        let refused = |why: String| WorkerError::new("device webgpu", why, "set device to cpu or auto");
        if !asked {
            match describe().await {
                Ok(adapter) if !adapter.is_for(choice) => {
                    return Ok(Chosen::cpu(&format!("the only adapter, {}, is software", adapter.name)));
                }
                Ok(_) => {}
                Err(why) => return Ok(Chosen::cpu(&why)),
            }
        }
        match self.tested().await {
            Ok(opened) if asked || opened.backend == goes_on => Ok(Chosen::gpu(opened)),
            Ok(opened) => self.faster(knobs, opened).await,
            Err(why) if asked => Err(refused(why)),
            Err(why) => Ok(Chosen::cpu(&why)),
        }
    }

    /// The GPU, opened if need be, once it has passed the self-test.
    async fn tested(&mut self) -> Result<OpenDevice, String> {
        if self.gpu.is_none() || gpu_errors::first().is_some() {
            self.gpu = None;
            self.gpu = Some(Gpu::open().await?);
        }
        let (store, Some(gpu)) = (self.store.as_ref(), &mut self.gpu) else { return Err("no device".into()) };
        if gpu.checks().is_none() {
            gpu.test(store, false).await.map_err(|error| error.to_string())?;
            self.report(None).await;
        }
        let Some(gpu) = &self.gpu else { return Err("no device".into()) };
        if let Some(check) = failed(gpu) {
            return Err(format!("{} computes `{}` differently from the CPU", gpu.adapter().name, check.name));
        }
        Ok(OpenDevice {
            device: gpu.device(),
            backend: "wgpu/webgpu",
            name: gpu.adapter().name.clone(),
            why: "it agrees with the CPU in every operation".into(),
        })
    }

    /// How many of `asked` runs like this one are made at the same time, and why fewer.
    ///
    /// # Errors
    /// A model's file that is missing or no configuration.
    pub(crate) async fn that_fit_at_once(
        &self,
        asked: usize,
        knobs: &Knobs,
    ) -> Result<(usize, Option<String>), WorkerError> {
        if !run_lock::are_there() {
            let why = "runs are made one after the other: only a page that is served securely can tell whether a worker \
                       beside it is gone";
            return Ok((1, Some(why.into())));
        }
        let config = model_files::config(&knobs.model, self.store.as_deref()).await?;
        let each = needed(&config, knobs, 1);
        let (processors, room) = (crew::processors(), crew::that_fit(each));
        let jobs = asked.min(processors).min(room).max(1);
        let short = (jobs < asked).then(|| {
            let why = match processors <= room {
                true => format!("this computer has {processors} processors"),
                false => format!("each needs about {} MB of memory", each / 1_000_000),
            };
            format!("{jobs} of {asked} runs are made at the same time: {why}")
        });
        Ok((jobs, short))
    }

    /// How many shards and workers a run with these settings has, and why there are fewer workers than might be.
    ///
    /// # Errors
    /// A model's file that is missing or no configuration.
    pub(crate) async fn hands(&self, knobs: &Knobs, on_gpu: bool) -> Result<(Hands, Option<String>), WorkerError> {
        // Of a study's runs side by side each has a worker.
        if on_gpu || self.jobs() > 1 {
            return Ok((Hands { shards: knobs.shards.max(1), workers: 1 }, None));
        }
        let config = model_files::config(&knobs.model, self.store.as_deref()).await?;
        Ok(Hands::of(knobs, &config, |shards| needed(&config, knobs, shards)))
    }

    pub(crate) async fn report_devices(&mut self, again: bool) -> Result<(), WorkerError> {
        let busy = self.run.as_ref().is_some_and(|run| run.on_gpu && run.is_open());
        if self.gpu.is_none() {
            match Gpu::open().await {
                Ok(gpu) => self.gpu = Some(gpu),
                Err(why) => {
                    self.report(Some(why)).await;
                    return Ok(());
                }
            }
        }
        let (store, Some(gpu)) = (self.store.as_ref(), &mut self.gpu) else { return Ok(()) };
        let mut why_not = None;
        // A run on this device is not to be disturbed; the earlier test still counts.
        if (again || gpu.checks().is_none()) && !busy {
            if let (true, Some(store)) = (again, store) {
                store.put_step_times(&step_times_key(CODE, &gpu.adapter().name), &[]).await?;
            }
            if let Err(error) = gpu.test(store, again).await {
                why_not = Some(error.to_string());
            }
        }
        if let Some(check) = failed(gpu) {
            why_not = Some(format!("it computes `{}` differently from the CPU", check.name));
        }
        self.report(why_not).await;
        Ok(())
    }

    /// Tells the page what is known of this browser's devices.
    pub(crate) async fn report(&self, why_not: Option<String>) {
        let times = match (&self.gpu, &self.store) {
            (Some(gpu), Some(store)) => store.step_times(&step_times_key(CODE, &gpu.adapter().name)).await,
            _ => Ok(Vec::new()),
        };
        // What cannot be read is timed anew.
        port::post(&Message::Devices(Box::new(report(self.gpu.as_ref(), why_not, times.unwrap_or_default()))));
    }

    pub(crate) async fn estimate(&mut self, knobs: &Knobs) -> Result<(), WorkerError> {
        let store = self.store.as_deref();
        let config = model_files::config(&knobs.model, store).await?;
        let decoder = config.decoder.is_some();
        let knobs = knobs.clone().fitted(decoder).check()?;
        let outputs = sources::output_count(&mut self.output_count, &knobs, store).await?;
        // With a GPU, steps are timed before it is known what a run on `auto` is computed on.
        let may_use_gpu = knobs.device != Choice::Cpu && describe().await.is_ok_and(|it| it.is_for(knobs.device));
        let (Hands { shards, workers }, _) = self.hands(&knobs, may_use_gpu).await?;
        let parts = apt_train::estimate(&config, &of_shard(&knobs, shards), outputs, knobs.max_length);
        let parts = parts.into_iter().map(|(what, bytes)| (what.to_owned(), bytes)).collect();
        let model = knobs.model.clone();
        port::post(&Message::Estimate(Estimate { model, decoder, parts, limit: Some(WASM_LIMIT), workers }));
        Ok(())
    }
}

/// Bytes that a worker needs which computes one of so many shards.
fn needed(config: &ModelConfig, knobs: &Knobs, shards: usize) -> u64 {
    let parts = apt_train::estimate(config, &of_shard(knobs, shards), FEW_CLASSES, knobs.max_length);
    parts.into_iter().map(|(_, bytes)| bytes).sum()
}

/// `knobs` with as many sequences as one of so many shards has.
fn of_shard(knobs: &Knobs, shards: usize) -> Knobs {
    Knobs { batch_size: knobs.batch_size.div_ceil(shards), ..knobs.clone() }
}

/// The CPU backend as it is in a browser, with so many workers.
pub(crate) fn in_browser(opened: OpenDevice, workers: usize) -> OpenDevice {
    let vectors = match apt_nn::tile::vectors() {
        RELAXED => "relaxed SIMD",
        _ => "SIMD",
    };
    let threads =
        if workers > 1 { format!("one thread in each of up to {workers} workers") } else { "one thread".to_owned() };
    OpenDevice { name: format!("CPU in WebAssembly, {threads}, {vectors}"), ..opened }
}

/// The first operation that differs from the CPU.
fn failed(gpu: &Gpu) -> Option<&Check> {
    gpu.checks().into_iter().flatten().find(|check| !check.passed)
}

/// The report for the page.
fn report(gpu: Option<&Gpu>, why_not: Option<String>, times: Vec<StepTimes>) -> DeviceReport {
    let adapter = gpu.map(|gpu| gpu.adapter().clone());
    let mut notes = Vec::new();
    if let Some(adapter) = &adapter {
        if adapter.software {
            notes.push(
                "This adapter is software: the CPU computes what a GPU would, slowly. The device `auto` takes the CPU \
                 backend instead; `webgpu` takes this one."
                    .into(),
            );
        }
        for (feature, without) in [
            ("shader-f16", "half-precision kernels are not available; none is needed"),
            ("subgroups", "sums within a group take the slower way"),
            ("timestamp-query", "times are taken by the browser's clock alone"),
        ] {
            if !adapter.features.iter().any(|f| f == feature) {
                notes.push(format!("Without {feature}: {without}."));
            }
        }
    }
    DeviceReport {
        adapter,
        why_not,
        notes,
        checks: gpu.and_then(Gpu::checks).unwrap_or_default().to_vec(),
        remembered: gpu.is_some_and(Gpu::is_remembered),
        times,
        simd: cfg!(target_feature = "simd128"),
        processors: Some(port::scope().navigator().hardware_concurrency() as u32).filter(|n| *n > 0),
    }
}
