//! One token of every text: products of a few vectors with a matrix, which read each weight once and do little else. A matrix
//! is shared out by its columns, or by its rows where those are the outputs.

use super::rows::{LANES, Norm, Pass, Rms, Rotate, Softmax, over, together};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use pulp::{Arch, Simd, WithSimd};

/// Values that one thread reads of a matrix at least, where there are several.
const SHARE: usize = 1 << 14;
/// Rows of a matrix that are added to a result at once.
const ROWS: usize = 8;

/// The values of a tensor on the CPU, row by row.
#[derive(Debug)]
pub(crate) struct Weights(FlexTensor);

impl Weights {
    /// Of a tensor without autodiff; `None` on another device.
    pub(crate) fn of<const D: usize>(tensor: Tensor<D>) -> Option<Self> {
        let tensor = tensor.try_into_primitive::<Flex>().ok()?.to_contiguous();
        tensor.as_slice::<f32>().is_some().then_some(Self(tensor))
    }

    /// Them.
    pub(crate) fn values(&self) -> &[f32] {
        // Invariant: a contiguous tensor of f32, as `of` has seen.
        self.0.as_slice().unwrap_or_default()
    }
}

/// A linear layer to be applied: `x·W + b`, W as `[d_in, d_out]`.
#[derive(Clone, Copy)]
pub(crate) struct Linear<'a> {
    pub weight: &'a [f32],
    pub bias: Option<&'a [f32]>,
    pub outputs: usize,
}

/// What the layers make of the same vectors, `[vectors, d_in]` row by row: `[vectors, d_out]` of each.
pub(crate) fn linears<const N: usize>(x: &[f32], vectors: usize, layers: [Linear<'_>; N]) -> [Vec<f32>; N] {
    let inputs = x.len() / vectors.max(1);
    let mut results = layers.map(|linear| vec![0.0; vectors * linear.outputs]);
    let mut tasks = Vec::new();
    for (linear, result) in layers.into_iter().zip(&mut results) {
        let share = linear.outputs.div_ceil(threads(inputs * linear.outputs)).next_multiple_of(16).max(16);
        let parts = columns(result, linear.outputs, share).into_iter().zip((0..).step_by(share));
        tasks.extend(parts.map(|(out, first)| (linear, first, out)));
    }
    let arch = Arch::new();
    each(tasks, |(Linear { weight, bias, outputs }, first, mut out)| {
        if let Some(bias) = bias {
            out.iter_mut().for_each(|out| out.copy_from_slice(&bias[first..][..out.len()]));
        }
        arch.dispatch(Columns {
            x,
            inputs,
            weight: &weight[first.min(weight.len())..],
            stride: outputs,
            out: &mut out,
        });
    });
    results
}

/// Products of the same vectors with every row of a table, `[rows, d]`: `[vectors, rows]`.
pub(crate) fn with_rows(x: &[f32], vectors: usize, table: &[f32], rows: usize) -> Vec<f32> {
    let width = x.len() / vectors.max(1);
    let share = rows.div_ceil(threads(table.len())).max(1);
    let mut result = vec![0.0; vectors * rows];
    let parts = columns(&mut result, rows, share).into_iter().zip(table.chunks((share * width).max(1)));
    let arch = Arch::new();
    each(parts.collect(), |(mut out, table)| arch.dispatch(Rows { x, width, table, out: &mut out }));
    result
}

/// Every row of `result`, `width` long, cut after each `share` columns: of every part its columns of all rows.
fn columns(result: &mut [f32], width: usize, share: usize) -> Vec<Vec<&mut [f32]>> {
    let mut parts: Vec<Vec<_>> = (0..width).step_by(share).map(|_| vec![]).collect();
    for row in result.chunks_exact_mut(width.max(1)) {
        parts.iter_mut().zip(row.chunks_mut(share)).for_each(|(part, columns)| part.push(columns));
    }
    parts
}

/// Every `width` values of `x` normalised by themselves: of mean and variance where there is a bias, else of the root mean
/// square.
pub(crate) fn normalise(x: &mut [f32], width: usize, weight: &[f32], bias: Option<&[f32]>, eps: f32) {
    match bias {
        Some(bias) => over(x, width, Norm { weight, bias, eps }),
        None => over(x, width, Rms { weight, eps }),
    }
}

/// Every head of `size` dims turned by its vector's row of the table (as [`super::rotate`]); a vector is `width` values.
pub(crate) fn turn(x: &mut [f32], width: usize, table: &[f32], size: usize) {
    over(x, width, Rotate { table, size, back: false });
}

/// A key-value head of a text with the queries that share it.
pub(crate) struct HeadOf<'a> {
    /// `[group, size]`.
    pub queries: &'a [f32],
    /// `[tokens, size]`.
    pub keys: &'a [f32],
    /// `[tokens, size]`.
    pub values: &'a [f32],
}

/// `softmax(qKᵀ/√size)·V` of every head, `[group, size]` each, behind one another.
pub(crate) fn attend(heads: &[HeadOf<'_>], size: usize) -> Vec<f32> {
    let arch = Arch::new();
    let run = |head: &HeadOf<'_>| arch.dispatch(Gather { head, size });
    let work: usize = heads.iter().map(|head| head.keys.len()).sum();
    match threads(work) {
        1 => heads.iter().flat_map(run).collect(),
        _ => each(heads.iter().collect(), run).into_iter().flatten().collect(),
    }
}

/// Threads that are worth it for so many values.
fn threads(values: usize) -> usize {
    #[cfg(not(target_family = "wasm"))]
    let most = rayon::current_num_threads();
    #[cfg(target_family = "wasm")]
    let most = 1;
    most.min(values / SHARE).max(1)
}

/// Runs every task, on all threads where there are several tasks; results are in the order of tasks.
fn each<T: Send, R: Send>(tasks: Vec<T>, run: impl Fn(T) -> R + Sync + Send) -> Vec<R> {
    #[cfg(not(target_family = "wasm"))]
    if tasks.len() > 1 {
        use rayon::prelude::*;
        return tasks.into_par_iter().map(run).collect();
    }
    tasks.into_iter().map(run).collect()
}

/// Columns of a product of vectors and a matrix; `out` has them for every vector, and holds what the product is added to.
struct Columns<'a, 'b> {
    x: &'a [f32],
    inputs: usize,
    weight: &'a [f32],
    stride: usize,
    out: &'a mut [&'b mut [f32]],
}

impl WithSimd for Columns<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, inputs, weight, stride, out } = self;
        let whole = inputs - inputs % ROWS;
        for first in (0..whole).step_by(ROWS) {
            add_rows::<S, ROWS>(simd, x, inputs, first, weight, stride, out);
        }
        for first in whole..inputs {
            add_rows::<S, 1>(simd, x, inputs, first, weight, stride, out);
        }
    }
}

/// Adds M rows of the matrix, each times its entry of a vector, to that vector's result.
#[inline(always)]
fn add_rows<S: Simd, const M: usize>(
    simd: S,
    x: &[f32],
    inputs: usize,
    first: usize,
    weight: &[f32],
    stride: usize,
    out: &mut [&mut [f32]],
) {
    let width = out.first().map_or(0, |out| out.len());
    let rows: [_; M] = std::array::from_fn(|row| S::as_simd_f32s(&weight[(first + row) * stride..][..width]));
    for (x, out) in x.chunks_exact(inputs).zip(out) {
        let x: [f32; M] = std::array::from_fn(|row| x[first + row]);
        let splats = x.map(|x| simd.splat_f32s(x));
        let (vectors, rest) = S::as_mut_simd_f32s(out);
        for (at, out) in vectors.iter_mut().enumerate() {
            let mut sum = *out;
            for (splat, row) in splats.iter().zip(&rows) {
                sum = simd.mul_add_e_f32s(*splat, row.0[at], sum);
            }
            *out = sum;
        }
        if !rest.is_empty() {
            let mut sum = simd.mul_f32s(splats[0], simd.partial_load_f32s(rows[0].1));
            for (splat, row) in splats.iter().zip(&rows).skip(1) {
                sum = simd.add_f32s(sum, simd.mul_f32s(*splat, simd.partial_load_f32s(row.1)));
            }
            sum = simd.add_f32s(simd.partial_load_f32s(rest), sum);
            simd.partial_store_f32s(rest, sum);
        }
    }
}

/// Products of vectors with the rows of a table; `out` has them for every vector.
struct Rows<'a, 'b> {
    x: &'a [f32],
    width: usize,
    table: &'a [f32],
    out: &'a mut [&'b mut [f32]],
}

impl WithSimd for Rows<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, width, table, out } = self;
        let count = table.len() / width.max(1);
        let whole = count - count % 4;
        for first in (0..whole).step_by(4) {
            dots::<S, 4>(simd, x, width, first, table, out);
        }
        for first in whole..count {
            dots::<S, 1>(simd, x, width, first, table, out);
        }
    }
}

/// Products of every vector with M rows from `first` on.
#[inline(always)]
fn dots<S: Simd, const M: usize>(
    simd: S,
    x: &[f32],
    width: usize,
    first: usize,
    table: &[f32],
    out: &mut [&mut [f32]],
) {
    let rows: [_; M] = std::array::from_fn(|row| S::as_simd_f32s(&table[(first + row) * width..][..width]));
    for (x, out) in x.chunks_exact(width).zip(out) {
        let (vectors, rest) = S::as_simd_f32s(x);
        let mut sums = [simd.splat_f32s(0.0); M];
        for (at, x) in vectors.iter().enumerate() {
            for (sum, row) in sums.iter_mut().zip(&rows) {
                *sum = simd.mul_add_e_f32s(*x, row.0[at], *sum);
            }
        }
        for ((sum, row), out) in sums.into_iter().zip(&rows).zip(&mut out[first..]) {
            *out = simd.reduce_sum_f32s(sum) + rest.iter().zip(row.1).map(|(x, w)| x * w).sum::<f32>();
        }
    }
}

/// The context of a head's queries.
struct Gather<'a> {
    head: &'a HeadOf<'a>,
    size: usize,
}

impl WithSimd for Gather<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let Self { head: HeadOf { queries, keys, values }, size } = self;
        let softmax = Softmax { scale: 1.0 / (size as f32).sqrt(), padding: &[], rows_per_padding: 1 };
        let mut context = vec![0.0; queries.len()];
        let mut weights = vec![0.0; keys.len() / size.max(1)];
        for (query, context) in queries.chunks_exact(size).zip(context.chunks_exact_mut(size)) {
            for (weight, key) in weights.iter_mut().zip(keys.chunks_exact(size)) {
                *weight = product(simd, query, key);
            }
            Pass::row(softmax, 0, &mut weights);
            // Sums of a few vectors of dims over all tokens stay in registers.
            let whole = S::as_simd_f32s(context).0.len();
            let mut first = 0;
            while first < whole {
                first += match whole - first {
                    1 => weighted::<S, 1>(simd, &weights, values, first, context),
                    2 => weighted::<S, 2>(simd, &weights, values, first, context),
                    3 => weighted::<S, 3>(simd, &weights, values, first, context),
                    _ => weighted::<S, 4>(simd, &weights, values, first, context),
                };
            }
            let rest = size - S::as_simd_f32s(context).1.len();
            for (weight, value) in weights.iter().zip(values.chunks_exact(size)) {
                context[rest..].iter_mut().zip(&value[rest..]).for_each(|(sum, value)| *sum += weight * value);
            }
        }
        context
    }
}

/// `Σ qᵢ·kᵢ` as [`super::rows`] sums: in sixteen partial results, the same on every machine.
#[inline(always)]
fn product<S: Simd>(simd: S, query: &[f32], key: &[f32]) -> f32 {
    let ((query, query_rest), (key, key_rest)) = (query.as_chunks::<LANES>(), key.as_chunks::<LANES>());
    let mut lanes = [0.0; LANES];
    for (query, key) in query.iter().zip(key) {
        let [query, key] = [query, key].map(|part| S::as_simd_f32s(part).0);
        for ((sum, query), key) in S::as_mut_simd_f32s(&mut lanes).0.iter_mut().zip(query).zip(key) {
            *sum = simd.add_f32s(*sum, simd.mul_f32s(*query, *key));
        }
    }
    together(lanes, query_rest, key_rest, |q, k| q * k, |sum, term| sum + term)
}

/// The sums of `M` vectors of dims, from the `first` on, of every token's value times its weight; M.
#[inline(always)]
fn weighted<S: Simd, const M: usize>(
    simd: S,
    weights: &[f32],
    values: &[f32],
    first: usize,
    context: &mut [f32],
) -> usize {
    let mut sums = [simd.splat_f32s(0.0); M];
    for (weight, value) in weights.iter().zip(values.chunks_exact(context.len())) {
        let weight = simd.splat_f32s(*weight);
        for (sum, value) in sums.iter_mut().zip(&S::as_simd_f32s(value).0[first..first + M]) {
            *sum = simd.add_f32s(*sum, simd.mul_f32s(weight, *value));
        }
    }
    S::as_mut_simd_f32s(context).0[first..first + M].copy_from_slice(&sums);
    M
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 37 + seed * 101) % 89) as f32 / 44.5 - 1.0).collect()
    }

    fn agree(ours: &[f32], plain: impl Fn(usize) -> f64, what: &str) {
        for (i, ours) in ours.iter().enumerate() {
            let plain = plain(i);
            assert!((f64::from(*ours) - plain).abs() < 1e-5, "{what}, entry {i}: {ours}, plain sum {plain}");
        }
    }

    #[test]
    fn layers_whose_widths_fill_no_vector_agree_with_plain_sums() {
        let (inputs, vectors) = (21, 2);
        let x = values(vectors * inputs, 1);
        for outputs in [1, 7, 16, 23, 40] {
            let (weight, bias) = (values(inputs * outputs, 2), values(outputs, 3));
            let [y] = linears(&x, vectors, [Linear { weight: &weight, bias: Some(&bias), outputs }]);
            let of = |i: usize| {
                let (vector, column) = (i / outputs, i % outputs);
                let term = |k: usize| f64::from(x[vector * inputs + k]) * f64::from(weight[k * outputs + column]);
                (0..inputs).map(term).sum::<f64>() + f64::from(bias[column])
            };
            agree(&y, of, &format!("{outputs} outputs"));
        }
    }

    #[test]
    fn heads_of_any_size_attend_as_plain_sums_do() {
        for size in [4, 16, 24, 48, 80, 128] {
            let (tokens, group) = (19, 2);
            let (queries, keys) = (values(group * size, 4), values(tokens * size, 5));
            let head = HeadOf { queries: &queries, keys: &keys, values: &values(tokens * size, 6) };
            let of = |i: usize| {
                let (query, dim) = (i / size, i % size);
                let product = |(q, k): (&f32, &f32)| f64::from(*q) * f64::from(*k);
                let score = |key: &[f32]| queries[query * size..].iter().zip(key).map(product).sum::<f64>();
                let weights = keys.chunks(size).map(|key| (score(key) / (size as f64).sqrt()).exp());
                let (sum, all) =
                    weights.zip(head.values.chunks(size)).fold((0.0, 0.0), |(sum, all), (weight, value)| {
                        (sum + weight * f64::from(value[dim]), all + weight)
                    });
                sum / all
            };
            agree(&attend(std::slice::from_ref(&head), size), of, &format!("heads of {size}"));
        }
    }
}
