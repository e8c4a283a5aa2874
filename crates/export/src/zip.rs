//! Several files as one download: a ZIP archive that stores them as they are (APPNOTE.TXT 6.3, sections 4.3.7, 4.3.12 and
//! 4.3.16). Weights do not shrink by compression worth its time.

use crate::{ExportError, File};

/// Needs version 2.0 to be read: folders.
const VERSION: u16 = 20;
/// 1 January 1980, midnight: the same files make the same archive.
const DATE: u16 = 0x21;

/// The archive.
///
/// # Errors
/// Files of 4 GiB and more together.
pub fn zip(files: &[File]) -> Result<Vec<u8>, ExportError> {
    let too_large = |_| ExportError::Form {
        form: "zip",
        what: "the files have 4 GiB or more".into(),
        remedy: "export a smaller model, or on the desktop with `apt-lab export`",
    };
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for File { name, bytes } in files {
        let begin = u32::try_from(archive.len()).map_err(too_large)?;
        let size = u32::try_from(bytes.len()).map_err(too_large)?;
        let mut entry = Vec::new();
        for number in [VERSION, 0, 0, 0, DATE] {
            entry.extend(number.to_le_bytes());
        }
        for number in [crc32fast::hash(bytes), size, size] {
            entry.extend(number.to_le_bytes());
        }
        // Names are short: they are ours.
        entry.extend((name.len() as u16).to_le_bytes());
        entry.extend(0_u16.to_le_bytes());
        archive.extend(b"PK\x03\x04");
        archive.extend(&entry);
        archive.extend(name.as_bytes());
        archive.extend(bytes);
        directory.extend(b"PK\x01\x02");
        directory.extend(VERSION.to_le_bytes());
        directory.extend(&entry);
        // No comment, the first disk, no attributes.
        directory.extend([0; 10]);
        directory.extend(begin.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let begin = u32::try_from(archive.len()).map_err(too_large)?;
    let count = files.len() as u16;
    archive.extend(&directory);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend(count.to_le_bytes());
    archive.extend(count.to_le_bytes());
    archive.extend((directory.len() as u32).to_le_bytes());
    archive.extend(begin.to_le_bytes());
    archive.extend([0; 2]);
    Ok(archive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_is_the_one_that_pythons_zipfile_makes() {
        // zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)) with create_system and external_attr 0, ZIP_STORED.
        let expected = "504b03041400000000000000210043bfa6a302000000020000000b000000636f6e6669672e6a736f6e7b7d504b030414\
                        00000000000000210026\
                        39f4cb09000000090000000f0000006f6e6e782f6d6f64656c2e6f6e6e78313233343536373839504b0102140014000000\
                        00000000210043bfa6a302000000020000000b0000000000000000000000000000000000636f6e6669672e6a736f6e504b\
                        0102140014000000000000002100\
                        2639f4cb09000000090000000f000000000000000000000000002b0000006f6e6e782f6d6f64656c2e6f6e6e78504b0506\
                        000000000200020076000000610000000000";
        let files = [File::new("config.json", "{}"), File::new("onnx/model.onnx", "123456789")];
        let archive = zip(&files).expect("it is small");
        let hex: String = archive.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expected);
    }
}
