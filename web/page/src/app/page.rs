//! The pages of the lab, which the address names.

use super::browser;

/// A page of the lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    Lab,
    Compare,
    Try,
    Learn,
    Device,
}

impl Page {
    pub(crate) const ALL: [Self; 5] = [Self::Lab, Self::Compare, Self::Try, Self::Learn, Self::Device];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lab => "lab",
            Self::Compare => "compare",
            Self::Try => "try",
            Self::Learn => "learn",
            Self::Device => "device",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Lab => "Lab",
            Self::Compare => "Compare",
            Self::Try => "Try",
            Self::Learn => "Learn",
            Self::Device => "Device",
        }
    }

    /// The page that the address names; the Lab if it names none.
    pub(crate) fn now() -> Self {
        let fragment = browser::fragment();
        // What follows a slash is the page's own matter.
        let name = fragment.split('/').next().unwrap_or_default();
        Self::ALL.into_iter().find(|page| page.name() == name).unwrap_or(Self::Lab)
    }

    /// Goes to this page by the address, as links do.
    pub(crate) fn open(self) {
        browser::set_fragment(self.name());
    }
}
