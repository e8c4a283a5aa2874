//! The other side of the benchmark: `reference.py` in a Python that has PyTorch, one request a line.
//!
//! One request is one JSON line, `{"case": …, "rounds": …, "device": …, "mode": …, "model": {…}}`; the answer is
//! `{"seconds": …}`, the mean time of one round, or `{"error": …}`.

use crate::cases::{Case, DECODED, PROMPT_IDS, Size};
use crate::training::knobs;
use anyhow::{Context, Result, bail, ensure};
use apt_nn::ModelConfig;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// The reference's source, so that the benchmark runs from anywhere.
const REFERENCE: &str = include_str!("../reference.py");

/// How PyTorch runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// As it comes.
    Eager,
    /// By `torch.compile`.
    Compiled,
    /// As it comes, products in TF32 (10 bits of fraction), on GPUs that have it.
    Tf32,
    /// Exported to ONNX Runtime's CPU provider; inference alone.
    #[value(name = "onnxruntime")]
    OnnxRuntime,
    /// Converted to OpenVINO with 32-bit floats; inference alone.
    #[value(name = "openvino")]
    OpenVino,
}

impl Mode {
    /// Its name in arguments, in requests and in the table.
    pub fn key(self) -> &'static str {
        match self {
            Self::Eager => "eager",
            Self::Compiled => "compiled",
            Self::Tf32 => "tf32",
            Self::OnnxRuntime => "onnxruntime",
            Self::OpenVino => "openvino",
        }
    }

    /// Its column in the table.
    pub fn column(self) -> &'static str {
        match self {
            Self::Eager => "PyTorch eager",
            Self::Compiled => "PyTorch compiled",
            Self::Tf32 => "PyTorch tf32",
            Self::OnnxRuntime => "ONNX Runtime",
            Self::OpenVino => "OpenVINO",
        }
    }

    /// Whether it has a way to run the case, on a GPU or else on the CPU.
    pub fn runs(self, case: Case, on_gpu: bool) -> bool {
        match self {
            Self::Eager => true,
            // Salience keeps gradients of activations, which a compiled graph does not give.
            Self::Compiled => case != Case::TrainSalience,
            Self::Tf32 => on_gpu,
            Self::OnnxRuntime | Self::OpenVino => !on_gpu && matches!(case, Case::Infer | Case::InferCompact),
        }
    }

    /// Whether it is PyTorch that computes.
    pub fn is_of_pytorch(self) -> bool {
        self.packages().is_empty()
    }

    /// What it needs beside PyTorch, as pip calls it and as it is imported.
    fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Eager | Self::Compiled | Self::Tf32 => &[],
            Self::OnnxRuntime => &["onnx", "onnxscript", "onnxruntime"],
            Self::OpenVino => &["openvino"],
        }
    }
}

/// A running reference.
pub struct PyTorch {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// PyTorch's version.
    pub version: String,
    /// `cuda`, `mps` or nothing: the accelerator PyTorch can use.
    pub accelerator: Option<String>,
}

impl PyTorch {
    /// Starts the reference with `threads` threads on the interpreter `python`.
    ///
    /// # Errors
    /// When it does not start or has no PyTorch.
    pub fn start(python: &Path, threads: usize) -> Result<Self> {
        let mut child = Command::new(python)
            .args(["-c", REFERENCE, &threads.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", python.display()))?;
        let requests = child.stdin.take().context("the reference has no input")?;
        let answers = BufReader::new(child.stdout.take().context("the reference has no output")?);
        let mut reference = Self { child, requests, answers, version: String::new(), accelerator: None };
        let hello = reference.answer()?;
        reference.version = hello["torch"].as_str().unwrap_or("of unknown version").into();
        reference.accelerator = hello["accelerator"].as_str().map(Into::into);
        Ok(reference)
    }

    /// Mean time of one of `rounds` runs of `case` on `device` with the shapes of `dense`.
    ///
    /// # Errors
    /// When the reference fails or ends.
    pub fn run(
        &mut self,
        case: Case,
        dense: &ModelConfig,
        size: Size,
        (device, mode): (&str, Mode),
        rounds: usize,
    ) -> Result<Duration> {
        let config = case.config(dense);
        let mut request = json!({
            "case": case.key(),
            "rounds": rounds,
            "device": device,
            "mode": mode.key(),
            "model": {
                "vocab": config.vocab_size,
                "positions": config.max_positions,
                "hidden": config.hidden,
                "head_size": config.head_size,
                "layers": config.layers.iter().map(|l| [l.heads, l.neurons]).collect::<Vec<_>>(),
                "eps": config.norm_eps,
                "head": config.head.and_then(|head| Some([head.dense?, head.labels])),
            },
            "batch": size.batch, "length": size.length, "lengths": size.padded.then(|| size.lengths()), "training": training(case, &config, size)?,
        });
        if let Some(decoder) = &config.decoder {
            request["model"]["group"] = decoder.queries_per_key.into();
            request["model"]["theta"] = json!(decoder.rotary.map(|rotary| rotary.theta));
            request["prompt"] = json!(PROMPT_IDS);
            request["tokens"] = DECODED.into();
        }
        self.ask(&request)
    }

    /// Mean time of one of `rounds` products of `[rows, inner]` and `[inner, columns]`, with a bias.
    ///
    /// # Errors
    /// When the reference fails or ends.
    pub fn product(&mut self, sizes: [usize; 3], (device, mode): (&str, Mode), rounds: usize) -> Result<Duration> {
        let [rows, inner, columns] = sizes;
        self.ask(&json!({
            "case": "product", "rounds": rounds, "device": device, "mode": mode.key(),
            "rows": rows, "inner": inner, "columns": columns,
        }))
    }

    fn ask(&mut self, request: &Value) -> Result<Duration> {
        writeln!(self.requests, "{request}").context("PyTorch's process has ended")?;
        self.requests.flush()?;
        let answer = self.answer()?;
        if let Some(error) = answer["error"].as_str() {
            bail!("PyTorch failed in {}: {error}", request["case"]);
        }
        let seconds = answer["seconds"].as_f64().filter(|s| s.is_finite() && *s >= 0.0);
        Ok(Duration::from_secs_f64(seconds.context("PyTorch's process answered without a time")?))
    }

    fn answer(&mut self) -> Result<Value> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        ensure!(!line.is_empty(), "PyTorch's process ended without an answer");
        serde_json::from_str(&line).with_context(|| format!("PyTorch's process said `{}`", line.trim()))
    }
}

impl Drop for PyTorch {
    fn drop(&mut self) {
        // Nothing depends on how it ends.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The settings of a training case that PyTorch must have too; nothing for another.
fn training(case: Case, config: &ModelConfig, size: Size) -> Result<Value> {
    if !case.trains() {
        return Ok(Value::Null);
    }
    let knobs = knobs(case, config, size)?;
    let adapters: Vec<&str> = knobs.adapters.0.iter().map(|site| site.name()).collect();
    Ok(json!({
        "adapters": adapters,
        "rank": knobs.rank,
        "scale": knobs.rank_scale,
        "learning_rate": knobs.learning_rate,
        "weight_decay": knobs.weight_decay,
        "clip_norm": knobs.clip_norm,
        "transform_rank": knobs.transform_rank,
        "temperature": knobs.distill_temperature,
        "logit_weight": knobs.distill_logit_weight,
        "layer_weight": knobs.distill_layer_weight,
    }))
}

/// An interpreter with PyTorch and what `modes` need in a virtual environment at `folder`, made if it is not there.
///
/// # Errors
/// When Python, its `venv` or the packages cannot be had.
pub fn environment(folder: &Path, modes: &[Mode]) -> Result<PathBuf> {
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let packages = ["torch", "numpy"].into_iter().chain(modes.iter().flat_map(|mode| mode.packages()).copied());
    let packages: Vec<&str> = packages.collect();
    let import = format!("import {}", packages.join(", "));
    let has_all = || succeeds(Command::new(&python).args(["-c", &import]).stderr(Stdio::null()));
    if has_all().is_ok() {
        return Ok(python);
    }
    eprintln!("installing {} in {} (once; the download is large)", packages.join(", "), folder.display());
    if !python.exists() {
        let system = if cfg!(windows) { "python" } else { "python3" };
        succeeds(Command::new(system).args(["-m", "venv"]).arg(folder)).context("cannot make a virtual environment")?;
    }
    succeeds(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(&packages))
        .with_context(|| format!("pip cannot install {}", packages.join(", ")))?;
    has_all().with_context(|| format!("{} were installed but cannot be imported", packages.join(", ")))?;
    Ok(python)
}

fn succeeds(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    // Standard output is the table's alone.
    let status = command.stdout(Stdio::null()).status().with_context(|| format!("cannot start {program}"))?;
    ensure!(status.success(), "{program} ended with {status}");
    Ok(())
}
