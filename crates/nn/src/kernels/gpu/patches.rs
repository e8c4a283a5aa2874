//! Matrices put together in one buffer and taken out of it again, many of them in one dispatch.

use super::Primitive;
use super::launch::{Launch, empty};
use burn::tensor::{DType, Shape};

/// Buffers that are read in one dispatch, beside the whole and the numbers: WebGPU guarantees eight.
const BUFFERS: usize = 6;
const NAMES: [&str; BUFFERS] = ["buffer0", "buffer1", "buffer2", "buffer3", "buffer4", "buffer5"];
/// Elements between places where a buffer may begin that is bound alone: WebGPU guarantees multiples of 256 bytes.
const ALIGNED: usize = 64;

/// Where a matrix lies in a whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patch {
    pub start: usize,
    pub shape: [usize; 2],
    /// How far apart its rows are.
    pub stride: usize,
}

impl Patch {
    /// Elements that lie behind one another.
    pub(super) fn run(start: usize, n: usize) -> Self {
        Self { start, shape: [1, n], stride: n.max(1) }
    }

    fn len(self) -> usize {
        self.shape.iter().product()
    }

    fn numbers(self) -> [usize; 4] {
        let [rows, columns] = self.shape;
        [self.start, rows, columns, self.stride]
    }
}

/// The first place from `n` on where a part of a buffer may begin that is bound alone.
pub(super) fn aligned(n: usize) -> usize {
    n.next_multiple_of(ALIGNED)
}

/// A part of `whole` as a tensor of its own; `start` is [`aligned`].
pub(super) fn part<const D: usize>(whole: &Primitive, start: usize, dims: [usize; D]) -> Primitive {
    let bytes = |elements: usize| (elements * size_of::<f32>()) as u64;
    let left = whole.meta.shape().num_elements() - start - dims.iter().product::<usize>();
    let handle = whole.handle.clone().offset_start(bytes(start)).offset_end(bytes(left));
    Primitive::new_contiguous(whole.client.clone(), whole.device.clone(), Shape::from(dims), handle, DType::F32)
}

/// Which memory a tensor lies in.
fn memory(tensor: &Primitive) -> impl PartialEq + use<> {
    tensor.handle.memory.clone().binding().id()
}

/// The buffer that a tensor lies in, as far as its memory was asked for at once, and where the tensor begins there.
fn buffer(tensor: &Primitive) -> (Primitive, usize) {
    let mut whole = tensor.clone();
    let start = whole.handle.offset_start.take().unwrap_or_default();
    whole.handle.offset_end = None;
    (whole, start as usize / size_of::<f32>())
}

/// Fills `whole` with `parts`, read by their strides, and zeros between them. Parts are in the order in which they lie in
/// `whole`, unless there are few: of those that lie in [`BUFFERS`] buffers, a dispatch writes all.
pub(super) fn gather(whole: &Primitive, parts: &[(&Primitive, Patch)]) {
    let n = whole.meta.shape().num_elements();
    let (mut from, mut rest) = (0, parts);
    while !rest.is_empty() {
        let mut buffers: Vec<Primitive> = Vec::new();
        let mut placed = Vec::new();
        for (tensor, patch) in rest {
            let (buffer, start) = buffer(tensor);
            let known = buffers.iter().position(|other| memory(other) == memory(&buffer));
            if known.is_none() && buffers.len() == BUFFERS {
                break;
            }
            let index = known.unwrap_or(buffers.len());
            if known.is_none() {
                buffers.push(buffer);
            }
            let strides = match tensor.meta.strides()[..] {
                [down, along] => [down, along],
                ref other => [0, other.first().copied().unwrap_or(1)],
            };
            placed.push(Placed { buffer: index, start, strides, patch: *patch });
        }
        rest = &rest[placed.len()..];
        let to = rest.first().map_or(n, |(_, next)| next.start);
        gather_from(&buffers, &placed, whole, [from, to]);
        from = to;
    }
}

/// A matrix on its way: its buffer, where it begins there and how it lies, and where it goes.
struct Placed {
    buffer: usize,
    start: usize,
    strides: [usize; 2],
    patch: Patch,
}

/// Writes elements `from..to` of `whole`.
fn gather_from(buffers: &[Primitive], parts: &[Placed], whole: &Primitive, [from, to]: [usize; 2]) {
    let mut branches = String::new();
    for (i, Placed { buffer, .. }) in parts.iter().enumerate() {
        let [start, rows, columns, stride, begin, down, along] = std::array::from_fn(|k| 2 + 7 * i + k);
        let name = NAMES[*buffer];
        branches += &format!(
            "    if (i >= info[{start}]) {{
        let at = i - info[{start}];
        let row = at / info[{stride}];
        let column = at % info[{stride}];
        if (row < info[{rows}] && column < info[{columns}]) {{
            value = {name}[info[{begin}] + row * info[{down}] + column * info[{along}]];
        }}
    }}\n"
        );
    }
    let launch = Launch::of(include_str!("gather.wgsl")).with("branches", branches).numbers([from, to]);
    let launch = parts.iter().fold(launch, |launch, Placed { start, strides, patch, .. }| {
        launch.numbers(patch.numbers()).numbers([*start]).numbers(*strides)
    });
    let launch = NAMES.iter().zip(buffers).fold(launch, |launch, (name, buffer)| launch.read(*name, buffer));
    launch.write("whole", whole).each(to - from);
}

/// The matrices that lie in `whole` like this, all in one new buffer.
pub(super) fn scatter(whole: &Primitive, patches: &[Patch]) -> Vec<Primitive> {
    let (starts, n) = places(patches.iter().map(|patch| patch.len()));
    let out = empty(whole, [n]);
    let elements = patches.iter().map(|patch| patch.len()).sum();
    let launch = Launch::of(include_str!("scatter.wgsl")).read("whole", whole).write("out", &out).numbers([elements]);
    let parts = patches.iter().zip(&starts);
    parts
        .clone()
        .fold(launch, |launch, (patch, start)| launch.numbers(patch.numbers()).numbers([*start]))
        .each(elements);
    parts.map(|(patch, &start)| part(&out, start, patch.shape)).collect()
}

/// Where parts of these lengths may begin in a buffer, and its length.
fn places(lengths: impl Iterator<Item = usize>) -> (Vec<usize>, usize) {
    let mut end = 0;
    let place = |n| {
        let start = aligned(end);
        end = start + n;
        start
    };
    let starts = lengths.map(place).collect();
    (starts, end)
}

/// `whole` cut into pieces of these lengths, all in one new buffer.
pub(super) fn split(whole: &Primitive, lengths: &[usize]) -> Vec<Primitive> {
    let ends = lengths.iter().scan(0, |end, n| {
        *end += n;
        Some(*end)
    });
    let (starts, n) = places(lengths.iter().copied());
    let out = empty(whole, [n]);
    let launch = Launch::of(include_str!("split.wgsl")).read("whole", whole).write("out", &out);
    let launch =
        ends.chain(starts.iter().copied()).fold(launch.numbers([lengths.len()]), |launch, n| launch.numbers([n]));
    launch.each(lengths.iter().sum());
    starts.iter().zip(lengths).map(|(&start, &n)| part(&out, start, [n])).collect()
}
