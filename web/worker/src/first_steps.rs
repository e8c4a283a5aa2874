//! The first steps of a run, made and thrown away: how fast this computer is, before anything has been run on it.

use crate::clock::BrowserProbe;
use crate::error::WorkerError;
use crate::faster::Chosen;
use crate::machine::in_browser;
use crate::run::Run;
use crate::worker::Worker;
use crate::{port, sources};
use apt_bridge::{FirstSteps, Message};
use apt_experiment::{Event, Knobs};
use apt_train::Session;

/// Steps that are made: the first two hold what is made once.
const STEPS: usize = 8;

impl Worker {
    /// Times the first steps of a run with `knobs`, unless a run is open, which needs the time more.
    ///
    /// # Errors
    /// Whatever a run with these settings would end with.
    pub(crate) async fn time(&mut self, knobs: Knobs) -> Result<(), WorkerError> {
        if self.study.is_some() || self.run.as_ref().is_some_and(Run::is_open) {
            return Ok(());
        }
        let Chosen { opened, on_gpu, .. } = self.choose(&knobs, "").await?;
        let opened = if on_gpu { opened } else { in_browser(opened, 1) };
        // By this worker alone: those that would help are not worth their start.
        let alone = Knobs { shards: 1, ..knobs.clone() };
        let prepared = sources::prepare(&alone, None, &opened, 1, self.store.as_deref()).await?;
        let probe = Box::new(BrowserProbe::new(&prepared.setup.device));
        let mut session = Session::new(prepared.setup, probe)?;
        let mut seconds = Vec::new();
        while seconds.len() < STEPS
            && let Some(event) = session.step().await?
        {
            if let Event::Step(point) = event {
                seconds.push(point.seconds);
            }
        }
        port::post(&Message::Timed(Box::new(FirstSteps { knobs, seconds })));
        Ok(())
    }
}
