//! The adapters of a model that lost nothing, as PEFT loads them onto the checkpoint they were trained on.
//!
//! Ranks differ from adapter to adapter while the factor `s` of the branch stays, and PEFT computes that factor as
//! `alpha / r`: so every adapter gets its own rank and its own alpha, `s·r`.

use crate::padded::has_own_head;
use crate::{ExportError, File, Weights};
use apt_nn::checkpoint::{FileTensor, Precision, read_back, safetensors_of};
use apt_nn::{Adapter, FamilySpec, HeadConfig, ModelConfig, Transformer, linear_name};
use serde_json::{Map, Value, json};

/// The model that adapters belong to, as PEFT looks for it.
#[derive(Clone, Copy, Debug)]
pub struct Base<'a> {
    /// A folder, or `org/name` of the hub.
    pub name: &'a str,
    /// The commit, of a model of the hub.
    pub revision: Option<&'a str>,
}

impl<'a> From<&'a str> for Base<'a> {
    fn from(name: &'a str) -> Self {
        Self { name, revision: None }
    }
}

/// The files of an adapter: `adapter_config.json` and `adapter_model.safetensors`. `student` is the model with its adapters,
/// `dense` the sizes of what it was trained from, `base` where that is found.
///
/// # Errors
/// A model that lost units, has no adapters, or whose classifier is not the family's; GPT-2, whose adapters are on parts of
/// a layer; values that cannot be read back.
pub async fn peft<'a>(
    student: &Transformer,
    dense: &ModelConfig,
    base: impl Into<Base<'a>>,
) -> Result<Vec<File>, ExportError> {
    let config = &student.config;
    let others = match config.decoder {
        Some(_) => "export it with --format transformers or gguf",
        None => "export it with --format onnx or transformers",
    };
    if config.shape() != dense.shape() {
        let what = "adapters fit the checkpoint they were trained on, and this model has lost units of it";
        return Err(refused(what.into(), others));
    }
    let head = config.head.filter(|_| has_own_head(config));
    if config.decoder.is_none() && head.is_none() {
        let reads = config.head.map_or("is missing".into(), |head| format!("reads {}", head.pooling.words()));
        let what = format!("its classifier {reads}, which the family's class in transformers does not");
        return Err(refused(what, others));
    }
    if config.family.spec().decoder.is_some_and(|decoder| decoder.fused.is_some()) {
        let what = "queries, keys and values have adapters of their own, where the family has one layer for all three";
        return Err(refused(what.into(), others));
    }
    let spec = config.family.spec();
    let (mut tensors, mut modules) = (Vec::new(), Map::new());
    for (name, adapter) in adapters(student) {
        let of = |part: &str| format!("base_model.model.{name}.{part}.weight");
        let ([inputs, rank], outputs) = (adapter.a.dims(), adapter.b.dims()[1]);
        let (a, b) = (adapter.a.val().transpose(), adapter.b.val().transpose());
        for (part, matrix, dims) in [("lora_A", a, [rank, inputs]), ("lora_B", b, [outputs, rank])] {
            let values = read_back(matrix, &name).await?;
            tensors.push(FileTensor { name: of(part), dims: dims.to_vec(), values });
        }
        modules.insert(name, json!([rank, adapter.scale * rank as f64]));
    }
    if modules.is_empty() {
        return Err(refused("the model has no adapters".into(), "take a run whose preset has them, such as lora"));
    }
    let of_head = head.map(|head| [Some(spec.head.out), head.dense.map(|_| spec.head.dense)]);
    if let Some(names) = of_head {
        let weights = Weights::read(student).await?;
        for name in names.into_iter().flatten() {
            for part in ["weight", "bias"] {
                let tensor = weights.get(&format!("{name}.{part}"))?;
                let name = format!("base_model.model.{}", tensor.name);
                tensors.push(FileTensor { name, ..tensor.clone() });
            }
        }
    }
    let json = adapter_config(&modules, spec, head, base.into());
    let bytes = safetensors_of(&tensors, Precision::F32)?;
    Ok(vec![File::json("adapter_config.json", &json), File::new("adapter_model.safetensors", bytes)])
}

/// The adapters with the names of their modules in transformers.
fn adapters(student: &Transformer) -> Vec<(String, &Adapter)> {
    let spec = student.config.family.spec();
    let wiring = student.config.wiring();
    let mut found = Vec::new();
    let linears = student.linears();
    for layer in 0..student.layers.len() {
        for site in wiring.linears().map(|linear| linear.site) {
            let ours = linear_name(layer, site);
            let linear = linears.iter().find(|(name, _)| *name == ours);
            let adapter = linear.and_then(|(_, linear)| linear.adapter.as_ref()).filter(|adapter| adapter.rank() > 0);
            found.extend(adapter.map(|adapter| (spec.published(&spec.tensors.linear(layer, site)), adapter)));
        }
    }
    found
}

/// `modules` has rank and alpha of every adapter.
fn adapter_config(modules: &Map<String, Value>, spec: &FamilySpec, head: Option<HeadConfig>, base: Base<'_>) -> Value {
    let pattern = |which: usize| modules.iter().map(move |(name, of)| (name.clone(), of[which].clone()));
    let (ranks, alphas): (Map<_, _>, Map<_, _>) = (pattern(0).collect(), pattern(1).collect());
    let first = modules.values().next().cloned().unwrap_or_default();
    json!({
        "peft_type": "LORA",
        "task_type": if head.is_some() { "SEQ_CLS" } else { "CAUSAL_LM" },
        "base_model_name_or_path": base.name,
        "revision": base.revision,
        "r": first[0],
        "lora_alpha": first[1],
        "rank_pattern": ranks,
        "alpha_pattern": alphas,
        "target_modules": modules.keys().collect::<Vec<_>>(),
        "modules_to_save": head.map(|head| modules_to_save(spec, head.dense.is_some())),
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": false,
        "inference_mode": true,
    })
}

/// The modules of the classifier: whole classes where they are the classifier's own, BERT's dense layer by itself.
fn modules_to_save(spec: &FamilySpec, has_dense: bool) -> Vec<&'static str> {
    let own = |name: &'static str| name.split('.').next().unwrap_or(name);
    let dense = if spec.head.is_pooler { spec.head.dense } else { own(spec.head.dense) };
    let mut modules = vec![own(spec.head.out)];
    if has_dense && !modules.contains(&dense) {
        modules.push(dense);
    }
    modules
}

fn refused(what: String, remedy: &'static str) -> ExportError {
    ExportError::Form { form: "peft", what, remedy }
}
