//! Whom one can ask on the page Try, which two are asked at first, and what is said about an answer.

use std::collections::BTreeSet;

use apt_bridge::{Answer, ModelAnswer, Outcome, Prediction, Reading, RunState, StoredRun};
use apt_experiment::Knobs;

use crate::arms::APT;
use crate::figures::share;
use crate::runs::{title, told_apart};

/// A run whose model can be asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The run's name.
    pub run: String,
    /// What it is of, with its name where two are of the same.
    pub title: String,
    /// Its settings.
    pub knobs: Knobs,
    /// Whether others are compared with it: it pruned nothing, or it is APT itself.
    pub is_base: bool,
}

/// A text with its true label, where that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// What it asks of a reader.
    pub name: &'static str,
    /// The text.
    pub text: &'static str,
    /// The right answer.
    pub label: &'static str,
}

/// Texts of the built-in language, one for each thing it asks of a reader.
pub const EXAMPLES: [Example; 6] = [
    Example { name: "plain", text: "The soup was superb, and the waiter was charming.", label: "positive" },
    Example { name: "negation", text: "I did not enjoy the plot.", label: "negative" },
    Example { name: "contrast", text: "Although the room was lovely, the shower was a disaster.", label: "negative" },
    Example {
        name: "intensity",
        text: "The screen was slightly disappointing and the battery was absolutely brilliant.",
        label: "positive",
    },
    Example {
        name: "hearsay",
        text: "The critics said that the ending was awful, but I found the ending was a triumph.",
        label: "positive",
    },
    Example {
        name: "weight",
        text: "The music was dreadful and the acting was great, but the acting counted more.",
        label: "positive",
    },
];

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The runs.
    pub runs: Vec<String>,
    /// The text.
    pub text: String,
    /// The second text of a pair.
    pub pair: Option<String>,
}

impl Question {
    /// Of what stands in the controls; `None` if there is nothing to judge or nobody to ask.
    #[must_use]
    pub fn of(runs: &[Option<String>], text: &str, pair: Option<&str>) -> Option<Self> {
        let trimmed = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let mut asked: Vec<String> = runs.iter().flatten().cloned().collect();
        asked.dedup();
        Some(Self {
            runs: Some(asked).filter(|asked| !asked.is_empty())?,
            text: trimmed(text)?,
            pair: pair.and_then(trimmed),
        })
    }

    /// Whether this is the answer to it.
    #[must_use]
    pub fn is_answered(&self, answer: &Answer) -> bool {
        let runs = answer.models.iter().map(|model| &model.run);
        self.text == answer.text && self.pair == answer.pair && self.runs.iter().eq(runs)
    }
}

/// Everyone who can be asked, newest first: runs whose model is kept, and the run that is `open` in the engine.
#[must_use]
pub fn candidates(runs: &[StoredRun], kept: &BTreeSet<String>, open: Option<&StoredRun>) -> Vec<Candidate> {
    let has_session = |run: &&StoredRun| matches!(run.state, RunState::Running | RunState::Paused);
    let open = open.filter(has_session);
    let others = runs.iter().filter(|run| {
        run.state == RunState::Done && kept.contains(&run.name) && open.is_none_or(|open| open.name != run.name)
    });
    let all: Vec<&StoredRun> = open.into_iter().chain(others).collect();
    let titles: Vec<_> = all.iter().map(|run| (title(run.preset.as_deref(), &run.knobs), run.name.as_str())).collect();
    let candidate = |(run, title): (&&StoredRun, String)| Candidate {
        run: run.name.clone(),
        title,
        knobs: run.knobs.clone(),
        is_base: !run.knobs.prunes() || run.preset.as_deref() == Some(APT),
    };
    all.iter().zip(told_apart(&titles)).map(candidate).collect()
}

/// The two that are asked at first: the run that is `shown`, else the newest, and a run of the same task from the same
/// model, best one that pruned nothing. What the other is compared with stands on the left: a model that is whole, else APT.
#[must_use]
pub fn first_pair(candidates: &[Candidate], shown: Option<&str>) -> [Option<String>; 2] {
    let shown = candidates.iter().find(|of| Some(of.run.as_str()) == shown);
    let Some(right) = shown.or(candidates.first()) else { return [None, None] };
    let source = |knobs: &Knobs| (knobs.model.clone(), knobs.data_source());
    let fits = |of: &&Candidate| of.run != right.run && source(&of.knobs) == source(&right.knobs);
    let fitting = || candidates.iter().filter(fits);
    let left = fitting().find(|of| !of.knobs.prunes()).or_else(|| fitting().next());
    let name = |of: &Candidate| Some(of.run.clone());
    match left {
        Some(left) if right.is_base && !left.is_base => [name(right), name(left)],
        _ => [left.and_then(name), name(right)],
    }
}

/// The answer in a word; `None` for a number.
#[must_use]
pub fn verdict(prediction: &Prediction) -> Option<&str> {
    match &prediction.outcome {
        Outcome::Classes(classes) => classes.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(label, _)| label.as_str()),
        Outcome::Value(_) => None,
    }
}

/// Whether two models agree, in a sentence.
#[must_use]
pub fn agreement(models: &[ModelAnswer]) -> Option<String> {
    let [a, b] = models else { return None };
    let (a, b) = (verdict(&a.prediction)?, verdict(&b.prediction)?);
    Some(if a == b { format!("Both say {a}.") } else { format!("They disagree: {a} and {b}.") })
}

/// What the second model saves, beside the first.
#[must_use]
pub fn saving(models: &[ModelAnswer], titles: [&str; 2]) -> Option<String> {
    let [a, b] = models else { return None };
    let (a, b) = (&a.prediction, &b.prediction);
    if a.parameters == 0 || a.parameters == b.parameters || b.milliseconds <= 0.0 {
        return None;
    }
    Some(format!(
        "{} has {} of the weights of {} and is {:.1} times as fast on this text.",
        titles[1],
        share(b.parameters as f64 / a.parameters as f64),
        titles[0],
        a.milliseconds / b.milliseconds
    ))
}

/// That words are not known, in a sentence; `None` if all are.
#[must_use]
pub fn doubt(reading: &Reading) -> Option<String> {
    match reading.known() {
        (known, of) if known >= of => None,
        (known, of) => Some(format!("{known} of {of} words known: a guess.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use apt_bridge::{Segment, Word};

    fn run(name: &str, preset: &str, seed: u64, state: RunState) -> StoredRun {
        let mut knobs = apt_experiment::preset(preset).expect("a preset");
        knobs.seed = seed;
        StoredRun { state, ..StoredRun::new(name.to_owned(), Some(preset.to_owned()), knobs, 0.0) }
    }

    fn model(run: &str, positive: f64, parameters: u64, milliseconds: f64) -> ModelAnswer {
        let outcome = Outcome::Classes(vec![("negative".into(), 1.0 - positive), ("positive".into(), positive)]);
        let reading = Reading { texts: Vec::new(), read: 0, of: 0 };
        ModelAnswer { run: run.into(), reading, prediction: Prediction { outcome, parameters, milliseconds, step: 1 } }
    }

    #[test]
    fn who_has_a_model_can_be_asked() {
        let runs = [
            run("c", "salience-random", 1, RunState::Done),
            run("b", "apt", 1, RunState::Done),
            run("x", "apt", 2, RunState::Failed),
            run("y", "apt", 3, RunState::Done),
            run("a", "apt", 1, RunState::Done),
        ];
        let kept: BTreeSet<String> = ["a", "b", "c", "x"].map(str::to_owned).into();
        let titles = |open: Option<&StoredRun>| -> Vec<String> {
            candidates(&runs, &kept, open).into_iter().map(|of| of.title).collect()
        };
        assert_eq!(titles(None), ["Salience: random · seed 1", "APT · seed 1 (b)", "APT · seed 1 (a)"]);
        assert_eq!(titles(Some(&run("z", "lora", 1, RunState::Running)))[0], "LoRA · seed 1");
        assert_eq!(titles(Some(&run("z", "lora", 1, RunState::Loading))).len(), 3, "it has no model yet");
    }

    #[test]
    fn the_run_that_is_shown_is_asked_beside_a_dense_one_of_the_same_task() {
        let of = |names: &[(&str, &str)]| -> Vec<Candidate> {
            let of = |&(name, preset): &(&str, &str)| {
                let run = run(name, preset, 1, RunState::Done);
                Candidate {
                    run: run.name,
                    title: String::new(),
                    is_base: preset != "salience-random",
                    knobs: run.knobs,
                }
            };
            names.iter().map(of).collect()
        };
        let pair = |names: &[(&str, &str)], shown| first_pair(&of(names), shown).map(|name| name.unwrap_or_default());
        let all = [("c", "salience-random"), ("b", "lora"), ("a", "apt")];
        assert_eq!(pair(&all, Some("a")), ["b", "a"]);
        assert_eq!(pair(&all, None), ["b", "c"]);
        assert_eq!(pair(&all[..1], Some("c")), ["", "c"]);
        assert_eq!(pair(&[all[0], all[2]], Some("c")), ["a", "c"], "two that prune can be compared too");
        assert_eq!(pair(&[all[0], all[2]], Some("a")), ["a", "c"], "APT stands on the left, whichever is shown");
        assert_eq!(pair(&all[..2], Some("b")), ["b", "c"], "and so does a model that is whole");
        let mut other = of(&all);
        other[1].knobs.model = "nano".to_owned();
        assert_eq!(first_pair(&other, Some("a"))[1].as_deref(), Some("c"), "the other is of another model");
        assert_eq!(first_pair(&[], None), [None, None]);
    }

    #[test]
    fn an_answer_is_to_its_question_alone() {
        let runs = [Some("a".to_owned()), Some("b".to_owned())];
        let question = Question::of(&runs, " fine \n", Some("")).expect("a question");
        let mut answer =
            Answer { text: "fine".into(), pair: None, models: vec![model("a", 0.9, 1, 1.0), model("b", 0.9, 1, 1.0)] };
        assert!(question.is_answered(&answer));
        answer.models.swap(0, 1);
        assert!(!question.is_answered(&answer), "of other runs");
        answer.models.swap(0, 1);
        answer.text.push('!');
        assert!(!question.is_answered(&answer), "of another text");
        assert_eq!(Question::of(&runs, "  ", None), None);
        assert_eq!(Question::of(&[None, None], "fine", None), None);
        let twice = [Some("a".to_owned()), Some("a".to_owned())];
        assert_eq!(Question::of(&twice, "fine", None).expect("a question").runs, ["a"], "nobody is asked twice");
    }

    #[test]
    fn an_answer_is_told_in_words() {
        let models = [model("a", 0.9, 1000, 2.0), model("b", 0.2, 400, 1.0)];
        assert_eq!(agreement(&models).as_deref(), Some("They disagree: positive and negative."));
        assert_eq!(agreement(&[models[0].clone(), models[0].clone()]).as_deref(), Some("Both say positive."));
        assert_eq!(
            saving(&models, ["LoRA", "APT"]).as_deref(),
            Some("APT has 40.0 % of the weights of LoRA and is 2.0 times as fast on this text.")
        );
        assert_eq!(saving(&models[..1], ["", ""]), None);
    }

    #[test]
    fn words_that_are_not_known_are_counted() {
        let word = |text: &str, token: &str| Word {
            segment: Segment { text: text.into(), spaced: true },
            tokens: vec![token.into()],
        };
        let reading = |words| Reading { texts: vec![words], read: 4, of: 4 };
        let some = reading(vec![word("soup", "soup"), word("quark", "[UNK]"), word(".", ".")]);
        assert_eq!(doubt(&some).as_deref(), Some("1 of 2 words known: a guess."));
        assert_eq!(doubt(&reading(vec![word("soup", "soup")])), None);
    }
}
