//! The statistics against scipy, statsmodels and numpy; `statistics/make.py` wrote the cases.

use apt_report::statistics::{
    Difference, Interval, Summary, Verdict, paired, power, quantile, set_holm, smallest_difference, summarise,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    base: Vec<f64>,
    arms: Vec<Vec<f64>>,
    summaries: Vec<Wanted>,
    differences: Vec<Wanted>,
}

#[derive(Deserialize)]
struct Wanted {
    n: usize,
    mean: f64,
    sd: Option<f64>,
    interval: Option<[f64; 2]>,
    bootstrap: Option<[f64; 2]>,
    p: Option<f64>,
    holm: Option<f64>,
}

/// Relative, but for what is next to nothing.
const TOLERANCE: f64 = 1e-9;
/// Smaller numbers than this are compared as if they were this large.
const NOTHING: f64 = 1e-9;

fn agree(what: &str, ours: f64, wanted: f64, worst: &mut f64) {
    let off = (ours - wanted).abs() / wanted.abs().max(NOTHING);
    *worst = worst.max(off);
    assert!(off <= TOLERANCE, "{what}: {ours} and not {wanted}, off by {off:e}");
}

fn agree_or_none(what: &str, ours: Option<f64>, wanted: Option<f64>, worst: &mut f64) {
    assert_eq!(ours.is_some(), wanted.is_some(), "{what}: {ours:?} and not {wanted:?}");
    if let (Some(ours), Some(wanted)) = (ours, wanted) {
        agree(what, ours, wanted, worst);
    }
}

fn ends(interval: Option<Interval>) -> [Option<f64>; 2] {
    [interval.map(|of| of.low), interval.map(|of| of.high)]
}

fn check(what: &str, ours: &Summary, wanted: &Wanted, worst: &mut f64) {
    assert_eq!(ours.n, wanted.n, "{what}: N");
    agree(&format!("{what}, mean"), ours.mean, wanted.mean, worst);
    agree_or_none(&format!("{what}, sd"), ours.sd, wanted.sd, worst);
    for end in [0, 1] {
        let interval = wanted.interval.map(|of| of[end]);
        agree_or_none(&format!("{what}, interval"), ends(ours.interval)[end], interval, worst);
        // Beyond six values ours is resampled, numpy's is not stored.
        if wanted.n <= 6 {
            let bootstrap = wanted.bootstrap.map(|of| of[end]);
            agree_or_none(&format!("{what}, bootstrap"), ends(ours.bootstrap)[end], bootstrap, worst);
        }
    }
}

fn seeded(values: &[f64]) -> Vec<(u64, f64)> {
    (1..).zip(values.iter().copied()).collect()
}

#[test]
fn statistics_agree_with_scipy_statsmodels_and_numpy() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("statistics/cases.json")).expect("stored cases");
    assert!(cases.len() >= 10);
    let mut worst = 0.0;
    for case in &cases {
        for (place, values) in [&case.base].into_iter().chain(&case.arms).enumerate() {
            let ours = summarise(values).expect("values");
            check(&format!("{}, values {place}", case.name), &ours, &case.summaries[place], &mut worst);
        }
        let mut differences: Vec<Difference> =
            case.arms.iter().map(|arm| paired(&seeded(arm), &seeded(&case.base)).expect("common seeds")).collect();
        set_holm(&mut differences);
        for (place, (ours, wanted)) in differences.iter().zip(&case.differences).enumerate() {
            let what = format!("{}, difference {place}", case.name);
            check(&what, &ours.summary, wanted, &mut worst);
            agree_or_none(&format!("{what}, p"), ours.p, wanted.p, &mut worst);
            agree_or_none(&format!("{what}, Holm"), ours.holm, wanted.holm, &mut worst);
        }
    }
    println!("{} cases, worst {worst:e}", cases.len());
}

#[test]
fn quantiles_are_those_of_tables() {
    for (freedom, t) in
        [(1, 12.706_204_736_174_7), (2, 4.302_652_729_749_46), (4, 2.776_445_105_197_79), (30, 2.042_272_456_301_24)]
    {
        assert!((quantile(0.975, freedom) - t).abs() < 1e-13 * t, "{freedom}: {}", quantile(0.975, freedom));
    }
}

#[test]
fn one_value_has_no_interval_and_none_has_no_mean() {
    let one = summarise(&[0.5]).expect("one value");
    assert_eq!((one.n, one.mean, one.sd, one.interval, one.bootstrap), (1, 0.5, None, None, None));
    assert_eq!(summarise(&[]), None);
    assert_eq!(summarise(&[f64::NAN]), None);
    assert_eq!(summarise(&[f64::NAN, 1.0]).map(|of| of.n), Some(1));
    let difference = paired(&[(1, 0.5)], &[(1, 0.25), (2, 0.5)]).expect("a common seed");
    assert_eq!((difference.summary.n, difference.p, difference.verdict), (1, None, Verdict::OneSeed));
    assert_eq!(paired(&[(1, 0.5)], &[(2, 0.5)]), None);
}

#[test]
fn equal_values_have_an_interval_without_width_and_no_test() {
    let flat = summarise(&[0.1; 5]).expect("values");
    assert!(flat.sd.is_some_and(|sd| sd < 1e-15), "{flat:?}");
    let same = paired(&seeded(&[0.3, 0.7]), &seeded(&[0.3, 0.7])).expect("common seeds");
    assert_eq!((same.p, same.verdict), (Some(1.0), Verdict::NotDistinguishable));
    // 0.4 − 0.3 and 0.8 − 0.7 differ by rounding alone.
    let shifted = paired(&seeded(&[0.4, 0.8]), &seeded(&[0.3, 0.7])).expect("common seeds");
    assert_eq!((shifted.summary.sd, shifted.p, shifted.verdict), (Some(0.0), None, Verdict::NoSpread));
}

#[test]
fn a_verdict_counts_the_questions_that_were_asked() {
    let base = seeded(&[0.90, 0.91, 0.92, 0.93, 0.94]);
    let near = |by: [f64; 5]| paired(&(1..).zip((0..5).map(|i| base[i].1 + by[i])).collect::<Vec<_>>(), &base);
    let alone = near([0.01, 0.02, 0.01, 0.03, 0.01]).expect("common seeds");
    assert_eq!(alone.verdict, Verdict::Higher, "{alone:?}");
    let mut family = vec![alone; 4];
    set_holm(&mut family);
    assert_eq!(family[0].verdict, Verdict::OnlyAlone, "{:?}", family[0]);
    let lower = near([-0.01, -0.011, -0.012, -0.01, -0.011]).expect("common seeds");
    assert_eq!(lower.verdict, Verdict::Lower);
}

#[test]
fn differences_are_paired_by_seed_whatever_the_order() {
    let base = [(1, 1.0), (2, 2.0), (3, 3.0)];
    let arm = [(3, 3.5), (9, 7.0), (1, 1.5)];
    let difference = paired(&arm, &base).expect("common seeds");
    assert_eq!((difference.seeds, difference.summary.mean), (vec![3, 1], 0.5));
}

#[test]
fn resampling_repeats_and_is_near_the_interval_of_t() {
    let values: Vec<f64> = (0..20).map(|x| f64::from(x * x % 17)).collect();
    let (a, b) = (summarise(&values), summarise(&values));
    assert_eq!(a, b);
    let (t, resampled) = a.map(|of| (of.interval.expect("many"), of.bootstrap.expect("many"))).expect("values");
    assert!((t.half() / resampled.half() - 1.0).abs() < 0.15, "{t:?} {resampled:?}");
}

/// By scipy 1.17: `nct.sf(c, n - 1, d * sqrt(n)) + nct.cdf(-c, n - 1, d * sqrt(n))` with `c = t.ppf(0.975, n - 1)`, and
/// the root of that minus 0.8 by `brentq`.
#[test]
fn power_is_that_of_scipys_noncentral_t() {
    for (n, effect, wanted) in [
        (2, 1.0, 0.092_809_155_056_336),
        (2, 5.0, 0.420_961_409_149_504),
        (3, 1.0, 0.179_255_393_776_552),
        (5, 0.0, 0.05),
        (5, 0.5, 0.140_516_689_990_298),
        (5, 1.6, 0.762_110_511_549_906),
        (10, 1.0, 0.803_096_856_632_722),
        (30, 0.5, 0.753_964_715_743_791),
        (200, 0.2, 0.803_666_660_585_773),
        (1000, 0.1, 0.884_789_098_890_714),
    ] {
        let ours = power(effect, n);
        assert!((ours - wanted).abs() < 1e-8, "{n} pairs, effect {effect}: {ours} and not {wanted}");
    }
    for (n, wanted) in [
        (3, 3.264_043_549_699_57),
        (5, 1.681_996_965_955_555),
        (10, 0.996_001_371_455_444),
        (30, 0.529_235_615_112_953),
        (1000, 0.088_679_075_594_264),
    ] {
        let ours = smallest_difference(1.0, n).expect("pairs");
        assert!((ours - wanted).abs() < 1e-8 * wanted, "{n} pairs: {ours} and not {wanted}");
        assert_eq!(smallest_difference(0.25, n), Some(0.25 * ours), "it grows with the spread");
    }
    assert_eq!((power(3.0, 1), power(3.0, 0), smallest_difference(1.0, 1)), (0.0, 0.0, None), "there is no test");
}
