//! `--log`: what the program does, with the seconds since it began, on standard error. Libraries of the engine are heard
//! too: on a GPU they say which adapter they found and why something failed.

use crate::error::CliError;
use apt_experiment::{Event, Phase};
use std::path::Path;
use std::time::Instant;
use tracing::level_filters::LevelFilter;
use tracing::{debug, error, info, trace, warn};
use tracing_subscriber::fmt::time::uptime;

/// What `--log` takes.
pub(crate) const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// Begins to log whatever is at least as important as `most`, one of [`LEVELS`].
///
/// # Errors
/// Something logs already.
pub(crate) fn begin(most: &str) -> Result<(), CliError> {
    let level = most.parse::<LevelFilter>().unwrap_or(LevelFilter::INFO);
    let subscriber = tracing_subscriber::fmt().with_max_level(level).with_timer(uptime()).with_ansi(false);
    let failed = |why: String| CliError::at(Path::new("--log"), why, "leave it out, and report this as a fault");
    subscriber.with_writer(std::io::stderr).try_init().map_err(|e| failed(e.to_string()))?;
    log::set_logger(&Engine).map_err(|e| failed(e.to_string()))?;
    log::set_max_level(most.parse().unwrap_or(log::LevelFilter::Info));
    Ok(())
}

/// What libraries log, which know only the crate `log`. Its own bridge would change features that Burn is built with.
struct Engine;

impl log::Log for Engine {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let (of, words) = (record.target(), record.args());
        match record.level() {
            log::Level::Error => error!(target: "engine", "{of}: {words}"),
            log::Level::Warn => warn!(target: "engine", "{of}: {words}"),
            log::Level::Info => info!(target: "engine", "{of}: {words}"),
            log::Level::Debug => debug!(target: "engine", "{of}: {words}"),
            log::Level::Trace => trace!(target: "engine", "{of}: {words}"),
        }
    }

    fn flush(&self) {}
}

/// Whether anything is logged.
pub(crate) fn is_on() -> bool {
    LevelFilter::current() != LevelFilter::OFF
}

/// Does `work` and logs how long it took.
pub(crate) fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = work();
    info!("{what}: {:.3} s", began.elapsed().as_secs_f64());
    done
}

/// Logs the events of a run, with the time that each of its phases took.
#[derive(Default)]
pub(crate) struct EventLog {
    /// The phase that goes on, and when it began.
    phase: Option<(Phase, Instant)>,
}

impl EventLog {
    /// Logs one event.
    pub(crate) fn observe(&mut self, event: &Event) {
        match event {
            Event::Started { shape, parameters, adapters, steps, labels, .. } => {
                info!(
                    "model: {} hidden dims, heads {:?} of {} dims, neurons {:?}, {} parameters in the layers, {} trainable",
                    shape.hidden, shape.heads, shape.head_size, shape.neurons, parameters.dense, parameters.trainable
                );
                info!("{steps} steps, {} adapters, {} classes", adapters.len(), labels.len());
                adapters.iter().for_each(|a| debug!("adapter {}: {} × {} × {}", a.name, a.inputs, a.rank, a.outputs));
            }
            Event::Phase { name, step, .. } => {
                self.end_phase();
                info!("{} begins at step {step}", name.name());
                self.phase = Some((*name, Instant::now()));
            }
            Event::Layout(layout) => info!("step {}: {}", layout.step, layout.sentence()),
            Event::Pruned(point) => info!(
                "step {}: density {:.4} of {:.4} asked for; heads {:?}, neurons {:?}, {} hidden dims left",
                point.step, point.density, point.target_density, point.heads, point.neurons, point.hidden
            ),
            Event::Grown(growth) => info!("step {}: ranks grow: {:?}", growth.step, growth.ranks),
            Event::Teacher(update) => {
                info!("step {}: the student becomes the teacher, {:.4}", update.step, update.metric)
            }
            Event::Step(point) => debug!("step {}: loss {:.5}, {:.3} s", point.step, point.loss, point.seconds),
            Event::Evaluation(e) => info!("step {}: {:?} {:.4}", e.step, e.split, e.metric),
            Event::Checkpoint { step, path } => info!("step {step}: checkpoint {path}"),
            Event::Warning { message } => warn!("{message}"),
            Event::Measured(_) => self.end_phase(),
            Event::Resumed { step } => info!("resumed after step {step}"),
            Event::Salience { .. } | Event::KnobChanged(_) | Event::Failed { .. } | Event::Done { .. } => {}
        }
    }

    fn end_phase(&mut self) {
        if let Some((phase, began)) = self.phase.take() {
            info!("{}: {:.3} s", phase.name(), began.elapsed().as_secs_f64());
        }
    }
}
