//! Learned masks in a run: gates are drawn for every step of a decay window and taught by what the step says (CoFi).

use crate::session::Session;
use crate::streams::{Stream, generator};
use apt_core::blocks::BlockScores;
use apt_core::l0::Draw;

impl Session {
    /// The gates of this step, if masks are being learned in it.
    pub(crate) fn draw_gates(&self, step: usize) -> Option<Draw> {
        let gates = self.state.gates.as_ref()?;
        self.timeline.window_at(step)?;
        Some(gates.draw(&mut generator(self.setup.knobs.seed, Stream::Gates, step as u64)))
    }

    /// Takes in ∂L/∂z of what was drawn. Between steps the masks are the gates without chance.
    pub(crate) fn teach_gates(&mut self, draw: &Draw, gradient: &BlockScores) {
        let (shape, dense) = (self.learner.student.config.shape(), self.dense_shape.parameters());
        let target = self.timeline.learned_target(self.state.step);
        if let Some(gates) = &mut self.state.gates {
            let constraint = gates.constraint(&shape, dense, target);
            gates.update(draw, gradient, &constraint, target);
            self.masks = Some(gates.settled());
        }
    }
}
