//! The hub with the cache of this machine: what a program asks.

use crate::asked::Asked;
use crate::cache::{Cache, files_in};
use crate::client::Client;
use crate::download::{Download, Watch};
use crate::error::HubError;
use crate::listing::Listing;
use crate::name::ModelName;
use crate::settings::Settings;
use std::path::PathBuf;
use std::time::Duration;

/// The hub, with the cache of this machine.
pub struct Hub {
    client: Client,
    cache: Cache,
    offline: Option<String>,
    pause: Duration,
}

/// A model at a commit: the files that the hub has of it, or the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// As it was asked for.
    pub name: ModelName,
    /// The commit that its revision stands for.
    pub commit: String,
    /// Where in the cache the files of this commit lie, as far as they are there.
    pub folder: PathBuf,
    /// The names of its files, without those in folders.
    pub files: Vec<String>,
}

impl Hub {
    /// The hub and the cache that `settings` name.
    ///
    /// # Errors
    /// Certificates that cannot be read.
    pub fn new(settings: &Settings) -> Result<Self, HubError> {
        let cache = Cache::new(&settings.cache);
        Ok(Self { client: Client::new(settings)?, cache, offline: settings.offline.clone(), pause: settings.pause })
    }

    /// What the hub has of a model.
    ///
    /// # Errors
    /// [`Kind::Offline`] and [`Kind::Unreachable`] where it cannot be asked, [`Kind::Missing`] where it has none of the
    /// name or shows it to nobody without a token, and others.
    ///
    /// [`Kind::Offline`]: crate::Kind::Offline
    /// [`Kind::Unreachable`]: crate::Kind::Unreachable
    /// [`Kind::Missing`]: crate::Kind::Missing
    pub fn list(&self, name: &ModelName) -> Result<Snapshot, HubError> {
        if let Some(variable) = &self.offline {
            return Err(HubError::offline(name, variable));
        }
        let bytes = self.client.listing(Asked { name, file: None })?;
        let no_hub = || HubError::no_hub(&name.to_string(), "the answer is not that of a hub");
        let listing = Listing::parse(&bytes).ok_or_else(no_hub)?;
        let (files, commit) = (listing.names(), listing.commit);
        Ok(Snapshot { folder: self.cache.snapshot(name, &commit), name: name.clone(), commit, files })
    }

    /// What the cache has of a model; `None` if nothing.
    #[must_use]
    pub fn cached(&self, name: &ModelName) -> Option<Snapshot> {
        let commit = self.cache.commit(name)?;
        let folder = self.cache.snapshot(name, &commit);
        let files = files_in(&folder);
        (!files.is_empty()).then(|| Snapshot { name: name.clone(), commit, folder, files })
    }

    /// Fetches a file of a snapshot, if it is not there, and gives its path.
    ///
    /// # Errors
    /// A hub that cannot be reached or refuses; a file that is not what was announced; a cache that cannot be written.
    pub fn fetch(&self, snapshot: &Snapshot, file: &str, watch: &mut Watch<'_>) -> Result<PathBuf, HubError> {
        let Snapshot { name, commit, .. } = snapshot;
        if file.contains(['/', '\\']) || file.starts_with('.') {
            let what = "a file of a model lies beside the others, in no other folder";
            return Err(HubError::other(format!("{name}, {file}"), what, "give another model"));
        }
        let asked = Asked { name, file: Some(file) };
        Download { client: &self.client, cache: &self.cache, asked, commit, pause: self.pause }.run(watch)
    }

    /// Remembers which commit the revision stands for, and that it has none of the `absent` files: all that was wanted is
    /// there then, without a question to the hub.
    pub fn remember(&self, snapshot: &Snapshot, absent: &[&str]) {
        self.cache.remember(&snapshot.name, &snapshot.commit, absent);
    }

    /// Whether it is known that the hub has no such file of this snapshot.
    #[must_use]
    pub fn lacks(&self, snapshot: &Snapshot, file: &str) -> bool {
        self.cache.lacks(&snapshot.name, &snapshot.commit, file)
    }
}

/// Whether the cache of these settings holds anything of a model.
#[must_use]
pub fn is_cached(settings: &Settings, name: &ModelName) -> bool {
    settings.cache.join(name.folder()).join("snapshots").is_dir()
}
