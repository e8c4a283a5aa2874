//! What identifies a model.

use apt_nn::ModelConfig;
use apt_train::ModelFiles;

const CONFIG: &[u8] = include_bytes!("../../../assets/builtin/config.json");
const TOKENIZER: &[u8] = include_bytes!("../../../assets/builtin/tokenizer.json");

#[test]
fn a_models_digest_changes_with_its_tokenizer_and_configuration_and_with_no_path() {
    let config = ModelConfig::from_json(CONFIG, "config.json").expect("the built-in configuration");
    let hash = |config: &ModelConfig, tokenizer: &[u8], file: &str| {
        ModelFiles::nano(config, tokenizer.to_vec(), file).expect("the built-in tokenizer").hash
    };
    let first = hash(&config, TOKENIZER, "tokenizer.json");
    assert_eq!(first, hash(&config, TOKENIZER, "/elsewhere/tokenizer.json"));
    assert_ne!(first, hash(&config, &[TOKENIZER, b"\n"].concat(), "tokenizer.json"));
    let other = ModelConfig { norm_eps: 1e-6, ..config.clone() };
    assert_ne!(first, hash(&other, TOKENIZER, "tokenizer.json"));
}
