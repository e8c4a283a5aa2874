//! Times training and inference beside PyTorch (`cargo xtask bench`): the same shapes, batch, adapters and threads, both
//! sides in turn within one run, so that a busy machine slows both alike. Training steps are those of the program's own session. There is no pass or fail.

use anyhow::{Context, Result, ensure};
use apt_bench::cases::{BATCH, Case, LENGTH};
use apt_bench::pytorch::{PyTorch, environment};
use apt_bench::workload::Workload;
use apt_bench::{builtin, minilm};
use apt_nn::ModelConfig;
use burn::tensor::Device;
use clap::{Parser, ValueEnum};
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
    #[arg(long, value_enum, default_value_t = Model::All)]
    model: Model,
    /// Run one case only: train, train_salience, train_distil, infer or infer_compact.
    #[arg(long)]
    case: Option<String>,
    /// Time ours alone.
    #[arg(long)]
    no_pytorch: bool,
    /// A Python that has PyTorch, instead of the environment in target/bench-venv.
    #[arg(long)]
    python: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Model {
    /// The built-in checkpoint's shapes.
    Builtin,
    /// The shapes of MiniLM-L6, with random weights.
    MinilmL6,
    /// Both.
    All,
}

fn main() -> Result<()> {
    let args = Args::parse();
    // On the pool's own thread, as the command line runs.
    rayon::scope(|_| run(args))
}

fn run(args: Args) -> Result<()> {
    ensure!(args.rounds > 0, "--rounds must be at least 1");
    let cases: Vec<Case> =
        Case::ALL.into_iter().filter(|case| args.case.as_deref().is_none_or(|name| name == case.key())).collect();
    ensure!(!cases.is_empty(), "--case must be one of {}", Case::ALL.map(Case::key).join(", "));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut pytorch = if args.no_pytorch { None } else { start_pytorch(&args, threads) };

    println!("Hardware: {}, {threads} threads", processor());
    println!("Batch: {BATCH} sequences of {LENGTH} tokens; median of {} rounds (range)", args.rounds);
    if let Some(pytorch) = &pytorch {
        println!("PyTorch {}", pytorch.version);
    }
    for (device, name, is_gpu) in devices() {
        let accelerator = pytorch.as_ref().and_then(|p| p.accelerator.clone());
        let theirs = if is_gpu { accelerator } else { Some("cpu".into()) };
        for (model, config) in models(args.model)? {
            println!("\n{model} on {name}");
            println!("{:<26} {:>26} {:>26} {:>7}", "case", "ours ms", "PyTorch ms", "ratio");
            for &case in &cases {
                let beside = pytorch.as_mut().zip(theirs.as_deref());
                let (ours, theirs) = time(case, &config, &device, beside, args.rounds)?;
                println!("{}", row(case, ours, theirs));
            }
        }
    }
    Ok(())
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
fn devices() -> Vec<(Device, String, bool)> {
    let mut devices = vec![(Device::flex(), "CPU".to_string(), false)];
    match pollster::block_on(apt_train::device::open(apt_experiment::Device::Auto)) {
        Ok(open) if open.backend != "flex" => {
            devices.push((open.device, format!("{} ({})", open.name, open.backend), true));
        }
        Ok(open) => println!("No GPU is timed: {}", open.why),
        Err(error) => println!("No GPU is timed: {error}"),
    }
    devices
}

fn models(which: Model) -> Result<Vec<(&'static str, ModelConfig)>> {
    let vocabulary =
        apt_data::Tokenizer::from_bytes(apt_data::builtin::tokenizer_json().as_bytes(), "the built-in tokenizer")?
            .vocab_size();
    let all = [(Model::Builtin, "builtin", builtin(vocabulary)), (Model::MinilmL6, "minilm-l6", minilm())];
    Ok(all
        .into_iter()
        .filter(|m| which == Model::All || which == m.0)
        .map(|(_, name, config)| (name, config))
        .collect())
}

/// Times of one case in milliseconds, ours and PyTorch's, taken in turn.
fn time(
    case: Case,
    config: &ModelConfig,
    device: &Device,
    mut beside: Option<(&mut PyTorch, &str)>,
    rounds: usize,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let mut workload = Workload::new(case, config, device)?;
    let mut theirs = |repeat: usize| -> Result<Option<Duration>> {
        beside.as_mut().map(|(pytorch, on)| pytorch.run(case, config, on, repeat)).transpose()
    };
    let mut last = Duration::ZERO;
    for _ in 0..WARM_UPS {
        last = workload.run(1)?;
        theirs(1)?;
    }
    let repeat = (ROUND.as_secs_f64() / last.as_secs_f64().max(1e-4)).ceil() as usize;
    let mut times = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        times.0.push(workload.run(repeat)?.as_secs_f64() * 1e3);
        times.1.extend(theirs(repeat)?.map(|t| t.as_secs_f64() * 1e3));
    }
    Ok(times)
}

fn row(case: Case, ours: Vec<f64>, theirs: Vec<f64>) -> String {
    let [ours, theirs] = [ours, theirs].map(Spread::of);
    let ratio = ours.as_ref().zip(theirs.as_ref()).map(|(o, t)| format!("{:.2}", o.median / t.median));
    let [ours, theirs] = [ours, theirs].map(|s| s.map_or_else(|| "-".to_string(), |s| s.to_string()));
    format!("{:<26} {ours:>26} {theirs:>26} {:>7}", case.title(), ratio.unwrap_or_else(|| "-".into()))
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
