//! `export --vocabulary`: the vocabulary cut to the pieces of a task's training texts, and what that costs on texts that
//! had no say in it: those of the validation and the test set.

use crate::error::CliError;
use crate::model::is_model;
use crate::settings::apply_flags;
use crate::setup::ensure_data;
use crate::source::settings_at;
use apt_data::{RawExample, RawTask, Reading, Target, TextFormat, TextStream, Tokenizer, load_task, tokenize_task};
use apt_export::{Model, VocabularyCut};
use apt_nn::{ModelConfig, Transformer};
use apt_train::{adapt_head, check_examples, head_misfit, predict};
use clap::ArgMatches;
use clap::parser::ValueSource;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

/// The value that leaves the vocabulary whole.
pub(crate) const ALL: &str = "all";
/// The value that cuts it to the task's.
pub(crate) const TASK: &str = "task";

/// Where the pieces that stay come from.
pub(super) struct Wanted {
    of_task: bool,
    files: Vec<PathBuf>,
}

impl Wanted {
    /// What the arguments ask for; `None` leaves the vocabulary whole.
    pub(super) fn of(matches: &ArgMatches) -> Option<Self> {
        let of_task = matches.get_one::<String>("vocabulary").is_some_and(|value| value == TASK);
        let files: Vec<PathBuf> = matches.get_many("vocabulary_texts").into_iter().flatten().cloned().collect();
        (of_task || !files.is_empty()).then_some(Self { of_task, files })
    }

    /// What is needed to cut the vocabulary of the model at `source`.
    ///
    /// # Errors
    /// A task that is not known, or whatever is wrong with its files.
    pub(super) fn texts(&self, source: &Path, config: &ModelConfig, matches: &ArgMatches) -> Result<Texts, CliError> {
        let is_named = matches.value_source("task") == Some(ValueSource::CommandLine);
        let is_run = source.is_file() || !is_model(source);
        if !is_named && !is_run {
            if self.of_task {
                let what = "whose texts the vocabulary is to fit is not known of a model without its run";
                return Err(CliError::at(source, what, "name them with --task and --data, or with --vocabulary-texts"));
            }
            let (files, names) = (self.rows("text")?, self.files.clone());
            return Ok(Texts { task: None, longest: config.max_length(), files, names });
        }
        let mut knobs = settings_at(source)?;
        apply_flags(&mut knobs, matches)?;
        let knobs = knobs.check()?;
        let data = knobs.data.as_deref().map(Path::new);
        ensure_data(&knobs.task, data)?;
        let reading = Reading { classes: config.label_names.clone(), ..Reading::of(&knobs) };
        let mut task = load_task(&knobs.task, data, &reading)?;
        if let Some(misfit) = head_misfit(config, &task.objective, None) {
            return Err(CliError::at(source, misfit, "name the task the model was trained on with --task"));
        }
        if !self.of_task {
            task.train.clear();
        }
        let longest = knobs.max_length.min(config.max_length());
        Ok(Texts { files: self.rows(&knobs.task)?, names: self.files.clone(), task: Some(task), longest })
    }

    /// The texts of the files.
    fn rows(&self, task: &str) -> Result<Vec<(String, Option<String>)>, CliError> {
        let mut all = Vec::new();
        for path in &self.files {
            let name = path.display().to_string();
            let opened = File::open(path).map_err(|e| CliError::reading(path, e))?;
            let format = TextFormat::of_name(&name);
            let mut stream = TextStream::new(opened, &name, Some(format), task, Reading::default())?;
            while let Some(rows) = stream.next_rows()? {
                all.extend(rows.into_iter().map(|row| (row.a, row.b)));
            }
        }
        Ok(all)
    }
}

/// Texts whose pieces stay, and others to see what that costs.
pub(super) struct Texts {
    task: Option<RawTask>,
    /// Most tokens of an input.
    longest: usize,
    files: Vec<(String, Option<String>)>,
    /// What those are called.
    names: Vec<PathBuf>,
}

impl Texts {
    /// `form` with a cut vocabulary.
    ///
    /// # Errors
    /// A tokenizer that cannot be cut.
    pub(super) fn cut(&self, form: Model) -> Result<(Model, Cut), CliError> {
        let before = tokenizer(&form.tokenizer)?;
        let mut used = BTreeSet::new();
        let train = self.task.iter().flat_map(|task| &task.train).map(|example| (&example.a, &example.b));
        let mut texts = 0;
        for (a, b) in train.chain(self.files.iter().map(|(a, b)| (a, b))) {
            used.extend(before.encode(a, b.as_deref(), usize::MAX)?.ids);
            texts += 1;
        }
        if texts == 0 {
            let files = self.names.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
            let what = "there is no text in it: of the vocabulary nothing but single characters would stay";
            return Err(CliError::at(Path::new(&files), what, "name files with texts like those the model will read"));
        }
        let rows = form.weights.config.vocab_size;
        let cut = VocabularyCut::new(&form.tokenizer, &used, &form.weights.config)?;
        let form = form.with_vocabulary(&cut)?;
        let after = tokenizer(&form.tokenizer)?;
        Ok((form, Cut { cut, before, after, rows, texts }))
    }

    /// What `cut` did, and what it costs: `whole` and `model` are the model before and after, without autodiff.
    ///
    /// # Errors
    /// Whatever goes wrong in evaluating them.
    pub(super) fn report(&self, cut: &Cut, whole: &Transformer, model: &Transformer) -> Result<Vec<String>, CliError> {
        let (pieces, rows) = (cut.cut.pieces(), cut.rows);
        let mut lines = vec![format!(
            "vocabulary: {pieces} of {rows} pieces stay, those of {} texts and what they need; {} rows went",
            cut.texts,
            rows - pieces
        )];
        let Some(task) = &self.task else {
            lines.push("vocabulary: what it costs is not known without --task".into());
            return Ok(lines);
        };
        let splits = [("validation", Some(&task.validation)), ("test", task.test.as_ref())];
        for (name, examples) in splits.into_iter().filter_map(|(name, examples)| Some((name, examples?))) {
            let (otherwise, unknown) = cut.compare(examples)?;
            let share = 100.0 * otherwise as f64 / examples.len().max(1) as f64;
            lines.push(format!(
                "vocabulary: of {} {name} texts {otherwise} are split otherwise ({share:.1} %), {unknown} with more that \
                 is unknown",
                examples.len()
            ));
        }
        let metric_before = self.metric(task, whole, &cut.before)?;
        if let Some(((name, before), (_, after))) = metric_before.zip(self.metric(task, model, &cut.after)?) {
            lines.push(format!("vocabulary: {name} on the validation set {before:.4} before, {after:.4} after"));
        }
        Ok(lines)
    }

    /// The first metric on the validation set; `None` where it is not defined or the model has no classifier.
    fn metric(
        &self,
        task: &RawTask,
        model: &Transformer,
        tokenizer: &Tokenizer,
    ) -> Result<Option<(&'static str, f64)>, CliError> {
        if model.config.head.is_none() {
            return Ok(None);
        }
        let objective = &task.objective;
        let validation = RawTask::new(&task.name, objective.clone(), Vec::new(), task.validation.clone(), None);
        let examples = tokenize_task(&validation, tokenizer, self.longest)?.validation;
        check_examples(&model.config, &examples, objective)?;
        let model = adapt_head(model.clone(), objective);
        let answers = pollster::block_on(predict(&model, None, &examples, objective))?.answers;
        let targets: Vec<Target> = examples.iter().map(|example| example.target.clone()).collect();
        let judged = objective.judge(&answers, &targets);
        Ok(judged.first().and_then(|(metric, value)| Some((metric.name(), (*value)?))))
    }
}

/// A vocabulary before and after.
pub(super) struct Cut {
    cut: VocabularyCut,
    before: Tokenizer,
    after: Tokenizer,
    /// Rows of the table of words before.
    rows: usize,
    /// Texts whose pieces were counted.
    texts: usize,
}

impl Cut {
    /// How many of `examples` are split otherwise now, and how many have more unknown tokens.
    fn compare(&self, examples: &[RawExample]) -> Result<(usize, usize), CliError> {
        let (mut otherwise, mut unknown) = (0, 0);
        let is_unknown = |id: &Option<u32>| id.is_some() && *id == self.cut.unknown();
        for RawExample { a, b, .. } in examples {
            let of = |tokenizer: &Tokenizer| tokenizer.encode(a, b.as_deref(), usize::MAX);
            let before: Vec<_> = of(&self.before)?.ids.into_iter().map(|id| self.cut.number(id)).collect();
            let after: Vec<_> = of(&self.after)?.ids.into_iter().map(Some).collect();
            otherwise += usize::from(before != after);
            let count = |ids: &[Option<u32>]| ids.iter().filter(|id| is_unknown(id)).count();
            unknown += usize::from(count(&after) > count(&before));
        }
        Ok((otherwise, unknown))
    }
}

fn tokenizer(json: &[u8]) -> Result<Tokenizer, CliError> {
    Ok(Tokenizer::from_bytes(json, "tokenizer.json")?)
}
