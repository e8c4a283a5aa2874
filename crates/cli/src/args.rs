//! The arguments of the command line. Every knob's flag is made from [`KNOBS`]; nothing about a knob is written here.

use crate::commands::export::vocabulary::{ALL, TASK};
use crate::commands::export::{Format, Precision};
use crate::commands::generate::TOKENS;
use crate::logging::LEVELS;
use crate::study::shard::Shard;
use apt_experiment::{Axis, DATA_KNOBS, KNOBS, Knob, KnobKind, MOST_SEEDS, PAPER_SCHEDULE};
use clap::builder::{EnumValueParser, PossibleValuesParser, StyledStr, TypedValueParser};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The argument that stands for the knobs of the published run's times.
pub(crate) const PAPER_SCHEDULE_FLAG: &str = "paper_schedule";

/// The argument that begins a log.
pub(crate) const LOG: &str = "log";

/// The argument that says how many threads compute.
pub(crate) const THREADS: &str = "threads";

/// The argument of `eval`, `export` and `inspect`.
const SOURCE: &str = "source";

/// What the program was called with.
///
/// # Errors
/// Help that was asked for, or arguments that cannot be understood.
pub(crate) fn parsed() -> Result<ArgMatches, clap::Error> {
    let matches = command().try_get_matches()?;
    let Some((name, _)) = matches.subcommand() else { return Ok(matches) };
    let is_stray =
        |id: &&str| ![LOG, THREADS].contains(id) && matches.value_source(id) == Some(ValueSource::CommandLine);
    match matches.ids().map(clap::Id::as_str).find(is_stray) {
        None => Ok(matches),
        // Without a command it would mean something else.
        Some(id) => Err(command().error(
            ErrorKind::ArgumentConflict,
            format!("--{} stands before `{name}`; what a command is given stands after its name", id.replace('_', "-")),
        )),
    }
}

/// The program's commands with their arguments.
pub(crate) fn command() -> Command {
    Command::new("apt-lab")
        .version(env!("CARGO_PKG_VERSION"))
        .about(
            "Prunes and tunes a pretrained transformer at the same time (APT, ICML 2024) and measures what that costs and \
             saves.\n\n\
             Without a command it trains the built-in model twice, dense with LoRA and pruned with APT, and compares; \
             every knob of `run` may be given.",
        )
        .after_help("Start with `apt-lab`, then `apt-lab run --preset apt --help`. Knobs: `apt-lab knobs`.")
        .disable_help_subcommand(true)
        .args_override_self(true)
        .args([out("Folder for both runs and summary.json [default: runs/<a new name>]"), json()])
        .args([
            Arg::new(LOG)
                .long(LOG)
                .value_name("LEVEL")
                .global(true)
                .value_parser(PossibleValuesParser::new(LEVELS))
                .help("Log files, shapes, phases and their times to standard error"),
            Arg::new(THREADS)
                .long(THREADS)
                .value_name("N")
                .global(true)
                .value_parser(value_parser!(u16).range(1..).map(usize::from))
                .help("Threads of the CPU [default: RAYON_NUM_THREADS, or one for each core]"),
        ])
        .args(knobs().map(|arg| arg.hide(true)))
        .subcommands([
            run(),
            study(),
            report(),
            Command::new("cell")
                .hide(true)
                .about("Internal: one run of a study, in the process that `study` started for it"),
            evaluate(),
            predict(),
            generate(),
            export(),
            inspect(),
            Command::new("devices")
                .about("The devices of this machine, and whether each operation agrees with the CPU")
                .arg(json()),
            Command::new("models")
                .about("Models of the Hugging Face hub that work as they are: name, size, licence, task")
                .after_help(
                    "`--model NAME`, `eval NAME`, `export NAME` and `inspect NAME` take any model of the hub as org/name or \
                     org/name@revision, those listed here also without the org. hf:NAME means the hub even where there is \
                     a folder of that name. Files go into the hub's own cache (HF_HOME, HF_HUB_CACHE); HF_ENDPOINT, \
                     HF_TOKEN, HF_HUB_OFFLINE and the token that `hf auth login` leaves are heeded.",
                )
                .arg(json()),
            Command::new("knobs").about("Every knob: default, range, paper symbol, what it does").arg(json()),
            Command::new("presets").about("Every preset and the knobs it sets").arg(json()),
            Command::new("schema").about("JSON schema of a configuration file"),
        ])
}

fn run() -> Command {
    let others: Vec<String> = ["preset", "config", "out", "densities"]
        .iter()
        .map(ToString::to_string)
        .chain(KNOBS.iter().map(|k| k.name.into()))
        .chain([PAPER_SCHEDULE_FLAG.into()])
        .collect();
    Command::new("run")
        .about("One run; writes runs/<name>/{config.toml, events.jsonl, record.json, model/, checkpoints/}")
        .after_help("Which setting wins, from weakest: defaults, --preset, --config, flags.")
        .args_override_self(true)
        .args([
            Arg::new("preset")
                .long("preset")
                .short('p')
                .value_name("NAME")
                .help("Named experiment to start from (`apt-lab presets`) [default: apt]"),
            path("config", "FILE").short('c').help("TOML or JSON file with knobs"),
            out("Folder of the run [default: runs/<a new name>]"),
            Arg::new("densities")
                .long("densities")
                .value_name("LIST")
                .conflicts_with_all(["density", "via"])
                .help("Several densities out of one run, falling, as 0.8,0.6,0.4: each goes on from the one before, for as \
                       many steps, in a folder of --out named after it. The same command again goes on where it stopped"),
            path("resume", "DIR").help("Continue an interrupted run").conflicts_with_all(others),
            json(),
        ])
        .args(knobs())
}

fn study() -> Command {
    Command::new("study")
        .about("A grid of runs over arms and seeds; finished runs are kept and never repeated")
        .after_help(
            "Without a name it lists the built-in studies. Any knob of `run` may be given and is set in every \
             cell. The folders of several machines are merged by copying them together.",
        )
        .args_override_self(true)
        .args([
            Arg::new("study").value_name("STUDY").help("A built-in study, or a TOML or JSON file"),
            Arg::new("seeds")
                .long("seeds")
                .value_name("N")
                .value_parser(value_parser!(u32).range(1..=i64::from(MOST_SEEDS)))
                .help("Seeds 1 to N [default: the study's]"),
            Arg::new("jobs")
                .long("jobs")
                .value_name("N")
                .value_parser(value_parser!(u16).range(1..).map(usize::from))
                .help("Runs at the same time; above 1, times are marked as not comparable [default: 1]"),
            out("Folder of the study [default: runs/<study>]"),
            Arg::new("shard")
                .long("shard")
                .value_name("I/N")
                .value_parser(Shard::from_str)
                .help("Run only the I-th of N parts of the study"),
            Arg::new("slurm")
                .long("slurm")
                .value_name("PARTITION")
                .help("Submit to Slurm, one cell per task, instead of running here")
                .conflicts_with_all(["shard", "jobs"]),
            Arg::new("trials")
                .long("trials")
                .action(ArgAction::SetTrue)
                .help("Run only the trials of the study's [tune]")
                .conflicts_with("slurm"),
            Arg::new("retry").long("retry").action(ArgAction::SetTrue).help("Run failed cells again"),
            Arg::new("list")
                .long("list")
                .action(ArgAction::SetTrue)
                .help("List the cells with their state; run nothing"),
            json(),
        ])
        .args(knobs().filter(|arg| arg.get_id() != "seed").map(|arg| arg.hide(true)))
}

fn report() -> Command {
    Command::new("report")
        .about("Compares runs: tables with intervals, curves, Pareto plots, as HTML, Markdown, CSV and JSON")
        .args([
            Arg::new("runs")
                .value_name("PATH")
                .num_args(1..)
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("A study's folder; or folders of runs, or records"),
            out("Folder for report.{html, md, csv, json} [default: the study's folder]"),
            path("brief", "FILE").help("Also writes what arms gave in brief, as the lab's page reads it (study.json)"),
            json(),
        ])
}

fn evaluate() -> Command {
    Command::new("eval")
        .about("The metric of a finished run or an exported model on a task")
        .args([
            source("A run's folder, a folder with config.json, model.safetensors and tokenizer.json, or org/name of the hub"),
            Arg::new("split")
                .long("split")
                .value_name("SPLIT")
                .value_parser(PossibleValuesParser::new(["validation", "test"]))
                .default_value("validation")
                .help("Part of the data; a file named with --data is evaluated whole"),
            path("predictions", "FILE").help("Also writes the answer to every example beside its label, as TSV"),
            json(),
        ])
        .args(knobs_named(&DATA_KNOBS))
        .args(knobs_named(&["max_length", "device"]))
}

fn predict() -> Command {
    Command::new("predict")
        .about("A model's answers to texts of a file or a pipe, as they come")
        .after_help(
            "Answers come in the order of the texts: aligned on a terminal, else as TSV, or as JSON lines. What is piped in \
             is read as lines, unless it begins with { or is Parquet. Columns are found as `run` finds them.",
        )
        .args([
            source("A run's folder, one of its checkpoints, a model folder, or org/name of the hub").value_name("MODEL"),
            Arg::new("file")
                .value_name("FILE")
                .default_value("-")
                .help("Texts: a line each, or CSV, TSV, JSON, JSONL or Parquet by its name; - is standard input"),
            Arg::new("format")
                .long("format")
                .value_name("FORMAT")
                .value_parser(PossibleValuesParser::new(["lines", "csv", "tsv", "jsonl", "parquet"]))
                .help("How the texts lie there [default: as the file's name has it]"),
            Arg::new("batch")
                .long("batch")
                .value_name("N")
                .value_parser(value_parser!(u16).range(1..=4096).map(usize::from))
                .default_value("32")
                .help("Most texts that are computed at once"),
            Arg::new("json").long("json").action(ArgAction::SetTrue).help("JSON lines, with the texts"),
        ])
        .args(knobs_named(&["task", "text", "text_pair", "label", "no_header", "max_length", "device"]))
}

fn generate() -> Command {
    Command::new("generate")
        .about("What a decoder goes on with after a text, as it comes")
        .after_help(
            "What is written goes to standard output as it comes, what it took to standard error. The likeliest token is \
             taken each time, unless --temperature is given. Writing stops at a token that ends texts, or begins the next.",
        )
        .args([
            source("A run's folder, one of its checkpoints, a model folder, org/name of the hub, or builtin-decoder")
                .value_name("MODEL"),
            Arg::new("prompt")
                .value_name("TEXT")
                .help("What to go on with; - is standard input, nothing the beginning of a text"),
            Arg::new("tokens")
                .long("tokens")
                .value_name("N")
                .value_parser(value_parser!(u32).range(1..).map(|n| n as usize))
                .help(format!("Most tokens to write [default: {TOKENS}, or what the model's positions leave]")),
            Arg::new("texts")
                .long("texts")
                .value_name("N")
                .value_parser(value_parser!(u64).range(1..))
                .conflicts_with("json")
                .help("Write so many texts, a JSON object with text and ended on each line: a file for --data"),
            Arg::new("temperature")
                .long("temperature")
                .value_name("X")
                .value_parser(in_range(0.0, 100.0))
                .allow_negative_numbers(true)
                .default_value("0")
                .help("Logits are divided by it and a token is drawn; 0 takes the likeliest"),
            Arg::new("top_k")
                .long("top-k")
                .value_name("N")
                .value_parser(value_parser!(u32).range(1..).map(|n| n as usize))
                .help("Draw from so many of the likeliest [default: all]"),
            Arg::new("top_p")
                .long("top-p")
                .value_name("X")
                .value_parser(in_range(f64::MIN_POSITIVE, 1.0))
                .allow_negative_numbers(true)
                .default_value("1")
                .help("Draw from the fewest that are together so likely"),
            Arg::new("seed").long("seed").value_name("N").value_parser(value_parser!(u64)).default_value("0").help(
                "Of what is drawn: the same seed writes the same text",
            ),
            Arg::new("json").long("json").action(ArgAction::SetTrue).help("One JSON object, with the ids of all tokens"),
        ])
        .args(knobs_named(&["device"]))
}

/// Reads a number from `least` to `most`.
fn in_range(least: f64, most: f64) -> impl Fn(&str) -> Result<f64, String> + Clone + Send + Sync + 'static {
    move |text| match text.parse::<f64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        Ok(_) if least > 0.0 => Err(format!("expected more than 0, at most {most}")),
        _ => Err(format!("expected a number from {least} to {most}")),
    }
}

fn export() -> Command {
    Command::new("export")
        .about("Writes a run's compacted model as a folder that other programs load")
        .after_help(
            "Beside the weights there are config.json, the tokenizer, and a model card (README.md) with what the run's \
             record says. A table says what the folder takes, as it is, compressed and loaded: the checkpoint that was \
             pruned, what is left of it, then with a cut vocabulary, then with fewer bits.",
        )
        .args([
            source("A run's folder, one of its checkpoints, a model folder, or org/name of the hub"),
            path("out", "DIR").short('o').required(true).help("Folder to make"),
            Arg::new("format")
                .long("format")
                .value_name("FORMAT")
                .value_parser(EnumValueParser::<Format>::new())
                .default_value("safetensors")
                .help("What others load it with"),
            Arg::new("precision")
                .long("precision")
                .value_name("LIST")
                .value_parser(EnumValueParser::<Precision>::new())
                .value_delimiter(',')
                .default_value("f32")
                .help("Type of the weights; several make several ONNX files in one folder"),
            Arg::new("padded")
                .long("padded")
                .action(ArgAction::SetTrue)
                .help("For transformers without code of ours: zeros where heads and neurons were removed; not faster"),
            Arg::new("vocabulary")
                .long("vocabulary")
                .value_name("WHICH")
                .value_parser(PossibleValuesParser::new([ALL, TASK]))
                .default_value(ALL)
                .help("Pieces of the tokenizer that stay: all, or those that the task's training texts use"),
            path("vocabulary_texts", "FILE")
                .long("vocabulary-texts")
                .action(ArgAction::Append)
                .help("More texts whose pieces stay: a line each, or CSV, TSV, JSON, JSONL or Parquet by the name"),
        ])
        .args(knobs_named(&DATA_KNOBS))
        .args(knobs_named(&["max_length"]))
}

fn inspect() -> Command {
    Command::new("inspect")
        .about("What is in a run, record, checkpoint or model: heads, neurons and ranks per layer")
        .args([
            source("A run's folder, record.json, a checkpoint, a model folder, or org/name of the hub")
                .value_name("PATH"),
            Arg::new("density").long("density").value_name("X").value_parser(value_parser!(f64)).help(
                "Of a finished run: which units would be left at this density, by what they scored; no model is run",
            ),
            Arg::new("json").long("json").action(ArgAction::SetTrue).requires("density").help("The units as JSON"),
        ])
}

fn source(help: &'static str) -> Arg {
    Arg::new(SOURCE).value_name("FOLDER").required(true).value_parser(value_parser!(PathBuf)).help(help)
}

/// The folder or file that `eval`, `export` and `inspect` read.
pub(crate) fn source_of(matches: &ArgMatches) -> &Path {
    // clap refuses these commands without it.
    matches.get_one::<PathBuf>(SOURCE).map_or(Path::new(""), PathBuf::as_path)
}

fn path(name: &'static str, value: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).value_parser(value_parser!(PathBuf))
}

fn out(help: &'static str) -> Arg {
    path("out", "DIR").short('o').help(help)
}

fn json() -> Arg {
    Arg::new("json").long("json").action(ArgAction::SetTrue).help("JSON on standard output, text on standard error")
}

fn knobs() -> impl Iterator<Item = Arg> {
    KNOBS.iter().map(flag).chain([paper_schedule()])
}

fn paper_schedule() -> Arg {
    let knobs = PAPER_SCHEDULE.iter().map(|(name, text)| format!("{name} {text}")).collect::<Vec<_>>().join(", ");
    Arg::new(PAPER_SCHEDULE_FLAG)
        .long("paper-schedule")
        .action(ArgAction::SetTrue)
        .help(format!("When to prune and teach as in the paper's runs of 40 epochs: {knobs}; flags of their own win"))
        .help_heading(format!("Knobs: {}", Axis::Schedule.name()))
}

fn knobs_named(names: &[&str]) -> impl Iterator<Item = Arg> {
    KNOBS.iter().filter(|knob| names.contains(&knob.name)).map(flag)
}

/// The flag of one knob. Values stay text: [`Knob::set`] parses them and reports what is wrong with them.
fn flag(knob: &'static Knob) -> Arg {
    let arg = Arg::new(knob.name)
        .long(knob.flag())
        .value_name(value_name(&knob.kind))
        .help(help(knob))
        .help_heading(format!("Knobs: {}", knob.axis.name()))
        .allow_negative_numbers(true);
    if knob.kind == KnobKind::Bool { arg.num_args(0..=1).default_missing_value("true") } else { arg }
}

fn value_name(kind: &KnobKind) -> &'static str {
    match kind {
        KnobKind::Int { .. } | KnobKind::OptionalInt { .. } => "N",
        KnobKind::Float { .. } | KnobKind::OptionalFloat { .. } => "X",
        KnobKind::Bool => "BOOL",
        KnobKind::Choice(_) => "CHOICE",
        KnobKind::List(_) => "LIST",
        KnobKind::Text | KnobKind::OptionalText => "TEXT",
    }
}

fn help(knob: &Knob) -> StyledStr {
    let mut text = knob.help.trim_end_matches('.').to_owned();
    let range = knob.kind.range();
    if !range.is_empty() && knob.kind != KnobKind::Bool {
        text.push_str(&format!(" [{range}]"));
    }
    text.push_str(&format!(" [default: {}]", knob.default));
    text.into()
}
