//! The GPU of this browser: found, described, opened, tested. The device is made here and not by Burn, so that its
//! errors and its loss are recorded ([`crate::gpu_errors`]) and another can be made after it.

use crate::error::WorkerError;
use crate::store_writer::StoreWriter;
use crate::{gpu_errors, port};
use apt_bridge::{Adapter, Check, DeviceReport, Message};
use apt_train::device::{OPERATION_COUNT, OpCheck, self_test};
use burn::tensor::Device;
use burn::tensor::wgpu::{WgpuSetup, wgpu};
use js_sys::{Array, Function, Object, Promise, Reflect};
use std::sync::Arc;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// Most kernels handed to the GPU in one submission. Small submissions cost more than they gain: a training step of the
/// built-in model then goes in a few.
const TASKS: usize = 512;

/// An open GPU.
pub(crate) struct Gpu {
    /// Without autodiff.
    pub device: Device,
    /// Its adapter.
    pub adapter: Adapter,
    /// Whether it has passed the self-test.
    pub checks: Option<Vec<Check>>,
}

/// What the browser says about its adapter, without opening it; or why there is none.
pub(crate) async fn describe() -> Result<Adapter, String> {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into()).unwrap_or_default();
    let gpu = Reflect::get(&navigator, &"gpu".into()).unwrap_or_default();
    if gpu.is_undefined() || gpu.is_null() {
        return Err("this browser offers no WebGPU here; see below how to get it".into());
    }
    let options = Object::new();
    let preference = Reflect::set(&options, &"powerPreference".into(), &"high-performance".into());
    let request = Reflect::get(&gpu, &"requestAdapter".into()).and_then(JsValue::dyn_into::<Function>);
    let (Ok(_), Ok(request)) = (preference, request) else {
        return Err("this browser's WebGPU has no requestAdapter".into());
    };
    let promise = request.call1(&gpu, &options).and_then(JsValue::dyn_into::<Promise>);
    let adapter = match promise {
        Ok(promise) => JsFuture::from(promise).await.map_err(|e| format!("the browser refuses an adapter: {e:?}"))?,
        Err(error) => return Err(format!("the browser refuses an adapter: {error:?}")),
    };
    if adapter.is_null() || adapter.is_undefined() {
        return Err("the browser found no graphics adapter that it trusts".into());
    }
    let info = Reflect::get(&adapter, &"info".into()).unwrap_or_default();
    let word = |name: &str| Reflect::get(&info, &name.into()).ok().and_then(|v| v.as_string()).unwrap_or_default();
    let words = ["vendor", "architecture", "device", "description"].map(word);
    let fallback = Reflect::get(&info, &"isFallbackAdapter".into()).ok().and_then(|v| v.as_bool()).unwrap_or(false);
    let name = words.iter().filter(|w| !w.is_empty()).cloned().collect::<Vec<_>>().join(" ");
    let software = fallback || name.to_lowercase().contains("swiftshader") || name.to_lowercase().contains("llvmpipe");
    let name = if name.is_empty() { "an adapter the browser does not name".into() } else { name };
    Ok(Adapter { name, software, limits: limits(&adapter), features: features(&adapter) })
}

/// The limits that decide how large a model may be.
fn limits(adapter: &JsValue) -> Vec<(String, f64)> {
    const SHOWN: [&str; 8] = [
        "maxBufferSize",
        "maxStorageBufferBindingSize",
        "maxStorageBuffersPerShaderStage",
        "maxComputeWorkgroupStorageSize",
        "maxComputeInvocationsPerWorkgroup",
        "maxComputeWorkgroupSizeX",
        "maxComputeWorkgroupsPerDimension",
        "maxBindGroups",
    ];
    let limits = Reflect::get(adapter, &"limits".into()).unwrap_or_default();
    let value = |name: &str| Some((name.to_owned(), Reflect::get(&limits, &name.into()).ok()?.as_f64()?));
    SHOWN.into_iter().filter_map(value).collect()
}

fn features(adapter: &JsValue) -> Vec<String> {
    let features = Reflect::get(adapter, &"features".into()).unwrap_or_default();
    let mut names: Vec<String> = Array::from(&features).iter().filter_map(|name| name.as_string()).collect();
    names.sort();
    names
}

impl Gpu {
    /// Opens the adapter.
    ///
    /// # Errors
    /// When the browser gives no adapter or no device, in words.
    pub(crate) async fn open() -> Result<Self, String> {
        let adapter = describe().await?;
        gpu_errors::clear();
        let setup = setup().await?;
        let (device, lost) = (setup.device.clone(), setup.device.clone());
        let burn = Device::wgpu_options().tasks_max(TASKS).setup(setup).init().map_err(|e| e.to_string())?;
        // Burn's own handlers, set by `init`, panic.
        device.on_uncaptured_error(Arc::new(|error: wgpu::Error| gpu_errors::record(false, error.to_string())));
        lost.set_device_lost_callback(|reason, message| gpu_errors::record(true, format!("{reason:?}: {message}")));
        Ok(Self { device: burn, adapter, checks: None })
    }

    /// Makes the self-test, unless this adapter has passed it before and `again` is not asked for.
    ///
    /// # Errors
    /// When values cannot be read back, or the GPU reports an error.
    pub(crate) async fn test(&mut self, store: Option<&StoreWriter>, again: bool) -> Result<bool, WorkerError> {
        // Of these kernels: others, of the same version, have to pass anew.
        let key = format!("{} {}", apt_train::CODE, self.adapter.name);
        if !again
            && let Some(store) = store
            && let Some(checks) = store.checks(&key).await?
        {
            self.checks = Some(checks);
            return Ok(true);
        }
        let mut done = 0;
        let checks = self_test(&self.device, |_: &OpCheck| {
            done += 1;
            let what = "comparing the GPU with the CPU".to_owned();
            port::post(&Message::Progress { what, done, total: Some(OPERATION_COUNT as u64) });
        })
        .await?;
        crate::clock::yield_now().await;
        if let Some(error) = gpu_errors::first() {
            return Err(WorkerError::new(
                &self.adapter.name,
                format!("the GPU failed in its self-test: {}", error.message),
                "update the browser or the graphics driver, or set device to cpu",
            ));
        }
        let checks: Vec<Check> = checks.iter().map(to_check).collect();
        if let (Some(store), true) = (store, checks.iter().all(|check| check.passed)) {
            store.put_checks(&key, &checks).await?;
        }
        self.checks = Some(checks);
        Ok(false)
    }

    /// The first operation that differs from the CPU.
    pub(crate) fn failed(&self) -> Option<&Check> {
        self.checks.iter().flatten().find(|check| !check.passed)
    }
}

fn to_check(check: &OpCheck) -> Check {
    let difference = Some(check.difference).filter(|difference| difference.is_finite());
    Check { name: check.name.into(), difference, passed: check.passed() }
}

/// Adapter, device and queue, with every limit and feature the adapter has.
async fn setup() -> Result<WgpuSetup, String> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let options =
        wgpu::RequestAdapterOptions { power_preference: wgpu::PowerPreference::HighPerformance, ..Default::default() };
    let adapter = instance.request_adapter(&options).await.map_err(|e| format!("no adapter: {e}"))?;
    let descriptor = wgpu::DeviceDescriptor {
        required_features: adapter.features().difference(wgpu::Features::MAPPABLE_PRIMARY_BUFFERS),
        required_limits: adapter.limits(),
        memory_hints: wgpu::MemoryHints::MemoryUsage,
        ..Default::default()
    };
    let (device, queue) = adapter.request_device(&descriptor).await.map_err(|e| format!("no device: {e}"))?;
    let backend = adapter.get_info().backend;
    Ok(WgpuSetup { instance, adapter, device, queue, backend })
}

/// The report for the page.
pub(crate) fn report(gpu: Option<&Gpu>, why_not: Option<String>, remembered: bool) -> DeviceReport {
    let adapter = gpu.map(|gpu| gpu.adapter.clone());
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
        checks: gpu.and_then(|gpu| gpu.checks.clone()).unwrap_or_default(),
        remembered,
        simd: cfg!(target_feature = "simd128"),
        processors: Some(port::scope().navigator().hardware_concurrency() as u32).filter(|n| *n > 0),
    }
}
