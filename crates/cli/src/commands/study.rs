//! `study`: a grid of runs, here, in Slurm, or divided among several machines.

use crate::error::CliError;
use crate::reporter::Reporter;
use crate::study::folder::{StudyFolder, failure_reason};
use crate::study::plan::{PlannedCell, default_name, plan, read_study, set_knobs};
use crate::study::report::{cell_entry, write_report};
use crate::study::shard::Shard;
use crate::study::{runner, slurm};
use apt_experiment::{STUDIES, Seeds, Study, StudyFile};
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
    let study = Study::resolve(&file, &default_name(name))?;
    let out = matches.get_one::<PathBuf>("out").cloned().unwrap_or_else(|| Path::new("runs").join(&study.name));
    let planned = plan(&study, reporter)?;
    let folder = StudyFolder::new(&out);
    if matches.get_flag("list") {
        return list_cells(&folder, &planned, reporter);
    }
    folder.write_study(&file, &study.name)?;
    if let Some(partition) = matches.get_one::<String>("slurm") {
        return slurm::submit(&folder, &planned, partition, reporter);
    }
    run_here(&study, &folder, &planned, matches, reporter)
}

fn run_here(
    study: &Study,
    folder: &StudyFolder,
    planned: &[PlannedCell],
    matches: &ArgMatches,
    reporter: &mut Reporter,
) -> Result<(), CliError> {
    let out = folder.root();
    let shard = matches.get_one::<Shard>("shard").copied();
    let jobs = matches.get_one::<usize>("jobs").copied().unwrap_or(1);
    let cells: Vec<&PlannedCell> =
        planned.iter().enumerate().filter(|(i, _)| shard.is_none_or(|s| s.contains(*i))).map(|(_, p)| p).collect();
    let part = shard.map_or_else(String::new, |s| format!(", shard {} of {}", s.index, s.of));
    reporter.print(&format!("{}: {}", study.name, study.summary));
    reporter.print(&format!("  {} runs over seeds {:?}{part}, into {}", cells.len(), study.seeds, out.display()));
    if jobs > 1 {
        reporter.print(&format!("  {jobs} at the same time: their times are marked as not comparable"));
    }
    let counts = runner::run(folder, &cells, jobs, matches.get_flag("retry"), reporter)?;
    reporter.print(&counts.to_string());
    if shard.is_some() {
        reporter.print(&format!("when all shards are done: apt-lab report {}", out.display()));
    } else {
        let entries: Vec<_> = folder.cells()?.into_iter().map(cell_entry).collect();
        let report = Report::new(&entries, Some(study));
        write_report(&report, out)?;
        if counts.left() == 0 {
            reporter.print(&format!("\n{}", apt_report::markdown(&report)));
        }
        reporter.print(&format!("report  {}", out.join("report.html").display()));
    }
    counts.result(folder)
}

fn list_studies(reporter: &Reporter) {
    reporter
        .print("Built-in studies. `apt-lab study <name>` runs one; a TOML or JSON file describes one of your own.\n");
    for (name, _) in STUDIES {
        let study = StudyFile::built_in(name).and_then(|file| Study::resolve(&file, name));
        if let Ok(study) = study {
            let seeds = study.seeds.len();
            reporter.print(&format!("  {name:14} {} ({} runs with {seeds} seeds)", study.summary, study.cells().len()));
        }
    }
}

fn list_cells(folder: &StudyFolder, planned: &[PlannedCell], reporter: &Reporter) -> Result<(), CliError> {
    for planned in planned {
        let state = folder.state(&planned.folder)?;
        reporter.print(&format!("{:12} {}{}", state.name(), planned.folder, failure_reason(&state)));
    }
    Ok(())
}
