//! From tokenised examples to batches. Which examples form step k's batch is a pure function of
//! (lengths, batch size, seed, k), so that a resumed run sees exactly the batches it would have seen.

use apt_core::tokens::TokenBatch;
use apt_experiment::{DataRead, Share, TokensRead};

use crate::error::DataError;
use crate::mlm::IGNORED;
use crate::objective::Objective;
use crate::seeded::{Stream, generator, shuffle};
use crate::target::{NextTokens, Target};
use crate::task::{RawExample, RawTask};
use crate::tokenizer::{Encoded, Tokenizer};

/// One tokenised example.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Its tokens.
    pub tokens: Encoded,
    /// What is to be predicted.
    pub target: Target,
}

/// All splits of a task, tokenised.
#[derive(Debug, Clone)]
pub struct TokenizedTask {
    /// What is learned; every example's target is one that it admits.
    pub objective: Objective,
    /// Training examples, in the order of the raw task.
    pub train: Vec<Example>,
    /// Validation examples.
    pub validation: Vec<Example>,
    /// Test examples, where labelled ones exist.
    pub test: Option<Vec<Example>>,
    /// Examples whose texts were cut, of all.
    pub cut: Share,
    /// What became of each split, where tokens are predicted; else empty.
    pub tokens: Vec<TokensRead>,
    /// What was decided in making tokens of texts, in words.
    pub notes: Vec<String>,
}

impl TokenizedTask {
    /// What was `read` of the data, with what became of its texts as tokens of at most `length`.
    pub fn read_at(&self, length: usize, read: DataRead) -> DataRead {
        let joined = self.tokens.iter().any(|of| of.joined);
        let notes = read.notes.iter().chain(&self.notes).cloned().collect();
        // Questions lose their beginning, of which there is a note.
        let loses_ends = !joined && !matches!(self.objective, Objective::MultipleChoice { .. });
        let cut_at = loses_ends.then_some(length);
        DataRead { cut: self.cut, cut_at, tokens: self.tokens.clone(), notes, ..read }
    }
}

/// Tokenises every split, each example cut to `max_len` tokens. Where tokens are predicted, texts are joined and cut into
/// sequences of so many.
///
/// # Errors
/// [`DataError::Tokenizer`] when the tokenizer fails on a text or `max_len` leaves no room for one; where conversations are
/// learned, [`DataError::BadRow`] for one that the model's chat template does not render.
pub fn tokenize_task(task: &RawTask, tokenizer: &Tokenizer, max_len: usize) -> Result<TokenizedTask, DataError> {
    if task.objective.predicts_tokens() {
        return crate::lm::tokenize(task, tokenizer, max_len);
    }
    let mut cut = Share::default();
    let mut split = |examples: &[RawExample]| -> Result<Vec<Example>, DataError> {
        let mut tokenized = Vec::with_capacity(examples.len());
        for example in examples {
            let (tokens, is_cut) = tokenizer.encode_and_tell(&example.a, example.b.as_deref(), max_len)?;
            cut.of += 1;
            cut.some += usize::from(is_cut);
            tokenized.push(Example { tokens, target: example.target.clone() });
        }
        Ok(tokenized)
    };
    let (train, validation) = (split(&task.train)?, split(&task.validation)?);
    let test = task.test.as_deref().map(split).transpose()?;
    let (objective, tokens, notes) = (task.objective.clone(), Vec::new(), Vec::new());
    Ok(TokenizedTask { objective, train, validation, test, cut, tokens, notes })
}

/// Token counts of `examples`, for [`BatchPlan::new`] and [`eval_batches`].
pub fn lengths(examples: &[Example]) -> Vec<usize> {
    examples.iter().map(|example| example.tokens.ids.len()).collect()
}

/// Pads `sequences` with `pad_id` to the longest of them, rounded up to a multiple of `pad_to_multiple` (0 counts
/// as 1), so that only few shapes ever occur and kernels are reused.
pub fn collate(sequences: &[&Encoded], pad_id: usize, pad_to_multiple: usize) -> TokenBatch {
    let longest = sequences.iter().map(|sequence| sequence.ids.len()).max().unwrap_or(0);
    let length = longest.next_multiple_of(pad_to_multiple.max(1));
    let padded = |row: &[u32], filler: i32| {
        let filler = std::iter::repeat_n(filler, length - row.len());
        row.iter().map(|id| *id as i32).chain(filler).collect::<Vec<i32>>()
    };
    TokenBatch {
        ids: sequences.iter().flat_map(|sequence| padded(&sequence.ids, pad_id as i32)).collect(),
        type_ids: sequences.iter().flat_map(|sequence| padded(&sequence.type_ids, 0)).collect(),
        lengths: sequences.iter().map(|sequence| sequence.ids.len()).collect(),
    }
}

/// For every token of [`collate`]d `sequences` of `length` tokens, padding included, the one that is to follow it, row-major
/// `[sequences, length]`: [`IGNORED`] behind padding and where none is to be predicted.
pub fn collate_next(next: &[&NextTokens], length: usize) -> Vec<i32> {
    let row = |next: &&NextTokens| {
        let padding = std::iter::repeat_n(IGNORED, length.saturating_sub(next.ids.len()));
        next.ids.iter().copied().take(length).chain(padding).collect::<Vec<i32>>()
    };
    next.iter().flat_map(row).collect()
}

/// The order of training: every example once an epoch, in batches of similar length.
///
/// An epoch is shuffled, cut into pools of [`POOL_BATCHES`] batches, each pool sorted by length and
/// cut into batches, and the batches shuffled again: little padding, and still random.
#[derive(Debug, Clone)]
pub struct BatchPlan {
    lengths: Vec<usize>,
    batch_size: usize,
    seed: u64,
    /// The epoch asked for last. A cache only: it never changes an answer.
    latest: Option<(u64, Vec<Vec<usize>>)>,
}

/// Batches that are sorted by length together.
pub const POOL_BATCHES: usize = 32;

impl BatchPlan {
    /// A plan over examples of these token counts; `batch_size` 0 counts as 1.
    pub fn new(lengths: Vec<usize>, batch_size: usize, seed: u64) -> Self {
        Self { lengths, batch_size: batch_size.max(1), seed, latest: None }
    }

    /// Batches in an epoch; the last may be smaller. 0 when there are no examples.
    pub fn steps_per_epoch(&self) -> usize {
        self.lengths.len().div_ceil(self.batch_size)
    }

    /// Indices of the examples of training step `step` (0-based, counted over all epochs).
    /// Empty when there are no examples.
    pub fn batch(&mut self, step: usize) -> Vec<usize> {
        let steps = self.steps_per_epoch();
        if steps == 0 {
            return Vec::new();
        }
        let epoch = (step / steps) as u64;
        if self.latest.as_ref().is_none_or(|(cached, _)| *cached != epoch) {
            self.latest = Some((epoch, self.epoch(epoch)));
        }
        self.latest.as_ref().map_or_else(Vec::new, |(_, batches)| batches[step % steps].clone())
    }

    /// All batches of one epoch, in order.
    pub fn epoch(&self, epoch: u64) -> Vec<Vec<usize>> {
        let mut rng = generator(self.seed, Stream::Order, epoch);
        let mut order: Vec<usize> = (0..self.lengths.len()).collect();
        shuffle(&mut rng, &mut order);
        let mut batches = Vec::with_capacity(self.steps_per_epoch());
        for pool in order.chunks_mut(self.batch_size.saturating_mul(POOL_BATCHES)) {
            pool.sort_by_key(|index| self.lengths[*index]);
            batches.extend(pool.chunks(self.batch_size).map(<[usize]>::to_vec));
        }
        shuffle(&mut rng, &mut batches);
        batches
    }
}

/// Batches for evaluation: every example once, longest first, so that the largest allocation comes
/// first and batches hold little padding. Indices go back to the examples' own order.
pub fn eval_batches(lengths: &[usize], batch_size: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(lengths[*index]));
    order.chunks(batch_size.max(1)).map(<[usize]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mixed_lengths() -> Vec<usize> {
        (0..1003).map(|i| 5 + (i * 37) % 41).collect()
    }

    #[test]
    fn an_epoch_visits_every_example_once() {
        let mut plan = BatchPlan::new(mixed_lengths(), 16, 7);
        let mut seen: Vec<usize> = (0..plan.steps_per_epoch()).flat_map(|step| plan.batch(step)).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..1003).collect::<Vec<_>>(), "{} indices", seen.len());
    }

    #[test]
    fn any_step_can_be_computed_without_the_steps_before_it() {
        let mut walked = BatchPlan::new(mixed_lengths(), 16, 7);
        let all: Vec<_> = (0..3 * walked.steps_per_epoch()).map(|step| walked.batch(step)).collect();
        for step in [150, 0, 64, 63, 188] {
            let resumed = BatchPlan::new(mixed_lengths(), 16, 7).batch(step);
            assert_eq!(resumed, all[step], "step {step}");
        }
    }

    #[test]
    fn epochs_and_seeds_differ() {
        let plan = BatchPlan::new(mixed_lengths(), 16, 7);
        assert_ne!(plan.epoch(0), plan.epoch(1), "epochs 0 and 1 of seed 7");
        assert_ne!(plan.epoch(0), BatchPlan::new(mixed_lengths(), 16, 8).epoch(0), "seeds 7 and 8");
    }

    #[test]
    fn bucketing_saves_at_least_three_quarters_of_the_padding() {
        let lengths = mixed_lengths();
        let waste = |batches: &[Vec<usize>]| -> usize {
            let batch_waste = |batch: &Vec<usize>| {
                let longest = batch.iter().map(|i| lengths[*i]).max().unwrap_or(0);
                batch.iter().map(|i| longest - lengths[*i]).sum::<usize>()
            };
            batches.iter().map(batch_waste).sum()
        };
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        shuffle(&mut generator(7, Stream::Order, 0), &mut order);
        let plain: Vec<Vec<usize>> = order.chunks(16).map(<[usize]>::to_vec).collect();
        let bucketed = BatchPlan::new(lengths.clone(), 16, 7).epoch(0);
        let (plain, bucketed) = (waste(&plain), waste(&bucketed));
        assert!(bucketed * 4 < plain, "padding tokens: {bucketed} bucketed, {plain} plain");
    }

    #[test]
    fn evaluation_sees_every_example_longest_first() {
        let batches = eval_batches(&[3, 9, 4, 9, 1], 2);
        assert_eq!(batches, [vec![1, 3], vec![2, 0], vec![4]]);
    }

    #[test]
    fn collate_pads_to_the_multiple() {
        let short = Encoded { ids: vec![2, 7, 3], type_ids: vec![0, 0, 0] };
        let long = Encoded { ids: vec![2, 7, 8, 3, 9, 3], type_ids: vec![0, 0, 0, 0, 1, 1] };
        let batch = collate(&[&short, &long], 99, 4);
        assert_eq!((batch.size(), batch.length()), (2, 8));
        assert_eq!(batch.ids, [2, 7, 3, 99, 99, 99, 99, 99, 2, 7, 8, 3, 9, 3, 99, 99]);
        assert_eq!(batch.type_ids, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0]);
        assert_eq!(batch.lengths, [3, 6]);
    }

    #[test]
    fn no_token_is_to_follow_padding() {
        let next = |ids: &[i32]| NextTokens { ids: ids.to_vec(), bytes: 0 };
        let rows = [next(&[7, IGNORED, 9]), next(&[5])];
        assert_eq!(collate_next(&[&rows[0], &rows[1]], 4), [7, IGNORED, 9, IGNORED, 5, IGNORED, IGNORED, IGNORED]);
    }

    #[test]
    fn nothing_to_train_on_gives_empty_plans() {
        let mut plan = BatchPlan::new(Vec::new(), 0, 1);
        assert_eq!((plan.steps_per_epoch(), plan.batch(5)), (0, Vec::new()));
        assert_eq!(collate(&[], 0, 0).length(), 0);
    }
}
