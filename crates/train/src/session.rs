//! The state machine of a run: `Scoring → (Pruning → Distilling → Tuning) → Evaluating → Measuring`, one event at a time.

use crate::TrainError;
use crate::clock::Probe;
use crate::learner::Learner;
use crate::optimizer::AdamW;
use crate::setup::Setup;
use crate::teacher::Teacher;
use apt_core::arms::{Distillation, PruneSchedule, RankGrowth, Salience};
use apt_core::blocks::{Kept, ModelShape};
use apt_core::l0::Gates;
use apt_core::lr::LrSchedule;
use apt_core::masks::Masks;
use apt_core::salience::RunningMean;
use apt_core::schedule::{Timeline, TimelineConfig};
use apt_data::BatchPlan;
use apt_data::batch::lengths;
use apt_experiment::{AdapterInfo, Event, Keep, Knobs, Parameters, Phase};
use apt_nn::named::{self, Slot};
use apt_nn::{DeviceMasks, Transformer};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use std::collections::{BTreeMap, VecDeque};

/// Share of the early pruning window in which salience is only gathered.
const SALIENCE_WARMUP: f64 = 0.2;
/// Evaluations in a run when `eval_every` is 0.
const EVALUATIONS: usize = 25;
/// Checkpoints in a run when `checkpoint_every` is 0.
const CHECKPOINTS: usize = 10;

/// A run in progress.
pub struct Session {
    pub(crate) setup: Setup,
    pub(crate) probe: Box<dyn Probe>,
    pub(crate) device: Device,
    pub(crate) timeline: Timeline,
    pub(crate) lr: LrSchedule,
    pub(crate) plan: BatchPlan,
    pub(crate) dense_shape: ModelShape,
    pub(crate) adapter_parameters: usize,
    pub(crate) learner: Learner,
    pub(crate) slots: Vec<Slot>,
    pub(crate) optimizer: AdamW,
    pub(crate) teacher: Option<Teacher>,
    pub(crate) masks: Option<Masks>,
    pub(crate) state: State,
    /// Whether the student's frozen weights are corners of a teacher's larger ones.
    pub(crate) borrows: bool,
    /// The best weights since the last pruning point, if those are kept.
    pub(crate) best: Option<Best>,
    /// When the present stage began, on the probe's clock.
    pub(crate) began: f64,
    pending: VecDeque<Event>,
}

/// Trainable values at a step, and what they were worth.
pub(crate) struct Best {
    pub step: usize,
    pub metric: f64,
    pub values: Tensor<1>,
}

/// The part of a session that is plain data and goes into a checkpoint as it is.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct State {
    pub stage: Stage,
    /// Training steps made.
    pub step: usize,
    /// The dense model's blocks that are left.
    pub kept: Kept,
    pub scores: RunningMean,
    /// Running means of the adapters' importances, in the order of [`Transformer::adapters`].
    pub importance: Vec<f64>,
    /// How many values went into each since the last pruning point.
    pub importances_seen: u64,
    /// Running means of the importance of every adapter's components, where ranks are allotted.
    #[serde(default)]
    pub components: Vec<Vec<f64>>,
    /// The gates of learned masks.
    #[serde(default)]
    pub gates: Option<Gates>,
    pub phase: Option<Phase>,
    pub phase_seconds: BTreeMap<String, f64>,
    /// Seconds of training so far, evaluations included.
    pub seconds: f64,
    pub warmup_seconds: f64,
    pub density_sum: f64,
    pub last_validation: Option<f64>,
    pub peak_device: Option<u64>,
    pub peak_process: Option<u64>,
}

/// What [`Session::step`] does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Stage {
    Start,
    Score,
    Train,
    Evaluate,
    Measure,
    Over,
}

impl Session {
    /// Builds the model and lays the run out. Nothing is trained yet.
    ///
    /// # Errors
    /// Knobs that do not fit the task or the model; a checkpoint that cannot be read.
    pub fn new(setup: Setup, probe: Box<dyn Probe>) -> Result<Self, TrainError> {
        let knobs = &setup.knobs;
        setup.check_fit()?;
        let device = setup.device.clone().autodiff();
        let plan = BatchPlan::new(lengths(&setup.task.train), knobs.batch_size, knobs.seed);
        let total =
            knobs.steps.unwrap_or_else(|| (knobs.epochs * plan.steps_per_epoch() as f64).ceil().max(1.0) as usize);
        let timeline = Timeline::new(&TimelineConfig {
            total_steps: total,
            schedule: knobs.schedule,
            curve: knobs.curve,
            density: knobs.density,
            num_prunings: knobs.num_prunings,
            prune_fraction: knobs.prune_fraction,
            tuning_fraction: knobs.tuning_fraction,
            warmup_fraction: SALIENCE_WARMUP,
            distill_fraction: if knobs.distillation == Distillation::Off { 0.0 } else { knobs.distill_fraction },
            ranks_change: knobs.ranks_change(),
            learned_masks: knobs.salience == Salience::L0,
        })?;
        let dense_shape = setup.source.config.shape();
        let learner = setup.fresh_learner(&device, timeline.distill.is_some())?;
        let slots = named::slots(&learner);
        if slots.is_empty() {
            return Err(TrainError::Unfit {
                what: "nothing is trainable: no linear layer carries an adapter and the head is frozen; set adapters, \
                       train-base or freeze-head"
                    .into(),
            });
        }
        let adapters = learner.student.adapters();
        let state = State {
            stage: Stage::Start,
            step: 0,
            kept: Kept::all(&dense_shape),
            scores: RunningMean::new(knobs.beta, &dense_shape),
            importance: vec![0.0; adapters.len()],
            importances_seen: 0,
            components: match knobs.rank_growth {
                RankGrowth::Allocate => adapters.iter().map(|(_, a)| vec![0.0; a.rank()]).collect(),
                _ => Vec::new(),
            },
            gates: (knobs.salience == Salience::L0 && knobs.prunes()).then(|| Gates::new(&dense_shape)),
            phase: None,
            phase_seconds: BTreeMap::new(),
            seconds: 0.0,
            warmup_seconds: 0.0,
            density_sum: 0.0,
            last_validation: None,
            peak_device: None,
            peak_process: None,
        };
        let adapter_parameters = adapters.iter().map(|(_, a)| a.parameters()).sum();
        let optimizer = AdamW::new(&slots, knobs.weight_decay, &setup.device);
        let lr = lr_of(knobs, total);
        probe.forget_peak();
        Ok(Self {
            probe,
            device,
            timeline,
            lr,
            plan,
            dense_shape,
            adapter_parameters,
            learner,
            slots,
            optimizer,
            teacher: None,
            masks: None,
            state,
            borrows: false,
            best: None,
            began: 0.0,
            pending: VecDeque::new(),
            setup,
        })
    }

    /// Goes on until there is something to tell; `None` when the run is over.
    ///
    /// # Errors
    /// The run cannot go on; what the last checkpoint holds is unharmed.
    pub async fn step(&mut self) -> Result<Option<Event>, TrainError> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Ok(Some(event));
            }
            match self.state.stage {
                Stage::Start => self.start(),
                Stage::Score => self.timed(Phase::Scoring).await?,
                Stage::Train => self.timed_training().await?,
                Stage::Evaluate => self.timed(Phase::Evaluating).await?,
                Stage::Measure => self.timed(Phase::Measuring).await?,
                Stage::Over => return Ok(None),
            }
        }
    }

    /// Training steps made.
    pub fn steps_made(&self) -> usize {
        self.state.step
    }

    /// Training steps planned.
    pub fn steps_planned(&self) -> usize {
        self.timeline.total_steps
    }

    /// Steps between checkpoints, as asked for or chosen.
    pub fn checkpoint_interval(&self) -> usize {
        match self.setup.knobs.checkpoint_every {
            0 => (self.timeline.total_steps / CHECKPOINTS).max(1),
            n => n,
        }
    }

    /// The student as it is, adapters and all.
    pub fn student(&self) -> &Transformer {
        &self.learner.student
    }

    /// The teacher, while there is one.
    pub fn teacher(&self) -> Option<&Teacher> {
        self.teacher.as_ref()
    }

    /// The compacted, merged student without autodiff: what is exported.
    pub fn compacted(&self) -> Transformer {
        let student = match &self.masks {
            Some(masks) => apt_nn::compact::compact(&self.learner.student, &masks.kept()),
            None => self.learner.student.clone(),
        };
        student.valid().merge()
    }

    /// Whether a checkpoint should be written now: nothing is left to tell and the interval is over.
    pub fn checkpoint_due(&self) -> bool {
        let step = self.state.step;
        let interval = self.checkpoint_interval();
        self.state.stage == Stage::Train && step > 0 && self.pending.is_empty() && step.is_multiple_of(interval)
    }

    /// Whether nothing is left to tell, so that a snapshot taken now misses no event.
    pub fn is_settled(&self) -> bool {
        self.pending.is_empty()
    }

    pub(crate) fn tell(&mut self, event: Event) {
        self.pending.push_back(event);
    }

    fn start(&mut self) {
        let knobs = &self.setup.knobs;
        let shape = &self.dense_shape;
        let config = &self.setup.source.config;
        let adapters = self.learner.student.adapters();
        let dense = shape.parameters();
        let head = self.learner.student.config.head_parameters();
        let event = Event::Started {
            preset: self.setup.preset.clone(),
            config: Box::new(Knobs::from(knobs.clone())),
            provenance: Box::new(self.setup.provenance.clone()),
            shape: Box::new(apt_experiment::ModelShape {
                heads: shape.layers.iter().map(|l| l.heads).collect(),
                neurons: shape.layers.iter().map(|l| l.neurons).collect(),
                hidden: shape.hidden,
                head_size: shape.wiring.head_size,
            }),
            parameters: Parameters {
                dense: dense as u64,
                with_embeddings: (dense + config.embedding_parameters() + head) as u64,
                adapters: self.adapter_parameters as u64,
                trainable: self.slots.iter().map(Slot::len).sum::<usize>() as u64,
            },
            adapters: adapters
                .iter()
                .map(|(name, a)| AdapterInfo {
                    name: name.clone(),
                    inputs: a.a.dims()[0],
                    outputs: a.b.dims()[1],
                    rank: a.rank(),
                })
                .collect(),
            steps: self.timeline.total_steps,
            labels: self.setup.task.objective.labels().to_vec(),
        };
        let scores_first = knobs.schedule == PruneSchedule::OneShot && knobs.prunes();
        self.tell(event);
        self.state.stage = if scores_first { Stage::Score } else { Stage::Train };
    }

    async fn timed_training(&mut self) -> Result<(), TrainError> {
        let step = self.state.step;
        let total = self.timeline.total_steps;
        let phase = self.phase_of(step);
        self.enter(phase);
        if step == 0 {
            self.warm_up().await?;
            self.began = self.probe.seconds();
        }
        self.pruning_point().await?;
        if step < total {
            self.window_opens().await?;
            self.train_step().await?;
            let made = self.state.step;
            if made.is_multiple_of(self.eval_interval()) || made == total {
                let metric = self.evaluate_validation().await?;
                self.remember(metric);
                self.refresh_teacher();
            }
        } else {
            self.keep_best();
            self.state.stage = Stage::Evaluate;
        }
        self.state.seconds += self.leave(phase);
        Ok(())
    }

    async fn timed(&mut self, phase: Phase) -> Result<(), TrainError> {
        self.enter(phase);
        match phase {
            Phase::Scoring => {
                self.score_before_training().await?;
                self.state.stage = Stage::Train;
            }
            Phase::Evaluating => {
                self.evaluate_test().await?;
                self.state.stage = Stage::Measure;
            }
            _ => {
                let measures = self.measure().await?;
                self.tell(Event::Measured(Box::new(measures)));
                self.state.stage = Stage::Over;
            }
        }
        let spent = self.leave(phase);
        if phase == Phase::Scoring {
            self.state.seconds += spent;
        }
        Ok(())
    }

    /// Remembers the trainable values if none were better since the last pruning point.
    fn remember(&mut self, metric: f64) {
        let final_shape = self.timeline.points.last().is_none_or(|point| point.step < self.state.step);
        let better = self.best.as_ref().is_none_or(|best| best.metric < metric);
        if self.setup.knobs.keep == Keep::Best && final_shape && better {
            let step = self.state.step;
            self.best = named::values(&self.learner).map(|values| Best { step, metric, values });
        }
    }

    /// Goes back to the best weights, if some were better than the last.
    fn keep_best(&mut self) {
        if let Some(best) = &self.best {
            self.learner = named::with_values(self.learner.clone(), &best.values);
            self.state.last_validation = Some(best.metric);
        }
    }

    fn phase_of(&self, step: usize) -> Phase {
        let last_point = self.timeline.points.last().map_or(0, |p| p.step);
        if self.timeline.distill.as_ref().is_some_and(|d| d.contains(&step)) && self.teacher.is_some() {
            Phase::Distilling
        } else if step < last_point && self.setup.knobs.prunes() {
            Phase::Pruning
        } else {
            Phase::Tuning
        }
    }

    fn enter(&mut self, phase: Phase) {
        if self.state.phase != Some(phase) {
            self.state.phase = Some(phase);
            let event = Event::Phase { name: phase, step: self.state.step, seconds: self.state.seconds };
            self.tell(event);
        }
        self.began = self.probe.seconds();
    }

    /// Books the time since [`Self::enter`] and returns it.
    fn leave(&mut self, phase: Phase) -> f64 {
        let spent = self.probe.seconds() - self.began;
        *self.state.phase_seconds.entry(phase.name().into()).or_default() += spent;
        spent
    }

    /// Seconds of training at this moment.
    pub(crate) fn clocked(&self) -> f64 {
        self.state.seconds + self.probe.seconds() - self.began
    }

    fn eval_interval(&self) -> usize {
        match self.setup.knobs.eval_every {
            0 => (self.timeline.total_steps / EVALUATIONS).max(1),
            n => n,
        }
    }

    pub(crate) fn upload(&self, masks: &Masks, device: &Device, tracked: bool) -> DeviceMasks {
        let masks = DeviceMasks::new(masks, self.dense_shape.wiring, device, tracked);
        if self.setup.knobs.prune_hidden { masks } else { masks.without_hidden() }
    }
}

pub(crate) fn lr_of(knobs: &Knobs, total: usize) -> LrSchedule {
    LrSchedule::new(knobs.learning_rate, total, knobs.lr_warmup, knobs.lr_curve)
}
