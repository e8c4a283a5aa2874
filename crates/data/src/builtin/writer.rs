//! Writes texts from the grammar: draws rules by weight, words evenly, and sets what comes out in
//! ordinary English spelling.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::grammar::{Alternative, BOUND, Grammar, Item, Turn, Verdict};
use crate::seeded::{chance, index};

/// Lists at least this long are not drawn from twice with the same outcome in one text.
const LONG_LIST: usize = 8;
/// Draws before a repetition is accepted after all.
const MAX_REDRAWS: usize = 12;

/// The state of one text: its domain, the thing it is about, and what was said already.
pub(crate) struct Writer<'a> {
    grammar: &'a Grammar,
    rng: &'a mut ChaCha8Rng,
    domain: usize,
    thing: Option<usize>,
    /// The alternative drawn for [`Writer::thing`]: a text is about one thing.
    this_thing: Option<usize>,
    said: Vec<(usize, usize)>,
}

impl<'a> Writer<'a> {
    /// A writer in a domain of the generator's choice.
    pub(crate) fn new(grammar: &'a Grammar, rng: &'a mut ChaCha8Rng) -> Self {
        let domain = index(rng, grammar.domains().len());
        Self { thing: grammar.named("thing"), this_thing: None, said: Vec::new(), grammar, rng, domain }
    }

    /// A text of this kind with this verdict.
    pub(crate) fn write(&mut self, symbol: usize, verdict: Verdict) -> String {
        let mut words = Vec::new();
        self.expand(symbol, verdict, &mut words);
        spell(&words)
    }

    fn expand(&mut self, symbol: usize, verdict: Verdict, words: &mut Vec<&'static str>) {
        let grammar = self.grammar;
        let alternatives = grammar.alternatives(symbol, self.domain, verdict);
        let alternative = &alternatives[self.draw(symbol, verdict, alternatives)];
        let mut bound: [Option<Vec<&'static str>>; BOUND] = Default::default();
        for item in &alternative.items {
            let (symbol, turn, number) = match item {
                Item::Word(word) => {
                    words.push(word);
                    continue;
                }
                Item::Slot { symbol, turn, bound } => (*symbol, *turn, *bound),
            };
            if let Some(said) = number.and_then(|number| bound[number].as_ref()) {
                words.extend(said);
                continue;
            }
            let start = words.len();
            let verdict = match turn {
                Turn::Same => verdict,
                Turn::Opposite => !verdict,
                Turn::Any => chance(self.rng, 0.5),
            };
            self.expand(symbol, verdict, words);
            if let Some(number) = number {
                bound[number] = Some(words[start..].to_vec());
            }
        }
    }

    fn draw(&mut self, symbol: usize, verdict: Verdict, alternatives: &[Alternative]) -> usize {
        if Some(symbol) == self.thing {
            let fresh = || weighted(self.rng, alternatives);
            return *self.this_thing.get_or_insert_with(fresh);
        }
        let list = self.grammar.list(symbol, self.domain, verdict);
        let mut drawn = weighted(self.rng, alternatives);
        let words_only = |alternative: &Alternative| alternative.items.iter().all(|item| matches!(item, Item::Word(_)));
        if alternatives.len() >= LONG_LIST && alternatives.iter().all(words_only) {
            for _ in 0..MAX_REDRAWS {
                if !self.said.contains(&(list, drawn)) {
                    break;
                }
                drawn = weighted(self.rng, alternatives);
            }
            self.said.push((list, drawn));
        }
        drawn
    }
}

/// An index, by weight.
fn weighted(rng: &mut ChaCha8Rng, alternatives: &[Alternative]) -> usize {
    let total: u32 = alternatives.iter().map(|alternative| alternative.weight).sum();
    let mut left = rng.random_range(0..total);
    for (index, alternative) in alternatives.iter().enumerate() {
        match left.checked_sub(alternative.weight) {
            Some(rest) => left = rest,
            None => return index,
        }
    }
    alternatives.len() - 1
}

/// Joins words: "a" becomes "an" before a vowel, punctuation follows its word, sentences begin with a
/// capital.
pub(crate) fn spell(words: &[&str]) -> String {
    let mut text = String::new();
    let mut sentence_begins = true;
    for (at, word) in words.iter().enumerate() {
        let next_vowel = words.get(at + 1).is_some_and(|next| next.starts_with(['a', 'e', 'i', 'o', 'u']));
        let word = if *word == "a" && next_vowel { "an" } else { word };
        if !text.is_empty() && !word.starts_with([',', '.', '\'']) {
            text.push(' ');
        }
        if sentence_begins {
            let mut chars = word.chars();
            text.extend(chars.next().map(|first| first.to_ascii_uppercase()));
            text.push_str(chars.as_str());
        } else {
            text.push_str(word);
        }
        sentence_begins = word == ".";
    }
    text
}

/// The words of a text as the grammar has them: the inverse of [`spell`] but for capitals.
pub(crate) fn unspell(text: &str) -> Vec<String> {
    let spaced = text.to_lowercase().replace('.', " . ").replace(',', " , ").replace("'s", " 's");
    spaced.split_whitespace().map(|word| if word == "an" { "a".to_owned() } else { word.to_owned() }).collect()
}
