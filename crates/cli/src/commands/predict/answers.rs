//! Answers on standard output: aligned for a terminal, as TSV, or as JSON lines.

use apt_data::{Objective, ObjectiveKind, Target, TextRow};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::io::{self, Write, stdout};

/// So much of a text is shown beside its answer on a terminal.
const SHOWN: usize = 80;

/// How answers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Label and probability before the text, for people.
    Aligned,
    /// Line, label (a list as JSON where several may apply) and the probability of every class, below the names of the columns.
    Tsv,
    /// An object a line.
    Json,
}

/// Writes answers.
pub(super) struct Answers {
    form: Form,
    objective: Objective,
    /// Whether the names of the columns are written.
    is_begun: bool,
}

/// One answer as JSON has it.
#[derive(Serialize)]
struct Answer<'a> {
    line: u64,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_pair: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probability: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probabilities: Option<Named<'a>>,
}

/// The probability of every class by its name, in the order of the model's outputs.
struct Named<'a>(&'a [String], &'a [f32]);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        self.0.iter().zip(self.1).try_for_each(|(name, probability)| map.serialize_entry(name, probability))?;
        map.end()
    }
}

impl Answers {
    /// Answers to `objective`.
    pub(super) fn new(form: Form, objective: Objective) -> Self {
        Self { form, objective, is_begun: false }
    }

    /// Writes the answers to `rows`, whose `outputs` the model gave, and sees to it that they arrive.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(super) fn write(&mut self, rows: &[TextRow], outputs: &[Vec<f32>]) -> io::Result<()> {
        let text = self.text(rows, outputs)?;
        let mut out = stdout().lock();
        out.write_all(&text)?;
        out.flush()
    }

    fn text(&mut self, rows: &[TextRow], outputs: &[Vec<f32>]) -> io::Result<Vec<u8>> {
        let is_first = !std::mem::replace(&mut self.is_begun, true);
        let answers = rows.iter().zip(outputs);
        match self.form {
            Form::Json => {
                let mut text = Vec::new();
                for (row, outputs) in answers {
                    self.json(row, outputs, &mut text)?;
                    text.push(b'\n');
                }
                Ok(text)
            }
            Form::Tsv => {
                let mut table = csv::WriterBuilder::new().delimiter(b'\t').from_writer(Vec::new());
                if is_first {
                    table.write_record(self.columns())?;
                }
                for (row, outputs) in answers {
                    table.write_record(self.cells(row, outputs))?;
                }
                table.into_inner().map_err(|error| error.into_error())
            }
            Form::Aligned => Ok(answers.flat_map(|(row, outputs)| self.aligned(row, outputs).into_bytes()).collect()),
        }
    }

    fn json(&self, row: &TextRow, outputs: &[f32], to: &mut Vec<u8>) -> io::Result<()> {
        let answer = Answer {
            line: row.line,
            text: &row.a,
            text_pair: row.b.as_deref(),
            value: None,
            label: None,
            labels: None,
            probability: None,
            probabilities: None,
        };
        let probabilities = self.probabilities(outputs);
        let name = |class: u32| self.objective.labels().get(class as usize).map(String::as_str);
        let answer = match self.objective.decode(outputs) {
            Target::Value(value) => Answer { value: Some(value), ..answer },
            Target::Class(class) => Answer {
                label: name(class),
                probability: probabilities.get(class as usize).copied(),
                probabilities: Some(Named(self.objective.labels(), &probabilities)),
                ..answer
            },
            // Only of data, never an answer.
            Target::Text(_) | Target::Tokens(_) | Target::Endings(_) => answer,
            Target::Set(set) => Answer {
                labels: Some(set.classes().iter().filter_map(|&class| name(class)).collect()),
                probabilities: Some(Named(self.objective.labels(), &probabilities)),
                ..answer
            },
        };
        Ok(serde_json::to_writer(to, &answer)?)
    }

    /// Names of the columns of a table.
    fn columns(&self) -> Vec<String> {
        let labels = self.objective.labels();
        let answer = match self.objective.kind() {
            ObjectiveKind::Classification => "label",
            ObjectiveKind::MultiLabel => "labels",
            ObjectiveKind::Regression => "value",
            ObjectiveKind::CausalLm => "token",
            ObjectiveKind::MultipleChoice => "ending",
        };
        ["line", answer].map(str::to_owned).into_iter().chain(labels.iter().cloned()).collect()
    }

    fn cells(&self, row: &TextRow, outputs: &[f32]) -> Vec<String> {
        let answer = [row.line.to_string(), self.objective.text(&self.objective.decode(outputs))];
        let classes = self.probabilities(outputs);
        answer.into_iter().chain(classes.iter().map(|probability| format!("{probability:.6}"))).collect()
    }

    /// The probability of every class; none where there are no classes.
    fn probabilities(&self, outputs: &[f32]) -> Vec<f32> {
        match self.objective {
            Objective::Classification { .. } | Objective::CausalLm { .. } | Objective::MultipleChoice { .. } => {
                softmax(outputs)
            }
            Objective::MultiLabel { .. } => sigmoid(outputs),
            Objective::Regression { .. } => Vec::new(),
        }
    }

    fn aligned(&self, row: &TextRow, outputs: &[f32]) -> String {
        let texts = [Some(row.a.as_str()), row.b.as_deref()].map(|text| text.map(shown)).into_iter().flatten();
        let texts = texts.collect::<Vec<_>>().join(" | ");
        match self.objective.decode(outputs) {
            Target::Value(value) => format!("{value:9.4}  {texts}\n"),
            Target::Class(class) => {
                let width = self.objective.labels().iter().map(|label| label.chars().count()).max().unwrap_or(0);
                let label = self.objective.text(&Target::Class(class));
                let probability = self.probabilities(outputs).get(class as usize).copied().unwrap_or_default();
                format!("{label:width$}  {probability:.4}  {texts}\n")
            }
            answer @ (Target::Set(_) | Target::Text(_) | Target::Tokens(_) | Target::Endings(_)) => {
                format!("{}  {texts}\n", self.objective.text(&answer))
            }
        }
    }
}

/// Of each output on its own.
fn sigmoid(outputs: &[f32]) -> Vec<f32> {
    outputs.iter().map(|&output| (1.0 / (1.0 + f64::from(-output).exp())) as f32).collect()
}

/// Of outputs of which one is the answer.
fn softmax(outputs: &[f32]) -> Vec<f32> {
    let largest = outputs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f64> = outputs.iter().map(|&output| f64::from(output - largest).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.iter().map(|exponential| (exponential / sum) as f32).collect()
}

/// A text in one line, cut where it is long.
fn shown(text: &str) -> String {
    let mut letters = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    let start: String = letters.by_ref().take(SHOWN).collect();
    if letters.next().is_some() { start + "…" } else { start }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: u64, text: &str, pair: Option<&str>) -> TextRow {
        TextRow { line, a: text.to_owned(), b: pair.map(str::to_owned) }
    }

    fn written(form: Form, objective: Objective, rows: &[TextRow], outputs: &[Vec<f32>]) -> String {
        let text = Answers::new(form, objective).text(rows, outputs).expect("a vector can be written");
        String::from_utf8(text).expect("answers are text")
    }

    fn classes() -> Objective {
        Objective::Classification { labels: ["so, so", "gr\"eat"].map(str::to_owned).to_vec(), metrics: &[] }
    }

    #[test]
    fn classes_have_their_names_and_probabilities_in_the_models_order() {
        // 1 / (1 + e^-1) and 1 / (1 + e^-2) by numpy.
        let (rows, outputs) = ([row(2, "a\nb", Some("c")), row(9, "d", None)], [vec![0.0, 1.0], vec![2.0, 0.0]]);
        let tsv = written(Form::Tsv, classes(), &rows, &outputs);
        assert_eq!(
            tsv,
            "line\tlabel\tso, so\t\"gr\"\"eat\"\n2\t\"gr\"\"eat\"\t0.268941\t0.731059\n9\tso, so\t0.880797\t0.119203\n"
        );
        let json = written(Form::Json, classes(), &rows, &outputs);
        let first = r#"{"line":2,"text":"a\nb","text_pair":"c","label":"gr\"eat","probability":0.7310586,"probabilities":{"so, so":0.26894143,"gr\"eat":0.7310586}}"#;
        assert_eq!(json.lines().next(), Some(first));
        let aligned = written(Form::Aligned, classes(), &rows, &outputs);
        assert_eq!(aligned, "gr\"eat  0.7311  a b | c\nso, so  0.8808  d\n");
    }

    #[test]
    fn classes_that_apply_in_any_number_are_listed_with_a_probability_each() {
        let objective = || Objective::multi_label(["so, so", "gr\"eat"].map(str::to_owned).to_vec());
        // 1 / (1 + e^-1) and 1 / (1 + e^2) by numpy.
        let (rows, outputs) = ([row(1, "a", None), row(2, "b", None)], [vec![1.0, 1.0], vec![-2.0, 0.0]]);
        let tsv = written(Form::Tsv, objective(), &rows, &outputs);
        assert_eq!(
            tsv,
            "line\tlabels\tso, so\t\"gr\"\"eat\"\n\
             1\t\"[\"\"so, so\"\",\"\"gr\\\"\"eat\"\"]\"\t0.731059\t0.731059\n2\t[]\t0.119203\t0.500000\n"
        );
        let json = written(Form::Json, objective(), &rows[..1], &outputs[..1]);
        let expected = r#"{"line":1,"text":"a","labels":["so, so","gr\"eat"],"probabilities":{"so, so":0.7310586,"gr\"eat":0.7310586}}"#;
        assert_eq!(json.trim_end(), expected);
        let aligned = written(Form::Aligned, objective(), &rows, &outputs);
        assert_eq!(aligned, "[\"so, so\",\"gr\\\"eat\"]  a\n[]  b\n");
    }

    #[test]
    fn a_number_is_the_models_output() {
        let (rows, outputs) = ([row(1, "a", None)], [vec![3.5]]);
        assert_eq!(written(Form::Tsv, Objective::regression(), &rows, &outputs), "line\tvalue\n1\t3.5\n");
        let json = written(Form::Json, Objective::regression(), &rows, &outputs);
        assert_eq!(json, "{\"line\":1,\"text\":\"a\",\"value\":3.5}\n");
        assert_eq!(written(Form::Aligned, Objective::regression(), &rows, &outputs), "   3.5000  a\n");
    }
}
