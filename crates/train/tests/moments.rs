//! When shapes change, an optimiser's moments go where their weights go. Moments here are a ramp: every entry tells where
//! it came from.

use apt_core::blocks::{Kept, LayerShape};
use apt_core::wiring::Site;
use apt_nn::{Activation, Family, HeadConfig, Init, ModelConfig, Pooling, Transformer, named};
use apt_train::{AdamW, Learner, Transform};
use burn::tensor::{Device, Tensor, TensorData};

#[test]
fn growth_pads_moments_with_zeros() {
    let learner = learner();
    let mut init = Init::new(9, &device());
    let ranks = [2, 4, 5, 3, 2, 2];
    let zeros = &mut |d_in, extra| Tensor::zeros([d_in, extra], &device());
    let grown = learner.clone().grown(&ranks, &mut |d_in, extra| init.kaiming(d_in, extra));
    let moments = by_name(&learner.holding(&ramp(&learner)).grown(&ranks, zeros));
    let old = by_name(&learner.holding(&ramp(&learner)));
    assert_eq!(moments.len(), named::slots(&grown).len(), "one moment per weight");
    for ((new, old), slot) in moments.iter().zip(&old).zip(named::slots(&grown)) {
        assert_eq!(new.dims, slot.dims, "{}: moments are shaped as weights", slot.name);
        let (rows, columns) = (new.dims[0], new.dims.get(1).copied().unwrap_or(1));
        let of_old = (old.dims[0], old.dims.get(1).copied().unwrap_or(1));
        for r in 0..rows {
            for c in 0..columns {
                let expected = if r < of_old.0 && c < of_old.1 { old.values[r * of_old.1 + c] } else { 0.0 };
                assert_eq!(new.values[r * columns + c], expected, "{} [{r}, {c}]", slot.name);
            }
        }
    }
    let grew = moments.iter().zip(&old).filter(|(n, o)| n.dims != o.dims).count();
    assert_eq!(grew, 2 * 3, "A and B of the three adapters that grew");
}

#[test]
fn components_that_leave_take_their_moments_along() {
    let learner = learner();
    let kept = [vec![1], vec![0, 1], vec![0], vec![0, 1], vec![1], vec![0]];
    let weights = by_name(&learner.clone().with_components(&kept));
    let moments = by_name(&learner.holding(&ramp(&learner)).with_components(&kept));
    let old = by_name(&learner.holding(&ramp(&learner)));
    let mut adapters = kept.iter();
    for pair in moments.iter().zip(&weights).zip(&old).collect::<Vec<_>>().chunks(2) {
        let student = pair[0].1.name.starts_with("student") && pair[0].1.name.contains("adapter");
        let Some(kept) = adapters.next().filter(|_| student) else { continue };
        let [((a, of_a), old_a), ((b, of_b), old_b)] = pair else { panic!("A and B come in pairs") };
        assert_eq!((&a.dims, &b.dims), (&of_a.dims, &of_b.dims), "{}: moments are shaped as weights", a.name);
        let (rank, outputs) = (old_a.dims[1], old_b.dims[1]);
        let columns = |row: usize| kept.iter().map(move |k| row * rank + k);
        let expected_a: Vec<f32> = (0..old_a.dims[0]).flat_map(columns).map(|i| old_a.values[i]).collect();
        let expected_b: Vec<f32> =
            kept.iter().flat_map(|k| k * outputs..(k + 1) * outputs).map(|i| old_b.values[i]).collect();
        assert_eq!((&a.values, &b.values), (&expected_a, &expected_b), "{}", a.name);
    }
    assert_eq!(adapters.next(), None, "every adapter was looked at");
}

#[test]
fn compaction_slices_moments_as_it_slices_weights() {
    let learner = learner();
    let kept =
        Kept { heads: vec![vec![0, 2], vec![1]], neurons: vec![vec![1, 2, 5], vec![0, 4]], hidden: vec![0, 2, 3, 5] };
    let weights = by_name(&learner.compact(&kept));
    let moments = by_name(&learner.holding(&ramp(&learner)).compact(&kept));
    let old = by_name(&learner.holding(&ramp(&learner)));
    let units = |heads: &[usize]| heads.iter().flat_map(|h| [2 * h, 2 * h + 1]).collect::<Vec<usize>>();
    for ((new, weight), old) in moments.iter().zip(&weights).zip(&old) {
        assert_eq!((&new.name, &new.dims), (&weight.name, &weight.dims), "moments are shaped as weights");
        let layer = usize::from(new.name.contains("layers.1."));
        let all = |n: usize| (0..n).collect::<Vec<usize>>();
        let columns_of = old.dims.get(1).copied().unwrap_or(1);
        let (rows, columns) = match new.name.rsplit_once("adapter.") {
            Some((owner, "a")) if !owner.is_empty() => (kept.hidden.clone(), all(columns_of)),
            Some((owner, _)) if owner.contains("up") => (all(old.dims[0]), kept.neurons[layer].clone()),
            Some((owner, _)) if owner.contains("transform") => (all(old.dims[0]), kept.hidden.clone()),
            Some(_) => (all(old.dims[0]), units(&kept.heads[layer])),
            None if new.name.ends_with("head.dense.weight") => (kept.hidden.clone(), all(columns_of)),
            None => (all(old.dims[0]), all(columns_of)),
        };
        let expected: Vec<f32> =
            rows.iter().flat_map(|r| columns.iter().map(move |c| old.values[r * columns_of + c])).collect();
        assert_eq!(new.values, expected, "{}", new.name);
    }
}

#[test]
fn an_adapter_that_leaves_takes_its_moments_along() {
    let learner = learner();
    let mut kept = Kept::all(&learner.student.config.shape());
    kept.heads[0].clear();
    kept.neurons[1].clear();
    let compacted = learner.holding(&ramp(&learner)).compact(&kept);
    let names: Vec<String> = named::slots(&compacted).into_iter().map(|s| s.name).collect();
    assert!(
        !names.iter().any(|n| n.contains("layers.0.attention") || n.contains("layers.1.feed_forward")),
        "{names:?}"
    );
    let stayed: Vec<Named> =
        by_name(&learner.holding(&ramp(&learner))).into_iter().filter(|n| names.contains(&n.name)).collect();
    assert_eq!(by_name(&compacted), stayed, "what stays is what it was");
}

#[test]
fn a_carried_optimiser_goes_on_where_it_was() {
    let learner = learner();
    let slots = named::slots(&learner);
    let values = named::values(&learner).expect("adapters are trainable");
    let gradient = values.clone() * 0.3 + 0.1;
    let mut optimiser = AdamW::new(&slots, 0.01, &values.device());
    let after = optimiser.step(values, gradient.clone(), 1e-2);
    let mut carried = optimiser.clone().carried(optimiser.first.clone(), optimiser.second.clone(), &slots, 0.01);
    assert_eq!(carried.updates, 1, "the bias correction goes on");
    let (one, other) = (optimiser.step(after.clone(), gradient.clone(), 1e-2), carried.step(after, gradient, 1e-2));
    assert_eq!(read(&one), read(&other), "carrying over unchanged shapes changes nothing");
}

#[test]
fn an_update_in_one_pass_is_that_of_burns_operations() {
    let device = Device::flex();
    let n = 40_003;
    let slots = [("w", vec![200, 200]), ("b", vec![3])].map(|(name, dims)| named::Slot { name: name.into(), dims });
    let wave = |step: f32, size: f32| {
        let values: Vec<f32> = (0..n).map(|i| (i as f32 * step).sin() * size).collect();
        Tensor::<1>::from_data(TensorData::new(values, [n]), &device)
    };
    // Of norm 14 and of norm 0.14: clipped and not.
    for size in [0.1, 0.001] {
        let mut ours = AdamW::new(&slots, 0.3, &device);
        let mut burns = ours.clone();
        let [mut of_ours, mut of_burns] = [wave(0.7, 2.0), wave(0.7, 2.0)];
        for update in 0..4 {
            let gradient = wave(0.3 + update as f32, size);
            let (values, norm) = ours.clipped_step(of_ours, gradient.clone(), 1.0, 1e-2);
            let expected = gradient.clone().square().sum().sqrt();
            let clip = ((expected.clone() + 1e-6).recip()).clamp_max(1.0);
            of_burns = burns.step(of_burns, gradient * clip, 1e-2);
            of_ours = values;
            let [norm, expected] = [norm, expected].map(|norm| read(&norm)[0]);
            assert!((norm / expected - 1.0).abs() < 1e-5, "a norm of {norm}, expected {expected}");
        }
        let vectors = [(&of_ours, &of_burns), (&ours.first, &burns.first), (&ours.second, &burns.second)];
        for (name, (ours, burns)) in ["values", "first", "second"].iter().zip(vectors) {
            let (ours, burns) = (read(ours), read(burns));
            let largest = burns.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
            let worst = ours.iter().zip(&burns).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-5 * largest, "{name}: they differ by {worst:e} of {largest:e}");
        }
    }
}

#[test]
fn an_update_with_what_is_not_a_number_says_so() {
    let device = Device::flex();
    let slots = [named::Slot { name: "w".into(), dims: vec![3] }];
    let mut optimiser = AdamW::new(&slots, 0.0, &device);
    let gradient = Tensor::<1>::from_floats([1.0, f32::NAN, 0.5], &device);
    let (values, norm) = optimiser.clipped_step(Tensor::ones([3], &device), gradient, 1.0, 1e-2);
    assert!(read(&norm)[0].is_nan() && read(&values).iter().all(|v| v.is_nan()), "it is hidden");
}

/// One trainable tensor as read back.
#[derive(Debug, PartialEq)]
struct Named {
    name: String,
    dims: Vec<usize>,
    values: Vec<f32>,
}

fn by_name(learner: &Learner) -> Vec<Named> {
    let flat = read(&named::values(learner).expect("adapters are trainable"));
    let mut at = 0;
    let slots = named::slots(learner);
    let all: Vec<Named> = slots
        .into_iter()
        .map(|slot| {
            let values = flat[at..at + slot.len()].to_vec();
            at += slot.len();
            Named { name: slot.name, dims: slot.dims, values }
        })
        .collect();
    assert_eq!(at, flat.len(), "slots cover all values");
    all
}

/// 1, 2, 3, …: no entry is zero, none is there twice.
fn ramp(learner: &Learner) -> Tensor<1> {
    let n: usize = named::slots(learner).iter().map(named::Slot::len).sum();
    let values: Vec<f32> = (1..=n).map(|i| i as f32).collect();
    Tensor::from_data(TensorData::new(values, [n]), &device().inner())
}

fn device() -> Device {
    Device::flex().autodiff()
}

fn read<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.to_data().convert::<f32>().try_into_vec::<f32>().expect("just converted")
}

fn learner() -> Learner {
    let config = ModelConfig {
        family: Family::Bert,
        vocab_size: 9,
        max_positions: 8,
        type_vocab_size: 2,
        embedding: None,
        hidden: 6,
        head_size: 2,
        layers: vec![LayerShape { heads: 3, neurons: 6 }; 2],
        activation: Activation::Gelu,
        norm_eps: 1e-12,
        pad_id: 0,
        head: Some(HeadConfig::new(Pooling::Pooler, 4, 2)),
        label_names: vec![],
        decoder: None,
    };
    let mut init = Init::new(3, &device());
    let student =
        Transformer::new(&config, &mut init).with_adapters(&[Site::Query, Site::Value, Site::Up], 2, 2.0, &mut init);
    let student = named::set_trainable(student, &|name| name.contains(".adapter.") || name.starts_with("head."));
    Learner { student, transform: Some(Transform::new(6, 2, 2.0, &mut init)) }
}
