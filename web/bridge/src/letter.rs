//! How commands and messages travel: `postMessage` with an array whose first element is JSON and whose others are
//! enclosures (buffers), which are handed over and not copied.

use js_sys::{Array, JsString, Uint8Array};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast, JsValue};

/// Puts `content` and `enclosures` into an envelope: the value to post and the list of what to transfer with it.
///
/// # Errors
/// When `content` holds what JSON cannot: NaN or infinity.
pub fn seal<T: Serialize>(content: &T, enclosures: &[Vec<u8>]) -> Result<(JsValue, Array), serde_json::Error> {
    let letter = Array::of1(&JsValue::from_str(&serde_json::to_string(content)?));
    let transferred = Array::new();
    for bytes in enclosures {
        let buffer = Uint8Array::from(bytes.as_slice()).buffer();
        letter.push(&buffer);
        transferred.push(&buffer);
    }
    Ok((letter.into(), transferred))
}

/// Opens an envelope.
///
/// # Errors
/// In words, when it is none: page and worker are then of different builds.
pub fn open<T: DeserializeOwned>(letter: &JsValue) -> Result<(T, Vec<Vec<u8>>), String> {
    let letter: &Array = letter.dyn_ref().ok_or("a message is no array")?;
    let json: JsString = letter.get(0).dyn_into().map_err(|_| "a message begins without text")?;
    let content = serde_json::from_str(&String::from(json)).map_err(|e| format!("a message is not understood: {e}"))?;
    let enclosures = letter.iter().skip(1).map(|buffer| Uint8Array::new(&buffer).to_vec()).collect();
    Ok((content, enclosures))
}
