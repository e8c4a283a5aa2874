//! The program of the page.

#[cfg(target_family = "wasm")]
fn main() {
    apt_page::start();
}

#[cfg(not(target_family = "wasm"))]
fn main() {
    eprintln!("This program is a web page; `trunk serve` builds it and shows it.");
}
