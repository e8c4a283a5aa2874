//! The allocator of this program: mimalloc, with a count of the bytes in use. A training step makes and drops hundreds of
//! tensors of megabytes; the system's allocator gives each back to the kernel and takes page faults to get it anew.

// An allocator is an unsafe interface. Every call is handed on to mimalloc as it came; nothing is done with the memory
// itself.
#![allow(unsafe_code)]

use mimalloc::MiMalloc;
use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// mimalloc with a count of the bytes in use.
pub(crate) struct CountingAllocator {
    used: AtomicUsize,
    peak: AtomicUsize,
}

impl CountingAllocator {
    /// Nothing in use yet.
    pub(crate) const fn new() -> Self {
        Self { used: AtomicUsize::new(0), peak: AtomicUsize::new(0) }
    }

    /// Bytes in use.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// Most bytes that were in use at once since the program began or [`Self::reset_peak`].
    pub(crate) fn peak(&self) -> usize {
        self.peak.load(Relaxed)
    }

    /// The peak becomes what is in use now.
    pub(crate) fn reset_peak(&self) {
        self.peak.store(self.used.load(Relaxed), Relaxed);
    }

    fn add(&self, bytes: usize) {
        let used = self.used.fetch_add(bytes, Relaxed) + bytes;
        self.peak.fetch_max(used, Relaxed);
    }

    fn subtract(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Relaxed);
    }
}

// SAFETY: memory is mimalloc's, which keeps the promises of `GlobalAlloc`; counting touches no memory but the counters.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are passed on.
        let memory = unsafe { MiMalloc.alloc(layout) };
        if !memory.is_null() {
            self.add(layout.size());
        }
        memory
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        let memory = unsafe { MiMalloc.alloc_zeroed(layout) };
        if !memory.is_null() {
            self.add(layout.size());
        }
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { MiMalloc.dealloc(memory, layout) };
        self.subtract(layout.size());
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        let moved = unsafe { MiMalloc.realloc(memory, layout, size) };
        if !moved.is_null() {
            // The new block is counted before the old one is subtracted, as if both had existed at once: true where the
            // memory moved, and an upper bound of the peak where it grew in place.
            self.add(size);
            self.subtract(layout.size());
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_the_most_that_was_in_use_at_once() {
        let allocator = CountingAllocator::new();
        allocator.add(100);
        allocator.add(50);
        allocator.subtract(120);
        allocator.add(10);
        assert_eq!(allocator.peak(), 150);
        allocator.reset_peak();
        assert_eq!((allocator.peak(), allocator.used()), (40, 40));
        allocator.add(5);
        assert_eq!(allocator.peak(), 45);
    }
}
