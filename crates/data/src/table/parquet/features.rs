//! Names of classes that the library `datasets` writes into a Parquet file beside the columns that hold their numbers.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::labels::plain;

/// Key of the file's metadata under which they stand.
pub(super) const KEY: &str = "huggingface";

/// The names of classes by the column that holds their numbers, out of what stands under [`KEY`]: the feature `ClassLabel`,
/// alone or in a list (`Sequence`, `List`, `LargeList`, or a list of it).
pub(super) fn class_names(metadata: &str) -> BTreeMap<String, Vec<String>> {
    let Ok(metadata) = serde_json::from_str::<Value>(metadata) else { return BTreeMap::new() };
    let features = metadata.pointer("/info/features").and_then(Value::as_object);
    let named = features.into_iter().flatten();
    named.filter_map(|(column, feature)| Some((column.clone(), names_of(feature)?))).collect()
}

fn names_of(feature: &Value) -> Option<Vec<String>> {
    if let Some([inner]) = feature.as_array().map(Vec::as_slice) {
        return names_of(inner);
    }
    match feature.get("_type")?.as_str()? {
        "ClassLabel" => {
            let names = feature.get("names")?.as_array()?;
            names.iter().map(|name| name.as_str().map(|name| plain(name).to_owned())).collect()
        }
        "Sequence" | "List" | "LargeList" => names_of(feature.get("feature")?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_labels_are_found_alone_and_in_lists_as_all_versions_of_datasets_write_them() {
        let label = r#"{"names": ["no", "yes"], "_type": "ClassLabel"}"#;
        for (feature, is_found) in [
            (label.to_owned(), true),
            (format!(r#"[{label}]"#), true),
            (format!(r#"{{"feature": {label}, "_type": "Sequence"}}"#), true),
            (format!(r#"{{"feature": {label}, "length": -1, "_type": "List"}}"#), true),
            (r#"{"dtype": "int64", "_type": "Value"}"#.to_owned(), false),
            (r#"{"num_classes": 2, "_type": "ClassLabel"}"#.to_owned(), false),
            ("7".to_owned(), false),
        ] {
            let metadata = format!(r#"{{"info": {{"features": {{"label": {feature}}}}}}}"#);
            let found = class_names(&metadata);
            assert_eq!(found.get("label").map(|names| names.join(" ")), is_found.then(|| "no yes".into()), "{feature}");
        }
        assert!(class_names("no JSON").is_empty() && class_names("{}").is_empty());
    }
}
