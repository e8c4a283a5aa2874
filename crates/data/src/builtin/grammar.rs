//! The notation of the word lists: weighted rules whose slots carry a verdict down to the words.
//!
//! `[name]`, `[name+]`, `[name-]`, `[name@domain]` and `[name+@domain]` head a list. A line of a list is
//! `weight words and {slots}`, the weight being optional; ` | ` separates alternatives of one weight and
//! `_` is the empty one. `{name+}` keeps the verdict of the rule it stands in, `{name-}` turns it round,
//! `{name?}` is any, `{name}` keeps it too (and is written where it does not matter). `{name@1}` says
//! the same words wherever it stands in its rule.

use std::collections::BTreeMap;

/// A verdict: true praises.
pub(crate) type Verdict = bool;

/// What a slot does to the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Same,
    Opposite,
    Any,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    Word(&'static str),
    Slot { symbol: usize, turn: Turn, bound: Option<usize> },
}

#[derive(Debug)]
pub(crate) struct Alternative {
    pub(crate) weight: u32,
    pub(crate) items: Vec<Item>,
}

/// How many different `@n` a rule may have.
pub(crate) const BOUND: usize = 3;

/// The parsed word lists.
#[derive(Debug)]
pub(crate) struct Grammar {
    lists: Vec<Vec<Alternative>>,
    symbols: Vec<&'static str>,
    domains: Vec<&'static str>,
    /// `[symbol][domain][verdict]` → index in `lists`.
    resolved: Vec<Vec<[usize; 2]>>,
}

impl Grammar {
    /// # Errors
    /// A sentence naming the line or the slot that does not fit.
    pub(crate) fn parse(texts: &[&'static str]) -> Result<Self, String> {
        let mut grammar = Self { lists: Vec::new(), symbols: Vec::new(), domains: Vec::new(), resolved: Vec::new() };
        let mut headings: BTreeMap<Heading, usize> = BTreeMap::new();
        let mut list = None;
        for line in texts.iter().flat_map(|text| text.lines()).map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(heading) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                let heading = Heading::parse(heading);
                grammar.symbol(heading.name);
                if let Some(domain) = heading.domain.filter(|domain| !grammar.domains.contains(domain)) {
                    grammar.domains.push(domain);
                }
                if headings.insert(heading, grammar.lists.len()).is_some() {
                    return Err(format!("the list {line} is there twice"));
                }
                list = Some(grammar.lists.len());
                grammar.lists.push(Vec::new());
                continue;
            }
            let list = list.ok_or_else(|| format!("no list is open at '{line}'"))?;
            let (weight, alternatives) =
                match line.split_once(' ').and_then(|(n, rest)| Some((n.parse().ok()?, rest.trim()))) {
                    Some(weighted) => weighted,
                    None => (1, line),
                };
            for alternative in alternatives.split(" | ") {
                let words = alternative.split_whitespace().filter(|word| *word != "_");
                let items = words.map(|word| grammar.item(word)).collect::<Result<_, _>>()?;
                grammar.lists[list].push(Alternative { weight, items });
            }
        }
        grammar.resolve(&headings)?;
        Ok(grammar)
    }

    /// The alternatives of a symbol in a domain, for a verdict.
    pub(crate) fn alternatives(&self, symbol: usize, domain: usize, verdict: Verdict) -> &[Alternative] {
        &self.lists[self.list(symbol, domain, verdict)]
    }

    /// A number for what [`Grammar::alternatives`] returns: equal numbers, equal lists.
    pub(crate) fn list(&self, symbol: usize, domain: usize, verdict: Verdict) -> usize {
        self.resolved[symbol][domain][usize::from(verdict)]
    }

    /// The symbol of this name, where there is one.
    pub(crate) fn named(&self, name: &str) -> Option<usize> {
        self.symbols.iter().position(|symbol| *symbol == name)
    }

    pub(crate) fn domains(&self) -> &[&'static str] {
        &self.domains
    }

    /// Every word of every list, as written, with repetitions.
    pub(crate) fn words(&self) -> impl Iterator<Item = &'static str> {
        self.lists.iter().flatten().flat_map(|alternative| &alternative.items).filter_map(|item| match item {
            Item::Word(word) => Some(*word),
            Item::Slot { .. } => None,
        })
    }

    fn item(&mut self, word: &'static str) -> Result<Item, String> {
        let Some(slot) = word.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
            return if word.contains(['{', '}', '[', ']', '|']) {
                Err(format!("stray bracket in '{word}'"))
            } else {
                Ok(Item::Word(word))
            };
        };
        let (name, bound) = match slot.split_once('@') {
            Some((name, number)) => {
                (name, Some(number.parse().ok().filter(|n| *n < BOUND).ok_or(format!("bad number in {word}"))?))
            }
            None => (slot, None),
        };
        let turn = match name.chars().last() {
            Some('-') => Turn::Opposite,
            Some('?') => Turn::Any,
            _ => Turn::Same,
        };
        Ok(Item::Slot { symbol: self.symbol(name.trim_end_matches(['+', '-', '?'])), turn, bound })
    }

    fn symbol(&mut self, name: &'static str) -> usize {
        self.named(name).unwrap_or_else(|| {
            self.symbols.push(name);
            self.symbols.len() - 1
        })
    }

    fn resolve(&mut self, headings: &BTreeMap<Heading, usize>) -> Result<(), String> {
        for name in &self.symbols {
            let mut by_domain = Vec::new();
            for &domain in &self.domains {
                let find = |verdict| {
                    let candidates =
                        [(Some(verdict), Some(domain)), (None, Some(domain)), (Some(verdict), None), (None, None)];
                    let found = candidates
                        .into_iter()
                        .find_map(|(verdict, domain)| headings.get(&Heading { name, verdict, domain }));
                    found.copied().ok_or_else(|| format!("no list for '{name}' in domain '{domain}'"))
                };
                by_domain.push([find(false)?, find(true)?]);
            }
            self.resolved.push(by_domain);
        }
        match self.lists.iter().position(Vec::is_empty) {
            Some(empty) => Err(format!("list {empty} is empty")),
            None => Ok(()),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Heading {
    name: &'static str,
    verdict: Option<Verdict>,
    domain: Option<&'static str>,
}

impl Heading {
    fn parse(text: &'static str) -> Self {
        let (name, domain) = text.split_once('@').map_or((text, None), |(name, domain)| (name, Some(domain)));
        match (name.strip_suffix('+'), name.strip_suffix('-')) {
            (Some(name), _) => Self { name, verdict: Some(true), domain },
            (_, Some(name)) => Self { name, verdict: Some(false), domain },
            _ => Self { name, verdict: None, domain },
        }
    }
}
