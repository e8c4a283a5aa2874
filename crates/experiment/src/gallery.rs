//! A short gallery of published models that this program prunes as they are: encoders of its families, with weights in
//! safetensors and a tokenizer that it reads. Parameters follow from their configurations and bytes from those; neither
//! these nor the licences were compared with the hub, whose page of a model is what counts.

/// A model of the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GalleryModel {
    /// Its name there, `org/name`.
    pub name: &'static str,
    /// Its family, as people call it.
    pub family: &'static str,
    /// Parameters, embeddings included, in thousands.
    pub kiloparameters: u32,
    /// About what is fetched, in units of 1,000,000 bytes.
    pub megabytes: u32,
    /// Its licence, as SPDX names it, when this list was written.
    pub licence: &'static str,
    /// What it was trained to do.
    pub task: &'static str,
}

impl GalleryModel {
    /// Its name without the organisation.
    #[must_use]
    pub fn short(&self) -> &'static str {
        self.name.rsplit('/').next().unwrap_or(self.name)
    }
}

const fn entry(
    name: &'static str,
    family: &'static str,
    (kiloparameters, megabytes): (u32, u32),
    licence: &'static str,
    task: &'static str,
) -> GalleryModel {
    GalleryModel { name, family, kiloparameters, megabytes, licence, task }
}

const EMBEDDINGS: &str = "sentence embeddings, English";
const MASKED: &str = "masked words, English";

/// The gallery, smallest first.
pub const GALLERY: &[GalleryModel] = &[
    entry("sentence-transformers/paraphrase-MiniLM-L3-v2", "BERT", (17_390, 70), "Apache-2.0", EMBEDDINGS),
    entry("sentence-transformers/all-MiniLM-L6-v2", "BERT", (22_713, 92), "Apache-2.0", EMBEDDINGS),
    entry("sentence-transformers/all-MiniLM-L12-v2", "BERT", (33_360, 134), "Apache-2.0", EMBEDDINGS),
    entry("BAAI/bge-small-en-v1.5", "BERT", (33_360, 134), "MIT", EMBEDDINGS),
    entry("distilbert/distilbert-base-uncased", "DistilBERT", (66_363, 269), "Apache-2.0", MASKED),
    entry(
        "distilbert/distilbert-base-uncased-finetuned-sst-2-english",
        "DistilBERT",
        (66_955, 268),
        "Apache-2.0",
        "sentiment of sentences (SST-2), English",
    ),
    entry("distilbert/distilroberta-base", "RoBERTa", (82_119, 333), "Apache-2.0", MASKED),
    entry("google-bert/bert-base-cased", "BERT", (108_310, 437), "Apache-2.0", MASKED),
    entry("google-bert/bert-base-uncased", "BERT", (109_482, 441), "Apache-2.0", MASKED),
    entry("almanach/camembert-base", "CamemBERT", (110_622, 447), "MIT", "masked words, French"),
    entry("FacebookAI/roberta-base", "RoBERTa", (124_646, 501), "MIT", MASKED),
    entry(
        "distilbert/distilbert-base-multilingual-cased",
        "DistilBERT",
        (134_734, 545),
        "Apache-2.0",
        "masked words, 104 languages",
    ),
    entry(
        "google-bert/bert-base-multilingual-cased",
        "BERT",
        (177_853, 717),
        "Apache-2.0",
        "masked words, 104 languages",
    ),
    entry("FacebookAI/xlm-roberta-base", "XLM-RoBERTa", (278_044, 1_125), "MIT", "masked words, 100 languages"),
];

/// The model of the gallery that `name` means: its whole name or the one without the organisation; upper
/// and lower case are alike.
#[must_use]
pub fn in_gallery(name: &str) -> Option<&'static GalleryModel> {
    GALLERY.iter().find(|model| [model.name, model.short()].iter().any(|own| own.eq_ignore_ascii_case(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_found_by_either_name_and_stand_by_size() {
        assert_eq!(
            in_gallery("all-minilm-l6-v2").map(|model| model.name),
            Some("sentence-transformers/all-MiniLM-L6-v2")
        );
        assert_eq!(in_gallery("google-bert/bert-base-cased").map(GalleryModel::short), Some("bert-base-cased"));
        assert_eq!(in_gallery("bert"), None);
        assert!(GALLERY.is_sorted_by_key(|model| model.kiloparameters), "the smallest come first");
        for model in GALLERY {
            assert_eq!(in_gallery(model.short()), Some(model), "{} has a short name of its own", model.name);
            // 32-bit weights, and some megabytes of tokenizer.
            let weights = model.kiloparameters / 250;
            assert!((weights..weights + 25).contains(&model.megabytes), "{}: {weights} MB of weights", model.name);
        }
    }
}
