//! A graph as it grows: operations by name, constants once each, weights as they are to be stored.

use super::proto::{AttributeProto, Dimension, ElementType, GraphProto, NodeProto, TensorProto, ValueInfoProto};
use crate::Stored;
use std::collections::{BTreeMap, BTreeSet};

/// The name of a value in the graph.
pub(super) type Value = String;

/// A graph that is being written.
pub(super) struct Graph {
    stored: Stored,
    proto: GraphProto,
    constants: BTreeSet<String>,
    /// Values that were quantised already: bytes, scale and zero point.
    quantised: BTreeMap<Value, [Value; 3]>,
}

impl Graph {
    /// An empty one whose weights are stored as `stored`.
    pub(super) fn new(stored: Stored) -> Self {
        let proto = GraphProto { name: "encoder", ..GraphProto::default() };
        Self { stored, proto, constants: BTreeSet::new(), quantised: BTreeMap::new() }
    }

    /// The finished graph.
    pub(super) fn finish(self) -> GraphProto {
        self.proto
    }

    /// An input of whole numbers, of a shape that each call decides.
    pub(super) fn input(&mut self, name: &str, dims: &[&'static str]) -> Value {
        let dims = dims.iter().map(|dim| Dimension::Named(dim)).collect();
        self.proto.input.push(ValueInfoProto { name: name.into(), of: ElementType::Int64, dims });
        name.into()
    }

    /// Makes `value` the output `name`, `[batch_size, width]`.
    pub(super) fn output(&mut self, value: Value, name: &str, width: usize) {
        let dims = vec![Dimension::Named("batch_size"), Dimension::Fixed(width)];
        self.proto.output.push(ValueInfoProto { name: name.into(), of: ElementType::Float, dims });
        let node = NodeProto {
            input: vec![value],
            output: vec![name.into()],
            name: "output".into(),
            op_type: "Identity".into(),
            attribute: vec![],
        };
        self.proto.node.push(node);
    }

    /// The one output of the operation `op` on `inputs`.
    pub(super) fn op(&mut self, op: &str, inputs: &[&Value], attribute: Vec<AttributeProto>) -> Value {
        let [value] = self.ops(op, inputs, attribute);
        value
    }

    /// As [`Self::op`], of an operation with several outputs.
    fn ops<const N: usize>(&mut self, op: &str, inputs: &[&Value], attribute: Vec<AttributeProto>) -> [Value; N] {
        let name = format!("{op}_{}", self.proto.node.len());
        let output: [Value; N] = std::array::from_fn(|i| if i == 0 { name.clone() } else { format!("{name}.{i}") });
        self.proto.node.push(NodeProto {
            input: inputs.iter().map(|&value| value.clone()).collect(),
            output: output.to_vec(),
            name,
            op_type: op.into(),
            attribute,
        });
        output
    }

    /// `value` as elements of another type.
    pub(super) fn cast(&mut self, value: &Value, to: ElementType) -> Value {
        self.op("Cast", &[value], vec![AttributeProto::int("to", to as i64)])
    }

    /// A constant number.
    pub(super) fn number(&mut self, value: f32) -> Value {
        let name = format!("number:{value}");
        self.constant(name, ElementType::Float, &[], || value.to_le_bytes().to_vec())
    }

    /// Constant whole numbers; `rank` 0 is a single one without dimensions.
    pub(super) fn integers(&mut self, values: &[i64], rank: usize) -> Value {
        let words: Vec<String> = values.iter().map(i64::to_string).collect();
        let name = format!("integers:{}:{rank}", words.join(","));
        let dims = [values.len()];
        let dims = if rank == 0 { &[][..] } else { &dims[..] };
        self.constant(name, ElementType::Int64, dims, || values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    /// A weight: stored as the graph stores weights, used as 32-bit floats. Bytes are for matrix products and tables alone.
    pub(super) fn weight(&mut self, name: &str, dims: &[usize], values: &[f32]) -> Value {
        match self.stored {
            Stored::F32 | Stored::Int8 => self.floats(name, dims, values),
            Stored::F16 => {
                let bytes = || values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect();
                let stored = self.constant(name.into(), ElementType::Float16, dims, bytes);
                self.cast(&stored, ElementType::Float)
            }
        }
    }

    /// Rows of the table `name` (`[rows, width]`), chosen by `ids`.
    pub(super) fn rows(&mut self, name: &str, dims: &[usize], values: &[f32], ids: &Value) -> Value {
        if self.stored == Stored::F32 {
            let table = self.floats(name, dims, values);
            return self.op("Gather", &[&table, ids], vec![]);
        }
        if self.stored == Stored::F16 {
            // The rows are made floats, and not the table.
            let bytes = || values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect();
            let table = self.constant(name.into(), ElementType::Float16, dims, bytes);
            let rows = self.op("Gather", &[&table, ids], vec![]);
            return self.cast(&rows, ElementType::Float);
        }
        let width = dims.last().copied().unwrap_or(1).max(1);
        let (bytes, scales) = quantise(values.chunks_exact(width).map(<[f32]>::to_vec));
        let rows = dims.first().copied().unwrap_or(0);
        let table = self.constant(format!("{name}:int8"), ElementType::Int8, dims, || bytes.concat());
        let scales = self.floats(&format!("{name}:scale"), &[rows, 1], &scales);
        let chosen = self.op("Gather", &[&table, ids], vec![]);
        let chosen = self.cast(&chosen, ElementType::Float);
        let scale = self.op("Gather", &[&scales, ids], vec![]);
        self.op("Mul", &[&chosen, &scale], vec![])
    }

    /// `x·W`, where `values` are W row by row, `[inputs, outputs]`.
    pub(super) fn product(&mut self, x: &Value, name: &str, dims: [usize; 2], values: &[f32]) -> Value {
        if self.stored != Stored::Int8 {
            let weight = self.weight(name, &dims, values);
            return self.op("MatMul", &[x, &weight], vec![]);
        }
        let [inputs, outputs] = dims;
        let column = |o: usize| (0..inputs).filter_map(move |i| values.get(i * outputs + o).copied()).collect();
        let (columns, scales) = quantise((0..outputs).map(column));
        let by_row = || (0..inputs).flat_map(|i| columns.iter().filter_map(move |c| c.get(i).copied())).collect();
        let weight = self.constant(format!("{name}:int8"), ElementType::Int8, &dims, by_row);
        let scales = self.floats(&format!("{name}:scale"), &[outputs], &scales);
        let [x, x_scale, x_zero] = self.quantised(x);
        let sums = self.op("MatMulInteger", &[&x, &weight, &x_zero], vec![]);
        let sums = self.cast(&sums, ElementType::Float);
        let scale = self.op("Mul", &[&x_scale, &scales], vec![]);
        self.op("Mul", &[&sums, &scale], vec![])
    }

    /// `x` as bytes with scale and zero point, of which each call finds its own.
    fn quantised(&mut self, x: &Value) -> [Value; 3] {
        if let Some(known) = self.quantised.get(x) {
            return known.clone();
        }
        let made = self.ops("DynamicQuantizeLinear", &[x], vec![]);
        self.quantised.insert(x.clone(), made.clone());
        made
    }

    fn floats(&mut self, name: &str, dims: &[usize], values: &[f32]) -> Value {
        let bytes = || values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(name.into(), ElementType::Float, dims, bytes)
    }

    fn constant(&mut self, name: String, of: ElementType, dims: &[usize], bytes: impl FnOnce() -> Vec<u8>) -> Value {
        if self.constants.insert(name.clone()) {
            let dims = dims.iter().map(|&dim| dim as i64).collect();
            let tensor = TensorProto { dims, data_type: of, name: name.clone(), raw_data: bytes() };
            self.proto.initializer.push(tensor);
        }
        name
    }
}

/// Each vector as bytes with a scale of its own, symmetric about 0. Seven bits: a sum of two products with unsigned bytes
/// then fits 16 bits, which processors without VNNI cut it to, and every machine gives the same numbers.
fn quantise(vectors: impl Iterator<Item = Vec<f32>>) -> (Vec<Vec<u8>>, Vec<f32>) {
    const LARGEST: f32 = 64.0;
    let of = |vector: Vec<f32>| {
        let largest = vector.iter().fold(0.0_f32, |max, v| max.max(v.abs()));
        let scale = if largest > 0.0 { largest / LARGEST } else { 1.0 };
        let bytes: Vec<u8> = vector.iter().map(|v| (v / scale).round().clamp(-LARGEST, LARGEST) as i8 as u8).collect();
        (bytes, scale)
    };
    vectors.map(of).unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantised_vectors_are_within_half_a_step_and_seven_bits() {
        let vectors = vec![vec![0.0, 0.0], vec![1.0, -0.26], vec![-3.0, 0.01]];
        let (bytes, scales) = quantise(vectors.clone().into_iter());
        for ((vector, bytes), scale) in vectors.iter().zip(&bytes).zip(&scales) {
            for (value, byte) in vector.iter().zip(bytes) {
                let byte = f32::from(*byte as i8);
                assert!(byte.abs() <= 64.0, "{byte} takes more than seven bits");
                assert!((byte * scale - value).abs() <= 0.5 * scale + 1e-6, "{value} became {}", byte * scale);
            }
        }
    }
}
