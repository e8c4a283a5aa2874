//! Studies: queueing one, how far each is and how long it will take.

use apt_bridge::{Command, RunState, StoredCell, StoredStudy};
use apt_experiment::{CellState, Explain, Problem, Study, StudyFile, duration};
use leptos::prelude::*;

use super::buttons::{action, never};
use super::compare::Compare;
use super::export::offer;
use super::state::{Engine, Lab};
use super::{browser, study_form};
use crate::export::Saved;
use crate::pace::{Pace, runs_in_words};
use crate::phases;
use crate::runs::rows;
use crate::studies::{current_run, current_run_short, grid, name_for, progress, refusal, waiting};
use crate::tabs::Tab;

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
        if study.running && self.cut_off.with_untracked(|name| name.as_ref() == Some(&study.name)) {
            self.cut_off.set(None);
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
        let jobs = self.settings.with_untracked(|settings| settings.jobs);
        self.send(Command::Study { study: study.name.clone(), file, retry, jobs });
        self.cut_off.set(None);
        self.report_of.set(Some(study.name.clone()));
        // They say how long the rest will take.
        self.load_records();
    }
}

/// Steps of the present run after which it is asked again how fast it is.
const PACE_EVERY: usize = 24;

/// What runs took on this computer, that which is under way among them.
pub(crate) fn pace(lab: Lab) -> Memo<Pace> {
    let finished = Memo::new(move |_| lab.runs.with(|runs| lab.records.with(|records| Pace::of(&rows(runs, records)))));
    let step = Memo::new(move |_| lab.status.with(|status| status.step / PACE_EVERY));
    Memo::new(move |_| {
        let (finished, step) = (finished.get(), step.get());
        if step == 0 || lab.state() != Some(RunState::Running) {
            return finished;
        }
        lab.history.with_value(|history| match history.record() {
            Some(record) => finished.and_present(record, history.steps),
            None => finished,
        })
    })
}

/// How long the study that runs will still take, in words: told from what runs took and the pace of the present one, else
/// by how long its runs have taken so far.
fn time_left(lab: Lab) -> Memo<Option<String>> {
    let pace = pace(lab);
    let waiting = Memo::new(move |_| pace.with(|pace| pace.all(&waiting(&lab.running_study()?))));
    let run = Memo::new(move |_| {
        let knobs = lab.run.with(|run| run.as_ref().map(|run| run.knobs.clone()))?;
        pace.with(|pace| pace.seconds(&knobs))
    });
    Memo::new(move |_| {
        let study = lab.running_study()?;
        let step = lab.status.with(|status| status.step);
        let present = lab.history.with_value(|history| match history.steps {
            steps if steps > 0 && step >= steps => Some(0.0),
            _ => phases::seconds_left(history),
        });
        let present = present.or_else(|| run.get());
        let known = waiting.get().zip(present);
        let known = known.map(|(waiting, present)| duration(waiting / study.jobs.max(1) as f64 + present));
        known.or(study.time_left)
    })
}

/// What the title of the tab says of the study that runs.
pub(crate) fn title(lab: Lab) -> impl Fn() -> Option<String> {
    let left = time_left(lab);
    move || current_run_short(&lab.running_study()?, left.get().as_deref())
}

pub(crate) fn view(lab: Lab) -> impl IntoView {
    let names = Memo::new(move |_| {
        lab.studies.with(|studies| studies.iter().map(|study| study.name.clone()).collect::<Vec<_>>())
    });
    view! {
        <div data-testid="studies">
            <p class="aside">
                "All arms see the same examples in the same order from the same initial weights, so that they can be compared seed by seed."
            </p>
            {study_form::view(lab)}
            <For each=move || names.get() key=String::clone let:name>{item(lab, name)}</For>
        </div>
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
    let time = time_left(lab);
    let words = move || {
        study.with(|study| study.as_ref().map(|study| (progress(study), current_run(study, time.get().as_deref()))))
    };
    let pace = pace(lab);
    let cost = Memo::new(move |_| {
        let study = study.get().filter(|study| !study.running)?;
        let waiting = waiting(&study);
        let seconds = pace.with(|pace| pace.all(&waiting));
        let jobs = lab.settings.with(|settings| settings.jobs);
        (!waiting.is_empty()).then(|| format!("left: {}", runs_in_words(waiting.len(), seconds, jobs)))
    });
    let share = move || study.with(|study| study.as_ref().map(|s| (s.count(CellState::is_over), s.cells.len())));
    let (heading, of_name) = (name.clone(), name.clone());
    let show = move || {
        lab.report_of.set(Some(of_name.clone()));
        Compare::open(Tab::Answer);
    };
    let forget = {
        let name = name.clone();
        move || lab.send(Command::RemoveStudy { study: name.clone() })
    };
    view! {
        <article class="study" data-testid=test("item") aria-label=format!("Study {name}")>
            <h2>{heading}</h2>
            <p>{move || study.with(|study| study.as_ref().map(|study| study.file.summary.clone()))}</p>
            <p class="standing" role="status">
                <span data-testid=test("progress")>{move || words().map(|(progress, _)| progress)}</span>
                <span class="aside" data-testid=test("work")>{move || words().and_then(|(_, work)| work)}</span>
                <span class="aside" data-testid=test("cost")>{cost}</span>
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
                {action("Answer", test("report"), never, || true, show)}
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
    let time = time_left(lab);
    let words = Memo::new(move |_| {
        let study = lab.running_study()?;
        let work = current_run(&study, time.get().as_deref()).unwrap_or_else(|| progress(&study));
        Some(format!("Study {}, {work}.", study.name))
    });
    move || {
        words.get().map(|words| {
            view! {
                <p class="waiting" data-testid="study-line">
                    {words} " " <a href=format!("#{}", Tab::Studies.fragment())>"The study"</a>
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

/// Offers to go on with it: alone, or beside another tab that goes through it.
pub(crate) fn resume(lab: Lab, study: StoredStudy, goes_on_elsewhere: bool) -> impl IntoView {
    let (name, done) = (&study.name, progress(&study));
    let (words, button) = match goes_on_elsewhere {
        true => (
            format!("The study {name} goes on in another tab of this browser: {done}. Two tabs share its runs."),
            "Go through it here as well",
        ),
        false => (format!("The study {name} stopped when the page closed: {done}."), "Go on with the study"),
    };
    view! {
        <section class="alert good">
            <p>{words}</p>
            <button
                type="button"
                class="button primary"
                data-testid="resume-study"
                on:click=move |_| lab.run_study(&study, false)
            >
                {button}
            </button>
        </section>
    }
}
