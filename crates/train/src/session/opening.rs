//! The wait for the training loss to move, and what is laid out when it has (METHOD §4.1).

use super::trainer::Trainer;
use super::window::PruningWindow;
use crate::TrainError;
use apt_core::schedule::{Timeline, mask_step};
use apt_experiment::{Event, Layout, LossChange, OpenedBy, PlannedPoint, leg_timeline};

impl Trainer {
    /// Looks at the loss of the step that was made, while the run waits for it to move: when it has, or when the window can
    /// wait no longer, pruning is laid out for good. What is to be reported of it.
    ///
    /// # Errors
    /// As [`leg_timeline`], which has already laid out the latest such window.
    pub(super) fn watch_loss(&mut self, task_loss: f64) -> Result<Vec<Event>, TrainError> {
        let Some(onset) = &mut self.window.waits_for else { return Ok(Vec::new()) };
        let moved = onset.add(task_loss);
        if !moved && self.step < self.window.opens {
            return Ok(Vec::new());
        }
        let loss = LossChange { start: onset.start(), now: onset.mean() };
        let opened_by = if moved { OpenedBy::LossMoved } else { OpenedBy::Latest };
        self.window = PruningWindow { opens: self.step, waits_for: None };
        self.timeline = self.laid_out()?;
        let mut events = vec![Event::Layout(Box::new(self.layout(opened_by, Some(loss))))];
        if !moved {
            let LossChange { start, now } = loss;
            events.push(Event::Warning {
                message: format!(
                    "the training loss has not moved in {} steps ({start:.3}, now {now:.3}): what is scored from here on \
                     is a model that has hardly learned; a higher learning-rate, more steps or another tune-first may help",
                    self.step
                ),
            });
        }
        Ok(events)
    }

    /// What is laid out, where it is known before the first step.
    pub(super) fn known_layout(&self) -> Option<Layout> {
        let known = self.window.waits_for.is_none() && !self.timeline.points.is_empty();
        known.then(|| self.layout(OpenedBy::Settings, None))
    }

    fn layout(&self, opened_by: OpenedBy, loss: Option<LossChange>) -> Layout {
        let timeline = &self.timeline;
        let points = timeline.points.iter().map(|point| PlannedPoint {
            step: point.step,
            density: point.density,
            window_start: point.window_start,
            mask_step: mask_step(point.step - point.window_start, self.setup.knobs.mask_step),
        });
        Layout {
            step: self.step,
            opened_by,
            loss,
            collect: timeline.collect.clone(),
            points: points.collect(),
            distill: timeline.distill.clone(),
        }
    }

    /// Takes over leg and window of a checkpoint.
    pub(super) fn set_window(&mut self, leg: usize, window: PruningWindow) -> Result<(), TrainError> {
        (self.leg, self.window) = (leg, window);
        self.timeline = self.laid_out()?;
        Ok(())
    }

    fn laid_out(&self) -> Result<Timeline, TrainError> {
        let opens = self.window.opens.saturating_sub(self.leg * self.leg_steps);
        Ok(leg_timeline(&self.setup.knobs, self.leg, self.leg_steps, opens)?)
    }
}
