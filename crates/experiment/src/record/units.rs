//! Which units, and what each was worth: sets and scores of the heads, neurons and hidden dims of a model, written in few
//! bytes. A model of 12 layers with 3,072 neurons each has 38,000 of them at every pruning point.

use apt_core::blocks::{BlockScores, Kept};
use apt_core::outliers::Outliers;
use apt_core::search::KindWeights;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use half::f16;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::finite::Finite;

/// A set of units by their numbers, ascending. Written as the base64 text of its bits: unit `u` is bit `u % 8`, counted
/// from the lowest, of byte `u / 8`; bytes of zeros at the end are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitSet(Vec<usize>);

impl UnitSet {
    /// The numbers, ascending.
    #[must_use]
    pub fn list(&self) -> &[usize] {
        &self.0
    }

    /// Whether this unit is one of them.
    #[must_use]
    pub fn contains(&self, unit: usize) -> bool {
        self.0.binary_search(&unit).is_ok()
    }
}

impl From<Vec<usize>> for UnitSet {
    fn from(mut units: Vec<usize>) -> Self {
        units.sort_unstable();
        units.dedup();
        Self(units)
    }
}

impl Serialize for UnitSet {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut bytes = vec![0_u8; self.0.last().map_or(0, |last| last / 8 + 1)];
        self.0.iter().for_each(|unit| bytes[unit / 8] |= 1 << (unit % 8));
        to.serialize_str(&BASE64.encode(bytes))
    }
}

impl<'de> Deserialize<'de> for UnitSet {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let bytes = BASE64.decode(&text).map_err(|error| D::Error::custom(format!("a set of units: {error}")))?;
        let is_set = |unit: &usize| bytes[unit / 8] >> (unit % 8) & 1 == 1;
        Ok(Self((0..8 * bytes.len()).filter(is_set).collect()))
    }
}

/// Units of every kind, by their numbers in the dense model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UnitSets {
    /// Heads, layer by layer.
    pub heads: Vec<UnitSet>,
    /// Neurons, layer by layer.
    pub neurons: Vec<UnitSet>,
    /// Hidden dims.
    pub hidden: UnitSet,
}

impl From<Kept> for UnitSets {
    fn from(kept: Kept) -> Self {
        let sets = |lists: Vec<Vec<usize>>| lists.into_iter().map(UnitSet::from).collect();
        Self { heads: sets(kept.heads), neurons: sets(kept.neurons), hidden: kept.hidden.into() }
    }
}

impl UnitSets {
    /// Whether no unit is in them.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let none = |sets: &[UnitSet]| sets.iter().all(|set| set.0.is_empty());
        none(&self.heads) && none(&self.neurons) && self.hidden.0.is_empty()
    }
}

/// Why units are there or not although their rank says otherwise (METHOD §3.2); every other unit follows its rank, the
/// score per parameter among all units.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitExceptions {
    /// Heads kept because every layer keeps so many.
    pub by_floor: Vec<UnitSet>,
    /// Kept in the room that the rounding of widths left.
    pub filled: UnitSets,
    /// Removed to round a width.
    pub rounded: UnitSets,
}

/// The score of every unit of one kind, list by list. Written as the base64 text of little-endian half-precision floats,
/// one text a list; a score is 2^`exponent` times its float (relative error 2⁻¹¹).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UnitScores {
    #[serde(deserialize_with = "exponent")]
    exponent: i32,
    values: Vec<Halves>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Halves(Vec<f16>);

/// The largest score of a kind becomes at least 2¹⁴, a quarter of the largest half-precision float.
const HIGHEST_BIT: i32 = 14;
/// Scores all of which are smaller than 2 to this are zeros.
const LOWEST_EXPONENT: i32 = -1000;

/// An exponent from outside: with one that a float cannot have, scores would be infinite or no number.
fn exponent<'de, D: Deserializer<'de>>(from: D) -> Result<i32, D::Error> {
    let exponent = i32::deserialize(from)?;
    match (LOWEST_EXPONENT..f64::MAX_EXP).contains(&exponent) {
        true => Ok(exponent),
        false => Err(D::Error::custom(format!("scores of units: 2 to the {exponent} is no number"))),
    }
}

impl UnitScores {
    /// These lists.
    #[must_use]
    pub fn new(lists: &[Vec<f64>]) -> Self {
        let largest = lists.iter().flatten().fold(0.0_f64, |largest, score| largest.max(score.abs()));
        let exponent = match largest {
            0.0 => 0,
            _ => (largest.log2().floor() as i32 - HIGHEST_BIT).max(LOWEST_EXPONENT),
        };
        let half = |score: &f64| f16::from_f64(score * 2.0_f64.powi(-exponent));
        let values = lists.iter().map(|list| Halves(list.iter().map(half).collect()));
        Self { exponent, values: values.collect() }
    }

    /// The scores, list by list.
    #[must_use]
    pub fn lists(&self) -> Vec<Vec<f64>> {
        let unit = 2.0_f64.powi(self.exponent);
        self.values.iter().map(|list| list.0.iter().map(|half| f64::from(*half) * unit).collect()).collect()
    }
}

impl Serialize for Halves {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = self.0.iter().flat_map(|half| half.to_le_bytes()).collect();
        to.serialize_str(&BASE64.encode(bytes))
    }
}

impl<'de> Deserialize<'de> for Halves {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let bytes = BASE64.decode(&text).map_err(|error| D::Error::custom(format!("scores of units: {error}")))?;
        let (pairs, rest) = bytes.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(D::Error::custom("scores of units: half a number at the end"));
        }
        Ok(Self(pairs.iter().map(|pair| f16::from_le_bytes(*pair)).collect()))
    }
}

impl Finite for UnitScores {
    fn first_bad(&self) -> Option<f64> {
        let mut values = self.values.iter().flat_map(|list| &list.0).map(|half| f64::from(*half));
        values.find(|value| !value.is_finite())
    }
}

/// What each unit that was in the model before a pruning point scored there, in the order of their numbers in the dense
/// model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UnitSalience {
    /// Heads, layer by layer.
    pub heads: UnitScores,
    /// Neurons, layer by layer.
    pub neurons: UnitScores,
    /// Hidden dims: one list.
    pub hidden: UnitScores,
}

impl From<&BlockScores> for UnitSalience {
    fn from(scores: &BlockScores) -> Self {
        Self {
            heads: UnitScores::new(&scores.heads),
            neurons: UnitScores::new(&scores.neurons),
            hidden: UnitScores::new(std::slice::from_ref(&scores.hidden)),
        }
    }
}

impl UnitSalience {
    /// The same as scores that blocks are searched by.
    #[must_use]
    pub fn block_scores(&self) -> BlockScores {
        BlockScores {
            heads: self.heads.lists(),
            neurons: self.neurons.lists(),
            hidden: self.hidden.lists().into_iter().next().unwrap_or_default(),
        }
    }
}

impl Finite for UnitSalience {
    fn first_bad(&self) -> Option<f64> {
        [&self.heads, &self.neurons, &self.hidden].into_iter().find_map(Finite::first_bad)
    }
}

/// The second term of outlier-aware scores: the salience of a unit is its activation × gradient plus factor × root.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UnitOutliers {
    /// √max(kurtosis, 0) of each unit in its own units (METHOD §2.2), in the order of [`UnitSalience`]: a mean over the
    /// scored steps that weighs each as the salience does.
    pub roots: UnitSalience,
    /// What one unit of it adds to the salience, for each kind.
    pub factors: KindWeights,
}

impl From<&Outliers> for UnitOutliers {
    fn from(outliers: &Outliers) -> Self {
        Self { roots: (&outliers.roots).into(), factors: outliers.factors }
    }
}

impl Finite for UnitOutliers {
    fn first_bad(&self) -> Option<f64> {
        self.roots.first_bad().or(self.factors.first_bad())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_bits_from_the_lowest_as_numpy_unpacks_them() {
        // numpy.unpackbits(frombuffer(b64decode("IQE="), uint8), bitorder="little").nonzero() is 0, 5, 8.
        let set = UnitSet::from(vec![8, 0, 5]);
        assert_eq!(serde_json::to_string(&set).expect("text"), r#""IQE=""#);
        assert_eq!(serde_json::from_str::<UnitSet>(r#""IQEAAA==""#).expect("zeros at the end"), set);
        assert!(set.contains(5) && !set.contains(6));
        assert!(serde_json::from_str::<UnitSet>(r#""I""#).is_err());
    }

    #[test]
    fn scores_keep_eleven_bits_over_eight_orders_of_magnitude() {
        let lists = vec![vec![3.0e4, 1.0, 7.0e-4], vec![0.0, 1e-300]];
        let text = serde_json::to_string(&UnitScores::new(&lists)).expect("text");
        let read: UnitScores = serde_json::from_str(&text).expect("our own");
        assert_eq!(read, UnitScores::new(&lists));
        for (read, score) in read.lists().concat().iter().zip(lists.concat()) {
            let error = if score < 1e-10 { 1e-10 } else { score * 2.0_f64.powi(-11) };
            assert!((read - score).abs() <= error, "{read} for {score}");
        }
        assert_eq!(UnitScores::new(&[vec![1.0, 2.0, 3.0, 4.0]]).lists(), [vec![1.0, 2.0, 3.0, 4.0]]);
        assert_eq!(UnitScores::new(&[vec![f64::from_bits(1)]]).lists(), [vec![0.0]]);
        assert_eq!(UnitScores::new(&[vec![0.0; 2]]).lists(), [vec![0.0; 2]]);
        for bad in [f64::NAN, f64::INFINITY] {
            assert!(UnitScores::new(&[vec![1.0, bad]]).first_bad().is_some());
        }
        assert!(serde_json::from_str::<UnitScores>(r#"{"exponent":1,"values":["AAA="]}"#).is_ok());
        assert!(serde_json::from_str::<UnitScores>(r#"{"exponent":1,"values":["AA=="]}"#).is_err());
        assert!(serde_json::from_str::<UnitScores>(r#"{"exponent":5000,"values":["AAA="]}"#).is_err());
    }
}
