//! The program as its users see it: arguments in; exit status, output and files out.

mod bad_input;
mod bad_model;
mod decoders;
mod densities;
mod export;
mod hub;
mod lists;
mod manners;
mod models_of_others;
mod objectives;
mod places;
mod predict;
mod program;
mod reading;
mod runs;
mod sandbox;
#[cfg(target_os = "linux")]
mod slurm;
// The tests of `apt-hub` ask it for more.
#[allow(dead_code)]
#[path = "../../../hub/tests/hub/stand_in.rs"]
mod stand_in;
mod study;
mod tiny_model;
mod tuning;
mod vocabulary;
mod vulkan;
