//! The scorers' formulas (METHOD §2). Matrices are row-major; `width` is the length of a row.

/// c(Z): the sum of |Z| over batch and sequence. `values`: `[tokens, width]`, result `[width]`.
pub fn compress(values: &[f64], width: usize) -> Vec<f64> {
    column_sums(values, width, f64::abs)
}

/// c(H)·c(∂L/∂H), the product of the two compressed sums (paper Eq. 4).
///
/// `activation`, `gradient`: `[tokens, width]`; result `[width]`.
pub fn activation_gradient(activation: &[f64], gradient: &[f64], width: usize) -> Vec<f64> {
    let activation = compress(activation, width);
    activation.into_iter().zip(compress(gradient, width)).map(|(a, g)| a * g).collect()
}

/// Sums groups of `head_size` units into one score per head.
pub fn per_head(units: &[f64], head_size: usize) -> Vec<f64> {
    units.chunks(head_size.max(1)).map(|head| head.iter().sum()).collect()
}

/// Signed mean over tokens, x̄ of METHOD §2.2. `values`: `[tokens, width]`, result `[width]`.
pub fn mean_input(values: &[f64], width: usize) -> Vec<f64> {
    let rows = (values.len() / width.max(1)).max(1) as f64;
    column_sums(values, width, |value| value).into_iter().map(|sum| sum / rows).collect()
}

/// O = x̄ ∘ W: every row of `weight` (`[outputs, inputs]`) times the mean input (`[inputs]`).
pub fn output_proxy(weight: &[f64], mean_input: &[f64]) -> Vec<f64> {
    let rows = weight.chunks(mean_input.len().max(1));
    rows.flat_map(|row| row.iter().zip(mean_input).map(|(w, x)| w * x)).collect()
}

/// Excess kurtosis mean(((a − mean)/std)⁴) − 3 with the sample deviation (n − 1), as published;
/// −3 for values that are all alike (METHOD §2.2).
pub fn kurtosis(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / (n - 1.0);
    if variance.is_nan() || variance <= 0.0 {
        return if values.iter().all(|a| a.is_finite()) { -3.0 } else { f64::NAN };
    }
    values.iter().map(|a| (a - mean).powi(4)).sum::<f64>() / n / (variance * variance) - 3.0
}

/// √max(k, 0): what an outlier-aware score adds to activation × gradient (paper Eq. 5).
pub fn outlier_term(kurtosis: f64) -> f64 {
    if kurtosis.is_nan() { f64::NAN } else { kurtosis.max(0.0).sqrt() }
}

/// Kurtosis of every column of `[outputs, width]`: one per neuron.
pub fn column_kurtosis(proxy: &[f64], width: usize) -> Vec<f64> {
    (0..width).map(|column| kurtosis(&proxy.iter().skip(column).step_by(width).copied().collect::<Vec<_>>())).collect()
}

/// Kurtosis of every row of `[outputs, width]`: one per hidden dimension.
pub fn row_kurtosis(proxy: &[f64], width: usize) -> Vec<f64> {
    proxy.chunks(width.max(1)).map(kurtosis).collect()
}

/// Kurtosis over all outputs × head_size entries of each head of `[outputs, width]`.
pub fn head_kurtosis(proxy: &[f64], width: usize, head_size: usize) -> Vec<f64> {
    (0..width)
        .step_by(head_size.max(1))
        .map(|start| {
            let end = (start + head_size.max(1)).min(width);
            let head = proxy.chunks(width).flat_map(|row| &row[start..end]);
            kurtosis(&head.copied().collect::<Vec<_>>())
        })
        .collect()
}

/// Σ|w| of every row, plus |bias|: what a unit's own weights weigh.
pub fn row_magnitude(weight: &[f64], bias: Option<&[f64]>, width: usize) -> Vec<f64> {
    let mut sums: Vec<f64> = weight.chunks(width.max(1)).map(|row| row.iter().map(|w| w.abs()).sum()).collect();
    for (sum, bias) in sums.iter_mut().zip(bias.unwrap_or_default()) {
        *sum += bias.abs();
    }
    sums
}

/// Σ|w| of every column: what consumers give a unit.
pub fn column_magnitude(weight: &[f64], width: usize) -> Vec<f64> {
    compress(weight, width)
}

/// Σ x² of every input over batch and sequence. `values`: `[tokens, width]`, result `[width]`.
pub fn squared_inputs(values: &[f64], width: usize) -> Vec<f64> {
    column_sums(values, width, |value| value * value)
}

/// (Σ x_j²)·|W_ij|, no square root, as published (METHOD §2.4). `weight`: `[outputs, inputs]`.
pub fn wanda(weight: &[f64], squared_inputs: &[f64]) -> Vec<f64> {
    let rows = weight.chunks(squared_inputs.len().max(1));
    rows.flat_map(|row| row.iter().zip(squared_inputs).map(|(w, x)| w.abs() * x)).collect()
}

/// Adds one batch to a Fisher score: Σ over batches of (∂L/∂mask)².
pub fn add_fisher(sum: &mut [f64], mask_gradient: &[f64]) {
    for (sum, gradient) in sum.iter_mut().zip(mask_gradient) {
        *sum += gradient * gradient;
    }
}

/// (m·∂L/∂m)² per mask entry (METHOD §2.4, `running_salience`).
pub fn mask_salience(masks: &[f64], gradient: &[f64]) -> Vec<f64> {
    masks.iter().zip(gradient).map(|(m, g)| (m * g).powi(2)).collect()
}

/// |Σ_j A_kj·∂L/∂A_kj| of every rank k; their mean is the published importance of an adapter
/// (METHOD §2.3). `a`, `gradient`: `[rank, inputs]`.
pub fn rank_scores(a: &[f64], gradient: &[f64], inputs: usize) -> Vec<f64> {
    let rows = a.chunks(inputs.max(1)).zip(gradient.chunks(inputs.max(1)));
    rows.map(|(a, g)| a.iter().zip(g).map(|(a, g)| a * g).sum::<f64>().abs()).collect()
}

/// mean|A_k ∘ ∂L/∂A_k| + mean|B_k ∘ ∂L/∂B_k| of every component k of an adapter, a row of A with its column of B: its
/// sensitivity (AdaLoRA, Zhang et al. 2023). `a`, `of_a`: `[rank, inputs]`, `b`, `of_b`: Bᵀ, `[rank, outputs]`.
pub fn component_scores([a, of_a]: [&[f64]; 2], [b, of_b]: [&[f64]; 2], rank: usize) -> Vec<f64> {
    let mean = |values: &[f64], gradient: &[f64], k: usize| {
        let width = values.len() / rank.max(1);
        let row = k * width..(k + 1) * width;
        let sum: f64 = values[row.clone()].iter().zip(&gradient[row]).map(|(v, g)| (v * g).abs()).sum();
        sum / width.max(1) as f64
    };
    (0..rank).map(|k| mean(a, of_a, k) + mean(b, of_b, k)).collect()
}

/// Σ|W_B ∘ ∂L/∂W_B|, the paper's importance of an adapter (paper §4.3).
pub fn adapter_b(b: &[f64], gradient: &[f64]) -> f64 {
    b.iter().zip(gradient).map(|(b, g)| (b * g).abs()).sum()
}

fn column_sums(values: &[f64], width: usize, map: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut sums = vec![0.0; width];
    for row in values.chunks(width.max(1)) {
        for (sum, &value) in sums.iter_mut().zip(row) {
            *sum += map(value);
        }
    }
    sums
}
