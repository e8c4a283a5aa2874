//! The model card: what an exported model is, what it scored, what it was made from, and how it is loaded.

use super::{Format, Request, Sizes};
use apt_experiment::{ADAPTER_FILE, Record};
use apt_export::File;
use apt_hub::ModelName;
use apt_nn::ModelConfig;
use apt_report::{command, summary_markdown};
use std::fmt::Write;

/// What a card is about.
pub(super) struct Card<'a> {
    /// What was asked for.
    pub(super) request: &'a Request,
    /// Sizes of the model; none of an adapter.
    pub(super) config: Option<&'a ModelConfig>,
    /// What it takes.
    pub(super) sizes: Option<&'a Sizes>,
    /// What was done to it, in words.
    pub(super) said: &'a [String],
    /// The run, where it is known.
    pub(super) record: Option<&'a Record>,
    /// The other files.
    pub(super) files: &'a [File],
}

impl Card<'_> {
    /// `README.md`. It opens with what the hub's pages read.
    pub(super) fn text(&self) -> String {
        let library = match self.request.format {
            Format::Onnx => "transformers.js",
            Format::Peft => "peft",
            Format::Gguf => "gguf",
            Format::Safetensors | Format::Transformers => "transformers",
        };
        let task = if self.is_decoder() { "text-generation" } else { "text-classification" };
        let origin = self.record.and_then(|record| record.provenance.model.as_ref()?.origin.as_deref());
        let base = origin.and_then(|origin| ModelName::parse(origin).ok());
        let base = base.map_or_else(String::new, |base| format!("base_model: {}\n", base.repo));
        let mut text =
            format!("---\nlibrary_name: {library}\npipeline_tag: {task}\n{base}tags:\n- apt-lab\n- pruning\n---\n\n");
        let title = match self.request.format {
            Format::Peft => "LoRA adapters trained with APT Lab",
            _ if self.is_decoder() => "A language model pruned and tuned with APT Lab",
            _ => "A text classifier pruned and tuned with APT Lab",
        };
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(text, "# {title}\n\n{}\n", self.what());
        if let Some(config) = self.config {
            let _ = writeln!(text, "{}", sizes(config));
        }
        for line in self.said {
            let _ = writeln!(text, "- {line}");
        }
        if let Some(sizes) = self.sizes {
            let _ = writeln!(text, "\n{}", sizes.markdown());
        }
        let _ = writeln!(text, "## Use\n\n{}\n", self.usage());
        if let Some(record) = self.record {
            let _ = write!(text, "## What it was made from, and what it scored\n\n{}", summary_markdown(record));
            if let Some(data) = &record.provenance.data {
                for line in data.lines() {
                    let _ = writeln!(text, "- **data**: {line}");
                }
            }
            let line = command(record.preset.as_deref().unwrap_or("apt"), &record.config, &[record.config.seed]);
            let _ = writeln!(text, "\nMade by:\n\n```sh\n{line}\n```");
        }
        text
    }

    /// Whether it is about a decoder; of an adapter its own file says so.
    fn is_decoder(&self) -> bool {
        let named = || self.files.iter().find(|file| file.name == ADAPTER_FILE);
        let of_adapter = || named().is_some_and(|file| String::from_utf8_lossy(&file.bytes).contains("CAUSAL_LM"));
        self.config.map_or_else(of_adapter, |config| config.decoder.is_some())
    }

    fn what(&self) -> String {
        match self.request.format {
            Format::Safetensors => "Weights in the Hugging Face layout, for APT Lab; transformers loads them where all \
                                    layers have the same size."
                .into(),
            Format::Onnx => "A graph of standard ONNX operators (opset 18) for ONNX Runtime, optimum and \
                             transformers.js. What was pruned is not in it. Half-precision weights (`_fp16`) are \
                             computed with in 32 bits; `_quantized` computes products in 8 bits."
                .into(),
            Format::Transformers if self.request.is_padded => {
                "Weights for transformers' own classes: zeros stand where heads and neurons were pruned, so it computes \
                 what the pruned model does and is no faster than a model that was not pruned."
                    .into()
            }
            Format::Transformers => "Weights, and the code by which transformers loads layers of unequal width \
                                     (`modeling_apt.py`; look at it before you trust it)."
                .into(),
            Format::Gguf => "One file for llama.cpp and what is built on it: sizes, tokenizer and weights, not quantised. Layers \
                             that differ are of its architecture `deci`; where a family has none such, zeros stand where \
                             heads and neurons were pruned."
                .into(),
            Format::Peft => "Adapters with a rank of their own each. They fit the checkpoint that they were trained on."
                .into(),
        }
    }

    /// The class of transformers that loads it.
    fn class(&self) -> &'static str {
        if self.is_decoder() { "AutoModelForCausalLM" } else { "AutoModelForSequenceClassification" }
    }

    fn usage(&self) -> String {
        let has = |name: &str| self.files.iter().any(|file| file.name == name);
        match self.request.format {
            Format::Safetensors if self.is_decoder() => {
                fenced("sh", "apt-lab generate FOLDER 'Once upon a time'\napt-lab eval FOLDER --data FILE")
            }
            Format::Safetensors => fenced("sh", "apt-lab eval FOLDER --task TASK --data DATA"),
            Format::Gguf => fenced("sh", "llama-cli -m FOLDER/model.gguf -p 'Once upon a time'"),
            Format::Onnx => {
                let dtype = if has("onnx/model.onnx") {
                    "fp32"
                } else if has("onnx/model_fp16.onnx") {
                    "fp16"
                } else {
                    "q8"
                };
                fenced(
                    "js",
                    &format!(
                        "import {{ pipeline }} from '@huggingface/transformers';\nconst classify = await \
                         pipeline('text-classification', 'FOLDER', {{ dtype: '{dtype}' }});\n\
                         await classify('a text');"
                    ),
                )
            }
            Format::Transformers => {
                let trust = if self.request.is_padded { "" } else { ", trust_remote_code=True" };
                let class = self.class();
                fenced(
                    "py",
                    &format!(
                        "from transformers import {class}, AutoTokenizer\n\
                         model = {class}.from_pretrained(\"FOLDER\"{trust})\n\
                         tokenizer = AutoTokenizer.from_pretrained(\"FOLDER\"{trust})"
                    ),
                )
            }
            Format::Peft => {
                let labels = self.record.map_or(0, |record| record.labels.len()).max(1);
                let labels = if self.is_decoder() { String::new() } else { format!(", num_labels={labels}") };
                let class = self.class();
                fenced(
                    "py",
                    &format!(
                        "from peft import PeftModel\nfrom transformers import {class}\n\
                         base = {class}.from_pretrained(\"BASE\"{labels})\n\
                         model = PeftModel.from_pretrained(base, \"FOLDER\")"
                    ),
                )
            }
        }
    }
}

/// Sizes layer by layer, and the classes.
fn sizes(config: &ModelConfig) -> String {
    let list = |units: Vec<usize>| units.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    let mut text = format!(
        "- **hidden dims**: {}\n- **heads** of {} per layer: {}\n- **neurons** per layer: {}\n",
        config.hidden,
        config.head_size,
        list(config.layers.iter().map(|layer| layer.heads).collect()),
        list(config.layers.iter().map(|layer| layer.neurons).collect()),
    );
    if !config.label_names.is_empty() {
        text.push_str(&format!("- **classes**: {}\n", config.label_names.join(", ")));
    }
    text
}

fn fenced(language: &str, code: &str) -> String {
    format!("```{language}\n{code}\n```")
}
