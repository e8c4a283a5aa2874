//! A digest of the code that decides a run's numbers, so that a study knows which of its cells an older program made.
//!
//! It covers, and changes with:
//!
//! - the tokens of the Rust sources of `apt-core`, `apt-nn`, `apt-data` and `apt-train`, and of the knobs of
//!   `apt-experiment` (their table, types and rules);
//! - kernels in WGSL without their comments, and the word lists of the built-in task;
//! - the versions and checksums, in `Cargo.lock`, of the libraries that these crates are built from;
//! - their manifests, and the entries of the workspace's manifest for those libraries: the features of libraries;
//! - the version of rustc.
//!
//! It does not cover, and so does not change with: comments, documentation and white space; tests (items under
//! `#[cfg(test)]`, files `tests.rs`, folders `tests`); other crates, so that a new page or flag leaves records valid;
//! profiles and targets (a browser's and a desktop's program of one source have one digest); and what is chosen when the
//! program runs: the device and the width of vectors, which a record names beside the digest.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The crates that compute, beside each other in one folder; all of their sources count.
const CRATES: [&str; 4] = ["core", "data", "nn", "train"];
/// What counts of `apt-experiment`: defaults of knobs, types, and the rules that say what settings mean.
const KNOBS: [&str; 4] = ["knobs.rs", "knob/check.rs", "knob/choices.rs", "knob/kind.rs"];
/// The crate whose dependencies are all that computes.
const ROOT: &str = "apt-train";

/// The digest of a workspace, in hexadecimal, with every file that it read.
///
/// # Errors
/// A folder or file that cannot be read.
pub(crate) fn digest(workspace: &Path, rustc: &str) -> io::Result<(String, Vec<PathBuf>)> {
    let crates = workspace.join("crates");
    let mut files = Vec::new();
    for name in CRATES {
        collect(&crates.join(name).join("src"), &mut files)?;
        files.push(crates.join(name).join("Cargo.toml"));
    }
    files.extend(KNOBS.iter().map(|file| crates.join("experiment/src").join(file)));
    files.push(crates.join("experiment/Cargo.toml"));
    files.sort();
    let mut hash = Sha256::new();
    let mut part = |name: &str, content: &str| {
        for text in [name, content] {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
    };
    part("rustc", rustc);
    for file in &files {
        let text = fs::read_to_string(file)?;
        let content = match file.extension().and_then(|extension| extension.to_str()) {
            Some("rs") => rust(&text),
            Some("wgsl") => without_comments(&text, "//"),
            Some("toml") => without_comments(&text, "#"),
            _ => text,
        };
        let name = file.strip_prefix(workspace).unwrap_or(file);
        part(&name.to_string_lossy().replace('\\', "/"), &content);
    }
    let (lock, manifest) = (workspace.join("Cargo.lock"), workspace.join("Cargo.toml"));
    let (versions, names) = locked(&fs::read_to_string(&lock)?);
    part("Cargo.lock", &versions);
    part("Cargo.toml", &entries(&fs::read_to_string(&manifest)?, &names));
    files.extend([lock, manifest]);
    let digest = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Ok((digest, files))
}

/// Every file below `folder` but tests.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "tests") {
                collect(&path, files)?;
            }
        } else if path.file_name().is_some_and(|name| name != "tests.rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// The tokens of a Rust source without documentation and tests, one a line; a source that is none as it is.
pub(crate) fn rust(text: &str) -> String {
    // What cannot be read is left to the compiler, whose message is better.
    let Ok(tokens) = text.parse::<TokenStream>() else { return text.to_owned() };
    let mut lines = String::new();
    write_tokens(tokens, &mut lines);
    lines
}

fn write_tokens(tokens: TokenStream, lines: &mut String) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut rest = tokens.as_slice();
    while let Some(token) = rest.first() {
        if let Some((attribute, after)) = attribute(rest) {
            if attribute.starts_with("doc =") {
                rest = after;
                continue;
            }
            if attribute == "cfg (test)" {
                rest = after_item(after);
                continue;
            }
        }
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                lines.extend([open, "\n"]);
                write_tokens(group.stream(), lines);
                lines.extend([close, "\n"]);
            }
            // Whether a sign stands right before the next makes `<<` of `<` and `<`.
            TokenTree::Punct(sign) if sign.spacing() == proc_macro2::Spacing::Joint => lines.push(sign.as_char()),
            other => lines.extend([other.to_string().as_str(), "\n"]),
        }
        rest = &rest[1..];
    }
}

/// The text of the attribute that `tokens` begin with, and what follows it.
fn attribute(tokens: &[TokenTree]) -> Option<(String, &[TokenTree])> {
    let (TokenTree::Punct(sign), mut rest) = tokens.split_first()? else { return None };
    if sign.as_char() != '#' {
        return None;
    }
    if matches!(rest.first(), Some(TokenTree::Punct(inner)) if inner.as_char() == '!') {
        rest = &rest[1..];
    }
    match rest.split_first()? {
        (TokenTree::Group(group), after) if group.delimiter() == Delimiter::Bracket => {
            Some((group.stream().to_string(), after))
        }
        _ => None,
    }
}

/// What follows the item that `tokens` begin with: it ends with its braces, with `;`, or with both.
fn after_item(tokens: &[TokenTree]) -> &[TokenTree] {
    let is_semicolon = |token: &TokenTree| matches!(token, TokenTree::Punct(sign) if sign.as_char() == ';');
    let is_end = |token: &TokenTree| {
        is_semicolon(token) || matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
    };
    let Some(end) = tokens.iter().position(is_end) else { return &[] };
    let both = !is_semicolon(&tokens[end]) && tokens.get(end + 1).is_some_and(is_semicolon);
    &tokens[end + 1 + usize::from(both)..]
}

/// The lines that hold more than a comment, without it and without white space around them. Good for languages in which
/// `mark` stands in no string, as it does in none of our manifests and kernels.
fn without_comments(text: &str, mark: &str) -> String {
    let lines = text.lines().map(|line| line.split(mark).next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect()
}

/// Name, version and checksum of every library that [`ROOT`] needs, a line each, and their names.
pub(crate) fn locked(lock: &str) -> (String, BTreeSet<String>) {
    let mut packages: BTreeMap<String, Vec<(String, String, Vec<String>)>> = BTreeMap::new();
    for package in lock.split("[[package]]").skip(1) {
        let field = |name: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
            line.unwrap_or_default().trim_matches('"').to_owned()
        };
        let list = package.split_once("dependencies = [").and_then(|(_, rest)| rest.split_once(']'));
        let quoted = list.map_or("", |(list, _)| list).split('"').skip(1).step_by(2);
        let line = format!("{} {} {}\n", field("name"), field("version"), field("checksum"));
        packages.entry(field("name")).or_default().push((field("version"), line, quoted.map(str::to_owned).collect()));
    }
    let mut lines = BTreeSet::new();
    let mut names = BTreeSet::new();
    let mut queue = vec![ROOT.to_owned()];
    while let Some(wanted) = queue.pop() {
        // `name`, or `name version` where there are several.
        let mut words = wanted.split(' ');
        let (name, version) = (words.next().unwrap_or_default(), words.next());
        names.insert(name.to_owned());
        let found = packages.get(name).into_iter().flatten();
        for (_, line, needs) in found.filter(|(of, _, _)| version.is_none_or(|version| version == of)) {
            if lines.insert(line.clone()) {
                queue.extend(needs.iter().cloned());
            }
        }
    }
    (lines.into_iter().collect(), names)
}

/// The lines of the workspace's manifest that name these libraries, by their name or as the package behind another name.
fn entries(manifest: &str, names: &BTreeSet<String>) -> String {
    let all = without_comments(manifest, "#");
    let dependencies = all.split_once("[workspace.dependencies]\n").map_or("", |(_, rest)| rest);
    let dependencies = dependencies.split_once("\n[").map_or(dependencies, |(own, _)| own);
    let is_named = |line: &&str| {
        let key = line.split('=').next().unwrap_or_default().trim();
        let package = line.split_once("package = \"").and_then(|(_, rest)| rest.split('"').next());
        names.contains(package.unwrap_or(key))
    };
    dependencies.lines().filter(is_named).map(|line| format!("{line}\n")).collect()
}
