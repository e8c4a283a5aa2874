//! From token ids to the hidden stream.

use crate::batch::Batch;
use crate::dropout::Dropout;
use crate::linear::LinearMasks;
use crate::masks::DeviceMasks;
use crate::norm::{Norm, NormKind};
use crate::select::{replace, select_dim};
use crate::{AptLinear, Init, ModelConfig};
use burn::module::{Module, Param};
use burn::tensor::Tensor;

/// Word, position and token type embeddings, summed, normalised and, where they are narrower than the hidden stream,
/// projected to it. A decoder does not normalise them, and has no positions among them if they turn queries and keys.
#[derive(Module, Debug)]
pub struct Embeddings {
    /// `[vocab, width]`.
    pub words: Param<Tensor<2>>,
    /// `[positions, width]`, where positions are learned.
    pub positions: Option<Param<Tensor<2>>>,
    /// `[types, width]`; `None` for families without token types.
    pub types: Option<Param<Tensor<2>>>,
    /// After the sum; an encoder has one.
    pub norm: Option<Norm>,
    /// `[width, hidden]`; only its output side is pruned. Without it the width is that of the hidden stream.
    pub projection: Option<AptLinear>,
}

impl Embeddings {
    /// N(0, 0.02²) tables, frozen.
    pub(crate) fn new(config: &ModelConfig, init: &mut Init) -> Self {
        let width = config.embedding_width();
        let norm = config.decoder.is_none();
        let norm = norm.then(|| Norm::ones(NormKind::Layer, width, config.norm_eps, init.device()));
        let mut table = |rows: usize| Param::from_tensor(init.normal([rows, width], 0.02)).set_require_grad(false);
        let words = table(config.vocab_size);
        let positions = config.has_position_table().then(|| table(config.max_positions));
        let types = (config.type_vocab_size > 0).then(|| table(config.type_vocab_size));
        let projection = config.embedding.map(|width| AptLinear::random(width, config.hidden, true, init));
        Self { words, positions, types, norm, projection }
    }

    /// `[tokens, hidden]`; dropout acts on what the norm gives.
    pub fn forward(&self, batch: &Batch, masks: Option<&DeviceMasks>, dropout: &mut Option<&mut Dropout>) -> Tensor<2> {
        let words = self.words.val().select(0, batch.ids.clone());
        let Some((positions, norm)) = self.positions.as_ref().zip(self.norm.as_ref()) else {
            return self.forward_plain(words, batch, masks, dropout);
        };
        let rest = match (&self.types, batch.one_type) {
            (None, _) => positions.val().select(0, batch.positions.clone()),
            // The table of positions is short: the type is added to it once and not to every token.
            (Some(types), Some(id)) => {
                let table = positions.val() + types.val().narrow(0, id, 1);
                table.select(0, batch.positions.clone())
            }
            (Some(types), None) => {
                positions.val().select(0, batch.positions.clone()) + types.val().select(0, batch.type_ids.clone())
            }
        };
        if let Some(projection) = &self.projection {
            let narrow = Dropout::on(dropout, norm.forward_sum(words, rest, None));
            let output = masks.and_then(DeviceMasks::of_stream);
            return projection.forward_masked(narrow, &LinearMasks { input: None, output });
        }
        let normed = match masks.and_then(|m| m.hidden.as_ref()) {
            Some(hidden) => norm.forward(hidden.values.on(words + rest), Some(hidden)),
            None => norm.forward_sum(words, rest, None),
        };
        Dropout::on(dropout, normed)
    }

    /// A decoder's: words, and positions where they are learned.
    fn forward_plain(
        &self,
        words: Tensor<2>,
        batch: &Batch,
        masks: Option<&DeviceMasks>,
        dropout: &mut Option<&mut Dropout>,
    ) -> Tensor<2> {
        let sum = match &self.positions {
            Some(positions) => words + positions.val().select(0, batch.positions.clone()),
            None => words,
        };
        let sum = match masks.and_then(|m| m.hidden.as_ref()) {
            Some(hidden) => hidden.values.on(sum),
            None => sum,
        };
        Dropout::on(dropout, sum)
    }

    /// Keeps the given hidden dims.
    pub fn select(&self, hidden: Option<&[usize]>) -> Self {
        if let Some(projection) = &self.projection {
            return Self { projection: Some(projection.select(None, hidden)), ..self.clone() };
        }
        let pick = |p: &Param<Tensor<2>>| replace(p, select_dim(p.val().detach(), 1, hidden));
        Self {
            words: pick(&self.words),
            positions: self.positions.as_ref().map(pick),
            types: self.types.as_ref().map(pick),
            norm: self.norm.as_ref().map(|norm| norm.select(hidden)),
            projection: None,
        }
    }
}
