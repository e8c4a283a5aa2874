//! Times training, inference and decoding beside PyTorch and other programs (`cargo xtask bench`): the same shapes, batch,
//! adapters and threads, all in turn within one run, so that a busy machine slows all alike. Training steps are those of the
//! program's own session. There is no pass or fail.

use anyhow::{Context, Result, bail, ensure};
use apt_bench::cases::{Case, Size};
use apt_bench::peers::{self, Peer};
use apt_bench::products::{self, Product};
use apt_bench::pytorch::{Mode, PyTorch, environment};
use apt_bench::timing::{Spread, Unit, Way, in_turn};
use apt_bench::workload::Workload;
use apt_bench::{builtin, minilm, roberta_base, stories15m};
use apt_experiment::Device as Choice;
use apt_nn::ModelConfig;
use burn::tensor::Device;
use clap::{Parser, ValueEnum};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::path::PathBuf;

/// Times training, inference and decoding beside PyTorch and other programs.
#[derive(Parser)]
struct Args {
    /// Timed rounds of each case; the table has their median and range.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Shapes to run.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["builtin", "minilm-l6"])]
    model: Vec<Model>,
    /// Run these cases only; without it all that are of a model.
    #[arg(long, value_enum, value_delimiter = ',')]
    case: Vec<Case>,
    /// Time single matrix products instead: a large one, and those of the models' linear layers.
    #[arg(long)]
    products: bool,
    /// Sequences in a batch; 32 without it, 4 of a decoder. A decoder writes one text at a time.
    #[arg(long)]
    batch: Option<usize>,
    /// Tokens in a sequence, none of which is padding; 64 without it, 128 of a decoder.
    #[arg(long)]
    length: Option<usize>,
    /// Sequences of an encoder as long as SST-2's sentences, padded to the longest.
    #[arg(long, conflicts_with_all = ["length", "products"])]
    padded: bool,
    /// Shards of a training batch of ours; 1 without it.
    #[arg(long, default_value_t = 1)]
    shards: usize,
    /// Where to run.
    #[arg(long, value_enum, default_value_t = On::All)]
    device: On,
    /// How PyTorch's model runs, a column each.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["eager"])]
    pytorch: Vec<Mode>,
    /// Leave PyTorch out.
    #[arg(long)]
    no_pytorch: bool,
    /// A Python that has PyTorch, instead of the environment in target/bench-venv.
    #[arg(long)]
    python: Option<PathBuf>,
    /// llama2.c's program, beside which decoding is timed.
    #[arg(long, value_name = "PROGRAM", requires = "llama2c_model")]
    llama2c: Option<PathBuf>,
    /// The program built in crates/bench/peers/candle, beside which decoding is timed.
    #[arg(long, value_name = "PROGRAM", requires = "llama2c_model")]
    candle: Option<PathBuf>,
    /// The model that they read: stories15M.bin.
    #[arg(long, value_name = "FILE")]
    llama2c_model: Option<PathBuf>,
    /// llama2.c's tokenizer, where it is not `tokenizer.bin` beside the model.
    #[arg(long, value_name = "FILE", requires = "llama2c_model")]
    llama2c_tokenizer: Option<PathBuf>,
    /// Write every time to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Model {
    /// The built-in checkpoint's shapes.
    Builtin,
    /// The shapes of MiniLM-L6, with random weights.
    MinilmL6,
    /// The shapes of RoBERTa-base, with random weights.
    RobertaBase,
    /// The shapes of stories15M, a decoder of LLaMA's family, with random weights.
    #[value(name = "stories15m")]
    Stories15M,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum On {
    /// The CPU, and a real GPU if there is one.
    All,
    /// The CPU alone.
    Cpu,
    /// The GPU alone, a software one if there is no other.
    Gpu,
}

fn main() -> Result<()> {
    let args = Args::parse();
    // On the pool's own thread, as the command line runs.
    rayon::scope(|_| run(args))
}

fn run(args: Args) -> Result<()> {
    ensure!(args.rounds > 0, "--rounds must be at least 1");
    let sizes = [args.batch, args.length, Some(args.shards)];
    ensure!(!sizes.contains(&Some(0)), "--batch, --length and --shards must be at least 1");
    let models = models(&args.model)?;
    for (name, config) in &models {
        if args.size_of(config).length > config.max_length() {
            bail!("--length is at most {} for {name}, which has no more positions", config.max_length());
        }
        ensure!(!args.padded || config.decoder.is_none(), "--padded is of sentences, which {name} does not read");
    }
    if let Some(case) = args.case.iter().find(|case| !models.iter().any(|(_, config)| case.is_of(config))) {
        bail!("`{}` is a case of none of these models", case.key());
    }
    let threads = rayon::current_num_threads();
    let peers = args.peers(&models, threads)?;
    let pytorch = if args.no_pytorch { None } else { start_pytorch(&args, threads) };

    println!("Hardware: {}, {threads} threads", processor());
    if args.shards > 1 {
        println!("Our training steps in {} shards", args.shards);
    }
    println!("Median of {} rounds (range); a ratio is ours to theirs", args.rounds);
    if let Some(pytorch) = &pytorch {
        println!("PyTorch {}", pytorch.version);
    }
    let version = pytorch.as_ref().map(|pytorch| pytorch.version.clone());
    let accelerator = pytorch.as_ref().and_then(|pytorch| pytorch.accelerator.clone());
    let pytorch = pytorch.map(RefCell::new);
    let mut written = Vec::new();
    for (device, name, is_gpu) in devices(args.device) {
        let theirs = if is_gpu { accelerator.clone() } else { Some("cpu".into()) };
        let has = |case: &Case| args.asks_for(*case) && models.iter().any(|(_, config)| case.is_of(config));
        let runs = |mode: Mode| Case::ALL.iter().any(|case| has(case) && mode.runs(*case, is_gpu));
        let (modes, without): (Vec<_>, Vec<_>) = args.pytorch.iter().copied().partition(|&mode| runs(mode));
        for mode in without.into_iter().filter(|_| pytorch.is_some()) {
            println!("{} is left out: it runs none of these cases on {name}", mode.column());
        }
        let mut bench = Bench {
            modes: if pytorch.is_some() && theirs.is_some() { modes } else { Vec::new() },
            is_gpu,
            pytorch: pytorch.as_ref().zip(theirs),
            peers: if is_gpu { &[] } else { &peers },
            rounds: args.rounds,
            device,
            written: Vec::new(),
        };
        for (model, config) in &models {
            let size = args.size_of(config);
            let padding = if size.padded { ", padded as SST-2's are" } else { "" };
            println!("\n{model} on {name}, {} sequences of {} tokens{padding}", size.batch, size.length);
            if args.products {
                bench.products(config, size)?;
                continue;
            }
            let asked = |case: &Case| case.is_of(config) && args.asks_for(*case);
            bench.cases(model, Case::ALL.into_iter().filter(asked), config, size)?;
        }
        written.push(json!({ "device": name, "rows": bench.written }));
    }
    if let Some(path) = &args.json {
        let all = json!({
            "processor": processor(), "threads": threads, "shards": args.shards, "padded": args.padded, "rounds": args.rounds,
            "pytorch": version, "devices": written,
        });
        std::fs::write(path, serde_json::to_string_pretty(&all)?).with_context(|| format!("{}", path.display()))?;
    }
    Ok(())
}

impl Args {
    fn size_of(&self, config: &ModelConfig) -> Size {
        let (batch, length) = if config.decoder.is_some() { (4, 128) } else { (32, 64) };
        let batch = self.batch.unwrap_or(batch);
        let size = Size { batch, length: self.length.unwrap_or(length), padded: self.padded, shards: self.shards };
        let longest = size.lengths().into_iter().max().unwrap_or(length);
        Size { length: longest, ..size }
    }

    fn asks_for(&self, case: Case) -> bool {
        self.case.is_empty() || self.case.contains(&case)
    }

    /// The programs beside which decoders of the shapes of `models` are timed.
    fn peers(&self, models: &[(&str, ModelConfig)], threads: usize) -> Result<Vec<Peer>> {
        let Some(file) = &self.llama2c_model else { return Ok(Vec::new()) };
        let decoders: Vec<_> = models.iter().filter(|(_, config)| config.decoder.is_some()).collect();
        ensure!(!decoders.is_empty(), "llama2.c and candle are timed beside a decoder; add --model stories15m");
        decoders.iter().try_for_each(|(_, config)| peers::check_shapes(file, config))?;
        let tokenizer = self.llama2c_tokenizer.clone().unwrap_or_else(|| file.with_file_name("tokenizer.bin"));
        let llama2c = self.llama2c.as_ref().map(|program| Peer::llama2c(program, file, &tokenizer, threads));
        let candle = self.candle.as_ref().map(|program| Peer::candle(program, file, threads));
        Ok(llama2c.into_iter().chain(candle).collect())
    }
}

/// The rows of one device.
struct Bench<'a> {
    pytorch: Option<(&'a RefCell<PyTorch>, String)>,
    modes: Vec<Mode>,
    is_gpu: bool,
    peers: &'a [Peer],
    rounds: usize,
    device: Device,
    written: Vec<Value>,
}

impl<'a> Bench<'a> {
    /// The rows of a model, those of one unit below one header.
    fn cases(
        &mut self,
        model: &str,
        cases: impl Iterator<Item = Case>,
        config: &ModelConfig,
        size: Size,
    ) -> Result<()> {
        let (peers, mut unit, mut dense) = (self.peers, None, None);
        for case in cases {
            if unit != Some(case.unit()) {
                unit = Some(case.unit());
                self.header(case.unit());
            }
            let mut workload = Workload::new(case, config, size, &self.device)?;
            let mut ways = vec![Way::new("ours", |times| workload.run(times))];
            for (pytorch, on, mode) in self.pytorch_ways().into_iter().filter(|(.., mode)| mode.runs(case, self.is_gpu))
            {
                let run = move |times| pytorch.borrow_mut().run(case, config, size, (on.as_str(), mode), times);
                ways.push(Way::new(mode.column(), run));
            }
            // Their files are of the dense shapes.
            if case == Case::Decode {
                ways.extend(peers.iter().map(|peer| Way::new(peer.name, |times| peer.run(times))));
            }
            let ours = self.row(model, case.title(), case.unit(), ways)?;
            match case {
                Case::Decode => dense = ours,
                Case::DecodeCompact => {
                    if let Some((dense, compact)) = dense.zip(ours) {
                        println!("{:<26} {:>24.2}", "density 0.5 to dense", compact.median / dense.median);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn products(&mut self, config: &ModelConfig, size: Size) -> Result<()> {
        self.header(Unit::Milliseconds);
        let neurons = config.layers.first().map_or(config.hidden, |layer| layer.neurons);
        for sizes in products::sizes(config.hidden, neurons, size.batch * size.length) {
            let product = Product::new(sizes, &self.device);
            let mut ways = vec![Way::new("ours", |times| product.run(times))];
            for (pytorch, on, mode) in self.pytorch_ways().into_iter().filter(|(.., mode)| mode.is_of_pytorch()) {
                let run = move |times| pytorch.borrow_mut().product(sizes, (on.as_str(), mode), times);
                ways.push(Way::new(mode.column(), run));
            }
            let [rows, inner, columns] = sizes;
            self.row("product", &format!("{rows} × {inner} × {columns}"), Unit::Milliseconds, ways)?;
        }
        Ok(())
    }

    /// PyTorch with its name of the device and a mode, for every mode.
    fn pytorch_ways(&self) -> Vec<(&'a RefCell<PyTorch>, String, Mode)> {
        let of_mode = |&mode: &Mode| self.pytorch.as_ref().map(|(pytorch, on)| (*pytorch, on.clone(), mode));
        self.modes.iter().filter_map(of_mode).collect()
    }

    /// The columns beside ours.
    fn columns(&self, unit: Unit) -> Vec<String> {
        let peers = if unit == Unit::TokensPerSecond { self.peers } else { &[] };
        self.modes
            .iter()
            .map(|mode| mode.column().to_owned())
            .chain(peers.iter().map(|peer| peer.name.into()))
            .collect()
    }

    fn header(&self, unit: Unit) {
        print!("{:<26} {:>24}", unit.name(), "ours");
        self.columns(unit).iter().for_each(|column| print!(" {column:>24} {:>6}", "ratio"));
        println!();
    }

    /// One row: ours, which is the first way, and the others, taken in turn.
    fn row(&mut self, model: &str, title: &str, unit: Unit, mut ways: Vec<Way<'_>>) -> Result<Option<Spread>> {
        let times = in_turn(title, &mut ways, self.rounds)?;
        let counted: Vec<(String, Vec<f64>)> = ways
            .iter()
            .zip(&times)
            .map(|(way, times)| (way.name.clone(), times.iter().map(|&seconds| unit.of(seconds)).collect()))
            .collect();
        let spread =
            |column: &str| counted.iter().find(|(name, _)| name == column).and_then(|(_, counted)| Spread::of(counted));
        let ours = spread("ours");
        let shown = |spread: Option<Spread>| spread.map_or("-".into(), |spread| spread.to_string());
        print!("{title:<26} {:>24}", shown(ours));
        for column in self.columns(unit) {
            let theirs = spread(&column);
            let ratio = ours.zip(theirs).map(|(ours, theirs)| format!("{:.2}", ours.median / theirs.median));
            print!(" {:>24} {:>6}", shown(theirs), ratio.unwrap_or("-".into()));
        }
        println!();
        let columns: serde_json::Map<String, Value> =
            counted.into_iter().map(|(name, counted)| (name, json!(counted))).collect();
        self.written.push(json!({ "model": model, "case": title, "unit": unit.name(), "columns": columns }));
        Ok(ours)
    }
}

/// Without PyTorch the rest is timed, with a message that says so.
fn start_pytorch(args: &Args, threads: usize) -> Option<PyTorch> {
    let python = args.python.clone().map_or_else(|| environment("target/bench-venv".as_ref(), &args.pytorch), Ok);
    python
        .and_then(|python| PyTorch::start(&python, threads))
        .inspect_err(|error| eprintln!("PyTorch is not available, so it is left out: {error:#}"))
        .ok()
}

/// The CPU, and a GPU if there is a real one.
fn devices(on: On) -> Vec<(Device, String, bool)> {
    let mut devices = Vec::new();
    if on != On::Gpu {
        devices.push((Device::flex(), "CPU".to_string(), false));
    }
    if on != On::Cpu {
        let gpu = if cfg!(target_os = "macos") { Choice::Metal } else { Choice::Vulkan };
        match pollster::block_on(apt_train::device::open(if on == On::Gpu { gpu } else { Choice::Auto })) {
            Ok(open) if open.backend != "flex" => {
                devices.push((open.device, format!("{} ({})", open.name, open.backend), true));
            }
            Ok(open) => println!("No GPU is timed: {}", open.why),
            Err(error) => println!("No GPU is timed: {error}"),
        }
    }
    devices
}

fn models(which: &[Model]) -> Result<Vec<(&'static str, ModelConfig)>> {
    let tokenizer =
        apt_data::Tokenizer::from_bytes(apt_data::builtin::tokenizer_json().as_bytes(), "the built-in tokenizer")?;
    let shapes = |model: &Model| match model {
        Model::Builtin => ("builtin", builtin(tokenizer.vocab_size())),
        Model::MinilmL6 => ("minilm-l6", minilm()),
        Model::RobertaBase => ("roberta-base", roberta_base()),
        Model::Stories15M => ("stories15m", stories15m()),
    };
    Ok(which.iter().map(shapes).collect())
}

/// The CPU's name as the system gives it.
fn processor() -> String {
    let linux = || {
        let info = std::fs::read_to_string("/proc/cpuinfo").context("no /proc/cpuinfo")?;
        let line = info.lines().find(|l| l.starts_with("model name")).context("no model name")?;
        Ok::<_, anyhow::Error>(line.split(':').nth(1).unwrap_or_default().trim().to_string())
    };
    let mac = || {
        let output = std::process::Command::new("sysctl").args(["-n", "machdep.cpu.brand_string"]).output()?;
        ensure!(output.status.success(), "sysctl failed");
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
    };
    linux()
        .or_else(|_| mac())
        .or_else(|_| std::env::var("PROCESSOR_IDENTIFIER"))
        .unwrap_or_else(|_| "unknown CPU".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(words.split(' '))
    }

    #[test]
    fn a_batch_is_as_large_as_models_of_its_kind_are_timed_with() {
        let args = parsed("bench --model stories15m --length 32").expect("arguments");
        let [decoder, encoder] = [stories15m(), minilm()].map(|config| args.size_of(&config));
        assert_eq!((decoder.batch, decoder.length, encoder.batch, encoder.length), (4, 32, 32, 32));
    }

    #[test]
    fn other_programs_need_the_file_that_they_read_and_a_decoder() {
        assert!(parsed("bench --llama2c run").is_err() && parsed("bench --candle run").is_err());
        let args = parsed("bench --llama2c run --llama2c-model no-such-file.bin").expect("arguments");
        let why = |models: &[(&str, ModelConfig)]| match args.peers(models, 1) {
            Ok(peers) => format!("{} peers", peers.len()),
            Err(error) => error.to_string(),
        };
        let (without, with) = (why(&[("minilm-l6", minilm())]), why(&[("stories15m", stories15m())]));
        assert!(without.contains("--model stories15m") && with.contains("no-such-file.bin"), "{without}; {with}");
    }

    #[test]
    fn a_case_of_no_model_is_said_before_anything_is_timed() {
        let args = parsed("bench --model stories15m --case infer --no-pytorch").expect("arguments");
        assert!(run(args).is_err_and(|error| error.to_string().contains("`infer`")));
    }
}
