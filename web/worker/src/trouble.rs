//! Whatever goes wrong on the GPU, gathered in one place. In a browser such errors reach no caller: a shader that is
//! refused is only logged, and its kernel skipped. Any of them ends the run, and no number computed after it is told.

use std::cell::RefCell;

/// Something went wrong on the GPU.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// Whether the whole device is lost, so that another may be asked for.
    pub lost: bool,
    /// The browser's words.
    pub what: String,
}

thread_local! {
    static TROUBLE: RefCell<Option<Trouble>> = const { RefCell::new(None) };
}

/// Notes trouble. The first error is kept, for later ones follow from it; the loss of the device outweighs all.
pub fn note(lost: bool, what: impl Into<String>) {
    let what = what.into();
    TROUBLE.with_borrow_mut(|trouble| {
        if trouble.as_ref().is_none_or(|known| lost && !known.lost) {
            *trouble = Some(Trouble { lost, what });
        }
    });
}

/// What went wrong since [`forget`].
pub fn seen() -> Option<Trouble> {
    TROUBLE.with_borrow(Clone::clone)
}

/// Waits until something is noted, for at most `milliseconds`.
pub async fn wait(milliseconds: f64) {
    let end = crate::clock::now() + milliseconds;
    while seen().is_none() && crate::clock::now() < end {
        crate::clock::breathe().await;
    }
}

/// A new device begins without trouble.
pub fn forget() {
    TROUBLE.with_borrow_mut(|trouble| *trouble = None);
}

/// Takes errors that the engine's libraries only log for what they are.
pub fn listen_to_the_log() {
    struct Listener;
    impl log::Log for Listener {
        fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
            metadata.level() <= log::Level::Error
        }

        fn log(&self, record: &log::Record<'_>) {
            if self.enabled(record.metadata()) {
                // A refused shader is logged with its whole source; the first lines say what is wrong.
                let text: String = record.args().to_string().lines().take(6).collect::<Vec<_>>().join("\n");
                note(false, text);
            }
        }

        fn flush(&self) {}
    }
    // Nobody else sets a logger in this worker.
    if log::set_logger(&Listener).is_ok() {
        log::set_max_level(log::LevelFilter::Error);
    }
}
