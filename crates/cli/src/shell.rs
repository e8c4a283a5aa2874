//! Commands as they are printed, to be pasted into a shell in whatever folder.

use apt_report::shell_word;
use std::path::Path;

/// `apt-lab run --resume` of a run's folder.
pub(crate) fn resume_command(folder: &Path) -> String {
    format!("apt-lab run --resume {}", word(folder))
}

/// `apt-lab report` of a study's folder.
pub(crate) fn report_command(folder: &Path) -> String {
    format!("apt-lab report {}", word(folder))
}

/// A path as one word of a shell, the same from any folder.
pub(crate) fn word(path: &Path) -> String {
    // A folder that is gone has no path; the word is then what it was.
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    shell_word(&whole.display().to_string())
}
