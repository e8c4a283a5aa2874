//! Losses and scores of texts that are predicted token by token (METHOD §6.3). Logits of a vocabulary would be the largest
//! tensor of a step by far: never are all of them there at once, and what autodiff needs of them, the gradient by the hidden
//! states, is made with the loss.

use crate::TrainError;
use crate::evaluate::{PAD_MULTIPLE, Part};
use crate::losses::predicted;
use apt_core::tokens::TokenBatch;
use apt_data::mlm::IGNORED;
use apt_data::{Encoded, Example, NextTokens, Target, TokenScore, collate, collate_next};
use apt_nn::checkpoint::read_back;
use apt_nn::language::token_scores;
use apt_nn::{Batch, DeviceMasks, Forward, Transformer, divergence};
use burn::tensor::{Device, Int, Tensor, TensorData, activation};

/// Tokens of an evaluation batch, padding included.
const EVAL_TOKENS: usize = 8192;
/// Logits held at a time.
pub(crate) const LOGITS_AT_ONCE: usize = 1 << 21;

/// Mean loss in nats of the tokens `next` that are predicted, `[1]`; `hidden` is the student's output, `[tokens, hidden]`.
///
/// # Errors
/// An encoder, or a token that the model does not know.
pub(crate) fn token_loss(student: &Transformer, hidden: Tensor<2>, next: &[i32]) -> Result<Tensor<1>, TrainError> {
    let count = next.iter().filter(|id| **id != IGNORED).count().max(1);
    Ok(token_scores(student, hidden, next)?.losses.sum() * (1.0 / count as f64))
}

/// What a decoder makes of a batch: its output `[tokens, hidden]`, and the table `[vocab, hidden]` that makes logits of it.
pub(crate) struct Expectation {
    hidden: Tensor<2>,
    table: Tensor<2>,
}

impl Expectation {
    /// Of `hidden`, which is the output of `model`.
    pub(crate) fn new(model: &Transformer, hidden: Tensor<2>) -> Self {
        let table = model.lm_head.as_ref().unwrap_or(&model.embeddings.words).val();
        Self { hidden, table }
    }

    /// What it makes of the tokens `rows`.
    fn rows(&self, rows: &[i32]) -> Tensor<2> {
        let indices = TensorData::new(rows.to_vec(), [rows.len()]);
        self.hidden.clone().select(0, Tensor::<1, Int>::from_data(indices, &self.hidden.device()))
    }
}

/// `T²·KL(teacher ‖ student)` of what both expect after the tokens of which `next` is predicted, mean over these tokens: the
/// published code divides the sum over a batch by its sequences and by the tokens predicted in each.
pub(crate) fn token_divergence(
    student: &Expectation,
    teacher: &Expectation,
    next: &[i32],
    temperature: f64,
) -> Tensor<1> {
    let (rows, _) = predicted(next);
    if rows.is_empty() {
        return student.hidden.clone().sum() * 0.0;
    }
    let count = rows.len();
    let scale = temperature * temperature / count as f64;
    let hidden = student.rows(&rows);
    let (plain, of_teacher) = (hidden.clone().without_autodiff(), teacher.rows(&rows));
    if student.table.is_require_grad() {
        let own = hidden.matmul(student.table.clone().transpose());
        let taught = Tensor::from_inner(of_teacher.matmul(teacher.table.clone().transpose()));
        return divergence(own, taught, temperature, 1.0);
    }
    let tables = [student.table.clone().without_autodiff(), teacher.table.clone()].map(Tensor::transpose);
    let [vocab, _] = student.table.dims();
    let at_once = (LOGITS_AT_ONCE / vocab.max(1)).clamp(1, count);
    let (mut sum, mut slopes) = (Tensor::<1>::zeros([1], &plain.device()), Vec::new());
    for first in (0..count).step_by(at_once) {
        let length = at_once.min(count - first);
        let softened = |hidden: &Tensor<2>, table: &Tensor<2>| {
            activation::log_softmax(hidden.clone().narrow(0, first, length).matmul(table.clone()) / temperature, 1)
        };
        let (own, taught) = (softened(&plain, &tables[0]), softened(&of_teacher, &tables[1]));
        let shares = taught.clone().exp();
        sum = sum + (shares.clone() * (taught - own.clone())).sum();
        slopes.push((own.exp() - shares).matmul(tables[0].clone().transpose()));
    }
    let sum = sum * scale;
    if !hidden.is_autodiff() {
        return sum;
    }
    // The value is that of the divergences, and its gradient by the hidden states is what was found with them.
    let slopes = Tensor::from_inner(Tensor::cat(slopes, 0) * (scale / temperature));
    let nothing = hidden.clone() - hidden.detach();
    Tensor::from_inner(sum) + (nothing * slopes).sum()
}

/// Every sequence of `examples` with the tokens that follow it, and the example that it belongs to: one each, or one for each
/// ending.
fn sequences(examples: &[Example]) -> Vec<(usize, &Encoded, &NextTokens)> {
    let mut sequences = Vec::new();
    for (index, example) in examples.iter().enumerate() {
        match &example.target {
            Target::Endings(endings) => {
                sequences.extend(endings.all.iter().map(|(tokens, next)| (index, tokens, next)))
            }
            target => sequences.extend(target.tokens().map(|next| (index, &example.tokens, next))),
        }
    }
    sequences
}

/// How well `model`, which must be without autodiff, predicts the tokens of a part of `examples`: of every sequence the loss
/// in nats and how many tokens are right; zeros in the place of the others.
///
/// # Errors
/// When scores cannot be read back or are not finite.
pub(crate) async fn found(
    model: &Transformer,
    masks: Option<&DeviceMasks>,
    examples: &[Example],
    part: Part,
) -> Result<Vec<f64>, TrainError> {
    let sequences = sequences(examples);
    let device = model.device();
    let mut found = vec![0.0; 2 * sequences.len()];
    for places in part.batches(batches(&sequences.iter().map(|(_, tokens, _)| tokens.ids.len()).collect::<Vec<_>>())) {
        let batch: Vec<&Encoded> = places.iter().map(|&place| sequences[place].1).collect();
        let tokens = collate(&batch, model.config.pad_id, PAD_MULTIPLE);
        let next: Vec<&NextTokens> = places.iter().map(|&place| sequences[place].2).collect();
        let inputs = Batch::packed(&tokens, &model.config, &device);
        let targets = inputs.own(collate_next(&next, tokens.length()));
        let hidden = model.forward(&inputs, Forward { masks, ..Forward::default() }).hidden;
        let scored = token_scores(model, hidden, &targets)?;
        let read = read_back(Tensor::cat(vec![scored.losses, scored.hits], 0), "losses of tokens").await?;
        let (losses, hits) = read.split_at(read.len() / 2);
        let (mut losses, mut hits) = (losses.iter(), hits.iter());
        for (&place, next) in places.iter().zip(&next) {
            let of_row = next.count();
            let sum = |values: &mut std::slice::Iter<'_, f32>| values.take(of_row).map(|&v| f64::from(v)).sum::<f64>();
            let nats = sum(&mut losses);
            if !nats.is_finite() {
                return Err(TrainError::NotFinite { step: 0, tensor: "losses of an evaluation".into() });
            }
            // As what a team adds up, so that it does not matter who computed it.
            (found[2 * place], found[2 * place + 1]) = (f64::from(nats as f32), sum(&mut hits));
        }
    }
    Ok(found)
}

/// What was [`found`] of all `examples`: one score each, or one for each ending.
pub(crate) fn scores(found: &[f64], examples: &[Example]) -> Vec<Vec<TokenScore>> {
    let mut all = vec![Vec::new(); examples.len()];
    for ((index, _, next), found) in sequences(examples).into_iter().zip(found.chunks_exact(2)) {
        all[index].push(TokenScore {
            nats: found[0],
            tokens: next.count(),
            right: found[1] as usize,
            bytes: next.bytes,
        });
    }
    all
}

/// Sequences of these lengths in batches of at most [`EVAL_TOKENS`], the longest first.
fn batches(lengths: &[usize]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&place| std::cmp::Reverse(lengths[place]));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut longest = 1;
    for place in order {
        match batches.last_mut() {
            Some(batch) if (batch.len() + 1) * longest <= EVAL_TOKENS => batch.push(place),
            Some(_) | None => {
                longest = lengths[place].next_multiple_of(PAD_MULTIPLE).max(1);
                batches.push(vec![place]);
            }
        }
    }
    batches
}

/// Mean loss in nats of the tokens that are predicted, of several endings those of the right one.
pub(crate) fn mean_loss(scores: &[Vec<TokenScore>], examples: &[Example]) -> f64 {
    let mut all = TokenScore::default();
    for (scores, example) in scores.iter().zip(examples) {
        if let Some(score) = scores.get(example.target.right_ending().unwrap_or(0)) {
            all += *score;
        }
    }
    all.nats / all.tokens.max(1) as f64
}

/// Logits `[sequences, vocab]` of what follows each sequence: what a decoder is asked for, and what takes time.
///
/// # Errors
/// An encoder.
pub(crate) fn last_logits(model: &Transformer, tokens: &TokenBatch, device: &Device) -> Result<Tensor<2>, TrainError> {
    let hidden = model.forward(&Batch::new(tokens, &model.config, device), Forward::default()).hidden;
    let length = tokens.length();
    let last = |(row, &n): (usize, &usize)| (row * length + n.max(1) - 1) as i32;
    let last: Vec<i32> = tokens.lengths.iter().enumerate().map(last).collect();
    let rows = last.len();
    let last = Tensor::<1, Int>::from_data(TensorData::new(last, [rows]), device);
    Ok(model.next_token_logits(hidden.select(0, last))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(device: &Device, seed: i32, rows: usize, columns: usize) -> Tensor<2> {
        let values: Vec<f32> =
            (0..rows * columns).map(|i| ((i as i32 * 37 + seed * 101) % 89) as f32 / 44.5 - 1.0).collect();
        Tensor::from_data(TensorData::new(values, [rows, columns]), device)
    }

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        pollster::block_on(read_back(tensor.without_autodiff(), "a test")).expect("the CPU reads")
    }

    #[test]
    fn the_divergence_of_tokens_and_its_gradient_are_those_of_their_logits() {
        let (plain, temperature) = (Device::flex(), 0.7);
        let tracked = plain.clone().autodiff();
        let next = [3, IGNORED, 0, 6, IGNORED];
        let hidden = || matrix(&tracked, 1, 5, 4).require_grad();
        let (own, taught) = (matrix(&plain, 2, 7, 4), matrix(&plain, 3, 7, 6));
        let teacher = Expectation { hidden: matrix(&plain, 4, 5, 6), table: taught.clone() };

        let ours = hidden();
        let student = Expectation { hidden: ours.clone(), table: Tensor::from_inner(own.clone()) };
        let loss = token_divergence(&student, &teacher, &next, temperature);
        let gradient = ours.grad(&loss.backward()).expect("a gradient");

        let whole = hidden();
        let rows = |of: Tensor<2>, device: &Device| {
            of.select(0, Tensor::<1, Int>::from_data(TensorData::new(vec![0_i32, 2, 3], [3]), device))
        };
        let logits = rows(whole.clone(), &tracked).matmul(Tensor::from_inner(own.transpose()));
        let of_teacher = rows(teacher.hidden.clone(), &plain).matmul(taught.transpose());
        let direct = divergence(logits, Tensor::from_inner(of_teacher), temperature, 1.0);
        let expected = whole.grad(&direct.backward()).expect("a gradient");

        let [loss, direct] = [loss, direct].map(|loss| values(loss)[0]);
        assert!((loss - direct).abs() < 1e-5 * direct.abs(), "{loss}, of all logits {direct}");
        for (ours, expected) in values(gradient).into_iter().zip(values(expected)) {
            assert!((ours - expected).abs() < 1e-5, "{ours}, of all logits {expected}");
        }
    }

    #[test]
    fn every_sequence_is_in_a_batch_and_none_is_too_large() {
        let lengths: Vec<usize> = (0..300).map(|n| 1 + (n * 37) % 700).collect();
        let batches = batches(&lengths);
        let mut seen: Vec<usize> = batches.concat();
        seen.sort_unstable();
        assert_eq!(seen, (0..300).collect::<Vec<_>>());
        let tokens = |batch: &Vec<usize>| {
            batch.len() * batch.iter().map(|&place| lengths[place]).max().unwrap_or(0).next_multiple_of(PAD_MULTIPLE)
        };
        let most = batches.iter().map(tokens).max();
        assert!(most.is_some_and(|most| most <= EVAL_TOKENS), "{most:?}");
        assert!(batches.len() < 30, "{}", batches.len());
    }
}
