//! The page's connection to the worker.

use apt_bridge::{Command, Message, transport};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{ErrorEvent, Event, MessageEvent, Worker, WorkerOptions, WorkerType};

use super::browser;
use crate::engine::Program;

/// The worker's loader, relative to the page, so that the lab works from any folder of any host.
const LOADER: &str = "./start-worker.js";

/// A worker with its listeners; dropping it ends the worker.
pub(crate) struct Link {
    program: Program,
    worker: Worker,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _failed: Closure<dyn FnMut(Event)>,
}

impl Link {
    /// Starts a worker of this program. `on_message` gets its messages with their attachments, `fail` gets a report if it
    /// breaks.
    pub(crate) fn start(
        program: Program,
        mut on_message: impl FnMut(Message, Vec<JsValue>) + 'static,
        fail: impl Fn(String) + Clone + 'static,
    ) -> Result<Self, String> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        options.set_name(program.name());
        let worker = Worker::new_with_options(LOADER, &options).map_err(|error| format!("{error:?}"))?;
        let misread = fail.clone();
        let listener = Closure::new(move |event: MessageEvent| match transport::decode(&event.data()) {
            Ok((message, attachments)) => {
                if matches!(message, Message::Ready) {
                    browser::keep_offline([".js", "_bg.wasm"].map(|end| format!("./{}{end}", program.name())));
                }
                on_message(message, attachments);
            }
            Err(why) => misread(format!("{why}; page and worker are of different builds, reload the page")),
        });
        let failed = Closure::new(move |event: Event| fail(report(&event)));
        worker.set_onmessage(Some(listener.as_ref().unchecked_ref()));
        worker.set_onerror(Some(failed.as_ref().unchecked_ref()));
        Ok(Self { program, worker, _on_message: listener, _failed: failed })
    }

    pub(crate) fn program(&self) -> Program {
        self.program
    }

    /// Ends the worker at once.
    pub(crate) fn stop(&self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }

    /// Sends a command with attachments.
    pub(crate) fn send(&self, command: &Command, attachments: &[JsValue]) -> Result<(), String> {
        let (posted, transferred) = transport::encode(command, attachments).map_err(|error| error.to_string())?;
        self.worker.post_message_with_transfer(&posted, &transferred).map_err(|error| format!("{error:?}"))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.stop();
    }
}

fn report(event: &Event) -> String {
    match event.dyn_ref::<ErrorEvent>() {
        Some(error) if !error.message().is_empty() => {
            format!("{}\nat {}, line {}, column {}", error.message(), error.filename(), error.lineno(), error.colno())
        }
        // A script that cannot be loaded says nothing.
        _ => format!("The worker's script {LOADER} could not be loaded or started."),
    }
}
