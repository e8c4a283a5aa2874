//! Runs what the linked libraries register before `main` (the kernel compiler its operations), once.
//!
//! By default the linker has every call from JavaScript begin with all of it again, which was a tenth of a training step's
//! time. Naming the symbol makes the linker leave the call to us.
#![allow(unsafe_code)] // The linker's own function cannot be called otherwise.

use std::sync::Once;

unsafe extern "C" {
    /// Made by the linker: a plain list of calls of every constructor that the program links, without a guard.
    ///
    /// # Safety
    /// A second call runs every constructor a second time, which none of them need tolerate.
    unsafe fn __wasm_call_ctors();
}

/// Runs them, the first time that it is called.
pub(crate) fn run() {
    static RAN: Once = Once::new();
    RAN.call_once(|| {
        // SAFETY: no argument, no result. Because this function names the symbol, the linker adds no calls of its own, and
        // `Once` makes this one the only one, before anything that the constructors register is used.
        unsafe { __wasm_call_ctors() }
    });
}
