//! Linear layers: a product with what is added to it is one dispatch, forward and backward.

use super::product::{Matrix, Product};
use super::{Cube, Operand, Primitive, record};
use burn::backend::TensorMetadata;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::ops::FloatTensorOps;
use burn::tensor::Tensor;

/// `x·W + b`, [`None`] on another device.
pub(in crate::kernels) fn linear(x: &Tensor<2>, weight: &Tensor<2>, bias: &Tensor<1>) -> Option<Tensor<2>> {
    let inputs = [Operand::of(x)?, Operand::of(weight)?, Operand::of(bias)?];
    let [x, weight, bias] = inputs.each_ref().map(|input| input.value.clone());
    let y = Product::of(Matrix::of(&x), Matrix::of(&weight)).with_bias(&bias).run();
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
    let narrow = Product::of(Matrix::of(&x), Matrix::of(&a)).times(scale).run();
    let y = Product::of(Matrix::of(&x), Matrix::of(&weight)).plus(Matrix::of(&narrow), Matrix::of(&b));
    let y = y.with_bias(&bias).run();
    Some(record(Adapted, inputs, Saved { x, weight, a, b, narrow, scale }, y))
}

fn transposed(matrix: &Primitive) -> Matrix<'_> {
    Matrix::of(matrix).transposed()
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
            gradients.register::<Cube>(node.id, Product::of(Matrix::of(&g), transposed(&weight)).run());
        }
        if let Some(node) = of_weight {
            gradients.register::<Cube>(node.id, Product::of(transposed(&x), Matrix::of(&g)).run());
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
        let of_narrow = Product::of(Matrix::of(&g), transposed(&b)).times(scale).run();
        if let Some(node) = of_x {
            let product = Product::of(Matrix::of(&g), transposed(&weight)).plus(Matrix::of(&of_narrow), transposed(&a));
            gradients.register::<Cube>(node.id, product.run());
        }
        if let Some(node) = of_weight {
            gradients.register::<Cube>(node.id, Product::of(transposed(&x), Matrix::of(&g)).run());
        }
        if let Some(node) = of_a {
            gradients.register::<Cube>(node.id, Product::of(transposed(&x), Matrix::of(&of_narrow)).run());
        }
        if let Some(node) = of_b {
            gradients.register::<Cube>(node.id, Product::of(transposed(&narrow), Matrix::of(&g)).run());
        }
        if let Some(node) = of_bias {
            gradients.register::<Cube>(node.id, column_sums(g));
        }
    }
}
