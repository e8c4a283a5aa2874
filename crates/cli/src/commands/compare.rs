//! Without a command: the built-in model is trained on the built-in task twice, dense with LoRA and pruned with APT, and
//! both are compared.

use crate::error::CliError;
use crate::files::{ensure_empty, write_atomic};
use crate::reporter::Reporter;
use crate::run::{self, Outcome, RunOptions};
use crate::settings::{Request, apply_flags};
use apt_experiment::{Knobs, preset_entry};
use apt_report::{comparison_table, record_picture};
use clap::ArgMatches;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Trains both, compares, and writes `summary.json`.
///
/// # Errors
/// Whatever ends one of the runs.
pub(super) fn compare(matches: &ArgMatches, reporter: &mut Reporter) -> Result<(), CliError> {
    let out = matches.get_one::<PathBuf>("out").cloned().unwrap_or_else(run::new_folder);
    let (lora, apt) = (lora_request(matches)?, apt_request(matches)?);
    ensure_empty(&out)?;
    print_introduction(&apt.knobs, &out, reporter);
    reporter.print("\n1. LoRA, dense: the reference");
    let lora = run::start(&lora, &out.join("lora"), RunOptions::default(), reporter)?;
    reporter.print("\n2. APT, pruned");
    let reference = lora.record.measures.metric.validation.filter(|m| (0.0..=1.0).contains(m));
    let reference_metric = apt.knobs.reference_metric.or(reference);
    let knobs = Knobs { reference_metric, ..Knobs::from(apt.knobs) }.check()?;
    let apt = run::start(&Request { knobs, preset: apt.preset }, &out.join("apt"), RunOptions::default(), reporter)?;
    let summary = write_summary(&out, &lora, &apt)?;
    print_comparison(&lora, &apt, &summary, reporter);
    reporter.done(&summary);
    Ok(())
}

/// The `lora` preset with the flags given, except those that would make it less than dense.
fn lora_request(matches: &ArgMatches) -> Result<Request, CliError> {
    let preset = preset_entry("lora")?;
    let mut knobs = preset.knobs()?;
    apply_flags(&mut knobs, matches)?;
    for (name, text) in preset.overrides {
        knobs.set(name, text)?;
    }
    knobs.via = None;
    Ok(Request { knobs: knobs.check()?, preset: Some(preset.name.into()) })
}

fn apt_request(matches: &ArgMatches) -> Result<Request, CliError> {
    let preset = preset_entry("apt")?;
    let mut knobs = preset.knobs()?;
    apply_flags(&mut knobs, matches)?;
    Ok(Request { knobs: knobs.check()?, preset: Some(preset.name.into()) })
}

fn print_introduction(knobs: &Knobs, out: &Path, reporter: &Reporter) {
    reporter.print(&format!(
        "A pretrained transformer is trained twice, on the same examples for the same number of epochs: dense with LoRA\n\
         adapters, and with APT, which removes heads, neurons and hidden dims during training until {:.0} % of the\n\
         parameters are left. Then both are compared. Runs are written to {}. Ctrl-C saves and stops.",
        100.0 * knobs.density,
        out.display()
    ));
}

fn write_summary(out: &Path, lora: &Outcome, apt: &Outcome) -> Result<PathBuf, CliError> {
    let path = out.join("summary.json");
    let summary = json!({"lora": lora.path, "apt": apt.path});
    write_atomic(&path, format!("{summary:#}\n").as_bytes())?;
    Ok(path)
}

fn print_comparison(lora: &Outcome, apt: &Outcome, summary: &Path, reporter: &Reporter) {
    reporter.print(&format!("\n{}", comparison_table(&[("lora", &lora.record), ("apt", &apt.record)])));
    reporter.print(&format!("\nWhat APT kept of the model:\n{}", record_picture(&apt.record)));
    reporter.print(&format!(
        "records  {}\n         {}\nsummary  {}",
        lora.path.display(),
        apt.path.display(),
        summary.display()
    ));
}
