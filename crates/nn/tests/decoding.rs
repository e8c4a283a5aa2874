//! Writing with what was read before gives what reading all at once gives, and losses are those of whole logits.

mod reference;

use apt_core::blocks::{Kept, LayerShape};
use apt_core::tokens::TokenBatch;
use apt_core::wiring::{Biases, Site};
use apt_nn::compact::compact;
use apt_nn::generation::Decoder;
use apt_nn::language::{IGNORED, token_scores};
use apt_nn::{
    Batch, DecoderConfig, Family, Forward, HeadConfig, Init, ModelConfig, Pooling, Rotary, RotaryScaling, Transformer,
};
use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor, activation};
use reference::{close, shaken, values};

/// LLaMA with grouped heads and layers of unequal width, one without attention and one without a feed-forward, compacted;
/// Qwen3 with norms of heads; GPT-2.
fn models() -> Vec<(String, Transformer)> {
    let layer = |heads, neurons| LayerShape { heads, neurons };
    let rotary = Rotary { theta: 100.0, scaling: RotaryScaling::Default };
    let all = [
        (Family::Llama, 2, Biases::NONE, Some(rotary), true),
        (Family::Qwen3, 3, Biases::ALL, Some(rotary), false),
        (Family::Gpt2, 1, Biases::ALL, None, true),
    ];
    let build = |(family, queries_per_key, biases, rotary, tied): (Family, _, _, _, _)| {
        let config = ModelConfig {
            family,
            vocab_size: 23,
            max_positions: 12,
            type_vocab_size: 0,
            embedding: None,
            hidden: 20,
            head_size: 4,
            layers: [layer(3, 37), layer(0, 7), layer(4, 0), layer(2, 16)].to_vec(),
            activation: family.spec().decoder.expect("a decoder").defaults.activation,
            norm_eps: 1e-6,
            pad_id: 0,
            head: None,
            label_names: vec![],
            decoder: Some(DecoderConfig { queries_per_key, biases, rotary, tied, bos_id: None, eos_ids: vec![] }),
        };
        let mut init = Init::new(5, &Device::flex().autodiff());
        let model = Transformer::new(&config, &mut init).with_adapters(&[Site::Query, Site::Down], 2, 2.0, &mut init);
        let model = shaken(model, &mut init, 0.3);
        let mut kept = Kept::all(&config.shape());
        kept.hidden.retain(|dim| dim % 5 != 3);
        kept.heads[0] = vec![0, 2];
        kept.neurons[0].retain(|neuron| neuron % 3 != 0);
        (family.spec().name.to_owned(), compact(&model, &kept))
    };
    all.into_iter().map(build).collect()
}

/// Three texts of nine tokens.
fn texts() -> Vec<Vec<i32>> {
    (0..3).map(|text| (0..9).map(|i| (text * 5 + i * 7 + i * i) % 23).collect()).collect()
}

fn padded(texts: &[Vec<i32>], lengths: &[usize]) -> TokenBatch {
    let longest = lengths.iter().max().copied().expect("there are texts");
    let row =
        |(text, &n): (&Vec<i32>, &usize)| text[..n].iter().copied().chain(vec![0; longest - n]).collect::<Vec<i32>>();
    TokenBatch::of_one_type(texts.iter().zip(lengths).flat_map(row).collect(), lengths.to_vec())
}

fn logits(model: &Transformer, texts: &[Vec<i32>]) -> Vec<f64> {
    let tokens = padded(texts, &vec![texts[0].len(); texts.len()]);
    let batch = Batch::new(&tokens, &model.config, &model.device());
    values(&model.next_token_logits(model.forward(&batch, Forward::default()).hidden).expect("a decoder"))
}

#[test]
fn logits_with_a_cache_are_those_without() {
    let texts = texts();
    for (name, model) in models() {
        let (whole, vocab) = (logits(&model, &texts), model.config.vocab_size);
        for plain in [false, true] {
            let valid = model.clone().valid();
            let mut decoder = Decoder::new(&valid).expect("a decoder");
            if plain {
                decoder = decoder.plain();
            }
            // Prompts of unequal length are padded; twice, so that a second text does not see the first.
            for lengths in [[4, 1, 3], [5, 5, 2]] {
                let mut at = lengths;
                let mut next = decoder.begin(&padded(&texts, &lengths)).expect("the prompts fit");
                for _ in 0..4 {
                    let expected: Vec<f64> =
                        (0..3).flat_map(|t| whole[(t * 9 + at[t] - 1) * vocab..][..vocab].to_vec()).collect();
                    let way = if plain { "plain" } else { "fast" };
                    close(&format!("{name}, {way}, after {at:?}"), &values(&next), &expected, 1e-4);
                    let ids: Vec<i32> = (0..3).map(|t| texts[t][at[t]]).collect();
                    next = decoder.step(&ids).expect("there is room");
                    at.iter_mut().for_each(|n| *n += 1);
                }
                assert_eq!(decoder.lengths(), at);
            }
        }
    }
}

#[test]
fn logits_without_autodiff_are_those_with_it() {
    let texts = texts();
    for (name, model) in models() {
        close(&name, &logits(&model.clone().valid(), &texts), &logits(&model, &texts), 1e-5);
    }
}

#[test]
fn what_a_decoder_cannot_read_is_an_error() {
    let (_, model) = models().remove(0);
    let model = model.valid();
    let mut decoder = Decoder::new(&model).expect("a decoder");
    assert!(decoder.step(&[1]).is_err(), "a step before a prompt");
    let long = TokenBatch::of_one_type(vec![1; 13], vec![13]);
    let error = decoder.begin(&long).expect_err("13 tokens of 12").to_string();
    assert!(error.contains("13 tokens") && error.contains("12 at most"), "{error}");
    assert!(decoder.begin(&TokenBatch::of_one_type(vec![1, 1], vec![0, 1])).is_err(), "an empty prompt");
    decoder.begin(&TokenBatch::of_one_type(vec![1; 12], vec![12])).expect("12 tokens of 12");
    assert!(decoder.step(&[1]).is_err(), "a thirteenth token");
    decoder.begin(&TokenBatch::of_one_type(vec![1; 4], vec![2, 2])).expect("two prompts");
    assert!(
        decoder.step(&[1]).is_err() && decoder.step(&[1, 23]).is_err(),
        "one token of two texts, and token 23 of 23"
    );
    let head = HeadConfig::new(Pooling::Cls, 4, 2);
    let encoder = ModelConfig { family: Family::Bert, decoder: None, head: Some(head), ..model.config.clone() };
    let encoder = Transformer::new(&encoder, &mut Init::new(0, &Device::flex()));
    assert!(Decoder::new(&encoder).is_err(), "an encoder writes nothing");
}

#[test]
fn token_losses_and_their_gradients_are_those_of_whole_logits() {
    for (name, model) in models() {
        let (texts, device) = (texts(), model.device());
        let tokens = padded(&texts, &[9; 3]);
        let targets: Vec<i32> =
            tokens.ids.iter().enumerate().map(|(i, id)| if i % 4 == 3 { IGNORED } else { (id + 1) % 23 }).collect();
        let counted: Vec<i32> = (0..27).filter(|i| targets[*i as usize] != IGNORED).collect();
        let n = counted.len();
        let weigh: Vec<f32> = (0..n).map(|i| (i as f32 * 0.7).sin()).collect();
        let weigh = Tensor::<1>::from_floats(weigh.as_slice(), &device);
        let batch = Batch::new(&tokens, &model.config, &device);
        let hidden = || model.forward(&batch, Forward::default()).hidden.detach().require_grad();

        let ours = hidden();
        let scores = token_scores(&model, ours.clone(), &targets).expect("targets fit");
        let gradients = (scores.losses.clone() * weigh.clone()).sum().backward();
        let ours = ours.grad(&gradients).expect("the loss reaches the hidden states");

        let whole = hidden();
        let logits = model.next_token_logits(whole.clone()).expect("a decoder");
        let columns: Vec<i32> = counted.iter().map(|i| targets[*i as usize]).collect();
        let columns = Tensor::<1, Int>::from_ints(columns.as_slice(), &device).unsqueeze_dim(1);
        let rows = Tensor::<1, Int>::from_ints(counted.as_slice(), &device);
        let losses = -activation::log_softmax(logits.clone().select(0, rows), 1).gather(1, columns).reshape([n]);
        let gradients = (losses.clone() * weigh.clone()).sum().backward();
        let expected = whole.grad(&gradients).expect("the loss reaches the hidden states");

        close(&format!("{name}: losses"), &values(&scores.losses), &values(&losses), 1e-5);
        close(&format!("{name}: ∂L/∂hidden"), &values(&ours), &values(&expected), 1e-5);
        let rows = values(&logits);
        let hit = |i: &i32| {
            let row = &rows[*i as usize * 23..][..23];
            let best = (0..23).max_by(|&a, &b| row[a].total_cmp(&row[b])).expect("a vocabulary");
            f64::from(best as i32 == targets[*i as usize])
        };
        let hits: Vec<f64> = counted.iter().map(hit).collect();
        assert_eq!(values(&scores.hits), hits, "{name}: hits");

        // With a head that is trained all logits are there, and the same comes out.
        let mut trained = model.clone();
        let table = trained.lm_head.take().unwrap_or(trained.embeddings.words.clone());
        trained.lm_head = Some(Param::from_tensor(table.val().detach()));
        let again = token_scores(&trained, hidden(), &targets).expect("targets fit");
        close(&format!("{name}: losses of a trained head"), &values(&again.losses), &values(&losses), 1e-5);
        assert_eq!(values(&again.hits), hits, "{name}: hits of a trained head");
        let none = token_scores(&model, hidden(), &[IGNORED; 27]).expect("nothing to predict");
        assert_eq!((none.losses.dims(), none.hits.dims()), ([0], [0]), "{name}: nothing to predict");
    }
}

#[test]
fn targets_that_do_not_fit_are_an_error() {
    let (_, model) = models().remove(0);
    let batch = Batch::new(&padded(&texts(), &[9; 3]), &model.config, &model.device());
    let hidden = model.forward(&batch, Forward::default()).hidden;
    assert!(token_scores(&model, hidden.clone(), &[0; 26]).is_err(), "26 targets of 27 tokens");
    assert!(token_scores(&model, hidden.clone(), &[23; 27]).is_err(), "target 23 of 23");
    assert!(token_scores(&model, hidden, &[-1; 27]).is_err(), "a negative target");
}
