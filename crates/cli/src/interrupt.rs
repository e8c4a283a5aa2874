//! Ctrl-C as a flag that a run looks at between two steps. The second one ends the program at once.

use std::sync::atomic::{AtomicBool, Ordering};

static ASKED: AtomicBool = AtomicBool::new(false);

/// Begins to listen.
pub fn listen() {
    // Without a handler Ctrl-C simply ends the program, and checkpoints still make the run resumable.
    let _ = ctrlc::set_handler(|| {
        if ASKED.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        crate::progress::to_stderr("\nstopping after this step; once more to stop at once");
    });
}

/// Asks, as Ctrl-C does.
pub fn ask() {
    ASKED.store(true, Ordering::SeqCst);
}

/// Whether somebody has asked to stop.
pub fn asked() -> bool {
    ASKED.load(Ordering::SeqCst)
}
