//! A study: a grid of runs, each in a process of its own, that can be interrupted, divided and repeated.

pub mod child;
pub mod folder;
pub mod plan;
pub mod progress;
pub mod report;
pub mod request;
pub mod runner;
pub mod shard;
pub mod slurm;
