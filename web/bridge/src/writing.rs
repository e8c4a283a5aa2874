//! What page and worker tell each other while decoders write.

use serde::{Deserialize, Serialize};

/// Whose model writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    /// That of a run: a finished one, or the open one as it is now.
    Run(String),
    /// The one that the knob `model` names so, as it came.
    Model(String),
}

/// What is to be written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Who writes, in turn, a token each.
    pub authors: Vec<Author>,
    /// What they go on from.
    pub prompt: String,
    /// Tokens at most; fewer where the model's positions end.
    pub length: usize,
    /// Logits are divided by it; 0 takes the likeliest token.
    pub temperature: f64,
    /// Which draws there are, the same for every author.
    pub seed: u64,
}

/// How one author gets on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Written {
    /// Its place among the authors of the task.
    pub author: usize,
    /// What has come since the last message.
    pub text: String,
    /// Tokens so far.
    pub tokens: usize,
    /// Milliseconds that all of them but the first took; reading the prompt comes before that.
    pub milliseconds: f64,
    /// Parameters in the layers, embeddings not counted.
    pub parameters: u64,
    /// Why nothing more comes.
    pub ended: Option<WritingEnd>,
}

/// Why an author has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WritingEnd {
    /// It wrote the token that ends a text.
    Text,
    /// As many tokens as were asked for.
    Length,
    /// The model takes no longer text.
    Positions,
    /// It was stopped.
    Stopped,
}
