//! Studies, and runs side by side: what each set otherwise, their curves, the report on all of them, and the way in and
//! out for records.

use std::collections::BTreeSet;
use std::sync::Arc;

use apt_bridge::Command;
use apt_experiment::{Explain, Knobs, Problem, Record};
use apt_report::comparison_markdown;
use leptos::prelude::*;

use super::browser::chosen_files;
use super::buttons::{action, never};
use super::export::offer;
use super::figure::figure;
use super::state::{Lab, Page};
use super::{report, study};
use crate::chart::Plot;
use crate::export::{Saved, comparison_csv, comparison_json};
use crate::figures::{bytes, metric, milliseconds, or_nothing, seconds, share};
use crate::plots;
use crate::runs::{Row, baseline, changed, rows, state_name, titles};

/// Makes a file of runs.
type Comparison = fn(&[(&str, &Record)]) -> Result<Saved, String>;

/// What one run can be compared with the others by.
type Selected = RwSignal<BTreeSet<String>>;

pub(crate) fn view(lab: Lab) -> impl IntoView {
    lab.load_runs();
    lab.load_records();
    let selected: Selected = RwSignal::default();
    let table = Memo::new(move |_| lab.runs.with(|runs| lab.records.with(|records| rows(runs, records))));
    let picked = move || {
        let rows = table.get();
        let picked = rows.into_iter().filter(|row| selected.with(|selected| selected.contains(&row.name)));
        let picked: Vec<Row> = picked.filter(|row| row.record.is_some()).collect();
        let titles = titles(&picked);
        titles.into_iter().zip(picked).filter_map(|(title, row)| Some((title, row.record?))).collect::<Vec<_>>()
    };
    let overlay = move |plot: fn(&[(&str, &Record)]) -> Plot| {
        move || {
            let picked = picked();
            let runs: Vec<_> = picked.iter().map(|(name, record)| (name.as_str(), record.as_ref())).collect();
            plot(&runs)
        }
    };
    let empty = "Select finished runs in the table.";
    view! {
        <div class="page" data-testid="page-compare">
            <h1>"Compare"</h1>
            {study::view(lab)}
            {import(lab)}
            {listing(lab, table, selected)}
            {exports(lab, table, selected)}
            <section aria-labelledby="curves-title">
                <h2 id="curves-title">"Curves of the selected"</h2>
                <div class="charts">
                    {figure(lab, "compare-metric", overlay(plots::metrics), empty)}
                    {figure(lab, "compare-loss", overlay(plots::losses), empty)}
                    {figure(lab, "compare-density", overlay(plots::densities), empty)}
                </div>
            </section>
            {report::view(lab)}
        </div>
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

fn listing(lab: Lab, table: Memo<Vec<Row>>, selected: Selected) -> impl IntoView {
    // What changed is said against the whole method if it is among the selected, else against the first of them.
    let chosen = Memo::new(move |_| {
        table.with(|rows| {
            let rows: Vec<&Row> =
                rows.iter().filter(|row| selected.with(|selected| selected.contains(&row.name))).collect();
            baseline(&rows).map(|row| (row.title.clone(), row.knobs.clone()))
        })
    });
    let base = Memo::new(move |_| chosen.get().map(|(_, knobs)| knobs).unwrap_or_default());
    let against = move || match chosen.get() {
        Some((title, _)) => format!("against {title}"),
        None => "against the defaults".to_owned(),
    };
    let all = move || table.get().into_iter().map(|row| line(lab, row, base, selected)).collect_view();
    view! {
        <section aria-labelledby="runs-title">
            <h2 id="runs-title">"Runs"</h2>
            {move || table.with(Vec::is_empty).then(|| view! {
                <p class="empty">"No run is stored in this browser yet. Start one in the Lab, or import a record."</p>
            })}
            <div class="scroll" tabindex="0" role="region" aria-label="Table of runs" class:nothing=move || table.with(Vec::is_empty)>
                <table class="runs" data-testid="runs">
                    <thead>
                        <tr>
                            <th scope="col"><span class="unseen">"Selected"</span></th>
                            <th scope="col">"run"</th>
                            <th scope="col">"what changed " <span class="aside">{against}</span></th>
                            <th scope="col">"state"</th>
                            <th scope="col" class="number">"validation"</th>
                            <th scope="col" class="number">"test"</th>
                            <th scope="col" class="number">"kept"</th>
                            <th scope="col" class="number">"training"</th>
                            <th scope="col" class="number">"peak memory"</th>
                            <th scope="col" class="number">"inference, 32"</th>
                            <th scope="col">"on"</th>
                        </tr>
                    </thead>
                    <tbody>{all}</tbody>
                </table>
            </div>
        </section>
    }
}

fn line(lab: Lab, row: Row, base: Memo<Knobs>, selected: Selected) -> impl IntoView {
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
    let changes = move || match changed(&base.get(), &knobs) {
        none if none.is_empty() => "nothing".to_owned(),
        some => some.join(", "),
    };
    let state = match (row.state, row.progress) {
        (Some(state), Some((step, steps))) => format!("{}, {step} of {steps}", state_name(state)),
        (Some(state), None) => state_name(state).to_owned(),
        (None, _) => "imported".to_owned(),
    };
    view! {
        <tr data-testid=format!("run-{name}")>
            <td>
                <input
                    type="checkbox"
                    aria-label=format!("Select {name}")
                    data-testid=format!("select-{name}")
                    prop:checked=is_selected
                    on:change=select
                />
            </td>
            <th scope="row" class="run-cell">
                {row.title.clone()} <span class="aside">{name.clone()}</span>
                <span class="actions">{acts(lab, row)}</span>
            </th>
            <td class="changes">{changes}</td>
            <td>{state}</td>
            {cells.into_iter().map(|cell| view! { <td class="number">{cell}</td> }).collect_view()}
            <td>{device}</td>
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
        of(measures.and_then(|measures| measures.metric.validation), metric),
        of(measures.and_then(|measures| measures.metric.test), metric),
        of(record.and_then(Record::density), share),
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
    (open, record, delete)
}

fn save_record(lab: Lab, name: &str, record: &Record) {
    match record.to_json(name) {
        Ok(text) => {
            offer(lab, Some(Saved { name: format!("{name}-record.json"), kind: "application/json", text }));
        }
        Err(error) => lab.report(error.problem()),
    }
}

fn exports(lab: Lab, table: Memo<Vec<Row>>, selected: Selected) -> impl IntoView {
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
