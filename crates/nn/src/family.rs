//! The checkpoint families, one row each: how a family spells its configuration and its tensors, and the few places where
//! the architecture differs. Everything else about a model follows from its sizes and from [`apt_core::wiring`].

mod decoders;

pub(crate) use decoders::BiasRule;
pub use decoders::DecoderSpec;

use crate::activation::Activation;
use crate::checkpoint::{EMBEDDING_NORM, POSITIONS, TYPES, WORDS};
use crate::norm::NormKind;
use apt_core::wiring::{Site, SubBlock};
use serde::{Deserialize, Serialize};

/// A checkpoint family of the one transformer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// BERT.
    Bert,
    /// RoBERTa.
    Roberta,
    /// CamemBERT: RoBERTa under another name.
    Camembert,
    /// XLM-RoBERTa: RoBERTa under another name.
    XlmRoberta,
    /// DistilBERT: no token types, names of its own, a ReLU before the classifier.
    Distilbert,
    /// ELECTRA (the discriminator): embeddings may be narrower than the hidden stream.
    Electra,
    /// LLaMA, and what is published under its name: SmolLM2, TinyLlama, the models of llama2.c.
    Llama,
    /// Mistral: LLaMA with a sliding window.
    Mistral,
    /// Qwen2 and 2.5: LLaMA with biases on queries, keys and values.
    Qwen2,
    /// Qwen3: LLaMA with a norm on queries and keys of every head.
    Qwen3,
    /// GPT-2: learned positions, layer norms, queries, keys and values in one tensor.
    Gpt2,
}

/// What is particular to a family.
#[derive(Debug)]
pub struct FamilySpec {
    /// What people call it.
    pub name: &'static str,
    /// `model_type` of its configuration file.
    pub model_type: &'static str,
    /// What transformers' classes of the family begin with.
    pub class: &'static str,
    /// What published checkpoints put before the encoder's tensor names.
    pub prefix: &'static str,
    /// Whether tokens have types.
    pub token_types: bool,
    /// Which position the first token has.
    pub positions: Positions,
    /// The padding token, where the configuration file names none.
    pub pad_id: usize,
    /// Keys of the configuration file.
    pub keys: ConfigKeys,
    /// Names of the tensors.
    pub tensors: TensorNames,
    /// The classifier.
    pub head: HeadSpec,
    /// What a family has whose tokens see only those before them; `None` for an encoder.
    pub decoder: Option<DecoderSpec>,
}

/// How positions are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Positions {
    /// 0, 1, 2, …
    FromZero,
    /// `pad_id + 1`, `pad_id + 2`, …; padding has `pad_id`.
    AfterPadding,
}

/// The keys under which the configuration file holds the sizes.
#[derive(Clone, Copy, Debug)]
pub struct ConfigKeys {
    /// Width of the hidden stream.
    pub hidden: &'static str,
    /// Number of layers.
    pub layers: &'static str,
    /// Heads of a layer.
    pub heads: &'static str,
    /// Neurons of a layer.
    pub neurons: &'static str,
    /// Activation of the neurons.
    pub activation: &'static str,
    /// Width of the embedding tables, where that is a size of its own.
    pub embedding: Option<&'static str>,
    /// The longest sequence.
    pub positions: &'static str,
    /// What is added to the variance inside the norms.
    pub norm_eps: &'static str,
}

/// Names of tensors in the file, without the family's prefix and without `.weight` and `.bias`.
#[derive(Clone, Copy, Debug)]
pub struct TensorNames {
    /// A layer; `{}` is its number.
    pub layer: &'static str,
    /// The linear layers of a layer.
    pub linears: &'static [(Site, &'static str)],
    /// The norm that ends each sub-block.
    pub norms: [(SubBlock, &'static str); 2],
    /// From the width of the embedding tables to the hidden stream, where they differ.
    pub projection: &'static str,
    /// The table of words, `.weight` included.
    pub words: &'static str,
    /// The table of positions, `.weight` included.
    pub positions: &'static str,
    /// The table of token types, `.weight` included.
    pub types: &'static str,
    /// The norm behind the sum of the tables.
    pub embedding_norm: &'static str,
}

/// The classifier on the first token: `out(activation(dense(h)))`.
#[derive(Clone, Copy, Debug)]
pub struct HeadSpec {
    /// The dense layer's name in the file.
    pub dense: &'static str,
    /// Whether the dense layer is part of the encoder (BERT's pooler), and so may be there without a classifier.
    pub is_pooler: bool,
    /// Between the two.
    pub activation: Activation,
    /// Whether dropout acts before the dense layer too, and not before the classifier alone.
    pub drops_input: bool,
    /// The classifier's name in the file.
    pub out: &'static str,
}

const BERT_LAYER: TensorNames = TensorNames {
    layer: "encoder.layer.{}",
    linears: &[
        (Site::Query, "attention.self.query"),
        (Site::Key, "attention.self.key"),
        (Site::Value, "attention.self.value"),
        (Site::Output, "attention.output.dense"),
        (Site::Up, "intermediate.dense"),
        (Site::Down, "output.dense"),
    ],
    norms: [(SubBlock::Attention, "attention.output.LayerNorm"), (SubBlock::FeedForward, "output.LayerNorm")],
    projection: "embeddings_project",
    words: WORDS,
    positions: POSITIONS,
    types: TYPES,
    embedding_norm: EMBEDDING_NORM,
};

const BERT_KEYS: ConfigKeys = ConfigKeys {
    hidden: "hidden_size",
    layers: "num_hidden_layers",
    heads: "num_attention_heads",
    neurons: "intermediate_size",
    activation: "hidden_act",
    embedding: None,
    positions: "max_position_embeddings",
    norm_eps: "layer_norm_eps",
};

const BERT: FamilySpec = FamilySpec {
    name: "BERT",
    model_type: "bert",
    class: "Bert",
    prefix: "bert.",
    token_types: true,
    positions: Positions::FromZero,
    pad_id: 0,
    keys: BERT_KEYS,
    tensors: BERT_LAYER,
    head: HeadSpec {
        dense: "pooler.dense",
        is_pooler: true,
        activation: Activation::Tanh,
        drops_input: false,
        out: "classifier",
    },
    decoder: None,
};

const ROBERTA: FamilySpec = FamilySpec {
    name: "RoBERTa",
    model_type: "roberta",
    class: "Roberta",
    prefix: "roberta.",
    positions: Positions::AfterPadding,
    pad_id: 1,
    head: HeadSpec {
        dense: "classifier.dense",
        is_pooler: false,
        activation: Activation::Tanh,
        drops_input: true,
        out: "classifier.out_proj",
    },
    ..BERT
};

const CAMEMBERT: FamilySpec = FamilySpec { name: "CamemBERT", model_type: "camembert", class: "Camembert", ..ROBERTA };

const XLM_ROBERTA: FamilySpec =
    FamilySpec { name: "XLM-RoBERTa", model_type: "xlm-roberta", class: "XLMRoberta", ..ROBERTA };

const DISTILBERT: FamilySpec = FamilySpec {
    name: "DistilBERT",
    model_type: "distilbert",
    class: "DistilBert",
    prefix: "distilbert.",
    token_types: false,
    keys: ConfigKeys {
        hidden: "dim",
        layers: "n_layers",
        heads: "n_heads",
        neurons: "hidden_dim",
        activation: "activation",
        ..BERT_KEYS
    },
    tensors: TensorNames {
        layer: "transformer.layer.{}",
        linears: &[
            (Site::Query, "attention.q_lin"),
            (Site::Key, "attention.k_lin"),
            (Site::Value, "attention.v_lin"),
            (Site::Output, "attention.out_lin"),
            (Site::Up, "ffn.lin1"),
            (Site::Down, "ffn.lin2"),
        ],
        norms: [(SubBlock::Attention, "sa_layer_norm"), (SubBlock::FeedForward, "output_layer_norm")],
        ..BERT_LAYER
    },
    head: HeadSpec {
        dense: "pre_classifier",
        is_pooler: false,
        activation: Activation::Relu,
        drops_input: false,
        out: "classifier",
    },
    ..BERT
};

const ELECTRA: FamilySpec = FamilySpec {
    name: "ELECTRA",
    model_type: "electra",
    class: "Electra",
    prefix: "electra.",
    keys: ConfigKeys { embedding: Some("embedding_size"), ..BERT_KEYS },
    head: HeadSpec {
        dense: "classifier.dense",
        is_pooler: false,
        activation: Activation::Gelu,
        drops_input: true,
        out: "classifier.out_proj",
    },
    ..BERT
};

/// Architectures that people may take for one of these, and what is different.
const OTHERS: [(&str, &str); 18] = [
    ("albert", "all layers share their weights"),
    ("big_bird", "sparse attention"),
    ("convbert", "convolutions beside attention"),
    ("deberta", "attention to relative positions"),
    ("deberta-v2", "attention to relative positions"),
    ("gemma", "norms that add one to their weights"),
    ("gpt_neox", "sub-blocks side by side"),
    ("gptj", "sub-blocks side by side"),
    ("longformer", "attention within windows"),
    ("megatron-bert", "norms before the sub-blocks"),
    ("mixtral", "a choice of experts for every token"),
    ("mobilebert", "bottlenecks around the layers"),
    ("modernbert", "rotary positions and gated neurons"),
    ("mpnet", "attention to relative positions"),
    ("opt", "learned positions that begin at 2, and ReLU"),
    ("phi", "sub-blocks side by side"),
    ("t5", "an encoder with a decoder, and relative positions"),
    ("xlm-roberta-xl", "norms before the sub-blocks"),
];

impl Family {
    /// Every family.
    pub const ALL: [Self; 11] = [
        Self::Bert,
        Self::Roberta,
        Self::Camembert,
        Self::XlmRoberta,
        Self::Distilbert,
        Self::Electra,
        Self::Llama,
        Self::Mistral,
        Self::Qwen2,
        Self::Qwen3,
        Self::Gpt2,
    ];

    /// Those whose tokens see the whole sequence.
    pub const ENCODERS: [Self; 6] =
        [Self::Bert, Self::Roberta, Self::Camembert, Self::XlmRoberta, Self::Distilbert, Self::Electra];

    /// Those whose tokens see only the tokens before them.
    pub const DECODERS: [Self; 5] = [Self::Llama, Self::Mistral, Self::Qwen2, Self::Qwen3, Self::Gpt2];

    /// Its row.
    pub const fn spec(self) -> &'static FamilySpec {
        match self {
            Self::Bert => &BERT,
            Self::Roberta => &ROBERTA,
            Self::Camembert => &CAMEMBERT,
            Self::XlmRoberta => &XLM_ROBERTA,
            Self::Distilbert => &DISTILBERT,
            Self::Electra => &ELECTRA,
            Self::Llama => &decoders::LLAMA,
            Self::Mistral => &decoders::MISTRAL,
            Self::Qwen2 => &decoders::QWEN2,
            Self::Qwen3 => &decoders::QWEN3,
            Self::Gpt2 => &decoders::GPT2,
        }
    }

    /// The family of a configuration's `model_type`.
    ///
    /// # Errors
    /// A sentence that lists those that are known, and names the nearest.
    pub fn of_model_type(model_type: &str) -> Result<Self, String> {
        let named = |family: &&Self| family.spec().model_type == model_type;
        if let Some(family) = Self::ALL.iter().find(named) {
            return Ok(*family);
        }
        let known = Self::ALL.map(|family| family.spec().model_type);
        if let Some((_, why)) = OTHERS.iter().find(|(of, _)| *of == model_type) {
            let known = known.join(", ");
            return Err(format!("model_type `{model_type}` is another architecture ({why}); known are {known}"));
        }
        let likeness = |name: &&&str| (strsim::jaro_winkler(name, model_type) * 1e6) as u64;
        let nearest = known.iter().max_by_key(likeness).filter(|name| likeness(name) > 700_000);
        let nearest = nearest.map(|name| format!("; the nearest is `{name}`")).unwrap_or_default();
        Err(format!("model_type `{model_type}` is not known; known are {}{nearest}", known.join(", ")))
    }
}

impl FamilySpec {
    /// How its norms are computed.
    pub fn norm(&self) -> NormKind {
        self.decoder.map_or(NormKind::Layer, |decoder| decoder.norm)
    }

    /// The name under which checkpoints are published for what is called `name` without the prefix: of all that is not the
    /// classifier or a decoder's head, with it.
    pub fn published(&self, name: &str) -> String {
        let HeadSpec { dense, is_pooler, out, .. } = self.head;
        let is = |of: &str| name.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        let of_decoder = self.decoder.is_some_and(|decoder| is(decoder.head));
        if is(out) || (!is_pooler && is(dense)) || of_decoder {
            name.to_owned()
        } else {
            format!("{}{name}", self.prefix)
        }
    }
}

impl TensorNames {
    /// The name of layer `layer`.
    pub fn layer(&self, layer: usize) -> String {
        self.layer.replace("{}", &layer.to_string())
    }

    /// The name of a linear layer: the family's, or the site's own for one that the family does not have.
    pub fn linear(&self, layer: usize, site: Site) -> String {
        let name = self.linears.iter().find(|(named, _)| *named == site).map_or(site.name(), |(_, name)| name);
        format!("{}.{name}", self.layer(layer))
    }

    /// The name of the norm that ends a sub-block.
    pub fn norm(&self, layer: usize, sub_block: SubBlock) -> String {
        let [attention, feed_forward] = self.norms;
        let (_, name) = if attention.0 == sub_block { attention } else { feed_forward };
        format!("{}.{name}", self.layer(layer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use apt_core::wiring::Wiring;

    #[test]
    fn a_family_is_an_encoder_or_a_decoder() {
        let is_decoder = |family: &Family| family.spec().decoder.is_some();
        assert_eq!(Family::ALL, *[Family::ENCODERS.as_slice(), Family::DECODERS.as_slice()].concat());
        assert!(Family::DECODERS.iter().all(is_decoder) && !Family::ENCODERS.iter().any(is_decoder));
    }

    #[test]
    fn every_family_names_every_linear_layer_and_norm_once() {
        for family in Family::ALL {
            let names = family.spec().tensors;
            let gated = family.spec().decoder.is_some_and(|decoder| decoder.gated);
            let wiring = Wiring { gated, ..Wiring::encoder(1) };
            let sites: Vec<Site> = wiring.linears().map(|linear| linear.site).collect();
            assert_eq!(names.linears.iter().map(|(site, _)| *site).collect::<Vec<_>>(), sites, "{family:?}");
            let mut all: Vec<String> = sites.iter().map(|&site| names.linear(3, site)).collect();
            all.extend(SubBlock::ALL.iter().map(|&sub_block| names.norm(3, sub_block)));
            assert!(all.iter().all(|name| name.contains(".3.")), "{family:?}: {all:?}");
            let count = all.len();
            all.sort();
            all.dedup();
            assert_eq!(all.len(), count, "{family:?} names two tensors alike: {all:?}");
        }
    }

    #[test]
    fn published_names_have_the_prefix_where_the_classifier_is_not_meant() {
        let of = |family: Family, name: &str| family.spec().published(name);
        assert_eq!(of(Family::Bert, "pooler.dense.weight"), "bert.pooler.dense.weight");
        assert_eq!(of(Family::Bert, "classifier.bias"), "classifier.bias");
        assert_eq!(of(Family::Roberta, "classifier.dense.weight"), "classifier.dense.weight");
        assert_eq!(of(Family::Distilbert, "pre_classifier.weight"), "pre_classifier.weight");
        assert_eq!(of(Family::Electra, "embeddings_project.weight"), "electra.embeddings_project.weight");
        assert_eq!(of(Family::Llama, "lm_head.weight"), "lm_head.weight");
        assert_eq!(of(Family::Gpt2, "ln_f.bias"), "transformer.ln_f.bias");
    }

    #[test]
    fn an_unknown_family_is_answered_with_those_that_are_known() {
        let error = Family::of_model_type("distil-bert").expect_err("it is called distilbert");
        assert!(error.contains("xlm-roberta") && error.contains("nearest is `distilbert`"), "{error}");
        let error = Family::of_model_type("t5").expect_err("not an encoder of this kind");
        assert!(error.contains("electra") && !error.contains("nearest"), "{error}");
        let error = Family::of_model_type("deberta-v2").expect_err("not quite an encoder of this kind");
        assert!(error.contains("relative positions") && error.contains("roberta, camembert"), "{error}");
    }
}
