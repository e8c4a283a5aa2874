//! What presets are called where people choose them: the method, its four ideas with what each can be switched to, and
//! the methods it is compared with.

use apt_experiment::{Axis, Knobs, Preset, knob, preset_entry};

use crate::address::Settings;

/// The preset of the whole method.
pub const APT: &str = "apt";

/// A preset in plain words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The preset's name.
    pub preset: &'static str,
    /// What it is called.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub words: &'static str,
}

/// One idea of the method and what it can be switched to: an ablation changes one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch {
    /// The axis whose arms these are.
    pub axis: Axis,
    /// The knob that the arms set.
    pub knob: &'static str,
    /// What the idea is called.
    pub name: &'static str,
    /// The arms, that of the whole method first.
    pub arms: &'static [Choice],
}

/// Methods under one heading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Methods {
    /// The heading.
    pub title: &'static str,
    /// The methods.
    pub choices: &'static [Choice],
}

const fn choice(preset: &'static str, name: &'static str, words: &'static str) -> Choice {
    Choice { preset, name, words }
}

/// The whole method.
pub const WHOLE: Choice = choice(
    APT,
    "APT",
    "Prunes early, lets ranks grow where they matter, and learns from its own earlier self. Four ideas; each can be \
     switched:",
);

/// The four ideas, in the order in which a run meets them: when it prunes, which blocks go, what grows, what teaches.
pub const SWITCHES: [Switch; 4] = [
    Switch {
        axis: Axis::Schedule,
        knob: "schedule",
        name: "Schedule",
        arms: &[
            choice("schedule-early", "early", "Prunes as soon as the training loss has moved."),
            choice("schedule-one-shot", "all at once", "Prunes everything before the first training step."),
            choice("schedule-late", "late", "Prunes just before the final tuning."),
            choice("schedule-gradual", "gradual", "Prunes over the whole run."),
        ],
    },
    Switch {
        axis: Axis::Salience,
        knob: "salience",
        name: "Salience",
        arms: &[
            choice("salience-outlier-aware", "outlier-aware", "Activation × gradient plus √kurtosis; the lowest go."),
            choice("salience-random", "random", "Chance decides: the control that every score has to beat."),
            choice(
                "salience-random-within",
                "random, same shares",
                "As many heads, neurons and hidden dims a layer as outlier-aware keeps; which ones, chance decides.",
            ),
            choice("salience-magnitude", "magnitude", "The size of the weights alone."),
            choice("salience-activation-gradient", "without kurtosis", "Activation × gradient alone."),
            choice("salience-gradient", "gradient", "Squared gradients of the masks."),
            choice("salience-wanda", "Wanda", "Size of the weights times the norm of their inputs."),
        ],
    },
    Switch {
        axis: Axis::Tuning,
        knob: "rank_growth",
        name: "Ranks",
        arms: &[
            choice("tuning-adaptive", "adaptive", "Grow in the more important half of the adapters."),
            choice("tuning-static", "static", "Stay as they start."),
            choice("tuning-uniform", "uniform", "Grow as much, but in all adapters alike."),
        ],
    },
    Switch {
        axis: Axis::Distillation,
        knob: "distillation",
        name: "Teacher",
        arms: &[
            choice(
                "distillation-shared",
                "shared",
                "The whole model before the first cut, on the same frozen weights.",
            ),
            choice("distillation-off", "none", "Nothing is distilled."),
            choice("distillation-separate", "separate", "The same teacher as a full copy, which costs memory."),
        ],
    },
];

/// All other presets. Those under the first heading are what the method is measured by.
pub const METHODS: [Methods; 3] = [
    Methods {
        title: "Nothing pruned, to compare with",
        choices: &[
            choice("lora", "LoRA", "Adapters alone are trained."),
            choice("fine-tune", "Fine-tuning", "All parameters but the embeddings are trained."),
        ],
    },
    Methods {
        title: "Variants of APT",
        choices: &[
            choice("apt-no-pruning", "APT without pruning", "Ranks and distillation only."),
            choice(
                "apt-paper-schedule",
                "At the paper's times",
                "As the published run of 40 epochs prunes and teaches.",
            ),
            choice("apt-llama", "In the order for LLaMA", "Blocks are cut before tuning, then ranks grow; no teacher."),
            choice(
                "apt-paper-search",
                "No head floor",
                "Blocks are ranked as in the paper: a layer may lose all heads.",
            ),
            choice(
                "apt-measured-search",
                "Measured kinds",
                "Heads, neurons and hidden dims are weighed by measured losses instead of a head floor.",
            ),
        ],
    },
    Methods {
        title: "Other methods",
        choices: &[
            choice(
                "lora-prune",
                "LoRA and one cut",
                "LoRA, one cut of heads and neurons by Fisher scores, LoRA again.",
            ),
            choice("prune-distill", "CoFi", "Fine-tuning, then masks are learned (L0) under a fine-tuned teacher."),
            choice("lora-prune-distill", "CoFi with LoRA", "CoFi with LoRA instead of fine-tuning."),
            choice("llm-pruner", "LLM-Pruner", "One cut before training by first-order Taylor scores, then LoRA."),
            choice("adalora", "AdaLoRA", "LoRA whose ranks are allotted by importance; nothing is pruned."),
        ],
    },
];

impl Choice {
    /// Whether it is the whole method under another name.
    #[must_use]
    pub fn is_apt(&self) -> bool {
        self.entry().and_then(|preset| preset.knobs().ok()) == Some(Knobs::default())
    }

    fn entry(&self) -> Option<&'static Preset> {
        // There is one; a test sees to it.
        preset_entry(self.preset).ok()
    }
}

impl Switch {
    /// The arm that `settings` have; `None` where the method is another, or the knob is set to what no arm has.
    #[must_use]
    pub fn arm(&self, settings: &Settings) -> Option<&'static Choice> {
        let value = settings.knobs.text(self.knob).ok().filter(|_| is_of_apt(settings.preset))?;
        self.arms.iter().find(|arm| arm.entry().is_some_and(|preset| preset.arm() == value))
    }

    /// Switches to an arm. One idea is changed at a time: another that was goes back.
    pub fn choose(&self, arm: &Choice, settings: &mut Settings) {
        let stays = is_of_apt(settings.preset) && settings.preset.axis != Some(self.axis);
        match arm.is_apt() {
            // Its knob alone was turned.
            true if stays => {}
            true => choose(APT, settings),
            false => choose(arm.preset, settings),
        }
        if let (Some(preset), Ok(knob), false) = (arm.entry(), knob(self.knob), settings.is_locked(self.knob)) {
            // An arm is a value of its knob.
            let _ = knob.set(&mut settings.knobs, preset.arm());
        }
    }
}

/// Changes to the preset of this name.
pub fn choose(preset: &str, settings: &mut Settings) {
    if let Ok(preset) = preset_entry(preset) {
        settings.choose(preset);
    }
}

/// The name of the chosen preset; that of the whole method for an arm that is the same run.
#[must_use]
pub fn chosen(settings: &Settings) -> &'static str {
    let arm = SWITCHES.iter().flat_map(|switch| switch.arms).find(|arm| arm.preset == settings.preset.name);
    if arm.is_some_and(Choice::is_apt) { APT } else { settings.preset.name }
}

/// What a preset is called where it stands alone: `Salience: random`; its own name if it stands nowhere here.
#[must_use]
pub fn called(preset: &str) -> String {
    let of_switch = |switch: &Switch| {
        let arm = switch.arms.iter().find(|arm| arm.preset == preset)?;
        Some(format!("{}: {}", switch.name, arm.name))
    };
    let others = || METHODS.iter().flat_map(|methods| methods.choices).chain([&WHOLE]);
    let other = || others().find(|choice| choice.preset == preset).map(|choice| choice.name.to_owned());
    SWITCHES.iter().find_map(of_switch).or_else(other).unwrap_or_else(|| preset.to_owned())
}

/// The words of the chosen preset.
#[must_use]
pub fn words(preset: &str) -> Option<&'static str> {
    let arms = SWITCHES.iter().flat_map(|switch| switch.arms);
    let methods = METHODS.iter().flat_map(|methods| methods.choices);
    arms.chain(methods).find(|choice| choice.preset == preset).map(|choice| choice.words)
}

/// Whether a preset is the method, whole or with one idea changed.
#[must_use]
pub fn is_of_apt(preset: &Preset) -> bool {
    preset.name == APT || preset.axis.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use apt_experiment::PRESETS;

    fn switch(axis: Axis) -> Switch {
        SWITCHES.into_iter().find(|switch| switch.axis == axis).expect("an axis of the method")
    }

    fn arm(name: &str) -> Choice {
        *SWITCHES.iter().flat_map(|switch| switch.arms).find(|arm| arm.preset == name).expect("an arm")
    }

    #[test]
    fn every_preset_can_be_chosen_in_one_place() {
        let arms = SWITCHES.iter().flat_map(|switch| switch.arms);
        let methods = METHODS.iter().flat_map(|methods| methods.choices);
        let mut offered: Vec<&str> = arms.chain(methods).chain([&WHOLE]).map(|choice| choice.preset).collect();
        let mut presets: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
        offered.sort_unstable();
        presets.sort_unstable();
        assert_eq!(offered, presets);
    }

    #[test]
    fn each_switch_has_the_arms_of_its_axis_and_the_methods_own_first() {
        for switch in SWITCHES {
            for (index, arm) in switch.arms.iter().enumerate() {
                let preset = arm.entry().expect("a preset");
                assert_eq!(preset.axis, Some(switch.axis), "{}", arm.preset);
                assert_eq!(preset.overrides[0].0, switch.knob, "{}", arm.preset);
                assert_eq!(arm.is_apt(), index == 0, "{}", arm.preset);
            }
        }
    }

    #[test]
    fn one_idea_is_changed_at_a_time() {
        let mut settings = Settings::default();
        let (salience, schedule) = (switch(Axis::Salience), switch(Axis::Schedule));
        salience.choose(&arm("salience-random"), &mut settings);
        assert_eq!((settings.preset.name, settings.changed_count()), ("salience-random", 0));
        schedule.choose(&arm("schedule-one-shot"), &mut settings);
        assert_eq!(chosen(&settings), "schedule-one-shot");
        assert_eq!(salience.arm(&settings), Some(&salience.arms[0]), "the other idea went back");
        schedule.choose(&arm("schedule-early"), &mut settings);
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn a_knob_that_was_turned_shows_on_its_switch() {
        let mut settings = crate::address::read("?salience=random&seed=4").settings;
        let salience = switch(Axis::Salience);
        assert_eq!(salience.arm(&settings), Some(&arm("salience-random")));
        switch(Axis::Schedule).choose(&arm("schedule-late"), &mut settings);
        assert_eq!(settings.changed_count(), 2, "what was turned by hand stays");
        salience.choose(&arm("salience-outlier-aware"), &mut settings);
        assert_eq!((settings.preset.name, settings.changed_count()), ("schedule-late", 1));
        settings.knobs.set("salience", "l0").expect("a value of the knob");
        assert_eq!(salience.arm(&settings), None);
    }

    #[test]
    fn an_arm_that_is_the_method_shows_as_the_method() {
        let mut settings = Settings::default();
        choose("tuning-adaptive", &mut settings);
        assert_eq!(chosen(&settings), APT);
        choose("lora", &mut settings);
        assert_eq!(chosen(&settings), "lora");
        let ranks = switch(Axis::Tuning);
        assert_eq!(ranks.arm(&settings), None, "of another method no idea is shown as chosen");
        ranks.choose(&arm("tuning-adaptive"), &mut settings);
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn a_locked_knob_stays() {
        let mut settings = crate::address::read("?lock=salience").settings;
        switch(Axis::Salience).choose(&arm("salience-random"), &mut settings);
        assert_eq!(settings.knobs, Knobs::default());
    }

    #[test]
    fn every_preset_is_called_something_of_its_own() {
        assert_eq!(called("salience-random"), "Salience: random");
        assert_eq!((called("apt").as_str(), called("lora").as_str()), ("APT", "LoRA"));
        let names: std::collections::BTreeSet<_> = PRESETS.iter().map(|preset| called(preset.name)).collect();
        assert_eq!(names.len(), PRESETS.len());
    }
}
