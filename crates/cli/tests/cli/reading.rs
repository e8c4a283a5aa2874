//! What a run says of the data it reads, and what `eval` reads of a file.

use crate::program::{read_json, run};
use crate::tiny_model::TinyModel;
use std::fs;
use std::path::Path;

/// A model and `own.csv` with 60 rows, one without a label, and a column that is not used.
fn sandbox() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    TinyModel::new().write(&dir.path().join("model"));
    let rows: String = (0..60).map(|i| format!("{i},the food was good {i},{}\n", ["bad", "fine"][i % 2])).collect();
    fs::write(dir.path().join("own.csv"), format!("id,question,answer\n{rows}60,more,-\n")).expect("it can be written");
    dir
}

fn trained(dir: &Path) -> String {
    let args =
        ["run", "--model", "model", "--task", "text", "--data", "own.csv", "--label", "answer", "--text", "question"];
    let args = [&args[..], &["--steps", "2", "--density", "1", "--device", "cpu", "--out", "r"]].concat();
    let finished = run(&args, dir);
    assert_eq!(finished.status, 0, "{}{}", finished.out, finished.err);
    finished.out
}

#[test]
fn a_run_says_what_it_reads_and_its_record_keeps_it() {
    let dir = sandbox();
    let told = trained(dir.path());
    for line in [
        "own.csv: 60 examples for training; text 'question', label 'answer'; unused: id",
        "own.csv: 1 row left out without a label ('-'), first in line 62",
        "2 classes: bad 27, fine 27",
        "no text is longer than the",
        "6 of 60 training rows are held out",
    ] {
        assert!(told.contains(line), "`{line}` is not in:\n{told}");
    }
    let data = &read_json(&dir.path().join("r/record.json"))["provenance"]["data"];
    assert_eq!((&data["files"][0]["text"], &data["classes"][0]["name"]), (&"question".into(), &"bad".into()), "{data}");
    assert!(data["cut"]["of"] == 60 && data["cut_at"].is_u64(), "{data}");
}

#[test]
fn eval_reads_a_file_whole_and_stops_at_labels_that_are_not_the_models() {
    let dir = sandbox();
    trained(dir.path());
    let own = run(&["eval", "r", "--json"], dir.path());
    assert!(own.out.contains("\"examples\":6"), "the run's own data are split as they were: {}{}", own.out, own.err);
    let whole = run(&["eval", "r", "--data", "own.csv", "--json"], dir.path());
    assert!(whole.out.contains("\"examples\":60"), "{}{}", whole.out, whole.err);
    let split = run(&["eval", "r", "--data", "own.csv", "--split", "test"], dir.path());
    assert!(split.status != 0 && split.err.contains("all of it is evaluated"), "{}", split.err);
    for (labels, unknown) in [(["no_stars", "five_stars"], "no_stars"), (["3", "1"], "3")] {
        let rows: String = (0..8).map(|i| format!("food,{}\n", labels[i % 2])).collect();
        fs::write(dir.path().join("other.csv"), format!("question,answer\n{rows}")).expect("it can be written");
        let other = run(&["eval", "r", "--data", "other.csv"], dir.path());
        let parts = [format!("unknown label '{unknown}'"), "the model has the labels 'bad', 'fine'".to_owned()];
        for part in parts {
            assert!(other.status != 0 && other.err.contains(&part), "`{part}` is not in:\n{}", other.err);
        }
    }
}
