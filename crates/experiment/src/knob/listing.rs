//! What is derived from the table for readers: the JSON schema and the lists of knobs.

use comfy_table::{ColumnConstraint, Table, Width, presets};
use serde_json::{Map, Value, json};

use super::kind::KnobKind;
use crate::knobs::{KNOBS, Knob, Knobs};

/// JSON schema (draft 2020-12) of a configuration: types, ranges, choices, defaults and help.
#[must_use]
pub fn schema() -> Value {
    let properties: Map<String, Value> = KNOBS.iter().map(|knob| (knob.name.to_owned(), property(knob))).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "APT Lab experiment",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    })
}

fn property(knob: &Knob) -> Value {
    let mut property = match &knob.kind {
        KnobKind::Int { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
        KnobKind::OptionalInt { min, max } => {
            json!({"type": ["integer", "null"], "minimum": min, "maximum": max})
        }
        KnobKind::Float { min, max } => json!({"type": "number", "minimum": min, "maximum": max}),
        KnobKind::OptionalFloat { min, max } => {
            json!({"type": ["number", "null"], "minimum": min, "maximum": max})
        }
        KnobKind::Bool => json!({"type": "boolean"}),
        KnobKind::Choice(names) => json!({"type": "string", "enum": names}),
        KnobKind::List(names) => {
            let one = names.join("|");
            json!({"type": "string", "pattern": format!("^\\s*(({one})\\s*(,\\s*({one})\\s*)*)?$")})
        }
        KnobKind::Text => json!({"type": "string", "minLength": 1}),
        KnobKind::OptionalText => json!({"type": ["string", "null"]}),
    };
    if let Value::Object(fields) = &mut property {
        fields.insert("default".to_owned(), knob.get(&Knobs::default()));
        fields.insert("description".to_owned(), knob.help.into());
        fields.insert("x-axis".to_owned(), knob.axis.name().into());
        if !knob.symbol.is_empty() {
            fields.insert("x-symbol".to_owned(), knob.symbol.into());
        }
    }
    property
}

/// Longer lists of choices than this are wrapped.
const RANGE_WIDTH: u16 = 24;

/// Every knob in columns for a terminal: flag, symbol, default, range, axis, help.
#[must_use]
pub fn table() -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["knob", "symbol", "default", "range", "axis", "help"]);
    for knob in KNOBS.iter() {
        let flag = format!("--{}", knob.flag());
        table.add_row([&flag, knob.symbol, &knob.default, &knob.kind.range(), knob.axis.name(), knob.help]);
    }
    if let Some(range) = table.column_mut(3) {
        range.set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(RANGE_WIDTH)));
    }
    table.trim_fmt()
}

/// Every knob as a JSON array: name, flag, type, range or choices, default, help, symbol, axis.
#[must_use]
pub fn table_json() -> Value {
    KNOBS.iter().map(entry).collect()
}

fn entry(knob: &Knob) -> Value {
    let mut entry = json!({
        "name": knob.name,
        "flag": format!("--{}", knob.flag()),
        "type": knob.kind.type_name(),
        "optional": knob.kind.is_optional(),
        "default": knob.get(&Knobs::default()),
        "help": knob.help,
        "symbol": knob.symbol,
        "axis": knob.axis.name(),
        "live": knob.live,
    });
    match &knob.kind {
        KnobKind::Int { min, max } | KnobKind::OptionalInt { min, max } => {
            entry["min"] = (*min).into();
            entry["max"] = (*max).into();
        }
        KnobKind::Float { min, max } | KnobKind::OptionalFloat { min, max } => {
            entry["min"] = (*min).into();
            entry["max"] = (*max).into();
        }
        KnobKind::Choice(names) | KnobKind::List(names) => entry["choices"] = names.clone().into(),
        KnobKind::Bool | KnobKind::Text | KnobKind::OptionalText => {}
    }
    entry
}
