//! A checkpoint's files in its folder.

use anyhow::{Context, Result};
use std::path::Path;

/// Writes a file whole or not at all, and says how large it is.
///
/// # Errors
/// A folder that cannot be written.
pub fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let (part, path) = (folder.join(format!("{name}.part")), folder.join(name));
    std::fs::write(&part, bytes).with_context(|| format!("cannot write {}", part.display()))?;
    std::fs::rename(&part, &path).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{}: {} bytes", path.display(), bytes.len());
    Ok(())
}
