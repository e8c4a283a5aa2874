//! What the worker knows of the machine.

use crate::step_times::StepTimes;
use apt_experiment::Device;
use serde::{Deserialize, Serialize};

/// The devices of this browser, as the worker sees them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeviceReport {
    /// The GPU adapter, if there is one.
    pub adapter: Option<Adapter>,
    /// Why the GPU is not used: no WebGPU, no adapter, a failed check. `None` when it can be used.
    pub why_not: Option<String>,
    /// What else to know, for instance that the adapter is software.
    pub notes: Vec<String>,
    /// The self-test, operation by operation; empty without an adapter.
    pub checks: Vec<Check>,
    /// Whether the checks are remembered from an earlier visit.
    pub remembered: bool,
    /// What was timed on this adapter and the CPU, newest first.
    pub times: Vec<StepTimes>,
    /// Whether the CPU code uses SIMD.
    pub simd: bool,
    /// Logical processors, as far as the browser says.
    pub processors: Option<u32>,
}

/// A GPU adapter as it describes itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Adapter {
    /// Vendor, architecture, device and description, as far as the browser says.
    pub name: String,
    /// Whether the browser computes this adapter's work on the CPU.
    pub software: bool,
    /// Names and values of its limits.
    pub limits: Vec<(String, f64)>,
    /// Names of its features.
    pub features: Vec<String>,
}

impl Adapter {
    /// Whether a run that asks for `device` is computed on it, if it passes the self-test: `auto` leaves out software.
    #[must_use]
    pub fn is_for(&self, device: Device) -> bool {
        match device {
            Device::Auto => !self.software,
            Device::Webgpu => true,
            _ => false,
        }
    }
}

/// One operation of the self-test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// The operation.
    pub name: String,
    /// Largest difference from the CPU relative to the largest value; `None` when a value was not finite.
    pub difference: Option<f64>,
    /// Whether that is small enough.
    pub passed: bool,
}

/// Bytes a run is expected to need, in each of its workers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The model.
    pub model: String,
    /// Whether it is a decoder.
    pub decoder: bool,
    /// The parts, with what they are.
    pub parts: Vec<(String, u64)>,
    /// The most that this browser can give: the limit of WASM's memory, or of the adapter's buffers.
    pub limit: Option<u64>,
    /// Workers that make the run, where that is known before it begins, else 1.
    pub workers: usize,
}

impl Estimate {
    /// All parts together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.parts.iter().map(|(_, bytes)| bytes).sum()
    }
}
