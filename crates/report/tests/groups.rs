//! What is compared with what, and what is not.

mod runs;

use apt_experiment::{KnobChange, Knobs};
use apt_report::statistics::Verdict;
use apt_report::{Entry, Group, Reason, Report, Section, Table};
use runs::{cells, entry, of, record, record_of, some_metric, study};

const SALIENCE: &str = "seeds = 3\nreference = \"fine-tune\"\n[[axes]]\nname = \"salience\"\n";

fn group<'a>(section: &'a Section, arm: &str) -> &'a Group {
    section.groups.iter().find(|group| group.arm == arm).unwrap_or_else(|| panic!("no arm {arm}"))
}

fn table<'a>(section: &'a Section, axis: &str) -> &'a Table {
    section.tables.iter().find(|table| table.axis == axis).unwrap_or_else(|| panic!("no table {axis}"))
}

#[test]
fn runs_that_differ_in_the_seed_alone_are_a_group() {
    let study = study(SALIENCE);
    let report = Report::new(&cells(&study, 10, some_metric), Some(&study));
    assert_eq!((report.given, report.compared, report.sections.len()), (24, 24, 1));
    let section = &report.sections[0];
    assert_eq!(section.groups.len(), 8);
    for group in &section.groups {
        assert_eq!(group.runs.iter().map(|run| run.seed).collect::<Vec<_>>(), [1, 2, 3], "{}", group.arm);
        assert_eq!(group.summaries["validation"].n, 3);
    }
    let table = table(section, "salience");
    assert_eq!(table.rows[0].name, "outlier_aware");
    assert!(table.rows[0].is_base && table.rows[0].differences.is_empty());
    assert_eq!((table.rows.len(), table.tests), (7, 0), "equal differences are no tests");
    // Arms differ by a constant here, so every seed says the same.
    let random = table.rows.iter().find(|row| row.name == "random").expect("an arm");
    let expected = group(section, "random").summaries["test"].mean - group(section, "apt").summaries["test"].mean;
    let difference = &random.differences["test"];
    assert!((difference.summary.mean - expected).abs() < 1e-12, "{difference:?}");
    assert_eq!((difference.summary.n, difference.verdict), (3, Verdict::NoSpread));
}

#[test]
fn failed_and_missing_cells_stay_visible() {
    let study = study(SALIENCE);
    let mut entries = cells(&study, 10, some_metric);
    let failed = entries.iter().position(|entry| entry.name == "random-d0.4-s2").expect("a cell");
    entries[failed] = Entry { failure: Some("loss is not a number".to_owned()), ..entries[failed].clone() };
    entries.retain(|entry| !entry.name.starts_with("wanda"));
    entries.push(Entry { name: "wanda-d0.4-s1".to_owned(), ..Entry::default() });
    let report = Report::new(&entries, Some(&study));
    let section = &report.sections[0];
    assert_eq!(group(section, "random").count(), "2 of 3");
    assert_eq!(group(section, "wanda").count(), "0 of 3");
    let rows = &table(section, "salience").rows;
    let row = |name: &str| rows.iter().find(|row| row.name == name).expect("an arm without runs has a row");
    assert!(row("wanda").cells.iter().all(Option::is_none) && row("wanda").differences.is_empty());
    assert_eq!(row("random").differences["test"].seeds, [1, 3], "paired over common seeds");
    let kinds: Vec<_> = report.left_out.iter().map(|run| (run.name.as_str(), run.kind, run.reason.as_str())).collect();
    let expected = [
        ("random-d0.4-s2", Reason::Failed, "loss is not a number"),
        ("wanda-d0.4-s1", Reason::Unfinished, "it has no record yet"),
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn a_study_without_any_run_has_its_arms() {
    let study = study(SALIENCE);
    let report = Report::new(&[], Some(&study));
    assert_eq!(report.sections[0].groups.len(), 8);
    assert!(report.sections[0].groups.iter().all(|group| group.count() == "0 of 3"));
}

#[test]
fn changed_repeated_and_foreign_runs_are_left_out() {
    let study = study(SALIENCE);
    let mut entries = cells(&study, 10, some_metric);
    let mut changed = entries[0].clone();
    changed.name = "changed".to_owned();
    let changes = &mut record_of(&mut changed).changes;
    changes.push(KnobChange { step: 3, knob: "beta".to_owned(), value: "0".to_owned() });
    entries.push(changed);
    entries.push(Entry { name: "again".to_owned(), ..entries[1].clone() });
    entries.push(entry("foreign", record(Knobs { rank: 16, ..Knobs::default() }, 0.9, 10)));
    let report = Report::new(&entries, Some(&study));
    let kinds: Vec<_> = report.left_out.iter().map(|run| (run.name.as_str(), run.kind)).collect();
    assert_eq!(kinds, [("changed", Reason::Changed), ("again", Reason::Repeated), ("foreign", Reason::NoArm)]);
    assert!(report.left_out[0].reason.contains("beta = 0 at step 3"), "{}", report.left_out[0].reason);
    assert_eq!(report.compared, 24);
}

#[test]
fn data_and_without_a_study_devices_are_sections_of_their_own() {
    let study = study(SALIENCE);
    let mut entries = cells(&study, 10, some_metric);
    for (place, part) in entries.chunks_mut(8).enumerate() {
        for entry in part {
            let from = &mut record_of(entry).provenance;
            match place {
                0 => from.device = "another GPU".to_owned(),
                1 => from.data_hash = Some("f".repeat(64)),
                _ => {}
            }
        }
    }
    let sections = |study| {
        let report = Report::new(&entries, study);
        let titles: Vec<_> = report.sections.iter().map(|section| section.title.clone()).collect();
        (report.sections.iter().map(|section| section.groups[0].runs.len()).sum::<usize>(), titles)
    };
    let (runs, titles) = sections(None);
    assert_eq!((runs, titles.len()), (3, 3));
    assert!(titles[0].contains("another GPU") && titles[1].contains("data ffffffffffff"), "{titles:?}");
    // A study may be shared out over machines.
    let (runs, titles) = sections(Some(&study));
    assert_eq!((runs, titles.len()), (3, 2));
    assert_eq!(titles[1], "data ffffffffffff");
}

#[test]
fn densities_are_groups_and_tables_of_their_own() {
    let text = "seeds = 3\nreference = \"fine-tune\"\ndensities = [0.6, 0.2]\n[[axes]]\nname = \"chance\"\n\
                arms = [\"salience-random\", \"lora\"]\n";
    let study = study(text);
    let report = Report::new(&cells(&study, 10, some_metric), Some(&study));
    let section = &report.sections[0];
    assert_eq!(section.groups.len(), 6, "two dense arms and two arms at two densities");
    let tables: Vec<_> = section.tables.iter().filter(|table| !table.relative).collect();
    assert_eq!(tables.iter().map(|table| table.density).collect::<Vec<_>>(), [Some(0.6), Some(0.2)]);
    for table in tables {
        let densities: Vec<_> = table.rows.iter().map(|row| section.groups[row.group].density).collect();
        assert_eq!(densities, [table.density, table.density, None]);
    }
    let front = section.fronts.iter().find(|front| front.cost == "parameters").expect("a front");
    assert_eq!(front.points.len(), 6);
    assert!(front.points.iter().any(|point| point.on_front) && front.points.iter().any(|point| !point.on_front));
}

#[test]
fn two_seeds_have_no_front() {
    let study = study("seeds = 2\n[[axes]]\nname = \"salience\"");
    let report = Report::new(&cells(&study, 10, some_metric), Some(&study));
    let front = report.sections[0].fronts.first().expect("points are drawn");
    assert!(front.points.len() > 2 && front.points.iter().all(|point| !point.on_front));
}

#[test]
fn arms_at_chance_are_told_and_have_no_time_to_target() {
    let study = study(SALIENCE);
    let told = |metric: fn(&apt_experiment::Cell) -> f64| {
        let report = Report::new(&cells(&study, 10, metric), Some(&study));
        let section = &report.sections[0];
        let reached = |arm: &str| {
            let group = section.groups.iter().find(|group| group.arm == arm).expect("an arm");
            group.summaries.contains_key("steps_to_target")
        };
        let reached = (reached("apt"), reached("random"));
        (section.at_chance.clone(), reached, apt_report::markdown(&report))
    };
    let (arms, reached, text) = told(|cell| if cell.arm == "random" { 0.51 } else { 0.9 });
    assert_eq!((arms.as_slice(), reached), (["random at 0.4".to_owned()].as_slice(), (true, false)));
    assert!(text.contains("random at 0.4 is at chance: no better than always giving the same answer"), "{text}");
    let (arms, reached, text) = told(|_| 0.5);
    assert!(arms.len() > 2 && reached == (false, false));
    assert!(text.contains("All arms are at chance") && !text.contains("The target is"), "{text}");
}

#[test]
fn time_to_target_is_measured_against_the_mean_of_the_dense_reference() {
    let study = study(SALIENCE);
    let metric =
        |cell: &apt_experiment::Cell| if cell.knobs.train_base { 0.7 + 0.1 * cell.knobs.seed as f64 } else { 0.9 };
    let report = Report::new(&cells(&study, 10, metric), Some(&study));
    let section = &report.sections[0];
    let target = section.target.as_ref().expect("a target");
    assert_eq!((target.of.as_str(), target.reference.n), ("fine-tune", 3));
    assert!((target.level() - 0.97 * 0.9).abs() < 1e-12);
    // Evaluations rise evenly to 0.9 (or 0.8, 0.9, 1.0) over ten steps; 0.873 is reached at the tenth (or never, 10, 9).
    assert_eq!(group(section, "apt").summaries["steps_to_target"].mean, 10.0);
    let dense = &group(section, "fine-tune").summaries["steps_to_target"];
    assert_eq!((dense.n, dense.mean), (2, 9.5), "the run that never reached it does not count");
}

#[test]
fn the_papers_table_is_relative_to_dense_training() {
    let study = study("base = \"fine-tune\"\nseeds = 2\n[[axes]]\nname = \"methods\"\narms = [\"lora\", \"apt\"]\n");
    let report = Report::new(&cells(&study, 10, some_metric), Some(&study));
    let table = report.sections[0].tables.iter().find(|table| table.relative).expect("the paper's form");
    let names: Vec<_> = table.rows.iter().map(|row| (row.name.as_str(), row.n)).collect();
    assert_eq!(names, [("fine-tune", 2), ("lora", 2), ("apt", 2)]);
    let column = |key: &str| table.columns.iter().position(|column| column.key == key).expect("a column");
    let cell = |row: usize, key: &str| table.rows[row].cells[column(key)].expect("a value").mean;
    assert!((cell(2, "file_bytes") - 40.0).abs() < 1e-9 && (cell(0, "latency_32") - 100.0).abs() < 1e-9);
    assert!((cell(2, "latency_32") - 40.0).abs() < 1e-9);
}

#[test]
fn memory_times_time_is_summed_over_the_curve() {
    let report = Report::new(&[of("apt", 1, 0.9)], None);
    // Ten steps of half a second at 2 GB.
    assert!((report.sections[0].groups[0].summaries["memory_time"].mean - 10.0).abs() < 1e-9);
}

#[test]
fn without_a_study_axes_and_baseline_are_found_in_the_runs() {
    let mut entries: Vec<Entry> = (1..=3).map(|seed| of("apt", seed, 0.9 + 0.001 * seed as f64)).collect();
    entries.extend((1..=2).map(|seed| of("salience-random", seed, 0.8)));
    entries.extend([of("fine-tune", 1, 0.95), of("lora", 1, 0.94)]);
    let knobs = Knobs { beta: 0.5, ..Knobs::default() };
    entries.push(entry("other", record(Knobs { rank: 4, ..Knobs::default() }, 0.7, 10)));
    entries.push(entry("beta", record(knobs, 0.7, 10)));
    let report = Report::new(&entries, None);
    assert_eq!((report.compared, report.left_out.len()), (9, 0), "{:?}", report.left_out);
    let titles: Vec<_> = report.sections.iter().map(|section| section.title.as_str()).collect();
    assert!(titles[0].starts_with("default settings") && titles[1].starts_with("rank 4"), "{titles:?}");
    let section = &report.sections[0];
    let axes: Vec<_> = section.tables.iter().map(|table| table.axis.as_str()).collect();
    assert_eq!(axes, ["salience", "methods", ""]);
    let salience = table(section, "salience");
    assert_eq!(salience.rows.iter().map(|row| row.n).collect::<Vec<_>>(), [3, 0, 0, 0, 2, 0, 0]);
    assert_eq!(section.target.as_ref().map(|target| target.of.as_str()), Some("fine-tune"));
    entries.retain(|entry| entry.name != "fine-tune-1");
    let report = Report::new(&entries, None);
    assert_eq!(report.sections[0].target.as_ref().map(|target| target.of.as_str()), Some("lora"));
    entries.retain(|entry| entry.name != "lora-1");
    assert!(Report::new(&entries, None).sections[0].target.is_none(), "a target without a dense run");
}

#[test]
fn densities_out_of_one_run_stand_in_one_table() {
    let at = |density: f64, via: &[f64]| {
        let via = (!via.is_empty()).then(|| apt_experiment::Densities::from(via));
        record(Knobs { density, via, ..Knobs::default() }, 0.9, 10)
    };
    let series = [entry("a", at(0.8, &[])), entry("b", at(0.6, &[0.8])), entry("c", at(0.4, &[0.8, 0.6]))];
    let report = Report::new(&series, None);
    assert_eq!((report.sections.len(), report.compared), (1, 3), "{:?}", report.left_out);
    let groups = report.sections[0].groups.iter().filter(|group| !group.runs.is_empty());
    let names: Vec<_> = groups.map(|group| group.name(true)).collect();
    assert_eq!(names, ["apt at 0.8", "via 0.8 at 0.6", "via 0.8,0.6 at 0.4"]);
}

#[test]
fn without_a_study_densities_stand_apart_and_two_changed_axes_are_a_method() {
    let at = |density: f64, seed: u64| record(Knobs { density, seed, ..Knobs::default() }, 0.9, 10);
    let mut both = apt_experiment::preset("salience-random").expect("a preset");
    both.set("rank_growth", "static").expect("an arm");
    let entries = [entry("a", at(0.4, 1)), entry("b", at(0.2, 1)), entry("both", record(both, 0.7, 10))];
    let report = Report::new(&entries, None);
    assert_eq!((report.sections.len(), report.compared), (1, 3), "{:?}", report.left_out);
    let section = &report.sections[0];
    let names: Vec<_> = section.groups.iter().filter(|group| !group.runs.is_empty()).map(|g| g.name(true)).collect();
    assert_eq!(names, ["apt at 0.4", "apt at 0.2", "salience random, rank_growth static at 0.4"]);
}

/// It failed: a run whose model lay at another path had "the settings of no arm of the study".
#[test]
fn runs_whose_model_and_data_lie_at_other_paths_are_one_group() {
    let study = study("seeds = 2\n[knobs]\nmodel = \"../minilm\"\n[[axes]]\nname = \"tuning\"\n");
    let mut entries = cells(&study, 5, some_metric);
    for entry in entries.iter_mut().filter(|entry| entry.name.ends_with("-s2")) {
        record_of(entry).config.model = "/srv/models/minilm".to_owned();
    }
    for study in [Some(&study), None] {
        let report = Report::new(&entries, study);
        assert_eq!((report.sections.len(), report.compared, report.left_out.len()), (1, 6, 0), "{:?}", report.left_out);
        assert_eq!(group(&report.sections[0], "static").runs.len(), 2);
        let table = report.sections[0].tables.iter().find(|table| table.axis == "tuning").expect("its table");
        assert!(table.rows.iter().all(|row| row.n == 2), "{:?}", table.rows);
    }
}

#[test]
fn arms_of_several_models_are_told_apart_by_content_and_not_by_path() {
    let text = "seeds = 2\nbase = \"lora\"\n[[axes]]\nname = \"models\"\n\
                arms = [{ name = \"small\", knobs = { model = \"small\" } }]\n";
    let study = study(text);
    let mut entries = cells(&study, 5, some_metric);
    for entry in &mut entries {
        let record = record_of(entry);
        let content = if record.config.model == "small" { "a" } else { "b" };
        record.provenance.model_hash = Some(content.repeat(64));
    }
    // One more run of the small model, from another folder, and one of a third model.
    let mut moved = entries.iter().find(|entry| entry.name == "small-s2").expect("a cell").clone();
    record_of(&mut moved).config.seed = 3;
    record_of(&mut moved).config.model = "/elsewhere/small".to_owned();
    let mut third = moved.clone();
    record_of(&mut third).provenance.model_hash = Some("c".repeat(64));
    entries.extend([Entry { name: "moved".to_owned(), ..moved }, Entry { name: "third".to_owned(), ..third }]);
    let report = Report::new(&entries, Some(&study));
    assert_eq!(report.sections.len(), 1, "arms that differ in the model are beside each other");
    let runs = |arm: &str| group(&report.sections[0], arm).runs.len();
    assert_eq!((runs("lora"), runs("small")), (2, 3));
    assert_eq!(report.left_out.len(), 1, "{:?}", report.left_out);
    assert_eq!((report.left_out[0].name.as_str(), report.left_out[0].kind), ("third", Reason::NoArm));
}

#[test]
fn a_study_of_several_models_finds_its_runs_after_one_was_moved() {
    let of = |model: &str| {
        let arm = format!("{{ name = \"other\", knobs = {{ model = \"{model}\", rank = 4 }} }}");
        study(&format!("seeds = 2\nbase = \"lora\"\n[[axes]]\nname = \"models\"\narms = [{arm}]\n"))
    };
    let entries = cells(&of("small"), 5, some_metric);
    let report = Report::new(&entries, Some(&of("/elsewhere/small")));
    assert_eq!((report.compared, report.left_out.len()), (4, 0), "{:?}", report.left_out);
}

#[test]
fn runs_of_another_code_are_a_section_of_their_own() {
    let study = study("seeds = 2\n[[axes]]\nname = \"tuning\"\n");
    let mut entries = cells(&study, 5, some_metric);
    for entry in entries.iter_mut().filter(|entry| entry.name.ends_with("-s2")) {
        record_of(entry).provenance.code = Some("abcdef0123456789".to_owned());
    }
    let titles: Vec<_> =
        Report::new(&entries, Some(&study)).sections.into_iter().map(|section| section.title).collect();
    assert_eq!(titles, ["code unknown", "code abcdef012345"]);
}
