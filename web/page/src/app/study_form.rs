//! Choosing a study: which, with how many seeds, and what it will take.

use apt_experiment::{Knobs, MOST_SEEDS, Problem, Study, StudyFile};
use apt_report::study_command;
use leptos::prelude::*;

use super::buttons::{action, lock_mark};
use super::state::{Engine, Lab, sentence};
use super::study;
use crate::address::{JOBS, MOST_JOBS, SEEDS, STUDY, Settings, StudyChoice};
use crate::pace::{Pace, runs_in_words};
use crate::studies::{offered, refusal};

/// What the form asks for: the study's file with the settings of its runs, or why it cannot be run.
fn asked(lab: Lab) -> Option<Result<(StudyFile, Vec<Knobs>), String>> {
    let file = lab.settings.with(|settings| settings.study_file())?;
    let name = file.name.clone().unwrap_or_default();
    let of_file = refusal(&file).map(|problem| format!("{}; {}", problem.what, problem.remedy));
    Some(match (lab.refusal().or(of_file), Study::resolve(&file, &name)) {
        (Some(refusal), _) => Err(refusal),
        (None, Err(error)) => Err(sentence(&error)),
        (None, Ok(_)) if lab.is_unconfirmed() => {
            Err("The model is at an address. Confirm it in the Lab first.".to_owned())
        }
        (None, Ok(study)) => Ok((file, study.cells().into_iter().map(|cell| cell.knobs).collect())),
    })
}

pub(crate) fn view(lab: Lab) -> impl IntoView {
    let hidden = lab.settings.with_untracked(|settings| settings.is_hidden(STUDY));
    let asked = Memo::new(move |_| asked(lab));
    let ready = move || {
        let free = lab.engine.get() == Engine::Ready && !lab.is_studying() && !lab.is_running();
        free && asked.with(|asked| matches!(asked, Some(Ok(_))))
    };
    let run = move || {
        let Some(Ok((file, _))) = asked.get_untracked() else { return };
        match lab.queue_study(file) {
            Ok(study) => lab.run_study(&study, false),
            Err(problem) => lab.report(problem),
        }
    };
    let pace = study::pace(lab);
    (!hidden).then(|| {
        view! {
            <div class="line">
                <label for="study-choice">"Study" {lock_mark(lab, STUDY)}</label>
                {choice(lab)}
                {seeds(lab)}
                {jobs(lab)}
                {action("Run the study", "study-run", ready, ready, run)}
            </div>
            {move || asked.get().map(|asked| plan(lab, pace, asked))}
        }
    })
}

fn choice(lab: Lab) -> impl IntoView {
    let chosen = move || lab.settings.with(|s| s.study.as_ref().map(|study| study.name.clone()).unwrap_or_default());
    let choose = move |event| {
        let name = event_target_value(&event);
        lab.settings.update(|settings| {
            let seeds = settings.study.as_ref().and_then(|study| study.seeds);
            settings.study = (!name.is_empty()).then_some(StudyChoice { name, seeds });
        });
    };
    let option = |name: &'static str| view! { <option value=name>{name}</option> };
    view! {
        <select
            id="study-choice"
            data-testid="study-choice"
            prop:value=chosen
            disabled=move || lab.settings.with(|settings| settings.is_locked(STUDY))
            on:change=choose
        >
            <option value="">"choose one"</option>
            {offered().map(option).collect_view()}
        </select>
    }
}

fn seeds(lab: Lab) -> impl IntoView {
    let shown = move || {
        let file = lab.settings.with(|settings| settings.study_file());
        file.map_or_else(String::new, |file| file.seeds.list().len().to_string())
    };
    let set = |settings: &mut Settings, count| {
        if let Some(study) = &mut settings.study {
            study.seeds = Some(count);
        }
    };
    number(
        lab,
        Number { word: SEEDS, label: "Seeds", most: MOST_SEEDS, help: "", is_free: |s| s.study.is_some(), set },
        shown,
    )
}

fn jobs(lab: Lab) -> impl IntoView {
    let shown = move || lab.settings.with(|settings| settings.jobs.to_string());
    let help = "Each has a worker of its own. Runs that share the processors take longer than alone, so times are marked as \
                not comparable.";
    let set = |settings: &mut Settings, count| settings.jobs = count as usize;
    let most = MOST_JOBS as u32;
    number(lab, Number { word: JOBS, label: "Runs at a time", most, help, is_free: |_| true, set }, shown)
}

/// A number from 1 on that a study has.
struct Number {
    /// What an address calls it.
    word: &'static str,
    label: &'static str,
    most: u32,
    help: &'static str,
    /// Whether it can be chosen with these settings.
    is_free: fn(&Settings) -> bool,
    set: fn(&mut Settings, u32),
}

/// Its field with its label, unless the address hides it.
fn number(lab: Lab, of: Number, shown: impl Fn() -> String + Send + Sync + 'static) -> Option<impl IntoView> {
    let Number { word, label, most, help, is_free, set } = of;
    let choose = move |event| {
        let count = event_target_value(&event).trim().parse::<u32>().ok();
        let count = count.filter(|count| (1..=most).contains(count));
        if count.is_none() {
            let remedy = format!("Give a whole number from 1 to {most}; it stays as it was.");
            lab.report(Problem::new(label, "this is no such number", remedy));
        }
        // Also where it stays, so that the field shows it again.
        lab.settings.update(|settings| count.into_iter().for_each(|count| set(settings, count)));
    };
    let hidden = lab.settings.with_untracked(|settings| settings.is_hidden(word));
    (!hidden).then(|| {
        let id = format!("study-{word}");
        view! {
            <label for=id.clone()>{label} {lock_mark(lab, word)}</label>
            <input
                id=id.clone()
                type="number"
                min="1"
                max=most
                data-testid=id
                title=help
                prop:value=shown
                disabled=move || lab.settings.with(|settings| !is_free(settings) || settings.is_locked(word))
                on:change=choose
            />
        }
    })
}

/// What is going to be done, and how long it will take.
fn plan(lab: Lab, pace: Memo<Pace>, asked: Result<(StudyFile, Vec<Knobs>), String>) -> impl IntoView {
    let name = lab.settings.with_untracked(|settings| settings.study.as_ref().map(|study| study.name.clone()));
    match asked {
        Err(why) => view! { <p class="error" data-testid="study-refusal">{why}</p> }.into_any(),
        Ok((file, runs)) => {
            let changed: Vec<String> = file.knobs.keys().map(|knob| knob.replace('_', " ")).collect();
            let changed = match changed.is_empty() {
                true => "Settings changed in the Lab would hold for every run.".to_owned(),
                false => format!("As set in the Lab, in every run: {}.", changed.join(", ")),
            };
            let jobs = lab.settings.with(|settings| settings.jobs);
            let mut line = study_command(&name.unwrap_or_default(), &file);
            let mut at_once = String::new();
            if jobs > 1 {
                line.push_str(&format!(" --jobs {jobs}"));
                at_once = format!("{jobs} at the same time: their times are marked as not comparable. ");
            }
            let cost = move || runs_in_words(runs.len(), pace.with(|pace| pace.all(&runs)), jobs);
            view! {
                <p data-testid="study-plan">
                    {file.summary.clone()} " " <b data-testid="study-cost">{cost}</b> ". " {at_once} {changed} " On a desktop: " <code>{line}</code>
                </p>
            }
            .into_any()
        }
    }
}
