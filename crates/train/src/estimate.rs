//! How much memory a run will need, from sizes alone, before anything is loaded.

use apt_core::arms::{Distillation, RankGrowth};
use apt_core::ranks::first_rank;
use apt_experiment::{Keep, Knobs};
use apt_nn::ModelConfig;

/// Bytes of one value.
const VALUE: u64 = 4;

/// The parts of a run's peak memory in bytes, by what they are. `labels` classes, inputs of at most `length` tokens.
///
/// Activations are what autodiff keeps of one batch, counted operation by operation for a dense layer; everything else
/// is counted exactly. The peak measured differs by what the allocator rounds and by how long inputs really are.
pub fn estimate(config: &ModelConfig, knobs: &Knobs, labels: usize, length: usize) -> Vec<(&'static str, u64)> {
    let shape = config.shape();
    let frozen = (shape.parameters() + config.embedding_parameters()) as u64;
    let head = (config.hidden * labels + labels + config.hidden * config.hidden + config.hidden) as u64;
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
    let per_layer = |layer: &apt_core::blocks::LayerShape| {
        let (heads, neurons, hidden) = (layer.heads as u64, layer.neurons as u64, config.hidden as u64);
        let attention = heads * config.head_size as u64;
        // Inputs, projections and context; weights of attention; neurons before and after; what is added and normed.
        tokens * (2 * hidden + 5 * attention + 2 * heads * length + 3 * neurons + 6 * hidden)
    };
    let activations: u64 = shape.layers.iter().map(per_layer).sum();
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
    let hidden = config.hidden as u64;
    let sides = |site: &str, layer: &apt_core::blocks::LayerShape| match site {
        "query" | "key" | "value" | "output" => hidden + (layer.heads * config.head_size) as u64,
        "up" | "down" => hidden + layer.neurons as u64,
        _ => 0,
    };
    let shape = config.shape();
    let sites = || knobs.adapters.0.iter().map(|site| site.name());
    let sum: u64 = shape.layers.iter().map(|layer| sites().map(|site| sides(site, layer)).sum::<u64>()).sum();
    let first = sum * first_rank(knobs.rank, knobs.rank_growth) as u64;
    let grows = matches!(knobs.rank_growth, RankGrowth::Adaptive | RankGrowth::Uniform);
    (first, if grows { (first as f64 * knobs.expand) as u64 } else { first })
}
