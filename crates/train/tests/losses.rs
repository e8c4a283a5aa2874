//! The losses on tensors against the plain formulas, and their gradients against central finite differences.

use apt_core::distill::{PREDICTION_SCALE, TEMPERATURE};
use apt_core::reference::distill;
use apt_data::{ClassSet, Objective, Target};
use apt_nn::Init;
use apt_train::{PredictionLoss, Targets, Transform, mean_squared_error, prediction_loss, task_loss};
use burn::tensor::{Device, Tensor, TensorData};

const ROWS: usize = 4;
const CLASSES: usize = 3;
const LABELS: [i32; ROWS] = [2, 0, 1, 1];
const STEP: f64 = 1e-5;

#[test]
fn cross_entropy_is_the_mean_negative_log_likelihood() {
    let logits = leaf(1, [ROWS, CLASSES]);
    let loss = task_loss(logits.clone(), &Targets::classes(&LABELS, &device()));
    let formula = |logits: &[f64]| -> f64 {
        let row = |(row, label): (&[f64], &i32)| {
            let sum: f64 = row.iter().map(|v| v.exp()).sum();
            sum.ln() - row[*label as usize]
        };
        logits.chunks(CLASSES).zip(&LABELS).map(row).sum::<f64>() / ROWS as f64
    };
    check("cross entropy", &logits, loss, formula);
}

#[test]
fn cross_entropy_of_extreme_logits_is_finite() {
    let logits = Tensor::<2>::from_data(TensorData::new(vec![1e4_f32, -1e4, 0.0, -1e4, 1e4, 0.0], [2, 3]), &device());
    let loss = values(&task_loss(logits, &Targets::classes(&[1, 1], &device())));
    assert_eq!(loss, [1e4], "half of 2·10⁴ for the wrong row, nothing for the right one");
}

#[test]
fn prediction_loss_is_the_plain_formula_at_every_temperature() {
    for temperature in [TEMPERATURE, 1.0, 4.0] {
        let (student, teacher) = (leaf(2, [ROWS, CLASSES]), leaf(3, [ROWS, CLASSES]));
        let loss = prediction_loss(student.clone(), teacher.clone().detach(), temperature);
        let teacher = values(&teacher);
        let formula = |s: &[f64]| PREDICTION_SCALE * distill::prediction_loss(s, &teacher, CLASSES, temperature);
        check(&format!("prediction loss at T = {temperature}"), &student, loss, formula);
    }
}

#[test]
fn layer_loss_is_the_mean_squared_difference() {
    let (student, teacher) = (leaf(4, [5, 6]), leaf(5, [5, 6]));
    let loss = mean_squared_error(student.clone(), teacher.clone().detach());
    let teacher = values(&teacher);
    check("layer loss", &student, loss, |s| distill::layer_mse(s, &teacher));
}

#[test]
fn the_loss_of_numbers_is_the_mean_squared_error() {
    let outputs = leaf(9, [ROWS, 1]);
    let numbers = [2.5_f32, 0.0, -1.25, 5.0];
    let targets = Targets::new(&Objective::regression(), &numbers.map(Target::Value), &device());
    let loss = task_loss(outputs.clone(), &targets);
    let formula = |outputs: &[f64]| {
        outputs.iter().zip(numbers).map(|(o, n)| (o - f64::from(n)).powi(2)).sum::<f64>() / ROWS as f64
    };
    check("mean squared error", &outputs, loss, formula);
}

/// `[[0.5, -1.25, 2.0], [-0.75, 3.0, 0.0]]`, of which 0 and 2 apply, and 2.
fn marked() -> (Tensor<2>, Targets) {
    let outputs = vec![0.5_f32, -1.25, 2.0, -0.75, 3.0, 0.0];
    let outputs = Tensor::<2>::from_data(TensorData::new(outputs, [2, 3]), &device()).require_grad();
    let objective = Objective::multi_label(["a", "b", "c"].map(str::to_owned).to_vec());
    let sets = [&[0, 2][..], &[2]].map(|classes| Target::Set(ClassSet::new(classes.iter().copied(), 3)));
    (outputs, Targets::new(&objective, &sets, &device()))
}

#[test]
fn the_loss_of_marks_and_its_gradient_are_those_of_pytorch() {
    // torch.nn.BCEWithLogitsLoss() on the same in float64, with backward(); PyTorch 1.12.1.
    let (loss, gradient) = (
        0.830_256_602_469_506_5,
        [
            -0.062_923_444_8,
            0.037_116_689_804,
            -0.019_867_153_67,
            0.053_470_216_804,
            0.158_762_354_47,
            -0.083_333_333_333,
        ],
    );
    let (outputs, targets) = marked();
    let ours = task_loss(outputs.clone(), &targets);
    agree("binary cross entropy", &values(&ours), &[loss], 1e-6);
    let ours = outputs.grad(&ours.backward()).expect("the loss reaches the outputs");
    agree("its gradient", &values(&ours), &gradient, 1e-6);
    let far = Tensor::<2>::from_data(TensorData::new(vec![1e4_f32, -1e4, 0.0, 1e4, -1e4, 1e4], [2, 3]), &device());
    assert!(values(&task_loss(far, &marked().1))[0].is_finite(), "far out");
}

#[test]
fn a_teacher_of_marks_is_followed_class_by_class() {
    for temperature in [TEMPERATURE, 1.0] {
        let (student, teacher) = (leaf(12, [ROWS, CLASSES]), leaf(13, [ROWS, CLASSES]));
        let loss = PredictionLoss::BinaryDivergence { temperature }.of(student.clone(), teacher.clone().detach());
        let teacher = values(&teacher);
        let formula = |s: &[f64]| {
            let log = |z: f64, sign: f64| -(1.0 + (-sign * z / temperature).exp()).ln();
            let of = |(s, t): (&f64, &f64)| {
                [1.0, -1.0].map(|sign| log(*t, sign).exp() * (log(*t, sign) - log(*s, sign))).iter().sum::<f64>()
            };
            let mean = s.iter().zip(&teacher).map(of).sum::<f64>() / (ROWS * CLASSES) as f64;
            PREDICTION_SCALE * temperature * temperature * mean
        };
        check(&format!("binary divergence at T = {temperature}"), &student, loss, formula);
    }
}

#[test]
fn a_teacher_of_numbers_is_followed_by_their_squared_difference() {
    let (student, teacher) = (leaf(10, [ROWS, 1]), leaf(11, [ROWS, 1]));
    let loss = PredictionLoss::SquaredError.of(student.clone(), teacher.clone().detach());
    let teacher = values(&teacher);
    check("prediction loss of numbers", &student, loss, |s| distill::layer_mse(s, &teacher));
}

#[test]
fn a_new_transform_is_the_identity_and_learns() {
    let transform = Transform::new(6, 2, 2.0, &mut Init::new(6, &device()));
    let (h, target) = (leaf(7, [5, 6]), leaf(8, [5, 6]).detach());
    assert_eq!(values(&transform.forward(h.clone())), values(&h), "Tr starts as the identity");
    let gradients = mean_squared_error(transform.forward(h), target).backward();
    let b = transform.adapter.b.val().grad(&gradients).expect("B is trainable");
    assert!(values(&b).iter().any(|g| *g != 0.0), "Tr's B gets no gradient");
}

#[track_caller]
fn check(what: &str, at: &Tensor<2>, loss: Tensor<1>, formula: impl Fn(&[f64]) -> f64) {
    let x = values(at);
    agree(what, &values(&loss), &[formula(&x)], 1e-5);
    let gradient = values(&at.grad(&loss.backward()).expect("the loss reaches its input"));
    let expected: Vec<f64> = (0..x.len())
        .map(|i| {
            let moved = |by| {
                let mut x = x.clone();
                x[i] += by;
                formula(&x)
            };
            (moved(STEP) - moved(-STEP)) / (2.0 * STEP)
        })
        .collect();
    agree(&format!("gradient of {what}"), &gradient, &expected, 1e-5);
}

#[track_caller]
fn agree(what: &str, ours: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), expected.len(), "{what}: how many numbers");
    let largest = expected.iter().fold(1e-12_f64, |max, v| max.max(v.abs()));
    for (i, (a, b)) in ours.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * largest, "{what} [{i}]: {a} here, {b} by the formula");
    }
}

fn device() -> Device {
    Device::flex().autodiff()
}

fn leaf(seed: u64, dims: [usize; 2]) -> Tensor<2> {
    Init::new(seed, &device()).normal(dims, 1.5).require_grad()
}

fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f64> {
    let values = tensor.to_data().convert::<f32>().try_into_vec::<f32>();
    values.expect("just converted").into_iter().map(f64::from).collect()
}
