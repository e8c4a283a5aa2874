//! Where arrow keys lead on the stage: from unit to unit in a line, from line to line, from layer to layer.

use super::layout::{Field, Layout, Unit};

impl Layout {
    /// The unit that an arrow key leads to, `right` and `down` of this one.
    #[must_use]
    pub fn beside(&self, unit: Unit, right: isize, down: isize) -> Unit {
        let found = if down == 0 { self.across(unit, right) } else { self.along(unit, down) };
        found.unwrap_or(unit)
    }

    fn across(&self, unit: Unit, right: isize) -> Option<Unit> {
        let forward = right > 0;
        let layer = match unit {
            Unit::Hidden(dim) => {
                return Some(Unit::Hidden(dim.checked_add_signed(right).filter(|dim| *dim < self.shape.hidden)?));
            }
            Unit::Layer(layer) | Unit::Head(layer, _) | Unit::Neuron(layer, _) | Unit::Rank(layer, _) => layer,
        };
        let row = self.row(layer)?;
        let first_neuron = (row.neurons.count > 0).then_some(Unit::Neuron(layer, 0));
        let first_rank = (!self.sites.is_empty()).then_some(Unit::Rank(layer, 0));
        let last_of = |field: &Field| field.columns.min(field.count).checked_sub(1);
        let last_head = last_of(&row.heads).map(|head| Unit::Head(layer, head)).or(Some(Unit::Layer(layer)));
        let last_neuron = last_of(&row.neurons).map(|neuron| Unit::Neuron(layer, neuron)).or(last_head);
        match unit {
            Unit::Hidden(_) => None,
            Unit::Layer(_) if !forward => None,
            Unit::Layer(_) if row.heads.count > 0 => Some(Unit::Head(layer, 0)),
            Unit::Layer(_) => first_neuron.or(first_rank),
            Unit::Head(_, head) => match (in_line(&row.heads, head, right), forward) {
                (Some(head), _) => Some(Unit::Head(layer, head)),
                (None, true) => first_neuron.or(first_rank),
                (None, false) => Some(Unit::Layer(layer)),
            },
            Unit::Neuron(_, neuron) => match (in_line(&row.neurons, neuron, right), forward) {
                (Some(neuron), _) => Some(Unit::Neuron(layer, neuron)),
                (None, true) => first_rank,
                (None, false) => last_head,
            },
            Unit::Rank(_, 0) if !forward => last_neuron,
            Unit::Rank(_, site) => {
                Some(Unit::Rank(layer, site.checked_add_signed(right).filter(|site| *site < self.sites.len())?))
            }
        }
    }

    fn along(&self, unit: Unit, down: isize) -> Option<Unit> {
        let forward = down > 0;
        let layer = match unit {
            Unit::Hidden(_) if !forward => return None,
            Unit::Hidden(_) => {
                let place = self.place(unit);
                let first = self.rows.first()?;
                let under = self.at(place.x + 0.5 * place.w, first.place.y + 1.0);
                return under.or(Some(Unit::Layer(first.layer)));
            }
            Unit::Layer(layer) | Unit::Head(layer, _) | Unit::Neuron(layer, _) | Unit::Rank(layer, _) => layer,
        };
        let here = self.rows.iter().position(|row| row.layer == layer)?;
        let row = self.rows.get(here)?;
        let next = here.checked_add_signed(down).and_then(|next| self.rows.get(next));
        let in_field = |field: &Field, number: usize| {
            let columns = field.columns as isize;
            number.checked_add_signed(down * columns).filter(|number| *number < field.count)
        };
        // The first line of the next field, or the last of the one before, in the same column.
        let entry = |field: &Field, column: usize| {
            let line = if forward { 0 } else { field.lines().checked_sub(1)? };
            Some((line * field.columns + column.min(field.columns - 1)).min(field.count.checked_sub(1)?))
        };
        let beyond = match unit {
            Unit::Hidden(_) => None,
            Unit::Layer(_) => next.map(|next| Unit::Layer(next.layer)),
            Unit::Rank(_, site) => next.map(|next| Unit::Rank(next.layer, site)),
            Unit::Head(_, head) => {
                if let Some(head) = in_field(&row.heads, head) {
                    return Some(Unit::Head(layer, head));
                }
                next.and_then(|next| Some(Unit::Head(next.layer, entry(&next.heads, head % row.heads.columns)?)))
            }
            Unit::Neuron(_, neuron) => {
                if let Some(neuron) = in_field(&row.neurons, neuron) {
                    return Some(Unit::Neuron(layer, neuron));
                }
                let column = neuron % row.neurons.columns;
                next.and_then(|next| Some(Unit::Neuron(next.layer, entry(&next.neurons, column)?)))
            }
        };
        if beyond.is_none() && !forward && here == 0 {
            let (place, strip) = (self.place(unit), self.strips.first()?);
            let dim = (place.x + 0.5 * place.w - strip.x).max(0.0) / strip.w * self.shape.hidden as f64;
            return Some(Unit::Hidden((dim as usize).min(self.shape.hidden.checked_sub(1)?)));
        }
        beyond
    }
}

/// The cell `right` of this one, if it is in the same line.
fn in_line(field: &Field, number: usize, right: isize) -> Option<usize> {
    let beside = number.checked_add_signed(right).filter(|beside| *beside < field.count)?;
    (beside / field.columns == number / field.columns).then_some(beside)
}

#[cfg(test)]
mod tests {
    use super::super::layout::tests::{all, layout};
    use super::*;

    #[test]
    fn arrows_reach_every_unit_and_never_leave() {
        let layout = layout();
        assert_eq!(layout.beside(Unit::Layer(0), 1, 0), Unit::Head(0, 0));
        assert_eq!(layout.beside(Unit::Head(0, 0), -1, 0), Unit::Layer(0));
        assert_eq!(layout.beside(Unit::Hidden(3), 1, 0), Unit::Hidden(3));
        // From the strip down every column to the bottom, and from the left edge to the right.
        let mut reached = vec![Unit::Layer(0)];
        let mut place = 0;
        while let Some(unit) = reached.get(place).copied() {
            for (right, down) in [(1, 0), (-1, 0), (0, 1), (0, -1)] {
                let there = layout.beside(unit, right, down);
                if !reached.contains(&there) {
                    reached.push(there);
                }
            }
            place += 1;
        }
        for unit in all(&layout) {
            assert!(reached.contains(&unit), "{unit:?} is not reached");
        }
    }
}
