//! A batch in shards: which examples each has, how much it counts, and how several are gone through at once.
//!
//! A shard has its part of the batch's sequences, padded, where they are, as the whole batch is. Its loss is its part of the
//! batch's, so that gradients add up to the batch's; sums and means over tokens, which scorers read, do too
//! ([`apt_nn::Readings`]).

use apt_data::mlm::IGNORED;
use apt_data::{NextTokens, Target};
use apt_nn::ShardWeights;
use std::ops::Range;

/// A shard's part of a batch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Share {
    /// Its sequences.
    pub(crate) rows: Range<usize>,
    /// Of so many.
    pub(crate) of: usize,
    /// Its weight in means over outputs: over sequences, or over the tokens that are predicted.
    pub(crate) outputs: f64,
    /// Its weights in what is read of tokens.
    pub(crate) weights: ShardWeights,
}

impl Share {
    /// Shard `index` of `count` of a batch with these `targets`, which are tokens if `predicts_tokens`, whose sequences have
    /// so many tokens that are `counted`. Shards have as nearly as can be the same number of these, so that all take as long.
    pub(crate) fn new(
        index: usize,
        count: usize,
        targets: &[Target],
        predicts_tokens: bool,
        counted: &[usize],
    ) -> Self {
        let of = targets.len();
        let ends = ends(counted, count);
        let rows = index.checked_sub(1).map_or(0, |before| ends[before])..ends[index];
        if rows.is_empty() {
            // There are fewer sequences than shards: the first stands in and counts for nothing.
            let weights = ShardWeights { tokens: 0.0, sums: 0.0 };
            return Self { rows: 0..1, of, outputs: 0.0, weights };
        }
        let of_rows: usize = counted[rows.clone()].iter().sum();
        let tokens = of_rows as f64 / counted.iter().sum::<usize>().max(1) as f64;
        let outputs = match predicts_tokens {
            true => predicted(&targets[rows.clone()]) as f64 / predicted(targets).max(1) as f64,
            false => rows.len() as f64 / of as f64,
        };
        Self { rows, of, outputs, weights: ShardWeights { tokens, sums: 1.0 } }
    }
}

/// Behind which sequence each of `count` shards ends: where a sum of tokens is next to its part of them all, with a sequence
/// for each shard as long as there are any.
fn ends(tokens: &[usize], count: usize) -> Vec<usize> {
    let whole: usize = tokens.iter().sum();
    let (mut end, mut sum) = (0, 0);
    let mut ends = Vec::with_capacity(count);
    for shard in 1..=count {
        let fewest = shard.min(tokens.len());
        let most = tokens.len().saturating_sub(count - shard).max(fewest);
        // The next sequence belongs here if at least half of it lies before the mark: in whole numbers, as on every machine.
        while end < fewest || end < most && (2 * sum + tokens[end]) * count <= 2 * shard * whole {
            sum += tokens[end];
            end += 1;
        }
        ends.push(end);
    }
    ends
}

/// Tokens that are predicted.
fn predicted(targets: &[Target]) -> usize {
    let count = |next: &NextTokens| next.ids.iter().filter(|id| **id != IGNORED).count();
    targets.iter().filter_map(Target::tokens).map(count).sum()
}

/// Goes through shards on the threads that there are.
#[derive(Default)]
pub(crate) struct Workers {
    #[cfg(not(target_family = "wasm"))]
    pools: Vec<rayon::ThreadPool>,
}

impl Workers {
    /// For so many shards at once, each with its part of the program's threads. Where there is one thread, or threads cannot
    /// be started, shards follow one another, with the same results.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn new(shards: usize) -> Self {
        let threads = rayon::current_num_threads();
        let count = shards.min(threads);
        if count < 2 {
            return Self::default();
        }
        let pool = |i: usize| {
            let threads = threads / count + usize::from(i < threads % count);
            rayon::ThreadPoolBuilder::new().num_threads(threads).build()
        };
        Self { pools: (0..count).map(pool).collect::<Result<_, _>>().unwrap_or_default() }
    }

    /// In a browser a worker has one thread.
    #[cfg(target_family = "wasm")]
    pub(crate) fn new(_shards: usize) -> Self {
        Self::default()
    }

    /// `of` each of `items`, in their order.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn map<T: Send, R: Send>(&self, items: Vec<T>, of: impl Fn(T) -> R + Sync) -> Vec<R> {
        if self.pools.len() < 2 || items.len() < 2 {
            return items.into_iter().map(of).collect();
        }
        let mut dealt: Vec<Vec<(usize, T)>> = self.pools.iter().map(|_| Vec::new()).collect();
        for (place, item) in items.into_iter().enumerate() {
            dealt[place % self.pools.len()].push((place, item));
        }
        let of = &of;
        let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
            let go = |(pool, items): (&'_ rayon::ThreadPool, Vec<(usize, T)>)| {
                pool.install(|| items.into_iter().map(|(place, item)| (place, of(item))).collect::<Vec<_>>())
            };
            let started: Vec<_> = self.pools.iter().zip(dealt).map(|work| scope.spawn(move || go(work))).collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, Vec<(usize, R)>>| match thread.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            started.into_iter().flat_map(join).collect()
        });
        done.sort_by_key(|(place, _)| *place);
        done.into_iter().map(|(_, result)| result).collect()
    }

    /// `of` each of `items`, in their order.
    #[cfg(target_family = "wasm")]
    pub(crate) fn map<T, R>(&self, items: Vec<T>, of: impl Fn(T) -> R) -> Vec<R> {
        items.into_iter().map(of).collect()
    }
}

/// Adds vectors of one length, in their order.
pub(crate) fn sum(parts: impl IntoIterator<Item = Vec<f32>>) -> Vec<f32> {
    let mut parts = parts.into_iter();
    let mut sum = parts.next().unwrap_or_default();
    for part in parts {
        sum.iter_mut().zip(part).for_each(|(sum, value)| *sum += value);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_the_whole_batch_once() {
        for (examples, count) in [(32, 2), (32, 3), (7, 4), (1, 1), (2, 4), (5, 5)] {
            let targets = vec![Target::Class(0); examples];
            let counted: Vec<usize> = (0..examples).map(|i| 1 + i % 5).collect();
            let shares: Vec<Share> = (0..count).map(|i| Share::new(i, count, &targets, false, &counted)).collect();
            let counted = shares.iter().filter(|share| share.weights.sums == 1.0);
            let rows: Vec<usize> = counted.clone().flat_map(|share| share.rows.clone()).collect();
            assert_eq!(rows, (0..examples).collect::<Vec<_>>(), "{examples} in {count}");
            for weights in [|share: &Share| share.outputs, |share: &Share| share.weights.tokens] {
                let all: f64 = shares.iter().map(weights).sum();
                assert!((all - 1.0).abs() < 1e-12, "{examples} in {count}: {all}");
            }
            assert!(shares.iter().all(|share| !share.rows.is_empty()), "none has nothing to compute with");
        }
    }

    #[test]
    fn shards_have_as_many_tokens_as_can_be() {
        assert_eq!(ends(&[4; 32], 2), [16, 32]);
        assert_eq!(ends(&[4; 7], 4), [2, 4, 5, 7]);
        assert_eq!(ends(&[1, 1, 1, 1, 4, 4], 3), [4, 5, 6]);
        assert_eq!(ends(&[9, 1, 1, 1], 4), [1, 2, 3, 4], "each has a sequence");
        assert_eq!(ends(&[1, 1, 1, 9], 4), [1, 2, 3, 4], "each has a sequence");
        assert_eq!(ends(&[3, 5], 4), [1, 2, 2, 2]);
        // As batches come: sorted by length.
        let tokens: Vec<usize> = (5..37).collect();
        let of = |rows: Range<usize>| tokens[rows].iter().sum::<usize>();
        for count in 2..6 {
            let ends = ends(&tokens, count);
            let parts: Vec<usize> = (0..count).map(|i| of(if i == 0 { 0 } else { ends[i - 1] }..ends[i])).collect();
            let apart = parts.iter().max().zip(parts.iter().min()).map(|(most, least)| most - least);
            assert!(apart.is_some_and(|apart| apart <= 36), "{count}: {parts:?}");
        }
    }

    #[test]
    fn results_come_in_the_order_of_the_shards_whoever_is_first() {
        let workers = Workers::new(4);
        let slow_first = |i: u64| {
            std::thread::sleep(std::time::Duration::from_millis(3 * (5 - i)));
            i
        };
        assert_eq!(workers.map((0..6).map(|i| i % 6).collect(), |i| slow_first(i.min(5))), [0, 1, 2, 3, 4, 5]);
        assert_eq!(sum([vec![1.0, 2.0], vec![3.0, 4.0], vec![5.0, 6.0]]), [9.0, 12.0]);
    }
}
