//! Try: what two models of one's choice predict for a text; where they are decoders, `write` has them go on from it.

use std::collections::BTreeSet;
use std::time::Duration;

use apt_bridge::Command;
use apt_bridge::writing::Author;
use apt_experiment::{BUILTIN_TASK, Knobs};
use leptos::prelude::*;

use super::state::{Engine, Lab, Page};
use super::{verdicts, write};
use crate::asking::{Candidate, EXAMPLES, Example, Question, candidates, first_pair};
use crate::writing::called;

/// Milliseconds without a key until what is typed is asked.
const TYPING_MS: u64 = 250;

/// What stands in the controls.
#[derive(Clone, Copy)]
pub(super) struct Form {
    pub(super) candidates: Memo<Vec<Candidate>>,
    /// The runs that were chosen here, left and right; on the left an empty name for none.
    chosen: RwSignal<[Option<String>; 2]>,
    text: RwSignal<String>,
    pair: RwSignal<String>,
}

pub(crate) fn view(lab: Lab) -> impl IntoView {
    // Another worker or tab may have finished one.
    lab.load_runs();
    let kept = RwSignal::new(BTreeSet::new());
    Effect::new(move || {
        lab.runs.track();
        lab.load_model_names(kept);
    });
    let open = Memo::new(move |_| lab.run.get());
    let candidates = Memo::new(move |_| {
        open.with(|open| kept.with(|kept| lab.runs.with(|runs| candidates(runs, kept, open.as_ref()))))
    });
    let form = Form {
        candidates,
        chosen: RwSignal::default(),
        text: RwSignal::new(EXAMPLES[0].text.to_owned()),
        pair: RwSignal::default(),
    };
    let writes = Memo::new(move |_| form.model(lab).is_some());
    let any = Memo::new(move |_| candidates.with(|candidates| !candidates.is_empty()));
    view! {
        <div class="page" data-testid="page-try">
            <h1>"Try"</h1>
            {move || match (any.get(), writes.get()) {
                (false, _) => nothing(lab).into_any(),
                (true, false) => form_view(lab, form).into_any(),
                (true, true) => write::view(lab, form).into_any(),
            }}
        </div>
    }
}

impl Form {
    /// The runs that are asked: those chosen, as long as they are there, else those that fit.
    pub(super) fn runs(self, lab: Lab) -> [Option<String>; 2] {
        let shown = lab.run.with(|run| run.as_ref().map(|run| run.name.clone()));
        self.candidates.with(|candidates| {
            let [left, right] = self.chosen.get();
            let is_there = |run: &String| candidates.iter().any(|of| of.run == *run);
            let right = right.filter(is_there);
            let [first_left, first_right] = first_pair(candidates, right.as_deref().or(shown.as_deref()));
            // Beside a decoder the model that it began with can write, and is better than another that is pruned.
            let knobs = |run: Option<&String>| candidates.iter().find(|of| Some(&of.run) == run).map(|of| &of.knobs);
            let writes = knobs(right.as_ref().or(first_right.as_ref())).is_some_and(Knobs::predicts_tokens);
            let is_dense = |run: &String| knobs(Some(run)).is_some_and(|knobs| !knobs.prunes());
            let first_left = first_left.filter(|run| !writes || (is_dense(run) && left.as_deref() != Some("")));
            // Whichever side it was put on, what was chosen stands on the right.
            let first_left = if right.is_some() && first_left == right { first_right.clone() } else { first_left };
            // Who writes and who judges are asked different things.
            let fits = |run: &String| knobs(Some(run)).is_some_and(|knobs| knobs.predicts_tokens() == writes);
            [left.filter(fits).or(first_left), right.or(first_right)]
        })
    }

    /// The model that the run on the right began with, if it is a decoder.
    fn model(self, lab: Lab) -> Option<String> {
        let [_, right] = self.runs(lab);
        let of = |all: &Vec<Candidate>| {
            let found = all.iter().find(|of| Some(&of.run) == right.as_ref())?;
            found.knobs.predicts_tokens().then(|| found.knobs.model.clone())
        };
        self.candidates.with(of)
    }

    fn any_knobs(self, lab: Lab, holds: impl Fn(&Knobs) -> bool) -> bool {
        let runs = self.runs(lab);
        self.candidates.with(|all| all.iter().any(|of| runs.contains(&Some(of.run.clone())) && holds(&of.knobs)))
    }

    fn takes_pairs(self, lab: Lab) -> bool {
        self.any_knobs(lab, |knobs| knobs.task.entry().is_none_or(|entry| entry.has_pairs))
    }

    fn is_builtin(self, lab: Lab) -> bool {
        self.any_knobs(lab, |knobs| knobs.task == BUILTIN_TASK)
    }

    fn question(self, lab: Lab) -> Option<Question> {
        let pair = self.takes_pairs(lab).then(|| self.pair.get());
        Question::of(&self.runs(lab), &self.text.get(), pair.as_deref())
    }

    /// The example that stands in the control.
    fn example(self, lab: Lab) -> Option<Example> {
        let text = self.text.get();
        EXAMPLES.into_iter().find(|example| example.text == text.trim()).filter(|_| self.is_builtin(lab))
    }
}

fn form_view(lab: Lab, form: Form) -> impl IntoView {
    let question = Memo::new(move |_| form.question(lab));
    let ask = move |question: Option<Question>| {
        if let Some(Question { runs, text, pair }) = question.filter(|_| !lab.asking.get_untracked()) {
            lab.asking.set(true);
            lab.send(Command::Try { runs, text, pair });
        }
    };
    while_typing(lab, question, ask);
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        ask(question.get_untracked());
    };
    let second = move || {
        form.takes_pairs(lab).then(|| {
            view! {
                <label for="try-pair">"Second text, if the task has pairs"</label>
                <textarea
                    id="try-pair"
                    data-testid="try-pair"
                    rows="2"
                    prop:value=form.pair
                    on:input=move |event| form.pair.set(event_target_value(&event))
                ></textarea>
            }
        })
    };
    let is_builtin = Memo::new(move |_| form.is_builtin(lab));
    let examples = move || {
        is_builtin.get().then(|| {
            view! {
                <div class="buttons" role="group" aria-label="Examples">
                    <span class="aside">"Examples:"</span>
                    {EXAMPLES.map(|of| example(form, of)).collect_view()}
                </div>
            }
        })
    };
    view! {
        <p>"The same text, read by two models. Choose any two of your runs: the whole model and the pruned one, or APT and an ablation."</p>
        <form class="ask" on:submit=submit>
            {whom(lab, form)}
            <label for="try-text">"Text"</label>
            <textarea
                id="try-text"
                data-testid="try-text"
                rows="2"
                prop:value=form.text
                on:input=move |event| form.text.set(event_target_value(&event))
            ></textarea>
            {second}
            {examples}
            <p class="buttons">
                <button
                    type="submit"
                    class="button primary"
                    data-testid="try-ask"
                    aria-disabled=move || if lab.asking.get() || question.with(Option::is_none) { "true" } else { "false" }
                >
                    "Ask"
                </button>
                <span class="aside" role="status" data-testid="try-status">{move || status(lab, question)}</span>
            </p>
        </form>
        {verdicts::view(lab, form.candidates, question, Memo::new(move |_| form.example(lab)))}
        {move || is_builtin.get().then(|| view! {
            <p class="help">"The built-in model only knows about 750 words of reviews; on other text its answer is a guess."</p>
        })}
    }
}

/// Asks what is typed once no key has come for a while, if the engine has nothing else to do.
fn while_typing(lab: Lab, question: Memo<Option<Question>>, ask: impl Fn(Option<Question>) + Copy + 'static) {
    // What was asked last: an error is not asked for again.
    let asked = StoredValue::new(None::<Question>);
    let number = StoredValue::new(0u64);
    Effect::new(move || {
        let wanted = question.get();
        let is_free = lab.engine.get() == Engine::Ready && !lab.is_running() && !lab.is_studying() && !lab.asking.get();
        let is_known = match &wanted {
            Some(wanted) => lab.answer.with(|answer| answer.as_ref().is_some_and(|answer| wanted.is_answered(answer))),
            None => true,
        };
        let now = number.try_update_value(|number| {
            *number += 1;
            *number
        });
        if !is_free || is_known || asked.with_value(|asked| *asked == wanted) {
            return;
        }
        let due = move || {
            // The page may have been left meanwhile.
            if number.try_get_value() == now && question.try_get_untracked() == Some(wanted.clone()) {
                asked.set_value(wanted.clone());
                ask(wanted.clone());
            }
        };
        set_timeout(due, Duration::from_millis(TYPING_MS));
    });
}

fn status(lab: Lab, question: Memo<Option<Question>>) -> &'static str {
    match (lab.engine.get(), lab.asking.get()) {
        (Engine::Loading, _) => "The engine is loading.",
        (Engine::Broken, _) => "The engine has stopped.",
        (Engine::Ready, true) => "Asking …",
        (Engine::Ready, false) if question.with(Option::is_none) => "Type a sentence.",
        (Engine::Ready, false) if lab.is_running() || lab.is_studying() => {
            "A run trains: press Ask; while nothing trains, answers come as you type."
        }
        (Engine::Ready, false) => "Answers come as you type.",
    }
}

fn example(form: Form, of: Example) -> impl IntoView {
    view! {
        <button
            type="button"
            class="button"
            title=of.text
            data-testid=format!("try-example-{}", of.name)
            on:click=move |_| form.text.set(of.text.to_owned())
        >
            {of.name}
        </button>
    }
}

/// The two that are asked.
pub(super) fn whom(lab: Lab, form: Form) -> impl IntoView {
    view! {
        <div class="ask-whom">{choice(lab, form, 0, "Left", "try-left")} {choice(lab, form, 1, "Right", "try-right")}</div>
    }
}

fn choice(lab: Lab, form: Form, side: usize, label: &'static str, name: &'static str) -> impl IntoView {
    let asked = Memo::new(move |_| form.runs(lab)[side].clone());
    let choose = move |event| {
        let run = event_target_value(&event);
        form.chosen.update(|chosen| chosen[side] = Some(run));
    };
    let option = move |of: Candidate| {
        let run = of.run.clone();
        view! { <option value=of.run prop:selected=move || asked.with(|asked| asked.as_ref() == Some(&run))>{of.title}</option> }
    };
    let none = move || {
        let is_none = move || asked.with(Option::is_none);
        match form.model(lab).filter(|_| side == 0) {
            Some(model) => {
                let title = called(&Author::Model(model), &[]);
                Some(view! { <option value="" prop:selected=is_none>{title}</option> }.into_any())
            }
            None => is_none().then(|| view! { <option value="" selected>"nobody yet"</option> }.into_any()),
        }
    };
    view! {
        <label>
            {label}
            <select data-testid=name on:change=choose>
                {none}
                {move || form.candidates.get().into_iter().map(option).collect_view()}
            </select>
        </label>
    }
}

fn nothing(lab: Lab) -> impl IntoView {
    let press = move || if lab.is_open() { "See the run" } else { "Start a run" };
    view! {
        <p class="empty">"There is no model to ask yet: a run leaves one when it is finished, and can be asked while it trains."</p>
        <div class="buttons">
            <button type="button" class="button primary" on:click=move |_| Page::Lab.open()>{press}</button>
        </div>
    }
}
