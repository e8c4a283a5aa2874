//! What the records of this browser say together: the desktop's report, computed here.

use apt_report::{Entry, Report, ReportError, charts, csv, fragment, html, json, markdown};
use leptos::prelude::*;

use super::export::offer;
use super::shell::{action, never};
use super::state::Lab;
use crate::export::Saved;

/// Writes a report as a file.
type Writer = fn(&Report) -> Result<String, ReportError>;

pub(crate) fn view(lab: Lab) -> impl IntoView {
    let any = move || lab.records.with(|records| !records.is_empty());
    let piece = Memo::new(move |_| if any() { fragment(&report(lab)) } else { String::new() });
    let file = move |name: &'static str, kind: &'static str, write: Writer| {
        move || match write(&report(lab)) {
            Ok(text) => offer(lab, Some(Saved { name: name.to_owned(), kind, text })),
            Err(error) => lab.trouble("the report", &error.to_string(), "Export the records themselves."),
        }
    };
    view! {
        <section aria-labelledby="report-title" data-testid="report">
            <h2 id="report-title">"Arms and seeds"</h2>
            <p>
                "All finished runs of this browser and all imported records, grouped by everything but the seed: means with 95 % intervals, differences to the baseline of the same seed, what the metric costs. Runs of several seeds are needed for an interval; what one run says is said as that."
            </p>
            {move || (!any()).then(|| view! {
                <p class="empty">"No run is finished yet. Run apt and an arm of an axis with a few seeds each, or import records."</p>
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
        </section>
    }
}

/// The report on all records; names come from whoever wrote them, knobs decide what is compared.
fn report(lab: Lab) -> Report {
    let entries: Vec<Entry> = lab.records.with(|records| {
        let entry = |(name, record): &(String, std::sync::Arc<apt_lab::Record>)| Entry {
            name: name.clone(),
            record: Some(std::sync::Arc::clone(record)),
            failure: None,
        };
        records.iter().map(entry).collect()
    });
    Report::new(&entries, None)
}
