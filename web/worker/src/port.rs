//! The way to the page: commands in, messages out.

use apt_bridge::{Command, Message, letter};
use futures::channel::mpsc::{UnboundedReceiver, unbounded};
use js_sys::{Error, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};

/// Everything the page asks from now on, in order; what is not understood comes as an error in words.
pub fn commands() -> UnboundedReceiver<Result<Command, String>> {
    let (sender, receiver) = unbounded();
    let heard = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
        let command = letter::open(&event.data()).map(|(command, _)| command);
        // The receiver lives as long as the worker.
        let _ = sender.unbounded_send(command);
    });
    scope().set_onmessage(Some(heard.as_ref().unchecked_ref()));
    heard.forget();
    receiver
}

/// Tells the page something.
pub fn post(message: &Message) {
    post_with(message, &[]);
}

/// Tells the page something and hands over bytes.
pub fn post_with(message: &Message, enclosures: &[Vec<u8>]) {
    match letter::seal(message, enclosures) {
        // A page that is gone needs no message.
        Ok((letter, transferred)) => drop(scope().post_message_with_transfer(&letter, &transferred)),
        Err(error) => post(&Message::Notice { text: format!("a message could not be written: {error}") }),
    }
}

/// Lets the page know of a panic, after which this worker can only be replaced.
pub fn tell_panics() {
    std::panic::set_hook(Box::new(|info| {
        let stack = Reflect::get(&Error::new(""), &JsValue::from_str("stack")).ok().and_then(|s| s.as_string());
        let report = format!("{info}\n\nversion {}\n{}", env!("CARGO_PKG_VERSION"), stack.unwrap_or_default());
        post(&Message::Panic { report });
    }));
}

/// The worker's global scope.
pub fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}
