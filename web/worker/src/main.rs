//! The lab's worker: the one thread that owns device, session and database. The page sends it `apt_bridge::Command`s and
//! receives `apt_bridge::Message`s; it never waits for the page, and the page never waits for it.

#[cfg(target_family = "wasm")]
mod clock;
#[cfg(target_family = "wasm")]
mod constructors;
#[cfg(target_family = "wasm")]
mod error;
#[cfg(target_family = "wasm")]
mod fetch;
#[cfg(target_family = "wasm")]
mod first_steps;
#[cfg(target_family = "wasm")]
mod gpu;
#[cfg(target_family = "wasm")]
mod gpu_errors;
#[cfg(target_family = "wasm")]
mod hub;
#[cfg(target_family = "wasm")]
mod hub_file;
#[cfg(target_family = "wasm")]
mod look;
#[cfg(target_family = "wasm")]
mod machine;
#[cfg(target_family = "wasm")]
mod model_files;
#[cfg(target_family = "wasm")]
mod port;
#[cfg(target_family = "wasm")]
mod predictions;
#[cfg(target_family = "wasm")]
mod queue;
#[cfg(target_family = "wasm")]
mod reading;
#[cfg(target_family = "wasm")]
mod recovery;
#[cfg(target_family = "wasm")]
mod run;
#[cfg(target_family = "wasm")]
mod run_lock;
#[cfg(target_family = "wasm")]
mod sources;
#[cfg(target_family = "wasm")]
mod storage;
#[cfg(target_family = "wasm")]
mod store_writer;
#[cfg(target_family = "wasm")]
mod study;
#[cfg(target_family = "wasm")]
mod tile;
#[cfg(target_family = "wasm")]
mod worker;

#[cfg(target_family = "wasm")]
fn main() {
    constructors::run();
    port::report_panics();
    gpu_errors::capture_log();
    tile::install();
    wasm_bindgen_futures::spawn_local(worker::serve(port::commands()));
}

#[cfg(not(target_family = "wasm"))]
fn main() {
    println!("This program is a browser's worker; `cargo xtask serve` builds and serves the lab.");
}
