//! The way to the page: commands in, messages out.

use apt_bridge::{Command, Message, transport};
use futures::channel::mpsc::{UnboundedReceiver, unbounded};
use js_sys::{Error, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};

/// What the page asks, in order: commands with their attachments, or why a message was not understood.
pub(crate) type Commands = UnboundedReceiver<Result<(Command, Vec<JsValue>), String>>;

/// Everything the page asks from now on.
pub(crate) fn commands() -> Commands {
    let (sender, receiver) = unbounded();
    let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
        // The receiver lives as long as the worker.
        let _ = sender.unbounded_send(transport::decode(&event.data()));
    });
    scope().set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    on_message.forget();
    receiver
}

/// Sends a message to the page.
pub(crate) fn post(message: &Message) {
    post_with(message, &[]);
}

/// Sends a message with attachments to the page.
pub(crate) fn post_with(message: &Message, attachments: &[JsValue]) {
    match transport::encode(message, attachments) {
        // A page that is gone needs no message.
        Ok((posted, transferred)) => drop(scope().post_message_with_transfer(&posted, &transferred)),
        Err(error) => post(&Message::Notice { text: format!("a message could not be written: {error}") }),
    }
}

/// Reports panics to the page; after one this worker can only be replaced.
pub(crate) fn report_panics() {
    std::panic::set_hook(Box::new(|info| {
        let stack = Reflect::get(&Error::new(""), &JsValue::from_str("stack")).ok().and_then(|s| s.as_string());
        let report = format!("{info}\n\nversion {}\n{}", env!("CARGO_PKG_VERSION"), stack.unwrap_or_default());
        post(&Message::Panic { report });
    }));
}

/// The worker's global scope.
pub(crate) fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}
