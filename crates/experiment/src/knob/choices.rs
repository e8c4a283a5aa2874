//! Choices that belong to the experiment and not to the method, and how every choice becomes a knob.

use std::{fmt, str::FromStr};

use apt_core::arms::{Curve, Distillation, OutlierScale, PruneSchedule, RankGrowth, RankImportance, Salience};
pub use apt_core::wiring::Site;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::kind::{KnobKind, KnobValue};

macro_rules! choices {
    ($(
        $(#[$doc:meta])*
        $type:ident { $( $(#[$arm_doc:meta])* $arm:ident = $name:literal, )* }
    )*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $type {
            $( $(#[$arm_doc])* #[serde(rename = $name)] $arm, )*
        }

        impl $type {
            /// Every choice, the default's order.
            pub const ALL: &'static [Self] = &[$(Self::$arm),*];

            /// The name in files, flags and records.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$arm => $name),* }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(self.name())
            }
        }
    )*};
}

choices! {
    /// Where to compute.
    Device {
        /// A GPU that passes its self-test, else the CPU.
        Auto = "auto",
        /// Processor cores.
        Cpu = "cpu",
        /// A GPU through Vulkan.
        Vulkan = "vulkan",
        /// A GPU through Metal.
        Metal = "metal",
        /// A GPU through a browser.
        Webgpu = "webgpu",
    }
    /// What becomes of the optimiser's moments when shapes change.
    OptimizerState {
        /// Sliced for what is removed, zero for what is new.
        Carry = "carry",
        /// All zero again (the paper).
        Reset = "reset",
    }
    /// Which weights the finished model has.
    Keep {
        /// Those with the best validation metric since the last pruning point.
        Best = "best",
        /// Those of the last step.
        Last = "last",
    }
    /// How the learning rate falls after its peak.
    LrCurve {
        /// In a straight line to zero.
        Linear = "linear",
        /// Along half a cosine to zero.
        Cosine = "cosine",
    }
    /// The span over which μ climbs from 0 to 1.
    MuOver {
        /// The steps of distillation (paper).
        Distillation = "distillation",
        /// The steps of pruning (published code).
        PruningWindow = "pruning_window",
    }
}

/// The linear layers that carry adapters; `query,value,up` in text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapters(pub Vec<Site>);

impl Adapters {
    /// Whether `site` carries an adapter.
    #[must_use]
    pub fn contains(&self, site: Site) -> bool {
        self.0.contains(&site)
    }
}

impl Default for Adapters {
    /// Every linear layer of a layer without a gate. The paper adapts query, value and up; with those three alone a
    /// MiniLM-L6 on SST-2 stays a point below what it reaches with all six.
    fn default() -> Self {
        Self(vec![Site::Query, Site::Key, Site::Value, Site::Output, Site::Up, Site::Down])
    }
}

impl fmt::Display for Adapters {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|site| site.name()).collect();
        out.write_str(&names.join(","))
    }
}

impl FromStr for Adapters {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut sites = Vec::new();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let site = Site::ALL.iter().find(|site| site.name() == word);
            let site = *site.ok_or_else(|| format!("there is no linear layer `{word}`"))?;
            if !sites.contains(&site) {
                sites.push(site);
            }
        }
        Ok(Self(sites))
    }
}

impl Serialize for Adapters {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Adapters {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

impl KnobValue for Adapters {
    type Limits = ();
    fn kind((): ()) -> KnobKind {
        KnobKind::List(Site::ALL.iter().map(|site| site.name()).collect())
    }
}

macro_rules! choice_knobs {
    ($($type:ty),*) => {$(
        impl KnobValue for $type {
            type Limits = ();
            fn kind((): ()) -> KnobKind {
                KnobKind::Choice(Self::ALL.iter().map(|arm| arm.name()).collect())
            }
        }
    )*};
}

choice_knobs!(
    Curve,
    Device,
    Distillation,
    LrCurve,
    MuOver,
    OptimizerState,
    Keep,
    PruneSchedule,
    RankGrowth,
    RankImportance,
    OutlierScale,
    Salience
);
