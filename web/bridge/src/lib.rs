//! What crosses between the page and its worker.
//!
//! The page shows and asks, the worker owns device and session; neither links the other. Here is what both must agree
//! on: [`Command`]s to the worker, [`Message`]s back, how either travels (`letter`), and the runs, studies, records and
//! files kept in the browser's database (`store`).

mod command;
mod device;
#[cfg(target_family = "wasm")]
pub mod letter;
mod message;
#[cfg(target_family = "wasm")]
pub mod store;
mod stored;

pub use command::{Command, Wanted};
pub use device::{Adapter, Check, DeviceReport, Estimate};
pub use message::{Answer, Fault, Message, Verdict};
pub use stored::{FileSet, MODEL_FILES, RunState, StoredCell, StoredRun, StoredStudy};
