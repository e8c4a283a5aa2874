//! scratch
use apt_data::{Tokenizer, load_task, tokenize_task};
use apt_lab::{Event, Provenance};
use apt_nn::ModelConfig;
use apt_train::*;
use std::time::Instant;
struct P(Instant);
impl Probe for P {
    fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let mut knobs = apt_lab::preset(&args[1]).unwrap();
    let mut model = "random".to_string();
    for kv in &args[2..] {
        let (k, v) = kv.split_once('=').unwrap();
        if k == "modeldir" {
            model = v.into();
            continue;
        }
        knobs.set(k, v).unwrap();
    }
    let (tok, source) = if model == "random" {
        let tok = Tokenizer::from_bytes(apt_data::builtin::tokenizer_json().as_bytes(), "t").unwrap();
        let config = ModelConfig {
            family: apt_nn::Family::Bert,
            vocab_size: tok.vocab_size(),
            max_positions: 64,
            type_vocab_size: 2,
            hidden: 128,
            head_size: 32,
            layers: vec![apt_core::blocks::LayerShape { heads: 4, neurons: 512 }; 4],
            activation: apt_nn::Activation::Gelu,
            norm_eps: 1e-12,
            pad_id: 0,
            head: None,
        };
        (tok, ModelSource::random(config, 1))
    } else {
        let dir = std::path::PathBuf::from(&model);
        let tok = Tokenizer::from_file(dir.join("tokenizer.json")).unwrap();
        let config = ModelConfig::from_json(&std::fs::read(dir.join("config.json")).unwrap(), "config.json").unwrap();
        let d = dir.clone();
        (
            tok,
            ModelSource::file(config, "model.safetensors", move || {
                Ok(std::fs::read(d.join("model.safetensors")).unwrap())
            }),
        )
    };
    let data = knobs.data.clone().map(std::path::PathBuf::from);
    let raw = load_task(&knobs.task, data.as_deref()).unwrap();
    let raw = match knobs.train_examples {
        Some(n) => raw.limit_train(n, knobs.seed),
        None => raw,
    };
    let max_len = knobs.max_length.min(source.config.max_length());
    let task = tokenize_task(&raw, &tok, max_len).unwrap();
    let labels = raw.labels.len();
    let setup = Setup {
        knobs,
        preset: None,
        source,
        task,
        labels,
        metric: raw.metric,
        pad_id: tok.pad_id(),
        provenance: Provenance::default(),
        device: burn::tensor::Device::flex(),
    };
    let mut s = Session::new(setup, Box::new(P(Instant::now()))).unwrap();
    pollster::block_on(async {
        while let Some(e) = s.step().await.unwrap() {
            match e {
                Event::Step(p) if p.step % 20 == 0 || p.step <= 3 => println!(
                    "{} loss {:.4} task {:.4} dist {:?} mu {:?} d {:.3} norm {:.3} lr {:.5} t {:.2}",
                    p.step,
                    p.loss,
                    p.task_loss,
                    p.distill_loss,
                    p.mu,
                    p.density,
                    p.grad_norm.unwrap(),
                    p.learning_rate,
                    p.seconds
                ),
                Event::Step(_) | Event::Salience { .. } | Event::Started { .. } => {}
                Event::Pruned(p) => println!(
                    "PRUNED {} {:.3} -> {:.3} heads {:?} neurons {:?} hidden {}",
                    p.step, p.target_density, p.density, p.heads, p.neurons, p.hidden
                ),
                e => println!("{}", e.to_line().unwrap()),
            }
        }
    });
}
