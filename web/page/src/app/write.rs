//! Try, with decoders: a prompt, and what two models write behind it, token by token.

use apt_bridge::Command;
use apt_bridge::writing::Task;
use leptos::prelude::*;

use super::ask::{Form, whom};
use super::state::{Engine, Lab};
use crate::writing::{BEGINNINGS, LENGTH, MOST, Writing, authors, called, standing};

const SIDES: [&str; 2] = ["try-left-text", "try-right-text"];

/// What stands in the controls, as text.
#[derive(Clone, Copy)]
struct Fields {
    prompt: RwSignal<String>,
    length: RwSignal<String>,
    temperature: RwSignal<String>,
    seed: RwSignal<String>,
}

impl Fields {
    /// The task that they and the runs make; else why they make none.
    fn task(self, lab: Lab, form: Form) -> Result<Task, String> {
        let runs = form.runs(lab);
        let authors = form.candidates.with(|all| authors(all, [0, 1].map(|side| runs[side].as_deref())));
        let length = self.length.get().trim().parse::<usize>().ok().filter(|length| (1..=MOST).contains(length));
        let temperature = self.temperature.get().trim().parse::<f64>().ok().filter(|of| (0.0..=10.0).contains(of));
        let seed = self.seed.get().trim().parse::<u64>().ok();
        Ok(Task {
            authors,
            prompt: self.prompt.get(),
            length: length.ok_or_else(|| format!("The length is a number from 1 to {MOST}."))?,
            temperature: temperature.ok_or("The temperature is a number from 0 to 10.")?,
            seed: seed.ok_or("The seed is a whole number.")?,
        })
    }
}

pub(super) fn view(lab: Lab, form: Form) -> impl IntoView {
    let fields = Fields {
        prompt: RwSignal::new(BEGINNINGS[0].to_owned()),
        length: RwSignal::new(LENGTH.to_string()),
        temperature: RwSignal::new("0".to_owned()),
        seed: RwSignal::new("1".to_owned()),
    };
    let task = Memo::new(move |_| fields.task(lab, form));
    let goes_on = Memo::new(move |_| lab.writing.with(|writing| writing.as_ref().is_some_and(Writing::goes_on)));
    let is_ready = move || lab.engine.get() == Engine::Ready && task.with(Result::is_ok);
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if let (Ok(task), true) = (task.get_untracked(), untrack(is_ready)) {
            lab.writing.set(Some(Writing::begun(task.clone())));
            lab.send(Command::Write(task));
        }
    };
    let stop = move |_| {
        if goes_on.get_untracked() {
            lab.send(Command::StopWriting);
        }
    };
    let status = move || match (lab.engine.get(), goes_on.get(), task.get()) {
        (Engine::Loading, ..) => "The engine is loading.".to_owned(),
        (Engine::Broken, ..) => "The engine has stopped.".to_owned(),
        (_, _, Err(why)) => why,
        (_, true, Ok(_)) => "Writing …".to_owned(),
        (_, false, Ok(_)) => String::new(),
    };
    let beginning = move |text: &'static str| {
        view! { <button type="button" class="button" on:click=move |_| fields.prompt.set(text.to_owned())>{text}</button> }
    };
    view! {
        <p>"The same beginning, and what two models write behind it, a token each in turn: the model that a run began with and what is left of it, or any two runs."</p>
        <form class="ask" on:submit=submit>
            {whom(lab, form)}
            <label for="try-prompt">"Beginning"</label>
            <textarea
                id="try-prompt"
                data-testid="try-prompt"
                rows="2"
                prop:value=fields.prompt
                on:input=move |event| fields.prompt.set(event_target_value(&event))
            ></textarea>
            <div class="buttons" role="group" aria-label="Beginnings">
                <span class="aside">"Beginnings:"</span>
                {BEGINNINGS.map(beginning).collect_view()}
            </div>
            <div class="ask-how">
                {number("Tokens", "try-length", "1", fields.length)}
                {number("Temperature", "try-temperature", "0.1", fields.temperature)}
                {number("Seed", "try-seed", "1", fields.seed)}
            </div>
            <p class="help">"At temperature 0 the likeliest token comes each time; above it tokens are drawn, by the seed."</p>
            <p class="buttons">
                <button
                    type="submit"
                    class="button primary"
                    data-testid="try-write"
                    aria-disabled=move || if is_ready() { "false" } else { "true" }
                >
                    "Write"
                </button>
                <button
                    type="button"
                    class="button"
                    data-testid="try-stop"
                    aria-disabled=move || if goes_on.get() { "false" } else { "true" }
                    on:click=stop
                >
                    "Stop"
                </button>
                <span class="aside" role="status" data-testid="try-status">{status}</span>
            </p>
        </form>
        {texts(lab, form)}
    }
}

fn number(label: &'static str, name: &'static str, step: &'static str, value: RwSignal<String>) -> impl IntoView {
    view! {
        <label>
            {label}
            <input
                type="number"
                min="0"
                step=step
                data-testid=name
                prop:value=value
                on:input=move |event| value.set(event_target_value(&event))
            />
        </label>
    }
}

/// What has come.
fn texts(lab: Lab, form: Form) -> impl IntoView {
    // Anew for every task; within it only the words change.
    let task = Memo::new(move |_| lab.writing.with(|writing| writing.as_ref().map(|writing| writing.task.clone())));
    let titles = Memo::new(move |_| {
        let authors = task.with(|task| task.as_ref().map(|task| task.authors.clone()).unwrap_or_default());
        form.candidates.with(|all| authors.iter().map(|author| called(author, all)).collect::<Vec<_>>())
    });
    let saving = move || {
        let titles = titles.get();
        let [left, right] = titles.as_slice() else { return None };
        lab.writing.with(|writing| writing.as_ref()?.saving([left, right]))
    };
    let card = move |side: usize, prompt: String| {
        let text = Memo::new(move |_| {
            lab.writing.with(|writing| Some(writing.as_ref()?.texts.get(side)?.text.clone())).unwrap_or_default()
        });
        let standing = move || {
            let last = lab.writing.with(|writing| writing.as_ref()?.texts.get(side)?.last.clone());
            last.map_or_else(|| "reading …".to_owned(), |last| standing(&last))
        };
        view! {
            <section class="verdict" data-testid=SIDES[side.min(1)]>
                <h2>{move || titles.with(|titles| titles.get(side).cloned())}</h2>
                <p class="written"><span class="prompt">{prompt}</span><span data-testid="try-written">{text}</span></p>
                <p class="aside" data-testid="try-standing">{standing}</p>
            </section>
        }
    };
    let cards = move || {
        task.get().map(|task| {
            let sides = 0..task.authors.len().min(SIDES.len());
            view! { <div class="verdicts">{sides.map(|side| card(side, task.prompt.clone())).collect_view()}</div> }
        })
    };
    view! {
        {cards}
        <p data-testid="try-saved">{saving}</p>
    }
}
