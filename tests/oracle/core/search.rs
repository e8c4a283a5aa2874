//! Block search and masks.

use apt_core::blocks::{BlockCosts, BlockScores, Counts, Kept, LayerShape, ModelShape};
use apt_core::masks::Masks;
use apt_core::reference::published::PublishedFormula;
use apt_core::search::{Block, Rounding, largest_prefix, rank_blocks, search};
use apt_tests::fixtures::{indices, items, load, number, numbers};
use serde_json::Value;

use crate::{agree, agree_all};

/// The scores rule of the fixtures: a linear congruential generator.
struct Lcg(u64);

impl Lcg {
    fn next(&mut self) -> f64 {
        self.0 = (1_103_515_245 * self.0 + 12_345) % (1 << 31);
        self.0 as f64 / (1u64 << 31) as f64
    }

    fn draw(&mut self, count: usize, scale: f64) -> Vec<f64> {
        (0..count).map(|_| self.next() * scale).collect()
    }

    /// Heads, neurons and hidden dimensions in that order, each list with its own scale.
    fn scores(&mut self, arch: &Arch, scale: [f64; 3]) -> BlockScores {
        let heads = self.draw(arch.heads, scale[0]);
        let neurons = self.draw(arch.neurons, scale[1]);
        let hidden = self.draw(arch.hidden, scale[2]);
        arch.scores(&heads, &neurons, hidden)
    }
}

/// A model as the search fixtures describe it: totals over its layers.
struct Arch {
    hidden: usize,
    heads: usize,
    neurons: usize,
    /// Lists that the blocks divide into; for T5 heads and neurons divide into different numbers
    /// of them, which nothing here depends on.
    layers: usize,
    formula: PublishedFormula,
}

impl Arch {
    fn read(arch: &Value) -> Self {
        let count = |key: &str| number(&arch[key]) as usize;
        let formula = PublishedFormula {
            t5: arch["is_t5"] == true,
            gated: arch["gated"] == true,
            layers: count("layers"),
            head_size: count("head_size"),
        };
        let (hidden, heads, neurons) = (count("hidden"), count("heads"), count("neurons"));
        Self { hidden, heads, neurons, layers: count("layers"), formula }
    }

    fn scores(&self, heads: &[f64], neurons: &[f64], hidden: Vec<f64>) -> BlockScores {
        let split =
            |list: &[f64]| -> Vec<Vec<f64>> { list.chunks(list.len() / self.layers).map(<[f64]>::to_vec).collect() };
        BlockScores { heads: split(heads), neurons: split(neurons), hidden }
    }

    fn costs(&self) -> BlockCosts {
        self.formula.block_costs(self.heads, self.neurons, self.hidden)
    }

    fn parameters(&self, counts: &Counts) -> f64 {
        self.formula.parameters(counts.heads, counts.neurons, counts.hidden)
    }

    /// The same model for the exact count; only plain BERT counts alike in both.
    fn shape(&self) -> ModelShape {
        let (heads, neurons) = (self.heads / self.layers, self.neurons / self.layers);
        let layer = LayerShape { heads, neurons };
        ModelShape::uniform(self.hidden, self.formula.head_size, self.layers, layer)
    }

    /// The number of blocks the published search keeps (METHOD §3.2): its loop, off-by-one and all.
    fn published_prefix(&self, order: &[Block], target: f64) -> usize {
        let cost = |prefix: usize| self.parameters(&totals(&order[..prefix]));
        let (mut low, mut high, mut probe) = (0, order.len(), order.len() / 2);
        loop {
            let size = cost(probe);
            if size < target {
                low = probe;
                probe = (probe + high) / 2;
            } else {
                high = probe;
                probe = (probe + low) / 2;
            }
            if high - low <= 1 {
                return if size >= target { probe - 1 } else { probe };
            }
        }
    }
}

fn totals(blocks: &[Block]) -> Counts {
    let mut counts = Counts::default();
    for block in blocks {
        match block {
            Block::Head { .. } => counts.heads += 1,
            Block::Neuron { .. } => counts.neurons += 1,
            Block::Hidden { .. } => counts.hidden += 1,
        }
    }
    counts
}

fn kept_by(blocks: &[Block], layers: usize) -> Kept {
    let mut kept = Kept { heads: vec![vec![]; layers], neurons: vec![vec![]; layers], hidden: vec![] };
    for &block in blocks {
        match block {
            Block::Head { layer, index } => kept.heads[layer].push(index),
            Block::Neuron { layer, index } => kept.neurons[layer].push(index),
            Block::Hidden { index } => kept.hidden.push(index),
        }
    }
    kept.heads.iter_mut().chain(&mut kept.neurons).for_each(|list| list.sort_unstable());
    kept.hidden.sort_unstable();
    kept
}

/// Positions that `kept` leaves out, counted through layers of equal `width`.
fn pruned(kept: &[Vec<usize>], width: usize) -> Vec<usize> {
    let missing = |(layer, kept): (usize, &Vec<usize>)| -> Vec<usize> {
        let gone = (0..width).filter(|index| !kept.contains(index));
        gone.map(|index| layer * width + index).collect()
    };
    kept.iter().enumerate().flat_map(missing).collect()
}

#[test]
fn oracle_block_search_keeps_at_most_one_block_more_within_the_budget() {
    let fixture = load("block_search_density");
    for case in items(&fixture["cases"]) {
        let name = format!("{} at {}", case["arch"], case["density"]);
        let arch = Arch::read(&fixture["archs"][case["arch"].as_str().expect("a name")]);
        let costs = arch.costs();
        let per_block = &case["param_per_block"];
        agree(&format!("{name}: per head"), costs.head, number(&per_block["head_mask"]));
        agree(&format!("{name}: per neuron"), costs.neuron, number(&per_block["intermediate_mask"]));
        agree(&format!("{name}: per hidden"), costs.hidden, number(&per_block["hidden_mask"]));

        let scale = numbers(&case["block_scale"]);
        let (hidden, head_size) = (arch.hidden as f64, arch.formula.head_size as f64);
        let breadth = 4.0 * arch.heads as f64 * head_size + 2.0 * arch.neurons as f64;
        let scale = [scale[0] * head_size * hidden * 4.0, scale[1] * hidden * 2.0, scale[2] * breadth];
        let scores = Lcg(number(&case["lcg_seed"]) as u64).scores(&arch, scale);
        let first: Vec<_> = scores.heads.iter().flatten().copied().take(2).collect();
        agree_all(&format!("{name}: scores"), &first, &numbers(&case["first_scores"]["head_mask"]));

        let order = rank_blocks(&scores, &costs).expect("scores are finite");
        let target = number(&case["target"]);
        let published = arch.published_prefix(&order, target);
        let theirs = totals(&order[..published]);
        let count = |key: &str| number(&case[key]) as usize;
        assert_eq!(theirs.heads, count("kept_heads"), "{name}: published heads");
        assert_eq!(theirs.neurons, count("kept_neurons"), "{name}: published neurons");
        assert_eq!(theirs.hidden, count("kept_hidden"), "{name}: published hidden dimensions");
        let kept = kept_by(&order[..published], arch.layers);
        let missing = |kept: &[Vec<usize>], total: usize| pruned(kept, total / arch.layers);
        let heads = missing(&kept.heads, arch.heads);
        assert_eq!(heads, indices(&case["pruned_heads"]), "{name}: pruned heads");
        let neurons = missing(&kept.neurons, arch.neurons);
        assert_eq!(neurons, indices(&case["pruned_neurons"]), "{name}: pruned neurons");

        let ours = largest_prefix(&order, arch.layers, |counts| arch.parameters(counts) <= target);
        assert!((published..=published + 1).contains(&ours), "{name}: {ours}, published {published}");
        let size = arch.parameters(&totals(&order[..ours]));
        assert!(size <= target, "{name}: {size} parameters exceed {target}");

        if !arch.formula.t5 && !arch.formula.gated {
            exact_search_agrees(&name, &arch.shape(), &scores, &kept, target);
        }
    }
}

/// The search as the method uses it, on a model whose exact count is the published one as long as
/// no sub-block is empty.
#[track_caller]
fn exact_search_agrees(name: &str, shape: &ModelShape, scores: &BlockScores, published: &Kept, target: f64) {
    let ours = search(scores, shape, target as usize, &Rounding::NONE).expect("a choice");
    let (ours, published) = (ours.shape_after(shape), published.shape_after(shape));
    let size = ours.parameters();
    assert!(size as f64 <= target, "{name}: {size} parameters exceed {target}");
    let blocks = |widths: &ModelShape| {
        let counts = widths.counts();
        counts.heads + counts.neurons + counts.hidden
    };
    let counts = published.counts();
    // An empty sub-block costs us nothing, so more fits than the published estimate allows.
    if counts.attentions + counts.feed_forwards == 2 * shape.layers.len() && counts.hidden > 0 {
        let (ours, published) = (blocks(&ours), blocks(&published));
        assert!((published..=published + 1).contains(&ours), "{name}: {ours}, not {published}");
    }
}

#[test]
fn oracle_exact_search_agrees_with_the_published_one_where_their_counts_do() {
    let fixture = load("block_search_roberta_base");
    let arch = Arch::read(&fixture["arch"]);
    let shape = arch.shape();
    for case in items(&fixture["cases"]) {
        let name = format!("scale {} at {}", case["scale"], case["density"]);
        assert_eq!(shape.parameters(), number(&case["n_params"]) as usize, "{name}: parameters");
        let scale = numbers(&case["scale"]);
        let scale = [scale[0] * 196_608.0, scale[1] * 1_536.0, scale[2] * 110_592.0];
        let scores = Lcg(number(&case["seed"]) as u64).scores(&arch, scale);
        let target = number(&case["density"]) * number(&case["n_params"]);

        let order = rank_blocks(&scores, &arch.costs()).expect("scores are finite");
        let published = kept_by(&order[..arch.published_prefix(&order, target)], arch.layers);
        let widths = published.shape_after(&shape);
        let heads: Vec<_> = widths.layers.iter().map(|layer| layer.heads).collect();
        let neurons: Vec<_> = widths.layers.iter().map(|layer| layer.neurons).collect();
        assert_eq!(heads, indices(&case["kept_heads_per_layer"]), "{name}: heads");
        assert_eq!(neurons, indices(&case["kept_neurons_per_layer"]), "{name}: neurons");
        assert_eq!(widths.hidden, number(&case["kept_hidden"]) as usize, "{name}: hidden");

        exact_search_agrees(&name, &shape, &scores, &published, target);
    }
}

#[test]
fn oracle_masks_move_as_published() {
    let fixture = load("mask_gradual_update");
    let arch = Arch::read(&fixture["arch"]);
    let shape = arch.shape();
    let scale: [f64; 3] = numbers(&fixture["score_scale"]).try_into().expect("three scales");
    let mut lcg = Lcg(number(&fixture["lcg_seed"]) as u64);
    let target = number(&fixture["density"]) * arch.formula.parameters(arch.heads, arch.neurons, arch.hidden);
    let choose = |lcg: &mut Lcg| {
        let scores = lcg.scores(&arch, scale);
        let order = rank_blocks(&scores, &arch.costs()).expect("scores are finite");
        kept_by(&order[..arch.published_prefix(&order, target)], arch.layers)
    };

    let mut masks = Masks::ones(&shape);
    let mut kept = choose(&mut lcg);
    let mut trace = items(&fixture["trace"]).iter().peekable();
    for step in 0.. {
        let Some(expected) = trace.peek() else { break };
        if step == number(&fixture["rescore_at_step"]) as usize {
            kept = choose(&mut lcg);
        }
        let here = step == number(&expected["step"]) as usize;
        if here && expected["is_last"] == true {
            masks.step(&kept, 1.0);
        } else {
            masks.step(&kept, number(&fixture["mask_lr"]));
        }
        if here {
            let flat = |masks: &[Vec<f64>]| masks.concat();
            let what = |list: &str| format!("{list} at step {step}");
            agree_all(&what("heads"), &flat(&masks.heads), &numbers(&expected["head_mask"]));
            let neurons = numbers(&expected["intermediate_mask"]);
            agree_all(&what("neurons"), &flat(&masks.neurons), &neurons);
            agree_all(&what("hidden"), &masks.hidden, &numbers(&expected["hidden_mask"]));
            trace.next();
        }
    }
    assert_eq!(masks.kept(), kept, "what is left after the last step");
}

#[test]
fn oracle_pruning_before_training_chooses_the_published_blocks() {
    let fixture = load("llama_pretuning_prune_chain");
    let config = &fixture["config"];
    let count = |key: &str| number(&config[key]) as usize;
    let layers = count("layers");
    let arch = Arch {
        hidden: count("hidden"),
        heads: layers * count("heads"),
        neurons: layers * count("ff"),
        layers,
        formula: PublishedFormula { t5: false, gated: true, layers, head_size: count("head_dim") },
    };
    for case in items(&fixture["cases"]) {
        let name = format!("kurtosis {} at {}", case["kurtosis"], case["density"]);
        let scores = arch.scores(
            &numbers(&case["scores"]["head_mask"]),
            &numbers(&case["scores"]["intermediate_mask"]),
            numbers(&case["scores"]["hidden_mask"]),
        );
        let target = number(&case["density"]) * number(&case["n_params"]);
        let order = rank_blocks(&scores, &arch.costs()).expect("scores are finite");
        let published = arch.published_prefix(&order, target);
        let mut masks = Masks::ones(&arch.shape());
        masks.step(&kept_by(&order[..published], layers), 1.0);
        let (heads, neurons) = (masks.heads.concat(), masks.neurons.concat());
        agree_all(&format!("{name}: heads"), &heads, &numbers(&case["head_mask"]));
        agree_all(&format!("{name}: neurons"), &neurons, &numbers(&case["intermediate_mask"]));
        agree_all(&format!("{name}: hidden"), &masks.hidden, &numbers(&case["hidden_mask"]));

        let ours = largest_prefix(&order, layers, |counts| arch.parameters(counts) <= target);
        assert!((published..=published + 1).contains(&ours), "{name}: {ours}, not {published}");
    }
}
