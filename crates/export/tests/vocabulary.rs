//! Cut vocabularies: texts whose pieces stay are split as before, and nothing becomes unknown.

use apt_core::blocks::LayerShape;
use apt_core::tokens::TokenBatch;
use apt_data::Tokenizer;
use apt_export::{File, Model, Stored, TextSettings, VocabularyCut, Weights};
use apt_nn::checkpoint::Checkpoint;
use apt_nn::{Activation, Family, HeadConfig, Init, ModelConfig, Pooling, Transformer, inference};
use burn::tensor::Device;
use pollster::block_on;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Texts whose pieces are kept.
const USED: [&str; 2] = ["the film was fun", "fun"];
/// A text that needs other pieces.
const OTHER: &str = "filmed there";

fn added(tokens: &[(&str, u32)]) -> Value {
    let token = |(content, id): &(&str, u32)| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
               "normalized": false, "special": true})
    };
    tokens.iter().map(token).collect()
}

fn numbered(pieces: &[String]) -> Value {
    pieces.iter().enumerate().map(|(id, piece)| (piece.clone(), Value::from(id))).collect()
}

fn letters() -> impl Iterator<Item = String> + Clone {
    ('a'..='z').map(String::from)
}

/// The added token stands behind the vocabulary; the special ones are in the middle of it.
fn word_piece() -> Value {
    let mut pieces: Vec<String> = ["[PAD]", "there", "film"].map(str::to_owned).to_vec();
    pieces.extend(["[UNK]", "[CLS]", "[SEP]"].map(str::to_owned));
    pieces.extend(letters());
    pieces.extend(letters().map(|letter| format!("##{letter}")));
    // There is no piece of `ß` alone, so letters cannot spell `theß`.
    pieces.extend(["the", "was", "fun", "##ed", "##med", "theß"].map(str::to_owned));
    let behind = pieces.len() as u32;
    let single = |id: u32, token: &str| json!([token, id]);
    json!({
        "version": "1.0", "truncation": null, "padding": {"strategy": "BatchLongest", "direction": "Right",
            "pad_to_multiple_of": null, "pad_id": 2, "pad_type_id": 0, "pad_token": "film"},
        "added_tokens": added(&[("[PAD]", 0), ("[UNK]", 3), ("[CLS]", 4), ("[SEP]", 5), ("[NAME]", behind)]),
        "normalizer": null, "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {"type": "BertProcessing", "sep": single(5, "[SEP]"), "cls": single(4, "[CLS]")},
        "decoder": null,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": numbered(&pieces)},
    })
}

/// As RoBERTa's, of letters alone. `film` is made of `fi` and `lm`, which no text uses.
fn byte_pairs() -> Value {
    let mut pieces: Vec<String> = ["<s>", "<pad>", "</s>", "<unk>"].map(str::to_owned).to_vec();
    pieces.extend(letters());
    pieces.push("Ġ".into());
    let merges = [
        ("t", "h"),
        ("th", "e"),
        ("Ġ", "the"),
        ("f", "i"),
        ("fi", "lm"),
        ("l", "m"),
        ("Ġ", "film"),
        ("w", "as"),
        ("a", "s"),
        ("Ġ", "was"),
        ("u", "n"),
        ("f", "un"),
        ("Ġ", "fun"),
        ("e", "d"),
        ("film", "ed"),
        ("r", "e"),
        ("the", "re"),
    ];
    pieces.extend(merges.iter().map(|(a, b)| format!("{a}{b}")));
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": added(&[("<s>", 0), ("<pad>", 1), ("</s>", 2), ("<unk>", 3)]), "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "post_processor": {"type": "Sequence", "processors": [{"type": "RobertaProcessing", "sep": ["</s>", 2],
            "cls": ["<s>", 0], "trim_offsets": true, "add_prefix_space": true}]},
        "decoder": null,
        "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": "",
                  "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                  "vocab": numbered(&pieces),
                  "merges": merges.iter().map(|(a, b)| json!([a, b])).collect::<Vec<_>>()},
    })
}

/// As CamemBERT's, whose first piece nobody uses: without it the padding would have another id.
fn unigram() -> Value {
    let pieces = ["<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "▁there", "<s>", "</s>", "▁"];
    let mut scored: Vec<Value> =
        pieces.iter().map(|piece| json!([piece, if *piece == "▁" { -3.0 } else { 0.0 }])).collect();
    scored.extend(letters().chain("<>/NOTUSED".chars().map(String::from)).map(|letter| json!([letter, -9.0])));
    let words = ["▁the", "▁film", "▁was", "▁fun", "ed", "med", "un", "rare"];
    scored.extend(words.iter().map(|word| json!([word, if *word == "rare" { -20.0 } else { -4.0 }])));
    let token = |id: &str| json!({"SpecialToken": {"id": id, "type_id": 0}});
    let named = |token: &str, id: u32| json!({"id": token, "ids": [id], "tokens": [token]});
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": added(&[("<pad>", 1), ("<unk>", 3), ("<s>", 5), ("</s>", 6)]), "normalizer": null,
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
        "post_processor": {"type": "TemplateProcessing",
            "single": [token("<s>"), {"Sequence": {"id": "A", "type_id": 0}}, token("</s>")],
            "pair": [token("<s>"), {"Sequence": {"id": "A", "type_id": 0}}, token("</s>"), token("</s>"),
                     {"Sequence": {"id": "B", "type_id": 0}}, token("</s>")],
            "special_tokens": {"<s>": named("<s>", 5), "</s>": named("</s>", 6)}},
        "decoder": null,
        "model": {"type": "Unigram", "unk_id": 3, "byte_fallback": false, "vocab": scored},
    })
}

fn config(family: Family, pad_id: usize, vocab_size: usize) -> ModelConfig {
    ModelConfig {
        family,
        vocab_size,
        max_positions: 40,
        type_vocab_size: usize::from(family.spec().token_types),
        embedding: None,
        hidden: 8,
        head_size: 4,
        layers: vec![LayerShape { heads: 2, neurons: 8 }],
        activation: Activation::Gelu,
        norm_eps: 1e-12,
        pad_id,
        head: Some(HeadConfig::new(Pooling::Pooler, 8, 2)),
        label_names: vec![],
        decoder: None,
    }
}

fn read(json: &[u8]) -> Tokenizer {
    Tokenizer::from_bytes(json, "tokenizer.json").expect("it is a tokenizer")
}

fn ids(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    tokenizer.encode(text, None, 64).expect("it can be encoded").ids
}

fn tokens(tokenizer: &Tokenizer, text: &str) -> Vec<String> {
    ids(tokenizer, text).into_iter().map(|id| tokenizer.token(id).expect("it has a name")).collect()
}

/// A model of `family` with `tokenizer` before and after it is cut to the pieces of [`USED`].
struct Case {
    family: Family,
    whole: Transformer,
    before: Tokenizer,
    json: Vec<u8>,
    cut: VocabularyCut,
}

impl Case {
    fn of(family: Family, pad_id: usize, tokenizer: &Value) -> Self {
        let json = tokenizer.to_string().into_bytes();
        let before = read(&json);
        // A row more than there are pieces, as where tables are padded.
        let config = config(family, pad_id, before.vocab_size() + 1);
        let whole = Transformer::new(&config, &mut Init::new(3, &Device::flex()));
        let used: BTreeSet<u32> = USED.iter().flat_map(|text| ids(&before, text)).collect();
        let cut = VocabularyCut::new(&json, &used, &config).expect("it can be cut");
        Self { family, whole, before, json, cut }
    }

    /// The cut model's files.
    fn files(&self) -> Vec<File> {
        let weights = block_on(Weights::read(&self.whole)).expect("it can be read back");
        let model =
            Model { weights, tokenizer: self.json.clone(), max_length: None, settings: TextSettings::default() };
        let cut = model.with_vocabulary(&self.cut).expect("it has a row for every piece");
        cut.safetensors(Stored::F32).expect("it can be written")
    }

    /// Asserts what must hold of every kind; gives the new tokenizer.
    fn check(&self) -> Tokenizer {
        let (family, files) = (self.family, self.files());
        let file = |name: &str| &files.iter().find(|file| file.name == name).expect("it is written").bytes;
        let after = read(file("tokenizer.json"));
        let config = ModelConfig::from_json(file("config.json"), "config.json").expect("its own");
        assert_eq!(config.vocab_size, self.cut.pieces(), "{family:?}");
        assert!(self.cut.pieces() < self.before.vocab_size(), "{family:?}: nothing left");
        assert_eq!(config.first_position(), self.whole.config.first_position(), "{family:?}: positions moved");
        let model = Checkpoint::parse(file("model.safetensors"), "model.safetensors", family);
        let model = model.and_then(|c| c.model(&config, &Device::flex())).expect("its own weights");
        for text in USED {
            assert_eq!(tokens(&after, text), tokens(&self.before, text), "{family:?}: {text} is split otherwise");
            let old = ids(&self.before, text);
            let numbered: Vec<u32> = old.iter().map(|&id| self.cut.number(id).expect("it stays")).collect();
            assert_eq!(ids(&after, text), numbered, "{family:?}: {text}");
            let (before, now) = (logits(&self.whole, &old), logits(&model, &numbered));
            assert_eq!(before, now, "{family:?}: {text} has other logits");
        }
        assert_ne!(tokens(&after, OTHER), tokens(&self.before, OTHER), "{family:?}: the test proves nothing");
        let unknown = |tokenizer: &Tokenizer| {
            tokens(tokenizer, OTHER).iter().filter(|t| t.to_lowercase().contains("unk")).count()
        };
        assert_eq!(unknown(&after), unknown(&self.before), "{family:?}: something became unknown");
        after
    }
}

fn logits(model: &Transformer, ids: &[u32]) -> Vec<f32> {
    let tokens = TokenBatch::of_one_type(ids.iter().map(|&id| id as i32).collect(), vec![ids.len()]);
    let logits = inference::logits(model, &tokens, &Device::flex()).expect("it has a classifier");
    logits.to_data().convert::<f32>().try_into_vec::<f32>().expect("just converted")
}

#[test]
fn a_cut_word_piece_splits_its_texts_as_before_and_spells_the_others() {
    let case = Case::of(Family::Bert, 0, &word_piece());
    let after = case.check();
    assert_eq!(tokens(&after, OTHER)[1..3], ["film", "##e"], "longest pieces first, then letters");
    assert!(tokens(&after, "[NAME]").contains(&"[NAME]".to_owned()), "the token behind the vocabulary is lost");
    assert_eq!(tokens(&after, "theß"), tokens(&case.before, "theß"), "what letters cannot spell stays");
    assert_eq!(after.special_ids().len(), 5);
}

#[test]
fn a_cut_bpe_keeps_what_its_pieces_are_merged_from() {
    let after = Case::of(Family::Roberta, 1, &byte_pairs()).check();
    let split = tokens(&after, OTHER);
    assert_eq!(split[1..4], ["Ġfilm", "e", "d"], "{split:?}");
}

#[test]
fn a_cut_unigram_keeps_the_padding_in_its_place_and_the_scale_of_the_unknown() {
    let case = Case::of(Family::Camembert, 1, &unigram());
    let after = case.check();
    assert_eq!(after.token(1).as_deref(), Some("<pad>"), "positions are counted from it");
    let files = case.files();
    let json = files.iter().find(|file| file.name == "tokenizer.json").expect("it is written");
    let json: Value = serde_json::from_slice(&json.bytes).expect("it is JSON");
    let pieces: Vec<&str> =
        json["model"]["vocab"].as_array().expect("a list").iter().filter_map(|p| p[0].as_str()).collect();
    assert!(pieces.contains(&"rare") && !pieces.contains(&"▁there"), "{pieces:?}");
    assert_eq!(json["model"]["unk_id"], pieces.iter().position(|&piece| piece == "<unk>").expect("it stays"));
}

#[test]
fn what_cannot_be_cut_is_refused_with_the_reason() {
    let config = Case::of(Family::Bert, 0, &word_piece()).whole.config;
    let refused = |tokenizer: &Value| {
        let cut = VocabularyCut::new(tokenizer.to_string().as_bytes(), &BTreeSet::new(), &config);
        cut.err().expect("it cannot be cut").to_string()
    };
    let words = json!({"model": {"type": "WordLevel", "unk_token": "[UNK]", "vocab": {"[UNK]": 0, "a": 1}}});
    let error = refused(&words);
    assert!(error.contains("WordLevel") && error.contains("cannot spell"), "{error}");
    let mut suffixed = byte_pairs();
    suffixed["model"]["end_of_word_suffix"] = "</w>".into();
    suffixed["model"]["merges"] = json!([]);
    let error = refused(&suffixed);
    assert!(error.contains("end_of_word_suffix"), "{error}");
    let mut strange = word_piece();
    strange["post_processor"]["sep"] = json!(["[SEP]", 500]);
    let error = refused(&strange);
    assert!(error.contains("500"), "{error}");
}

/// On published tokenizers: every other text is used, and the rest must not become unknown. Of BPE there is one without
/// words, whose merges go across blanks, and with bytes to fall back on.
#[test]
fn published_vocabularies_are_cut_without_a_loss() {
    let Some(folder) = std::env::var_os("APT_ASSETS").map(std::path::PathBuf::from) else {
        assert!(std::env::var_os("APT_REQUIRE_ASSETS").is_none(), "APT_ASSETS names no folder");
        println!("skipped: set APT_ASSETS to the folder with data/ and minilm-l6-bert/ to run this test");
        return;
    };
    let file = |name: &str| std::fs::read(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let texts = String::from_utf8(file("data/sst2/dev.tsv")).expect("it is text");
    let texts: Vec<String> =
        texts.lines().filter_map(|line| line.split('\t').next()).map(|text| format!("{text} ☃ 北京")).collect();
    for name in ["minilm-l6-bert", "tinystories-15m-llama"] {
        let json = file(&format!("{name}/tokenizer.json"));
        let before = read(&json);
        let of = |tokenizer: &Tokenizer, text: &str| tokenizer.encode(text, None, 4096).expect("it can be encoded").ids;
        let used: BTreeSet<u32> = texts.iter().step_by(2).flat_map(|text| of(&before, text)).collect();
        let config = config(Family::Bert, 0, before.vocab_size());
        let cut = VocabularyCut::new(&json, &used, &config).expect("it can be cut");
        let share = cut.pieces() as f64 / before.vocab_size() as f64;
        assert!(share < 0.4, "{name}: {share} of the pieces stay");
        let weights = block_on(Weights::read(&Transformer::new(&config, &mut Init::new(1, &Device::flex()))));
        let model = Model {
            weights: weights.expect("it can be read back"),
            tokenizer: json,
            max_length: None,
            settings: TextSettings::default(),
        };
        let after = read(&model.with_vocabulary(&cut).expect("it has a row for every piece").tokenizer);
        let mut otherwise = 0;
        for (place, text) in texts.iter().enumerate() {
            let (old, new) = (of(&before, text), of(&after, text));
            let numbered: Vec<Option<u32>> = old.iter().map(|&id| cut.number(id)).collect();
            let is_same = numbered.into_iter().eq(new.iter().copied().map(Some));
            assert!(is_same || place % 2 == 1, "{name}: {text} is split otherwise");
            otherwise += usize::from(!is_same);
            let unknown = |ids: &[u32], id: Option<u32>| ids.iter().filter(|&&of| Some(of) == id).count();
            let old_unknown = (0..).take(before.vocab_size()).find(|&id| cut.number(id) == cut.unknown());
            assert_eq!(unknown(&new, cut.unknown()), unknown(&old, old_unknown), "{name}: {text} became unknown");
        }
        assert!(otherwise > 0, "{name}: the test proves nothing");
    }
}
