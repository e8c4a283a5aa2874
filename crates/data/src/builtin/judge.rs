//! Reads a text of the built-in language and says what its verdict is, by the same grammar that wrote
//! it: the proof that labels follow from the words, and the truth for sentences that somebody types.

use std::collections::{BTreeMap, BTreeSet};

use super::grammar::{BOUND, Grammar, Item, Turn, Verdict};
use super::writer::unspell;

/// Longest text that is looked at; the grammar writes nothing near it.
const MOST_WORDS: usize = 128;

/// The verdicts under which `symbol` can be read as `text`: none if it is not of this language.
pub(crate) fn verdicts(grammar: &Grammar, symbol: usize, text: &str) -> BTreeSet<Verdict> {
    let words = unspell(text);
    if words.len() > MOST_WORDS {
        return BTreeSet::new();
    }
    let mut found = BTreeSet::new();
    for domain in 0..grammar.domains().len() {
        let mut reader = Reader { grammar, words: &words, domain, known: BTreeMap::new() };
        for verdict in [false, true] {
            if !found.contains(&verdict) && reader.ends(symbol, verdict, 0).contains(&words.len()) {
                found.insert(verdict);
            }
        }
    }
    found
}

struct Reader<'a> {
    grammar: &'a Grammar,
    words: &'a [String],
    domain: usize,
    /// (list, verdict, start) → where a reading of it can end.
    known: BTreeMap<(usize, Verdict, usize), BTreeSet<usize>>,
}

/// For each `@n` of a rule, the words it stands for: start and end.
type Bound = [Option<(usize, usize)>; BOUND];

impl Reader<'_> {
    fn ends(&mut self, symbol: usize, verdict: Verdict, start: usize) -> BTreeSet<usize> {
        let key = (self.grammar.list(symbol, self.domain, verdict), verdict, start);
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let grammar = self.grammar;
        let mut ends = BTreeSet::new();
        for alternative in grammar.alternatives(symbol, self.domain, verdict) {
            self.follow(&alternative.items, verdict, start, Bound::default(), &mut ends);
        }
        self.known.insert(key, ends.clone());
        ends
    }

    fn follow(&mut self, items: &[Item], verdict: Verdict, at: usize, bound: Bound, ends: &mut BTreeSet<usize>) {
        let Some((item, rest)) = items.split_first() else {
            ends.insert(at);
            return;
        };
        let (symbol, turn, number) = match item {
            Item::Word(word) => {
                if self.words.get(at).is_some_and(|read| read.eq_ignore_ascii_case(word)) {
                    self.follow(rest, verdict, at + 1, bound, ends);
                }
                return;
            }
            Item::Slot { symbol, turn, bound } => (*symbol, *turn, *bound),
        };
        if let Some((from, to)) = number.and_then(|number| bound[number]) {
            let again = at + (to - from);
            if self.words.get(at..again).is_some_and(|read| *read == self.words[from..to]) {
                self.follow(rest, verdict, again, bound, ends);
            }
            return;
        }
        let inner: &[Verdict] = match turn {
            Turn::Same => &[verdict],
            Turn::Opposite => &[!verdict],
            Turn::Any => &[false, true],
        };
        for &inner in inner {
            for end in self.ends(symbol, inner, at) {
                let mut bound = bound;
                if let Some(number) = number {
                    bound[number] = Some((at, end));
                }
                self.follow(rest, verdict, end, bound, ends);
            }
        }
    }
}
