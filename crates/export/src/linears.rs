//! Linear layers one by one, however a family's file holds them: `[out, in]` or `[in, out]`, by themselves or queries, keys
//! and values in one tensor.

use crate::{ExportError, Weights};
use apt_core::blocks::LayerShape;
use apt_core::wiring::{LinearSpec, Site, SubBlock};
use apt_nn::ModelConfig;
use apt_nn::checkpoint::FileTensor;

/// The layers that a family may have in one tensor, in its order.
const FUSED: [Site; 3] = [Site::Query, Site::Key, Site::Value];

/// A linear layer's values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Linear {
    /// Row by row, `[outputs, inputs]`.
    pub(crate) weight: Vec<f32>,
    /// Over the outputs, where there is one.
    pub(crate) bias: Option<Vec<f32>>,
    pub(crate) outputs: usize,
    pub(crate) inputs: usize,
}

impl Linear {
    /// Of zeros.
    pub(crate) fn zeros([inputs, outputs]: [usize; 2], has_bias: bool) -> Self {
        Self { weight: vec![0.0; outputs * inputs], bias: has_bias.then(|| vec![0.0; outputs]), outputs, inputs }
    }

    /// With the outputs of `other` behind its own.
    pub(crate) fn with_rows(self, other: &Self) -> Self {
        let bias = self.bias.zip(other.bias.as_ref()).map(|(a, b)| [&a[..], b].concat());
        let weight = [&self.weight[..], &other.weight].concat();
        Self { weight, bias, outputs: self.outputs + other.outputs, inputs: self.inputs }
    }

    /// With zeros behind its rows and columns.
    pub(crate) fn grown(&self, [inputs, outputs]: [usize; 2]) -> Self {
        let mut weight = Vec::with_capacity(outputs * inputs);
        for row in self.weight.chunks_exact(self.inputs.max(1)) {
            weight.extend_from_slice(row);
            weight.resize(weight.len() + inputs.saturating_sub(self.inputs), 0.0);
        }
        weight.resize(outputs * inputs, 0.0);
        let bias = self.bias.clone().map(|mut bias| {
            bias.resize(outputs, 0.0);
            bias
        });
        Self { weight, bias, outputs, inputs }
    }
}

impl Weights {
    /// The linear layers of layer `index` that are left.
    ///
    /// # Errors
    /// A tensor that is missing, or has another number of values than the sizes say.
    pub(crate) fn linears(&self, index: usize) -> Result<Vec<(LinearSpec, Linear)>, ExportError> {
        let shape = self.config.layers[index];
        let wiring = self.config.wiring();
        let left = wiring.linears().filter(|spec| shape.units(spec.sub_block) > 0);
        left.map(|spec| Ok((spec, self.linear(index, &spec)?))).collect()
    }

    fn linear(&self, index: usize, spec: &LinearSpec) -> Result<Linear, ExportError> {
        let config = &self.config;
        let [inputs, outputs] = sides(config, spec, &config.layers[index]);
        let (names, decoder) = (config.family.spec().tensors, config.family.spec().decoder);
        let part = FUSED.iter().position(|&site| site == spec.site);
        let fused = decoder.and_then(|decoder| decoder.fused).zip(part);
        let (name, all, first) = match fused {
            // Families with such a tensor have no groups: the three are of one size.
            Some((name, part)) => (format!("{}.{name}", names.layer(index)), 3 * outputs, part * outputs),
            None => (names.linear(index, spec.site), outputs, 0),
        };
        let values = |part: &str, dims: &[usize]| {
            let tensor = self.get(&format!("{name}.{part}"))?;
            match tensor.values.len() == dims.iter().product::<usize>() {
                true => Ok(&tensor.values),
                false => Err(self.contradicts(&tensor.name)),
            }
        };
        let stored = values("weight", &[inputs, all])?;
        let weight = match decoder.is_some_and(|decoder| decoder.transposed) {
            true => (first..first + outputs)
                .flat_map(|output| stored.chunks_exact(all.max(1)).map(move |row| row[output]))
                .collect(),
            false => stored[first * inputs..(first + outputs) * inputs].to_vec(),
        };
        let bias = match spec.bias {
            true => Some(values("bias", &[all])?[first..first + outputs].to_vec()),
            false => None,
        };
        Ok(Linear { weight, bias, outputs, inputs })
    }
}

/// Inputs and outputs of a linear layer in a layer of `shape`.
pub(crate) fn sides(config: &ModelConfig, spec: &LinearSpec, shape: &LayerShape) -> [usize; 2] {
    [spec.input, spec.output].map(|side| config.entries(side, spec.sub_block, shape))
}

/// The tensors that a file of the family has for `linears` of layer `index`.
pub(crate) fn tensors_of(config: &ModelConfig, index: usize, linears: Vec<(LinearSpec, Linear)>) -> Vec<FileTensor> {
    let (names, decoder) = (config.family.spec().tensors, config.family.spec().decoder);
    let is_transposed = decoder.is_some_and(|decoder| decoder.transposed);
    let fused = decoder.and_then(|decoder| decoder.fused);
    let mut apart: Vec<(String, Linear)> = Vec::new();
    for (spec, linear) in linears {
        let name = match fused.filter(|_| FUSED.contains(&spec.site)) {
            Some(name) => format!("{}.{name}", names.layer(index)),
            None => names.linear(index, spec.site),
        };
        // They come in the order in which one tensor has them.
        let before = apart.pop_if(|(of, _)| *of == name);
        let joined = before.map_or_else(|| linear.clone(), |(_, before)| before.with_rows(&linear));
        apart.push((name, joined));
    }
    let mut tensors = Vec::new();
    for (name, Linear { weight, bias, outputs, inputs }) in apart {
        let (dims, values) = match is_transposed {
            true => {
                let column = |input: usize| weight.chunks_exact(inputs.max(1)).map(move |row| row[input]);
                (vec![inputs, outputs], (0..inputs).flat_map(column).collect())
            }
            false => (vec![outputs, inputs], weight),
        };
        let published = |part: &str| config.family.spec().published(&format!("{name}.{part}"));
        tensors.push(FileTensor { name: published("weight"), dims, values });
        tensors.extend(bias.map(|values| FileTensor { name: published("bias"), dims: vec![outputs], values }));
    }
    tensors
}

/// Sub-blocks of a layer that are left out of it.
pub(crate) fn missing(shape: &LayerShape) -> impl Iterator<Item = SubBlock> + use<'_> {
    SubBlock::ALL.iter().copied().filter(move |&sub_block| shape.units(sub_block) == 0)
}
