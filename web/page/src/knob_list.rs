//! How settings are listed: which come first, what groups the others, and which a search finds.

use apt_experiment::{Axis, KNOBS, Knob, KnobKind};

/// The settings that matter most, in the order in which they are shown.
const FIRST: [&str; 9] =
    ["density", "schedule", "salience", "rank_growth", "distillation", "seed", "epochs", "steps", "batch_size"];

const GROUPS: [(Axis, &str); 8] = [
    (Axis::Schedule, "Schedule of pruning"),
    (Axis::Salience, "Salience"),
    (Axis::Tuning, "Ranks"),
    (Axis::Distillation, "Distillation"),
    (Axis::Training, "Training"),
    (Axis::Model, "Model and adapters"),
    (Axis::Task, "Task"),
    (Axis::Run, "Run"),
];

/// Settings under one heading.
#[derive(Debug)]
pub struct Group {
    /// The heading.
    pub title: &'static str,
    /// The settings.
    pub knobs: Vec<&'static Knob>,
}

/// All settings: the most important first, the others by what they belong to.
#[must_use]
pub fn groups() -> Vec<Group> {
    let first = FIRST.iter().filter_map(|name| KNOBS.iter().find(|knob| knob.name == *name)).collect();
    let rest = |axis| KNOBS.iter().filter(move |knob| knob.axis == axis && !FIRST.contains(&knob.name)).collect();
    let others = GROUPS.into_iter().map(|(axis, title)| Group { title, knobs: rest(axis) });
    [Group { title: "What matters most", knobs: first }].into_iter().chain(others).collect()
}

/// What a setting is called: `Batch size`.
#[must_use]
pub fn label(knob: &Knob) -> String {
    let words = knob.name.replace('_', " ");
    let mut characters = words.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// What may stand in a setting, where its control does not show that itself: `0.05 to 1`.
#[must_use]
pub fn range(knob: &Knob) -> Option<String> {
    match &knob.kind {
        KnobKind::Int { .. }
        | KnobKind::OptionalInt { .. }
        | KnobKind::Float { .. }
        | KnobKind::OptionalFloat { .. } => {
            let range = knob.kind.range();
            let range = range.split("..").map(grouped).collect::<Vec<_>>().join(" to ");
            Some(if knob.kind.is_optional() { format!("{range}, or none") } else { range })
        }
        KnobKind::Bool | KnobKind::Choice(_) | KnobKind::List(_) | KnobKind::Text | KnobKind::OptionalText => None,
    }
}

/// A number with its digits in groups of three, from five on: `1 000 000`.
fn grouped(number: &str) -> String {
    const NARROW_SPACE: char = '\u{202F}';
    if number.len() < 5 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return number.to_owned();
    }
    let mut text = String::new();
    for (index, digit) in number.chars().enumerate() {
        if index > 0 && (number.len() - index).is_multiple_of(3) {
            text.push(NARROW_SPACE);
        }
        text.push(digit);
    }
    text
}

/// A symbol of the paper in parts, each with what stands below it: `Δ_T/Δ_0` is Δ with T, then / and Δ with 0.
#[must_use]
pub fn symbol(text: &str) -> Vec<(String, String)> {
    let part = |(index, part): (usize, &str)| {
        let (letter, below) = part.split_once('_').unwrap_or((part, ""));
        (format!("{}{letter}", if index > 0 { "/" } else { "" }), below.to_owned())
    };
    text.split('/').filter(|part| !part.is_empty()).enumerate().map(part).collect()
}

/// A value as people read it: `on`, `one shot`.
#[must_use]
pub fn value(knob: &Knob, text: &str) -> String {
    match (&knob.kind, text) {
        (KnobKind::Bool, "true") => "on".to_owned(),
        (KnobKind::Bool, _) => "off".to_owned(),
        (KnobKind::Choice(_), text) => text.replace('_', " "),
        (_, text) => text.replace(',', ", "),
    }
}

/// Whether a search finds the setting: every word of it stands in its name, its help, its symbol, its choices or its
/// group.
#[must_use]
pub fn is_found(knob: &Knob, group: &str, search: &str) -> bool {
    let choices = match &knob.kind {
        KnobKind::Choice(names) | KnobKind::List(names) => names.join(" "),
        _ => String::new(),
    };
    let name = knob.name;
    let hay =
        format!("{name} {} {} {} {choices} {group}", name.replace('_', " "), knob.help, knob.symbol).to_lowercase();
    search.to_lowercase().split_whitespace().all(|word| hay.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(search: &str) -> Vec<&'static str> {
        let all = groups();
        let matching = |group: &Group| -> Vec<&'static str> {
            let matching = group.knobs.iter().filter(|knob| is_found(knob, group.title, search));
            matching.map(|knob| knob.name).collect()
        };
        all.iter().flat_map(matching).collect()
    }

    #[test]
    fn every_setting_is_listed_once_and_the_most_important_first() {
        let mut names = found("");
        assert_eq!(names[..FIRST.len()], FIRST);
        names.sort_unstable();
        let mut knobs: Vec<&str> = KNOBS.iter().map(|knob| knob.name).collect();
        knobs.sort_unstable();
        assert_eq!(names, knobs);
    }

    #[test]
    fn a_search_looks_at_names_help_choices_and_groups() {
        assert_eq!(found("batch SIZE"), ["batch_size"]);
        assert_eq!(found("temperature"), ["distill_temperature"]);
        assert!(found("wanda").contains(&"salience"));
        assert!(found("teacher").contains(&"distillation"));
        assert!(found("schedule of pruning").contains(&"mask_step"));
        assert_eq!(found("nothing of the kind"), [""; 0]);
    }

    #[test]
    fn settings_read_as_people_write() {
        let of = |name| apt_experiment::knob(name).expect("a knob");
        assert_eq!(label(of("batch_size")), "Batch size");
        assert_eq!(range(of("density")).as_deref(), Some("0.05 to 1"));
        assert_eq!(range(of("steps")).as_deref(), Some("1 to 100\u{202F}000\u{202F}000, or none"));
        assert_eq!(range(of("batch_size")).as_deref(), Some("1 to 4096"));
        assert_eq!(range(of("schedule")), None);
        let parts =
            |text| symbol(text).into_iter().map(|(letter, below)| format!("{letter}[{below}]")).collect::<String>();
        assert_eq!([parts("Δ_T/Δ_0"), parts("η"), parts("")], ["Δ[T]/Δ[0]", "η[]", ""]);
        assert_eq!(value(of("schedule"), "one_shot"), "one shot");
        assert_eq!(value(of("prune_hidden"), "true"), "on");
        assert_eq!(value(of("adapters"), "query,value"), "query, value");
    }
}
