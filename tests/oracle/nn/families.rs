//! Every family against transformers: the same weights under the family's own names give the same logits.

use apt_core::tokens::TokenBatch;
use apt_nn::checkpoint::Checkpoint;
use apt_nn::{Batch, ConfigRead, Forward, Transformer};
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
        let (batch, lengths) = (batch(&fixture, family, &model), indices(&fixture["lengths"]));
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
    assert_eq!(families.len(), 8, "the fixture has every family");
}

#[test]
fn oracle_a_configuration_without_pad_token_id_has_the_padding_of_its_family() {
    let fixture = load("families");
    for name in ["roberta", "camembert", "xlm-roberta"] {
        let family = &fixture["families"][name];
        assert_eq!(family["config"]["pad_token_id"], 1, "{name}: the fixture is of the default");
        let mut without = family.clone();
        without["config"].as_object_mut().expect("an object").remove("pad_token_id");
        let model = read(name, &without);
        let batch = batch(&fixture, family, &model);
        let hidden = model.forward(&batch, Forward::default()).hidden;
        let ours = values(&model.classify(hidden, &batch).expect("the checkpoint has a classifier"));
        agree(name, &ours, &numbers(&family["logits"]));
    }
}

/// The fixture's tokens.
fn batch(fixture: &Value, family: &Value, model: &Transformer) -> Batch {
    let ids: Vec<i32> = indices(&fixture["ids"]).into_iter().map(|id| id as i32).collect();
    let type_ids: Vec<i32> = match family["token_types"] == true {
        true => indices(&fixture["type_ids"]).into_iter().map(|id| id as i32).collect(),
        false => vec![0; ids.len()],
    };
    let tokens = TokenBatch { ids, type_ids, lengths: indices(&fixture["lengths"]) };
    Batch::new(&tokens, &model.config, &device())
}

/// The checkpoint as transformers would have written it; the fixture says which values the tensors hold.
pub(crate) fn read(name: &str, family: &Value) -> Transformer {
    let config = ConfigRead::from_json(family["config"].to_string().as_bytes(), "config.json");
    let config = config.unwrap_or_else(|error| panic!("{name}: {error}"));
    let tensors: Vec<(&str, Vec<usize>, Vec<u8>)> = items(&family["tensors"])
        .iter()
        .enumerate()
        .map(|(k, tensor)| {
            let (name, shape) = (tensor[0].as_str().expect("a name"), indices(&tensor[1]));
            let value = |i: usize| {
                let value = ((k * 7919 + i * 104_729) % 2003) as f64 / 2003.0 - 0.5;
                (if name.contains("orm.weight") || name.contains("ln_") && name.ends_with(".weight") {
                    1.0 + 0.3 * value
                } else {
                    value
                }) as f32
            };
            let n: usize = shape.iter().product();
            (name, shape, (0..n).flat_map(|i| value(i).to_le_bytes()).collect())
        })
        .collect();
    let views = tensors.iter().map(|(name, shape, bytes)| {
        (*name, TensorView::new(Dtype::F32, shape.clone(), bytes).expect("shape and bytes agree"))
    });
    let bytes = safetensors::serialize(views, None).expect("tensors serialise");
    let model = Checkpoint::parse(&bytes, "model.safetensors", config.config.family)
        .and_then(|checkpoint| checkpoint.model(&checkpoint.complete(&config)?, &device()));
    model.unwrap_or_else(|error| panic!("{name}: {error}"))
}
