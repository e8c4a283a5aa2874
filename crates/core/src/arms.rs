//! The arms an experiment chooses between, one enum per axis.
//!
//! Each arm is named once: its snake_case name is what configuration files, the command line and
//! records have, and its doc comment is what a table of knobs shows.

use crate::problem::{Explain, Problem};

/// A name that no arm of an axis has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct UnknownArm {
    /// The axis that was asked.
    pub axis: &'static str,
    /// The name that was given.
    pub name: String,
    /// The names there are, separated by commas.
    pub choices: String,
}

crate::display_problem!(UnknownArm);

impl Explain for UnknownArm {
    fn problem(&self) -> Problem {
        let what = format!("no {} is called {:?}", self.axis, self.name);
        Problem::new(self.axis, what, format!("choose one of {}", self.choices))
    }
}

/// An enum of choices, each with its name in files and records and its line of help.
#[macro_export]
macro_rules! arms {
    ($(#[$meta:meta])* $axis:ident ($title:literal) {
        $(#[doc = $help:literal] $arm:ident = $name:literal,)+
    }) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
        )]
        pub enum $axis {
            $(#[doc = $help] #[serde(rename = $name)] $arm,)+
        }

        impl $axis {
            /// Every arm, in the order tables list them.
            pub const ALL: &'static [Self] = &[$(Self::$arm),+];

            /// The snake_case name used in configurations and records.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$arm => $name,)+ }
            }

            /// One line of help.
            pub fn help(self) -> &'static str {
                match self { $(Self::$arm => $help.trim(),)+ }
            }
        }

        impl std::fmt::Display for $axis {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.pad(self.name())
            }
        }

        impl std::str::FromStr for $axis {
            type Err = $crate::arms::UnknownArm;

            fn from_str(name: &str) -> Result<Self, $crate::arms::UnknownArm> {
                Self::ALL.iter().copied().find(|arm| arm.name() == name).ok_or_else(|| $crate::arms::UnknownArm {
                    axis: $title,
                    name: name.to_owned(),
                    choices: Self::ALL.iter().map(|arm| arm.name()).collect::<Vec<_>>().join(", "),
                })
            }
        }
    };
}

arms! {
    /// How a block's worth is scored (paper Eq. 4 and 5; METHOD §2).
    Salience ("salience") {
        /// activation × gradient plus √kurtosis of the activations (paper Eq. 5)
        OutlierAware = "outlier_aware",
        /// activation × gradient, compressed over the batch (paper Eq. 4)
        ActivationGradient = "activation_gradient",
        /// sum of absolute weights
        Magnitude = "magnitude",
        /// sum over batches of the squared gradient of the block's mask
        Gradient = "gradient",
        /// seeded noise, the floor every scorer must beat
        Random = "random",
        /// blocks at random, but as many of each kind in each layer as outlier_aware would keep
        RandomWithin = "random_within",
        /// squared input norm × absolute weight
        Wanda = "wanda",
        /// sum over batches of |gradient of the block's mask|: what its weights together do to the loss (LLM-Pruner)
        Taylor = "taylor",
        /// masks that are learned with the weights: hard-concrete gates under a density constraint (CoFi)
        L0 = "l0",
    }
}

arms! {
    /// In which units √kurtosis joins the first term of outlier-aware salience.
    OutlierScale ("outlier scale") {
        /// both terms weigh the same over all blocks of a kind, whatever the loss is scaled by
        Balanced = "balanced",
        /// added as it is (paper Eq. 5); with the small gradients of a classifier it outweighs the first term
        Raw = "raw",
    }
}

arms! {
    /// Over which entries of the activation proxy a head's kurtosis is taken.
    HeadKurtosis ("head kurtosis") {
        /// over all entries of the head (paper Eq. 5)
        PerHead = "per_head",
        /// over every n-th entry of all n heads laid out behind one another, as the published code's reshape does
        Published = "published",
    }
}

arms! {
    /// Whether padding is seen by scores and by the loss between hidden states.
    Padding ("padding") {
        /// only the tokens of a text count, so that a text's part does not depend on which others are in its batch
        LeftOut = "left_out",
        /// padded positions of a batch count as tokens do, as in the published code
        Counted = "counted",
    }
}

arms! {
    /// How heads, neurons and hidden dims are weighed against each other.
    KindWeighing ("kind weights") {
        /// by score per parameter as it is (the paper)
        Paper = "paper",
        /// by score per parameter over its mean in the kind
        Equal = "equal",
        /// by factors under which the training loss of the pruned model is lowest
        Measured = "measured",
    }
}

arms! {
    /// When density falls (METHOD §4).
    PruneSchedule ("schedule") {
        /// as soon as the training loss has moved
        Early = "early",
        /// the same curve just before the final tuning
        Late = "late",
        /// the same curve spread over the whole run
        Gradual = "gradual",
        /// the whole target before the first step
        OneShot = "one_shot",
    }
}

arms! {
    /// The shape of the fall in density.
    Curve ("curve") {
        /// fast first, then gentle
        Cubic = "cubic",
        /// the same amount at every point
        Linear = "linear",
    }
}

arms! {
    /// How adapter ranks grow (paper §4.3; METHOD §5).
    RankGrowth ("rank growth") {
        /// the more important half takes the whole growth
        Adaptive = "adaptive",
        /// every adapter grows by the same factor
        Uniform = "uniform",
        /// ranks never change
        Static = "static",
        /// ranks start at one and a half times their size and lose the components that matter least (AdaLoRA)
        Allocate = "allocate",
    }
}

arms! {
    /// What the student learns from while it shrinks (METHOD §6).
    Distillation ("distillation") {
        /// the frozen weights plus their own copy of the adapters
        Shared = "shared",
        /// a full second copy of the model
        Separate = "separate",
        /// the task loss alone
        Off = "off",
    }
}

arms! {
    /// How an adapter's importance is measured (METHOD §2.3).
    RankImportance ("rank importance") {
        /// Σ|W_B ∘ ∂L/∂W_B|, as the paper defines it
        AdapterB = "adapter_b",
        /// mean over ranks of |Σ A ∘ ∂L/∂A|, as the published code computes it
        RankMean = "rank_mean",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arm_reads_back_from_its_name() {
        for &arm in Salience::ALL {
            assert_eq!(arm.name().parse::<Salience>(), Ok(arm));
            assert_eq!(serde_json::to_string(&arm).ok(), Some(format!("\"{arm}\"")));
        }
        let error = "nothing".parse::<Curve>().expect_err("no such curve");
        assert!(error.to_string().contains("cubic, linear"), "{error}");
    }
}
