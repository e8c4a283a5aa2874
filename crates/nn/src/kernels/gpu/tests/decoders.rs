//! Decoders on a GPU, whose operations are Burn's own there, against those on the CPU.

use super::{compare, gpu, values, worst};
use crate::generation::Decoder;
use crate::kernels::{self, Angles};
use crate::language::{IGNORED, token_scores};
use crate::{Batch, DecoderConfig, Family, Forward, Init, ModelConfig, Rotary, RotaryScaling, Transformer, named};
use apt_core::blocks::LayerShape;
use apt_core::tokens::TokenBatch;
use apt_core::wiring::{Biases, Site};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

const ROTARY: Rotary = Rotary { theta: 50.0, scaling: RotaryScaling::Default };

#[test]
fn operations_of_decoders() {
    compare("rms", &[[7, 37]], &[0], |t| {
        let weight = Tensor::from_floats([1.5_f32; 37], &t[0].device());
        kernels::rms_norm(t[0].clone(), weight, 1e-6)
    });
    compare("gate", &[[7, 37], [7, 37]], &[0, 1], |t| kernels::silu_times(t[0].clone(), t[1].clone()));
    compare("product", &[[7, 37], [37, 11]], &[0], |t| kernels::product(t[0].clone(), t[1].clone()));
    compare("rotate", &[[12, 24]], &[0], |t| {
        let table = ROTARY.table(8, 0..4);
        let table = Tensor::<1>::from_floats(table.as_slice(), &t[0].device()).reshape([4, 8]);
        kernels::rotate(t[0].clone(), &Angles { table, size: 8 })
    });
    compare("causal", &[[24, 5]], &[0], |t| {
        let scores = t[0].clone().slice([0..20, 0..5]).reshape([1, 2, 10, 5]);
        kernels::causal_weights(scores, 0.6).reshape([20, 5])
    });
}

#[test]
fn a_decoder_learns_and_writes_as_on_the_cpu() {
    let Some(gpu) = gpu() else { return };
    let biases = Biases { into_attention: true, ..Biases::NONE };
    let (bos_id, eos_ids) = (None, vec![]);
    let config = ModelConfig {
        family: Family::Qwen3,
        vocab_size: 29,
        max_positions: 16,
        type_vocab_size: 0,
        embedding: None,
        hidden: 24,
        head_size: 8,
        layers: vec![LayerShape { heads: 2, neurons: 20 }, LayerShape { heads: 1, neurons: 33 }],
        activation: crate::Activation::Silu,
        norm_eps: 1e-6,
        pad_id: 0,
        head: None,
        label_names: vec![],
        decoder: Some(DecoderConfig { queries_per_key: 2, biases, rotary: Some(ROTARY), tied: true, bos_id, eos_ids }),
    };
    let ids: Vec<i32> = (0..10).map(|i| (i * 7 + 3) % 29).collect();
    let targets: Vec<i32> = (0..10).map(|i| if i == 9 { IGNORED } else { (i * 5 + 1) % 29 }).collect();
    let of = |device: &Device| -> Vec<(&str, Vec<f32>)> {
        let tracked = device.clone().autodiff();
        let mut init = Init::new(7, &tracked);
        let model = Transformer::new(&config, &mut init).with_adapters(Site::ALL, 2, 2.0, &mut init);
        let tokens = TokenBatch::of_one_type(ids.clone(), vec![5, 4]);
        let hidden = model.forward(&Batch::new(&tokens, &config, &tracked), Forward::default()).hidden;
        let losses = token_scores(&model, hidden, &targets).expect("targets fit").losses;
        let mut gradients = losses.clone().mean().backward();
        let gradients = named::gradients(&model, &mut gradients).expect("adapters are trained");
        let mut decoder = Decoder::new(&model.valid()).expect("a decoder");
        let first = decoder.begin(&tokens).expect("the prompts fit");
        let second = decoder.step(&[3, 4]).expect("there is room");
        let third = decoder.step(&[5, 6]).expect("there is room");
        vec![
            ("losses", values(losses.inner())),
            ("gradients", values(gradients)),
            ("logits after the prompts", values(first)),
            ("logits after a token", values(second)),
            ("logits after two", values(third)),
        ]
    };
    for ((name, expected), (_, found)) in of(&Device::flex()).into_iter().zip(of(&gpu)) {
        let difference = worst(&expected, &found);
        assert!(difference < 1e-4, "{name}: they differ by {difference:e}");
    }
}
