//! What a run has cost so far: seconds by phase, peaks of memory, density by step.

use crate::probe::Probe;
use apt_experiment::{Phase, TrainMeasure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The plain data of [`Costs`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct CostsState {
    phase: Option<Phase>,
    phase_seconds: BTreeMap<String, f64>,
    /// Seconds of training, evaluations included.
    seconds: f64,
    warmup_seconds: f64,
    /// Sum over the training steps of the density after each.
    density_sum: f64,
    peak_device: Option<u64>,
    peak_process: Option<u64>,
}

/// Measures time and memory of a run with the caller's [`Probe`].
pub(crate) struct Costs {
    probe: Box<dyn Probe>,
    state: CostsState,
    /// When the present phase was entered, on the probe's clock.
    entered: f64,
}

impl Costs {
    /// Nothing was spent yet.
    pub(crate) fn new(probe: Box<dyn Probe>) -> Self {
        probe.reset_peak();
        Self { probe, state: CostsState::default(), entered: 0.0 }
    }

    pub(crate) fn state(&self) -> &CostsState {
        &self.state
    }

    pub(crate) fn set_state(&mut self, state: CostsState) {
        self.state = state;
    }

    /// The probe's clock.
    pub(crate) fn now(&self) -> f64 {
        self.probe.seconds()
    }

    /// Time counts for `phase` from now on. Returns whether it is another one than before.
    pub(crate) fn enter(&mut self, phase: Phase) -> bool {
        self.restart_clock();
        self.state.phase.replace(phase) != Some(phase)
    }

    /// Time since the phase was entered counts for nothing.
    pub(crate) fn restart_clock(&mut self) {
        self.entered = self.now();
    }

    /// What was done since `began`, on the probe's clock, counts for nothing.
    pub(crate) fn leave_out_since(&mut self, began: f64) {
        self.entered += self.now() - began;
    }

    /// Adds the time since [`Self::enter`] to `phase`, and to training if the phase is part of it.
    pub(crate) fn leave(&mut self, phase: Phase) {
        let spent = self.now() - self.entered;
        *self.state.phase_seconds.entry(phase.name().into()).or_default() += spent;
        if !matches!(phase, Phase::Evaluating | Phase::Measuring) {
            self.state.seconds += spent;
        }
    }

    /// Adds to the time that passes before the first step.
    pub(crate) fn add_warmup(&mut self, seconds: f64) {
        self.state.warmup_seconds += seconds;
    }

    /// Seconds of training up to the present phase.
    pub(crate) fn seconds(&self) -> f64 {
        self.state.seconds
    }

    /// Seconds of training at this moment.
    pub(crate) fn elapsed(&self) -> f64 {
        self.state.seconds + self.now() - self.entered
    }

    /// After a training step that left the model at `density`: the device's peak of memory since the step before.
    pub(crate) fn add_step(&mut self, density: f64) -> Option<u64> {
        self.state.density_sum += density;
        let memory = self.probe.memory();
        self.probe.reset_peak();
        self.state.peak_device = self.state.peak_device.max(memory.device_peak);
        self.state.peak_process = self.state.peak_process.max(memory.process);
        memory.device_peak
    }

    /// The cost of `steps` training steps.
    pub(crate) fn measure(&self, steps: usize) -> TrainMeasure {
        let state = &self.state;
        TrainMeasure {
            seconds: Some(state.seconds),
            warmup_seconds: Some(state.warmup_seconds),
            steps: Some(steps),
            peak_device_bytes: state.peak_device,
            peak_process_bytes: state.peak_process,
            mean_density: (steps > 0).then(|| state.density_sum / steps as f64),
            phases: state.phase_seconds.clone(),
            ..TrainMeasure::default()
        }
    }
}
