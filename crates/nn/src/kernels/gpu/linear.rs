//! Linear layers: a product with what is added to it, and its GELU, is one dispatch, forward and backward.

use super::launch::rows;
use super::product::{Gelu, Matrix, Pair, Product};
use super::rows::gelu_pass;
use super::{Cube, Operand, Primitive, record};
use burn::backend::TensorMetadata;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::ops::FloatTensorOps;
use burn::tensor::Tensor;

/// `x·W + b` or its GELU, [`None`] on another device.
pub(in crate::kernels) fn linear(x: &Tensor<2>, weight: &Tensor<2>, bias: &Tensor<1>, gelu: bool) -> Option<Tensor<2>> {
    let inputs = [Operand::of(x)?, Operand::of(weight)?, Operand::of(bias)?];
    let [x, weight, bias] = inputs.each_ref().map(|input| input.value.clone());
    let y = Product::of(Matrix::of(&x), Matrix::of(&weight)).with_bias(&bias);
    let (y, before) = finished(y, gelu, &inputs);
    Some(record(Linear, inputs, (x, weight, before), y))
}

/// The product, or its GELU and, where there is a way back, what it is of.
fn finished(product: Product<'_>, gelu: bool, inputs: &[Operand]) -> (Primitive, Option<Primitive>) {
    if !gelu {
        return (product.run(), None);
    }
    if inputs.iter().all(|input| input.node.is_none()) {
        return (product.with_gelu(Gelu::Instead).run(), None);
    }
    let y = product.result();
    let before = product.with_gelu(Gelu::Beside(&y)).run();
    (y, Some(before))
}

/// Of a result's gradient, that of the product.
fn through(gradient: Primitive, before: Option<&Primitive>) -> Primitive {
    match before {
        Some(before) => gelu_pass(before, Some(&rows(gradient))),
        None => gradient,
    }
}

/// `x·W + b + s·x·A·B` or its GELU, [`None`] on another device.
pub(in crate::kernels) fn adapted(
    x: &Tensor<2>,
    [weight, a, b]: [&Tensor<2>; 3],
    bias: &Tensor<1>,
    scale: f64,
    gelu: bool,
) -> Option<Tensor<2>> {
    let inputs = [Operand::of(x)?, Operand::of(weight)?, Operand::of(bias)?, Operand::of(a)?, Operand::of(b)?];
    let [x, weight, bias, a, b] = inputs.each_ref().map(|input| input.value.clone());
    let branch = Branch::of(x, [a, b], scale);
    let y = branch.onto(Product::of(Matrix::of(&branch.x), Matrix::of(&weight)).with_bias(&bias));
    let (y, before) = finished(y, gelu, &inputs);
    Some(record(Adapted, inputs, (weight, branch, before), y))
}

/// `x + s·x·A·B`, [`None`] on another device.
pub(in crate::kernels) fn added(x: &Tensor<2>, [a, b]: [&Tensor<2>; 2], scale: f64) -> Option<Tensor<2>> {
    let inputs = [Operand::in_rows(x)?, Operand::of(a)?, Operand::of(b)?];
    let [x, a, b] = inputs.each_ref().map(|input| input.value.clone());
    let branch = Branch::of(x, [a, b], scale);
    let y = Product::of(Matrix::of(&branch.narrow), Matrix::of(&branch.b)).with_matrix(&branch.x).run();
    Some(record(Added, inputs, branch, y))
}

pub(super) fn transposed(matrix: &Primitive) -> Matrix<'_> {
    Matrix::of(matrix).transposed()
}

/// An adapter's branch, `s·x·A·B`, on its way there and back.
#[derive(Clone, Debug)]
pub(super) struct Branch {
    x: Primitive,
    a: Primitive,
    b: Primitive,
    /// `s·x·A`.
    narrow: Primitive,
    scale: f64,
}

impl Branch {
    pub(super) fn of(x: Primitive, [a, b]: [Primitive; 2], scale: f64) -> Self {
        let narrow = Product::of(Matrix::of(&x), Matrix::of(&a)).times(scale).run();
        Self { x, a, b, narrow, scale }
    }

    /// A product with the branch added to it.
    pub(super) fn onto<'a>(&'a self, product: Product<'a>) -> Product<'a> {
        product.plus(Matrix::of(&self.narrow), Matrix::of(&self.b))
    }

    /// Of the result's gradient g, `s·g·Bᵀ`.
    pub(super) fn back(&self, g: &Primitive) -> Primitive {
        Product::of(Matrix::of(g), transposed(&self.b)).times(self.scale).run()
    }

    /// A gradient of x with the branch's part, of what [`Self::back`] gave, added to it.
    pub(super) fn back_onto<'a>(&'a self, product: Product<'a>, back: &'a Primitive) -> Product<'a> {
        product.plus(Matrix::of(back), transposed(&self.a))
    }

    /// The gradients of A and of B: `xᵀ·(s·g·Bᵀ)` and `(s·x·A)ᵀ·g`.
    pub(super) fn gradients(&self, g: &Primitive, back: &Primitive) -> Pair {
        let of_a = Product::of(transposed(&self.x), Matrix::of(back));
        of_a.beside(Product::of(transposed(&self.narrow), Matrix::of(g)))
    }

    /// Registers [`Self::gradients`] where they are wanted.
    fn register(&self, gradients: &mut Gradients, nodes: [Option<NodeId>; 2], g: &Primitive, back: &Primitive) {
        if nodes.iter().all(Option::is_none) {
            return;
        }
        for (node, gradient) in nodes.into_iter().zip(self.gradients(g, back).parts) {
            if let Some(node) = node {
                gradients.register::<Cube>(node, gradient);
            }
        }
    }
}

/// The gradient of a bias.
pub(super) fn column_sums(matrix: Primitive) -> Primitive {
    let columns = matrix.shape()[1];
    Cube::float_reshape(Cube::float_sum_dim(matrix, 0), [columns].into())
}

#[derive(Debug)]
struct Linear;

impl Backward<Cube, 3> for Linear {
    /// x, W and, under a GELU, what it is of.
    type State = (Primitive, Primitive, Option<Primitive>);

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let (x, weight, before) = ops.state;
        let g = through(gradients.consume::<Cube>(&ops.node), before.as_ref());
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

#[derive(Debug)]
struct Adapted;

impl Backward<Cube, 5> for Adapted {
    /// W, the branch and, under a GELU, what it is of.
    type State = (Primitive, Branch, Option<Primitive>);

    fn backward(self, ops: Ops<Self::State, 5>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let (weight, branch, before) = ops.state;
        let g = through(gradients.consume::<Cube>(&ops.node), before.as_ref());
        let [of_x, of_weight, of_bias, of_a, of_b] = ops.parents;
        let back = branch.back(&g);
        if let Some(node) = of_x {
            let product = branch.back_onto(Product::of(Matrix::of(&g), transposed(&weight)), &back);
            gradients.register::<Cube>(node.id, product.run());
        }
        if let Some(node) = of_weight {
            gradients.register::<Cube>(node.id, Product::of(transposed(&branch.x), Matrix::of(&g)).run());
        }
        branch.register(gradients, [of_a, of_b].map(|node| node.map(|node| node.id)), &g, &back);
        if let Some(node) = of_bias {
            gradients.register::<Cube>(node.id, column_sums(g));
        }
    }
}

#[derive(Debug)]
struct Added;

impl Backward<Cube, 3> for Added {
    type State = Branch;

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let branch = ops.state;
        let g = rows(gradients.consume::<Cube>(&ops.node));
        let [of_x, of_a, of_b] = ops.parents;
        let back = branch.back(&g);
        branch.register(gradients, [of_a, of_b].map(|node| node.map(|node| node.id)), &g, &back);
        if let Some(node) = of_x {
            let product = Product::of(Matrix::of(&back), transposed(&branch.a)).with_matrix(&g);
            gradients.register::<Cube>(node.id, product.run());
        }
    }
}
