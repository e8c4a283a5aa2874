//! Taps on activations: what a scorer needs is summed over the tokens where it passes, forward and backward, and nothing
//! larger than a vector is kept.

use super::launch::{Launch, empty};
use super::{Cube, Graph, Operand, Primitive, record};
use crate::batch::Counts;
use crate::kernels::Term;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::tensor::Tensor;

/// Columns of a workgroup, each with as many invocations as there are columns.
const COLUMNS: usize = 16;

/// The sums of these terms over every column, in one launch; [`None`] on another device.
pub(in crate::kernels) fn column_sums<const N: usize>(
    x: &Tensor<2>,
    counts: Option<&Counts>,
    terms: [Term; N],
) -> Option<[Tensor<1>; N]> {
    let x = x.clone().try_into_primitive::<Cube>().ok()?;
    let results = terms.map(|term| match term {
        Term::Abs => ("sizes", "sizes[column] = sum.x;"),
        Term::Mean => ("means", "means[column] = sum.y / f32(info[4]);"),
        Term::Square => ("squares", "squares[column] = sum.z;"),
    });
    let out = terms.map(|_| empty(&x, [x.meta.shape()[1]]));
    let mut launch = Launch::of(include_str!("columns.wgsl")).read("x", &x);
    for ((name, _), out) in results.iter().zip(&out) {
        launch = launch.write(*name, out);
    }
    let launch = launch.with("results", results.map(|(_, result)| result).join("\n        "));
    match counts {
        Some(Counts { rows, count }) => {
            let rows = rows.clone().try_into_primitive::<Cube>().ok()?;
            sum_columns(launch.read("counts", &rows), &x, " * counts[row]", *count);
        }
        None => sum_columns(launch, &x, "", x.meta.shape()[0]),
    }
    Some(out.map(Tensor::from_primitive::<Cube>))
}

/// `h` with `leaf` behind it, which gets `sizes · Σ|∂L/∂h|` for its gradient; [`None`] on another device and without
/// autodiff.
pub(in crate::kernels) fn tapped(h: &Tensor<2>, leaf: &Tensor<1>, sizes: &Tensor<1>) -> Option<Tensor<2>> {
    h.clone().try_into_primitive::<Graph>().ok()?;
    let input = Operand::of(h)?;
    let sizes = sizes.clone().try_into_primitive::<Cube>().ok()?;
    let value = input.value.clone();
    Some(record(Tapped, [input, Operand::of(leaf)?], sizes, value))
}

#[derive(Debug)]
struct Tapped;

impl Backward<Cube, 2> for Tapped {
    type State = Primitive;

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let gradient = gradients.consume::<Cube>(&ops.node);
        let [h, leaf] = ops.parents;
        if let Some(leaf) = leaf {
            let out = empty(&gradient, [gradient.meta.shape()[1]]);
            let launch = Launch::of(include_str!("columns.wgsl")).read("x", &gradient).read("sizes", &ops.state);
            let launch = launch.write("out", &out).with("results", "out[column] = sum.x * sizes[column];");
            sum_columns(launch, &gradient, "", gradient.meta.shape()[0]);
            gradients.register::<Cube>(leaf.id, out);
        }
        if let Some(h) = h {
            gradients.register::<Cube>(h.id, gradient);
        }
    }
}

/// `factor` stands behind every entry of `x`, of which so many rows count.
fn sum_columns(launch: Launch, x: &Primitive, factor: &'static str, count: usize) {
    let (shape, strides) = (x.meta.shape(), x.meta.strides());
    let launch = launch.with("counts", factor);
    launch.numbers([shape[0], shape[1], strides[0], strides[1], count]).groups(shape[1].div_ceil(COLUMNS));
}
