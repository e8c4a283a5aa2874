//! A decoder for llama.cpp: one file with sizes, tokenizer and weights.
//!
//! A model of equal layers goes out under its family's own architecture. Of the others, `deci` is the one whose layers may
//! differ in heads and neurons and lack attention; it is LLaMA otherwise, with biases where there are some, so it takes
//! LLaMA, Mistral and Qwen2. Qwen3's norms of heads and GPT-2's layer norms no such architecture has: their layers are made
//! equally wide with zeros. What is computed is the same in every case (`src/models` of llama.cpp, 2026-11).

mod file;
mod vocabulary;

use crate::forms::TextSettings;
use crate::linears::Linear;
use crate::padded::{widened, widest};
use crate::{ExportError, Weights};
use apt_core::blocks::LayerShape;
use apt_core::wiring::{Site, SubBlock};
use apt_nn::{Activation, DecoderConfig, DecoderSpec, Family, ModelConfig, NormKind, Rotary, RotaryScaling};
use file::{Gguf, Tensor, Value};
use std::borrow::Cow;

const FORM: &str = "gguf";

/// The file's content.
///
/// # Errors
/// An encoder; what llama.cpp cannot compute; a tokenizer that it does not have.
pub(crate) fn file(
    weights: &Weights,
    tokenizer: &[u8],
    settings: &TextSettings,
    is_half: bool,
) -> Result<Vec<u8>, ExportError> {
    let config = &weights.config;
    let (Some(decoder), Some(spec)) = (&config.decoder, &config.family.spec().decoder) else {
        let what = format!("{} is an encoder, and llama.cpp has none whose layers differ", config.family.spec().name);
        return Err(refused(what, "export it with --format onnx or transformers"));
    };
    let architecture = Architecture::of(config)?;
    let vocabulary = vocabulary::metadata(tokenizer, config, settings)?;
    let wide = widened(weights, architecture.shapes(config))?;
    let writer = Writer { architecture, weights: &wide, decoder, spec, is_half };
    let mut file = Gguf { metadata: writer.metadata()?, tensors: writer.tensors()? };
    file.metadata.extend(vocabulary);
    Ok(file.bytes())
}

/// What llama.cpp computes a model with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Architecture {
    Llama,
    Qwen2,
    Qwen3,
    Gpt2,
    /// LLaMA with layers that differ.
    Deci,
}

impl Architecture {
    fn of(config: &ModelConfig) -> Result<Self, ExportError> {
        let first = config.layers.first().copied();
        let is_uniform = config.layers.iter().all(|layer| Some(*layer) == first && layer.heads * layer.neurons > 0);
        let name = config.family.spec().name;
        let (own, activation) = match config.family {
            Family::Llama | Family::Mistral => (Self::Llama, Activation::Silu),
            Family::Qwen2 => (Self::Qwen2, Activation::Silu),
            Family::Qwen3 => (Self::Qwen3, Activation::Silu),
            _ => (Self::Gpt2, Activation::GeluNew),
        };
        if config.activation != activation {
            let what =
                format!("llama.cpp computes {name} with {activation:?}, and this one has {:?}", config.activation);
            return Err(refused(what, OTHERS));
        }
        let queries = widest(config).heads * config.wiring().queries_per_key * config.head_size;
        let can_fill = config.hidden.is_multiple_of(config.head_size) && queries <= config.hidden;
        if own == Self::Gpt2 && !can_fill {
            let what = format!(
                "llama.cpp's GPT-2 has heads that fill the hidden dims, and heads of {} do not fill the {} that are left",
                config.head_size, config.hidden
            );
            return Err(refused(what, "prune it with --prune-hidden false, or export it with --format transformers"));
        }
        Ok(match own {
            Self::Llama if !is_uniform => Self::Deci,
            // Its heads fill the hidden dims, too.
            Self::Qwen2 if !is_uniform || queries != config.hidden => Self::Deci,
            own => own,
        })
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Gpt2 => "gpt2",
            Self::Deci => "deci",
        }
    }

    /// Whether it turns dims 2i and 2i+1 of a head together, where the model's weights have i and i + size/2.
    const fn pairs_neighbours(self) -> bool {
        matches!(self, Self::Llama | Self::Deci)
    }

    /// The layers that it takes: as wide as those of `config`, or wider by what is filled up with zeros.
    fn shapes(self, config: &ModelConfig) -> Vec<LayerShape> {
        let widest = widest(config);
        match self {
            Self::Deci => {
                // Attention is looked for in the first layer, and what attention gave is added where neurons follow.
                let of = |(index, layer): (usize, &LayerShape)| LayerShape {
                    heads: if index == 0 { layer.heads.max(1) } else { layer.heads },
                    neurons: layer.neurons.max(1),
                };
                config.layers.iter().enumerate().map(of).collect()
            }
            Self::Gpt2 => {
                let heads = config.hidden / config.head_size;
                vec![LayerShape { heads, ..widest }; config.layers.len()]
            }
            Self::Llama | Self::Qwen2 | Self::Qwen3 => vec![widest; config.layers.len()],
        }
    }
}

/// The remedy where nothing of a model can be changed.
const OTHERS: &str = "export it with --format safetensors or transformers";

struct Writer<'w> {
    architecture: Architecture,
    weights: &'w Weights,
    decoder: &'w DecoderConfig,
    spec: &'w DecoderSpec,
    is_half: bool,
}

impl<'w> Writer<'w> {
    fn metadata(&self) -> Result<Vec<(String, Value)>, ExportError> {
        let config = &self.weights.config;
        let number = |n: usize| Value::U32(n as u32);
        let of_layers = |units: &dyn Fn(&LayerShape) -> usize| match self.architecture {
            Architecture::Deci => Value::Integers(config.layers.iter().map(|layer| units(layer) as i32).collect()),
            _ => number(config.layers.first().map_or(0, units)),
        };
        let groups = self.decoder.queries_per_key;
        let norm = match self.spec.norm {
            NormKind::Rms => "attention.layer_norm_rms_epsilon",
            NormKind::Layer => "attention.layer_norm_epsilon",
        };
        let mut own = vec![
            ("context_length", number(config.max_positions)),
            ("embedding_length", number(config.hidden)),
            ("block_count", number(config.layers.len())),
            ("vocab_size", number(config.vocab_size)),
            ("feed_forward_length", of_layers(&|layer| layer.neurons)),
            ("attention.head_count", of_layers(&|layer| layer.heads * groups)),
            ("attention.head_count_kv", of_layers(&|layer| layer.heads)),
            ("attention.key_length", number(config.head_size)),
            ("attention.value_length", number(config.head_size)),
            (norm, Value::F32(config.norm_eps as f32)),
        ];
        if let Some(rotary) = self.decoder.rotary {
            own.push(("rope.dimension_count", number(config.head_size)));
            own.push(("rope.freq_base", Value::F32(rotary.theta as f32)));
            own.extend(scaling(&rotary)?);
        }
        let architecture = self.architecture.name();
        let general = [
            ("general.architecture".to_owned(), Value::Text(architecture.into())),
            ("general.type".to_owned(), Value::Text("model".into())),
            ("general.file_type".to_owned(), Value::U32(u32::from(self.is_half))),
        ];
        let own = own.into_iter().map(|(key, value)| (format!("{architecture}.{key}"), value));
        Ok(general.into_iter().chain(own).collect())
    }

    fn tensors(&self) -> Result<Vec<Tensor<'w>>, ExportError> {
        let (config, names) = (&self.weights.config, self.weights.config.family.spec().tensors);
        let mut all = vec![self.table("token_embd", names.words)?];
        if !self.spec.rotary {
            // It is added to what is computed in 32 bits.
            all.push(Tensor { is_half: false, ..self.table("position_embd", names.positions)? });
        }
        for index in 0..config.layers.len() {
            self.layer(index, &mut all)?;
        }
        self.norm("output_norm", self.spec.final_norm, &mut all)?;
        if !self.decoder.tied {
            all.push(self.table("output", &format!("{}.weight", self.spec.head))?);
        }
        if let Some(factors) = self.decoder.rotary.as_ref().and_then(|rotary| slowed(rotary, config.head_size)) {
            if !self.architecture.pairs_neighbours() {
                let what = format!("llama.cpp's {} has no positions scaled as in LLaMA 3", self.architecture.name());
                return Err(refused(what, OTHERS));
            }
            let dims = vec![factors.len()];
            all.push(Tensor { name: "rope_freqs.weight".into(), dims, values: factors.into(), is_half: false });
        }
        Ok(all)
    }

    fn layer(&self, index: usize, all: &mut Vec<Tensor<'w>>) -> Result<(), ExportError> {
        let (config, names) = (&self.weights.config, self.weights.config.family.spec().tensors);
        let place = |name: &str| format!("blk.{index}.{name}");
        for (sub_block, name) in [(SubBlock::Attention, "attn_norm"), (SubBlock::FeedForward, "ffn_norm")] {
            if config.layers[index].units(sub_block) > 0 {
                self.norm(&place(name), &names.norm(index, sub_block), all)?;
            }
        }
        if let Some(of_heads) = self.spec.head_norms.filter(|_| config.layers[index].heads > 0) {
            for (name, ours) in ["attn_q_norm", "attn_k_norm"].into_iter().zip(of_heads) {
                self.norm(&place(name), &format!("{}.{ours}", names.layer(index)), all)?;
            }
        }
        let mut fused: Option<Linear> = None;
        for (spec, linear) in self.weights.linears(index)? {
            let is_turned = matches!(spec.site, Site::Query | Site::Key) && self.architecture.pairs_neighbours();
            let linear = if is_turned { neighbours(&linear, config.head_size) } else { linear };
            let name = match spec.site {
                Site::Query => "attn_q",
                Site::Key => "attn_k",
                Site::Value => "attn_v",
                Site::Output => "attn_output",
                Site::Gate => "ffn_gate",
                Site::Up => "ffn_up",
                Site::Down => "ffn_down",
            };
            let is_part = matches!(spec.site, Site::Query | Site::Key | Site::Value);
            match (self.spec.fused.is_some() && is_part, fused.take()) {
                (false, _) => self.linear(&place(name), linear, all),
                (true, before) => {
                    let joined = before.map_or_else(|| linear.clone(), |before| before.with_rows(&linear));
                    match spec.site {
                        Site::Value => self.linear(&place("attn_qkv"), joined, all),
                        _ => fused = Some(joined),
                    }
                }
            }
        }
        Ok(())
    }

    fn linear(&self, name: &str, linear: Linear, all: &mut Vec<Tensor<'w>>) {
        let Linear { weight, bias, outputs, inputs } = linear;
        let (dims, is_half) = (vec![outputs, inputs], self.is_half);
        all.push(Tensor { name: format!("{name}.weight"), dims, values: weight.into(), is_half });
        all.extend(bias.map(|bias| Tensor {
            name: format!("{name}.bias"),
            dims: vec![outputs],
            values: bias.into(),
            is_half: false,
        }));
    }

    fn norm(&self, name: &str, ours: &str, all: &mut Vec<Tensor<'w>>) -> Result<(), ExportError> {
        let parts: &[&str] = match self.spec.norm {
            NormKind::Rms => &["weight"],
            NormKind::Layer => &["weight", "bias"],
        };
        for part in parts {
            let tensor = self.weights.get(&format!("{ours}.{part}"))?;
            let (dims, values) = (tensor.dims.clone(), Cow::Borrowed(&tensor.values[..]));
            all.push(Tensor { name: format!("{name}.{part}"), dims, values, is_half: false });
        }
        Ok(())
    }

    fn table(&self, name: &str, ours: &str) -> Result<Tensor<'w>, ExportError> {
        let tensor = self.weights.get(ours)?;
        let (dims, values) = (tensor.dims.clone(), Cow::Borrowed(&tensor.values[..]));
        Ok(Tensor { name: format!("{name}.weight"), dims, values, is_half: self.is_half })
    }
}

/// The metadata of positions that are slowed down alike, or by a ramp.
fn scaling(rotary: &Rotary) -> Result<Vec<(&'static str, Value)>, ExportError> {
    let kind = |kind: &str| ("rope.scaling.type", Value::Text(kind.into()));
    let factor = |factor: f64| ("rope.scaling.factor", Value::F32(factor as f32));
    Ok(match rotary.scaling {
        RotaryScaling::Default | RotaryScaling::Llama3 { .. } => Vec::new(),
        RotaryScaling::Linear { factor: by } => vec![kind("linear"), factor(by)],
        RotaryScaling::Yarn { factor: by, fast, slow, original, attention } => {
            // llama.cpp scales queries and keys by this itself.
            let own = 0.1 * by.ln() + 1.0;
            if (attention - own).abs() > 1e-6 || fast != 32.0 || slow != 1.0 {
                let what = "positions are scaled by yarn with numbers of its own, which llama.cpp does not take".into();
                return Err(refused(what, OTHERS));
            }
            vec![kind("yarn"), factor(by), ("rope.scaling.original_context_length", Value::U32(original as u32))]
        }
    })
}

/// How much slower each pair of dims turns, as LLaMA 3 has it.
fn slowed(rotary: &Rotary, size: usize) -> Option<Vec<f32>> {
    let RotaryScaling::Llama3 { .. } = rotary.scaling else { return None };
    let plain = Rotary { scaling: RotaryScaling::Default, ..*rotary }.frequencies(size);
    Some(plain.iter().zip(rotary.frequencies(size)).map(|(plain, scaled)| (plain / scaled) as f32).collect())
}

/// Rows of every head in another order: those that are turned together beside one another.
fn neighbours(linear: &Linear, size: usize) -> Linear {
    let order: Vec<usize> = (0..linear.outputs)
        .map(|row| {
            let (head, place) = (row / size, row % size);
            head * size + place / 2 + if place % 2 == 0 { 0 } else { size / 2 }
        })
        .collect();
    let rows = order.iter().flat_map(|&row| &linear.weight[row * linear.inputs..(row + 1) * linear.inputs]);
    let weight = rows.copied().collect();
    let bias = linear.bias.as_ref().map(|bias| order.iter().map(|&row| bias[row]).collect());
    Linear { weight, bias, ..*linear }
}

fn refused(what: String, remedy: &'static str) -> ExportError {
    ExportError::Form { form: FORM, what, remedy }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dims_that_are_turned_together_lie_side_by_side() {
        let weight = (0..8).map(|row| row as f32).collect();
        let linear = Linear { weight, bias: Some(vec![0.5; 8]), outputs: 8, inputs: 1 };
        assert_eq!(neighbours(&linear, 4).weight, [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]);
    }

    #[test]
    fn scaling_of_yarn_is_written_where_llama_cpp_computes_it_alike() {
        let of = |attention: f64| {
            let scaling = RotaryScaling::Yarn { factor: 4.0, fast: 32.0, slow: 1.0, original: 64.0, attention };
            super::scaling(&Rotary { theta: 1e4, scaling })
        };
        assert_eq!(of(0.1 * 4f64.ln() + 1.0).expect("it is llama.cpp's own").len(), 3);
        assert!(of(1.0).is_err());
    }
}
