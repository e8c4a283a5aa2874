//! What went wrong, what to know, and how to go on.

use apt_bridge::{Fault, RunState, StoredRun};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::state::{Engine, Lab};
use super::{browser, study};
use crate::runs::{is_open, title};

pub(crate) fn view(lab: Lab) -> impl IntoView {
    view! {
        <div class="alerts">
            <div role="alert">{move || lab.panic.get().map(|report| panic(lab, report))}</div>
            <div role="alert">
                {move || lab.faults.with(|faults| faults.front().cloned().map(|newest| fault(lab, newest, faults.len() - 1)))}
            </div>
            {move || study::resumable(lab).map(|cut_off| study::resume(lab, cut_off))}
            {move || resumable(lab).map(|run| resume(lab, run))}
            {move || last_finished(lab).map(|run| show_last(lab, run))}
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
