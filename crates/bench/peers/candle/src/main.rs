//! Decodes greedily with candle, as its example for llama2.c's models does, and prints the tokens a second:
//! `apt-bench-candle MODEL.bin PROMPT TOKENS`, where PROMPT is ids of tokens by comma. Threads are those of
//! `RAYON_NUM_THREADS`. The prompt's own pass counts, reading the file does not.

use anyhow::{Context, Result, ensure};
use candle_core::{Device, IndexOp, Tensor};
use candle_transformers::models::llama2_c::{Cache, Config, Llama};
use candle_transformers::models::llama2_c_weights::TransformerWeights;
use std::fs::File;
use std::io::BufReader;
use std::time::Instant;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, prompt, tokens] = arguments.as_slice() else { anyhow::bail!("usage: MODEL.bin PROMPT TOKENS") };
    let prompt: Vec<u32> = prompt.split(',').map(|id| Ok(id.parse()?)).collect::<Result<_>>().context("PROMPT")?;
    let tokens: usize = tokens.parse().context("TOKENS")?;
    let device = Device::Cpu;
    let mut file = BufReader::new(File::open(model).with_context(|| model.clone())?);
    let config = Config::from_reader(&mut file)?;
    ensure!(tokens > 0, "TOKENS must be at least 1");
    ensure!(prompt.len() + tokens <= config.seq_len + 1, "{model} takes at most {} tokens", config.seq_len);
    let weights = TransformerWeights::from_reader(&mut file, &config, &device)?.var_builder(&config, &device)?;
    let mut cache = Cache::new(true, &config, weights.pp("rot"))?;
    let llama = Llama::load(weights, config)?;

    let began = Instant::now();
    let (mut read, mut next) = (0, prompt);
    for _ in 0..tokens {
        let logits = llama.forward(&Tensor::new(next.as_slice(), &device)?.unsqueeze(0)?, read, &mut cache)?;
        read += next.len();
        next = vec![logits.i((0, logits.dim(1)? - 1))?.argmax(0)?.to_scalar::<u32>()?];
    }
    println!("tok/s: {:.3}", tokens as f64 / began.elapsed().as_secs_f64());
    Ok(())
}
