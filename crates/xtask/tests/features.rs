//! Cargo builds a dependency once for each set of features it is asked for, and that set depends on the packages
//! selected. Whatever is tested after `cargo run` must ask for the sets that the program was built with; otherwise all of
//! Burn is built again. Where this fails, the crate `apt-pins` should name the missing feature.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// The sets of features of each package, by name and version, that a selection of packages is built with.
type Features = BTreeMap<String, BTreeSet<String>>;

fn features(selection: &str) -> Features {
    let mut tree = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    tree.args(["tree", "--locked", "--prefix", "none", "--format", "{p}|{f}"]).args(selection.split(' '));
    let output = tree.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).output().expect("cargo starts");
    assert!(output.status.success(), "{selection}: {}", String::from_utf8_lossy(&output.stderr));
    let mut features = Features::new();
    // An empty line parts one selected package's tree from the next.
    for line in String::from_utf8(output.stdout).expect("UTF-8").lines().filter(|line| !line.is_empty()) {
        let (package, set) = line.trim_end_matches(" (*)").split_once('|').expect("package and features");
        features.entry(package.to_owned()).or_default().insert(set.to_owned());
    }
    features
}

/// Packages that `tested` builds otherwise than `program`, each with the features that both ask for.
fn built_twice(program: &Features, tested: &Features) -> Vec<String> {
    let both = program.iter().filter_map(|(package, sets)| Some((package, sets, tested.get(package)?)));
    let differ = both.filter(|(_, sets, others)| !sets.is_subset(others));
    differ.map(|(package, sets, others)| format!("{package}: {sets:?} and {others:?}")).collect()
}

#[test]
fn tests_are_built_with_the_dependencies_of_the_program() {
    let program = features("--edges normal,build");
    assert!(program.keys().any(|package| package.starts_with("burn-core ")), "the program is built without Burn");
    for tested in ["--workspace", "-p apt-nn", "-p apt-train", "-p apt-cli", "-p apt-bench", "-p apt-tests"] {
        let other = features(&format!("{tested} --edges normal,build,dev"));
        assert_eq!(built_twice(&program, &other), [] as [String; 0], "{tested}");
    }
}

#[test]
fn a_dependency_with_other_features_is_built_twice() {
    let set = |name: &str, sets: &[&str]| {
        Features::from([(name.to_owned(), sets.iter().copied().map(str::to_owned).collect())])
    };
    assert_eq!(built_twice(&set("a 1", &["std"]), &set("a 1", &["default,std"])).len(), 1);
    assert_eq!(built_twice(&set("a 1", &["std"]), &set("a 1", &["", "std"])).len(), 0);
    assert_eq!(built_twice(&set("a 1", &["std"]), &set("a 2", &[""])).len(), 0);
}
