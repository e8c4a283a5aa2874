//! The workers that help with a run: how many there are, how they are started, and the way to each.
//!
//! A run begins with all its shards computed by the worker that leads it. The helpers load the engine and what the run needs
//! meanwhile; once they have, they are given a checkpoint, and the shards are dealt out. Who computes a shard changes no
//! number.

use crate::run_lock;
use crate::{clock, port};
use apt_bridge::step_times::{StepTime, Stopwatch};
use apt_bridge::team::{Order, Report};
use apt_bridge::{Command, Message, transport};
use apt_experiment::Knobs;
use apt_nn::ModelConfig;
use apt_train::team::{Link, Note, Receiving, Team};
use apt_train::{Session, TrainError};
use futures::channel::mpsc::{UnboundedReceiver, unbounded};
use futures::future::{Either, Fuse, LocalBoxFuture, select};
use futures::{FutureExt, StreamExt};
use js_sys::{Math, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Event, MessageEvent, Worker, WorkerOptions, WorkerType};

/// The program of a helper, beside this one's loader.
const PROGRAM: &str = "apt-worker";
/// Most workers for one run where nobody says how many shards there are.
const MOST: usize = 4;
/// Multiply-accumulates of a step's products from which several workers are worth their start: some tenths of a second. The
/// built-in model's steps are smaller.
const WORTH: f64 = 1e10;
/// Gigabytes that all workers of a run may need together where the browser does not say how much memory there is.
const MEMORY_GB: f64 = 4.0;
/// Milliseconds that a helper may take to be where the run is.
const JOIN_MS: f64 = 60_000.0;
/// Milliseconds between two looks at a worker that starts.
const LOOK_MS: i32 = 20;

/// Shards of a batch, and workers that compute them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hands {
    pub(crate) shards: usize,
    pub(crate) workers: usize,
}

impl Hands {
    /// For a run with these settings on the CPU, whose workers need `bytes` each if there are so many shards; and why there are
    /// fewer workers than there might be.
    pub(crate) fn of(knobs: &Knobs, config: &ModelConfig, bytes: impl Fn(usize) -> u64) -> (Self, Option<String>) {
        let navigator = port::scope().navigator();
        let processors = (navigator.hardware_concurrency() as usize).max(1);
        let tokens = knobs.batch_size * knobs.max_length.min(config.max_length());
        let work = 3.0 * config.shape().parameters() as f64 * tokens as f64;
        let shards = match knobs.shards {
            0 if work >= WORTH => processors.min(MOST).min(knobs.batch_size),
            0 => 1,
            shards => shards,
        };
        let wanted = shards.min(processors);
        let each = bytes(shards.max(1)).max(1);
        // In Chromium alone, and coarse.
        let memory = Reflect::get(&navigator, &"deviceMemory".into()).ok().and_then(|gigabytes| gigabytes.as_f64());
        let room = memory.map_or(MEMORY_GB, |gigabytes| gigabytes / 2.0) * 1e9;
        let workers = wanted.min(((room / each as f64) as usize).max(1));
        let shards = if knobs.shards == 0 { workers } else { shards };
        let short = (workers < wanted).then(|| {
            format!("{workers} of {wanted} workers make this run: each needs about {} MB of memory", each / 1_000_000)
        });
        (Self { shards, workers }, short)
    }

    /// The shards of each worker, the one that leads first.
    fn dealt(self) -> Vec<Vec<usize>> {
        (0..self.workers).map(|worker| (worker..self.shards).step_by(self.workers).collect()).collect()
    }
}

/// Helpers on their way to a run.
pub(crate) struct Crew {
    hands: Hands,
    helpers: Vec<Helper>,
}

impl Crew {
    /// Starts the helpers of a run with these settings; `None` if it needs none.
    pub(crate) fn start(hands: Hands, knobs: &Knobs) -> Option<Self> {
        if !run_lock::are_there() {
            // A helper that is gone could not be told from one that takes long.
            return None;
        }
        let order = |lock| Order::Prepare { knobs: Box::new(knobs.clone()), lock };
        let helpers: Vec<Helper> = (1..hands.workers).filter_map(|_| Helper::start(order)).collect();
        (!helpers.is_empty()).then_some(Self { hands, helpers })
    }

    /// Whether all are waiting to be told where the run is; those that failed are let go.
    pub(crate) fn is_prepared(&mut self) -> bool {
        self.helpers.retain_mut(|helper| match helper.look() {
            Ok(()) => true,
            Err(why) => {
                let text = format!("A worker that was to help cannot ({why}): this run has one worker less.");
                port::post(&Message::Notice { text });
                false
            }
        });
        self.helpers.iter().all(|helper| helper.prepared)
    }

    /// Takes the helpers to where `session` is, which then leads them.
    ///
    /// # Errors
    /// Values that cannot be read back.
    pub(crate) async fn join(self, session: &mut Session) -> Result<(), TrainError> {
        let hands = Hands { workers: self.helpers.len() + 1, ..self.hands };
        let mut dealt = hands.dealt().into_iter();
        let mut own = dealt.next().unwrap_or_default();
        let snapshot = session.snapshot().await?.bytes;
        let mut members: Vec<(Vec<usize>, Box<dyn Link>)> = Vec::new();
        let mut joining = Vec::new();
        for (helper, shards) in self.helpers.into_iter().zip(dealt) {
            let order = Order::Join { shards: shards.clone() };
            helper.tell(&Command::Team(order), &[transport::buffer(&snapshot)]);
            joining.push((helper, shards));
        }
        // All have the same time: nothing else is done here meanwhile.
        let until = clock::now() + JOIN_MS;
        for (mut helper, shards) in joining {
            if helper.joined(until).await {
                members.push((shards, Box::new(helper)));
            } else {
                own.extend(shards);
            }
        }
        let text = match (members.len() + 1, session.steps_made()) {
            (1, _) => "No worker could help: this run is made by one.".to_owned(),
            (workers, step) => format!("From step {} on {workers} workers make this run.", step + 1),
        };
        port::post(&Message::Notice { text });
        own.sort_unstable();
        if !members.is_empty() {
            session.join(own, Team::leader(hands.shards, members));
        }
        Ok(())
    }
}

/// A worker that helps. Dropping it ends it.
struct Helper {
    worker: Worker,
    reports: UnboundedReceiver<(Message, Vec<JsValue>)>,
    /// Ends when it is gone: its lock is free then.
    gone: Fuse<LocalBoxFuture<'static, ()>>,
    /// What it is told as soon as it listens.
    first: Option<Command>,
    prepared: bool,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_error: Closure<dyn FnMut(Event)>,
}

impl Helper {
    /// Starts one that is given an order, with the name of its lock, as soon as it listens.
    fn start(order: impl FnOnce(String) -> Order) -> Option<Self> {
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

    fn tell(&self, command: &Command, attachments: &[JsValue]) {
        if let Ok((posted, transferred)) = transport::encode(command, attachments) {
            // That it is gone is seen by its lock.
            let _ = self.worker.post_message_with_transfer(&posted, &transferred);
        }
    }

    /// Reads what it has reported while it prepares.
    ///
    /// # Errors
    /// Why it cannot help, in words.
    fn look(&mut self) -> Result<(), String> {
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

    /// Whether it is where the run is before this moment of the clock.
    async fn joined(&mut self, until: f64) -> bool {
        matches!(self.next(until).await, Some(Some(Report::Joined)))
    }

    /// The next thing that it says of its work, as [`next_report`]; `None` when it says nothing before this moment.
    async fn next(&mut self, until: f64) -> Option<Option<Report>> {
        let report = async { Some(next_report(&mut self.reports, &mut self.gone).await?.0) };
        clock::within(until, report).await
    }
}

/// Times the first steps of a run with `knobs` on the CPU, made by a worker beside this one: that can be ended in the middle of
/// a step. They may take `limit` milliseconds, once what they need is there; `tell` is given how many were made.
///
/// # Errors
/// Why there is no time, in words.
pub(crate) async fn time_apart(knobs: &Knobs, limit: f64, tell: impl Fn(usize)) -> Result<StepTime, String> {
    let order = |lock| Order::Time { knobs: Box::new(knobs.clone()), lock };
    let mut helper = Helper::start(order).ok_or("no worker could be started")?;
    let until = clock::now() + JOIN_MS;
    while !helper.prepared {
        if clock::now() > until {
            return Err("its worker took too long to start".to_owned());
        }
        clock::sleep(LOOK_MS).await;
        helper.look()?;
    }
    let began = clock::now();
    let mut watch = Stopwatch::default();
    while !watch.is_done() {
        tell(watch.made());
        match helper.next(began + limit).await {
            Some(Some(Report::Step { ms })) => watch.add(ms),
            Some(_) => return Err("its worker has failed".to_owned()),
            None => break,
        }
    }
    Ok(watch.step(clock::now() - began))
}

/// The next thing that a helper says of its work; `None` when it is gone or has failed.
async fn next_report(
    reports: &mut UnboundedReceiver<(Message, Vec<JsValue>)>,
    gone: &mut Fuse<LocalBoxFuture<'static, ()>>,
) -> Option<(Report, Vec<JsValue>)> {
    loop {
        let message = match reports.try_recv() {
            Ok(message) => message,
            Err(_) => match select(reports.next(), &mut *gone).await {
                Either::Left((message, _)) => message?,
                // What it said last may have come before it was gone.
                Either::Right(_) => reports.try_recv().ok()?,
            },
        };
        match message {
            (Message::Team(report), attachments) => return Some((report, attachments)),
            (Message::Fault(_) | Message::Panic { .. }, _) => return None,
            _ => {}
        }
    }
}

impl Link for Helper {
    fn send(&mut self, note: Note) {
        match note {
            Note::Turn(changes) => Helper::tell(self, &Command::Team(Order::Turn { changes }), &[]),
            Note::Sums { exchange, sums } => {
                Helper::tell(self, &Command::Team(Order::Sums { exchange }), &[transport::floats(&sums)]);
            }
            Note::Parts { .. } => {}
        }
    }

    fn receive(&mut self) -> Receiving<'_> {
        Box::pin(async {
            match next_report(&mut self.reports, &mut self.gone).await? {
                (Report::Parts { exchange, state, shards }, attachments) => {
                    let parts = shards.into_iter().zip(attachments.iter().map(transport::values)).collect();
                    Some(Note::Parts { exchange, state, parts })
                }
                (Report::Prepared | Report::Joined | Report::Step { .. }, _) => None,
            }
        })
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}
