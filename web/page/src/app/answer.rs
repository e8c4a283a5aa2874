//! What the runs here say: for each comparison a few sentences and a short table, and, where seeds are too few, the study
//! that would settle it.

use apt_experiment::knob;
use apt_report::answer_fragment;
use leptos::prelude::*;

use super::buttons::action;
use super::compare::Compare;
use super::state::{Engine, Lab};
use super::{report, study};
use crate::address::STUDY;
use crate::pace::{Pace, runs_in_words};
use crate::proposal::Proposal;
use crate::tabs::Tab;

/// One comparison.
#[derive(Clone, PartialEq)]
struct Part {
    title: String,
    html: String,
    proposal: Option<Proposal>,
}

pub(crate) fn view(lab: Lab) -> impl IntoView {
    let (parts, pace) = (Memo::new(move |_| parts(lab)), study::pace(lab));
    view! {
        {report::choice(lab)}
        {report::pinned(lab)}
        <div data-testid="answer">
            {move || match parts.get() {
                none if none.is_empty() => nothing().into_any(),
                parts => parts.into_iter().map(|part| part_view(lab, pace, part)).collect_view().into_any(),
            }}
        </div>
    }
}

fn parts(lab: Lab) -> Vec<Part> {
    if !report::has_any(lab) {
        return Vec::new();
    }
    let report = report::of(lab);
    let device = knob("device").ok().map(|knob| lab.settings.with(|settings| knob.get(&settings.knobs)));
    let several = report.sections.len() > 1;
    let part = |(place, section): (usize, &apt_report::Section)| Part {
        title: if several { section.title.clone() } else { String::new() },
        html: answer_fragment(section, place + 1),
        // What a study asks for is that study's matter.
        proposal: device
            .as_ref()
            .filter(|_| lab.report_of.with(Option::is_none))
            .and_then(|device| Proposal::of(section, device)),
    };
    report.sections.iter().enumerate().map(part).collect()
}

fn part_view(lab: Lab, pace: Memo<Pace>, part: Part) -> impl IntoView {
    let is_taken = lab.settings.with_untracked(|settings| settings.is_hidden(STUDY) || settings.is_locked(STUDY));
    let Part { title, html, proposal } = part;
    view! {
        <section class="part">
            {(!title.is_empty()).then(|| view! { <h2>{title}</h2> })}
            // Written by our own templates, which escape whatever a record says.
            <div class="report" inner_html=html></div>
            {proposal.filter(|_| !is_taken).map(|proposal| propose(lab, pace, proposal))}
        </section>
    }
}

/// The study that would settle it, with the time it takes.
fn propose(lab: Lab, pace: Memo<Pace>, proposal: Proposal) -> impl IntoView {
    let missing = proposal.missing.clone();
    let jobs = move || lab.settings.with(|settings| settings.jobs);
    let cost = move || format!("{}.", runs_in_words(missing.len(), pace.with(|pace| pace.all(&missing)), jobs()));
    let label = format!("Run it as a study with {} seeds", proposal.file.seeds.list().len());
    let free = move || lab.engine.get() == Engine::Ready;
    let run = move || {
        match lab.queue_study(proposal.file.clone()) {
            Ok(queued) if untrack(|| lab.is_studying() || lab.is_running()) => {
                lab.notice(format!("The study {} is queued; something else is running.", queued.name));
            }
            Ok(queued) => lab.run_study(&queued, false),
            Err(problem) => lab.report(problem),
        }
        Compare::open(Tab::Studies);
    };
    view! {
        <p class="line">
            {action(label, "run-as-study", || true, free, run)}
            <span class="aside" data-testid="run-as-study-cost">{cost}</span>
        </p>
    }
}

fn nothing() -> impl IntoView {
    view! {
        <p class="empty" data-testid="no-answer">
            "Nothing to compare yet. Finish a run in the " <a href="#lab">"Lab"</a> " and one with an idea switched off, start a "
            <a href=format!("#{}", Tab::Studies.fragment())>"study"</a> ", or bring records under "
            <a href=format!("#{}", Tab::Runs.fragment())>"All runs"</a> "."
        </p>
    }
}
