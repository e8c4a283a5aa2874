//! Which of the files that lie with a model are read: chosen by their names, as models come from hubs and out of other
//! programs. What cannot be read is answered with the command that makes it readable. Files on disk and files dropped into
//! a browser go the same way: names first, then the small files, then the weights.

use crate::TrainError;
use apt_core::problem::Problem;
use apt_data::TokenizerRead;
use apt_experiment::{
    ADAPTER_FILE, CONFIG_FILE, INDEX_FILE, TOKENIZER_FILE, TOKENIZER_SETTINGS, VOCABULARY_FILES, WEIGHTS_FILE,
};
use apt_nn::ConfigRead;
use apt_nn::checkpoint::ShardIndex;
use apt_nn::foreign::{gguf, resave};

/// A model's files by their names.
pub struct ModelFolder {
    /// What the folder is called; empty for files without one.
    place: String,
    /// The commit, where the files lie in a repository of the hub that is called so.
    commit: Option<String>,
    names: Vec<String>,
}

/// A folder whose small files are read.
pub struct OpenFolder {
    /// Sizes, as far as `config.json` gives them.
    pub config: ConfigRead,
    /// The tokenizer.
    pub tokenizer: TokenizerRead,
    /// The names of the files with weights, without the folder.
    pub weights: Vec<String>,
    pub(crate) index: Option<ShardIndex>,
    /// Names of all files that are read, without the folder.
    pub(crate) files: Vec<String>,
    pub(crate) notes: Vec<String>,
}

impl ModelFolder {
    /// The files `names` in `place`, which is how messages call their folder.
    pub fn new(place: &str, names: Vec<String>) -> Self {
        Self { place: place.trim_end_matches('/').to_owned(), commit: None, names }
    }

    /// The files `names` of the hub's repository `repo` (`org/name`) at `commit`.
    pub fn on_hub(repo: &str, commit: &str, names: Vec<String>) -> Self {
        Self { place: repo.to_owned(), commit: Some(commit.to_owned()), names }
    }

    /// The names of the small files that are read before the weights.
    pub fn texts(&self) -> Vec<String> {
        self.wanted().filter(|name| self.has(name) && *name != WEIGHTS_FILE).map(str::to_owned).collect()
    }

    /// The names of files that would be read and are not there.
    pub fn absent(&self) -> Vec<&'static str> {
        self.wanted().filter(|name| !self.has(name)).collect()
    }

    /// The names of the files that weights can be in, as far as names tell: what [`Self::open`] names is among them.
    pub fn weights(&self) -> Vec<&str> {
        let is_it = |name: &&str| match self.has(WEIGHTS_FILE) {
            true => *name == WEIGHTS_FILE,
            false => name.ends_with(".safetensors"),
        };
        self.names.iter().map(String::as_str).filter(is_it).collect()
    }

    /// What is looked for, by what there is of it.
    fn wanted(&self) -> impl Iterator<Item = &'static str> {
        // The vocabulary is in tokenizer.json, where there is one.
        let vocabulary = if self.has(TOKENIZER_FILE) { &[][..] } else { &VOCABULARY_FILES[..] };
        let index = (!self.has(WEIGHTS_FILE)).then_some(INDEX_FILE);
        let first = [CONFIG_FILE, TOKENIZER_FILE].into_iter().chain(TOKENIZER_SETTINGS);
        first.chain(vocabulary.iter().copied()).chain(index).chain([WEIGHTS_FILE])
    }

    /// What a file is called in messages.
    pub fn display(&self, name: &str) -> String {
        if self.place.is_empty() { name.to_owned() } else { format!("{}/{name}", self.place) }
    }

    /// Reads the small files, given with the names of [`Self::display`].
    ///
    /// # Errors
    /// A file that is missing, is none of its kind, or has to be converted first.
    pub fn open(&self, texts: &[(String, Vec<u8>)]) -> Result<OpenFolder, TrainError> {
        let get = |name: &str| {
            let display = self.display(name);
            texts.iter().find(|(of, _)| *of == display).map(|(_, bytes)| bytes.as_slice())
        };
        let Some(config_bytes) = get(CONFIG_FILE) else { return Err(self.without_config()) };
        let config = ConfigRead::from_json(config_bytes, &self.display(CONFIG_FILE))?;
        let mut notes = Vec::new();
        let mut index = None;
        let weights = if self.has(WEIGHTS_FILE) {
            vec![WEIGHTS_FILE.to_owned()]
        } else if let Some(bytes) = get(INDEX_FILE) {
            let read = ShardIndex::parse(bytes, &self.display(INDEX_FILE))?;
            let shards = read.shards();
            if let Some(missing) = shards.iter().find(|shard| !self.has(shard)) {
                let what = format!("the shard {missing} that {INDEX_FILE} names is not there");
                return Err(self.problem(missing, what, "fetch it too, from where the others are"));
            }
            index = Some(read);
            shards
        } else {
            let only = self.other_weights(config_bytes)?;
            notes.push(format!("the weights are those of {only}, the only safetensors file there"));
            vec![only]
        };
        let small = self.texts();
        if !small.iter().any(|name| [TOKENIZER_FILE, "vocab.txt", "vocab.json"].contains(&name.as_str()))
            || self.has_codes()
        {
            return Err(self.without_tokenizer(config_bytes));
        }
        let tokenizer = TokenizerRead::of(texts)?;
        notes.extend(config.assumed_words());
        notes.extend(tokenizer.notes.iter().cloned());
        let files = small.into_iter().chain(weights.iter().cloned()).collect();
        Ok(OpenFolder { config, tokenizer, weights, index, files, notes })
    }

    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|of| of == name)
    }

    fn ending(&self, ends: &[&str]) -> Option<&str> {
        let is_it = |name: &&String| ends.iter().any(|end| name.to_lowercase().ends_with(end));
        self.names.iter().find(is_it).map(String::as_str)
    }

    fn problem(&self, name: &str, what: impl Into<String>, remedy: impl Into<String>) -> TrainError {
        TrainError::Unfit(Problem::new(self.display(name), what, remedy))
    }

    /// There is no config.json: what there is instead.
    fn without_config(&self) -> TrainError {
        if self.has(ADAPTER_FILE) {
            return self.adapter();
        }
        if let Some(file) = self.ending(&[".gguf"]) {
            return self.gguf(file);
        }
        let what = format!("there is no {CONFIG_FILE} with these files: {}", self.listed());
        self.problem(CONFIG_FILE, what, format!("a model is {CONFIG_FILE}, tokenizer.json and {WEIGHTS_FILE} together"))
    }

    /// An adapter of PEFT, whose base model is elsewhere.
    fn adapter(&self) -> TrainError {
        let folder = if self.place.is_empty() { "." } else { &self.place };
        let command = format!(
            "python -c \"from peft import AutoPeftModelForSequenceClassification as M; \
             from transformers import AutoTokenizer as T; \
             M.from_pretrained('{folder}').merge_and_unload().save_pretrained('{folder}-merged'); \
             T.from_pretrained('{folder}').save_pretrained('{folder}-merged')\""
        );
        let what = "this is an adapter of PEFT, without the model that it belongs to";
        self.problem(ADAPTER_FILE, what, format!("merge the two: {command}"))
    }

    /// Weights under another name than usual: the only safetensors file, or what has to be converted to one.
    fn other_weights(&self, config: &[u8]) -> Result<String, TrainError> {
        if self.has(ADAPTER_FILE) {
            return Err(self.adapter());
        }
        let is_shard = |name: &str| name.contains("-of-");
        let found: Vec<&String> = self.names.iter().filter(|name| name.ends_with(".safetensors")).collect();
        match found.as_slice() {
            [only] if !is_shard(only) => return Ok((*only).clone()),
            [] => {}
            [shard, ..] if is_shard(shard) => {
                return Err(self.problem(INDEX_FILE, "there are shards but no index of them", "fetch it too"));
            }
            several => {
                let names = several.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
                let what = format!("there is none of this name, but {names}");
                return Err(self.problem(WEIGHTS_FILE, what, "rename the one that is meant"));
            }
        }
        let convert = |argument: &str| self.converted(config, argument);
        let older = "pip install 'transformers<5' torch";
        if let Some(file) = self.ending(&[".bin", ".bin.index.json", ".pt", ".pth", ".ckpt", ".pkl"]) {
            let name = if file.starts_with("pytorch_model") { "" } else { ", after renaming it to pytorch_model.bin" };
            let what = "this is a file of PyTorch (pickle), which can run any program when it is opened";
            return Err(self.problem(file, what, format!("convert it where you trust it{name}: {}", convert(""))));
        }
        if let Some(file) = self.ending(&[".h5"]) {
            let remedy = format!("convert it: {older} tensorflow tf-keras && {}", convert("from_tf=True"));
            return Err(self.problem(file, "this is a file of TensorFlow (HDF5)", remedy));
        }
        if let Some(file) = self.ending(&[".msgpack"]) {
            let remedy = format!("convert it: {older} flax && {}", convert("from_flax=True"));
            return Err(self.problem(file, "this is a file of Flax (msgpack)", remedy));
        }
        if let Some(file) = self.ending(&[".gguf"]) {
            return Err(self.gguf(file));
        }
        if let Some(file) = self.ending(&[".onnx", ".tflite", ".ot"]) {
            return Err(self.problem(
                file,
                "weights of this form cannot be trained",
                "give the model it was made from",
            ));
        }
        let what = format!("there is no such file, but {}", self.listed());
        Err(self.problem(WEIGHTS_FILE, what, "fetch the model's weights too"))
    }

    /// A file for llama.cpp.
    fn gguf(&self, file: &str) -> TrainError {
        let revision = self.commit.as_ref().map_or_else(String::new, |commit| format!("revision='{commit}'"));
        let foreign = gguf(&self.display(file), &revision);
        self.problem(file, foreign.what, foreign.remedy)
    }

    /// The command that loads the model with transformers and writes it as it can be read: into its own folder, or from
    /// the hub into a new one.
    fn converted(&self, config: &[u8], argument: &str) -> String {
        let Some(commit) = &self.commit else {
            return resave(&self.display(CONFIG_FILE), config, argument, "", false);
        };
        let revision = format!("revision='{commit}'");
        let argument = if argument.is_empty() { revision } else { format!("{argument}, {revision}") };
        let command = resave(&self.display(CONFIG_FILE), config, &argument, "", true);
        format!("{command}, and name {}-converted", self.place)
    }

    /// Byte-pair codes of fairseq, whose vocab.txt is of another kind.
    fn has_codes(&self) -> bool {
        self.has("bpe.codes") && !self.has(TOKENIZER_FILE)
    }

    /// There is no tokenizer that can be read: what there is instead.
    fn without_tokenizer(&self, config: &[u8]) -> TrainError {
        let folder = if self.place.is_empty() { "." } else { &self.place };
        let command = match &self.commit {
            Some(_) => self.converted(config, ""),
            None => format!(
                "python -c \"from transformers import AutoTokenizer as T; \
                 T.from_pretrained('{folder}').save_pretrained('{folder}')\""
            ),
        };
        if self.has_codes() {
            let what = "byte-pair codes of fairseq, of which transformers has no fast tokenizer";
            return self.problem("bpe.codes", what, "give a model with tokenizer.json");
        }
        if let Some(file) = self.ending(&["spiece.model", "sentencepiece.bpe.model", "tokenizer.model", ".spm"]) {
            let what = "a SentencePiece model, without the tokenizer.json that a fast tokenizer makes of it";
            let remedy = format!("make it (pip install transformers sentencepiece protobuf): {command}");
            return self.problem(file, what, remedy);
        }
        let what = format!("there is none, nor vocab.txt, nor vocab.json with merges.txt, but {}", self.listed());
        self.problem(TOKENIZER_FILE, what, "fetch the model's tokenizer too")
    }

    fn listed(&self) -> String {
        const SHOWN: usize = 8;
        let mut names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        names.sort_unstable();
        match names.len().checked_sub(SHOWN) {
            None if names.is_empty() => "nothing".to_owned(),
            None | Some(0) => names.join(", "),
            Some(more) => format!("{} and {more} more", names[..SHOWN].join(", ")),
        }
    }
}
