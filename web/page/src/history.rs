//! The events of a run so far, in the form in which they are shown. Taking in an event costs the same however long the
//! run is.

use std::collections::BTreeMap;
use std::sync::Arc;

use apt_experiment::{
    AdapterInfo, Event, LayerSalience, MOST_RESERVED, ModelShape, Parameters, Phase, PruningPoint, Record,
    RecordBuilder, UnitExceptions, UnitSet,
};

use crate::stage::Outliers;

/// A run, rebuilt from its events.
#[derive(Clone, Debug, Default)]
pub struct History {
    builder: RecordBuilder,
    /// Counts before training.
    pub parameters: Option<Parameters>,
    /// Adapters before training.
    pub adapters: Vec<AdapterInfo>,
    /// Steps planned.
    pub steps: usize,
    /// The parts of the run and the steps at which they began.
    pub phases: Vec<(Phase, usize)>,
    /// Milliseconds of every training step, with the part it belonged to.
    pub times: Vec<StepTime>,
    /// The model before training and after every pruning point.
    pub frames: Vec<Frame>,
    /// Whether the run ended with its measures.
    pub done: bool,
    /// Whether an error ended the run: nothing is taken in any more.
    pub ended_by_error: bool,
    /// Seconds at the last event that has a time.
    clock: f64,
    scores: Option<Scores>,
}

/// How long a training step took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepTime {
    /// The step.
    pub step: usize,
    /// Its time, without evaluations.
    pub milliseconds: f64,
    /// The part of the run.
    pub phase: Option<Phase>,
}

/// What was left of the model at one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// After this step.
    pub step: usize,
    /// Density asked for.
    pub target_density: f64,
    /// Density left.
    pub density: f64,
    /// Whether what is not kept has been removed for good; else it is only masked.
    pub removed: bool,
    /// Heads kept per layer, by their number in the dense model.
    pub heads: Vec<Vec<usize>>,
    /// How many neurons are kept per layer.
    pub neurons: Vec<usize>,
    /// Which, by their number in the dense model; empty in a run of a version that did not say.
    pub kept_neurons: Vec<UnitSet>,
    /// Hidden dims kept, by their number in the dense model.
    pub hidden: Vec<usize>,
    /// Ranks by adapter.
    pub ranks: BTreeMap<String, usize>,
    /// The scores by which blocks were removed.
    pub scores: Option<Scores>,
    /// √kurtosis in them, at the first pruning point.
    pub outliers: Option<Arc<Outliers>>,
    /// Units that do not follow their rank, as far as the run says.
    pub exceptions: Option<UnitExceptions>,
}

/// Scores of the blocks that were there when they were taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    /// After this step.
    pub step: usize,
    /// Scores of heads and neurons per layer.
    pub layers: Vec<LayerSalience>,
    /// Scores of hidden dims.
    pub hidden: Vec<f64>,
    /// Which heads these are.
    pub of_heads: Vec<Vec<usize>>,
    /// Which neurons these are; empty in a run of a version that did not say.
    pub of_neurons: Vec<UnitSet>,
    /// Which hidden dims these are.
    pub of_hidden: Vec<usize>,
}

impl History {
    /// The history of a whole stream.
    #[must_use]
    pub fn of(events: &[Event]) -> Self {
        let mut history = Self::default();
        events.iter().for_each(|event| history.observe(event));
        history
    }

    /// Takes in one event, unless the run was ended by an error.
    pub fn observe(&mut self, event: &Event) {
        if let Event::Started { shape, parameters, adapters, steps, .. } = event {
            *self = Self {
                parameters: Some(*parameters),
                adapters: adapters.clone(),
                steps: *steps,
                times: Vec::with_capacity((*steps).min(MOST_RESERVED)),
                frames: vec![whole(shape, adapters)],
                ..Self::default()
            };
        }
        if self.ended_by_error {
            return;
        }
        self.builder.observe(event);
        match event {
            Event::Resumed { step } => self.forget_after(*step),
            Event::Phase { name, step, seconds } => {
                self.phases.push((*name, *step));
                self.clock = self.clock.max(*seconds);
            }
            Event::Step(point) => {
                let phase = self.phases.last().map(|(phase, _)| *phase);
                let milliseconds = (1000.0 * (point.seconds - self.clock)).max(0.0);
                self.times.push(StepTime { step: point.step, milliseconds, phase });
                self.clock = point.seconds;
            }
            Event::Evaluation(evaluation) => self.clock = self.clock.max(evaluation.seconds),
            Event::Salience { step, layers, hidden } => {
                self.scores = Some(self.scores_of(*step, layers.clone(), hidden.clone()));
            }
            Event::Grown(growth) => self.frame_at(growth.step).ranks.clone_from(&growth.ranks),
            Event::Pruned(point) => {
                self.clock = self.clock.max(point.seconds);
                self.pruned(point);
            }
            Event::Measured(_) => self.done = true,
            Event::Failed { .. } => self.ended_by_error = true,
            Event::Started { .. }
            | Event::Layout(_)
            | Event::Teacher(_)
            | Event::KnobChanged(_)
            | Event::Checkpoint { .. }
            | Event::Warning { .. }
            | Event::Done { .. } => {}
        }
    }

    /// The record as far as the run has come.
    #[must_use]
    pub fn record(&self) -> Option<&Record> {
        self.builder.so_far()
    }

    /// The record to keep: complete if the run is, else as far as the run has come.
    #[must_use]
    pub fn kept_record(&self) -> Option<Record> {
        let complete = if self.done { self.builder.clone().finish().ok() } else { None };
        complete.or_else(|| self.record().cloned())
    }

    /// Training steps made.
    #[must_use]
    pub fn step(&self) -> usize {
        self.record().and_then(|record| record.curve.last()).map_or(0, |point| point.step)
    }

    /// The part the run is in.
    #[must_use]
    pub fn phase(&self) -> Option<Phase> {
        self.phases.last().map(|(phase, _)| *phase)
    }

    /// Whether ranks were to grow, the run is over, and none ever did.
    #[must_use]
    pub fn ranks_never_grew(&self) -> bool {
        self.done && self.record().is_some_and(|record| record.config.ranks_change() && record.growths.is_empty())
    }

    /// Scores of what was there before the pruning point at `step`.
    fn scores_of(&self, step: usize, layers: Vec<LayerSalience>, hidden: Vec<f64>) -> Scores {
        // Ranks of the same point may have made a frame of it already.
        let before = self.frames.iter().rev().find(|frame| frame.step < step).or(self.frames.first());
        Scores {
            step,
            layers,
            hidden,
            of_heads: before.map(|frame| frame.heads.clone()).unwrap_or_default(),
            of_neurons: before.map(|frame| frame.kept_neurons.clone()).unwrap_or_default(),
            of_hidden: before.map(|frame| frame.hidden.clone()).unwrap_or_default(),
        }
    }

    fn pruned(&mut self, point: &PruningPoint) {
        let said = point.salience.as_ref().map(|salience| {
            let layers = salience.heads.lists().into_iter().zip(salience.neurons.lists());
            let layers = layers.map(|(heads, neurons)| LayerSalience { heads, neurons }).collect();
            self.scores_of(point.step, layers, salience.hidden.lists().concat())
        });
        let earlier = self.scores.take().filter(|scores| scores.step == point.step);
        let scores = said.or(earlier);
        let frame = self.frame_at(point.step);
        frame.target_density = point.target_density;
        frame.density = point.density;
        frame.removed = point.removed;
        frame.heads.clone_from(&point.kept_heads);
        frame.neurons.clone_from(&point.neurons);
        frame.kept_neurons.clone_from(&point.kept_neurons);
        frame.hidden.clone_from(&point.kept_hidden);
        frame.ranks.clone_from(&point.ranks);
        frame.scores = scores;
        frame.outliers = point.outliers.as_ref().map(|outliers| Arc::new(outliers.into()));
        frame.exceptions.clone_from(&point.exceptions);
    }

    /// The frame of this step: ranks grow and blocks leave at the same pruning point.
    fn frame_at(&mut self, step: usize) -> &mut Frame {
        if self.frames.len() < 2 || self.frames.last().is_none_or(|frame| frame.step != step) {
            let before = self.frames.last().cloned().unwrap_or_default();
            self.frames.push(Frame { step, scores: None, outliers: None, exceptions: None, ..before });
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    fn forget_after(&mut self, step: usize) {
        self.phases.retain(|(_, began)| *began <= step);
        self.times.retain(|time| time.step <= step);
        // The whole model stays, whatever its step.
        let mut first = true;
        self.frames.retain(|frame| std::mem::take(&mut first) || frame.step <= step);
        self.done = false;
        self.clock = self.record().and_then(|record| record.curve.last()).map_or(0.0, |point| point.seconds);
    }
}

fn whole(shape: &ModelShape, adapters: &[AdapterInfo]) -> Frame {
    Frame {
        step: 0,
        target_density: 1.0,
        density: 1.0,
        removed: true,
        heads: shape.heads.iter().map(|heads| (0..*heads).collect()).collect(),
        neurons: shape.neurons.clone(),
        kept_neurons: shape.neurons.iter().map(|neurons| (0..*neurons).collect::<Vec<_>>().into()).collect(),
        hidden: (0..shape.hidden).collect(),
        ranks: adapters.iter().map(|adapter| (adapter.name.clone(), adapter.rank)).collect(),
        scores: None,
        outliers: None,
        exceptions: None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use apt_experiment::{
        CurvePoint, Evaluation, Growth, Knobs, Problem, Provenance, Split, UnitOutliers, UnitSalience, UnitScores,
    };

    /// A run of `steps` steps on a model of two layers that is pruned once, in the middle.
    pub(crate) fn run(knobs: Knobs, steps: usize, grown: bool) -> Vec<Event> {
        let adapters = ["layers.0.query", "layers.1.up"].map(|name| AdapterInfo {
            name: name.to_owned(),
            inputs: 8,
            outputs: 8,
            rank: 2,
        });
        let mut events = vec![
            Event::Started {
                preset: Some("apt".to_owned()),
                config: Box::new(knobs),
                provenance: Box::new(Provenance::default()),
                shape: Box::new(ModelShape {
                    heads: vec![2, 2],
                    neurons: vec![4, 4],
                    hidden: 4,
                    head_size: 2,
                    wiring: None,
                }),
                parameters: Parameters { dense: 100, with_embeddings: 150, adapters: 64, trainable: 70 },
                adapters: adapters.to_vec(),
                steps,
                labels: Vec::new(),
                examples: Vec::new(),
            },
            Event::Phase { name: Phase::Pruning, step: 0, seconds: 0.0 },
        ];
        for step in 1..=steps {
            let seconds = step as f64 * 0.1;
            events.push(Event::Step(CurvePoint { step, loss: 1.0 / step as f64, seconds, ..CurvePoint::default() }));
            if step == steps / 2 {
                let ranks: BTreeMap<_, _> = [("layers.0.query".to_owned(), 4), ("layers.1.up".to_owned(), 2)].into();
                let neurons = vec![1.0, 4.0, 2.0, 3.0];
                let layer = |scores: [f64; 2]| LayerSalience { heads: scores.to_vec(), neurons: neurons.clone() };
                let layers = [layer([0.5, 2.0]), layer([1.0, 3.0])];
                let lists =
                    |pick: fn(&LayerSalience) -> &Vec<f64>| layers.iter().map(pick).cloned().collect::<Vec<_>>();
                let salience = UnitSalience {
                    heads: UnitScores::new(&lists(|layer| &layer.heads)),
                    neurons: UnitScores::new(&lists(|layer| &layer.neurons)),
                    hidden: UnitScores::new(&[vec![1.0, 2.0, 3.0, 4.0]]),
                };
                let mut outliers = UnitOutliers {
                    roots: UnitSalience {
                        heads: UnitScores::new(&[vec![0.5, 0.0], vec![0.0, 1.0]]),
                        neurons: UnitScores::new(&[vec![1.0; 4], vec![3.0; 4]]),
                        hidden: UnitScores::new(&[vec![0.0; 4]]),
                    },
                    ..UnitOutliers::default()
                };
                outliers.factors.heads = 0.5;
                if grown {
                    events.push(Event::Grown(Growth { step, ranks: ranks.clone(), ..Growth::default() }));
                }
                events.push(Event::Pruned(Box::new(PruningPoint {
                    step,
                    target_density: 0.5,
                    density: 0.48,
                    heads: vec![1, 2],
                    kept_heads: vec![vec![1], vec![0, 1]],
                    neurons: vec![2, 3],
                    hidden: 3,
                    kept_hidden: vec![1, 2, 3],
                    kept_neurons: vec![vec![1, 3].into(), vec![1, 2, 3].into()],
                    salience: Some(salience),
                    outliers: Some(outliers),
                    exceptions: Some(UnitExceptions {
                        by_floor: vec![vec![1].into(), UnitSet::default()],
                        ..UnitExceptions::default()
                    }),
                    kind_weights: None,
                    ranks,
                    removed: true,
                    seconds: seconds + 0.02,
                })));
                events.push(Event::Phase { name: Phase::Tuning, step, seconds: seconds + 0.02 });
            }
        }
        events.push(Event::Evaluation(Evaluation {
            step: steps,
            split: Split::Validation,
            metric: 0.75,
            metrics: BTreeMap::new(),
            examples: Vec::new(),
            seconds: 2.0,
        }));
        events.push(Event::Measured(Box::default()));
        events
    }

    #[test]
    fn a_pruning_point_with_growth_is_one_frame_with_the_scores_that_decided() {
        let history = History::of(&run(Knobs::default(), 10, true));
        assert_eq!(history.frames.len(), 2);
        let frame = &history.frames[1];
        assert_eq!((frame.step, frame.density, frame.ranks["layers.0.query"]), (5, 0.48, 4));
        let scores = frame.scores.as_ref().expect("scores came with the point");
        assert_eq!(scores.of_heads[0], [0, 1], "scores are of what was there before");
        assert_eq!(
            (scores.of_neurons[0].list(), frame.kept_neurons[0].list()),
            ([0, 1, 2, 3].as_slice(), [1, 3].as_slice())
        );
        assert_eq!((history.step(), history.phase()), (10, Some(Phase::Tuning)));
        assert!(!history.ranks_never_grew());
    }

    #[test]
    fn a_stream_whose_points_did_not_say_scores_nor_neurons_is_still_read() {
        let mut events = run(Knobs::default(), 10, true);
        let place = events.iter().position(|event| matches!(event, Event::Pruned(_))).expect("it prunes");
        if let Event::Pruned(point) = &mut events[place] {
            (point.salience, point.exceptions, point.kept_neurons) = (None, None, Vec::new());
        }
        let layer = LayerSalience { heads: vec![0.5, 2.0], neurons: vec![1.0; 4] };
        events.insert(place - 1, Event::Salience { step: 5, layers: vec![layer; 2], hidden: vec![1.0; 4] });
        let frame = History::of(&events).frames[1].clone();
        assert_eq!((frame.neurons.as_slice(), frame.kept_neurons.len()), ([2, 3].as_slice(), 0));
        assert_eq!(frame.scores.expect("scores came before the point").layers[1].heads, [0.5, 2.0]);
    }

    #[test]
    fn a_complete_run_gives_the_record_that_its_events_make() {
        let events = run(Knobs::default(), 10, true);
        assert_eq!(History::of(&events).kept_record(), RecordBuilder::from_events(&events).ok());
        let part = History::of(&events[..6]).kept_record().expect("it has begun");
        assert_eq!((part.curve.len(), part.measures.train.steps), (4, None));
    }

    #[test]
    fn a_step_is_timed_without_what_happened_before_it() {
        let history = History::of(&run(Knobs::default(), 10, true));
        let after = history.times.iter().find(|time| time.step == 6).expect("a time of each step");
        assert!((after.milliseconds - 80.0).abs() < 1e-6, "{} ms", after.milliseconds);
        assert_eq!(after.phase, Some(Phase::Tuning));
    }

    #[test]
    fn what_came_after_the_save_is_void() {
        let mut history = History::of(&run(Knobs::default(), 10, true));
        history.observe(&Event::Resumed { step: 3 });
        assert_eq!((history.step(), history.times.len(), history.frames.len()), (3, 3, 1));
        assert!(!history.done);
    }

    #[test]
    fn nothing_is_taken_in_after_a_failure() {
        let mut history = History::of(&run(Knobs::default(), 10, true)[..5]);
        let steps = history.step();
        history.observe(&Event::Failed { step: 4, problem: Problem::new("x", "x", "x") });
        history.observe(&Event::Step(CurvePoint { step: 9, ..CurvePoint::default() }));
        assert_eq!(history.step(), steps);
    }

    #[test]
    fn ranks_that_should_have_grown_are_noticed() {
        assert!(History::of(&run(Knobs::default(), 10, false)).ranks_never_grew());
        let mut still = Knobs::default();
        still.set("rank_growth", "static").expect("an arm");
        assert!(!History::of(&run(still, 10, false)).ranks_never_grew());
        // Ranks grow at pruning points, which there are without pruning too.
        let unpruned = apt_experiment::preset("apt-no-pruning").expect("a preset");
        assert!(!unpruned.prunes() && History::of(&run(unpruned, 10, false)).ranks_never_grew());
    }
}
