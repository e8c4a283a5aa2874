//! GELU, layer normalisation and attention: one dispatch forward, one or two backward.

use super::launch::{LANES, Launch, empty, rows};
use super::product::{Matrix, Product};
use super::{Cube, Operand, Primitive, record};
use burn::backend::TensorMetadata;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, unary};
use burn::backend::ops::FloatTensorOps;
use burn::tensor::Tensor;

/// Invocations for a row of so many elements.
fn lanes(width: usize) -> usize {
    width.next_power_of_two().clamp(32, LANES)
}

/// `x·Φ(x)`, [`None`] on another device.
pub(in crate::kernels) fn gelu<const D: usize>(x: &Tensor<D>) -> Option<Tensor<D>> {
    let input = Operand::in_rows(x)?;
    let x = input.value.clone();
    let y = gelu_pass(&x, None);
    Some(record(Gelu, [input], x, y))
}

/// The hyperbolic tangent, [`None`] on another device.
pub(in crate::kernels) fn tanh(x: &Tensor<2>) -> Option<Tensor<2>> {
    let input = Operand::in_rows(x)?;
    let y = Cube::float_tanh(input.value.clone());
    Some(record(Tanh, [input], y.clone(), y))
}

#[derive(Debug)]
struct Tanh;

impl Backward<Cube, 1> for Tanh {
    type State = Primitive;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let y = ops.state;
        unary::<Cube, _>(ops.parents, ops.node, gradients, |g| {
            let (n, out) = (y.shape().num_elements(), empty(&y, [y.shape()[0], y.shape()[1]]));
            let launch = Launch::of(include_str!("tanh.wgsl")).read("y", &y).read("g", &rows(g)).write("out", &out);
            launch.numbers([n]).each(n);
            out
        });
    }
}

pub(super) fn gelu_pass(x: &Primitive, gradient: Option<&Primitive>) -> Primitive {
    let y = Primitive::new_contiguous(
        x.client.clone(),
        x.device.clone(),
        x.shape(),
        empty(x, [x.shape().num_elements()]).handle,
        x.dtype,
    );
    let n = x.shape().num_elements();
    let launch = Launch::of(include_str!("gelu.wgsl")).with("normal", include_str!("normal.wgsl")).read("x", x);
    let launch = match gradient {
        None => launch.with("value", "at * n.x"),
        Some(g) => launch.with("value", "g[i] * (n.x + at * n.y)").read("g", g),
    };
    launch.write("y", &y).numbers([n]).each(n);
    y
}

#[derive(Debug)]
struct Gelu;

impl Backward<Cube, 1> for Gelu {
    type State = Primitive;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let x = ops.state;
        unary::<Cube, _>(ops.parents, ops.node, gradients, |g| gelu_pass(&x, Some(&rows(g))));
    }
}

/// The norm of `x` or of `x + y`, with γ and β, and with a mask and how many of its entries are above zero; [`None`] on
/// another device. No gradient reaches γ, β or the mask.
pub(in crate::kernels) fn norm(
    x: &Tensor<2>,
    y: Option<&Tensor<2>>,
    [weight, bias]: [&Tensor<1>; 2],
    eps: f64,
    mask: Option<(&Tensor<1>, f32)>,
) -> Option<Tensor<2>> {
    let plain = |t: &Tensor<1>| Some(Operand::in_rows(t)?.value);
    let x = Operand::in_rows(x)?;
    let count = mask.map_or_else(|| x.value.shape()[1] as f32, |(_, count)| count);
    let mask = match mask {
        Some((mask, _)) => Some(plain(mask)?),
        None => None,
    };
    let (weight, bias) = (plain(weight)?, plain(bias)?);
    let mut norm = Norm { x: x.value.clone(), y: None, weight, mask, count, eps };
    Some(match y {
        None => {
            let value = norm.forward(&bias);
            record(NormStep, [x], norm, value)
        }
        Some(y) => {
            let y = Operand::in_rows(y)?;
            norm.y = Some(y.value.clone());
            let value = norm.forward(&bias);
            record(NormStep, [x, y], norm, value)
        }
    })
}

#[derive(Clone, Debug)]
struct Norm {
    x: Primitive,
    y: Option<Primitive>,
    weight: Primitive,
    mask: Option<Primitive>,
    count: f32,
    eps: f64,
}

impl Norm {
    fn forward(&self, bias: &Primitive) -> Primitive {
        let rest = "
    for (var column = lane; column < width; column += {{lanes}}) {
        let at = start + column;
        out[at] = ((({{z}}) - mean) * {{part}} * scale * weight[column] + bias[column]) * {{mask}};
    }";
        self.run(rest, "bias", bias)
    }

    fn gradient(&self, g: &Primitive) -> Primitive {
        let rest = "
    var of_mean = 0.0;
    var of_scale = 0.0;
    for (var column = lane; column < width; column += {{lanes}}) {
        let at = start + column;
        let slope = g[at] * {{mask}} * weight[column] * {{part}};
        of_mean += slope;
        of_scale += slope * (({{z}}) - mean);
    }
    of_mean = total(of_mean, lane) / n;
    of_scale = total(of_scale, lane) * scale * scale / n;
    for (var column = lane; column < width; column += {{lanes}}) {
        let at = start + column;
        let slope = g[at] * {{mask}} * weight[column];
        out[at] = (slope - of_mean - (({{z}}) - mean) * of_scale) * {{part}} * scale;
    }";
        self.run(rest, "g", g)
    }

    fn run(&self, rest: &'static str, name: &'static str, other: &Primitive) -> Primitive {
        let [n, width] = [self.x.shape()[0], self.x.shape()[1]];
        let out = empty(&self.x, [n, width]);
        let file = concat!(include_str!("row.wgsl"), include_str!("norm.wgsl"));
        let mut launch = Launch::of(file)
            .lanes(lanes(width))
            .with("rest", rest)
            .with("z", if self.y.is_some() { "x[at] + y[at]" } else { "x[at]" })
            .with("part", if self.mask.is_some() { "select(0.0, 1.0, mask[column] > 0.0)" } else { "1.0" })
            .with("mask", if self.mask.is_some() { "mask[column]" } else { "1.0" })
            .read("x", &self.x)
            .read("weight", &self.weight)
            .read(name, other);
        if let Some(y) = &self.y {
            launch = launch.read("y", y);
        }
        if let Some(mask) = &self.mask {
            launch = launch.read("mask", mask);
        }
        launch.write("out", &out).numbers([n, width]).fraction(f64::from(self.count)).fraction(self.eps).groups(n);
        out
    }
}

#[derive(Debug)]
struct NormStep;

/// A sum passes its gradient on to both of its terms.
impl<const N: usize> Backward<Cube, N> for NormStep {
    type State = Norm;

    fn backward(self, ops: Ops<Self::State, N>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let g = rows(gradients.consume::<Cube>(&ops.node));
        let gradient = ops.state.gradient(&g);
        for node in ops.parents.into_iter().flatten() {
            gradients.register::<Cube>(node.id, gradient.clone());
        }
    }
}

/// `softmax(QKᵀ/√size + padding)·V` of every head, `[n, width]`, of queries, keys and values side by side,
/// `[n, 3·width]`; all sequences are of one `length`. [`None`] on another device.
pub(in crate::kernels) fn attention(
    qkv: &Tensor<2>,
    padding: Option<&Tensor<4>>,
    length: usize,
    heads: usize,
) -> Option<Tensor<2>> {
    let input = Operand::in_rows(qkv)?;
    let padding = match padding {
        Some(padding) => Some(Operand::in_rows(padding)?.value),
        None => None,
    };
    let qkv = input.value.clone();
    let [n, width] = [qkv.shape()[0], qkv.shape()[1] / 3];
    let weights = empty(&qkv, [n * heads, length]);
    let attention = Attention { qkv, weights, heads, length, width };
    let y = attention.forward(padding.as_ref());
    Some(record(AttentionStep, [input], attention, y))
}

/// The weights of a query from `{{score}}`, its product with key `j`, scaled and with padding.
const SOFTMAX: &str = "
    var most = -3.4e38;
    for (var j = lane; j < length; j += {{lanes}}) {
        {{score}}
        score = score * scale{{padding}};
        p[weights + j] = score;
        most = max(most, score);
    }
    most = largest(most, lane);
    var sum = 0.0;
    for (var j = lane; j < length; j += {{lanes}}) {
        let weight = exp(p[weights + j] - most);
        p[weights + j] = weight;
        sum += weight;
    }
    sum = total(sum, lane);
    for (var j = lane; j < length; j += {{lanes}}) {
        p[weights + j] /= sum;
    }";

/// From the gradient of a query's weights, that of its products with all keys.
const SOFTMAX_GRADIENT: &str = "
    var inner = 0.0;
    for (var j = lane; j < length; j += {{lanes}}) {
        inner += ds[weights + j] * p[weights + j];
    }
    inner = total(inner, lane);
    for (var j = lane; j < length; j += {{lanes}}) {
        ds[weights + j] = p[weights + j] * (ds[weights + j] - inner) * scale;
    }";

/// Sequences at least this long are multiplied in tiles.
const TILES_FROM: usize = 32;
/// Layers of a grid that WebGPU guarantees, one for each head of each sequence.
const MOST_LAYERS: usize = 65_535;

/// Whether attention of so many `heads`, those of all sequences together, is worth a launch for each of its products in
/// tiles, which read keys and values once for many queries.
pub(super) fn in_tiles(length: usize, heads: usize) -> bool {
    length >= TILES_FROM && heads <= MOST_LAYERS
}

#[derive(Clone, Debug)]
struct Attention {
    /// `[n, 3 · width]`: queries, keys and values side by side.
    qkv: Primitive,
    /// `[batch · heads · queries, keys]`.
    weights: Primitive,
    heads: usize,
    length: usize,
    width: usize,
}

impl Attention {
    /// Invocations of a workgroup; lengths change from batch to batch, and the text must not.
    const LANES: usize = 64;

    fn forward(&self, padding: Option<&Primitive>) -> Primitive {
        let out = empty(&self.qkv, [self.rows(), self.width]);
        let padded = |launch: Launch| match padding {
            Some(padding) => launch.with("padding", " + padding[sequence * length + j]").read("padding", padding),
            None => launch.with("padding", ""),
        };
        if in_tiles(self.length, self.counts().iter().product()) {
            let [q, k, v] = self.heads_of(&self.qkv);
            let p = self.squares(&self.weights);
            Product::of(q, k.transposed()).batch(self.counts(), p);
            let weights = padded(self.query(SOFTMAX).with("score", "var score = p[weights + j];"));
            self.run(weights.write("p", &self.weights));
            Product::of(p, v).batch(self.counts(), self.heads_in(&out, 0));
            return out;
        }
        let rest = "
    {{softmax}}
    storageBarrier();
    for (var d = lane; d < size; d += {{lanes}}) {
        var gathered = 0.0;
        for (var j = 0u; j < length; j++) {
            gathered += p[weights + j] * qkv[value + j * across + d];
        }
        out[result + d] = gathered;
    }";
        let score = "var score = 0.0;
        for (var d = 0u; d < size; d++) {
            score += qkv[query + d] * qkv[key + j * across + d];
        }";
        let launch = self.query(rest).with("softmax", SOFTMAX).with("score", score);
        self.run(padded(launch.read("qkv", &self.qkv)).write("p", &self.weights).write("out", &out));
        out
    }

    /// Of queries, keys and values, side by side as these.
    fn gradient(&self, g: &Primitive) -> Primitive {
        let of_qkv = empty(&self.qkv, [self.rows(), 3 * self.width]);
        let ds = empty(&self.qkv, [self.weights.shape()[0], self.length]);
        if in_tiles(self.length, self.counts().iter().product()) {
            let ([q, k, v], of_out) = (self.heads_of(&self.qkv), self.heads_in(g, 0));
            let [dq, dk, dv] = self.heads_of(&of_qkv);
            let (p, slopes) = (self.squares(&self.weights), self.squares(&ds));
            Product::of(of_out, v.transposed()).batch(self.counts(), slopes);
            self.run(self.query(SOFTMAX_GRADIENT).read("p", &self.weights).write("ds", &ds));
            Product::of(slopes, k).batch(self.counts(), dq);
            Product::of(slopes.transposed(), q).batch(self.counts(), dk);
            Product::of(p.transposed(), of_out).batch(self.counts(), dv);
            return of_qkv;
        }
        let rest = "
    var inner = 0.0;
    for (var j = lane; j < length; j += {{lanes}}) {
        var slope = 0.0;
        for (var d = 0u; d < size; d++) {
            slope += g[result + d] * qkv[value + j * across + d];
        }
        ds[weights + j] = slope;
        inner += slope * p[weights + j];
    }
    inner = total(inner, lane);
    for (var j = lane; j < length; j += {{lanes}}) {
        ds[weights + j] = p[weights + j] * (ds[weights + j] - inner) * scale;
    }
    storageBarrier();
    for (var d = lane; d < size; d += {{lanes}}) {
        var slope = 0.0;
        for (var j = 0u; j < length; j++) {
            slope += ds[weights + j] * qkv[key + j * across + d];
        }
        dqkv[query + d] = slope;
    }";
        let launch = self.query(rest).read("g", g).read("qkv", &self.qkv).read("p", &self.weights);
        self.run(launch.write("ds", &ds).write("dqkv", &of_qkv));
        let launch = Launch::of(include_str!("attention_keys.wgsl")).lanes(Self::LANES);
        let launch = launch.read("ds", &ds).read("p", &self.weights).read("qkv", &self.qkv).read("g", g);
        self.run(launch.write("dqkv", &of_qkv));
        of_qkv
    }

    fn query(&self, rest: &'static str) -> Launch {
        let file = concat!(include_str!("row.wgsl"), include_str!("attention.wgsl"));
        Launch::of(file).lanes(Self::LANES).with("rest", rest)
    }

    fn run(&self, launch: Launch) {
        let rows = self.weights.shape()[0];
        let size = self.width / self.heads.max(1);
        let launch = launch.numbers([rows, self.length, self.heads, size]);
        launch.fraction(1.0 / (size as f64).sqrt()).groups(rows);
    }

    fn rows(&self) -> usize {
        self.qkv.shape()[0]
    }

    /// Sequences and heads.
    fn counts(&self) -> [usize; 2] {
        [self.rows() / self.length.max(1), self.heads]
    }

    /// The columns of every sequence's every head, from column `first` of `tensor` on.
    fn heads_in<'a>(&self, tensor: &'a Primitive, first: usize) -> Matrix<'a> {
        let across = tensor.shape()[1];
        let size = self.width / self.heads.max(1);
        Matrix::each(tensor, [self.length, size], [across, 1], [first, self.length * across, size])
    }

    /// As [`Self::heads_in`], of each of the three that stand side by side in `tensor`.
    fn heads_of<'a>(&self, tensor: &'a Primitive) -> [Matrix<'a>; 3] {
        std::array::from_fn(|i| self.heads_in(tensor, i * self.width))
    }

    /// `[queries, keys]` of every sequence's every head.
    fn squares<'a>(&self, tensor: &'a Primitive) -> Matrix<'a> {
        let (length, square) = (self.length, self.length * self.length);
        Matrix::each(tensor, [length; 2], [length, 1], [0, self.heads * square, square])
    }
}

#[derive(Debug)]
struct AttentionStep;

impl Backward<Cube, 1> for AttentionStep {
    type State = Attention;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        unary::<Cube, _>(ops.parents, ops.node, gradients, |g| ops.state.gradient(&rows(g)));
    }
}
