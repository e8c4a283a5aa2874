//! The configuration in the address: `?preset=apt&density=0.5&lock=density&hide=seed`, or that of a study:
//! `?study=salience&seeds=3`.
//!
//! Names and values are those of the knobs, as on the command line. Only what differs from the preset is written, so
//! that an address says what is special about an experiment.

use apt_experiment::{Explain, KnobError, MOST_SEEDS, StudyError, StudyFile, preset_entry};

pub use crate::settings::{MOST_JOBS, Settings, StudyChoice};

/// The word that stands for the preset among what can be locked or hidden.
pub const PRESET: &str = "preset";
/// The word that stands for the study.
pub const STUDY: &str = "study";
/// The word that stands for the number of seeds of the study.
pub const SEEDS: &str = "seeds";
/// The word that stands for the number of runs of a study that are made at the same time.
pub const JOBS: &str = "jobs";
const LOCK: &str = "lock";
const HIDE: &str = "hide";
const PRESENT: &str = "present";
/// The page that an address without a fragment opens, unless it names a study.
const FIRST_PAGE: &str = "lab";

/// What was read from an address.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The settings; what could not be read is at its preset's value.
    pub settings: Settings,
    /// What could not be taken over, each as the end of a sentence that begins with "This link asked for".
    pub problems: Vec<String>,
}

/// Reads the part of an address after `?`.
#[must_use]
pub fn read(query: &str) -> Reading {
    let pairs: Vec<(String, String)> =
        form_urlencoded::parse(query.trim_start_matches('?').as_bytes()).into_owned().collect();
    let mut reading = Reading::default();
    // The preset first, wherever it stands: the knobs change what it sets.
    for (_, name) in pairs.iter().filter(|(key, _)| key == PRESET) {
        match preset_entry(name).and_then(|preset| Ok((preset, preset.knobs()?))) {
            Ok((preset, knobs)) => {
                reading.settings.preset = preset;
                reading.settings.knobs = knobs;
            }
            Err(error) => reading.problems.push(of_knob(&error)),
        }
    }
    let mut seeds = None;
    for (key, value) in &pairs {
        match key.as_str() {
            PRESET => {}
            STUDY => match StudyFile::built_in(value) {
                Ok(file) => {
                    let name = file.name.unwrap_or_default();
                    reading.settings.study = Some(StudyChoice { name, seeds: None });
                }
                Err(error) => reading.problems.push(of_study(&error)),
            },
            SEEDS => match value.parse() {
                Ok(count) if (1..=MOST_SEEDS).contains(&count) => seeds = Some(count),
                _ => reading.problems.push(not_allowed(SEEDS, value, &format!("a number from 1 to {MOST_SEEDS}"))),
            },
            JOBS => match value.parse() {
                Ok(count) if (1..=MOST_JOBS).contains(&count) => reading.settings.jobs = count,
                _ => reading.problems.push(not_allowed(JOBS, value, &format!("a number from 1 to {MOST_JOBS}"))),
            },
            PRESENT => match value.as_str() {
                "" | "true" => reading.settings.present = true,
                "false" => reading.settings.present = false,
                _ => reading.problems.push(not_allowed(PRESENT, value, "true or false")),
            },
            LOCK | HIDE => {
                let (names, problems) = names(value);
                let set = if key == LOCK { &mut reading.settings.locked } else { &mut reading.settings.hidden };
                set.extend(names);
                reading.problems.extend(problems);
            }
            _ => reading.problems.extend(reading.settings.knobs.set(key, value).err().map(|error| of_knob(&error))),
        }
    }
    match &mut reading.settings.study {
        Some(study) => study.seeds = seeds,
        None if seeds.is_some() => {
            reading.problems.push("“seeds”, which are a study's, and it names no study".to_owned());
        }
        None => {}
    }
    reading
}

/// What is wrong with a setting of a link, in the words of who followed it.
fn of_knob(error: &KnobError) -> String {
    match error {
        KnobError::Unknown { name, suggestion, .. } => unknown("", name, suggestion.as_deref()),
        KnobError::UnknownPreset { name, suggestion } => unknown("the preset ", name, suggestion.as_deref()),
        KnobError::OutOfRange { knob, value, expected, .. } | KnobError::WrongType { knob, value, expected, .. } => {
            not_allowed(knob, value, expected)
        }
        other => other.problem().what,
    }
}

fn of_study(error: &StudyError) -> String {
    match error {
        StudyError::Unknown { name, suggestion, .. } => unknown("the study ", name, suggestion.as_deref()),
        other => other.problem().what,
    }
}

fn unknown(kind: &str, name: &str, suggestion: Option<&str>) -> String {
    let meant = suggestion.map_or_else(String::new, |meant| format!(" (did you mean “{meant}”?)"));
    format!("{kind}“{name}”, which the lab does not know{meant}")
}

fn not_allowed(name: &str, value: &str, expected: &str) -> String {
    format!("“{name}” to be {value}, where {expected} has to stand")
}

fn names(list: &str) -> (Vec<String>, Vec<String>) {
    let mut names = Vec::new();
    let mut problems = Vec::new();
    for word in list.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        match apt_experiment::knob(word) {
            _ if [PRESET, STUDY, SEEDS, JOBS].contains(&word) => names.push(word.to_owned()),
            Ok(knob) => names.push(knob.name.to_owned()),
            Err(error) => problems.push(of_knob(&error)),
        }
    }
    (names, problems)
}

/// The part of an address after `?` that [`read`] takes back.
#[must_use]
pub fn write(settings: &Settings) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if let Some(study) = &settings.study {
        query.append_pair(STUDY, &study.name);
        if let Some(seeds) = study.seeds {
            query.append_pair(SEEDS, &seeds.to_string());
        }
    }
    if settings.jobs > 1 {
        query.append_pair(JOBS, &settings.jobs.to_string());
    }
    query.append_pair(PRESET, settings.preset.name);
    for knob in settings.changed() {
        query.append_pair(knob.name, &knob.text(&settings.knobs));
    }
    for (key, set) in [(LOCK, &settings.locked), (HIDE, &settings.hidden)] {
        if !set.is_empty() {
            query.append_pair(key, &set.iter().map(String::as_str).collect::<Vec<_>>().join(","));
        }
    }
    if settings.present {
        query.append_pair(PRESENT, "true");
    }
    // Commas are safe in a query and easier to read than %2C.
    query.finish().replace("%2C", ",")
}

/// A link to these settings: `address` is any address of the lab, `page` the page that it opens.
#[must_use]
pub fn link(address: &str, settings: &Settings, page: &str) -> String {
    let place = address.split(['?', '#']).next().unwrap_or_default();
    let fragment = if page == FIRST_PAGE && settings.study.is_none() { "" } else { page };
    let mark = if fragment.is_empty() { "" } else { "#" };
    format!("{place}?{}{mark}{fragment}", write(settings))
}

/// Whether a host is the computer that asks for it, so that nobody else can follow a link to it.
#[must_use]
pub fn is_this_computer(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost") || host.starts_with("127.") || host == "[::1]"
}

#[cfg(test)]
mod tests {
    use super::*;
    use apt_experiment::{KNOBS, Knob, KnobKind, Knobs, PRESETS};

    #[test]
    fn an_address_says_what_differs_from_its_preset_and_reads_back() {
        let mut settings = Settings::default();
        assert_eq!(write(&settings), "preset=apt");
        settings.choose(preset_entry("lora").expect("a preset"));
        settings.knobs.seed = 7;
        settings.knobs.data = Some("a & b?.csv".to_owned());
        settings.locked = ["density", "preset"].map(str::to_owned).into();
        settings.hidden = ["seed".to_owned()].into();
        let query = write(&settings);
        assert!(query.starts_with("preset=lora&data="), "{query}");
        assert!(query.ends_with("&seed=7&lock=density,preset&hide=seed"), "{query}");
        let reading = read(&query);
        assert_eq!(reading.settings, settings);
        assert!(reading.problems.is_empty());
    }

    #[test]
    fn every_preset_and_every_knob_reads_back() {
        for preset in PRESETS {
            let mut settings = Settings::default();
            settings.choose(preset);
            assert_eq!(settings.knobs, preset.knobs().expect("in range"), "{}", preset.name);
            assert_eq!(read(&write(&settings)).settings, settings, "{}", preset.name);
        }
        let mut other = Settings::default();
        other.knobs.steps = Some(20);
        other.knobs.reference_metric = Some(0.5);
        other.knobs.learning_rate = 3e-5;
        assert_eq!(read(&write(&other)).settings, other);
    }

    #[test]
    fn a_study_in_the_address_sets_the_other_knobs_in_every_cell() {
        let settings = read("?study=salience&model=nano&seeds=2&jobs=3&seed=4").settings;
        assert_eq!(read(&write(&settings)).settings, settings);
        assert_eq!(write(&settings), "study=salience&seeds=2&jobs=3&preset=apt&model=nano&seed=4");
        let file = settings.study_file().expect("a study");
        assert_eq!(file.seeds.list(), [1, 2]);
        assert_eq!(file.knobs.keys().collect::<Vec<_>>(), ["model"]);
        let study = apt_experiment::Study::resolve(&file, "salience").expect("it can be run");
        assert!(study.cells().iter().all(|cell| cell.knobs.model == "nano"));
        let reading = read("?study=salienc&seeds=0&seeds=many&jobs=0");
        let expected = [
            "the study “salienc”, which the lab does not know (did you mean “salience”?)",
            "“seeds” to be 0, where a number from 1 to 1000 has to stand",
            "“seeds” to be many, where a number from 1 to 1000 has to stand",
            "“jobs” to be 0, where a number from 1 to 64 has to stand",
        ];
        assert_eq!(reading.problems, expected);
        assert_eq!((reading.settings.study, reading.settings.jobs), (None, 1));
        assert_eq!(read("?seeds=3").problems, ["“seeds”, which are a study's, and it names no study"]);
    }

    #[test]
    fn what_cannot_be_read_is_named_and_the_rest_counts() {
        let reading = read("?density=2&sead=3&preset=atp&seed=4&lock=densety,rank&epochs=many&present=maybe");
        let expected = [
            "the preset “atp”, which the lab does not know",
            "“density” to be 2, where a number from 0.05 to 1 has to stand",
            "“sead”, which the lab does not know (did you mean “seed”?)",
            "“densety”, which the lab does not know (did you mean “density”?)",
            "“epochs” to be many, where a number from 0.001 to 10000 has to stand",
            "“present” to be maybe, where true or false has to stand",
        ];
        assert_eq!(reading.problems, expected);
        assert_eq!(reading.settings.knobs.seed, 4);
        assert_eq!(reading.settings.knobs.density, Knobs::default().density);
        assert!(reading.settings.is_locked("rank"));
    }

    /// Values of a knob from one end of what is allowed to the other.
    fn values(knob: &Knob) -> Vec<String> {
        match &knob.kind {
            KnobKind::Int { min, max } | KnobKind::OptionalInt { min, max } => vec![min.to_string(), max.to_string()],
            KnobKind::Float { min, max } | KnobKind::OptionalFloat { min, max } => {
                [*min, *max, min + (max - min) / 3.0].map(|value| value.to_string()).to_vec()
            }
            KnobKind::Bool => ["true", "false"].map(str::to_owned).to_vec(),
            KnobKind::Choice(names) => names.iter().map(|name| (*name).to_owned()).collect(),
            KnobKind::List(names) => vec![names[0].to_owned(), names.join(",")],
            KnobKind::Text | KnobKind::OptionalText => vec!["a & b? #1 100%,ö.csv".to_owned()],
        }
    }

    #[test]
    fn a_link_gives_back_exactly_the_settings_it_was_made_from() {
        let mut links = 0;
        for preset in PRESETS {
            for knob in KNOBS.iter() {
                for value in values(knob) {
                    let mut settings = Settings::default();
                    settings.choose(preset);
                    // A few knobs take less than their kind allows (a task has to be known).
                    if settings.knobs.set(knob.name, &value).is_err() {
                        continue;
                    }
                    settings.present = value.len() % 2 == 0;
                    settings.locked = [knob.name, STUDY].map(str::to_owned).into();
                    settings.hidden = [PRESET, knob.name].map(str::to_owned).into();
                    let link = link("https://lab.example/apt/?seed=9#try", &settings, "lab");
                    let query = link.strip_prefix("https://lab.example/apt/").expect("the lab's place");
                    let reading = read(query);
                    assert_eq!(reading.problems, Vec::<String>::new(), "{link}");
                    assert_eq!(reading.settings, settings, "{link}");
                    links += 1;
                }
            }
        }
        assert!(links > PRESETS.len() * KNOBS.len(), "{links} links are fewer than two a knob");
    }

    #[test]
    fn a_link_names_its_page_where_it_is_not_the_first() {
        let plain = Settings::default();
        assert_eq!(link("http://a/b/?seed=2#lab", &plain, "lab"), "http://a/b/?preset=apt");
        assert_eq!(link("http://a/b/index.html", &plain, "learn"), "http://a/b/index.html?preset=apt#learn");
        let study = read("?study=tuning&present").settings;
        assert_eq!(link("http://a/", &study, "lab"), "http://a/?study=tuning&preset=apt&present=true#lab");
    }

    #[test]
    fn a_host_that_only_this_computer_knows_is_told_from_others() {
        for own in ["localhost", "127.0.0.1", "[::1]", "lab.localhost"] {
            assert!(is_this_computer(own), "{own}");
        }
        for other in ["localhost.example", "10.0.0.2", "[fe80::1]", ""] {
            assert!(!is_this_computer(other), "{other}");
        }
    }

    #[test]
    fn every_link_of_the_lessons_can_be_followed() {
        let lessons = include_str!("../../../docs/LECTURE.md");
        let links: Vec<&str> = lessons.split('`').skip(1).step_by(2).filter(|code| code.starts_with('?')).collect();
        assert!(links.len() > 8, "{links:?}");
        for link in links {
            let (query, page) = link.split_once('#').unwrap_or((link, FIRST_PAGE));
            assert_eq!(read(query).problems, Vec::<String>::new(), "{link}");
            assert!(["lab", "compare", "try", "learn", "device"].contains(&page), "{link} names no page");
            let settings = read(query).settings;
            let file = settings.study_file();
            let runs = |file| apt_experiment::Study::resolve(file, "lesson").map(|study| study.cells().len());
            assert!(file.as_ref().is_none_or(|file| runs(file).is_ok_and(|runs| runs <= 40)), "{link}: a long study");
            assert!(settings.knobs.check().is_ok(), "{link} cannot be run");
        }
    }

    #[test]
    fn the_preset_counts_first_wherever_it_stands() {
        let settings = read("density=0.5&preset=lora").settings;
        assert_eq!((settings.knobs.density, settings.changed_count()), (0.5, 1));
    }
}
