//! Small models in every form that a pass can take, and what is expected of them by finite differences of the plain loops.

use crate::STEP;
use crate::reference::{Factors, Linear, Matrix, Nudge, Pass, Reference, Tokens, shaken, values};
use apt_core::arms::{HeadKurtosis, OutlierScale, Salience};
use apt_core::blocks::LayerShape;
use apt_core::masks::Masks;
use apt_core::reference::salience as slices;
use apt_core::wiring::{Biases, Site, SubBlock};
use apt_nn::salience::{ScoreInputs, scores};
use apt_nn::{
    Activation, AptLinear, Batch, DecoderConfig, DeviceMasks, Dropout, Family, Forward, HeadConfig, Init, ModelConfig,
    Pooling, Readings, Rotary, RotaryScaling, TapPoint, Taps, Transformer,
};
use burn::tensor::{Device, Int, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// The linear layers with adapters; an encoder has no gate.
pub(crate) const ADAPTED: [Site; 4] = [Site::Query, Site::Value, Site::Gate, Site::Up];

/// A model with masks between 0 and 1, a head and a neuron at 0, and a loss Σ weigh ∘ logits.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) model: Transformer,
    pub(crate) reference: Reference,
    pub(crate) tokens: Tokens,
    pub(crate) masks: Masks,
    pub(crate) weigh: Tensor<2>,
    device: Device,
    dropout: f64,
    pub(crate) padding: Rows,
}

/// What becomes of a batch's padding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rows {
    /// It counts.
    Counted,
    /// It counts for nothing.
    Masked,
    /// It is not there.
    Packed,
}

pub(crate) fn cases() -> Vec<Case> {
    encoders().into_iter().chain(decoders()).collect()
}

/// The same with padding that counts for nothing; where nothing is dropped it is not even there.
pub(crate) fn cases_without_padding() -> Vec<Case> {
    let without = |case: Case| Case { padding: if case.dropout > 0.0 { Rows::Masked } else { Rows::Packed }, ..case };
    cases().into_iter().map(without).collect()
}

/// All of them.
pub(crate) fn all_cases() -> Vec<Case> {
    cases().into_iter().chain(cases_without_padding()).collect()
}

/// Grouped query heads and a gate; a norm on queries and keys of every head, all biases and ragged layers; layer norms and
/// learned positions.
fn decoders() -> Vec<Case> {
    let layer = |heads, neurons| LayerShape { heads, neurons };
    let even = [layer(2, 5), layer(2, 6)].to_vec();
    let rotary = Rotary { theta: 50.0, scaling: RotaryScaling::Default };
    let decoder = |queries_per_key, biases, rotary, tied| DecoderConfig {
        queries_per_key,
        biases,
        rotary,
        tied,
        bos_id: None,
        eos_ids: vec![],
    };
    let of = |name, family: Family, layers, decoder, skip| {
        let activation = family.spec().decoder.expect("a decoder").defaults.activation;
        case_of(name, family, activation, layers, skip, 0.0, None, Some(decoder))
    };
    vec![
        of("llama", Family::Llama, even.clone(), decoder(2, Biases::NONE, Some(rotary), true), false),
        of(
            "qwen3",
            Family::Qwen3,
            [layer(0, 5), layer(3, 0), layer(1, 2)].to_vec(),
            decoder(1, Biases::ALL, Some(rotary), false),
            false,
        ),
        of(
            "qwen2, a skipped block",
            Family::Qwen2,
            even.clone(),
            decoder(3, Biases { into_attention: true, ..Biases::NONE }, Some(rotary), true),
            true,
        ),
        of("gpt-2", Family::Gpt2, even, decoder(1, Biases::ALL, None, true), false),
    ]
}

fn encoders() -> Vec<Case> {
    let layer = |heads, neurons| LayerShape { heads, neurons };
    let bert = [layer(2, 5), layer(2, 6)].to_vec();
    let ragged = [layer(0, 5), layer(3, 0), layer(1, 2)].to_vec();
    vec![
        case("bert", Family::Bert, Activation::Gelu, bert.clone(), false, 0.0, Pooling::Pooler),
        case("roberta", Family::Roberta, Activation::GeluNew, bert.clone(), false, 0.0, Pooling::Pooler),
        case("ragged", Family::Bert, Activation::Gelu, ragged, false, 0.0, Pooling::Pooler),
        case("with a skipped block", Family::Roberta, Activation::Gelu, bert.clone(), true, 0.0, Pooling::Pooler),
        case("with dropout", Family::Bert, Activation::Gelu, bert.clone(), false, 0.3, Pooling::Pooler),
        case("dropout, a skipped block", Family::Roberta, Activation::Gelu, bert.clone(), true, 0.3, Pooling::Pooler),
        case("the mean of the tokens", Family::Bert, Activation::Gelu, bert.clone(), false, 0.0, Pooling::Mean),
        case("dropout, the first token", Family::Roberta, Activation::Gelu, bert, false, 0.3, Pooling::Cls),
    ]
}

fn case(
    name: &'static str,
    family: Family,
    activation: Activation,
    layers: Vec<LayerShape>,
    skip: bool,
    dropout: f64,
    pooling: Pooling,
) -> Case {
    case_of(name, family, activation, layers, skip, dropout, Some(pooling), None)
}

#[expect(clippy::too_many_arguments, reason = "they are what a case is made of")]
fn case_of(
    name: &'static str,
    family: Family,
    activation: Activation,
    layers: Vec<LayerShape>,
    skip: bool,
    dropout: f64,
    pooling: Option<Pooling>,
    decoder: Option<DecoderConfig>,
) -> Case {
    let device = Device::flex().autodiff();
    let config = ModelConfig {
        family,
        vocab_size: 13,
        max_positions: 9,
        type_vocab_size: if decoder.is_some() { 0 } else { 2 },
        embedding: None,
        hidden: 6,
        head_size: if decoder.is_some() { 4 } else { 3 },
        layers,
        activation,
        norm_eps: 1e-5,
        pad_id: 1,
        head: pooling.map(|pooling| HeadConfig::new(pooling, 4, 3)),
        label_names: vec![],
        decoder,
    };
    let mut init = Init::new(7, &device);
    let model = Transformer::new(&config, &mut init).with_adapters(&ADAPTED, 2, 2.0, &mut init);
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
    let weigh = match config.decoder {
        None => init.normal([tokens.lengths.len(), 3], 1.0),
        // What follows padding is of no interest.
        Some(_) => {
            let length = tokens.ids.len() / tokens.lengths.len();
            let counts: Vec<f32> = (0..tokens.ids.len())
                .map(|token| if token % length < tokens.lengths[token / length] { 1.0 } else { 0.0 })
                .collect();
            let counts = Tensor::<1>::from_floats(counts.as_slice(), &device).unsqueeze_dim(1);
            init.normal([tokens.ids.len(), config.vocab_size], 0.5) * counts
        }
    };
    let mut case = Case {
        name,
        reference: Reference::of(&model),
        model,
        tokens,
        masks,
        weigh,
        device,
        dropout,
        padding: Rows::Counted,
    };
    case.reference.factors = case.factors();
    case
}

impl Case {
    fn device_masks(&self, tracked: bool) -> DeviceMasks {
        DeviceMasks::new(&self.masks, self.model.config.wiring(), &self.device, tracked)
    }

    pub(crate) fn logits(&self, with: Option<(&DeviceMasks, Option<&mut Taps>)>) -> Tensor<2> {
        let own = self.device_masks(false);
        let (masks, taps) = with.unwrap_or((&own, None));
        let batch = self.batch();
        if self.padding == Rows::Packed && taps.is_none() && self.model.head.is_some() {
            // As a step is made that reads nothing else.
            return self.model.logits(&batch, Some(masks)).expect("there is a head");
        }
        let mut dropout = self.dropout();
        let with = Forward { masks: Some(masks), taps, dropout: dropout.as_mut(), keep_states: false };
        let hidden = self.model.forward(&batch, with).hidden;
        if self.model.config.decoder.is_some() {
            return self.model.next_token_logits(hidden).expect("a decoder");
        }
        self.model.classify_with(hidden, &batch, dropout.as_mut()).expect("there is a head")
    }

    fn batch(&self) -> Batch {
        let of = match self.padding {
            Rows::Counted => Batch::new,
            Rows::Masked => Batch::masked,
            Rows::Packed => Batch::packed,
        };
        of(&self.tokens.padded(), &self.model.config, &self.device)
    }

    /// Σ weigh ∘ logits, `[1]`.
    pub(crate) fn weighed(&self, logits: Tensor<2>) -> Tensor<1> {
        let weigh = match self.model.config.decoder {
            None => self.weigh.clone(),
            Some(_) => {
                let rows = self.batch().own((0..self.tokens.ids.len() as i32).collect());
                self.weigh.clone().select(0, Tensor::<1, Int>::from_ints(rows.as_slice(), &self.device))
            }
        };
        (logits * weigh).sum()
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
        let Some(head) = config.head else { return factors };
        if head.dense.is_some() && config.family.spec().head.drops_input {
            factors.head[0] = of([1, 1, sequences, config.hidden]);
        }
        factors.head[1] = of([1, 1, sequences, head.dense.unwrap_or(config.hidden)]);
        factors
    }

    /// ∂L/∂W of a linear layer's weight, adapter folded in, `[in, out]`.
    pub(crate) fn weight_gradient(&self, layer: usize, site: Site) -> Matrix {
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

    pub(crate) fn scores(&self, scorer: Salience) -> Vec<f64> {
        self.scores_in(scorer, OutlierScale::Raw)
    }

    pub(crate) fn scores_in(&self, scorer: Salience, outliers: OutlierScale) -> Vec<f64> {
        let masks = self.device_masks(apt_nn::salience::needs_mask_gradients(scorer));
        let mut taps = Taps::for_scorer(scorer);
        let logits = self.logits(Some((&masks, taps.as_mut())));
        let gradients = self.weighed(logits).backward();
        let readings = Readings::of(&self.model, taps.as_ref(), Some(&masks), &gradients);
        let seen =
            ScoreInputs { model: &self.model, readings: &readings, outliers, head_kurtosis: HeadKurtosis::PerHead };
        let flat = scores(scorer, &seen).expect("everything was collected").flat();
        assert_eq!(flat.dims()[0], apt_nn::salience::flat_len(&self.model.config.shape()), "{}: {scorer}", self.name);
        values(&flat)
    }

    fn run(&self, nudge: Option<Nudge>) -> Pass {
        self.reference.run(&self.tokens, &self.masks, &self.masks, nudge)
    }

    fn loss(&self, pass: &Pass) -> f64 {
        pass.logits.iter().zip(values(&self.weigh)).map(|(l, w)| l * w).sum()
    }

    pub(crate) fn has_dropout(&self) -> bool {
        self.dropout > 0.0
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
        slices::activation_gradient(&self.counted(h), &self.counted(&Matrix { cols: h.cols, v: gradient }), h.cols)
    }

    /// The rows that count.
    fn counted(&self, rows: &Matrix) -> Vec<f64> {
        let length = self.tokens.ids.len() / self.tokens.lengths.len();
        let counts =
            |token: usize| self.padding == Rows::Counted || token % length < self.tokens.lengths[token / length];
        let all = rows.v.chunks_exact(rows.cols).enumerate();
        all.filter(|(token, _)| counts(*token)).flat_map(|(_, row)| row.iter().copied()).collect()
    }

    pub(crate) fn activation_gradient(&self) -> Vec<f64> {
        let base = self.run(None);
        let decoder = self.model.config.decoder.is_some();
        let mut hidden = match decoder {
            true => vec![0.0; self.model.config.hidden],
            false => self.product(&base, TapPoint::Output),
        };
        let of_hidden = |block, layer| match decoder {
            true => TapPoint::Added(block, layer),
            false => TapPoint::Input(block, layer),
        };
        let (mut heads, mut neurons) = (Vec::new(), Vec::new());
        let mut add = |site| {
            let product = self.product(&base, site);
            hidden.iter_mut().zip(product).for_each(|(sum, p)| *sum += p);
        };
        for (i, layer) in self.model.config.layers.iter().enumerate() {
            if self.has_heads(i) {
                heads.extend(slices::per_head(
                    &self.product(&base, TapPoint::Activation(SubBlock::Attention, i)),
                    self.unit_width(),
                ));
                add(of_hidden(SubBlock::Attention, i));
            } else {
                heads.extend(vec![0.0; layer.heads]);
            }
            if self.has_neurons(i) {
                neurons.extend(self.product(&base, TapPoint::Activation(SubBlock::FeedForward, i)));
                add(of_hidden(SubBlock::FeedForward, i));
            } else {
                neurons.extend(vec![0.0; layer.neurons]);
            }
        }
        [heads, neurons, hidden].concat()
    }

    /// Entries of a unit's context: those of its query heads.
    fn unit_width(&self) -> usize {
        self.model.config.wiring().activation_width(SubBlock::Attention)
    }

    /// √max(kurtosis, 0) of O = x̄ ∘ W, by the formulas on slices.
    pub(crate) fn outliers(&self) -> Vec<f64> {
        let base = self.run(None);
        let config = &self.model.config;
        let (mut heads, mut neurons, mut hidden) = (Vec::new(), Vec::new(), vec![0.0; config.hidden]);
        let terms = |k: Vec<f64>| k.into_iter().map(slices::outlier_term).collect::<Vec<f64>>();
        let mut proxy = |linear: &AptLinear, site| {
            let x = base.at(site);
            let o = slices::output_proxy(
                &Linear::of(linear).weight.transposed().v,
                &slices::mean_input(&self.counted(x), x.cols),
            );
            hidden.iter_mut().zip(terms(slices::row_kurtosis(&o, x.cols))).for_each(|(sum, k)| *sum += k);
            (o, x.cols)
        };
        for (i, layer) in self.model.layers.iter().enumerate() {
            let width = config.layers[i];
            match layer.attention.as_ref().filter(|_| self.has_heads(i)) {
                Some(a) => {
                    let (o, cols) = proxy(&a.output, TapPoint::Activation(SubBlock::Attention, i));
                    heads.extend(terms(slices::head_kurtosis(&o, cols, self.unit_width())));
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
    pub(crate) fn mask_gradients(&self) -> Vec<f64> {
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
    pub(crate) fn weights(&self, scorer: Salience) -> Vec<f64> {
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
                    Some((_, x)) => slices::wanda(&weight.v, &slices::squared_inputs(&self.counted(x), x.cols)),
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
                let (out, units) = importance(&a.output, TapPoint::Activation(SubBlock::Attention, i));
                let mut units = slices::per_head(&units, self.unit_width());
                add(&mut hidden, &out);
                let widths = [self.unit_width(), config.head_size, config.head_size];
                for (linear, width) in [&a.query, &a.key, &a.value].into_iter().zip(widths) {
                    let (out, inputs) = importance(linear, TapPoint::Input(SubBlock::Attention, i));
                    add(&mut units, &slices::per_head(&out, width));
                    add(&mut hidden, &inputs);
                }
                heads.extend(units);
            }
            if let Some(f) = &layer.feed_forward {
                let (mut units, inputs) = importance(&f.up, TapPoint::Input(SubBlock::FeedForward, i));
                let (out, of_down) = importance(&f.down, TapPoint::Activation(SubBlock::FeedForward, i));
                add(&mut units, &of_down);
                add(&mut hidden, &inputs);
                add(&mut hidden, &out);
                if let Some(gate) = &f.gate {
                    let (of_gate, inputs) = importance(gate, TapPoint::Input(SubBlock::FeedForward, i));
                    add(&mut units, &of_gate);
                    add(&mut hidden, &inputs);
                }
                neurons.extend(units);
            }
        }
        [heads, neurons, hidden].concat()
    }
}
