//! Tools that their projects offer ready-made: downloaded where the network has them, and used only when the archive has
//! the SHA-256 that it should have.

use crate::steps::{run, run_within};
use anyhow::{Context, Result, anyhow, ensure};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs};

/// Longest download; one that hangs gives way to building the tool.
const LIMIT: Duration = Duration::from_secs(120);

/// An archive that holds a program for this machine.
pub(crate) struct Archive {
    /// Where it is.
    pub url: String,
    /// Its SHA-256 in hexadecimal; without it, the file `url.sha256sum` holds it.
    pub sha256: Option<&'static str>,
}

/// What this machine is called in the names of archives, if tools are offered for it.
pub(crate) fn platform() -> Option<&'static str> {
    match (env::consts::OS, env::consts::ARCH) {
        ("linux", "x86_64") => Some("x86_64-unknown-linux-musl"),
        ("linux", "aarch64") => Some("aarch64-unknown-linux-musl"),
        ("macos", "x86_64") => Some("x86_64-apple-darwin"),
        ("macos", "aarch64") => Some("aarch64-apple-darwin"),
        ("windows", "x86_64") => Some("x86_64-pc-windows-msvc"),
        _ => None,
    }
}

impl Archive {
    /// Puts the program `tool` of the archive into `folder/bin`.
    ///
    /// # Errors
    /// Without network, curl or tar; when the archive is not the expected one or does not hold the program.
    pub(crate) fn install(&self, tool: &str, folder: &Path) -> Result<()> {
        let scratch = folder.join("download");
        let _ = fs::remove_dir_all(&scratch);
        fs::create_dir_all(&scratch)?;
        let archive = scratch.join("archive");
        download(&self.url, &archive)?;
        let expected = match self.sha256 {
            Some(sum) => sum.to_owned(),
            None => {
                let beside = scratch.join("sum");
                download(&format!("{}.sha256sum", self.url), &beside)?;
                first_word(&fs::read_to_string(beside)?).context("the file with the checksum is empty")?
            }
        };
        unpack(&archive, &expected, tool, folder).with_context(|| self.url.clone())?;
        Ok(fs::remove_dir_all(&scratch)?)
    }
}

/// Puts the program `tool` of the archive, which has the checksum `expected`, into `folder/bin`.
fn unpack(archive: &Path, expected: &str, tool: &str, folder: &Path) -> Result<()> {
    let found = sha256(archive)?;
    ensure!(found == expected, "the archive has the SHA-256 {found}, not {expected}");
    let into = archive.with_extension("unpacked");
    fs::create_dir_all(&into)?;
    run(Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(&into))?;
    let program = format!("{tool}{}", env::consts::EXE_SUFFIX);
    let unpacked = find(&into, &program).with_context(|| format!("the archive holds no {program}"))?;
    fs::create_dir_all(folder.join("bin"))?;
    Ok(fs::rename(unpacked, folder.join("bin").join(program))?)
}

fn download(url: &str, to: &Path) -> Result<()> {
    let mut curl = Command::new("curl");
    curl.args(["--fail", "--silent", "--show-error", "--location", "--proto", "=https", "--connect-timeout", "5"]);
    curl.args(["--speed-time", "15", "--speed-limit", "10000", "--output"]).arg(to).arg(url);
    // curl has said why.
    run_within(LIMIT, curl.stdin(Stdio::null())).map_err(|_| anyhow!("{url} cannot be had"))
}

fn sha256(file: &Path) -> Result<String> {
    let digest = Sha256::digest(fs::read(file)?);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn first_word(text: &str) -> Option<String> {
    text.split_whitespace().next().map(str::to_lowercase)
}

/// The file called `name` in `folder` or in one of its folders.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let inside = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    let folders = inside.filter(|path| path.is_dir()).collect::<Vec<_>>();
    std::iter::once(folder.to_owned()).chain(folders).map(|folder| folder.join(name)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The SHA-256 of "abc" (FIPS 180-4's example).
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn folder(name: &str) -> Result<PathBuf> {
        let folder = env::temp_dir().join(format!("apt-xtask-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    #[test]
    fn an_archive_with_another_checksum_is_refused() -> Result<()> {
        let folder = folder("refused")?;
        let archive = folder.join("archive");
        fs::write(&archive, "abc")?;
        let (right, wrong) = (sha256(&archive)?, unpack(&archive, &"0".repeat(64), "tool", &folder));
        let installed = folder.join("bin").exists();
        fs::remove_dir_all(&folder)?;
        assert_eq!(right, ABC);
        let error = wrong.expect_err("not its checksum").to_string();
        assert!(error.contains(ABC) && !installed, "{error}");
        Ok(())
    }

    #[test]
    fn the_program_is_found_in_a_folder_of_the_archive() -> Result<()> {
        let folder = folder("unpacked")?;
        let program = format!("tool{}", env::consts::EXE_SUFFIX);
        fs::create_dir_all(folder.join("tool-1.0"))?;
        fs::write(folder.join("tool-1.0").join(&program), "abc")?;
        let archive = folder.join("archive");
        run(Command::new("tar").arg("-cf").arg(&archive).arg("-C").arg(&folder).arg("tool-1.0"))?;
        let unpacked = unpack(&archive, &sha256(&archive)?, "tool", &folder);
        let installed = fs::read_to_string(folder.join("bin").join(program));
        fs::remove_dir_all(&folder)?;
        unpacked?;
        assert_eq!(installed?, "abc");
        Ok(())
    }

    #[test]
    fn a_published_checksum_is_the_first_word_of_its_file() {
        assert_eq!(first_word(&format!("{}  gh-release/a.tar.gz\n", ABC.to_uppercase())).as_deref(), Some(ABC));
        assert_eq!(first_word("\n"), None);
    }
}
