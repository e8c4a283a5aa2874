//! What student and teacher answer to two validation examples in the course of a run.

use apt_experiment::{Evaluation, ExampleAnswers, Record, Split, WatchedExample};

use crate::figures::share;
use crate::series::Point;

/// An example with the answers to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// Its text; only the built-in task's is in a record.
    pub text: String,
    /// The name of its class.
    pub label: String,
    /// The probability that the student gives to that class, by step.
    pub student: Vec<Point>,
    /// The teacher's.
    pub teacher: Vec<Point>,
    /// Both in words.
    pub words: String,
}

/// The examples of a run; none where it does not watch any.
#[must_use]
pub fn answered(record: &Record) -> Vec<Answered> {
    record.examples.iter().enumerate().map(|(place, example)| of(record, place, example)).collect()
}

fn of(record: &Record, place: usize, example: &WatchedExample) -> Answered {
    let evaluations = || record.evaluations.iter().filter(|of| of.split == Split::Validation);
    let point = |of: &Evaluation, pick: fn(&ExampleAnswers) -> Option<&Vec<f64>>| {
        let answers = pick(of.examples.get(place)?)?;
        Some((of.step as f64, *answers.get(example.label)?))
    };
    let student: Vec<Point> = evaluations().filter_map(|of| point(of, |answers| Some(&answers.student))).collect();
    let teacher: Vec<Point> = evaluations().filter_map(|of| point(of, |answers| answers.teacher.as_ref())).collect();
    let label = record.labels.get(example.label).cloned().unwrap_or_else(|| format!("class {}", example.label));
    let words = words(&label, &student, &teacher);
    let text = example.text.as_ref().map(|text| format!("“{text}”"));
    let text =
        text.unwrap_or_else(|| format!("Validation example {}, whose text is not in the record", example.index + 1));
    Answered { text, label, student, teacher, words }
}

fn words(label: &str, student: &[Point], teacher: &[Point]) -> String {
    let right = format!("The right answer is {label}.");
    let (Some(first), Some(last)) = (student.first(), student.last()) else { return right };
    let student = match first.0 < last.0 {
        true => format!("{} at step {} and {} at step {}", share(first.1), first.0, share(last.1), last.0),
        false => format!("{} at step {}", share(first.1), first.0),
    };
    let teacher = match teacher.last() {
        Some((_, given)) => format!("the teacher gives it {}", share(*given)),
        None => "there is no teacher yet".to_owned(),
    };
    format!("{right} The student gives it {student}; {teacher}.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::tests::recorded;

    #[test]
    fn the_recorded_run_says_what_both_answer_to_two_sentences() {
        let history = recorded();
        let record = history.record().expect("a run");
        let all = answered(record);
        let mut labels: Vec<&str> = all.iter().map(|of| of.label.as_str()).collect();
        labels.sort_unstable();
        assert_eq!(labels, ["negative", "positive"]);
        for of in &all {
            assert!(of.text.starts_with('“') && of.text.ends_with(".”"), "{}", of.text);
            let validated = record.evaluations.iter().filter(|of| of.split == Split::Validation).count();
            assert_eq!(of.student.len(), validated);
            assert!(!of.teacher.is_empty() && of.teacher.len() < validated, "{} of {validated}", of.teacher.len());
            // The teacher does not learn any more.
            assert!(of.teacher.iter().all(|(_, given)| (given - of.teacher[0].1).abs() < 2e-4), "{:?}", of.teacher);
        }
    }

    #[test]
    fn ones_own_text_is_not_there_and_what_is_missing_is_said() {
        let mut record = recorded().record().expect("a run").clone();
        record.examples[0].text = None;
        record.evaluations.truncate(1);
        let of = answered(&record).remove(0);
        assert_eq!(of.text, "Validation example 1, whose text is not in the record");
        assert!(of.words.contains("at step 15; there is no teacher yet."), "{}", of.words);
        record.evaluations.clear();
        assert_eq!(answered(&record)[0].words, format!("The right answer is {}.", of.label));
        record.examples.clear();
        assert_eq!(answered(&record), []);
    }
}
