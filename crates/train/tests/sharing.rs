//! What a teacher costs: bytes, counted by the allocator of this test's own process.
//!
//! One test in one binary: nothing else may allocate meanwhile.

use apt_core::blocks::{Kept, LayerShape};
use apt_core::masks::Masks;
use apt_core::tokens::TokenBatch;
use apt_core::wiring::Site;
use apt_nn::{
    Activation, Batch, DeviceMasks, Family, Forward, HeadConfig, Init, ModelConfig, Pooling, Transformer, named,
};
use apt_train::{Learner, Teacher, Transform};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// For what is no tensor: names, ids, lists. The smallest frozen weight below is larger.
const SMALL_CHANGE: i64 = 160 * 1024;

#[test]
fn compacting_with_a_shared_teacher_copies_no_frozen_weight() {
    // Threads and tables of the first pass are no part of any model.
    let warm = learner();
    logits(&warm.student, None);
    drop(warm);

    let learner = learner();
    let shape = learner.student.config.shape();
    let all = Kept::all(&shape);
    let trainable = bytes_of(named::slots(&learner.student).iter().map(named::Slot::len).sum());
    let whole = bytes_of(learner.student.num_params());
    assert!(whole > 20 * trainable, "the test's model is mostly frozen: {trainable} of {whole} bytes are trainable");

    let (separate, cost) = measure(|| Teacher::new(&learner.student, &all, 0.5, false));
    assert!((cost - whole).abs() < SMALL_CHANGE, "a separate teacher costs {cost} bytes, a model has {whole}");
    drop(separate);

    // Its adapters and head are shared until the student's next update replaces them.
    let (mut teacher, cost) = measure(|| Teacher::new(&learner.student, &all, 0.5, true));
    assert!(
        cost <= trainable + SMALL_CHANGE,
        "a shared teacher costs {cost} bytes, adapters and head have {trainable}"
    );
    let (learner, cost) = measure(move || updated(learner));
    assert!(
        (cost - trainable).abs() < SMALL_CHANGE,
        "an update beside a shared teacher costs {cost} of {trainable} bytes"
    );

    let mut seen_by_teacher = logits(&teacher.model, None);
    let mut learner = learner;
    for (round, density) in [0.7, 0.6].into_iter().enumerate() {
        let masks = masks(&learner.student.config, density);
        let kept = masks.kept();
        let masked = logits(&learner.student, Some(&masks));
        let before = held();
        let compacted = teacher.compact_student(&learner, &kept);
        drop(std::mem::replace(&mut learner, compacted));
        let cost = held() - before;
        // Old adapters go, smaller ones come: with no copies of frozen weights, the bill is at most small change.
        assert!(cost < SMALL_CHANGE, "round {round}: compaction beside a shared teacher costs {cost} bytes");
        let frozen = bytes_of(learner.student.num_params())
            - bytes_of(named::slots(&learner.student).iter().map(named::Slot::len).sum());
        assert!(frozen > 8 * SMALL_CHANGE, "round {round}: {frozen} frozen bytes are too few to notice a copy");

        agree("student after its blocks left", &logits(&learner.student, None), &masked, 1e-4);
        let now = logits(&teacher.model, None);
        agree("teacher after it was reordered", &now, &seen_by_teacher, 1e-5);
        seen_by_teacher = now;
        assert!(!named::slots(&learner).is_empty(), "the student stays trainable");
        gradients_reach_every_trainable(&learner);
    }
    // The student's bytes return with the student; the teacher keeps its own.
    let (_, freed) = measure(move || drop(learner));
    assert!(
        freed > -trainable - SMALL_CHANGE,
        "the student alone held {} bytes, adapters and head have {trainable}",
        -freed
    );
}

fn gradients_reach_every_trainable(learner: &Learner) {
    let batch = batch(&learner.student.config, &device());
    let output = learner.student.forward(&batch, Forward::default());
    let mapped = learner.transform.as_ref().map_or(output.hidden.clone(), |t| t.forward(output.hidden.clone()));
    let logits = learner.student.classify(output.hidden, &batch).expect("there is a head");
    let mut gradients = (logits.square().sum() + mapped.square().sum()).backward();
    let flat = named::gradients(learner, &mut gradients).expect("adapters are trainable");
    let flat = values(&flat);
    let mut at = 0;
    for slot in named::slots(learner) {
        let part = &flat[at..at + slot.len()];
        at += slot.len();
        assert!(part.iter().any(|g| *g != 0.0), "{} gets no gradient after compaction", slot.name);
    }
}

/// What `f` made, and the bytes that are still there.
fn measure<T>(f: impl FnOnce() -> T) -> (T, i64) {
    let before = held();
    let made = f();
    (made, held() - before)
}

/// Bytes in use. A backward pass comes first: it frees what autodiff remembers of tensors that are gone.
fn held() -> i64 {
    drop(Tensor::<1>::ones([1], &device()).require_grad().sum().backward());
    ALLOCATOR.current_usage() as i64
}

fn bytes_of(values: usize) -> i64 {
    4 * values as i64
}

fn device() -> Device {
    Device::flex().autodiff()
}

/// With every trainable value replaced, as an optimiser does.
fn updated(learner: Learner) -> Learner {
    let flat = named::values(&learner).expect("adapters are trainable");
    named::with_values(learner, &(flat + 0.01))
}

fn learner() -> Learner {
    let config = ModelConfig {
        family: Family::Bert,
        vocab_size: 600,
        max_positions: 64,
        type_vocab_size: 2,
        embedding: None,
        hidden: 256,
        head_size: 32,
        layers: vec![LayerShape { heads: 8, neurons: 1024 }; 3],
        activation: Activation::Gelu,
        norm_eps: 1e-12,
        pad_id: 0,
        head: Some(HeadConfig::new(Pooling::Pooler, 16, 3)),
        label_names: vec![],
        decoder: None,
    };
    let mut init = Init::new(4, &device());
    let student =
        Transformer::new(&config, &mut init).with_adapters(&[Site::Query, Site::Value, Site::Up], 4, 2.0, &mut init);
    let student = named::set_trainable(student, &|name| name.contains(".adapter.") || name.starts_with("head."));
    let learner = Learner { student, transform: Some(Transform::new(config.hidden, 4, 2.0, &mut init)) };
    updated(learner)
}

/// Zeros and ones; the second layer loses all heads the first time.
fn masks(config: &ModelConfig, density: f64) -> Masks {
    let mut masks = Masks::ones(&config.shape());
    let mut turn = 0.0;
    for list in masks.heads.iter_mut().chain(&mut masks.neurons).chain([&mut masks.hidden]) {
        for mask in list {
            turn += 0.618;
            *mask = f64::from(turn % 1.0 < density);
        }
    }
    masks.heads[1].fill(0.0);
    masks
}

fn batch(config: &ModelConfig, device: &Device) -> Batch {
    let ids: Vec<i32> = (0..24).map(|i| (i * 37) % 600).collect();
    Batch::new(&TokenBatch::of_one_type(ids, vec![8, 5, 6]), config, device)
}

fn logits(model: &Transformer, masks: Option<&Masks>) -> Vec<f32> {
    // Without autodiff: the graph of a forward pass keeps the weights it met until the next backward pass.
    let model = model.valid();
    let device = device().inner();
    let batch = batch(&model.config, &device);
    let masks = masks.map(|m| DeviceMasks::new(m, model.config.wiring(), &device, false));
    let output = model.forward(&batch, Forward { masks: masks.as_ref(), ..Forward::default() });
    values(&model.classify(output.hidden, &batch).expect("there is a head"))
}

fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.to_data().convert::<f32>().try_into_vec::<f32>().expect("just converted")
}

#[track_caller]
fn agree(what: &str, ours: &[f32], expected: &[f32], tolerance: f32) {
    let largest = expected.iter().fold(0.0_f32, |max, v| max.max(v.abs()));
    for (i, (a, b)) in ours.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * largest, "{what} [{i}]: {a} now, {b} before, largest {largest}");
    }
}
