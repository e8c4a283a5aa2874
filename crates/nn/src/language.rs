//! What a decoder makes of texts: the loss of every token, without ever holding the logits of all of them.
//!
//! Logits of a vocabulary of tens of thousands are the largest tensor of a step by far. They are made for a few tokens at a
//! time, and what autodiff needs of them is the gradient of the hidden states alone, which is as small as those: it is made
//! with the loss.

use crate::{NnError, Transformer, kernels};
use burn::tensor::{Device, Int, Tensor, TensorData, activation};

/// Logits held at a time.
const AT_ONCE: usize = 1 << 23;

/// A target that does not count.
pub const IGNORED: i32 = -100;

/// What a decoder makes of every token, `[tokens]` each; nothing where the target is [`IGNORED`].
pub struct TokenScores {
    /// −ln p of the target, in nats.
    pub losses: Tensor<1>,
    /// 1 where the target has the largest logit, else 0; without autodiff.
    pub hits: Tensor<1>,
}

/// Losses of `targets` under what `model` gives to follow each token: `hidden` is [`Transformer::forward`]'s, `[tokens,
/// hidden]`, `targets` as many tokens, [`IGNORED`] where none counts. Gradients reach `hidden`, and a head that is trained.
///
/// # Errors
/// [`NnError::Config`] for an encoder, for another number of targets, or for one outside the vocabulary.
pub fn token_scores(model: &Transformer, hidden: Tensor<2>, targets: &[i32]) -> Result<TokenScores, NnError> {
    model.check_decoder()?;
    let table = model.unembedding();
    let ([tokens, _], [vocab, _]) = (hidden.dims(), table.dims());
    let outside = |id: &&i32| **id != IGNORED && usize::try_from(**id).map_or(true, |id| id >= vocab);
    let wrong = match targets.iter().find(outside) {
        Some(id) => Some(format!("target {id} is outside the vocabulary of {vocab}")),
        None if targets.len() != tokens => Some(format!("{} targets for {tokens} tokens", targets.len())),
        None => None,
    };
    if let Some(what) = wrong {
        let remedy = "make the batch with the model's own tokenizer".into();
        return Err(NnError::Config { file: "model".into(), what, remedy });
    }
    if table.is_require_grad() {
        return Ok(whole(&hidden, &table, targets));
    }
    let plain = hidden.clone().without_autodiff();
    let table = table.without_autodiff();
    let rows = (AT_ONCE / vocab.max(1)).clamp(1, tokens.max(1));
    let (mut losses, mut hits, mut slopes) = (vec![], vec![], vec![]);
    for (first, targets) in (0..tokens).step_by(rows).zip(targets.chunks(rows)) {
        let chunk = plain.clone().narrow(0, first, targets.len());
        let part = scored(&chunk, &table, targets, hidden.is_autodiff());
        losses.push(part.losses);
        hits.push(part.hits);
        slopes.extend(part.slopes);
    }
    let losses = joined(losses, &plain.device());
    let hits = joined(hits, &plain.device());
    if slopes.is_empty() {
        return Ok(TokenScores { losses, hits });
    }
    // The value is that of the losses, and its gradient by the hidden states is what was found with them.
    let slopes = Tensor::from_inner(Tensor::cat(slopes, 0));
    let nothing = hidden.clone() - hidden.detach();
    let losses = Tensor::from_inner(losses) + (nothing * slopes).sum_dim(1).reshape([tokens]);
    Ok(TokenScores { losses, hits })
}

/// Of some tokens.
struct Part {
    losses: Tensor<1>,
    hits: Tensor<1>,
    /// ∂loss/∂hidden, a row for each token.
    slopes: Option<Tensor<2>>,
}

fn scored(hidden: &Tensor<2>, table: &Tensor<2>, targets: &[i32], with_slopes: bool) -> Part {
    let (n, device) = (targets.len(), hidden.device());
    let logits = kernels::product(hidden.clone(), table.clone().transpose());
    let (ids, counts) = targets_of(targets, &device);
    let rows = table.clone().select(0, ids.clone());
    let of_target = (hidden.clone() * rows.clone()).sum_dim(1).reshape([n]);
    let losses = (kernels::log_partition(logits.clone()) - of_target) * counts.clone();
    let hits = logits.clone().argmax(1).reshape([n]).equal(ids).float() * counts.clone();
    let slopes = with_slopes.then(|| {
        let shares = kernels::softmax(logits);
        (kernels::product(shares, table.clone()) - rows) * counts.unsqueeze_dim(1)
    });
    Part { losses, hits, slopes }
}

/// All at once, with a table that gradients reach.
fn whole(hidden: &Tensor<2>, table: &Tensor<2>, targets: &[i32]) -> TokenScores {
    let n = targets.len();
    let logits = hidden.clone().matmul(table.clone().transpose());
    let (ids, counts) = targets_of(targets, &logits.device());
    let hits = logits.clone().argmax(1).reshape([n]).equal(ids.clone()).float() * counts.clone();
    let of_target = activation::log_softmax(logits, 1).gather(1, ids.unsqueeze_dim(1)).reshape([n]);
    TokenScores { losses: -of_target * counts, hits: hits.without_autodiff() }
}

/// Targets as indices, and 1 for those that count.
fn targets_of(targets: &[i32], device: &Device) -> (Tensor<1, Int>, Tensor<1>) {
    let ids: Vec<i32> = targets.iter().map(|&id| id.max(0)).collect();
    let counts: Vec<f32> = targets.iter().map(|&id| if id == IGNORED { 0.0 } else { 1.0 }).collect();
    let n = targets.len();
    (Tensor::from_data(TensorData::new(ids, [n]), device), Tensor::from_data(TensorData::new(counts, [n]), device))
}

fn joined(parts: Vec<Tensor<1>>, device: &Device) -> Tensor<1> {
    if parts.is_empty() { Tensor::zeros([0], device) } else { Tensor::cat(parts, 0) }
}
