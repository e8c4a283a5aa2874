//! Makes the built-in decoder (`cargo xtask pretrain-decoder`): its tokenizer, next-token pretraining on the built-in
//! language, and the recipe that says how it was made and what came out.

use anyhow::{Result, ensure};
use apt_bench::byte_pairs::tokenizer_json;
use apt_bench::files::write;
use apt_data::{
    BatchPlan, Example, Objective, RawExample, RawTask, TokenizedTask, Tokenizer, batch::lengths, builtin,
    tokenize_task,
};
use apt_nn::Transformer;
use apt_nn::checkpoint::{Precision, to_safetensors};
use apt_nn::generation::Sampling;
use apt_train::TextGenerator;
use apt_train::pretrain::{DecoderPretrainer, Recipe};
use burn::tensor::Device;
use clap::Parser;
use pollster::block_on;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

/// What the recipe shows it going on from.
const BEGINNINGS: [&str; 3] = ["The soup", "I did not", "Although the room"];

/// Pretrains the built-in decoder on the CPU.
#[derive(Parser)]
struct Args {
    /// Training steps.
    #[arg(long, default_value_t = 3000)]
    steps: usize,
    /// Sequences in a batch.
    #[arg(long, default_value_t = 16)]
    batch: usize,
    /// Tokens that the tokenizer knows.
    #[arg(long, default_value_t = 1024)]
    vocabulary: usize,
    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Peak learning rate.
    #[arg(long, default_value_t = 2e-3)]
    learning_rate: f64,
    /// Passages to train on.
    #[arg(long, default_value_t = 100_000)]
    passages: usize,
    /// Passages to evaluate on, none of them trained on.
    #[arg(long, default_value_t = 1024)]
    held_out: usize,
    /// What the recipe says about the machine, such as "two cores of a Xeon".
    #[arg(long)]
    hardware: Option<String>,
    /// Folder of the files.
    #[arg(long, default_value = "assets/builtin/decoder")]
    out: PathBuf,
}

/// What the recipe reports.
struct Outcome {
    tokens: usize,
    bytes: usize,
    minutes: f64,
    before: f64,
    training: f64,
    after: f64,
    frequencies_only: f64,
    written: Vec<String>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    // On the pool's own thread, as the command line runs.
    rayon::scope(|_| run(&args))
}

fn run(args: &Args) -> Result<()> {
    ensure!(args.batch > 0 && args.steps > 0, "--batch and --steps must be at least 1");
    let passages = builtin::corpus(args.seed, args.passages);
    let tokenizer_json = tokenizer_json(&passages, args.vocabulary)?;
    let tokenizer = Tokenizer::from_bytes(tokenizer_json.as_bytes(), "the tokenizer of the corpus")?;
    let config = apt_bench::builtin_decoder(tokenizer.vocab_size(), tokenizer.end_of_text()? as usize);
    let corpus = corpus(args, passages, &tokenizer, config.max_length())?;
    let tokens = predicted(&corpus.train);
    println!("{} sequences, {tokens} tokens, vocabulary {}", corpus.train.len(), config.vocab_size);

    let recipe = Recipe {
        steps: args.steps,
        learning_rate: args.learning_rate,
        warmup: 0.06,
        weight_decay: 0.01,
        clip_norm: 1.0,
        seed: args.seed,
    };
    let mut pretrainer = DecoderPretrainer::new(&config, recipe, &Device::flex());
    let before = block_on(pretrainer.evaluate(&corpus.validation))?;
    println!("before: held-out loss {before:.4}");
    let began = Instant::now();
    let training = train(&mut pretrainer, args, &corpus.train)?;
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    let after = block_on(pretrainer.evaluate(&corpus.validation))?;
    let frequencies_only = frequencies_only(&corpus, config.vocab_size);
    println!("after: held-out loss {after:.4} (knowing frequencies only: {frequencies_only:.4})");

    let model = pretrainer.model();
    let weights = block_on(to_safetensors(&model, Precision::F16))?;
    let written = BEGINNINGS.iter().map(|text| greedy(&model, &tokenizer, text)).collect::<Result<_>>()?;
    let outcome = Outcome { tokens, bytes: weights.len(), minutes, before, training, after, frequencies_only, written };
    let config_json = serde_json::to_string_pretty(&config.to_json())? + "\n";
    write(&args.out, "config.json", config_json.as_bytes())?;
    write(&args.out, "tokenizer.json", tokenizer_json.as_bytes())?;
    write(&args.out, "RECIPE.md", recipe_text(args, &outcome).as_bytes())?;
    write(&args.out, "model.safetensors", &weights)
}

/// Sequences of joined passages, as a run joins texts; no passage is in both splits.
fn corpus(args: &Args, train: Vec<String>, tokenizer: &Tokenizer, length: usize) -> Result<TokenizedTask> {
    let known: BTreeSet<&str> = train.iter().map(String::as_str).collect();
    let mut held_out = builtin::corpus(args.seed.wrapping_add(1), args.held_out);
    held_out.retain(|passage| !known.contains(passage.as_str()));
    let texts = |passages: Vec<String>| passages.into_iter().map(RawExample::of_text).collect();
    let task = RawTask::new(builtin::NAME, Objective::causal_lm(), texts(train), texts(held_out), None);
    Ok(tokenize_task(&task, tokenizer, length)?)
}

fn predicted(examples: &[Example]) -> usize {
    examples.iter().filter_map(|example| example.target.tokens()).map(|next| next.count()).sum()
}

/// Trains to the end and returns the mean loss of the last hundred steps.
fn train(run: &mut DecoderPretrainer, args: &Args, examples: &[Example]) -> Result<f64> {
    let mut plan = BatchPlan::new(lengths(examples), args.batch, args.seed);
    let (mut recent, began) = (Vec::new(), Instant::now());
    let mut mean = f64::NAN;
    for step in 0..args.steps {
        let batch: Vec<&Example> = plan.batch(step).into_iter().map(|index| &examples[index]).collect();
        recent.push(block_on(run.step(&batch))?);
        let made = step + 1;
        if made % 100 == 0 || made == args.steps {
            mean = recent.iter().sum::<f64>() / recent.len() as f64;
            recent.clear();
            let each = began.elapsed().as_secs_f64() / made as f64;
            let (left, each) = (each * (args.steps - made) as f64 / 60.0, each * 1e3);
            println!("step {made}/{}: loss {mean:.4}, {each:.0} ms a step, {left:.1} min left", args.steps);
            std::io::stdout().flush()?;
        }
    }
    Ok(mean)
}

/// Cross entropy of held-out tokens under their frequencies in training: that of a model which ignores the context.
fn frequencies_only(corpus: &TokenizedTask, vocabulary: usize) -> f64 {
    let counts = |examples: &[Example]| {
        let mut counts = vec![0.0_f64; vocabulary];
        let next = examples.iter().filter_map(|example| example.target.tokens()).flat_map(|next| &next.ids);
        next.filter_map(|id| usize::try_from(*id).ok()).for_each(|id| counts[id] += 1.0);
        counts
    };
    let (train, held_out) = (counts(&corpus.train), counts(&corpus.validation));
    let (seen, all) = (train.iter().sum::<f64>(), held_out.iter().sum::<f64>());
    let nats = |count: f64| -(count.max(0.5) / seen).ln();
    train.iter().zip(&held_out).map(|(&count, of)| of * nats(count)).sum::<f64>() / all.max(1.0)
}

/// `text` and the likeliest tokens after it, to the end of the text.
fn greedy(model: &Transformer, tokenizer: &Tokenizer, text: &str) -> Result<String> {
    let mut generator = TextGenerator::new(model, tokenizer.clone(), text, Sampling::GREEDY, 0)?;
    let mut whole = text.to_owned();
    while generator.room() > 0 {
        let Some(more) = block_on(generator.next_token())? else { break };
        whole.push_str(&more);
    }
    Ok(whole + &generator.rest()?)
}

fn recipe_text(args: &Args, outcome: &Outcome) -> String {
    let Outcome { tokens, bytes, minutes, before, training, after, frequencies_only, written } = outcome;
    let hardware = args.hardware.as_deref().unwrap_or("not recorded");
    let Args { steps, batch, vocabulary, seed, learning_rate, passages, .. } = args;
    let written: String = written.iter().map(|text| format!("> {text}\n>\n")).collect();
    format!(
        "# The built-in decoder\n\n\
         Made by\n\n\
         ```sh\ncargo xtask pretrain-decoder --steps {steps} --batch {batch} --vocabulary {vocabulary} --seed {seed} \
         --learning-rate {learning_rate} --passages {passages}\n```\n\n\
         LLaMA family: 4 layers, hidden 128, 8 query heads of 16 dims in 4 groups, 352 gated neurons, the head is the table \
         of words; {bytes} bytes in f16. Next-token pretraining on {passages} passages ({tokens} tokens) of the built-in \
         language, which no validation or test text of the built-in task is part of, joined with `<|endoftext|>` between \
         them and cut into sequences of 64 tokens. The tokenizer is a byte-level BPE of the same passages. AdamW, weight \
         decay 0.01, gradients clipped to norm 1, learning rate rising over 6 % of the steps and falling linearly to 0.\n\n\
         | | cross entropy of a token | perplexity |\n|---|---|---|\n\
         | held-out passages, before | {before:.4} | {:.1} |\n\
         | frequencies only | {frequencies_only:.4} | {:.1} |\n\
         | training, last 100 steps | {training:.4} | {:.2} |\n\
         | held-out passages, after | {after:.4} | {:.2} |\n\n\
         Going on from a few words, always with the likeliest token:\n\n{}\n\n\
         Trained in {minutes:.1} minutes. Hardware: {hardware}.\n",
        before.exp(),
        frequencies_only.exp(),
        training.exp(),
        after.exp(),
        written.trim_end_matches("\n>\n"),
    )
}
