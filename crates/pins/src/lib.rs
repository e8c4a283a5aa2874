//! Nothing but a manifest. Cargo builds a dependency once for each set of features it is asked for, and which set that
//! is depends on the packages selected: without these pins `cargo test -p apt-nn` after `cargo run` would compile all of
//! Burn a second time. The features named here are those the whole workspace asks for.
