//! The study that would settle a comparison: the arms that have runs, with enough seeds to see what chance does.

use std::collections::BTreeMap;

use apt_experiment::{ArmFile, AxisFile, KNOBS, Knobs, Seeds, Study, StudyFile, compared, preset, preset_entry};
use apt_report::{FEWEST_SEEDS, Group, Section};
use serde_json::{Value, json};

/// A study that is proposed.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// Its file.
    pub file: StudyFile,
    /// Settings of its runs that are not here yet.
    pub missing: Vec<Knobs>,
}

impl Proposal {
    /// The arms of a section whose runs have too few seeds to compare, with as many as it takes; `device` is what its runs
    /// will compute on. `None` where nothing is to be compared, more seeds would say nothing, or there are enough.
    #[must_use]
    pub fn of(section: &Section, device: &Value) -> Option<Self> {
        let too_few = (1..FEWEST_SEEDS).contains(&section.seeds_finished());
        let is_at_chance = section.at_chance.len() == section.arms_finished();
        if !too_few || section.arms_finished() < 2 || is_at_chance {
            return None;
        }
        let groups = comparable(section.groups.iter().filter(|group| !group.runs.is_empty()).collect());
        let base = base(section, &groups)?;
        let mut knobs = own(&preset(&base.preset).ok()?, &compared(&base.knobs));
        let mut shared = preset(&base.preset).ok()?;
        set(&mut shared, &knobs);
        let several = groups.iter().any(|group| group.density != base.density && group.density.is_some());
        let others: Vec<&Group> = groups.iter().copied().filter(|group| !std::ptr::eq(*group, base)).collect();
        let arms: Vec<ArmFile> = others.iter().filter_map(|group| arm(group, several, &knobs)).collect();
        let dense = |name: &&str| arms.contains(&ArmFile::preset(name)) || base.preset == *name;
        let reference = ["fine-tune", "lora"].into_iter().find(dense).map(str::to_owned);
        let seeds = seeds(&groups);
        if *device != knob_value("device", &Knobs::default())? {
            knobs.insert("device".to_owned(), device.clone());
        }
        let words = |group: &&Group| group.name(several).replace('_', " ");
        let names: Vec<String> = others.iter().map(words).collect();
        let file = StudyFile {
            name: Some(match others.as_slice() {
                [one] => format!("{}-and-{}", base.preset, one.preset),
                many => format!("{}-and-{}-arms", base.preset, many.len()),
            }),
            summary: format!("{} beside {}, with seeds {}.", names.join(", "), words(&base), listed(&seeds)),
            base: base.preset.clone(),
            reference,
            seeds: Seeds::List(seeds),
            densities: Vec::new(),
            knobs,
            required: Vec::new(),
            tune: None,
            axes: vec![AxisFile { name: "arms".to_owned(), arms: Some(arms) }],
        };
        let study = Study::resolve(&file, "arms").ok()?;
        let is_here = |knobs: &Knobs| {
            let same = |group: &&&Group| compared(&group.knobs) == compared(knobs);
            let mut runs = groups.iter().filter(same).flat_map(|group| &group.runs);
            runs.any(|run| run.seed == knobs.seed)
        };
        let missing = study.cells().into_iter().map(|cell| cell.knobs).filter(|knobs| !is_here(knobs)).collect();
        Some(Self { file, missing })
    }
}

/// Those of the density that most arms have, and what prunes nothing: arms at several densities do not show what an idea
/// is worth. Where every density has but one arm, density itself is compared.
fn comparable(mut groups: Vec<&Group>) -> Vec<&Group> {
    let count = |density: f64| groups.iter().filter(|group| group.density == Some(density)).count();
    let densities = groups.iter().filter_map(|group| group.density);
    // Of equals the first.
    let most = densities.rev().map(|density| (count(density), density)).max_by_key(|(count, _)| *count);
    if let Some((2.., density)) = most {
        groups.retain(|group| group.density.is_none_or(|of| of == density));
    }
    groups
}

/// What the tables compare with if it has runs, else the first arm that has.
fn base<'a>(section: &Section, groups: &[&'a Group]) -> Option<&'a Group> {
    let rows = section.tables.iter().filter(|table| !table.relative).flat_map(|table| &table.rows);
    let bases: Vec<usize> = rows.filter(|row| row.is_base).map(|row| row.group).collect();
    let is_base = |group: &&&Group| bases.iter().any(|base| std::ptr::eq(&section.groups[*base], **group));
    groups.iter().find(is_base).or(groups.first()).copied()
}

/// An arm beside knobs that the whole study sets; `None` if its preset is unknown.
fn arm(group: &Group, several: bool, shared: &BTreeMap<String, Value>) -> Option<ArmFile> {
    let entry = preset_entry(&group.preset).ok()?;
    let mut from = entry.knobs().ok()?;
    set(&mut from, shared);
    let knobs = own(&from, &compared(&group.knobs));
    let name = group.name(several);
    match knobs.is_empty() && name == entry.arm() {
        true => Some(ArmFile::preset(&group.preset)),
        false => serde_json::from_value(json!({ "name": name, "preset": group.preset, "knobs": knobs })).ok(),
    }
}

/// The knobs that `to` sets otherwise than `from`.
fn own(from: &Knobs, to: &Knobs) -> BTreeMap<String, Value> {
    let from = compared(from);
    let differ = KNOBS.iter().filter(|knob| knob.get(&from) != knob.get(to));
    differ.map(|knob| (knob.name.to_owned(), knob.get(to))).collect()
}

fn set(knobs: &mut Knobs, values: &BTreeMap<String, Value>) {
    for knob in KNOBS.iter() {
        if let Some(value) = values.get(knob.name) {
            // The value was a knob's.
            let _ = knob.set_json(knobs, value);
        }
    }
}

fn knob_value(name: &str, knobs: &Knobs) -> Option<Value> {
    KNOBS.iter().find(|knob| knob.name == name).map(|knob| knob.get(knobs))
}

/// The seeds there are, and the smallest others that make them enough.
fn seeds(groups: &[&Group]) -> Vec<u64> {
    let mut seeds: Vec<u64> = groups.iter().flat_map(|group| &group.runs).map(|run| run.seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    let others: Vec<u64> = (1..).filter(|seed| !seeds.contains(seed)).take(FEWEST_SEEDS).collect();
    seeds.extend(others.into_iter().take(FEWEST_SEEDS.saturating_sub(seeds.len())));
    seeds.sort_unstable();
    seeds
}

fn listed(seeds: &[u64]) -> String {
    seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use apt_experiment::RecordBuilder;
    use apt_report::{Entry, Report};

    fn entry(name: &str, of: &str, set: &[(&str, &str)]) -> Entry {
        let mut knobs = preset(of).expect("a preset");
        for (knob, value) in set {
            knobs.set(knob, value).expect("a value");
        }
        let mut record = RecordBuilder::from_events(&crate::history::tests::run(knobs, 4, true)).expect("a whole run");
        record.preset = Some(of.to_owned());
        record.measures.metric.validation = Some(0.9);
        Entry { name: name.to_owned(), record: Some(record.into()), failure: None }
    }

    fn proposal(entries: &[Entry]) -> Option<Proposal> {
        Proposal::of(&Report::new(entries, None).sections[0], &Value::from("auto"))
    }

    #[test]
    fn arms_with_one_seed_become_a_study_with_three_of_which_the_runs_there_are_count() {
        let apt = entry("a", "apt", &[("steps", "24"), ("seed", "4")]);
        let random = entry("b", "salience-random", &[("steps", "24"), ("seed", "4")]);
        let lora = entry("c", "lora", &[("steps", "24"), ("seed", "4")]);
        let of = proposal(&[apt, random, lora]).expect("a study");
        assert_eq!(of.file.seeds.list(), [1, 2, 4]);
        assert_eq!(of.file.knobs.keys().collect::<Vec<_>>(), ["steps"]);
        assert_eq!(of.file.reference.as_deref(), Some("lora"));
        let study = Study::resolve(&of.file, "arms").expect("it can be run");
        let names: Vec<&str> = study.arms().map(|arm| arm.name.as_str()).collect();
        assert_eq!(names, ["lora", "apt", "lora", "random"], "{:?}", of.file);
        assert_eq!((study.cells().len(), of.missing.len()), (9, 6));
        assert!(of.missing.iter().all(|knobs| knobs.seed != 4 && knobs.steps == Some(24)));
    }

    #[test]
    fn settings_of_ones_own_stay_with_their_arm() {
        let entries = [entry("a", "apt", &[("density", "0.2")]), entry("b", "apt", &[("density", "0.6")])];
        let of = proposal(&entries).expect("a study");
        let study = Study::resolve(&of.file, "arms").expect("it can be run");
        let densities: Vec<f64> = study.arms().map(|arm| arm.knobs.density).collect();
        assert_eq!(densities, [0.6, 0.2], "{:?}", of.file);
        assert_eq!(of.missing.len(), 4);
    }

    #[test]
    fn arms_are_compared_at_one_density() {
        let entries = [
            entry("a", "apt", &[]),
            entry("b", "apt", &[("density", "0.2")]),
            entry("c", "salience-wanda", &[("density", "0.2")]),
            entry("d", "lora", &[]),
        ];
        let of = proposal(&entries).expect("a study");
        assert_eq!(of.file.summary, "lora, wanda beside apt, with seeds 1, 2, 3.");
        let study = Study::resolve(&of.file, "arms").expect("it can be run");
        let arms: Vec<_> = study.arms().filter(|arm| arm.knobs.prunes()).map(|arm| arm.knobs.density).collect();
        assert_eq!(arms, [0.2, 0.2], "{:?}", of.file);
    }

    #[test]
    fn one_arm_or_three_seeds_need_no_study() {
        assert_eq!(proposal(&[entry("a", "apt", &[])]), None);
        let seeds =
            ["1", "2", "3"].map(|seed| [entry(seed, "apt", &[("seed", seed)]), entry("x", "lora", &[("seed", seed)])]);
        assert_eq!(proposal(&seeds.concat()), None);
    }

    #[test]
    fn the_device_is_the_labs() {
        let entries = [entry("a", "apt", &[("device", "webgpu")]), entry("b", "salience-random", &[])];
        let section = &Report::new(&entries, None).sections[0];
        let file = Proposal::of(section, &Value::from("cpu")).expect("a study").file;
        assert_eq!(file.knobs.get("device"), Some(&Value::from("cpu")));
    }
}
