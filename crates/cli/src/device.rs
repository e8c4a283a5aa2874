//! The device of a run: what `apt-train` opened, with the number of threads that only a desktop knows.

use crate::error::CliError;
use apt_experiment::Device as Choice;
use apt_train::device::OpenDevice;

/// Opens the device that `choice` names.
///
/// # Errors
/// A device that is missing or fails its self-test.
pub(crate) fn open(choice: Choice) -> Result<OpenDevice, CliError> {
    let mut opened = pollster::block_on(apt_train::device::open(choice))?;
    if opened.backend == "flex" {
        opened.name = format!("{}, {} threads", opened.name, threads());
    }
    Ok(opened)
}

/// Threads the CPU backend uses.
pub(crate) fn threads() -> usize {
    rayon::current_num_threads()
}
