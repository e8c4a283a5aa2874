//! Ranks at the pruning points: they grow as the model shrinks, or are allotted (APT §4.3; AdaLoRA).

use crate::session::Session;
use crate::streams::{Stream, generator};
use apt_core::arms::RankGrowth;
use apt_core::ranks::{AdapterState, allocate, component_budget, first_rank, grow, tuning_budget};
use apt_experiment::{Event, Growth};
use apt_nn::Init;
use burn::tensor::Tensor;
use std::collections::BTreeMap;

impl Session {
    /// Rank of every adapter, by name.
    pub(crate) fn ranks(&self) -> BTreeMap<String, usize> {
        self.learner.student.adapters().into_iter().map(|(name, a)| (name, a.rank())).collect()
    }

    /// What happens to ranks at pruning point `index`.
    pub(crate) fn change_ranks(&mut self, index: usize) {
        match self.setup.knobs.rank_growth {
            RankGrowth::Allocate => self.allocate_ranks(index),
            _ => self.grow_ranks(index),
        }
    }

    /// The components that matter least go, until as many are left as this point allows (AdaLoRA).
    fn allocate_ranks(&mut self, index: usize) {
        let knobs = &self.setup.knobs;
        let adapters = self.learner.student.adapters();
        let names: Vec<String> = adapters.iter().map(|(name, _)| name.clone()).collect();
        let [first, last] = [first_rank(knobs.rank, knobs.rank_growth), knobs.rank].map(|rank| rank * names.len());
        let components = component_budget(first, last, self.timeline.growth_fraction(index));
        let kept = allocate(&self.state.components, components);
        let correction = self.importance_correction();
        let mean = |list: &Vec<f64>| list.iter().sum::<f64>() / (list.len().max(1) as f64 * correction);
        let importance = names.into_iter().zip(self.state.components.iter().map(mean)).collect();
        if kept.iter().zip(&self.state.components).all(|(kept, list)| kept.len() == list.len()) {
            return;
        }
        for (list, kept) in self.state.components.iter_mut().zip(&kept) {
            *list = kept.iter().map(|&k| list[k]).collect();
        }
        let old = self.learner.clone();
        self.learner = old.clone().with_components(&kept);
        self.carry_moments(&old, &|holder| holder.clone().with_components(&kept));
        let parameters = self.adapter_parameters_now();
        let budget = self.adapter_parameters as f64 * components as f64 / first.max(1) as f64;
        self.tell_growth(budget, parameters, importance);
    }

    fn adapter_parameters_now(&self) -> u64 {
        self.learner.student.adapters().iter().map(|(_, a)| a.parameters() as u64).sum()
    }

    /// 1 − βᵗ, by which running means of importances are too small.
    fn importance_correction(&self) -> f64 {
        let correction = 1.0 - self.setup.knobs.beta.powf(self.state.importances_seen as f64);
        if correction > 0.0 { correction } else { 1.0 }
    }

    fn tell_growth(&mut self, budget: f64, parameters: u64, importance: BTreeMap<String, f64>) {
        let (step, ranks) = (self.state.step, self.ranks());
        self.tell(Event::Grown(Growth { step, budget: budget as u64, parameters, ranks, importance }));
    }

    /// Ranks grow into the tuning budget of this pruning point (APT §4.3; METHOD §5).
    fn grow_ranks(&mut self, index: usize) {
        let knobs = &self.setup.knobs;
        let fraction = self.timeline.growth_fraction(index);
        let budget = tuning_budget(self.adapter_parameters, knobs.expand, fraction);
        let correction = self.importance_correction();
        let adapters = self.learner.student.adapters();
        let importance: Vec<f64> = self.state.importance.iter().map(|v| v / correction).collect();
        let states: Vec<AdapterState> = adapters
            .iter()
            .zip(&importance)
            .map(|((_, a), &importance)| AdapterState {
                rank: a.rank(),
                params_per_rank: a.a.dims()[0] + a.b.dims()[1],
                importance,
            })
            .collect();
        let names: Vec<String> = adapters.into_iter().map(|(name, _)| name).collect();
        let ranks = grow(&states, budget, knobs.rank * knobs.max_rank_factor, knobs.rank_growth);
        // Importance is gathered anew between pruning points (METHOD §2).
        self.state.importance.fill(0.0);
        self.state.importances_seen = 0;
        if ranks.iter().zip(&states).all(|(&rank, state)| rank <= state.rank) {
            return;
        }
        let old = self.learner.clone();
        let mut init = Init::from_rng(generator(knobs.seed, Stream::Growth, index as u64), &self.device);
        self.learner = old.clone().grown(&ranks, &mut |d_in, extra| init.kaiming(d_in, extra));
        let device = self.device.clone();
        self.carry_moments(&old, &|holder| {
            holder.clone().grown(&ranks, &mut |d_in, extra| Tensor::zeros([d_in, extra], &device))
        });
        let parameters = self.adapter_parameters_now();
        self.tell_growth(budget, parameters, names.into_iter().zip(importance).collect());
    }
}
