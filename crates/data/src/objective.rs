//! What is learned on a task: what a model is to predict of an example, how many outputs that takes, how they are read as
//! an answer, and by which metrics answers are judged.
//!
//! A further objective is a variant of [`Objective`] and one of [`Target`] (no match
//! here has a catch-all arm), how its
//! label column is read (`labels.rs`), its metrics, and its loss on tensors in `apt-train`.

use serde::{Deserialize, Serialize};

use crate::metric::Metric;
use crate::target::{ClassSet, Endings, Spoken, Target, TokenScore};

/// An objective by its name alone, as a setting asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectiveKind {
    /// One of several classes.
    Classification,
    /// Any number of several classes.
    MultiLabel,
    /// One real number.
    Regression,
    /// The next token of a text.
    CausalLm,
    /// The right one of several endings.
    MultipleChoice,
}

impl ObjectiveKind {
    /// The name that `--objective` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Classification => "classification",
            Self::MultiLabel => "multi_label",
            Self::Regression => "regression",
            Self::CausalLm => "causal_lm",
            Self::MultipleChoice => "multiple_choice",
        }
    }

    /// Whether it is learned by predicting tokens, for which a model needs logits of its vocabulary and no classification
    /// head.
    pub fn predicts_tokens(self) -> bool {
        matches!(self, Self::CausalLm | Self::MultipleChoice)
    }
}

/// The metrics of every regression: GLUE reports both for STS-B; Pearson, which the loss favours, decides.
pub const REGRESSION_METRICS: &[Metric] = &[Metric::Pearson, Metric::Spearman];

/// The metrics of every set of classes: the micro average, which common classes make up most of, decides.
pub const MULTI_LABEL_METRICS: &[Metric] = &[Metric::MicroF1, Metric::MacroF1, Metric::ExactMatch];

/// The metrics of texts that are predicted token by token: perplexity decides.
pub const CAUSAL_LM_METRICS: &[Metric] = &[Metric::Perplexity, Metric::BitsPerByte, Metric::TokenAccuracy];

/// The metrics of endings told apart by their likelihood: the share of right ones decides.
pub const MULTIPLE_CHOICE_METRICS: &[Metric] = &[Metric::Accuracy, Metric::AccuracyByLength];

/// What is learned, with everything a head and an evaluation need to know of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Objective {
    /// One of several classes, learned by cross entropy.
    Classification {
        /// Names of the classes, in class order: `id2label` of a Hugging Face configuration.
        labels: Vec<String>,
        /// What it is judged by; the first metric decides.
        metrics: &'static [Metric],
    },
    /// Any number of several classes: for each whether it applies, learned by binary cross entropy, averaged over classes
    /// and examples as `BCEWithLogitsLoss` of PyTorch does.
    MultiLabel {
        /// Names of the classes, in class order: `id2label` of a Hugging Face configuration.
        labels: Vec<String>,
        /// What it is judged by; the first metric decides.
        metrics: &'static [Metric],
    },
    /// A real number, learned by squared error on the numbers as they stand in the data, not normalised, as
    /// `run_glue.py` of transformers trains STS-B on 0 to 5.
    Regression {
        /// What it is judged by; the first metric decides.
        metrics: &'static [Metric],
    },
    /// The next token of a text, or of the answers in a conversation, learned by cross entropy averaged over the tokens of
    /// a batch that are to be predicted, as transformers' `ForCausalLM` models average it.
    CausalLm {
        /// What it is judged by; the first metric decides.
        metrics: &'static [Metric],
    },
    /// The right one of several endings of a text: learned as the next tokens of the right one, told by the likelihood of
    /// each, as lm-evaluation-harness does.
    MultipleChoice {
        /// What it is judged by; the first metric decides.
        metrics: &'static [Metric],
    },
}

impl Objective {
    /// Regression with [`REGRESSION_METRICS`].
    pub fn regression() -> Self {
        Self::Regression { metrics: REGRESSION_METRICS }
    }

    /// Any number of these classes, with [`MULTI_LABEL_METRICS`].
    pub fn multi_label(labels: Vec<String>) -> Self {
        Self::MultiLabel { labels, metrics: MULTI_LABEL_METRICS }
    }

    /// The next token, with [`CAUSAL_LM_METRICS`].
    pub fn causal_lm() -> Self {
        Self::CausalLm { metrics: CAUSAL_LM_METRICS }
    }

    /// One of several endings, with [`MULTIPLE_CHOICE_METRICS`].
    pub fn multiple_choice() -> Self {
        Self::MultipleChoice { metrics: MULTIPLE_CHOICE_METRICS }
    }

    /// Whether it is learned by predicting tokens.
    pub fn predicts_tokens(&self) -> bool {
        self.kind().predicts_tokens()
    }

    /// Which objective it is.
    pub fn kind(&self) -> ObjectiveKind {
        match self {
            Self::Classification { .. } => ObjectiveKind::Classification,
            Self::MultiLabel { .. } => ObjectiveKind::MultiLabel,
            Self::Regression { .. } => ObjectiveKind::Regression,
            Self::CausalLm { .. } => ObjectiveKind::CausalLm,
            Self::MultipleChoice { .. } => ObjectiveKind::MultipleChoice,
        }
    }

    /// Outputs that the model's classification head needs: one a class, or one number; 0 where tokens are predicted, which
    /// needs none.
    pub fn outputs(&self) -> usize {
        match self {
            Self::Classification { labels, .. } | Self::MultiLabel { labels, .. } => labels.len(),
            Self::Regression { .. } => 1,
            Self::CausalLm { .. } | Self::MultipleChoice { .. } => 0,
        }
    }

    /// Names of the classes; none where there are no classes.
    pub fn labels(&self) -> &[String] {
        match self {
            Self::Classification { labels, .. } | Self::MultiLabel { labels, .. } => labels,
            Self::Regression { .. } | Self::CausalLm { .. } | Self::MultipleChoice { .. } => &[],
        }
    }

    /// What it is judged by; the first metric decides.
    pub fn metrics(&self) -> &'static [Metric] {
        match self {
            Self::Classification { metrics, .. }
            | Self::MultiLabel { metrics, .. }
            | Self::Regression { metrics }
            | Self::CausalLm { metrics }
            | Self::MultipleChoice { metrics } => metrics,
        }
    }

    /// The name of the metric that decides.
    pub fn deciding_metric(&self) -> &'static str {
        self.metrics().first().map_or("", |metric| metric.name())
    }

    /// Whether `target` is one of those that can be learned: a known class, a set of as many as are known, a finite number,
    /// tokens, or endings of which one is right.
    pub fn admits(&self, target: &Target) -> bool {
        match (self, target) {
            (Self::Classification { labels, .. }, Target::Class(class)) => (*class as usize) < labels.len(),
            (Self::MultiLabel { labels, .. }, Target::Set(set)) => set.of() == labels.len(),
            (Self::Regression { .. }, Target::Value(value)) => value.is_finite(),
            (Self::CausalLm { .. }, Target::Tokens(next)) => next.count() > 0,
            (Self::MultipleChoice { .. }, Target::Endings(_)) => target.tokens().is_some_and(|next| next.count() > 0),
            (Self::Classification { .. }, Target::Set(_) | Target::Value(_))
            | (Self::MultiLabel { .. }, Target::Class(_) | Target::Value(_))
            | (Self::Regression { .. }, Target::Class(_) | Target::Set(_))
            | (
                Self::CausalLm { .. } | Self::MultipleChoice { .. },
                Target::Class(_) | Target::Set(_) | Target::Value(_),
            )
            | (Self::CausalLm { .. }, Target::Endings(_))
            | (Self::MultipleChoice { .. }, Target::Tokens(_))
            | (_, Target::Text(_))
            | (
                Self::Classification { .. } | Self::MultiLabel { .. } | Self::Regression { .. },
                Target::Tokens(_) | Target::Endings(_),
            ) => false,
        }
    }

    /// The answer in a model's `outputs` for one example, `[outputs]`: the class with the largest logit (the first of
    /// several), those with a probability above one half, or the number. No outputs are class 0, no class, or the number 0.
    /// Where tokens are predicted, outputs are those of one token or one of each ending, and the largest is the answer.
    pub fn decode(&self, outputs: &[f32]) -> Target {
        match self {
            Self::Classification { .. } | Self::CausalLm { .. } | Self::MultipleChoice { .. } => {
                let largest = outputs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                Target::Class(outputs.iter().position(|&output| output == largest).unwrap_or(0) as u32)
            }
            Self::MultiLabel { labels, .. } => {
                let apply = (0..).zip(outputs).filter(|(_, output)| **output > 0.0).map(|(class, _)| class);
                Target::Set(ClassSet::new(apply, labels.len()))
            }
            Self::Regression { .. } => Target::Value(outputs.first().copied().unwrap_or(0.0)),
        }
    }

    /// `target` as files have it: the name of the class (its index, where it has none), a list of names as JSON, the number,
    /// or the place of the right ending; of tokens how many there are.
    pub fn text(&self, target: &Target) -> String {
        let name = |class: u32| self.labels().get(class as usize).cloned().unwrap_or_else(|| class.to_string());
        match target {
            Target::Class(class) => name(*class),
            Target::Set(set) => {
                serde_json::Value::from_iter(set.classes().iter().map(|&class| name(class))).to_string()
            }
            Target::Value(value) => value.to_string(),
            Target::Endings(Endings { right, .. }) | Target::Text(Spoken::Endings { right, .. }) => right.to_string(),
            Target::Tokens(next) => format!("{} tokens", next.count()),
            Target::Text(Spoken::Whole | Spoken::Answers(_)) => String::new(),
        }
    }

    /// The loss of one example from a model's `outputs` for it, in nats or squared units of the data: what the loss on
    /// tensors averages over a batch. Infinite for a target that this objective does not admit.
    pub fn loss(&self, outputs: &[f32], target: &Target) -> f64 {
        match self {
            Self::Classification { .. } | Self::CausalLm { .. } | Self::MultipleChoice { .. } => {
                let largest = outputs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let log_sum: f64 = outputs.iter().map(|&output| f64::from(output - largest).exp()).sum::<f64>().ln();
                let own = target.class().and_then(|class| outputs.get(class as usize));
                own.map_or(f64::INFINITY, |own| log_sum - f64::from(own - largest))
            }
            Self::MultiLabel { .. } => match target.set() {
                Some(set) if set.of() == outputs.len() => {
                    let of = |(&output, applies): (&f32, bool)| {
                        let wrong = f64::from(if applies { -output } else { output });
                        wrong.max(0.0) + (-wrong.abs()).exp().ln_1p()
                    };
                    outputs.iter().zip(set.marks()).map(of).sum::<f64>() / outputs.len() as f64
                }
                Some(_) | None => f64::INFINITY,
            },
            Self::Regression { .. } => match (outputs.first(), target.value()) {
                (Some(output), Some(value)) => (f64::from(*output) - f64::from(value)).powi(2),
                (None, _) | (_, None) => f64::INFINITY,
            },
        }
    }

    /// The metrics of `answers` beside the `targets` of the same examples, the deciding one first; `None` where a metric
    /// is not defined (see [`Metric::score`]).
    pub fn judge(&self, answers: &[Target], targets: &[Target]) -> Vec<(Metric, Option<f64>)> {
        self.metrics().iter().map(|metric| (*metric, metric.score(answers, targets))).collect()
    }

    /// As [`Self::judge`], where tokens are predicted: `scores` has for each example one score, or one for each of its
    /// endings.
    pub fn judge_tokens(&self, scores: &[Vec<TokenScore>], targets: &[Target]) -> Vec<(Metric, Option<f64>)> {
        self.metrics().iter().map(|metric| (*metric, metric.of_tokens(scores, targets))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes() -> Objective {
        let labels = ["bad", "good", "so-so"].map(str::to_owned).to_vec();
        Objective::Classification { labels, metrics: &[Metric::Accuracy] }
    }

    #[test]
    fn a_class_is_the_largest_logit_and_its_loss_the_cross_entropy() {
        let outputs = [0.5, 2.0, 2.0];
        assert_eq!(classes().decode(&outputs), Target::Class(1), "the first of two equal logits");
        // ln(e^0.5 + 2e^2) − 0.5 by numpy.
        let (loss, expected) = (classes().loss(&outputs, &Target::Class(0)), 2.298_916_184_841_726);
        assert!((loss - expected).abs() < 1e-9, "{loss}, numpy {expected}");
        assert_eq!(classes().loss(&outputs, &Target::Class(3)), f64::INFINITY, "a class that is not there");
        assert_eq!((classes().outputs(), classes().labels().len()), (3, 3));
        assert_eq!(
            (classes().text(&Target::Class(2)), classes().text(&Target::Class(3))),
            ("so-so".into(), "3".into())
        );
    }

    #[test]
    fn a_number_is_the_output_and_its_loss_the_squared_error() {
        let regression = Objective::regression();
        assert_eq!(regression.decode(&[3.25]), Target::Value(3.25));
        assert_eq!(regression.loss(&[3.25], &Target::Value(5.0)), 1.75 * 1.75);
        assert_eq!(regression.loss(&[3.25], &Target::Class(0)), f64::INFINITY, "a class is no number");
        assert_eq!((regression.outputs(), regression.labels().len()), (1, 0));
        assert_eq!(regression.text(&Target::Value(-0.5)), "-0.5");
    }

    #[test]
    fn the_classes_that_apply_are_those_above_one_half_and_their_loss_the_binary_cross_entropy() {
        let labels = ["joy, joy", "an\"ger", "awe"].map(str::to_owned).to_vec();
        let objective = Objective::multi_label(labels);
        let set = |classes: &[u32]| Target::Set(ClassSet::new(classes.iter().copied(), 3));
        assert_eq!(objective.decode(&[0.5, -1.25, 0.0]), set(&[0]), "one half is not above it");
        assert_eq!(objective.text(&set(&[0, 1])), r#"["joy, joy","an\"ger"]"#);
        assert_eq!(objective.text(&set(&[])), "[]");
        // torch.nn.BCEWithLogitsLoss()(tensor([0.5, -1.25, 2.0]), tensor([1., 0., 1.])) by PyTorch 1.12.1 in float64.
        let loss = objective.loss(&[0.5, -1.25, 2.0], &set(&[0, 2]));
        assert!((loss - 0.284_311_358_856_150_7).abs() < 1e-12, "{loss}");
        assert_eq!(
            objective.loss(&[1e4, 0.0, 0.0], &set(&[])),
            (1e4 + 2.0 * 2.0_f64.ln()) / 3.0,
            "far out it is finite"
        );
        assert_eq!(objective.loss(&[0.5], &set(&[0])), f64::INFINITY, "another number of classes");
        assert_eq!(objective.loss(&[0.5, 0.0, 0.0], &Target::Class(0)), f64::INFINITY, "one class is no set");
    }

    #[test]
    fn an_objective_admits_only_its_own_targets() {
        assert!(classes().admits(&Target::Class(2)) && !classes().admits(&Target::Class(3)));
        assert!(!classes().admits(&Target::Value(1.0)) && !Objective::regression().admits(&Target::Class(1)));
        assert!(Objective::regression().admits(&Target::Value(-7.5)));
        assert!(!Objective::regression().admits(&Target::Value(f32::NAN)));
    }
}
