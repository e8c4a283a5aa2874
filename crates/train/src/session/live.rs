//! What may be asked of a run between two of its steps: to change a knob, to evaluate.

use super::{Session, Stage};
use crate::TrainError;
use apt_core::arms::Distillation;
use apt_experiment::{Event, KnobChange, Knobs, Split, knob};

impl Session {
    /// The settings as they are now.
    pub fn knobs(&self) -> &Knobs {
        &self.trainer.setup.knobs
    }

    /// Changes a knob from the next step on, with an event; setting it to what it is does nothing.
    ///
    /// # Errors
    /// An unknown knob, one that is not [`live`](apt_experiment::Knob::live), or a value that does not fit; nothing is changed
    /// then.
    pub fn set_knob(&mut self, name: &str, text: &str) -> Result<(), TrainError> {
        let knob = knob(name)?;
        if !knob.live {
            let what = "it is fixed once a run has begun";
            return Err(TrainError::unfit(knob.name, what, "start another run to change it"));
        }
        let present = &self.trainer.setup.knobs;
        let mut knobs = Knobs::from(present.clone());
        knob.set(&mut knobs, text)?;
        let knobs = knobs.check()?;
        if knobs == *present {
            return Ok(());
        }
        let changes_teacher = knobs.distillation != present.distillation;
        if changes_teacher && knobs.distillation != Distillation::Off {
            let what = "a teacher can be dropped during a run, not brought in";
            let remedy = format!("start another run with {}", knob.text(&knobs));
            return Err(TrainError::unfit(knob.name, what, remedy));
        }
        if changes_teacher {
            self.trainer.distiller.drop_teacher(&mut self.trainer.trained);
        }
        let value = knob.text(&knobs);
        self.trainer.set_knobs(knobs);
        if let Some(team) = &mut self.trainer.shards.team {
            team.tell(name, &value);
        }
        self.emit(Event::KnobChanged(KnobChange { step: self.steps_made(), knob: knob.name.into(), value }));
        Ok(())
    }

    /// Evaluates on the validation examples, outside the run's own rhythm, with an event like any other; it chooses neither
    /// weights nor a teacher.
    ///
    /// # Errors
    /// When values cannot be read back or are not finite.
    pub async fn evaluate_now(&mut self) -> Result<(), TrainError> {
        if self.stage == Stage::Train {
            // The time since the last step was spent outside the run.
            self.costs.restart_clock();
            let state = self.evaluator.state().clone();
            self.evaluate_with(Split::Validation, false).await?;
            self.evaluator.set_state(state);
        }
        Ok(())
    }
}
