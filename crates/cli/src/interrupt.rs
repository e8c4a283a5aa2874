//! Ctrl-C as a flag that is checked between two training steps. The second one ends the program at once.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Installs the handler of Ctrl-C, of SIGTERM and of SIGHUP. A signal that whoever started the program has it ignore
/// (`nohup`, a shell's `&`) stays ignored.
pub(crate) fn install_handler() {
    // Without a handler Ctrl-C simply ends the program, and checkpoints still make the run resumable.
    let _ = watch(|| {
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

#[cfg(unix)]
fn watch(stop: impl Fn() + Send + 'static) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    use std::sync::mpsc;
    // The thread first: signals that nobody reads would be lost.
    let (sender, receiver) = mpsc::channel::<Signals>();
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        let Ok(mut signals) = receiver.recv() else { return };
        signals.forever().for_each(|_| stop());
    })?;
    let heeded = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| !is_ignored(*signal));
    // The thread waits for nothing else.
    let _ = sender.send(Signals::new(heeded)?);
    Ok(())
}

#[cfg(not(unix))]
fn watch(stop: impl FnMut() + Send + 'static) -> io::Result<()> {
    ctrlc::set_handler(stop).map_err(io::Error::other)
}

/// Whether the program was started with this signal ignored.
#[cfg(unix)]
// What a signal does can only be asked through the system's own interface.
#[allow(unsafe_code)]
fn is_ignored(signal: libc::c_int) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: with no new action the call changes nothing; it fills `action`, which all zeros make valid before it does.
    let action = unsafe {
        libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr());
        action.assume_init()
    };
    action.sa_sigaction == libc::SIG_IGN
}
