//! All runs and records in one table, with what each set otherwise; the way in and out for records.

use std::collections::BTreeSet;
use std::sync::Arc;

use apt_bridge::{Command, RunState};
use apt_experiment::{Explain, Knobs, Problem, Record};
use apt_report::comparison_markdown;
use leptos::prelude::*;

use super::browser::chosen_files;
use super::buttons::{action, never};
use super::compare::Compare;
use super::export::offer;
use super::state::{Lab, Page};
use crate::baseline::Pin;
use crate::export::{Saved, comparison_csv, comparison_json};
use crate::figures::{bytes, metric, milliseconds, or_nothing, seconds, share};
use crate::runs::{Row, baseline, changed, state_name};

/// Makes a file of runs.
type Comparison = fn(&[(&str, &Record)]) -> Result<Saved, String>;

/// Headings of what is measured; the first two are shown on a phone.
const MEASURES: [&str; 6] =
    ["test", "weights left (no embeddings)", "validation", "training", "peak memory", "inference, 32"];

pub(crate) fn view(lab: Lab, compare: Compare) -> impl IntoView {
    view! {
        {import(lab)}
        {exports(lab, compare)}
        {listing(lab, compare)}
    }
}

fn import(lab: Lab) -> impl IntoView {
    view! {
        <p class="line">
            <label class="button file">
                "Import records"
                <input
                    type="file"
                    multiple
                    accept=".json,application/json"
                    data-testid="import"
                    on:change=move |event| lab.import(chosen_files(&event))
                />
            </label>
            <span class="aside">"or drop " <code>"record.json"</code> " of the desktop program anywhere on the page."</span>
        </p>
    }
}

fn listing(lab: Lab, compare: Compare) -> impl IntoView {
    let Compare { table, selected, .. } = compare;
    // What changed is said against the pinned run, else the whole method if it is among the selected, else the first of
    // them.
    let chosen = Memo::new(move |_| {
        table.with(|rows| {
            let picked: Vec<&Row> =
                rows.iter().filter(|row| selected.with(|selected| selected.contains(&row.name))).collect();
            let pinned = lab.pin.with(|pin| pin.row(rows));
            pinned.or_else(|| baseline(&picked)).map(|row| (row.title.clone(), row.knobs.clone()))
        })
    });
    let base = Memo::new(move |_| chosen.get().map(|(_, knobs)| knobs).unwrap_or_default());
    let against = move || match chosen.get() {
        Some((title, _)) => format!("against {title}"),
        None => "against the defaults".to_owned(),
    };
    let all = move || table.get().into_iter().map(|row| line(lab, row, base, selected)).collect_view();
    let heading = |(place, name): (usize, &'static str)| view! { <th scope="col" class="number" class:minor=is_minor(place)>{name}</th> };
    view! {
        {move || table.with(Vec::is_empty).then(|| view! {
            <p class="empty">"No run is stored in this browser yet. Start one in the Lab, or import a record."</p>
        })}
        <div class="wide" class:nothing=move || table.with(Vec::is_empty)>
            <label class="all-columns"><input type="checkbox" />" all columns"</label>
            <div class="scroll" tabindex="0" role="region" aria-label="Table of runs">
                <table class="runs" data-testid="runs">
                    <thead>
                        <tr>
                            <th scope="col">"run"</th>
                            <th scope="col" class="minor">"what changed " <span class="aside">{against}</span></th>
                            {MEASURES.into_iter().enumerate().map(heading).collect_view()}
                            <th scope="col" class="minor">"on"</th>
                        </tr>
                    </thead>
                    <tbody>{all}</tbody>
                </table>
            </div>
        </div>
    }
}

fn is_minor(place: usize) -> bool {
    place > 1
}

fn line(lab: Lab, row: Row, base: Memo<Knobs>, selected: RwSignal<BTreeSet<String>>) -> impl IntoView {
    let (name, knobs) = (row.name.clone(), row.knobs.clone());
    let of = name.clone();
    let is_selected = move || selected.with(|selected| selected.contains(&of));
    let of = name.clone();
    let select = move |event| {
        selected.update(|selected| {
            if event_target_checked(&event) {
                selected.insert(of.clone())
            } else {
                selected.remove(&of)
            };
        });
    };
    let device = row.device.clone();
    let cells = measures(row.record.as_deref());
    let cell = |(place, words): (usize, String)| view! { <td class="number" class:minor=is_minor(place)>{words}</td> };
    let changes = move || match changed(&base.get(), &knobs) {
        none if none.is_empty() => "nothing".to_owned(),
        some => some.join(", "),
    };
    let state = match (row.state, row.progress) {
        (Some(RunState::Done), _) => String::new(),
        (Some(state), Some((step, steps))) => format!(", {}, {step} of {steps}", state_name(state)),
        (Some(state), None) => format!(", {}", state_name(state)),
        (None, _) => ", imported".to_owned(),
    };
    view! {
        <tr data-testid=format!("run-{name}")>
            <th scope="row" class="run-cell">
                <label>
                    <input
                        type="checkbox"
                        aria-label=format!("Select {name}")
                        data-testid=format!("select-{name}")
                        prop:checked=is_selected
                        on:change=select
                    />
                    {row.title.clone()}
                </label>
                <span class="aside">{name.clone()} {state}</span>
                <span class="actions">{acts(lab, row)}</span>
            </th>
            <td class="changes minor">{changes}</td>
            {cells.into_iter().enumerate().map(cell).collect_view()}
            <td class="minor">{device}</td>
        </tr>
    }
}

fn measures(record: Option<&Record>) -> [String; 6] {
    let measures = record.map(|record| &record.measures);
    let of = |value: Option<f64>, show: fn(f64) -> String| or_nothing(value, show);
    let peak = measures.and_then(|measures| measures.train.peak_device_bytes.or(measures.train.peak_process_bytes));
    let inference =
        measures.and_then(|measures| measures.inference.batch_32.compact_ms.or(measures.inference.batch_32.dense_ms));
    [
        of(measures.and_then(|measures| measures.metric.test), metric),
        of(record.and_then(Record::density), share),
        of(measures.and_then(|measures| measures.metric.validation), metric),
        of(measures.and_then(|measures| measures.train.seconds), seconds),
        or_nothing(peak, bytes),
        of(inference, milliseconds),
    ]
}

fn acts(lab: Lab, row: Row) -> impl IntoView {
    let name = row.name.clone();
    let stored =
        row.state.and_then(|_| lab.runs.with_untracked(|runs| runs.iter().find(|run| run.name == name).cloned()));
    let open = stored.map(|run| {
        let test = format!("open-{}", run.name);
        let act = move |_| {
            lab.open(&run, false);
            Page::Lab.open();
        };
        view! { <button type="button" class="button quiet" data-testid=test on:click=act>"Open"</button> }
    });
    let record = row.record.clone().map(|record| {
        let (of, test) = (name.clone(), format!("record-{name}"));
        let act = move |_| save_record(lab, &of, &record);
        view! { <button type="button" class="button quiet" data-testid=test on:click=act>"Record"</button> }
    });
    let pin = pin_button(lab, &name);
    let is_open_here = lab.run.with_untracked(|run| run.as_ref().is_some_and(|run| run.name == name)) && lab.is_open();
    let delete = (!is_open_here).then(|| {
        // The first press asks, the second removes.
        let asked = RwSignal::new(false);
        let test = format!("delete-{name}");
        let act = move |_| {
            if asked.get_untracked() {
                lab.send(Command::RemoveRun { run: name.clone() });
            }
            asked.update(|asked| *asked = !*asked);
        };
        view! {
            <button type="button" class="button quiet" data-testid=test on:click=act on:blur=move |_| asked.set(false)>
                {move || if asked.get() { "Really delete?" } else { "Delete" }}
            </button>
        }
    });
    (open, record, pin, delete)
}

/// Makes a run what others are compared with, or no longer.
fn pin_button(lab: Lab, name: &str) -> impl IntoView + use<> {
    let test = format!("pin-{name}");
    let pinned = Pin::Run(name.to_owned());
    let is_pinned = Memo::new({
        let pinned = pinned.clone();
        move |_| lab.pin.with(|pin| *pin == pinned)
    });
    let act = move |_| lab.pin.update(|pin| *pin = if *pin == pinned { Pin::Default } else { pinned.clone() });
    view! {
        <button
            type="button"
            class="button quiet"
            class:pinned=is_pinned
            aria-pressed=move || if is_pinned.get() { "true" } else { "false" }
            data-testid=test
            on:click=act
        >
            "Baseline"
        </button>
    }
}

fn save_record(lab: Lab, name: &str, record: &Record) {
    match record.to_json(name) {
        Ok(text) => {
            offer(lab, Some(Saved { name: format!("{name}-record.json"), kind: "application/json", text }));
        }
        Err(error) => lab.report(error.problem()),
    }
}

fn exports(lab: Lab, compare: Compare) -> impl IntoView {
    let Compare { table, selected, .. } = compare;
    // The selected, or all if none is.
    let rows = move || {
        let none = selected.with_untracked(BTreeSet::is_empty);
        let picked = |row: &Row| none || selected.with_untracked(|selected| selected.contains(&row.name));
        let rows = table.get_untracked().into_iter().filter(picked);
        rows.filter_map(|row| Some((row.name, row.record?))).collect::<Vec<(String, Arc<Record>)>>()
    };
    let file = move |make: Comparison| {
        move || {
            let rows = rows();
            let rows: Vec<_> = rows.iter().map(|(name, record)| (name.as_str(), record.as_ref())).collect();
            match make(&rows) {
                Ok(saved) => offer(lab, Some(saved)),
                Err(why) => lab.report(Problem::new("the comparison", why, "Select other runs.")),
            }
        }
    };
    let any = move || table.with(|rows| rows.iter().any(|row| row.record.is_some()));
    view! {
        <div class="buttons" role="group" aria-label="Export the comparison">
            {action("CSV", "compare-csv", never, any, file(|rows| comparison_csv(rows).ok_or_else(|| "no table was made".to_owned())))}
            {action("JSON", "compare-json", never, any, file(comparison_json))}
            {action("Markdown", "compare-markdown", never, any, file(|rows| Ok(markdown(rows))))}
            <span class="aside">"of the selected runs, or of all"</span>
        </div>
    }
}

fn markdown(rows: &[(&str, &Record)]) -> Saved {
    let text = format!("{}\n", comparison_markdown(rows));
    Saved { name: "comparison.md".to_owned(), kind: "text/markdown", text }
}
