//! Runs what the linked libraries want run before `main` (the kernel compiler registers its operations that way), once.
//!
//! Nobody does so by default: the linker then has every call from JavaScript begin with all of it again, which was a
//! tenth of a training step's time. Naming the symbol makes the linker leave it to us.
#![allow(unsafe_code)] // The linker's own function; it takes and returns nothing and guards against being run twice.

unsafe extern "C" {
    safe fn __wasm_call_ctors();
}

/// Runs them.
pub fn run() {
    __wasm_call_ctors();
}
