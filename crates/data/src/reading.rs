//! How files are to be read: what the settings say of them beside their place.

use apt_experiment::{Knobs, ObjectiveChoice};

use crate::objective::ObjectiveKind;

/// How a task's files are to be read. The default leaves everything to the task and to what the files say.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// What is to be learned.
    pub objective: Option<ObjectiveKind>,
    /// Column of the text. Where it is named, only `pair` names a second text; where texts are learned token by token, only
    /// `label` names an answer to it.
    pub text: Option<String>,
    /// Column of the second text.
    pub pair: Option<String>,
    /// Column of the label.
    pub label: Option<String>,
    /// What stands between the labels of a cell, where it is to name several; none: it holds a list.
    pub label_separator: Option<String>,
    /// The first line is an example; columns are called 1, 2, 3 and so on.
    pub no_header: bool,
    /// Names of the classes in the order of a model's outputs, where a model is given: labels are read as these.
    pub classes: Vec<String>,
}

impl Reading {
    /// As settings have it.
    pub fn of(knobs: &Knobs) -> Self {
        let objective = match knobs.learned() {
            ObjectiveChoice::Auto => None,
            ObjectiveChoice::Classification => Some(ObjectiveKind::Classification),
            ObjectiveChoice::MultiLabel => Some(ObjectiveKind::MultiLabel),
            ObjectiveChoice::Regression => Some(ObjectiveKind::Regression),
            ObjectiveChoice::CausalLm => Some(ObjectiveKind::CausalLm),
            ObjectiveChoice::MultipleChoice => Some(ObjectiveKind::MultipleChoice),
        };
        let [text, pair, label] = [&knobs.text, &knobs.text_pair, &knobs.label].map(Clone::clone);
        let label_separator = knobs.label_separator.clone();
        Self { objective, text, pair, label, label_separator, no_header: knobs.no_header, classes: Vec::new() }
    }

    /// Everything by default, with this objective.
    pub fn with_objective(objective: ObjectiveKind) -> Self {
        Self { objective: Some(objective), ..Self::default() }
    }
}
