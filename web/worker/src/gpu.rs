//! The GPU of this browser: opened and tested. The device is made here and not by Burn, so that its
//! errors and its loss are recorded ([`crate::gpu_errors`]) and another can be made after it.

use crate::error::WorkerError;
use crate::store_writer::StoreWriter;
use crate::{gpu_errors, port};
use apt_bridge::adapter::describe;
use apt_bridge::{Adapter, Check, Message};
use apt_train::device::{OPERATION_COUNT, OpCheck, self_test};
use burn::tensor::Device;
use burn::tensor::wgpu::{WgpuSetup, wgpu};
use std::sync::Arc;

/// Most kernels handed to the GPU in one submission. Small submissions cost more than they gain: a training step of the
/// built-in model then goes in a few.
const TASKS: usize = 512;

/// An open GPU.
pub(crate) struct Gpu {
    device: Device,
    adapter: Adapter,
    checks: Option<Vec<Check>>,
    /// Whether they are remembered from an earlier visit.
    remembered: bool,
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
        Ok(Self { device: burn, adapter, checks: None, remembered: false })
    }

    /// Without autodiff.
    pub(crate) fn device(&self) -> Device {
        self.device.clone()
    }

    pub(crate) fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    /// The self-test, once it was made.
    pub(crate) fn checks(&self) -> Option<&[Check]> {
        self.checks.as_deref()
    }

    /// Whether the self-test is remembered from an earlier visit.
    pub(crate) fn is_remembered(&self) -> bool {
        self.remembered
    }

    /// Makes the self-test, unless this adapter has passed it before and `again` is not asked for.
    ///
    /// # Errors
    /// When values cannot be read back, or the GPU reports an error.
    pub(crate) async fn test(&mut self, store: Option<&StoreWriter>, again: bool) -> Result<(), WorkerError> {
        // Of these kernels: others, of the same version, have to pass anew.
        let key = format!("{} {}", apt_train::CODE, self.adapter.name);
        if !again
            && let Some(store) = store
            && let Some(checks) = store.checks(&key).await?
        {
            (self.checks, self.remembered) = (Some(checks), true);
            return Ok(());
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
        (self.checks, self.remembered) = (Some(checks), false);
        Ok(())
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
