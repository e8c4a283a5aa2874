//! Masked-language-model targets for pretraining, after Devlin et al. 2019, section 3.1: a share of the
//! tokens is to be predicted; of those 80 % are shown as `[MASK]`, 10 % as a random token, 10 % as they are.

use apt_core::tokens::TokenBatch;
use rand::RngExt;

use crate::seeded::{Stream, chance, generator};

/// Target value of a position that is not predicted.
pub const IGNORED: i32 = -100;

/// What may be masked and what it becomes.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskPolicy {
    /// Share of maskable tokens to predict, BERT's 0.15.
    pub probability: f64,
    /// Ids that are predicted wherever they stand, and always shown as ``[MASK]``.
    pub always: Vec<u32>,
    /// Id of ``[MASK]``.
    pub mask_id: u32,
    /// Ids that are never masked and never drawn as replacement.
    pub special_ids: Vec<u32>,
    /// Replacements are drawn from `0..vocab_size`.
    pub vocab_size: usize,
}

/// A batch whose tokens were partly hidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskedBatch {
    /// What the model is shown.
    pub tokens: TokenBatch,
    /// The true id where it is to be predicted, [`IGNORED`] elsewhere, `[sequences, length]`.
    pub targets: Vec<i32>,
    /// Flat indices (`row · length + column`) of the positions to predict, ascending.
    pub positions: Vec<usize>,
}

/// Hides tokens of `batch`; the same `(seed, step)` hides the same ones. Every row that has a
/// maskable token has at least one to predict, so that no loss is a mean over nothing.
pub fn mask_batch(batch: &TokenBatch, policy: &MaskPolicy, seed: u64, step: u64) -> MaskedBatch {
    let mut rng = generator(seed, Stream::HiddenTokens, step);
    let special = |id: i32| policy.special_ids.iter().any(|special| *special as i32 == id);
    let replacements: Vec<i32> = (0..policy.vocab_size as i32).filter(|id| !special(*id)).collect();
    let mut masked =
        MaskedBatch { tokens: batch.clone(), targets: vec![IGNORED; batch.ids.len()], positions: Vec::new() };
    for (row, length) in batch.lengths.iter().enumerate() {
        let start = row * batch.length();
        let maskable: Vec<usize> = (start..start + length).filter(|at| !special(batch.ids[*at])).collect();
        if maskable.is_empty() {
            continue;
        }
        let sure = maskable[rng.random_range(0..maskable.len() as u64) as usize];
        let always = |at: usize| policy.always.iter().any(|id| *id as i32 == batch.ids[at]);
        let drawn = |rng: &mut _| chance(rng, policy.probability.clamp(0.0, 1.0));
        let mut chosen: Vec<usize> = maskable.iter().copied().filter(|at| drawn(&mut rng) || always(*at)).collect();
        if chosen.is_empty() {
            chosen.push(sure);
        }
        for at in chosen {
            masked.targets[at] = batch.ids[at];
            masked.positions.push(at);
            match rng.random_range(0..10u32) {
                _ if always(at) => masked.tokens.ids[at] = policy.mask_id as i32,
                0..8 => masked.tokens.ids[at] = policy.mask_id as i32,
                8 if !replacements.is_empty() => {
                    masked.tokens.ids[at] = replacements[rng.random_range(0..replacements.len() as u64) as usize];
                }
                _ => {}
            }
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: fn() -> MaskPolicy = || MaskPolicy {
        probability: 0.15,
        always: vec![],
        mask_id: 4,
        special_ids: vec![0, 1, 2, 3, 4],
        vocab_size: 1000,
    };

    /// 200 rows of [CLS], 48 words, [SEP], 6 paddings.
    fn batch() -> TokenBatch {
        let row = |r: i32| {
            let words = (0..48).map(move |c| 5 + (r * 31 + c * 17) % 990);
            std::iter::once(2).chain(words).chain([3]).chain([0; 6])
        };
        let ids: Vec<i32> = (0..200).flat_map(row).collect();
        TokenBatch::of_one_type(ids, vec![50; 200])
    }

    #[test]
    fn fifteen_percent_are_hidden_eighty_ten_ten() {
        let (batch, masked) = (batch(), mask_batch(&batch(), &POLICY(), 3, 0));
        let of = |count: usize, all: usize| count as f64 / all as f64;
        let chosen = masked.positions.len();
        let shown_as = |f: &dyn Fn(usize) -> bool| masked.positions.iter().filter(|at| f(**at)).count();
        let hidden = of(shown_as(&|at| masked.tokens.ids[at] == 4), chosen);
        let kept = of(shown_as(&|at| masked.tokens.ids[at] == batch.ids[at]), chosen);
        let share = of(chosen, 200 * 48);
        assert!((share - 0.15).abs() < 0.015, "share to predict {share}");
        assert!((hidden - 0.8).abs() < 0.04, "share shown as `[MASK]` {hidden}");
        assert!((kept - 0.1).abs() < 0.04, "share left as it was {kept}");
    }

    #[test]
    fn special_tokens_and_padding_stay() {
        let (batch, masked) = (batch(), mask_batch(&batch(), &POLICY(), 3, 0));
        for (at, id) in batch.ids.iter().enumerate() {
            let predicted = masked.targets[at] != IGNORED;
            assert!(*id >= 5 || (!predicted && masked.tokens.ids[at] == *id), "position {at}, id {id}");
            assert_eq!(predicted, masked.positions.binary_search(&at).is_ok(), "position {at}");
            assert!(predicted || masked.tokens.ids[at] == *id, "position {at} changed without a target");
        }
    }

    #[test]
    fn masking_follows_seed_and_step() {
        assert_eq!(mask_batch(&batch(), &POLICY(), 3, 5), mask_batch(&batch(), &POLICY(), 3, 5));
        assert_ne!(mask_batch(&batch(), &POLICY(), 3, 5), mask_batch(&batch(), &POLICY(), 3, 6));
        assert_ne!(mask_batch(&batch(), &POLICY(), 3, 5), mask_batch(&batch(), &POLICY(), 4, 5));
    }

    #[test]
    fn every_row_has_something_to_predict() {
        let policy = MaskPolicy { probability: 0.0, ..POLICY() };
        let masked = mask_batch(&batch(), &policy, 1, 0);
        assert_eq!(masked.positions.len(), 200, "one position for each of 200 rows");
    }

    #[test]
    fn words_of_the_list_are_always_hidden() {
        let batch = batch();
        let always = vec![batch.ids[7] as u32, batch.ids[60] as u32];
        let masked = mask_batch(&batch, &MaskPolicy { probability: 0.0, always: always.clone(), ..POLICY() }, 1, 0);
        let listed = |at: &usize| always.contains(&(batch.ids[*at] as u32));
        let expected = (0..batch.ids.len()).filter(listed).count();
        let hidden = masked.positions.iter().copied().filter(listed);
        assert!(hidden.clone().all(|at| masked.tokens.ids[at] == 4), "one of them is shown");
        assert_eq!(hidden.count(), expected, "hidden of {expected}");
    }
}
