//! A record, rebuilt from nothing but the events of its run.

use std::collections::{BTreeMap, BTreeSet};

use super::format::{LOSS, Measures, NamedMetric, RECORD_SCHEMA, Record, Split};
use super::read::RecordError;
use super::step_seconds::StepSeconds;
use crate::event::{Event, Phase};

/// No room is kept for more steps than this: how many there are to be is only what a file says.
pub const MOST_RESERVED: usize = 100_000;

/// Collects events and becomes a [`Record`].
#[derive(Clone, Debug, Default)]
pub struct RecordBuilder {
    record: Option<Box<Record>>,
    phases: Vec<(Phase, f64)>,
    measured: bool,
}

impl RecordBuilder {
    /// An empty builder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The record of a whole stream.
    ///
    /// # Errors
    /// As [`RecordBuilder::finish`].
    pub fn from_events<'a>(events: impl IntoIterator<Item = &'a Event>) -> Result<Record, RecordError> {
        let mut builder = Self::new();
        events.into_iter().for_each(|event| builder.observe(event));
        builder.finish()
    }

    /// Takes in one event. Whatever comes before `started` is ignored.
    pub fn observe(&mut self, event: &Event) {
        if let Event::Started { preset, config, provenance, shape, labels, examples, steps, .. } = event {
            self.record = Some(Box::new(Record {
                schema: RECORD_SCHEMA.to_owned(),
                preset: preset.clone(),
                config: (**config).clone(),
                provenance: (**provenance).clone(),
                shape: (**shape).clone(),
                labels: labels.clone(),
                examples: examples.clone(),
                // A list that grows by doubling leaves its earlier places behind, and WebAssembly gives no memory back.
                curve: Vec::with_capacity((*steps).min(MOST_RESERVED)),
                evaluations: Vec::new(),
                layout: None,
                pruning_points: Vec::new(),
                growths: Vec::new(),
                teachers: Vec::new(),
                changes: Vec::new(),
                warnings: Vec::new(),
                measures: Measures::default(),
            }));
            self.phases.clear();
            self.measured = false;
        }
        let Some(record) = &mut self.record else {
            return;
        };
        match event {
            Event::Resumed { step } => forget_after(record, *step),
            Event::Phase { name, seconds, .. } => self.phases.push((*name, *seconds)),
            Event::Step(point) => record.curve.push(point.clone()),
            Event::Evaluation(evaluation) => record.evaluations.push(evaluation.clone()),
            Event::Layout(layout) => record.layout = Some((**layout).clone()),
            Event::Pruned(point) => record.pruning_points.push((**point).clone()),
            Event::Grown(growth) => record.growths.push(growth.clone()),
            Event::Teacher(teacher) => record.teachers.push(teacher.clone()),
            Event::KnobChanged(change) => record.changes.push(change.clone()),
            Event::Warning { message } => record.warnings.push(message.clone()),
            Event::Measured(measures) => {
                record.measures = (**measures).clone();
                self.measured = true;
            }
            Event::Started { .. }
            | Event::Salience { .. }
            | Event::Checkpoint { .. }
            | Event::Failed { .. }
            | Event::Done { .. } => {}
        }
    }

    /// The record as far as the run has come: for charts while it runs, or after it has failed.
    #[must_use]
    pub fn so_far(&self) -> Option<&Record> {
        self.record.as_deref()
    }

    /// The record, with what the measures leave open filled in from the stream: steps, mean density, metrics beside the
    /// one that decides, seconds per phase and, where the configuration names a reference metric or the run is dense, time to target.
    ///
    /// # Errors
    /// [`RecordError::Incomplete`] if the stream lacks its `started` or its `measured` event.
    pub fn finish(self) -> Result<Record, RecordError> {
        let missing = if self.record.is_none() { "started" } else { "measured" };
        let Some(mut record) = self.record.filter(|_| self.measured) else {
            return Err(RecordError::Incomplete { missing });
        };
        let step_seconds = StepSeconds::of(&record);
        let train = &mut record.measures.train;
        train.step_seconds = train.step_seconds.or(step_seconds);
        train.steps = train.steps.or(record.curve.last().map(|point| point.step));
        if train.mean_density.is_none() && !record.curve.is_empty() {
            let sum: f64 = record.curve.iter().map(|point| point.density).sum();
            train.mean_density = Some(sum / record.curve.len() as f64);
        }
        if train.phases.is_empty() {
            let ends = self.phases.iter().skip(1).map(|(_, seconds)| Some(*seconds)).chain([train.seconds]);
            for ((phase, start), end) in self.phases.iter().zip(ends) {
                // A phase after training (such as measuring) has no known end and is left out.
                if let Some(end) = end.filter(|end| end >= start) {
                    *train.phases.entry(phase.name().to_owned()).or_default() += end - start;
                }
            }
        }
        if record.measures.metric.others.is_empty() {
            record.measures.metric.others = other_metrics(&record);
        }
        // A dense run is its own reference.
        let own = record.measures.metric.validation.filter(|_| !record.config.prunes());
        let reference = record.config.reference_metric.or(own);
        if let (None, Some(reference)) = (record.measures.train.steps_to_target, reference) {
            record.set_reference(reference);
        }
        Ok(*record)
    }
}

/// The metrics beside the one that decides, from the evaluations of the weights that were measured, by name.
fn other_metrics(record: &Record) -> Vec<NamedMetric> {
    let metric = &record.measures.metric;
    let of = |split| record.evaluations.iter().rev().filter(move |evaluation| evaluation.split == split);
    let measured = of(Split::Validation).find(|evaluation| metric.step.is_none_or(|step| evaluation.step == step));
    let (validation, test) = (measured.map(|of| &of.metrics), of(Split::Test).next().map(|of| &of.metrics));
    let names: BTreeSet<&String> = [validation, test].into_iter().flatten().flat_map(BTreeMap::keys).collect();
    let value = |of: Option<&BTreeMap<String, f64>>, name| of.and_then(|metrics| metrics.get(name)).copied();
    let others = names.into_iter().filter(|name| **name != metric.name && *name != LOSS);
    others
        .map(|name| NamedMetric { name: name.clone(), validation: value(validation, name), test: value(test, name) })
        .collect()
}

/// A resumed run repeats what came after its checkpoint.
fn forget_after(record: &mut Record, step: usize) {
    record.curve.retain(|point| point.step <= step);
    record.evaluations.retain(|evaluation| evaluation.step <= step);
    record.layout.take_if(|layout| layout.step > step);
    record.pruning_points.retain(|point| point.step <= step);
    record.growths.retain(|growth| growth.step <= step);
    record.teachers.retain(|teacher| teacher.step <= step);
    record.changes.retain(|change| change.step <= step);
}
