//! What crosses between the page and its worker.
//!
//! The page shows and asks, the worker owns device, session and database; neither links the other. Here is what both must
//! agree on: [`Command`]s to the worker, [`Message`]s back, how either travels (`transport`), and the runs, studies,
//! records and files in the browser's database, which both read (`store`) and the worker alone writes; also what the browser
//! says of its graphics adapter (`adapter`), by which the page chooses a worker and the worker a device.

#[cfg(target_family = "wasm")]
pub mod adapter;
mod command;
mod device;
mod hub;
mod look;
mod message;
mod reading;
pub mod step_times;
#[cfg(target_family = "wasm")]
pub mod store;
mod stored;
pub mod team;
#[cfg(target_family = "wasm")]
pub mod transport;
pub mod writing;

pub use command::{Command, Wanted};
pub use device::{Adapter, Check, DeviceReport, Estimate};
pub use hub::{HubNews, HubOffer};
pub use look::{DataLook, LookedRow};
pub use message::{Answer, Fault, FirstSteps, Message, ModelAnswer, Outcome, Prediction};
pub use reading::{Reading, Segment, Word, segments};
pub use stored::{FileSet, RunState, StoredCell, StoredRun, StoredStudy, record_name, run_lock};
