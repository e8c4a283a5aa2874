//! Commands of the desktop: that of an arm's runs, that of a study.

use apt_experiment::{KNOBS, Knobs, Seeds, StudyFile, preset};

/// `apt-lab run` with the preset, what differs from it, and the seeds; several seeds make a loop of the shell.
#[must_use]
pub fn command(of: &str, knobs: &Knobs, seeds: &[u64]) -> String {
    let base = preset(of).unwrap_or_default();
    let mut line = format!("apt-lab run --preset {}", shell_word(of));
    for knob in KNOBS.iter().filter(|knob| knob.name != "seed") {
        let value = knob.text(knobs);
        if value != knob.text(&base) {
            line.push_str(&format!(" --{} {}", knob.flag(), shell_word(&value)));
        }
    }
    match seeds {
        [] => line,
        [seed] => format!("{line} --seed {seed}"),
        seeds => {
            let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
            format!("for seed in {}; do {line} --seed $seed; done", seeds.join(" "))
        }
    }
}

/// `apt-lab study` with the name of a built-in study, the seeds and the knobs that `file` turns in every cell.
#[must_use]
pub fn study_command(of: &str, file: &StudyFile) -> String {
    let mut line = format!("apt-lab study {}", shell_word(of));
    if let Seeds::Count(count) = file.seeds {
        line.push_str(&format!(" --seeds {count}"));
    }
    for knob in KNOBS.iter() {
        let mut knobs = Knobs::default();
        // A value that the knob refuses is no study's.
        if file.knobs.get(knob.name).is_some_and(|value| knob.set_json(&mut knobs, value).is_ok()) {
            line.push_str(&format!(" --{} {}", knob.flag(), shell_word(&knob.text(&knobs))));
        }
    }
    line
}

/// A word as a POSIX shell reads it back.
#[must_use]
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:+=@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_names_preset_differences_and_seeds() {
        let knobs = Knobs { density: 0.6, seed: 9, data: Some("my data/it's".to_owned()), ..Knobs::default() };
        assert_eq!(
            command("apt", &knobs, &[1, 2]),
            r"for seed in 1 2; do apt-lab run --preset apt --data 'my data/it'\''s' --density 0.6 --seed $seed; done"
        );
        assert_eq!(command("apt", &Knobs::default(), &[3]), "apt-lab run --preset apt --seed 3");
    }

    #[test]
    fn the_command_of_a_study_names_seeds_and_turned_knobs_as_a_shell_reads_them() {
        let mut file = StudyFile { seeds: Seeds::Count(2), ..StudyFile::built_in("salience").expect("a study") };
        for (name, value) in
            [("train_examples", 64.into()), ("data", "my data.csv".into()), ("adapters", "query,up".into())]
        {
            file.knobs.insert(name.to_owned(), value);
        }
        let line = study_command("salience", &file);
        for part in [
            "apt-lab study salience --seeds 2 --",
            " --train-examples 64",
            " --data 'my data.csv'",
            " --adapters query,up",
        ] {
            assert!(line.contains(part), "{line}");
        }
    }
}
