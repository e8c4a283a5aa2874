//! The rows of the decoders: blocks of LLaMA with what each family changes, and GPT-2.

use super::{BERT_KEYS, BERT_LAYER, ConfigKeys, FamilySpec, HeadSpec, Positions, TensorNames};
use crate::activation::Activation;
use crate::norm::NormKind;
use apt_core::wiring::{Biases, Site, SubBlock};

/// What is particular to a family of decoders: a norm stands before each sub-block and behind the last layer, and a head
/// gives every token's successor.
#[derive(Clone, Copy, Debug)]
pub struct DecoderSpec {
    /// How norms are computed.
    pub norm: NormKind,
    /// Whether positions turn queries and keys; else they are a table of learned vectors.
    pub rotary: bool,
    /// Whether a gate stands beside the up projection.
    pub gated: bool,
    /// Which linear layers have biases.
    pub biases: BiasRule,
    /// The norms of queries and keys of every head, where there are such.
    pub head_norms: Option<[&'static str; 2]>,
    /// Queries, keys and values behind one another in one tensor.
    pub fused: Option<&'static str>,
    /// Whether the file has the weights of linear layers as `[in, out]`.
    pub transposed: bool,
    /// The norm behind the last layer.
    pub final_norm: &'static str,
    /// The head, where it is not the table of words.
    pub head: &'static str,
    /// What transformers takes where the configuration is silent.
    pub defaults: Defaults,
}

/// Which linear layers have biases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BiasRule {
    /// As `attention_bias` says of all of attention's, and `mlp_bias` of the feed-forward's; false where they are absent.
    Keys,
    /// These, whatever the configuration says.
    Fixed(Biases),
}

/// What transformers takes where the configuration is silent.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// Of the neurons.
    pub activation: Activation,
    /// Added to the variance.
    pub norm_eps: f64,
    /// Whether the head is the table of words.
    pub tied: bool,
    /// Key-value heads; `None` for as many as there are heads.
    pub key_value_heads: Option<usize>,
    /// Width of a head; `None` for the hidden dims shared out evenly.
    pub head_size: Option<usize>,
    /// How many tokens back one sees; `None` for all.
    pub window: Option<usize>,
    /// Whether a window counts only if `use_sliding_window` is true.
    pub window_is_switched: bool,
}

const LLAMA_LAYER: TensorNames = TensorNames {
    layer: "layers.{}",
    linears: &[
        (Site::Query, "self_attn.q_proj"),
        (Site::Key, "self_attn.k_proj"),
        (Site::Value, "self_attn.v_proj"),
        (Site::Output, "self_attn.o_proj"),
        (Site::Gate, "mlp.gate_proj"),
        (Site::Up, "mlp.up_proj"),
        (Site::Down, "mlp.down_proj"),
    ],
    norms: [(SubBlock::Attention, "input_layernorm"), (SubBlock::FeedForward, "post_attention_layernorm")],
    words: "embed_tokens.weight",
    ..BERT_LAYER
};

/// The classifier of transformers' `…ForSequenceClassification`, which reads the last token; it has no dense layer, so that
/// none is found in a file.
const SCORE: HeadSpec =
    HeadSpec { dense: "score.dense", is_pooler: false, activation: Activation::Tanh, drops_input: false, out: "score" };

const LLAMA_DECODER: DecoderSpec = DecoderSpec {
    norm: NormKind::Rms,
    rotary: true,
    gated: true,
    biases: BiasRule::Keys,
    head_norms: None,
    fused: None,
    transposed: false,
    final_norm: "norm",
    head: "lm_head",
    defaults: Defaults {
        activation: Activation::Silu,
        norm_eps: 1e-6,
        tied: false,
        key_value_heads: None,
        head_size: None,
        window: None,
        window_is_switched: true,
    },
};

pub(super) const LLAMA: FamilySpec = FamilySpec {
    name: "LLaMA",
    model_type: "llama",
    class: "Llama",
    prefix: "model.",
    token_types: false,
    positions: Positions::FromZero,
    pad_id: 0,
    keys: ConfigKeys { norm_eps: "rms_norm_eps", ..BERT_KEYS },
    tensors: LLAMA_LAYER,
    head: SCORE,
    decoder: Some(LLAMA_DECODER),
};

pub(super) const MISTRAL: FamilySpec = FamilySpec {
    name: "Mistral",
    model_type: "mistral",
    class: "Mistral",
    decoder: Some(DecoderSpec {
        biases: BiasRule::Fixed(Biases::NONE),
        defaults: Defaults {
            key_value_heads: Some(8),
            window: Some(4096),
            window_is_switched: false,
            ..LLAMA_DECODER.defaults
        },
        ..LLAMA_DECODER
    }),
    ..LLAMA
};

pub(super) const QWEN2: FamilySpec = FamilySpec {
    name: "Qwen2",
    model_type: "qwen2",
    class: "Qwen2",
    decoder: Some(DecoderSpec {
        biases: BiasRule::Fixed(Biases { into_attention: true, ..Biases::NONE }),
        defaults: Defaults { key_value_heads: Some(32), window: Some(4096), ..LLAMA_DECODER.defaults },
        ..LLAMA_DECODER
    }),
    ..LLAMA
};

pub(super) const QWEN3: FamilySpec = FamilySpec {
    name: "Qwen3",
    model_type: "qwen3",
    class: "Qwen3",
    decoder: Some(DecoderSpec {
        head_norms: Some(["self_attn.q_norm", "self_attn.k_norm"]),
        defaults: Defaults {
            key_value_heads: Some(32),
            head_size: Some(128),
            window: Some(4096),
            ..LLAMA_DECODER.defaults
        },
        ..LLAMA_DECODER
    }),
    ..LLAMA
};

pub(super) const GPT2: FamilySpec = FamilySpec {
    name: "GPT-2",
    model_type: "gpt2",
    class: "GPT2",
    prefix: "transformer.",
    keys: ConfigKeys {
        hidden: "n_embd",
        layers: "n_layer",
        heads: "n_head",
        neurons: "n_inner",
        activation: "activation_function",
        embedding: None,
        positions: "n_positions",
        norm_eps: "layer_norm_epsilon",
    },
    tensors: TensorNames {
        layer: "h.{}",
        linears: &[
            (Site::Query, "attn.c_attn.query"),
            (Site::Key, "attn.c_attn.key"),
            (Site::Value, "attn.c_attn.value"),
            (Site::Output, "attn.c_proj"),
            (Site::Up, "mlp.c_fc"),
            (Site::Down, "mlp.c_proj"),
        ],
        norms: [(SubBlock::Attention, "ln_1"), (SubBlock::FeedForward, "ln_2")],
        words: "wte.weight",
        positions: "wpe.weight",
        ..BERT_LAYER
    },
    decoder: Some(DecoderSpec {
        norm: NormKind::Layer,
        rotary: false,
        gated: false,
        biases: BiasRule::Fixed(Biases::ALL),
        fused: Some("attn.c_attn"),
        transposed: true,
        final_norm: "ln_f",
        defaults: Defaults { activation: Activation::GeluNew, norm_eps: 1e-5, tied: true, ..LLAMA_DECODER.defaults },
        ..LLAMA_DECODER
    }),
    ..LLAMA
};
