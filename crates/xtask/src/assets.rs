//! The folder of checkpoints and data that some tests need, where it lies beside the clone.

use crate::root;
use std::path::PathBuf;

/// Published models and data: the folder that `APT_ASSETS` names, else the one that lies beside the checkout. Tests that
/// need them skip themselves where there is none; where it lies beside the checkout, they must run.
pub(crate) fn assets() -> Vec<(&'static str, PathBuf)> {
    let beside = root().join("../shared/assets");
    if std::env::var_os("APT_ASSETS").is_some() || !beside.is_dir() {
        return Vec::new();
    }
    vec![("APT_ASSETS", beside), ("APT_REQUIRE_ASSETS", "1".into())]
}
