//! Whether bytes are those that the hub announced: its ETag is the SHA-256 of a large file (LFS), the hash of git of a
//! small one.

use apt_core::hex;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The digest of a file that is on its way.
pub enum Check {
    /// Of a large file.
    Sha256(Sha256),
    /// Of a small one: git's name of a blob.
    Git(Sha1),
    /// An ETag of another kind, as mirrors have them, says nothing of the bytes.
    None,
}

impl Check {
    /// For a file of `size` bytes with this ETag.
    #[must_use]
    pub fn of(etag: &str, size: u64) -> Self {
        if !etag.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Self::None;
        }
        match etag.len() {
            64 => Self::Sha256(Sha256::new()),
            40 => Self::Git(Sha1::new_with_prefix(format!("blob {size}\0"))),
            _ => Self::None,
        }
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::Git(hash) => hash.update(bytes),
            Self::None => {}
        }
    }

    /// The digest in hexadecimal, where there is one.
    #[must_use]
    pub fn finish(self) -> Option<String> {
        match self {
            Self::Sha256(hash) => Some(hex(&hash.finalize())),
            Self::Git(hash) => Some(hex(&hash.finalize())),
            Self::None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_git_and_of_lfs() {
        for (etag, expected) in [
            // `printf hello | git hash-object --stdin`, `printf hello | sha256sum`
            ("0".repeat(40), Some("b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0")),
            ("0".repeat(64), Some("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")),
            ("0".repeat(32), None),
            ("W-of-a-mirror".to_owned(), None),
        ] {
            let mut check = Check::of(&etag, 5);
            check.update(b"he");
            check.update(b"llo");
            assert_eq!(check.finish().as_deref(), expected, "{etag}");
        }
    }
}
