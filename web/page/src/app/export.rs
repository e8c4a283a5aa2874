//! Files to take away from the run that is shown.

use apt_bridge::{Command, RunState, Wanted};
use apt_experiment::{Explain, Problem};
use leptos::prelude::*;

use super::browser;
use super::buttons::{action, never};
use super::state::Lab;
use crate::export::{Saved, masks_csv, ranks_csv, salience_csv, structure_json};
use crate::history::History;

pub(crate) fn view(lab: Lab) -> impl IntoView {
    let has_model = move || lab.status.get().frames > 0;
    let has_scores = move || lab.status.get().frames > 1;
    // Weights can be exported while the worker has the run.
    let is_held = move || lab.is_open() || lab.state() == Some(RunState::Done);
    // A decoder's graph is not written.
    let has_graph =
        move || is_held() && lab.run.with(|run| run.as_ref().is_none_or(|run| !run.knobs.predicts_tokens()));
    let make = move |file: fn(&str, &History) -> Option<Saved>| {
        move || {
            let run = name(lab);
            offer(lab, lab.history.with_value(|history| file(&run, history)));
        }
    };
    let want = move |what| move || lab.send(Command::Export { what });
    view! {
        <details class="exports" data-testid="exports">
            <summary>"Download"</summary>
            <div class="buttons" role="group" aria-label="Files of this run">
                {action("Structure, JSON", "export-structure", never, has_model, make(structure_json))}
                {action("Masks, CSV", "export-masks", never, has_model, make(masks_csv))}
                {action("Ranks, CSV", "export-ranks", never, has_model, make(ranks_csv))}
                {action("Salience, CSV", "export-salience", never, has_scores, make(salience_csv))}
                {action("Record, JSON", "export-record", never, has_model, move || record(lab))}
                {action("ONNX", "export-onnx", never, has_graph, want(Wanted::Onnx))}
                {action("ONNX, fp16", "export-onnx-fp16", never, has_graph, want(Wanted::OnnxHalf))}
                {action("Weights", "export-weights", never, is_held, want(Wanted::Weights))}
                {action("Model config", "export-config", never, is_held, want(Wanted::Config))}
                {action("Tokenizer", "export-tokenizer", never, is_held, want(Wanted::Tokenizer))}
            </div>
            <p class="help">
                "ONNX, for encoders, is an archive with the folder that transformers.js, ONNX Runtime and optimum load. Weights are the \
                 compacted model with its adapters merged, as safetensors. The record opens in "
                <code>"apt-lab inspect"</code> " and in Compare."
            </p>
        </details>
    }
}

fn name(lab: Lab) -> String {
    lab.run.with_untracked(|run| run.as_ref().map(|run| run.name.clone())).unwrap_or_default()
}

/// The stored record of a run that is complete, else the record as far as the run has come.
fn record(lab: Lab) {
    let run = name(lab);
    let kept = lab.records.with_untracked(|records| {
        records.iter().find(|(name, _)| *name == run).map(|(name, record)| record.to_json(name))
    });
    let text =
        kept.or_else(|| lab.history.with_value(|history| history.kept_record().map(|record| record.to_json(&run))));
    match text {
        Some(Ok(text)) => {
            let saved = Saved { name: format!("{run}-record.json"), kind: "application/json", text };
            offer(lab, Some(saved));
        }
        Some(Err(error)) => lab.report(error.problem()),
        None => {}
    }
}

/// Offers a file to save, or says that it could not be made.
pub(crate) fn offer(lab: Lab, file: Option<Saved>) {
    let saved = file.as_ref().map(|file| browser::save(&file.name, file.kind, file.text.as_bytes()));
    if !matches!(saved, Some(Ok(()))) {
        let name = file.map_or_else(|| "the file".to_owned(), |file| file.name);
        lab.report(Problem::new(name, "the browser did not save the file", "Allow downloads for this page."));
    }
}
