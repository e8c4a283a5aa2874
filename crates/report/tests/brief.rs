//! A report in brief says the same as the report, and knows its arms by their settings.

mod runs;

use std::sync::Arc;

use apt_experiment::{Device, Knobs, preset};
use apt_report::statistics::Verdict;
use apt_report::{Brief, Entry, Report};
use runs::{of, record};

/// APT and random salience at two densities and LoRA, three seeds each: random loses ten points at 0.2 and nothing at 0.4.
fn report() -> Report {
    let mut entries: Vec<Entry> = Vec::new();
    for (seed, noise) in [(1, 0.0), (2, 0.004), (3, 0.001)] {
        let mut add = |name: &str, density: Option<f64>, metric: f64| {
            let mut knobs = Knobs { seed, ..preset(name).expect("a preset") };
            knobs.density = density.unwrap_or(knobs.density);
            let name = format!("{name}-{density:?}-{seed}");
            entries.push(Entry { name, record: Some(Arc::new(record(knobs, metric, 10))), failure: None });
        };
        add("apt", Some(0.4), 0.95 + noise);
        add("apt", Some(0.2), 0.94 - noise);
        add("salience-random", Some(0.4), 0.951 + 2.0 * noise);
        add("salience-random", Some(0.2), 0.84 + noise);
        add("lora", None, 0.96 + noise);
    }
    Report::new(&entries, None)
}

fn brief() -> Brief {
    let brief = Brief::of(&report(), vec!["apt-lab study all".to_owned()]).expect("there are runs");
    Brief::from_json(&brief.to_json().expect("JSON")).expect("it reads back")
}

fn knobs(name: &str, density: f64) -> Knobs {
    Knobs { density, ..preset(name).expect("a preset") }
}

#[test]
fn it_has_every_arm_at_every_density_with_the_numbers_of_the_report() {
    let (brief, report) = (brief(), report());
    let of: Vec<_> = brief.arms.iter().map(|arm| (arm.preset.as_str(), arm.density, arm.runs.len())).collect();
    assert_eq!(brief.arms.len(), 5, "{of:?}");
    assert!(of.contains(&("lora", None, 3)) && of.contains(&("salience-random", Some(0.2), 3)), "{of:?}");
    assert_eq!((brief.steps, brief.metric.as_str(), brief.settings.density), (Some(10), "accuracy", 0.4));
    let group = report.sections[0].groups.iter().find(|of| of.preset == "apt" && of.density == Some(0.2));
    let (own, arm) = (group.expect("a group"), brief.arm(&knobs("apt", 0.2)).expect("an arm"));
    let (test, short) = (own.summaries["test"], arm.values["test"]);
    assert!((test.mean - short.mean).abs() < 1e-5 && test.n == short.n, "{short:?} for {test:?}");
    let (wide, short) = (test.interval.expect("three seeds"), short.interval.expect("three seeds"));
    assert!((wide.low - short.low).abs() < 1e-5 && (wide.high - short.high).abs() < 1e-5);
    // Metrics grow to 0.94 in ten steps: 0.9 is reached by the last.
    assert_eq!(arm.values["steps_to_landmark"].mean, 10.0);
    assert_eq!(arm.values["seconds_to_landmark"].mean, 5.0);
}

#[test]
fn differences_are_to_the_baseline_of_the_same_density_with_their_verdict() {
    let brief = brief();
    let arm = |name, density| brief.arm(&knobs(name, density)).expect("an arm");
    let verdict = |density| {
        let of = brief.difference(arm("salience-random", density), arm("apt", density)).expect("it is compared");
        (of.verdict, (1000.0 * of.summary.mean).round())
    };
    assert_eq!(verdict(0.2), (Verdict::Lower, -97.0));
    assert_eq!(verdict(0.4), (Verdict::NotDistinguishable, 3.0));
    let lora = brief.arm(&preset("lora").expect("a preset")).expect("an arm");
    assert!(brief.difference(lora, arm("apt", 0.2)).is_some() && brief.difference(lora, arm("apt", 0.4)).is_some());
    assert!(brief.difference(arm("apt", 0.2), arm("apt", 0.4)).is_none());
}

#[test]
fn an_arm_is_known_by_its_settings_whatever_seed_and_device() {
    let brief = brief();
    let own = Knobs { seed: 9, device: Device::Cpu, ..knobs("salience-random", 0.2) };
    assert_eq!(brief.arm(&own).map(|arm| arm.preset.as_str()), Some("salience-random"));
    assert!(brief.arm(&Knobs { steps: Some(10), ..own.clone() }).is_some(), "that many steps were made");
    for other in [
        Knobs { steps: Some(9), ..own.clone() },
        Knobs { density: 0.3, ..own.clone() },
        Knobs { model: "/elsewhere".to_owned(), ..own.clone() },
        Knobs { rank: 4, ..own },
    ] {
        assert_eq!(brief.arm(&other), None, "{other:?}");
    }
}

#[test]
fn what_is_no_brief_is_refused_and_nothing_gives_none() {
    assert!(Brief::of(&Report::new(&[], None), Vec::new()).is_none());
    assert!(Brief::from_json("{}").is_err() && Brief::from_json("<html>").is_err());
    let text = brief().to_json().expect("JSON");
    assert!(Brief::from_json(&text.replace("/brief/1", "/brief/9")).is_err_and(|why| why.contains("brief/9")));
    assert!(Brief::from_json(&text.replacen("\"arm\":", "\"arm\":9", 1)).is_err(), "an arm that is not there");
}

#[test]
fn of_one_seed_there_is_a_value_and_no_interval() {
    let report = Report::new(&[of("apt", 1, 0.9), of("salience-random", 1, 0.8)], None);
    let brief = Brief::of(&report, Vec::new()).expect("two runs");
    assert_eq!((brief.arms[0].values["test"].n, brief.arms[0].values["test"].interval), (1, None));
    assert_eq!(brief.compared[0].difference.verdict, Verdict::OneSeed);
}
