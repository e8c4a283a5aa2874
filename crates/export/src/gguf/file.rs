//! The file format: metadata by keys, then what tensors there are, then their values.
//!
//! Version 3, little-endian (<https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>).

use half::f16;
use std::borrow::Cow;

/// Where values begin: at multiples of so many bytes.
const ALIGNMENT: usize = 32;
const VERSION: u32 = 3;

/// A value of the metadata.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    U32(u32),
    F32(f32),
    Bool(bool),
    Text(String),
    Integers(Vec<i32>),
    Floats(Vec<f32>),
    Texts(Vec<String>),
}

/// A tensor, row by row.
pub(super) struct Tensor<'w> {
    pub(super) name: String,
    /// As in safetensors: the number of rows first.
    pub(super) dims: Vec<usize>,
    pub(super) values: Cow<'w, [f32]>,
    /// Whether it is written in half precision.
    pub(super) is_half: bool,
}

/// A file.
#[derive(Default)]
pub(super) struct Gguf<'w> {
    pub(super) metadata: Vec<(String, Value)>,
    pub(super) tensors: Vec<Tensor<'w>>,
}

impl Gguf<'_> {
    /// Its bytes.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(b"GGUF");
        out.extend_from_slice(&VERSION.to_le_bytes());
        count(&mut out, self.tensors.len());
        count(&mut out, self.metadata.len());
        for (key, value) in &self.metadata {
            text(&mut out, key);
            value.write(&mut out);
        }
        let mut offset = 0;
        for tensor in &self.tensors {
            text(&mut out, &tensor.name);
            out.extend_from_slice(&(tensor.dims.len() as u32).to_le_bytes());
            // The dimension along which values lie side by side comes first.
            tensor.dims.iter().rev().for_each(|&dim| count(&mut out, dim));
            out.extend_from_slice(&u32::from(tensor.is_half).to_le_bytes());
            count(&mut out, offset);
            offset += tensor.size().next_multiple_of(ALIGNMENT);
        }
        out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
        out.reserve_exact(offset);
        for tensor in &self.tensors {
            match tensor.is_half {
                true => out.extend(tensor.values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes())),
                false => out.extend(tensor.values.iter().flat_map(|v| v.to_le_bytes())),
            }
            out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
        }
        out
    }
}

impl Tensor<'_> {
    /// Bytes of its values.
    fn size(&self) -> usize {
        self.values.len() * if self.is_half { 2 } else { 4 }
    }
}

impl Value {
    fn write(&self, out: &mut Vec<u8>) {
        let mut kind = |kind: u32| out.extend_from_slice(&kind.to_le_bytes());
        match self {
            Self::U32(_) => kind(4),
            Self::F32(_) => kind(6),
            Self::Bool(_) => kind(7),
            Self::Text(_) => kind(8),
            Self::Integers(_) => [9, 5].into_iter().for_each(kind),
            Self::Floats(_) => [9, 6].into_iter().for_each(kind),
            Self::Texts(_) => [9, 8].into_iter().for_each(kind),
        }
        match self {
            Self::U32(value) => out.extend_from_slice(&value.to_le_bytes()),
            Self::F32(value) => out.extend_from_slice(&value.to_le_bytes()),
            Self::Bool(value) => out.push(u8::from(*value)),
            Self::Text(value) => text(out, value),
            Self::Integers(values) => {
                count(out, values.len());
                out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            }
            Self::Floats(values) => {
                count(out, values.len());
                out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            }
            Self::Texts(values) => {
                count(out, values.len());
                values.iter().for_each(|value| text(out, value));
            }
        }
    }
}

fn count(out: &mut Vec<u8>, n: usize) {
    out.extend_from_slice(&(n as u64).to_le_bytes());
}

fn text(out: &mut Vec<u8>, text: &str) {
    count(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_what_the_format_says_byte_by_byte() {
        let file = Gguf {
            metadata: vec![("k".into(), Value::U32(7)), ("a".into(), Value::Integers(vec![-1, 2]))],
            tensors: vec![
                Tensor { name: "h".into(), dims: vec![1, 2], values: vec![1.0, -2.0].into(), is_half: true },
                Tensor { name: "f".into(), dims: vec![1], values: vec![0.5].into(), is_half: false },
            ],
        };
        let mut expected = b"GGUF".to_vec();
        expected.extend([3, 0, 0, 0]);
        let long = |n: u8| [n, 0, 0, 0, 0, 0, 0, 0];
        expected.extend([long(2), long(2)].concat());
        expected.extend([&long(1)[..], b"k", &[4, 0, 0, 0, 7, 0, 0, 0]].concat());
        expected.extend([&long(1)[..], b"a", &[9, 0, 0, 0, 5, 0, 0, 0], &long(2)].concat());
        expected.extend([255, 255, 255, 255, 2, 0, 0, 0]);
        expected.extend([&long(1)[..], b"h", &[2, 0, 0, 0], &long(2), &long(1), &[1, 0, 0, 0], &long(0)].concat());
        expected.extend([&long(1)[..], b"f", &[1, 0, 0, 0], &long(1), &[0, 0, 0, 0], &long(32)].concat());
        expected.resize(expected.len().next_multiple_of(32), 0);
        let values = expected.len();
        expected.extend([0x00, 0x3c, 0x00, 0xc0]);
        expected.resize(values + 32, 0);
        expected.extend(0.5f32.to_le_bytes());
        expected.resize(values + 64, 0);
        assert_eq!(file.bytes(), expected);
    }
}
