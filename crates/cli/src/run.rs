//! One run from its settings to its record: drives a session, and writes and prints its events.

pub(crate) mod folder;
pub(crate) mod further;
pub(crate) mod resume;

use crate::error::CliError;
use crate::files::{ensure_empty, remove_folder, write_atomic, write_folder};
use crate::logging::{EventLog, timed};
use crate::model::TokenizerFile;
use crate::probe::DesktopProbe;
use crate::reporter::Reporter;
use crate::setup::{Places, Prepared, prepare};
use crate::shell::resume_command;
use crate::{interrupt, settings::Request};
use apt_experiment::{Event, Knobs, Record, RecordBuilder, run_name};
use apt_export::{Base, ExportError, File, Model, Stored, Weights, peft};
use apt_hub::{ModelName, PREFIX};
use apt_nn::{ModelConfig, Transformer};
use apt_train::Session;
use folder::RunFolder;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Folder of runs that are given none of their own.
const RUNS: &str = "runs";
/// Folder of a run's adapters, where they are of use on their own.
pub(crate) const ADAPTER: &str = "adapter";

/// A finished run.
pub(crate) struct Outcome {
    /// Its record.
    pub record: Record,
    /// The record's file.
    pub path: PathBuf,
}

/// Options of a run that are no settings of the experiment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunOptions {
    /// Runs made side by side on this machine, if that is known.
    pub jobs: Option<usize>,
    /// Whether the finished model is written and checkpoints are kept; of a study's cells only the record is.
    pub write_model: bool,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self { jobs: None, write_model: true }
    }
}

/// A run in progress and where it is written.
struct ActiveRun {
    options: RunOptions,
    session: Session,
    folder: RunFolder,
    /// Builds the record from the events so far.
    builder: RecordBuilder,
    log: EventLog,
    /// Of its model.
    tokenizer: TokenizerFile,
    /// Sizes of the model it started from.
    dense: ModelConfig,
    /// Where that lies, from any folder.
    model: String,
}

/// Makes the run that `request` describes, in the folder `out`.
///
/// # Errors
/// Whatever is wrong with the request (no folder is made then) or happens in the run.
pub(crate) fn start(
    request: &Request,
    out: &Path,
    options: RunOptions,
    reporter: &mut Reporter,
) -> Result<Outcome, CliError> {
    ensure_empty(out)?;
    let places = Places::of(&request.knobs);
    let prepared = prepare(request.knobs.clone(), &places, request.preset.as_deref(), options.jobs)?;
    print_header(request, &prepared, out, reporter);
    let Prepared { setup, tokenizer, dense, .. } = prepared;
    let probe = Box::new(DesktopProbe::new(&setup.device));
    // Not those of the request: a model of the hub is named with its commit.
    let settings = Places::whole_in(&setup.knobs);
    let session = timed("model", || Session::new(setup, probe))?;
    let folder = RunFolder::create(out, &settings.to_toml())?;
    let builder = RecordBuilder::new();
    ActiveRun { options, session, folder, builder, log: EventLog::default(), tokenizer, dense, model: settings.model }
        .finish(reporter)
}

/// A folder for a new run, of a name that is not taken.
pub(crate) fn new_folder() -> PathBuf {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let entropy = now.as_nanos() as u64 ^ (u64::from(std::process::id()) << 48);
    let names = (0..).map(|i| Path::new(RUNS).join(run_name(entropy.wrapping_add(i))));
    // The first free one of endlessly many.
    names.into_iter().find(|path| !path.exists()).unwrap_or_else(|| RUNS.into())
}

fn print_header(request: &Request, prepared: &Prepared, out: &Path, reporter: &Reporter) {
    let knobs = &request.knobs;
    let preset = request.preset.as_deref().unwrap_or("own settings");
    let task = &prepared.setup.task;
    reporter.print(&format!(
        "{preset}: model {}, task {}, density {}, seed {}",
        knobs.model, knobs.task, knobs.density, knobs.seed
    ));
    reporter.print(&format!("  {} training and {} validation examples", task.train.len(), task.validation.len()));
    if let Some(read) = &prepared.setup.provenance.model {
        reporter.print(&format!("  model   {}", read.line()));
    }
    let read = prepared.setup.provenance.data.as_ref().map_or_else(Vec::new, |read| read.lines());
    read.iter().for_each(|line| reporter.print(&format!("  data    {line}")));
    reporter.print(&format!("  device  {}", prepared.device));
    reporter.print(&format!("  folder  {}", out.display()));
}

impl ActiveRun {
    /// Runs to the end, and writes model and record.
    ///
    /// # Errors
    /// Whatever ends the run early; it can be resumed from its last checkpoint.
    fn finish(mut self, reporter: &mut Reporter) -> Result<Outcome, CliError> {
        let result = self.run_steps(reporter);
        reporter.clear_bar();
        if let Err(error) = &result
            && !error.is_user_abort()
        {
            let event = error.event(self.session.steps_made());
            // The disk may be what failed: the error itself is printed in any case.
            let _ = self.folder.append(&event);
            reporter.event(&event);
        }
        result
    }

    fn run_steps(&mut self, reporter: &mut Reporter) -> Result<Outcome, CliError> {
        let name = self.folder.root().file_name().unwrap_or_default().to_string_lossy().into_owned();
        reporter.begin(&name, self.session.steps_planned(), self.session.steps_made());
        while let Some(event) = pollster::block_on(self.session.step())? {
            self.record(event, reporter)?;
            let interrupted = interrupt::requested() && !self.session.has_pending_events();
            if interrupted || self.session.checkpoint_due() {
                self.save(reporter)?;
            }
            if interrupted {
                let root = self.folder.root();
                let (folder, command) = (root.display().to_string(), resume_command(root));
                return Err(CliError::Interrupted { step: self.session.steps_made(), folder, command });
            }
        }
        self.write_results(reporter)
    }

    fn record(&mut self, event: Event, reporter: &mut Reporter) -> Result<(), CliError> {
        self.folder.append(&event)?;
        self.log.observe(&event);
        reporter.event(&event);
        self.builder.observe(&event);
        Ok(())
    }

    fn save(&mut self, reporter: &mut Reporter) -> Result<(), CliError> {
        let snapshot = timed("checkpoint", || pollster::block_on(self.session.snapshot()))?;
        let step = snapshot.step;
        // The event goes first: a checkpoint without its event could not be resumed from.
        self.record(Event::Checkpoint { step, path: RunFolder::checkpoint_name(step) }, reporter)?;
        self.folder.save_checkpoint(step, &snapshot.bytes)
    }

    fn write_results(&mut self, reporter: &mut Reporter) -> Result<Outcome, CliError> {
        if self.options.write_model {
            let (root, model) = (self.folder.root(), exported(&self.session.compacted(), self.tokenizer.clone())?);
            let files = model.safetensors(Stored::F32)?;
            timed("files of the model", || write_files(&root.join("model"), &files))?;
            let knobs = Knobs { model: self.model.clone(), ..Knobs::clone(self.session.knobs()) };
            match adapter_files(self.session.student(), &self.dense, &knobs) {
                Ok(files) => write_files(&root.join(ADAPTER), &files)?,
                // A model that cannot be an adapter is no failure of the run.
                Err(ExportError::Form { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let path = self.folder.record_path();
        let record = std::mem::take(&mut self.builder).finish()?;
        let file = path.display().to_string();
        write_atomic(&path, record.to_json(&file)?.as_bytes())?;
        // The path is relative to the folder, so that the events of one seed are the same anywhere.
        self.folder.append(&Event::Done { record: "record.json".into() })?;
        if !self.options.write_model {
            self.folder.remove_checkpoints()?;
        }
        reporter.clear_bar();
        Ok(Outcome { record, path })
    }
}

/// A merged model with the files of its tokenizer, ready to be written in any form.
///
/// # Errors
/// Values that cannot be read back.
pub(crate) fn exported(model: &Transformer, tokenizer: TokenizerFile) -> Result<Model, CliError> {
    let weights = pollster::block_on(Weights::read(model))?;
    let TokenizerFile { json, max_length, settings } = tokenizer;
    Ok(Model { weights, tokenizer: json, max_length, settings })
}

/// The adapters of `student` as PEFT loads them onto the checkpoint that `knobs` name, whose sizes are `dense`.
///
/// # Errors
/// A model that lost units or has no adapters, weights that were trained themselves, values that cannot be read back.
pub(crate) fn adapter_files(
    student: &Transformer,
    dense: &ModelConfig,
    knobs: &Knobs,
) -> Result<Vec<File>, ExportError> {
    if knobs.train_base {
        let what = "the weights under the adapters were trained too, so these alone are not what was learned";
        return Err(ExportError::Form { form: "peft", what: what.into(), remedy: "export it with another --format" });
    }
    // Absolute, so that it is found from any folder; names that are none stay as they are.
    let found = std::fs::canonicalize(&knobs.model).map(|path| path.display().to_string());
    let name = ModelName::parse(&knobs.model).ok().filter(|_| found.is_err() && knobs.model.starts_with(PREFIX));
    let path = found.unwrap_or_else(|_| knobs.model.clone());
    let base = match &name {
        Some(name) => Base { name: &name.repo, revision: name.revision.as_deref() },
        None => Base::from(path.as_str()),
    };
    pollster::block_on(peft(student, dense, base))
}

/// Writes files into a folder of the run, in place of what an interrupted run left there.
fn write_files(path: &Path, files: &[File]) -> Result<(), CliError> {
    remove_folder(path)?;
    let files: Vec<(&str, &[u8])> = files.iter().map(|file| (file.name.as_str(), &file.bytes[..])).collect();
    write_folder(path, &files)
}
