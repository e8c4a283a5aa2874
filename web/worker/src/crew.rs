//! The workers that help with a run: how many there are, how they join it, and what is said to each.
//!
//! A run begins with all its shards computed by the worker that leads it. The helpers load the engine and what the run needs
//! meanwhile; once they have, they are given a checkpoint, and the shards are dealt out. Who computes a shard changes no
//! number.

use crate::beside::{Beside, LOOK_MS};
use crate::{clock, port, run_lock};
use apt_bridge::step_times::{StepTime, Stopwatch};
use apt_bridge::team::{Order, Report};
use apt_bridge::{Command, Message, transport};
use apt_experiment::Knobs;
use apt_nn::ModelConfig;
use apt_train::team::{Link, Note, Receiving, Team};
use apt_train::{Session, TrainError};
use js_sys::Reflect;

/// Most workers for one run where nobody says how many shards there are.
const MOST: usize = 4;
/// Multiply-accumulates of a step's products from which several workers are worth their start: some tenths of a second. The
/// built-in model's steps are smaller.
const WORTH: f64 = 1e10;
/// Gigabytes that all workers of a run may need together where the browser does not say how much memory there is.
const MEMORY_GB: f64 = 4.0;
/// Milliseconds that a helper may take to be where the run is.
const JOIN_MS: f64 = 60_000.0;

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
        let processors = processors();
        let tokens = knobs.batch_size * knobs.max_length.min(config.max_length());
        let work = 3.0 * config.shape().parameters() as f64 * tokens as f64;
        let shards = match knobs.shards {
            0 if work >= WORTH => processors.min(MOST).min(knobs.batch_size),
            0 => 1,
            shards => shards,
        };
        let wanted = shards.min(processors);
        let each = bytes(shards.max(1)).max(1);
        let workers = wanted.min(that_fit(each));
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

/// Logical processors of this computer.
pub(crate) fn processors() -> usize {
    (port::scope().navigator().hardware_concurrency() as usize).max(1)
}

/// Workers of so many bytes each that memory has room for; one at least.
pub(crate) fn that_fit(bytes: u64) -> usize {
    // In Chromium alone, and coarse.
    let memory = Reflect::get(&port::scope().navigator(), &"deviceMemory".into());
    let memory = memory.ok().and_then(|gigabytes| gigabytes.as_f64());
    let room = memory.map_or(MEMORY_GB, |gigabytes| gigabytes / 2.0) * 1e9;
    ((room / bytes.max(1) as f64) as usize).max(1)
}

/// Helpers on their way to a run.
pub(crate) struct Crew {
    hands: Hands,
    helpers: Vec<Beside>,
}

impl Crew {
    /// Starts the helpers of a run with these settings; `None` if it needs none.
    pub(crate) fn start(hands: Hands, knobs: &Knobs) -> Option<Self> {
        if !run_lock::are_there() {
            // A helper that is gone could not be told from one that takes long.
            return None;
        }
        let order = |lock| Order::Prepare { knobs: Box::new(knobs.clone()), lock };
        let helpers: Vec<Beside> = (1..hands.workers).filter_map(|_| Beside::start(order)).collect();
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
        self.helpers.iter().all(Beside::is_prepared)
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
            if matches!(helper.next(until).await, Some(Some((Report::Joined, _)))) {
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

/// Times the first steps of a run with `knobs` on the CPU, made by a worker beside this one: that can be ended in the middle of
/// a step. They may take `limit` milliseconds, once what they need is there; `tell` is given how many were made.
///
/// # Errors
/// Why there is no time, in words.
pub(crate) async fn time_apart(knobs: &Knobs, limit: f64, tell: impl Fn(usize)) -> Result<StepTime, String> {
    let order = |lock| Order::Time { knobs: Box::new(knobs.clone()), lock };
    let mut helper = Beside::start(order).ok_or("no worker could be started")?;
    let until = clock::now() + JOIN_MS;
    while !helper.is_prepared() {
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
            Some(Some((Report::Step { ms }, _))) => watch.add(ms),
            Some(_) => return Err("its worker has failed".to_owned()),
            None => break,
        }
    }
    Ok(watch.step(clock::now() - began))
}

impl Link for Beside {
    fn send(&mut self, note: Note) {
        match note {
            Note::Turn(changes) => Beside::tell(self, &Command::Team(Order::Turn { changes }), &[]),
            Note::Sums { exchange, sums } => {
                Beside::tell(self, &Command::Team(Order::Sums { exchange }), &[transport::floats(&sums)]);
            }
            Note::Parts { .. } => {}
        }
    }

    fn receive(&mut self) -> Receiving<'_> {
        Box::pin(async {
            match self.report().await? {
                (Report::Parts { exchange, state, shards }, attachments) => {
                    let parts = shards.into_iter().zip(attachments.iter().map(transport::values)).collect();
                    Some(Note::Parts { exchange, state, parts })
                }
                (Report::Prepared | Report::Joined | Report::Step { .. } | Report::Ended { .. }, _) => None,
            }
        })
    }
}
