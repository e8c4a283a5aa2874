//! What leaves the model, and how: scores or learned gates say which blocks, masks let them fade, a pruning point removes
//! them (METHOD §2–3).

use crate::TrainError;
use apt_core::arms::{KindWeighing, OutlierScale, Salience};
use apt_core::blocks::{BlockScores, Kept, ModelShape};
use apt_core::l0::{Draw, Gates};
use apt_core::masks::Masks;
use apt_core::outliers::{OutlierMean, Outliers};
use apt_core::salience::{RunningMean, ScoreSum, random_scores};
use apt_core::schedule::{Timeline, mask_step};
use apt_core::search::{Exceptions, KindWeights, search_with_floor};
use apt_data::{Stream, generator};
use apt_experiment::{Demand, Knobs, UnitExceptions, UnitSets};
use apt_nn::{DeviceMasks, Transformer, compact};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

/// The plain data of a [`Pruner`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PrunerState {
    /// The dense model's blocks that are left.
    pub(crate) kept: Kept,
    scores: RunningMean,
    /// What of them is √kurtosis, until the first pruning point.
    #[serde(default)]
    outliers: Option<OutlierMean>,
    /// Where masks are learned.
    gates: Option<Gates>,
    /// In a decay window.
    masks: Option<Masks>,
    /// Where kinds of blocks are weighed by measured losses.
    weights: KindWeights,
}

/// Chooses blocks of the student and follows their removal.
pub(crate) struct Pruner {
    dense: ModelShape,
    state: PrunerState,
}

impl Pruner {
    /// Nothing of the `dense` model was pruned yet.
    pub(crate) fn new(knobs: &Knobs, dense: ModelShape) -> Self {
        let state = PrunerState {
            kept: Kept::all(&dense),
            scores: RunningMean::new(knobs.beta, &dense),
            outliers: (knobs.salience == Salience::OutlierAware && knobs.prunes())
                .then(|| OutlierMean::new(knobs.beta, &dense)),
            gates: (knobs.salience == Salience::L0 && knobs.prunes()).then(|| Gates::new(&dense)),
            masks: None,
            weights: KindWeights::default(),
        };
        Self { dense, state }
    }

    pub(crate) fn state(&self) -> &PrunerState {
        &self.state
    }

    pub(crate) fn set_state(&mut self, state: PrunerState) {
        self.state = state;
    }

    /// The dense model's blocks.
    pub(crate) fn dense(&self) -> &ModelShape {
        &self.dense
    }

    /// The dense model's blocks that are left.
    pub(crate) fn kept(&self) -> &Kept {
        &self.state.kept
    }

    /// The masks of the present decay window.
    pub(crate) fn masks(&self) -> Option<&Masks> {
        self.state.masks.as_ref()
    }

    /// Whether masks are learned.
    pub(crate) fn learns_masks(&self) -> bool {
        self.state.gates.is_some()
    }

    /// Exact share of the prunable parameters that masks and removals have left; `shape` is the student's.
    pub(crate) fn density(&self, shape: ModelShape) -> f64 {
        let left = match &self.state.masks {
            Some(masks) => masks.kept().shape_after(&shape),
            None => shape,
        };
        left.parameters() as f64 / self.dense.parameters() as f64
    }

    /// `masks` on `device`, tracked by autodiff if scores need their gradients.
    pub(crate) fn device_masks(&self, masks: &Masks, knobs: &Knobs, device: &Device, tracked: bool) -> DeviceMasks {
        let masks = DeviceMasks::new(masks, self.dense.wiring, device, tracked);
        if knobs.prune_hidden { masks } else { masks.without_hidden() }
    }

    /// `student` without the blocks that are masked.
    pub(crate) fn compact(&self, student: &Transformer) -> Transformer {
        match &self.state.masks {
            Some(masks) => compact::compact(student, &masks.kept()),
            None => student.clone(),
        }
    }

    /// Whether scores of blocks are gathered while training; learned masks need none.
    pub(crate) fn needs_scores(&self, knobs: &Knobs) -> bool {
        knobs.prunes() && self.state.gates.is_none()
    }

    /// Adds the scores of one step, and the √kurtosis in them, to the running means.
    pub(crate) fn add_scores(&mut self, scores: &BlockScores, roots: Option<&BlockScores>, scale: OutlierScale) {
        self.state.scores.update(scores);
        if let Some((outliers, roots)) = self.state.outliers.as_mut().zip(roots) {
            outliers.update(scores, roots, scale);
        }
    }

    /// Scores are gathered anew from here on, for the student's blocks, `shape`.
    pub(crate) fn forget_scores(&mut self, knobs: &Knobs, shape: &ModelShape) {
        self.state.scores = RunningMean::new(knobs.beta, shape);
    }

    /// Whether √kurtosis is still to be told apart in scores.
    pub(crate) fn watches_outliers(&self) -> bool {
        self.state.outliers.is_some()
    }

    /// What of the scores is √kurtosis, where that is told apart.
    pub(crate) fn outliers(&self) -> Option<Outliers> {
        self.state.outliers.as_ref().and_then(OutlierMean::value)
    }

    /// The scores of a scorer that reads no data.
    pub(crate) fn update_data_free_scores(&mut self, knobs: &Knobs) {
        if knobs.salience == Salience::Random {
            let scores = self.random_scores(knobs.seed);
            self.state.scores.update(&scores);
        }
    }

    /// Scores are the sum over calibration batches (`one_shot`; METHOD §3.5).
    pub(crate) fn set_scores(&mut self, sum: &ScoreSum, outliers: OutlierMean) {
        let mut scores = RunningMean::new(0.0, &self.dense);
        scores.update(sum.value());
        self.state.scores = scores;
        self.state.outliers = Some(outliers).filter(|_| self.watches_outliers());
    }

    /// Seeded scores, the same for a block at every step.
    pub(crate) fn random_scores(&self, seed: u64) -> BlockScores {
        let mut rng = generator(seed, Stream::RandomScores, 0);
        random_scores(&self.dense, &mut rng).select(&self.state.kept)
    }

    /// What every block of the student is worth at present.
    pub(crate) fn block_scores(&self, shape: &ModelShape) -> BlockScores {
        match &self.state.gates {
            Some(gates) => gates.scores(shape),
            None => self.state.scores.value(),
        }
    }

    /// A decay window begins: blocks get masks, unless they leave at once.
    pub(crate) fn begin_decay(&mut self, knobs: &Knobs, shape: &ModelShape) {
        if fades(knobs) {
            self.state.masks = Some(Masks::ones(shape));
        }
    }

    /// Inside a decay window: searches again and moves every mask one step (METHOD §3.2–3.3).
    ///
    /// # Errors
    /// When no blocks reach the density.
    pub(crate) fn move_masks(
        &mut self,
        step: usize,
        timeline: &Timeline,
        knobs: &Knobs,
        shape: &ModelShape,
    ) -> Result<(), TrainError> {
        let Some((index, window)) = timeline.window_at(step) else { return Ok(()) };
        if !timeline.prunes(index) || !fades(knobs) || self.learns_masks() {
            return Ok(());
        }
        let amount = mask_step(window.step - window.window_start, knobs.mask_step);
        let kept = self.search(window.density, knobs, shape)?;
        if let Some(masks) = &mut self.state.masks {
            masks.step(&kept, amount);
        }
        Ok(())
    }

    /// Gates for `step`, if masks are being learned in it.
    pub(crate) fn draw_gates(&self, step: usize, timeline: &Timeline, seed: u64) -> Option<Draw> {
        let gates = self.state.gates.as_ref()?;
        timeline.window_at(step)?;
        Some(gates.draw(&mut generator(seed, Stream::Gates, step as u64)))
    }

    /// Updates the gates by ∂L/∂z of what was drawn (CoFi). Between steps the masks are the deterministic ones.
    pub(crate) fn update_gates(&mut self, draw: &Draw, gradient: &BlockScores, shape: &ModelShape, target: f64) {
        if let Some(gates) = &mut self.state.gates {
            let constraint = gates.constraint(shape, self.dense.parameters(), target);
            gates.update(draw, gradient, &constraint, target);
            self.state.masks = Some(gates.deterministic_mask());
        }
    }

    /// The student's blocks that are worth most, at most `density` of the dense model together.
    ///
    /// # Errors
    /// When no blocks reach the density.
    pub(crate) fn search(&self, density: f64, knobs: &Knobs, shape: &ModelShape) -> Result<Kept, TrainError> {
        let weights = self.kind_weights(knobs, shape).unwrap_or_default();
        self.search_weighed(&weights, density, knobs, shape)
    }

    /// The factors by which [`Self::search`] weighs kinds of blocks; `None` where it weighs none.
    pub(crate) fn kind_weights(&self, knobs: &Knobs, shape: &ModelShape) -> Option<KindWeights> {
        match knobs.kind_weights {
            // The scores of learned masks are probabilities.
            _ if self.learns_masks() => None,
            KindWeighing::Paper => None,
            KindWeighing::Equal => Some(KindWeights::equal(&self.block_scores(shape), shape)),
            KindWeighing::Measured => Some(self.state.weights),
        }
    }

    /// As [`Self::search`], with `weights` on the kinds of blocks.
    ///
    /// # Errors
    /// When no blocks reach the density.
    pub(crate) fn search_weighed(
        &self,
        weights: &KindWeights,
        density: f64,
        knobs: &Knobs,
        shape: &ModelShape,
    ) -> Result<Kept, TrainError> {
        let scores = weights.apply(&self.block_scores(shape));
        let Demand { parameters: target, rounding, floor } = Demand::new(knobs, density, &self.dense, shape.hidden);
        let kept = search_with_floor(&scores, shape, target, &rounding, &floor)?;
        Ok(match knobs.salience {
            Salience::RandomWithin => self.random_scores(knobs.seed).best_as_many(&kept),
            _ => kept,
        })
    }

    /// Which blocks of the dense model do not follow their rank in [`Self::search`]'s choice `kept`; `None` where ranks
    /// only say how many.
    ///
    /// # Errors
    /// Scores that are not finite.
    pub(crate) fn exceptions(
        &self,
        kept: &Kept,
        density: f64,
        knobs: &Knobs,
        shape: &ModelShape,
    ) -> Result<Option<UnitExceptions>, TrainError> {
        if knobs.salience == Salience::RandomWithin {
            return Ok(None);
        }
        let weights = self.kind_weights(knobs, shape).unwrap_or_default();
        let scores = weights.apply(&self.block_scores(shape));
        let Demand { parameters: target, rounding, floor } = Demand::new(knobs, density, &self.dense, shape.hidden);
        let found = Exceptions::of(kept, &scores, shape, target, &rounding, &floor)?;
        let of_dense = |of: &Kept| UnitSets::from(self.state.kept.compose(of));
        Ok(Some(UnitExceptions {
            by_floor: of_dense(&found.by_floor).heads,
            filled: of_dense(&found.filled),
            rounded: of_dense(&found.rounded),
        }))
    }

    /// The factors on kinds of blocks, where they are measured.
    pub(crate) fn weights(&self) -> KindWeights {
        self.state.weights
    }

    /// Weighs kinds of blocks by `weights` from now on.
    pub(crate) fn set_weights(&mut self, weights: KindWeights) {
        self.state.weights = weights;
    }

    /// A pruning point: the decay window is over, and outliers have been told apart once.
    pub(crate) fn end_window(&mut self) {
        self.state.masks = None;
        self.state.outliers = None;
    }

    /// Follows the removal of all blocks but `kept` from the student.
    pub(crate) fn remove(&mut self, kept: &Kept) {
        if let Some(gates) = &mut self.state.gates {
            gates.reindex(kept);
        }
        self.state.scores.reindex(kept);
        self.state.kept = self.state.kept.compose(kept);
    }
}

/// Whether blocks fade before they leave; else they are removed at once at the pruning point, or nothing is pruned.
fn fades(knobs: &Knobs) -> bool {
    knobs.prunes() && knobs.mask_step < 1.0
}
