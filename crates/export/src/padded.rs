//! Layers of equal width again: zeros in the place of heads and neurons that were removed. A head of zeros adds nothing, a
//! neuron of zeros is 0 behind every activation and adds nothing either.

use crate::{ExportError, Weights};
use apt_core::blocks::LayerShape;
use apt_core::wiring::{Axis, Side, SubBlock};
use apt_nn::checkpoint::FileTensor;
use apt_nn::{ModelConfig, Pooling};

/// Whether transformers' own classes load a model of these sizes as it is.
pub(crate) fn is_plain(config: &ModelConfig) -> bool {
    let full = full(config);
    full.is_some() && config.layers.iter().all(|layer| Some(*layer) == full) && has_own_head(config)
}

/// Whether the classifier, if there is one, is what the family's class for sequence classification has.
pub(crate) fn has_own_head(config: &ModelConfig) -> bool {
    config.head.is_none_or(|head| head.pooling == Pooling::Pooler)
}

/// The shape of every layer of the smallest uniform model that holds this one: heads that fill the hidden dims, as
/// transformers has them. `None` where they cannot.
fn full(config: &ModelConfig) -> Option<LayerShape> {
    let heads = config.hidden / config.head_size;
    let most = |units: fn(&LayerShape) -> usize| config.layers.iter().map(units).max().unwrap_or(0);
    let fits = config.hidden.is_multiple_of(config.head_size) && most(|layer| layer.heads) <= heads;
    fits.then(|| LayerShape { heads, neurons: most(|layer| layer.neurons) })
}

/// The uniform model that computes the same.
///
/// # Errors
/// What zeros cannot make up for: hidden dims or a whole sub-block that were removed, a classifier that is not the family's.
pub(crate) fn padded(weights: &Weights) -> Result<Weights, ExportError> {
    let config = &weights.config;
    let refuse = |what: String| {
        let remedy = "export it without --padded, or with --format onnx: both hold any pruned model";
        ExportError::Form { form: "transformers, padded", what, remedy }
    };
    config.check_encoder()?;
    let full = full(config).ok_or_else(|| {
        refuse(format!("{} hidden dims are left, which heads of {} do not fill", config.hidden, config.head_size))
    })?;
    if let Some(head) = config.head.filter(|_| !has_own_head(config)) {
        return Err(refuse(format!("its classifier reads {}", head.pooling.words())));
    }
    for (index, layer) in config.layers.iter().enumerate() {
        if let Some(gone) = SubBlock::ALL.iter().find(|&&sub_block| layer.units(sub_block) == 0) {
            return Err(refuse(format!(
                "layer {index} has lost its whole {gone}, which is then left out with its norm"
            )));
        }
    }
    let mut tensors = weights.tensors.clone();
    let spec = config.family.spec();
    for index in 0..config.layers.len() {
        for linear in config.wiring().linears() {
            let entries = |side: Side| match side.axis {
                Axis::Hidden => config.hidden,
                _ => full.units(linear.sub_block) * side.width,
            };
            let name = spec.published(&spec.tensors.linear(index, linear.site));
            let [inputs, outputs] = [linear.input, linear.output].map(entries);
            for tensor in &mut tensors {
                match tensor.name.strip_prefix(&name) {
                    Some(".weight") => *tensor = grown(tensor, &[outputs, inputs]),
                    Some(".bias") => *tensor = grown(tensor, &[outputs]),
                    _ => {}
                }
            }
        }
    }
    Ok(Weights { config: ModelConfig { layers: vec![full; config.layers.len()], ..config.clone() }, tensors })
}

/// The tensor with zeros behind its rows and columns.
fn grown(tensor: &FileTensor, dims: &[usize]) -> FileTensor {
    let width = |dims: &[usize]| if dims.len() > 1 { dims.last().copied().unwrap_or(0) } else { 1 };
    let (before, after) = (width(&tensor.dims).max(1), width(dims));
    let mut values = Vec::with_capacity(dims.iter().product());
    for row in tensor.values.chunks_exact(before) {
        values.extend_from_slice(row);
        values.resize(values.len() + after.saturating_sub(before), 0.0);
    }
    values.resize(dims.iter().product(), 0.0);
    FileTensor { name: tensor.name.clone(), dims: dims.to_vec(), values }
}
