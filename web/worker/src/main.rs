//! The lab's worker: the one thread that owns device and session. The page sends it `apt_bridge::Command`s and hears
//! `apt_bridge::Message`s; it never waits for the page, and the page never waits for it.

#[cfg(target_family = "wasm")]
mod claim;
#[cfg(target_family = "wasm")]
mod clock;
#[cfg(target_family = "wasm")]
mod constructors;
#[cfg(target_family = "wasm")]
mod error;
#[cfg(target_family = "wasm")]
mod fetch;
#[cfg(target_family = "wasm")]
mod gpu;
#[cfg(target_family = "wasm")]
mod lab;
#[cfg(target_family = "wasm")]
mod machine;
#[cfg(target_family = "wasm")]
mod port;
#[cfg(target_family = "wasm")]
mod recovery;
#[cfg(target_family = "wasm")]
mod run;
#[cfg(target_family = "wasm")]
mod sources;
#[cfg(target_family = "wasm")]
mod study;
#[cfg(target_family = "wasm")]
mod trouble;
#[cfg(target_family = "wasm")]
mod verdicts;

#[cfg(target_family = "wasm")]
fn main() {
    constructors::run();
    port::tell_panics();
    trouble::listen_to_the_log();
    wasm_bindgen_futures::spawn_local(lab::serve(port::commands()));
}

#[cfg(not(target_family = "wasm"))]
fn main() {
    println!("This program is a browser's worker; `cargo xtask serve` builds and serves the lab.");
}
