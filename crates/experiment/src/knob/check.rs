//! Knobs that are each in range and yet cannot be meant together.

use apt_core::arms::{Distillation, PruneSchedule, RankGrowth, Salience};

use serde::Serialize;
use std::ops::Deref;

use super::choices::{MuOver, ObjectiveChoice, PoolingChoice};
use super::densities::Densities;
use super::error::{KnobError, SettingLocation};
use crate::inputs::{BUILTIN_TASK, TASK_NAMES, TEXT_TASK, is_own_decoder};
use crate::knobs::{KNOBS, Knobs};

/// Settings that were checked: every knob in its range, none against another. Only [`Knobs::check`] makes them, and they
/// cannot be changed; what takes them need not check again.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct CheckedKnobs(Knobs);

impl Deref for CheckedKnobs {
    type Target = Knobs;

    fn deref(&self) -> &Knobs {
        &self.0
    }
}

impl From<CheckedKnobs> for Knobs {
    fn from(checked: CheckedKnobs) -> Self {
        checked.0
    }
}

impl Knobs {
    /// Whether this experiment can be run: every knob in range, none against another.
    ///
    /// # Errors
    /// The first [`KnobError::OutOfRange`], [`KnobError::WrongType`] or [`KnobError::Contradiction`],
    /// the latter naming both knobs and what to change.
    pub fn check(self) -> Result<CheckedKnobs, KnobError> {
        let this = self.settled();
        for knob in KNOBS.iter() {
            let value = knob.get(&this);
            knob.kind
                .accept(&value)
                .map_err(|rejection| knob.refusal(rejection, value.to_string(), &SettingLocation::default()))?;
        }
        this.check_training()?;
        this.check_task()?;
        this.check_windows()?;
        this.check_via()?;
        Ok(CheckedKnobs(this))
    }

    /// The same with what follows from other settings said out: what the program's own decoders learn, and that data beside
    /// the built-in task, of which there are none, is texts of one's own where tokens are predicted.
    #[must_use]
    pub fn settled(mut self) -> Self {
        self.objective = self.learned();
        if self.predicts_tokens() && self.task == BUILTIN_TASK && self.data.is_some() {
            self.task = TEXT_TASK.into();
        }
        self
    }

    /// The same for a model that is a decoder or none: what is learned is what such a model learns where nothing is asked for,
    /// and what it cannot learn is not asked for.
    #[must_use]
    pub fn fitted(mut self, to_decoder: bool) -> Self {
        self.objective = match (to_decoder, self.learned()) {
            (true, ObjectiveChoice::Auto) => ObjectiveChoice::CausalLm,
            (false, ObjectiveChoice::CausalLm | ObjectiveChoice::MultipleChoice) => ObjectiveChoice::Auto,
            (_, learned) => learned,
        };
        self
    }

    /// What is learned, as far as the settings alone decide it.
    #[must_use]
    pub fn learned(&self) -> ObjectiveChoice {
        match self.objective {
            ObjectiveChoice::Auto if is_own_decoder(&self.model) => ObjectiveChoice::CausalLm,
            asked => asked,
        }
    }

    /// Whether tokens are to be predicted, for which there is no classification head.
    #[must_use]
    pub fn predicts_tokens(&self) -> bool {
        matches!(self.learned(), ObjectiveChoice::CausalLm | ObjectiveChoice::MultipleChoice)
    }

    /// Whether anything is to be pruned.
    #[must_use]
    pub fn prunes(&self) -> bool {
        self.density < 1.0
    }

    /// The densities that the run reaches, one after the other; the last is `density`.
    #[must_use]
    pub fn densities(&self) -> Vec<f64> {
        let on_the_way = self.via.as_ref().and_then(Densities::values).unwrap_or_default();
        on_the_way.into_iter().chain([self.density]).collect()
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
        let is_builtin = self.task == BUILTIN_TASK;
        let is_own = matches!(
            self.objective,
            ObjectiveChoice::Auto | ObjectiveChoice::Classification | ObjectiveChoice::CausalLm
        );
        if is_builtin && !is_own {
            return Err(contradiction(
                ("task", "objective"),
                "the built-in task has texts with one class each",
                "leave objective at auto, or name a task of that objective",
            ));
        }
        if self.label_separator.is_some() && self.objective != ObjectiveChoice::MultiLabel {
            return Err(contradiction(
                ("label_separator", "objective"),
                "a row has several labels in multi_label alone",
                "set objective = \"multi_label\", or leave label_separator out",
            ));
        }
        if self.predicts_tokens() && self.freeze_head {
            return Err(contradiction(
                ("freeze_head", "objective"),
                "where tokens are predicted there is no classification head",
                "leave freeze_head out",
            ));
        }
        if self.predicts_tokens() && self.pooling != PoolingChoice::Auto {
            return Err(contradiction(
                ("pooling", "objective"),
                "where tokens are predicted there is no classifier that would read a pooled state",
                "leave pooling out",
            ));
        }
        match &self.data {
            Some(_) if is_builtin => {
                let others: Vec<&str> =
                    TASK_NAMES.iter().map(|task| task.name).filter(|name| *name != BUILTIN_TASK).collect();
                let remedy = format!("name the task of that data ({}), or leave data out", others.join(", "));
                Err(contradiction(("task", "data"), "the built-in task makes its own examples", &remedy))
            }
            None if !is_builtin => Err(contradiction(
                ("task", "data"),
                "this task's examples must be on disk",
                "give the folder that holds them as data, or set task = \"builtin\"",
            )),
            _ => Ok(()),
        }
    }

    fn check_via(&self) -> Result<(), KnobError> {
        let Some(via) = &self.via else { return Ok(()) };
        let remedy = "write densities below 1 and above that of density, by comma and falling: via = \"0.8,0.6\"";
        let Some(values) = via.values() else {
            return Err(contradiction(("via", "density"), "via is no list of numbers", remedy));
        };
        if values.first().is_none_or(|&first| first >= 1.0) || !self.densities().is_sorted_by(|a, b| a > b) {
            return Err(contradiction(("via", "density"), "densities have to fall, from one to the next", remedy));
        }
        if self.schedule == PruneSchedule::OneShot {
            let why = "one_shot prunes once, before training, and what lies on the way is reached by training";
            let remedy = "set schedule to early, late or gradual, or leave via out";
            return Err(contradiction(("via", "schedule"), why, remedy));
        }
        Ok(())
    }

    fn check_windows(&self) -> Result<(), KnobError> {
        let distils = self.distillation != Distillation::Off;
        if distils && self.distill_logit_weight == 0.0 && self.distill_layer_weight == 0.0 {
            return Err(contradiction(
                ("distill_logit_weight", "distill_layer_weight"),
                "both are 0, so there is nothing to distil",
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
                return learns("rank_growth", "allocate scores the adapters while they train, one_shot prunes before");
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
        let first = self.tune_first.filter(|first| *first < 1.0 && self.schedule == PruneSchedule::Early);
        if first.is_some_and(|first| over_one(first, self.prune_fraction)) {
            return Err(contradiction(
                ("tune_first", "prune_fraction"),
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
