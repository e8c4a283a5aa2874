//! The recorded run: a real run of the built-in model that stands beside the program, shown until there is one of the
//! visitor's own.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::Response;

use super::state::Lab;
use crate::recorded::read;

/// Beside the page.
const FILE: &str = "recorded.jsonl";

/// The state that shows the recorded run.
#[derive(Clone, Copy)]
pub(crate) struct Recording(pub(crate) Lab);

/// Fetches the recorded run. The page is whole without it: that it cannot be had is said, and nothing else changes.
pub(crate) fn load(lab: Lab) -> Recording {
    let recorded = lab.another();
    spawn_local(async move {
        let read = async { read(&fetch().await?) };
        match read.await {
            Ok((run, history)) => {
                recorded.history.set_value(history);
                recorded.run.set(Some(run));
                recorded.due();
            }
            Err(why) => lab.notice(format!("The recorded run {FILE} cannot be shown: {why}.")),
        }
    });
    Recording(recorded)
}

async fn fetch() -> Result<String, String> {
    let error = |error: wasm_bindgen::JsValue| format!("{error:?}");
    let response = JsFuture::from(window().fetch_with_str(FILE)).await.map_err(error)?;
    let response: Response = response.dyn_into().map_err(error)?;
    if !response.ok() {
        return Err(format!("the host answers {}", response.status()));
    }
    let text = JsFuture::from(response.text().map_err(error)?).await.map_err(error)?;
    text.as_string().ok_or_else(|| "it is not text".to_owned())
}
