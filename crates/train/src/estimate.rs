//! How much memory a run will need, from sizes alone, before anything is loaded.

use crate::head::pooling_for;
use crate::language::LOGITS_AT_ONCE;
use crate::setup::pooling_of;
use apt_core::arms::{Distillation, RankGrowth};
use apt_core::blocks::LayerShape;
use apt_core::ranks::first_rank;
use apt_core::wiring::{LinearSpec, SubBlock};
use apt_experiment::{Keep, Knobs};
use apt_nn::{HeadConfig, ModelConfig};

/// Bytes of one value.
const VALUE: u64 = 4;

/// The parts of a run's peak memory in bytes, by what they are. `labels` classes, inputs of `length` tokens each: of
/// shorter ones a run on the CPU takes less, as padding is not computed.
///
/// Activations are what autodiff keeps of one batch, counted operation by operation for a dense layer; everything else
/// is counted exactly. The peak measured differs by what the allocator rounds and by how long inputs really are.
pub fn estimate(config: &ModelConfig, knobs: &Knobs, labels: usize, length: usize) -> Vec<(&'static str, u64)> {
    let shape = config.shape();
    let is_decoder = config.decoder.is_some();
    // A decoder's head is never trained beside adapters.
    let own_head = if is_decoder { config.head_parameters() } else { 0 };
    let frozen = (shape.parameters() + config.embedding_parameters() + own_head) as u64;
    let head = HeadConfig::new(pooling_for(config, pooling_of(knobs)), config.hidden, labels);
    let head = ModelConfig { head: Some(head), ..config.clone() };
    let head = if is_decoder { 0 } else { head.head_parameters() as u64 };
    let (first, most) = adapters(config, knobs);
    let trainable = if knobs.train_base { shape.parameters() as u64 } else { most } + head;
    // Values, gradients, two moments and the decay vector; the best weights beside them.
    let copies = if knobs.keep == Keep::Best { 6 } else { 5 };
    let teacher = match knobs.distillation {
        Distillation::Off => 0,
        Distillation::Shared => first + head,
        Distillation::Separate => frozen + first + head,
    };
    let length = length.min(knobs.max_length).min(config.max_length()) as u64;
    let tokens = knobs.batch_size as u64 * length;
    let wiring = config.wiring();
    let dropout = knobs.dropout > 0.0;
    let per_layer = |layer: &LayerShape| {
        let of = |&sub_block: &SubBlock| {
            let units = layer.units(sub_block);
            let written = wiring.linears_of(sub_block).filter(|linear| linear.output.axis == sub_block.axis());
            let written: usize = written.map(|linear| linear.output.width * units).sum();
            // Its input and what is added and normed; what is written for its units, and what is read of them. What
            // dropout multiplies by is a value on a GPU, half of one on the CPU.
            let of_stream = if dropout { 5 } else { 4 };
            let entries = of_stream * config.hidden + written + 2 * wiring.activation_width(sub_block) * units;
            let of_weights = if dropout { 4 } else { 2 };
            let between_tokens = match sub_block {
                SubBlock::Attention => of_weights * units as u64 * length,
                SubBlock::FeedForward => 0,
            };
            tokens * (entries as u64 + between_tokens)
        };
        SubBlock::ALL.iter().map(of).sum::<u64>()
    };
    let activations: u64 = shape.layers.iter().map(per_layer).sum();
    // Logits of some tokens, their softmax and what of it is multiplied.
    let logits =
        if is_decoder { 3 * tokens.saturating_mul(config.vocab_size as u64).min(LOGITS_AT_ONCE as u64) } else { 0 };
    let activations = activations + logits;
    vec![
        ("frozen weights", frozen * VALUE),
        ("trainable values, gradients and optimiser", trainable * copies * VALUE),
        ("teacher", teacher * VALUE),
        ("activations of one batch", activations * VALUE),
    ]
}

/// Values in all adapters at their first ranks, and the most that growth may make of them.
fn adapters(config: &ModelConfig, knobs: &Knobs) -> (u64, u64) {
    if knobs.train_base {
        return (0, 0);
    }
    let carries = |linear: &LinearSpec| knobs.adapters.contains(linear.site);
    let sides = |layer: &LayerShape, linear: LinearSpec| -> usize {
        [linear.input, linear.output].iter().map(|&side| config.entries(side, linear.sub_block, layer)).sum()
    };
    let of_layer = |layer: &LayerShape| -> usize {
        config.wiring().linears().filter(carries).map(|linear| sides(layer, linear)).sum()
    };
    let sum = config.layers.iter().map(of_layer).sum::<usize>() as u64;
    let first = sum * first_rank(knobs.rank, knobs.rank_growth) as u64;
    let grows = matches!(knobs.rank_growth, RankGrowth::Adaptive | RankGrowth::Uniform);
    (first, if grows { (first as f64 * knobs.expand) as u64 } else { first })
}
