//! A frozen linear layer with its adapter as one operation of the CPU: what both branches give is summed where it is
//! computed, forward and backward, and what the layer read is read once.

use super::gemm;
use super::rows::values;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, backend_extension};

/// The operation, reachable from a tensor of any device.
#[backend_extension(Flex, Autodiff)]
pub(super) trait CpuAdapted: Backend {
    /// `x·W + b + s·x·A·B`; no gradient reaches W and b.
    fn cpu_adapted(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        scale: f64,
    ) -> FloatTensor<Self>;
}

/// What autodiff makes it of.
trait Parts: Backend {
    /// The result, and `s·x·A`, which the way back needs.
    fn parts(
        x: FloatTensor<Self>,
        of: [FloatTensor<Self>; 3],
        bias: FloatTensor<Self>,
        scale: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
    /// ∂L/∂x, if it is wanted, and ∂L/∂A and ∂L/∂B.
    fn gradients(
        saved: Saved<Self>,
        gradient: FloatTensor<Self>,
        of_x: bool,
    ) -> (Option<FloatTensor<Self>>, [FloatTensor<Self>; 2]);
}

#[derive(Clone, Debug)]
struct Saved<B: Backend> {
    x: FloatTensor<B>,
    /// W, A and B.
    of: [FloatTensor<B>; 3],
    narrow: FloatTensor<B>,
    scale: f64,
}

impl CpuAdapted for Flex {
    fn cpu_adapted(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        a: FlexTensor,
        b: FlexTensor,
        scale: f64,
    ) -> FlexTensor {
        Self::parts(x, [weight, a, b], bias, scale).0
    }
}

impl Parts for Flex {
    fn parts(x: FlexTensor, of: [FlexTensor; 3], bias: FlexTensor, scale: f64) -> (FlexTensor, FlexTensor) {
        gemm::adapted(&x, of.each_ref(), values(&bias.to_contiguous()), scale as f32)
    }

    fn gradients(saved: Saved<Self>, gradient: FlexTensor, of_x: bool) -> (Option<FlexTensor>, [FlexTensor; 2]) {
        let Saved { x, of, narrow, scale } = &saved;
        gemm::adapted_gradients(&gradient, x, of.each_ref(), narrow, *scale as f32, of_x)
    }
}

#[derive(Debug)]
struct Adapted;

impl<B: Parts> Backward<B, 3> for Adapted {
    type State = Saved<B>;

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let [x, a, b] = ops.parents;
        // What the first layer reads is of the frozen embeddings.
        let (of_x, [of_a, of_b]) = B::gradients(ops.state, gradient, x.is_some());
        for (parent, gradient) in [(x, of_x), (a, Some(of_a)), (b, Some(of_b))] {
            if let Some((parent, gradient)) = parent.zip(gradient) {
                gradients.register::<B>(parent.id, gradient);
            }
        }
    }
}

impl<B: CpuAdapted + Parts, C: CheckpointStrategy> CpuAdapted for Autodiff<B, C> {
    fn cpu_adapted(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        scale: f64,
    ) -> FloatTensor<Self> {
        let ((x, node), (a, of_a), (b, of_b)) = (x.into_parts(), a.into_parts(), b.into_parts());
        let ((weight, _), (bias, _)) = (weight.into_parts(), bias.into_parts());
        match Adapted.prepare::<C>([node, of_a, of_b]).compute_bound().stateful() {
            OpsKind::Tracked(tracked) => {
                let of = [weight, a, b];
                let (y, narrow) = B::parts(x.clone(), of.clone(), bias, scale);
                tracked.finish(Saved { x, of, narrow, scale }, y)
            }
            OpsKind::UnTracked(free) => free.finish(B::cpu_adapted(x, weight, bias, a, b, scale)),
        }
    }
}
