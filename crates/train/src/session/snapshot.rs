//! Checkpoints of a run: everything that a session is, in one file that says when it is damaged.
//!
//! A line `apt-lab-checkpoint <version> <sha-256>`, then a safetensors file whose metadata holds the plain data. Frozen
//! weights are not in it: they are the dense model's, cut to the blocks that are left.

use super::window::PruningWindow;
use super::{Session, Stage};
use crate::TrainError;
use crate::costs::CostsState;
use crate::distiller::Distiller;
use crate::evaluator::EvaluatorState;
use crate::files::sha256;
use crate::learner::Learner;
use crate::probe::Probe;
use crate::pruner::PrunerState;
use crate::rank_allocator::RankAllocatorState;
use crate::setup::Setup;
use crate::teacher::Teacher;
use crate::train_state::ranks_of;
use apt_core::blocks::Kept;
use apt_core::problem::{Explain, Problem};
use apt_experiment::Knobs;
use apt_nn::{Transformer, compact, named};
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// Version of the format that this crate writes and reads.
pub const SNAPSHOT_VERSION: u32 = 4;
const MAGIC: &str = "apt-lab-checkpoint";
/// Where the plain data stands in the safetensors metadata.
const KEY: &str = "session";
/// Remedies.
const EARLIER: &str = "resume from an earlier one";
const OTHER_MODEL: &str = "model and checkpoint do not belong together: resume with the model it was made with";

/// A checkpoint's bytes and the step it was taken at.
pub struct Snapshot {
    /// Training steps made.
    pub step: usize,
    /// The file.
    pub bytes: Vec<u8>,
}

/// What a checkpoint holds, without a model being built.
pub struct Contents {
    /// Training steps made.
    pub step: usize,
    /// The run's settings.
    pub knobs: Knobs,
    /// Blocks of the dense model that are left.
    pub kept: Kept,
    /// Rank of every adapter, by name.
    pub ranks: BTreeMap<String, usize>,
    /// Whether there is a teacher in it.
    pub teacher: bool,
}

impl Snapshot {
    /// Reads what `bytes` hold and checks that they are whole; `file` names them in errors.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] when the bytes are damaged or of another version.
    pub fn contents(bytes: &[u8], file: &str) -> Result<Contents, TrainError> {
        let (saved, _) = parse(bytes, file)?;
        let Saved { knobs, step, pruner, ranks, teacher, .. } = saved;
        Ok(Contents { step, knobs, kept: pruner.kept, ranks, teacher: teacher.is_some() })
    }
}

/// The plain data of a session; tensors are beside it.
#[derive(Serialize, Deserialize)]
struct Saved {
    #[serde(deserialize_with = "apt_experiment::left_by_a_run")]
    knobs: Knobs,
    stage: Stage,
    step: usize,
    /// Which of the run's densities the steps lead to.
    #[serde(default)]
    leg: usize,
    window: PruningWindow,
    /// Rank of every adapter, by name.
    ranks: BTreeMap<String, usize>,
    /// Updates that the optimiser has made.
    updates: u64,
    pruner: PrunerState,
    rank_allocator: RankAllocatorState,
    evaluator: EvaluatorState,
    costs: CostsState,
    shares_teacher_weights: bool,
    teacher: Option<SavedTeacher>,
}

#[derive(Serialize, Deserialize)]
struct SavedTeacher {
    kept: Kept,
    hidden: Vec<usize>,
    metric: f64,
    shared: bool,
    ranks: BTreeMap<String, usize>,
}

impl Session {
    /// Everything needed to go on from here, bit for bit on the CPU. Take it when [`Session::checkpoint_due`] says so,
    /// or at any moment between two steps; events that are still pending are not in it.
    ///
    /// # Errors
    /// When values cannot be read back.
    pub async fn snapshot(&self) -> Result<Snapshot, TrainError> {
        let trainer = &self.trainer;
        let optimizer = trainer.trained.optimizer();
        let teacher = self.teacher();
        let saved = Saved {
            knobs: trainer.setup.knobs.clone().into(),
            stage: self.stage,
            step: trainer.step,
            leg: trainer.leg,
            window: trainer.window,
            ranks: trainer.trained.ranks(),
            updates: optimizer.updates,
            pruner: trainer.pruner.state().clone(),
            rank_allocator: trainer.ranks.state().clone(),
            evaluator: self.evaluator.state().clone(),
            costs: self.costs.state().clone(),
            shares_teacher_weights: trainer.distiller.shares_teacher_weights(),
            teacher: teacher.map(|t| SavedTeacher {
                kept: t.kept.clone(),
                hidden: t.hidden.clone(),
                metric: t.metric,
                shared: t.shared,
                ranks: ranks_of(&t.model),
            }),
        };
        let values = trainer.trained.values().unwrap_or_else(|| optimizer.first.clone());
        let mut tensors =
            vec![("values", values), ("first", optimizer.first.clone()), ("second", optimizer.second.clone())];
        // Without autodiff nothing counts as trainable, so the teacher's values are collected with it.
        let train_base = trainer.setup.knobs.train_base;
        let of_teacher = |t: &Teacher| named::values(&own_marked(t.model.clone().train(), train_base));
        if let Some(values) = teacher.and_then(of_teacher) {
            tensors.push(("teacher", values));
        }
        tensors.extend(self.evaluator.best_values().map(|values| ("best", values.clone())));
        let mut parts = Vec::new();
        for (name, tensor) in tensors {
            let values = apt_nn::checkpoint::read_back(tensor, name).await?;
            parts.push((name, values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()));
        }
        let fail = |why: &dyn std::fmt::Display| {
            TrainError::checkpoint("being written", format!("it cannot be written ({why})"), "report this as a fault")
        };
        let views = parts
            .iter()
            .map(|(name, bytes)| TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes).map(|view| (*name, view)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| fail(&e))?;
        let json = serde_json::to_string(&saved).map_err(|e| fail(&e))?;
        let body =
            safetensors::serialize(views, Some(HashMap::from([(KEY.to_string(), json)]))).map_err(|e| fail(&e))?;
        let mut bytes = format!("{MAGIC} {SNAPSHOT_VERSION} {}\n", sha256(&body)).into_bytes();
        bytes.extend(body);
        Ok(Snapshot { step: trainer.step, bytes })
    }

    /// Goes on from a checkpoint. `setup` must be the one the run was started with, or one that goes on to further densities
    /// from where that ends; `file` names the bytes in errors.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] when the bytes are damaged, of another version, or of another run.
    pub fn resume(setup: Setup, probe: Box<dyn Probe>, bytes: &[u8], file: &str) -> Result<Self, TrainError> {
        let (saved, tensors) = parse(bytes, file)?;
        same_settings(&saved.knobs, &setup.knobs, file)?;
        let mut session = Self::new(setup, probe)?;
        let trainer = &mut session.trainer;
        let device = trainer.setup.device.clone();
        saved.pruner.kept.validate(trainer.pruner.dense()).map_err(|e| {
            let Problem { what, place, .. } = e.problem();
            TrainError::checkpoint(file, format!("{place}: {what}"), OTHER_MODEL)
        })?;
        let compacted = trainer.trained.learner().compact(&saved.pruner.kept);
        let mut learner = with_ranks(compacted, &saved.ranks, file)?;
        let teacher = match saved.teacher {
            Some(saved) => {
                let distils = learner.transform.is_some();
                let base = trainer.setup.fresh_learner(&trainer.device, distils)?;
                let model = with_ranks(base.compact(&saved.kept), &saved.ranks, file)?.student;
                let model = own_marked(model, trainer.setup.knobs.train_base);
                let values = tensors.read("teacher", &named::slots(&model), &device)?;
                let model = named::with_values(model, &values).valid();
                if saved.shared {
                    compact::share(&mut learner.student, &model);
                }
                let SavedTeacher { kept, hidden, metric, shared, .. } = saved;
                Some(Teacher { model, kept, hidden, metric, shared })
            }
            None => None,
        };
        let slots = named::slots(&learner);
        let read = |name: &str| tensors.read(name, &slots, &device);
        let learner = named::with_values(learner, &read("values")?);
        let moments = [read("first")?, read("second")?];
        let best = if saved.evaluator.has_best() { Some(read("best")?) } else { None };
        // What was changed during the run stays changed.
        let (density, via) = (trainer.setup.knobs.density, trainer.setup.knobs.via.clone());
        trainer.set_knobs(Knobs { density, via, ..saved.knobs }.check()?);
        trainer.trained.restore(learner, moments, saved.updates, trainer.setup.knobs.weight_decay);
        trainer.set_window(saved.leg, saved.window)?;
        trainer.step = saved.step;
        trainer.pruner.set_state(saved.pruner);
        trainer.ranks.set_state(saved.rank_allocator);
        trainer.distiller = Distiller::restore(teacher, saved.shares_teacher_weights);
        session.evaluator.restore(saved.evaluator, best);
        session.costs.set_state(saved.costs);
        // What was the end of that run may be the end of a leg of this.
        let is_over = session.steps_made() == session.steps_planned();
        let ends = matches!(saved.stage, Stage::Evaluate | Stage::Measure | Stage::Over);
        session.stage = if ends && !is_over { Stage::Train } else { saved.stage };
        Ok(session)
    }
}

/// That a run with the settings `saved` may go on with those of `now`: all but what may change during a run is equal, and
/// `now` has at least the densities that are on the way of `saved`.
fn same_settings(saved: &Knobs, now: &Knobs, file: &str) -> Result<(), TrainError> {
    let goes_on = now.densities().starts_with(&saved.densities());
    let way = if goes_on { now } else { saved };
    // Whoever says nothing of shards has one.
    let shards = |knobs: &Knobs| knobs.shards.max(1);
    let saved = Knobs { density: way.density, via: way.via.clone(), shards: shards(saved), ..saved.clone() };
    let now = &Knobs { shards: shards(now), ..now.clone() };
    let changed: Vec<String> = apt_experiment::differences(&saved, now)
        .into_iter()
        .filter(|d| !apt_experiment::knob(d.knob).is_ok_and(|knob| knob.live))
        .map(|d| format!("{}: {} is now {}", d.knob, d.a, d.b))
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    let what = format!("it belongs to other settings ({})", changed.join(", "));
    Err(TrainError::checkpoint(file, what, "resume with those it was made with"))
}

/// A teacher with exactly what is its own marked as trainable: adapters and head, or all but the embeddings if the base
/// is trained. All else is the dense model's.
fn own_marked(model: Transformer, train_base: bool) -> Transformer {
    let own = |path: &str| path.contains("adapter") || path.starts_with("head.");
    named::set_trainable(model, &|path| own(path) || (train_base && !path.starts_with("embeddings.")))
}

/// The learner with every adapter at its rank in `ranks`; values are still to come.
fn with_ranks(mut learner: Learner, ranks: &BTreeMap<String, usize>, file: &str) -> Result<Learner, TrainError> {
    for (name, linear) in learner.student.linears_mut() {
        let Some(adapter) = &mut linear.adapter else { continue };
        let Some(&rank) = ranks.get(&name) else {
            return Err(TrainError::checkpoint(file, format!("it has no rank of adapter {name}"), OTHER_MODEL));
        };
        let extra = rank.saturating_sub(adapter.rank());
        if rank < adapter.rank() {
            *adapter = adapter.with_components(&(0..rank).collect::<Vec<_>>());
        } else if extra > 0 {
            let rows = Tensor::zeros([adapter.a.dims()[0], extra], &adapter.a.val().device());
            *adapter = adapter.grow(rows);
        }
    }
    Ok(learner)
}

/// The tensors of a checkpoint.
struct Tensors<'a> {
    tensors: SafeTensors<'a>,
    file: &'a str,
}

impl Tensors<'_> {
    /// The tensor `name`, `[Σ len]` of `slots`.
    fn read(&self, name: &str, slots: &[named::Slot], device: &Device) -> Result<Tensor<1>, TrainError> {
        let fail = |what: String, remedy| TrainError::checkpoint(self.file, format!("tensor `{name}` {what}"), remedy);
        let view = self.tensors.tensor(name).map_err(|e| fail(format!("cannot be read ({e})"), EARLIER))?;
        let values: Vec<f32> =
            view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let (found, wanted) = (values.len(), slots.iter().map(named::Slot::len).sum::<usize>());
        if found != wanted {
            return Err(fail(format!("has {found} values, the model {wanted}"), OTHER_MODEL));
        }
        Ok(Tensor::from_data(TensorData::new(values, [found]), device))
    }
}

fn parse<'a>(bytes: &'a [u8], file: &'a str) -> Result<(Saved, Tensors<'a>), TrainError> {
    let fail = |what: &str, remedy| TrainError::checkpoint(file, what, remedy);
    let foreign = || fail("it is not a checkpoint of this program", "name one that apt-lab has written");
    let end = bytes.iter().take(200).position(|&b| b == b'\n').ok_or_else(foreign)?;
    let line = std::str::from_utf8(&bytes[..end]).map_err(|_| foreign())?;
    let mut words = line.split(' ');
    if words.next() != Some(MAGIC) {
        return Err(foreign());
    }
    let version = words.next().unwrap_or_default();
    if version != SNAPSHOT_VERSION.to_string() {
        let what = format!("it has version {version}, this program reads {SNAPSHOT_VERSION}");
        return Err(fail(&what, "use the program it was made with"));
    }
    let body = &bytes[end + 1..];
    if words.next() != Some(sha256(body).as_str()) {
        return Err(fail("its checksum does not match: it is damaged or incomplete", EARLIER));
    }
    let damaged = |e: &dyn std::fmt::Display| fail(&format!("it cannot be read ({e})"), EARLIER);
    let (_, header) = SafeTensors::read_metadata(body).map_err(|e| damaged(&e))?;
    let json = header.metadata().as_ref().and_then(|m| m.get(KEY)).ok_or_else(|| damaged(&"it holds no session"))?;
    let saved = serde_json::from_str(json).map_err(|e| damaged(&e))?;
    let tensors = SafeTensors::deserialize(body).map_err(|e| damaged(&e))?;
    Ok((saved, Tensors { tensors, file }))
}
