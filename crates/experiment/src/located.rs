//! Reading and writing JSON with the path of the field at which either fails.
//!
//! To follow every field takes a second copy of all code that reads and writes: a sixteenth of what a page loads. In a
//! browser, where a record's bytes are read as they are, the line and the column that the message ends with must do.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What cannot be read or written.
pub(crate) struct Failure {
    /// The path of the field; empty in a browser.
    pub(crate) field: String,
    /// What is wrong with it.
    pub(crate) message: String,
}

/// Reads a value.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn read<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<T, Failure> {
    serde_path_to_error::deserialize(from)
        .map_err(|error| Failure { field: error.path().to_string(), message: error.inner().to_string() })
}

/// Reads a value.
#[cfg(target_family = "wasm")]
pub(crate) fn read<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<T, Failure> {
    T::deserialize(from).map_err(|error| Failure { field: String::new(), message: error.to_string() })
}

/// Writes a value.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn write<T: Serialize, S: Serializer>(value: &T, to: S) -> Result<(), Failure> {
    let mut track = serde_path_to_error::Track::new();
    let written = value.serialize(serde_path_to_error::Serializer::new(to, &mut track));
    written.map(drop).map_err(|error| Failure { field: track.path().to_string(), message: error.to_string() })
}

/// Writes a value.
#[cfg(target_family = "wasm")]
pub(crate) fn write<T: Serialize, S: Serializer>(value: &T, to: S) -> Result<(), Failure> {
    let written = value.serialize(to);
    written.map(drop).map_err(|error| Failure { field: String::new(), message: error.to_string() })
}

impl Failure {
    /// Where it is, in words.
    pub(crate) fn place(&self) -> String {
        if self.field.is_empty() { "a value".to_owned() } else { self.field.clone() }
    }
}
