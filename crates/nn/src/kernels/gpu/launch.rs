//! How a WGSL file becomes a dispatch.
//!
//! A file says what one invocation does. Which buffers it reads and writes is said where it is launched, and their
//! declarations are put before its text, followed by `info`: the numbers that the launch passes. Words in `{{…}}` are
//! replaced, so that variants of a kernel share a file and none declares a buffer that it does not touch.

use burn::backend::wgpu::{CubeDim, CubeTensor, KernelSource, SourceKernel, SourceTemplate, into_contiguous};
use burn::tensor::{DType, Shape};
use cubecl::prelude::{CubeCount, KernelId};
use cubecl::server::{KernelArguments, MetadataBindingInfo};
use std::borrow::Cow;

/// Invocations of a workgroup, unless a kernel says otherwise; WebGPU guarantees no more.
pub(super) const LANES: usize = 256;
/// Most workgroups along one axis of a grid (WebGPU guarantees 65,535).
const MOST_GROUPS: usize = 32_768;
/// `{{main}}`: how a kernel begins that is launched by [`Launch::each`] or [`Launch::groups`]. `number` is the workgroup's,
/// counted through the rows of the grid; `lane` the invocation's within it.
const MAIN: &str = "@compute @workgroup_size({{lanes}})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = group.y * groups.x + group.x;";
/// cubecl keeps the buffers in which numbers were passed, for the next launch that passes the same; beyond so many bytes
/// it does not.
const NOT_KEPT: usize = 2048 + 8;

/// Natively one large buffer holds many tensors, so that one that is read may share it with one that is written, and a
/// buffer is one or the other: then all are declared as written. In a browser each tensor has its own buffer, and a tensor
/// bound twice must not be declared as written.
const READ: &str = if cfg!(target_family = "wasm") { "read" } else { "read_write" };

/// A kernel about to be launched.
pub(super) struct Launch {
    source: Source,
    arguments: KernelArguments,
    first: Option<CubeTensor>,
    element: &'static str,
    info: Vec<u32>,
}

/// The text of a kernel, named by everything that it depends on.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Source {
    lanes: usize,
    file: &'static str,
    bindings: Vec<Bound>,
    words: Vec<(&'static str, Cow<'static, str>)>,
}

/// A buffer as a kernel declares it.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Bound {
    access: &'static str,
    name: Cow<'static, str>,
    element: &'static str,
}

/// What a profile of cubecl's shows of a kernel: the first words of its file, and how it was put together.
impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let title = self.file.lines().find(|line| line.starts_with("//")).unwrap_or_default();
        let names: Vec<&str> = self.bindings.iter().map(|bound| &*bound.name).collect();
        write!(f, "{} lanes, {}: {title}", self.lanes, names.join(" "))
    }
}

impl Launch {
    /// A kernel of the text `file`.
    pub(super) fn of(file: &'static str) -> Self {
        Self {
            source: Source { lanes: LANES, file, bindings: Vec::new(), words: Vec::new() },
            arguments: KernelArguments::new(),
            first: None,
            element: "f32",
            info: Vec::new(),
        }
    }

    /// Puts `text` in the place of `{{word}}`.
    pub(super) fn with(mut self, word: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        self.source.words.push((word, text.into()));
        self
    }

    /// Binds `tensor` to `name`, to be read.
    pub(super) fn read(self, name: impl Into<Cow<'static, str>>, tensor: &CubeTensor) -> Self {
        self.bind(READ, name.into(), tensor, BufferIo::ReadOnly)
    }

    /// Binds `tensor` to `name`, to be written.
    pub(super) fn write(self, name: impl Into<Cow<'static, str>>, tensor: &CubeTensor) -> Self {
        self.bind("read_write", name.into(), tensor, BufferIo::ReadWrite)
    }

    fn bind(mut self, access: &'static str, name: Cow<'static, str>, tensor: &CubeTensor, io: BufferIo) -> Self {
        self.source.bindings.push(Bound { access, name, element: self.element });
        self.arguments = self.arguments.with_buffer_io(tensor.handle.clone().binding(), io);
        self.first.get_or_insert_with(|| tensor.clone());
        self
    }

    /// Passes whole numbers.
    pub(super) fn numbers<const N: usize>(mut self, numbers: [usize; N]) -> Self {
        self.info.extend(numbers.map(|n| n as u32));
        self
    }

    /// Passes a fraction, as its bits.
    pub(super) fn fraction(mut self, x: f64) -> Self {
        self.info.push((x as f32).to_bits());
        self
    }

    /// Makes workgroups of `n` invocations, a power of two; `{{lanes}}` and `{{half}}` stand for it and its half.
    pub(super) fn lanes(mut self, n: usize) -> Self {
        self.source.lanes = n;
        self
    }

    /// What the buffers hold that are bound from here on: `f32`, or `vec4<f32>`.
    pub(super) fn elements(mut self, element: &'static str) -> Self {
        self.element = element;
        self
    }

    /// The numbers are new in every step: no buffer is kept for them.
    pub(super) fn passing(mut self) -> Self {
        self.info.resize(NOT_KEPT / size_of::<u32>(), 0);
        self
    }

    /// Launches an invocation for each of `n` elements.
    pub(super) fn each(self, n: usize) {
        let lanes = self.source.lanes;
        self.groups(n.div_ceil(lanes));
    }

    /// Launches `n` workgroups, in as many rows as it takes.
    pub(super) fn groups(self, n: usize) {
        let x = n.min(MOST_GROUPS);
        self.grid([x, n.div_ceil(x.max(1)), 1]);
    }

    /// Launches a grid of workgroups.
    pub(super) fn grid(self, sizes: [usize; 3]) {
        // Invariant: every kernel writes something.
        let Some(first) = self.first else { return };
        let words = self.info.chunks(2).map(|pair| {
            let high = pair.get(1).copied().unwrap_or_default();
            u64::from(pair[0]) | u64::from(high) << 32
        });
        let arguments = self.arguments.with_info(MetadataBindingInfo::custom(words.collect()));
        let [x, y, z] = sizes.map(|n| n as u32);
        let lanes = CubeDim::new_1d(self.source.lanes as u32);
        let kernel = SourceKernel::new(self.source, lanes);
        first.client.launch(Box::new(kernel), CubeCount::Static(x, y, z), arguments);
    }
}

type BufferIo = cubecl::ir::attributes::BufferIOAttr;

impl KernelSource for Source {
    fn source(&self) -> SourceTemplate {
        let mut text = String::new();
        for (i, Bound { access, name, element }) in self.bindings.iter().enumerate() {
            text += &format!("@group(0) @binding({i}) var<storage, {access}> {name}: array<{element}>;\n");
        }
        text += &format!("@group(0) @binding({}) var<storage, read> info: array<u32>;\n", self.bindings.len());
        text += self.file;
        // Those of the launch first: they may hold some of the others.
        let lanes = [
            ("main", MAIN.into()),
            ("lanes", format!("{}u", self.lanes).into()),
            ("half", format!("{}u", self.lanes / 2).into()),
        ];
        for (word, replacement) in self.words.iter().chain(&lanes) {
            text = text.replace(&format!("{{{{{word}}}}}"), replacement);
        }
        SourceTemplate::new(text)
    }

    fn id(&self) -> KernelId {
        KernelId::new::<Self>().info(self.clone()).cube_dim(CubeDim::new_1d(self.lanes as u32).0)
    }

    fn lang(&self) -> &'static str {
        "wgsl"
    }
}

/// The tensor with its elements in row order; a copy only if they are not.
pub(super) fn rows(tensor: CubeTensor) -> CubeTensor {
    into_contiguous(tensor)
}

/// An unwritten tensor beside `like`.
pub(super) fn empty<const D: usize>(like: &CubeTensor, dims: [usize; D]) -> CubeTensor {
    let bytes = dims.iter().product::<usize>() * size_of::<f32>();
    let handle = like.client.empty(bytes);
    CubeTensor::new_contiguous(like.client.clone(), like.device.clone(), Shape::from(dims), handle, DType::F32)
}
