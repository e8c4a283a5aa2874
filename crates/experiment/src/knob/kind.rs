//! The types a knob may have: how each reads text and JSON, and what it refuses.

use std::ops::RangeInclusive;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Type and range of a knob. Ranges include both ends.
#[derive(Clone, Debug, PartialEq)]
pub enum KnobKind {
    /// A whole number.
    Int {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// A whole number or nothing.
    OptionalInt {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// A finite number.
    Float {
        /// Smallest.
        min: f64,
        /// Largest.
        max: f64,
    },
    /// A finite number or nothing.
    OptionalFloat {
        /// Smallest.
        min: f64,
        /// Largest.
        max: f64,
    },
    /// `true` or `false`.
    Bool,
    /// One of these names.
    Choice(Vec<&'static str>),
    /// Some of these names, separated by commas.
    List(Vec<&'static str>),
    /// Any text but none.
    Text,
    /// Any text or nothing.
    OptionalText,
}

/// Why a value is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rejection {
    WrongType,
    OutOfRange,
}

impl KnobKind {
    /// A short name of the type: `int`, `float`, `bool`, `choice`, `list`, `text`.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Int { .. } | Self::OptionalInt { .. } => "int",
            Self::Float { .. } | Self::OptionalFloat { .. } => "float",
            Self::Bool => "bool",
            Self::Choice(_) => "choice",
            Self::List(_) => "list",
            Self::Text | Self::OptionalText => "text",
        }
    }

    /// Whether the value may be absent.
    #[must_use]
    pub fn is_optional(&self) -> bool {
        matches!(self, Self::OptionalInt { .. } | Self::OptionalFloat { .. } | Self::OptionalText)
    }

    /// What may stand here, in words: `a number from 0.05 to 1`.
    #[must_use]
    pub fn expected(&self) -> String {
        match self {
            Self::Int { min, max } => format!("a whole number from {min} to {max}"),
            Self::OptionalInt { min, max } => {
                format!("a whole number from {min} to {max}, or none")
            }
            Self::Float { min, max } => format!("a number from {min} to {max}"),
            Self::OptionalFloat { min, max } => format!("a number from {min} to {max}, or none"),
            Self::Bool => "true or false".to_owned(),
            Self::Choice(names) => format!("one of {}", names.join(", ")),
            Self::List(names) => format!("some of {}, separated by commas", names.join(", ")),
            Self::Text => "text that is not empty".to_owned(),
            Self::OptionalText => "text, or none".to_owned(),
        }
    }

    /// The range alone, for tables: `0.05..1`, `early | late`, or nothing.
    #[must_use]
    pub fn range(&self) -> String {
        match self {
            Self::Int { min, max } | Self::OptionalInt { min, max } => format!("{min}..{max}"),
            Self::Float { min, max } | Self::OptionalFloat { min, max } => format!("{min}..{max}"),
            Self::Choice(names) => names.join(" | "),
            Self::List(names) => names.join(", "),
            Self::Bool => "true | false".to_owned(),
            Self::Text | Self::OptionalText => String::new(),
        }
    }

    /// Text of a JSON value of this kind; the inverse of [`KnobKind::parse`].
    pub(crate) fn text(&self, value: &Value) -> String {
        match value {
            Value::Null => "none".to_owned(),
            Value::String(text) => text.clone(),
            Value::Number(number) => match (self, number.as_f64()) {
                (Self::Float { .. } | Self::OptionalFloat { .. }, Some(number)) => number.to_string(),
                _ => number.to_string(),
            },
            other => other.to_string(),
        }
    }

    /// Reads text.
    pub(crate) fn parse(&self, text: &str) -> Result<Value, Rejection> {
        let word = text.trim();
        if self.is_optional() && (word.is_empty() || word == "none") {
            return Ok(Value::Null);
        }
        let value = match self {
            Self::Int { .. } | Self::OptionalInt { .. } => match word.parse::<i64>() {
                Ok(number) => number.into(),
                Err(error) => {
                    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
                    return Err(match error.kind() {
                        PosOverflow | NegOverflow => Rejection::OutOfRange,
                        _ => Rejection::WrongType,
                    });
                }
            },
            Self::Float { .. } | Self::OptionalFloat { .. } => {
                let number: f64 = word.parse().map_err(|_| Rejection::WrongType)?;
                serde_json::Number::from_f64(number).map(Value::Number).ok_or(Rejection::OutOfRange)?
            }
            Self::Bool => match word {
                "true" | "yes" | "on" => true.into(),
                "false" | "no" | "off" => false.into(),
                _ => return Err(Rejection::WrongType),
            },
            Self::Choice(_) | Self::List(_) => word.into(),
            Self::Text | Self::OptionalText => text.into(),
        };
        self.accept(&value)
    }

    /// Checks a JSON value and brings it into its plain form (`1` for a float to `1.0`, `one-shot` to `one_shot`,
    /// `up,query` to `query,up`).
    pub(crate) fn accept(&self, value: &Value) -> Result<Value, Rejection> {
        match (self, value) {
            (kind, Value::Null) if kind.is_optional() => Ok(Value::Null),
            (Self::Int { min, max } | Self::OptionalInt { min, max }, Value::Number(number)) => match number.as_i64() {
                Some(whole) if (*min..=*max).contains(&whole) => Ok(whole.into()),
                Some(_) => Err(Rejection::OutOfRange),
                None if number.is_u64() => Err(Rejection::OutOfRange),
                None => Err(Rejection::WrongType),
            },
            (Self::Float { min, max } | Self::OptionalFloat { min, max }, Value::Number(number)) => {
                match number.as_f64() {
                    Some(number) if (*min..=*max).contains(&number) => Ok(number.into()),
                    _ => Err(Rejection::OutOfRange),
                }
            }
            (Self::Bool, Value::Bool(flag)) => Ok((*flag).into()),
            (Self::Choice(names), Value::String(text)) => Ok(known(names, text)?.into()),
            (Self::List(names), Value::String(text)) => {
                let words = text.split(',').filter(|word| !word.trim().is_empty());
                let found = words.map(|word| known(names, word)).collect::<Result<Vec<_>, _>>()?;
                // In the order of the names and each once, so that a set has one text.
                let one_text: Vec<&str> = names.iter().copied().filter(|name| found.contains(name)).collect();
                Ok(one_text.join(",").into())
            }
            (Self::Text, Value::String(text)) if text.trim().is_empty() => Err(Rejection::OutOfRange),
            (Self::OptionalText, Value::String(text)) if matches!(text.trim(), "" | "none") => Ok(Value::Null),
            (Self::Text | Self::OptionalText, Value::String(text)) => Ok(text.as_str().into()),
            _ => Err(Rejection::WrongType),
        }
    }
}

fn known<'a>(names: &[&'a str], word: &str) -> Result<&'a str, Rejection> {
    let word = word.trim().to_lowercase().replace('-', "_");
    names.iter().copied().find(|name| *name == word).ok_or(Rejection::OutOfRange)
}

/// A Rust type that a field of `Knobs` may have.
pub(crate) trait KnobValue: Serialize + DeserializeOwned {
    /// What the table gives for its range.
    type Limits;

    fn kind(limits: Self::Limits) -> KnobKind;

    /// The JSON form. A value that has none (no type here lacks one) reads as `null`, which `check` refuses.
    fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }
}

macro_rules! ranged {
    ($($type:ty => $kind:ident($limit:ty);)*) => {$(
        impl KnobValue for $type {
            type Limits = RangeInclusive<$limit>;
            fn kind(limits: Self::Limits) -> KnobKind {
                KnobKind::$kind { min: *limits.start(), max: *limits.end() }
            }
        }
    )*};
}

ranged! {
    usize => Int(i64);
    u64 => Int(i64);
    Option<usize> => OptionalInt(i64);
    f64 => Float(f64);
    Option<f64> => OptionalFloat(f64);
}

macro_rules! unranged {
    ($($type:ty => $kind:expr;)*) => {$(
        impl KnobValue for $type {
            type Limits = ();
            fn kind((): ()) -> KnobKind {
                $kind
            }
        }
    )*};
}

unranged! {
    bool => KnobKind::Bool;
    String => KnobKind::Text;
    Option<String> => KnobKind::OptionalText;
}
