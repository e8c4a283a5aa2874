//! Which ablation is offered first, the one that the study shows most clearly; and what to do after a run.

use apt_experiment::{Knobs, preset_entry};
use apt_report::Brief;
use apt_report::statistics::{Difference, Verdict};

use super::{CONTROL, Place, at, densities_of, gap, over};
use crate::address::Settings;
use crate::arms::{APT, SWITCHES, called, is_of_apt};
use crate::pair::{arm, knobs};

/// An arm to see beside the whole method.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// Its preset.
    pub preset: &'static str,
    /// The density at which it shows, where that is not the settings'.
    pub density: Option<f64>,
    /// Why this one; nothing where no study says.
    pub words: Option<String>,
}

/// The arm that differs most from the whole method at these settings, of those that do so clearly; where none does, that
/// of the nearest density at which one does. Without a study it is the control, and nothing is said of it.
#[must_use]
pub fn offer(brief: Option<&Brief>, settings: &Settings) -> Offer {
    let nothing = Offer { preset: CONTROL, density: None, words: None };
    let Some(brief) = brief else { return nothing };
    let own = settings.knobs.density;
    if let Some((preset, of)) = clearest(brief, settings, own) {
        let words = format!("Loses most {} {}: {}.", over(&of.summary), at(own), gap(&of.summary));
        return Offer { preset, words: Some(words), ..nothing };
    }
    // Settings of which the study has no runs.
    let whole = knobs(settings, [arm(APT); 2])[0].clone();
    if brief.arm(&whole).is_none() {
        return nothing;
    }
    let mut others = densities_of(brief, &whole);
    others.retain(|density| *density != own && !settings.is_locked("density"));
    others.sort_by(|a, b| (a - own).abs().total_cmp(&(b - own).abs()));
    let found = others.into_iter().find_map(|density| Some((density, clearest(brief, settings, density)?)));
    let none = format!("At density {own} no single change makes a difference that so few seeds show.");
    match found {
        None => Offer { words: Some(none), ..nothing },
        Some((density, (preset, of))) => {
            let words = format!("{none} At {density} one does: {}, {}.", called(preset), gap(&of.summary));
            Offer { preset, density: Some(density), words: Some(words) }
        }
    }
}

/// The arm that loses most at this density, of those that clearly do.
fn clearest<'a>(brief: &'a Brief, settings: &Settings, density: f64) -> Option<(&'static str, &'a Difference)> {
    let mut settings = settings.clone();
    settings.knobs.density = density;
    let arms = SWITCHES.iter().flat_map(|switch| switch.arms);
    let clear = arms.filter_map(|choice| {
        let [_, knobs] = knobs(&settings, [arm(APT), arm(choice.preset)]);
        let difference = Place::of(brief, &knobs)?.difference()?;
        (difference.verdict == Verdict::Lower).then_some((choice.preset, difference))
    });
    clear.min_by(|(_, a), (_, b)| a.summary.mean.total_cmp(&b.summary.mean))
}

/// What to do after a run: another arm to see beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Next {
    /// What the button says.
    pub label: String,
    /// The arms to be run, the baseline first.
    pub arms: [&'static str; 2],
    /// The settings of both.
    pub settings: Settings,
    /// Whether the run is an ablation, whose difference takes several seeds to tell from chance.
    pub is_ablation: bool,
}

/// What to do after a run of this preset with these knobs; the Lab's settings say what is locked. `None` where an idea of
/// the method was changed by hand: both arms would have the change.
#[must_use]
pub fn next(brief: Option<&Brief>, lab: Settings, preset: &str, run: &Knobs) -> Option<Next> {
    let preset = preset_entry(preset).ok()?;
    let mut settings = Settings { preset, knobs: run.clone(), ..lab };
    let own = |switch: &crate::arms::Switch| switch.arm(&settings).map(|arm| (arm.preset, arm.is_apt()));
    let changed: Vec<Option<(&str, bool)>> =
        SWITCHES.iter().map(own).filter(|arm| arm.is_none_or(|(_, is_apt)| !is_apt)).collect();
    let beside_apt = |preset: &'static str, is_ablation: bool, settings: Settings| {
        let label = "Side by side with APT".to_owned();
        Some(Next { label, arms: [APT, preset], settings, is_ablation })
    };
    match changed[..] {
        _ if !is_of_apt(preset) => beside_apt(preset.name, false, settings),
        [] => {
            let offer = offer(brief, &settings);
            let density = offer.density.map_or_else(String::new, |density| format!(", {}", at(density)));
            settings.knobs.density = offer.density.unwrap_or(settings.knobs.density);
            let label = format!("Side by side with {}{density}", called(offer.preset));
            Some(Next { label, arms: [APT, offer.preset], settings, is_ablation: false })
        }
        [Some((arm, _))] if arm == preset.name => beside_apt(preset.name, true, settings),
        _ => None,
    }
}
