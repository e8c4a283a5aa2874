//! Runs as text: they fit a terminal and show what the numbers are.

#[path = "../../experiment/tests/example/mod.rs"]
mod example;

use apt_experiment::{ModelShape, NamedMetric, PruningPoint, preset};
use apt_report::{
    comparison_markdown, comparison_table, layer_markdown, layer_picture, record_picture, summary, summary_markdown,
};
use example::{pruned, record, shape};

#[test]
fn each_measure_has_its_ratio_to_the_first_run() {
    let apt = record();
    let mut lora = record();
    lora.config = preset("lora").expect("a preset");
    lora.measures.params.kept = lora.measures.params.dense;
    lora.measures.inference.batch_32.compact_ms = None;
    lora.measures.metric.test = None;
    let table = comparison_table(&[("lora", &lora), ("apt", &apt)]);
    let line = |label: &str| {
        table.lines().find(|line| line.contains(label)).unwrap_or_else(|| panic!("no {label} in\n{table}"))
    };
    assert!(
        line("parameters, no embeddings").contains("1000") && line("parameters").contains("400 (0.40×)"),
        "{table}"
    );
    assert!(
        line("latency, batch 32").contains("16.0 ms (0.40×)"),
        "40 ms dense stands in for the missing one\n{table}"
    );
    assert!(line("accuracy, test").contains('—'), "{table}");
    assert!(!table.contains("peak device memory"), "no run has it\n{table}");
    assert!(comparison_markdown(&[("a|b\n", &lora), ("apt", &apt)]).starts_with("| "));
    assert_eq!(comparison_table(&[]), "");
}

#[test]
fn many_runs_are_one_line_each_and_fit_a_wide_terminal() {
    let record = record();
    let runs: Vec<_> =
        ["lora", "apt", "salience-random", "tuning-static", "schedule-late"].map(|name| (name, &record)).to_vec();
    let table = comparison_table(&runs);
    assert!(table.lines().any(|line| line.trim_start().starts_with("schedule-late")), "{table}");
    let width = table.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    assert!(width <= 160, "{width} columns\n{table}");
}

#[test]
fn the_picture_shows_which_heads_are_left() {
    let picture = layer_picture(&shape(), &pruned(4));
    assert!(picture.contains("■□□■") && picture.contains("□□□□"), "{picture}");
    assert!(picture.contains("2/4") && picture.contains("8/32") && picture.contains("6/8"), "{picture}");
    assert!(picture.contains("head 4") && picture.contains("density 0.3990"), "{picture}");
    assert!(
        layer_markdown(&shape(), &pruned(4)).contains("| 0 | 2/4 | 8/32 | 16 | – |"),
        "{}",
        layer_markdown(&shape(), &pruned(4))
    );
    assert!(record_picture(&record()).contains("■□□■"));
}

#[test]
fn a_base_model_with_all_adapters_fits_a_hundred_columns() {
    let shape = ModelShape { heads: vec![12; 12], neurons: vec![3072; 12], hidden: 768, head_size: 64, wiring: None };
    let sites = ["query", "key", "value", "output", "gate", "up", "down"];
    let ranks = (0..12).flat_map(|layer| sites.map(|site| (format!("encoder.layer.{layer}.{site}"), 64))).collect();
    let point = PruningPoint {
        heads: vec![11; 12],
        kept_heads: vec![(1..12).collect(); 12],
        neurons: vec![1536; 12],
        hidden: 512,
        ranks,
        ..PruningPoint::default()
    };
    let picture = layer_picture(&shape, &point);
    let width = picture.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    assert!(width <= 100, "{width} columns\n{picture}");
    assert_eq!(picture.lines().count(), 15, "{picture}");
    assert!(picture.contains("□■■■■■■■■■■■  11/12  ████████░░░░░░░░  1536/3072"), "{picture}");
}

#[test]
fn neurons_and_hidden_dims_stand_where_they_stood_in_the_dense_model() {
    let shape = ModelShape { heads: vec![1], neurons: vec![64], hidden: 32, head_size: 1, wiring: None };
    let neurons: Vec<usize> = (4..8).chain([8, 9, 60]).collect();
    let point = PruningPoint {
        neurons: vec![neurons.len()],
        kept_neurons: vec![neurons.into()],
        hidden: 3,
        kept_hidden: vec![0, 1, 31],
        ..PruningPoint::default()
    };
    let picture = layer_picture(&shape, &point);
    assert!(picture.contains("·█▄············▂  7/64"), "{picture}");
    assert!(
        picture.contains("hidden dims  █··············▄  3/32\n             in order, of each sixteenth: █ all kept"),
        "{picture}"
    );
}

#[test]
fn a_hostile_record_makes_a_strange_picture_and_no_panic() {
    let shape =
        ModelShape { heads: vec![usize::MAX, 3], neurons: vec![usize::MAX], hidden: 0, head_size: 0, wiring: None };
    let mut point = pruned(1);
    point.kept_heads = vec![vec![usize::MAX]];
    point.neurons = vec![usize::MAX; 3];
    point.kept_neurons = vec![vec![0, 1 << 20].into(); 3];
    assert!(layer_picture(&shape, &point).len() < 10_000);
    assert!(layer_picture(&ModelShape::default(), &PruningPoint::default()).contains("hidden dims"));
}

#[test]
fn a_summary_names_what_was_run_and_what_it_bought() {
    let text = summary(&record());
    assert!(
        text.contains("apt on builtin") && text.contains("400 of 1000 parameters without embeddings (40.0 %)"),
        "{text}"
    );
    assert!(text.contains("16.0 ms compacted, 40.0 ms dense (0.40×)"), "{text}");
    assert!(summary_markdown(&record()).lines().all(|line| line.starts_with("- **")));
    let mut at_chance = record();
    let metric = &mut at_chance.measures.metric;
    metric.validation = metric.chance.validation.map(|constant| constant.metric);
    metric.test = metric.chance.test.map(|constant| constant.metric);
    let text = summary_markdown(&at_chance);
    assert!(text.contains("\n  at chance: ") && !text.contains("****"), "it goes on with the metric's item: {text}");
    let mut two = record();
    two.measures.metric.others = vec![NamedMetric { name: "f1".to_owned(), validation: Some(0.5), test: None }];
    let text = summary(&two);
    assert!(
        text.contains("accuracy 0.9100 validation, 0.9000 test; f1 0.5000 validation, — test, weights of step 4"),
        "{text}"
    );
}
