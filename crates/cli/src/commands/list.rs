//! The commands that list: knobs, presets, devices, the schema of configuration files.

use crate::device;
use crate::error::CliError;
use crate::hub;
use crate::reporter::print_stdout;
use apt_experiment::{GALLERY, GalleryModel, PRESETS, Preset};
use apt_train::device::{OpCheck, OpenDevice, self_test};
use serde_json::{Value, json};

/// `knobs`.
pub(super) fn knobs(as_json: bool) {
    print_stdout(&if as_json { format!("{:#}", apt_experiment::table_json()) } else { apt_experiment::table() });
}

/// `models`.
pub(super) fn models(as_json: bool) {
    let cached = hub::cached(GALLERY.iter().map(|model| model.name));
    let rows = || GALLERY.iter().zip(&cached);
    if as_json {
        let entry = |(model, cached): (&GalleryModel, &bool)| {
            json!({
                "name": model.name,
                "family": model.family,
                "parameters": u64::from(model.kiloparameters) * 1000,
                "bytes": u64::from(model.megabytes) * 1_000_000,
                "licence": model.licence,
                "task": model.task,
                "cached": cached,
            })
        };
        return print_stdout(&format!("{:#}", rows().map(entry).collect::<Value>()));
    }
    let width = GALLERY.iter().map(|model| model.name.len()).max().unwrap_or_default();
    print_stdout(&format!(
        "{:width$}  {:11} {:>10} {:>8}  {:10}  trained for",
        "name", "family", "parameters", "MB", "licence"
    ));
    for (model, cached) in rows() {
        let GalleryModel { name, family, megabytes, licence, task, .. } = model;
        let (millions, here) = (f64::from(model.kiloparameters) / 1e3, if *cached { "; in the cache" } else { "" });
        print_stdout(&format!(
            "{name:width$}  {family:11} {millions:>8.1} M {megabytes:>8}  {licence:10}  {task}{here}"
        ));
    }
    print_stdout(
        "\nSizes are approximate and licences as they were known when this list was written: the model's page on the hub \
         counts.\nAnd any other BERT, RoBERTa, CamemBERT, XLM-RoBERTa, DistilBERT or ELECTRA encoder of the hub whose weights are in \
         safetensors works: --model org/name. `apt-lab models --help` says what is fetched and where it is kept.",
    );
}

/// `schema`.
pub(super) fn schema() {
    print_stdout(&format!("{:#}", apt_experiment::schema()));
}

/// `presets`.
pub(super) fn presets(as_json: bool) {
    if as_json {
        let all: Value = PRESETS.iter().map(entry).collect();
        return print_stdout(&format!("{all:#}"));
    }
    let width = PRESETS.iter().map(|p| p.name.len()).max().unwrap_or_default();
    for preset in PRESETS {
        print_stdout(&format!("{:width$}  {}", preset.name, preset.summary));
        if !preset.overrides.is_empty() {
            let set: Vec<String> = preset.overrides.iter().map(|(name, text)| format!("{name} = {text}")).collect();
            print_stdout(&format!("{:width$}  {}", "", set.join(", ")));
        }
    }
}

fn entry(preset: &Preset) -> Value {
    let overrides: serde_json::Map<String, Value> =
        preset.overrides.iter().map(|(name, text)| ((*name).to_owned(), Value::from(*text))).collect();
    json!({
        "name": preset.name,
        "summary": preset.summary,
        "axis": preset.axis.map(apt_experiment::Axis::name),
        "baseline": preset.baseline,
        "overrides": overrides,
    })
}

/// `devices`: every choice, and for a GPU the difference of each operation from the CPU.
///
/// # Errors
/// Values that cannot be read back; a device that is missing is listed as such.
pub(super) fn devices(as_json: bool) -> Result<(), CliError> {
    let mut all = Vec::new();
    for choice in apt_experiment::Device::ALL {
        let entry = match device::open(*choice) {
            Ok(opened) if *choice == apt_experiment::Device::Auto || opened.backend == "flex" => {
                Ok((opened, Vec::new()))
            }
            Ok(opened) => {
                let checks = pollster::block_on(self_test(&opened.device, |_| ()))?;
                Ok((opened, checks))
            }
            Err(error) => Err(error),
        };
        all.push((choice.name(), entry));
    }
    if as_json {
        let all: Vec<Value> = all.iter().map(device_entry).collect();
        print_stdout(&format!("{:#}", Value::from(all)));
        return Ok(());
    }
    for (name, entry) in &all {
        match entry {
            Ok((opened, checks)) => {
                print_stdout(&format!("{name:7} {} [{}]: {}", opened.name, opened.backend, opened.why));
                if !checks.is_empty() {
                    print_stdout(
                        "        each operation with its largest difference from the CPU, relative to the largest value:",
                    );
                }
                for check in checks {
                    let verdict = if check.passed() { "agrees" } else { "DIFFERS" };
                    print_stdout(&format!("        {verdict:7} {:8.1e}  {}", check.difference, check.name));
                }
            }
            Err(CliError::Problem { problem, .. }) => {
                print_stdout(&format!("{name:7} not usable: {}; {}", problem.what, problem.remedy));
            }
            Err(error) => print_stdout(&format!("{name:7} not usable: {error}")),
        }
    }
    Ok(())
}

fn device_entry((name, entry): &(&str, Result<(OpenDevice, Vec<OpCheck>), CliError>)) -> Value {
    match entry {
        Ok((opened, checks)) => {
            let checks: Vec<Value> = checks
                .iter()
                .map(|c| json!({"operation": c.name, "difference": c.difference, "passed": c.passed()}))
                .collect();
            json!({"choice": name, "name": opened.name, "backend": opened.backend, "why": opened.why, "checks": checks})
        }
        Err(error) => json!({"choice": name, "error": error.to_string()}),
    }
}
