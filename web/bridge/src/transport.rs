//! How commands and messages travel: `postMessage` with an array whose first element is JSON and whose others are
//! attachments. Buffers are transferred, files are cloned without reading their bytes.

use js_sys::{Array, ArrayBuffer, Float32Array, JsString, Uint8Array};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast, JsValue};

/// The value to post for `content` with `attachments`, and the list of what to transfer with it.
///
/// # Errors
/// When `content` holds what JSON cannot: NaN or infinity.
pub fn encode<T: Serialize>(content: &T, attachments: &[JsValue]) -> Result<(JsValue, Array), serde_json::Error> {
    let posted = Array::of1(&JsValue::from_str(&serde_json::to_string(content)?));
    let transferred = Array::new();
    for attachment in attachments {
        posted.push(attachment);
        if attachment.is_instance_of::<ArrayBuffer>() {
            transferred.push(attachment);
        }
    }
    Ok((posted.into(), transferred))
}

/// The content and the attachments of a posted value.
///
/// # Errors
/// In words, when the value has another form: page and worker are then of different builds.
pub fn decode<T: DeserializeOwned>(posted: &JsValue) -> Result<(T, Vec<JsValue>), String> {
    let posted: &Array = posted.dyn_ref().ok_or("a message is no array")?;
    let json: JsString = posted.get(0).dyn_into().map_err(|_| "a message begins without text")?;
    let content = serde_json::from_str(&String::from(json)).map_err(|e| format!("a message is not understood: {e}"))?;
    Ok((content, posted.iter().skip(1).collect()))
}

/// Bytes as an attachment.
#[must_use]
pub fn buffer(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).buffer().into()
}

/// Numbers as an attachment.
#[must_use]
pub fn floats(values: &[f32]) -> JsValue {
    Float32Array::from(values).buffer().into()
}

/// The numbers of an attachment made by [`floats`].
#[must_use]
pub fn values(attachment: &JsValue) -> Vec<f32> {
    Float32Array::new(attachment).to_vec()
}

/// The bytes of an attachment made by [`buffer`].
#[must_use]
pub fn bytes(attachment: &JsValue) -> Vec<u8> {
    Uint8Array::new(attachment).to_vec()
}
