//! The lab's worker: the one thread that owns device, session and database. The page sends it `apt_bridge::Command`s and
//! receives `apt_bridge::Message`s; it never waits for the page, and the page never waits for it.
//!
//! It is built twice: as `apt-worker`, which computes on the CPU alone, and with the feature `gpu` as `apt-worker-gpu`,
//! which can do both and is twice as much to load. The page knows which one it needs.

#![cfg(target_family = "wasm")]

mod beside;
mod clock;
mod constructors;
mod crew;
mod error;
mod export;
mod faster;
mod fetch;
mod first_steps;
#[cfg(feature = "gpu")]
mod gpu;
#[cfg(not(feature = "gpu"))]
#[path = "no_gpu.rs"]
mod gpu;
mod gpu_errors;
mod helper;
mod hub;
mod hub_file;
mod look;
mod machine;
mod model_files;
mod port;
mod predictions;
mod queue;
mod reading;
mod recovery;
mod run;
mod run_lock;
mod side_runs;
mod sources;
mod storage;
mod store_writer;
mod study;
mod tile;
mod trial;
mod worker;
mod writing;

/// Begins to serve the page.
pub fn start() {
    constructors::run();
    port::report_panics();
    gpu_errors::capture_log();
    tile::install();
    wasm_bindgen_futures::spawn_local(worker::serve(port::commands()));
}
