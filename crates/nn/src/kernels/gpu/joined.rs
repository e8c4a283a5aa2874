//! Linear layers that read the same, as queries, keys and values do: their weights and adapters stand beside one another in
//! one buffer, so that one product with what is added to it is all three, forward and backward.

use super::launch::empty;
use super::linear::{Branch, column_sums, transposed};
use super::patches::{Patch, aligned, gather, part, scatter};
use super::product::{Matrix, Product};
use super::{Cube, Operand, Primitive, record};
use crate::kernels::LinearTensors;
use burn::backend::TensorMetadata;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::ops::FloatTensorOps;
use burn::tensor::Tensor;

/// Layers that are joined.
const LAYERS: usize = 3;
/// Their tensors: weight, bias, A and B of each.
const EACH: usize = 4;
/// Ranks stand in so many columns or a multiple of it, the last of them zeros, so that they are read in fours.
const FOURS: usize = 4;

/// `[n, sum of the widths]`: what the layers give, side by side; [`None`] on another device, and where adapters have
/// different factors.
pub(in crate::kernels) fn joined(x: &Tensor<2>, layers: &[LinearTensors; LAYERS]) -> Option<Tensor<2>> {
    let x = Operand::of(x)?;
    let mut scales = layers.iter().filter_map(|layer| layer.adapter.as_ref()).map(|(_, scale)| *scale);
    let scale = scales.next().unwrap_or(1.0);
    if scales.any(|other| other != scale) {
        return None;
    }
    let d = x.value.shape()[1];
    let place = Place::of(d, layers);
    let absent = || Operand { value: x.value.clone(), node: None };
    let mut operands = Vec::with_capacity(1 + LAYERS * EACH);
    for LinearTensors { weight, bias, adapter } in layers {
        operands.extend([Operand::of(weight)?, Operand::of(bias)?]);
        operands.extend(match adapter {
            Some(([a, b], _)) => [Operand::of(a)?, Operand::of(b)?],
            None => [absent(), absent()],
        });
    }
    let all =
        place.weights.iter().zip(operands.chunks(EACH)).flat_map(|(patches, operands)| patches.iter().zip(operands));
    let whole = gathered(&x.value, place.ends[0], all.map(|(patch, operand)| (&operand.value, *patch)));
    let (weight, bias) = (part(&whole, 0, [d, place.width]), part(&whole, aligned(d * place.width), [place.width]));
    let all = place
        .adapters
        .iter()
        .zip(operands.chunks(EACH))
        .filter_map(|(patches, operands)| patches.map(|[a, b]| [(&operands[2].value, a), (&operands[3].value, b)]));
    let branch = (place.rank > 0).then(|| {
        let whole = gathered(&x.value, place.ends[1], all.flatten());
        let b = part(&whole, aligned(d * place.rank), [place.rank, place.width]);
        let a = part(&whole, 0, [d, place.rank]);
        Branch::of(x.value.clone(), [a, b], scale)
    });
    let product = Product::of(Matrix::of(&x.value), Matrix::of(&weight)).with_bias(&bias);
    let y = match &branch {
        Some(branch) => branch.onto(product).run(),
        None => product.run(),
    };
    let saved = Saved { x: x.value.clone(), weight, branch, place };
    operands.insert(0, x);
    Some(record(Joined, operands.try_into().ok()?, saved, y))
}

/// A buffer of `n` elements with these parts.
fn gathered<'a>(like: &Primitive, n: usize, parts: impl Iterator<Item = (&'a Primitive, Patch)>) -> Primitive {
    let whole = empty(like, [n]);
    let parts: Vec<_> = parts.collect();
    gather(&whole, &parts);
    whole
}

/// Where everything stands.
#[derive(Clone, Debug)]
struct Place {
    /// Columns of the result.
    width: usize,
    /// Columns of the joined A.
    rank: usize,
    /// Weight and bias of every layer, in one buffer.
    weights: [[Patch; 2]; LAYERS],
    /// A and B of every layer that has an adapter, in another: the blocks of B on a diagonal.
    adapters: [Option<[Patch; 2]>; LAYERS],
    /// Elements of both buffers.
    ends: [usize; 2],
}

impl Place {
    /// Of layers that read `d` columns.
    fn of(d: usize, layers: &[LinearTensors; LAYERS]) -> Self {
        let widths = layers.each_ref().map(|layer| layer.weight.dims()[1]);
        let ranks = layers.each_ref().map(|layer| layer.adapter.as_ref().map_or(0, |([a, _], _)| a.dims()[1]));
        let padded = ranks.map(|rank| rank.next_multiple_of(FOURS));
        let (width, rank) = (widths.iter().sum(), padded.iter().sum());
        let before = |of: &[usize; LAYERS], i: usize| of[..i].iter().sum::<usize>();
        let (bias, second) = (aligned(d * width), aligned(d * rank));
        Self {
            width,
            rank,
            weights: std::array::from_fn(|i| {
                let left = before(&widths, i);
                [Patch { start: left, shape: [d, widths[i]], stride: width }, Patch::run(bias + left, widths[i])]
            }),
            adapters: std::array::from_fn(|i| {
                let (left, above) = (before(&widths, i), before(&padded, i));
                (ranks[i] > 0).then_some([
                    Patch { start: above, shape: [d, ranks[i]], stride: rank },
                    Patch { start: second + above * width + left, shape: [ranks[i], widths[i]], stride: width },
                ])
            }),
            ends: [bias + width, second + rank * width],
        }
    }
}

#[derive(Clone, Debug)]
struct Saved {
    x: Primitive,
    weight: Primitive,
    branch: Option<Branch>,
    place: Place,
}

#[derive(Debug)]
struct Joined;

impl Backward<Cube, { 1 + LAYERS * EACH }> for Joined {
    type State = Saved;

    fn backward(
        self,
        ops: Ops<Self::State, { 1 + LAYERS * EACH }>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let Saved { x, weight, branch, place } = ops.state;
        let g = gradients.consume::<Cube>(&ops.node);
        let [of_x, of_layers @ ..] = ops.parents;
        let branch = branch.map(|branch| (branch.back(&g), branch));
        if let Some(node) = of_x {
            let product = Product::of(Matrix::of(&g), transposed(&weight));
            let product = match &branch {
                Some((back, branch)) => branch.back_onto(product, back),
                None => product,
            };
            gradients.register::<Cube>(node.id, product.run());
        }
        // Those of one kind, in the order of layers, each with where it stands in the whole.
        let mut register = |whole: &Primitive, kind: &[usize], patch: &dyn Fn(usize, usize) -> Option<Patch>| {
            let of_kind = (0..LAYERS).flat_map(|layer| kind.iter().map(move |&k| (layer, k)));
            let wanted: Vec<_> = of_kind
                .filter_map(|(layer, k)| Some((of_layers[layer * EACH + k].as_ref()?, patch(layer, k)?)))
                .collect();
            let patches: Vec<Patch> = wanted.iter().map(|(_, patch)| *patch).collect();
            for ((node, patch), gradient) in wanted.iter().zip(scatter(whole, &patches)) {
                // A bias is no matrix.
                let is_bias = kind == [1];
                let gradient = if is_bias { Cube::float_reshape(gradient, [patch.shape[1]].into()) } else { gradient };
                gradients.register::<Cube>(node.id, gradient);
            }
        };
        let is_wanted = |k: usize| of_layers.iter().skip(k).step_by(EACH).any(Option::is_some);
        if is_wanted(0) {
            let whole = Product::of(transposed(&x), Matrix::of(&g)).run();
            register(&whole, &[0], &|layer, _| Some(place.weights[layer][0]));
        }
        if is_wanted(1) {
            let start = place.weights[0][1].start;
            let of = |layer: usize| place.weights[layer][1];
            let whole = column_sums(g.clone());
            register(&whole, &[1], &|layer, _| Some(Patch { start: of(layer).start - start, ..of(layer) }));
        }
        if let Some((back, branch)) = branch.filter(|_| is_wanted(2) || is_wanted(3)) {
            let pair = branch.gradients(&g, &back);
            register(&pair.whole, &[2, 3], &|layer, k| place.adapters[layer].map(|patches| patches[k - 2]));
        }
    }
}
