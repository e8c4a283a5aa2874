//! The questions at the end of the tour.

/// An answer to choose, and what is said to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The answer.
    pub answer: &'static str,
    /// Whether it is right.
    pub right: bool,
    /// What is said to it.
    pub reply: &'static str,
}

/// A question with its answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// The question.
    pub question: &'static str,
    /// Its answers.
    pub choices: [Choice; 3],
}

const fn choice(answer: &'static str, right: bool, reply: &'static str) -> Choice {
    Choice { answer, right, reply }
}

/// All questions.
pub const QUESTIONS: [Question; 3] = [
    Question {
        question: "Why are units cut out of the weights, and not only masked?",
        choices: [
            choice(
                "Because a mask of 0 changes the answers",
                false,
                "Both give the same answers: a unit that is masked passes nothing on, and one that is gone passes nothing on either.",
            ),
            choice(
                "Because what is masked is still computed",
                true,
                "Matrices with zeros are as large and as slow as before. Only when rows and columns are gone do they take less time and memory.",
            ),
            choice(
                "Because masks cannot be trained",
                false,
                "They move in small steps, and other methods train them. That is not the reason: what is masked is still computed.",
            ),
        ],
    },
    Question {
        question: "A head has a higher salience than a neuron, and still the head goes first. How can that be?",
        choices: [
            choice(
                "Salience is compared per weight",
                true,
                "A head of this model has as many weights as 64 neurons. It has to be worth more than all of them together to stay instead.",
            ),
            choice(
                "Heads always go before neurons",
                false,
                "All kinds of units stand in one order. In the recorded run most of what went were neurons.",
            ),
            choice(
                "Every layer keeps some neurons",
                false,
                "It is heads of which every layer keeps some. Salience is compared per weight, and a head has many.",
            ),
        ],
    },
    Question {
        question: "Suppose that in one run, pruning at random ends 0.6 points of accuracy above the method. What follows?",
        choices: [
            choice(
                "Random pruning is better",
                false,
                "One run says little: with another seed the same arm can end a point higher or lower.",
            ),
            choice(
                "Salience is of no use on this task",
                false,
                "It may be of little use, but one run does not show it. Several seeds of both arms do.",
            ),
            choice(
                "Nothing yet: run both with several seeds",
                true,
                "Runs differ by their seed alone. Compare shows the difference of pairs with an interval; only one that leaves 0 out says something.",
            ),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_has_one_right_answer() {
        for question in QUESTIONS {
            let right = question.choices.iter().filter(|choice| choice.right).count();
            assert_eq!(right, 1, "{}", question.question);
        }
    }

    #[test]
    fn a_head_of_the_built_in_model_has_the_weights_of_64_neurons() {
        let history = crate::learn::tests::recorded();
        let [head, neuron, _] = crate::learn::Threshold::of(&history, 1).expect("scores").weights;
        assert_eq!(head / neuron, 64);
        assert!(QUESTIONS[1].choices[0].reply.contains("64 neurons"));
    }
}
