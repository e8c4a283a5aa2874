//! Downloads with progress, and the bytes of dropped files.

use crate::error::WorkerError;
use crate::port;
use apt_bridge::Message;
use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{File, ReadableStreamDefaultReader, Response};

/// No file larger than this is read: WebAssembly's memory ends at 4 GiB, and a model is in it at least twice.
const LARGEST: f64 = 1.5e9;

/// The bytes at `address`, which may be relative to the worker.
///
/// # Errors
/// No answer, an answer that is no success, or a page (HTML) where a file is expected.
pub(crate) async fn download(address: &str) -> Result<Vec<u8>, WorkerError> {
    find(address).await?.ok_or_else(|| refused(address, "the answer is 404: there is no such file".into()))
}

fn refused(address: &str, what: String) -> WorkerError {
    WorkerError::new(
        address,
        what,
        "check the address and that its host allows other sites to read it (CORS), or download the files and drop them \
         here",
    )
}

/// As [`download`]; `None` if the answer is that there is no such file.
///
/// # Errors
/// As [`download`].
pub(crate) async fn find(address: &str) -> Result<Option<Vec<u8>>, WorkerError> {
    let name = address.rsplit('/').next().unwrap_or(address);
    let refused = |what: String| refused(address, what);
    let answer = JsFuture::from(port::scope().fetch_with_str(address)).await;
    let answer: Response = answer
        .and_then(JsValue::dyn_into)
        .map_err(|_| refused("no answer came, or the browser may not read it".into()))?;
    if answer.status() == 404 {
        return Ok(None);
    }
    if !answer.ok() {
        return Err(refused(format!("the answer is {} {}", answer.status(), answer.status_text())));
    }
    let header = |name: &str| answer.headers().get(name).ok().flatten();
    let kind = header("content-type").unwrap_or_default();
    if kind.starts_with("text/html") {
        return Err(refused(format!("a web page came where {name} was expected")));
    }
    let total = header("content-length").and_then(|length| length.parse::<u64>().ok());
    if total.is_some_and(|total| total as f64 > LARGEST) {
        return Err(too_large(address, total.unwrap_or_default() as f64));
    }
    let Some(body) = answer.body() else { return Err(refused("the answer is empty".into())) };
    let broken = |_| refused("the download broke off".into());
    let reader: ReadableStreamDefaultReader = body.get_reader().unchecked_into();
    let mut bytes = Vec::with_capacity(total.unwrap_or_default() as usize);
    loop {
        let chunk = JsFuture::from(reader.read()).await.map_err(broken)?;
        let value = Reflect::get(&chunk, &"value".into()).map_err(broken)?;
        let Ok(value) = value.dyn_into::<Uint8Array>() else { break };
        if bytes.len() as f64 + f64::from(value.length()) > LARGEST {
            return Err(too_large(address, bytes.len() as f64 + f64::from(value.length())));
        }
        bytes.extend(value.to_vec());
        let (what, done) = (format!("downloading {name}"), bytes.len() as u64);
        port::post(&Message::Progress { what, done, total: total.filter(|total| *total >= done) });
    }
    // The end, also of a body whose length the host did not name: the page's notice goes.
    let done = bytes.len() as u64;
    port::post(&Message::Progress { what: format!("downloading {name}"), done, total: Some(done) });
    Ok(Some(bytes))
}

/// The bytes of a dropped file.
///
/// # Errors
/// A file that is too large, or that can no longer be read because it was changed or moved.
pub(crate) async fn read(file: &File) -> Result<Vec<u8>, WorkerError> {
    if file.size() > LARGEST {
        return Err(too_large(&file.name(), file.size()));
    }
    let buffer = JsFuture::from(file.array_buffer())
        .await
        .map_err(|_| WorkerError::new(file.name(), "the browser cannot read it any more", "drop the file again"))?;
    Ok(Uint8Array::new(&buffer).to_vec())
}

fn too_large(place: &str, bytes: f64) -> WorkerError {
    WorkerError::new(
        place,
        format!("{:.1} GB are more than a browser tab can hold beside a run", bytes / 1e9),
        "use a smaller model here, or this one with the desktop program",
    )
}
