//! Which arm of a study a run belongs to: by its settings and by the content of its model and data, not by where the
//! files lay.

use std::collections::BTreeMap;

use apt_experiment::{ArmId, Record, SettingsId, Study};

/// A run with the arm it belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Assigned<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// What it left.
    pub(crate) record: &'a Record,
    /// The place of its arm in [`Arms`].
    pub(crate) arm: usize,
}

/// Digests of model and data.
type Content = (Option<String>, Option<String>);

/// The arms of a study at each of its densities, each once.
pub(crate) struct Arms {
    ids: Vec<ArmId>,
    /// Where the arms name several models or data: what each path stands for. It is what the runs of that path were made
    /// from, of different contents that of the most runs. With one model and one data set any content will do, since each
    /// has a section of its own.
    contents: Option<BTreeMap<(String, Option<String>), Content>>,
}

impl Arms {
    /// Those whose settings are known: with `[tune]`, those that have a choice.
    pub(crate) fn new(study: &Study, runs: &[(&str, &Record)]) -> Self {
        Self::of(study.arms().flat_map(|arm| study.settled_at_densities(arm)).map(|knobs| ArmId::of(&knobs)), runs)
    }

    /// Arms with these settings.
    pub(crate) fn of(arms: impl Iterator<Item = ArmId>, runs: &[(&str, &Record)]) -> Self {
        let mut ids: Vec<ArmId> = Vec::new();
        for id in arms {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        let one = ids.iter().all(|id| id.paths() == ids[0].paths());
        Self { contents: (!one).then(|| contents(runs)), ids }
    }

    /// Whether its arms differ in the model or the data.
    pub(crate) fn differ_in_content(&self) -> bool {
        self.contents.is_some()
    }

    /// The run with its arm.
    ///
    /// # Errors
    /// Why it has none.
    pub(crate) fn assign<'a>(&self, name: &'a str, record: &'a Record) -> Result<Assigned<'a>, &'static str> {
        let settings = SettingsId::of(&record.config);
        let of_settings: Vec<(usize, &ArmId)> =
            self.ids.iter().enumerate().filter(|(_, id)| *id.settings() == settings).collect();
        if of_settings.is_empty() {
            return Err("its settings are those of no arm of the study");
        }
        let own = content(record);
        let is_own = |id: &ArmId| match &self.contents {
            None => true,
            // A path that no run names stands for the content of the only arm with these settings.
            Some(contents) => contents.get(id.paths()).map_or(of_settings.len() == 1, |of| *of == own),
        };
        let arm = of_settings.iter().find(|(_, id)| is_own(id)).map(|(place, _)| *place);
        arm.map(|arm| Assigned { name, record, arm }).ok_or("its model or data are those of no arm of the study")
    }

    /// Those of `runs` that belong to this arm.
    pub(crate) fn runs_of<'a>(&self, id: &ArmId, runs: &[Assigned<'a>]) -> Vec<Assigned<'a>> {
        runs.iter().filter(|run| self.ids[run.arm] == *id).copied().collect()
    }
}

fn content(record: &Record) -> Content {
    (record.provenance.model_hash.clone(), record.provenance.data_hash.clone())
}

/// What each path stands for.
fn contents(runs: &[(&str, &Record)]) -> BTreeMap<(String, Option<String>), Content> {
    let mut counts: BTreeMap<(String, Option<String>), BTreeMap<Content, usize>> = BTreeMap::new();
    for (_, record) in runs {
        let paths = ArmId::of(&record.config).paths().clone();
        *counts.entry(paths).or_default().entry(content(record)).or_default() += 1;
    }
    let most = |of: BTreeMap<Content, usize>| of.into_iter().max_by_key(|(_, runs)| *runs).map(|(content, _)| content);
    counts.into_iter().filter_map(|(paths, of)| Some((paths, most(of)?))).collect()
}
