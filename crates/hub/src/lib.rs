//! Models from the Hugging Face hub, fetched into the cache that the hub's other programs share.
//!
//! Why not the crate `hf-hub`: its version 1 brings some 350 crates with it; its version 0.5 knows neither offline mode nor
//! `HF_HUB_CACHE` nor `HF_TOKEN`, checks no digest, and gives up where another process is fetching. What is needed is
//! three kinds of requests (`client`) and a layout of folders (`cache`).
//!
//! Nothing is asked of the network before `Hub::list` or `Hub::fetch`.
//!
//! A browser has requests and a store of its own; what is asked for, how answers are read, what refusals mean and whether
//! bytes are those that were announced is the same there ([`Asked`], [`Listing`], [`Check`]).

mod asked;
#[cfg(not(target_family = "wasm"))]
mod cache;
#[cfg(not(target_family = "wasm"))]
mod client;
mod digest;
#[cfg(not(target_family = "wasm"))]
mod download;
mod error;
#[cfg(not(target_family = "wasm"))]
mod hub;
mod listing;
mod name;
#[cfg(not(target_family = "wasm"))]
mod settings;

pub use asked::{Asked, Asker, Refusal};
pub use digest::Check;
#[cfg(not(target_family = "wasm"))]
pub use download::{Progress, Watch};
pub use error::{HubError, Kind, megabytes};
#[cfg(not(target_family = "wasm"))]
pub use hub::{Hub, Snapshot, is_cached};
pub use listing::{ListedFile, Listing};
pub use name::{ModelName, PREFIX};
#[cfg(not(target_family = "wasm"))]
pub use settings::{Settings, Token};

/// The address of the hub, without a slash at its end.
pub const ENDPOINT: &str = "https://huggingface.co";
