//! What a model takes, step by step, so that what each step saves stands apart from the others: the files of its folder,
//! what of them is sent where a host compresses, and the memory of this program once it is loaded. All is measured on the
//! files themselves.

use crate::error::CliError;
use crate::probe::bytes_in_use;
use apt_data::Tokenizer;
use apt_export::File;
use apt_nn::checkpoint::Checkpoint;
use apt_nn::{ModelConfig, Transformer};
use burn::tensor::Device;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{self, Write};

/// A model after a step.
struct Row {
    step: String,
    files: u64,
    gzip: u64,
    loaded: Option<u64>,
}

/// The steps.
#[derive(Default)]
pub(super) struct Sizes {
    rows: Vec<Row>,
}

impl Sizes {
    /// Adds a step that left `files`; where this program can load it, `model` are the files to do so.
    ///
    /// # Errors
    /// Files that are no model.
    pub(super) fn add(
        &mut self,
        step: impl Into<String>,
        files: &[File],
        model: Option<&[File]>,
    ) -> Result<(), CliError> {
        let written = files.iter().map(|file| file.bytes.len() as u64).sum();
        let gzip = files.iter().map(|file| zipped(&file.bytes)).sum();
        let loaded = model.map(held).transpose()?;
        self.rows.push(Row { step: step.into(), files: written, gzip, loaded });
        Ok(())
    }

    /// As text, each number with its share of the first step's.
    pub(super) fn text(&self) -> String {
        let width = self.rows.iter().map(|row| row.step.chars().count()).max().unwrap_or(0);
        let mut lines = vec![format!("{:width$}  {:>22}  {:>22}  {:>22}", "bytes", "files", "gzip", "in memory")];
        for (step, cells) in self.cells() {
            let [files, gzip, loaded] = cells;
            lines.push(format!("{step:width$}  {files:>22}  {gzip:>22}  {loaded:>22}"));
        }
        lines.join("\n")
    }

    /// As a table of Markdown.
    pub(super) fn markdown(&self) -> String {
        let mut text = String::from("| bytes | files | gzip | in memory, loaded by APT Lab |\n|---|---|---|---|\n");
        for (step, cells) in self.cells() {
            text.push_str(&format!("| {step} | {} |\n", cells.join(" | ")));
        }
        text
    }

    fn cells(&self) -> impl Iterator<Item = (&str, [String; 3])> {
        let first = self.rows.first();
        self.rows.iter().map(move |row| {
            let share = |bytes: u64, of: Option<u64>| {
                let of = of.unwrap_or(bytes).max(1);
                format!("{} ({:>3.0} %)", grouped(bytes), 100.0 * bytes as f64 / of as f64)
            };
            let of = |size: fn(&Row) -> u64| share(size(row), first.map(size));
            let loaded = row.loaded.map(|bytes| share(bytes, first.and_then(|row| row.loaded)));
            (row.step.as_str(), [of(|row| row.files), of(|row| row.gzip), loaded.unwrap_or_else(|| "-".into())])
        })
    }
}

/// The model in `files`.
///
/// # Errors
/// Files that are none.
pub(super) fn load(files: &[File]) -> Result<(Transformer, Tokenizer), CliError> {
    let get = |name: &str| files.iter().find(|file| file.name == name).map_or(&[][..], |file| &file.bytes);
    let config = ModelConfig::from_json(get("config.json"), "config.json")?;
    let checkpoint = Checkpoint::parse(get("model.safetensors"), "model.safetensors", config.family)?;
    let model = checkpoint.model(&config, &Device::flex())?;
    Ok((model, Tokenizer::from_bytes(get("tokenizer.json"), "tokenizer.json")?))
}

/// Bytes that this program holds for the model in `files` and its tokenizer.
fn held(files: &[File]) -> Result<u64, CliError> {
    let before = bytes_in_use();
    let loaded = load(files)?;
    let held = bytes_in_use().saturating_sub(before);
    drop(loaded);
    Ok(held as u64)
}

/// Bytes that a file takes when it is sent compressed, at gzip's own level.
fn zipped(bytes: &[u8]) -> u64 {
    struct Count(u64);
    impl Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut encoder = GzEncoder::new(Count(0), Compression::default());
    // A count cannot fail.
    let counted = encoder.write_all(bytes).and_then(|()| encoder.finish());
    counted.map_or(bytes.len() as u64, |count| count.0)
}

/// `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_first_step_and_what_cannot_be_loaded_has_no_memory() {
        let mut sizes = Sizes::default();
        sizes
            .add("dense", &[File::new("a", vec![0; 2_000_000]), File::new("b", vec![1; 500])], None)
            .expect("no model");
        sizes.add("cut", &[File::new("a", vec![0; 1_000_250])], None).expect("no model");
        let rows: Vec<(&str, [String; 3])> = sizes.cells().collect();
        assert_eq!(rows[0].1[0], "2,000,500 (100 %)");
        assert_eq!(rows[1].1[0], "1,000,250 ( 50 %)");
        assert_eq!(rows[1].1[2], "-");
        assert!(sizes.rows[0].gzip < 20_000, "zeros take {} bytes", sizes.rows[0].gzip);
        assert!(sizes.markdown().contains("| cut | 1,000,250"), "{}", sizes.markdown());
    }
}
