//! What page and worker tell each other of models of the hub.

use serde::{Deserialize, Serialize};

/// What the hub has under a name: told before it is fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubOffer {
    /// The model with its commit, as the knob `model` names it: `hf:org/name@commit`.
    pub model: String,
    /// The host that the files come from.
    pub host: String,
    /// How many files there are to fetch.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Of these, those that are here from a time before.
    pub done: u64,
    /// The bytes that the browser has left for this page, where it says so.
    pub room: Option<u64>,
}

/// How a model of the hub gets on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "news", rename_all = "snake_case")]
pub enum HubNews {
    /// The answer to [`crate::Command::AskHub`].
    Offer(HubOffer),
    /// The same, where the browser has the model already.
    Here {
        /// What it is kept under.
        model: String,
    },
    /// More of a file has come.
    Fetching {
        /// The file.
        file: String,
        /// Bytes of all files that are here.
        done: u64,
    },
    /// All is here, as the message's attachments, and is still to be kept.
    Fetched,
    /// Nothing more comes: it was stopped, or failed as the fault before says.
    Ended {
        /// Bytes of all files that are here, to go on with.
        done: u64,
    },
}
