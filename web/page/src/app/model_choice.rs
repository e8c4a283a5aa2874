//! Which model: the built-in one, a tiny one, one that was dropped, one of the hub, one at an address; and what it needs.

use apt_bridge::{Command, FileSet};
use apt_experiment::{
    BUILTIN_DECODER, BUILTIN_MODEL, BUILTIN_TASK, NANO_DECODER, NANO_MODEL, Problem, is_own_decoder, is_own_model,
};
use leptos::prelude::*;

use super::browser::chosen_files;
use super::buttons::lock_mark;
use super::data_card;
use super::hub;
use super::state::Lab;
use crate::figures::bytes;
use crate::hub::{commit, of_hub};

pub(crate) fn view(lab: Lab) -> impl IntoView {
    let hidden = lab.settings.with_untracked(|settings| settings.is_hidden("model"));
    (!hidden).then(|| {
        view! {
            <fieldset class="models">
                <legend>"Model" {lock_mark(lab, "model")}</legend>
                {choice(lab, BUILTIN_MODEL.to_owned(), "built-in", "BERT, 4 layers of 128 dims, pretrained")}
                {choice(lab, BUILTIN_DECODER.to_owned(), "built-in decoder", "LLaMA, 4 layers of 128 dims, pretrained: it writes")}
                {choice(lab, NANO_MODEL.to_owned(), NANO_MODEL, "two small layers from random weights, for a quick look")}
                {choice(lab, NANO_DECODER.to_owned(), NANO_DECODER, "the same as a decoder")}
                {move || models(lab).into_iter().map(|set| dropped(lab, set)).collect_view()}
                {hub::view(lab)}
                {elsewhere(lab)}
            </fieldset>
            {drop_zone(lab)}
            {estimate(lab)}
        }
    })
}

fn models(lab: Lab) -> Vec<FileSet> {
    lab.sets.with(|sets| sets.iter().filter(|set| set.is_model()).cloned().collect())
}

fn choice(lab: Lab, model: String, label: &str, words: &str) -> impl IntoView + use<> {
    let (of, value, name) = (model.clone(), model.clone(), format!("model-{model}"));
    let chosen = move || lab.settings.with(|settings| settings.knobs.model == of);
    let choose = move |_| {
        lab.settings.update(|settings| {
            settings.knobs.model.clone_from(&model);
            // Of others it is known once their files are read.
            if is_own_model(&model) {
                settings.knobs = settings.knobs.clone().fitted(is_own_decoder(&model));
            }
        });
    };
    view! {
        <label class="card">
            <input
                type="radio"
                name="model"
                value=value
                data-testid=name
                prop:checked=chosen
                disabled=move || is_fixed(lab, "model")
                on:change=choose
            />
            <span class="card-name">{label.to_owned()}</span>
            <span class="card-words">{words.to_owned()}</span>
        </label>
    }
}

fn dropped(lab: Lab, set: FileSet) -> impl IntoView {
    let size: u64 = set.files.iter().map(|(_, size)| size).sum();
    let name = set.name.clone();
    let (label, words) = match of_hub(&set.name) {
        Some(model) => (model.repo.clone(), format!("of the hub, commit {}, {}", commit(&model), bytes(size))),
        None => (set.name.clone(), format!("dropped files, {}", bytes(size))),
    };
    let remove = move |_| {
        lab.settings.update(|settings| {
            if settings.knobs.model == name {
                BUILTIN_MODEL.clone_into(&mut settings.knobs.model);
            }
        });
        lab.send(Command::RemoveFiles { name: name.clone() });
    };
    view! {
        <div class="with-remove">
            {choice(lab, set.name.clone(), &label, &words)}
            <button type="button" class="button quiet" aria-label=format!("Remove {}", set.name) on:click=remove>"Remove"</button>
        </div>
    }
}

/// Whether the control may not be changed now.
pub(crate) fn is_fixed(lab: Lab, name: &str) -> bool {
    lab.is_open() || lab.settings.with(|settings| settings.is_locked(name))
}

/// A checkpoint at an address that the user types. It and the hub are the only other hosts that are ever asked.
fn elsewhere(lab: Lab) -> impl IntoView {
    let typed = RwSignal::new(String::new());
    let used = move || {
        lab.settings.with(|settings| settings.knobs.model.starts_with("https://").then(|| settings.knobs.model.clone()))
    };
    let act = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let address = typed.get_untracked().trim().to_owned();
        if address.starts_with("https://") {
            lab.confirmed_address.set(Some(address.clone()));
            lab.settings.update(|settings| settings.knobs.model = address);
        } else {
            let remedy = "Give the address of a folder that holds config.json, tokenizer.json and model.safetensors.";
            lab.report(Problem::new("the address of a model", "an address begins with https://", remedy));
        }
    };
    view! {
        <details class="elsewhere">
            <summary>"A model at an address"</summary>
            <form class="line" on:submit=act>
                <label for="model-address">"Folder"</label>
                <input
                    type="url"
                    id="model-address"
                    data-testid="model-address"
                    placeholder="https://…"
                    disabled=move || is_fixed(lab, "model")
                    on:input=move |event| typed.set(event_target_value(&event))
                />
                <button type="submit" class="button" data-testid="model-address-use" disabled=move || is_fixed(lab, "model")>"Use"</button>
            </form>
            <p class="help">"Files are fetched from that address when the memory is estimated and when you press Start; from one that only a link names, not before you press Start. Nothing else leaves your computer."</p>
            {move || used().map(|address| view! { <p class="aside">"In use: " {address}</p> })}
        </details>
    }
}

fn drop_zone(lab: Lab) -> impl IntoView {
    let over = RwSignal::new(false);
    let data = move || {
        let name = lab.settings.with(|settings| settings.knobs.data.clone())?;
        let kept = lab.sets.with(|sets| sets.iter().any(|set| set.name == name));
        let words = if kept { format!("Data: {name}") } else { format!("Data: {name} (not among the dropped files)") };
        let forget = move |_| {
            lab.settings.update(|settings| {
                settings.knobs.data = None;
                settings.knobs.task = BUILTIN_TASK.into();
            });
        };
        Some(view! {
            <p class="with-remove" data-testid="data-in-use">
                <span>{words}</span>
                <button type="button" class="button quiet" disabled=move || is_fixed(lab, "data") on:click=forget>"Use the built-in task"</button>
            </p>
        })
    };
    view! {
        <div
            class="drop"
            class:over=over
            data-testid="drop"
            on:dragenter=move |_| over.set(true)
            on:dragleave=move |_| over.set(false)
            on:drop=move |_| over.set(false)
        >
            <p>
                "Bring your own: drop the files of a model's folder together (" <code>"config.json"</code> ", the tokenizer's and "
                <code>"model.safetensors"</code> " or its shards), or a " <code>".csv"</code> ", " <code>".tsv"</code> ", "
                <code>".json"</code> " or " <code>".jsonl"</code> " with text and label; for a decoder also a text, " <code>".txt"</code> "."
            </p>
            <label class="button file">
                "Choose files"
                <input
                    type="file"
                    multiple
                    data-testid="files"
                    on:change=move |event| lab.take_files(chosen_files(&event))
                />
            </label>
        </div>
        {data}
        {data_card::view(lab)}
    }
}

pub(crate) fn estimate(lab: Lab) -> impl IntoView {
    let shown = move || {
        let estimate = lab.estimate.get()?;
        let total = estimate.total();
        let over = estimate.limit.is_some_and(|limit| total > limit);
        let each =
            if estimate.workers > 1 { format!(" in each of {} workers", estimate.workers) } else { String::new() };
        let of = estimate.limit.map(|limit| format!(" of at most {}", bytes(limit)));
        let parts = estimate.parts.into_iter().map(|(part, size)| {
            view! { <tr><th scope="row">{part}</th><td>{bytes(size)}</td></tr> }
        });
        Some(view! {
            <details class:over=over>
                <summary>"Memory: about " <b>{bytes(total)}</b> {each} {of}</summary>
                <table class="plain"><tbody>{parts.collect_view()}</tbody></table>
                {over.then(|| view! { <p class="error">"This browser cannot give that much. Take a smaller batch_size or max_length."</p> })}
            </details>
        })
    };
    let foreign = move || {
        let model = lab.is_unconfirmed().then(|| lab.settings.with(|settings| settings.knobs.model.clone()))?;
        Some(view! {
            <p class="aside" data-testid="foreign">
                "The model is at " {model} ", which this link names. Its host is contacted when a run starts, not before."
            </p>
        })
    };
    view! {
        <div class="estimate" data-testid="estimate">{shown}</div>
        {foreign}
    }
}
