//! Which ablation is offered first, the one that the study shows most clearly; and what to do after a run.

use std::fmt;

use apt_experiment::{Knobs, preset_entry};
use apt_report::Brief;
use apt_report::statistics::{Difference, Verdict};

use super::{CONTROL, Place, at, densities_of, fitting, gap, over};
use crate::address::Settings;
use crate::arms::{APT, SWITCHES, called, is_of_apt};
use crate::pair::{arm, knobs};

/// A setting of the study's at which something shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Elsewhere {
    /// The density.
    pub density: f64,
    /// The steps of its runs, where they are not the settings' own.
    pub steps: Option<usize>,
}

impl Elsewhere {
    /// Makes these settings so.
    pub fn set(self, knobs: &mut Knobs) {
        knobs.density = self.density;
        knobs.steps = self.steps.or(knobs.steps);
    }
}

/// `at density 0.2, in 128 steps`
impl fmt::Display for Elsewhere {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", at(self.density))?;
        self.steps.map_or(Ok(()), |steps| write!(out, ", in {steps} steps"))
    }
}

/// An arm to see beside the whole method.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// Its preset.
    pub preset: &'static str,
    /// Where it shows, if not at the settings as they are.
    pub elsewhere: Option<Elsewhere>,
    /// Why this one; nothing where no study says.
    pub words: Option<String>,
}

/// The arm that differs most from the whole method at these settings, of those that do so clearly; where none does, that
/// which does most at another density or in runs of another length that are not locked. Without a study it is the
/// control, and nothing is said of it.
#[must_use]
pub fn offer(studies: &[&Brief], settings: &Settings) -> Offer {
    let nothing = Offer { preset: CONTROL, elsewhere: None, words: None };
    let Some(own) = fitting(studies.iter().copied(), &settings.knobs) else { return nothing };
    let density = settings.knobs.density;
    if let Some((preset, of)) = clearest(own, settings) {
        let words = format!("Loses most {} {}: {}.", over(&of.summary), at(density), gap(&of.summary));
        return Offer { preset, words: Some(words), ..nothing };
    }
    // Settings of which the study has no runs.
    if own.arm(&whole(settings)).is_none() {
        return nothing;
    }
    let mut found = Vec::new();
    for &brief in studies {
        let steps = if std::ptr::eq(brief, own) { None } else { brief.steps };
        if steps.is_some() && settings.is_locked("steps") {
            continue;
        }
        for density in densities_of(brief, &whole(&moved(settings, Elsewhere { density, steps }))) {
            let is_free = density == settings.knobs.density || !settings.is_locked("density");
            let at = Elsewhere { density, steps };
            found.extend(clearest(brief, &moved(settings, at)).filter(|_| is_free).map(|of| (at, of)));
        }
    }
    let most = found.into_iter().min_by(|(_, (_, a)), (_, (_, b))| a.summary.mean.total_cmp(&b.summary.mean));
    let none = format!("At density {density} no single change makes a difference that so few seeds show.");
    match most {
        None => Offer { words: Some(none), ..nothing },
        Some((at, (preset, of))) => {
            let place = at.to_string().replacen("at density", "At", 1);
            let words = format!("{none} {place} one does: {}, {}.", called(preset), gap(&of.summary));
            Offer { preset, elsewhere: Some(at), words: Some(words) }
        }
    }
}

fn moved(settings: &Settings, to: Elsewhere) -> Settings {
    let mut settings = settings.clone();
    to.set(&mut settings.knobs);
    settings
}

fn whole(settings: &Settings) -> Knobs {
    let [whole, _] = knobs(settings, [arm(APT); 2]);
    whole
}

/// The arm that loses most at these settings, of those that clearly do.
fn clearest<'a>(brief: &'a Brief, settings: &Settings) -> Option<(&'static str, &'a Difference)> {
    let arms = SWITCHES.iter().flat_map(|switch| switch.arms);
    let clear = arms.filter_map(|choice| {
        let [_, knobs] = knobs(settings, [arm(APT), arm(choice.preset)]);
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
pub fn next(studies: &[&Brief], lab: Settings, preset: &str, run: &Knobs) -> Option<Next> {
    let preset = preset_entry(preset).ok()?;
    let settings = Settings { preset, knobs: run.clone(), ..lab };
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
            let offer = offer(studies, &settings);
            let place = offer.elsewhere.map_or_else(String::new, |at| format!(", {at}"));
            let settings = offer.elsewhere.map_or_else(|| settings.clone(), |at| moved(&settings, at));
            let label = format!("Side by side with {}{place}", called(offer.preset));
            Some(Next { label, arms: [APT, offer.preset], settings, is_ablation: false })
        }
        [Some((arm, _))] if arm == preset.name => beside_apt(preset.name, true, settings),
        _ => None,
    }
}
