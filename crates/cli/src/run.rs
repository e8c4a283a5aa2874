//! One run from its settings to its record: drives a session, and puts what it says where it belongs.

use crate::error::CliError;
use crate::folder::{self, RunFolder};
use crate::probe::DesktopProbe;
use crate::progress::Voice;
use crate::setup::{Prepared, prepare};
use crate::{interrupt, settings::Request};
use apt_experiment::{Event, Record, RecordBuilder, run_name};
use apt_nn::Transformer;
use apt_nn::checkpoint::{Precision, to_safetensors};
use apt_train::Session;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Where runs go that are given no folder.
const RUNS: &str = "runs";

/// A finished run.
pub struct Outcome {
    /// Its record.
    pub record: Record,
    /// Where that is.
    pub path: PathBuf,
}

/// How a run is made, beside what its settings say.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Runs this machine makes side by side, if that is known.
    pub jobs: Option<usize>,
    /// Whether the finished model is written and checkpoints stay; a study's cells leave their records alone.
    pub keeps_model: bool,
}

impl Default for Manner {
    fn default() -> Self {
        Self { jobs: None, keeps_model: true }
    }
}

/// A run in progress and where it is written.
pub struct Run {
    /// How it is made.
    pub manner: Manner,
    /// The run.
    pub session: Session,
    /// Its folder.
    pub folder: RunFolder,
    /// What it has said so far.
    pub builder: RecordBuilder,
    /// `tokenizer.json` of its model.
    pub tokenizer: Vec<u8>,
}

/// Makes the run that `request` asks for, in `out`.
///
/// # Errors
/// Whatever is wrong with the request (no folder is made then) or happens in the run.
pub fn start(request: &Request, out: &Path, manner: Manner, voice: &mut Voice) -> Result<Outcome, CliError> {
    folder::free(out)?;
    let prepared = prepare(&request.knobs, request.preset.as_deref(), manner.jobs)?;
    introduce(request, &prepared, out, voice);
    let Prepared { setup, tokenizer, .. } = prepared;
    let probe = Box::new(DesktopProbe::new(&setup.device));
    let session = Session::new(setup, probe)?;
    let folder = RunFolder::create(out, &request.knobs.to_toml())?;
    Run { manner, session, folder, builder: RecordBuilder::new(), tokenizer }.finish(voice)
}

/// A folder for a new run, of a name that is not taken.
pub fn new_folder() -> PathBuf {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let entropy = now.as_nanos() as u64 ^ (u64::from(std::process::id()) << 48);
    let names = (0..).map(|i| Path::new(RUNS).join(run_name(entropy.wrapping_add(i))));
    // The first free one of endlessly many.
    names.into_iter().find(|path| !path.exists()).unwrap_or_else(|| RUNS.into())
}

fn introduce(request: &Request, prepared: &Prepared, out: &Path, voice: &Voice) {
    let knobs = &request.knobs;
    let preset = request.preset.as_deref().unwrap_or("own settings");
    let task = &prepared.setup.task;
    voice.say(&format!(
        "{preset}: model {}, task {}, density {}, seed {}",
        knobs.model, knobs.task, knobs.density, knobs.seed
    ));
    voice.say(&format!("  {} training and {} validation examples", task.train.len(), task.validation.len()));
    voice.say(&format!("  on {}", prepared.device));
    voice.say(&format!("  into {}", out.display()));
}

impl Run {
    /// Goes on to the end, and writes model and record.
    ///
    /// # Errors
    /// Whatever ends the run early; it can be resumed from its last checkpoint.
    pub fn finish(mut self, voice: &mut Voice) -> Result<Outcome, CliError> {
        let done = self.drive(voice);
        voice.end_bar();
        if let Err(error) = &done
            && !error.is_wish()
        {
            let event = error.event(self.session.steps_made());
            // The disk may be what failed: the error itself is shown in any case.
            let _ = self.folder.append(&event);
            voice.tell(&event);
        }
        done
    }

    fn drive(&mut self, voice: &mut Voice) -> Result<Outcome, CliError> {
        let name = self.folder.root().file_name().unwrap_or_default().to_string_lossy().into_owned();
        voice.begin(&name, self.session.steps_planned(), self.session.steps_made());
        while let Some(event) = pollster::block_on(self.session.step())? {
            self.note(event, voice)?;
            let interrupted = interrupt::asked() && self.session.is_settled();
            if interrupted || self.session.checkpoint_due() {
                self.save(voice)?;
            }
            if interrupted {
                let folder = self.folder.root().display().to_string();
                return Err(CliError::Interrupted { step: self.session.steps_made(), folder });
            }
        }
        self.write_results(voice)
    }

    fn note(&mut self, event: Event, voice: &mut Voice) -> Result<(), CliError> {
        self.folder.append(&event)?;
        voice.tell(&event);
        self.builder.observe(&event);
        Ok(())
    }

    fn save(&mut self, voice: &mut Voice) -> Result<(), CliError> {
        let snapshot = pollster::block_on(self.session.snapshot())?;
        let step = snapshot.step;
        // The event goes first: a checkpoint without its event could not be resumed from.
        self.note(Event::Checkpoint { step, path: RunFolder::checkpoint_name(step) }, voice)?;
        self.folder.save_checkpoint(step, &snapshot.bytes)
    }

    fn write_results(&mut self, voice: &mut Voice) -> Result<Outcome, CliError> {
        if self.manner.keeps_model {
            let model = self.session.compacted();
            write_model(&self.folder.root().join("model"), &model, &self.tokenizer, Precision::F32)?;
        }
        let path = self.folder.record_path();
        let record = std::mem::take(&mut self.builder).finish()?;
        let file = path.display().to_string();
        folder::write_whole(&path, record.to_json(&file)?.as_bytes())?;
        // The stream names the record as the folder sees it, so that streams of one seed are the same anywhere.
        self.folder.append(&Event::Done { record: "record.json".into() })?;
        if !self.manner.keeps_model {
            self.folder.forget_checkpoints()?;
        }
        voice.end_bar();
        Ok(Outcome { record, path })
    }
}

/// Writes a model in the Hugging Face layout.
///
/// # Errors
/// Values that cannot be read back, or a folder that cannot be written.
pub fn write_model(path: &Path, model: &Transformer, tokenizer: &[u8], precision: Precision) -> Result<(), CliError> {
    let weights = pollster::block_on(to_safetensors(model, precision))?;
    let config = format!("{:#}\n", model.config.to_json());
    let files =
        [("config.json", config.as_bytes()), ("tokenizer.json", tokenizer), ("model.safetensors", &weights[..])];
    folder::write_folder(path, &files)
}
