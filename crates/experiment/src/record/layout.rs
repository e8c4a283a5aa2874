//! How the pruning of a run is laid out: what is decided about it before the first step, or once the training loss has
//! moved.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::finite::checked;

/// When scores are gathered, masks move, blocks leave and a teacher teaches.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Layout {
    /// Training steps made when this was decided.
    pub step: usize,
    /// What decided it.
    pub opened_by: OpenedBy,
    /// Mean training loss at the start and when this was decided, where the run waited for it.
    #[serde(default)]
    pub loss: Option<LossChange>,
    /// Steps in which salience is gathered.
    pub collect: Range<usize>,
    /// Every pruning point.
    pub points: Vec<PlannedPoint>,
    /// Steps that distil.
    #[serde(default)]
    pub distill: Option<Range<usize>>,
}

/// What opens the pruning window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenedBy {
    /// The settings name its place.
    #[default]
    Settings,
    /// The training loss has moved.
    LossMoved,
    /// The loss had not moved when the window had to open.
    Latest,
}

/// A change of the mean training loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LossChange {
    /// Over the first steps.
    #[serde(serialize_with = "checked")]
    pub start: f64,
    /// Over the last steps.
    #[serde(serialize_with = "checked")]
    pub now: f64,
}

/// A pruning point to come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlannedPoint {
    /// Blocks leave before this step.
    pub step: usize,
    /// Density from there on.
    #[serde(serialize_with = "checked")]
    pub density: f64,
    /// First step in which masks move towards it.
    pub window_start: usize,
    /// How far a mask moves in one step; 1: it does not, blocks are cut at the point.
    #[serde(serialize_with = "checked")]
    pub mask_step: f64,
}

impl Layout {
    /// One sentence for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Some((first, last)) = self.points.first().zip(self.points.last()) else {
            return "nothing is pruned and no rank changes".to_owned();
        };
        let mut parts = Vec::new();
        if let Some(LossChange { start, now }) = self.loss {
            let how = if self.opened_by == OpenedBy::LossMoved { "has fallen" } else { "has only gone" };
            parts.push(format!("the training loss {how} from {start:.3} to {now:.3}"));
        }
        let (cut, rest) = match first.window_start == first.step {
            true => (Some(first), &self.points[1..]),
            false => (None, self.points.as_slice()),
        };
        parts.extend(cut.map(|cut| format!("blocks are cut before step {}, masks do not move", cut.step + 1)));
        let before = cut.map_or(1.0, |cut| cut.density);
        let (scored, point, masks) = match rest.first() {
            Some(point) if point.density >= before => ("adapters", "point at which ranks change", String::new()),
            Some(point) if point.mask_step < 1.0 => {
                ("blocks", "pruning point", format!(", masks move by {:.2} a step", point.mask_step))
            }
            _ => ("blocks", "pruning point", ", masks do not move: blocks are cut at once".to_owned()),
        };
        if !self.collect.is_empty() {
            parts.push(format!("{scored} are scored in steps {}", steps(&self.collect)));
        }
        match rest {
            [] => {}
            [_] => parts.push(format!("one {point} before step {}{masks}", last.step + 1)),
            [first, ..] => {
                let apart = (last.step - first.window_start) as f64 / rest.len() as f64;
                let points = point.replacen("point", "points", 1);
                let count = rest.len();
                parts.push(format!("{count} {points} up to step {}, {apart:.0} steps apart{masks}", last.step));
            }
        }
        if let Some(distill) = &self.distill {
            parts.push(format!("a teacher in steps {}", steps(distill)));
        }
        parts.join("; ")
    }
}

/// The steps as people count them, from 1.
fn steps(range: &Range<usize>) -> String {
    format!("{}–{}", range.start + 1, range.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_is_one_sentence() {
        let point = |step, window_start| PlannedPoint { step, density: 0.5, window_start, mask_step: 0.25 };
        let layout = Layout {
            step: 50,
            opened_by: OpenedBy::LossMoved,
            loss: Some(LossChange { start: 0.693, now: 0.55 }),
            collect: 50..100,
            points: vec![point(80, 60), point(100, 80)],
            distill: Some(80..176),
        };
        assert_eq!(
            layout.sentence(),
            "the training loss has fallen from 0.693 to 0.550; blocks are scored in steps 51–100; \
             2 pruning points up to step 100, 20 steps apart, masks move by 0.25 a step; a teacher in steps 81–176"
        );
        let cut = PlannedPoint { mask_step: 1.0, ..point(0, 0) };
        let one_shot = Layout { points: vec![cut, point(80, 60), point(100, 80)], distill: None, loss: None, ..layout };
        assert_eq!(
            one_shot.sentence(),
            "blocks are cut before step 1, masks do not move; adapters are scored in steps 51–100; \
             2 points at which ranks change up to step 100, 20 steps apart"
        );
    }
}
