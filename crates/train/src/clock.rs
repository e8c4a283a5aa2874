//! Time and memory as the session sees them. The session owns no clock: a desktop and a browser each bring their own.

/// Memory in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Most bytes allocated on the device since [`Probe::forget_peak`]; `None` if it cannot be told.
    pub device_peak: Option<u64>,
    /// Bytes of the process now; `None` if it cannot be told.
    pub process: Option<u64>,
}

/// Where time and memory are read.
pub trait Probe {
    /// Seconds since any fixed moment.
    fn seconds(&self) -> f64;

    /// Memory in use.
    fn memory(&self) -> Memory {
        Memory::default()
    }

    /// The device's peak starts anew.
    fn forget_peak(&self) {}
}

/// A probe that always says zero, for tests that compare everything.
pub struct NoProbe;

impl Probe for NoProbe {
    fn seconds(&self) -> f64 {
        0.0
    }
}
