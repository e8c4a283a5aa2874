//! Whether a checkpoint's classification head can go on with a task, and what happens where it cannot.

use apt_data::Objective;
use apt_nn::{Init, ModelConfig, Transformer};

/// Why the head of a model of `config` does not fit `objective`; `None` if it does or there is none.
///
/// It fits with as many outputs as the objective needs and the same labels in the same order, in whatever case. A head
/// without label names fits by their number alone, as do labels in the data that are only the indices of the head's.
pub fn head_misfit(config: &ModelConfig, objective: &Objective) -> Option<String> {
    let head = config.head?;
    let (names, labels) = (&config.label_names, objective.labels());
    let same = |(name, label): (&String, &String)| name.eq_ignore_ascii_case(label);
    let named_alike = names.is_empty() || are_indices(labels) || names.iter().zip(labels).all(same);
    if head.labels == objective.outputs() && named_alike {
        return None;
    }
    let of_head = match names.as_slice() {
        [] => format!("{} outputs", head.labels),
        names => format!("the labels {}", names.join(", ")),
    };
    let of_data = match objective {
        Objective::Classification { labels, .. } => format!("the labels {}", labels.join(", ")),
        Objective::Regression { .. } => "real numbers".to_owned(),
    };
    Some(format!("the model's head has {of_head}, the data have {of_data}"))
}

/// `model` with a head for `objective`, whose labels its configuration names: its own if that fits, else a new one.
pub(crate) fn fit_head(model: Transformer, objective: &Objective, init: &mut Init) -> Transformer {
    let fits = model.config.head.is_some() && head_misfit(&model.config, objective).is_none();
    let mut model = if fits { model } else { model.with_head(objective.outputs(), init) };
    if model.config.label_names.is_empty() || !are_indices(objective.labels()) {
        model.config.label_names = objective.labels().to_vec();
    }
    model
}

/// Whether the labels are 0, 1, 2 and so on, as files have them that number their classes.
fn are_indices(labels: &[String]) -> bool {
    labels.iter().enumerate().all(|(index, label)| *label == index.to_string())
}
