//! `export`: a run's compacted model as a folder that this program and others can load.

use crate::args::source_of;
use crate::error::CliError;
use crate::files::ensure_empty;
use crate::model::{ModelLocation, is_model};
use crate::reporter::{Reporter, print_stderr, print_stdout};
use crate::run::resume::session_at;
use crate::run::write_model;
use apt_nn::Transformer;
use apt_nn::checkpoint::Precision;
use apt_train::pooling_note;
use burn::tensor::Device;
use clap::ArgMatches;
use std::path::{Path, PathBuf};

/// Runs the command.
///
/// # Errors
/// Whatever is wrong with the source, or with the folder to make.
pub(super) fn export(matches: &ArgMatches) -> Result<(), CliError> {
    // clap refuses the command without `--out`.
    let out = matches.get_one::<PathBuf>("out").cloned().unwrap_or_default();
    ensure_empty(&out)?;
    let precision = match matches.get_one::<String>("precision").map(String::as_str) {
        Some("f16") => Precision::F16,
        _ => Precision::F32,
    };
    let (model, tokenizer) = model_at(source_of(matches))?;
    write_model(&out, &model, &tokenizer, precision)?;
    let shape = model.config.shape();
    let bytes = std::fs::metadata(out.join("model.safetensors")).map_or(0, |m| m.len());
    print_stdout(&format!(
        "{}: {} layers, {} hidden dims, {} parameters without embeddings and head, {bytes} bytes of weights",
        out.display(),
        shape.layers.len(),
        shape.hidden,
        shape.parameters()
    ));
    if let Some(note) = pooling_note(&model.config) {
        print_stderr(&format!("warning: {note}"));
    }
    Ok(())
}

fn model_at(path: &Path) -> Result<(Transformer, Vec<u8>), CliError> {
    let reporter = Reporter::new(false);
    if path.is_file() {
        // checkpoints/step-….ckpt is two levels below its run's folder.
        let root = path.parent().and_then(Path::parent).unwrap_or(Path::new("."));
        let (session, tokenizer) = session_at(root, Some(path), &reporter)?;
        return Ok((session.compacted(), tokenizer));
    }
    let folder = [path.to_path_buf(), path.join("model")].into_iter().find(|folder| is_model(folder));
    match folder {
        Some(folder) => {
            let files = ModelLocation::Folder(folder).files()?;
            Ok((files.source.model(&Device::flex())?, files.tokenizer_file))
        }
        None => {
            let (session, tokenizer) = session_at(path, None, &reporter)?;
            Ok((session.compacted(), tokenizer))
        }
    }
}
