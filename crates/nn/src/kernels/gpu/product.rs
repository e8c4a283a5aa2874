//! Matrix products: `s·(a·b + c·d) + bias`, with or without its GELU, in one dispatch, read and written by strides, one or a batch of them.
//!
//! `product_wide.wgsl` reads four numbers at a time where all matrices allow it, `product_narrow.wgsl` too, for results of
//! few columns (or few rows, which are made turned); `product_large.wgsl` and `product_small.wgsl` read any strides.

use super::Primitive;
use super::launch::{Launch, empty};
use super::patches::{aligned, part};

/// What a kernel needs that gives the GELU of a product.
const GELU: &str = concat!(
    include_str!("normal.wgsl"),
    "
fn gelu(x: f32) -> f32 {
    return x * normal(x).x;
}

fn gelu_of(x: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(gelu(x.x), gelu(x.y), gelu(x.z), gelu(x.w));
}
"
);

/// Results at least this large are cut into large tiles.
const LARGE: [usize; 2] = [128, 64];
/// Results with no more rows or columns than this are narrow.
const NARROW: usize = 32;
/// Tiles from which on larger ones are better than more of them.
const MANY: usize = 96;
/// Workgroups that keep a large GPU busy: fewer, and a long inner dimension is shared out to more.
const BUSY: usize = 256;
/// What is a long inner dimension, and the least share of it.
const LONG: [usize; 2] = [2048, 512];

/// A matrix in a tensor, or one for each of a batch.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    tensor: &'a Primitive,
    shape: [usize; 2],
    strides: [usize; 2],
    /// Of a batch, where its first matrix begins and the strides along its two axes.
    batch: [usize; 3],
}

impl<'a> Matrix<'a> {
    /// All of a tensor.
    pub(super) fn of(tensor: &'a Primitive) -> Self {
        let (shape, strides) = (tensor.meta.shape(), tensor.meta.strides());
        Self { tensor, shape: [shape[0], shape[1]], strides: [strides[0], strides[1]], batch: [0; 3] }
    }

    /// One matrix of this shape and these strides for each of a batch: where the first begins, and the strides along the
    /// batch's axes.
    pub(super) fn each(tensor: &'a Primitive, shape: [usize; 2], strides: [usize; 2], batch: [usize; 3]) -> Self {
        Self { tensor, shape, strides, batch }
    }

    /// With rows and columns exchanged.
    pub(super) fn transposed(self) -> Self {
        let ([rows, columns], [down, along]) = (self.shape, self.strides);
        Self { shape: [columns, rows], strides: [along, down], ..self }
    }

    /// Whether its numbers lie in fours along an axis.
    fn in_fours(&self) -> bool {
        let fours = |length: usize, other: usize| length.is_multiple_of(4) && other.is_multiple_of(4);
        let ([rows, columns], [down, along]) = (self.shape, self.strides);
        let whole = self.batch.iter().all(|stride| stride.is_multiple_of(4));
        whole && ((along == 1 && fours(columns, down)) || (down == 1 && fours(rows, along)))
    }
}

/// `s·(a·b + c·d) + bias`; the second product and the bias may be absent.
#[derive(Clone, Copy)]
pub(super) struct Product<'a> {
    first: [Matrix<'a>; 2],
    second: Option<[Matrix<'a>; 2]>,
    bias: Option<Bias<'a>>,
    scale: f64,
    gelu: Option<Gelu<'a>>,
}

/// What is added to a product, and is not scaled.
#[derive(Clone, Copy)]
enum Bias<'a> {
    /// A row, to every row.
    Row(&'a Primitive),
    /// A matrix of its size, in row order.
    Matrix(&'a Primitive),
}

/// Where the GELU of a product goes.
#[derive(Clone, Copy)]
pub(super) enum Gelu<'a> {
    /// In its place.
    Instead,
    /// Beside it, into this unwritten tensor.
    Beside(&'a Primitive),
}

impl<'a> Product<'a> {
    /// The product of two matrices.
    pub(super) fn of(a: Matrix<'a>, b: Matrix<'a>) -> Self {
        Self { first: [a, b], second: None, bias: None, scale: 1.0, gelu: None }
    }

    /// Plus the product of two more.
    pub(super) fn plus(self, c: Matrix<'a>, d: Matrix<'a>) -> Self {
        Self { second: Some([c, d]), ..self }
    }

    /// Times a number.
    pub(super) fn times(self, scale: f64) -> Self {
        Self { scale, ..self }
    }

    /// Plus a bias on every row, which is not scaled.
    pub(super) fn with_bias(self, bias: &'a Primitive) -> Self {
        Self { bias: Some(Bias::Row(bias)), ..self }
    }

    /// Plus a matrix of its size, which is not scaled and whose elements are in row order.
    pub(super) fn with_matrix(self, matrix: &'a Primitive) -> Self {
        Self { bias: Some(Bias::Matrix(matrix)), ..self }
    }

    /// And its GELU.
    pub(super) fn with_gelu(self, gelu: Gelu<'a>) -> Self {
        Self { gelu: Some(gelu), ..self }
    }

    fn shape(&self) -> [usize; 2] {
        [self.first[0].shape[0], self.first[1].shape[1]]
    }

    /// The transpose of the product is that of its matrices, exchanged.
    fn transposed(self) -> Self {
        let [a, b] = self.first;
        Self { first: [b.transposed(), a.transposed()], ..self }
    }

    /// An unwritten tensor for the result.
    pub(super) fn result(&self) -> Primitive {
        empty(self.first[0].tensor, self.shape())
    }

    /// The result as a new tensor.
    pub(super) fn run(self) -> Primitive {
        let out = self.result();
        self.write(&out);
        out
    }

    /// The result into an unwritten tensor.
    fn write(self, out: &Primitive) {
        let ([rows, columns], inner) = (self.shape(), self.first[0].shape[1]);
        let (product, target) = self.narrowest(Matrix::of(out));
        let kind = Kind::of(&product, 1);
        let shares = Shares::of(inner, kind.tiles(target.shape)).filter(|_| self.is_plain());
        let Some(shares) = shares else { return product.launch(kind, target, Layers::One) };
        let parts = empty(out, [shares.number * rows, columns]);
        product.launch(kind, Matrix { tensor: &parts, ..target }, Layers::Shares(shares));
        shares.sum(&parts, out);
    }

    fn is_plain(&self) -> bool {
        self.second.is_none() && self.bias.is_none() && self.gelu.is_none()
    }

    /// A result of few rows is made as one of few columns.
    fn narrowest<'b>(self, target: Matrix<'b>) -> (Self, Matrix<'b>) {
        let turned = self.transposed();
        let [rows, columns] = self.shape();
        match self.is_plain() && rows < columns && matches!(Kind::of(&turned, 1), Kind::Narrow) {
            true => (turned, target.transposed()),
            false => (self, target),
        }
    }

    /// A batch of results, `counts[0] · counts[1]` of them, written to `out`.
    pub(super) fn batch(self, counts: [usize; 2], out: Matrix<'_>) {
        let kind = match Kind::of(&self, counts[0] * counts[1]) {
            Kind::Wide { .. } if !out.in_fours() => Kind::Large,
            Kind::Narrow => Kind::Small,
            kind => kind,
        };
        self.launch(kind, out, Layers::Batch(counts));
    }

    /// This product and another one of the same inner dimension in one buffer, one behind the other; both in one dispatch
    /// if both have few rows or columns.
    pub(super) fn beside(self, other: Self) -> Pair {
        let (first, second) = (self.shape(), other.shape());
        let start = aligned(first.iter().product());
        let total = start + second.iter().product::<usize>();
        let whole = empty(self.first[0].tensor, [total]);
        let of_first = part(&whole, 0, first);
        let of_second = part(&whole, start, second);
        let (left, left_out) = self.narrowest(Matrix::of(&of_first));
        let (right, right_out) = other.narrowest(Matrix::of(&of_second));
        if [&left, &right].iter().all(|product| product.is_plain() && matches!(Kind::of(product, 1), Kind::Narrow)) {
            let inner = left.first[0].shape[1];
            let tiles = [&left_out, &right_out].map(|out| Kind::Narrow.tiles(out.shape)).iter().sum();
            let products = [(&left, &left_out), (&right, &right_out)];
            match Shares::of(inner, tiles) {
                None => Self::launch_two(products, &whole, start, Shares { each: inner, number: 1 }),
                Some(shares) => {
                    let parts = empty(&whole, [shares.number * total]);
                    Self::launch_two(products, &parts, start, shares);
                    shares.sum(&parts, &whole);
                }
            }
        } else {
            self.write(&of_first);
            other.write(&of_second);
        }
        Pair { whole, parts: [of_first, of_second] }
    }

    /// Two narrow products into `out`, the second from `start` on, one behind the other for every share.
    fn launch_two(products: [(&Self, &Matrix<'_>); 2], out: &Primitive, start: usize, shares: Shares) {
        let launch =
            Launch::of(include_str!("product_narrow.wgsl")).lanes(64).with("blocks", include_str!("blocks.wgsl"));
        let launch = launch.with("second left", "c[i]").with("second right", "d[i]").with("which", "group.z % 2u");
        let launch = launch.with("begin", "group.z / 2u * info[at + 5u]");
        let launch = launch.with("end", "min(info[at], (group.z / 2u + 1u) * info[at + 5u])");
        let mut launch = launch.with("out start", "which * info[22] + group.z / 2u * info[23]").elements("vec4<f32>");
        for (names, (product, _)) in [["a", "b"], ["c", "d"]].into_iter().zip(&products) {
            launch = names.into_iter().zip(product.first).fold(launch, |l, (name, matrix)| l.read(name, matrix.tensor));
        }
        let mut launch = launch.elements("f32").write("out", out);
        for (product, target) in products {
            launch = product.numbers(launch, target).numbers([shares.each]).numbers(target.strides);
        }
        let total = out.meta.shape().num_elements() / shares.number;
        let most = |axis: usize| products.iter().map(|(_, target)| target.shape[axis]).max().unwrap_or_default();
        let [high, wide] = Kind::Narrow.tile();
        launch.numbers([start, total]).grid([most(1).div_ceil(wide), most(0).div_ceil(high), 2 * shares.number]);
    }

    /// Passes what the kernels ask of each product: its shape and factor, and how its matrices lie.
    fn numbers(&self, launch: Launch, out: &Matrix<'_>) -> Launch {
        let launch = launch.numbers(out.shape).fraction(self.scale);
        [Some(self.first), self.second].into_iter().flatten().fold(launch, |launch, [left, right]| {
            let ([l0, l1], [r0, r1]) = (left.strides, right.strides);
            launch.numbers([left.shape[1], l0, l1, r0, r1])
        })
    }

    fn launch(self, kind: Kind, out: Matrix<'_>, layers: Layers) {
        let [a, b] = self.first;
        let mut launch = kind.launch(self.second.is_some());
        launch = launch.with(
            "bias",
            match (self.bias, kind.in_fours()) {
                (None, _) => "",
                (Some(Bias::Row(_)), true) => " + bias[column / 4u]",
                (Some(Bias::Row(_)), false) => " + bias[column]",
                (Some(Bias::Matrix(_)), _) => " + bias[i]",
            },
        );
        let value = if kind.in_fours() { "gelu_of(value)" } else { "gelu(value)" };
        launch = launch.with(
            "store",
            match self.gelu {
                None => "out[i] = value;".into(),
                Some(Gelu::Instead) => format!("out[i] = {value};"),
                Some(Gelu::Beside(_)) => format!("out[i] = value;\n        after[i] = {value};"),
            },
        );
        launch = launch.with("gelu", if self.gelu.is_some() { GELU } else { "" });
        // What follows the numbers of one product; neither shares nor batches have two.
        launch = match layers {
            Layers::Batch(_) => launch
                .with("left start", "(info[9] + group.z / info[8] * info[10] + group.z % info[8] * info[11])")
                .with("right start", "(info[12] + group.z / info[8] * info[13] + group.z % info[8] * info[14])")
                .with("out start", "(info[15] + group.z / info[8] * info[16] + group.z % info[8] * info[17])")
                .with("row", "info[18]"),
            Layers::One | Layers::Shares(_) => {
                launch.with("left start", "0u").with("right start", "0u").with("row", "info[1]")
            }
        };
        launch = match layers {
            Layers::Shares(_) => launch
                .with("out start", "group.z * info[0] * info[1]")
                .with("begin", "group.z * info[8]")
                .with("end", "min(info[at], (group.z + 1u) * info[8])"),
            _ => launch.with("out start", "0u").with("begin", "0u").with("end", "info[at]"),
        };
        launch = launch.elements(if kind.in_fours() { "vec4<f32>" } else { "f32" });
        launch = launch.read("a", a.tensor).read("b", b.tensor);
        if let Some([c, d]) = self.second {
            launch = launch.read("c", c.tensor).read("d", d.tensor);
        }
        if let Some(Bias::Row(bias) | Bias::Matrix(bias)) = self.bias {
            launch = launch.read("bias", bias);
        }
        if matches!(kind, Kind::Narrow) {
            launch = launch.elements("f32");
        }
        launch = launch.write("out", out.tensor);
        if let Some(Gelu::Beside(active)) = self.gelu {
            launch = launch.write("after", active);
        }
        launch = self.numbers(launch, &out);
        let (launch, depth) = match layers {
            Layers::One => (launch.numbers([0]).numbers(out.strides), 1),
            Layers::Shares(Shares { each, number }) => (launch.numbers([each]).numbers(out.strides), number),
            Layers::Batch(counts) => {
                let starts = [a, b, out].map(|matrix| matrix.batch);
                let launch = starts.into_iter().fold(launch.numbers([counts[1]]), Launch::numbers);
                (launch.numbers([out.strides[0]]), counts[0] * counts[1])
            }
        };
        let [high, wide] = kind.tile();
        launch.grid([out.shape[1].div_ceil(wide), out.shape[0].div_ceil(high), depth]);
    }
}

/// Two products in one buffer.
pub(super) struct Pair {
    /// The buffer; the second begins in it where a buffer may that is bound alone, [`aligned`].
    pub whole: Primitive,
    /// Each as a tensor of its own.
    pub parts: [Primitive; 2],
}

/// How a long inner dimension is shared out.
#[derive(Clone, Copy)]
struct Shares {
    /// Inner indices of a share.
    each: usize,
    number: usize,
}

impl Shares {
    /// [`None`] where it is not long, or there are tiles enough.
    fn of(inner: usize, tiles: usize) -> Option<Self> {
        let shares = (BUSY / tiles.max(1)).min(inner / LONG[1]);
        if inner < LONG[0] || shares < 2 {
            return None;
        }
        let each = inner.div_ceil(shares).next_multiple_of(16);
        Some(Self { each, number: inner.div_ceil(each) })
    }

    /// Adds up what the shares gave, one result behind the other in `parts`.
    fn sum(self, parts: &Primitive, out: &Primitive) {
        let n = out.meta.shape().num_elements();
        let launch = Launch::of(include_str!("shares.wgsl")).read("parts", parts).write("out", out);
        launch.numbers([n, self.number]).each(n);
    }
}

/// What the layers of a grid are.
#[derive(Clone, Copy)]
enum Layers {
    /// There is one.
    One,
    /// Shares of the inner dimension, whose results are summed afterwards.
    Shares(Shares),
    /// Products of their own, along two axes.
    Batch([usize; 2]),
}

/// How a product is cut up.
#[derive(Clone, Copy)]
enum Kind {
    /// Tiles of 16 × 16, an element an invocation.
    Small,
    /// Tiles of 64 × 64, 4 × 4 an invocation.
    Large,
    /// Tiles of 64 × 16, 4 × 4 an invocation.
    Narrow,
    /// Tiles of 8 · side squared, 8 × 8 an invocation.
    Wide { side: usize },
}

impl Kind {
    fn of(product: &Product<'_>, batch: usize) -> Self {
        let [rows, columns] = product.shape();
        let mut matrices = product.first.iter().chain(product.second.iter().flatten());
        if columns.is_multiple_of(4) && matrices.all(Matrix::in_fours) {
            if columns > NARROW && rows > NARROW {
                let wide = Self::Wide { side: 16 };
                let fits = rows >= 128 && columns >= 128 && wide.tiles([rows, columns]) * batch >= MANY;
                return if fits { wide } else { Self::Wide { side: 8 } };
            }
            if columns <= NARROW && product.is_plain() {
                return Self::Narrow;
            }
        }
        if rows >= LARGE[0] && columns >= LARGE[1] { Self::Large } else { Self::Small }
    }

    fn in_fours(self) -> bool {
        matches!(self, Self::Wide { .. } | Self::Narrow)
    }

    /// Rows and columns of a tile.
    fn tile(self) -> [usize; 2] {
        match self {
            Self::Small => [16; 2],
            Self::Large => [64; 2],
            Self::Narrow => [64, 16],
            Self::Wide { side } => [8 * side; 2],
        }
    }

    fn tiles(self, [rows, columns]: [usize; 2]) -> usize {
        let [high, wide] = self.tile();
        rows.div_ceil(high) * columns.div_ceil(wide)
    }

    fn launch(self, two: bool) -> Launch {
        let (operands, blocks) = (include_str!("operands.wgsl"), include_str!("blocks.wgsl"));
        let launch = match self {
            Self::Small => Launch::of(include_str!("product_small.wgsl")).with("operands", operands),
            Self::Large => Launch::of(include_str!("product_large.wgsl")).with("operands", operands),
            Self::Narrow => {
                Launch::of(include_str!("product_narrow.wgsl")).lanes(64).with("blocks", blocks).with("which", "0u")
            }
            Self::Wide { side } => Launch::of(include_str!("product_wide.wgsl"))
                .lanes(side * side)
                .with("side", if side == 16 { "16u" } else { "8u" })
                .with("blocks", blocks),
        };
        let (left, right) = match (two, self.in_fours()) {
            (true, true) => ("c[i]", "d[i]"),
            (true, false) => ("c[l]", "d[r]"),
            (false, true) => ("vec4<f32>()", "vec4<f32>()"),
            (false, false) => ("0.0", "0.0"),
        };
        launch.with("second left", left).with("second right", right).with("terms", if two { "2u" } else { "1u" })
    }
}
