//! Whether a checkpoint's classification head can go on with a task, and what happens where it cannot.

use apt_data::{Objective, ObjectiveKind};
use apt_nn::{Init, ModelConfig, Pooling, Transformer};

/// Why the head of a model of `config` does not fit `objective`; `None` if it does or there is none.
///
/// It fits with as many outputs as the objective needs and the same labels, in whatever case and order. A head without
/// label names fits by their number alone, as do labels in the data that are only the indices of the head's. If a pooling
/// is `asked` for, it must be the head's. A head whose classes may apply in any number fits no other objective; of other
/// heads' files not all say so, so these fit by their labels.
pub fn head_misfit(config: &ModelConfig, objective: &Objective, asked: Option<Pooling>) -> Option<String> {
    let head = config.head?;
    if objective.predicts_tokens() {
        return Some(format!("the model has a head for {} classes, and tokens are to be predicted", head.labels));
    }
    if let Some(asked) = asked.filter(|&asked| asked != head.pooling) {
        let (of_head, asked) = (head.pooling.words(), asked.words());
        return Some(format!("the model's head reads {of_head}, `pooling` asks for {asked}"));
    }
    if head.multi_label && objective.kind() != ObjectiveKind::MultiLabel {
        let what = "the model's head is for any number of labels at once";
        return Some(format!("{what}, what is learned is a {}", objective.kind().name()));
    }
    let (names, labels) = (&config.label_names, objective.labels());
    let named_alike = names.is_empty() || are_indices(labels) || order(names, labels).is_some();
    if head.labels == objective.outputs() && named_alike {
        return None;
    }
    let of_head = match names.as_slice() {
        [] => format!("{} outputs", head.labels),
        names => format!("the labels {}", names.join(", ")),
    };
    let of_data = match objective {
        Objective::Classification { labels, .. } | Objective::MultiLabel { labels, .. } => {
            format!("the labels {}", labels.join(", "))
        }
        Objective::Regression { .. } => "real numbers".to_owned(),
        Objective::CausalLm { .. } | Objective::MultipleChoice { .. } => "tokens".to_owned(),
    };
    Some(format!("the model's head has {of_head}, the data have {of_data}"))
}

/// What becomes of the head of a model of `config` that learns `objective`, in words.
pub(crate) fn head_words(config: &ModelConfig, objective: &Objective, asked: Option<Pooling>) -> String {
    if objective.predicts_tokens() {
        return "it predicts the next token with the head that it has".to_owned();
    }
    let outputs = objective.outputs();
    let number = if outputs == 1 { "1 output".to_owned() } else { format!("{outputs} outputs") };
    if config.head.is_none() {
        return format!("it has no classification head: a new one with {number} is trained");
    }
    if let Some(misfit) = head_misfit(config, objective, asked) {
        return format!("{misfit}: a new head is trained");
    }
    match (config.label_names.as_slice(), objective.labels()) {
        (_, []) | ([], _) if outputs == 1 => format!("its head with {number} is kept"),
        ([], labels) => {
            format!("its head with {number} is kept, which nobody has named: they are taken for {}", labels.join(", "))
        }
        (names, _) => format!("its head for the labels {} is kept", names.join(", ")),
    }
}

/// `model` with the outputs of its head in the order of the labels of `objective`, if they are the same in another.
#[must_use]
pub fn adapt_head(model: Transformer, objective: &Objective) -> Transformer {
    let labels = objective.labels();
    let order = if are_indices(labels) { None } else { order(&model.config.label_names, labels) };
    match order.filter(|order| order.iter().enumerate().any(|(place, &output)| place != output)) {
        Some(order) => model.with_outputs(&order),
        None => model,
    }
}

/// For each of `labels`, which of `names` it is, in whatever case; `None` if they are not the same.
fn order(names: &[String], labels: &[String]) -> Option<Vec<usize>> {
    let place = |label: &String| names.iter().position(|name| name.eq_ignore_ascii_case(label));
    let order: Vec<usize> = labels.iter().map(place).collect::<Option<_>>()?;
    let is_each_once = (0..names.len()).all(|output| order.contains(&output)) && names.len() == labels.len();
    is_each_once.then_some(order)
}

/// `model` with a head for `objective`, whose labels its configuration names: its own if that fits, else a new one.
pub(crate) fn fit_head(
    model: Transformer,
    objective: &Objective,
    asked: Option<Pooling>,
    init: &mut Init,
) -> Transformer {
    if objective.predicts_tokens() {
        return model;
    }
    let fits = model.config.head.is_some() && head_misfit(&model.config, objective, asked).is_none();
    let pooling = pooling_for(&model.config, asked);
    let mut model =
        if fits { adapt_head(model, objective) } else { model.with_head(pooling, objective.outputs(), init) };
    if model.config.label_names.is_empty() || !are_indices(objective.labels()) {
        model.config.label_names = objective.labels().to_vec();
    }
    if let Some(head) = &mut model.config.head {
        head.multi_label = objective.kind() == ObjectiveKind::MultiLabel;
    }
    model
}

/// The pooling that is `asked` for, else that of the model's head, else the published classifier's.
pub(crate) fn pooling_for(config: &ModelConfig, asked: Option<Pooling>) -> Pooling {
    asked.or(config.head.map(|head| head.pooling)).unwrap_or_default()
}

/// What to know before a model of `config` is used by transformers, in one line; `None` if its classes read it as it is
/// meant.
pub fn pooling_note(config: &ModelConfig) -> Option<String> {
    let pooling = config.head.map(|head| head.pooling).filter(|&pooling| pooling != Pooling::Pooler)?;
    let reads = pooling.words();
    Some(format!(
        "the classifier reads {reads}, which transformers' classes for sequence classification do not: \
         this program computes what the model was trained for, and what `export` writes with --format onnx or transformers"
    ))
}

/// Whether the labels are 0, 1, 2 and so on, as files have them that number their classes.
fn are_indices(labels: &[String]) -> bool {
    labels.iter().enumerate().all(|(index, label)| *label == index.to_string())
}
