//! The command that makes an arm's runs again.

use apt_lab::{KNOBS, Knobs, preset};

/// `apt-lab run` with the preset, what differs from it, and the seeds; several seeds make a loop of the shell.
#[must_use]
pub fn command(of: &str, knobs: &Knobs, seeds: &[u64]) -> String {
    let base = preset(of).unwrap_or_default();
    let mut line = format!("apt-lab run --preset {}", quoted(of));
    for knob in KNOBS.iter().filter(|knob| knob.name != "seed") {
        let value = knob.text(knobs);
        if value != knob.text(&base) {
            line.push_str(&format!(" --{} {}", knob.flag(), quoted(&value)));
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

/// A word as a POSIX shell reads it back.
fn quoted(word: &str) -> String {
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
}
