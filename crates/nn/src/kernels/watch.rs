//! Threads that stay awake from one short parallel loop to the next. A step, or a token that is written, is dozens or
//! hundreds of such loops, and to wake a thread takes as long as some of them do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// So long a thread looks out without finding work before it goes to sleep.
const SPIN: Duration = Duration::from_micros(200);
/// Times that it looks before it lets other programs have the processor.
const LOOKS: usize = 64;

thread_local! {
    /// Threads that look out, of the pool in which this thread asked for it.
    static AWAKE: Arc<AtomicUsize> = Arc::default();
}

/// All threads of the pool but this one look out for work until there has been none for a while. Whatever is wrong about
/// their number costs time alone: they do what the pool's threads do anyway, only sooner.
pub(crate) fn keep() {
    let (others, caller) = (rayon::current_num_threads() - 1, rayon::current_thread_index());
    let awake = AWAKE.with(Arc::clone);
    while awake.load(Relaxed) < others {
        awake.fetch_add(1, Relaxed);
        let awake = Arc::clone(&awake);
        rayon::spawn(move || {
            // This thread may get its own request, while it waits for a loop that it must go on from.
            if rayon::current_thread_index() != caller {
                look_out();
            }
            awake.fetch_sub(1, Relaxed);
        });
    }
}

fn look_out() {
    let (mut since, mut looks) = (Instant::now(), 0);
    loop {
        match rayon::yield_now() {
            Some(rayon::Yield::Executed) => (since, looks) = (Instant::now(), 0),
            Some(rayon::Yield::Idle) => looks += 1,
            // No thread of the pool.
            None => return,
        }
        std::hint::spin_loop();
        if looks >= LOOKS {
            looks = 0;
            if since.elapsed() > SPIN {
                return;
            }
            std::thread::yield_now();
        }
    }
}
