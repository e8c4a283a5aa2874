//! Taps on activations: a gradient is kept without adding anything to the activation, and scored in one dispatch.

use super::launch::{Launch, empty};
use super::{Cube, Graph, Operand, record};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::tensor::Tensor;

/// Columns of a workgroup, each with as many invocations as there are columns.
const COLUMNS: usize = 16;

/// `h` and a leaf whose gradient is the one that reaches `h` from what follows; [`None`] on another device and without
/// autodiff.
pub(in crate::kernels) fn tapped(h: &Tensor<2>) -> Option<(Tensor<2>, Tensor<2>)> {
    h.clone().try_into_primitive::<Graph>().ok()?;
    let input = Operand::of(h)?;
    // The leaf is only a name for its gradient: its own values are never read, nor is its size.
    let leaf = Tensor::<2>::empty([1, 1], &h.device()).require_grad();
    let value = input.value.clone();
    let h = record(Tapped, [input, Operand::of(&leaf)?], (), value);
    Some((h, leaf))
}

#[derive(Debug)]
struct Tapped;

impl Backward<Cube, 2> for Tapped {
    type State = ();

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let gradient = gradients.consume::<Cube>(&ops.node);
        for node in ops.parents.into_iter().flatten() {
            gradients.register::<Cube>(node.id, gradient.clone());
        }
    }
}

/// `Σ|h| · Σ|g|` of every column, [`None`] on another device.
pub(in crate::kernels) fn compressed_product(h: &Tensor<2>, g: &Tensor<2>) -> Option<Tensor<1>> {
    let [h, g] = [h, g].map(|t| t.clone().try_into_primitive::<Cube>().ok());
    let (h, g) = (h?, g?);
    let (rows, columns) = (h.meta.shape()[0], h.meta.shape()[1]);
    let out = empty(&h, [columns]);
    let (of_h, of_g) = (h.meta.strides(), g.meta.strides());
    let launch = Launch::of(include_str!("columns.wgsl")).read("h", &h).read("g", &g).write("out", &out);
    let launch = launch.numbers([rows, columns, of_h[0], of_h[1], of_g[0], of_g[1]]);
    launch.groups(columns.div_ceil(COLUMNS));
    Some(Tensor::from_primitive::<Cube>(out))
}
