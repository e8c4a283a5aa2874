//! A program that reads exported folders: it is given a folder of cases, and leaves the logits it got in each.

use crate::cases::{Case, Form};
use apt_export::Stored;
use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program that reads.
pub(crate) struct Reader {
    /// Its name in tables.
    pub(crate) name: String,
    program: OsString,
    script: &'static str,
    variables: Vec<(&'static str, PathBuf)>,
}

/// How far a reader's logits are from ours.
#[derive(Debug)]
pub(crate) struct Difference {
    name: String,
    shape: &'static str,
    form: &'static str,
    /// Largest difference of a logit; not a number if a logit is missing.
    pub(crate) largest: f64,
    /// Largest of our logits.
    pub(crate) magnitude: f64,
    /// Whether products are computed in bytes.
    pub(crate) is_int8: bool,
    /// Whether products are computed in half precision.
    pub(crate) is_half: bool,
    /// What the reader could not do.
    error: Option<String>,
}

impl Reader {
    /// ONNX Runtime in Python.
    pub(crate) fn onnx_runtime() -> Option<Self> {
        let python = named("APT_READERS_PYTHON", "ONNX Runtime")?;
        Some(Self { name: "onnxruntime".into(), program: python.into(), script: "onnx_runtime.py", variables: vec![] })
    }

    /// transformers.js in Node.
    pub(crate) fn transformers_js() -> Option<Self> {
        let modules = named("APT_READERS_NODE", "transformers.js")?;
        let variables = vec![("APT_READERS_NODE", modules)];
        Some(Self { name: "transformers.js".into(), program: "node".into(), script: "transformers_js.mjs", variables })
    }

    /// llama.cpp in Node.
    pub(crate) fn llama_cpp() -> Option<Self> {
        let modules = named("APT_READERS_LLAMA", "llama.cpp")?;
        let variables = vec![("APT_READERS_LLAMA", modules)];
        Some(Self { name: "llama.cpp".into(), program: "node".into(), script: "llama_cpp.mjs", variables })
    }

    /// transformers in Python, every version that is there.
    pub(crate) fn transformers() -> Vec<Self> {
        let Some((python, folder)) = torch("transformers") else { return Vec::new() };
        let mut versions: Vec<PathBuf> = fs::read_dir(&folder)
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        versions.sort();
        assert!(!versions.is_empty(), "{} holds no version of transformers", folder.display());
        versions.into_iter().map(|version| Self::of_torch(&python, version, "transformers")).collect()
    }

    /// PEFT, on the newest transformers that is there.
    pub(crate) fn peft() -> Option<Self> {
        let (python, folder) = torch("PEFT")?;
        let versions = fs::read_dir(&folder).map(|entries| entries.flatten().map(|entry| entry.path()).max());
        let newest = versions.ok().flatten().unwrap_or_else(|| panic!("{} holds no version", folder.display()));
        Some(Self::of_torch(&python, newest, "peft"))
    }

    fn of_torch(python: &Path, version: PathBuf, name: &str) -> Self {
        let of = version.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let variables = vec![("PYTHONPATH", version)];
        Self { name: format!("{name} ({of})"), program: python.into(), script: "torch_readers.py", variables }
    }

    /// Has every case read.
    pub(crate) fn read(&self, cases: &[Case]) -> Vec<Difference> {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let place = |index: usize| folder.path().join(format!("{index:03}"));
        for (index, case) in cases.iter().enumerate() {
            for file in &case.files {
                write(&place(index).join(&file.name), &file.bytes);
            }
            write(&place(index).join("case.json"), case.task.to_string().as_bytes());
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("readers").join(self.script);
        let mut command = Command::new(&self.program);
        command.arg(script).arg(folder.path()).envs(self.variables.iter().map(|(name, value)| (name, value)));
        // What a folder lacks must not be fetched, or the test would prove nothing of the folder.
        command
            .env("HF_HUB_OFFLINE", "1")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("TRANSFORMERS_VERBOSITY", "error")
            .env("HF_HOME", folder.path().join("hf"));
        let output = command.output().unwrap_or_else(|e| panic!("{}: {e}", self.name));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} ended with {}:\n{said}", self.name, output.status);
        cases.iter().enumerate().map(|(index, case)| compare(case, &place(index).join("answer.json"))).collect()
    }
}

/// What `variable` names; without it, says that `reader` did not run.
fn named(variable: &str, reader: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).map(PathBuf::from);
    if found.is_none() {
        let why =
            format!("{reader} did not read any export: {variable} does not say where it is (cargo xtask readers)");
        assert!(std::env::var_os("APT_REQUIRE_READERS").is_none(), "{why}");
        eprintln!("NOT RUN: {why}");
    }
    found
}

/// A Python with PyTorch, and the folder with versions of transformers. They are only asked for by name: they are large.
fn torch(reader: &str) -> Option<(PathBuf, PathBuf)> {
    let [python, folder] =
        ["APT_READERS_TORCH", "APT_READERS_TRANSFORMERS"].map(|name| std::env::var_os(name).map(PathBuf::from));
    if python.is_none() || folder.is_none() {
        eprintln!("NOT RUN: {reader} did not read any export: it takes `cargo xtask readers --all`");
    }
    python.zip(folder)
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap_or(path)).expect("a folder can be made");
    fs::write(path, bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

fn compare(case: &Case, answer: &Path) -> Difference {
    let answer: Value = fs::read(answer).map(|bytes| serde_json::from_slice(&bytes).expect("JSON")).unwrap_or_default();
    let rows = answer["logits"].as_array().cloned().unwrap_or_default();
    let theirs: Vec<Vec<f64>> =
        rows.iter().map(|row| row.as_array().into_iter().flatten().filter_map(Value::as_f64).collect()).collect();
    let ours = &case.logits;
    let written: Vec<Vec<i64>> = serde_json::from_value(answer["written"].clone()).unwrap_or_default();
    let ours_written: Vec<Vec<i64>> =
        case.written.iter().map(|ids| ids.iter().map(|&id| i64::from(id)).collect()).collect();
    let error = answer["error"].as_str().map(str::to_owned);
    let differs = || format!("it writes {written:?}, we {ours_written:?}");
    let error = error.or_else(|| (written != ours_written).then(differs));
    let same_shape = theirs.len() == ours.len() && theirs.iter().zip(ours).all(|(a, b)| a.len() == b.len());
    let off = theirs.iter().flatten().zip(ours.iter().flatten()).map(|(a, b)| (a - b).abs());
    let largest = if same_shape && error.is_none() { off.fold(0.0, f64::max) } else { f64::NAN };
    Difference {
        name: case.name.clone(),
        shape: case.shape.name(),
        form: case.form_name(),
        largest,
        magnitude: ours.iter().flatten().fold(0.0, |max, v| max.max(v.abs())),
        is_int8: case.is_int8(),
        is_half: case.form == Form::Gguf(Stored::F16),
        error,
    }
}

/// A row for each case, in words.
pub(crate) fn table(reader: &str, differences: &[Difference]) -> String {
    let mut text = format!("{:<24} {:<18} {:<10} {:<10} largest difference (of)\n", "reader", "model", "left", "form");
    for Difference { name, shape, form, largest, magnitude, error, .. } in differences {
        let error = error.as_deref().unwrap_or_default();
        text.push_str(&format!(
            "{reader:<24} {name:<18} {shape:<10} {form:<10} {largest:.1e} ({magnitude:.2}) {error}\n"
        ));
    }
    text
}
