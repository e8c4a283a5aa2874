//! Salience in a record, searched again at another density.

mod example;

use apt_core::arms::Salience;
use apt_core::blocks::BlockScores;
use apt_experiment::{Knobs, ModelShape, PruningPoint, Record, UnitSalience};

/// A record of a model of one layer, with a point after which heads 1 and 3 are left and another after it.
fn record() -> Record {
    let knobs = Knobs { round_neurons: 1, round_hidden: 1, prune_hidden: false, ..Knobs::default() };
    let shape = ModelShape { heads: vec![4], neurons: vec![8], hidden: 8, head_size: 2, wiring: None };
    let point = |step, kept: [Vec<usize>; 2], scores: BlockScores| PruningPoint {
        step,
        kept_heads: vec![kept[0].clone()],
        kept_neurons: vec![kept[1].clone().into()],
        kept_hidden: (0..8).collect(),
        salience: Some(UnitSalience::from(&scores)),
        ..PruningPoint::default()
    };
    let ascending = |n: u32| (1..=n).map(f64::from).collect::<Vec<f64>>();
    let first = BlockScores { heads: vec![ascending(4)], neurons: vec![ascending(8)], hidden: vec![9.0; 8] };
    // By now the first of those that are left is worth most.
    let second =
        BlockScores { heads: vec![vec![9.0, 1.0]], neurons: vec![vec![9.0, 8.0, 1.0, 1.0]], hidden: vec![9.0; 8] };
    let points = vec![point(3, [vec![1, 3], vec![4, 5, 6, 7]], first), point(6, [vec![1], vec![4, 5]], second)];
    Record { config: knobs, shape, pruning_points: points, ..example::record() }
}

#[test]
fn units_are_chosen_by_the_salience_of_the_last_point_that_had_enough_of_them() {
    let of = |density| record().searched_again(density).expect("it fits");
    let (dense, half) = (of(0.9), of(0.6));
    assert_eq!((dense.step, &dense.kept_heads[0][..]), (3, &[1, 2, 3][..]), "{dense:?}");
    assert!(half.density <= 0.6 && half.step == 3, "{half:?}");
    // After the first point 256 of 464 parameters are left: what scored there is worth nothing to a sparser model.
    let sparse = of(0.3);
    assert_eq!((sparse.step, &sparse.kept_heads[0][..]), (6, &[1][..]), "{sparse:?}");
    assert!(sparse.kept_neurons[0].contains(4) && !sparse.kept_neurons[0].contains(7), "{sparse:?}");
}

#[test]
fn what_cannot_be_searched_is_named() {
    let refused = |change: fn(&mut Record), density| {
        let mut record = record();
        change(&mut record);
        record.searched_again(density).expect_err("it cannot be searched").to_string()
    };
    assert!(refused(|_| {}, 1.5).contains("1.5"));
    assert!(refused(|r| r.config.salience = Salience::RandomWithin, 0.5).contains("chance"));
    assert!(refused(|r| r.pruning_points.clear(), 0.5).contains("no pruning point"));
    assert!(refused(|r| r.pruning_points[0].kept_heads[0].push(9), 0.3).contains("heads of layer 0"));
    assert!(refused(|r| r.shape.neurons[0] = 9, 0.9).contains("scores"));
}
