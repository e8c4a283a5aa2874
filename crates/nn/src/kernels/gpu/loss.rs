//! Losses: of a few classes in one dispatch, which gives the gradient, too, and of hidden states in two.

use super::launch::{Launch, empty, rows};
use super::{Cube, Graph, Operand, Primitive, record};
use crate::batch::Counts;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, unary};
use burn::backend::ops::FloatTensorOps;
use burn::tensor::{DType, Int, Tensor};

/// Logits that one workgroup goes through.
const MOST: usize = 1 << 16;
/// Partial sums over hidden states.
const PARTS: usize = 256;

/// The mean over the rows of `logits: [n, classes]`, of which `classes: [n, 1]` are right; [`None`] on another device, and
/// of many classes.
pub(in crate::kernels) fn cross_entropy(logits: &Tensor<2>, classes: &Tensor<2, Int>) -> Option<Tensor<1>> {
    are_few(logits)?;
    let tracked = classes.clone().try_into_primitive::<Graph>();
    let classes = tracked.or_else(|_| classes.clone().try_into_primitive::<Cube>()).ok()?;
    // Of an integer of 64 bits the first 32 are read.
    let words = match classes.dtype {
        DType::I32 => 1,
        DType::I64 => 2,
        _ => return None,
    };
    let launch = Launch::of(concat!(include_str!("row.wgsl"), include_str!("loss.wgsl")));
    let launch = launch.elements("i32").read("classes", &rows(classes)).elements("f32");
    of_logits(launch, logits, |launch| launch.numbers([words]))
}

/// `scale·T²·KL(teacher ‖ student)` of logits divided by T, the mean over their rows; [`None`] on another device, and of
/// many classes. No gradient reaches the teacher.
pub(in crate::kernels) fn divergence(
    student: &Tensor<2>,
    teacher: &Tensor<2>,
    temperature: f64,
    scale: f64,
) -> Option<Tensor<1>> {
    are_few(student)?;
    let factor = scale * temperature * temperature / student.dims()[0] as f64;
    let launch = Launch::of(concat!(include_str!("row.wgsl"), include_str!("divergence.wgsl")));
    let launch = launch.read("taught", &Operand::in_rows(teacher)?.value);
    of_logits(launch, student, |launch| launch.fraction(temperature).fraction(factor))
}

/// [`None`] of more logits than one workgroup should go through.
fn are_few(logits: &Tensor<2>) -> Option<()> {
    (logits.dims().iter().product::<usize>() <= MOST).then_some(())
}

/// A loss of logits, and its gradient, by a kernel of one workgroup.
fn of_logits(launch: Launch, logits: &Tensor<2>, numbers: impl Fn(Launch) -> Launch) -> Option<Tensor<1>> {
    let input = Operand::in_rows(logits)?;
    let logits = input.value.clone();
    let [n, columns] = [logits.meta.shape()[0], logits.meta.shape()[1]];
    let (loss, gradient) = (empty(&logits, [1]), empty(&logits, [n, columns]));
    let launch = launch.read("logits", &logits).write("gradient", &gradient).write("loss", &loss);
    numbers(launch.numbers([n, columns])).groups(1);
    Some(record(OfLogits, [input], gradient, loss))
}

#[derive(Debug)]
struct OfLogits;

impl Backward<Cube, 1> for OfLogits {
    type State = Primitive;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let of_logits = ops.state;
        unary::<Cube, _>(ops.parents, ops.node, gradients, |g| {
            Cube::float_mul(of_logits, Cube::float_reshape(g, [1, 1].into()))
        });
    }
}

/// The mean squared difference over the rows that count; [`None`] on another device. No gradient reaches `other`.
pub(in crate::kernels) fn squared_error(
    one: &Tensor<2>,
    other: &Tensor<2>,
    counts: Option<&Counts>,
) -> Option<Tensor<1>> {
    let input = Operand::in_rows(one)?;
    let one = input.value.clone();
    let counted = match counts {
        Some(Counts { rows, .. }) => Some(rows.clone().try_into_primitive::<Cube>().ok()?),
        None => None,
    };
    let count = counts.map_or(one.meta.shape()[0], |counts| counts.count);
    let factor = 1.0 / (count * one.meta.shape()[1]) as f64;
    let error = SquaredError { one, other: Operand::in_rows(other)?.value, counted, factor };
    let loss = error.value();
    Some(record(SquaredErrorStep, [input], error, loss))
}

#[derive(Clone, Debug)]
struct SquaredError {
    one: Primitive,
    other: Primitive,
    /// 1 or 0 for each row.
    counted: Option<Primitive>,
    factor: f64,
}

impl SquaredError {
    fn value(&self) -> Primitive {
        let (parts, loss) = (empty(&self.one, [PARTS]), empty(&self.one, [1]));
        let launch = self.launch(concat!(include_str!("row.wgsl"), include_str!("difference.wgsl")));
        launch.write("parts", &parts).groups(PARTS);
        let launch = Launch::of(include_str!("shares.wgsl")).read("parts", &parts).write("out", &loss);
        launch.numbers([1, PARTS]).each(1);
        loss
    }

    fn gradient(&self, g: &Primitive) -> Primitive {
        let out = empty(&self.one, [self.one.meta.shape()[0], self.one.meta.shape()[1]]);
        let launch = self.launch(include_str!("difference_gradient.wgsl")).read("g", g).write("out", &out);
        launch.each(self.one.meta.shape().num_elements());
        out
    }

    fn launch(&self, file: &'static str) -> Launch {
        let (n, columns) = (self.one.meta.shape().num_elements(), self.one.meta.shape()[1]);
        let launch = Launch::of(file).read("one", &self.one).read("other", &self.other);
        let launch = match &self.counted {
            Some(counted) => launch.with("counts", " * counts[i / info[1]]").read("counts", counted),
            None => launch.with("counts", ""),
        };
        launch.numbers([n, columns, PARTS]).fraction(self.factor)
    }
}

#[derive(Debug)]
struct SquaredErrorStep;

impl Backward<Cube, 1> for SquaredErrorStep {
    type State = SquaredError;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        unary::<Cube, _>(ops.parents, ops.node, gradients, |g| ops.state.gradient(&g));
    }
}
