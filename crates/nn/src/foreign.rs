//! Files and tensors that are no safetensors of plain weights, recognised by what they hold, each with the command that
//! makes them so.

use serde_json::Value;
use std::path::Path;

/// What a file is instead of what it should be.
pub struct Foreign {
    /// In words.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

/// The command of transformers that loads the folder of `file` and writes what it has loaded as `model.safetensors`:
/// into the same folder, or into a new one if `anew`. `config` is its `config.json`; it names the class that keeps the
/// model's head. `argument` goes into `from_pretrained`, `change` behind it.
#[must_use]
pub fn resave(file: &str, config: &[u8], argument: &str, change: &str, anew: bool) -> String {
    let folder = quoted(&folder_of(file));
    let to = if anew { format!("{folder}-converted") } else { folder.clone() };
    let argument = if argument.is_empty() { String::new() } else { format!(", {argument}") };
    let class = class(config).unwrap_or_else(|| "AutoModel".to_owned());
    let model = format!("M.from_pretrained('{folder}'{argument}){change}.save_pretrained('{to}')");
    match anew {
        false => format!("python -c \"from transformers import {class} as M; {model}\""),
        true => format!(
            "python -c \"from transformers import {class} as M, AutoTokenizer as T; {model}; \
             T.from_pretrained('{folder}').save_pretrained('{to}')\""
        ),
    }
}

/// What is said of the GGUF file `file`, which lies in a folder or in a repository of the hub, with the command of
/// transformers that makes a folder of it that can be read. `argument` goes into `from_pretrained`.
#[must_use]
pub fn gguf(file: &str, argument: &str) -> Foreign {
    let (folder, name) = (quoted(&folder_of(file)), quoted(file.rsplit(['/', '\\']).next().unwrap_or(file)));
    let to = format!("{folder}/{}-converted", name.trim_end_matches(".gguf"));
    let argument = if argument.is_empty() { String::new() } else { format!(", {argument}") };
    let load = |class: &str| format!("{class}.from_pretrained('{folder}', gguf_file='{name}'{argument})");
    let (model, tokenizer) = (load("M"), load("T"));
    Foreign {
        what: "this is a GGUF file, for llama.cpp".to_owned(),
        remedy: format!(
            "give the safetensors that it was made from; where there are none, this makes some of what it holds (pip \
             install 'transformers<5' torch gguf): python -c \"from transformers import AutoModelForCausalLM as M, \
             AutoTokenizer as T; {model}.save_pretrained('{to}'); {tokenizer}.save_pretrained('{to}')\""
        ),
    }
}

/// The folder that a file lies in.
fn folder_of(file: &str) -> String {
    match Path::new(file).parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.display().to_string().trim_end_matches('/').to_owned(),
        _ => ".".to_owned(),
    }
}

/// As it stands between quotes in Python.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

/// The class that `config.json` says it was saved by.
fn class(config: &[u8]) -> Option<String> {
    let config: Value = serde_json::from_slice(config).ok()?;
    let name = config.get("architectures")?.get(0)?.as_str()?;
    (!name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric())).then(|| name.to_owned())
}

/// What `bytes` are, if they are one of the things that stand under the name of a model's file by mistake. `name` is what
/// the file is called.
#[must_use]
pub fn recognised(bytes: &[u8], name: &str) -> Option<Foreign> {
    let start = bytes.get(..512).unwrap_or(bytes);
    let text = String::from_utf8_lossy(start).trim_start().to_lowercase();
    let found = |what: &str, remedy: String| Some(Foreign { what: what.to_owned(), remedy });
    let pytorch = || {
        "rename it to pytorch_model.bin, and this program names the command of transformers that converts it".to_owned()
    };
    if text.starts_with("version https://git-lfs") {
        let size = text.split_once("size ").and_then(|(_, size)| size.split_whitespace().next());
        let size = size.map(|size| format!(" of {size} bytes")).unwrap_or_default();
        let what = format!("this is a Git LFS pointer, not the file{size} itself");
        let remedy = format!("fetch it with `git lfs pull --include={name}` in its repository");
        return Some(Foreign { what, remedy });
    }
    if text.starts_with("<!doctype") || text.starts_with("<html") {
        return found("this is a web page, not the file", "download the file itself, not the page about it".to_owned());
    }
    match start {
        [b'P', b'K', 3, 4, ..] | [0x80, 2..=5, ..] => found("this is a file of PyTorch (pickle)", pytorch()),
        [0x89, b'H', b'D', b'F', ..] => {
            found("this is a file of TensorFlow (HDF5)", "give the model's safetensors file".to_owned())
        }
        [b'G', b'G', b'U', b'F', ..] => {
            let remedy = "give the model's safetensors file; where there is none, rename this one to model.gguf, and this \
                          program names the command of transformers that converts it";
            found("this is a GGUF file, for llama.cpp", remedy.to_owned())
        }
        [0x1f, 0x8b, ..] => found("this is a compressed file (gzip)", "unpack it with `gunzip`".to_owned()),
        _ => None,
    }
}

/// What the names of tensors show of weights that are not plain, if they do: adapters beside them, or numbers that stand
/// for them.
#[must_use]
pub fn kind_of_tensors<'n>(names: impl Iterator<Item = &'n str>) -> Option<NotPlain> {
    const ADAPTERS: [&str; 4] = [".lora_A", ".lora_B", ".lora_embedding_", ".base_layer."];
    const QUANTISED: [&str; 8] =
        [".SCB", ".weight_format", ".absmax", ".quant_map", ".qweight", ".qzeros", ".g_idx", ".weight_scale"];
    let mut kind = None;
    for name in names {
        if ADAPTERS.iter().any(|part| name.contains(part)) {
            return Some(NotPlain::Adapters { example: name.to_owned() });
        }
        if QUANTISED.iter().any(|end| name.ends_with(end)) {
            kind.get_or_insert_with(|| NotPlain::Quantised { example: name.to_owned() });
        }
    }
    kind
}

/// Weights that are not plain numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotPlain {
    /// Adapters of PEFT that are not merged.
    Adapters {
        /// One of their tensors.
        example: String,
    },
    /// Quantised, with scales beside them.
    Quantised {
        /// One of the tensors with scales.
        example: String,
    },
}

impl NotPlain {
    /// In words, with what to do about it.
    #[must_use]
    pub fn explained(&self) -> Foreign {
        match self {
            Self::Adapters { example } => Foreign {
                what: format!("it holds LoRA adapters beside the weights (`{example}`), which are not merged"),
                remedy:
                    "merge them where they were trained: `model.merge_and_unload().save_pretrained(FOLDER)` of PEFT"
                        .to_owned(),
            },
            Self::Quantised { example } => Foreign {
                what: format!("its weights are quantised (`{example}`)"),
                remedy: "give the model that it was made from, in F32, F16 or BF16".to_owned(),
            },
        }
    }
}
