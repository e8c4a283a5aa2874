//! Matrix products: `s·(a·b + c·d) + bias` in one dispatch, read and written by strides, one or a batch of them.
//!
//! `product_wide.wgsl` reads four numbers at a time where all matrices allow it, `product_narrow.wgsl` too, for results of
//! few columns (or few rows, which are made turned); `product_large.wgsl` and `product_small.wgsl` read any strides.

use super::Primitive;
use super::launch::{Launch, empty};

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
    /// Strides along the two axes of a batch.
    batch: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// All of a tensor.
    pub(super) fn of(tensor: &'a Primitive) -> Self {
        let (shape, strides) = (tensor.meta.shape(), tensor.meta.strides());
        Self { tensor, shape: [shape[0], shape[1]], strides: [strides[0], strides[1]], batch: [0, 0] }
    }

    /// One matrix of this shape and these strides for each of a batch.
    pub(super) fn each(tensor: &'a Primitive, shape: [usize; 2], strides: [usize; 2], batch: [usize; 2]) -> Self {
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
    bias: Option<&'a Primitive>,
    scale: f64,
}

impl<'a> Product<'a> {
    /// The product of two matrices.
    pub(super) fn of(a: Matrix<'a>, b: Matrix<'a>) -> Self {
        Self { first: [a, b], second: None, bias: None, scale: 1.0 }
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
        Self { bias: Some(bias), ..self }
    }

    fn shape(&self) -> [usize; 2] {
        [self.first[0].shape[0], self.first[1].shape[1]]
    }

    /// The transpose of the product is that of its matrices, exchanged.
    fn transposed(self) -> Self {
        let [a, b] = self.first;
        Self { first: [b.transposed(), a.transposed()], ..self }
    }

    /// The result as a new tensor.
    pub(super) fn run(self) -> Primitive {
        let like = self.first[0].tensor;
        let ([rows, columns], inner) = (self.shape(), self.first[0].shape[1]);
        let out = empty(like, [rows, columns]);
        let is_plain = self.second.is_none() && self.bias.is_none();
        // A result of few rows is made as one of few columns.
        let turned = is_plain && rows < columns && matches!(Kind::of(&self.transposed(), 1), Kind::Narrow);
        let (product, target) = match turned {
            true => (self.transposed(), Matrix::of(&out).transposed()),
            false => (self, Matrix::of(&out)),
        };
        let kind = Kind::of(&product, 1);
        let shares = (BUSY / kind.tiles(target.shape).max(1)).min(inner / LONG[1]);
        if !is_plain || inner < LONG[0] || shares < 2 {
            product.launch(kind, target, Layers::One);
            return out;
        }
        let share = inner.div_ceil(shares).next_multiple_of(16);
        let shares = inner.div_ceil(share);
        let parts = empty(like, [shares * rows, columns]);
        product.launch(kind, Matrix { tensor: &parts, ..target }, Layers::Shares { share, shares });
        let launch = Launch::of(include_str!("shares.wgsl")).read("parts", &parts).write("out", &out);
        launch.numbers([rows * columns, shares]).each(rows * columns);
        out
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

    fn launch(self, kind: Kind, out: Matrix<'_>, layers: Layers) {
        let [a, b] = self.first;
        let mut launch = kind.launch(self.second.is_some());
        launch = launch.with(
            "bias",
            match (self.bias, kind.in_fours()) {
                (None, _) => "",
                (Some(_), true) => " + bias[column / 4u]",
                (Some(_), false) => " + bias[column]",
            },
        );
        // What follows the numbers of one product; neither shares nor batches have two.
        launch = match layers {
            Layers::Batch(_) => launch
                .with("left start", "(group.z / info[8] * info[9] + group.z % info[8] * info[10])")
                .with("right start", "(group.z / info[8] * info[11] + group.z % info[8] * info[12])")
                .with("out start", "(group.z / info[8] * info[13] + group.z % info[8] * info[14])")
                .with("row", "info[15]"),
            Layers::One | Layers::Shares { .. } => {
                launch.with("left start", "0u").with("right start", "0u").with("row", "info[1]")
            }
        };
        launch = match layers {
            Layers::Shares { .. } => launch
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
        if let Some(bias) = self.bias {
            launch = launch.read("bias", bias);
        }
        if matches!(kind, Kind::Narrow) {
            launch = launch.elements("f32");
        }
        launch = launch.write("out", out.tensor).numbers(out.shape).fraction(self.scale);
        for [left, right] in [Some(self.first), self.second].into_iter().flatten() {
            let ([l0, l1], [r0, r1]) = (left.strides, right.strides);
            launch = launch.numbers([left.shape[1], l0, l1, r0, r1]);
        }
        let (launch, depth) = match layers {
            Layers::One => (launch.numbers([0]).numbers(out.strides), 1),
            Layers::Shares { share, shares } => (launch.numbers([share]).numbers(out.strides), shares),
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

/// What the layers of a grid are.
#[derive(Clone, Copy)]
enum Layers {
    /// There is one.
    One,
    /// Shares of the inner dimension, whose results are summed afterwards.
    Shares { share: usize, shares: usize },
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
            if columns <= NARROW && product.second.is_none() && product.bias.is_none() {
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
            Self::Narrow => Launch::of(include_str!("product_narrow.wgsl"))
                .lanes(64)
                .with("blocks", blocks)
                .with("down", "info[9]")
                .with("along", "info[10]"),
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
