//! Density and tuning schedules, the published timeline, and learning rates.

use apt_core::arms::Curve;
use apt_core::distill::{mu, published_mu};
use apt_core::lr::{LrDecay, LrSchedule};
use apt_core::ranks::tuning_budget;
use apt_core::reference::distill::total_loss;
use apt_core::schedule::{density_at, spread_steps};
use apt_tests::fixtures::{indices, items, load, number, numbers};

use crate::{agree, agree_all};

#[test]
fn oracle_density_and_tuning_schedules_match() {
    for case in items(&load("schedules")["cases"]) {
        let count = |key: &str| number(&case[key]) as usize;
        let (start, end, points) = (count("start"), count("end"), count("num_prunings"));
        let name = format!("{start} to {end} in {points}");
        let (from, to) = (number(&case["start_density"]), number(&case["target_density"]));
        if case["frequency"] == "once" {
            agree_all(
                &name,
                &[from, density_at(end, start, start, end, from, to, Curve::Cubic)],
                &numbers(&case["density"]),
            );
            continue;
        }
        let curve = if case["reduction"] == "linear" { Curve::Linear } else { Curve::Cubic };
        let warm_end = start + number(&case["sparsity_warmup_steps"]).max(0.0) as usize;
        let steps = spread_steps(start, end, points);
        assert_eq!(steps, indices(&case["steps"]), "{name}: steps");
        let density: Vec<_> =
            steps.iter().map(|&step| density_at(step, start, warm_end, end, from, to, curve)).collect();
        agree_all(&format!("{name}: density"), &density, &numbers(&case["density"]));

        let tuning = &case["tuning"];
        let (base, target) = (number(&tuning["base"]), number(&tuning["target"]));
        let budget =
            |&step: &usize| tuning_budget(base as usize, target / base, (step - start) as f64 / (end - start) as f64);
        let budget: Vec<_> = steps.iter().map(budget).collect();
        agree_all(&format!("{name}: tuning"), &budget, &numbers(&tuning["linear"]));
    }
}

/// The published run, rule by rule (METHOD §4), from the formulas our timeline shares with it.
#[test]
fn oracle_published_timeline_follows_from_the_shared_formulas() {
    for row in items(&load("trainer_timeline")["rows"]) {
        let name = &row["name"];
        let count = |key: &str| number(&row[key]) as usize;
        let epoch = number(&row["epoch_length"]);
        let total = (number(&row["epochs"]) * epoch) as usize;
        let start = (count("pruning_batches") + 1).max(200).min(total);
        let end = ((number(&row["pruning_stop"]) * epoch) as usize).min(total);
        let warm_end = start + (number(&row["sparsity_warmup_epochs"]) * epoch) as usize;
        let steps = spread_steps(start, end, count("num_prunings"));
        assert_eq!(steps, indices(&row["P"]), "{name}: steps");
        let (from, to) = (number(&row["start_density"]), number(&row["target_density"]));
        let density: Vec<_> =
            steps.iter().map(|&step| density_at(step, start, warm_end, end, from, to, Curve::Cubic)).collect();
        agree_all(&format!("{name}: density"), &density, &numbers(&row["D"]));

        for (place, interval) in items(&row["intervals"]).iter().enumerate() {
            let k = place + 1;
            let what = |key: &str| number(&interval[key]) as usize;
            assert_eq!(steps[k], what("prune_at"), "{name}: point {k}");
            assert_eq!(steps[k] - 2, what("is_last_step"), "{name}: hardening {k}");
            let decay = if k == 1 { start } else { steps[k] - 200 };
            assert_eq!(decay, what("decay_start"), "{name}: window {k}");
            assert_eq!(density[k] < from, interval["active"] == true, "{name}: activity {k}");
        }
        // Distillation waits one interval after the first real target.
        let first = (1..steps.len()).find(|&k| density[k] < from).expect("a point that prunes");
        let distill = steps.get(first + 1).unwrap_or(&end) + 1;
        assert_eq!(distill, count("distill_start"), "{name}: distillation");
        agree(
            &format!("{name}: μ at its start"),
            published_mu(distill, start, end),
            number(&row["mu_at_distill_start"]),
        );
        assert_eq!(vec![start, end - 1], indices(&row["salience_collect"]), "{name}: collection");
    }
}

#[test]
fn oracle_mu_rises_as_published() {
    let fixture = load("distill_mu");
    let start = number(&fixture["pruning_start"]) as usize;
    let end = number(&fixture["pruning_end"]) as usize;
    for value in items(&fixture["values"]) {
        let step = number(&value["step"]) as usize;
        let expected = number(&value["mu"]);
        agree(&format!("μ at {step}"), published_mu(step, start, end), expected);
        agree(&format!("our μ over the same steps at {step}"), mu(step, &(start..end)), expected);
        agree("total", total_loss(expected, 3.0, 5.0), 5.0 - 2.0 * expected);
    }
}

#[test]
fn oracle_learning_rates_match() {
    let fixture = load("lr_schedules");
    let linear = |peak: f64, warmup_steps: usize, total_steps: usize| LrSchedule {
        peak,
        warmup_steps,
        total_steps,
        decay: LrDecay::Linear,
    };
    for case in items(&fixture["cutoff"]) {
        let count = |key: &str| number(&case[key]) as usize;
        let schedule = linear(number(&case["peak"]), count("warmup"), count("total"));
        let values = numbers(&case["values"]);
        let ours: Vec<_> = (0..values.len()).map(|step| schedule.at(step)).collect();
        agree_all(&format!("warm-up {}", count("warmup")), &ours, &values);
    }

    // Schedules the published code defines and never uses are pieces of this one.
    let hold = &fixture["hold_until_prune"];
    let count = |key: &str| number(&hold[key]) as usize;
    let rise = LrSchedule { decay: LrDecay::Constant, ..linear(1.0, count("warmup"), count("total")) };
    let fall = linear(1.0, 0, count("total") - count("pruning_step"));
    let values = numbers(&hold["values"]);
    let held = |step: usize| match step.checked_sub(count("pruning_step")) {
        Some(since) => fall.at(since),
        None => rise.at(step),
    };
    agree_all("hold", &(0..values.len()).map(held).collect::<Vec<_>>(), &values);

    let again = &fixture["rewarmup"];
    let (warmup, total) = (number(&again["warmup"]) as usize, number(&again["total"]) as usize);
    let resets = indices(&again["reset_steps"]);
    let values = numbers(&again["values"]);
    let restarted = |step: usize| {
        let start = resets.iter().copied().rfind(|&reset| reset <= step).unwrap_or(0);
        // Its last stretch ends one step late.
        let end = resets.iter().copied().find(|&reset| reset > step).unwrap_or(total + 1);
        linear(1.0, warmup, end - start).at(step - start)
    };
    agree_all("warm-up again", &(0..values.len()).map(restarted).collect::<Vec<_>>(), &values);
}

/// Whole runs of the published trainer: when masks move, to what density, μ and learning rate.
#[test]
fn oracle_runs_of_the_published_trainer_follow_the_same_timeline() {
    for trace in ["trace_e2e_nodistill", "trace_e2e_distill", "trace_e2e_distill_short"] {
        let fixture = load(trace);
        let (config, schedule) = (&fixture["config"], &fixture["schedule"]);
        let count = |key: &str| number(&schedule[key]) as usize;
        let (start, end, total) = (count("pruning_start"), count("pruning_end"), count("total_steps"));
        let epoch = number(&fixture["model"]["epoch_length"]);
        let warm_end = start + (number(&config["sparsity_warmup_epochs"]) * epoch) as usize;
        let target = number(&config["mac_constraint"]);
        let steps = spread_steps(start, end, 4);

        assert!(!items(&fixture["mask_steps"]).is_empty(), "{trace}: no mask moved");
        for moved in items(&fixture["mask_steps"]) {
            let step = number(&moved["step"]) as usize;
            let point = steps.iter().copied().find(|&point| point > step).expect("a later point");
            assert!(step >= point - 200, "{trace}: a mask moved at {step}, long before {point}");
            let density = density_at(point, start, warm_end, end, 1.0, target, Curve::Cubic);
            agree(&format!("{trace}: density at {step}"), density, number(&moved["top_k"]));
        }
        let peak = number(&config["learning_rate"]);
        let rate = LrSchedule::new(peak, total, number(&config["warmup_ratio"]), LrDecay::Linear);
        for logged in items(&fixture["loss"]) {
            let step = number(&logged["step"]) as usize;
            if !logged["mu"].is_null() {
                agree(&format!("{trace}: μ at {step}"), published_mu(step, start, end), number(&logged["mu"]));
            }
            // Distillation begins a schedule of its own in the published code.
            if step < steps[3] || config["do_distill"] == false {
                let reported = number(&logged["lr_scheduler_reports"]);
                agree(&format!("{trace}: rate at {step}"), rate.at(step), reported);
            }
        }
    }
}
