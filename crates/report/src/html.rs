//! The report as one HTML file: nothing is loaded, no script runs, light and dark follow the reader's setting.

mod section;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::chart::{DARK, LIGHT};
use crate::report::Report;
use crate::texts::{METHOD, compared, measures, reason};

const STYLE: &str = include_str!("html/style.css");

/// The report as a whole HTML document.
#[must_use]
pub fn html(report: &Report) -> String {
    let title = &report.title;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content="APT Lab";
                title { (title) }
                style { (PreEscaped(STYLE)) (PreEscaped(dark_charts())) }
            }
            body {
                header {
                    h1 { (title) }
                    @if !report.question.is_empty() { p.question { (report.question) } }
                    p { (compared(report)) }
                }
                main {
                    @for (place, of) in report.sections.iter().enumerate() {
                        (section::section(of, place + 1, report.sections.len() > 1))
                    }
                    (left_out(report))
                    (method(report))
                }
            }
        }
    };
    page.into_string()
}

fn left_out(report: &Report) -> Markup {
    html! {
        @if !report.left_out.is_empty() {
            section aria-labelledby="left-out" {
                h2 id="left-out" { "Not compared" }
                div.scroll tabindex="0" role="group" aria-labelledby="left-out" {
                    table {
                        caption { "Runs that are in no table above, and why" }
                        thead { tr { th scope="col" { "run" } th scope="col" { "kind" } th scope="col" { "reason" } } }
                        tbody {
                            @for run in &report.left_out {
                                tr {
                                    th scope="row" { (run.name) }
                                    td { (reason(run.kind)) }
                                    td { (run.reason) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn method(report: &Report) -> Markup {
    let measures = measures(report);
    html! {
        section aria-labelledby="method" {
            h2 id="method" { "How to read it" }
            ul { @for line in METHOD { li { (line) } } }
            @if !measures.is_empty() {
                dl { @for metric in measures { dt { (metric.name) } dd { (metric.meaning) } } }
            }
        }
    }
}

/// Charts are drawn in the colours of light paper; on dark paper style sheets put others in their place, so that each
/// stands in the file once.
fn dark_charts() -> String {
    let pairs = LIGHT.palette.iter().zip(&DARK.palette).chain([(&LIGHT.text, &DARK.text), (&LIGHT.grid, &DARK.grid)]);
    let hex = |(r, g, b): &(u8, u8, u8)| format!("#{r:02X}{g:02X}{b:02X}");
    let rule = |(light, dark)| {
        let (light, dark) = (hex(light), hex(dark));
        format!("[fill=\"{light}\"]{{fill:{dark}}}[stroke=\"{light}\"]{{stroke:{dark}}}")
    };
    format!("@media screen and (prefers-color-scheme:dark){{{}}}", pairs.map(rule).collect::<String>())
}
