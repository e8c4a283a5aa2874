//! The ranks of a run's adapters by layer and site, and the importance that decided them.

use apt_experiment::Site;

use crate::history::History;
use crate::stage::{Layout, Sheet};

/// An adapter at one pruning point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// Its rank.
    pub rank: usize,
    /// Whether it grew at this point.
    pub grew: bool,
    /// Its importance at this point, where ranks grew.
    pub importance: Option<f64>,
}

/// All adapters at one pruning point.
#[derive(Clone, Debug, PartialEq)]
pub struct RankMap {
    /// The sites that have adapters.
    pub sites: Vec<&'static str>,
    /// By layer and site.
    pub rows: Vec<Vec<Option<Cell>>>,
    /// The highest rank of the whole run.
    pub top_rank: usize,
    /// The highest importance at this point.
    pub top_importance: f64,
}

impl RankMap {
    /// Of the frame at this place; `None` if the run has no adapters.
    #[must_use]
    pub fn of(history: &History, place: usize) -> Option<Self> {
        let record = history.record()?;
        let frame = history.frames.get(place)?;
        let before = place.checked_sub(1).and_then(|before| history.frames.get(before));
        let layout = Layout::new(&record.shape, &history.frames, Sheet::default(), 0, None);
        let growth = record.growths.iter().find(|growth| before.is_some() && growth.step == frame.step);
        let importance = |layer: usize, site: usize| {
            let name = format!("layers.{layer}.{}", layout.sites.get(site)?);
            growth?.importance.get(&name).copied()
        };
        let cell = |layer: usize, site: usize| {
            let rank = layout.rank(frame, layer, site)?;
            let was = before.and_then(|before| layout.rank(before, layer, site));
            Some(Cell { rank, grew: was.is_some_and(|was| rank > was), importance: importance(layer, site) })
        };
        let layers = 0..record.shape.heads.len().max(record.shape.neurons.len());
        let rows: Vec<Vec<_>> =
            layers.map(|layer| (0..layout.sites.len()).map(|site| cell(layer, site)).collect()).collect();
        let top_importance = rows.iter().flatten().flatten().filter_map(|cell| cell.importance).fold(0.0, f64::max);
        (!layout.sites.is_empty()).then_some(Self {
            sites: layout.sites,
            rows,
            top_rank: layout.top_rank,
            top_importance,
        })
    }

    /// What happened at this point, in a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let cells = || self.rows.iter().flatten().flatten();
        let grew = cells().filter(|cell| cell.grew).count();
        let (least, most) =
            cells().fold((usize::MAX, 0), |(least, most), cell| (least.min(cell.rank), most.max(cell.rank)));
        let ranks =
            if least == most { format!("All ranks are {most}.") } else { format!("Ranks from {least} to {most}.") };
        match grew {
            0 => ranks,
            grew => format!("{grew} of {} adapters grew here. {ranks}", cells().count()),
        }
    }
}

/// What people call a site.
#[must_use]
pub fn site_in_words(site: &str) -> &'static str {
    let found = Site::ALL.iter().find(|of| of.name() == site);
    match found.map(|site| site.name()) {
        Some("query") => "query: what a token looks for",
        Some("key") => "key: what a token offers",
        Some("value") => "value: what is passed on",
        Some("output") => "output: joins the heads",
        Some("up") => "up: into the neurons",
        Some("down") => "down: out of the neurons",
        Some(other) => other,
        None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::tests::recorded;

    #[test]
    fn the_map_has_ranks_what_grew_and_why() {
        let history = recorded();
        let start = RankMap::of(&history, 0).expect("adapters");
        assert_eq!(start.sites, ["query", "key", "value", "output", "up", "down"]);
        assert_eq!(start.sentence(), "All ranks are 8.");
        let first = RankMap::of(&history, 1).expect("adapters");
        assert_eq!(first.sentence(), "12 of 24 adapters grew here. Ranks from 8 to 14.");
        let query = first.rows[0][0].expect("an adapter");
        assert_eq!((query.rank, query.grew), (14, true));
        assert_eq!(query.importance, Some(first.top_importance));
        // The half that grew is the more important one.
        let cells = || first.rows.iter().flatten().flatten();
        let least = cells().filter(|cell| cell.grew).filter_map(|cell| cell.importance).fold(f64::MAX, f64::min);
        let most = cells().filter(|cell| !cell.grew).filter_map(|cell| cell.importance).fold(0.0, f64::max);
        assert!(least > most, "{least} {most}");
        assert_eq!((first.top_rank, RankMap::of(&history, 99)), (64, None));
    }

    #[test]
    fn every_site_has_words() {
        for site in Site::ALL {
            assert!(!site_in_words(site.name()).is_empty(), "{}", site.name());
        }
    }
}
