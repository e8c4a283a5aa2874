//! Time and memory on a desktop. On the CPU "device memory" is what this program has allocated, counted by its
//! allocator; on a GPU it is what the device's own allocator holds.

use crate::allocator::CountingAllocator;
use apt_train::{Memory, Probe};
use burn::tensor::Device;
use std::cell::Cell;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

/// Bytes that this program has allocated and not given back.
pub(crate) fn bytes_in_use() -> usize {
    ALLOCATOR.used()
}

/// The desktop's clock and memory counters.
pub(crate) struct DesktopProbe {
    start: Instant,
    device: Device,
    /// Most bytes seen on a device that reports them; such a device keeps no peak of its own.
    peak: Cell<u64>,
}

impl DesktopProbe {
    /// A probe of `device`.
    pub(crate) fn new(device: &Device) -> Self {
        Self { start: Instant::now(), device: device.clone(), peak: Cell::new(0) }
    }
}

impl Probe for DesktopProbe {
    fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    fn memory(&self) -> Memory {
        let device_peak = match self.device.memory_pool_usage() {
            Some(pools) => {
                self.peak.set(self.peak.get().max(pools.bytes_in_use));
                self.peak.get()
            }
            None => ALLOCATOR.peak() as u64,
        };
        let process = memory_stats::memory_stats().map(|stats| stats.physical_mem as u64);
        Memory { device_peak: Some(device_peak), process }
    }

    fn reset_peak(&self) {
        self.peak.set(0);
        ALLOCATOR.reset_peak();
    }
}
