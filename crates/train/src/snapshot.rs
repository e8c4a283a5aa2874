//! Checkpoints of a run: everything that a session is, in one file that says when it is damaged.
//!
//! A line `apt-lab-checkpoint <version> <sha-256>`, then a safetensors file whose metadata holds the plain data. Frozen
//! weights are not in it: they are the dense model's, cut to the blocks that are left.

use crate::TrainError;
use crate::clock::Probe;
use crate::files::sha256;
use crate::learner::Learner;
use crate::session::{Best, Session, State};
use crate::setup::Setup;
use crate::teacher::Teacher;
use apt_core::blocks::Kept;
use apt_core::masks::Masks;
use apt_experiment::Knobs;
use apt_nn::{Transformer, compact, named};
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Version of the format that this crate writes and reads.
pub const SNAPSHOT_VERSION: u32 = 2;
const MAGIC: &str = "apt-lab-checkpoint";
/// Where the plain data stands in the safetensors metadata.
const KEY: &str = "session";

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
    /// Rank of every adapter, in the order of [`apt_nn::Transformer::adapters`].
    pub ranks: Vec<usize>,
    /// Whether there is a teacher in it.
    pub teacher: bool,
}

impl Snapshot {
    /// Reads what `bytes` hold and checks that they are whole; `file` names them in errors.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] when the bytes are damaged or of another version.
    pub fn contents(bytes: &[u8], file: &str) -> Result<Contents, TrainError> {
        let (plain, _) = parse(bytes).map_err(|what| TrainError::Checkpoint { place: file.into(), what })?;
        let Plain { knobs, state, ranks, teacher, .. } = plain;
        Ok(Contents { step: state.step, knobs, kept: state.kept, ranks, teacher: teacher.is_some() })
    }
}

#[derive(Serialize, Deserialize)]
struct Plain {
    knobs: Knobs,
    state: State,
    ranks: Vec<usize>,
    updates: u64,
    masks: Option<Masks>,
    borrows: bool,
    teacher: Option<PlainTeacher>,
    /// Step and metric of the best weights.
    best: Option<(usize, f64)>,
}

#[derive(Serialize, Deserialize)]
struct PlainTeacher {
    kept: Kept,
    hidden: Vec<usize>,
    metric: f64,
    shared: bool,
    ranks: Vec<usize>,
}

impl Session {
    /// Everything needed to go on from here, bit for bit on the CPU. Take it when [`Session::checkpoint_due`] says so,
    /// or at any moment between two steps; events not yet given out are not in it.
    ///
    /// # Errors
    /// When values cannot be read back.
    pub async fn snapshot(&self) -> Result<Snapshot, TrainError> {
        let ranks = |model: &Transformer| model.adapters().iter().map(|(_, a)| a.rank()).collect();
        let plain = Plain {
            knobs: self.setup.knobs.clone().into(),
            state: self.state.clone(),
            ranks: ranks(&self.learner.student),
            updates: self.optimizer.updates,
            masks: self.masks.clone(),
            borrows: self.borrows,
            teacher: self.teacher.as_ref().map(|t| PlainTeacher {
                kept: t.kept.clone(),
                hidden: t.hidden.clone(),
                metric: t.metric,
                shared: t.shared,
                ranks: ranks(&t.model),
            }),
            best: self.best.as_ref().map(|best| (best.step, best.metric)),
        };
        let values = named::values(&self.learner).unwrap_or_else(|| self.optimizer.first.clone());
        let mut tensors = vec![
            ("values", values),
            ("first", self.optimizer.first.clone()),
            ("second", self.optimizer.second.clone()),
        ];
        // Without autodiff nothing counts as trainable, so the teacher is looked at with it.
        let train_base = self.setup.knobs.train_base;
        let of_teacher = |t: &Teacher| named::values(&own_marked(t.model.clone().train(), train_base));
        if let Some(values) = self.teacher.as_ref().and_then(of_teacher) {
            tensors.push(("teacher", values));
        }
        tensors.extend(self.best.as_ref().map(|best| ("best", best.values.clone())));
        let mut parts = Vec::new();
        for (name, tensor) in tensors {
            let values = apt_nn::checkpoint::read_back(tensor, name).await?;
            parts.push((name, values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()));
        }
        let fail = |what: String| TrainError::Checkpoint { place: "being written".into(), what };
        let views = parts
            .iter()
            .map(|(name, bytes)| TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes).map(|view| (*name, view)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| fail(e.to_string()))?;
        let json = serde_json::to_string(&plain).map_err(|e| fail(e.to_string()))?;
        let body = safetensors::serialize(views, Some(HashMap::from([(KEY.to_string(), json)])))
            .map_err(|e| fail(e.to_string()))?;
        let mut bytes = format!("{MAGIC} {SNAPSHOT_VERSION} {}\n", sha256(&body)).into_bytes();
        bytes.extend(body);
        Ok(Snapshot { step: self.state.step, bytes })
    }

    /// Goes on from a checkpoint. `setup` must be the one the run was started with; `file` names the bytes in errors.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] when the bytes are damaged, of another version, or of another run.
    pub fn resume(setup: Setup, probe: Box<dyn Probe>, bytes: &[u8], file: &str) -> Result<Self, TrainError> {
        let fail = |what: String| TrainError::Checkpoint { place: file.into(), what };
        let (plain, tensors) = parse(bytes).map_err(&fail)?;
        let changed: Vec<String> = apt_experiment::differences(&plain.knobs, &setup.knobs)
            .into_iter()
            // What may be turned during a run may have been.
            .filter(|d| !apt_experiment::knob(d.knob).is_ok_and(|knob| knob.live))
            .map(|d| format!("{}: {} is now {}", d.knob, d.a, d.b))
            .collect();
        if !changed.is_empty() {
            return Err(fail(format!(
                "it belongs to other settings ({}); resume with those it was made with",
                changed.join(", ")
            )));
        }
        let mut session = Self::new(setup, probe)?;
        let dense = &session.dense_shape;
        plain.state.kept.validate(dense).map_err(|e| fail(e.to_string()))?;
        let distils = session.learner.transform.is_some();
        let mut learner = with_ranks(session.learner.compact(&plain.state.kept), &plain.ranks);
        if let Some(saved) = &plain.teacher {
            let device = session.setup.device.clone();
            let base = session.setup.fresh_learner(&session.device, distils)?;
            let model = with_ranks(base.compact(&saved.kept), &saved.ranks).student;
            let model = own_marked(model, session.setup.knobs.train_base);
            let values = flat(&tensors, "teacher", &device).map_err(&fail)?;
            fits(&named::slots(&model), &values, "teacher").map_err(&fail)?;
            let model = named::with_values(model, &values).valid();
            if saved.shared {
                compact::share(&mut learner.student, &model);
            }
            session.teacher = Some(Teacher {
                model,
                kept: saved.kept.clone(),
                hidden: saved.hidden.clone(),
                metric: saved.metric,
                shared: saved.shared,
            });
        }
        let device = session.setup.device.clone();
        let slots = named::slots(&learner);
        let read = |name: &str| -> Result<Tensor<1>, TrainError> {
            let values = flat(&tensors, name, &device).map_err(&fail)?;
            fits(&slots, &values, name).map_err(&fail)?;
            Ok(values)
        };
        session.learner = named::with_values(learner, &read("values")?);
        // What was changed during the run stays changed.
        session.adopt(plain.knobs.check()?);
        let weight_decay = session.setup.knobs.weight_decay;
        session.optimizer = session.optimizer.carried(read("first")?, read("second")?, &slots, weight_decay);
        session.optimizer.updates = plain.updates;
        if let Some((step, metric)) = plain.best {
            session.best = Some(Best { step, metric, values: read("best")? });
        }
        session.slots = slots;
        session.masks = plain.masks;
        session.borrows = plain.borrows;
        session.state = plain.state;
        Ok(session)
    }
}

/// A teacher with exactly what is its own marked as trainable: adapters and head, or all but the embeddings if the base
/// is trained. All else is the dense model's.
fn own_marked(model: Transformer, train_base: bool) -> Transformer {
    let own = |path: &str| path.contains("adapter") || path.starts_with("head.");
    named::set_trainable(model, &|path| own(path) || (train_base && !path.starts_with("embeddings.")))
}

/// The learner with every adapter at its rank in `ranks`; values are still to come.
fn with_ranks(mut learner: Learner, ranks: &[usize]) -> Learner {
    let adapters = learner.student.linears_mut().into_iter().filter_map(|(_, l)| l.adapter.as_mut());
    for (adapter, &rank) in adapters.zip(ranks) {
        let extra = rank.saturating_sub(adapter.rank());
        if rank < adapter.rank() {
            *adapter = adapter.with_components(&(0..rank).collect::<Vec<_>>());
        } else if extra > 0 {
            let rows = Tensor::zeros([adapter.a.dims()[0], extra], &adapter.a.val().device());
            *adapter = adapter.grow(rows);
        }
    }
    learner
}

fn parse(bytes: &[u8]) -> Result<(Plain, SafeTensors<'_>), String> {
    let end = bytes.iter().take(200).position(|&b| b == b'\n').ok_or("it is not a checkpoint of this program")?;
    let line = std::str::from_utf8(&bytes[..end]).map_err(|_| "it is not a checkpoint of this program")?;
    let mut words = line.split(' ');
    if words.next() != Some(MAGIC) {
        return Err("it is not a checkpoint of this program".into());
    }
    let version = words.next().unwrap_or_default();
    if version != SNAPSHOT_VERSION.to_string() {
        return Err(format!(
            "it has version {version}, this program reads {SNAPSHOT_VERSION}; use the program it was made with"
        ));
    }
    let body = &bytes[end + 1..];
    if words.next() != Some(sha256(body).as_str()) {
        return Err("its checksum does not match: it is damaged or incomplete; resume from an earlier one".into());
    }
    let damaged = |e: &dyn std::fmt::Display| format!("it cannot be read ({e}); resume from an earlier one");
    let (_, header) = SafeTensors::read_metadata(body).map_err(|e| damaged(&e))?;
    let json = header.metadata().as_ref().and_then(|m| m.get(KEY)).ok_or("it holds no session")?;
    let plain = serde_json::from_str(json).map_err(|e| damaged(&e))?;
    Ok((plain, SafeTensors::deserialize(body).map_err(|e| damaged(&e))?))
}

fn flat(tensors: &SafeTensors<'_>, name: &str, device: &Device) -> Result<Tensor<1>, String> {
    let view = tensors.tensor(name).map_err(|e| format!("tensor `{name}`: {e}"))?;
    let values: Vec<f32> = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let n = values.len();
    Ok(Tensor::from_data(TensorData::new(values, [n]), device))
}

fn fits(slots: &[named::Slot], values: &Tensor<1>, name: &str) -> Result<(), String> {
    let wanted: usize = slots.iter().map(named::Slot::len).sum();
    let [found] = values.dims();
    if wanted == found {
        return Ok(());
    }
    Err(format!("tensor `{name}` has {found} values, the model {wanted}; model and checkpoint do not belong together"))
}
