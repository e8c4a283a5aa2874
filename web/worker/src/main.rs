//! The worker that computes on the CPU: what a visitor loads first.

#[cfg(target_family = "wasm")]
fn main() {
    apt_worker::start();
}

#[cfg(not(target_family = "wasm"))]
fn main() {
    println!("This program is a browser's worker; `cargo xtask serve` builds and serves the lab.");
}
