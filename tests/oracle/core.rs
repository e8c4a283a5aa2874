//! apt-core against the published code's own numbers, to 1e-9 in `f64`.
//!
//! Every test name holds `oracle`, so that `cargo test --release oracle` finds it. Rules that only
//! the published code has (its search's off-by-one, its head-mixing kurtosis) live here and nowhere
//! in the method.

#[path = "core/blocks.rs"]
mod blocks;
#[path = "core/distillation.rs"]
mod distillation;
#[path = "core/growth.rs"]
mod growth;
#[path = "core/salience.rs"]
mod salience;
#[path = "core/scorers.rs"]
mod scorers;
#[path = "core/search.rs"]
mod search;
#[path = "core/timeline.rs"]
mod timeline;
#[path = "core/tiny.rs"]
mod tiny;

/// Asserts agreement to 1e-9 relative to the larger of 1 and the expected magnitude.
#[track_caller]
fn agree(what: &str, ours: f64, published: f64) {
    let slack = 1e-9 * published.abs().max(1.0);
    assert!((ours - published).abs() <= slack, "{what}: {ours} here, {published} published");
}

#[track_caller]
fn agree_all(what: &str, ours: &[f64], published: &[f64]) {
    assert_eq!(ours.len(), published.len(), "{what}: numbers");
    for (place, (&ours, &published)) in ours.iter().zip(published).enumerate() {
        agree(&format!("{what} [{place}]"), ours, published);
    }
}
