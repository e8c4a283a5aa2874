//! What a decoder makes of texts: the loss of every token, without ever holding the logits of all of them.
//!
//! Logits of a vocabulary of tens of thousands would be the largest tensor of a step by far. They are made for a few words of
//! it at a time (on the CPU) or a few tokens (elsewhere), and what autodiff needs of them is the gradient of the hidden states
//! alone, which is as small as those: it is made with the loss.

use crate::kernels::{self, vocabulary};
use crate::select::indices;
use crate::{NnError, Transformer};
use burn::tensor::{Device, Int, Tensor, TensorData, activation};

/// Logits held at a time.
const AT_ONCE: usize = 1 << 23;

/// A target that does not count.
pub const IGNORED: i32 = -100;

/// What a decoder makes of the tokens whose targets count, in their order; empty if none does.
pub struct TokenScores {
    /// −ln p of each target, in nats.
    pub losses: Tensor<1>,
    /// 1 where the target has the largest logit, else 0; without autodiff.
    pub hits: Tensor<1>,
}

/// Losses of `targets` under what `model` gives to follow each token: `hidden` is [`Transformer::forward`]'s, `[tokens,
/// hidden]`, `targets` as many tokens, [`IGNORED`] where none counts; nothing is computed for those. Gradients reach
/// `hidden`, and a head that is trained.
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
    let (rows, targets): (Vec<usize>, Vec<i32>) =
        targets.iter().copied().enumerate().filter(|(_, id)| *id != IGNORED).unzip();
    let device = hidden.device();
    if rows.is_empty() {
        return Ok(TokenScores { losses: Tensor::zeros([0], &device), hits: Tensor::zeros([0], &device) });
    }
    let hidden = if rows.len() < tokens { hidden.select(0, indices(&rows, &device)) } else { hidden };
    Ok(if table.is_require_grad() { whole(hidden, table, &targets) } else { in_parts(hidden, table, &targets) })
}

/// With a frozen table: for a few tokens at a time.
fn in_parts(hidden: Tensor<2>, table: Tensor<2>, targets: &[i32]) -> TokenScores {
    let tracked = hidden.is_autodiff();
    let (plain, table) = (hidden.clone().without_autodiff(), table.without_autodiff());
    let (losses, hits, slopes) = match vocabulary::scored(&plain, &table, targets, tracked) {
        Some(scored) => on_cpu(scored, plain.dims(), &plain.device()),
        None => chunked(&plain, &table, targets, tracked),
    };
    let Some(slopes) = slopes else { return TokenScores { losses, hits } };
    // The value is that of the losses, and its gradient by the hidden states is what was found with them.
    let slopes = Tensor::from_inner(slopes);
    let nothing = hidden.clone() - hidden.detach();
    let losses = Tensor::from_inner(losses) + (nothing * slopes).sum_dim(1).reshape([targets.len()]);
    TokenScores { losses, hits }
}

/// Losses, hits, and ∂loss/∂hidden, a row for each token, if it is wanted.
type Scores = (Tensor<1>, Tensor<1>, Option<Tensor<2>>);

fn on_cpu(scored: vocabulary::Scored, dims: [usize; 2], device: &Device) -> Scores {
    let vector = |values: Vec<f32>| Tensor::from_data(TensorData::new(values, [dims[0]]), device);
    let slopes = (!scored.slopes.is_empty()).then(|| Tensor::from_data(TensorData::new(scored.slopes, dims), device));
    (vector(scored.losses), vector(scored.hits), slopes)
}

/// By Burn's operations.
fn chunked(plain: &Tensor<2>, table: &Tensor<2>, targets: &[i32], tracked: bool) -> Scores {
    let at_once = (AT_ONCE / table.dims()[0].max(1)).max(1);
    let (mut losses, mut hits, mut slopes) = (vec![], vec![], vec![]);
    for (part, targets) in targets.chunks(at_once).enumerate() {
        let part = scored(plain.clone().narrow(0, part * at_once, targets.len()), table, targets, tracked);
        losses.push(part.losses);
        hits.push(part.hits);
        slopes.extend(part.slopes);
    }
    (Tensor::cat(losses, 0), Tensor::cat(hits, 0), tracked.then(|| Tensor::cat(slopes, 0)))
}

/// Of some tokens.
struct Part {
    losses: Tensor<1>,
    hits: Tensor<1>,
    /// ∂loss/∂hidden, a row for each token.
    slopes: Option<Tensor<2>>,
}

fn scored(hidden: Tensor<2>, table: &Tensor<2>, targets: &[i32], with_slopes: bool) -> Part {
    let n = targets.len();
    let ids = ids(targets, &hidden.device());
    let rows = table.clone().select(0, ids.clone());
    let of_target = (hidden.clone() * rows.clone()).sum_dim(1).reshape([n]);
    let logits = kernels::product(hidden, table.clone().transpose());
    let losses = kernels::log_partition(logits.clone()) - of_target;
    let hits = logits.clone().argmax(1).reshape([n]).equal(ids).float();
    let slopes = with_slopes.then(|| kernels::product(kernels::softmax(logits), table.clone()) - rows);
    Part { losses, hits, slopes }
}

/// All at once, with a table that gradients reach.
fn whole(hidden: Tensor<2>, table: Tensor<2>, targets: &[i32]) -> TokenScores {
    let n = targets.len();
    let logits = hidden.matmul(table.transpose());
    let ids = ids(targets, &logits.device());
    let hits = logits.clone().argmax(1).reshape([n]).equal(ids.clone()).float();
    let of_target = activation::log_softmax(logits, 1).gather(1, ids.unsqueeze_dim(1)).reshape([n]);
    TokenScores { losses: -of_target, hits: hits.without_autodiff() }
}

fn ids(targets: &[i32], device: &Device) -> Tensor<1, Int> {
    Tensor::from_data(TensorData::new(targets.to_vec(), [targets.len()]), device)
}
