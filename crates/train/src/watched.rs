//! Two validation examples of different classes, to which every evaluation says what student and teacher answer.

use apt_data::{RawExample, RawTask, builtin};
use apt_experiment::{ExampleAnswers, WatchedExample};

/// With more classes than this, no example is watched: a record would be mostly their probabilities.
const MOST_CLASSES: usize = 8;
/// Characters of a text that are recorded.
const MOST_CHARACTERS: usize = 200;

/// The first validation example, and the first of another class. Texts are given of the built-in task alone: data of one's
/// own stay out of records.
pub(crate) fn watched(task: &RawTask) -> Vec<WatchedExample> {
    if task.objective.labels().len() > MOST_CLASSES {
        return Vec::new();
    }
    let class = |example: &RawExample| Some(example.target.class()? as usize);
    let Some(first) = task.validation.first().and_then(class) else { return Vec::new() };
    let other = task.validation.iter().position(|example| class(example).is_some_and(|class| class != first));
    let of = |index: usize| {
        let example = task.validation.get(index)?;
        let text = (task.name == builtin::NAME).then(|| example.a.chars().take(MOST_CHARACTERS).collect());
        Some(WatchedExample { index, label: class(example)?, text })
    };
    [Some(0), other].into_iter().flatten().filter_map(of).collect()
}

/// What was answered to each example, from the outputs of student and teacher for it.
pub(crate) fn answers(student: &[&[f32]], teacher: Option<&[Vec<f32>]>) -> Vec<ExampleAnswers> {
    let of_teacher = |place: usize| teacher.and_then(|outputs| outputs.get(place)).map(|row| probabilities(row));
    let answer =
        |(place, row): (usize, &&[f32])| ExampleAnswers { student: probabilities(row), teacher: of_teacher(place) };
    student.iter().enumerate().map(answer).collect()
}

/// The probability of each class, to four places.
fn probabilities(outputs: &[f32]) -> Vec<f64> {
    let largest = outputs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f64> = outputs.iter().map(|&output| f64::from(output - largest).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.iter().map(|value| (1e4 * value / sum).round() / 1e4).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use apt_data::{Metric, Objective, Reading, Target, parse_task};

    fn task(classes: &[u32], labels: usize) -> RawTask {
        let example = |class: &u32| RawExample { a: "x".repeat(300), b: None, target: Target::Class(*class) };
        let labels = (0..labels).map(|label| label.to_string()).collect();
        let objective = Objective::Classification { labels, metrics: &[Metric::Accuracy] };
        RawTask::new("text", objective, Vec::new(), classes.iter().map(example).collect(), None)
    }

    #[test]
    fn two_examples_of_different_classes_are_watched_and_no_text_of_ones_own_data() {
        let of = |index, label| WatchedExample { index, label, text: None };
        assert_eq!(watched(&task(&[2, 2, 0, 1], 3)), [of(0, 2), of(2, 0)]);
        assert_eq!(watched(&task(&[1, 1], 2)), [of(0, 1)]);
        assert_eq!(watched(&task(&[], 2)), []);
        assert_eq!(watched(&task(&[0, 1], MOST_CLASSES + 1)), []);
        let mut numbers = task(&[0, 1], 2);
        numbers.objective = Objective::regression();
        numbers.validation.iter_mut().for_each(|example| example.target = Target::Value(0.5));
        assert_eq!(watched(&numbers), []);
        let built_in = RawTask { name: builtin::NAME.to_owned(), ..task(&[0, 1], 2) };
        assert_eq!(watched(&built_in)[1].text.as_deref(), Some("x".repeat(200).as_str()));
    }

    #[test]
    fn texts_of_the_built_in_task_are_whole() {
        let task = parse_task(builtin::NAME, &[], &Reading::default()).expect("the built-in task");
        for of in watched(&task) {
            assert_eq!(of.text.as_ref(), Some(&task.validation[of.index].a));
        }
    }

    #[test]
    fn answers_are_probabilities_to_four_places() {
        // By numpy: exp([1, 3]) / sum is 0.11920292, 0.88079708.
        let [first, second] = [&[1.0, 3.0][..], &[0.0, 1000.0][..]];
        let taught = [vec![0.0, 0.0], vec![0.0, 0.0, 0.0]];
        let answers = answers(&[first, second], Some(&taught));
        assert_eq!(answers[0].student, [0.1192, 0.8808]);
        assert_eq!(answers[1].student, [0.0, 1.0]);
        assert_eq!(answers[0].teacher.as_deref(), Some(&[0.5, 0.5][..]));
        assert_eq!(answers[1].teacher.as_deref(), Some(&[0.3333; 3][..]));
        assert_eq!(super::answers(&[first], None)[0].teacher, None);
    }
}
