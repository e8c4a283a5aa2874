//! Where numbers come from: machines, versions, digests.

use std::collections::BTreeSet;

use apt_experiment::{Record, data_digest};
use serde::Serialize;

/// What runs must share to be compared at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The device, in words.
    pub device: String,
    /// What computes on it.
    pub backend: String,
    /// Digest of the data; none where runs train on a sample of it, which each seed draws anew.
    pub data: Option<String>,
    /// Digest of the model.
    pub model: Option<String>,
}

impl Place {
    /// Of one run.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        let from = &record.provenance;
        Self {
            device: from.device.clone(),
            backend: from.backend.clone(),
            data: data_digest(record).map(str::to_owned),
            model: from.model_hash.clone(),
        }
    }

    /// The same data and model on any device.
    pub(crate) fn anywhere(self) -> Self {
        Self { device: String::new(), backend: String::new(), ..self }
    }

    /// Each once, that of the most runs first.
    pub(crate) fn all(of_runs: impl Iterator<Item = Self>) -> Vec<Self> {
        let mut places: Vec<(Self, usize)> = Vec::new();
        for place in of_runs {
            match places.iter_mut().find(|(of, _)| *of == place) {
                Some((_, runs)) => *runs += 1,
                None => places.push((place, 1)),
            }
        }
        places.sort_by_key(|(_, runs)| std::cmp::Reverse(*runs));
        places.into_iter().map(|(place, _)| place).collect()
    }

    /// `CPU, 2 threads (flex)`, with the digests in which it differs from the others.
    pub(crate) fn title(&self, others: &[Self]) -> Option<String> {
        let digest = |digest: &Option<String>| digest.as_deref().map_or_else(|| "unknown".to_owned(), short);
        let mut parts = vec![hardware(&self.device, &self.backend)];
        if others.iter().any(|other| other.data != self.data) {
            parts.push(format!("data {}", digest(&self.data)));
        }
        if others.iter().any(|other| other.model != self.model) {
            parts.push(format!("model {}", digest(&self.model)));
        }
        parts.retain(|part| !part.is_empty());
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

/// A device with what computes on it: `CPU, 2 threads (flex)`.
#[must_use]
pub fn hardware(device: &str, backend: &str) -> String {
    match (device, backend) {
        (device, "") => device.to_owned(),
        ("", backend) => backend.to_owned(),
        (device, backend) => format!("{device} ({backend})"),
    }
}

/// The first twelve characters of a digest.
fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}

/// Where the numbers of a section come from; of each what its runs say, every value once.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Origin {
    /// Versions of the program.
    pub versions: BTreeSet<String>,
    /// Commits it was built from.
    pub commits: BTreeSet<String>,
    /// Devices, in words.
    pub devices: BTreeSet<String>,
    /// What computed on them.
    pub backends: BTreeSet<String>,
    /// Operating systems.
    pub systems: BTreeSet<String>,
    /// Threads of the CPU backend.
    pub threads: BTreeSet<usize>,
    /// Runs made side by side.
    pub jobs: BTreeSet<usize>,
    /// Digests of the data.
    pub data: BTreeSet<String>,
    /// Digests of the model.
    pub models: BTreeSet<String>,
    /// Seeds.
    pub seeds: BTreeSet<u64>,
    /// When the first run began, and the last.
    pub began: Option<(String, String)>,
}

impl Origin {
    pub(crate) fn of(runs: &[(&str, &Record)]) -> Self {
        let mut origin = Self::default();
        let mut began = BTreeSet::new();
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        for (_, record) in runs {
            let from = &record.provenance;
            origin.versions.extend(some(&from.version));
            origin.commits.extend(from.commit.clone());
            origin.devices.extend(some(&from.device));
            origin.backends.extend(some(&from.backend));
            origin.systems.extend(some(&from.os));
            origin.threads.extend(from.threads);
            origin.jobs.extend(from.jobs);
            origin.data.extend(from.data_hash.clone());
            origin.models.extend(from.model_hash.clone());
            origin.seeds.insert(record.config.seed);
            began.extend(from.started_at.clone());
        }
        origin.began = began.first().cloned().zip(began.last().cloned());
        origin
    }

    /// Name and values, for those that are known.
    #[must_use]
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let texts = |of: &BTreeSet<String>| of.iter().cloned().collect::<Vec<_>>().join(", ");
        let numbers = |of: &BTreeSet<usize>| of.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        let seeds = self.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        let began = self.began.as_ref().map_or_else(String::new, |(first, last)| format!("{first} to {last}"));
        let mut lines = vec![
            ("device", texts(&self.devices)),
            ("backend", texts(&self.backends)),
            ("system", texts(&self.systems)),
            ("threads", numbers(&self.threads)),
            ("runs side by side", numbers(&self.jobs)),
            ("version", texts(&self.versions)),
            ("commit", texts(&self.commits)),
            ("digest of the data", texts(&self.data)),
            ("digest of the model", texts(&self.models)),
            ("seeds", seeds),
            ("begun", began),
        ];
        lines.retain(|(_, value)| !value.is_empty());
        lines
    }
}
