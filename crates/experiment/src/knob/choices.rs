//! Choices that belong to the experiment and not to the method, and how every choice becomes a knob.

use std::{fmt, str::FromStr};

use apt_core::arms;
use apt_core::arms::{
    Curve, Distillation, HeadKurtosis, KindWeighing, OutlierScale, Padding, PruneSchedule, RankGrowth, RankImportance,
    Salience, UnknownArm,
};
use apt_core::lr::LrDecay;
use apt_core::wiring::Site;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::kind::{KnobKind, KnobValue};

arms! {
    /// Where to compute.
    Device ("device") {
        /// a GPU that passes its self-test, in a browser if it is faster, else the CPU
        Auto = "auto",
        /// processor cores
        Cpu = "cpu",
        /// a GPU through Vulkan
        Vulkan = "vulkan",
        /// a GPU through Metal
        Metal = "metal",
        /// a GPU through a browser
        Webgpu = "webgpu",
    }
}

arms! {
    /// What is learned on a task.
    ObjectiveChoice ("objective") {
        /// what the task and its labels are
        Auto = "auto",
        /// one of several classes
        Classification = "classification",
        /// any number of several classes
        MultiLabel = "multi_label",
        /// a real number
        Regression = "regression",
        /// the next token of a text, or of the answers in conversations
        CausalLm = "causal_lm",
        /// the right one of several endings, told by their likelihood
        MultipleChoice = "multiple_choice",
    }
}

arms! {
    /// What the classifier reads of the last hidden state.
    PoolingChoice ("pooling") {
        /// what the model's own classifier reads, else the first token through a dense layer
        Auto = "auto",
        /// the first token through a dense layer, the checkpoint's pooler where it has one
        Pooler = "pooler",
        /// the first token
        Cls = "cls",
        /// the mean over the tokens
        Mean = "mean",
    }
}

arms! {
    /// What becomes of the optimiser's moments when shapes change.
    OptimizerState ("optimiser state") {
        /// sliced for what is removed, zero for what is new
        Carry = "carry",
        /// all zero again (the paper)
        Reset = "reset",
    }
}

arms! {
    /// Which weights the finished model has.
    Keep ("choice of weights") {
        /// those with the best validation metric since the last pruning point
        Best = "best",
        /// those of the last step
        Last = "last",
    }
}

arms! {
    /// The span over which μ climbs from 0 to 1.
    MuOver ("span of μ") {
        /// the steps of distillation (paper)
        Distillation = "distillation",
        /// the steps of pruning (published code)
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
    type Err = UnknownArm;

    fn from_str(text: &str) -> Result<Self, UnknownArm> {
        let mut sites = Vec::new();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let site: Site = word.parse()?;
            if !sites.contains(&site) {
                sites.push(site);
            }
        }
        // Their order is that of the data, however they are written.
        sites.sort_unstable();
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
    KindWeighing,
    LrDecay,
    MuOver,
    ObjectiveChoice,
    OptimizerState,
    Keep,
    PoolingChoice,
    PruneSchedule,
    RankGrowth,
    RankImportance,
    HeadKurtosis,
    OutlierScale,
    Padding,
    Salience
);
