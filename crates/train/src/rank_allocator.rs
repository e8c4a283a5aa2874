//! Ranks at the pruning points: they grow as the model shrinks, or are allotted (APT §4.3; AdaLoRA).

use crate::train_state::TrainState;
use apt_core::arms::{RankGrowth, RankImportance};
use apt_core::ranks::{AdapterState, allocate, component_budget, first_rank, grow, tuning_budget};
use apt_data::{Stream, generator};
use apt_experiment::{Growth, Knobs};
use apt_nn::{Adapter, Init, salience};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The plain data of a [`RankAllocator`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RankAllocatorState {
    /// In the order of [`apt_nn::Transformer::adapters`].
    importances: Vec<Importance>,
    /// Values in each mean: since the last pruning point, or since the start where ranks are allotted.
    updates: u64,
}

/// The importance of one adapter.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Importance {
    adapter: String,
    /// Running mean of its importance; one per component where ranks are allotted.
    means: Vec<f64>,
}

/// Gathers how important adapters are, and changes their ranks.
pub(crate) struct RankAllocator {
    /// Parameters of all adapters before training.
    first_parameters: usize,
    state: RankAllocatorState,
}

/// A pruning point at which ranks change.
pub(crate) struct RankPoint {
    /// Its place among the points.
    pub(crate) index: usize,
    /// Its step.
    pub(crate) step: usize,
    /// Share of the points' span that has passed, 0..=1.
    pub(crate) fraction: f64,
}

impl RankAllocator {
    /// For untrained adapters.
    pub(crate) fn new(knobs: &Knobs, trained: &TrainState) -> Self {
        let means = |rank| match knobs.rank_growth {
            RankGrowth::Allocate => vec![0.0; rank],
            _ => vec![0.0],
        };
        let importances = trained
            .adapters()
            .into_iter()
            .map(|(name, adapter)| Importance { adapter: name, means: means(adapter.rank()) })
            .collect();
        let state = RankAllocatorState { importances, updates: 0 };
        Self { first_parameters: trained.adapter_parameters(), state }
    }

    pub(crate) fn state(&self) -> &RankAllocatorState {
        &self.state
    }

    pub(crate) fn set_state(&mut self, state: RankAllocatorState) {
        self.state = state;
    }

    /// Parameters of all adapters before training.
    pub(crate) fn first_parameters(&self) -> usize {
        self.first_parameters
    }

    /// Adds the importances of one step to the means, in the order of the adapters.
    pub(crate) fn update(&mut self, importances: &[Vec<f32>], beta: f64) {
        if importances.is_empty() {
            return;
        }
        for (importance, now) in self.state.importances.iter_mut().zip(importances) {
            for (mean, &now) in importance.means.iter_mut().zip(now) {
                *mean = beta * *mean + (1.0 - beta) * f64::from(now);
            }
        }
        self.state.updates += 1;
    }

    /// Follows the removal of blocks: only adapters that `trained` still has stay.
    pub(crate) fn remove(&mut self, trained: &TrainState) {
        let left = trained.ranks();
        self.state.importances.retain(|importance| left.contains_key(&importance.adapter));
    }

    /// Changes ranks at `point` as the knobs say; what was changed, if anything was. `device` has autodiff.
    pub(crate) fn change_ranks(
        &mut self,
        point: &RankPoint,
        trained: &mut TrainState,
        knobs: &Knobs,
        device: &Device,
    ) -> Option<Growth> {
        match knobs.rank_growth {
            RankGrowth::Allocate => self.allocate_ranks(point, trained, knobs),
            _ => self.grow_ranks(point, trained, knobs, device),
        }
    }

    /// The components that matter least go, until as many are left as this point allows (AdaLoRA).
    fn allocate_ranks(&mut self, point: &RankPoint, trained: &mut TrainState, knobs: &Knobs) -> Option<Growth> {
        let importances = &mut self.state.importances;
        let adapters = importances.len();
        let [first, last] = [first_rank(knobs.rank, knobs.rank_growth), knobs.rank].map(|rank| rank * adapters);
        let components = component_budget(first, last, point.fraction);
        let means: Vec<Vec<f64>> = importances.iter().map(|importance| importance.means.clone()).collect();
        let kept = allocate(&means, components);
        if kept.iter().zip(&means).all(|(kept, list)| kept.len() == list.len()) {
            return None;
        }
        let correction = correction(knobs.beta, self.state.updates);
        let mean = |list: &[f64]| list.iter().sum::<f64>() / (list.len().max(1) as f64 * correction);
        let importance = importances.iter().map(|i| (i.adapter.clone(), mean(&i.means))).collect();
        for (importance, kept) in importances.iter_mut().zip(&kept) {
            importance.means = kept.iter().map(|&k| importance.means[k]).collect();
        }
        let learner = trained.learner().clone().with_components(&kept);
        trained.reshape(learner, knobs, &|moments| moments.clone().with_components(&kept));
        let budget = self.first_parameters as f64 * components as f64 / first.max(1) as f64;
        Some(growth(point, budget, trained, importance))
    }

    /// Ranks grow into the tuning budget of this pruning point (APT §4.3; METHOD §5).
    fn grow_ranks(
        &mut self,
        point: &RankPoint,
        trained: &mut TrainState,
        knobs: &Knobs,
        device: &Device,
    ) -> Option<Growth> {
        let budget = tuning_budget(self.first_parameters, knobs.expand, point.fraction);
        let correction = correction(knobs.beta, self.state.updates);
        let adapters = trained.adapters();
        let states: Vec<AdapterState> = adapters
            .iter()
            .zip(&self.state.importances)
            .map(|((_, a), importance)| AdapterState {
                rank: a.rank(),
                params_per_rank: a.a.dims()[0] + a.b.dims()[1],
                importance: importance.means.iter().sum::<f64>() / correction,
            })
            .collect();
        let importance = adapters.into_iter().map(|(name, _)| name).zip(states.iter().map(|s| s.importance)).collect();
        let ranks = grow(&states, budget, knobs.rank * knobs.max_rank_factor, knobs.rank_growth);
        // Importance is gathered anew between pruning points (METHOD §2.3).
        self.state.importances.iter_mut().for_each(|importance| importance.means.fill(0.0));
        self.state.updates = 0;
        if ranks.iter().zip(&states).all(|(&rank, state)| rank <= state.rank) {
            return None;
        }
        let mut init = Init::from_rng(generator(knobs.seed, Stream::Growth, point.index as u64), device);
        let learner = trained.learner().clone().grown(&ranks, &mut |d_in, extra| init.kaiming(d_in, extra));
        trained.reshape(learner, knobs, &|moments| {
            moments.clone().grown(&ranks, &mut |d_in, extra| Tensor::zeros([d_in, extra], device))
        });
        Some(growth(point, budget, trained, importance))
    }
}

/// 1 − βᵗ, by which running means of `updates` values are too small.
fn correction(beta: f64, updates: u64) -> f64 {
    let correction = 1.0 - beta.powf(updates as f64);
    if correction > 0.0 { correction } else { 1.0 }
}

fn growth(point: &RankPoint, budget: f64, trained: &TrainState, importance: BTreeMap<String, f64>) -> Growth {
    Growth {
        step: point.step,
        budget: budget as u64,
        parameters: trained.adapter_parameters() as u64,
        ranks: trained.ranks(),
        importance,
    }
}

/// The importance of every adapter of `trained` in one step, `[1]`, or `[rank]` where ranks are allotted; none where
/// ranks do not change. `gradients` are of A and B of each, in the order of the adapters, where the loss reaches them;
/// `device` is without autodiff.
pub(crate) fn importances(
    trained: &TrainState,
    gradients: impl Fn(usize, &Adapter) -> [Option<Tensor<2>>; 2],
    knobs: &Knobs,
    device: &Device,
) -> Vec<Tensor<1>> {
    let of_components = |(index, adapter): (usize, &Adapter)| {
        let [a, b] = [&adapter.a, &adapter.b].map(|param| param.val().without_autodiff());
        match gradients(index, adapter) {
            [Some(of_a), Some(of_b)] => salience::component_importance([a, of_a], [b, of_b]),
            _ => Tensor::zeros([adapter.rank()], device),
        }
    };
    let by = knobs.rank_importance;
    let of_whole = |(index, adapter): (usize, &Adapter)| {
        let [of_a, of_b] = gradients(index, adapter);
        match by {
            RankImportance::AdapterB => {
                of_b.map(|g| salience::adapter_b_importance(adapter.b.val().without_autodiff(), g))
            }
            RankImportance::RankMean => {
                of_a.map(|g| salience::rank_mean_importance(adapter.a.val().without_autodiff(), g))
            }
        }
        .unwrap_or_else(|| Tensor::zeros([1], device))
    };
    let adapters = trained.adapters().into_iter().map(|(_, adapter)| adapter).enumerate();
    match knobs.rank_growth {
        RankGrowth::Static => Vec::new(),
        RankGrowth::Allocate => adapters.map(of_components).collect(),
        RankGrowth::Adaptive | RankGrowth::Uniform => adapters.map(of_whole).collect(),
    }
}
