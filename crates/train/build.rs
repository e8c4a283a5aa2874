//! A digest of the code that decides a run's numbers, so that a study knows which of its cells an older program made.

use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// What computes, from this crate's folder on; the lock file stands for all libraries.
const SOURCES: [&str; 5] = ["../core/src", "../nn/src", "../data/src", "src", "../../Cargo.lock"];

fn main() {
    let mut hash = Sha256::new();
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
        let mut files = Vec::new();
        collect(Path::new(source), &mut files);
        files.sort();
        for file in files {
            hash.update(file.to_string_lossy().replace('\\', "/"));
            // A file that cannot be read is left to the compiler, which says so better.
            hash.update(fs::read(&file).unwrap_or_default());
        }
    }
    let code: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    println!("cargo::rustc-env=APT_LAB_CODE={code}");
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) {
    match fs::read_dir(path) {
        Ok(entries) => entries.flatten().for_each(|entry| collect(&entry.path(), files)),
        Err(_) => files.push(path.to_path_buf()),
    }
}
