//! The steps of the tour: what each says first, and its place in the address.

/// The page whose steps these are, as the address names it.
const PAGE: &str = "learn";

/// A step of the tour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its name.
    pub title: &'static str,
    /// What it is about, before anything is shown.
    pub lead: &'static str,
}

/// The steps in their order.
pub const STEPS: [Step; 8] = [
    Step {
        title: "The task",
        lead: "A pretrained model has to say whether a review praises or blames. Most of its weights are not needed for \
               that, and every weight that stays costs time and memory whenever the model is used. So the model is made \
               smaller while it learns the task.",
    },
    Step {
        title: "Layers, adapters, masks",
        lead: "The pretrained weights W of a layer stay as they are: they are frozen. Beside them an adapter is trained, \
               two thin matrices A and B of rank r. A mask m stands on every unit: 1 lets it through, 0 silences it.",
    },
    Step {
        title: "Guess the heads",
        lead: "Attention heads are units that can be removed. Choose those that you would remove. Then see which the \
               method removed, and with what salience.",
    },
    Step {
        title: "Salience",
        lead: "Salience says what a unit is worth: how strong its activations are, times how much the loss depends on \
               them. Units with rare, very large activations (high kurtosis) get more. It is compared per weight, so that \
               a large unit has to be worth more than a small one.",
    },
    Step {
        title: "Density",
        lead: "Density is the share of the weights that is left. It falls point by point, fast at first and slowly at the \
               end, and between the points the model learns to do without what is gone.",
    },
    Step {
        title: "Ranks and teacher",
        lead: "What is left has to learn more. At every pruning point the more important half of the adapters gets a \
               higher rank, out of a budget that grows. And the small model learns from a teacher: itself, before \
               the first cut.",
    },
    Step {
        title: "When to prune",
        lead: "The same amount can be removed early, late, gradually or all at once. Early pruning makes most steps cheap; \
               late pruning knows better what matters.",
    },
    Step {
        title: "What came out",
        lead: "At the end the small model is measured beside the whole one: how well it does, how large it is, how fast.",
    },
];

/// What the first step is about where the run is of a decoder.
pub const WRITES: &str = "A pretrained model has to say which token follows in a review. Most of its weights are not needed \
                          for that, and every weight that stays costs time and memory with every token that is written. So \
                          the model is made smaller while it learns the texts.";

/// What the part of an address after `#` says that leads to the step at this place.
#[must_use]
pub fn fragment(place: usize) -> String {
    format!("{PAGE}/{}", place + 1)
}

/// The place of the step that this fragment opens: the first, if it names none.
#[must_use]
pub fn place_in(fragment: &str) -> usize {
    let named = fragment.split_once('/').and_then(|(_, number)| number.parse::<usize>().ok());
    named.and_then(|number| number.checked_sub(1)).filter(|place| *place < STEPS.len()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_found_by_its_address() {
        let found: Vec<usize> = (0..STEPS.len()).map(|place| place_in(&fragment(place))).collect();
        assert_eq!(found, [0, 1, 2, 3, 4, 5, 6, 7]);
        let strange = ["learn", "learn/0", "learn/9", "learn/-1", "learn/x", "learn/3/4"];
        assert_eq!(strange.map(place_in), [0; 6]);
    }
}
