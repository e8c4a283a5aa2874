//! Named experiments: the method itself, the dense references and the baselines it was compared with, and each arm of
//! each ablation axis. `docs/BASELINES.md` says what every baseline is, whose, and where it is simpler here.
//!
//! A preset is the defaults with some knobs overridden. The order in which settings win, from weakest:
//! defaults, preset, configuration file, flags.

use crate::knob::axis::Axis;
use crate::knob::error::{KnobError, nearest};
use crate::knobs::Knobs;

/// A named experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Its name, in kebab-case.
    pub name: &'static str,
    /// One line for a human.
    pub summary: &'static str,
    /// The ablation axis whose arm it is; `None` for whole methods.
    pub axis: Option<Axis>,
    /// Whether it is another method, which APT was compared with.
    pub baseline: bool,
    /// The knobs it overrides, as names and texts.
    pub overrides: &'static [(&'static str, &'static str)],
}

impl Preset {
    /// The defaults with this preset's overrides.
    ///
    /// # Errors
    /// [`KnobError`] if an override names no knob or a value out of range; a test rules that out for [`PRESETS`].
    pub fn knobs(&self) -> Result<Knobs, KnobError> {
        let mut knobs = Knobs::default();
        for (name, text) in self.overrides {
            knobs.set(name, text)?;
        }
        Ok(knobs)
    }
}

impl Preset {
    /// What a table of its axis calls it: an arm by its value, a whole method by its name.
    #[must_use]
    pub fn arm(&self) -> &'static str {
        self.axis.and(self.overrides.first()).map_or(self.name, |(_, value)| value)
    }
}

/// The ablation axes in the order of the presets that are their arms, each with the knob whose values the arms are.
#[must_use]
pub fn ablation_axes() -> Vec<(Axis, &'static str)> {
    let mut axes = Vec::new();
    for preset in PRESETS {
        if let (Some(axis), Some((knob, _))) = (preset.axis, preset.overrides.first())
            && !axes.contains(&(axis, *knob))
        {
            axes.push((axis, *knob));
        }
    }
    axes
}

const fn whole(
    name: &'static str,
    summary: &'static str,
    overrides: &'static [(&'static str, &'static str)],
) -> Preset {
    Preset { name, summary, axis: None, baseline: false, overrides }
}

const fn baseline(
    name: &'static str,
    summary: &'static str,
    overrides: &'static [(&'static str, &'static str)],
) -> Preset {
    Preset { name, summary, axis: None, baseline: true, overrides }
}

const fn arm(
    axis: Axis,
    name: &'static str,
    overrides: &'static [(&'static str, &'static str)],
    summary: &'static str,
) -> Preset {
    Preset { name, summary, axis: Some(axis), baseline: false, overrides }
}

const DENSE: [(&str, &str); 3] = [("density", "1"), ("rank_growth", "static"), ("distillation", "off")];

/// CoFi, but for what is trained: dense for the first 35 % of the run, masks learned for 40 %, the rest tunes what is left;
/// the teacher is distilled from the first mask to the last step.
macro_rules! cofi {
    ($($more:expr),*) => {
        &[
            ("salience", "l0"),
            ("schedule", "late"),
            ("num_prunings", "1"),
            ("prune_fraction", "0.5"),
            ("tuning_fraction", "0.25"),
            ("rank_growth", "static"),
            ("distillation", "separate"),
            ("distill_fraction", "0.65"),
            ("epochs", "6"),
            $($more),*
        ]
    };
}

/// When the published run prunes and teaches, in shares of its 40 epochs: masks move from epoch 1 on, the last point is at
/// epoch 3, a teacher has 20 epochs (METHOD §4.1).
pub const PAPER_SCHEDULE: &[(&str, &str)] =
    &[("tune_first", "0.0125"), ("prune_fraction", "0.0625"), ("distill_fraction", "0.5")];

/// Every preset. An arm that is the default (such as `salience-outlier-aware`) equals `apt`, so that
/// each arm of each axis can be run by name.
pub static PRESETS: &[Preset] = &[
    whole("apt", "the whole method: prune early, grow ranks where they matter, learn from its own teacher", &[]),
    whole("lora", "dense reference: adapters alone, nothing pruned", &DENSE),
    whole(
        "fine-tune",
        "dense reference: every parameter but the embeddings is trained",
        &[DENSE[0], DENSE[1], DENSE[2], ("train_base", "true"), ("learning_rate", "0.0001")],
    ),
    whole(
        "apt-no-pruning",
        "APT without pruning: ranks and distillation only (the paper's w/o A_P)",
        &[("density", "1")],
    ),
    whole(
        "apt-paper-schedule",
        "the whole method at the times of the published run, meant for its 40 epochs",
        PAPER_SCHEDULE,
    ),
    // When the published scripts for LLaMA-2 7B prune and grow (30 % before two epochs of tuning, three points between
    // step 200 and half an epoch), in which units they add kurtosis, their decay and curve; search, adapters and learning
    // rate are ours.
    whole(
        "apt-llama",
        "the whole method in the order published for LLaMA: blocks are cut before tuning, then ranks grow; no teacher",
        &[
            ("schedule", "one_shot"),
            ("density", "0.7"),
            ("outlier_scale", "raw"),
            ("tune_first", "0.06"),
            ("prune_fraction", "0.19"),
            ("num_prunings", "3"),
            ("distillation", "off"),
            ("lr_warmup", "0.03"),
            ("lr_curve", "cosine"),
            ("weight_decay", "0"),
        ],
    ),
    whole(
        "apt-paper-search",
        "the whole method without a head floor, as the paper ranks blocks",
        &[("head_floor", "0")],
    ),
    whole(
        "apt-measured-search",
        "the whole method with kinds of blocks weighed by measured losses instead of a head floor",
        &[("kind_weights", "measured"), ("head_floor", "0.05")],
    ),
    // Kwon et al. 2022 after LoRA: Fisher scores over the steps before one cut in the middle of twice the run.
    baseline(
        "lora-prune",
        "LoRA, one cut of heads and neurons by Fisher scores, LoRA again",
        &[
            ("salience", "gradient"),
            ("beta", "0.999"),
            ("schedule", "late"),
            ("num_prunings", "1"),
            ("mask_step", "1"),
            ("prune_fraction", "0.08"),
            ("tuning_fraction", "0.5"),
            ("prune_hidden", "false"),
            ("rank_growth", "static"),
            ("distillation", "off"),
            ("epochs", "6"),
        ],
    ),
    // CoFi: fine-tuned for a third of the run, which makes the teacher; then masks are learned for 40 % of it.
    baseline(
        "prune-distill",
        "CoFi: fine-tuning, then masks learned (L0) under a fine-tuned teacher",
        cofi!(("train_base", "true"), ("learning_rate", "0.0003")),
    ),
    baseline("lora-prune-distill", "CoFi with LoRA instead of fine-tuning", cofi!()),
    baseline(
        "llm-pruner",
        "one cut of heads and neurons before training by first-order Taylor scores, then LoRA",
        &[
            ("salience", "taylor"),
            ("schedule", "one_shot"),
            ("prune_hidden", "false"),
            ("rank_growth", "static"),
            ("distillation", "off"),
        ],
    ),
    baseline(
        "adalora",
        "LoRA whose ranks are allotted by importance, nothing pruned",
        &[
            ("density", "1"),
            ("rank_growth", "allocate"),
            ("schedule", "gradual"),
            ("tune_first", "0"),
            ("distillation", "off"),
        ],
    ),
    arm(
        Axis::Salience,
        "salience-outlier-aware",
        &[("salience", "outlier_aware")],
        "activation × gradient plus √kurtosis (the default)",
    ),
    arm(
        Axis::Salience,
        "salience-activation-gradient",
        &[("salience", "activation_gradient")],
        "activation × gradient without kurtosis",
    ),
    arm(Axis::Salience, "salience-magnitude", &[("salience", "magnitude")], "size of the weights alone"),
    arm(Axis::Salience, "salience-gradient", &[("salience", "gradient")], "squared gradients of the masks"),
    arm(
        Axis::Salience,
        "salience-random",
        &[("salience", "random")],
        "random choice: the control that every score has to beat",
    ),
    arm(
        Axis::Salience,
        "salience-random-within",
        &[("salience", "random_within")],
        "as many of each kind in each layer as outlier-aware salience keeps, which ones by chance",
    ),
    arm(Axis::Salience, "salience-wanda", &[("salience", "wanda")], "weights times the norm of their inputs"),
    arm(
        Axis::Tuning,
        "tuning-adaptive",
        &[("rank_growth", "adaptive")],
        "ranks grow in the more important half of the adapters (the default)",
    ),
    arm(Axis::Tuning, "tuning-uniform", &[("rank_growth", "uniform")], "the same growth, spread over all adapters"),
    arm(Axis::Tuning, "tuning-static", &[("rank_growth", "static")], "ranks stay as they start"),
    arm(
        Axis::Distillation,
        "distillation-shared",
        &[("distillation", "shared")],
        "the teacher shares the frozen weights (the default)",
    ),
    arm(Axis::Distillation, "distillation-separate", &[("distillation", "separate")], "the teacher is a full copy"),
    arm(Axis::Distillation, "distillation-off", &[("distillation", "off")], "no teacher"),
    arm(
        Axis::Schedule,
        "schedule-early",
        &[("schedule", "early")],
        "prune as soon as the training loss has moved (the default)",
    ),
    arm(Axis::Schedule, "schedule-late", &[("schedule", "late")], "prune just before the final tuning"),
    arm(Axis::Schedule, "schedule-gradual", &[("schedule", "gradual")], "prune over the whole run"),
    arm(Axis::Schedule, "schedule-one-shot", &[("schedule", "one_shot")], "prune all at once before training"),
];

/// The preset of this name.
///
/// # Errors
/// [`KnobError::UnknownPreset`] with the nearest name there is.
pub fn preset_entry(name: &str) -> Result<&'static Preset, KnobError> {
    let wanted = name.trim().to_lowercase().replace('_', "-");
    PRESETS.iter().find(|preset| preset.name == wanted).ok_or_else(|| KnobError::UnknownPreset {
        name: name.to_owned(),
        suggestion: nearest(&wanted, PRESETS.iter().map(|preset| preset.name)),
    })
}

/// The knobs of the preset of this name.
///
/// # Errors
/// As [`preset_entry`].
pub fn preset(name: &str) -> Result<Knobs, KnobError> {
    preset_entry(name)?.knobs()
}
