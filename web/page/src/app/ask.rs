//! Try: what the dense and the pruned model predict for the same text.

use apt_bridge::{Answer, Command, Outcome, Prediction, RunState};
use apt_experiment::{BUILTIN_TASK, TaskName};
use leptos::prelude::*;

use super::state::{Lab, Page};
use crate::figures::{count, milliseconds, plain, share};

/// Texts of the built-in language, one for each thing it asks of a reader.
const EXAMPLES: [(&str, &str); 6] = [
    ("plain", "The soup was superb, and the waiter was charming."),
    ("negation", "I did not enjoy the plot."),
    ("contrast", "Although the room was lovely, the shower was a disaster."),
    ("intensity", "The screen was slightly disappointing and the battery was absolutely brilliant."),
    ("hearsay", "The critics said that the ending was awful, but I found the ending was a triumph."),
    ("weight", "The music was dreadful and the acting was great, but the acting counted more."),
];

pub(crate) fn view(lab: Lab) -> impl IntoView {
    let has_model = Memo::new(move |_| {
        lab.state().is_some_and(|state| matches!(state, RunState::Running | RunState::Paused | RunState::Done))
    });
    view! {
        <div class="page" data-testid="page-try">
            <h1>"Try"</h1>
            <p>"The same text, read by the newest finished dense run of the same model and task, and by the run that is open."</p>
            {move || if has_model.get() { form(lab).into_any() } else { nothing(lab).into_any() }}
        </div>
    }
}

fn form(lab: Lab) -> impl IntoView {
    let text = RwSignal::new(EXAMPLES[0].1.to_owned());
    let pair = RwSignal::new(String::new());
    let task =
        Memo::new(move |_| lab.run.with(|run| run.as_ref().map_or_else(|| "".into(), |run| run.knobs.task.clone())));
    let takes_pairs = move || task.with(|task: &TaskName| task.entry().is_none_or(|entry| entry.has_pairs));
    let is_builtin = move || task.with(|task| *task == BUILTIN_TASK);
    let ask = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let text = text.get_untracked().trim().to_owned();
        if text.is_empty() || lab.asking.get_untracked() {
            return;
        }
        let pair = Some(pair.get_untracked().trim().to_owned()).filter(|pair| !pair.is_empty());
        lab.asking.set(true);
        lab.send(Command::Try { text, pair: pair.filter(|_| untrack(takes_pairs)) });
    };
    let example = move |(what, words): (&'static str, &'static str)| {
        view! {
            <button type="button" class="button" title=words on:click=move |_| text.set(words.to_owned())>{what}</button>
        }
    };
    let second = move || {
        takes_pairs().then(|| {
            view! {
                <label for="try-pair">"Second text, if the task has pairs"</label>
                <textarea
                    id="try-pair"
                    data-testid="try-pair"
                    rows="2"
                    prop:value=pair
                    on:input=move |event| pair.set(event_target_value(&event))
                ></textarea>
            }
        })
    };
    view! {
        <form class="ask" on:submit=ask>
            <label for="try-text">"Text"</label>
            <textarea
                id="try-text"
                data-testid="try-text"
                rows="2"
                prop:value=text
                on:input=move |event| text.set(event_target_value(&event))
            ></textarea>
            {second}
            <div class="buttons">
                <button
                    type="submit"
                    class="button primary"
                    data-testid="try-ask"
                    aria-disabled=move || if lab.asking.get() { "true" } else { "false" }
                >
                    "Ask both"
                </button>
                {move || is_builtin().then(|| {
                    view! {
                        <span class="aside">"Examples:"</span>
                        {EXAMPLES.into_iter().map(example).collect_view()}
                    }
                })}
            </div>
        </form>
        <div aria-live="polite">
            {move || lab.asking.get().then(|| view! { <p class="aside">"Asking …"</p> })}
            {move || lab.answer.get().map(answer)}
        </div>
        {move || is_builtin().then(|| view! {
            <p class="help">"The built-in model only knows about 750 words of reviews; on other text its answer is a guess."</p>
        })}
    }
}

fn answer(answer: Answer) -> impl IntoView {
    let saved =
        answer.dense.as_ref().filter(|dense| answer.pruned.milliseconds > 0.0 && dense.parameters > 0).map(|dense| {
            format!(
                "Pruned: {} of the parameters, {:.2} times as fast.",
                share(answer.pruned.parameters as f64 / dense.parameters as f64),
                dense.milliseconds / answer.pruned.milliseconds
            )
        });
    let dense = match answer.dense {
        Some(dense) => prediction_view("Dense", "try-dense", dense).into_any(),
        None => view! {
            <section class="verdict" data-testid="try-dense">
                <h2>"Dense"</h2>
                <p class="empty">"No dense model has learned this yet. Run the preset lora to its end, with the same model and task; it then answers here."</p>
            </section>
        }
        .into_any(),
    };
    view! {
        <div class="verdicts">{dense} {prediction_view("Pruned", "try-pruned", answer.pruned)}</div>
        <p data-testid="try-saved">{saved}</p>
        <p class="tokens"><span class="aside">"Read as "</span>{answer.tokens.join(" ")}</p>
    }
}

fn prediction_view(title: &'static str, name: &'static str, prediction: Prediction) -> impl IntoView {
    let outcome = match prediction.outcome {
        Outcome::Classes(classes) => class_table(classes).into_any(),
        Outcome::Value(value) => view! { <p class="number">{plain(value)}</p> }.into_any(),
    };
    view! {
        <section class="verdict" data-testid=name>
            <h2>{title}</h2>
            {outcome}
            <p class="aside">
                {milliseconds(prediction.milliseconds)} " · " {count(prediction.parameters)} " parameters · after step " {prediction.step}
            </p>
        </section>
    }
}

fn class_table(classes: Vec<(String, f64)>) -> impl IntoView {
    let best = classes.iter().map(|class| class.1).fold(f64::NEG_INFINITY, f64::max);
    let row = |(label, probability): (String, f64)| {
        let is_best = probability >= best;
        view! {
            <tr class:best=is_best>
                <th scope="row">{label}</th>
                <td><span class="bar" style:width=format!("{:.2}%", 100.0 * probability)></span></td>
                <td class="number">{share(probability)}</td>
            </tr>
        }
    };
    view! { <table class="plain"><tbody>{classes.into_iter().map(row).collect_view()}</tbody></table> }
}

fn nothing(lab: Lab) -> impl IntoView {
    let stored = move || {
        let runs = lab.runs.get();
        let button = |run: apt_bridge::StoredRun| {
            let label = format!("Open {}", run.name);
            view! { <button type="button" class="button" on:click=move |_| lab.open(&run, false)>{label}</button> }
        };
        runs.into_iter().take(5).map(button).collect_view()
    };
    view! {
        <p class="empty">"No run is open, so there is no model to ask."</p>
        <div class="buttons">
            <button type="button" class="button primary" on:click=move |_| Page::Lab.open()>"Start one in the Lab"</button>
            {stored}
        </div>
    }
}
