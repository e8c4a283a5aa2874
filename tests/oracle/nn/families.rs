//! Every family against transformers: the same weights under the family's own names give the same logits.

use apt_core::tokens::TokenBatch;
use apt_nn::checkpoint::Checkpoint;
use apt_nn::{Batch, Forward, ModelConfig, Transformer};
use apt_tests::fixtures::{indices, items, load, numbers};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;

use super::{agree, device, values};

#[test]
fn oracle_logits_of_every_family_match() {
    let fixture = load("families");
    let families = fixture["families"].as_object().expect("families by name");
    for (name, family) in families {
        let model = read(name, family);
        let ids: Vec<i32> = indices(&fixture["ids"]).into_iter().map(|id| id as i32).collect();
        let lengths = indices(&fixture["lengths"]);
        let types: Vec<i32> = match family["token_types"] == true {
            true => indices(&fixture["type_ids"]).into_iter().map(|id| id as i32).collect(),
            false => vec![0; ids.len()],
        };
        let batch =
            Batch::new(&TokenBatch { ids, type_ids: types, lengths: lengths.clone() }, &model.config, &device());
        let hidden = model.forward(&batch, Forward::default()).hidden;
        if let Some(published) = family.get("logits") {
            let ours = values(&model.classify(hidden, &batch).expect("the checkpoint has a classifier"));
            agree(name, &ours, &numbers(published));
        } else {
            assert!(model.head.is_none() && model.pooler.is_none(), "{name} has neither classifier nor pooler");
            assert!(model.classify(hidden.clone(), &batch).is_err(), "{name}: logits without a classifier");
            let width = model.config.hidden;
            let rows: Vec<f64> = values(&hidden);
            let rows = rows.chunks(width).enumerate().filter(|(row, _)| row % 6 < lengths[row / 6]);
            let ours: Vec<f64> = rows.flat_map(|(_, row)| row.to_vec()).collect();
            agree(name, &ours, &numbers(&family["hidden"]));
        }
    }
    assert_eq!(families.len(), 7, "the fixture has every family");
}

/// The checkpoint as transformers would have written it; the fixture says which values the tensors hold.
fn read(name: &str, family: &Value) -> Transformer {
    let config = ModelConfig::from_json(family["config"].to_string().as_bytes(), "config.json");
    let config = config.unwrap_or_else(|error| panic!("{name}: {error}"));
    let tensors: Vec<(&str, Vec<usize>, Vec<u8>)> = items(&family["tensors"])
        .iter()
        .enumerate()
        .map(|(k, tensor)| {
            let (name, shape) = (tensor[0].as_str().expect("a name"), indices(&tensor[1]));
            let value = |i: usize| {
                let value = ((k * 7919 + i * 104_729) % 2003) as f64 / 2003.0 - 0.5;
                (if name.contains("orm.weight") { 1.0 + 0.3 * value } else { value }) as f32
            };
            let n: usize = shape.iter().product();
            (name, shape, (0..n).flat_map(|i| value(i).to_le_bytes()).collect())
        })
        .collect();
    let views = tensors.iter().map(|(name, shape, bytes)| {
        (*name, TensorView::new(Dtype::F32, shape.clone(), bytes).expect("shape and bytes agree"))
    });
    let bytes = safetensors::serialize(views, None).expect("tensors serialise");
    let model = Checkpoint::parse(&bytes, "model.safetensors", config.family)
        .and_then(|checkpoint| checkpoint.model(&config, &device()));
    model.unwrap_or_else(|error| panic!("{name}: {error}"))
}
