//! Layers of equal width again: zeros in the place of heads and neurons that were removed. A head of zeros adds nothing, a
//! neuron of zeros is 0 behind every activation and adds nothing either.

use crate::linears::{Linear, missing, sides, tensors_of};
use crate::{ExportError, Weights};
use apt_core::blocks::LayerShape;
use apt_core::wiring::SubBlock;
use apt_nn::checkpoint::FileTensor;
use apt_nn::{ModelConfig, Pooling};
use std::collections::BTreeSet;

/// Whether transformers' own classes load a model of these sizes as it is.
pub(crate) fn is_plain(config: &ModelConfig) -> bool {
    let Some(full) = full(config) else { return false };
    let is_uniform = |of: LayerShape| config.layers.iter().all(|layer| *layer == of);
    match config.decoder {
        // With rotary positions config.json says how wide a head is, whatever the hidden dims.
        Some(_) => is_uniform(full) || is_rotary(config) && is_uniform(widest(config)),
        None => is_uniform(full) && has_own_head(config),
    }
}

/// Whether the classifier, if there is one, is what the family's class for sequence classification has.
pub(crate) fn has_own_head(config: &ModelConfig) -> bool {
    config.head.is_none_or(|head| head.pooling == Pooling::Pooler)
}

/// The shape of every layer of the smallest uniform model that holds this one: heads that fill the hidden dims, as
/// transformers has them. `None` where they cannot, and have to.
fn full(config: &ModelConfig) -> Option<LayerShape> {
    let widest = widest(config);
    let width = config.head_size * config.wiring().queries_per_key;
    let heads = config.hidden / width;
    let fits = config.hidden.is_multiple_of(width) && widest.heads <= heads;
    if fits { Some(LayerShape { heads, ..widest }) } else { is_rotary(config).then_some(widest) }
}

/// The most heads and the most neurons of a layer.
pub(crate) fn widest(config: &ModelConfig) -> LayerShape {
    let most = |units: fn(&LayerShape) -> usize| config.layers.iter().map(units).max().unwrap_or(0).max(1);
    LayerShape { heads: most(|layer| layer.heads), neurons: most(|layer| layer.neurons) }
}

fn is_rotary(config: &ModelConfig) -> bool {
    config.decoder.as_ref().is_some_and(|decoder| decoder.rotary.is_some())
}

/// The uniform model that computes the same.
///
/// # Errors
/// What zeros cannot make up for: hidden dims or, of an encoder, a whole sub-block that were removed; a classifier that is
/// not the family's.
pub(crate) fn padded(weights: &Weights) -> Result<Weights, ExportError> {
    let config = &weights.config;
    let refuse = |what: String| {
        let remedy = match config.decoder {
            Some(_) => "export it without --padded, whose code loads any pruned model",
            None => "export it without --padded, or with --format onnx: both hold any pruned model",
        };
        ExportError::Form { form: "transformers, padded", what, remedy }
    };
    let full = full(config).ok_or_else(|| {
        refuse(format!("{} hidden dims are left, which heads of {} do not fill", config.hidden, config.head_size))
    })?;
    if let Some(head) = config.head.filter(|_| !has_own_head(config)) {
        return Err(refuse(format!("its classifier reads {}", head.pooling.words())));
    }
    // In a decoder the norm stands within the sub-block, so that a sub-block of zeros adds nothing.
    for (index, layer) in config.layers.iter().enumerate().filter(|_| config.decoder.is_none()) {
        if let Some(gone) = missing(layer).next() {
            return Err(refuse(format!(
                "layer {index} has lost its whole {gone}, which is then left out with its norm"
            )));
        }
    }
    widened(weights, vec![full; config.layers.len()])
}

/// The model with layers of `shapes`, each as wide as its own or wider; sub-blocks that a decoder lost come back as zeros.
///
/// # Errors
/// A model that contradicts its own sizes.
pub(crate) fn widened(weights: &Weights, shapes: Vec<LayerShape>) -> Result<Weights, ExportError> {
    let config = ModelConfig { layers: shapes, ..weights.config.clone() };
    let (mut replaced, mut made) = (BTreeSet::new(), Vec::new());
    for (index, shape) in config.layers.iter().enumerate() {
        let linears = weights.linears(index)?;
        let wide = config.wiring().linears().filter(|spec| shape.units(spec.sub_block) > 0).map(|spec| {
            let [inputs, outputs] = sides(&config, &spec, shape);
            let linear = linears.iter().find(|(of, _)| of.site == spec.site);
            let linear = linear.map(|(_, linear)| linear.grown([inputs, outputs]));
            (spec, linear.unwrap_or_else(|| Linear::zeros([inputs, outputs], spec.bias)))
        });
        made.extend(tensors_of(&config, index, wide.collect()));
        let gone = missing(&weights.config.layers[index]).filter(|&sub_block| shape.units(sub_block) > 0);
        gone.for_each(|sub_block| made.extend(norms(&config, index, sub_block)));
        replaced.extend(tensors_of(&weights.config, index, linears).into_iter().map(|tensor| tensor.name));
    }
    let kept = weights.tensors.iter().filter(|tensor| !replaced.contains(&tensor.name)).cloned();
    let tensors = kept.chain(made).collect();
    Ok(Weights { config, tensors })
}

/// Norms of a sub-block that has none, which only normalise.
fn norms(config: &ModelConfig, index: usize, sub_block: SubBlock) -> Vec<FileTensor> {
    let (spec, wiring) = (config.family.spec(), config.wiring());
    let names = spec.tensors;
    let of_heads = spec.decoder.and_then(|decoder| decoder.head_norms).filter(|_| sub_block == SubBlock::Attention);
    let of_heads = of_heads.into_iter().flatten().map(|name| format!("{}.{name}", names.layer(index)));
    let all = [(names.norm(index, sub_block), config.hidden)].into_iter();
    let all = all.chain(of_heads.map(|name| (name, config.head_size)));
    all.flat_map(|(name, width)| {
        let tensor = |part: &str, value: f32| FileTensor {
            name: spec.published(&format!("{name}.{part}")),
            dims: vec![width],
            values: vec![value; width],
        };
        [Some(tensor("weight", 1.0)), wiring.norm_biases.then(|| tensor("bias", 0.0))].into_iter().flatten()
    })
    .collect()
}
