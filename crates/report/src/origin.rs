//! Where numbers come from: machines, versions, digests.

use std::collections::BTreeSet;

use apt_experiment::Record;
use serde::{Deserialize, Serialize};

use crate::assignment::Assigned;

/// What runs must share to be compared at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Basis {
    /// The device, in words.
    device: String,
    /// What computes on it.
    backend: String,
    /// Digest of the data.
    data: Option<String>,
    /// Digest of the model.
    model: Option<String>,
    /// Digest of the code that computed.
    code: Option<String>,
}

impl Basis {
    /// Of one run.
    pub(crate) fn of(record: &Record) -> Self {
        let from = &record.provenance;
        Self {
            device: from.device.clone(),
            backend: from.backend.clone(),
            data: from.data_hash.clone(),
            model: from.model_hash.clone(),
            code: from.code.clone(),
        }
    }

    /// The same on any device; and from any model and data, where arms `differ_in_content`.
    pub(crate) fn on_any_device(self, differ_in_content: bool) -> Self {
        let (data, model) = if differ_in_content { (None, None) } else { (self.data, self.model) };
        Self { data, model, code: self.code, ..Self::default() }
    }

    /// The device alone.
    pub(crate) fn device_alone(self) -> Self {
        Self { device: self.device, backend: self.backend, ..Self::default() }
    }

    /// Each once, that of the most runs first.
    pub(crate) fn all(of_runs: impl Iterator<Item = Self>) -> Vec<Self> {
        let mut bases: Vec<(Self, usize)> = Vec::new();
        for basis in of_runs {
            match bases.iter_mut().find(|(of, _)| *of == basis) {
                Some((_, runs)) => *runs += 1,
                None => bases.push((basis, 1)),
            }
        }
        bases.sort_by_key(|(_, runs)| std::cmp::Reverse(*runs));
        bases.into_iter().map(|(basis, _)| basis).collect()
    }

    fn digests(&self) -> [(&'static str, &Option<String>); 3] {
        [("data", &self.data), ("model", &self.model), ("code", &self.code)]
    }

    /// `CPU, 2 threads (flex)`, with the digests in which it differs from the others.
    pub(crate) fn title(&self, others: &[Self]) -> Option<String> {
        let digest = |digest: &Option<String>| digest.as_deref().map_or_else(|| "unknown".to_owned(), short);
        let mut parts = vec![hardware(&self.device, &self.backend)];
        for (place, (name, own)) in self.digests().into_iter().enumerate() {
            if others.iter().any(|other| other.digests()[place].1 != own) {
                parts.push(format!("{name} {}", digest(own)));
            }
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

/// Where the numbers of a section come from; each value that its runs have, once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// Digests of the code that computed.
    pub codes: BTreeSet<String>,
    /// Widest vectors of the CPU.
    pub simd: BTreeSet<String>,
    /// Seeds.
    pub seeds: BTreeSet<u64>,
    /// When the first run began, and the last.
    pub began: Option<(String, String)>,
}

impl Origin {
    pub(crate) fn of(runs: &[Assigned]) -> Self {
        let mut origin = Self::default();
        let mut began = BTreeSet::new();
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        for Assigned { record, .. } in runs {
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
            origin.codes.extend(from.code.clone());
            origin.simd.extend(from.simd.clone());
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
            ("vectors", texts(&self.simd)),
            ("runs side by side", numbers(&self.jobs)),
            ("version", texts(&self.versions)),
            ("commit", texts(&self.commits)),
            ("digest of the data", texts(&self.data)),
            ("digest of the model", texts(&self.models)),
            ("digest of the code", texts(&self.codes)),
            ("seeds", seeds),
            ("begun", began),
        ];
        lines.retain(|(_, value)| !value.is_empty());
        lines
    }
}
