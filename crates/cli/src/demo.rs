//! What happens without a command: the built-in model learns the built-in task twice, dense and pruned, and both are
//! laid side by side.

use crate::error::CliError;
use crate::folder;
use crate::progress::Voice;
use crate::run::{self, Manner, Outcome};
use crate::settings::{Request, apply_flags};
use apt_experiment::{Knobs, comparison_table, preset_entry, record_picture};
use clap::ArgMatches;
use serde_json::json;
use std::path::Path;

/// Trains both, compares, and writes `summary.json`.
///
/// # Errors
/// Whatever ends one of the runs.
pub fn compare(matches: &ArgMatches, out: &Path, voice: &mut Voice) -> Result<(), CliError> {
    let (lora, apt) = (dense(matches)?, pruned(matches)?);
    lora.knobs.check()?;
    apt.knobs.check()?;
    folder::free(out)?;
    introduce(&apt.knobs, out, voice);
    voice.say("\n1. Dense reference");
    let lora = run::start(&lora, &out.join("lora"), Manner::default(), voice)?;
    voice.say("\n2. APT");
    let reference = lora.record.measures.metric.validation.filter(|m| (0.0..=1.0).contains(m));
    let knobs = Knobs { reference_metric: apt.knobs.reference_metric.or(reference), ..apt.knobs };
    let apt = run::start(&Request { knobs, ..apt }, &out.join("apt"), Manner::default(), voice)?;
    let summary = write_summary(out, &lora, &apt)?;
    conclude(&lora, &apt, &summary, voice);
    if voice.is_json() {
        crate::commands::print_done(&summary);
    }
    Ok(())
}

/// The `lora` preset with the flags given, except what would make it less than dense.
fn dense(matches: &ArgMatches) -> Result<Request, CliError> {
    let preset = preset_entry("lora")?;
    let mut knobs = preset.knobs()?;
    apply_flags(&mut knobs, matches)?;
    for (name, text) in preset.overrides {
        knobs.set(name, text)?;
    }
    Ok(Request { knobs, preset: Some(preset.name.into()) })
}

fn pruned(matches: &ArgMatches) -> Result<Request, CliError> {
    let preset = preset_entry("apt")?;
    let mut knobs = preset.knobs()?;
    apply_flags(&mut knobs, matches)?;
    Ok(Request { knobs, preset: Some(preset.name.into()) })
}

fn introduce(knobs: &Knobs, out: &Path, voice: &Voice) {
    voice.say(&format!(
        "A pretrained transformer learns to judge short reviews, twice on the same examples for the same epochs:\n\
         dense with LoRA adapters, and with APT, which on the way removes heads, neurons and hidden dims until\n\
         {:.0} % of the parameters are left. Then both are compared. Runs go to {}; Ctrl-C saves and stops.",
        100.0 * knobs.density,
        out.display()
    ));
}

fn write_summary(out: &Path, lora: &Outcome, apt: &Outcome) -> Result<std::path::PathBuf, CliError> {
    let path = out.join("summary.json");
    let summary = json!({"lora": lora.path, "apt": apt.path});
    folder::write_whole(&path, format!("{summary:#}\n").as_bytes())?;
    Ok(path)
}

fn conclude(lora: &Outcome, apt: &Outcome, summary: &Path, voice: &Voice) {
    voice.say(&format!("\n{}", comparison_table(&[("lora", &lora.record), ("apt", &apt.record)])));
    voice.say(&format!("\nWhat APT left of the model:\n{}", record_picture(&apt.record)));
    voice.say(&format!(
        "records  {}\n         {}\nsummary  {}",
        lora.path.display(),
        apt.path.display(),
        summary.display()
    ));
}
