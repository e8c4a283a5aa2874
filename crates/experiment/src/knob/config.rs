//! Configuration files: knobs from TOML and JSON and back, with the line of whatever is wrong.

use std::{collections::BTreeMap, fmt::Write};

use serde_json::Value;
use toml::Spanned;

use super::axis::Axis;
use super::error::{KnobError, SettingLocation};
use super::kind::Rejection;
use crate::knobs::{KNOBS, Knobs, knob_at};

impl Knobs {
    /// Reads a TOML configuration over the defaults. `file` is named in errors.
    ///
    /// # Errors
    /// As [`Knobs::apply_toml`].
    pub fn from_toml(text: &str, file: &str) -> Result<Self, KnobError> {
        let mut knobs = Self::default();
        knobs.apply_toml(text, file)?;
        Ok(knobs)
    }

    /// Sets what a TOML configuration names and leaves the rest. Contradictions are left to
    /// [`Knobs::check`], since flags may still follow.
    ///
    /// # Errors
    /// [`KnobError`] with file and line; nothing changes then.
    pub fn apply_toml(&mut self, text: &str, file: &str) -> Result<(), KnobError> {
        let entries: BTreeMap<Spanned<String>, Spanned<toml::Value>> =
            toml::from_str(text).map_err(|error| KnobError::Syntax {
                message: error.message().to_owned(),
                location: SettingLocation::new(file, error.span().map(|span| line_at(text, span.start))),
            })?;
        let mut changed = self.clone();
        for (name, value) in entries {
            let location = SettingLocation::new(file, Some(line_at(text, name.span().start)));
            let knob = knob_at(name.get_ref(), &location)?;
            match plain(value.get_ref()) {
                Ok(value) => knob.set_json_at(&mut changed, &value, &location)?,
                Err(rejection) => return Err(knob.refusal(rejection, value.get_ref().to_string(), &location)),
            }
        }
        *self = changed;
        Ok(())
    }

    /// Reads a JSON configuration over the defaults. `file` is named in errors.
    ///
    /// # Errors
    /// As [`Knobs::apply_json`].
    pub fn from_json(text: &str, file: &str) -> Result<Self, KnobError> {
        let mut knobs = Self::default();
        knobs.apply_json(text, file)?;
        Ok(knobs)
    }

    /// Sets what a JSON object names and leaves the rest.
    ///
    /// # Errors
    /// [`KnobError`] with the file, and with the line where the text is not JSON; nothing changes then.
    pub fn apply_json(&mut self, text: &str, file: &str) -> Result<(), KnobError> {
        let entries: BTreeMap<String, Value> = serde_json::from_str(text).map_err(|error| KnobError::Syntax {
            message: error.to_string(),
            location: SettingLocation::new(file, Some(error.line())),
        })?;
        let mut changed = self.clone();
        let location = SettingLocation::new(file, None);
        for (name, value) in &entries {
            knob_at(name, &location)?.set_json_at(&mut changed, value, &location)?;
        }
        *self = changed;
        Ok(())
    }

    /// Every knob as JSON; absent optional values are `null`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        KNOBS.iter().map(|knob| (knob.name.to_owned(), knob.get(self))).collect::<serde_json::Map<_, _>>().into()
    }

    /// Every knob as a TOML file a human can read and edit: grouped, each with its line of help.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        let mut group: Option<Axis> = None;
        for knob in KNOBS.iter() {
            if group != Some(knob.axis) {
                let gap = if group.is_some() { "\n" } else { "" };
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{gap}# — {} —", knob.axis.name());
                group = Some(knob.axis);
            }
            let _ = match toml::Value::try_from(knob.get(self)) {
                Ok(value) => writeln!(text, "{} = {value} # {}", knob.name, knob.help),
                // TOML has no null: an absent value is a line left out.
                Err(_) => writeln!(text, "# {} is not set # {}", knob.name, knob.help),
            };
        }
        text
    }
}

/// TOML to JSON by hand, because the usual way turns NaN into null, and null means "absent" here.
fn plain(value: &toml::Value) -> Result<Value, Rejection> {
    match value {
        toml::Value::String(text) => Ok(text.as_str().into()),
        toml::Value::Integer(number) => Ok((*number).into()),
        toml::Value::Float(number) => {
            serde_json::Number::from_f64(*number).map(Value::Number).ok_or(Rejection::OutOfRange)
        }
        toml::Value::Boolean(flag) => Ok((*flag).into()),
        _ => Err(Rejection::WrongType),
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}
