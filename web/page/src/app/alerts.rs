//! What went wrong, what to know, and how to go on.
//!
//! What was cut off is offered to be resumed, unless it goes on in another tab: that tab holds the browser's lock on the
//! run, and an offer could only be refused.

use std::time::Duration;

use apt_bridge::{Fault, RunState, StoredRun, StoredStudy, run_lock};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::pair::Pair;
use super::state::{Engine, Lab};
use super::visit::Visit;
use super::{browser, study};
use crate::runs::{is_open, title};

/// Milliseconds between two looks at what goes on in other tabs.
const LOOK_MS: u64 = 1_000;

pub(crate) fn view(lab: Lab) -> impl IntoView {
    let visit = use_context::<Visit>();
    let held = held_elsewhere(lab);
    // While two runs are shown, the second is neither cut off nor in another tab: it is here.
    let pair = use_context::<Pair>();
    let may_offer =
        move || !visit.is_some_and(|visit| visit.is_fresh.get()) && !pair.is_some_and(|pair| pair.shown.get());
    let offers = move || {
        let held = held.get().filter(|_| may_offer())?;
        let study = study::resumable(lab).map(|study| {
            let goes_on = is_held(&study, &held);
            study::resume(lab, study, goes_on)
        });
        let run = resumable(lab).map(|run| match held.contains(&run_lock(&run.name)) {
            true => {
                let verb = if run.state == RunState::Paused { "is held" } else { "goes on" };
                goes_on(format!("{} {verb}", title(run.preset.as_deref(), &run.knobs))).into_any()
            }
            false => resume(lab, run).into_any(),
        });
        Some((study, run))
    };
    view! {
        <div class="alerts">
            <div role="alert">{move || lab.panic.get().map(|report| panic(lab, report))}</div>
            <div role="alert">
                {move || lab.faults.with(|faults| faults.front().cloned().map(|newest| fault(lab, newest, faults.len() - 1)))}
            </div>
            <div role="status">{visit.map(|visit| move || misread(visit))}</div>
            {offers}
            {move || last_finished(lab).filter(|_| may_offer()).map(|run| show_last(lab, run))}
            <div role="status">
                {move || lab.notices.with(|notices| notices.front().cloned().map(|newest| notice(lab, newest)))}
            </div>
        </div>
    }
}

fn panic(lab: Lab, report: String) -> impl IntoView {
    let copied = RwSignal::new("");
    let text = report.clone();
    let copy = move |_| {
        let report = text.clone();
        spawn_local(async move {
            copied.set(if browser::copy(&report).await { "Copied." } else { "Not copied: select the text by hand." });
        });
    };
    let restart = move |_| {
        lab.start_worker();
        lab.load_runs();
    };
    view! {
        <section class="alert bad" data-testid="panic" aria-labelledby="panic-title">
            <h2 id="panic-title">"The engine has stopped"</h2>
            <p>"Runs are kept up to their last save. Restart the engine and resume the run."</p>
            <details>
                <summary>"Report"</summary>
                <pre tabindex="0">{report}</pre>
            </details>
            <p class="buttons">
                <button type="button" class="button primary" data-testid="restart-worker" on:click=restart>
                    "Restart the engine"
                </button>
                <button type="button" class="button" data-testid="copy-report" on:click=copy>"Copy report"</button>
                <span role="status">{copied}</span>
            </p>
        </section>
    }
}

fn fault(lab: Lab, fault: Fault, earlier: usize) -> impl IntoView {
    let title = match &fault.run {
        Some(run) => format!("{run} has ended"),
        None => "That did not work".to_owned(),
    };
    let dismiss = move |_| lab.faults.update(|faults| drop(faults.pop_front()));
    view! {
        <section class="alert bad" data-testid="fault">
            <h2>{title}</h2>
            <dl>
                <dt>"What"</dt>
                <dd data-testid="fault-what">{fault.problem.what}</dd>
                <dt>"Where"</dt>
                <dd data-testid="fault-where">{fault.problem.place}</dd>
                <dt>"What to do"</dt>
                <dd data-testid="fault-remedy">{fault.problem.remedy}</dd>
            </dl>
            <p class="buttons">
                <button type="button" class="button" data-testid="fault-dismiss" on:click=dismiss>"Dismiss"</button>
                {(earlier > 0).then(|| view! { <span class="aside">{format!("{earlier} earlier")}</span> })}
            </p>
        </section>
    }
}

fn notice(lab: Lab, text: String) -> impl IntoView {
    let dismiss = move |_| lab.notices.update(|notices| drop(notices.pop_front()));
    view! {
        <section class="alert" data-testid="notice">
            <p>{text}</p>
            <button type="button" class="button quiet" on:click=dismiss>"Dismiss"</button>
        </section>
    }
}

/// What of the link could not be taken over.
fn misread(visit: Visit) -> Option<impl IntoView> {
    let mut problems = visit.problems.get();
    let told = match (problems.len(), problems.pop()) {
        (_, None) => return None,
        (1, Some(only)) => {
            view! { <p>"This link asked for " {only} "; everything else was taken over."</p> }.into_any()
        }
        (_, Some(last)) => {
            let all = problems.into_iter().chain([last]);
            view! {
                <p>"This link asked for"</p>
                <ul>{all.map(|problem| view! { <li>{problem}</li> }).collect_view()}</ul>
                <p>"Everything else was taken over."</p>
            }
            .into_any()
        }
    };
    Some(view! {
        <section class="alert misread" data-testid="misread">
            <div>{told}</div>
            <button type="button" class="button quiet" data-testid="misread-dismiss" on:click=move |_| visit.problems.update(Vec::clear)>
                "Dismiss"
            </button>
        </section>
    })
}

fn is_held(study: &StoredStudy, held: &[String]) -> bool {
    study.cells.iter().any(|cell| held.contains(&run_lock(&cell.run)))
}

/// The locks of what could be resumed that other tabs hold; `None` before the browser has answered. For as long as there
/// is one, it is looked at again, and when it is let go, what the other tab has made is read.
fn held_elsewhere(lab: Lab) -> Memo<Option<Vec<String>>> {
    let wanted = Memo::new(move |_| {
        let of_study = |study: StoredStudy| study.cells.into_iter().map(|cell| run_lock(&cell.run)).collect();
        let mut names: Vec<String> = study::resumable(lab).map(of_study).unwrap_or_default();
        names.extend(resumable(lab).map(|run| run_lock(&run.name)));
        names
    });
    let seen = RwSignal::new(None::<(Vec<String>, Vec<String>)>);
    let look = move || {
        let wanted = wanted.get_untracked();
        spawn_local(async move {
            let held = browser::held_locks().await;
            let held: Vec<String> = wanted.iter().filter(|name| held.contains(name)).cloned().collect();
            let had = seen.with_untracked(|seen| seen.as_ref().is_some_and(|(_, held)| !held.is_empty()));
            let let_go = had && held.is_empty();
            seen.set(Some((wanted, held)));
            if let_go {
                lab.load_runs();
                lab.load_studies();
            }
        });
    };
    Effect::new(move || {
        wanted.track();
        look();
    });
    let again = move || {
        if seen.with_untracked(|seen| seen.as_ref().is_some_and(|(_, held)| !held.is_empty())) {
            look();
        }
    };
    // It looks as long as the page lives.
    set_interval(again, Duration::from_millis(LOOK_MS));
    Memo::new(move |_| {
        seen.with(|seen| seen.as_ref().filter(|(of, _)| *of == wanted.get()).map(|(_, held)| held.clone()))
    })
}

fn goes_on(what: String) -> impl IntoView {
    view! {
        <section class="alert" data-testid="goes-on">
            <p>{what} " in another tab of this browser."</p>
        </section>
    }
}

/// The newest run, if it is finished and the visitor has looked at none yet.
fn last_finished(lab: Lab) -> Option<StoredRun> {
    if lab.run.with(Option::is_some) || lab.engine.get() != Engine::Ready {
        return None;
    }
    lab.runs.with(|runs| runs.first().cloned()).filter(|run| run.state == RunState::Done)
}

fn show_last(lab: Lab, run: StoredRun) -> impl IntoView {
    let words = format!("Your last run here, {}, is finished.", title(run.preset.as_deref(), &run.knobs));
    view! {
        <section class="alert good">
            <p>{words}</p>
            <button type="button" class="button primary" data-testid="show-last" on:click=move |_| lab.open(&run, false)>
                "Show it"
            </button>
        </section>
    }
}

/// The newest run, if it was cut off and none is open.
fn resumable(lab: Lab) -> Option<StoredRun> {
    if lab.is_open() || lab.engine.get() != Engine::Ready {
        return None;
    }
    let newest = lab.runs.with(|runs| runs.first().cloned())?;
    // With its study goes on a run that is of one.
    let of_study = lab.studies.with(|all| all.iter().any(|of| of.cells.iter().any(|cell| cell.run == newest.name)));
    (is_open(newest.state) && newest.state != RunState::Loading && !of_study).then_some(newest)
}

fn resume(lab: Lab, run: StoredRun) -> impl IntoView {
    let title = title(run.preset.as_deref(), &run.knobs);
    let words = format!("{title} stopped at step {} of {} when the page closed.", run.step, run.steps);
    let label = format!("Resume {}", run.name);
    view! {
        <section class="alert good">
            <p>{words}</p>
            <button type="button" class="button primary" data-testid="resume-stored" on:click=move |_| lab.open(&run, true)>
                {label}
            </button>
        </section>
    }
}
