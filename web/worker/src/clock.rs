//! Time and memory in a browser.

use apt_train::{Memory, Probe};
use burn::tensor::Device;
use futures::future::{Either, select};
use js_sys::{Date, Promise};
use peak_alloc::PeakAlloc;
use std::cell::Cell;
use std::pin::pin;
use wasm_bindgen_futures::JsFuture;
use web_sys::MessageChannel;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// Bytes of one page of WebAssembly memory.
const PAGE: u64 = 65_536;

/// The browser's clock and gauges. On the CPU "device memory" is what this program has allocated; on a GPU it is what the
/// device's own allocator holds.
pub(crate) struct BrowserProbe {
    device: Device,
    peak: Cell<u64>,
}

impl BrowserProbe {
    /// A probe of `device`.
    pub(crate) fn new(device: &Device) -> Self {
        Self { device: device.clone(), peak: Cell::new(0) }
    }
}

impl Probe for BrowserProbe {
    fn seconds(&self) -> f64 {
        now() / 1e3
    }

    fn memory(&self) -> Memory {
        let device_peak = match self.device.memory_pool_usage() {
            Some(pools) => {
                self.peak.set(self.peak.get().max(pools.bytes_in_use));
                self.peak.get()
            }
            None => ALLOCATED.peak_usage() as u64,
        };
        let pages = core::arch::wasm32::memory_size::<0>() as u64;
        Memory { device_peak: Some(device_peak), process: Some(pages * PAGE) }
    }

    fn reset_peak(&self) {
        self.peak.set(0);
        ALLOCATED.reset_peak_usage();
    }
}

/// Milliseconds since the worker began.
pub(crate) fn now() -> f64 {
    crate::port::scope().performance().map_or_else(Date::now, |performance| performance.now())
}

/// Milliseconds since 1970.
pub(crate) fn date() -> f64 {
    Date::now()
}

/// Now (RFC 3339).
pub(crate) fn timestamp() -> String {
    Date::new_0().to_iso_string().into()
}

/// Waits for some milliseconds.
pub(crate) async fn sleep(milliseconds: i32) {
    let mut wait = |resolve: js_sys::Function, _| {
        // A browser that has no timers has no worker either.
        let _ = crate::port::scope().set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, milliseconds);
    };
    let _ = JsFuture::from(Promise::new(&mut wait)).await;
}

/// What `work` gives, unless it has not by this moment of the clock.
pub(crate) async fn within<T>(until: f64, work: impl Future<Output = T>) -> Option<T> {
    let late = pin!(sleep((until - now()).max(0.0) as i32));
    match select(pin!(work), late).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}

/// Returns to the browser's event loop once, so that waiting events (commands, errors of the GPU) are handled. Timers
/// would do too, but wait four milliseconds each.
pub(crate) async fn yield_now() {
    let Ok(channel) = MessageChannel::new() else { return };
    let mut listen = |resolve: js_sys::Function, _| channel.port2().set_onmessage(Some(&resolve));
    let promise = Promise::new(&mut listen);
    // A channel that was just made takes a message; were it not so, waiting would never end.
    if channel.port1().post_message(&wasm_bindgen::JsValue::NULL).is_ok() {
        let _ = JsFuture::from(promise).await;
    }
    channel.port1().close();
    channel.port2().close();
}
