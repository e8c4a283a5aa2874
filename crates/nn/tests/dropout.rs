//! Which entries dropout drops, and what becomes of the others.

use apt_nn::Dropout;
use burn::tensor::{Device, Tensor};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

fn generator() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(9)
}

/// What `dropout` multiplies the next entries of such a tensor by.
fn factors<const D: usize>(dropout: &mut Dropout, shape: [usize; D]) -> Vec<f32> {
    values(&Dropout::on(&mut Some(dropout), Tensor::<D>::ones(shape, &Device::flex())))
}

fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.to_data().convert::<f32>().try_into_vec::<f32>().expect("just converted")
}

#[test]
fn entries_are_dropped_with_their_probability_and_the_others_scaled_by_its_complement() {
    let n = 400_000;
    for p in [0.1, 0.5, 0.9] {
        let mut dropout = Dropout::new(p, generator).expect("something is dropped");
        let factors = factors(&mut dropout, [n]);
        let dropped = factors.iter().filter(|f| **f == 0.0).count();
        let (share, deviation) = (dropped as f64 / n as f64, (p * (1.0 - p) / n as f64).sqrt());
        assert!((share - p).abs() < 5.0 * deviation, "{share} of the entries are dropped, not {p}");
        let scaled = factors.iter().find(|f| **f != 0.0).expect("something is kept");
        assert!((f64::from(*scaled) * (1.0 - p) - 1.0).abs() < 1e-4, "p = {p}: what is kept is multiplied by {scaled}");
        assert!(factors.iter().all(|f| *f == 0.0 || f == scaled), "p = {p}: there is a third factor");
    }
}

/// Longer than what one thread draws at once, and not of whole words.
#[test]
fn draws_are_the_generators_own_bytes_one_activation_after_another() {
    let (first, second) = (70_001, 40_000);
    let mut dropout = Dropout::new(0.5, generator).expect("something is dropped");
    let found = [factors(&mut dropout, [first]), factors(&mut dropout, [second])].concat();
    let mut rng = generator();
    // The second begins at a word of four bytes.
    let expected = [first, second].map(|n| {
        let mut bytes = vec![0; 2 * n];
        rng.fill_bytes(&mut bytes);
        bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]) < 1 << 15).collect::<Vec<bool>>()
    });
    for (i, (factor, dropped)) in found.iter().zip(expected.concat()).enumerate() {
        assert_eq!(*factor == 0.0, dropped, "entry {i}");
    }
    assert_eq!(found.len(), first + second);
}

#[test]
fn without_dropout_nothing_is_drawn() {
    for p in [0.0, 1e-6] {
        assert!(Dropout::new(p, || panic!("p = {p} takes a generator")).is_none());
    }
    let x = Tensor::<2>::ones([2, 3], &Device::flex());
    assert_eq!(values(&Dropout::on(&mut None, x)), [1.0; 6]);
}

#[test]
fn values_and_gradients_are_multiplied_by_the_same_factors() {
    let (shape, device) = ([2, 3, 5, 7], Device::flex().autodiff());
    let wave = |step: f32| -> Tensor<4> {
        let values: Vec<f32> = (0..210).map(|i| (i as f32 * step).sin() + 0.1).collect();
        Tensor::<1>::from_floats(values.as_slice(), &device).reshape(shape)
    };
    let factors = factors(&mut Dropout::new(0.3, generator).expect("something is dropped"), shape);
    let x = wave(0.7).require_grad();
    let mut dropout = Dropout::new(0.3, generator);
    let y = Dropout::on(&mut dropout.as_mut(), x.clone());
    let gradients = (y.clone() * wave(1.3)).sum().backward();
    let times_factors = |t: &Tensor<4>| values(t).iter().zip(&factors).map(|(v, f)| v * f).collect::<Vec<f32>>();
    assert_eq!(values(&y), times_factors(&x));
    assert_eq!(values(&x.grad(&gradients).expect("x is a leaf")), times_factors(&wave(1.3)));
}
