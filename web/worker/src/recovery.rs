//! What becomes of a run, and of the study it is of, when something goes wrong while it is open.

use crate::error::WorkerError;
use crate::gpu_errors::{self, GpuError};
use crate::port;
use crate::run::Run;
use crate::worker::Worker;
use apt_bridge::{Command, Message, RunState};

/// A device may be lost this often in a row without a save in between before the run is given up.
const MAX_DEVICE_LOSSES: usize = 3;
/// Milliseconds within which the browser reports the loss of a device after a read from it failed.
const LOSS_TIMEOUT_MS: f64 = 2_000.0;

impl Worker {
    /// If the open run's GPU has an error, handles it and returns true.
    pub(crate) async fn check_gpu(&mut self, error: Option<&WorkerError>) -> bool {
        if !self.run.as_ref().is_some_and(|run| run.on_gpu && run.is_open()) {
            return false;
        }
        // A failed read arrives before the loss of the device that made it fail.
        if error.is_some_and(WorkerError::may_be_device_loss) {
            gpu_errors::wait(LOSS_TIMEOUT_MS).await;
        }
        match (gpu_errors::first(), self.run.take()) {
            (Some(error), Some(run)) => {
                self.recover(run, error).await;
                true
            }
            (_, run) => {
                self.run = run;
                false
            }
        }
    }

    /// After an error of the open run. One of the database leaves the run whole: it is held, so that room can be made
    /// and nothing is lost. Any other ends it.
    pub(crate) async fn on_run_error(&mut self, error: WorkerError) {
        let Some(mut run) = self.run.take() else { return };
        if !matches!(error, WorkerError::Store(_)) {
            return self.fail(run, &error).await;
        }
        if self.serves.is_some() {
            return self.give_up_beside(&run.entry.name, &error).await;
        }
        if run.is_open() {
            self.tell_side_runs(&Command::Pause);
            run.one_step = false;
            run.enter(RunState::Paused);
        } else {
            self.leave_study().await;
        }
        port::post(&Message::Fault(error.fault(None)));
        self.run = Some(run);
    }

    /// Ends the open run; it can be opened again as it was last saved.
    async fn fail(&mut self, mut run: Run, error: &WorkerError) {
        run.send_events(true);
        run.session = None;
        run.entry.state = RunState::Failed;
        if let Some(store) = &self.store
            && let Err(error) = store.put_run(&run.entry).await
        {
            port::post(&Message::Fault(WorkerError::from(error).fault(None)));
        }
        run.enter(RunState::Failed);
        port::post(&Message::Fault(error.fault(Some(run.entry.name.clone()))));
        self.end_cell(error.cell_state(run.entry.step)).await;
        self.run = Some(run);
    }

    /// After an error of the GPU: with another device from the last save if the old one was lost, else the run ends.
    async fn recover(&mut self, mut run: Run, error: GpuError) {
        run.discard_unsent();
        self.asked.clear();
        self.gpu = None;
        self.device_losses += 1;
        if !error.lost || self.device_losses > MAX_DEVICE_LOSSES {
            let error = WorkerError::new(
                if error.lost { "the graphics device" } else { "a kernel on the GPU" },
                error.message,
                "open the run again to go on from its last save, if need be with device set to cpu",
            );
            gpu_errors::clear();
            return self.fail(run, &error).await;
        }
        let entry = run.entry.clone();
        drop(run);
        let state = entry.state;
        port::post(&Message::Notice {
            text: format!("The graphics device was lost ({}). Going on from the last save.", error.message),
        });
        gpu_errors::clear();
        match self.build(entry.clone(), true, None).await {
            Ok(mut run) => {
                run.enter(state);
                self.run = Some(run);
            }
            Err(error) => {
                self.end_cell(error.cell_state(entry.step)).await;
                port::post(&Message::Fault(error.fault(Some(entry.name))));
            }
        }
    }
}
