//! The worker that computes on the GPU too: loaded where a run or a test asks for one.

#[cfg(target_family = "wasm")]
fn main() {
    apt_worker::start();
}

#[cfg(not(target_family = "wasm"))]
fn main() {
    println!("This program is a browser's worker; `cargo xtask serve` builds and serves the lab.");
}
