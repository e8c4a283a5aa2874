//! `study`: a grid of runs, here, in Slurm, or divided among several machines.

use crate::error::CliError;
use crate::reporter::Reporter;
use crate::shell::report_command;
use crate::study::folder::{StudyFolder, failure_reason};
use crate::study::plan::{PlannedCell, Planner, default_name, pin_models, read_study, set_knobs};
use crate::study::report::{cell_entry, write_report};
use crate::study::shard::Shard;
use crate::study::trials::{decide, words};
use crate::study::{runner, slurm};
use apt_experiment::{Problem, STUDIES, Seeds, Study, StudyFile};
use apt_report::Report;
use clap::ArgMatches;
use std::path::{Path, PathBuf};

/// Runs, lists or submits the study that the arguments name.
///
/// # Errors
/// A study that cannot be read or run; cells that failed or were not reached.
pub(super) fn study(matches: &ArgMatches, reporter: &mut Reporter) -> Result<(), CliError> {
    let Some(name) = matches.get_one::<String>("study") else {
        list_studies(reporter);
        return Ok(());
    };
    let mut file = read_study(name)?;
    if let Some(count) = matches.get_one::<u32>("seeds") {
        file.seeds = Seeds::Count(*count);
    }
    set_knobs(&mut file, matches)?;
    pin_models(&mut file)?;
    let study = Study::resolve(&file, &default_name(name))?;
    let out = matches.get_one::<PathBuf>("out").cloned().unwrap_or_else(|| Path::new("runs").join(&study.name));
    let folder = StudyFolder::new(&out);
    let mut planner = Planner::default();
    let trials = planner.plan(study.trials(), reporter)?;
    if matches.get_flag("trials") && trials.is_empty() {
        let remedy = "leave --trials out, or add a [tune] with seeds and knobs to the study's file";
        return Err(Problem::new(format!("study `{}`", study.name), "it has no [tune] and so no trials", remedy).into());
    }
    // Reads every model and task, so that what is missing is said before anything is written.
    planner.plan(study.untuned().cells(), reporter)?;
    if matches.get_flag("list") {
        return list_cells(&study, &folder, &trials, &mut planner, reporter);
    }
    folder.write_study(&file, &study.name)?;
    if let Some(partition) = matches.get_one::<String>("slurm") {
        return match decide(&study, &folder, &trials) {
            Err(CliError::Undecided { .. }) => slurm::submit(&folder, &trials, true, partition, reporter),
            choices => {
                let cells = planner.plan(study.with_choices(&choices?).cells(), reporter)?;
                slurm::submit(&folder, &cells, false, partition, reporter)
            }
        };
    }
    run_here(study, &folder, &trials, planner, matches, reporter)
}

fn run_here(
    mut study: Study,
    folder: &StudyFolder,
    trials: &[PlannedCell],
    mut planner: Planner,
    matches: &ArgMatches,
    reporter: &mut Reporter,
) -> Result<(), CliError> {
    let out = folder.root();
    let shard = matches.get_one::<Shard>("shard").copied();
    let jobs = matches.get_one::<usize>("jobs").copied().unwrap_or(1);
    let retry = matches.get_flag("retry");
    let part = shard.map_or_else(String::new, |s| format!(", shard {} of {}", s.index, s.of));
    reporter.print(&format!("{}: {}", study.name, study.summary));
    if jobs > 1 {
        reporter.print(&format!("  {jobs} at the same time: their times are marked as not comparable"));
    }
    if let Some(words) = report(&study, folder)?.sensitivity_words() {
        reporter.print(&format!("  {words}"));
    }
    let mut failed = Vec::new();
    if let Some(tune) = &study.tune {
        let own = in_shard(trials, shard);
        let seeds = &tune.seeds;
        reporter.print(&format!("  {} trials of [tune] over seeds {seeds:?}{part}, into {}", own.len(), out.display()));
        let counts = runner::run(folder, &own, jobs, retry, reporter)?;
        reporter.print(&format!("trials: {counts}"));
        if counts.left() > 0 {
            return counts.result(folder);
        }
        if matches.get_flag("trials") {
            reporter.print("when all trials are done: the same command without --trials");
            return Ok(());
        }
        let choices = decide(&study, folder, trials)?;
        choices.iter().for_each(|choice| reporter.print(&format!("  {}", words(choice))));
        failed = study.failed_cells(&choices);
        study = study.with_choices(&choices);
    }
    let planned = planner.plan(study.cells(), reporter)?;
    let cells = in_shard(&planned, shard);
    reporter.print(&format!("  {} runs over seeds {:?}{part}, into {}", cells.len(), study.seeds, out.display()));
    failed.iter().for_each(|(name, why)| reporter.print(&format!("  FAILED  {name}: {why}")));
    let mut counts = runner::run(folder, &cells, jobs, retry, reporter)?;
    counts.cells += failed.len();
    counts.failed += failed.len();
    reporter.print(&counts.to_string());
    if shard.is_some() {
        reporter.print(&format!("when all shards are done: {}", report_command(out)));
    } else {
        let report = report(&study, folder)?;
        write_report(&report, out)?;
        if counts.left() == 0 {
            reporter.print(&format!("\n{}", apt_report::markdown(&report)));
        }
        reporter.print(&format!("report  {}", out.join("report.html").display()));
    }
    counts.result(folder)
}

fn in_shard(planned: &[PlannedCell], shard: Option<Shard>) -> Vec<&PlannedCell> {
    let is_own = |place: usize| shard.is_none_or(|shard| shard.contains(place));
    planned.iter().enumerate().filter(|(place, _)| is_own(*place)).map(|(_, planned)| planned).collect()
}

/// The report on what is in the folder.
fn report(study: &Study, folder: &StudyFolder) -> Result<Report, CliError> {
    let entries: Vec<_> = folder.cells()?.into_iter().map(cell_entry).collect();
    Ok(Report::new(&entries, Some(study)))
}

fn list_studies(reporter: &Reporter) {
    reporter
        .print("Built-in studies. `apt-lab study <name>` runs one; a TOML or JSON file describes one of your own.\n");
    for (name, _) in STUDIES {
        let Ok(file) = StudyFile::built_in(name) else { continue };
        let missing: Vec<String> = file.missing().iter().map(|name| format!(" --{name}")).collect();
        let name = format!("{name}{}", missing.concat());
        // How many runs it has does not depend on what it leaves to the user.
        if let Ok(study) = Study::resolve(&StudyFile { required: Vec::new(), ..file }, &name) {
            let (runs, seeds) = (study.untuned().cells().len(), study.seeds.len());
            let trials = match study.trials().len() {
                0 => String::new(),
                trials => format!(" after {trials} trials"),
            };
            reporter.print(&format!("  {name:22} {} ({runs} runs with {seeds} seeds{trials})", study.summary));
        }
    }
}

fn list_cells(
    study: &Study,
    folder: &StudyFolder,
    trials: &[PlannedCell],
    planner: &mut Planner,
    reporter: &Reporter,
) -> Result<(), CliError> {
    let list = |cells: &[PlannedCell]| {
        cells.iter().try_for_each(|planned| {
            let state = folder.state(&planned.folder)?;
            reporter.print(&format!("{:12} {}{}", state.name(), planned.folder, failure_reason(&state)));
            Ok::<(), CliError>(())
        })
    };
    list(trials)?;
    match decide(study, folder, trials) {
        Err(CliError::Undecided { .. }) => {
            for cell in study.untuned().cells() {
                reporter.print(&format!("{:12} {}: [tune] has not chosen yet", "waiting", cell.name()));
            }
            Ok(())
        }
        choices => {
            let choices = choices?;
            list(&planner.plan(study.with_choices(&choices).cells(), reporter)?)?;
            for (name, why) in study.failed_cells(&choices) {
                reporter.print(&format!("{:12} {name}: {why}", "failed"));
            }
            Ok(())
        }
    }
}
