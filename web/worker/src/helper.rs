//! A worker that helps another one with a run: it has a session of its own, at the same place of the same run, and computes
//! other shards of every batch. Or it only makes the first steps of one, for the time that they take.

use crate::clock::BrowserProbe;
use crate::error::WorkerError;
use crate::machine::in_browser;
use crate::port::Commands;
use crate::run_lock::RunLock;
use crate::trial::Trial;
use crate::{port, sources};
use apt_bridge::step_times::Stopwatch;
use apt_bridge::store::Store;
use apt_bridge::team::{Order, Report};
use apt_bridge::{Command, Message, transport};
use apt_experiment::Knobs;
use apt_train::Session;
use apt_train::device::cpu;
use apt_train::team::{Link, Note, Receiving, Team};
use futures::StreamExt;
use wasm_bindgen::JsValue;

/// Helps until the run is over, or the worker that leads it is gone.
pub(crate) async fn help(knobs: Knobs, lock: String, commands: Commands) {
    // Held for as long as this worker lives: that it is gone is seen by it.
    let _lock = RunLock::named(&lock).await;
    if let Err(error) = helped(&knobs, commands).await {
        port::post(&Message::Fault(error.fault(None)));
    }
    port::scope().close();
}

/// Makes the first steps of a run, and tells what each takes.
pub(crate) async fn time(knobs: Knobs, lock: String) {
    let _lock = RunLock::named(&lock).await;
    if let Err(error) = timed(&knobs).await {
        port::post(&Message::Fault(error.fault(None)));
    }
    port::scope().close();
}

async fn timed(knobs: &Knobs) -> Result<(), WorkerError> {
    // Without it there may still be all that the run needs.
    let store = Store::open().await.ok();
    let mut trial = Trial::of(knobs, &in_browser(cpu("it is timed"), 1), store.as_ref()).await?;
    port::post(&Message::Team(Report::Prepared));
    for _ in 0..Stopwatch::STEPS {
        let ms = trial.step().await?;
        port::post(&Message::Team(Report::Step { ms }));
    }
    Ok(())
}

async fn helped(knobs: &Knobs, mut commands: Commands) -> Result<(), WorkerError> {
    // Without it there may still be all that the run needs.
    let store = Store::open().await.ok();
    let prepared = sources::prepare(knobs, None, &in_browser(cpu("it helps"), 1), 1, store.as_ref()).await?;
    port::post(&Message::Team(Report::Prepared));
    let Some(Ok((Command::Team(Order::Join { shards }), attachments))) = commands.next().await else { return Ok(()) };
    let probe = Box::new(BrowserProbe::new(&prepared.setup.device));
    let snapshot = attachments.first().map(transport::bytes).unwrap_or_default();
    let mut session = Session::resume(prepared.setup, probe, &snapshot, "the run's present state")?;
    drop((snapshot, attachments));
    session.join(shards, Team::member(Box::new(Leader { commands })));
    port::post(&Message::Team(Report::Joined));
    while session.step().await?.is_some() {}
    Ok(())
}

/// The way to the worker that leads.
struct Leader {
    commands: Commands,
}

impl Link for Leader {
    fn send(&mut self, note: Note) {
        if let Note::Parts { exchange, state, parts } = note {
            let attachments: Vec<JsValue> = parts.iter().map(|(_, values)| transport::floats(values)).collect();
            let shards = parts.into_iter().map(|(shard, _)| shard).collect();
            port::post_with(&Message::Team(Report::Parts { exchange, state, shards }), &attachments);
        }
    }

    fn receive(&mut self) -> Receiving<'_> {
        Box::pin(async {
            match self.commands.next().await {
                Some(Ok((Command::Team(Order::Turn { changes }), _))) => Some(Note::Turn(changes)),
                Some(Ok((Command::Team(Order::Sums { exchange }), attachments))) => {
                    Some(Note::Sums { exchange, sums: transport::values(attachments.first()?) })
                }
                _ => None,
            }
        })
    }
}
