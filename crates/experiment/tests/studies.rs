//! Studies: those built in can be run, arms are paired and run once, and what is wrong in a file is named with its place.

mod example;

use apt_experiment::{
    Cell, Device, ExperimentId, KnobChange, Knobs, Record, STUDIES, Seeds, Sources, Study, StudyFile, ablation_axes,
};
use std::collections::BTreeSet;

fn study(text: &str) -> Result<Study, String> {
    let file = StudyFile::from_toml(text, "my.toml").map_err(|e| e.to_string())?;
    Study::resolve(&file, "my").map_err(|e| e.to_string())
}

#[test]
fn every_built_in_study_resolves_and_names_each_cell_once() {
    for (name, _) in STUDIES {
        let file = StudyFile::built_in(&format!("studies/{name}")).expect("built in");
        let own = StudyFile { required: Vec::new(), ..file.clone() };
        let study = Study::resolve(&own, name).expect("it resolves").untuned();
        let cells = study.cells();
        let names: BTreeSet<_> = cells.iter().map(apt_experiment::Cell::name).collect();
        assert_eq!(names.len(), cells.len(), "{name}: two cells share a name");
        assert!(!study.summary.is_empty() && cells.len() >= 2 * study.seeds.len(), "{name}");
        let again = StudyFile::from_toml(&file.to_toml().expect("TOML"), name).expect("it reads back");
        assert_eq!(again, file);
    }
}

#[test]
fn the_baseline_is_shared_by_the_axes_and_run_once_per_seed() {
    let file = StudyFile { seeds: Seeds::List(vec![3, 7]), ..StudyFile::built_in("all").expect("built in") };
    let study = Study::resolve(&file, "all").expect("it resolves");
    let cells = study.cells();
    let apt = |density| cells.iter().filter(|cell| cell.arm == "apt" && cell.knobs.density == density).count();
    assert_eq!((apt(0.4), apt(0.2)), (2, 2), "one per seed and density");
    let arms: usize = study.axes.iter().map(|axis| axis.arms.len() - 1).sum();
    assert_eq!(cells.len(), 2 * (2 * (arms + 1) + 1), "base and reference beside the arms");
    assert!(study.axes.iter().all(|axis| axis.arms[0].knobs == study.base.knobs), "each axis begins with the baseline");
    assert_eq!(study.axes[3].arms[0].name, "early", "under the axis' own name for it");
}

/// A flag `--density` arrives as a knob of the study.
#[test]
fn a_density_for_every_cell_takes_the_place_of_the_list_and_leaves_dense_arms_dense() {
    let of = |densities: &str| {
        let text = format!(
            "{densities}\nseeds = 1\n[knobs]\ndensity = 0.6\n[[axes]]\nname = \"x\"\narms = [\"lora\", \"salience-random\"]"
        );
        study(&text).expect("it resolves").cells().iter().map(|cell| cell.knobs.density).collect::<Vec<_>>()
    };
    assert_eq!(of("densities = [0.8, 0.4]"), [0.6, 1.0, 0.6]);
    assert_eq!(of(""), [0.6, 1.0, 0.6]);
}

#[test]
fn densities_multiply_only_what_prunes() {
    let study =
        study("densities = [0.8, 0.4]\nseeds = 1\n[[axes]]\nname = \"x\"\narms = [\"lora\", \"salience-random\"]");
    let names: Vec<_> = study.expect("it resolves").cells().iter().map(apt_experiment::Cell::name).collect();
    assert_eq!(names, ["apt-d0.8-s1", "apt-d0.4-s1", "lora-s1", "random-d0.8-s1", "random-d0.4-s1"]);
}

#[test]
fn a_digest_changes_with_settings_data_model_and_code_and_with_no_path() {
    let with = |knobs: &str| {
        let text = format!("seeds = 1\n[knobs]\n{knobs}\n[[axes]]\nname = \"tuning\"");
        study(&text).expect("it resolves").cells().remove(0)
    };
    let sources = |data: &str, code: &str| Sources { data: data.into(), model: "m".into(), code: code.into() };
    let plain = with("").digest(&sources("d", "c"));
    assert_eq!(plain.len(), 12);
    assert_eq!(plain, with("model = \"/elsewhere/builtin\"").digest(&sources("d", "c")), "a path is no setting");
    assert_eq!(plain, with("checkpoint_every = 7").digest(&sources("d", "c")));
    assert_eq!(plain, with("device = \"cpu\"").digest(&sources("d", "c")), "where it is computed is no setting");
    let others = [
        with("rank = 4").digest(&sources("d", "c")),
        with("").digest(&sources("e", "c")),
        with("").digest(&sources("d", "f")),
    ];
    assert!(others.iter().all(|other| *other != plain), "{others:?}");
}

#[test]
fn a_record_is_a_cells_wherever_it_was_made_but_not_from_other_sources() {
    let sources = Sources { data: "data".to_owned(), model: "model".to_owned(), code: "code".to_owned() };
    let mut record = Record { changes: Vec::new(), ..example::record() };
    let from = &mut record.provenance;
    from.data_hash = Some(sources.data.clone());
    from.model_hash = Some(sources.model.clone());
    from.code = Some(sources.code.clone());
    let cell = Cell { arm: "apt".to_owned(), preset: "apt", knobs: record.config.clone() };
    let with = |change: fn(&mut Record)| {
        let mut other = record.clone();
        change(&mut other);
        cell.is_of(&other, &sources)
    };
    assert!(with(|_| {}) && with(|r| r.provenance.device = "another".to_owned()));
    assert!(with(|r| r.config.device = Device::Webgpu), "what it computed on is no other experiment");
    assert!(!with(|r| r.config.seed += 1) && !with(|r| r.config.density = 0.123));
    assert!(!with(|r| r.provenance.code = Some("other".to_owned())) && !with(|r| r.provenance.model_hash = None));
    assert!(!with(|r| r.provenance.data_hash = Some("other".to_owned())));
    assert!(!with(|r| r.changes.push(KnobChange::default())), "its settings do not say what was computed");
}

/// It failed: the digest of a cell left paths out, the question whether a record is its did not.
#[test]
fn a_record_whose_model_lies_at_another_path_serves_the_cell() {
    let sources = Sources { data: "data".to_owned(), model: "model".to_owned(), code: "code".to_owned() };
    let mut record = example::record();
    record.config.set("task", "text").expect("a task");
    record.config.data = Some("/home/me/reviews.csv".to_owned());
    let cell = Cell { arm: "apt".to_owned(), preset: "apt", knobs: record.config.clone() };
    let from = &mut record.provenance;
    (from.data_hash, from.model_hash) = (Some(sources.data.clone()), Some(sources.model.clone()));
    from.code = Some(sources.code.clone());
    record.config.model = "/elsewhere/builtin".to_owned();
    record.config.data = Some("reviews.csv".to_owned());
    assert!(cell.is_of(&record, &sources));
    let elsewhere = Cell { knobs: record.config.clone(), ..cell.clone() };
    assert_eq!(elsewhere.digest(&sources), cell.digest(&sources));
    record.provenance.model_hash = Some("another".to_owned());
    assert!(!cell.is_of(&record, &sources), "other bytes at the same path are another model");
}

/// It failed: `csv` and `text` are one task, and were two experiments.
#[test]
fn a_task_has_one_name_however_it_is_written() {
    let cell = |task: &str| {
        let mut knobs = Knobs::default();
        knobs.set("task", task).expect("a task");
        Cell { arm: "apt".to_owned(), preset: "apt", knobs }
    };
    let sources = Sources { data: "data".to_owned(), model: "model".to_owned(), code: "code".to_owned() };
    assert!(["csv", "CSV", " Text "].iter().all(|name| cell(name).digest(&sources) == cell("text").digest(&sources)));
    assert_eq!(cell("SST2").knobs.task, "sst2");
    for (text, file) in [("task = \"csv\"", "a.toml"), (r#"{"task": "csv"}"#, "a.json")] {
        let read = if file == "a.toml" { Knobs::from_toml(text, file) } else { Knobs::from_json(text, file) };
        assert_eq!(read.expect("settings").task, "text", "{file}");
    }
    let stored: Knobs = serde_json::from_str(r#"{"task": "csv"}"#).expect("settings of a record");
    assert_eq!(stored.task, "text");
}

#[test]
fn adapters_are_a_set_in_whatever_order_they_are_written() {
    let mut knobs = Knobs::default();
    knobs.set("adapters", "up, query,up").expect("adapters");
    assert_eq!(knobs.text("adapters").expect("a knob"), "query,up");
    let stored: Knobs = serde_json::from_str(r#"{"adapters": "up,query"}"#).expect("settings of a record");
    assert_eq!(stored, knobs);
}

#[test]
fn a_sampled_training_set_is_told_by_its_size_and_the_seed() {
    let sources = Sources { data: "data".to_owned(), model: "model".to_owned(), code: "code".to_owned() };
    let id = |examples, seed| {
        let knobs = Knobs { train_examples: examples, seed, ..Knobs::default() };
        (ExperimentId::new(&knobs, &sources), ExperimentId::new(&knobs, &sources).digest(seed))
    };
    assert_eq!(id(Some(64), 1).0, id(Some(64), 2).0, "two seeds of one experiment");
    assert_ne!(id(Some(64), 1).1, id(Some(64), 2).1, "two runs");
    assert_ne!(id(Some(64), 1).0, id(None, 1).0);
}

#[test]
fn what_is_wrong_in_a_file_is_named_with_place_and_remedy() {
    for (text, said) in [
        ("axes = 3", "my.toml, line 1"),
        ("seeds = 4000000000\n[[axes]]\nname = \"tuning\"", "there are 4000000000, and at most 1000"),
        ("sedes = 2\n[[axes]]\nname = \"tuning\"", "sedes"),
        ("[[axes]]\nname = \"tuning\"\n[knobs]\nrnak = 3", "did you mean `rank`"),
        ("[[axes]]\nname = \"tuning\"\n[knobs]\nrank = 0", "`rank` cannot be 0"),
        ("[[axes]]\nname = \"tuning\"\n[knobs]\nseed = 3", "list the study's seeds as seeds"),
        ("[[axes]]\nname = \"nothing\"", "list arms, or name one of salience, tuning, distillation, schedule"),
        ("[[axes]]\nname = \"x\"\narms = [\"salience-randm\"]", "did you mean `salience-random`"),
        ("[[axes]]\nname = \"x\"\narms = [\"lora\", \"lora\"]", "two arms are called `lora`"),
        ("axes = []", "add an [[axes]]"),
        ("seeds = [-1, 2]\n[[axes]]\nname = \"tuning\"", "line 1: this is not a study: seeds are how many, or a list"),
        ("[[axes]]\nname = \"x\"\narms = [{ knobs = { rank = 4 } }]", "an arm is a preset's name"),
        ("seeds = []\n[[axes]]\nname = \"tuning\"", "give a number of seeds"),
        ("densities = [2.0]\n[[axes]]\nname = \"tuning\"", "`density` cannot be 2"),
        (
            "densities = [0.8]\n[[axes]]\nname = \"x\"\narms = [{ name = \"y\", knobs = { density = 0.5 } }]",
            "`density` 0.5 stands beside densities",
        ),
        (
            "base = \"lora\"\n[[axes]]\nname = \"x\"\narms = [{ name = \"y\", knobs = { train_base = true, freeze_head = true } }]",
            "contradict",
        ),
    ] {
        let error = study(text).expect_err(text);
        assert!(error.contains(said), "{text}\n{error}");
    }
    let unknown = StudyFile::built_in("salienc").expect_err("no such study").to_string();
    assert!(unknown.contains("did you mean `salience`"), "{unknown}");
    assert!(
        StudyFile::from_json("{\"axes\": [}", "my.json").expect_err("no JSON").to_string().contains("my.json, line 1")
    );
}

#[test]
fn a_study_that_leaves_knobs_to_the_user_is_refused_until_they_are_given() {
    let mut file = StudyFile::built_in("real").expect("built in");
    let resolve = |file: &StudyFile| Study::resolve(file, "real").map_err(|error| error.to_string());
    let error = resolve(&file).expect_err("neither model nor task");
    assert!(error.contains("study `real`: it leaves --model and --task to you"), "{error}");
    file.knobs.insert("model".into(), "minilm".into());
    assert_eq!(file.missing(), ["task"]);
    assert!(resolve(&file).expect_err("no task").contains("it leaves --task to you"));
    file.knobs.extend([("task".into(), "trec".into()), ("data".into(), "trec".into())]);
    assert!(resolve(&file).expect("all is given").base.knobs.task == "trec");
    assert!(study("required = [\"modle\"]\n[[axes]]\nname = \"tuning\"").expect_err("no knob").contains("`model`"));
}

#[test]
fn there_are_four_axes_and_each_has_one_knob() {
    let knobs: Vec<_> = ablation_axes().into_iter().map(|(_, knob)| knob).collect();
    assert_eq!(knobs, ["salience", "rank_growth", "distillation", "schedule"]);
}
