//! The tabs of Compare: which one an address opens, and which one a key leads to.

/// The page whose tabs these are, as the address names it.
const PAGE: &str = "compare";

/// A tab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    /// What the runs say.
    Answer,
    /// Studies.
    Studies,
    /// All runs.
    Runs,
    /// Curves of the selected runs.
    Curves,
    /// The whole report.
    Report,
}

impl Tab {
    /// The tabs in their order.
    pub const ALL: [Self; 5] = [Self::Answer, Self::Studies, Self::Runs, Self::Curves, Self::Report];

    /// Its name in addresses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Studies => "studies",
            Self::Runs => "runs",
            Self::Curves => "curves",
            Self::Report => "report",
        }
    }

    /// What people call it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Answer => "Answer",
            Self::Studies => "Studies",
            Self::Runs => "All runs",
            Self::Curves => "Curves",
            Self::Report => "Report",
        }
    }

    /// What it holds, in a line.
    #[must_use]
    pub fn summary(self) -> &'static str {
        match self {
            Self::Answer => "What the finished runs say: each arm beside the baseline.",
            Self::Studies => {
                "Several arms with several seeds each, one run after the other or several at a time. It goes on after a \
                 reload, and what is finished is never run again."
            }
            Self::Runs => "Every run of this browser, and records from elsewhere.",
            Self::Curves => "How the runs selected under All runs came to their end.",
            Self::Report => "All tables and charts, where the numbers come from, and the files to take away.",
        }
    }

    /// What the part of an address after `#` says that leads to it.
    #[must_use]
    pub fn fragment(self) -> String {
        format!("{PAGE}/{}", self.name())
    }

    /// The tab that this fragment opens. One that names none opens the answer, or the studies if the address asks for a
    /// study.
    #[must_use]
    pub fn of(fragment: &str, asks_for_study: bool) -> Self {
        let named = fragment.split_once('/').map_or("", |(_, name)| name);
        let plain = if asks_for_study { Self::Studies } else { Self::Answer };
        Self::ALL.into_iter().find(|tab| tab.name() == named).unwrap_or(plain)
    }

    /// The tab that a key leads to: arrows go round, Home and End to the ends.
    #[must_use]
    pub fn by_key(self, key: &str) -> Option<Self> {
        let (here, count) = (Self::ALL.iter().position(|tab| *tab == self)?, Self::ALL.len());
        let place = match key {
            "ArrowRight" => (here + 1) % count,
            "ArrowLeft" => (here + count - 1) % count,
            "Home" => 0,
            "End" => count - 1,
            _ => return None,
        };
        Self::ALL.get(place).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_opens_the_tab_it_names_or_the_one_that_fits() {
        for tab in Tab::ALL {
            assert_eq!(Tab::of(&tab.fragment(), true), tab);
        }
        assert_eq!(Tab::of("compare", false), Tab::Answer);
        assert_eq!((Tab::of("compare", true), Tab::of("", true)), (Tab::Studies, Tab::Studies), "older links");
        assert_eq!(Tab::of("compare/nowhere", false), Tab::Answer);
    }

    #[test]
    fn arrows_go_round() {
        let path: Vec<_> = ["ArrowLeft", "ArrowRight", "End", "Home"].map(|key| Tab::Answer.by_key(key)).to_vec();
        assert_eq!(path, [Some(Tab::Report), Some(Tab::Studies), Some(Tab::Report), Some(Tab::Answer)]);
        assert_eq!((Tab::Report.by_key("ArrowRight"), Tab::Report.by_key("a")), (Some(Tab::Answer), None));
    }
}
