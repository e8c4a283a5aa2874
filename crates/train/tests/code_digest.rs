//! The digest of the code changes with what may change a number, and with nothing else.

#[path = "../build/digest.rs"]
mod digest;

use digest::{locked, rust};
use std::fs;
use std::path::{Path, PathBuf};

const SOURCE: &str = r##"
//! A module.
/// Adds. // not a comment's end: */ "
pub fn add(a: f64, b: f64) -> f64 {
    let text = "// no comment /* none */ \" #"; let raw = r#"/* " */"#; let sign = '"'; // "
    a + b /* nested /* comment */ "still" */
}
"##;

#[test]
fn a_comment_documentation_or_white_space_changes_nothing() {
    let tokens = rust(SOURCE);
    let others = [
        SOURCE.replace("//! A module.", "//! Another module, of which much is to be said."),
        SOURCE.replace("/// Adds. // not a comment's end: */ \"", ""),
        SOURCE.replace("// \"\n", "\n"),
        SOURCE.replace("/* nested /* comment */ \"still\" */", ""),
        SOURCE.replace("    a + b", "\n\n  a+b"),
    ];
    for other in others {
        assert!(other != SOURCE, "a case that changes nothing");
        assert_eq!(rust(&other), tokens, "{other}");
    }
}

#[test]
fn a_test_changes_nothing() {
    let tests = [
        "#[cfg(test)]\nmod tests { use super::*; #[test] fn adds() { assert_eq!(add(1.0, 2.0), 3.0); } }",
        "#[cfg(test)] mod tests;",
        "#[cfg(test)] #[allow(dead_code)] use std::fmt::{self, Write};",
        "#[cfg(test)] const CASES: [u8; 2] = [1, 2];",
    ];
    for test in tests {
        assert_eq!(rust(&format!("{test}\n{SOURCE}")), rust(SOURCE), "{test}");
        assert_eq!(rust(&format!("{SOURCE}\n{test}")), rust(SOURCE), "{test}");
    }
    assert_ne!(rust(&format!("#[cfg(unix)] const A: u8 = 1;\n{SOURCE}")), rust(SOURCE), "what is no test counts");
}

#[test]
fn a_token_changes_it() {
    let changes = [
        ("a + b", "a - b"),
        ("a + b", "a + b + 0.0"),
        ("// no comment", "// a comment"),
        (r##"r#"/* " */"#"##, r##"r#"/* "  */"#"##),
        ("'\"'", "'x'"),
        ("pub fn", "fn"),
    ];
    for (from, to) in changes {
        let other = SOURCE.replacen(from, to, 1);
        assert!(other != SOURCE && rust(&other) != rust(SOURCE), "{from} to {to}");
    }
    assert_ne!(rust("a << b"), rust("a < < b"));
}

#[test]
fn of_the_lock_file_only_what_computes_counts() {
    let lock = |nn: &str, page: &str| {
        format!(
            "version = 4\n\n[[package]]\nname = \"apt-train\"\nversion = \"0.1.0\"\ndependencies = [\n \"apt-nn\",\n]\n\n\
             [[package]]\nname = \"apt-nn\"\nversion = \"0.1.0\"\ndependencies = [\n \"gemm {nn}\",\n]\n\n\
             [[package]]\nname = \"gemm\"\nversion = \"0.1.0\"\nchecksum = \"old\"\n\n\
             [[package]]\nname = \"gemm\"\nversion = \"{nn}\"\nchecksum = \"new\"\n\n\
             [[package]]\nname = \"leptos\"\nversion = \"{page}\"\n"
        )
    };
    let (lines, names) = locked(&lock("0.2.0", "1.0.0"));
    assert_eq!(lines, "apt-nn 0.1.0 \napt-train 0.1.0 \ngemm 0.2.0 new\n");
    assert!(names.contains("gemm") && !names.contains("leptos"));
    assert_eq!(locked(&lock("0.2.0", "2.0.0")).0, lines, "a page's library");
    assert_ne!(locked(&lock("0.3.0", "1.0.0")).0, lines, "a kernel's library");
}

/// A workspace small enough to change.
fn workspace(root: &Path) -> impl Fn(&str, &str) {
    let write = {
        let root = root.to_owned();
        move |file: &str, text: &str| {
            let path: PathBuf = root.join(file);
            let folder = path.parent().expect("a file in a folder");
            fs::create_dir_all(folder).and_then(|()| fs::write(&path, text)).expect("a folder that can be written");
        }
    };
    for name in ["core", "data", "nn", "train"] {
        write(&format!("crates/{name}/src/lib.rs"), SOURCE);
        write(&format!("crates/{name}/Cargo.toml"), "[dependencies]\ngemm.workspace = true\n");
    }
    for file in ["knobs.rs", "knob/check.rs", "knob/choices.rs", "knob/kind.rs"] {
        write(&format!("crates/experiment/src/{file}"), SOURCE);
    }
    write("crates/experiment/Cargo.toml", "[dependencies]\n");
    write("crates/nn/src/kernel.wgsl", "// a kernel\nfn main() {}\n");
    write("Cargo.lock", "[[package]]\nname = \"apt-train\"\nversion = \"0.1.0\"\ndependencies = [\n \"gemm\",\n]\n");
    write("Cargo.toml", "[workspace.dependencies]\ngemm = \"1\"\nclap = \"4\"\n\n[profile.release]\nopt-level = 2\n");
    write
}

#[test]
fn the_whole_digest_changes_with_sources_features_and_compiler_and_not_with_the_rest() {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("code_digest");
    if root.exists() {
        fs::remove_dir_all(&root).expect("the folder of an earlier test");
    }
    let write = workspace(&root);
    let of = |rustc: &str| digest::digest(&root, rustc).expect("a digest").0;
    let first = of("rustc 1.95.0");
    assert_eq!(first.len(), 16);
    write("crates/core/src/tests.rs", "#[test] fn a_test() {}");
    write("crates/nn/src/kernel.wgsl", "// the kernel\n  fn main() {}\n");
    write("crates/cli/src/main.rs", "fn main() {}");
    write(
        "Cargo.toml",
        "[workspace.dependencies]\ngemm = \"1\" # fast\nclap = \"5\"\n\n[profile.release]\nopt-level = 3\n",
    );
    assert_eq!(of("rustc 1.95.0"), first, "tests, comments, other crates and profiles");
    assert_ne!(of("rustc 1.96.0"), first, "the compiler");
    let mut seen = vec![first];
    let changes = [
        ("Cargo.toml", "[workspace.dependencies]\ngemm = { version = \"1\", features = [\"wide\"] }\n"),
        ("crates/nn/Cargo.toml", "[dependencies]\ngemm = { workspace = true, features = [\"wide\"] }\n"),
        ("crates/experiment/src/knob/check.rs", "fn prunes() -> bool { true }"),
        ("crates/nn/src/kernel.wgsl", "fn main() { }\nfn other() {}\n"),
        ("crates/data/src/words.txt", "good\nbad\n"),
        ("crates/train/src/more.rs", "pub const STEP: f64 = 1.0;"),
    ];
    for (file, text) in changes {
        write(file, text);
        let now = of("rustc 1.95.0");
        assert!(!seen.contains(&now), "{file} changes nothing");
        seen.push(now);
    }
}
