//! Small models of every family with loud random weights, whole and cut to ragged shapes.

use apt_core::blocks::{Kept, LayerShape};
use apt_core::wiring::Biases;
use apt_nn::{
    Activation, DecoderConfig, Family, HeadConfig, Init, ModelConfig, Pooling, Rotary, RotaryScaling, Transformer,
    compact,
};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};

/// What is left of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Everything.
    Dense,
    /// About half, another half in each layer.
    Ragged,
    /// Little: a layer without attention, one without feed-forward.
    Sparse,
    /// Every hidden dim, and about half of the rest.
    NoHidden,
    /// A decoder's: layers without attention, without anything, and without feed-forward.
    Hollow,
}

impl Shape {
    /// Its name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dense => "dense",
            Self::Ragged => "ragged",
            Self::Sparse => "sparse",
            Self::NoHidden => "no hidden",
            Self::Hollow => "hollow",
        }
    }

    /// The units that are left.
    fn kept(self, of: &Kept) -> Kept {
        let keep = |units: &[usize], every: usize, from: usize| -> Vec<usize> {
            units.iter().copied().skip(from).filter(|unit| unit % every != from % every).collect()
        };
        let layered = |layers: &[Vec<usize>], cut: &dyn Fn(usize, &[usize]) -> Vec<usize>| {
            layers.iter().enumerate().map(|(layer, units)| cut(layer, units)).collect()
        };
        match self {
            Self::Dense => of.clone(),
            Self::Ragged | Self::NoHidden => Kept {
                heads: layered(&of.heads, &|layer, units| keep(units, 3, layer)),
                neurons: layered(&of.neurons, &|layer, units| keep(units, 2 + layer, layer)),
                hidden: if self == Self::NoHidden { of.hidden.clone() } else { keep(&of.hidden, 4, 1) },
            },
            Self::Sparse => Kept {
                heads: layered(&of.heads, &|layer, units| {
                    if layer == 1 { vec![] } else { units[..1 + layer].to_vec() }
                }),
                neurons: layered(&of.neurons, &|layer, units| {
                    if layer == 2 { vec![] } else { keep(units, 2, 1).into_iter().step_by(2 + layer).collect() }
                }),
                hidden: of.hidden.iter().copied().step_by(3).collect(),
            },
            Self::Hollow => Kept {
                heads: layered(&of.heads, &|layer, units| if layer < 2 { vec![] } else { units[1..].to_vec() }),
                neurons: layered(&of.neurons, &|layer, units| if layer > 0 { vec![] } else { keep(units, 3, 0) }),
                hidden: keep(&of.hidden, 5, 2),
            },
        }
    }
}

/// Sizes of a small model of `family` whose vocabulary is `vocabulary`.
pub(crate) fn config(family: Family, vocabulary: usize, pad_id: usize) -> ModelConfig {
    let spec = family.spec();
    let type_vocab_size = match family {
        Family::Bert | Family::Electra => 2,
        _ => usize::from(spec.token_types),
    };
    if let Some(decoder) = decoder(family) {
        // Query heads fill the hidden dims, but those of Qwen3, which are wider.
        let heads = 6 / decoder.queries_per_key;
        let head_size = if family == Family::Qwen3 { 16 } else { 8 };
        return ModelConfig {
            max_positions: 96,
            type_vocab_size: 0,
            embedding: None,
            head_size,
            layers: vec![LayerShape { heads, neurons: 40 }; 3],
            activation: if family == Family::Gpt2 { Activation::GeluNew } else { Activation::Silu },
            norm_eps: 1e-5,
            decoder: Some(decoder),
            family,
            ..config(Family::Bert, vocabulary, pad_id)
        };
    }
    let activation = match family {
        Family::Camembert => Activation::GeluNew,
        Family::XlmRoberta => Activation::Relu,
        _ => Activation::Gelu,
    };
    ModelConfig {
        family,
        vocab_size: vocabulary,
        max_positions: 40,
        type_vocab_size,
        embedding: (family == Family::Electra).then_some(24),
        hidden: 48,
        head_size: 8,
        layers: vec![LayerShape { heads: 6, neurons: 40 }; 3],
        activation,
        norm_eps: 1e-12,
        pad_id,
        head: None,
        label_names: Vec::new(),
        decoder: None,
    }
}

/// What makes a family a decoder: groups, biases, and a head of its own or none.
fn decoder(family: Family) -> Option<DecoderConfig> {
    let (queries_per_key, biases, tied) = match family {
        Family::Llama => (1, Biases::NONE, false),
        Family::Mistral => (2, Biases::NONE, true),
        Family::Qwen2 => (2, Biases { into_attention: true, ..Biases::NONE }, true),
        Family::Qwen3 => (2, Biases::NONE, false),
        Family::Gpt2 => (1, Biases::ALL, true),
        _ => return None,
    };
    let rotary = (family != Family::Gpt2).then_some(Rotary { theta: 1e4, scaling: RotaryScaling::Default });
    let (bos_id, eos_ids) = match family {
        Family::Llama | Family::Mistral => (Some(1), vec![2]),
        _ => (None, vec![0]),
    };
    Some(DecoderConfig { queries_per_key, biases, rotary, tied, bos_id, eos_ids })
}

/// A decoder of `config`, cut to `shape`.
pub(crate) fn of_decoder(config: &ModelConfig, shape: Shape) -> Transformer {
    let mut init = Init::new(7, &Device::flex());
    cut(&Transformer::new(config, &mut init).map(&mut Loud { parameters: 0 }), shape)
}

/// A model of `config` with a classifier of three classes, adapters' weights and all, cut to `shape`.
pub(crate) fn model(config: &ModelConfig, pooling: Pooling, shape: Shape) -> Transformer {
    let mut init = Init::new(7, &Device::flex());
    let head = HeadConfig::new(pooling, config.hidden, 3);
    let label_names = ["bad", "good", "so so"].map(str::to_owned).to_vec();
    let config = ModelConfig { head: Some(head), label_names, ..config.clone() };
    let model = Transformer::new(&config, &mut init).map(&mut Loud { parameters: 0 });
    cut(&model, shape)
}

/// `model` without the units that `shape` leaves out.
pub(crate) fn cut(model: &Transformer, shape: Shape) -> Transformer {
    compact::compact(model, &shape.kept(&Kept::all(&model.config.shape())))
}

/// Makes weights so large, and biases so different, that a mistake in any of them shows.
struct Loud {
    parameters: usize,
}

impl ModuleMapper for Loud {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.parameters += 1;
        let value = param.val();
        let value = if D > 1 {
            value * 8.0
        } else {
            let noise = |i: usize| 0.3 * ((i * 37 + self.parameters * 101) as f32).sin();
            let noise: Vec<f32> = (0..value.dims()[0]).map(noise).collect();
            let dims = value.dims();
            value.clone() + Tensor::<D>::from_data(TensorData::new(noise, dims), &value.device())
        };
        Param::from_tensor(value).set_require_grad(false)
    }
}
