//! Time and memory as a session sees them. It owns no clock: a desktop and a browser each bring their own.

/// Memory in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Most bytes allocated on the device since [`Probe::reset_peak`]; `None` if it is not known.
    pub device_peak: Option<u64>,
    /// Bytes of the process now; `None` if it is not known.
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

    /// The device's peak is measured anew from here on.
    fn reset_peak(&self) {}
}

/// A probe that always says zero, for tests that compare everything.
pub struct NoProbe;

impl Probe for NoProbe {
    fn seconds(&self) -> f64 {
        0.0
    }
}
