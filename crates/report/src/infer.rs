//! Studies read out of runs that belong to none: runs that share all settings but the four ablation arms, density, the
//! densities on the way to it, and seed are arms of one.

use apt_experiment::{
    Arm, ArmId, Knobs, PRESETS, Preset, Record, Study, StudyAxis, ablation_axes, compared, differences, preset_entry,
    setting,
};

/// The studies that these runs could be of, that with the most runs first. The runs are from one model and one data set,
/// which studies name as the first run does. Where one of them has the settings `base`, the others of its study are
/// compared with it.
pub(crate) fn infer(runs: &[(&str, &Record)], base: Option<&Knobs>) -> Vec<Study> {
    let Some((_, first)) = runs.first() else { return Vec::new() };
    let at_first_paths =
        |of: &Knobs| Knobs { model: first.config.model.clone(), data: first.config.data.clone(), ..of.clone() };
    let base = base.map(at_first_paths);
    let runs = runs.iter().map(|(_, record)| at_first_paths(&record.config));
    let mut settings: Vec<(Knobs, Vec<Knobs>)> = Vec::new();
    let (tuned, others): (Vec<Knobs>, Vec<Knobs>) = runs.partition(|run| run.train_base);
    for run in others {
        let key = without_arms(&run);
        match settings.iter_mut().find(|(of, _)| *of == key) {
            Some((_, own)) => own.push(run),
            None => settings.push((key, vec![run])),
        }
    }
    // Full fine-tuning has a learning rate of its own; it belongs where its preset leads to.
    let mut alone: Vec<(Knobs, Vec<Knobs>)> = Vec::new();
    for run in tuned {
        let fits = |setting: &Knobs| overridden(setting, "fine-tune").is_some_and(|arm| same(&arm.knobs, &run));
        if let Some((_, own)) = settings.iter_mut().find(|(setting, _)| fits(setting)) {
            own.push(run);
        } else if let Some((_, own)) = alone.iter_mut().find(|(knobs, _)| same(knobs, &run)) {
            own.push(run);
        } else {
            alone.push((run.clone(), vec![run]));
        }
    }
    let mut studies: Vec<(usize, Study)> =
        settings.iter().map(|(key, own)| (own.len(), of_setting(key, own, base.as_ref()))).collect();
    studies.extend(alone.iter().map(|(knobs, own)| (own.len(), of_one(knobs, own))));
    studies.sort_by_key(|(runs, _)| std::cmp::Reverse(*runs));
    studies.into_iter().map(|(_, study)| study).collect()
}

fn of_setting(setting: &Knobs, runs: &[Knobs], chosen: Option<&Knobs>) -> Study {
    let ran = |knobs: &Knobs| runs.iter().any(|run| same(run, knobs));
    let mut densities: Vec<f64> = runs.iter().filter(|run| run.prunes()).map(|run| run.density).collect();
    densities.sort_by(|a, b| b.total_cmp(a));
    densities.dedup();
    let dense: Vec<Arm> = ["fine-tune", "lora"].iter().filter_map(|of| overridden(setting, of)).collect();
    let dense: Vec<Arm> = dense.into_iter().filter(|arm| ran(&arm.knobs)).collect();
    let mut at = setting.clone();
    at.density = densities.first().copied().unwrap_or(setting.density);
    if densities.len() < 2 {
        densities.clear();
    }
    let whole = Arm { name: "apt".to_owned(), preset: "apt", knobs: at.clone() };
    let base = match dense.first() {
        Some(first) if runs.iter().all(|run| !run.prunes()) => first.clone(),
        _ => whole,
    };
    let mut study = Study {
        name: "runs".to_owned(),
        summary: describe(setting),
        reference: dense.first().cloned(),
        axes: Vec::new(),
        densities,
        seeds: seeds(runs),
        tune: None,
        base,
    };
    if let Some(chosen) = chosen.filter(|chosen| ran(chosen) && !same(chosen, &study.base.knobs)) {
        return beside(chosen, study, &at, runs);
    }
    let arms_ran = |study: &Study, arm: &Arm| study.at_densities(arm).iter().any(&ran);
    if study.base.knobs.prunes() {
        for (axis, _) in ablation_axes() {
            let arms: Vec<Arm> =
                PRESETS.iter().filter(|of| of.axis == Some(axis)).filter_map(|of| arm(&at, of)).collect();
            let (mut base, others): (Vec<Arm>, Vec<Arm>) = arms.into_iter().partition(|arm| same(&arm.knobs, &at));
            if others.iter().any(|arm| arms_ran(&study, arm)) {
                base.truncate(1);
                base.extend(others);
                study.axes.push(StudyAxis { name: axis.name().to_owned(), arms: base });
            }
        }
    }
    // What is no arm of an axis stands beside the base under what it sets otherwise.
    let known: Vec<Knobs> = study.arms().chain(&dense).flat_map(|arm| study.at_densities(arm)).collect();
    let mut others = vec![study.base.clone()];
    others.extend(dense.into_iter().filter(|arm| !same(&arm.knobs, &study.base.knobs)));
    for run in runs {
        if known.iter().chain(others.iter().map(|arm| &arm.knobs)).all(|of| !same(of, run)) {
            let knobs = compared(run);
            let base = Knobs { density: if knobs.prunes() { knobs.density } else { at.density }, ..at.clone() };
            let name = differences(&base, &knobs).into_iter().map(|of| format!("{} {}", of.knob, of.b));
            others.push(Arm { name: name.collect::<Vec<_>>().join(", "), preset: "apt", knobs });
        }
    }
    others.dedup_by(|a, b| same_at(&study, a, b));
    if others.len() > 1 || study.axes.is_empty() {
        study.axes.push(StudyAxis { name: "methods".to_owned(), arms: others });
    }
    study
}

/// All arms of a setting beside one that was chosen to compare with. `at` is the whole method in this setting.
fn beside(chosen: &Knobs, study: Study, at: &Knobs, runs: &[Knobs]) -> Study {
    let named = |run: &Knobs| {
        let density = if run.prunes() { at.density } else { run.density };
        let knobs = Knobs { density, ..compared(run) };
        let of_preset = PRESETS.iter().filter_map(|preset| Some((preset.name, arm(at, preset)?)));
        let preset = of_preset.into_iter().find(|(_, arm)| same(&arm.knobs, &knobs));
        let (name, preset) = preset.map_or_else(
            || (differences(at, &knobs).into_iter().map(|of| format!("{} {}", of.knob, of.b)).collect(), "apt"),
            |(name, arm)| (vec![name.to_owned()], arm.preset),
        );
        Arm { name: name.join(", "), preset, knobs }
    };
    let mut arms = vec![named(chosen)];
    for run in runs {
        let arm = named(run);
        if !arms.iter().any(|of| same_at(&study, of, &arm)) {
            arms.push(arm);
        }
    }
    Study { base: named(chosen), axes: vec![StudyAxis { name: "methods".to_owned(), arms }], ..study }
}

/// Whether both ask for the same runs.
fn same(a: &Knobs, b: &Knobs) -> bool {
    ArmId::of(a) == ArmId::of(b)
}

/// Whether two arms ask for the same runs at the study's densities.
fn same_at(study: &Study, a: &Arm, b: &Arm) -> bool {
    let (a, b) = (study.at_densities(a), study.at_densities(b));
    a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| same(a, b))
}

/// Full fine-tuning of which no other runs are known.
fn of_one(knobs: &Knobs, runs: &[Knobs]) -> Study {
    let base = Arm { name: "fine-tune".to_owned(), preset: "fine-tune", knobs: knobs.clone() };
    Study {
        name: "runs".to_owned(),
        summary: describe(knobs),
        reference: Some(base.clone()),
        axes: vec![StudyAxis { name: "methods".to_owned(), arms: vec![base.clone()] }],
        densities: Vec::new(),
        seeds: seeds(runs),
        tune: None,
        base,
    }
}

fn seeds(runs: &[Knobs]) -> Vec<u64> {
    let mut seeds: Vec<u64> = runs.iter().map(|run| run.seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    seeds
}

/// What a setting has otherwise than the defaults.
fn describe(setting: &Knobs) -> String {
    let own = differences(&Knobs::default(), setting).into_iter().filter(|of| of.knob != "seed");
    let own = own.map(|of| format!("{} {}", of.knob, of.b)).collect::<Vec<_>>().join(", ");
    if own.is_empty() { "default settings".to_owned() } else { own }
}

/// The preset's overrides in this setting.
fn overridden(setting: &Knobs, name: &str) -> Option<Arm> {
    arm(setting, preset_entry(name).ok()?)
}

/// An arm in this setting, called by its value.
fn arm(setting: &Knobs, preset: &'static Preset) -> Option<Arm> {
    let mut knobs = setting.clone();
    for (name, value) in preset.overrides {
        knobs.set(name, value).ok()?;
    }
    Some(Arm { name: preset.arm().to_owned(), preset: preset.name, knobs })
}

/// What all arms at all densities share.
fn without_arms(knobs: &Knobs) -> Knobs {
    let Knobs { density, via, .. } = Knobs::default();
    Knobs { density, via, ..setting(knobs) }
}
