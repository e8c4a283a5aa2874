//! A few real steps of a run, made for the time that they take and thrown away: of its model, data and settings, on a session
//! of their own.

use crate::clock::{self, BrowserProbe};
use crate::error::WorkerError;
use crate::sources;
use apt_bridge::step_times::steps_of;
use apt_bridge::store::Store;
use apt_experiment::{Event, Knobs};
use apt_train::Session;
use apt_train::device::OpenDevice;

/// A session whose steps are timed.
pub(crate) struct Trial {
    session: Session,
}

impl Trial {
    /// Of a run with `knobs`.
    ///
    /// # Errors
    /// Whatever such a run would end with.
    pub(crate) async fn of(knobs: &Knobs, opened: &OpenDevice, store: Option<&Store>) -> Result<Self, WorkerError> {
        let mut setup = sources::prepare(&steps_of(knobs), None, opened, 1, store).await?.setup;
        // A decoder is evaluated before its first step.
        setup.task.validation.truncate(1);
        setup.watched.clear();
        let probe = Box::new(BrowserProbe::new(&setup.device));
        Ok(Self { session: Session::new(setup, probe)? })
    }

    /// Makes the next step; its milliseconds.
    ///
    /// # Errors
    /// Whatever the run would end with.
    pub(crate) async fn step(&mut self) -> Result<f64, WorkerError> {
        loop {
            let began = clock::now();
            match self.session.step().await? {
                Some(Event::Step(_)) => return Ok(clock::now() - began),
                Some(_) => {}
                None => return Err(WorkerError::new("the steps that are timed", "there are none", "choose a device")),
            }
        }
    }
}
