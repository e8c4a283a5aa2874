//! A batch of token sequences on a device.

use crate::config::{ModelConfig, Pooling};
use crate::family::Positions;
use crate::kernels::{self, Angles, Span};
use crate::select::indices;
use apt_core::tokens::TokenBatch;
use burn::tensor::{Device, Int, Tensor, TensorData};

/// Added to the attention scores of padding.
pub const PADDING_SCORE: f32 = -1e9;

/// How the sequences of a batch lie in memory.
#[derive(Clone, Debug)]
pub(crate) enum Layout {
    /// All of the same length. `padding` is 0 for tokens and a large negative number for padding,
    /// `[batch, 1, 1, length]`; `None` if nothing is padded.
    Padded {
        /// Tokens per sequence, padding included.
        length: usize,
        /// Tokens of each sequence before its padding.
        lengths: Vec<usize>,
        /// Added to attention scores.
        padding: Option<Box<Tensor<4>>>,
    },
    /// Behind one another without padding: only on the CPU.
    Packed {
        /// Tokens of each sequence.
        lengths: Vec<usize>,
    },
}

impl Layout {
    /// Its sequences.
    pub(crate) fn spans(&self) -> Vec<Span> {
        match self {
            // Of a sequence without tokens all is looked at.
            Self::Padded { length, lengths, .. } => {
                lengths.iter().map(|&n| Span::new(*length, if n == 0 { *length } else { n })).collect()
            }
            Self::Packed { lengths } => lengths.iter().map(|&n| Span::new(n, n)).collect(),
        }
    }
}

/// One batch on a device.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Token ids, `[tokens]`.
    pub ids: Tensor<1, Int>,
    /// Token types, `[tokens]`.
    pub type_ids: Tensor<1, Int>,
    /// The type of every token, if they all have the same.
    pub one_type: Option<usize>,
    /// Positions, `[tokens]`.
    pub positions: Tensor<1, Int>,
    /// Sequences.
    pub size: usize,
    pub(crate) layout: Layout,
    /// Which tokens count; [`None`] if all that are here do.
    pub(crate) counts: Option<Counts>,
    /// By what queries and keys are turned, where positions do that.
    pub(crate) angles: Option<Angles>,
}

/// The tokens that count among those of a batch.
#[derive(Clone, Debug)]
pub struct Counts {
    /// 1 or 0 for each, `[tokens, 1]`; without autodiff.
    pub rows: Tensor<2>,
    /// How many count.
    pub count: usize,
}

impl Batch {
    /// `tokens` with the positions that a model of `config` gives them. Its padding counts wherever something is summed
    /// over tokens.
    pub fn new(tokens: &TokenBatch, config: &ModelConfig, device: &Device) -> Self {
        let TokenBatch { ids, type_ids, lengths } = tokens;
        let (size, length) = (tokens.size(), tokens.length());
        let first = config.first_position();
        let positions: Vec<i32> = lengths
            .iter()
            .flat_map(|&n| (0..length).map(move |i| if i < n { (first + i) as i32 } else { config.pad_position() }))
            .collect();
        let padding = lengths.iter().any(|&n| n < length).then(|| {
            let values: Vec<f32> = lengths
                .iter()
                .flat_map(|&n| (0..length).map(move |i| if i < n { 0.0 } else { PADDING_SCORE }))
                .collect();
            Box::new(Tensor::from_data(TensorData::new(values, [size, 1, 1, length]), device))
        });
        let layout = Layout::Padded { length, lengths: lengths.clone(), padding };
        let angles = Angles::of(config, 0..length, device);
        Self { angles, ..Self::of_tokens(ids.clone(), type_ids.clone(), positions, size, layout, device) }
    }

    /// One token of each sequence, which has so many before it.
    pub(crate) fn next(ids: &[i32], before: &[usize], config: &ModelConfig, device: &Device) -> Self {
        let (size, first) = (ids.len(), config.first_position());
        let positions = before.iter().map(|n| (first + n) as i32).collect();
        let layout = Layout::Padded { length: 1, lengths: vec![1; size], padding: None };
        let angles = Angles::of(config, before.iter().copied(), device);
        Self { angles, ..Self::of_tokens(ids.to_vec(), vec![0; size], positions, size, layout, device) }
    }

    /// As [`Self::new`], but its padding counts for nothing.
    pub fn masked(tokens: &TokenBatch, config: &ModelConfig, device: &Device) -> Self {
        let (length, lengths) = (tokens.length(), &tokens.lengths);
        let rows: Vec<f32> =
            lengths.iter().flat_map(|&n| (0..length).map(move |i| if i < n.max(1) { 1.0 } else { 0.0 })).collect();
        let (all, count) = (rows.len(), rows.iter().filter(|row| **row > 0.0).count());
        let device_of_rows = if device.is_autodiff() { device.clone().inner() } else { device.clone() };
        let counts = (count < all)
            .then(|| Counts { rows: Tensor::from_data(TensorData::new(rows, [all, 1]), &device_of_rows), count });
        Self { counts, ..Self::new(tokens, config, device) }
    }

    /// As [`Self::masked`]; on the CPU the padding is not even there. For dropout it must be, which draws for padding too.
    pub fn packed(tokens: &TokenBatch, config: &ModelConfig, device: &Device) -> Self {
        if !kernels::is_cpu(device) {
            return Self::masked(tokens, config, device);
        }
        let length = tokens.length();
        // No sequence is empty: its first token is what is classified.
        let lengths: Vec<usize> = tokens.lengths.iter().map(|&n| n.max(1).min(length)).collect();
        let first = config.first_position();
        let positions = lengths.iter().flat_map(|&n| (0..n).map(|i| (first + i) as i32)).collect();
        let [ids, type_ids] = [&tokens.ids, &tokens.type_ids].map(|values| unpadded(values, &lengths));
        let size = lengths.len();
        let angles = Angles::of(config, lengths.iter().flat_map(|&n| 0..n), device);
        Self { angles, ..Self::of_tokens(ids, type_ids, positions, size, Layout::Packed { lengths }, device) }
    }

    /// Which tokens count; [`None`] if all that are here do.
    pub fn counts(&self) -> Option<&Counts> {
        self.counts.as_ref()
    }

    /// Of `values` for every token of the padded batch, those of the tokens that are here.
    pub fn own<T: Copy>(&self, values: Vec<T>) -> Vec<T> {
        match &self.layout {
            Layout::Padded { .. } => values,
            Layout::Packed { lengths } => unpadded(&values, lengths),
        }
    }

    fn of_tokens(
        ids: Vec<i32>,
        type_ids: Vec<i32>,
        positions: Vec<i32>,
        size: usize,
        layout: Layout,
        device: &Device,
    ) -> Self {
        let upload = |values: Vec<i32>| {
            let shape = [values.len()];
            Tensor::<1, Int>::from_data(TensorData::new(values, shape), device)
        };
        let first = type_ids.first().copied().and_then(|first| usize::try_from(first).ok());
        let one_type = first.filter(|_| type_ids.iter().all(|id| *id == type_ids[0]));
        let (ids, type_ids, positions) = (upload(ids), upload(type_ids), upload(positions));
        Self { ids, type_ids, one_type, positions, size, layout, counts: None, angles: None }
    }

    /// Whether a head with this pooling reads nothing but the first token, and of a batch whose sequences can be of one row.
    pub(crate) fn is_read_first(&self, pooling: Pooling) -> bool {
        matches!(self.layout, Layout::Packed { .. }) && matches!(pooling, Pooling::Pooler | Pooling::Cls)
    }

    /// What a head with this pooling reads of each sequence: of `[tokens, width]` to `[sequences, width]`.
    pub(crate) fn read_by(&self, pooling: Pooling, hidden: Tensor<2>) -> Tensor<2> {
        match pooling {
            Pooling::Pooler | Pooling::Cls => self.first_of(hidden),
            Pooling::Mean => self.mean_of(hidden),
        }
    }

    /// The mean over the tokens of each sequence, of `[tokens, width]`.
    fn mean_of(&self, hidden: Tensor<2>) -> Tensor<2> {
        let width = hidden.dims()[1];
        match &self.layout {
            Layout::Packed { lengths } => {
                // A row for every sequence, of its tokens' shares: as a product it has a gradient of one pass.
                let tokens = hidden.dims()[0];
                let mut shares = vec![0.0; self.size * tokens];
                let mut first = 0;
                for (row, &n) in shares.chunks_exact_mut(tokens).zip(lengths) {
                    row[first..first + n].fill(1.0 / n as f32);
                    first += n;
                }
                let shares = TensorData::new(shares, [self.size, tokens]);
                Tensor::<2>::from_data(shares, &hidden.device()).matmul(hidden)
            }
            Layout::Padded { length, lengths, .. } => {
                // No sequence is empty, as in a packed batch.
                let share = |n: usize, i: usize| if i < n.max(1) { 1.0 / n.max(1) as f32 } else { 0.0 };
                let shares: Vec<f32> = lengths.iter().flat_map(|&n| (0..*length).map(move |i| share(n, i))).collect();
                let shares = TensorData::new(shares, [self.size, *length, 1]);
                let shares = Tensor::<3>::from_data(shares, &hidden.device());
                let hidden = hidden.reshape([self.size, *length, width]);
                (hidden * shares).sum_dim(1).reshape([self.size, width])
            }
        }
    }

    /// The first token's row of each sequence, of `[tokens, width]`.
    pub(crate) fn first_of(&self, hidden: Tensor<2>) -> Tensor<2> {
        let width = hidden.dims()[1];
        match &self.layout {
            Layout::Packed { lengths } => {
                let mut next = 0;
                let start = |n: &usize| {
                    next += n;
                    next - n
                };
                let starts: Vec<usize> = lengths.iter().map(start).collect();
                let device = hidden.device();
                hidden.select(0, indices(&starts, &device))
            }
            Layout::Padded { length, .. } => {
                let first = hidden.reshape([self.size, *length, width]).slice([0..self.size, 0..1]);
                first.reshape([self.size, width])
            }
        }
    }
}

/// Of `values` for every token of padded sequences, the first of each sequence that are no padding.
fn unpadded<T: Copy>(values: &[T], lengths: &[usize]) -> Vec<T> {
    let length = values.len() / lengths.len().max(1);
    let rows = values.chunks_exact(length.max(1)).zip(lengths);
    rows.flat_map(|(row, &n)| row[..n].iter().copied()).collect()
}

impl ModelConfig {
    /// The position given to padding.
    fn pad_position(&self) -> i32 {
        match self.family.spec().positions {
            Positions::FromZero => 0,
            Positions::AfterPadding => self.pad_id as i32,
        }
    }
}
