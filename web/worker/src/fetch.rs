//! Downloads with progress, and the bytes of dropped files.

use crate::error::WorkerError;
use crate::port;
use apt_bridge::Message;
use js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{File, ReadableStreamDefaultReader, Response};

/// No file larger than this is read: WebAssembly's memory ends at 4 GiB, and a model is in it at least twice.
pub(crate) const LARGEST: f64 = 1.5e9;

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
        let Some(value) = next_of(&reader).await.map_err(broken)? else { break };
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

/// What ends requests that are under way: the browser's `AbortController`. It and the settings of a request are used by their
/// names: their bindings would be features of a library that all of Burn is built on.
#[derive(Clone)]
pub(crate) struct Stop {
    controller: JsValue,
    signal: JsValue,
}

impl Stop {
    /// For requests to come.
    pub(crate) fn new() -> Result<Self, JsValue> {
        let class: Function = Reflect::get(&port::scope(), &"AbortController".into())?.dyn_into()?;
        let controller = Reflect::construct(&class, &Array::new())?;
        Ok(Self { signal: Reflect::get(&controller, &"signal".into())?, controller })
    }

    /// Ends them.
    pub(crate) fn stop(&self) {
        let abort = Reflect::get(&self.controller, &"abort".into()).and_then(JsValue::dyn_into::<Function>);
        // Every browser that has the class has it with this method.
        let _ = abort.and_then(|abort| abort.call0(&self.controller));
    }

    /// Whether they were ended.
    pub(crate) fn is_stopped(&self) -> bool {
        Reflect::get(&self.signal, &"aborted".into()).is_ok_and(|aborted| aborted.is_truthy())
    }

    /// Asks for what is at `address`, from byte `from` on. Nothing of it goes to the browser's own cache.
    pub(crate) async fn request(&self, address: &str, from: u64) -> Result<Response, JsValue> {
        let (settings, headers) = (Object::new(), Object::new());
        if from > 0 {
            Reflect::set(&headers, &"range".into(), &format!("bytes={from}-").into())?;
        }
        for (name, value) in [("cache", &"no-store".into()), ("signal", &self.signal), ("headers", &headers)] {
            Reflect::set(&settings, &name.into(), value)?;
        }
        let fetch: Function = Reflect::get(&port::scope(), &"fetch".into())?.dyn_into()?;
        let answer = fetch.call2(&port::scope(), &address.into(), &settings)?.dyn_into::<Promise>()?;
        JsFuture::from(answer).await?.dyn_into()
    }
}

/// The next bytes of a body; `None` at its end.
///
/// # Errors
/// A connection that broke, or was broken off.
pub(crate) async fn next_of(reader: &ReadableStreamDefaultReader) -> Result<Option<Uint8Array>, JsValue> {
    let chunk = JsFuture::from(reader.read()).await?;
    Ok(Reflect::get(&chunk, &"value".into())?.dyn_into().ok())
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

/// That a file of so many bytes cannot be used here.
pub(crate) fn too_large(place: &str, bytes: f64) -> WorkerError {
    WorkerError::new(
        place,
        format!("{:.1} GB are more than a browser tab can hold beside a run", bytes / 1e9),
        "use a smaller model here, or this one with the desktop program",
    )
}
