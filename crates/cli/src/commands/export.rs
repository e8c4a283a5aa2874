//! `export`: a run's compacted model as a folder that this program and others can load.

use super::from;
use crate::error::CliError;
use crate::model::{Place, is_model};
use crate::progress::{Voice, to_stdout};
use crate::{folder, resume, run};
use apt_nn::Transformer;
use apt_nn::checkpoint::{Precision, load_dir};
use burn::tensor::Device;
use clap::ArgMatches;
use std::path::{Path, PathBuf};

/// Runs the command.
///
/// # Errors
/// Whatever is wrong with what is exported, or with the place it goes to.
pub fn export(matches: &ArgMatches) -> Result<(), CliError> {
    // clap refuses the command without it.
    let out = matches.get_one::<PathBuf>("out").cloned().unwrap_or_default();
    folder::free(&out)?;
    let precision = match matches.get_one::<String>("precision").map(String::as_str) {
        Some("f16") => Precision::F16,
        _ => Precision::F32,
    };
    let (model, tokenizer) = model_at(from(matches))?;
    run::write_model(&out, &model, &tokenizer, precision)?;
    let shape = model.config.shape();
    let bytes = std::fs::metadata(out.join("model.safetensors")).map_or(0, |m| m.len());
    to_stdout(&format!(
        "{}: {} layers, {} hidden dims, {} parameters without embeddings and head, {bytes} bytes of weights",
        out.display(),
        shape.layers.len(),
        shape.hidden,
        shape.parameters()
    ));
    Ok(())
}

fn model_at(path: &Path) -> Result<(Transformer, Vec<u8>), CliError> {
    let voice = Voice::new(false);
    if path.is_file() {
        // checkpoints/step-….ckpt lies two levels below its run.
        let root = path.parent().and_then(Path::parent).unwrap_or(Path::new("."));
        let (session, tokenizer) = resume::session_at(root, Some(path), &voice)?;
        return Ok((session.compacted(), tokenizer));
    }
    let folder = [path.to_path_buf(), path.join("model")].into_iter().find(|folder| is_model(folder));
    match folder {
        Some(folder) => {
            let place = Place::Folder(folder.clone());
            let (tokenizer, _) = place.tokenizer(&place.config()?)?;
            Ok((load_dir(&folder, &Device::flex())?, tokenizer))
        }
        None => {
            let (session, tokenizer) = resume::session_at(path, None, &voice)?;
            Ok((session.compacted(), tokenizer))
        }
    }
}
