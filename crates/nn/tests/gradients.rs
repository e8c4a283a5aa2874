//! Gradients of the masked adapter and the ingredients of every scorer, against central finite differences of an
//! independent `f64` forward pass.

mod cases;
mod reference;

use apt_core::arms::{HeadKurtosis, OutlierScale, Salience};
use apt_core::reference::salience as slices;
use apt_core::wiring::Site;
use apt_nn::salience::{ScoreInputs, scores};
use apt_nn::{Adapter, AptLinear, Init, LinearMasks, Readings, Taps};
use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use cases::{Rows, all_cases, cases, cases_without_padding};
use reference::{Matrix, close, matrix, values};

/// Of a central difference in `f64`.
const STEP: f64 = 1e-5;
/// `f32` gradients through two layers; one part in ten thousand of the largest.
const TOLERANCE: f64 = 2e-4;

#[test]
fn masked_adapter_gradients_agree_with_central_finite_differences() {
    let device = Device::flex().autodiff();
    let (tokens, d_in, rank, d_out, scale) = (5, 4, 2, 3, 2.0);
    let mut init = Init::new(1, &device);
    let x = init.normal([tokens, d_in], 1.0).require_grad();
    let weight = init.normal([d_in, d_out], 0.5);
    let bias = init.normal([d_out], 0.5);
    let (a, b) = (init.normal([d_in, rank], 0.5), init.normal([rank, d_out], 0.5));
    let mask = |v: &[f32]| Tensor::<1>::from_data(TensorData::new(v.to_vec(), [v.len()]), &device).require_grad();
    let (input, output) = (mask(&[0.3, 1.0, 0.0, 0.7]), mask(&[0.0, 0.4, 1.0]));
    let g = init.normal([tokens, d_out], 1.0);

    let mut linear = AptLinear::new(weight.clone(), Some(bias.clone()));
    linear.adapter = Some(Adapter { a: Param::from_tensor(a), b: Param::from_tensor(b), scale });
    let adapter = linear.adapter.as_ref().expect("just set");
    let masks = LinearMasks { input: Some(input.clone().into()), output: Some(output.clone().into()) };
    let gradients = (linear.forward_masked(x.clone(), &masks) * g.clone()).sum().backward();

    let vectors = [
        ("x", values(&x), x.grad(&gradients).map(|t| values(&t))),
        ("A", values(&adapter.a.val()), adapter.a.grad(&gradients).map(|t| values(&t))),
        ("B", values(&adapter.b.val()), adapter.b.grad(&gradients).map(|t| values(&t))),
        ("input mask", values(&input), input.grad(&gradients).map(|t| values(&t))),
        ("output mask", values(&output), output.grad(&gradients).map(|t| values(&t))),
    ];
    let (w, bias, g) = (values(&weight), values(&bias), values(&g));
    let loss = |p: &[Vec<f64>]| {
        let m = |v: &Vec<f64>, cols| Matrix { cols, v: v.clone() };
        let x = m(&p[0], d_in).each_row(&p[3], |x, m| x * m);
        let low = x.times(&m(&p[1], rank)).times(&m(&p[2], d_out));
        let y = x.times(&m(&w, d_out)).each_row(&bias, |y, b| y + b);
        let y = Matrix { cols: d_out, v: y.v.iter().zip(&low.v).map(|(y, l)| y + scale * l).collect() };
        y.each_row(&p[4], |y, m| y * m).v.iter().zip(&g).map(|(y, g)| y * g).sum::<f64>()
    };
    let at: Vec<Vec<f64>> = vectors.iter().map(|(_, v, _)| v.clone()).collect();
    for (which, (name, v, gradient)) in vectors.iter().enumerate() {
        let expected: Vec<f64> = (0..v.len())
            .map(|i| {
                let moved = |by| {
                    let mut p = at.clone();
                    p[which][i] += by;
                    loss(&p)
                };
                (moved(STEP) - moved(-STEP)) / (2.0 * STEP)
            })
            .collect();
        let gradient = gradient.as_ref().unwrap_or_else(|| panic!("∂L/∂({name}) is there"));
        close(&format!("∂L/∂({name})"), gradient, &expected, 1e-5);
    }
}

#[test]
fn tensors_compute_what_plain_loops_compute() {
    for case in cases() {
        let pass = case.reference.run(&case.tokens, &case.masks, &case.masks, None);
        close(&format!("{}: logits", case.name), &values(&case.logits(None)), &pass.logits, 2e-5);
    }
}

#[test]
fn adapter_gradients_of_a_model_agree_with_central_finite_differences() {
    for case in all_cases() {
        let gradients = case.weighed(case.logits(None)).backward();
        for (layer, of) in case.model.layers.iter().enumerate() {
            let attention = of.attention.iter().flat_map(|a| [(Site::Query, &a.query), (Site::Value, &a.value)]);
            let gates = of.feed_forward.iter().filter_map(|f| f.gate.as_ref()).map(|gate| (Site::Gate, gate));
            let linears = attention.chain(of.feed_forward.iter().map(|f| (Site::Up, &f.up))).chain(gates);
            for (site, linear) in linears {
                let adapter = linear.adapter.as_ref().expect("the test's model has adapters there");
                let (a, b) = (matrix(&adapter.a.val()), matrix(&adapter.b.val()));
                // ∂L/∂A = s·G·Bᵀ and ∂L/∂B = s·Aᵀ·G with G = ∂L/∂W of the folded weight.
                let g = case.weight_gradient(layer, site);
                let scaled = |m: Matrix| m.v.iter().map(|v| adapter.scale * v).collect::<Vec<f64>>();
                let (of_a, of_b) = (scaled(g.times(&b.transposed())), scaled(a.transposed().times(&g)));
                for (name, param, expected) in [("A", &adapter.a, of_a), ("B", &adapter.b, of_b)] {
                    // A sub-block that is skipped gets no gradient.
                    let found = param.grad(&gradients).map_or_else(|| vec![0.0; expected.len()], |t| values(&t));
                    close(&format!("{}: ∂L/∂{name} of {site} {layer}", case.name), &found, &expected, TOLERANCE);
                }
            }
        }
    }
}

#[test]
fn activation_gradient_scores_agree_with_central_finite_differences() {
    for case in all_cases() {
        let expected = case.activation_gradient();
        close(
            &format!("{}: c(H)·c(∂L/∂H)", case.name),
            &case.scores(Salience::ActivationGradient),
            &expected,
            TOLERANCE,
        );
    }
}

#[test]
fn outlier_aware_scores_agree_with_central_finite_differences() {
    for case in all_cases() {
        let expected: Vec<f64> = case.activation_gradient().iter().zip(case.outliers()).map(|(a, k)| a + k).collect();
        let ours = case.scores(Salience::OutlierAware);
        close(&format!("{}: c(H)·c(∂L/∂H) + √kurtosis", case.name), &ours, &expected, 1e-3);
        // The kurtosis alone must not hide behind a large product.
        let product = case.scores(Salience::ActivationGradient);
        let ours: Vec<f64> = ours.iter().zip(&product).map(|(all, product)| all - product).collect();
        close(&format!("{}: √kurtosis", case.name), &ours, &case.outliers(), 1e-2);
    }
}

#[test]
fn balanced_outliers_weigh_as_much_as_the_product_in_every_kind_of_block() {
    let mut scaled = 0;
    for case in cases() {
        let product = case.scores(Salience::ActivationGradient);
        let balanced = case.scores_in(Salience::OutlierAware, OutlierScale::Balanced);
        let outliers = case.outliers();
        let shape = case.model.config.shape();
        let (heads, neurons) = (shape.counts().heads, shape.counts().neurons);
        for (kind, range) in
            [("heads", 0..heads), ("neurons", heads..heads + neurons), ("hidden dims", heads + neurons..product.len())]
        {
            let mean = |all: &[f64]| all[range.clone()].iter().sum::<f64>() / range.len() as f64;
            // Where nothing stands out, nothing is added; in particular nothing that is not a number.
            let factor = if mean(&outliers) > 0.0 { mean(&product) / mean(&outliers) } else { 0.0 };
            scaled += usize::from(factor > 0.0);
            let expected: Vec<f64> = range.clone().map(|i| product[i] + factor * outliers[i]).collect();
            close(&format!("{}: {kind}", case.name), &balanced[range], &expected, 1e-3);
        }
    }
    assert!(scaled >= 3, "only {scaled} kinds had outliers to scale");
}

#[test]
fn scores_by_mask_gradients_agree_with_central_finite_differences() {
    for case in all_cases() {
        let gradients = case.mask_gradients();
        type Of = fn(&f64) -> f64;
        let scorers: [(_, Of); 3] =
            [(Salience::Gradient, |g| g * g), (Salience::Taylor, |g| g.abs()), (Salience::L0, |g| *g)];
        for (scorer, of) in scorers {
            let expected: Vec<f64> = gradients.iter().map(of).collect();
            close(&format!("{}: {scorer} from ∂L/∂m", case.name), &case.scores(scorer), &expected, TOLERANCE);
        }
    }
}

#[test]
fn the_importance_of_components_is_its_formula_on_slices() {
    let device = Device::flex();
    let mut init = Init::new(11, &device);
    let [a, of_a] = [init.normal([7, 3], 1.0), init.normal([7, 3], 1.0)];
    let [b, of_b] = [init.normal([3, 5], 1.0), init.normal([3, 5], 1.0)];
    let transposed = |t: &Tensor<2>| values(&t.clone().transpose());
    let expected = slices::component_scores([&transposed(&a), &transposed(&of_a)], [&values(&b), &values(&of_b)], 3);
    let found = apt_nn::salience::component_importance([a, of_a], [b, of_b]);
    close("sensitivity of components", &values(&found), &expected, TOLERANCE);
}

#[test]
fn magnitude_and_wanda_scores_agree_with_their_formulas_on_slices() {
    for case in all_cases() {
        for scorer in [Salience::Magnitude, Salience::Wanda] {
            let expected = case.weights(scorer);
            close(&format!("{}: {scorer}", case.name), &case.scores(scorer), &expected, TOLERANCE);
        }
    }
}

#[test]
fn scores_are_the_same_whether_padding_is_masked_or_not_there() {
    for mut case in cases_without_padding() {
        for scorer in [Salience::OutlierAware, Salience::Wanda, Salience::Gradient, Salience::Magnitude] {
            case.padding = Rows::Packed;
            let packed = match case.has_dropout() {
                true => continue,
                false => case.scores(scorer),
            };
            case.padding = Rows::Masked;
            close(&format!("{}: {scorer}", case.name), &case.scores(scorer), &packed, TOLERANCE);
        }
    }
}

#[test]
fn random_scores_look_at_nothing() {
    let case = cases().remove(0);
    assert!(Taps::for_scorer(Salience::Random).is_none());
    let seen = ScoreInputs {
        model: &case.model,
        readings: &Readings::default(),
        outliers: OutlierScale::Raw,
        head_kurtosis: HeadKurtosis::PerHead,
    };
    assert!(scores(Salience::Random, &seen).is_none(), "random scores come from a seed, not from the model");
}
