//! What may be asked of a run between two of its steps: to change a knob, to evaluate.

use crate::TrainError;
use crate::session::{Session, Stage, lr_of};
use apt_core::arms::Distillation;
use apt_experiment::{CheckedKnobs, Event, KnobChange, Knobs, knob};

impl Session {
    /// Turns a knob from the next step on, and tells so; setting it to what it is does nothing.
    ///
    /// # Errors
    /// An unknown knob, one that is not [`live`](apt_experiment::Knob::live), or a value that does not fit; nothing is changed
    /// then.
    pub fn turn(&mut self, name: &str, text: &str) -> Result<(), TrainError> {
        let knob = knob(name)?;
        let unfit = |what: String| Err(TrainError::Unfit { what });
        if !knob.live {
            return unfit(format!("{} is fixed once a run has begun; start another run to change it", knob.name));
        }
        let mut knobs = Knobs::from(self.setup.knobs.clone());
        knob.set(&mut knobs, text)?;
        let knobs = knobs.check()?;
        if knobs == self.setup.knobs {
            return Ok(());
        }
        let (was, is) = (self.setup.knobs.distillation, knobs.distillation);
        if was != is && is != Distillation::Off {
            return unfit(format!(
                "distillation: a teacher can be sent away during a run, not brought in; start another run with {}",
                knob.text(&knobs)
            ));
        }
        if was != is && self.teacher.is_some() {
            self.dismiss_teacher();
        }
        let value = knob.text(&knobs);
        self.adopt(knobs);
        self.tell(Event::KnobChanged(KnobChange { step: self.state.step, knob: knob.name.into(), value }));
        Ok(())
    }

    /// Takes over knobs that differ from the present ones in what may be turned during a run.
    pub(crate) fn adopt(&mut self, knobs: CheckedKnobs) {
        self.lr = lr_of(&knobs, self.timeline.total_steps);
        if knobs.weight_decay != self.setup.knobs.weight_decay {
            self.optimizer.turn_decay(&self.slots, knobs.weight_decay);
        }
        self.setup.knobs = knobs;
    }

    /// Evaluates on the validation examples, outside the run's own rhythm; the result is told like any other, and
    /// neither chooses weights nor a teacher.
    ///
    /// # Errors
    /// When values cannot be read back or are not finite.
    pub async fn evaluate_now(&mut self) -> Result<(), TrainError> {
        if self.state.stage == Stage::Train {
            // The time between the last step and now was nobody's.
            self.began = self.probe.seconds();
            let last = self.state.last_validation;
            self.evaluate_validation().await?;
            self.state.last_validation = last;
        }
        Ok(())
    }
}
