//! `generate`: a decoder goes on with a text, token by token as they come.

use crate::args::source_of;
use crate::device;
use crate::error::CliError;
use crate::hub;
use crate::logging::timed;
use crate::reporter::{keep_failure, print_stderr, print_stdout, stdout_written};
use crate::settings::apply_flags;
use crate::source::{model_at, settings_at};
use apt_data::Tokenizer;
use apt_experiment::TOKENIZER_FILE;
use apt_nn::Transformer;
use apt_nn::generation::{Decoder, Sampling};
use apt_train::{TextGenerator, TrainError, written_texts};
use clap::ArgMatches;
use serde_json::json;
use std::io::{IsTerminal, Read, Write, stdin, stdout};
use std::path::Path;
use std::time::Instant;

/// Tokens that are written where none are asked for and so many have room.
pub(crate) const TOKENS: usize = 128;
/// Why writing stopped: as many tokens as were asked for, or a token that ends texts.
const LENGTH: &str = "length";
const END_OF_TEXT: &str = "end of text";

/// Texts that are written at once.
const TEXTS_AT_ONCE: u64 = 32;

/// Runs the command.
///
/// # Errors
/// Whatever is wrong with the model; an encoder; a text that leaves no room for what is to be written.
pub(super) fn generate(matches: &ArgMatches) -> Result<(), CliError> {
    let source = &hub::located(source_of(matches))?;
    let mut knobs = settings_at(source)?;
    apply_flags(&mut knobs, matches)?;
    let opened = timed("device", || device::open(knobs.device))?;
    let (model, file) = timed("model", || model_at(source, &opened.device))?;
    if model.config.decoder.is_none() {
        let what =
            format!("{} is an encoder: it judges texts and does not go on with them", model.config.family.spec().name);
        return Err(CliError::at(
            source,
            what,
            "ask it with `apt-lab predict`, or name a decoder, such as `builtin-decoder`",
        ));
    }
    let mut tokenizer = Tokenizer::from_bytes(&file.json, TOKENIZER_FILE)?;
    if let Some(ends) = file.settings.ends {
        tokenizer = tokenizer.with_ends(ends);
    }
    let text = prompt(matches)?;
    let seed = matches.get_one::<u64>("seed").copied().unwrap_or_default();
    let mut generator = TextGenerator::new(&model, tokenizer.clone(), &text, sampling(matches), seed)?;
    let tokens = room(matches.get_one::<usize>("tokens").copied(), &generator, model.config.max_length(), source)?;
    if let Some(&texts) = matches.get_one::<u64>("texts") {
        if texts > 1 && sampling(matches).always_likeliest() {
            let what = format!("{texts} texts would be the same: the likeliest token is taken each time");
            return Err(CliError::at(source, what, "give --temperature 1, and a --top-k above 1"));
        }
        let of = Corpus { tokenizer, prompt: text, sampling: sampling(matches), seed, texts, tokens };
        of.write(&model)?;
        print_stderr(&format!("on {} ({})", opened.name, opened.why));
        return Ok(());
    }

    let is_json = matches.get_flag("json");
    let begun = Instant::now();
    let (mut whole, mut ended, mut read, mut steps) = (String::new(), LENGTH, None, 0);
    while generator.written().len() < tokens {
        let next = pollster::block_on(generator.next_token())?;
        // The first token comes of reading the prompt.
        match read {
            None => read = Some(begun.elapsed()),
            Some(_) => steps += 1,
        }
        let Some(text) = next else {
            ended = END_OF_TEXT;
            break;
        };
        put(&text, is_json, &mut whole);
        stdout_written()?;
    }
    put(&generator.rest()?, is_json, &mut whole);
    let reading = read.unwrap_or_default();
    let writing = begun.elapsed().saturating_sub(reading).as_secs_f64();
    let speed = (steps > 0).then(|| f64::from(steps) / writing.max(1e-9));
    let (prompt, written) = (generator.prompt(), generator.written());
    if is_json {
        print_stdout(
            &json!({
                "prompt": text,
                "text": whole,
                "prompt_ids": prompt,
                "ids": written,
                "ended": ended,
                "reading_seconds": reading.as_secs_f64(),
                "tokens_per_second": speed,
                "device": opened.name,
            })
            .to_string(),
        );
    } else {
        print_stdout("");
    }
    let speed = speed.map_or_else(String::new, |speed| format!(" in {writing:.2} s more, {speed:.1} a second"));
    print_stderr(&format!(
        "{} tokens read in {:.2} s, {} written{speed}; stopped by {ended}; on {} ({})",
        prompt.len(),
        reading.as_secs_f64(),
        written.len(),
        opened.name,
        opened.why
    ));
    Ok(())
}

/// Many texts behind one prompt.
struct Corpus {
    tokenizer: Tokenizer,
    prompt: String,
    sampling: Sampling,
    seed: u64,
    texts: u64,
    /// Most in each.
    tokens: usize,
}

impl Corpus {
    /// Writes the texts, prompt and all, as lines of JSON.
    fn write(&self, model: &Transformer) -> Result<(), CliError> {
        let Self { tokenizer, prompt, sampling, seed, texts, tokens } = self;
        let mut decoder = Decoder::new(model).map_err(TrainError::from)?;
        let (begun, mut written, mut ended) = (Instant::now(), 0, 0);
        for first in (0..*texts).step_by(TEXTS_AT_ONCE as usize) {
            let batch = first..(first + TEXTS_AT_ONCE).min(*texts);
            let made = written_texts(&mut decoder, tokenizer, prompt, *sampling, *seed, (batch, *tokens));
            for text in pollster::block_on(made)? {
                written += text.tokens;
                ended += u64::from(text.ended);
                let whole = format!("{prompt}{}", text.text);
                let why = if text.ended { END_OF_TEXT } else { LENGTH };
                print_stdout(&json!({ "text": whole.trim(), "ended": why }).to_string());
            }
            stdout_written()?;
        }
        let seconds = begun.elapsed().as_secs_f64();
        let speed = written as f64 / seconds.max(1e-9);
        print_stderr(&format!(
            "{texts} texts of {written} tokens in {seconds:.1} s, {speed:.0} a second; {ended} were ended by the model, \
             the others by --tokens {tokens}",
        ));
        Ok(())
    }
}

/// Shows text as it comes, and keeps it.
fn put(text: &str, is_json: bool, whole: &mut String) {
    whole.push_str(text);
    if !is_json {
        let mut out = stdout().lock();
        keep_failure(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
    }
}

/// The text to go on with: the argument, or all of standard input without the line's end.
fn prompt(matches: &ArgMatches) -> Result<String, CliError> {
    match matches.get_one::<String>("prompt").map_or("", String::as_str) {
        "-" => {
            if stdin().is_terminal() {
                print_stderr("a text to go on with, please; Ctrl-D ends it");
            }
            let (place, mut bytes) = (Path::new("standard input"), Vec::new());
            stdin().read_to_end(&mut bytes).map_err(|error| CliError::reading(place, error))?;
            let text = String::from_utf8(bytes).map_err(|error| {
                let at = error.utf8_error().valid_up_to();
                CliError::at(place, format!("it is no UTF-8 text at byte {at}"), "convert it to UTF-8")
            })?;
            Ok(text.trim_end_matches(['\r', '\n']).to_owned())
        }
        text => Ok(text.to_owned()),
    }
}

/// How many tokens are to be written, of which all must have a position.
fn room(asked: Option<usize>, generator: &TextGenerator, most: usize, source: &Path) -> Result<usize, CliError> {
    let (prompt, left) = (generator.prompt().len(), generator.room());
    match asked {
        None if left > 0 => Ok(TOKENS.min(left)),
        Some(tokens) if tokens <= left => Ok(tokens),
        _ => {
            let tokens = asked.unwrap_or(1);
            let what =
                format!("the model has {most} positions; the text has {prompt} tokens, and {tokens} are to follow");
            let remedy = match left {
                0 => "give a shorter text".to_owned(),
                left => format!("give a shorter text, or --tokens {left} or fewer"),
            };
            Err(CliError::at(source, what, remedy))
        }
    }
}

fn sampling(matches: &ArgMatches) -> Sampling {
    let number = |name: &str, default: f64| matches.get_one::<f64>(name).copied().unwrap_or(default);
    Sampling {
        temperature: number("temperature", 0.0),
        top_k: matches.get_one::<usize>("top_k").copied(),
        top_p: number("top_p", 1.0),
    }
}
