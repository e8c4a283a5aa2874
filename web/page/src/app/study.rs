//! Studies in Compare: choosing one, queueing it, and how far each is.

use apt_bridge::{Command, StoredCell, StoredStudy};
use apt_experiment::{CellState, Explain, MOST_SEEDS, Problem, Study, StudyFile};
use apt_report::study_command;
use leptos::prelude::*;

use super::buttons::{action, lock_mark, never};
use super::export::offer;
use super::state::{Engine, Lab, sentence};
use super::{browser, report};
use crate::address::{SEEDS, STUDY, StudyChoice};
use crate::export::Saved;
use crate::studies::{current_run, grid, name_for, offered, progress, refusal};

impl Lab {
    /// The study that the worker goes through.
    pub(crate) fn running_study(self) -> Option<StoredStudy> {
        self.studies.with(|studies| studies.iter().find(|study| study.running).cloned())
    }

    /// Whether the worker goes through a study.
    pub(crate) fn is_studying(self) -> bool {
        self.studies.with(|studies| studies.iter().any(|study| study.running))
    }

    /// Takes in how far a study is.
    pub(crate) fn take_study(self, study: StoredStudy) {
        let has_record = |run: &String| self.records.with_untracked(|records| records.iter().any(|(of, _)| of == run));
        let lacks = study.cells.iter().any(|cell| cell.state == CellState::Done && !has_record(&cell.run));
        if !study.running && lacks && self.has_records.get_untracked() {
            // Another tab has made them.
            self.has_records.set(false);
            self.load_records();
        }
        self.studies.update(|studies| match studies.iter_mut().find(|of| of.name == study.name) {
            Some(place) => *place = study,
            None => studies.insert(0, study),
        });
    }

    /// Puts a study on the list.
    ///
    /// # Errors
    /// When it cannot be run.
    pub(crate) fn queue_study(self, file: StudyFile) -> Result<StoredStudy, Problem> {
        if let Some(problem) = refusal(&file) {
            return Err(problem);
        }
        let name = self.studies.with_untracked(|studies| name_for(&file, studies));
        let study = Study::resolve(&file, &name).map_err(|error| error.problem())?;
        if let Some(there) = self.studies.with_untracked(|all| all.iter().find(|of| of.name == name).cloned()) {
            return Ok(there);
        }
        let queued = StoredStudy::queued(&name, file, &study, browser::now());
        self.take_study(queued.clone());
        self.send(Command::QueueStudy { study: Box::new(queued.clone()) });
        Ok(queued)
    }

    /// Runs what is left of a study.
    pub(crate) fn run_study(self, study: &StoredStudy, retry: bool) {
        let file = Box::new(study.file.clone());
        self.send(Command::Study { study: study.name.clone(), file, retry });
        self.cut_off.set(None);
        self.report_of.set(Some(study.name.clone()));
    }
}

pub(crate) fn view(lab: Lab) -> impl IntoView {
    let names = Memo::new(move |_| {
        lab.studies.with(|studies| studies.iter().map(|study| study.name.clone()).collect::<Vec<_>>())
    });
    view! {
        <section aria-labelledby="studies-title" data-testid="studies">
            <h2 id="studies-title">"Studies"</h2>
            <p>
                "A study runs several arms, each with several seeds, one run after the other: the same examples in the same order from the same initial weights, so that arms can be compared seed by seed. It goes on after a reload, and what is finished is never run again."
            </p>
            {form(lab)}
            <For each=move || names.get() key=String::clone let:name>{item(lab, name)}</For>
        </section>
    }
}

/// What the form asks for: the study's file with the number of its runs, or why it cannot be run.
fn asked(lab: Lab) -> Option<Result<(StudyFile, usize), String>> {
    let file = lab.settings.with(|settings| settings.study_file())?;
    let name = file.name.clone().unwrap_or_default();
    let of_file = refusal(&file).map(|problem| format!("{}; {}", problem.what, problem.remedy));
    Some(match (lab.refusal().or(of_file), Study::resolve(&file, &name)) {
        (Some(refusal), _) => Err(refusal),
        (None, Err(error)) => Err(sentence(&error)),
        (None, Ok(_)) if lab.is_unconfirmed() => {
            Err("The model is at an address. Confirm it in the Lab first.".to_owned())
        }
        (None, Ok(study)) => Ok((file, study.cells().len())),
    })
}

fn form(lab: Lab) -> impl IntoView {
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
    (!hidden).then(|| {
        view! {
            <div class="line">
                <label for="study-choice">"Study" {lock_mark(lab, STUDY)}</label>
                {choice(lab)}
                <label for="study-seeds">"Seeds" {lock_mark(lab, SEEDS)}</label>
                {seeds(lab)}
                {action("Run the study", "study-run", ready, ready, run)}
            </div>
            {move || asked.get().map(|asked| plan(lab, asked))}
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
    let number = move || {
        let file = lab.settings.with(|settings| settings.study_file());
        file.map_or_else(String::new, |file| file.seeds.list().len().to_string())
    };
    let disabled = move || lab.settings.with(|settings| settings.study.is_none() || settings.is_locked(SEEDS));
    let choose = move |event| {
        let count = event_target_value(&event).trim().parse::<u32>().ok();
        let count = count.filter(|count| (1..=MOST_SEEDS).contains(count));
        if count.is_none() {
            let remedy = format!("Give a whole number from 1 to {MOST_SEEDS}; the study keeps its seeds.");
            lab.report(Problem::new("seeds", "this is no number of seeds", remedy));
        }
        lab.settings.update(|settings| {
            if let Some(study) = &mut settings.study {
                study.seeds = count.or(study.seeds);
            }
        });
    };
    view! {
        <input
            id="study-seeds"
            type="number"
            min="1"
            max=MOST_SEEDS
            data-testid="study-seeds"
            prop:value=number
            disabled=disabled
            on:change=choose
        />
    }
}

/// What is going to be done.
fn plan(lab: Lab, asked: Result<(StudyFile, usize), String>) -> impl IntoView {
    let name = lab.settings.with_untracked(|settings| settings.study.as_ref().map(|study| study.name.clone()));
    match asked {
        Err(why) => view! { <p class="error" data-testid="study-refusal">{why}</p> }.into_any(),
        Ok((file, runs)) => {
            let changed: Vec<String> = file.knobs.keys().map(|knob| knob.replace('_', " ")).collect();
            let changed = match changed.is_empty() {
                true => "Settings changed in the Lab would hold for every run.".to_owned(),
                false => format!("As set in the Lab, in every run: {}.", changed.join(", ")),
            };
            let line = study_command(&name.unwrap_or_default(), &file);
            view! {
                <p data-testid="study-plan">
                    {file.summary.clone()} " " {runs} " runs. " {changed} " On a desktop: " <code>{line}</code>
                </p>
            }
            .into_any()
        }
    }
}

/// A study that is kept.
fn item(lab: Lab, name: String) -> impl IntoView {
    let key = name.clone();
    let study = Memo::new(move |_| lab.studies.with(|all| all.iter().find(|of| of.name == key).cloned()));
    let of = move |read: fn(&StoredStudy) -> bool| move || study.with(|study| study.as_ref().is_some_and(read));
    let test = |what: &str| format!("study-{what}-{name}");
    let is_running = of(|study| study.running);
    let left = of(|study| !study.running && study.count(|state| !state.is_over()) > 0);
    let failed = of(|study| !study.running && study.count(|state| state.reason().is_some()) > 0);
    let free = move || lab.engine.get() == Engine::Ready && !lab.is_studying() && !lab.is_running();
    let go =
        move |retry| move || study.with_untracked(|study| study.iter().for_each(|study| lab.run_study(study, retry)));
    let words = move || study.with(|study| study.as_ref().map(|study| (progress(study), current_run(study))));
    let share = move || study.with(|study| study.as_ref().map(|s| (s.count(CellState::is_over), s.cells.len())));
    let (heading, of_name) = (name.clone(), name.clone());
    let show = move || {
        lab.report_of.set(Some(of_name.clone()));
        report::scroll_to();
    };
    let forget = {
        let name = name.clone();
        move || lab.send(Command::RemoveStudy { study: name.clone() })
    };
    view! {
        <article class="study" data-testid=test("item") aria-label=format!("Study {name}")>
            <h3>{heading}</h3>
            <p>{move || study.with(|study| study.as_ref().map(|study| study.file.summary.clone()))}</p>
            <p class="standing" role="status">
                <span data-testid=test("progress")>{move || words().map(|(progress, _)| progress)}</span>
                <span class="aside" data-testid=test("work")>{move || words().and_then(|(_, work)| work)}</span>
                <progress
                    class="run-progress"
                    aria-label="Runs that are over"
                    max=move || share().map_or(1, |(_, of)| of)
                    prop:value=move || share().map_or(0.0, |(over, _)| over as f64)
                ></progress>
            </p>
            <div class="buttons" role="group" aria-label=format!("Study {name}")>
                {action("Continue", test("go"), never, move || free() && left(), go(false))}
                {action("Stop", test("stop"), never, is_running, move || lab.send(Command::Stop))}
                {action("Run failed again", test("retry"), never, move || free() && failed(), go(true))}
                {action("Report", test("report"), never, || true, show)}
                {action("Study, TOML", test("file"), never, || true, move || save(lab, study))}
                {action("Remove from list (runs are kept)", test("forget"), never, move || !is_running(), forget)}
            </div>
            <details>
                <summary>"Its runs"</summary>
                {move || study.get().map(|study| runs(&study))}
            </details>
            <ul class="failures">{move || study.get().map(|study| failures(&study))}</ul>
        </article>
    }
}

fn runs(study: &StoredStudy) -> impl IntoView + use<> {
    let (seeds, lines) = grid(study);
    let state = |cell: Option<&StoredCell>| {
        let state = cell.map_or("", |cell| cell.state.name());
        view! { <td data-state=state>{state}</td> }
    };
    let line = |(arm, cells): (&str, Vec<Option<&StoredCell>>)| {
        view! {
            <tr>
                <th scope="row">{arm.to_owned()}</th>
                {cells.into_iter().map(state).collect_view()}
            </tr>
        }
    };
    view! {
        <div class="scroll" tabindex="0" role="region" aria-label=format!("Runs of {}", study.name)>
            <table class="runs by-seed">
                <thead>
                    <tr>
                        <th scope="col">"arm"</th>
                        {seeds.iter().map(|seed| view! { <th scope="col">{format!("seed {seed}")}</th> }).collect_view()}
                    </tr>
                </thead>
                <tbody>{lines.into_iter().map(line).collect_view()}</tbody>
            </table>
        </div>
    }
}

fn failures(study: &StoredStudy) -> impl IntoView + use<> {
    let failed = study.cells.iter().filter_map(|cell| Some((cell.name.clone(), cell.state.reason()?.to_owned())));
    failed.map(|(name, why)| view! { <li>{name} ": " {why}</li> }).collect_view()
}

fn save(lab: Lab, study: Memo<Option<StoredStudy>>) {
    let Some(study) = study.get_untracked() else { return };
    match study.file.to_toml() {
        Ok(text) => offer(lab, Some(Saved { name: format!("{}.toml", study.name), kind: "application/toml", text })),
        Err(error) => lab.report(error.problem()),
    }
}

/// How far a study is, for the page that shows its runs.
pub(crate) fn line(lab: Lab) -> impl IntoView {
    let words = Memo::new(move |_| {
        let study = lab.running_study()?;
        let work = current_run(&study).unwrap_or_else(|| progress(&study));
        Some(format!("Study {}, {work}.", study.name))
    });
    move || {
        words.get().map(|words| {
            view! {
                <p class="waiting" data-testid="study-line">
                    {words} " " <a href="#compare">"Compare"</a> " has the study."
                </p>
            }
        })
    }
}

/// The study that was cut off while the worker went through it.
pub(crate) fn resumable(lab: Lab) -> Option<StoredStudy> {
    if lab.is_open() || lab.engine.get() != Engine::Ready {
        return None;
    }
    let name = lab.cut_off.get()?;
    lab.studies.with(|studies| studies.iter().find(|study| study.name == name).cloned())
}

/// Offers to go on with it.
pub(crate) fn resume(lab: Lab, study: StoredStudy) -> impl IntoView {
    let words = format!("The study {} stopped when the page closed: {}.", study.name, progress(&study));
    view! {
        <section class="alert good">
            <p>{words}</p>
            <button
                type="button"
                class="button primary"
                data-testid="resume-study"
                on:click=move |_| lab.run_study(&study, false)
            >
                "Go on with the study"
            </button>
        </section>
    }
}
