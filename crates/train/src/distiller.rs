//! The student's teacher in a run: when there is one, what it shares with the student, and how much it counts.

use crate::learner::Learner;
use crate::losses::PredictionLoss;
use crate::teacher::{DistillWeights, Teacher};
use crate::train_state::TrainState;
use apt_core::blocks::Kept;
use apt_core::distill::{mu, published_mu};
use apt_core::schedule::Timeline;
use apt_data::Objective;
use apt_experiment::{Knobs, MuOver};
use apt_nn::compact;

/// Appoints and drops teachers. There is never more than one.
#[derive(Default)]
pub(crate) struct Distiller {
    teacher: Option<Teacher>,
    /// Whether the student's frozen weights are parts of a teacher's larger ones.
    shares_teacher_weights: bool,
}

impl Distiller {
    /// With the teacher of a checkpoint.
    pub(crate) fn restore(teacher: Option<Teacher>, shares_teacher_weights: bool) -> Self {
        Self { teacher, shares_teacher_weights }
    }

    pub(crate) fn teacher(&self) -> Option<&Teacher> {
        self.teacher.as_ref()
    }

    /// Whether the student's frozen weights are parts of a teacher's larger ones.
    pub(crate) fn shares_teacher_weights(&self) -> bool {
        self.shares_teacher_weights
    }

    /// The teacher that distils in `step`, with the weight μ of its loss.
    pub(crate) fn active(&self, step: usize, timeline: &Timeline, knobs: &Knobs) -> Option<(&Teacher, f64)> {
        let range = timeline.distill.as_ref().filter(|steps| steps.contains(&step))?;
        let teacher = self.teacher.as_ref()?;
        let mu = match knobs.mu_over {
            MuOver::Distillation => mu(step, range),
            MuOver::PruningWindow => {
                let points = &timeline.points;
                let ends = points.first().map_or(0, |p| p.window_start)..points.last().map_or(1, |p| p.step);
                published_mu(step, ends.start, ends.end).clamp(0.0, 1.0)
            }
        };
        Some((teacher, mu))
    }

    /// The student as it is, with the dense model's blocks `kept` and validation metric `metric`, becomes the teacher.
    pub(crate) fn set_teacher(&mut self, trained: &mut TrainState, kept: &Kept, metric: f64, shared: bool) {
        // Two teachers must never be alive at once: the old one's weights go first.
        self.drop_teacher(trained);
        self.teacher = Some(Teacher::new(trained.student(), kept, metric, shared));
    }

    /// There is no teacher any more, and the student's weights are its own.
    pub(crate) fn drop_teacher(&mut self, trained: &mut TrainState) {
        self.teacher = None;
        if self.shares_teacher_weights {
            let student = compact::own(trained.student());
            trained.set_student(student);
            self.shares_teacher_weights = false;
        }
    }

    /// `learner` without the blocks that `kept` does not name; the teacher keeps all of its own.
    pub(crate) fn compact(&mut self, learner: &Learner, kept: &Kept) -> Learner {
        match &mut self.teacher {
            Some(teacher) => {
                self.shares_teacher_weights |= teacher.shared;
                teacher.compact_student(learner, kept)
            }
            None => learner.compact(kept),
        }
    }
}

/// The weights that the knobs give the parts of the distillation loss.
pub(crate) fn distill_weights(knobs: &Knobs, objective: &Objective) -> DistillWeights {
    DistillWeights {
        prediction: match objective {
            Objective::Classification { .. } => PredictionLoss::Divergence { temperature: knobs.distill_temperature },
            Objective::MultiLabel { .. } => PredictionLoss::BinaryDivergence { temperature: knobs.distill_temperature },
            Objective::Regression { .. } => PredictionLoss::SquaredError,
            Objective::CausalLm { .. } | Objective::MultipleChoice { .. } => {
                PredictionLoss::TokenDivergence { temperature: knobs.distill_temperature }
            }
        },
        logits: knobs.distill_logit_weight,
        layers: knobs.distill_layer_weight,
    }
}
