//! A run that goes on to a lower density from where another one ended.

use super::folder::{EVENTS, RunFolder, events};
use super::resume::{newest_resume_point, resume};
use super::{Outcome, RunOptions, start};
use crate::error::CliError;
use crate::files::ensure_empty;
use crate::reporter::Reporter;
use crate::settings::Request;
use crate::setup::Places;
use apt_experiment::{Event, Knobs};
use std::path::Path;

/// Makes the run that `request` describes in the folder `out`, without repeating what the run in `from` has done, which is
/// the same to its end: its events and its newest checkpoint are the new run's. Where it has no checkpoint, or whatever
/// stops this half-way, the run begins anew, and its record is the same.
///
/// # Errors
/// As [`start`] and [`resume`].
pub(crate) fn go_on(
    from: &Path,
    out: &Path,
    request: &Request,
    options: RunOptions,
    reporter: &mut Reporter,
) -> Result<Outcome, CliError> {
    ensure_empty(out)?;
    let events = events(from)?;
    let Some(point) = newest_resume_point(from, &events, reporter)? else {
        return start(request, out, options, reporter);
    };
    let mut folder = RunFolder::create(out, &Places::whole_in(&request.knobs).to_toml())?;
    for logged in events.iter().filter(|logged| logged.end <= point.end) {
        match &logged.event {
            Event::Started { .. } => folder.append(&begun(&logged.event, &request.knobs))?,
            event => folder.append(event)?,
        }
    }
    folder.save_checkpoint(point.step, &point.bytes)?;
    // The resumed run locks it.
    drop(folder);
    tracing::info!("{} begins with {} and {}", out.display(), from.join(EVENTS).display(), point.path.display());
    resume(out, options, reporter)
}

/// The beginning of a run, as that of one with the densities of `knobs`.
fn begun(started: &Event, knobs: &Knobs) -> Event {
    let mut event = started.clone();
    if let Event::Started { config, steps, .. } = &mut event {
        *steps = *steps / config.densities().len() * knobs.densities().len();
        (config.density, config.via) = (knobs.density, knobs.via.clone());
    }
    event
}
