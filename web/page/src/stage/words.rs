//! A unit in words: what it is, whether it is kept and why, how it was scored.

use super::{Departures, Layout, Outliers, Unit};
use crate::figures::plain;
use crate::history::Frame;

impl Unit {
    /// What it is called: `layer 1, head 0`. Adapters are called by their layer.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Head(layer, head) => format!("layer {layer}, head {head}"),
            Self::Neuron(layer, neuron) => format!("layer {layer}, neuron {neuron}"),
            Self::Hidden(dim) => format!("hidden dim {dim}"),
            Self::Layer(layer) | Self::Rank(layer, _) => format!("layer {layer}"),
        }
    }
}

impl Layout {
    /// What heads are called: those of a decoder are key-value heads, each with the query heads that share it.
    #[must_use]
    pub fn heads_called(&self) -> &'static str {
        if self.shape.queries_per_key() > 1 { "key-value heads" } else { "heads" }
    }

    /// A unit with what is pruned together with it.
    fn whole_name(&self, unit: Unit) -> String {
        match (unit, self.shape.queries_per_key()) {
            (Unit::Head(layer, head), queries @ 2..) => {
                format!("layer {layer}, key-value head {head} with its {queries} query heads")
            }
            (Unit::Neuron(..), _) if self.shape.is_gated() => format!("{} with its gate", unit.name()),
            _ => unit.name(),
        }
    }

    /// A unit at the frame at this place.
    #[must_use]
    pub fn describe(&self, unit: Unit, frames: &[Frame], place: usize) -> String {
        let Some(frame) = frames.get(place) else { return String::new() };
        let outlying = || {
            let root = Outliers::until(frames, place).and_then(|outliers| outliers.roots.get(unit));
            root.map_or_else(String::new, |root| format!(", √kurtosis {}", plain(root)))
        };
        let fate = || match frame.keeps(unit) {
            None => "the run does not say whether it is kept".to_owned(),
            Some(true) => format!("kept{}{}{}", reason(frame, unit), standing(frame, unit), outlying()),
            Some(false) => {
                let gone = Departures::until(frames, place, &self.shape).get(unit).flatten();
                let gone = gone.and_then(|gone| frames.get(usize::from(gone)));
                let since = gone.map_or_else(String::new, |gone| format!(" at step {}", gone.step));
                let is_masked = frames.iter().take(place + 1).rfind(|frame| frame.removed).or(frames.first());
                let is_masked = is_masked.is_some_and(|removed| removed.keeps(unit) == Some(true));
                // It was scored where it went; later points no longer score it.
                let scored = gone.unwrap_or(frame);
                let what = if is_masked { "masked" } else { "removed" };
                format!("{what}{since}{}{}{}", reason(scored, unit), standing(scored, unit), outlying())
            }
        };
        match unit {
            Unit::Hidden(_) => {
                format!("{}: {}; {} of {} kept", unit.name(), fate(), frame.hidden.len(), self.shape.hidden)
            }
            Unit::Layer(layer) => {
                let ranks = (0..self.sites.len())
                    .filter_map(|site| Some(format!("{} {}", self.sites.get(site)?, self.rank(frame, layer, site)?)));
                let ranks: Vec<String> = ranks.collect();
                let ranks = if ranks.is_empty() { String::new() } else { format!("; ranks: {}", ranks.join(", ")) };
                let heads = frame.heads.get(layer).map_or(0, Vec::len);
                let of = self.shape.heads.get(layer).copied().unwrap_or(0);
                let called = self.heads_called();
                format!("{}: {heads} of {of} {called}, {}{ranks}", unit.name(), self.neurons_left(frame, layer))
            }
            Unit::Head(..) => format!("{}: {}", self.whole_name(unit), fate()),
            Unit::Neuron(layer, _) => {
                format!("{}: {}; {}", self.whole_name(unit), fate(), self.neurons_left(frame, layer))
            }
            Unit::Rank(layer, site) => {
                let name = self.sites.get(site).copied().unwrap_or_default();
                match self.rank(frame, layer, site) {
                    Some(rank) => format!("{}, {name} adapter: rank {rank}", unit.name()),
                    None => format!("{}: no {name} adapter", unit.name()),
                }
            }
        }
    }

    fn neurons_left(&self, frame: &Frame, layer: usize) -> String {
        let left = frame.neurons.get(layer).copied().unwrap_or(0);
        format!("{left} of {} neurons kept", self.shape.neurons.get(layer).copied().unwrap_or(0))
    }
}

fn reason(frame: &Frame, unit: Unit) -> String {
    frame.reason(unit).map_or_else(String::new, |reason| format!(" ({})", reason.words()))
}

/// `, salience 0.50, rank 4 of 4`: among the units of the kind that were there.
fn standing(frame: &Frame, unit: Unit) -> String {
    let Some((score, all)) = frame.score(unit) else { return String::new() };
    let above = all.iter().filter(|other| **other > score).count();
    format!(", salience {}, rank {} of {}", plain(score), above + 1, all.len())
}

#[cfg(test)]
mod tests {
    use super::super::Sheet;
    use super::*;
    use crate::history::History;
    use apt_experiment::{Knobs, Wiring};

    #[test]
    fn words_say_whether_a_unit_is_kept_since_when_and_how_it_was_scored() {
        let history = History::of(&crate::history::tests::run(Knobs::default(), 10, true));
        let shape = history.record().expect("started").shape.clone();
        let layout = Layout::new(&shape, &history.frames, Sheet { width: 400.0, dense: 1.0, type_size: 1.0 }, 0, None);
        let mut frames = history.frames.clone();
        let said = |unit: Unit, frames: &[Frame], place: usize| layout.describe(unit, frames, place);
        let gone = "layer 0, head 0: removed at step 5, salience 0.50, rank 4 of 4, √kurtosis 0.50";
        assert_eq!(said(Unit::Head(0, 0), &frames, 1), gone);
        let floor = "layer 0, head 1: kept (by the head floor), salience 2.00, rank 2 of 4, √kurtosis 0";
        assert_eq!(said(Unit::Head(0, 1), &frames, 1), floor);
        let neuron =
            "layer 1, neuron 0: removed at step 5, salience 1.00, rank 7 of 8, √kurtosis 3.00; 3 of 4 neurons kept";
        assert_eq!(said(Unit::Neuron(1, 0), &frames, 1), neuron);
        let layer = "layer 1: 2 of 2 heads, 3 of 4 neurons kept; ranks: up 2";
        assert_eq!(said(Unit::Layer(1), &frames, 1), layer);
        assert_eq!(said(Unit::Rank(0, 0), &frames, 1), "layer 0, query adapter: rank 4");
        assert_eq!(said(Unit::Hidden(0), &frames, 0), "hidden dim 0: kept; 4 of 4 kept");
        // Later points still say when and with what score it went.
        frames.push(Frame { step: 8, scores: None, ..frames[1].clone() });
        assert_eq!(said(Unit::Head(0, 0), &frames, 2), gone);
        // A run that does not say which units are outliers.
        frames.iter_mut().for_each(|frame| frame.outliers = None);
        assert_eq!(said(Unit::Head(0, 0), &frames, 2), gone.replace(", √kurtosis 0.50", ""));
        let mut grouped = layout.clone();
        let wiring = Wiring { queries_per_key: 2, gated: true, ..Wiring::encoder(2) };
        grouped.shape.wiring = Some(wiring);
        let of = |unit| grouped.describe(unit, &frames, 1);
        let with_queries = "layer 0, key-value head 0 with its 2 query heads: removed at step 5";
        assert!(of(Unit::Head(0, 0)).starts_with(with_queries), "{}", of(Unit::Head(0, 0)));
        assert!(of(Unit::Neuron(1, 0)).starts_with("layer 1, neuron 0 with its gate: removed"));
        assert!(of(Unit::Layer(1)).starts_with("layer 1: 2 of 2 key-value heads"));
        frames[1].removed = false;
        assert!(said(Unit::Head(0, 0), &frames, 1).starts_with("layer 0, head 0: masked at step 5,"));
        frames[1].kept_neurons = Vec::new();
        let unsaid = "layer 1, neuron 0: the run does not say whether it is kept; 3 of 4 neurons kept";
        assert_eq!(said(Unit::Neuron(1, 0), &frames, 1), unsaid);
    }
}
