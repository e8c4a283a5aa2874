//! What becomes of a run, and of the study it is of, when something goes wrong while it is open.

use crate::error::WorkerError;
use crate::lab::Lab;
use crate::port;
use crate::run::Run;
use crate::study::failed;
use crate::trouble::{self, Trouble};
use apt_bridge::{Message, RunState};

/// A device may be lost this often in a row without a save in between before the run is given up.
const LOSSES: usize = 3;
/// Milliseconds in which the loss of a device is heard of at the latest, once a read from it failed.
const LOSS_HEARD: f64 = 2_000.0;

impl Lab {
    /// If the open run's GPU is in trouble, deals with it and says so.
    pub(crate) async fn check_gpu(&mut self, error: Option<&WorkerError>) -> bool {
        if !self.run.as_ref().is_some_and(|run| run.on_gpu && run.is_open()) {
            return false;
        }
        // A read that failed is heard of before the loss of the device that made it fail.
        if error.is_some_and(WorkerError::may_be_a_loss) {
            trouble::wait(LOSS_HEARD).await;
        }
        match (trouble::seen(), self.run.take()) {
            (Some(trouble), Some(run)) => {
                self.recover(run, trouble).await;
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
    pub(crate) async fn stumble(&mut self, error: WorkerError) {
        let Some(mut run) = self.run.take() else { return };
        if !matches!(error, WorkerError::Store(_)) {
            return self.fail(run, &error).await;
        }
        if run.is_open() {
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
        run.tell(true);
        run.session = None;
        run.entry.state = RunState::Failed;
        if let Some(store) = &self.store
            && let Err(error) = store.put_run(&run.entry).await
        {
            port::post(&Message::Fault(WorkerError::from(error).fault(None)));
        }
        run.enter(RunState::Failed);
        port::post(&Message::Fault(error.fault(Some(run.entry.name.clone()))));
        self.end_cell(failed(error, run.entry.step)).await;
        self.run = Some(run);
    }

    /// After trouble on the GPU: with another device from the last save if the old one was lost, else the run ends.
    async fn recover(&mut self, mut run: Run, trouble: Trouble) {
        run.take_back();
        self.gpu = None;
        self.losses += 1;
        if !trouble.lost || self.losses > LOSSES {
            let error = WorkerError::place(
                if trouble.lost { "the graphics device" } else { "a kernel on the GPU" },
                trouble.what,
                "open the run again to go on from its last save, if need be with device set to cpu",
            );
            trouble::forget();
            return self.fail(run, &error).await;
        }
        let entry = run.entry.clone();
        drop(run);
        let state = entry.state;
        port::post(&Message::Notice {
            text: format!("The graphics device was lost ({}). Going on from the last save.", trouble.what),
        });
        trouble::forget();
        match self.build(entry.clone(), true).await {
            Ok(mut run) => {
                run.enter(state);
                self.run = Some(run);
            }
            Err(error) => {
                self.end_cell(failed(&error, entry.step)).await;
                port::post(&Message::Fault(error.fault(Some(entry.name))));
            }
        }
    }
}
