//! `--shard i/n`: the part of a study that one machine runs.

use std::str::FromStr;

/// The cells whose index, from 0, leaves `index` − 1 when divided by `of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    /// From 1.
    pub index: usize,
    /// Number of shards.
    pub of: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((index, of)) if 1 <= index && index <= of => Ok(Self { index, of }),
            _ => Err("give i/n with 1 ≤ i ≤ n, such as 2/8".into()),
        }
    }
}

impl Shard {
    /// Whether the cell of this index, from 0, belongs to the shard.
    pub(crate) fn contains(self, cell: usize) -> bool {
        cell % self.of == self.index - 1
    }
}
