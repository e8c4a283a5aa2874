//! Numbers that must be numbers. JSON has no NaN and its usual writer puts `null` there without a
//! word; here such a value is an error instead.

use std::collections::BTreeMap;

use apt_core::search::KindWeights;
use serde::{Serialize, Serializer, ser::Error};

/// `#[serde(serialize_with = "checked")]`: writes the value unless a number in it is NaN or infinite.
pub(crate) fn checked<T: Finite + Serialize, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    match value.first_bad() {
        None => value.serialize(to),
        Some(bad) => Err(S::Error::custom(format!("{bad} is not a finite number"))),
    }
}

pub(crate) trait Finite {
    fn first_bad(&self) -> Option<f64>;
}

impl Finite for f64 {
    fn first_bad(&self) -> Option<f64> {
        (!self.is_finite()).then_some(*self)
    }
}

impl Finite for KindWeights {
    fn first_bad(&self) -> Option<f64> {
        [self.heads, self.neurons, self.hidden].iter().find_map(Finite::first_bad)
    }
}

impl<T: Finite> Finite for Option<T> {
    fn first_bad(&self) -> Option<f64> {
        self.as_ref().and_then(Finite::first_bad)
    }
}

impl<T: Finite> Finite for Vec<T> {
    fn first_bad(&self) -> Option<f64> {
        self.iter().find_map(Finite::first_bad)
    }
}

impl<K, T: Finite> Finite for BTreeMap<K, T> {
    fn first_bad(&self) -> Option<f64> {
        self.values().find_map(Finite::first_bad)
    }
}
