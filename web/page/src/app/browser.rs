//! What the page asks of the browser itself: address, clipboard, files, storage of small choices.

use js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array};
use leptos::prelude::{document, window};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, BlobPropertyBag, Event, File, FileList, HtmlAnchorElement, HtmlInputElement, Response, Url};

/// The part of the address after `?`.
pub(crate) fn query() -> String {
    window().location().search().unwrap_or_default()
}

/// The part of the address after `#`.
pub(crate) fn fragment() -> String {
    window().location().hash().unwrap_or_default().trim_start_matches('#').to_owned()
}

/// Sets the part of the address after `#`.
pub(crate) fn set_fragment(fragment: &str) {
    // An address that the browser refuses leaves the page as it is.
    let _ = window().location().set_hash(fragment);
}

/// Sets the part of the address after `#` without a new entry in the history and without the event of a change.
pub(crate) fn replace_fragment(fragment: &str) {
    if let Ok(history) = window().history() {
        // The browser refuses when it is done too often; the address then names an earlier place.
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&format!("#{fragment}")));
    }
}

/// Puts `query` into the address without a new entry in the history.
pub(crate) fn set_query(query: &str) {
    let fragment = window().location().hash().unwrap_or_default();
    let address = format!("?{query}{fragment}");
    // Browsers refuse when it is done too often; the next change brings the address up to date.
    if let Ok(history) = window().history() {
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&address));
    }
}

/// The whole address.
pub(crate) fn address() -> String {
    window().location().href().unwrap_or_default()
}

/// How many things this computer does at the same time, as far as the browser says.
pub(crate) fn cores() -> usize {
    window().navigator().hardware_concurrency() as usize
}

/// The computer that the lab comes from.
pub(crate) fn host() -> String {
    window().location().hostname().unwrap_or_default()
}

/// The names of the locks that this and other tabs of the lab hold. A browser without locks has none.
pub(crate) async fn held_locks() -> Vec<String> {
    let asked = async {
        // The Web Locks API, which web-sys does not offer yet.
        let locks = Reflect::get(&window().navigator(), &"locks".into())?;
        let query: Function = Reflect::get(&locks, &"query".into())?.dyn_into()?;
        let answer = JsFuture::from(query.call0(&locks)?.dyn_into::<Promise>()?).await?;
        let held: Array = Reflect::get(&answer, &"held".into())?.dyn_into()?;
        let name = |lock: JsValue| Reflect::get(&lock, &"name".into()).ok()?.as_string();
        Ok::<_, JsValue>(held.iter().filter_map(name).collect())
    };
    asked.await.unwrap_or_default()
}

/// Has the service worker keep these files, which stand beside the page, for use without a network.
pub(crate) fn keep_offline(files: [String; 2]) {
    let asked = async move {
        let workers = Reflect::get(&window().navigator(), &"serviceWorker".into())?;
        let registered = JsFuture::from(Reflect::get(&workers, &"ready".into())?.dyn_into::<Promise>()?).await?;
        let worker = Reflect::get(&registered, &"active".into())?;
        let base = document().base_uri()?.unwrap_or_default();
        let addresses = Array::new();
        for file in files {
            addresses.push(&Url::new_with_base(&file, &base)?.href().into());
        }
        let message = Object::new();
        Reflect::set(&message, &"keep".into(), &addresses)?;
        Reflect::get(&worker, &"postMessage".into())?.dyn_into::<Function>()?.call1(&worker, &message)
    };
    leptos::task::spawn_local(async move {
        // Where nothing can be kept, the lab works all the same.
        let _: Result<JsValue, JsValue> = asked.await;
    });
}

/// The text of a file that stands beside the page.
///
/// # Errors
/// In words, if the host does not give it.
pub(crate) async fn text_of(file: &str) -> Result<String, String> {
    let error = |error: JsValue| format!("{error:?}");
    let response = JsFuture::from(window().fetch_with_str(file)).await.map_err(error)?;
    let response: Response = response.dyn_into().map_err(error)?;
    if !response.ok() {
        return Err(format!("the host answers {}", response.status()));
    }
    let text = JsFuture::from(response.text().map_err(error)?).await.map_err(error)?;
    text.as_string().ok_or_else(|| "it is not text".to_owned())
}

/// Copies text; `false` if the browser does not allow it.
pub(crate) async fn copy(text: &str) -> bool {
    JsFuture::from(window().navigator().clipboard().write_text(text)).await.is_ok()
}

/// Offers bytes as a file to save.
pub(crate) fn save(name: &str, kind: &str, bytes: &[u8]) -> Result<(), JsValue> {
    let options = BlobPropertyBag::new();
    options.set_type(kind);
    let blob = Blob::new_with_u8_array_sequence_and_options(&Array::of1(&Uint8Array::from(bytes)), &options)?;
    let address = Url::create_object_url_with_blob(&blob)?;
    let link: HtmlAnchorElement = document().create_element("a")?.unchecked_into();
    link.set_href(&address);
    link.set_download(name);
    link.click();
    Url::revoke_object_url(&address)
}

/// A choice kept from an earlier visit.
pub(crate) fn kept(key: &str) -> Option<String> {
    window().local_storage().ok()??.get_item(key).ok()?
}

/// Keeps a choice for later visits, where that is allowed.
pub(crate) fn keep(key: &str, value: &str) {
    if let Ok(Some(storage)) = window().local_storage() {
        let _ = storage.set_item(key, value);
    }
}

/// Whether a media query holds.
pub(crate) fn media(query: &str) -> bool {
    window().match_media(query).ok().flatten().is_some_and(|list| list.matches())
}

/// Milliseconds by which the clock here is behind that of Greenwich.
pub(crate) fn zone() -> f64 {
    js_sys::Date::new_0().get_timezone_offset() * 60_000.0
}

/// Milliseconds since 1970.
pub(crate) fn now() -> f64 {
    js_sys::Date::now()
}

/// The files of a list.
pub(crate) fn listed_files(files: &FileList) -> Vec<File> {
    (0..files.length()).filter_map(|index| files.get(index)).collect()
}

/// The files chosen with a control.
pub(crate) fn chosen_files(event: &Event) -> Vec<File> {
    let input = event.target().and_then(|target| target.dyn_into::<HtmlInputElement>().ok());
    let files = input.as_ref().and_then(HtmlInputElement::files).map(|files| listed_files(&files));
    // So that the same file can be chosen again.
    if let Some(input) = input {
        input.set_value("");
    }
    files.unwrap_or_default()
}
