//! The lab's tests in a real browser: what they need, the lab as it is delivered, and the run.

use crate::assets::assets;
use crate::steps::{cargo, output, run, run_within, shown};
use crate::{debian, packages, readers, root, tools, web};
use anyhow::{Context, Result, bail, ensure};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// All tests together take half of this on two cores; a browser that hangs must end at some time.
const LIMIT: Duration = Duration::from_secs(50 * 60);
/// The oldest Node.js that knows what the tests are written in.
const NODE: u32 = 20;
/// Pythons that have a package which has none for later ones, most wanted first.
const PEERS_PYTHON: [&str; 3] = ["python3.11", "python3.10", "python3.9"];
/// Names of Chromium, most wanted first.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Installs what is missing and tests the lab that was built into `dist`.
pub(crate) fn test(dist: PathBuf) -> Result<()> {
    let folder = root().join("web/e2e");
    let mut tests = Command::new("node");
    tests.env("APT_READERS_NODE", readers::node()?);
    tests.args(["--test", "--test-concurrency=1", "--test-reporter=spec"]).args(files(&folder)?);
    let began = Instant::now();
    run_within(LIMIT, prepared(&mut tests, dist)?)?;
    println!("browser: tested in {}", shown(began.elapsed()));
    Ok(())
}

/// What is timed.
#[derive(clap::Args)]
pub(crate) struct Bench {
    /// Training steps and inference beside other programs in the same browser, which are installed among the tools.
    #[arg(long)]
    peers: bool,
    /// Memory and tasks that hold the page up, over 10,000 steps by four workers: some ten minutes.
    #[arg(long, conflicts_with = "peers")]
    long: bool,
    /// A training step by one worker and by one for each core, in turn: some four minutes.
    #[arg(long, conflicts_with_all = ["peers", "long"])]
    workers: bool,
    /// Rounds of each case beside them (default 5).
    #[arg(long, requires = "peers")]
    rounds: Option<usize>,
    /// Which cases are timed beside them, by comma (default all): builtin-16, builtin-24, builtin-32, minilm-64.
    #[arg(long, requires = "peers")]
    cases: Option<String>,
}

/// Times the lab in a browser: steps beside the program's and the frames of the stage, or beside other programs.
pub(crate) fn bench(args: &Bench) -> Result<()> {
    if args.peers {
        return beside_peers(args);
    }
    let scripts: &[&str] = match (args.long, args.workers) {
        (true, _) => &["bench/long.mjs"],
        (_, true) => &["bench/workers.mjs"],
        _ => &["bench/steps.mjs", "bench/stage.mjs"],
    };
    for script in scripts {
        run_within(LIMIT, prepared(Command::new("node").arg(script), web::delivered()?)?)?;
    }
    Ok(())
}

fn beside_peers(args: &Bench) -> Result<()> {
    let lists = root().join("web/e2e/bench/peers");
    let mut script = Command::new("node");
    script.arg("bench/peers.mjs").env("APT_PEERS_NODE", packages::from_npm("browser-peers", &lists)?);
    let python = packages::python(&PEERS_PYTHON)?;
    let python = packages::environment("browser-peers-python", &python, &lists.join("requirements.txt"));
    let needed = "it takes a Python up to 3.11, for which onnxruntime-training 1.19.2 was published";
    script.env("APT_PEERS_PYTHON", python.context(needed)?);
    if let Some(rounds) = args.rounds {
        script.args(["--rounds", &rounds.to_string()]);
    }
    if let Some(cases) = &args.cases {
        script.args(["--cases", cases]);
    }
    run_within(LIMIT, prepared(&mut script, web::delivered()?)?)
}

/// Where pictures go.
#[derive(clap::Args)]
pub(crate) struct Screens {
    /// The folder; made if it is not there.
    folder: PathBuf,
}

/// Takes pictures of the lab's pages.
pub(crate) fn screens(args: &Screens) -> Result<()> {
    let mut script = Command::new("node");
    script.arg("bench/screens.mjs").arg(std::path::absolute(&args.folder)?);
    run_within(LIMIT, prepared(&mut script, web::delivered()?)?)
}

/// Installs what a script of `web/e2e` needs, and passes where things are.
fn prepared(script: &mut Command, dist: PathBuf) -> Result<&mut Command> {
    node()?;
    let chrome = chrome()?;
    let folder = root().join("web/e2e");
    tools::npm(&folder, "ci --silent --no-fund --no-audit --prefer-offline")?;
    run(&mut cargo("build --release --locked"))?;
    // It stands beside this program, for both are built in one profile.
    let program = std::env::current_exe()?.with_file_name(format!("apt-lab{}", std::env::consts::EXE_SUFFIX));
    script.current_dir(folder).env("CHROME", chrome).env("APT_DIST", dist).env("APT_LAB_BIN", program);
    Ok(script.envs(assets()))
}

fn files(folder: &std::path::Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder.join("tests"))?.collect::<Result<Vec<_>, _>>()?;
    let mut files: Vec<PathBuf> = entries.iter().map(std::fs::DirEntry::path).collect();
    files.sort();
    Ok(files)
}

/// Finds Node.js, or installs Debian's.
///
/// # Errors
/// When there is none, or it is too old.
pub(crate) fn node() -> Result<()> {
    if version("node").is_none() && debian::may_install() {
        println!("Node.js: missing; installing Debian's");
        debian::install(&["nodejs", "npm"])?;
    }
    let version = version("node").with_context(|| format!("Node.js is missing; install version {NODE} or newer"))?;
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    ensure!(major.is_some_and(|major| major >= NODE), "Node.js is {version}; install version {NODE} or newer");
    println!("Node.js: {version}");
    Ok(())
}

fn chrome() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("CHROME") {
        return Ok(named.into());
    }
    if found().is_none() {
        if !debian::may_install() {
            bail!("there is no Chromium; install it, or name one in CHROME");
        }
        let began = Instant::now();
        println!("Chromium: missing; installing Debian's");
        debian::install(&["chromium", "fonts-dejavu-core"])?;
        println!("Chromium: installed in {}", shown(began.elapsed()));
    }
    let (path, version) = found().context("Chromium was installed and does not start")?;
    println!("Chromium: {version}");
    Ok(path)
}

fn found() -> Option<(PathBuf, String)> {
    let folders = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&folders).collect();
    let paths = BROWSERS.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    paths.filter(|path| path.is_file()).find_map(|path| Some((path.clone(), version(path.to_str()?)?)))
}

fn version(program: &str) -> Option<String> {
    output(Command::new(program).arg("--version").stderr(Stdio::null())).ok()
}
