//! From parsed arguments to knobs. Later ones override earlier ones: defaults, preset, configuration file, flags.

use crate::args::PAPER_SCHEDULE_FLAG;
use crate::error::CliError;
use apt_experiment::{CheckedKnobs, KNOBS, Knobs, PAPER_SCHEDULE, preset_entry};
use clap::ArgMatches;
use std::path::{Path, PathBuf};

/// The experiment that the arguments describe.
pub(crate) struct Request {
    /// The settings.
    pub knobs: CheckedKnobs,
    /// The preset they started from.
    pub preset: Option<String>,
}

/// The experiment that `run`'s arguments describe.
///
/// # Errors
/// An unknown preset, an unreadable configuration, a value out of range, settings that contradict each other.
pub(crate) fn request(matches: &ArgMatches) -> Result<Request, CliError> {
    let config = matches.get_one::<PathBuf>("config");
    let named = matches.get_one::<String>("preset").map(String::as_str);
    // A configuration file alone is an experiment of its own; nothing at all is APT.
    let preset = named.or(if config.is_none() { Some("apt") } else { None }).map(preset_entry).transpose()?;
    let mut knobs = preset.map_or_else(|| Ok(Knobs::default()), apt_experiment::Preset::knobs)?;
    if let Some(file) = config {
        apply_file(&mut knobs, file)?;
    }
    apply_flags(&mut knobs, matches)?;
    Ok(Request { knobs: knobs.check()?, preset: preset.map(|p| p.name.to_owned()) })
}

/// Sets every knob that is a flag on the command line.
///
/// # Errors
/// A value of the wrong type or out of range.
pub(crate) fn apply_flags(knobs: &mut Knobs, matches: &ArgMatches) -> Result<(), CliError> {
    for (name, text) in paper_schedule(matches) {
        knobs.set(name, text)?;
    }
    for knob in KNOBS.iter() {
        // A command that does not know the knob has no such argument.
        if let Ok(Some(text)) = matches.try_get_one::<String>(knob.name) {
            knob.set(knobs, text)?;
        }
    }
    Ok(())
}

/// The knobs that `--paper-schedule` sets, if it is given; flags of their own win over it.
pub(crate) fn paper_schedule(matches: &ArgMatches) -> &'static [(&'static str, &'static str)] {
    // A command that does not know the flag has no such argument.
    let given = matches.try_get_one::<bool>(PAPER_SCHEDULE_FLAG).ok().flatten().copied().unwrap_or_default();
    if given { PAPER_SCHEDULE } else { &[] }
}

/// Sets every knob that a TOML or JSON file names.
///
/// # Errors
/// A file that cannot be read, or whatever is wrong in it, with its line.
pub(crate) fn apply_file(knobs: &mut Knobs, file: &Path) -> Result<(), CliError> {
    let (text, name) = (read_text(file)?, file.display().to_string());
    if is_json(file) {
        knobs.apply_json(&text, &name)?;
    } else {
        knobs.apply_toml(&text, &name)?;
    }
    Ok(())
}

/// A TOML or JSON file.
///
/// # Errors
/// A file that cannot be read or is not text.
pub(crate) fn read_text(file: &Path) -> Result<String, CliError> {
    let bytes = std::fs::read(file).map_err(|e| CliError::reading(file, e))?;
    tracing::info!("read {}, {} bytes", file.display(), bytes.len());
    let not_text = |_| CliError::at(file, "this is not text in UTF-8", "give a TOML or JSON file");
    String::from_utf8(bytes).map_err(not_text)
}

/// Whether the file's name ends in `.json`.
pub(crate) fn is_json(file: &Path) -> bool {
    file.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"))
}
