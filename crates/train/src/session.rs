//! The state machine of a run: `Scoring → (Pruning → Distilling → Tuning) → Evaluating → Measuring`, one event at a time.

mod live;
mod opening;
mod pass;
pub(crate) mod snapshot;
mod trainer;
mod weighing;
mod window;

use crate::TrainError;
use crate::costs::Costs;
use crate::evaluate::Scores;
use crate::evaluator::{Evaluator, eval_interval};
use crate::head::{head_misfit, pooling_note};
use crate::measure::measure;
use crate::probe::Probe;
use crate::setup::{Setup, pooling_of};
use crate::teacher::Teacher;
use crate::team::Team;
use apt_core::arms::{Distillation, PruneSchedule};
use apt_experiment::{AdapterInfo, Evaluation, Event, Keep, Knobs, Parameters, Phase, Split, TeacherUpdate};
use apt_nn::Transformer;
use burn::module::Module;
use std::collections::VecDeque;
use trainer::Trainer;

/// Checkpoints in a leg of a run when `checkpoint_every` is 0.
const CHECKPOINTS: usize = 10;

/// A run in progress.
pub struct Session {
    trainer: Trainer,
    evaluator: Evaluator,
    costs: Costs,
    stage: Stage,
    /// Events that [`Session::step`] has not returned yet.
    pending: VecDeque<Event>,
}

/// What [`Session::step`] does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum Stage {
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
        setup.check_fit()?;
        let evaluator = Evaluator::new(setup.task.objective.deciding_metric());
        Ok(Self {
            trainer: Trainer::new(setup)?,
            evaluator,
            costs: Costs::new(probe),
            stage: Stage::Start,
            pending: VecDeque::new(),
        })
    }

    /// Goes on until there is an event; `None` when the run is over.
    ///
    /// Where nothing [is pending](Self::has_pending_events), the call that returns [`Event::Step`] makes exactly that
    /// training step, with the evaluation after it if one is due: a clock around it times the step.
    ///
    /// # Errors
    /// The run cannot go on; what the last checkpoint holds is unharmed.
    pub async fn step(&mut self) -> Result<Option<Event>, TrainError> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Ok(Some(event));
            }
            if self.stage != Stage::Over && !self.turn().await? {
                self.stage = Stage::Over;
            }
            match self.stage {
                Stage::Start => self.start(),
                Stage::Score => self.score().await?,
                Stage::Train => self.train().await?,
                Stage::Evaluate => self.evaluate_test().await?,
                Stage::Measure => self.measure().await?,
                Stage::Over => return Ok(None),
            }
        }
    }

    /// Makes the run together with others from its next step on: it computes the shards `own` of every batch, of as many as
    /// the knob `shards` says, and the team the rest. Every member must be at the same point of the same run.
    pub fn join(&mut self, own: Vec<usize>, team: Team) {
        self.trainer.shards.join(own, team);
    }

    /// In a team, waits for the turn to go on; whether there is one.
    async fn turn(&mut self) -> Result<bool, TrainError> {
        let Some(team) = &mut self.trainer.shards.team else { return Ok(true) };
        let Some(changes) = team.turn().await else { return Ok(false) };
        for (knob, value) in changes {
            self.set_knob(&knob, &value)?;
        }
        Ok(true)
    }

    /// Says so if another member's shards are computed here since the last time.
    fn tell_of_shards(&mut self) {
        if let Some(message) = self.trainer.shards.take_news() {
            self.emit(Event::Warning { message });
        }
    }

    /// Training steps made.
    pub fn steps_made(&self) -> usize {
        self.trainer.step
    }

    /// Training steps planned.
    pub fn steps_planned(&self) -> usize {
        self.trainer.steps_planned()
    }

    /// Steps between checkpoints, as asked for or chosen.
    pub fn checkpoint_interval(&self) -> usize {
        match self.trainer.setup.knobs.checkpoint_every {
            0 => (self.trainer.leg_steps / CHECKPOINTS).max(1),
            n => n,
        }
    }

    /// The student as it is, adapters and all.
    pub fn student(&self) -> &Transformer {
        self.trainer.trained.student()
    }

    /// The teacher, while there is one.
    pub fn teacher(&self) -> Option<&Teacher> {
        self.trainer.distiller.teacher()
    }

    /// The compacted, merged student without autodiff: what is exported.
    pub fn compacted(&self) -> Transformer {
        self.trainer.pruner.compact(self.student()).valid().merge()
    }

    /// Whether a checkpoint should be written now: no event is pending and the interval is over.
    pub fn checkpoint_due(&self) -> bool {
        let step = self.steps_made();
        let interval = self.checkpoint_interval();
        self.stage == Stage::Train && step > 0 && self.pending.is_empty() && step.is_multiple_of(interval)
    }

    /// Whether events wait to be returned by [`Self::step`]; if not, a snapshot taken now misses none.
    pub fn has_pending_events(&self) -> bool {
        !self.pending.is_empty()
    }

    fn emit(&mut self, event: Event) {
        self.pending.push_back(event);
    }

    fn enter(&mut self, phase: Phase) {
        if self.costs.enter(phase) {
            let event = Event::Phase { name: phase, step: self.steps_made(), seconds: self.costs.seconds() };
            self.emit(event);
        }
    }

    fn start(&mut self) {
        let Setup { knobs, source, preset, provenance, task, watched, .. } = &self.trainer.setup;
        let trained = &self.trainer.trained;
        let shape = self.trainer.pruner.dense();
        let dense = shape.parameters();
        let others = source.config.embedding_parameters() + trained.student().config.head_parameters();
        let adapter = |(name, a): (String, &apt_nn::Adapter)| AdapterInfo {
            name,
            inputs: a.a.dims()[0],
            outputs: a.b.dims()[1],
            rank: a.rank(),
        };
        let event = Event::Started {
            preset: preset.clone(),
            config: Box::new(Knobs::from(knobs.clone())),
            provenance: Box::new(provenance.clone()),
            shape: Box::new(apt_experiment::ModelShape {
                heads: shape.layers.iter().map(|l| l.heads).collect(),
                neurons: shape.layers.iter().map(|l| l.neurons).collect(),
                hidden: shape.hidden,
                head_size: shape.wiring.head_size,
                wiring: source.config.decoder.is_some().then_some(shape.wiring),
            }),
            parameters: Parameters {
                dense: dense as u64,
                with_embeddings: (dense + others) as u64,
                adapters: self.trainer.ranks.first_parameters() as u64,
                trainable: trained.trainable() as u64,
            },
            adapters: trained.adapters().into_iter().map(adapter).collect(),
            steps: self.steps_planned(),
            labels: task.objective.labels().to_vec(),
            examples: watched.clone(),
        };
        let scores_first = knobs.schedule == PruneSchedule::OneShot && knobs.prunes();
        self.stage = if scores_first { Stage::Score } else { Stage::Train };
        let misfit = head_misfit(&source.config, &task.objective, pooling_of(knobs));
        let note = pooling_note(&trained.student().config);
        self.emit(event);
        if let Some(layout) = self.trainer.known_layout() {
            self.emit(Event::Layout(Box::new(layout)));
        }
        let knobs = &self.trainer.setup.knobs;
        if knobs.schedule == PruneSchedule::OneShot && knobs.prunes() && knobs.distillation != Distillation::Off {
            let message = "one_shot removes blocks before anything is learned: there is no earlier self to distil, and no \
                           teacher in this run";
            self.emit(Event::Warning { message: message.to_owned() });
        }
        if let Some(misfit) = misfit {
            self.emit(Event::Warning { message: format!("{misfit}: a new head is trained") });
        }
        if let Some(message) = note {
            self.emit(Event::Warning { message });
        }
    }

    async fn score(&mut self) -> Result<(), TrainError> {
        self.enter(Phase::Scoring);
        self.trainer.score_before_training().await?;
        self.costs.leave(Phase::Scoring);
        self.stage = Stage::Train;
        Ok(())
    }

    /// A pruning point if there is one here, then a training step, then an evaluation if one is due; of a decoder, an
    /// evaluation alone before the first step.
    async fn train(&mut self) -> Result<(), TrainError> {
        let step = self.steps_made();
        let total = self.steps_planned();
        if step == self.trainer.timeline.ends && step < total {
            self.begin_leg()?;
        }
        let phase = self.trainer.phase();
        self.enter(phase);
        // A decoder knows its task before it is trained: what it is worth then, cut already under one_shot, is worth knowing.
        let looks_first = self.trainer.setup.task.objective.predicts_tokens() && self.evaluator.validation().is_none();
        if step == 0 && (looks_first || !self.trainer.setup.task.objective.predicts_tokens()) {
            let began = self.costs.now();
            self.trainer.warm_up().await?;
            self.costs.add_warmup(self.costs.now() - began);
            self.costs.restart_clock();
        }
        self.pruning_point().await?;
        if step == 0 && looks_first {
            self.evaluate(Split::Validation).await?;
        } else if step < total {
            self.decay_window().await?;
            let point = self.trainer.train_step(&mut self.costs).await?;
            let laid_out = self.trainer.watch_loss(point.task_loss)?;
            self.emit(Event::Step(point));
            self.tell_of_shards();
            self.pending.extend(laid_out);
            let made = self.steps_made();
            let interval = eval_interval(self.trainer.setup.knobs.eval_every, self.trainer.leg_steps);
            let of_leg = made - self.trainer.timeline.begins;
            if of_leg.is_multiple_of(interval) || of_leg == self.trainer.leg_steps {
                self.evaluate(Split::Validation).await?;
                if self.trainer.setup.knobs.keep == Keep::Best && self.trainer.has_final_shape() {
                    self.evaluator.keep_if_best(made, &self.trainer.trained);
                }
            }
            if self.trainer.timeline.distill.as_ref().is_some_and(|steps| steps.end == made) {
                self.trainer.distiller.drop_teacher(&mut self.trainer.trained);
            }
        } else {
            self.evaluator.restore_best(&mut self.trainer.trained);
            self.stage = Stage::Evaluate;
        }
        self.costs.leave(phase);
        Ok(())
    }

    /// The density of a leg is reached and tuned: the weights that did best go on to the next.
    fn begin_leg(&mut self) -> Result<(), TrainError> {
        self.evaluator.take_best(&mut self.trainer.trained);
        self.trainer.begin_leg()?;
        let layout = self.trainer.known_layout().map(|layout| Event::Layout(Box::new(layout)));
        self.pending.extend(layout);
        Ok(())
    }

    /// If a pruning point lies before this step: blocks are removed and ranks change.
    async fn pruning_point(&mut self) -> Result<(), TrainError> {
        let point = self.trainer.timeline.point_at(self.steps_made());
        let Some((index, point)) = point.map(|(index, point)| (index, point.clone())) else { return Ok(()) };
        if self.trainer.timeline.prunes(index) && !point.has_window() {
            self.trainer.weigh_kinds(point.density).await?;
        }
        let events = self.trainer.prune(index, &point, self.costs.seconds())?;
        self.pending.extend(events);
        Ok(())
    }

    /// If a decay window begins at this step: blocks get masks, and the student becomes the teacher if it is fit to be one.
    async fn decay_window(&mut self) -> Result<(), TrainError> {
        let step = self.steps_made();
        let window = self.trainer.timeline.window_at(step).filter(|(_, window)| window.window_start == step);
        if let Some((index, density)) = window.map(|(index, window)| (index, window.density)) {
            self.appoint_teacher(index == 0).await?;
            if !self.trainer.timeline.prunes(index) {
                return Ok(());
            }
            self.trainer.weigh_kinds(density).await?;
            let shape = self.trainer.trained.shape();
            self.trainer.pruner.begin_decay(&self.trainer.setup.knobs, &shape);
        }
        Ok(())
    }

    /// At the start of a decay window the student becomes the teacher: at the first, and later if it has become better and
    /// has still every block that the teacher has (METHOD §6.2).
    async fn appoint_teacher(&mut self, first: bool) -> Result<(), TrainError> {
        let Trainer { setup, timeline, pruner, .. } = &self.trainer;
        let distils = setup.knobs.distillation != Distillation::Off && timeline.distill.is_some();
        let best = self.teacher().map(|teacher| (teacher.metric, teacher.kept == *pruner.kept()));
        // Learned masks keep the teacher they began with: what they make of the student still changes.
        let refreshes = best.is_some_and(|(_, whole)| whole) && !pruner.learns_masks();
        if distils && (first && best.is_none() || refreshes) {
            self.evaluate(Split::Validation).await?;
            let metric = self.evaluator.validation().unwrap_or_default();
            if best.is_none_or(|(best, _)| self.evaluator.is_better(metric, best)) {
                self.set_teacher(metric);
            }
        }
        Ok(())
    }

    fn set_teacher(&mut self, metric: f64) {
        let Trainer { setup, distiller, trained, pruner, step, .. } = &mut self.trainer;
        let shared = setup.knobs.distillation == Distillation::Shared;
        distiller.set_teacher(trained, pruner.kept(), metric, shared);
        let step = *step;
        self.emit(Event::Teacher(TeacherUpdate { step, metric }));
    }

    async fn evaluate(&mut self, split: Split) -> Result<(), TrainError> {
        self.evaluate_with(split, true).await
    }

    /// Evaluates, by all members of a team if `together`.
    async fn evaluate_with(&mut self, split: Split, together: bool) -> Result<(), TrainError> {
        let scores = self.trainer.evaluate(split, together).await?;
        self.evaluator.record(split, &scores);
        let seconds = match split {
            Split::Validation => self.costs.elapsed(),
            Split::Test => self.costs.seconds(),
        };
        let examples = match split {
            Split::Validation => {
                let began = self.costs.now();
                let answers = self.trainer.answers(&scores.outputs).await?;
                self.costs.leave_out_since(began);
                answers
            }
            Split::Test => Vec::new(),
        };
        let step = self.steps_made();
        let Scores { metric, all: metrics, undefined, .. } = scores;
        self.emit(Event::Evaluation(Evaluation { step, split, metric, metrics, examples, seconds }));
        if !undefined.is_empty() {
            let names = undefined.join(" and ");
            let reason = "fewer than two different answers or targets";
            self.emit(Event::Warning { message: format!("step {step}: {names} not defined ({reason}), counted as 0") });
        }
        self.tell_of_shards();
        Ok(())
    }

    async fn evaluate_test(&mut self) -> Result<(), TrainError> {
        self.enter(Phase::Evaluating);
        if self.trainer.setup.task.test.is_some() {
            self.evaluate(Split::Test).await?;
        }
        self.costs.leave(Phase::Evaluating);
        self.stage = Stage::Measure;
        Ok(())
    }

    async fn measure(&mut self) -> Result<(), TrainError> {
        if matches!(self.trainer.shards.team, Some(Team::Member(_))) {
            self.stage = Stage::Over;
            return Ok(());
        }
        self.enter(Phase::Measuring);
        let (setup, steps) = (&self.trainer.setup, self.steps_made());
        let measures = measure(setup, &self.compacted(), &self.evaluator, &self.costs, steps).await?;
        self.emit(Event::Measured(Box::new(measures)));
        self.costs.leave(Phase::Measuring);
        self.stage = Stage::Over;
        Ok(())
    }
}
