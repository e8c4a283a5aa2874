//! Makes the built-in checkpoint (`cargo xtask pretrain`): masked-language-model pretraining on the built-in language,
//! and the recipe that says how it was made and what came out.

use anyhow::{Context, Result, ensure};
use apt_bench::files::write;
use apt_core::tokens::TokenBatch;
use apt_data::{BatchPlan, Encoded, MaskPolicy, Tokenizer, builtin, collate, eval_batches};
use apt_nn::checkpoint::{Precision, to_safetensors};
use apt_train::pretrain::{Pretrainer, Recipe};
use burn::tensor::Device;
use clap::Parser;
use pollster::block_on;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

/// Padded lengths are multiples of this, so that shapes recur.
const PAD_MULTIPLE: usize = 8;
/// Examples in one evaluation batch.
const EVAL_BATCH: usize = 64;

/// Pretrains the built-in checkpoint on the CPU.
#[derive(Parser)]
struct Args {
    /// Training steps.
    #[arg(long, default_value_t = 6000)]
    steps: usize,
    /// Of these, steps at the start in which only the word that decides a verdict is masked.
    #[arg(long, default_value_t = 2500)]
    verdict_steps: usize,
    /// Passages in a batch.
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Peak learning rate.
    #[arg(long, default_value_t = 4e-4)]
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
    #[arg(long, default_value = "assets/builtin")]
    out: PathBuf,
}

/// Tokenised passages, none of which is in both halves.
struct Corpus {
    train: Vec<Encoded>,
    held_out: Vec<Encoded>,
}

/// What the recipe reports.
struct Outcome {
    minutes: f64,
    train_loss: f64,
    held_out_before: f64,
    held_out: f64,
    frequencies_only: f64,
}

fn main() -> Result<()> {
    let args = Args::parse();
    // On the pool's own thread, as the command line runs.
    rayon::scope(|_| run(args))
}

fn run(args: Args) -> Result<()> {
    ensure!(args.batch > 0 && args.passages > 0, "--batch and --passages must be at least 1");
    let tokenizer_json = builtin::tokenizer_json();
    let tokenizer = Tokenizer::from_bytes(tokenizer_json.as_bytes(), "the built-in tokenizer")?;
    let config = apt_bench::builtin(tokenizer.vocab_size());
    ensure!(args.verdict_steps <= args.steps, "--verdict-steps must be at most --steps");
    let policy = MaskPolicy {
        probability: 0.15,
        always: verdict_ids(&tokenizer)?,
        mask_id: tokenizer.mask_id().context("the built-in tokenizer has no [MASK]")?,
        special_ids: tokenizer.special_ids().to_vec(),
        vocab_size: tokenizer.vocab_size(),
    };
    let corpus = corpus(&args, &tokenizer, config.max_length())?;
    let tokens: usize = lengths(&corpus.train).iter().sum();
    println!("{} passages, {tokens} tokens, vocabulary {}", corpus.train.len(), config.vocab_size);

    let recipe = Recipe {
        steps: args.steps,
        learning_rate: args.learning_rate,
        warmup: 0.06,
        weight_decay: 0.01,
        clip_norm: 1.0,
        seed: args.seed,
    };
    let mut pretrainer = Pretrainer::new(&config, recipe, &Device::flex());
    let held_out_before = held_out_loss(&pretrainer, &corpus, &policy, config.pad_id)?;
    println!("before: held-out loss {held_out_before:.4}");

    let began = Instant::now();
    let train_loss = train(&mut pretrainer, &args, &corpus, &policy, config.pad_id)?;
    let minutes = began.elapsed().as_secs_f64() / 60.0;

    let held_out = held_out_loss(&pretrainer, &corpus, &policy, config.pad_id)?;
    let frequencies_only = frequencies_only(&corpus, &policy);
    let outcome = Outcome { minutes, train_loss, held_out_before, held_out, frequencies_only };
    println!("after: held-out loss {held_out:.4} (knowing word frequencies only: {frequencies_only:.4})");

    let weights = block_on(to_safetensors(&pretrainer.model(), Precision::F16))?;
    let config_json = serde_json::to_string_pretty(&config.to_json())? + "\n";
    write(&args.out, "config.json", config_json.as_bytes())?;
    write(&args.out, "tokenizer.json", tokenizer_json.as_bytes())?;
    write(&args.out, "RECIPE.md", recipe_text(&args, tokens, weights.len(), &outcome).as_bytes())?;
    write(&args.out, "model.safetensors", &weights)
}

fn corpus(args: &Args, tokenizer: &Tokenizer, max_length: usize) -> Result<Corpus> {
    let train = builtin::corpus(args.seed, args.passages);
    let known: BTreeSet<&str> = train.iter().map(String::as_str).collect();
    let mut held_out = builtin::corpus(args.seed.wrapping_add(1), args.held_out);
    held_out.retain(|passage| !known.contains(passage.as_str()));
    let encode = |passages: &[String]| -> Result<Vec<Encoded>> {
        passages.iter().map(|passage| Ok(tokenizer.encode(passage, None, max_length)?)).collect()
    };
    Ok(Corpus { train: encode(&train)?, held_out: encode(&held_out)? })
}

/// Ids of the words that decide verdicts.
fn verdict_ids(tokenizer: &Tokenizer) -> Result<Vec<u32>> {
    let id = |word: &String| match tokenizer.encode(word, None, 8)?.ids[..] {
        [_, id, _] => Ok(id),
        _ => anyhow::bail!("`{word}` is more than one token"),
    };
    builtin::verdict_words().iter().map(id).collect()
}

/// How often each word is masked in the passages of `examples` under `policy`, up to a factor.
fn masked_counts(examples: &[Encoded], policy: &MaskPolicy) -> Vec<f64> {
    let mut counts = vec![0.0; policy.vocab_size];
    for id in examples.iter().flat_map(|example| &example.ids) {
        if policy.always.contains(id) {
            counts[*id as usize] += 1.0;
        } else if !policy.special_ids.contains(id) {
            counts[*id as usize] += policy.probability;
        }
    }
    counts
}

/// Trains to the end and returns the mean loss of the last hundred steps.
fn train(run: &mut Pretrainer, args: &Args, corpus: &Corpus, policy: &MaskPolicy, pad_id: usize) -> Result<f64> {
    let mut plan = BatchPlan::new(lengths(&corpus.train), args.batch, args.seed);
    let (mut recent, began) = (Vec::new(), Instant::now());
    let mut mean = f64::NAN;
    let verdicts = MaskPolicy { probability: 0.0, ..policy.clone() };
    for step in 0..args.steps {
        let policy = if step < args.verdict_steps { &verdicts } else { policy };
        if step == 0 || step == args.verdict_steps {
            run.set_output_bias(&masked_counts(&corpus.train, policy));
        }
        let data = batch(&corpus.train, &plan.batch(step), pad_id);
        recent.extend(block_on(run.step(&data, policy))?);
        let made = step + 1;
        if made % 100 == 0 || made == args.steps {
            mean = recent.iter().sum::<f64>() / recent.len().max(1) as f64;
            recent.clear();
            let spent = began.elapsed().as_secs_f64();
            let left = spent / made as f64 * (args.steps - made) as f64 / 60.0;
            let each = spent / made as f64 * 1e3;
            println!("step {made}/{}: loss {mean:.4}, {each:.0} ms a step, {left:.1} min left", args.steps);
            std::io::stdout().flush()?;
        }
    }
    Ok(mean)
}

fn held_out_loss(run: &Pretrainer, corpus: &Corpus, policy: &MaskPolicy, pad_id: usize) -> Result<f64> {
    let (mut sum, mut passages) = (0.0, 0);
    for (number, indices) in eval_batches(&lengths(&corpus.held_out), EVAL_BATCH).iter().enumerate() {
        let data = batch(&corpus.held_out, indices, pad_id);
        if let Some(loss) = block_on(run.evaluate(&data, policy, number as u64))? {
            sum += loss * data.size() as f64;
            passages += data.size();
        }
    }
    ensure!(passages > 0, "nothing is held out; raise --held-out");
    Ok(sum / passages as f64)
}

fn batch(passages: &[Encoded], indices: &[usize], pad_id: usize) -> TokenBatch {
    let picked: Vec<&Encoded> = indices.iter().map(|&i| &passages[i]).collect();
    collate(&picked, pad_id, PAD_MULTIPLE)
}

fn lengths(passages: &[Encoded]) -> Vec<usize> {
    passages.iter().map(|passage| passage.ids.len()).collect()
}

/// Cross entropy of the words masked in held-out passages under their frequencies in training: that of a model which
/// ignores the context.
fn frequencies_only(corpus: &Corpus, policy: &MaskPolicy) -> f64 {
    let (train, held_out) = (masked_counts(&corpus.train, policy), masked_counts(&corpus.held_out, policy));
    let (seen, masked) = (train.iter().sum::<f64>(), held_out.iter().sum::<f64>());
    let negative_log = |count: f64| -(count.max(policy.probability / 2.0) / seen).ln();
    train.iter().zip(&held_out).map(|(&count, weight)| weight * negative_log(count)).sum::<f64>() / masked.max(1.0)
}

fn recipe_text(args: &Args, tokens: usize, bytes: usize, outcome: &Outcome) -> String {
    let Outcome { minutes, train_loss, held_out_before, held_out, frequencies_only } = outcome;
    let hardware = args.hardware.as_deref().unwrap_or("not recorded");
    let Args { steps, verdict_steps, batch, seed, learning_rate, passages, .. } = args;
    format!(
        "# The built-in checkpoint\n\n\
         Made by\n\n\
         ```sh\ncargo xtask pretrain --steps {steps} --verdict-steps {verdict_steps} --batch {batch} --seed {seed} \
         --learning-rate {learning_rate} --passages {passages}\n```\n\n\
         BERT family: 4 layers, hidden 128, 4 heads, 512 neurons; {bytes} bytes in f16. Masked-language-model pretraining \
         on {passages} passages ({tokens} tokens) of the built-in language, which no validation or test text of the \
         built-in task is part of. Each passage is a review or some remarks, and ends in a plain verdict in which one word \
         decides (\u{201c}I am glad we chose it\u{201d}, \u{201c}I am sorry we chose it\u{201d}). In the first \
         {verdict_steps} steps only that word is masked; then 15 % of all words are masked too. AdamW, weight decay 0.01, \
         gradients clipped to norm 1, learning rate rising over 6 % of the steps and falling linearly to 0; the output's \
         bias starts each part at the logarithm of the masked words' frequencies.\n\n\
         | | cross entropy of a masked word |\n|---|---|\n\
         | held-out passages, before | {held_out_before:.4} |\n\
         | word frequencies only | {frequencies_only:.4} |\n\
         | training, last 100 steps | {train_loss:.4} |\n\
         | held-out passages, after | {held_out:.4} |\n\n\
         Trained in {minutes:.1} minutes. Hardware: {hardware}.\n",
    )
}
