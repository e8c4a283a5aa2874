//! Other programs that decode: each reads a model from llama2.c's file, writes as many tokens as ours behind the same prompt,
//! and says how many a second.

use crate::cases::{DECODED, PROMPT, PROMPT_IDS};
use anyhow::{Context, Result, ensure};
use apt_nn::ModelConfig;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A program with what it is called with.
pub struct Peer {
    /// Its column in the table.
    pub name: &'static str,
    program: OsString,
    arguments: Vec<OsString>,
    threads: usize,
}

impl Peer {
    /// llama2.c, built from its one C file; `tokenizer` is its `tokenizer.bin`. It counts every token but the first of the
    /// prompt, and neither that one's pass nor reading the file.
    pub fn llama2c(program: &Path, model: &Path, tokenizer: &Path, threads: usize) -> Self {
        let positions = (PROMPT_IDS.len() + DECODED).to_string();
        let mut arguments: Vec<OsString> = vec![model.into(), "-z".into(), tokenizer.into()];
        arguments.extend(["-t", "0", "-n", &positions, "-i", PROMPT].map(Into::into));
        Self { name: "llama2.c", program: program.into(), arguments, threads }
    }

    /// The program in `peers/candle`. As ours it counts the tokens that it writes, and the prompt's pass.
    pub fn candle(program: &Path, model: &Path, threads: usize) -> Self {
        let prompt = PROMPT_IDS.map(|id| id.to_string()).join(",");
        let arguments = vec![model.into(), prompt.into(), DECODED.to_string().into()];
        Self { name: "candle", program: program.into(), arguments, threads }
    }

    /// Starts it `times` times; the mean time of [`DECODED`] tokens by the rates that it prints.
    ///
    /// # Errors
    /// When it does not start, fails, or prints no rate.
    pub fn run(&self, times: usize) -> Result<Duration> {
        let mut sum = 0.0;
        for _ in 0..times {
            let mut command = Command::new(&self.program);
            command.args(&self.arguments);
            for variable in ["OMP_NUM_THREADS", "RAYON_NUM_THREADS"] {
                command.env(variable, self.threads.to_string());
            }
            let program = self.program.to_string_lossy();
            let output = command.output().with_context(|| format!("cannot start {program}"))?;
            let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            ensure!(output.status.success(), "{program} ended with {}: {}", output.status, said[1].trim());
            let rate = said.iter().find_map(|said| tokens_per_second(said));
            sum += DECODED as f64 / rate.with_context(|| format!("{program} printed no tokens a second"))?;
        }
        Ok(Duration::from_secs_f64(sum / times.max(1) as f64))
    }
}

/// That llama2.c's file at `path` has the shapes of `config`.
///
/// # Errors
/// A file that cannot be read, and one of another model.
pub fn check_shapes(path: &Path, config: &ModelConfig) -> Result<()> {
    let mut header = [0; 28];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    read.with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(
        header == header_of(config),
        "{} is not of the shapes that are timed; give llama2.c's file of that model",
        path.display()
    );
    Ok(())
}

/// How llama2.c's file of a model of these shapes begins: seven numbers of 32 bits.
fn header_of(config: &ModelConfig) -> [u8; 28] {
    let layer = config.layers.first();
    let (heads, neurons) = layer.map_or((0, 0), |layer| (layer.heads, layer.neurons));
    let queries = config.decoder.as_ref().map_or(1, |decoder| decoder.queries_per_key);
    let (layers, vocab, positions) = (config.layers.len(), config.vocab_size, config.max_positions);
    let mut header = [0; 28];
    for (bytes, size) in
        header.chunks_exact_mut(4).zip([config.hidden, neurons, layers, heads * queries, heads, vocab, positions])
    {
        bytes.copy_from_slice(&(size as u32).to_le_bytes());
    }
    header
}

/// The rate in what a program printed, such as `achieved tok/s: 123.456`; a text may come before it.
fn tokens_per_second(said: &str) -> Option<f64> {
    let (_, rate) = said.rsplit_once("tok/s:")?;
    rate.split_whitespace().next()?.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stories15m;

    #[test]
    fn the_rate_that_a_program_prints_is_found_and_what_is_none_is_not() {
        assert_eq!(tokens_per_second("a tok/s: is what\nachieved tok/s: 128.500000\n"), Some(128.5));
        assert_eq!(tokens_per_second("Lily was so happyachieved tok/s: 8.1"), Some(8.1));
        assert_eq!(tokens_per_second("tok/s: 77"), Some(77.0));
        for said in ["", "Once upon a time", "achieved tok/s: -nan", "achieved tok/s: 0.0", "achieved tok/s: inf"] {
            assert_eq!(tokens_per_second(said), None, "{said}");
        }
    }

    #[test]
    fn a_file_of_another_model_is_refused() {
        let path = std::env::temp_dir().join(format!("apt-bench-{}.bin", std::process::id()));
        let numbers = [288_u32, 768, 6, 6, 6, 32000, 256].map(u32::to_le_bytes).concat();
        for (bytes, fits) in [(numbers.clone(), true), (numbers[..27].to_vec(), false), (vec![1; 28], false)] {
            std::fs::write(&path, bytes).expect("a folder for temporary files");
            assert_eq!(check_shapes(&path, &stories15m()).is_ok(), fits);
        }
        std::fs::remove_file(&path).expect("the file that was written");
        assert!(check_shapes(&path, &stories15m()).is_err(), "no file");
    }

    #[cfg(unix)]
    #[test]
    fn a_peer_that_prints_no_rate_or_fails_is_an_error_and_its_threads_are_ours() {
        let peer = |script: &str| {
            let arguments = ["-c", script].map(Into::into).to_vec();
            Peer { name: "a shell", program: "sh".into(), arguments, threads: 4 }.run(2)
        };
        let time = peer(r#"echo "tok/s: $OMP_NUM_THREADS$RAYON_NUM_THREADS" >&2"#).expect("a rate");
        assert_eq!(time, Duration::from_secs_f64(DECODED as f64 / 44.0));
        assert!(peer("echo hello").is_err() && peer("echo tok/s: 4; exit 1").is_err());
    }
}
