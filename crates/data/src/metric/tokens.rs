//! Metrics of texts that are predicted token by token, and of endings told apart by their likelihood.

use std::collections::BTreeMap;

use super::Metric;
use crate::mlm::IGNORED;
use crate::target::{Target, TokenScore};

/// Perplexity, bits per byte or token accuracy. Of an example with several endings the right one counts.
pub(super) fn of_texts(metric: Metric, scores: &[Vec<TokenScore>], targets: &[Target]) -> Option<f64> {
    let mut all = TokenScore::default();
    for (scores, target) in scores.iter().zip(targets) {
        if let Some(score) = scores.get(target.right_ending().unwrap_or(0)) {
            all += *score;
        }
    }
    of(metric, &all)
}

fn of(metric: Metric, all: &TokenScore) -> Option<f64> {
    let tokens = (all.tokens > 0).then_some(all.tokens as f64)?;
    match metric {
        Metric::Perplexity => Some((all.nats / tokens).exp()),
        Metric::BitsPerByte => (all.bytes > 0).then(|| all.nats / std::f64::consts::LN_2 / all.bytes as f64),
        Metric::TokenAccuracy => Some(all.right as f64 / tokens),
        _ => None,
    }
}

/// Share of the examples whose right ending is the first of those with the largest `likelihood`.
pub(super) fn accuracy(
    scores: &[Vec<TokenScore>],
    targets: &[Target],
    likelihood: impl Fn(&TokenScore) -> f64,
) -> Option<f64> {
    let chosen = |scores: &[TokenScore]| {
        let all: Vec<f64> = scores.iter().map(&likelihood).collect();
        let best = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        all.iter().position(|value| *value == best)
    };
    let pairs: Vec<(Option<usize>, usize)> = scores
        .iter()
        .zip(targets)
        .filter_map(|(scores, target)| Some((chosen(scores), target.right_ending()?)))
        .collect();
    let right = pairs.iter().filter(|(chosen, right)| *chosen == Some(*right)).count();
    (!pairs.is_empty()).then(|| right as f64 / pairs.len() as f64)
}

/// What knows nothing of texts but how often each token occurs in `seen`, each counted once more and so is whatever does
/// not occur there; of endings, which place is most often right.
pub(super) fn of_constant(metric: Metric, seen: &[Target], targets: &[Target]) -> f64 {
    if matches!(metric, Metric::Accuracy | Metric::AccuracyByLength) {
        let mut places: BTreeMap<usize, usize> = BTreeMap::new();
        targets.iter().filter_map(Target::right_ending).for_each(|right| *places.entry(right).or_default() += 1);
        let all: usize = places.values().sum();
        return super::ratio(places.into_values().max().unwrap_or(0) as f64, all as f64);
    }
    let (known, counts) = (counts(seen), counts(targets));
    let total = (known.values().sum::<usize>() + known.len() + 1) as f64;
    let nats = |id: &i32| (total / (known.get(id).copied().unwrap_or(0) + 1) as f64).ln();
    let commonest = known.iter().max_by_key(|(_, count)| **count).map(|(id, _)| *id);
    let all = TokenScore {
        nats: counts.iter().map(|(id, &count)| count as f64 * nats(id)).sum(),
        tokens: counts.values().sum(),
        right: commonest.and_then(|id| counts.get(&id)).copied().unwrap_or(0),
        bytes: targets.iter().filter_map(Target::tokens).map(|next| next.bytes).sum(),
    };
    of(metric, &all).unwrap_or(0.0)
}

/// How often each token is to be predicted.
fn counts(targets: &[Target]) -> BTreeMap<i32, usize> {
    let mut counts = BTreeMap::new();
    let ids = targets.iter().filter_map(Target::tokens).flat_map(|next| &next.ids);
    ids.filter(|id| **id != IGNORED).for_each(|id| *counts.entry(*id).or_default() += 1);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{Endings, NextTokens};
    use crate::tokenizer::Encoded;

    fn score(nats: f64, tokens: usize, right: usize, bytes: usize) -> TokenScore {
        TokenScore { nats, tokens, right, bytes }
    }

    fn close(what: &str, ours: Option<f64>, expected: f64) {
        assert!(ours.is_some_and(|ours| (ours - expected).abs() < 1e-12), "{what}: {ours:?}, expected {expected}");
    }

    #[test]
    fn loss_is_averaged_over_tokens_and_bits_over_bytes() {
        let targets = [vec![3, 5, IGNORED], vec![3]].map(|ids| Target::Tokens(NextTokens { ids, bytes: 4 }));
        let scores = [vec![score(2.0, 2, 1, 4)], vec![score(4.0, 1, 0, 4)]];
        close("perplexity", Metric::Perplexity.of_tokens(&scores, &targets), 2.0_f64.exp());
        close("bits", Metric::BitsPerByte.of_tokens(&scores, &targets), 6.0 / 2.0_f64.ln() / 8.0);
        close("accuracy", Metric::TokenAccuracy.of_tokens(&scores, &targets), 1.0 / 3.0);
        assert_eq!(Metric::Perplexity.of_tokens(&[], &[]), None, "of no token");
        // Two of three tokens are 3, and one more of 3, of 5 and of all others is counted: 3, 2 and 1 of 6.
        let entropy = 2.0 / 3.0 * 2.0_f64.ln() + 1.0 / 3.0 * 3.0_f64.ln();
        close("chance", Some(Metric::Perplexity.of_constant(&targets)), entropy.exp());
        let seen = [Target::Tokens(NextTokens { ids: vec![5, 5, 7], bytes: 0 })];
        let unseen = 2.0 / 3.0 * 6.0_f64.ln() + 1.0 / 3.0 * 2.0_f64.ln();
        close("of others", Some(Metric::Perplexity.of_learned_constant(&seen, &targets)), unseen.exp());
        close("the commonest there", Some(Metric::TokenAccuracy.of_learned_constant(&seen, &targets)), 1.0 / 3.0);
        close("the commonest token", Some(Metric::TokenAccuracy.of_constant(&targets)), 2.0 / 3.0);
    }

    #[test]
    fn a_long_ending_loses_by_likelihood_and_wins_by_length() {
        let next = |bytes| NextTokens { ids: vec![1], bytes };
        let encoded = || Encoded { ids: vec![1], type_ids: vec![0] };
        let all = vec![(encoded(), next(10)), (encoded(), next(2))];
        let targets = [Target::Endings(Endings { all, right: 0 })];
        let scores = [vec![score(5.0, 3, 0, 10), score(2.0, 1, 0, 2)]];
        close("raw", Metric::Accuracy.of_tokens(&scores, &targets), 0.0);
        close("by length", Metric::AccuracyByLength.of_tokens(&scores, &targets), 1.0);
        close("chance", Some(Metric::Accuracy.of_constant(&targets)), 1.0);
        close("loss of the right one", Metric::Perplexity.of_tokens(&scores, &targets), (5.0_f64 / 3.0).exp());
    }
}
