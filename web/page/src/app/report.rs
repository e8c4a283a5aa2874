//! What the records of this browser say together: the desktop's report, computed here, on one study or on all runs.

use apt_experiment::{Explain, Study};
use apt_report::{Entry, Report, ReportError, charts, csv, fragment, html, json, markdown};
use leptos::prelude::*;

use super::buttons::{action, never};
use super::export::offer;
use super::state::Lab;
use crate::baseline::Pin;
use crate::export::Saved;
use crate::runs::title;
use crate::studies;

/// Writes a report as a file.
type Writer = fn(&Report) -> Result<String, ReportError>;

pub(crate) fn view(lab: Lab) -> impl IntoView {
    let any = move || has_any(lab);
    let piece = Memo::new(move |_| if any() { fragment(&of(lab)) } else { String::new() });
    let file = move |name: &'static str, kind: &'static str, write: Writer| {
        move || match write(&of(lab)) {
            Ok(text) => offer(lab, Some(Saved { name: name.to_owned(), kind, text })),
            Err(error) => lab.report(error.problem()),
        }
    };
    view! {
        <div data-testid="report">
            {choice(lab)}
            {pinned(lab)}
            <p>
                {move || if lab.report_of.with(Option::is_some) {
                    "The runs of the study, and whatever else is here of one of its arms: runs made by hand, imported records."
                } else {
                    "All finished runs of this browser and all imported records, grouped by everything but the seed."
                }}
                " Means with 95 % intervals, differences to the baseline of the same seed, what the metric costs."
            </p>
            {move || (!any()).then(|| view! {
                <p class="empty">"No run is finished yet. Run a study, or apt and an arm of an axis with a few seeds each, or import records."</p>
            })}
            <div class="buttons" role="group" aria-label="Export the report">
                {action("HTML", "report-html", never, any, file("report.html", "text/html", |report| Ok(html(report))))}
                {action("Markdown", "report-markdown", never, any, file("report.md", "text/markdown", |report| Ok(markdown(report))))}
                {action("CSV", "report-csv", never, any, file("report.csv", "text/csv", csv))}
                {action("JSON", "report-json", never, any, file("report.json", "application/json", json))}
                {action("Charts, SVG", "report-svg", never, any, file("charts.svg", "image/svg+xml", |report| Ok(charts(report))))}
            </div>
            // Written by our own templates, which escape whatever a record says.
            <div class="report" inner_html=move || piece.get()></div>
        </div>
    }
}

/// Whether there is anything to report on.
pub(crate) fn has_any(lab: Lab) -> bool {
    lab.report_of.with(Option::is_some) || lab.records.with(|records| !records.is_empty())
}

/// Which study answer and report are on.
pub(crate) fn choice(lab: Lab) -> impl IntoView {
    let names = Memo::new(move |_| {
        lab.studies.with(|studies| studies.iter().map(|study| study.name.clone()).collect::<Vec<_>>())
    });
    let choose = move |event| {
        let name = event_target_value(&event);
        lab.report_of.set((!name.is_empty()).then_some(name));
    };
    let chosen = move |name: &str| lab.report_of.with(|of| of.as_deref().unwrap_or_default() == name);
    let option = move |name: String| {
        let (of, label) = (name.clone(), format!("study {name}"));
        view! { <option value=name prop:selected=move || chosen(&of)>{label}</option> }
    };
    move || {
        (!names.with(Vec::is_empty)).then(|| {
            view! {
                <p class="line">
                    <label for="report-of">"On"</label>
                    <select id="report-of" data-testid="report-of" on:change=choose>
                        <option value="" prop:selected=move || chosen("")>"all runs"</option>
                        {names.get().into_iter().map(option).collect_view()}
                    </select>
                </p>
            }
        })
    }
}

/// What the others are compared with, where that was chosen.
pub(crate) fn pinned(lab: Lab) -> impl IntoView {
    let title = Memo::new(move |_| {
        lab.pin.with(|pin| {
            let record =
                lab.records.with(|records| records.iter().find(|(of, _)| Some(of.as_str()) == pin.run()).cloned());
            record.map(|(_, record)| title(record.preset.as_deref(), &record.config))
        })
    });
    let reset = move |_| lab.pin.set(Pin::Default);
    move || {
        title.get().filter(|_| lab.report_of.with(Option::is_none)).map(|title| {
            view! {
                <p class="line" data-testid="pinned">
                    <span>"Compared with " <b>{title}</b></span>
                    <button type="button" class="button quiet" data-testid="unpin" on:click=reset>"Compare with APT again"</button>
                </p>
            }
        })
    }
}

/// The report on the chosen study, else on all records; names come from whoever wrote them, knobs decide what is
/// compared.
pub(crate) fn of(lab: Lab) -> Report {
    let chosen = lab.report_of.get();
    let stored = lab.studies.with(|studies| studies.iter().find(|study| Some(&study.name) == chosen.as_ref()).cloned());
    let study = stored.and_then(|stored| Some((Study::resolve(&stored.file, &stored.name).ok()?, stored)));
    let pinned = lab.pin.with(|pin| {
        let name = pin.run()?;
        lab.records.with(|records| Some(records.iter().find(|(of, _)| of == name)?.1.config.clone()))
    });
    lab.records.with(|records| match &study {
        Some((study, stored)) => Report::new(&studies::entries(stored, study, records), Some(study)),
        None => {
            let entry = |(name, record): &(String, std::sync::Arc<apt_experiment::Record>)| Entry {
                name: name.clone(),
                record: Some(std::sync::Arc::clone(record)),
                failure: None,
            };
            Report::against(&records.iter().map(entry).collect::<Vec<_>>(), None, pinned.as_ref())
        }
    })
}
