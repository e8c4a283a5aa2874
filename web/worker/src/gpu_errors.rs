//! Errors of the GPU, collected in one place. In a browser they reach no caller: a shader that is refused is only logged,
//! and its kernel skipped. Any of them ends the run, and no number computed after it reaches the page.

use std::cell::RefCell;

/// Something went wrong on the GPU.
#[derive(Clone, Debug)]
pub(crate) struct GpuError {
    /// Whether the whole device is lost, so that another may be asked for.
    pub lost: bool,
    /// The browser's message.
    pub message: String,
}

thread_local! {
    static FIRST: RefCell<Option<GpuError>> = const { RefCell::new(None) };
}

/// Records an error. The first is kept, for later ones follow from it; the loss of the device outweighs all.
pub(crate) fn record(lost: bool, message: impl Into<String>) {
    let message = message.into();
    FIRST.with_borrow_mut(|first| {
        if first.as_ref().is_none_or(|known| lost && !known.lost) {
            *first = Some(GpuError { lost, message });
        }
    });
}

/// The error that counts since [`clear`].
pub(crate) fn first() -> Option<GpuError> {
    FIRST.with_borrow(Clone::clone)
}

/// Waits until there is one, for at most `milliseconds`.
pub(crate) async fn wait(milliseconds: f64) {
    let end = crate::clock::now() + milliseconds;
    while first().is_none() && crate::clock::now() < end {
        crate::clock::yield_now().await;
    }
}

/// Removes it: a new device begins without errors.
pub(crate) fn clear() {
    FIRST.with_borrow_mut(|first| *first = None);
}

/// Records errors that libraries only log.
pub(crate) fn capture_log() {
    struct Logger;
    impl log::Log for Logger {
        fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
            metadata.level() <= log::Level::Error
        }

        fn log(&self, entry: &log::Record<'_>) {
            if self.enabled(entry.metadata()) {
                // A refused shader is logged with its whole source; the first lines say what is wrong.
                let text: String = entry.args().to_string().lines().take(6).collect::<Vec<_>>().join("\n");
                record(false, text);
            }
        }

        fn flush(&self) {}
    }
    // Nobody else sets a logger in this worker.
    if log::set_logger(&Logger).is_ok() {
        log::set_max_level(log::LevelFilter::Error);
    }
}
