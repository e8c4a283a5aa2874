//! Gradients of the masked adapter and the ingredients of every scorer, against central finite differences of an
//! independent `f64` forward pass.

mod reference;

use apt_core::arms::{OutlierScale, Salience};
use apt_core::blocks::LayerShape;
use apt_core::masks::Masks;
use apt_core::reference::salience as slices;
use apt_core::wiring::{Site, SubBlock};
use apt_nn::salience::{ScoreInputs, scores};
use apt_nn::{
    Activation, Adapter, AptLinear, DeviceMasks, Dropout, Family, Forward, HeadConfig, Init, LinearMasks, ModelConfig,
    TapPoint, Taps, Transformer,
};
use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use reference::{Factors, Linear, Matrix, Nudge, Pass, Reference, Tokens, close, matrix, shaken, values};

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
    for case in cases() {
        let gradients = (case.logits(None) * case.weigh.clone()).sum().backward();
        for (layer, of) in case.model.layers.iter().enumerate() {
            let attention = of.attention.iter().flat_map(|a| [(Site::Query, &a.query), (Site::Value, &a.value)]);
            let linears = attention.chain(of.feed_forward.iter().map(|f| (Site::Up, &f.up)));
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
    for case in cases() {
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
    for case in cases() {
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
    for case in cases() {
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
    for case in cases() {
        for scorer in [Salience::Magnitude, Salience::Wanda] {
            let expected = case.weights(scorer);
            close(&format!("{}: {scorer}", case.name), &case.scores(scorer), &expected, TOLERANCE);
        }
    }
}

#[test]
fn random_scores_look_at_nothing() {
    let case = cases().remove(0);
    assert!(Taps::for_scorer(Salience::Random).is_none());
    let gradients = (case.logits(None) * case.weigh.clone()).sum().backward();
    let seen =
        ScoreInputs { model: &case.model, taps: None, gradients: &gradients, masks: None, outliers: OutlierScale::Raw };
    assert!(scores(Salience::Random, &seen).is_none(), "random scores come from a seed, not from the model");
}

/// A model with masks between 0 and 1, a head and a neuron at 0, and a loss Σ weigh ∘ logits.
struct Case {
    name: &'static str,
    model: Transformer,
    reference: Reference,
    tokens: Tokens,
    masks: Masks,
    weigh: Tensor<2>,
    device: Device,
    dropout: f64,
}

fn cases() -> Vec<Case> {
    let layer = |heads, neurons| LayerShape { heads, neurons };
    let bert = [layer(2, 5), layer(2, 6)].to_vec();
    vec![
        case("bert", Family::Bert, Activation::Gelu, bert.clone(), false, 0.0),
        case("roberta", Family::Roberta, Activation::GeluNew, bert.clone(), false, 0.0),
        case("ragged", Family::Bert, Activation::Gelu, [layer(0, 5), layer(3, 0), layer(1, 2)].to_vec(), false, 0.0),
        case("with a skipped block", Family::Roberta, Activation::Gelu, bert.clone(), true, 0.0),
        case("with dropout", Family::Bert, Activation::Gelu, bert.clone(), false, 0.3),
        case("with dropout and a skipped block", Family::Roberta, Activation::Gelu, bert, true, 0.3),
    ]
}

fn case(
    name: &'static str,
    family: Family,
    activation: Activation,
    layers: Vec<LayerShape>,
    skip: bool,
    dropout: f64,
) -> Case {
    let device = Device::flex().autodiff();
    let config = ModelConfig {
        family,
        vocab_size: 13,
        max_positions: 9,
        type_vocab_size: 2,
        embedding: None,
        hidden: 6,
        head_size: 3,
        layers,
        activation,
        norm_eps: 1e-5,
        pad_id: 1,
        head: Some(HeadConfig { dense: 4, labels: 3 }),
        label_names: vec![],
    };
    let mut init = Init::new(7, &device);
    let model =
        Transformer::new(&config, &mut init).with_adapters(&[Site::Query, Site::Value, Site::Up], 2, 2.0, &mut init);
    let model = shaken(model, &mut init, 0.4);
    let tokens = Tokens::sample(&config);
    let mut masks = Masks::ones(&config.shape());
    let mut value = 0.35;
    let mut next = || {
        value = (value + 0.27) % 0.9;
        0.1 + value
    };
    for list in masks.heads.iter_mut().chain(&mut masks.neurons).chain([&mut masks.hidden]) {
        list.iter_mut().for_each(|m| *m = next());
    }
    masks.hidden[2] = 0.0;
    masks.neurons[0][1] = 0.0;
    if let Some(head) = masks.heads[1].get_mut(1) {
        *head = 0.0;
    }
    if skip {
        masks.heads[0].fill(0.0);
        masks.neurons[1].fill(0.0);
    }
    let weigh = init.normal([tokens.lengths.len(), 3], 1.0);
    let mut case = Case { name, reference: Reference::of(&model), model, tokens, masks, weigh, device, dropout };
    case.reference.factors = case.factors();
    case
}

impl Case {
    fn device_masks(&self, tracked: bool) -> DeviceMasks {
        DeviceMasks::new(&self.masks, self.model.config.wiring(), &self.device, tracked)
    }

    fn logits(&self, with: Option<(&DeviceMasks, Option<&mut Taps>)>) -> Tensor<2> {
        let own = self.device_masks(false);
        let (masks, taps) = with.unwrap_or((&own, None));
        let batch = self.tokens.batch(&self.model.config, &self.device);
        let mut dropout = self.dropout();
        let with = Forward { masks: Some(masks), taps, dropout: dropout.as_mut(), keep_states: false };
        let hidden = self.model.forward(&batch, with).hidden;
        self.model.classify_with(hidden, &batch, dropout.as_mut()).expect("there is a head")
    }

    /// The same draws in every pass.
    fn dropout(&self) -> Option<Dropout> {
        Dropout::new(self.dropout, || ChaCha8Rng::seed_from_u64(5))
    }

    /// What these draws make of ones, in the order of a pass.
    fn factors(&self) -> Factors {
        let mut factors = self.reference.factors.clone();
        let Some(mut dropout) = self.dropout() else { return factors };
        let config = &self.model.config;
        let (sequences, length) = (self.tokens.lengths.len(), self.tokens.ids.len() / self.tokens.lengths.len());
        let mut of = |shape: [usize; 4]| {
            let ones = Tensor::<4>::ones(shape, &self.device);
            Some(values(&Dropout::on(&mut Some(&mut dropout), ones)))
        };
        let stream = [1, 1, sequences * length, config.hidden];
        factors.embeddings = of(stream);
        for (i, layer) in config.layers.iter().enumerate() {
            if self.has_heads(i) {
                factors.layers[i][0] = of([sequences, layer.heads, length, length]);
                factors.layers[i][1] = of(stream);
            }
            if self.has_neurons(i) {
                factors.layers[i][2] = of(stream);
            }
        }
        let head = config.head.expect("there is a head");
        factors.head[0] = config.family.spec().head.drops_input.then(|| of([1, 1, sequences, config.hidden])).flatten();
        factors.head[1] = of([1, 1, sequences, head.dense]);
        factors
    }

    /// ∂L/∂W of a linear layer's weight, adapter folded in, `[in, out]`.
    fn weight_gradient(&self, layer: usize, site: Site) -> Matrix {
        let mut reference = self.reference.clone();
        let weight = reference.weight_mut(layer, site).expect("the layer is there").clone();
        let v = (0..weight.v.len()).map(|index| {
            let mut loss = |by: f64| {
                let moved = reference.weight_mut(layer, site).expect("the layer is there");
                moved.v[index] = weight.v[index] + by;
                let loss = self.loss(&reference.run(&self.tokens, &self.masks, &self.masks, None));
                reference.weight_mut(layer, site).expect("the layer is there").v[index] = weight.v[index];
                loss
            };
            (loss(STEP) - loss(-STEP)) / (2.0 * STEP)
        });
        Matrix { cols: weight.cols, v: v.collect() }
    }

    fn scores(&self, scorer: Salience) -> Vec<f64> {
        self.scores_in(scorer, OutlierScale::Raw)
    }

    fn scores_in(&self, scorer: Salience, outliers: OutlierScale) -> Vec<f64> {
        let masks = self.device_masks(apt_nn::salience::needs_mask_gradients(scorer));
        let mut taps = Taps::for_scorer(scorer);
        let logits = self.logits(Some((&masks, taps.as_mut())));
        let gradients = (logits * self.weigh.clone()).sum().backward();
        let seen = ScoreInputs {
            model: &self.model,
            taps: taps.as_ref(),
            gradients: &gradients,
            masks: Some(&masks),
            outliers,
        };
        let flat = scores(scorer, &seen).expect("everything was collected");
        assert_eq!(flat.dims()[0], apt_nn::salience::flat_len(&self.model.config.shape()), "{}: {scorer}", self.name);
        values(&flat)
    }

    fn run(&self, nudge: Option<Nudge>) -> Pass {
        self.reference.run(&self.tokens, &self.masks, &self.masks, nudge)
    }

    fn loss(&self, pass: &Pass) -> f64 {
        pass.logits.iter().zip(values(&self.weigh)).map(|(l, w)| l * w).sum()
    }

    fn has_heads(&self, layer: usize) -> bool {
        self.masks.heads[layer].iter().any(|m| *m > 0.0)
    }

    fn has_neurons(&self, layer: usize) -> bool {
        self.masks.neurons[layer].iter().any(|m| *m > 0.0)
    }

    /// c(H)·c(∂L/∂H) of every unit at `site`, the gradient by finite differences.
    fn product(&self, base: &Pass, site: TapPoint) -> Vec<f64> {
        let h = base.at(site);
        let gradient: Vec<f64> = (0..h.v.len())
            .map(|index| {
                let loss = |by| self.loss(&self.run(Some(Nudge { site, index, by })));
                (loss(STEP) - loss(-STEP)) / (2.0 * STEP)
            })
            .collect();
        slices::activation_gradient(&h.v, &gradient, h.cols)
    }

    fn activation_gradient(&self) -> Vec<f64> {
        let base = self.run(None);
        let mut hidden = self.product(&base, TapPoint::Output);
        let (mut heads, mut neurons) = (Vec::new(), Vec::new());
        let mut add = |site| {
            let product = self.product(&base, site);
            hidden.iter_mut().zip(product).for_each(|(sum, p)| *sum += p);
        };
        for (i, layer) in self.model.config.layers.iter().enumerate() {
            if self.has_heads(i) {
                heads.extend(slices::per_head(
                    &self.product(&base, TapPoint::Activation(SubBlock::Attention, i)),
                    self.model.config.head_size,
                ));
                add(TapPoint::Input(SubBlock::Attention, i));
            } else {
                heads.extend(vec![0.0; layer.heads]);
            }
            if self.has_neurons(i) {
                neurons.extend(self.product(&base, TapPoint::Activation(SubBlock::FeedForward, i)));
                add(TapPoint::Input(SubBlock::FeedForward, i));
            } else {
                neurons.extend(vec![0.0; layer.neurons]);
            }
        }
        [heads, neurons, hidden].concat()
    }

    /// √max(kurtosis, 0) of O = x̄ ∘ W, by the formulas on slices.
    fn outliers(&self) -> Vec<f64> {
        let base = self.run(None);
        let config = &self.model.config;
        let (mut heads, mut neurons, mut hidden) = (Vec::new(), Vec::new(), vec![0.0; config.hidden]);
        let terms = |k: Vec<f64>| k.into_iter().map(slices::outlier_term).collect::<Vec<f64>>();
        let mut proxy = |linear: &AptLinear, site| {
            let x = base.at(site);
            let o = slices::output_proxy(&Linear::of(linear).weight.transposed().v, &slices::mean_input(&x.v, x.cols));
            hidden.iter_mut().zip(terms(slices::row_kurtosis(&o, x.cols))).for_each(|(sum, k)| *sum += k);
            (o, x.cols)
        };
        for (i, layer) in self.model.layers.iter().enumerate() {
            let width = config.layers[i];
            match layer.attention.as_ref().filter(|_| self.has_heads(i)) {
                Some(a) => {
                    let (o, cols) = proxy(&a.output, TapPoint::Activation(SubBlock::Attention, i));
                    heads.extend(terms(slices::head_kurtosis(&o, cols, config.head_size)));
                }
                None => heads.extend(vec![0.0; width.heads]),
            }
            match layer.feed_forward.as_ref().filter(|_| self.has_neurons(i)) {
                Some(f) => {
                    let (o, cols) = proxy(&f.down, TapPoint::Activation(SubBlock::FeedForward, i));
                    neurons.extend(terms(slices::column_kurtosis(&o, cols)));
                }
                None => neurons.extend(vec![0.0; width.neurons]),
            }
        }
        [heads, neurons, hidden].concat()
    }

    /// ∂L/∂m; what is kept stays kept while the masks move.
    fn mask_gradients(&self) -> Vec<f64> {
        let loss = |masks: &Masks| self.loss(&self.reference.run(&self.tokens, &self.masks, masks, None));
        let slope = |entry: &dyn Fn(&mut Masks) -> &mut f64| {
            let moved = |by| {
                let mut masks = self.masks.clone();
                *entry(&mut masks) += by;
                loss(&masks)
            };
            (moved(STEP) - moved(-STEP)) / (2.0 * STEP)
        };
        let mut all = Vec::new();
        for (i, layer) in self.masks.heads.iter().enumerate() {
            all.extend((0..layer.len()).map(|h| slope(&|m: &mut Masks| &mut m.heads[i][h])));
        }
        for (i, layer) in self.masks.neurons.iter().enumerate() {
            all.extend((0..layer.len()).map(|n| slope(&|m: &mut Masks| &mut m.neurons[i][n])));
        }
        all.extend((0..self.masks.hidden.len()).map(|d| slope(&|m: &mut Masks| &mut m.hidden[d])));
        all
    }

    /// `magnitude` and `wanda` from per-weight importances, `[outputs, inputs]` as in a checkpoint.
    fn weights(&self, scorer: Salience) -> Vec<f64> {
        let base = self.run(None);
        let config = &self.model.config;
        let magnitude = scorer == Salience::Magnitude;
        let importance = |linear: &AptLinear, site| {
            let linear = Linear::of(linear);
            let weight = linear.weight.transposed();
            let v = if magnitude {
                weight.v.clone()
            } else {
                match base.seen.iter().find(|(s, _)| *s == site) {
                    Some((_, x)) => slices::wanda(&weight.v, &slices::squared_inputs(&x.v, x.cols)),
                    // The block is skipped: it saw no input.
                    None => vec![0.0; weight.v.len()],
                }
            };
            let outputs = slices::row_magnitude(&v, magnitude.then_some(&linear.bias), weight.cols);
            (outputs, slices::column_magnitude(&v, weight.cols))
        };
        let (mut heads, mut neurons, mut hidden) = (Vec::new(), Vec::new(), vec![0.0; config.hidden]);
        let add = |to: &mut Vec<f64>, what: &[f64]| to.iter_mut().zip(what).for_each(|(t, w)| *t += w);
        for (i, layer) in self.model.layers.iter().enumerate() {
            if let Some(a) = &layer.attention {
                let (out, mut units) = importance(&a.output, TapPoint::Activation(SubBlock::Attention, i));
                add(&mut hidden, &out);
                for linear in [&a.query, &a.key, &a.value] {
                    let (out, inputs) = importance(linear, TapPoint::Input(SubBlock::Attention, i));
                    add(&mut units, &out);
                    add(&mut hidden, &inputs);
                }
                heads.extend(slices::per_head(&units, config.head_size));
            }
            if let Some(f) = &layer.feed_forward {
                let (mut units, inputs) = importance(&f.up, TapPoint::Input(SubBlock::FeedForward, i));
                let (out, of_down) = importance(&f.down, TapPoint::Activation(SubBlock::FeedForward, i));
                add(&mut units, &of_down);
                add(&mut hidden, &inputs);
                add(&mut hidden, &out);
                neurons.extend(units);
            }
        }
        [heads, neurons, hidden].concat()
    }
}
