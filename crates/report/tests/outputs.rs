//! The four outputs: well formed, small enough, safe, and never a number without its N.

mod runs;

use std::cell::RefCell;

use apt_experiment::{Knobs, Study, StudyFile};
use apt_report::{Entry, Report, csv, html, json, markdown};
use html5ever::tendril::TendrilSink;
use html5ever::{ParseOpts, parse_document};
use markup5ever_rcdom::{Handle, NodeData, RcDom};
use runs::{cells, entry, of, record, record_of, some_metric, study};

fn built_in(name: &str) -> Study {
    Study::resolve(&StudyFile::built_in(name).expect("a study"), name).expect("a study that can be run")
}

/// The document, after a browser's parser found no error in it.
fn parsed(html: &str) -> RcDom {
    let dom = parse_document(RcDom::default(), ParseOpts::default()).one(html);
    let errors: &RefCell<Vec<_>> = &dom.errors;
    assert!(errors.borrow().is_empty(), "{:?}", errors.borrow());
    dom
}

/// Names of all elements, in order.
fn elements(of: &Handle, names: &mut Vec<String>) {
    if let NodeData::Element { name, .. } = &of.data {
        names.push(name.local.to_string());
    }
    of.children.borrow().iter().for_each(|child| elements(child, names));
}

fn names(html: &str) -> Vec<String> {
    let mut names = Vec::new();
    elements(&parsed(html).document, &mut names);
    names
}

#[test]
fn a_whole_study_is_one_html_file_of_at_most_two_megabytes() {
    let study = built_in("all");
    assert_eq!(study.cells().len(), 145, "14 arms at two densities and one dense, with 5 seeds");
    let page = html(&Report::new(&cells(&study, 400, some_metric), Some(&study)));
    assert!(page.len() <= 2_000_000, "{} bytes", page.len());
    let names = names(&page);
    let count = |name: &str| names.iter().filter(|of| *of == name).count();
    // Four axes at two densities and the paper's form, provenance, commands.
    assert_eq!(count("table"), 11);
    assert_eq!((count("caption"), count("script"), count("img"), count("link")), (11, 0, 0, 0));
    // Eight charts of curves, four fronts, 28 arms that prune.
    assert_eq!(count("figure"), 40);
    assert_eq!(count("figcaption"), count("figure"));
    for loads in ["src=", "href=", "url(", "@import", "style=\""] {
        assert!(!page.contains(loads), "{loads} stands in the page");
    }
    assert!(page.contains("prefers-color-scheme:dark") && page.contains("aria-label=\"accuracy on validation data"));
}

#[test]
fn names_from_files_are_text_wherever_they_stand() {
    let bad = "<script>alert(1)</script>\"'><img src=x>|\n`*[a](b)&amp;";
    let mut study = study("seeds = 2\nreference = \"fine-tune\"\n[[axes]]\nname = \"salience\"\n");
    study.name = bad.to_owned();
    study.summary = bad.to_owned();
    let mut entries = cells(&study, 5, some_metric);
    for axis in &mut study.axes {
        axis.name = bad.to_owned();
        axis.arms.iter_mut().for_each(|arm| arm.name.push_str(bad));
    }
    study.base.name.push_str(bad);
    for entry in &mut entries {
        entry.name.push_str(bad);
        let record = record_of(entry);
        let from = &mut record.provenance;
        (from.device, from.os, from.version) = (bad.to_owned(), bad.to_owned(), bad.to_owned());
        from.commit = Some(bad.to_owned());
        record.measures.metric.name = bad.to_owned();
        for point in &mut record.pruning_points {
            point.ranks.insert(bad.to_owned(), 8);
        }
    }
    entries.push(Entry { name: bad.to_owned(), failure: Some(bad.to_owned()), record: None });
    let report = Report::new(&entries, Some(&study));
    let names = names(&html(&report));
    assert!(names.iter().all(|name| name != "script" && name != "img"), "an element got in");
    let text = markdown(&report);
    assert!(!text.contains("<script") && !text.contains("<img") && !text.contains("\n`"), "{text}");
    let bars = |line: &str| line.replace("\\|", "").matches('|').count();
    let lines: Vec<&str> = text.lines().collect();
    for pair in lines.windows(2).filter(|pair| pair[0].starts_with('|') && pair[1].starts_with('|')) {
        assert_eq!(bars(pair[0]), bars(pair[1]), "a name breaks the table:\n{}\n{}", pair[0], pair[1]);
    }
    let text = csv(&report).expect("CSV");
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    assert!(reader.records().all(|line| line.is_ok_and(|line| line.len() == 12)));
    let json: serde_json::Value = serde_json::from_str(&json(&report).expect("JSON")).expect("JSON");
    assert_eq!(json["question"], bad);
}

#[test]
fn nothing_has_four_outputs() {
    let report = Report::new(&[], None);
    assert!(names(&html(&report)).iter().all(|name| name != "table" && name != "figure"));
    assert!(markdown(&report).starts_with("# Comparison of runs\n\n0 runs in 0 arms.\n"));
    assert_eq!(csv(&report).expect("CSV").lines().count(), 1);
    let json: serde_json::Value = serde_json::from_str(&json(&report).expect("JSON")).expect("JSON");
    assert_eq!((json["schema"].as_str(), json["compared"].as_u64()), (Some("apt-lab/report/1"), Some(0)));
    let study = built_in("density");
    let empty = Report::new(&[], Some(&study));
    assert!(html(&empty).contains("No run is finished yet.") && markdown(&empty).contains("0 of 5"));
    parsed(&html(&empty));
}

#[test]
fn one_run_has_numbers_and_no_interval() {
    let report = Report::new(&[of("apt", 1, 0.9)], None);
    let rows = markdown(&report);
    let row = rows.lines().find(|line| line.starts_with("| apt")).expect("a row");
    assert!(row.starts_with("| apt | 1 | 0.9000 | 0.8900 |") && !row.contains('±'), "{row}");
    parsed(&html(&report));
}

#[test]
fn times_of_runs_made_side_by_side_are_marked() {
    let study = study("seeds = 2\n[[axes]]\nname = \"schedule\"\n");
    let mut entries = cells(&study, 5, some_metric);
    assert!(!markdown(&Report::new(&entries, Some(&study))).contains('†'));
    let late = entries.iter_mut().find(|entry| entry.name.starts_with("late")).expect("a cell");
    record_of(late).provenance.jobs = Some(2);
    let report = Report::new(&entries, Some(&study));
    let text = markdown(&report);
    let row = |name: &str| text.lines().find(|line| line.starts_with(&format!("| {name}"))).expect("a row");
    // Training time, memory × time, two latencies, throughput; neither metric nor density.
    assert_eq!((row("late").matches('†').count(), row("early").matches('†').count()), (5, 0), "{text}");
    assert!(text.contains("† Runs were made side by side"));
    let page = html(&report);
    assert!(page.contains("late †") && page.contains("† Runs were made side by side"), "the plots have the mark");
}

#[test]
fn a_study_made_on_several_devices_is_one_table_whose_times_are_marked() {
    let study = study("seeds = 2\n[[axes]]\nname = \"schedule\"\n");
    let mut entries = cells(&study, 5, some_metric);
    for entry in entries.iter_mut().filter(|entry| entry.name.ends_with("-s2")) {
        record_of(entry).provenance.device = "another machine".to_owned();
    }
    let report = Report::new(&entries, Some(&study));
    assert_eq!((report.sections.len(), report.compared), (1, entries.len()));
    let text = markdown(&report);
    let late = text.lines().find(|line| line.starts_with("| late | 2 |")).expect("both seeds in one row");
    assert_eq!(late.matches('†').count(), 5, "{late}");
    assert!(text.contains("† Runs were made on several devices"));
    // Without a study two devices are two comparisons.
    assert_eq!(Report::new(&entries, None).sections.len(), 2);
}

#[test]
fn csv_has_a_line_for_each_run_and_measure_and_one_for_what_is_missing() {
    let study = study("seeds = 3\n[[axes]]\nname = \"tuning\"\n");
    let mut entries = cells(&study, 5, some_metric);
    entries.remove(0);
    entries.push(Entry { name: "x".to_owned(), failure: Some("no memory".to_owned()), record: None });
    let report = Report::new(&entries, Some(&study));
    let text = csv(&report).expect("CSV");
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    let lines: Vec<_> = reader.records().map(|line| line.expect("a line")).collect();
    let status = |status: &str| lines.iter().filter(|line| &line[10] == status).count();
    let measures: usize = report.sections[0].groups.iter().flat_map(|g| &g.runs).map(|run| run.values.len()).sum();
    assert_eq!((status("done"), status("missing"), status("failed")), (measures, 1, 1));
    let test = lines.iter().find(|line| &line[7] == "test" && &line[1] == "static" && &line[4] == "2").expect("a line");
    let value: f64 = test[9].parse().expect("a number");
    let record = entries.iter().filter_map(|entry| entry.record.as_ref());
    let mut own = record.filter(|record| record.config.seed == 2 && record.config.rank_growth.to_string() == "static");
    assert_eq!(Some(value), own.next().and_then(|record| record.measures.metric.test));
}

#[test]
fn json_holds_statistics_with_n() {
    let study = built_in("tuning");
    let report = Report::new(&cells(&study, 5, some_metric), Some(&study));
    let json: serde_json::Value = serde_json::from_str(&json(&report).expect("JSON")).expect("JSON");
    let group = &json["sections"][0]["groups"][1];
    assert_eq!(group["summaries"]["validation"]["n"], 5);
    assert!(group["summaries"]["validation"]["interval"]["low"].is_f64(), "{group}");
    assert!(json["sections"][0]["tables"][0]["rows"][1]["differences"]["test"]["seeds"].is_array());
}

#[test]
fn every_row_has_the_command_that_repeats_it() {
    let mut run = record(Knobs { density: 0.3, seed: 4, ..Knobs::default() }, 0.9, 5);
    run.config.set("salience", "wanda").expect("an arm");
    let report = Report::new(&[entry("w", run)], None);
    let group = report.sections[0].groups.iter().find(|group| !group.runs.is_empty()).expect("a group");
    assert_eq!(group.command, "apt-lab run --preset salience-wanda --density 0.3 --seed 4");
    assert!(html(&report).contains(&group.command) && markdown(&report).contains(&group.command));
}

#[test]
fn a_bootstrap_that_says_otherwise_is_told() {
    // Differences of 0.01, 0.02 and 0.06: t crosses zero, all 27 resamples stay above it.
    let mut entries: Vec<Entry> = (1..=3).map(|seed| of("apt", seed, 0.8)).collect();
    entries.extend([(1, 0.81), (2, 0.82), (3, 0.86)].map(|(seed, metric)| of("salience-wanda", seed, metric)));
    let text = markdown(&Report::new(&entries, None));
    assert!(text.contains("+0.0300 \\[−0.0357, +0.0957\\] | 0.1885 | not distinguishable"), "{text}");
    assert!(text.contains("wanda: the interval by resampling seeds") && text.contains("does not cross zero"), "{text}");
}
