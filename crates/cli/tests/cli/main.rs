//! The program as its users see it: arguments in; exit status, output and files out.

mod bad_input;
mod bad_model;
mod densities;
mod export;
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
mod study;
mod tiny_model;
mod tuning;
mod vocabulary;
mod vulkan;
