//! Times training and inference beside PyTorch (`cargo xtask bench`): the same shapes, batch, adapters and threads, both
//! sides in turn within one run, so that a busy machine slows both alike. Training steps are those of the program's own session. There is no pass or fail.

use anyhow::{Context, Result, bail, ensure};
use apt_bench::cases::{Case, Size};
use apt_bench::products::{self, Product};
use apt_bench::pytorch::{Mode, PyTorch, environment};
use apt_bench::workload::Workload;
use apt_bench::{builtin, minilm, roberta_base};
use apt_experiment::Device as Choice;
use apt_nn::ModelConfig;
use burn::tensor::Device;
use clap::{Parser, ValueEnum};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// Rounds that are not counted.
const WARM_UPS: usize = 2;
/// A round repeats a short case until it lasts about this long.
const ROUND: Duration = Duration::from_millis(250);

/// Times training and inference beside PyTorch.
#[derive(Parser)]
struct Args {
    /// Timed rounds of each case; the table has their median and range.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Shapes to run.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["builtin", "minilm-l6"])]
    model: Vec<Model>,
    /// Run these cases only.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Case::ALL)]
    case: Vec<Case>,
    /// Time single matrix products instead: a large one, and those of the models' linear layers.
    #[arg(long)]
    products: bool,
    /// Sequences in a batch.
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Tokens in a sequence; none is padding.
    #[arg(long, default_value_t = 64)]
    length: usize,
    /// Where to run.
    #[arg(long, value_enum, default_value_t = On::All)]
    device: On,
    /// How PyTorch runs, a column each.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["eager"])]
    pytorch: Vec<Mode>,
    /// Time ours alone.
    #[arg(long)]
    no_pytorch: bool,
    /// A Python that has PyTorch, instead of the environment in target/bench-venv.
    #[arg(long)]
    python: Option<PathBuf>,
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
    ensure!(args.batch > 0 && args.length > 0, "--batch and --length must be at least 1");
    let models = models(&args.model)?;
    if let Some((name, config)) = models.iter().find(|(_, config)| config.max_length() < args.length) {
        bail!("--length is at most {} for {name}, which has no more positions", config.max_length());
    }
    let threads = rayon::current_num_threads();
    let mut pytorch = if args.no_pytorch { None } else { start_pytorch(&args, threads) };
    let size = Size { batch: args.batch, length: args.length };

    println!("Hardware: {}, {threads} threads", processor());
    println!("Batch: {} sequences of {} tokens; median of {} rounds (range)", size.batch, size.length, args.rounds);
    if let Some(pytorch) = &pytorch {
        println!("PyTorch {}", pytorch.version);
    }
    let mut written = Vec::new();
    for (device, name, is_gpu) in devices(args.device) {
        let accelerator = pytorch.as_ref().and_then(|p| p.accelerator.clone());
        let theirs = if is_gpu { accelerator } else { Some("cpu".into()) };
        // TF32 is of some GPUs alone.
        let modes: Vec<Mode> = args.pytorch.iter().copied().filter(|&mode| is_gpu || mode != Mode::Tf32).collect();
        let mut bench = Bench {
            pytorch: pytorch.as_mut().zip(theirs),
            modes,
            rounds: args.rounds,
            size,
            device,
            written: Vec::new(),
        };
        for (model, config) in &models {
            bench.header(&format!("{model} on {name}"));
            if args.products {
                bench.products(config)?;
                continue;
            }
            for &case in &args.case {
                bench.case(model, case, config)?;
            }
        }
        written.push(json!({ "device": name, "rows": bench.written }));
    }
    if let Some(path) = &args.json {
        let all = json!({
            "processor": processor(), "threads": threads, "batch": size.batch, "length": size.length,
            "rounds": args.rounds, "pytorch": pytorch.as_ref().map(|p| &p.version), "devices": written,
        });
        std::fs::write(path, serde_json::to_string_pretty(&all)?).with_context(|| format!("{}", path.display()))?;
    }
    Ok(())
}

/// The rows of one device.
struct Bench<'a> {
    pytorch: Option<(&'a mut PyTorch, String)>,
    modes: Vec<Mode>,
    rounds: usize,
    size: Size,
    device: Device,
    written: Vec<Value>,
}

impl Bench<'_> {
    fn header(&self, title: &str) {
        print!("\n{title}\n{:<26} {:>24}", "ms", "ours");
        if self.pytorch.is_some() {
            for mode in &self.modes {
                print!(" {:>24} {:>6}", format!("PyTorch {}", mode.key()), "ratio");
            }
        }
        println!();
    }

    fn case(&mut self, model: &str, case: Case, config: &ModelConfig) -> Result<()> {
        let size = self.size;
        let mut workload = Workload::new(case, config, size, &self.device)?;
        let theirs = |p: &mut PyTorch, on: (&str, Mode), n: usize| p.run(case, config, size, on, n);
        self.time(model, case.title(), |n| workload.run(n), theirs)
    }

    fn products(&mut self, config: &ModelConfig) -> Result<()> {
        let neurons = config.layers.first().map_or(config.hidden, |layer| layer.neurons);
        for sizes in products::sizes(config.hidden, neurons, self.size.batch * self.size.length) {
            let product = Product::new(sizes, &self.device);
            let [rows, inner, columns] = sizes;
            let theirs = |p: &mut PyTorch, on: (&str, Mode), n: usize| p.product(sizes, on, n);
            self.time("product", &format!("{rows} × {inner} × {columns}"), |n| product.run(n), theirs)?;
        }
        Ok(())
    }

    /// One row: ours and PyTorch's ways, taken in turn. A way that fails is said and left out.
    fn time(
        &mut self,
        model: &str,
        title: &str,
        mut ours: impl FnMut(usize) -> Result<Duration>,
        theirs: impl Fn(&mut PyTorch, (&str, Mode), usize) -> Result<Duration>,
    ) -> Result<()> {
        let mut last = Duration::ZERO;
        let mut modes = if self.pytorch.is_some() { self.modes.clone() } else { Vec::new() };
        for _ in 0..WARM_UPS {
            last = ours(1)?;
            modes.retain(|&mode| match self.pytorch.as_mut().map(|(p, on)| theirs(p, (on.as_str(), mode), 1)) {
                Some(Err(error)) => {
                    eprintln!("{title}, {}: {error:#}", mode.key());
                    false
                }
                _ => true,
            });
        }
        let repeat = (ROUND.as_secs_f64() / last.as_secs_f64().max(1e-4)).ceil() as usize;
        let mut of_ours = Vec::new();
        let mut of_theirs = vec![Vec::new(); modes.len()];
        for _ in 0..self.rounds {
            of_ours.push(ours(repeat)?.as_secs_f64() * 1e3);
            for (times, &mode) in of_theirs.iter_mut().zip(&modes) {
                if let Some((p, on)) = self.pytorch.as_mut() {
                    times.push(theirs(p, (on.as_str(), mode), repeat)?.as_secs_f64() * 1e3);
                }
            }
        }
        let of_modes: serde_json::Map<String, Value> =
            modes.iter().zip(&of_theirs).map(|(mode, times)| (mode.key().into(), json!(times))).collect();
        self.written.push(json!({ "model": model, "case": title, "ours": of_ours, "pytorch": of_modes }));
        let ours = Spread::of(of_ours);
        print!("{title:<26} {:>24}", ours.as_ref().map_or("-".into(), Spread::to_string));
        for mode in &self.modes {
            let times = modes.iter().position(|m| m == mode).and_then(|i| Spread::of(of_theirs[i].clone()));
            let ratio = ours.as_ref().zip(times.as_ref()).map(|(o, t)| format!("{:.2}", o.median / t.median));
            if self.pytorch.is_some() {
                print!(" {:>24} {:>6}", times.map_or("-".into(), |t| t.to_string()), ratio.unwrap_or("-".into()));
            }
        }
        println!();
        Ok(())
    }
}

/// Without PyTorch ours is timed alone, with a message that says so.
fn start_pytorch(args: &Args, threads: usize) -> Option<PyTorch> {
    let python = args.python.clone().map_or_else(|| environment("target/bench-venv".as_ref()), Ok);
    python
        .and_then(|python| PyTorch::start(&python, threads))
        .inspect_err(|error| eprintln!("PyTorch is not available, so ours is timed alone: {error:#}"))
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
    };
    Ok(which.iter().map(shapes).collect())
}

struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(mut times: Vec<f64>) -> Option<Self> {
        times.sort_by(f64::total_cmp);
        let (&least, &most) = (times.first()?, times.last()?);
        let half = times.len() / 2;
        let median = if times.len() % 2 == 1 { times[half] } else { (times[half - 1] + times[half]) / 2.0 };
        Some(Self { median, least, most })
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1} ({:.1}–{:.1})", self.median, self.least, self.most)
    }
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
