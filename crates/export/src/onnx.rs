//! The model as an ONNX graph of standard operators, opset 18: shapes live in the graph, so no reader needs code for layers
//! of unequal width.
//!
//! Inputs are `input_ids`, `attention_mask` and, where tokens have several types, `token_type_ids`, 64-bit integers
//! `[batch_size, sequence_length]`; the output is `logits`, `[batch_size, labels]`. Everything is computed in 32-bit
//! floats, save the products of an 8-bit model. Operations come in the order that ONNX Runtime's fusions look for.

mod graph;
mod proto;

use crate::{ExportError, Stored, Weights};
use apt_core::wiring::{Site, SubBlock};
use apt_nn::checkpoint::FileTensor;
use apt_nn::{Activation, ModelConfig, PADDING_SCORE, Pooling, Positions, checkpoint};
use graph::{Graph, Value};
use proto::{AttributeProto, ElementType, Fields, GraphProto, IR_VERSION, ModelProto};

/// The operator set, optimum's default.
const OPSET: i64 = 18;
/// Most bytes of a protocol buffer.
const MOST_BYTES: usize = 1 << 31;

/// The file `model.onnx`.
///
/// # Errors
/// A decoder, an encoder without a classifier, or a model too large for a single file.
pub(crate) fn model(weights: &Weights, stored: Stored) -> Result<Vec<u8>, ExportError> {
    if weights.config.decoder.is_some() {
        let what = format!("{} is a decoder, and graphs are written of encoders", weights.config.family.spec().name);
        let remedy = "export it with --format gguf (llama.cpp), transformers or safetensors";
        return Err(ExportError::Form { form: "onnx", what, remedy });
    }
    let bytes = Fields::of(ModelProto {
        ir_version: IR_VERSION,
        producer_name: "apt-lab",
        producer_version: env!("CARGO_PKG_VERSION"),
        opset: OPSET,
        graph: graph(weights, stored)?,
    });
    if bytes.len() >= MOST_BYTES {
        let what = format!("the file would have {} bytes, a protocol buffer has at most {MOST_BYTES}", bytes.len());
        return Err(ExportError::Form { form: "onnx", what, remedy: "export it with --precision f16 or int8" });
    }
    Ok(bytes)
}

fn graph(weights: &Weights, stored: Stored) -> Result<GraphProto, ExportError> {
    let Some(head) = weights.config.head else {
        let remedy = "train it with `apt-lab run`, and export that run";
        return Err(ExportError::Form { form: "onnx", what: "the model has no classifier".into(), remedy });
    };
    let mut encoder = Encoder { graph: Graph::new(stored), weights, config: &weights.config };
    let logits = encoder.logits(head.pooling)?;
    encoder.graph.output(logits, "logits", head.labels);
    Ok(encoder.graph.finish())
}

/// The graph of one model as it is written. Values are `[batch, sequence, width]` unless they say otherwise.
struct Encoder<'a> {
    graph: Graph,
    weights: &'a Weights,
    config: &'a ModelConfig,
}

impl Encoder<'_> {
    fn logits(&mut self, pooling: Pooling) -> Result<Value, ExportError> {
        let dims = ["batch_size", "sequence_length"];
        let ids = self.graph.input("input_ids", &dims);
        let mask = self.graph.input("attention_mask", &dims);
        let mut x = self.embeddings(&ids, &mask)?;
        let padding = self.padding(&mask);
        for (index, &shape) in self.config.layers.iter().enumerate() {
            if shape.units(SubBlock::Attention) > 0 {
                let y = self.attention(&x, &padding, index)?;
                x = self.residual(&x, &y, index, SubBlock::Attention)?;
            }
            if shape.units(SubBlock::FeedForward) > 0 {
                let y = self.feed_forward(&x, index)?;
                x = self.residual(&x, &y, index, SubBlock::FeedForward)?;
            }
        }
        let spec = &self.config.family.spec().head;
        let mut read = self.read(&x, &mask, pooling);
        if pooling == Pooling::Pooler {
            let dense = self.linear(&read, spec.dense)?;
            read = self.activation(&dense, spec.activation);
        }
        self.linear(&read, spec.out)
    }

    fn embeddings(&mut self, ids: &Value, mask: &Value) -> Result<Value, ExportError> {
        let words = self.rows(checkpoint::WORDS, ids)?;
        let places = self.positions(ids, mask);
        let positions = self.rows(checkpoint::POSITIONS, &places)?;
        let mut sum = words;
        if self.config.type_vocab_size > 1 {
            let types = self.graph.input("token_type_ids", &["batch_size", "sequence_length"]);
            let types = self.rows(checkpoint::TYPES, &types)?;
            sum = self.graph.op("Add", &[&sum, &types], vec![]);
        } else if self.config.type_vocab_size == 1 {
            // There is nothing to choose: readers of such models give no types.
            let types = self.weights.get(checkpoint::TYPES)?;
            let only = self.graph.weight(&types.name, &types.dims, &types.values);
            sum = self.graph.op("Add", &[&sum, &only], vec![]);
        }
        let sum = self.graph.op("Add", &[&sum, &positions], vec![]);
        let normed = self.norm(&sum, checkpoint::EMBEDDING_NORM)?;
        match self.config.embedding {
            Some(_) => self.linear(&normed, self.config.family.spec().tensors.projection),
            None => Ok(normed),
        }
    }

    /// Positions, `[sequence]` or `[batch, sequence]`.
    fn positions(&mut self, ids: &Value, mask: &Value) -> Value {
        let graph = &mut self.graph;
        match self.config.family.spec().positions {
            Positions::FromZero => {
                let [zero, one] = [0, 1].map(|i| graph.integers(&[i], 0));
                let shape = graph.op("Shape", &[ids], vec![]);
                let length = graph.op("Gather", &[&shape, &one], vec![AttributeProto::int("axis", 0)]);
                graph.op("Range", &[&zero, &length, &one], vec![])
            }
            Positions::AfterPadding => {
                let axis = graph.integers(&[1], 0);
                let counted = graph.op("CumSum", &[mask, &axis], vec![]);
                let counted = graph.op("Mul", &[&counted, mask], vec![]);
                let padding = graph.integers(&[self.config.pad_id as i64], 0);
                graph.op("Add", &[&counted, &padding], vec![])
            }
        }
    }

    /// What is added to attention scores, `[batch, 1, 1, sequence]`: 0 for tokens, a large negative number for padding.
    fn padding(&mut self, mask: &Value) -> Value {
        let graph = &mut self.graph;
        let axes = graph.integers(&[1, 2], 1);
        let mask = graph.op("Unsqueeze", &[mask, &axes], vec![]);
        let mask = graph.cast(&mask, ElementType::Float);
        let one = graph.number(1.0);
        let absent = graph.op("Sub", &[&one, &mask], vec![]);
        let score = graph.number(PADDING_SCORE);
        graph.op("Mul", &[&absent, &score], vec![])
    }

    /// `output(softmax(QKᵀ/√head_size + padding)·V)` of every head.
    fn attention(&mut self, x: &Value, padding: &Value, layer: usize) -> Result<Value, ExportError> {
        let size = self.config.head_size as i64;
        let split = |encoder: &mut Self, site: Site, order: [i64; 4]| {
            let projected = encoder.site(x, layer, site)?;
            let graph = &mut encoder.graph;
            // 0 takes the size that is there; the number of heads follows from the width.
            let shape = graph.integers(&[0, 0, -1, size], 1);
            let heads = graph.op("Reshape", &[&projected, &shape], vec![]); // (B, S, H, D)
            Ok::<_, ExportError>(graph.op("Transpose", &[&heads], vec![AttributeProto::ints("perm", &order)]))
        };
        let query = split(self, Site::Query, [0, 2, 1, 3])?; // (B, H, S, D)
        let key = split(self, Site::Key, [0, 2, 3, 1])?; // (B, H, D, S)
        let value = split(self, Site::Value, [0, 2, 1, 3])?;
        let graph = &mut self.graph;
        let root = graph.number((self.config.head_size as f32).sqrt());
        let scores = graph.op("MatMul", &[&query, &key], vec![]); // (B, H, S, S)
        let scores = graph.op("Div", &[&scores, &root], vec![]);
        let scores = graph.op("Add", &[&scores, padding], vec![]);
        let shares = graph.op("Softmax", &[&scores], vec![AttributeProto::int("axis", -1)]);
        let context = graph.op("MatMul", &[&shares, &value], vec![]); // (B, H, S, D)
        let context = graph.op("Transpose", &[&context], vec![AttributeProto::ints("perm", &[0, 2, 1, 3])]);
        let shape = graph.integers(&[0, 0, -1], 1);
        let context = graph.op("Reshape", &[&context, &shape], vec![]);
        self.site(&context, layer, Site::Output)
    }

    /// `down(activation(up(x)))`.
    fn feed_forward(&mut self, x: &Value, layer: usize) -> Result<Value, ExportError> {
        let neurons = self.site(x, layer, Site::Up)?;
        let neurons = self.activation(&neurons, self.config.activation);
        self.site(&neurons, layer, Site::Down)
    }

    /// `norm(x + y)`.
    fn residual(&mut self, x: &Value, y: &Value, layer: usize, of: SubBlock) -> Result<Value, ExportError> {
        let sum = self.graph.op("Add", &[y, x], vec![]);
        self.norm(&sum, &self.config.family.spec().tensors.norm(layer, of))
    }

    /// What the classifier reads, `[batch, width]`.
    fn read(&mut self, x: &Value, mask: &Value, pooling: Pooling) -> Value {
        let graph = &mut self.graph;
        if pooling != Pooling::Mean {
            let first = graph.integers(&[0], 0);
            return graph.op("Gather", &[x, &first], vec![AttributeProto::int("axis", 1)]);
        }
        let one = graph.number(1.0);
        let last = graph.integers(&[-1], 1);
        let mask = graph.op("Unsqueeze", &[mask, &last], vec![]);
        let mask = graph.cast(&mask, ElementType::Float);
        let tokens = graph.op("Mul", &[x, &mask], vec![]);
        let axis = graph.integers(&[1], 1);
        let drop = || vec![AttributeProto::int("keepdims", 0)];
        let sum = graph.op("ReduceSum", &[&tokens, &axis], drop());
        let count = graph.op("ReduceSum", &[&mask, &axis], drop());
        let count = graph.op("Max", &[&count, &one], vec![]);
        graph.op("Div", &[&sum, &count], vec![])
    }

    fn activation(&mut self, x: &Value, activation: Activation) -> Value {
        let graph = &mut self.graph;
        match activation {
            Activation::Relu => graph.op("Relu", &[x], vec![]),
            Activation::Tanh => graph.op("Tanh", &[x], vec![]),
            Activation::Silu => {
                let sigmoid = graph.op("Sigmoid", &[x], vec![]);
                graph.op("Mul", &[x, &sigmoid], vec![])
            }
            // Gelu is an operator from opset 20 on.
            Activation::Gelu => {
                let [root, one, half] = [std::f32::consts::SQRT_2, 1.0, 0.5].map(|number| graph.number(number));
                let scaled = graph.op("Div", &[x, &root], vec![]);
                let erf = graph.op("Erf", &[&scaled], vec![]);
                let erf = graph.op("Add", &[&erf, &one], vec![]);
                let product = graph.op("Mul", &[x, &erf], vec![]);
                graph.op("Mul", &[&product, &half], vec![])
            }
            Activation::GeluNew => {
                let numbers = [3.0, 0.044_715, (2.0 / std::f32::consts::PI).sqrt(), 1.0, 0.5];
                let [three, weight, root, one, half] = numbers.map(|number| graph.number(number));
                let cube = graph.op("Pow", &[x, &three], vec![]);
                let cube = graph.op("Mul", &[&cube, &weight], vec![]);
                let inner = graph.op("Add", &[x, &cube], vec![]);
                let inner = graph.op("Mul", &[&inner, &root], vec![]);
                let tanh = graph.op("Tanh", &[&inner], vec![]);
                let tanh = graph.op("Add", &[&tanh, &one], vec![]);
                let product = graph.op("Mul", &[x, &tanh], vec![]);
                graph.op("Mul", &[&product, &half], vec![])
            }
        }
    }

    fn site(&mut self, x: &Value, layer: usize, site: Site) -> Result<Value, ExportError> {
        self.linear(x, &self.config.family.spec().tensors.linear(layer, site))
    }

    /// `x·Wᵀ + b` of the linear layer that the family calls `name`.
    fn linear(&mut self, x: &Value, name: &str) -> Result<Value, ExportError> {
        let FileTensor { name: file, dims, values } = self.weights.get(&format!("{name}.weight"))?;
        let (outputs, inputs) = (dims.first().copied().unwrap_or(0), dims.last().copied().unwrap_or(0));
        let by_input: Vec<f32> =
            (0..inputs).flat_map(|i| values.iter().skip(i).step_by(inputs.max(1)).copied()).collect();
        let product = self.graph.product(x, file, [inputs, outputs], &by_input);
        if !self.weights.has(&format!("{name}.bias")) {
            return Ok(product);
        }
        let bias = self.vector(&format!("{name}.bias"))?;
        Ok(self.graph.op("Add", &[&product, &bias], vec![]))
    }

    fn norm(&mut self, x: &Value, name: &str) -> Result<Value, ExportError> {
        let scale = self.vector(&format!("{name}.weight"))?;
        let bias = self.vector(&format!("{name}.bias"))?;
        let attributes =
            vec![AttributeProto::int("axis", -1), AttributeProto::float("epsilon", self.config.norm_eps as f32)];
        Ok(self.graph.op("LayerNormalization", &[x, &scale, &bias], attributes))
    }

    fn rows(&mut self, name: &str, ids: &Value) -> Result<Value, ExportError> {
        let FileTensor { name, dims, values } = self.weights.get(name)?;
        Ok(self.graph.rows(name, dims, values, ids))
    }

    fn vector(&mut self, name: &str) -> Result<Value, ExportError> {
        let FileTensor { name, dims, values } = self.weights.get(name)?;
        Ok(self.graph.weight(name, dims, values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use apt_core::blocks::LayerShape;
    use apt_nn::{Family, HeadConfig, Init, Transformer};
    use burn::tensor::Device;
    use proto::ValueInfoProto;
    use std::collections::BTreeSet;

    /// A model whose layers lack what layers can lack.
    fn weights(family: Family, pooling: Pooling) -> Weights {
        let layer = |heads, neurons| LayerShape { heads, neurons };
        let type_vocab_size = match family {
            Family::Bert | Family::Electra => 2,
            _ => usize::from(family.spec().token_types),
        };
        let config = ModelConfig {
            family,
            vocab_size: 11,
            max_positions: 9,
            type_vocab_size,
            embedding: (family == Family::Electra).then_some(5),
            hidden: 7,
            head_size: 4,
            layers: vec![layer(1, 3), layer(0, 2), layer(2, 0), layer(0, 0)],
            activation: Activation::GeluNew,
            norm_eps: 1e-12,
            pad_id: 1,
            head: Some(HeadConfig::new(pooling, 7, 3)),
            label_names: vec![],
            decoder: None,
        };
        let model = Transformer::new(&config, &mut Init::new(1, &Device::flex()));
        pollster::block_on(Weights::read(&model)).expect("it can be read back")
    }

    fn graph(weights: &Weights, stored: Stored) -> GraphProto {
        super::graph(weights, stored).expect("it has a classifier")
    }

    #[test]
    fn every_value_is_made_before_it_is_used_and_once() {
        for family in Family::ENCODERS {
            for (pooling, stored) in
                [(Pooling::Pooler, Stored::F32), (Pooling::Mean, Stored::F16), (Pooling::Cls, Stored::Int8)]
            {
                let graph = graph(&weights(family, pooling), stored);
                let mut known: BTreeSet<&str> = graph.input.iter().map(|input| input.name.as_str()).collect();
                for constant in &graph.initializer {
                    assert!(known.insert(&constant.name), "{family:?}: {} is there twice", constant.name);
                }
                for node in &graph.node {
                    for input in &node.input {
                        assert!(
                            known.contains(&input[..]),
                            "{family:?}: {} reads {input}, which is not there",
                            node.name
                        );
                    }
                    for output in &node.output {
                        assert!(known.insert(output), "{family:?}: {output} is made twice");
                    }
                }
                assert!(known.contains("logits"), "{family:?} {stored:?}");
            }
        }
    }

    #[test]
    fn token_types_are_an_input_where_there_are_several() {
        let names = |inputs: &[ValueInfoProto]| inputs.iter().map(|input| input.name.clone()).collect::<Vec<_>>();
        for family in Family::ENCODERS {
            let graph = graph(&weights(family, Pooling::Pooler), Stored::F32);
            let has_types = matches!(family, Family::Bert | Family::Electra);
            let expected: &[&str] = if has_types {
                &["input_ids", "attention_mask", "token_type_ids"]
            } else {
                &["input_ids", "attention_mask"]
            };
            assert_eq!(names(&graph.input), expected, "{family:?}");
            assert_eq!(names(&graph.output), ["logits"]);
        }
    }

    #[test]
    fn half_precision_halves_the_file_and_bytes_quarter_its_matrices() {
        let weights = weights(Family::Bert, Pooling::Pooler);
        let bytes =
            |stored| graph(&weights, stored).initializer.iter().map(|of| of.raw_data.len()).sum::<usize>() as f64;
        let whole = bytes(Stored::F32);
        let half = bytes(Stored::F16) / whole;
        assert!((0.45..0.6).contains(&half), "{half} of the bytes");
        assert!(bytes(Stored::Int8) < 0.8 * whole, "{} of the bytes", bytes(Stored::Int8) / whole);
    }

    #[test]
    fn a_model_without_a_classifier_is_refused() {
        let mut weights = weights(Family::Bert, Pooling::Pooler);
        weights.config.head = None;
        let error = model(&weights, Stored::F32).expect_err("there are no logits").to_string();
        assert!(error.contains("no classifier") && error.contains("apt-lab run"), "{error}");
    }
}
