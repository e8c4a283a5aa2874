//! Where adapter rank grows as the model shrinks (paper §4.3; METHOD §5), or goes when it is allotted (AdaLoRA).

use serde::{Deserialize, Serialize};

use crate::arms::RankGrowth;

/// One adapter at a pruning point.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdapterState {
    /// Current rank.
    pub rank: usize,
    /// Parameters one rank costs: input plus output width, as they are now.
    pub params_per_rank: usize,
    /// Importance (see [`crate::reference::salience::adapter_b`] and [`crate::reference::salience::rank_scores`]); NaN
    /// counts as least important.
    pub importance: f64,
}

impl AdapterState {
    /// Parameters of the adapter.
    pub fn parameters(&self) -> usize {
        self.rank * self.params_per_rank
    }
}

/// Δ of METHOD §4: tuning parameters allowed after `fraction` (0..=1) of the pruning points' span has
/// passed, growing linearly from the initial count to `expand` times it.
pub fn tuning_budget(initial_trainable: usize, expand: f64, fraction: f64) -> f64 {
    initial_trainable as f64 * (1.0 + (expand - 1.0) * fraction.clamp(0.0, 1.0))
}

/// New ranks, one per adapter: never smaller than now, never above `max_rank` by growth, and never
/// more than `budget` parameters together unless the adapters already are.
///
/// `Adaptive` gives the whole gap to the budget to the more important half of the adapters (of
/// those below `max_rank`), each growing by the same factor. `Uniform` spreads the same budget over
/// all. Ties go to the lower index.
pub fn grow(adapters: &[AdapterState], budget: f64, max_rank: usize, growth: RankGrowth) -> Vec<usize> {
    let chosen = match growth {
        RankGrowth::Adaptive => top_half(adapters, Some(max_rank)),
        RankGrowth::Uniform => (0..adapters.len()).collect(),
        RankGrowth::Static | RankGrowth::Allocate => Vec::new(),
    };
    expand(adapters, &chosen, budget, Some(max_rank))
}

/// The more important half, best first: half of all adapters, taken from those below `max_rank`.
/// A lone adapter is its own better half.
pub fn top_half(adapters: &[AdapterState], max_rank: Option<usize>) -> Vec<usize> {
    let key = |index: &usize| {
        let importance = adapters[*index].importance;
        if importance.is_nan() { f64::NEG_INFINITY } else { importance }
    };
    let mut order: Vec<_> =
        (0..adapters.len()).filter(|&index| max_rank.is_none_or(|max| adapters[index].rank < max)).collect();
    order.sort_by(|a, b| key(b).total_cmp(&key(a)));
    order.truncate((adapters.len() / 2).max(1));
    order
}

/// Ranks after the `chosen` adapters took the gap between all adapters' parameters and `budget`,
/// each by the same factor, rounded down. Without `max_rank` this is the published code's unlimited
/// variant; choosing all adapters is its `uniform` and `exponential`.
pub fn expand(adapters: &[AdapterState], chosen: &[usize], budget: f64, max_rank: Option<usize>) -> Vec<usize> {
    let mut ranks: Vec<_> = adapters.iter().map(|adapter| adapter.rank).collect();
    let current: usize = adapters.iter().map(AdapterState::parameters).sum();
    let base: usize = chosen.iter().map(|&index| adapters[index].parameters()).sum();
    let gap = budget - current as f64;
    if base == 0 || gap.is_nan() || gap <= 0.0 {
        return ranks;
    }
    let factor = gap / base as f64 + 1.0;
    for &index in chosen {
        let grown = (ranks[index] as f64 * factor) as usize;
        let limited = max_rank.map_or(grown, |max| grown.min(max));
        ranks[index] = ranks[index].max(limited);
    }
    ranks
}

/// Rank that allotted adapters start with, for `rank` on average at the end: one and a half times as much (AdaLoRA).
pub fn first_rank(rank: usize, growth: RankGrowth) -> usize {
    if growth == RankGrowth::Allocate { (rank * 3).div_ceil(2) } else { rank }
}

/// Components that all adapters may have together after `fraction` (0..=1) of the points' span: a cubic fall from
/// `first` to `last` (AdaLoRA Eq. 12).
pub fn component_budget(first: usize, last: usize, fraction: f64) -> usize {
    let left = (1.0 - fraction.clamp(0.0, 1.0)).powi(3);
    (last as f64 + first.saturating_sub(last) as f64 * left).round() as usize
}

/// The components each adapter keeps: the `budget` most important of all, and of each adapter at least its best. Ties go
/// to the first adapter and its first component; NaN counts as least important.
pub fn allocate(importance: &[Vec<f64>], budget: usize) -> Vec<Vec<usize>> {
    let key = |value: f64| if value.is_nan() { f64::NEG_INFINITY } else { value };
    let mut order: Vec<(usize, usize)> =
        importance.iter().enumerate().flat_map(|(l, list)| (0..list.len()).map(move |k| (l, k))).collect();
    order.sort_by(|a, b| key(importance[b.0][b.1]).total_cmp(&key(importance[a.0][a.1])));
    let mut kept = vec![Vec::new(); importance.len()];
    let mut rest = Vec::new();
    for (l, k) in order {
        if kept[l].is_empty() { kept[l].push(k) } else { rest.push((l, k)) }
    }
    let taken: usize = kept.iter().map(Vec::len).sum();
    for (l, k) in rest.into_iter().take(budget.saturating_sub(taken)) {
        kept[l].push(k);
    }
    kept.iter_mut().for_each(|list| list.sort_unstable());
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_components_of_all_adapters_stay_and_none_loses_its_last() {
        let importance = [vec![0.9, 0.1, 0.8], vec![0.2, f64::NAN, 0.3], vec![0.01, 0.02, 0.0]];
        assert_eq!(allocate(&importance, 5), [vec![0, 2], vec![0, 2], vec![1]]);
        assert_eq!(allocate(&importance, 0), [vec![0], vec![2], vec![1]]);
        assert_eq!(allocate(&importance, 99).concat().len(), 9);
        assert_eq!(allocate(&[vec![1.0; 3], vec![1.0; 3]], 3), [vec![0, 1], vec![0]], "ties");
        assert_eq!(allocate(&[], 3), [[0usize; 0]; 0]);
    }

    #[test]
    fn the_budget_falls_from_the_first_ranks_to_the_last() {
        assert_eq!((first_rank(8, RankGrowth::Allocate), first_rank(8, RankGrowth::Adaptive)), (12, 8));
        assert_eq!((first_rank(1, RankGrowth::Allocate), first_rank(5, RankGrowth::Allocate)), (2, 8));
        let at = |fraction| component_budget(36, 24, fraction);
        assert_eq!((at(0.0), at(0.5), at(1.0), at(7.0)), (36, 26, 24, 24));
    }

    fn adapter(rank: usize, importance: f64) -> AdapterState {
        AdapterState { rank, params_per_rank: 10, importance }
    }

    #[test]
    fn the_better_half_takes_the_whole_gap() {
        let adapters = [adapter(4, 0.1), adapter(4, 0.9), adapter(4, 0.8), adapter(4, f64::NAN)];
        assert_eq!(grow(&adapters, 240.0, 64, RankGrowth::Adaptive), [4, 8, 8, 4]);
        assert_eq!(grow(&adapters, 240.0, 64, RankGrowth::Uniform), [6, 6, 6, 6]);
        assert_eq!(grow(&adapters, 240.0, 64, RankGrowth::Static), [4, 4, 4, 4]);
        assert_eq!(grow(&adapters, 240.0, 5, RankGrowth::Adaptive), [4, 5, 5, 4]);
        assert_eq!(grow(&adapters, 100.0, 64, RankGrowth::Uniform), [4, 4, 4, 4]);
        assert_eq!(grow(&[], 100.0, 64, RankGrowth::Adaptive), [0usize; 0]);
    }
}
