//! Files made from runs: structure (masks, ranks, salience) as JSON and CSV, comparisons as CSV and JSON.

use apt_experiment::{KNOBS, Record, UnitSet, UnitSets};
use serde_json::{Value, json};

use crate::history::{Frame, History};
use crate::stage::{Outliers, Reason, Unit};

/// A file to save.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// A name for it.
    pub name: String,
    /// Its media type.
    pub kind: &'static str,
    /// Its content.
    pub text: String,
}

/// Masks, ranks and salience of every pruning point in one JSON file; `None` before there is a model.
#[must_use]
pub fn structure_json(run: &str, history: &History) -> Option<Saved> {
    let record = history.record()?;
    let points: Vec<Value> = history.frames.iter().map(point_json).collect();
    let whole = json!({ "run": run, "shape": record.shape, "points": points, "growths": record.growths });
    Some(Saved { name: format!("{run}-structure.json"), kind: "application/json", text: format!("{whole:#}\n") })
}

fn point_json(frame: &Frame) -> Value {
    let salience = frame.scores.as_ref().map(|scores| {
        json!({
            "of_heads": scores.of_heads,
            "of_neurons": lists(&scores.of_neurons),
            "of_hidden": scores.of_hidden,
            "layers": scores.layers,
            "hidden": scores.hidden,
        })
    });
    let roots = frame.outliers.as_ref().map(|outliers| {
        let roots = &outliers.roots;
        json!({ "heads": roots.heads, "neurons": roots.neurons, "hidden": roots.hidden })
    });
    json!({
        "step": frame.step,
        "density": frame.density,
        "target_density": frame.target_density,
        "kept_heads": frame.heads,
        "neurons": frame.neurons,
        "kept_neurons": lists(&frame.kept_neurons),
        "kept_hidden": frame.hidden,
        "ranks": frame.ranks,
        "salience": salience,
        "sqrt_kurtosis": roots,
        "by_floor": frame.exceptions.as_ref().map(|of| lists(&of.by_floor)),
        "filled": frame.exceptions.as_ref().map(|of| unit_lists(&of.filled)),
        "rounded": frame.exceptions.as_ref().map(|of| unit_lists(&of.rounded)),
    })
}

fn lists(sets: &[UnitSet]) -> Vec<&[usize]> {
    sets.iter().map(UnitSet::list).collect()
}

fn unit_lists(of: &UnitSets) -> Value {
    json!({ "heads": lists(&of.heads), "neurons": lists(&of.neurons), "hidden": of.hidden.list() })
}

/// One line per head, neuron and hidden dim and pruning point, with the reason where it is not its rank: `floor`,
/// `filled` or `rounded`. In a run of a version that did not say which neurons are kept, one line per layer with their
/// number.
#[must_use]
pub fn masks_csv(run: &str, history: &History) -> Option<Saved> {
    let shape = &history.record()?.shape;
    let mut lines = Vec::new();
    for frame in &history.frames {
        let step = frame.step.to_string();
        let mut line = |kind: &str, layer: String, unit: String, kept: usize, why: &str| {
            lines.push([step.clone(), kind.to_owned(), layer, unit, kept.to_string(), why.to_owned()]);
        };
        for (layer, heads) in shape.heads.iter().enumerate() {
            let kept = frame.heads.get(layer).map(Vec::as_slice).unwrap_or_default();
            for head in 0..*heads {
                let why = frame.reason(Unit::Head(layer, head)).map_or("", Reason::word);
                line("head", layer.to_string(), head.to_string(), kept.contains(&head).into(), why);
            }
            let Some(kept) = frame.kept_neurons.get(layer) else {
                let number = frame.neurons.get(layer).copied().unwrap_or_default();
                line("neurons", layer.to_string(), String::new(), number, "");
                continue;
            };
            for neuron in 0..shape.neurons.get(layer).copied().unwrap_or_default() {
                let why = frame.reason(Unit::Neuron(layer, neuron)).map_or("", Reason::word);
                line("neuron", layer.to_string(), neuron.to_string(), kept.contains(neuron).into(), why);
            }
        }
        for dim in 0..shape.hidden {
            let why = frame.reason(Unit::Hidden(dim)).map_or("", Reason::word);
            line("hidden", String::new(), dim.to_string(), frame.hidden.binary_search(&dim).is_ok().into(), why);
        }
    }
    csv_file(format!("{run}-masks.csv"), &["step", "kind", "layer", "unit", "kept", "why"], lines)
}

/// One line per adapter and pruning point.
#[must_use]
pub fn ranks_csv(run: &str, history: &History) -> Option<Saved> {
    let lines = history.frames.iter().flat_map(|frame| {
        frame.ranks.iter().map(|(name, rank)| [frame.step.to_string(), name.clone(), rank.to_string()])
    });
    csv_file(format!("{run}-ranks.csv"), &["step", "adapter", "rank"], lines)
}

/// One line per scored unit and pruning point, by its number in the dense model; neurons of a run of a version that did not
/// say which were scored by their place among those that were there. A run that says which units are outliers has their
/// √kurtosis, which its first point says for all.
#[must_use]
pub fn salience_csv(run: &str, history: &History) -> Option<Saved> {
    let mut lines = Vec::new();
    let outliers = Outliers::until(&history.frames, history.frames.len());
    for scores in history.frames.iter().filter_map(|frame| frame.scores.as_ref()) {
        let mut line = |of: Unit, score: f64| {
            let Some([kind, layer, unit]) = place(of) else { return };
            let root = outliers.map(|outliers| cell(outliers.roots.get(of)));
            let line = [scores.step.to_string(), kind, layer, unit, score.to_string()].into_iter().chain(root);
            lines.push(line.collect::<Vec<_>>());
        };
        for (layer, of_layer) in scores.layers.iter().enumerate() {
            let heads = scores.of_heads.get(layer).map(Vec::as_slice).unwrap_or_default();
            for (head, score) in heads.iter().zip(&of_layer.heads) {
                line(Unit::Head(layer, *head), *score);
            }
            let neurons = scores.of_neurons.get(layer).map(UnitSet::list);
            for (place, score) in of_layer.neurons.iter().enumerate() {
                let neuron = neurons.and_then(|of| of.get(place)).copied().unwrap_or(place);
                line(Unit::Neuron(layer, neuron), *score);
            }
        }
        for (dim, score) in scores.of_hidden.iter().zip(&scores.hidden) {
            line(Unit::Hidden(*dim), *score);
        }
    }
    let header = ["step", "kind", "layer", "unit", "salience", "sqrt_kurtosis"];
    let header = if outliers.is_some() { &header[..] } else { &header[..5] };
    csv_file(format!("{run}-salience.csv"), header, lines)
}

/// The kind, layer and number of a unit; layers and adapters are none.
fn place(unit: Unit) -> Option<[String; 3]> {
    match unit {
        Unit::Head(layer, head) => Some(["head".to_owned(), layer.to_string(), head.to_string()]),
        Unit::Neuron(layer, neuron) => Some(["neuron".to_owned(), layer.to_string(), neuron.to_string()]),
        Unit::Hidden(dim) => Some(["hidden".to_owned(), String::new(), dim.to_string()]),
        Unit::Layer(_) | Unit::Rank(..) => None,
    }
}

/// Runs side by side as CSV: measures, hardware, then every knob.
#[must_use]
pub fn comparison_csv(rows: &[(&str, &Record)]) -> Option<Saved> {
    let measured = [
        "run",
        "preset",
        "device",
        "backend",
        "metric",
        "validation",
        "test",
        "parameters_dense",
        "parameters_kept",
        "train_seconds",
        "seconds_to_target",
        "peak_device_bytes",
        "peak_process_bytes",
        "inference_32_dense_ms",
        "inference_32_compact_ms",
    ];
    let header: Vec<&str> = measured.into_iter().chain(KNOBS.iter().map(|knob| knob.name)).collect();
    let lines = rows.iter().map(|(name, record)| {
        let (measures, made) = (&record.measures, &record.provenance);
        let (train, batch) = (&measures.train, &measures.inference.batch_32);
        let mut line = vec![
            (*name).to_owned(),
            record.preset.clone().unwrap_or_default(),
            made.device.clone(),
            made.backend.clone(),
            measures.metric.name.clone(),
            cell(measures.metric.validation),
            cell(measures.metric.test),
            cell(measures.params.dense),
            cell(measures.params.kept),
            cell(train.seconds),
            cell(train.seconds_to_target),
            cell(train.peak_device_bytes),
            cell(train.peak_process_bytes),
            cell(batch.dense_ms),
            cell(batch.compact_ms),
        ];
        line.extend(KNOBS.iter().map(|knob| knob.text(&record.config)));
        line
    });
    csv_file("comparison.csv".to_owned(), &header, lines)
}

/// Runs as one JSON file: their records by name.
///
/// # Errors
/// In words, if a record holds what JSON cannot.
pub fn comparison_json(rows: &[(&str, &Record)]) -> Result<Saved, String> {
    let mut records = serde_json::Map::new();
    for (name, record) in rows {
        let text = record.to_json(name).map_err(|error| error.to_string())?;
        records.insert((*name).to_owned(), serde_json::from_str(&text).map_err(|error| error.to_string())?);
    }
    let text = format!("{:#}\n", Value::Object(records));
    Ok(Saved { name: "comparison.json".to_owned(), kind: "application/json", text })
}

/// What was not measured is empty, never 0.
fn cell<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn csv_file<L>(name: String, header: &[&str], lines: impl IntoIterator<Item = L>) -> Option<Saved>
where
    L: IntoIterator<Item = String>,
{
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header).ok()?;
    for line in lines {
        writer.write_record(line).ok()?;
    }
    let text = String::from_utf8(writer.into_inner().ok()?).ok()?;
    Some(Saved { name, kind: "text/csv", text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use apt_experiment::{Knobs, RecordBuilder};

    fn history() -> History {
        History::of(&crate::history::tests::run(Knobs::default(), 10, true))
    }

    #[test]
    fn masks_say_of_every_block_whether_it_is_kept() {
        let text = masks_csv("r", &history()).expect("a model").text;
        assert!(text.starts_with("step,kind,layer,unit,kept,why\n0,head,0,0,1,\n"), "{text}");
        for line in [
            "5,head,0,0,0,",
            "5,head,0,1,1,floor",
            "5,neuron,1,0,0,",
            "5,neuron,1,3,1,",
            "5,hidden,,0,0,",
            "5,hidden,,3,1,",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert_eq!(text.lines().count(), 1 + 2 * (4 + 8 + 4));
    }

    #[test]
    fn ranks_and_salience_have_a_line_each() {
        assert!(ranks_csv("r", &history()).expect("a model").text.contains("5,layers.0.query,4\n"));
        let salience = salience_csv("r", &history()).expect("scores").text;
        assert!(
            salience.starts_with("step,kind,layer,unit,salience,sqrt_kurtosis\n5,head,0,0,0.5,0.5\n"),
            "{salience}"
        );
        assert!(salience.contains("5,head,1,1,3,1\n") && salience.contains("5,hidden,,3,4,0\n"), "{salience}");
        let mut unsaid = history();
        unsaid.frames[1].outliers = None;
        let salience = salience_csv("r", &unsaid).expect("scores").text;
        assert!(salience.starts_with("step,kind,layer,unit,salience\n5,head,0,0,0.5\n"), "{salience}");
    }

    #[test]
    fn the_structure_is_json_with_every_point() {
        let file = structure_json("r", &history()).expect("a model");
        let value: Value = serde_json::from_str(&file.text).expect("JSON");
        assert_eq!(value["points"][1]["kept_heads"], json!([[1], [0, 1]]));
        assert_eq!(value["points"][1]["kept_neurons"], json!([[1, 3], [1, 2, 3]]));
        assert_eq!(value["points"][1]["by_floor"], json!([[1], []]));
        assert_eq!(value["points"][1]["sqrt_kurtosis"]["heads"], json!([[0.5, 0.0], [0.0, 1.0]]));
        assert_eq!(value["points"][1]["salience"]["hidden"], json!([1.0, 2.0, 3.0, 4.0]));
        assert_eq!(structure_json("r", &History::default()), None);
    }

    #[test]
    fn a_comparison_leaves_empty_what_was_not_measured_and_quotes_names() {
        let record = RecordBuilder::from_events(&crate::history::tests::run(Knobs::default(), 4, true)).expect("a run");
        let text = comparison_csv(&[("a, \"b\"", &record)]).expect("a file").text;
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let line = reader.records().next().expect("a line").expect("well formed");
        assert_eq!((&line[0], &line[5], line.len()), ("a, \"b\"", "", 15 + KNOBS.len()));
        let json = comparison_json(&[("a", &record)]).expect("JSON").text;
        assert!(json.contains("apt-lab/record/1"));
    }
}
