//! A study: a grid of runs, each in a process of its own, that can be interrupted, divided and repeated.

pub(crate) mod child;
pub(crate) mod folder;
pub(crate) mod plan;
pub(crate) mod progress;
pub(crate) mod report;
pub(crate) mod request;
pub(crate) mod runner;
pub(crate) mod shard;
pub(crate) mod slurm;
pub(crate) mod trials;
