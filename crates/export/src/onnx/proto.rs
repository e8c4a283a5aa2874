//! The part of ONNX's protocol buffers that a model needs (onnx.proto of ONNX 1.13, IR version 8), and how they are
//! written. Field numbers are the format; fields that are not here are not written.

/// IR version of ONNX 1.13.
pub(super) const IR_VERSION: i64 = 8;

/// Types of the elements of tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(super) enum ElementType {
    /// 32-bit floats.
    Float = 1,
    /// Signed bytes.
    Int8 = 3,
    /// 64-bit integers.
    Int64 = 7,
    /// Half-precision floats.
    Float16 = 10,
}

/// What can be written as a message. It is used up, so that weights are in memory once and not as often as messages hold
/// each other.
pub(super) trait Message {
    /// Writes the fields.
    fn write(self, to: &mut Fields);
}

/// The bytes of a message as they grow.
#[derive(Default)]
pub(super) struct Fields(Vec<u8>);

impl Fields {
    /// The bytes of `message`.
    pub(super) fn of(message: impl Message) -> Vec<u8> {
        let mut fields = Self::default();
        message.write(&mut fields);
        fields.0
    }

    fn int(&mut self, field: u64, value: i64) {
        self.varint(field << 3);
        // A negative number is written as its two's complement.
        self.varint(value as u64);
    }

    fn float(&mut self, field: u64, value: f32) {
        self.varint(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn message(&mut self, field: u64, message: impl Message) {
        self.bytes(field, &Self::of(message));
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// A model.
pub(super) struct ModelProto {
    /// Version of the format.
    pub(super) ir_version: i64,
    /// Who wrote it.
    pub(super) producer_name: &'static str,
    /// Which version of that wrote it.
    pub(super) producer_version: &'static str,
    /// Version of the operators.
    pub(super) opset: i64,
    /// What is computed.
    pub(super) graph: GraphProto,
}

impl Message for ModelProto {
    fn write(self, to: &mut Fields) {
        to.int(1, self.ir_version);
        to.bytes(2, self.producer_name.as_bytes());
        to.bytes(3, self.producer_version.as_bytes());
        to.message(8, OperatorSetId(self.opset));
        to.message(7, self.graph);
    }
}

/// The version of ONNX's own operators.
struct OperatorSetId(i64);

impl Message for OperatorSetId {
    fn write(self, to: &mut Fields) {
        to.bytes(1, b"");
        to.int(2, self.0);
    }
}

/// What is computed, in order.
#[derive(Default)]
pub(super) struct GraphProto {
    /// The operations.
    pub(super) node: Vec<NodeProto>,
    /// A name.
    pub(super) name: &'static str,
    /// The constants.
    pub(super) initializer: Vec<TensorProto>,
    /// What is fed.
    pub(super) input: Vec<ValueInfoProto>,
    /// What comes out.
    pub(super) output: Vec<ValueInfoProto>,
}

impl Message for GraphProto {
    fn write(self, to: &mut Fields) {
        self.node.into_iter().for_each(|node| to.message(1, node));
        to.bytes(2, self.name.as_bytes());
        self.initializer.into_iter().for_each(|tensor| to.message(5, tensor));
        self.input.into_iter().for_each(|value| to.message(11, value));
        self.output.into_iter().for_each(|value| to.message(12, value));
    }
}

/// One operation.
pub(super) struct NodeProto {
    /// Names of what it reads.
    pub(super) input: Vec<String>,
    /// Names of what it makes.
    pub(super) output: Vec<String>,
    /// Its name.
    pub(super) name: String,
    /// Which operator.
    pub(super) op_type: String,
    /// Its constants.
    pub(super) attribute: Vec<AttributeProto>,
}

impl Message for NodeProto {
    fn write(self, to: &mut Fields) {
        self.input.iter().for_each(|name| to.bytes(1, name.as_bytes()));
        self.output.iter().for_each(|name| to.bytes(2, name.as_bytes()));
        to.bytes(3, self.name.as_bytes());
        to.bytes(4, self.op_type.as_bytes());
        self.attribute.into_iter().for_each(|attribute| to.message(5, attribute));
    }
}

/// A constant of an operation.
pub(super) struct AttributeProto {
    name: &'static str,
    value: Attribute,
}

enum Attribute {
    Float(f32),
    Int(i64),
    Ints(Vec<i64>),
}

impl AttributeProto {
    /// A number.
    pub(super) fn float(name: &'static str, value: f32) -> Self {
        Self { name, value: Attribute::Float(value) }
    }

    /// A whole number.
    pub(super) fn int(name: &'static str, value: i64) -> Self {
        Self { name, value: Attribute::Int(value) }
    }

    /// Whole numbers.
    pub(super) fn ints(name: &'static str, values: &[i64]) -> Self {
        Self { name, value: Attribute::Ints(values.to_vec()) }
    }
}

impl Message for AttributeProto {
    fn write(self, to: &mut Fields) {
        let [float, int, ints] = [1, 2, 7];
        to.bytes(1, self.name.as_bytes());
        let kind = match self.value {
            Attribute::Float(value) => {
                to.float(2, value);
                float
            }
            Attribute::Int(value) => {
                to.int(3, value);
                int
            }
            Attribute::Ints(values) => {
                values.into_iter().for_each(|value| to.int(8, value));
                ints
            }
        };
        to.int(20, kind);
    }
}

/// A constant tensor.
pub(super) struct TensorProto {
    /// Dimensions.
    pub(super) dims: Vec<i64>,
    /// Type of the elements.
    pub(super) data_type: ElementType,
    /// Its name.
    pub(super) name: String,
    /// Little-endian values, row by row.
    pub(super) raw_data: Vec<u8>,
}

impl Message for TensorProto {
    fn write(self, to: &mut Fields) {
        self.dims.iter().for_each(|&dim| to.int(1, dim));
        to.int(2, self.data_type as i64);
        to.bytes(8, self.name.as_bytes());
        to.bytes(9, &self.raw_data);
    }
}

/// An input or output: a tensor.
pub(super) struct ValueInfoProto {
    /// Its name.
    pub(super) name: String,
    /// Type of the elements.
    pub(super) of: ElementType,
    /// Its shape.
    pub(super) dims: Vec<Dimension>,
}

impl Message for ValueInfoProto {
    fn write(self, to: &mut Fields) {
        to.bytes(1, self.name.as_bytes());
        to.message(2, Type(self.of, self.dims));
    }
}

/// The type of a tensor, in the three messages that ONNX has for it.
struct Type(ElementType, Vec<Dimension>);
struct TensorType(ElementType, Vec<Dimension>);
struct Shape(Vec<Dimension>);

impl Message for Type {
    fn write(self, to: &mut Fields) {
        to.message(1, TensorType(self.0, self.1));
    }
}

impl Message for TensorType {
    fn write(self, to: &mut Fields) {
        to.int(1, self.0 as i64);
        to.message(2, Shape(self.1));
    }
}

impl Message for Shape {
    fn write(self, to: &mut Fields) {
        self.0.into_iter().for_each(|dim| to.message(1, dim));
    }
}

/// One dimension.
pub(super) enum Dimension {
    /// A number.
    Fixed(usize),
    /// The name of one that each call decides.
    Named(&'static str),
}

impl Message for Dimension {
    fn write(self, to: &mut Fields) {
        match self {
            Self::Fixed(size) => to.int(1, size as i64),
            Self::Named(name) => to.bytes(2, name.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_the_bytes_that_googles_library_writes() {
        // onnx.helper.make_node("Softmax", ["x"], ["y"], name="n", axis=-1).SerializeToString()
        let node = NodeProto {
            input: vec!["x".into()],
            output: vec!["y".into()],
            name: "n".into(),
            op_type: "Softmax".into(),
            attribute: vec![AttributeProto::int("axis", -1)],
        };
        let expected =
            b"\x0a\x01x\x12\x01y\x1a\x01n\x22\x07Softmax\x2a\x14\x0a\x04axis\x18\xff\xff\xff\xff\xff\xff\xff\
                         \xff\xff\x01\xa0\x01\x02";
        assert_eq!(Fields::of(node), expected);
        // onnx.helper.make_tensor("t", 1, [2], b"\0\0\x80?\0\0\0@", raw=True)
        let tensor = TensorProto {
            dims: vec![2],
            data_type: ElementType::Float,
            name: "t".into(),
            raw_data: [1.0_f32, 2.0].iter().flat_map(|v| v.to_le_bytes()).collect(),
        };
        assert_eq!(Fields::of(tensor), b"\x08\x02\x10\x01\x42\x01t\x4a\x08\0\0\x80?\0\0\0@");
    }
}
