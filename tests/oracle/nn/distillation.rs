//! Distillation losses and their gradients.

use apt_core::blocks::{Kept, LayerShape};
use apt_core::distill::{PREDICTION_SCALE, candidates};
use apt_nn::{Activation, Adapter, Family, Init, ModelConfig, Transformer};
use apt_tests::fixtures::{indices, items, load, number, numbers};
use apt_train::{
    DistillWeights, Learner, PredictionLoss, Teacher, Transform, distillation_loss, mean_squared_error, prediction_loss,
};
use burn::module::Param;
use burn::tensor::Tensor;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::Value;

use super::{agree, device, leaf, matrix, values};

#[test]
fn oracle_prediction_and_layer_losses_match_with_their_gradients() {
    for (place, case) in items(&load("distill_loss_classification")["cases"]).iter().enumerate() {
        let name = |what: &str| format!("case {place}: {what}");
        let logits = leaf(&case["student_logits"]);
        let states: Vec<Tensor<2>> = items(&case["student_hidden"]).iter().map(leaf).collect();
        let transform = transform(&case["Tr"]);
        let prediction = prediction_loss(logits.clone(), matrix(&case["teacher_logits"]), number(&case["temp"]));
        agree(&name("prediction"), &values(&prediction), &[number(&case["ce_distill_loss_x10"])]);

        let mut layers = Tensor::<1>::zeros([1], &device());
        for (teacher, student) in matched(case) {
            let target = matrix(&items(&case["teacher_hidden"])[teacher + 1]);
            let loss = |student: usize| {
                let state = states[student + 1].clone();
                let mapped = transform.as_ref().map_or(state.clone(), |t| t.forward(state));
                mean_squared_error(mapped, target.clone())
            };
            if case["strategy"] == "dynamic_block_teacher_dynamic_student" {
                let exists = exists(case);
                let best = candidates(teacher, &exists).into_iter().map(&loss).reduce(Tensor::min_pair);
                agree(&name("nearest layer"), &values(&best.expect("a layer survives")), &values(&loss(student)));
            }
            layers = layers + loss(student);
        }
        let none = case["strategy"] == "none";
        if !none {
            agree(&name("layers"), &values(&layers), &[number(&case["layer_loss"])]);
        }
        let (of_logits, of_layers) =
            if none { (1.0, 0.0) } else { (number(&case["ce_alpha"]), number(&case["layer_alpha"])) };
        let total = prediction * of_logits + layers * of_layers;
        agree(&name("total"), &values(&total), &[number(&case["loss"])]);

        let gradients = total.backward();
        let of_logits = logits.grad(&gradients).expect("the loss reaches the logits");
        agree(&name("gradient of the logits"), &values(&of_logits), &numbers(&case["d_student_logits"]));
        agree(&name("gradients of the states"), &norms(&states, &gradients), &numbers(&case["d_student_hidden_norm"]));
    }
}

/// With four layers every one of them is drawn, so that chance has no say and the whole loss can be compared.
#[test]
fn oracle_distillation_loss_matches_where_chance_has_no_say() {
    let mut seen = 0;
    for case in items(&load("distill_loss_classification")["cases"]) {
        if case["num_layers"] != 4 || case["strategy"] != "dynamic_block_teacher_dynamic_student" {
            continue;
        }
        let learner = Learner {
            student: student(4, matrix(&case["student_hidden"]).dims()[1]),
            transform: transform(&case["Tr"]),
        };
        let kept = Kept::all(&learner.student.config.shape());
        let teacher = Teacher::new(&learner.student, &kept, 0.0, true);
        let after_embeddings = |states: &Value| items(states)[1..].to_vec();
        let states: Vec<Tensor<2>> = after_embeddings(&case["student_hidden"]).iter().map(leaf).collect();
        let of_teacher: Vec<Tensor<2>> =
            after_embeddings(&case["teacher_hidden"]).iter().map(|s| matrix(s).inner()).collect();
        let logits = leaf(&case["student_logits"]);
        let weights = DistillWeights {
            prediction: PredictionLoss::Divergence { temperature: number(&case["temp"]) },
            logits: number(&case["ce_alpha"]),
            layers: number(&case["layer_alpha"]),
        };
        let teacher_logits = matrix(&case["teacher_logits"]).inner();
        let output = teacher.sample_layers(&of_teacher, teacher_logits, &mut ChaCha8Rng::seed_from_u64(0));
        let loss = distillation_loss(&learner, &states, logits.clone(), output, weights);
        agree("loss", &values(&loss), &[number(&case["loss"])]);
        let gradients = loss.backward();
        let of_logits = logits.grad(&gradients).expect("the loss reaches the logits");
        agree("gradient of the logits", &values(&of_logits), &numbers(&case["d_student_logits"]));
        let published = numbers(&case["d_student_hidden_norm"]);
        agree("gradients of the states", &norms(&states, &gradients), &published[1..]);
        seen += 1;
    }
    assert_eq!(seen, 2, "cases with four layers, without and with Tr");
}

#[test]
fn oracle_prediction_scale_is_the_published_factor() {
    let case = &load("distill_loss_classification")["cases"][0];
    let same = matrix(&case["teacher_logits"]);
    agree("of a perfect student", &values(&(prediction_loss(same.clone(), same, 0.5) + 1.0)), &[1.0]);
    assert_eq!(PREDICTION_SCALE, 10.0, "the published loss is ten times the divergence");
}

/// Tr: identity plus a low-rank branch.
fn transform(tr: &Value) -> Option<Transform> {
    if tr.is_null() {
        return None;
    }
    assert_eq!(tr["W"], "identity", "another Tr than the published one");
    let leaf = |value| Param::from_tensor(matrix(value).transpose().detach());
    Some(Transform { adapter: Adapter { a: leaf(&tr["A"]), b: leaf(&tr["B"]), scale: number(&tr["scaling"]) } })
}

/// (teacher layer, student layer) of every pair that was compared; strategies without a choice pair equal layers.
fn matched(case: &Value) -> Vec<(usize, usize)> {
    if case["strategy"] == "none" {
        return Vec::new();
    }
    match case["selected_teacher_layers"].is_null() {
        true => (0..number(&case["num_layers"]) as usize).map(|layer| (layer, layer)).collect(),
        false => {
            let student = |layer: usize| indices(&case["mapping"][layer.to_string()])[0];
            indices(&case["selected_teacher_layers"]).into_iter().map(|layer| (layer, student(layer))).collect()
        }
    }
}

fn exists(case: &Value) -> Vec<bool> {
    match &case["layer_z"] {
        Value::Null => vec![true; number(&case["num_layers"]) as usize],
        layers => numbers(layers).into_iter().map(|z| z > 0.0).collect(),
    }
}

/// |∂L/∂H| of every state, 0 where the loss does not reach.
fn norms(states: &[Tensor<2>], gradients: &burn::tensor::Gradients) -> Vec<f64> {
    let norm = |g: Tensor<2>| values(&g).iter().map(|v| v * v).sum::<f64>().sqrt();
    states.iter().map(|state| state.grad(gradients).map_or(0.0, norm)).collect()
}

fn student(layers: usize, hidden: usize) -> Transformer {
    let config = ModelConfig {
        family: Family::Roberta,
        vocab_size: 4,
        max_positions: 4,
        type_vocab_size: 1,
        embedding: None,
        hidden,
        head_size: 2,
        layers: vec![LayerShape { heads: 1, neurons: 2 }; layers],
        activation: Activation::Gelu,
        norm_eps: 1e-12,
        pad_id: 1,
        head: None,
        label_names: vec![],
        decoder: None,
    };
    Transformer::new(&config, &mut Init::new(0, &device()))
}
