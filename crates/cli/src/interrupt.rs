//! Ctrl-C as a flag that is checked between two training steps. The second one ends the program at once.

use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Installs the handler of Ctrl-C (and of SIGTERM).
pub(crate) fn install_handler() {
    // Without a handler Ctrl-C simply ends the program, and checkpoints still make the run resumable.
    let _ = ctrlc::set_handler(|| {
        if REQUESTED.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        crate::reporter::print_stderr("\nstopping after this step; once more to stop at once");
    });
}

/// Requests a stop, as Ctrl-C does.
pub(crate) fn request() {
    REQUESTED.store(true, Ordering::SeqCst);
}

/// Whether a stop was requested.
pub(crate) fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}
