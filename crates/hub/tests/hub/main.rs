//! What is fetched from a hub, and what is said where it is not: against a stand-in on this machine.

mod fetching;
mod refusals;
mod stand_in;

use apt_hub::{Hub, HubError, ModelName, Progress, Settings, Snapshot, Token};
use stand_in::StandIn;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The name of the large file.
const WEIGHTS: &str = "model.safetensors";

/// A hub with a small file and a large one, and an empty cache.
struct Place {
    hub: StandIn,
    cache: tempfile::TempDir,
    weights: Vec<u8>,
}

impl Place {
    fn new() -> Self {
        let weights: Vec<u8> = (0..400_000_u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let files: [(&str, &[u8]); 3] = [("config.json", b"{}"), (WEIGHTS, &weights), ("onnx/model.onnx", b"graph")];
        Self { hub: StandIn::new(&files), cache: tempfile::tempdir().expect("a temporary folder can be made"), weights }
    }

    fn settings(&self) -> Settings {
        Settings {
            cache: self.cache.path().to_owned(),
            endpoint: self.hub.endpoint(),
            token: None,
            offline: None,
            certificates: None,
            timeout: Duration::from_secs(20),
            pause: Duration::ZERO,
        }
    }

    fn with_token(&self) -> Settings {
        let file = self.cache.path().join("token");
        std::fs::write(&file, "hf_secret").expect("it can be written");
        Settings { token: Some(Token::of_file(&file).expect("there is one")), ..self.settings() }
    }

    fn client(&self) -> Hub {
        Hub::new(&self.settings()).expect("no certificates are asked for")
    }

    fn listed(&self) -> Snapshot {
        self.client().list(&name()).expect("the stand-in answers")
    }

    /// The large file in the cache, while it is not whole.
    fn partial(&self) -> PathBuf {
        self.blob().with_extension("incomplete")
    }

    fn blob(&self) -> PathBuf {
        self.cache.path().join("models--org--tiny/blobs").join(stand_in::etag(WEIGHTS, &self.weights))
    }

    /// Fetches the large file.
    fn fetch(&self) -> Result<PathBuf, HubError> {
        fetch(&self.client(), &self.listed(), WEIGHTS)
    }

    #[track_caller]
    fn assert_whole(&self, path: &Path) {
        let bytes = std::fs::read(path).expect("it was fetched");
        assert!(bytes == self.weights, "{} of {} bytes are there, or others", bytes.len(), self.weights.len());
        assert!(!self.partial().exists(), "a part is left over");
    }
}

fn name() -> ModelName {
    ModelName::parse("org/tiny").expect("it is a name")
}

fn fetch(hub: &Hub, snapshot: &Snapshot, file: &str) -> Result<PathBuf, HubError> {
    hub.fetch(snapshot, file, &mut |_: Progress<'_>| ControlFlow::Continue(()))
}
