//! One section of the report: tables, curves, fronts, pictures, provenance, commands.

use apt_experiment::lower_is_better;
use maud::{Markup, PreEscaped, html};

use crate::answer::ShortTable;
use crate::chart::{LIGHT, Plot, Style};
use crate::figures::share;
use crate::fronts::Front;
use crate::grid::Grid;
use crate::metric::metric;
use crate::picture::picture;
use crate::plots::{curve_plot, curve_words, front_counts, front_legend, front_plot, front_words, several_densities};
use crate::report::Section;
use crate::tables::Table;
use crate::texts::{not_comparable, remarks, setting};
use crate::tuning::{self, Tuning};

pub(super) fn section(of: &Section, place: usize, several: bool) -> Markup {
    let id = |part: &str| format!("s{place}-{part}");
    let title = if several { format!("{place}. {}", of.title) } else { of.title.clone() };
    html! {
        section aria-labelledby=(id("title")) {
            h2 id=(id("title")) { @if title.is_empty() { "Results" } @else { (title) } }
            (sentences(of))
            p { (setting(of)) }
            @if let Some(words) = of.sensitivity_words() { p { (words) } }
            @for (at, of_table) in of.tables.iter().enumerate() { (table(of_table, of, &id(&format!("table-{at}")))) }
            @if let Some(tuning) = &of.tuning { (chosen(tuning, of, &id("tuning"))) }
            @if !of.curves.is_empty() {
                h3 { "Learning curves" }
                p { "Lines are means over seeds, areas their 95 % intervals, faint lines single seeds." }
                div.figures {
                    @for curves in &of.curves {
                        @let plot = curve_plot(curves, of);
                        (figure(&plot, &curve_words(curves, of), &curve_legend(&plot), &[]))
                    }
                }
            }
            @if !of.fronts.is_empty() {
                h3 { "What the metric costs" }
                p {
                    "Every arm with the 95 % intervals of both means; "
                    (if lower_is_better(&of.metric) { "down" } else { "up" })
                    " and to the left is better. The line joins those that no other arm beats in both."
                }
                div.figures {
                    @for front in &of.fronts {
                        @let plot = front_plot(front, of);
                        (figure(&plot, &front_words(front, of), &front_legend(front, of), &front_remarks(front, of)))
                    }
                }
            }
            (pictures(of))
            (origin(of, &id("origin")))
            (commands(of, &id("commands")))
        }
    }
}

/// What the section says, before its numbers.
fn sentences(of: &Section) -> Markup {
    html! {
        div.sentences { @for sentence in of.sentences() { p { (sentence) } } }
    }
}

/// What the section says, and its arms in one short table, as a piece of a page.
pub(super) fn answer(of: &Section, place: usize) -> Markup {
    let id = format!("a{place}-arms");
    let ShortTable { head, parts } = of.short_table();
    let columns = head.headings.len().to_string();
    let timed = not_comparable(of).filter(|_| (0..of.groups.len()).any(|group| of.is_marked(group)));
    html! {
        (sentences(of))
        @if !parts.is_empty() {
            (wide(&head, html! { "Arms beside the baseline" }, &id, html! {
                @for (title, lines) in &parts {
                    tbody {
                        @if !title.is_empty() {
                            tr.part { th colspan=(columns) scope="rowgroup" { (title) } }
                        }
                        @for line in lines { tr class=[line.is_base.then_some("base")] { (row(&head, &line.cells)) } }
                    }
                }
            }))
            @if let Some(words) = timed { p.remark { (words) } }
        }
        @if let Some(words) = of.sensitivity_words() { p.remark { (words) } }
    }
}

/// A table that scrolls where it is wider than its page. On a narrow screen it shows what counts, and a box brings the
/// other columns.
fn wide(head: &Grid, caption: Markup, id: &str, bodies: Markup) -> Markup {
    html! {
        div.wide {
            @if head.minor.contains(&true) {
                label.all-columns { input type="checkbox"; " all columns" }
            }
            div.scroll tabindex="0" role="group" aria-labelledby=(id) {
                table {
                    caption id=(id) { (caption) }
                    thead {
                        tr {
                            @for (heading, minor) in head.headings.iter().zip(&head.minor) {
                                th class=[minor.then_some("minor")] scope="col" { (breakable(&heading.replace(" %", "\u{a0}%"))) }
                            }
                        }
                    }
                    (bodies)
                }
            }
        }
    }
}

fn row(head: &Grid, cells: &[String]) -> Markup {
    html! {
        @for (place, (cell, minor)) in cells.iter().zip(&head.minor).enumerate() {
            @if place == 0 { th scope="row" { (breakable(cell)) } } @else { td class=[minor.then_some("minor")] { (unbroken(cell)) } }
        }
    }
}

/// A name of several words joined by underscores, which may be broken between them.
fn breakable(name: &str) -> Markup {
    let mut parts = name.split_inclusive('_');
    html! {
        (parts.next().unwrap_or_default())
        @for part in parts { wbr; (part) }
    }
}

fn table(table: &Table, section: &Section, id: &str) -> Markup {
    let grid = Grid::of(table, section);
    let caption = if table.question.is_empty() { "Arms and what they cost" } else { table.question.as_str() };
    html! {
        h3 { (table.title) }
        (wide(&grid, html! { (caption) }, id, html! {
            tbody {
                @for (of, cells) in table.rows.iter().zip(&grid.rows) {
                    tr class=[class(of.is_base, of.n)] { (row(&grid, cells)) }
                }
            }
        }))
        @for remark in remarks(table, section) { p.remark { (remark) } }
    }
}

/// The class of an arm's row.
fn class(is_base: bool, n: usize) -> Option<&'static str> {
    match (is_base, n) {
        (true, 0) => Some("base none"),
        (true, _) => Some("base"),
        (false, 0) => Some("none"),
        (false, _) => None,
    }
}

fn chosen(of: &Tuning, section: &Section, id: &str) -> Markup {
    let grid = tuning::grid(of);
    html! {
        h3 { (tuning::TITLE) }
        (wide(&grid, html! { (tuning::QUESTION) }, id, html! {
            tbody { @for cells in &grid.rows { tr { (row(&grid, cells)) } } }
        }))
        @for remark in tuning::remarks(of, &section.metric) { p.remark { (remark) } }
    }
}

fn figure(plot: &Plot, words: &str, legend: &[(String, usize)], remarks: &[String]) -> Markup {
    let size = if plot.markers.is_empty() { (560, 300) } else { (560, 400) };
    html! {
        figure {
            figcaption { (plot.title) }
            div.chart role="img" aria-label=(words) { (PreEscaped(scalable(&plot.svg(size, &LIGHT), size))) }
            ul.legend {
                @for (name, colour) in legend {
                    li {
                        svg width="18" height="10" aria-hidden="true" {
                            rect width="18" height="4" y="3" fill=(hex(*colour)) {}
                        }
                        " " (name)
                    }
                }
            }
            @for remark in remarks { p.remark { (remark) } }
        }
    }
}

fn curve_legend(plot: &Plot) -> Vec<(String, usize)> {
    let shown = plot.curves.iter().filter(|curve| curve.style != Style::Faint);
    shown.map(|curve| (curve.name.clone(), curve.colour)).collect()
}

fn front_remarks(front: &Front, section: &Section) -> Vec<String> {
    let timed = metric(front.cost).is_some_and(|metric| metric.timed);
    [front_counts(front, section)].into_iter().chain(not_comparable(section).filter(|_| timed)).collect()
}

/// Lines of a cell break between its parts, not within them.
fn unbroken(cell: &str) -> String {
    let parts = [
        (" ± ", " ±\u{a0}"),
        (", ", ",\u{a0}"),
        (" of ", "\u{a0}of\u{a0}"),
        ("(N ", "(N\u{a0}"),
        ("] (N", "]\u{a0}(N"),
        (" %", "\u{a0}%"),
        (" †", "\u{a0}†"),
    ];
    parts.iter().fold(cell.to_owned(), |cell, (from, to)| cell.replace(from, to))
}

/// plotters writes a size in pixels; with it as view box alone the chart shrinks with the page.
fn scalable(svg: &str, (width, height): (u32, u32)) -> String {
    svg.replacen(&format!("width=\"{width}\" height=\"{height}\" "), "", 1)
}

fn hex(colour: usize) -> String {
    let (r, g, b) = LIGHT.palette[colour % LIGHT.palette.len()];
    format!("#{r:02X}{g:02X}{b:02X}")
}

fn pictures(section: &Section) -> Markup {
    let densities = several_densities(section);
    html! {
        @if !section.structures.is_empty() {
            h3 { "What is left of the layers" }
            p { "One seed per arm. Filled is kept, hollow is gone; columns are ranks of adapters, in the order of the data." }
            div.pictures {
                @for structure in &section.structures {
                    figure {
                        figcaption {
                            (section.groups[structure.group].name(densities)) ", seed " (structure.seed) ": "
                            (share(structure.point.density)) " of the parameters, embeddings not counted"
                        }
                        (picture(structure))
                    }
                }
            }
        }
    }
}

fn origin(section: &Section, id: &str) -> Markup {
    html! {
        details {
            summary { h3 id=(id) { "Where the numbers come from" } }
            div.scroll tabindex="0" role="group" aria-labelledby=(id) {
                table.facts {
                    caption { "Machine, program, data" }
                    tbody {
                        @for (name, value) in section.origin.lines() { tr { th scope="row" { (name) } td { (value) } } }
                    }
                }
            }
        }
    }
}

fn commands(section: &Section, id: &str) -> Markup {
    html! {
        details {
            summary { h3 id=(id) { "How to repeat them" } }
            div.scroll tabindex="0" role="group" aria-labelledby=(id) {
                table.facts {
                    caption { "The command of each arm" }
                    thead { tr { th scope="col" { "arm" } th scope="col" { "N" } th scope="col" { "command" } } }
                    tbody {
                        @for group in &section.groups {
                            tr {
                                th scope="row" { (group.name(several_densities(section))) }
                                td { (group.count()) }
                                td { code { (group.command) } }
                            }
                        }
                    }
                }
            }
        }
    }
}
