//! Physical removal: blocks whose mask is zero vanish from the weights (METHOD §1.4, §3.4).
//!
//! A shared teacher must keep the blocks its student loses. [`compact_shared`] therefore reorders the shared weights so
//! that what the student keeps comes first: the student's weights are then submatrices of the teacher's that begin where
//! those begin. On the CPU such a submatrix is a view, no byte is copied; a GPU copies it.

use crate::attention::HeadNorms;
use crate::named::is_trainable;
use crate::select::{replace, select_dim};
use crate::{AptLinear, Layer, Norm, Transformer};
use apt_core::blocks::{Kept, ModelShape};
use apt_core::wiring::{Axis, Side, Site, SubBlock};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;

/// The model without the blocks that `kept` does not name. Indices refer to the model as it is; a complete but unsorted
/// `kept` reorders the blocks and leaves the function as it was.
pub fn compact(model: &Transformer, kept: &Kept) -> Transformer {
    let keep = Keep { model, kept };
    let hidden = keep.hidden();
    let layers: Vec<Layer> = (0..model.layers.len()).map(|layer| keep.layer(layer)).collect();
    let mut config = model.config.clone();
    config.hidden = kept.hidden.len();
    config.layers = layers.iter().map(Layer::shape).collect();
    Transformer {
        embeddings: model.embeddings.select(hidden),
        layers,
        pooler: model.pooler.as_ref().map(|pooler| pooler.select(hidden, None)),
        head: model.head.as_ref().map(|head| head.select(hidden)),
        final_norm: model.final_norm.as_ref().map(|norm| norm.select(hidden)),
        lm_head: model.lm_head.as_ref().map(|table| replace(table, select_dim(table.val().detach(), 1, hidden))),
        config,
    }
}

/// What stays of a model.
struct Keep<'a> {
    model: &'a Transformer,
    kept: &'a Kept,
}

impl Keep<'_> {
    /// The hidden dims to select; `None` if all stay where they are.
    fn hidden(&self) -> Option<&[usize]> {
        let all = self.kept.hidden.len() == self.model.config.hidden && self.kept.hidden.is_sorted();
        (!all).then_some(self.kept.hidden.as_slice())
    }

    /// The entries to select of one side of a linear layer; `None` if all stay where they are.
    fn entries(&self, layer: usize, sub_block: SubBlock, side: Side) -> Option<Vec<usize>> {
        if side.axis == Axis::Hidden {
            return self.hidden().map(<[usize]>::to_vec);
        }
        let units = self.kept.units(sub_block, layer);
        let all = units.len() == self.model.layers[layer].shape().units(sub_block) && units.is_sorted();
        (!all).then(|| side.entries(units))
    }

    fn layer(&self, index: usize) -> Layer {
        let layer = &self.model.layers[index];
        let wiring = self.model.config.wiring();
        let linear = |site: Site, linear: &AptLinear| {
            let spec = wiring.linear(site);
            let [inputs, outputs] = [spec.input, spec.output].map(|side| self.entries(index, spec.sub_block, side));
            linear.select(inputs.as_deref(), outputs.as_deref())
        };
        let norm = |norm: &Norm| norm.select(self.hidden());
        let any = |sub_block| !self.kept.units(sub_block, index).is_empty();
        let attention = layer.attention.as_ref().filter(|_| any(SubBlock::Attention));
        let feed_forward = layer.feed_forward.as_ref().filter(|_| any(SubBlock::FeedForward));
        Layer {
            attention: attention.map(|attention| attention.map(linear, norm)),
            feed_forward: feed_forward.map(|feed_forward| feed_forward.map(linear, norm)),
        }
    }
}

/// Compacts `student` and reorders `teacher` so that the student's frozen weights are submatrices of the teacher's. The
/// student's blocks must be the first of the teacher's, which holds for a fresh copy and after every call of this
/// function. Returns (student, teacher).
pub fn compact_shared(student: &Transformer, teacher: &Transformer, kept: &Kept) -> (Transformer, Transformer) {
    let teacher = compact(teacher, &kept_first(kept, &teacher.config.shape()));
    let mut student = compact(student, kept);
    share(&mut student, &teacher);
    (student, teacher)
}

/// `kept` followed by everything else of `shape`.
pub fn kept_first(kept: &Kept, shape: &ModelShape) -> Kept {
    let order = |keep: &[usize], n: usize| {
        let mut left = vec![true; n];
        keep.iter().for_each(|&i| left[i] = false);
        keep.iter().copied().chain((0..n).filter(|&i| left[i])).collect::<Vec<_>>()
    };
    Kept {
        heads: kept.heads.iter().zip(&shape.layers).map(|(k, l)| order(k, l.heads)).collect(),
        neurons: kept.neurons.iter().zip(&shape.layers).map(|(k, l)| order(k, l.neurons)).collect(),
        hidden: order(&kept.hidden, shape.hidden),
    }
}

/// Replaces every frozen weight of `student` by the matching submatrix of `teacher`'s.
pub fn share(student: &mut Transformer, teacher: &Transformer) {
    let (of_student, of_teacher) = (&mut student.embeddings, &teacher.embeddings);
    share_matrix(&mut of_student.words, &of_teacher.words);
    if let Some((student, teacher)) = of_student.positions.as_mut().zip(of_teacher.positions.as_ref()) {
        share_matrix(student, teacher);
    }
    if let Some((student, teacher)) = of_student.types.as_mut().zip(of_teacher.types.as_ref()) {
        share_matrix(student, teacher);
    }
    if let Some((student, teacher)) = of_student.norm.as_mut().zip(of_teacher.norm.as_ref()) {
        share_norm(student, teacher);
    }
    if let Some((student, teacher)) = student.final_norm.as_mut().zip(teacher.final_norm.as_ref()) {
        share_norm(student, teacher);
    }
    if let Some((student, teacher)) = student.lm_head.as_mut().zip(teacher.lm_head.as_ref()) {
        share_matrix(student, teacher);
    }
    if let Some((student, teacher)) = of_student.projection.as_mut().zip(of_teacher.projection.as_ref()) {
        share_linear(student, teacher);
    }
    for (student, teacher) in student.layers.iter_mut().zip(&teacher.layers) {
        for &sub_block in SubBlock::ALL {
            if let Some((student, teacher)) = student.norm_mut(sub_block).zip(teacher.norm(sub_block)) {
                share_norm(student, teacher);
            }
        }
        if let Some((student, teacher)) = head_norms_mut(student).zip(head_norms(teacher)) {
            share_norm(&mut student.query, &teacher.query);
            share_norm(&mut student.key, &teacher.key);
        }
        for (site, student) in student.linears_mut() {
            // Invariant: a student's linear layer exists in its teacher.
            if let Some((_, teacher)) = teacher.linears().find(|(of, _)| *of == site) {
                share_linear(student, teacher);
            }
        }
    }
}

fn head_norms(layer: &Layer) -> Option<&HeadNorms> {
    layer.attention.as_ref()?.head_norms.as_ref()
}

fn head_norms_mut(layer: &mut Layer) -> Option<&mut HeadNorms> {
    layer.attention.as_mut()?.head_norms.as_mut()
}

fn share_linear(student: &mut AptLinear, teacher: &AptLinear) {
    share_matrix(&mut student.weight, &teacher.weight);
    if let Some((student, teacher)) = student.bias.as_mut().zip(teacher.bias.as_ref()) {
        share_vector(student, teacher);
    }
}

fn share_norm(student: &mut Norm, teacher: &Norm) {
    share_vector(&mut student.weight, &teacher.weight);
    if let Some((student, teacher)) = student.bias.as_mut().zip(teacher.bias.as_ref()) {
        share_vector(student, teacher);
    }
}

fn share_matrix(student: &mut Param<Tensor<2>>, teacher: &Param<Tensor<2>>) {
    if !is_trainable(student) {
        let [rows, columns] = student.dims();
        *student = replace(student, teacher.val().slice([0..rows, 0..columns]));
    }
}

fn share_vector(student: &mut Param<Tensor<1>>, teacher: &Param<Tensor<1>>) {
    if !is_trainable(student) {
        let [n] = student.dims();
        *student = replace(student, teacher.val().slice(0..n));
    }
}

/// The model with frozen weights that are no longer views into a former teacher's.
pub fn own(model: &Transformer) -> Transformer {
    model.clone().map(&mut Own)
}

struct Own;

impl ModuleMapper for Own {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if is_trainable(&param) {
            return param;
        }
        replace(&param, param.val().detach() * 1.0)
    }
}
