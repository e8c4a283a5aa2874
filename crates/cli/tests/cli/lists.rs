//! The commands that list: flags, lists and files have the same knobs.

use crate::program::run;
use serde_json::Value;
use std::path::Path;

fn json(args: &[&str]) -> Value {
    let done = run(args, Path::new("."));
    assert_eq!(done.status, 0, "{args:?}: {}", done.err);
    serde_json::from_str(&done.out).unwrap_or_else(|e| panic!("{args:?} is not JSON ({e})"))
}

#[test]
fn every_knob_is_listed_and_is_a_flag() {
    let listed = json(&["knobs", "--json"]);
    let names: Vec<&str> = listed.as_array().expect("a list").iter().filter_map(|k| k["name"].as_str()).collect();
    let all: Vec<&str> = apt_experiment::KNOBS.iter().map(|k| k.name).collect();
    assert_eq!(names, all);
    let help = run(&["run", "--help"], Path::new(".")).out;
    let table = run(&["knobs"], Path::new(".")).out;
    for knob in apt_experiment::KNOBS.iter() {
        let flag = format!("--{}", knob.flag());
        assert!(help.contains(&flag), "`run --help` lacks {flag}");
        assert!(table.contains(&flag), "`knobs` lacks {flag}");
    }
}

#[test]
fn every_preset_is_listed_and_accepted() {
    let listed = json(&["presets", "--json"]);
    let names: Vec<&str> = listed.as_array().expect("a list").iter().filter_map(|p| p["name"].as_str()).collect();
    assert_eq!(names, apt_experiment::PRESETS.iter().map(|p| p.name).collect::<Vec<_>>());
    for name in names {
        // A model that is not there: the preset has been accepted by the time that is noticed.
        let done = run(&["run", "--preset", name, "--model", "no-such-model", "--device", "cpu"], Path::new("."));
        assert!(done.err.contains("no-such-model"), "{name}: {}", done.err);
    }
}

#[test]
fn every_model_of_the_gallery_is_of_a_family_that_works() {
    let families = apt_nn::Family::ALL.map(|family| family.spec().name);
    let listed = json(&["models", "--json"]);
    let listed = listed.as_array().expect("a list");
    assert_eq!(listed.len(), apt_experiment::GALLERY.len());
    let table = run(&["models"], Path::new(".")).out;
    for model in listed {
        let text = |key: &str| model[key].as_str().expect(key).to_owned();
        assert!(families.contains(&text("family").as_str()), "{model}");
        assert!(apt_hub::ModelName::parse(&text("name")).is_ok() && model["cached"] == false, "{model}");
        let row = table.lines().find(|line| line.starts_with(&format!("{} ", text("name")))).expect("a row");
        assert!(row.contains(&text("licence")) && row.contains(&text("task")), "{row}");
    }
}

#[test]
fn schema_and_devices_are_json() {
    assert_eq!(json(&["schema"])["properties"]["density"]["type"], "number");
    let devices = json(&["devices", "--json"]);
    let cpu = devices.as_array().expect("a list").iter().find(|d| d["choice"] == "cpu").expect("a CPU is everywhere");
    assert_eq!(cpu["backend"], "flex");
}

#[test]
fn help_fits_a_screen() {
    let help = run(&["--help"], Path::new("."));
    assert_eq!(help.status, 0);
    let lines = help.out.lines().count();
    assert!(lines <= 40, "{lines} lines");
    for command in ["run", "eval", "export", "inspect", "models", "devices", "knobs", "presets", "schema"] {
        assert!(help.out.contains(&format!("  {command} ")), "no {command} in\n{}", help.out);
    }
}
