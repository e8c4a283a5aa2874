//! Submits a study to Slurm: one array job, one cell per task, results in the study's folder, which all nodes must share.
//!
//! A task is `apt-lab study … --shard i/n`. One that is killed and requeued resumes from its cell's last checkpoint.

use super::folder::StudyFolder;
use super::plan::PlannedCell;
use crate::error::CliError;
use crate::files::write_atomic;
use crate::reporter::Reporter;
use crate::shell::{report_command, word};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Writes the job and submits it. `trials` says that these cells are the trials of `[tune]`, which have a job of their own:
/// what they choose decides the others.
///
/// # Errors
/// A folder that cannot be written; `sbatch` that is missing or refuses.
pub(crate) fn submit(
    folder: &StudyFolder,
    planned: &[PlannedCell],
    trials: bool,
    partition: &str,
    reporter: &Reporter,
) -> Result<(), CliError> {
    let root = fs::canonicalize(folder.root()).map_err(|e| CliError::reading(folder.root(), e))?;
    let mut tasks = Vec::new();
    for (index, planned) in planned.iter().enumerate() {
        if !folder.state(&planned.folder)?.is_over() {
            tasks.push(index + 1);
        }
    }
    if tasks.is_empty() {
        reporter.print(&format!("no cell is left to run; for the report: {}", report_command(folder.root())));
        return Ok(());
    }
    let logs = root.join("slurm");
    fs::create_dir_all(&logs).map_err(|e| CliError::writing(&logs, e))?;
    let script = logs.join("job.sh");
    write_atomic(&script, job_script(&root, planned.len(), trials, &ranges(&tasks), partition)?.as_bytes())?;
    let refused = |why: String| {
        CliError::at(
            &script,
            format!("sbatch refused the job: {why}"),
            "submit this script where Slurm is installed, or run parts of the study with --shard i/n",
        )
    };
    let output = Command::new("sbatch").arg("--parsable").arg(&script).output().map_err(|e| refused(e.to_string()))?;
    if !output.status.success() {
        return Err(refused(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let id = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let (cells, next) = if trials {
        ("trials", "the same command again, which submits the runs that they decide".to_owned())
    } else {
        ("cells", report_command(folder.root()))
    };
    reporter.print(&format!(
        "submitted {} {cells} as job {id} (squeue -j {id}; logs in {})\nwhen it is done: {next}",
        tasks.len(),
        logs.display(),
    ));
    Ok(())
}

fn job_script(root: &Path, cells: usize, trials: bool, tasks: &str, partition: &str) -> Result<String, CliError> {
    let program = std::env::current_exe().map_err(|e| CliError::reading(Path::new("apt-lab"), e))?;
    let here = std::env::current_dir().map_err(|e| CliError::reading(Path::new("."), e))?;
    let part = if trials { " --trials" } else { "" };
    // A task whose cell failed has written so into the study; Slurm need not run it again.
    Ok(format!(
        "#!/bin/sh\n\
         #SBATCH --job-name=apt-lab\n\
         #SBATCH --partition={partition}\n\
         #SBATCH --array={tasks}\n\
         #SBATCH --requeue\n\
         #SBATCH --open-mode=append\n\
         cd {}\n\
         exec >>{}/task-$SLURM_ARRAY_TASK_ID.log 2>&1\n\
         exec {} study {} --out {}{part} --shard \"$SLURM_ARRAY_TASK_ID/{cells}\"\n",
        word(&here),
        word(&root.join("slurm")),
        word(&program),
        word(&root.join("study.toml")),
        word(root),
    ))
}

/// `1-3,7`.
fn ranges(tasks: &[usize]) -> String {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for &task in tasks {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == task => *last = task,
            _ => parts.push((task, task)),
        }
    }
    let parts: Vec<String> =
        parts.into_iter().map(|(a, b)| if a == b { a.to_string() } else { format!("{a}-{b}") }).collect();
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::ranges;

    #[test]
    fn task_numbers_are_written_as_slurm_reads_them() {
        assert_eq!(ranges(&[1, 2, 3, 5, 7, 8]), "1-3,5,7-8");
        assert_eq!(ranges(&[4]), "4");
    }
}
