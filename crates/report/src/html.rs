//! The report as one HTML file: nothing is loaded, no script runs, light and dark follow the reader's setting.

mod section;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::chart::{DARK, LIGHT};
use crate::plots::{curve_plot, front_plot};
use crate::report::{Report, Section};
use crate::texts::{METHOD, compared, measures};

/// Size of a chart in a file of charts.
const CHART: (u32, u32) = (640, 420);
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

/// The report's sections and how to read them as a piece of a page, headings from `<h2>` on, with the classes of the style
/// sheet of [`html()`] and nothing inline.
#[must_use]
pub fn fragment(report: &Report) -> String {
    let piece = html! {
        p { (compared(report)) }
        @for (place, of) in report.sections.iter().enumerate() {
            (section::section(of, place + 1, report.sections.len() > 1))
        }
        (left_out(report))
        (method(report))
    };
    piece.into_string()
}

/// What the section at `place` of a report says, with its arms in one short table, as a piece of a page like
/// [`fragment`]'s.
#[must_use]
pub fn answer_fragment(of: &Section, place: usize) -> String {
    section::answer(of, place).into_string()
}

/// Every chart of the report, one below the other, as one SVG file on a light background.
#[must_use]
pub fn charts(report: &Report) -> String {
    const GAP: u32 = 30;
    let plots = report.sections.iter().flat_map(|of| {
        let curves = of.curves.iter().map(|curves| curve_plot(curves, of));
        curves.chain(of.fronts.iter().map(|front| front_plot(front, of)))
    });
    let (width, height) = CHART;
    let mut top = 0;
    let drawn: Vec<Markup> = plots
        .map(|plot| {
            let chart = plot.svg(CHART, &LIGHT).replacen("<svg ", &format!("<svg y=\"{}\" ", top + GAP), 1);
            let title = html! { text x="8" y=(top + GAP - 10) font-weight="600" { (plot.title) } (PreEscaped(chart)) };
            top += height + GAP;
            title
        })
        .collect();
    html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(width) height=(top.max(1)) font-family="system-ui, sans-serif" font-size="15" {
            rect width="100%" height="100%" fill="white" {}
            @for chart in drawn { (chart) }
        }
    }
    .into_string()
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
                                    td { (run.kind.words()) }
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

/// Charts are drawn in the colours of a light background; on a dark background style sheets put others in their place, so that each
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
