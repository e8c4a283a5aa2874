//! A run of the nano model on the built-in task.

use apt_data::{Reading, parse_task};
use apt_experiment::Knobs;
use apt_nn::ModelConfig;
use apt_train::device::cpu;
use apt_train::{Machine, ModelFiles, ModelSource, NANO, Setup};

pub(crate) const CONFIG: &[u8] = include_bytes!("../../../../assets/builtin/config.json");
pub(crate) const TOKENIZER: &[u8] = include_bytes!("../../../../assets/builtin/tokenizer.json");
const WEIGHTS: &[u8] = include_bytes!("../../../../assets/builtin/model.safetensors");

/// What a run of `knobs` starts from, on the CPU.
pub(crate) fn setup(knobs: &Knobs) -> Setup {
    let config = ModelConfig::from_json(CONFIG, "config.json").expect("the built-in configuration");
    let model = if knobs.model == NANO {
        ModelFiles::nano(&config, TOKENIZER.to_vec(), "tokenizer.json")
    } else {
        let source = ModelSource::file(config, "model.safetensors", || Ok(WEIGHTS.to_vec()));
        ModelFiles::new(source, String::new(), TOKENIZER.to_vec(), "tokenizer.json")
    };
    let task = parse_task("builtin", &[], &Reading::default()).expect("the built-in task");
    let model = model.expect("the built-in files");
    let knobs = knobs.clone().check().expect("settings that fit together");
    Setup::assemble(knobs, None, model, task, &cpu("a test"), Machine::default()).expect("settings that fit")
}
