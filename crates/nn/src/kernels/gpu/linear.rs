//! Matrix products and the linear layers made of them: a product with what is added to it is one dispatch, forward and
//! backward.

use super::launch::{Launch, empty};
use super::{Cube, Operand, Primitive, record};
use burn::backend::TensorMetadata;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::ops::FloatTensorOps;
use burn::tensor::Tensor;

/// Products at least this large are cut into large tiles.
const LARGE: [usize; 2] = [128, 64];

/// `s·(a·b + c·d) + bias`; the second product and the bias may be absent.
pub(super) struct Product<'a> {
    pub first: [&'a Primitive; 2],
    pub second: Option<[&'a Primitive; 2]>,
    pub bias: Option<&'a Primitive>,
    pub scale: f64,
}

impl Product<'_> {
    /// The product of two matrices.
    pub(super) fn of<'a>(a: &'a Primitive, b: &'a Primitive) -> Product<'a> {
        Product { first: [a, b], second: None, bias: None, scale: 1.0 }
    }

    pub(super) fn run(self) -> Primitive {
        let [a, b] = self.first;
        let (rows, columns) = (a.meta.shape()[0], b.meta.shape()[1]);
        let out = empty(a, [rows, columns]);
        let large = rows >= LARGE[0] && columns >= LARGE[1];
        let (file, tile) = match large {
            true => (include_str!("product_large.wgsl"), 64),
            false => (include_str!("product_small.wgsl"), 16),
        };
        let second = match self.second {
            Some(_) => ("c[l]", "d[r]", "2u"),
            None => ("0.0", "0.0", "1u"),
        };
        let mut launch = Launch::of(file)
            .with("operands", include_str!("operands.wgsl"))
            .with("second left", second.0)
            .with("second right", second.1)
            .with("terms", second.2)
            .with("bias", if self.bias.is_some() { " + bias[column]" } else { "" })
            .read("a", a)
            .read("b", b);
        if let Some([c, d]) = self.second {
            launch = launch.read("c", c).read("d", d);
        }
        if let Some(bias) = self.bias {
            launch = launch.read("bias", bias);
        }
        launch = launch.write("out", &out).numbers([rows, columns]).fraction(self.scale);
        for [left, right] in [Some(self.first), self.second].into_iter().flatten() {
            let inner = left.meta.shape()[1];
            let (l, r) = (left.meta.strides(), right.meta.strides());
            launch = launch.numbers([inner, l[0], l[1], r[0], r[1]]);
        }
        launch.grid(columns.div_ceil(tile), rows.div_ceil(tile));
        out
    }
}

/// `x·W + b`, [`None`] on another device.
pub(in crate::kernels) fn linear(x: &Tensor<2>, weight: &Tensor<2>, bias: &Tensor<1>) -> Option<Tensor<2>> {
    let inputs = [Operand::of(x)?, Operand::of(weight)?, Operand::of(bias)?];
    let [x, weight, bias] = inputs.each_ref().map(|input| input.value.clone());
    let y = Product { bias: Some(&bias), ..Product::of(&x, &weight) }.run();
    Some(record(Linear, inputs, (x, weight), y))
}

/// `x·W + b + s·x·A·B`, [`None`] on another device.
pub(in crate::kernels) fn adapted(
    x: &Tensor<2>,
    [weight, a, b]: [&Tensor<2>; 3],
    bias: &Tensor<1>,
    scale: f64,
) -> Option<Tensor<2>> {
    let inputs = [Operand::of(x)?, Operand::of(weight)?, Operand::of(bias)?, Operand::of(a)?, Operand::of(b)?];
    let [x, weight, bias, a, b] = inputs.each_ref().map(|input| input.value.clone());
    let narrow = Product { scale, ..Product::of(&x, &a) }.run();
    let y = Product { second: Some([&narrow, &b]), bias: Some(&bias), ..Product::of(&x, &weight) }.run();
    Some(record(Adapted, inputs, Saved { x, weight, a, b, narrow, scale }, y))
}

fn transposed(matrix: &Primitive) -> Primitive {
    Cube::float_swap_dims(matrix.clone(), 0, 1)
}

/// The gradient of a bias.
fn column_sums(matrix: Primitive) -> Primitive {
    let columns = matrix.shape()[1];
    Cube::float_reshape(Cube::float_sum_dim(matrix, 0), [columns].into())
}

#[derive(Debug)]
struct Linear;

impl Backward<Cube, 3> for Linear {
    type State = (Primitive, Primitive);

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let (x, weight) = ops.state;
        let g = gradients.consume::<Cube>(&ops.node);
        let [of_x, of_weight, of_bias] = ops.parents;
        if let Some(node) = of_x {
            gradients.register::<Cube>(node.id, Product::of(&g, &transposed(&weight)).run());
        }
        if let Some(node) = of_weight {
            gradients.register::<Cube>(node.id, Product::of(&transposed(&x), &g).run());
        }
        if let Some(node) = of_bias {
            gradients.register::<Cube>(node.id, column_sums(g));
        }
    }
}

#[derive(Clone, Debug)]
struct Saved {
    x: Primitive,
    weight: Primitive,
    a: Primitive,
    b: Primitive,
    /// `s·x·A`.
    narrow: Primitive,
    scale: f64,
}

#[derive(Debug)]
struct Adapted;

impl Backward<Cube, 5> for Adapted {
    type State = Saved;

    fn backward(self, ops: Ops<Self::State, 5>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let Saved { x, weight, a, b, narrow, scale } = ops.state;
        let g = gradients.consume::<Cube>(&ops.node);
        let [of_x, of_weight, of_bias, of_a, of_b] = ops.parents;
        let of_narrow = Product { scale, ..Product::of(&g, &transposed(&b)) }.run();
        if let Some(node) = of_x {
            let (weight, a) = (transposed(&weight), transposed(&a));
            let product = Product { second: Some([&of_narrow, &a]), ..Product::of(&g, &weight) };
            gradients.register::<Cube>(node.id, product.run());
        }
        if let Some(node) = of_weight {
            gradients.register::<Cube>(node.id, Product::of(&transposed(&x), &g).run());
        }
        if let Some(node) = of_a {
            gradients.register::<Cube>(node.id, Product::of(&transposed(&x), &of_narrow).run());
        }
        if let Some(node) = of_b {
            gradients.register::<Cube>(node.id, Product::of(&transposed(&narrow), &g).run());
        }
        if let Some(node) = of_bias {
            gradients.register::<Cube>(node.id, column_sums(g));
        }
    }
}
