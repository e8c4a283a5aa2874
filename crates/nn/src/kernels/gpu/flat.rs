//! All trainable values as one vector on a GPU: putting it together, some tensors a dispatch, taking it apart in one, and
//! the update of AdamW in three.

use super::launch::{Launch, empty, rows};
use super::patches::{self, Patch, gather};
use super::{Cube, Operand, Primitive};
use crate::kernels::{AdamWResult, AdamWStep};
use burn::tensor::Tensor;

/// Partial sums of squares; the workgroups of the next kernel each add them up with an invocation for each.
const PARTS: usize = 256;

/// The vectors behind one another, [`None`] on another device.
pub(in crate::kernels) fn concat(parts: &[Tensor<1>]) -> Option<Tensor<1>> {
    let parts: Option<Vec<Primitive>> =
        parts.iter().map(|part| Some(rows(part.clone().try_into_primitive::<Cube>().ok()?))).collect();
    let parts = parts?;
    let whole = empty(parts.first()?, [parts.iter().map(len).sum()]);
    let mut end = 0;
    let placed = parts.iter().map(|part| {
        let start = end;
        end += len(part);
        (part, Patch::run(start, len(part)))
    });
    gather(&whole, &placed.collect::<Vec<_>>());
    Some(Tensor::from_primitive::<Cube>(whole))
}

/// The vector split into pieces of these lengths, [`None`] on another device.
pub(in crate::kernels) fn split(whole: &Tensor<1>, lengths: &[usize]) -> Option<Vec<Tensor<1>>> {
    let whole = rows(whole.clone().try_into_primitive::<Cube>().ok()?);
    Some(patches::split(&whole, lengths).into_iter().map(Tensor::from_primitive::<Cube>).collect())
}

fn len(part: &Primitive) -> usize {
    part.meta.shape().num_elements()
}

/// `values` after an update with `gradient`, [`None`] on another device.
pub(in crate::kernels) fn adamw(values: &Tensor<1>, gradient: &Tensor<1>, step: &AdamWStep<'_>) -> Option<AdamWResult> {
    let plain = |tensor: &Tensor<1>| Some(Operand::in_rows(tensor)?.value);
    let (values, gradient, decay) = (plain(values)?, plain(gradient)?, plain(step.decay)?);
    let (first, second) = (plain(step.moments[0])?, plain(step.moments[1])?);
    let n = len(&values);
    let like = || empty(&values, [n]);

    let parts = empty(&values, [PARTS]);
    let file = concat!(include_str!("row.wgsl"), include_str!("squares.wgsl"));
    Launch::of(file).read("g", &gradient).write("parts", &parts).numbers([n, PARTS]).groups(PARTS);

    let (norm, new_first, new_second, new_values) = (empty(&values, [1]), like(), like(), like());
    let file = concat!(include_str!("row.wgsl"), include_str!("moments.wgsl"));
    let moments = Launch::of(file).read("g", &gradient).read("parts", &parts);
    let moments = moments.read("first", &first).read("second", &second);
    let moments = moments.write("new_first", &new_first).write("new_second", &new_second).write("norm", &norm);
    let moments = moments.numbers([n]).fraction(step.clip_norm);
    let factors = step.betas.into_iter().flat_map(|beta| [beta, 1.0 - beta]);
    factors.fold(moments, Launch::fraction).each(n);

    let unbiased = step.betas.map(|beta| 1.0 - beta.powf(step.updates as f64));
    let update = Launch::of(include_str!("update.wgsl")).read("values", &values).read("decay", &decay);
    let update = update.read("first", &new_first).read("second", &new_second).write("out", &new_values);
    let update = update.numbers([n]).fraction(step.learning_rate).fraction(step.epsilon);
    update.fraction(step.learning_rate / unbiased[0]).fraction(unbiased[1]).passing().each(n);
    let tensor = Tensor::from_primitive::<Cube>;
    Some(AdamWResult {
        values: tensor(new_values),
        moments: [tensor(new_first), tensor(new_second)],
        norm: tensor(norm),
    })
}
