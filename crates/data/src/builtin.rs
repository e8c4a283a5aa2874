//! The built-in task: a small language of reviews whose verdict has to be worked out. Which words praise
//! and which blame is not enough: negation turns words round, contrast says which clause counts,
//! intensity which of two, hearsay and expectation count only if they are called right, and other matters
//! do not count at all. `words/` holds the whole language in readable lists.
//!
//! Labels are drawn first and evenly, and texts are written to fit, so no rule betrays the label by how
//! often it is used. The same lists give an unlabelled corpus for pretraining.

mod grammar;
mod judge;
mod vocabulary;
mod writer;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use crate::error::DataError;
use crate::metric::Metric;
use crate::objective::Objective;
use crate::seeded::{Stream, chance, generator, shuffle};
use crate::target::Target;
use crate::task::{DATA_SEED, RawExample, RawTask};
use grammar::Grammar;
use writer::Writer;

/// The task's name in the registry.
pub const NAME: &str = "builtin";

/// Default number of training examples.
pub const TRAIN: usize = 4096;
/// Default number of validation examples.
pub const VALIDATION: usize = 512;
/// Default number of test examples.
pub const TEST: usize = 1024;
/// Default number of texts to train on where every token is learned. Twice as many: several make one sequence.
pub const TRAIN_TEXTS: usize = 2 * TRAIN;

/// Draws for a text that was not there before, before the language counts as exhausted.
const MAX_ATTEMPTS: usize = 2000;

/// Words at most in a passage of the corpus; with signs and ends about 64 tokens.
const LONGEST_PASSAGE: usize = 50;

struct Language {
    grammar: Grammar,
    review: usize,
    passage: usize,
}

static LANGUAGE: LazyLock<Language> = LazyLock::new(|| {
    let lists = [
        include_str!("builtin/words/grammar.txt"),
        include_str!("builtin/words/opinions.txt"),
        include_str!("builtin/words/domains.txt"),
    ];
    // The lists are part of the program and every test of this module reads them.
    let grammar = Grammar::parse(&lists).expect("the built-in word lists are well formed");
    let named = |name| grammar.named(name).expect("the built-in word lists have a review and a passage");
    Language { review: named("review"), passage: named("passage"), grammar }
});

/// The task with this many distinct examples in each split and no text in two splits; labels are as
/// evenly spread as the numbers allow. Validation and test depend on the seed and their own sizes, not
/// on how much is trained on.
///
/// # Errors
/// [`DataError::BuiltinExhausted`] when more is asked for than the language can say.
pub fn task(seed: u64, train: usize, validation: usize, test: usize) -> Result<RawTask, DataError> {
    let mut rng = generator(seed, Stream::Task, 0);
    let mut seen = BTreeSet::new();
    let mut split = |size: usize| -> Result<Vec<RawExample>, DataError> {
        let mut examples = Vec::with_capacity(size);
        for number in 0..size {
            let praises = number % 2 == 1;
            let fresh = (0..MAX_ATTEMPTS).find_map(|_| {
                let text = Writer::new(&LANGUAGE.grammar, &mut rng).write(LANGUAGE.review, praises);
                seen.insert(text.clone()).then_some(text)
            });
            let wanted = train.saturating_add(validation).saturating_add(test);
            let a = fresh.ok_or(DataError::BuiltinExhausted { wanted, made: seen.len() })?;
            examples.push(RawExample { a, b: None, target: Target::Class(u32::from(praises)) });
        }
        shuffle(&mut rng, &mut examples);
        Ok(examples)
    };
    let test = split(test)?;
    let validation = split(validation)?;
    let train = split(train)?;
    let labels = ["negative", "positive"].map(str::to_owned).to_vec();
    let objective = Objective::Classification { labels, metrics: &[Metric::Accuracy] };
    Ok(RawTask::new(NAME, objective, train, validation, Some(test)))
}

/// The texts of [`task`] alone, of which every token is to be learned.
///
/// # Errors
/// As [`task`].
pub fn texts(seed: u64, train: usize, validation: usize, test: usize) -> Result<RawTask, DataError> {
    let RawTask { train, validation, test, .. } = task(seed, train, validation, test)?;
    let texts = |examples: Vec<RawExample>| examples.into_iter().map(|of| RawExample::of_text(of.a)).collect();
    Ok(RawTask::new(NAME, Objective::causal_lm(), texts(train), texts(validation), test.map(texts)))
}

/// `n` passages without labels for pretraining: reviews followed by plain sentences that
/// come to the same verdict, and runs of such sentences alone, so that guessing a hidden word takes knowing which
/// words praise, and what the review says. No passage holds a validation or test text of the task at its default
/// sizes and [`DATA_SEED`].
pub fn corpus(seed: u64, n: usize) -> Vec<String> {
    let held_out: BTreeSet<String> = task(DATA_SEED, 0, VALIDATION, TEST)
        .map(|task| {
            task.validation.into_iter().chain(task.test.into_iter().flatten()).map(|example| example.a).collect()
        })
        .unwrap_or_default();
    let mut rng = generator(seed, Stream::Corpus, 0);
    let mut passages = Vec::with_capacity(n);
    while passages.len() < n {
        let praises = chance(&mut rng, 0.5);
        let passage = Writer::new(&LANGUAGE.grammar, &mut rng).write(LANGUAGE.passage, praises);
        let short = passage.split_whitespace().count() <= LONGEST_PASSAGE;
        if short && !runs_of_sentences(&passage).any(|run| held_out.contains(run)) {
            passages.push(passage);
        }
    }
    passages
}

/// Every run of consecutive whole sentences in a passage.
fn runs_of_sentences(passage: &str) -> impl Iterator<Item = &str> {
    let ends = passage.match_indices('.').map(|(at, _)| at + 1);
    let starts = || std::iter::once(0).chain(passage.match_indices(". ").map(|(at, _)| at + 2));
    ends.flat_map(move |end| starts().take_while(move |start| *start < end).map(move |start| &passage[start..end]))
}

/// The label (0 negative, 1 positive) that follows from a text of the built-in language, whoever wrote
/// it; `None` if the text is not of this language.
pub fn judge(text: &str) -> Option<u32> {
    let verdicts = judge::verdicts(&LANGUAGE.grammar, LANGUAGE.review, text);
    match (verdicts.contains(&false), verdicts.contains(&true)) {
        (true, false) => Some(0),
        (false, true) => Some(1),
        _ => None,
    }
}

/// The words by which a plain verdict of the corpus says which one it is ("thumbs up", "thumbs down"), ascending.
pub fn verdict_words() -> Vec<String> {
    let of = |verdict| -> BTreeSet<&str> {
        let grammar = &LANGUAGE.grammar;
        // Advice is the same in every domain.
        let alternatives = grammar.named("advice").map(|advice| grammar.alternatives(advice, 0, verdict));
        let items = alternatives.unwrap_or_default().iter().flat_map(|alternative| &alternative.items);
        items.filter_map(|item| if let grammar::Item::Word(word) = item { Some(*word) } else { None }).collect()
    };
    of(false).symmetric_difference(&of(true)).map(|word| (*word).to_owned()).collect()
}

/// Every word and sign the generator can write, lower case, ascending.
pub fn lexicon() -> Vec<String> {
    let mut words: BTreeSet<String> = LANGUAGE.grammar.words().map(str::to_lowercase).collect();
    words.insert("an".to_owned());
    // The tokenizer splits at apostrophes.
    words.remove("'s");
    words.into_iter().collect()
}

/// A complete WordPiece `tokenizer.json` for the built-in language: `[PAD]` 0, `[UNK]` 1, `[CLS]` 2,
/// `[SEP]` 3, `[MASK]` 4, every character, common endings and the lexicon.
pub fn tokenizer_json() -> String {
    vocabulary::tokenizer_json(&lexicon())
}
