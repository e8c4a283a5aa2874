//! Knobs that are each in range and yet cannot be meant together.

use apt_core::arms::{Distillation, PruneSchedule, RankGrowth, Salience};

use super::{KnobError, MuOver, SettingLocation};
use crate::{KNOBS, Knobs};

impl Knobs {
    /// Whether this experiment can be run: every knob in range, none against another.
    ///
    /// # Errors
    /// The first [`KnobError::OutOfRange`], [`KnobError::WrongType`] or [`KnobError::Contradiction`],
    /// the latter naming both knobs and what to change.
    pub fn check(&self) -> Result<(), KnobError> {
        for knob in KNOBS.iter() {
            let value = knob.get(self);
            knob.kind
                .accept(&value)
                .map_err(|fault| knob.refusal(fault, value.to_string(), &SettingLocation::default()))?;
        }
        self.check_training()?;
        self.check_task()?;
        self.check_windows()
    }

    /// Whether anything is to be pruned.
    #[must_use]
    pub fn prunes(&self) -> bool {
        self.density < 1.0
    }

    /// Whether ranks change in the course of the run.
    #[must_use]
    pub fn ranks_change(&self) -> bool {
        self.rank_growth != RankGrowth::Static
    }

    fn check_training(&self) -> Result<(), KnobError> {
        if !self.train_base {
            return if self.adapters.0.is_empty() {
                Err(contradiction(
                    ("adapters", "train_base"),
                    "without adapters and with the base frozen there is nothing to train",
                    "name layers in adapters, or set train_base = true",
                ))
            } else {
                Ok(())
            };
        }
        let needs = |other, why, remedy| Err(contradiction(("train_base", other), why, remedy));
        if self.rank_growth != RankGrowth::Static {
            return needs(
                "rank_growth",
                "full fine-tuning has no adapters that could grow",
                "set rank_growth = \"static\", or train_base = false",
            );
        }
        if self.distillation == Distillation::Shared {
            return needs(
                "distillation",
                "a teacher can only share weights that are frozen",
                "set distillation = \"off\" or \"separate\", or train_base = false",
            );
        }
        if self.freeze_head {
            return needs(
                "freeze_head",
                "full fine-tuning trains the head too",
                "set freeze_head = false, or train_base = false",
            );
        }
        Ok(())
    }

    fn check_task(&self) -> Result<(), KnobError> {
        match (self.task.as_str(), &self.data) {
            ("builtin", Some(_)) => Err(contradiction(
                ("task", "data"),
                "the built-in task writes its own examples",
                "name the task of that data (sst2, cola, mrpc, rte, csv), or leave data out",
            )),
            (task, None) if task != "builtin" => Err(contradiction(
                ("task", "data"),
                "this task's examples must be on disk",
                "give the folder that holds them as data, or set task = \"builtin\"",
            )),
            _ => Ok(()),
        }
    }

    fn check_windows(&self) -> Result<(), KnobError> {
        let distils = self.distillation != Distillation::Off;
        if distils && self.distill_logit_weight == 0.0 && self.distill_layer_weight == 0.0 {
            return Err(contradiction(
                ("distill_logit_weight", "distill_layer_weight"),
                "both are 0, so the teacher has nothing to say",
                "raise one of them, or set distillation = \"off\"",
            ));
        }
        if distils && over_one(self.distill_fraction, self.tuning_fraction) {
            return Err(contradiction(
                ("distill_fraction", "tuning_fraction"),
                "together they are more than the whole run",
                "lower one of them so that their sum is at most 1",
            ));
        }
        if !self.prunes() && !self.ranks_change() {
            return Ok(());
        }
        if self.schedule == PruneSchedule::OneShot {
            let learns = |knob, why| {
                Err(contradiction(
                    (knob, "schedule"),
                    why,
                    "set schedule to early, late or gradual, or choose another arm",
                ))
            };
            if self.salience == Salience::L0 && self.prunes() {
                return learns("salience", "l0 learns its masks while the model trains, one_shot prunes before");
            }
            if self.rank_growth == RankGrowth::Allocate {
                return learns(
                    "rank_growth",
                    "allocate watches the adapters train, one_shot has done with them before",
                );
            }
        }
        let within = matches!(self.schedule, PruneSchedule::Early | PruneSchedule::Late);
        if within && over_one(self.prune_fraction, self.tuning_fraction) {
            return Err(contradiction(
                ("prune_fraction", "tuning_fraction"),
                "together they are more than the whole run",
                "lower one of them so that their sum is at most 1",
            ));
        }
        if distils && self.schedule == PruneSchedule::OneShot && self.mu_over == MuOver::PruningWindow {
            return Err(contradiction(
                ("schedule", "mu_over"),
                "one_shot pruning has no window over which μ could climb",
                "set mu_over = \"distillation\", or choose another schedule",
            ));
        }
        Ok(())
    }
}

/// Whether two shares exceed the whole by more than rounding.
fn over_one(a: f64, b: f64) -> bool {
    a + b > 1.0 + 1e-9
}

fn contradiction((first, second): (&'static str, &'static str), why: &str, remedy: &str) -> KnobError {
    KnobError::Contradiction { first, second, why: why.to_owned(), remedy: remedy.to_owned() }
}
