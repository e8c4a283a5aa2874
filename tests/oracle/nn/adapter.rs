//! The APT adapter: forward, gradients, merging, rank growth, pruning, and the teacher's copy.

use apt_nn::salience::rank_mean_importance;
use apt_nn::{AptLinear, Init, LinearMasks};
use apt_tests::fixtures::{indices, items, load, number, numbers};
use burn::module::Param;
use burn::tensor::Tensor;
use serde_json::Value;

use super::{agree, device, leaf, linear, matrix, values, vector};

#[test]
fn oracle_masked_forward_matches_paper_equation_2() {
    let fixture = load("lora_masked_forward");
    for (place, case) in items(&fixture["cases"]).iter().enumerate() {
        let mut linear = of(case);
        if !case["bottleneck_mask"].is_null() {
            // Rank masks do not exist here: they are scales of A's columns.
            let adapter = linear.adapter.as_mut().expect("the case has an adapter");
            let scaled = adapter.a.val().detach() * vector(&case["bottleneck_mask"]).unsqueeze();
            adapter.a = Param::from_tensor(scaled.detach());
        }
        let mask = |key: &str| (!case[key].is_null()).then(|| vector(&case[key]).into());
        let masks = LinearMasks { input: mask("input_mask"), output: mask("output_mask") };
        let y = linear.forward_masked(matrix(&case["x"]), &masks);
        agree(&format!("case {place}: y"), &values(&y), &numbers(&case["paper_eq2_y"]));
    }
}

#[test]
fn oracle_adapter_forward_and_gradients_match() {
    let fixture = load("lora_masked_forward");
    for (place, case) in items(&fixture["cases"]).iter().enumerate() {
        let rank = number(&case["r"]) as usize;
        let [outputs, inputs] = matrix(&case["W"]).dims();
        let ones = |key: &str, n: usize| match &case[key] {
            Value::Null => Tensor::ones([n], &device()),
            mask => vector(mask),
        };
        // Published masks act on the low-rank branch alone: they are scales of A and B.
        let of_inputs = ones("input_mask", inputs).unsqueeze_dim::<2>(1);
        let of_rank = ones("bottleneck_mask", rank);
        let of_outputs = ones("output_mask", outputs).unsqueeze::<2>();
        let a_mask = of_inputs * of_rank.unsqueeze::<2>();
        let mut linear = of(case);
        let adapter = linear.adapter.as_mut().expect("the case has an adapter");
        adapter.a = Param::from_tensor((adapter.a.val().detach() * a_mask.clone()).detach());
        adapter.b = Param::from_tensor((adapter.b.val().detach() * of_outputs.clone()).detach());

        let x = leaf(&case["x"]);
        let y = linear.forward(x.clone());
        let gradients = (y.clone() * matrix(&case["G"])).sum().backward();
        let adapter = linear.adapter.as_ref().expect("the case has an adapter");
        let d_a = adapter.a.val().grad(&gradients).expect("A is trainable") * a_mask.clone().inner();
        let d_b = adapter.b.val().grad(&gradients).expect("B is trainable") * of_outputs.inner();
        let d_x = x.grad(&gradients).expect("x is a leaf");
        let name = |what: &str| format!("case {place}: {what}");
        agree(&name("y"), &values(&y), &numbers(&case["y"]));
        agree(&name("dA"), &values(&d_a.clone().transpose()), &numbers(&case["dA"]));
        agree(&name("dB"), &values(&d_b.transpose()), &numbers(&case["dB"]));
        agree(&name("dx"), &values(&d_x), &numbers(&case["dx"]));

        let merged = linear.merge();
        agree(&name("merged W"), &values(&merged.weight.val().transpose()), &numbers(&case["merged_W"]));
        agree(&name("merged y"), &values(&merged.forward(x)), &numbers(&case["y_merged"]));

        let ranks = numbers(&case["r_sensitivity_abs"]);
        let mean = ranks.iter().sum::<f64>() / ranks.len() as f64;
        let a = matrix(&case["A"]).transpose().inner();
        agree(&name("importance by rank"), &values(&rank_mean_importance(a, d_a)), &[mean]);
    }
}

#[test]
fn oracle_rank_growth_keeps_rows_and_output() {
    let mut seen = 0;
    for case in items(&load("lora_rank_and_prune_ops")["cases"]).iter().filter(|case| case["op"] == "expand") {
        let grown_to = number(&case["target_r"]) as usize;
        let (before, after) = (&case["before"], &case["after"]);
        let linear = of(before);
        let x = matrix(&case["x"]);
        agree("y before growth", &values(&linear.forward(x.clone())), &numbers(&case["y_before"]));
        let adapter = linear.adapter.as_ref().expect("the case has an adapter");
        let [inputs, rank] = adapter.a.dims();
        let new = Init::new(0, &device()).kaiming(inputs, grown_to - rank);
        let mut grown = linear.clone();
        grown.adapter = Some(adapter.grow(new.clone()));
        let adapter = grown.adapter.as_ref().expect("just set");
        agree("y after growth", &values(&grown.forward(x)), &numbers(&case["y_after"]));
        assert_eq!(adapter.scale, number(&after["scaling"]), "s after growth");
        assert_eq!(adapter.rank(), number(&after["r"]) as usize, "r after growth");
        // PyTorch's random new rows cannot be drawn again; what they must satisfy can be checked, theirs and ours.
        let bound = 1.0 / (inputs as f64).sqrt();
        let published = numbers(&after["A"]);
        let (old, theirs) = published.split_at(rank * inputs);
        agree("old rows of A", &values(&adapter.a.val().slice([0..inputs, 0..rank]).transpose()), old);
        for (who, rows) in [("published", theirs.to_vec()), ("here", values(&new))] {
            assert!(rows.iter().all(|v| v.abs() <= bound), "new rows of A, {who}: beyond 1/√d_in = {bound}");
            assert!(rows.iter().any(|v| v.abs() > bound / 10.0), "new rows of A, {who}: suspiciously small");
        }
        agree("B", &values(&adapter.b.val().transpose()), &numbers(&after["B"]));
        seen += 1;
    }
    assert!(seen > 0, "the fixture has no growth case");
}

#[test]
fn oracle_physical_pruning_of_a_layer_matches() {
    let mut seen = 0;
    for case in items(&load("lora_rank_and_prune_ops")["cases"]).iter().filter(|case| case["op"] == "physical_prune") {
        let keep = indices(&case["keep"]);
        let linear = of(&case["before"]);
        let pruned = match case["dim"].as_u64() {
            Some(0) => linear.select(None, Some(&keep)),
            _ => linear.select(Some(&keep), None),
        };
        let after = &case["after"];
        let name = |what: &str| format!("dimension {}: {what}", case["dim"]);
        let adapter = pruned.adapter.as_ref().expect("the adapter stays");
        let bias = pruned.bias.as_ref().expect("the bias stays");
        agree(&name("W"), &values(&pruned.weight.val().transpose()), &numbers(&after["W"]));
        agree(&name("bias"), &values(&bias.val()), &numbers(&after["bias"]));
        agree(&name("A"), &values(&adapter.a.val().transpose()), &numbers(&after["A"]));
        agree(&name("B"), &values(&adapter.b.val().transpose()), &numbers(&after["B"]));
        assert_eq!(adapter.scale, number(&after["scaling"]), "{}", name("s"));
        seen += 1;
    }
    assert_eq!(seen, 2, "one case for each dimension");
}

#[test]
fn oracle_teacher_is_a_hard_copy_on_the_same_frozen_weight() {
    let f = load("self_teacher_copy");
    let (scale, teacher_scale) = (number(&f["info"]["scaling"]), number(&f["info"]["teacher_scaling"]));
    let student = linear(&f["W"], &f["bias"], &f["student_A"], &f["student_B"], scale);
    let teacher = linear(&f["W"], &f["bias"], &f["teacher_A"], &f["teacher_B"], teacher_scale);
    let x = matrix(&f["x"]);
    agree("student", &values(&student.forward(x.clone())), &numbers(&f["y_student"]));
    agree("teacher", &values(&teacher.forward(x.clone())), &numbers(&f["y_teacher"]));

    // At the moment of copying both are the same; when the student moves on, its copy stays.
    let mut moving = teacher.clone();
    let copy = moving.clone();
    moving.adapter.clone_from(&student.adapter);
    agree("the student moved", &values(&moving.forward(x.clone())), &numbers(&f["y_student"]));
    agree("the copy stayed", &values(&copy.forward(x)), &numbers(&f["y_teacher"]));
}

fn of(case: &Value) -> AptLinear {
    linear(&case["W"], &case["bias"], &case["A"], &case["B"], number(&case["scaling"]))
}
