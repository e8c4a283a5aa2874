//! Which training rows are held out where there is no validation file.

use std::collections::BTreeMap;

use crate::error::DataError;
use crate::seeded::{Stream, generator, shuffle};
use crate::target::ClassSet;
use crate::task::{DATA_SEED, HOLD_OUT, RawExample};

/// Moves one row in [`HOLD_OUT`] from `train` into the validation split, by [`DATA_SEED`]. Every class gives its share,
/// and keeps one row at least; a row of several classes counts as one of the rarest of them.
///
/// # Errors
/// [`DataError::TooFewRows`], and [`DataError::NothingToHoldOut`] where every class has one row.
pub(crate) fn hold_out(train: &mut Vec<RawExample>, place: &str) -> Result<Vec<RawExample>, DataError> {
    let wanted = train.len() / HOLD_OUT;
    if wanted == 0 {
        return Err(DataError::TooFewRows { place: place.to_owned(), rows: train.len() });
    }
    let mut order: Vec<usize> = (0..train.len()).collect();
    shuffle(&mut generator(DATA_SEED, Stream::HoldOut, 0), &mut order);
    let classes = counted_as(train);
    let mut left = shares(&classes, wanted);
    let mut chosen = vec![false; train.len()];
    for index in order {
        let Some(left) = left.get_mut(&classes[index]) else { continue };
        if *left > 0 {
            *left -= 1;
            chosen[index] = true;
        }
    }
    let (held, kept): (Vec<_>, Vec<_>) = std::mem::take(train).into_iter().zip(chosen).partition(|(_, held)| *held);
    *train = kept.into_iter().map(|(example, _)| example).collect();
    match held.len() {
        0 => Err(DataError::NothingToHoldOut { place: place.to_owned() }),
        _ => Ok(held.into_iter().map(|(example, _)| example).collect()),
    }
}

/// The class that each row counts as: of several the one that fewest rows have; none where there is none.
fn counted_as(train: &[RawExample]) -> Vec<Option<u32>> {
    let mut rows: BTreeMap<u32, usize> = BTreeMap::new();
    for &class in train.iter().filter_map(|example| example.target.set()).flat_map(|set| set.classes()) {
        *rows.entry(class).or_default() += 1;
    }
    let rarest = |set: &ClassSet| set.classes().iter().copied().min_by_key(|class| rows.get(class).copied());
    train.iter().map(|example| example.target.set().map_or_else(|| example.target.class(), rarest)).collect()
}

/// How many rows of each class are held out of `wanted` (numbers are one class): by its share of all rows, what is left
/// over to the largest remainders.
fn shares(rows: &[Option<u32>], wanted: usize) -> BTreeMap<Option<u32>, usize> {
    let mut counts: BTreeMap<Option<u32>, usize> = BTreeMap::new();
    for class in rows {
        *counts.entry(*class).or_default() += 1;
    }
    let mut shares: Vec<(Option<u32>, usize, usize)> = Vec::new();
    for (class, count) in &counts {
        let most = count - 1;
        let share = (count * wanted / rows.len()).min(most);
        shares.push((*class, share, most));
    }
    let remainder = |class: &Option<u32>| counts.get(class).map_or(0, |count| count * wanted % rows.len());
    let mut by_remainder: Vec<usize> = (0..shares.len()).collect();
    by_remainder.sort_by_key(|&at| std::cmp::Reverse(remainder(&shares[at].0)));
    let mut missing = wanted - shares.iter().map(|(_, share, _)| share).sum::<usize>();
    while missing > 0 {
        let before = missing;
        for &at in &by_remainder {
            let (_, share, most) = &mut shares[at];
            if missing > 0 && share < most {
                *share += 1;
                missing -= 1;
            }
        }
        if missing == before {
            break;
        }
    }
    shares.into_iter().map(|(class, share, _)| (class, share)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Target;

    fn rows(counts: &[usize]) -> Vec<RawExample> {
        let of = |class: u32| move |n| RawExample { a: format!("{class} {n}"), b: None, target: Target::Class(class) };
        (0..).zip(counts).flat_map(|(class, count)| (0..*count).map(of(class))).collect()
    }

    fn held(counts: &[usize]) -> Vec<usize> {
        let mut train = rows(counts);
        let held = hold_out(&mut train, "here").expect("some can be held out");
        let of = |class: usize| held.iter().filter(|row| row.target == Target::Class(class as u32)).count();
        assert_eq!(train.len() + held.len(), counts.iter().sum::<usize>());
        (0..counts.len()).map(of).collect()
    }

    #[test]
    fn every_class_gives_its_share_and_keeps_a_row() {
        assert_eq!(held(&[50, 30, 20]), [5, 3, 2]);
        assert_eq!(held(&[500, 4, 1]).iter().sum::<usize>(), 50);
        assert_eq!(held(&[500, 4, 1])[2], 0, "a class of one row is trained on");
        let mut singles = vec![1; 98];
        singles.push(2);
        assert_eq!((held(&singles)[98], held(&singles).iter().sum::<usize>()), (1, 1), "more cannot be held out");
    }

    #[test]
    fn classes_of_one_row_each_cannot_be_held_out() {
        let message = hold_out(&mut rows(&[1; 100]), "here").expect_err("refused").to_string();
        assert!(message.contains("every class has one row") && message.contains("label column"), "{message}");
        assert!(hold_out(&mut rows(&[3, 3]), "here").is_err(), "six rows");
    }

    #[test]
    fn a_rare_class_among_several_gives_its_share() {
        let set = |n: usize| ClassSet::new([Some(0), n.is_multiple_of(10).then_some(1)].into_iter().flatten(), 2);
        let row = |n: usize| RawExample { a: n.to_string(), b: None, target: Target::Set(set(n)) };
        let mut train: Vec<RawExample> = (0..100).map(row).collect();
        let held = hold_out(&mut train, "here").expect("rows");
        let rare = held.iter().filter(|row| row.target.set().is_some_and(|set| set.contains(1))).count();
        assert_eq!((held.len(), rare), (10, 1), "a tenth of all and of the ten that are rare");
    }

    #[test]
    fn numbers_are_drawn_from_all_rows() {
        let value = |n: usize| RawExample { a: n.to_string(), b: None, target: Target::Value(n as f32) };
        assert_eq!(hold_out(&mut (0..40).map(value).collect(), "here").expect("rows").len(), 4);
    }
}
