//! Losses over a vocabulary without its logits: a block of the table's rows at a time meets all tokens while it is in the
//! cache, and the softmax is put together block by block (Milakov & Gimelshein 2018, arXiv 1805.02867), as attention is
//! (Dao et al. 2022, arXiv 2205.14135): the gradient by the hidden states is an attention to the table. Tokens stand in the
//! lanes of vectors, so that neither the table is laid out anew nor anything summed across lanes.

use super::gemm::View;
use super::rows::exp_of_difference;
use super::tiles::{add_product, most_vectors};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use pulp::{Arch, Simd, WithSimd};

/// Rows of the table at a time.
const ROWS: usize = 96;
/// Values of such a block, where rows are long.
const BLOCK: usize = 1 << 16;
/// Values of the panels that meet a block before the next one is read.
#[cfg(not(target_family = "wasm"))]
const PANELS: usize = 1 << 18;
/// Most tokens of a panel: four of the widest vectors.
const WIDEST: usize = 64;

/// What a table makes of hidden states and their targets.
pub(crate) struct Scored {
    /// −ln p of each target.
    pub losses: Vec<f32>,
    /// 1 where no logit is larger than the target's, and none as large before it; else 0.
    pub hits: Vec<f32>,
    /// ∂loss/∂hidden, a row for each token; empty if it is not wanted.
    pub slopes: Vec<f32>,
}

/// Of `hidden`, `[n, d]`, and `table`, `[vocab, d]`, both without autodiff, with as many targets, which are in the table;
/// `None` on another device than the CPU. A token's result depends neither on the others nor on the number of threads.
pub(crate) fn scored(hidden: &Tensor<2>, table: &Tensor<2>, targets: &[i32], with_slopes: bool) -> Option<Scored> {
    let matrix = |tensor: &Tensor<2>| {
        let tensor = tensor.clone().try_into_primitive::<Flex>().ok()?;
        Some(if View::of(&tensor).has_whole_rows() { tensor } else { tensor.to_contiguous() })
    };
    Some(of_matrices(&matrix(hidden)?, &matrix(table)?, targets, with_slopes))
}

fn of_matrices(hidden: &FlexTensor, table: &FlexTensor, targets: &[i32], with_slopes: bool) -> Scored {
    let (hidden, table, arch) = (View::of(hidden), View::of(table), Arch::new());
    let (tokens, width) = (targets.len(), hidden.columns());
    let mut panels = arch.dispatch(Laid { hidden, targets, with_slopes });
    let meet = |panels: &mut [Panel<'_>]| arch.dispatch(Meeting { panels, table });
    #[cfg(not(target_family = "wasm"))]
    {
        use rayon::prelude::*;
        let of_cache = (PANELS / (2 * width * WIDEST).max(1)).max(1);
        let at_once = panels.len().div_ceil(rayon::current_num_threads()).clamp(1, of_cache);
        panels.par_chunks_mut(at_once).for_each(meet);
    }
    #[cfg(target_family = "wasm")]
    meet(&mut panels);

    let mut scored = Scored {
        losses: Vec::with_capacity(tokens),
        hits: Vec::with_capacity(tokens),
        slopes: vec![0.0; if with_slopes { tokens * width } else { 0 }],
    };
    let mut slopes = scored.slopes.as_mut_slice();
    for panel in &panels {
        for (place, &id) in panel.targets.iter().enumerate() {
            scored.losses.push(panel.sums[place].ln() + (panel.most[place] - panel.of_targets[place]));
            scored.hits.push(if panel.likeliest[place] == id as u32 { 1.0 } else { 0.0 });
        }
        let (of_panel, behind) = slopes.split_at_mut(if with_slopes { panel.targets.len() * width } else { 0 });
        panel.write_slopes(table, of_panel);
        slopes = behind;
    }
    scored
}

/// A few tokens, in the columns of matrices of which each row is `width` long.
struct Panel<'a> {
    width: usize,
    targets: &'a [i32],
    /// Hidden states, a row for each dim.
    hidden: Vec<f32>,
    /// Σ e^(logit − most) times the table's row, a row for each dim; empty if it is not wanted.
    context: Vec<f32>,
    /// The largest logit so far, and the row that it is of.
    most: Vec<f32>,
    likeliest: Vec<u32>,
    /// Σ e^(logit − most).
    sums: Vec<f32>,
    /// The logits of the targets.
    of_targets: Vec<f32>,
}

impl Panel<'_> {
    /// `context/sums` less the target's row, a row for each token.
    fn write_slopes(&self, table: View<'_>, slopes: &mut [f32]) {
        let d = table.columns();
        for ((place, &id), slopes) in self.targets.iter().enumerate().zip(slopes.chunks_exact_mut(d.max(1))) {
            let share = self.sums[place].recip();
            let context = self.context[place..].iter().step_by(self.width);
            for ((slope, context), target) in slopes.iter_mut().zip(context).zip(table.row(id as usize)) {
                *slope = context * share - target;
            }
        }
    }
}

/// Makes the panels: as wide as a few vectors, of which each has as many, or one more.
struct Laid<'a> {
    hidden: View<'a>,
    targets: &'a [i32],
    with_slopes: bool,
}

impl<'a> WithSimd for Laid<'a> {
    type Output = Vec<Panel<'a>>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<Panel<'a>> {
        let Self { hidden, targets, with_slopes } = self;
        let (lanes, most) = most_vectors::<S>();
        let vectors = targets.len().div_ceil(lanes);
        let count = vectors.div_ceil(most);
        let bounds = (0..count).map(|index| [index, index + 1].map(|index| index * vectors / count.max(1) * lanes));
        let panel = |[first, end]: [usize; 2]| {
            let (width, targets) = (end - first, &targets[first..end.min(targets.len())]);
            let mut panel = Panel {
                width,
                targets,
                hidden: vec![],
                context: vec![0.0; if with_slopes { hidden.columns() * width } else { 0 }],
                most: vec![f32::NEG_INFINITY; width],
                likeliest: vec![0; width],
                sums: vec![0.0; width],
                of_targets: vec![f32::NAN; width],
            };
            hidden.rows_from(first, targets.len()).transposed().laid_out(width, &mut panel.hidden);
            panel
        };
        bounds.map(panel).collect()
    }
}

/// Some panels and the whole table.
struct Meeting<'a, 'p> {
    panels: &'a mut [Panel<'p>],
    table: View<'a>,
}

impl WithSimd for Meeting<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { panels, table } = self;
        let at_once = (BLOCK / table.columns().max(1)).clamp(ROWS / 4, ROWS);
        let mut scores = vec![0.0; at_once * WIDEST];
        for first in (0..table.rows()).step_by(at_once) {
            let block = table.rows_from(first, at_once.min(table.rows() - first));
            for panel in panels.iter_mut() {
                let scores = &mut scores[..block.rows() * panel.width];
                add_product(simd, scores, block, &panel.hidden, panel.width, false);
                simd.vectorize(Softmax { panel, scores, first });
                if !panel.context.is_empty() {
                    let width = panel.width;
                    add_product(simd, &mut panel.context, block.transposed(), scores, width, true);
                }
            }
        }
    }
}

/// Takes the logits of a block, a row for each of its words, into a panel's sums, and leaves e^(logit − most) in their place.
struct Softmax<'a, 'p> {
    panel: &'a mut Panel<'p>,
    scores: &'a mut [f32],
    /// The word of the first row.
    first: usize,
}

impl WithSimd for Softmax<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        match most_vectors::<S>().0 {
            16 => self.by_lanes::<16>(),
            8 => self.by_lanes::<8>(),
            4 => self.by_lanes::<4>(),
            2 => self.by_lanes::<2>(),
            _ => self.by_lanes::<1>(),
        }
    }
}

impl Softmax<'_, '_> {
    /// L tokens at a time, so that what is gathered of them stays in registers.
    // By index the compiler makes vectors of them; by iterators it does not, and a step takes a fifth longer.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    fn by_lanes<const L: usize>(self) {
        let Self { panel: Panel { width, targets, context, most, likeliest, sums, of_targets, .. }, scores, first } =
            self;
        let width = *width;
        let rows = scores.len() / width.max(1);
        for (place, (of_target, &id)) in of_targets.iter_mut().zip(targets.iter()).enumerate() {
            let row = (id as usize).wrapping_sub(first);
            if row < rows {
                *of_target = scores[row * width + place];
            }
        }
        let mut before = [0.0; WIDEST];
        before[..width].copy_from_slice(most);
        let scores = scores.as_chunks_mut::<L>().0;
        let (every, most) = (width / L, most.as_chunks_mut::<L>().0);
        for (place, (most, likeliest)) in most.iter_mut().zip(likeliest.as_chunks_mut::<L>().0).enumerate() {
            let (mut largest, mut of) = (*most, *likeliest);
            for (word, scores) in (first as u32..).zip(scores[place..].iter().step_by(every)) {
                for lane in 0..L {
                    let larger = scores[lane] > largest[lane];
                    largest[lane] = if larger { scores[lane] } else { largest[lane] };
                    of[lane] = if larger { word } else { of[lane] };
                }
            }
            (*most, *likeliest) = (largest, of);
        }
        if before.iter().zip(most.as_flattened()).any(|(before, most)| before < most) {
            let mut shrunk = [0.0; WIDEST];
            for ((shrunk, before), most) in shrunk.iter_mut().zip(before).zip(most.as_flattened()) {
                *shrunk = exp_of_difference(before, *most);
            }
            for row in [sums.as_mut_slice()].into_iter().chain(context.chunks_exact_mut(width)) {
                row.iter_mut().zip(shrunk).for_each(|(sum, shrunk)| *sum *= shrunk);
            }
        }
        for (place, (most, sums)) in most.iter().zip(sums.as_chunks_mut::<L>().0).enumerate() {
            // A block's sum first: so many terms one after the other would round too often.
            let (most, mut of_block) = (*most, [0.0; L]);
            for scores in scores[place..].iter_mut().step_by(every) {
                for lane in 0..L {
                    scores[lane] = exp_of_difference(scores[lane], most[lane]);
                    of_block[lane] += scores[lane];
                }
            }
            sums.iter_mut().zip(of_block).for_each(|(sum, of_block)| *sum += of_block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn values(n: usize, step: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * step).sin() * 3.0).collect()
    }

    fn tensor(values: &[f32], dims: [usize; 2]) -> Tensor<2> {
        Tensor::<1>::from_floats(values, &Device::flex()).reshape(dims)
    }

    /// The first row with the largest product.
    fn likeliest(hidden: &[f32], table: &[f32]) -> usize {
        let logits = logits(hidden, table);
        let later = |best: usize, word: usize| if logits[word] > logits[best] { word } else { best };
        (0..logits.len()).fold(0, later)
    }

    fn logits(hidden: &[f32], table: &[f32]) -> Vec<f64> {
        let dot = |row: &[f32]| row.iter().zip(hidden).map(|(t, h)| f64::from(*t) * f64::from(*h)).sum();
        table.chunks(hidden.len()).map(dot).collect()
    }

    /// −ln p of the target, whether it is the likeliest, and the gradient, of one token: sums of `f64`.
    fn written_out(hidden: &[f32], table: &[f32], target: usize) -> (f64, f32, Vec<f64>) {
        let d = hidden.len();
        let logits = logits(hidden, table);
        let most = logits.iter().copied().fold(f64::MIN, f64::max);
        let sum: f64 = logits.iter().map(|logit| (logit - most).exp()).sum();
        let share = |word: usize| (logits[word] - most).exp() / sum;
        let of_dim = |dim: usize| -> f64 {
            let all: f64 = (0..logits.len()).map(|word| share(word) * f64::from(table[word * d + dim])).sum();
            all - f64::from(table[target * d + dim])
        };
        let hit = f32::from(likeliest(hidden, table) == target);
        (sum.ln() + most - logits[target], hit, (0..d).map(of_dim).collect())
    }

    #[test]
    fn losses_hits_and_slopes_of_any_sizes_are_those_of_all_logits_at_once() {
        for [tokens, vocab, d, apart] in
            [[1, 1, 1, 0], [5, 97, 7, 3], [64, 200, 33, 0], [70, 193, 150, 5], [200, 6, 3, 1]]
        {
            let (hidden, rows) = (values(tokens * d, 0.37), values(vocab * (d + apart), 0.73));
            // A table may be the first columns of a wider one.
            let table: Vec<f32> = rows.chunks(d + apart).flat_map(|row| &row[..d]).copied().collect();
            let targets: Vec<i32> = (0..tokens)
                .map(|token| match token % 3 {
                    0 => likeliest(&hidden[token * d..][..d], &table) as i32,
                    _ => (token * 31 % vocab) as i32,
                })
                .collect();
            let ours = |with| {
                let table = tensor(&rows, [vocab, d + apart]).slice([0..vocab, 0..d]);
                scored(&tensor(&hidden, [tokens, d]), &table, &targets, with).expect("the CPU")
            };
            let (ours, without) = (ours(true), ours(false));
            assert!(without.slopes.is_empty() && without.losses == ours.losses && without.hits == ours.hits);
            let mut hits = 0.0;
            for (token, hidden) in hidden.chunks(d).enumerate() {
                let case = format!("token {token} of {tokens}, vocabulary {vocab}, {d} dims");
                let (loss, hit, slopes) = written_out(hidden, &table, targets[token] as usize);
                assert!(
                    (f64::from(ours.losses[token]) - loss).abs() < 1e-4,
                    "{case}: {} for {loss}",
                    ours.losses[token]
                );
                assert_eq!(ours.hits[token], hit, "{case}: whether it is the likeliest");
                hits += hit;
                for (ours, slope) in ours.slopes[token * d..].iter().zip(slopes) {
                    assert!((f64::from(*ours) - slope).abs() < 2e-5, "{case}: slope {ours} for {slope}");
                }
            }
            assert!(hits >= tokens.div_ceil(3) as f32, "{hits} hits of {tokens}, vocabulary {vocab}");
        }
    }

    #[cfg(not(target_family = "wasm"))]
    #[test]
    fn a_result_does_not_depend_on_the_number_of_threads() {
        let (hidden, table) = (tensor(&values(300 * 40, 0.37), [300, 40]), tensor(&values(500 * 40, 0.73), [500, 40]));
        let targets: Vec<i32> = (0..300).collect();
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            let ours = pool.install(|| scored(&hidden, &table, &targets, true)).expect("the CPU");
            [ours.losses, ours.hits, ours.slopes]
        };
        assert!(with(1) == with(3), "one thread and three");
    }

    #[test]
    fn of_equal_logits_the_first_is_the_likeliest() {
        let table = tensor(&[1.0, 2.0, 2.0], [3, 1]);
        let ours = scored(&tensor(&[1.0, 1.0], [2, 1]), &table, &[1, 2], false).expect("the CPU");
        assert_eq!(ours.hits, [1.0, 0.0]);
    }

    #[test]
    fn what_is_not_a_number_is_not_lost() {
        let table = tensor(&values(300, 0.7), [100, 3]);
        let hidden = tensor(&[1.0, f32::NAN, 0.0, 1.0, 2.0, 0.0], [2, 3]);
        let ours = scored(&hidden, &table, &[3, 4], true).expect("the CPU");
        assert!(ours.losses[0].is_nan() && ours.losses[1].is_finite(), "{:?}", ours.losses);
        assert!(ours.slopes[..3].iter().all(|slope| slope.is_nan()) && ours.slopes[3..].iter().all(|s| s.is_finite()));
    }
}
