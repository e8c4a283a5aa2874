//! What must hold for every model, score and schedule, not only for the ones in the fixtures.

use std::ops::Range;

use apt_core::arms::{Curve, PruneSchedule, RankGrowth};
use apt_core::blocks::{BlockScores, Kept, LayerShape, ModelShape};
use apt_core::distill::{mu, teacher_layers};
use apt_core::lr::{LrDecay, LrSchedule};
use apt_core::masks::Masks;
use apt_core::ranks::{AdapterState, grow};
use apt_core::reference::distill::map_layer;
use apt_core::reference::salience::kurtosis;
use apt_core::salience::{RunningMean, random_scores};
use apt_core::schedule::{Timeline, TimelineConfig, mask_step};
use apt_core::search::{Rounding, SearchError, search, search_with_floor};
use apt_core::wiring::{Biases, Wiring};
use proptest::prelude::*;
use proptest::sample::select;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// Ragged models, layers without heads or neurons included.
fn shapes() -> impl Strategy<Value = ModelShape> {
    let layer = (0..6usize, 0..40usize).prop_map(|(heads, neurons)| LayerShape { heads, neurons });
    let layers = prop::collection::vec(layer, 1..5);
    (1..40usize, 1..6usize, any::<[bool; 7]>(), 1..4usize, layers).prop_map(
        |(hidden, head_size, flags, queries_per_key, layers)| {
            let [gated, into_attention, out_of_attention, feed_forward, norm_biases, head_norms, final_norm] = flags;
            let biases = Biases { into_attention, out_of_attention, feed_forward };
            let wiring = Wiring { head_size, queries_per_key, gated, biases, norm_biases, head_norms, final_norm };
            ModelShape { hidden, wiring, layers }
        },
    )
}

fn numbers(count: usize, range: Range<f64>) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(range, count)
}

/// Scores for a shape. Whole numbers, so that ties happen.
fn scored(shape: ModelShape) -> impl Strategy<Value = (ModelShape, BlockScores)> {
    let lists = |widths: Vec<usize>| {
        let lists = widths.into_iter().map(|width| numbers(width, 0.0..9.0)).collect::<Vec<_>>();
        lists.prop_map(|lists| lists.into_iter().map(|list| list.into_iter().map(f64::floor).collect()).collect())
    };
    let heads = lists(shape.layers.iter().map(|layer| layer.heads).collect());
    let neurons = lists(shape.layers.iter().map(|layer| layer.neurons).collect());
    let hidden = numbers(shape.hidden, 0.0..9.0);
    (heads, neurons, hidden)
        .prop_map(move |(heads, neurons, hidden)| (shape.clone(), BlockScores { heads, neurons, hidden }))
}

fn searches() -> impl Strategy<Value = (ModelShape, BlockScores)> {
    shapes().prop_flat_map(scored)
}

/// Any selection of a shape's blocks, from one bit per block.
fn keep(shape: &ModelShape, bits: &[bool]) -> Kept {
    let mut bits = bits.iter().cycle();
    let mut some =
        |width: usize| -> Vec<usize> { (0..width).filter(|_| bits.next().copied().unwrap_or(true)).collect() };
    Kept {
        heads: shape.layers.iter().map(|layer| some(layer.heads)).collect(),
        neurons: shape.layers.iter().map(|layer| some(layer.neurons)).collect(),
        hidden: some(shape.hidden),
    }
}

fn bits() -> impl Strategy<Value = Vec<bool>> {
    prop::collection::vec(any::<bool>(), 1..97)
}

/// Parameters counted the long way: matrix by matrix, bias by bias.
fn parameters_by_parts(shape: &ModelShape) -> usize {
    let hidden = shape.hidden;
    let Wiring { biases, head_norms, final_norm, .. } = shape.wiring;
    let linear = |inputs: usize, outputs: usize, bias: bool| inputs * outputs + if bias { outputs } else { 0 };
    let norm = if shape.wiring.norm_biases { 2 * hidden } else { hidden };
    let layer = |layer: &LayerShape| {
        let mut parts = 0;
        if layer.heads > 0 {
            let keys = layer.heads * shape.wiring.head_size;
            let queries = keys * shape.wiring.queries_per_key;
            let into = biases.into_attention;
            parts += linear(hidden, queries, into) + 2 * linear(hidden, keys, into);
            parts += linear(queries, hidden, biases.out_of_attention) + norm;
            parts += if head_norms { 2 * shape.wiring.head_size } else { 0 };
        }
        if layer.neurons > 0 {
            let into = if shape.wiring.gated { 2 } else { 1 };
            let bias = biases.feed_forward;
            parts += into * linear(hidden, layer.neurons, bias) + linear(layer.neurons, hidden, bias) + norm;
        }
        parts
    };
    shape.layers.iter().map(layer).sum::<usize>() + if final_norm { norm } else { 0 }
}

fn configs() -> impl Strategy<Value = TimelineConfig> {
    let arms = (select(PruneSchedule::ALL), select(Curve::ALL));
    let fractions = [0.0..=0.5f64, 0.0..=0.5, 0.0..=1.0, 0.0..=1.0];
    (2..3000usize, 0..3000usize, arms, 0.05..0.95f64, 1..15usize, fractions).prop_map(
        |(total_steps, opens, (schedule, curve), density, num_prunings, fractions)| {
            let [prune_fraction, tuning_fraction, warmup_fraction, distill_fraction] = fractions;
            TimelineConfig {
                total_steps,
                begins: 0,
                start_density: 1.0,
                schedule,
                curve,
                density,
                num_prunings,
                opens,
                prune_fraction,
                tuning_fraction,
                warmup_fraction,
                distill_fraction,
                ranks_change: false,
                learned_masks: false,
            }
        },
    )
}

fn adapters() -> impl Strategy<Value = Vec<AdapterState>> {
    let adapter = (1..20usize, 1..80usize, prop_oneof![8 => 0.0..1.0f64, 1 => Just(f64::NAN)]);
    let adapter =
        adapter.prop_map(|(rank, params_per_rank, importance)| AdapterState { rank, params_per_rank, importance });
    prop::collection::vec(adapter, 0..16)
}

proptest! {
    #[test]
    fn the_parameter_count_is_the_sum_of_its_parts(shape in shapes()) {
        prop_assert_eq!(shape.parameters(), parameters_by_parts(&shape));
    }

    #[test]
    fn a_search_stays_within_its_budget_and_on_its_multiples(
        (shape, scores) in searches(),
        density in 0.0..1.1f64,
        neurons in 1..9usize,
        hidden in 1..9usize,
    ) {
        let target = (shape.parameters() as f64 * density) as usize;
        let rounding = Rounding { neurons, hidden };
        match search(&scores, &shape, target, &rounding) {
            Ok(kept) => {
                prop_assert!(kept.validate(&shape).is_ok());
                let left = kept.shape_after(&shape);
                prop_assert!(left.parameters() <= target, "{} > {target}", left.parameters());
                prop_assert!(left.hidden > 0);
                prop_assert!(left.hidden % hidden == 0 || left.hidden == shape.hidden);
                for (left, full) in left.layers.iter().zip(&shape.layers) {
                    prop_assert!(left.neurons % neurons == 0 || left.neurons == full.neurons);
                }
                let counts = left.counts();
                prop_assert!(counts.heads + counts.neurons > 0 || shape.parameters() == 0);
            }
            Err(SearchError::TargetTooSmall { target: reported, minimum }) => {
                prop_assert_eq!(reported, target);
                prop_assert!(minimum > target);
                let least = search(&scores, &shape, minimum, &rounding);
                prop_assert!(least.is_ok(), "{minimum} is said to be enough: {least:?}");
            }
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    #[test]
    fn a_larger_budget_keeps_every_block_of_a_smaller_one(
        (shape, scores) in searches(),
        densities in (0.0..1.0f64, 0.0..1.0f64),
    ) {
        let target = |density: f64| (shape.parameters() as f64 * density) as usize;
        let (small, large) = (densities.0.min(densities.1), densities.0.max(densities.1));
        let find = |density| search(&scores, &shape, target(density), &Rounding::NONE);
        if let (Ok(small), Ok(large)) = (find(small), find(large)) {
            let size = |kept: &Kept| kept.shape_after(&shape).parameters();
            prop_assert!(size(&small) <= size(&large), "{} > {}", size(&small), size(&large));
        }
    }

    #[test]
    fn every_layer_keeps_its_best_heads_where_the_budget_has_room_for_them(
        (shape, scores) in searches(),
        density in 0.0..1.0f64,
        least in 0..7usize,
    ) {
        let target = (shape.parameters() as f64 * density) as usize;
        let mut floor = ModelShape { hidden: 1, ..shape.clone() };
        for layer in &mut floor.layers {
            *layer = LayerShape { heads: layer.heads.min(least), neurons: 0 };
        }
        prop_assume!(floor.parameters() <= target && floor.counts().heads > 0);
        let kept = search_with_floor(&scores, &shape, target, &Rounding::NONE, &vec![least; shape.layers.len()]);
        let kept = kept.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert!(kept.shape_after(&shape).parameters() <= target);
        for ((kept, scores), floor) in kept.heads.iter().zip(&scores.heads).zip(&floor.layers) {
            prop_assert!(kept.len() >= floor.heads, "{} of {} heads", kept.len(), floor.heads);
            let worst_kept = kept.iter().map(|&head| scores[head]).fold(f64::INFINITY, f64::min);
            let best_lost = (0..scores.len()).filter(|head| !kept.contains(head)).map(|head| scores[head]);
            prop_assert!(best_lost.fold(f64::NEG_INFINITY, f64::max) <= worst_kept);
        }
    }

    #[test]
    fn the_whole_budget_keeps_everything((shape, scores) in searches(), multiple in 1..9usize) {
        let rounding = Rounding { neurons: multiple, hidden: multiple };
        let kept = search(&scores, &shape, shape.parameters(), &rounding);
        prop_assert!(kept.is_ok_and(|kept| kept.is_all(&shape)));
    }

    #[test]
    fn a_score_that_is_no_number_is_named((shape, mut scores) in searches(), place in any::<usize>()) {
        let count = scores.values().count();
        let place = place % count;
        scores.values_mut().nth(place).into_iter().for_each(|score| *score = f64::NAN);
        let found = search(&scores, &shape, 0, &Rounding::NONE);
        prop_assert!(matches!(found, Err(SearchError::NotFinite { .. })), "{found:?}");
    }

    #[test]
    fn prunings_in_a_row_compose((shape, one, two, three) in (shapes(), bits(), bits(), bits())) {
        let first = keep(&shape, &one);
        let after_first = first.shape_after(&shape);
        let second = keep(&after_first, &two);
        let third = keep(&second.shape_after(&after_first), &three);
        let left = first.compose(&second).compose(&third);
        prop_assert_eq!(&left, &first.compose(&second.compose(&third)));
        prop_assert!(left.validate(&shape).is_ok());
        prop_assert_eq!(Kept::all(&shape).compose(&first), first);
    }

    #[test]
    fn masks_stay_between_zero_and_one_and_fade_in_half_a_window(
        (shape, choice) in (shapes(), bits()),
        window in 2..300usize,
        base in 0.0..1.5f64,
    ) {
        let kept = keep(&shape, &choice);
        let amount = mask_step(window, base);
        let mut masks = Masks::ones(&shape);
        for _ in 0..window.div_ceil(2) {
            masks.step(&kept, amount);
            let all = masks.heads.iter().chain(&masks.neurons).chain([&masks.hidden]).flatten();
            for &mask in all {
                prop_assert!((0.0..=1.0).contains(&mask), "{mask}");
            }
        }
        // Half a window of equal steps adds up to one, but for the last bits of the sum.
        let left = masks.kept();
        if left != kept {
            let faded = masks.heads.iter().chain(&masks.neurons).chain([&masks.hidden]).flatten();
            prop_assert!(faded.into_iter().all(|&mask| mask == 1.0 || mask < 1e-9));
            masks.step(&kept, amount);
            prop_assert_eq!(masks.kept(), kept.clone());
        }
        prop_assert_eq!(masks == Masks::ones(&shape), kept.is_all(&shape));
        masks.step(&kept, 1.0);
        prop_assert_eq!(masks.select(&kept), Masks::ones(&kept.shape_after(&shape)));
    }

    #[test]
    fn density_falls_to_its_target_within_the_run(config in configs()) {
        let Ok(timeline) = Timeline::new(&config) else {
            prop_assert!(config.prune_fraction + config.tuning_fraction > 1.0);
            return Ok(());
        };
        let points = &timeline.points;
        prop_assert!((1..=config.num_prunings).contains(&points.len()));
        prop_assert_eq!(points[points.len() - 1].density, config.density);
        for pair in points.windows(2) {
            prop_assert!(pair[0].step < pair[1].step && pair[0].density > pair[1].density);
            prop_assert_eq!(pair[0].step, pair[1].window_start);
        }
        for (place, point) in points.iter().enumerate() {
            prop_assert!(point.step < config.total_steps && point.density < 1.0);
            let once = config.schedule == PruneSchedule::OneShot;
            prop_assert!(once || point.window_start < point.step);
            prop_assert!(once || timeline.collect.contains(&(point.step - 1)));
            prop_assert_eq!(timeline.point_at(point.step), Some((place, point)));
            prop_assert!((0.0..=1.0).contains(&timeline.growth_fraction(place)));
        }
        let mut before = 1.0;
        for step in 0..config.total_steps {
            let now = timeline.density_target(step);
            prop_assert!(now <= before, "{now} at {step} after {before}");
            before = now;
        }
        prop_assert_eq!(before, config.density);
        if let Some(distill) = timeline.distill {
            prop_assert_eq!(distill.start, points[0].step);
            prop_assert!(distill.start < distill.end && distill.end <= config.total_steps);
        }
    }

    #[test]
    fn ranks_grow_within_the_budget_and_never_shrink(
        adapters in adapters(),
        budget in 0.0..40_000.0f64,
        max_rank in 1..40usize,
        growth in select(RankGrowth::ALL),
    ) {
        let ranks = grow(&adapters, budget, max_rank, growth);
        prop_assert_eq!(ranks.len(), adapters.len());
        let current: usize = adapters.iter().map(AdapterState::parameters).sum();
        let sizes = ranks.iter().zip(&adapters).map(|(rank, adapter)| rank * adapter.params_per_rank);
        let size: usize = sizes.sum();
        prop_assert!(size as f64 <= budget.max(current as f64) + 1e-6, "{size} > {budget}");
        for (rank, adapter) in ranks.iter().zip(&adapters) {
            prop_assert!(*rank >= adapter.rank && *rank <= max_rank.max(adapter.rank));
            prop_assert!(growth != RankGrowth::Static || *rank == adapter.rank);
        }
    }

    #[test]
    fn mu_rises_from_zero_to_one(start in 0..500usize, length in 1..500usize, step in 0..1200usize) {
        let range = start..start + length;
        let now = mu(step, &range);
        prop_assert!((0.0..=1.0).contains(&now));
        prop_assert!(now <= mu(step + 1, &range));
        prop_assert_eq!((mu(range.start, &range), mu(range.end, &range)), (0.0, 1.0));
    }

    #[test]
    fn teacher_layers_are_one_per_block(layers in 0..50usize, seed in any::<u64>()) {
        let chosen = teacher_layers(layers, &mut ChaCha8Rng::seed_from_u64(seed));
        prop_assert!(chosen.iter().all(|&layer| layer < layers));
        prop_assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]), "{chosen:?}");
        let length = (layers / 4).max(1);
        prop_assert_eq!(chosen.len(), layers.div_ceil(length));
    }

    #[test]
    fn the_mapped_student_layer_survives_and_is_near(
        exists in prop::collection::vec(any::<bool>(), 0..14),
        layer in 0..14usize,
    ) {
        let mapped = map_layer(layer, &exists, |candidate| candidate as f64);
        prop_assert_eq!(mapped.is_some(), exists.contains(&true));
        if let Some(mapped) = mapped {
            prop_assert!(exists[mapped]);
            let between = mapped.min(layer)..mapped.max(layer);
            let passed = between.filter(|&index| index != mapped);
            let nearer = passed.filter(|&index| exists.get(index) == Some(&true)).count();
            prop_assert_eq!(nearer, 0, "a survivor lies between {} and {}", layer, mapped);
        }
    }

    #[test]
    fn the_learning_rate_stays_below_its_peak_and_ends_at_zero(
        total in 1..400usize,
        warmup in 0.0..1.0f64,
        decay in select(&[LrDecay::Linear, LrDecay::Cosine][..]),
    ) {
        let schedule = LrSchedule::new(3.0, total, warmup, decay);
        let mut peak = 0.0f64;
        for step in 0..=total + 3 {
            let rate = schedule.at(step);
            prop_assert!((0.0..=3.0).contains(&rate), "{rate} at {step}");
            prop_assert!(step < schedule.warmup_steps || step < total || rate < 1e-12);
            peak = peak.max(rate);
        }
        prop_assert!(peak > 2.0 || schedule.warmup_steps >= total);
    }

    #[test]
    fn the_running_mean_of_a_constant_is_that_constant(
        (shape, scores) in searches(),
        updates in 1..40usize,
        choice in bits(),
    ) {
        let kept = keep(&shape, &choice);
        let mut mean = RunningMean::new(0.85, &shape);
        for _ in 0..updates {
            mean.update(&scores);
        }
        mean.reindex(&kept);
        for (mean, score) in mean.value().values().zip(scores.select(&kept).values()) {
            prop_assert!((mean - score).abs() < 1e-9, "{mean} is not {score}");
        }
    }

    #[test]
    fn random_scores_repeat_with_their_seed(shape in shapes(), seed in any::<u64>()) {
        let draw = |seed| random_scores(&shape, &mut ChaCha8Rng::seed_from_u64(seed));
        prop_assert!(draw(seed).fits(&shape));
        prop_assert_eq!(draw(seed), draw(seed));
        prop_assert_ne!(draw(seed), draw(seed.wrapping_add(1)));
    }

    #[test]
    fn kurtosis_ignores_scale_and_shift(
        values in numbers(12, -5.0..5.0),
        scale in 0.1..10.0f64,
        shift in -10.0..10.0f64,
    ) {
        let moved: Vec<_> = values.iter().map(|value| value * scale + shift).collect();
        let (before, after) = (kurtosis(&values), kurtosis(&moved));
        prop_assert!((before - after).abs() < 1e-6, "{before} became {after}");
    }
}
