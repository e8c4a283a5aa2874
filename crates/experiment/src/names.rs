//! Names for runs that people can remember and pronounce.

use sha2::{Digest, Sha256};

const QUALITIES: [&str; 48] = [
    "amber", "ample", "brave", "brisk", "calm", "candid", "clear", "clever", "coral", "crisp", "dapper", "eager",
    "early", "fair", "fleet", "gentle", "golden", "hardy", "honest", "humble", "keen", "kind", "lean", "light",
    "lively", "lucid", "lunar", "mellow", "merry", "mild", "neat", "nimble", "noble", "patient", "plain", "proud",
    "quick", "quiet", "rapid", "sharp", "silver", "slender", "spare", "steady", "sunny", "swift", "tidy", "warm",
];

const THINGS: [&str; 48] = [
    "acorn", "alder", "aspen", "beech", "birch", "bough", "bramble", "branch", "briar", "cedar", "cherry", "clover",
    "cypress", "elm", "fern", "fig", "grove", "hawthorn", "hazel", "heath", "heron", "holly", "ivy", "juniper",
    "larch", "laurel", "lilac", "linden", "maple", "meadow", "moss", "myrtle", "oak", "olive", "orchard", "otter",
    "pear", "pine", "plum", "poplar", "quince", "robin", "rowan", "spruce", "thicket", "vine", "willow", "wren",
];

/// A name such as `steady-maple-417`, decided by `entropy` alone (some two million of them).
#[must_use]
pub fn run_name(entropy: u64) -> String {
    let mut rest = stir(entropy);
    let mut pick = |choices: u64| {
        let choice = rest % choices;
        rest /= choices;
        choice
    };
    let quality = QUALITIES[pick(QUALITIES.len() as u64) as usize];
    let thing = THINGS[pick(THINGS.len() as u64) as usize];
    // Three digits always, so that names line up in a listing.
    format!("{quality}-{thing}-{}", 100 + pick(900))
}

/// A name that `content` alone decides, the same on every machine and in every version.
#[must_use]
pub fn content_run_name(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    run_name(digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// Spreads neighbouring numbers far apart (the finaliser of SplitMix64), so that the names of
/// consecutive seeds or seconds look nothing alike.
fn stir(entropy: u64) -> u64 {
    let mut z = entropy.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_name_depends_on_its_entropy_alone_and_rarely_repeats() {
        assert_eq!(run_name(7), run_name(7));
        let names: BTreeSet<String> = (0..1000).map(run_name).collect();
        assert!(names.len() > 980, "only {} different names among 1000", names.len());
    }

    #[test]
    fn a_name_for_content_never_changes() {
        let names = ["", "{}", "{ }"].map(|content| content_run_name(content.as_bytes()));
        assert_eq!(names, ["proud-orchard-650", "patient-moss-820", "silver-maple-266"]);
    }

    #[test]
    fn a_name_is_a_safe_folder_name() {
        for name in (0..200).map(run_name) {
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{name}");
        }
    }
}
