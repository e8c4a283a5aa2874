//! What the hub says of a model: its commit and its files.

use crate::name::is_commit;
use serde::Deserialize;
use serde_json::Value;

/// The hub's answer about a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The commit that the revision stands for.
    pub commit: String,
    /// Its files, without those in folders.
    pub files: Vec<ListedFile>,
    /// Whether files are given only to accounts that have asked for them.
    pub is_gated: bool,
}

/// A file of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedFile {
    /// Its name.
    pub name: String,
    /// Its bytes, where the answer was asked for with `blobs=true`.
    pub size: Option<u64>,
    /// A digest of them, as [`crate::Check`] takes it; there with the size.
    pub etag: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    sha: String,
    #[serde(default)]
    siblings: Vec<Sibling>,
    #[serde(default)]
    gated: Value,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    #[serde(rename = "blobId")]
    blob_id: Option<String>,
    lfs: Option<Large>,
}

/// Of a file that lies outside of the repository.
#[derive(Deserialize)]
struct Large {
    sha256: Option<String>,
    size: Option<u64>,
}

impl Listing {
    /// Reads the answer; `None` if it is not a hub's.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let Answer { sha, siblings, gated } = serde_json::from_slice(bytes).ok()?;
        let file = |Sibling { rfilename, size, blob_id, lfs }| match lfs {
            Some(Large { sha256, size: large }) => ListedFile { name: rfilename, size: large.or(size), etag: sha256 },
            None => ListedFile { name: rfilename, size, etag: blob_id },
        };
        let is_beside = |file: &ListedFile| !file.name.is_empty() && !file.name.contains(['/', '\\']);
        let files = siblings.into_iter().map(file).filter(is_beside).collect();
        // `false`, or how access is granted: `"auto"`, `"manual"`.
        is_commit(&sha).then_some(Self {
            commit: sha,
            files,
            is_gated: gated.is_string() || gated == Value::Bool(true),
        })
    }

    /// The names of the files.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.files.iter().map(|file| file.name.clone()).collect()
    }

    /// The file of this name.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&ListedFile> {
        self.files.iter().find(|file| file.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn sizes_and_digests_are_those_of_the_content_and_not_of_its_pointer() {
        let answer = format!(
            r#"{{"sha": "{COMMIT}", "gated": false, "siblings": [
                {{"rfilename": "config.json", "size": 570, "blobId": "45a2"}},
                {{"rfilename": "model.safetensors", "size": 440, "blobId": "pointer",
                  "lfs": {{"sha256": "68d4", "size": 440, "pointerSize": 134}}}},
                {{"rfilename": "onnx/model.onnx"}}]}}"#
        );
        let listing = Listing::parse(answer.as_bytes()).expect("it is an answer");
        assert!(!listing.is_gated);
        assert_eq!(listing.names(), ["config.json", "model.safetensors"]);
        let weights = listing.file("model.safetensors").expect("it is listed");
        assert_eq!((weights.size, weights.etag.as_deref()), (Some(440), Some("68d4")));
        assert_eq!(listing.file("config.json").and_then(|file| file.etag.as_deref()), Some("45a2"));
    }

    #[test]
    fn what_is_no_answer_of_a_hub_is_told_from_one() {
        for text in ["<html>", "{}", r#"{"sha": "main"}"#] {
            assert_eq!(Listing::parse(text.as_bytes()), None, "{text}");
        }
        let gated = format!(r#"{{"sha": "{COMMIT}", "gated": "manual"}}"#);
        assert!(Listing::parse(gated.as_bytes()).is_some_and(|listing| listing.is_gated));
    }
}
