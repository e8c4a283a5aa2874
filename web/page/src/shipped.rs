//! What a run can be expected to give: the study that stands beside the program, and what can be said of a run beside it.
//! Nothing is said of a run that differs from the study's in more than its seed and device.

mod density;
mod offer;
#[cfg(test)]
mod tests;

pub use density::{curve, densities, told};
pub use offer::{Elsewhere, Next, Offer, next, offer};

use apt_experiment::{Knobs, Record, compared, differences};
use apt_report::metric::landmark;
use apt_report::statistics::{Difference, Summary, Verdict};
use apt_report::{Brief, BriefArm, hardware};

use crate::arms::{SWITCHES, called};
use crate::figures::{seconds, share};

/// Dense runs, the one that others are judged beside first.
const DENSE: [&str; 2] = ["lora", "fine-tune"];
/// The control that every score has to beat.
const CONTROL: &str = "salience-random";

/// Reads the study's file.
///
/// # Errors
/// In words, if it is none, or one that is judged by something else than accuracy on test data.
pub fn read(text: &str) -> Result<Brief, String> {
    let brief = Brief::from_json(text)?;
    match (brief.metric.as_str(), brief.compared_by.as_str()) {
        ("accuracy", "test") => Ok(brief),
        (metric, by) => Err(format!("it is judged by {metric} on {by} data")),
    }
}

/// The study whose runs are nearest in length to those of these settings: of several the first that is as near.
#[must_use]
pub fn fitting<'a>(studies: impl IntoIterator<Item = &'a Brief>, knobs: &Knobs) -> Option<&'a Brief> {
    let apart = |brief: &Brief| match (knobs.steps, brief.settings.steps) {
        (None, asked) => usize::from(asked.is_some()),
        (Some(own), asked) => asked.or(brief.steps).map_or(usize::MAX, |steps| own.abs_diff(steps)),
    };
    studies.into_iter().min_by_key(|brief| apart(brief))
}

/// A run of these settings in the study: its arm, and the whole method with as much pruned.
struct Place<'a> {
    brief: &'a Brief,
    arm: &'a BriefArm,
    whole: Option<&'a BriefArm>,
}

impl<'a> Place<'a> {
    fn of(brief: &'a Brief, knobs: &Knobs) -> Option<Self> {
        let arm = brief.arm(knobs)?;
        Some(Self { brief, arm, whole: arm.density.and_then(|density| whole_at(brief, density)) })
    }

    /// The arm minus the whole method; `None` of the whole method itself.
    fn difference(&self) -> Option<&'a Difference> {
        self.brief.difference(self.arm, self.whole?)
    }
}

fn whole_at(brief: &Brief, density: f64) -> Option<&BriefArm> {
    brief.arm(&Knobs { density, ..brief.settings.clone() })
}

fn dense(brief: &Brief) -> Option<&BriefArm> {
    let named = |name: &str| brief.arms.iter().find(|arm| arm.preset == name && arm.density.is_none());
    DENSE.into_iter().find_map(named)
}

fn test(arm: &BriefArm) -> Option<&Summary> {
    arm.values.get("test")
}

/// `94.3 ± 0.4 %`.
#[must_use]
pub fn level(of: &Summary) -> String {
    let half = of.interval.map_or_else(String::new, |interval| format!(" ± {:.1}", 100.0 * interval.half()));
    format!("{:.1}{half} %", 100.0 * of.mean)
}

/// `−1.4 ± 0.4 points`.
#[must_use]
pub fn gap(of: &Summary) -> String {
    let half = of.interval.map_or_else(String::new, |interval| format!(" ± {:.1}", 100.0 * interval.half()));
    format!("{}{half} points", signed(of.mean))
}

/// In points, with a sign unless it is nothing.
fn signed(difference: f64) -> String {
    let points = format!("{:.1}", 100.0 * difference.abs());
    match difference < 0.0 {
        _ if points == "0.0" => points,
        true => format!("−{points}"),
        false => format!("+{points}"),
    }
}

/// What a difference to the whole method amounts to.
fn amounts(of: &Difference) -> &'static str {
    match of.verdict {
        Verdict::Lower => "worse",
        Verdict::Higher => "better",
        Verdict::NoSpread => "the same on every seed",
        Verdict::OneSeed => "one seed shows no uncertainty",
        Verdict::NotDistinguishable if of.summary.sd == Some(0.0) => "the same on every seed",
        Verdict::NotDistinguishable => "no difference shown",
        Verdict::OnlyAlone => "not clear among so many arms",
    }
}

/// `over 5 seeds`.
fn over(of: &Summary) -> String {
    format!("over {} seed{}", of.n, if of.n == 1 { "" } else { "s" })
}

fn at(density: f64) -> String {
    format!("at density {density}")
}

/// What a run of these settings can be expected to give, in few words; `None` where the study has none such.
#[must_use]
pub fn expectation(brief: &Brief, knobs: &Knobs) -> Option<String> {
    let place = Place::of(brief, knobs)?;
    let own = test(place.arm)?;
    Some(match (place.arm.density, place.difference()) {
        (Some(density), Some(of)) => {
            format!("{} against APT {} {}: {}.", gap(&of.summary), over(&of.summary), at(density), amounts(of))
        }
        (Some(density), None) => format!("Accuracy {} {} {}.", level(own), over(own), at(density)),
        (None, _) => format!("Accuracy {} {}.", level(own), over(own)),
    })
}

/// The same in two words, where an arm differs from the whole method: `−1.4 points`.
#[must_use]
pub fn short_expectation(brief: &Brief, knobs: &Knobs) -> Option<String> {
    let difference = Place::of(brief, knobs)?.difference()?;
    let shows = matches!(difference.verdict, Verdict::Lower | Verdict::Higher);
    shows.then(|| format!("{} points", signed(difference.summary.mean)))
}

/// Why the study says nothing of a run of these settings, in a sentence.
#[must_use]
pub fn why_not(brief: &Brief, knobs: &Knobs) -> String {
    let own = compared(knobs);
    let is_free = |knob: &str| knob == "density" || SWITCHES.iter().any(|switch| switch.knob == knob);
    let mut differs = differences(&brief.settings, &own);
    differs.retain(|of| !is_free(of.knob) && (of.knob != "steps" || own.steps != brief.steps));
    // How long a run is tells most.
    differs.sort_by_key(|of| of.knob != "steps");
    let built_in = |value: &str| if value == "builtin" { "built-in".to_owned() } else { value.to_owned() };
    let what = match (differs.first(), brief.steps, densities_of(brief, &own)) {
        (Some(of), Some(steps), _) if of.knob == "steps" || of.knob == "epochs" => format!("is of {steps} steps"),
        (Some(of), ..) if of.knob == "model" || of.knob == "task" => {
            format!("is of the {} {}", built_in(&of.a), of.knob)
        }
        (Some(of), ..) if of.a == "none" => format!("leaves {} to the program", of.knob.replace('_', " ")),
        (Some(of), ..) => format!("has {} = {}", of.knob.replace('_', " "), of.a),
        (None, _, all) if own.prunes() && !all.is_empty() => {
            format!("has such runs at densities {}", all.iter().map(f64::to_string).collect::<Vec<_>>().join(", "))
        }
        (None, ..) => "has no runs of these settings".to_owned(),
    };
    format!("No reference beside it: the study that comes with this page {what}.")
}

/// The densities at which the study has runs of these settings, the greatest first.
fn densities_of(brief: &Brief, knobs: &Knobs) -> Vec<f64> {
    let mut all: Vec<f64> = brief.arms.iter().filter_map(|arm| arm.density).collect();
    all.sort_by(|a, b| b.total_cmp(a));
    all.dedup();
    all.retain(|density| brief.arm(&Knobs { density: *density, ..knobs.clone() }).is_some());
    all
}

/// What stands beside a finished run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beside {
    /// A word for each, and what is to be said under it.
    pub lines: Vec<(&'static str, String)>,
    /// Where the numbers come from; nothing where there are none.
    pub source: Option<String>,
}

/// What the study says of a finished run; `None` of one whose comparison would mean nothing.
#[must_use]
pub fn beside(brief: &Brief, record: &Record) -> Option<Beside> {
    let metric = &record.measures.metric;
    let own = metric.test.filter(|_| !metric.is_at_chance())?;
    let from = &record.provenance;
    let is_other = |own: &Option<String>, of: &std::collections::BTreeSet<String>| {
        own.as_ref().is_some_and(|own| !of.is_empty() && !of.contains(own))
    };
    let place = match Place::of(brief, &record.config) {
        _ if !record.changes.is_empty() => {
            Err("No reference beside it: its settings were changed while it ran.".to_owned())
        }
        _ if is_other(&from.model_hash, &brief.origin.models) || is_other(&from.data_hash, &brief.origin.data) => {
            Err("No reference beside it: the study that comes with this page has another model or other data."
                .to_owned())
        }
        None => Err(why_not(brief, &record.config)),
        Some(place) => Ok(place),
    };
    let place = match place {
        Ok(place) => place,
        Err(why) => return Some(Beside { lines: vec![("reference", why)], source: None }),
    };
    let mut lines = Vec::new();
    let reaches = |arm: &BriefArm, of: &Summary| {
        let density = arm.density.map_or_else(String::new, |density| format!(" {}", at(density)));
        format!("{}{density} reaches {} {}", called(&arm.preset), level(of), over(of))
    };
    let reference = dense(brief).filter(|dense| !std::ptr::eq(*dense, place.arm));
    for arm in reference.into_iter().chain(place.whole.filter(|whole| !std::ptr::eq(*whole, place.arm))) {
        if let Some(of) = test(arm) {
            let word = if arm.density.is_some() { "beside APT" } else { "not pruned" };
            lines.push((word, format!("{}: this run is {}.", reaches(arm, of), apart(own, of.mean))));
        }
    }
    match (place.difference(), test(place.arm)) {
        (Some(of), _) => {
            let words = format!("{} against APT {}: {}", gap(&of.summary), over(&of.summary), amounts(of));
            lines.push(("other seeds", format!("{words}. {}", among(place.arm, own))));
        }
        (None, Some(of)) => {
            lines.push(("other seeds", format!("{}. {}", reaches(place.arm, of), among(place.arm, own))))
        }
        (None, None) => {}
    }
    lines.extend(steps(&place, reference, record).map(|words| ("steps to 90 %", words)));
    Some(Beside { lines, source: Some(source(brief)) })
}

/// How far one value is from another, as both are written: what stands there must add up.
fn apart(own: f64, of: f64) -> String {
    let tenths = (1000.0 * own).round() - (1000.0 * of).round();
    let points = format!("{:.1} points", 0.1 * tenths.abs());
    match tenths {
        0.0 => "as good".to_owned(),
        below if below < 0.0 => format!("{points} below"),
        _ => format!("{points} above"),
    }
}

/// Where a run lies among those of its arm.
fn among(arm: &BriefArm, own: f64) -> String {
    let (least, most) = arm.runs.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), of| (a.min(*of), b.max(*of)));
    let lies = match own {
        // As far as it is written out.
        _ if own < least - 5e-5 => "below",
        _ if own > most + 5e-5 => "above",
        _ => "within",
    };
    format!("Its runs lie between {} and {}, this one {lies}.", share(least), share(most))
}

/// When an accuracy of 0.9 was first reached.
fn steps(place: &Place, reference: Option<&BriefArm>, record: &Record) -> Option<String> {
    let of = |arm: &BriefArm| {
        let of = arm.values.get("steps_to_landmark")?;
        let some =
            if of.n < arm.runs.len() { format!(" ({} of {} seeds)", of.n, arm.runs.len()) } else { String::new() };
        Some(format!("{} {:.0}{some}", called(&arm.preset), of.mean))
    };
    let own = landmark(record).map_or_else(|| "this run never".to_owned(), |first| format!("this run {}", first.step));
    let others: Vec<String> = [Some(place.arm), reference].into_iter().flatten().filter_map(of).collect();
    (!others.is_empty()).then(|| format!("{own}; on average {}.", others.join(", ")))
}

/// What the study says of two settings side by side, in a sentence.
#[must_use]
pub fn of_pair(brief: &Brief, [first, second]: [&Knobs; 2]) -> String {
    let (one, other) = match (Place::of(brief, first), Place::of(brief, second)) {
        (Some(one), Some(other)) => (one, other),
        (None, _) => return why_not(brief, first),
        (_, None) => return why_not(brief, second),
    };
    let levels: Vec<String> = [one.arm, other.arm].into_iter().filter_map(test).map(level).collect();
    let levels = levels.join(" and ");
    match brief.difference(other.arm, one.arm) {
        Some(of) => format!("What to expect, {}: {}, {} ({levels}).", over(&of.summary), gap(&of.summary), amounts(of)),
        None => format!("What to expect, over {} seeds: {levels}.", one.arm.runs.len()),
    }
}

/// The measured worth of a schedule in the setting of a run: in a few figures, and in a sentence. Times are told where
/// nothing disturbed them; the weights that were there on average tell the cost of steps on any computer.
#[must_use]
pub fn schedule(brief: &Brief, run: &Knobs, name: &str) -> Option<(String, String)> {
    let mut knobs = run.clone();
    knobs.set("schedule", name).ok()?;
    let place = Place::of(brief, &knobs)?;
    let level = level(test(place.arm)?);
    let weights = share(place.arm.values.get("mean_density")?.mean);
    let time = place.arm.values.get("training_seconds").filter(|_| !brief.rough_times);
    let time = time.map_or_else(String::new, |of| format!(", {}", seconds(of.mean)));
    let effect = expectation(brief, &knobs).filter(|_| place.difference().is_some());
    let effect = effect.map_or_else(String::new, |effect| format!(" {effect}"));
    Some((
        format!("{level}{time}"),
        format!("Measured: {level}{time}; over all steps {weights} of the weights were there on average.{effect}"),
    ))
}

/// Where the study's numbers come from, in a sentence.
#[must_use]
pub fn source(brief: &Brief) -> String {
    let of = &brief.origin;
    let device = of.devices.first().zip(of.backends.first());
    let device = device.map_or_else(String::new, |(device, backend)| format!(" on {}", hardware(device, backend)));
    let rough = if brief.rough_times { ", two at a time, so that times are not told" } else { "" };
    let steps = brief.steps.map_or_else(String::new, |steps| format!(" of {steps} steps"));
    let versions: Vec<&str> = of.versions.iter().map(String::as_str).collect();
    format!(
        "From the study that comes with this page: runs{steps} with seeds {}, version {}{device}{rough}. What follows ± is \
         half of the 95 % interval of a mean.",
        of.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", "),
        versions.join(", "),
    )
}
