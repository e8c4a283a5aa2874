//! Physical removal: blocks whose mask is zero vanish from the weights (METHOD §1.4, §3.4).
//!
//! A shared teacher must keep the blocks its student loses. [`compact_shared`] therefore reorders the shared weights so
//! that what the student keeps comes first: the student's weights are then a corner of the teacher's. On the CPU that
//! corner is a view, no byte is copied; a GPU copies it.

use crate::linear::replace;
use crate::named::is_trainable;
use crate::{Attention, ClassificationHead, FeedForward, Layer, LayerNorm, Transformer};
use apt_core::blocks::{Kept, ModelShape};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;

/// The model without the blocks that `kept` does not name. Indices refer to the model as it is; a complete but unsorted
/// `kept` reorders the blocks and leaves the function as it was.
pub fn compact(model: &Transformer, kept: &Kept) -> Transformer {
    let all = kept.hidden.len() == model.config.hidden && kept.hidden.is_sorted();
    let hidden = (!all).then_some(kept.hidden.as_slice());
    let layers: Vec<Layer> = model
        .layers
        .iter()
        .zip(kept.heads.iter().zip(&kept.neurons))
        .map(|(layer, (heads, neurons))| Layer {
            attention: layer.attention.as_ref().filter(|_| !heads.is_empty()).map(|a| a.select(heads, hidden)),
            feed_forward: layer
                .feed_forward
                .as_ref()
                .filter(|_| !neurons.is_empty())
                .map(|f| f.select(neurons, hidden)),
        })
        .collect();
    let mut config = model.config.clone();
    config.hidden = kept.hidden.len();
    config.layers = layers.iter().map(Layer::shape).collect();
    Transformer {
        embeddings: model.embeddings.select(hidden),
        layers,
        head: model.head.as_ref().map(|h: &ClassificationHead| h.select(hidden)),
        config,
    }
}

/// Compacts `student` and reorders `teacher` so that the student's frozen weights are corners of the teacher's. The
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

/// Replaces every frozen weight of `student` by the matching corner of `teacher`'s.
pub fn share(student: &mut Transformer, teacher: &Transformer) {
    let corner2 = |s: &mut Param<Tensor<2>>, t: &Param<Tensor<2>>| {
        if !is_trainable(s) {
            let [rows, columns] = s.dims();
            *s = replace(s, t.val().slice([0..rows, 0..columns]));
        }
    };
    let corner1 = |s: &mut Param<Tensor<1>>, t: &Param<Tensor<1>>| {
        if !is_trainable(s) {
            let [n] = s.dims();
            *s = replace(s, t.val().slice(0..n));
        }
    };
    let norm = |s: &mut LayerNorm, t: &LayerNorm| {
        corner1(&mut s.weight, &t.weight);
        corner1(&mut s.bias, &t.bias);
    };
    let (se, te) = (&mut student.embeddings, &teacher.embeddings);
    corner2(&mut se.words, &te.words);
    corner2(&mut se.positions, &te.positions);
    corner2(&mut se.types, &te.types);
    norm(&mut se.norm, &te.norm);
    for (s, t) in student.layers.iter_mut().zip(&teacher.layers) {
        if let (Some(s), Some(t)) = (&mut s.attention, &t.attention) {
            let (s, t): (&mut Attention, &Attention) = (s, t);
            norm(&mut s.norm, &t.norm);
        }
        if let (Some(s), Some(t)) = (&mut s.feed_forward, &t.feed_forward) {
            let (s, t): (&mut FeedForward, &FeedForward) = (s, t);
            norm(&mut s.norm, &t.norm);
        }
    }
    let of_teacher = teacher.linears();
    for (name, s) in student.linears_mut() {
        // Invariant: a student's layer exists in its teacher.
        if let Some((_, t)) = of_teacher.iter().find(|(n, _)| *n == name) {
            corner2(&mut s.weight, &t.weight);
            if let (Some(sb), Some(tb)) = (&mut s.bias, &t.bias) {
                corner1(sb, tb);
            }
        }
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
