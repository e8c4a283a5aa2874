//! The report as Markdown: tables, fronts, what is left out, provenance, commands. Plots are in the HTML.

use std::fmt::Write;

use crate::grid::Grid;
use crate::plots::{front_words, several_densities};
use crate::report::{Report, Section};
use crate::texts::{METHOD, compared, measures, remarks, setting};
use crate::tuning;

/// The report as Markdown (GitHub's).
#[must_use]
pub fn markdown(report: &Report) -> String {
    let mut text = format!("# {}\n\n", escaped(&report.title));
    paragraph(&mut text, &report.question);
    paragraph(&mut text, &compared(report));
    for section in &report.sections {
        of_section(&mut text, section);
    }
    if !report.left_out.is_empty() {
        text.push_str("## Not compared\n\n");
        for run in &report.left_out {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "- {}: {}: {}", escaped(&run.name), run.kind.words(), escaped(&run.reason));
        }
        text.push('\n');
    }
    text.push_str("## How to read it\n\n");
    for line in METHOD {
        let _ = writeln!(text, "- {line}");
    }
    for metric in measures(report) {
        let _ = writeln!(text, "- **{}**: {}", metric.name, metric.meaning);
    }
    text
}

fn of_section(text: &mut String, section: &Section) {
    if !section.title.is_empty() {
        let _ = write!(text, "## {}\n\n", escaped(&section.title));
    }
    section.sentences().iter().for_each(|sentence| paragraph(text, sentence));
    paragraph(text, &setting(section));
    paragraph(text, &section.sensitivity_words().unwrap_or_default());
    for table in &section.tables {
        grid(text, &table.title, &table.question, &Grid::of(table, section), &remarks(table, section));
    }
    if let Some(of) = &section.tuning {
        grid(text, tuning::TITLE, tuning::QUESTION, &tuning::grid(of), &tuning::remarks(of, &section.metric));
    }
    if !section.fronts.is_empty() {
        text.push_str("### What the metric costs\n\n");
        for front in &section.fronts {
            let _ = writeln!(text, "- {}", escaped(&front_words(front, section)));
        }
        text.push('\n');
    }
    text.push_str("### Where the numbers come from\n\n");
    for (name, value) in section.origin.lines() {
        let _ = writeln!(text, "- {name}: {}", escaped(&value));
    }
    text.push_str("\n### How to repeat them\n\n");
    let several = several_densities(section);
    for group in &section.groups {
        let _ = writeln!(text, "- {} (N {}): {}", escaped(&group.name(several)), group.count(), code(&group.command));
    }
    text.push('\n');
}

fn grid(text: &mut String, title: &str, question: &str, grid: &Grid, remarks: &[String]) {
    let _ = write!(text, "### {}\n\n", escaped(title));
    paragraph(text, question);
    line(text, &grid.headings);
    let _ = writeln!(text, "|---|{}", "--:|".repeat(grid.headings.len() - 1));
    grid.rows.iter().for_each(|row| line(text, row));
    text.push('\n');
    remarks.iter().for_each(|remark| paragraph(text, remark));
}

fn paragraph(text: &mut String, words: &str) {
    if !words.is_empty() {
        let _ = write!(text, "{}\n\n", escaped(words));
    }
}

fn line(text: &mut String, cells: &[String]) {
    text.push('|');
    for cell in cells {
        let _ = write!(text, " {} |", escaped(cell));
    }
    text.push('\n');
}

/// Text on one line in which no character is markup of Markdown or HTML.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            '\\' | '|' | '*' | '`' | '[' | ']' => escaped.extend(['\\', character]),
            character if character.is_control() => escaped.push(' '),
            character => escaped.push(character),
        }
    }
    escaped
}

/// A span of code; the fence is longer than any run of backticks inside.
fn code(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let space = if longest > 0 { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}
