//! Where the oracle tests get their numbers from.
//!
//! The fixtures hold inputs and outputs of the published code. The project's own copy lies in
//! `tests/oracle/fixtures`; `APT_ORACLE_DIR` names another folder of the same layout.

use std::path::PathBuf;

use serde_json::Value;

/// The fixture called `name` (without `.json`).
///
/// # Panics
/// If the file is absent or is not JSON: an oracle test without its oracle proves nothing.
pub fn load(name: &str) -> Value {
    let path = folder().join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!(
            "no fixture at {}: {error}; APT_ORACLE_DIR must name a folder with INDEX.json and the \
             fixtures in it, or be unset",
            path.display()
        )
    });
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{} is not JSON: {error}", path.display()))
}

/// The folder the fixtures are read from.
pub fn folder() -> PathBuf {
    let own = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/oracle/fixtures"));
    // Tests run inside their crate's folder, people type paths from the workspace's.
    let named = |folder: PathBuf| {
        let from_workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(&folder);
        if folder.is_relative() && from_workspace.is_dir() { from_workspace } else { folder }
    };
    std::env::var_os("APT_ORACLE_DIR").map_or_else(own, |folder| named(folder.into()))
}

/// Every number below `value`, in order; a nested list comes out row-major.
///
/// # Panics
/// If something below is neither a list nor a number.
pub fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        Value::Number(number) => vec![number.as_f64().expect("JSON numbers are finite")],
        other => panic!("expected numbers in the fixture, found {other}"),
    }
}

/// The same for whole numbers, such as indices.
///
/// # Panics
/// If something below is neither a list nor a number.
pub fn indices(value: &Value) -> Vec<usize> {
    numbers(value).into_iter().map(|number| number as usize).collect()
}

/// The number itself.
///
/// # Panics
/// If `value` is none.
pub fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("expected a number in the fixture, found {value}"))
}

/// The items of a list.
///
/// # Panics
/// If `value` is none.
pub fn items(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("expected a list in the fixture, found {value}"))
}
