//! A worker beside this one, which this one has started: how it starts, what it is told and says, and how its end is seen.

use crate::{clock, port, run_lock};
use apt_bridge::team::{Order, Report};
use apt_bridge::{Command, Message, transport};
use futures::channel::mpsc::{UnboundedReceiver, unbounded};
use futures::future::{Either, Fuse, FusedFuture, LocalBoxFuture, select};
use futures::{FutureExt, StreamExt};
use js_sys::Math;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Event, MessageEvent, Worker, WorkerOptions, WorkerType};

/// Its program, beside this one's loader.
const PROGRAM: &str = "apt-worker";
/// Milliseconds between two looks at a worker.
pub(crate) const LOOK_MS: i32 = 20;

/// A worker beside this one. Dropping it ends it.
pub(crate) struct Beside {
    worker: Worker,
    reports: UnboundedReceiver<(Message, Vec<JsValue>)>,
    /// Ends when it is gone: its lock is free then. Not to be asked before it is prepared, when it has not got it yet.
    gone: Fuse<LocalBoxFuture<'static, ()>>,
    /// What it is told as soon as it listens.
    first: Option<Command>,
    prepared: bool,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_error: Closure<dyn FnMut(Event)>,
}

impl Beside {
    /// Starts one that is given an order, with the name of its lock, as soon as it listens.
    pub(crate) fn start(order: impl FnOnce(String) -> Order) -> Option<Self> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        options.set_name(PROGRAM);
        let loader = port::scope().location().href();
        let worker = Worker::new_with_options(&loader, &options).ok()?;
        let (sender, reports) = unbounded();
        let failed = sender.clone();
        let on_error = Closure::new(move |event: Event| {
            // It is this run's, and not the page's, to do without it.
            event.prevent_default();
            let report = "it ended with an error".to_owned();
            // Whoever does not listen any more needs no report.
            let _ = failed.unbounded_send((Message::Panic { report }, Vec::new()));
        });
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        let on_message = Closure::new(move |event: MessageEvent| {
            if let Ok(report) = transport::decode(&event.data()) {
                // Whoever does not listen any more needs no report.
                let _ = sender.unbounded_send(report);
            }
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        let lock = format!("apt-lab helper {}", Math::random());
        let first = Some(Command::Team(order(lock.clone())));
        let gone = run_lock::freed(lock).boxed_local().fuse();
        Some(Self { worker, reports, gone, first, prepared: false, _on_message: on_message, _on_error: on_error })
    }

    /// Tells it something.
    pub(crate) fn tell(&self, command: &Command, attachments: &[JsValue]) {
        if let Ok((posted, transferred)) = transport::encode(command, attachments) {
            // That it is gone is seen by its lock.
            let _ = self.worker.post_message_with_transfer(&posted, &transferred);
        }
    }

    /// Reads what it has reported while it prepares.
    ///
    /// # Errors
    /// Why it cannot work, in words.
    pub(crate) fn look(&mut self) -> Result<(), String> {
        while let Ok((report, _)) = self.reports.try_recv() {
            match report {
                Message::Ready => {
                    if let Some(first) = self.first.take() {
                        self.tell(&first, &[]);
                    }
                }
                Message::Team(Report::Prepared) => {
                    self.prepared = true;
                    // What follows answers later orders.
                    return Ok(());
                }
                Message::Fault(fault) => return Err(fault.problem.to_string()),
                Message::Panic { report } => return Err(report.lines().next().unwrap_or_default().to_owned()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether it waits for orders.
    pub(crate) fn is_prepared(&self) -> bool {
        self.prepared
    }

    /// What it has said, if anything, once it is prepared.
    pub(crate) fn said(&mut self) -> Option<Message> {
        self.reports.try_recv().ok().map(|(message, _)| message)
    }

    /// Whether it is gone, once it is prepared. What it said last may still be waiting.
    pub(crate) fn is_gone(&mut self) -> bool {
        self.gone.is_terminated() || (&mut self.gone).now_or_never().is_some()
    }

    /// As [`Self::report`]; `None` when it says nothing before this moment of the clock.
    pub(crate) async fn next(&mut self, until: f64) -> Option<Option<(Report, Vec<JsValue>)>> {
        clock::within(until, self.report()).await
    }

    /// The next thing that it says of its work; `None` when it is gone or has failed.
    pub(crate) async fn report(&mut self) -> Option<(Report, Vec<JsValue>)> {
        loop {
            let message = match self.reports.try_recv() {
                Ok(message) => message,
                Err(_) => match select(self.reports.next(), &mut self.gone).await {
                    Either::Left((message, _)) => message?,
                    // What it said last may have come before it was gone.
                    Either::Right(_) => self.reports.try_recv().ok()?,
                },
            };
            match message {
                (Message::Team(report), attachments) => return Some((report, attachments)),
                (Message::Fault(_) | Message::Panic { .. }, _) => return None,
                _ => {}
            }
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}
