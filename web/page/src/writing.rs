//! What decoders write on the page Try: who may, what has come of each, and what is said about it.

use apt_bridge::writing::{Author, Task, WritingEnd, Written};

use crate::asking::Candidate;
use crate::figures::{count, share};

/// Beginnings of texts of the built-in language.
pub const BEGINNINGS: [&str; 4] = ["The soup", "I did not", "Although the room was lovely,", "The critics said that"];

/// Tokens that are asked for at first.
pub const LENGTH: usize = 48;
/// The most that can be asked for.
pub const MOST: usize = 1024;

/// Something that is being written, or was.
#[derive(Clone, Debug, PartialEq)]
pub struct Writing {
    /// What was asked for.
    pub task: Task,
    /// What each author made of it.
    pub texts: Vec<Text>,
}

/// What one author wrote.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text {
    /// All of it, behind the prompt.
    pub text: String,
    /// The last that was told of it.
    pub last: Option<Written>,
}

impl Writing {
    /// Of a task that was just sent.
    #[must_use]
    pub fn begun(task: Task) -> Self {
        Self { texts: vec![Text::default(); task.authors.len()], task }
    }

    /// Takes in what has come.
    pub fn take(&mut self, written: Written) {
        if let Some(text) = self.texts.get_mut(written.author) {
            text.text.push_str(&written.text);
            text.last = Some(written);
        }
    }

    /// Whether more is to come.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        self.texts.iter().any(|text| text.last.as_ref().is_none_or(|last| last.ended.is_none()))
    }

    /// Nothing more comes of those that have not ended.
    pub fn give_up(&mut self) {
        let stopped = Written {
            author: 0,
            text: String::new(),
            tokens: 0,
            milliseconds: 0.0,
            parameters: 0,
            ended: Some(WritingEnd::Stopped),
        };
        for text in &mut self.texts {
            let last = text.last.get_or_insert_with(|| stopped.clone());
            last.ended = last.ended.or(stopped.ended);
        }
    }

    /// What the second author saves, beside the first; `None` before both have written a few tokens.
    #[must_use]
    pub fn saving(&self, titles: [&str; 2]) -> Option<String> {
        let [a, b] = self.texts.as_slice() else { return None };
        let (a, b) = (a.last.as_ref()?, b.last.as_ref()?);
        let faster = rate(b)? / rate(a)?;
        (a.parameters > 0 && a.parameters != b.parameters).then(|| {
            format!(
                "{} has {} of the weights of {} and writes {faster:.1} times as fast.",
                titles[1],
                share(b.parameters as f64 / a.parameters as f64),
                titles[0]
            )
        })
    }
}

/// Tokens a second; `None` before there are enough to tell.
#[must_use]
pub fn rate(written: &Written) -> Option<f64> {
    const ENOUGH: usize = 4;
    (written.tokens > ENOUGH && written.milliseconds > 0.0)
        .then(|| (written.tokens - 1) as f64 / written.milliseconds * 1e3)
}

/// How far an author is: `31 tokens · 812 a second · 737 k weights in the layers · the text has ended`.
#[must_use]
pub fn standing(written: &Written) -> String {
    let tokens = format!("{} token{}", written.tokens, if written.tokens == 1 { "" } else { "s" });
    let rate = rate(written).map(|rate| match rate {
        100.0.. => format!("{rate:.0} a second"),
        _ => format!("{rate:.1} a second"),
    });
    let weights = (written.parameters > 0).then(|| format!("{} weights in the layers", count(written.parameters)));
    let ended = written.ended.map(|ended| {
        match ended {
            WritingEnd::Text => "the text has ended",
            WritingEnd::Length => "as long as asked for",
            WritingEnd::Positions => "as long as the model takes",
            WritingEnd::Stopped => "stopped",
        }
        .to_owned()
    });
    [Some(tokens), rate, weights, ended].into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// Who writes: the runs that were chosen, as far as their models write; in the place of none on the left the model that the
/// run on the right began with.
#[must_use]
pub fn authors(candidates: &[Candidate], [left, right]: [Option<&str>; 2]) -> Vec<Author> {
    let found = |run: Option<&str>| {
        candidates.iter().find(|of| Some(of.run.as_str()) == run).filter(|of| of.knobs.predicts_tokens())
    };
    let Some(right) = found(right) else { return Vec::new() };
    let left = match found(left) {
        Some(of) => Author::Run(of.run.clone()),
        None => Author::Model(right.knobs.model.clone()),
    };
    let right = Author::Run(right.run.clone());
    if left == right { vec![right] } else { vec![left, right] }
}

/// What an author is called.
#[must_use]
pub fn called(author: &Author, candidates: &[Candidate]) -> String {
    match author {
        Author::Model(model) => format!("{model} as it came"),
        Author::Run(run) => {
            let found = candidates.iter().find(|of| of.run == *run);
            found.map_or_else(|| run.clone(), |of| of.title.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use apt_experiment::Knobs;

    fn written(author: usize, text: &str, tokens: usize, milliseconds: f64) -> Written {
        let parameters = [800_000, 320_000][author];
        Written { author, text: text.into(), tokens, milliseconds, parameters, ended: None }
    }

    fn task() -> Task {
        let authors = vec![Author::Model("builtin-decoder".into()), Author::Run("a".into())];
        Task { authors, prompt: "The".into(), length: 8, temperature: 0.0, seed: 1 }
    }

    #[test]
    fn texts_grow_token_by_token_until_all_have_ended() {
        let mut writing = Writing::begun(task());
        writing.take(written(0, " soup", 1, 0.0));
        writing.take(written(1, " plot", 1, 0.0));
        writing.take(written(0, " was", 2, 2.0));
        assert_eq!((writing.texts[0].text.as_str(), writing.texts[1].text.as_str()), (" soup was", " plot"));
        writing.take(Written { ended: Some(WritingEnd::Text), ..written(0, "", 3, 4.0) });
        assert!(writing.goes_on());
        writing.give_up();
        assert!(!writing.goes_on());
        let ends = writing.texts.iter().map(|text| text.last.as_ref().and_then(|last| last.ended));
        assert_eq!(ends.collect::<Vec<_>>(), [Some(WritingEnd::Text), Some(WritingEnd::Stopped)]);
        writing.take(Written { author: 7, ..written(0, "lost", 1, 1.0) });
    }

    #[test]
    fn speed_is_told_once_there_is_enough_to_tell() {
        assert_eq!(standing(&written(0, "", 1, 0.0)), "1 token · 800 k weights in the layers");
        let ended = Written { ended: Some(WritingEnd::Length), ..written(1, "", 41, 50.0) };
        assert_eq!(standing(&ended), "41 tokens · 800 a second · 320 k weights in the layers · as long as asked for");
        let mut writing = Writing::begun(task());
        assert_eq!(writing.saving(["A", "B"]), None);
        writing.take(written(0, "", 41, 100.0));
        writing.take(written(1, "", 41, 50.0));
        let expected = "B has 40.0 % of the weights of A and writes 2.0 times as fast.";
        assert_eq!(writing.saving(["A", "B"]).as_deref(), Some(expected));
    }

    #[test]
    fn the_model_that_a_run_began_with_writes_beside_it() {
        let candidate = |run: &str, model: &str| Candidate {
            run: run.into(),
            title: run.to_uppercase(),
            knobs: Knobs { model: model.into(), ..Knobs::default() },
            is_base: false,
        };
        let all = [candidate("a", "builtin-decoder"), candidate("b", "builtin-decoder"), candidate("c", "builtin")];
        let came = || Author::Model("builtin-decoder".into());
        let run = |name: &str| Author::Run(name.into());
        assert_eq!(authors(&all, [None, Some("a")]), [came(), run("a")]);
        assert_eq!(authors(&all, [Some("b"), Some("a")]), [run("b"), run("a")]);
        assert_eq!(authors(&all, [Some("c"), Some("a")]), [came(), run("a")], "an encoder does not write");
        assert_eq!(authors(&all, [Some("a"), Some("a")]), [run("a")], "nobody writes twice");
        assert_eq!(authors(&all, [Some("a"), Some("c")]), []);
        assert_eq!([called(&came(), &all), called(&run("b"), &all)], ["builtin-decoder as it came", "B"]);
    }
}
