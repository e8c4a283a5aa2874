//! Questions with several endings in the columns of ARC, HellaSwag and MMLU.

use super::{gpt2, predicted};
use apt_data::{ObjectiveKind, RawTask, Reading, Spoken, Target, parse_task, parse_whole, tokenize_task};

fn read(rows: &str) -> Result<RawTask, String> {
    let file = ("test.jsonl".to_owned(), rows.as_bytes().to_vec());
    let read = parse_whole("text", file, &Reading::with_objective(ObjectiveKind::MultipleChoice));
    read.map_err(|error| error.to_string())
}

fn first(rows: &str) -> (String, Vec<String>, usize) {
    let task = read(rows).unwrap_or_else(|error| panic!("{error}"));
    let Target::Text(Spoken::Endings { endings, right }) = &task.validation[0].target else { panic!("endings") };
    (task.validation[0].a.clone(), endings.clone(), *right)
}

// How questions are put: lm-evaluation-harness 0.4, doc_to_text of arc_easy, hellaswag and mmlu.
#[test]
fn questions_are_put_as_the_evaluation_harness_does() {
    let (text, endings, right) = first(
        "{\"id\": \"x\", \"question\": \"What burns?\", \"choices\": {\"text\": [\"ice\", \"wood\"], \"label\": [\"1\", \"2\"]}, \
         \"answerKey\": \"2\"}",
    );
    assert_eq!((text.as_str(), right), ("Question: What burns?\nAnswer:", 1));
    assert_eq!(endings, ["ice", "wood"]);

    let (text, endings, right) = first(
        "{\"question\": \"What burns? \", \"subject\": \"high_school_physics\", \"choices\": [\"ice\", \"wood\"], \"answer\": 1}",
    );
    let expected = "The following are multiple choice questions (with answers) about high school physics.\n\nWhat burns?\n\
                    A. ice\nB. wood\nAnswer:";
    assert_eq!((text.as_str(), right), (expected, 1));
    assert_eq!(endings, ["A", "B"]);

    let (text, endings, right) = first(
        "{\"activity_label\": \"Roof\", \"ctx_a\": \"A man sits.\", \"ctx_b\": \"he\", \"ctx\": \"A man sits. he\", \
         \"endings\": [\"is [header] wet.\", \"starts. [title] Then\"], \"label\": \"0\"}",
    );
    assert_eq!((text.as_str(), right), ("Roof: A man sits. He", 0));
    assert_eq!(endings, ["is wet.", "starts.. Then"]);
}

#[test]
fn the_ending_alone_is_predicted_and_what_is_too_long_loses_its_beginning() {
    let task = read(
        "{\"question\": \"Q?\", \"choices\": {\"text\": [\"ice\", \"woods\"], \"label\": [\"A\", \"B\"]}, \
                     \"answerKey\": \"B\"}",
    )
    .expect("a question");
    let tokenizer = gpt2();
    for (length, kept) in [(64, "Question: Q?\nAnswer: wood"), (8, "er: wood")] {
        let tokenized = tokenize_task(&task, &tokenizer, length).expect("a question");
        let Target::Endings(endings) = &tokenized.validation[0].target else { panic!("endings") };
        let texts: Vec<String> = endings.all.iter().map(|(_, next)| predicted(&tokenizer, next)).collect();
        assert_eq!(texts, [" ice", " woods"]);
        assert_eq!(endings.all.iter().map(|(_, next)| next.bytes).collect::<Vec<_>>(), [3, 5], "without the blank");
        assert_eq!(tokenizer.decode(&tokenized.validation[0].tokens.ids).expect("tokens"), kept);
        assert_eq!(tokenized.cut.some, usize::from(length == 8));
        let said = tokenized.read_at(length, task.read.clone()).lines().join("\n");
        assert_eq!(said.contains("their beginning is cut off"), length == 8, "{said}");
        assert!(!said.contains("their end is cut off"), "{said}");
    }
}

#[test]
fn a_question_without_its_answer_is_refused() {
    for (row, what) in [
        (
            "{\"question\": \"Q\", \"choices\": {\"text\": [\"a\", \"b\"], \"label\": [\"A\", \"B\"]}, \"answerKey\": \"C\"}",
            "'C' does not say which of 2 endings is right",
        ),
        (
            "{\"question\": \"Q\", \"choices\": {\"text\": [\"a\", \"b\"], \"label\": [\"A\"]}, \"answerKey\": \"A\"}",
            "2 texts and 1 labels",
        ),
        ("{\"question\": \"Q\", \"choices\": [\"a\", \"\"], \"answer\": 0}", "one of the choices is empty"),
        ("{\"ctx\": \"\", \"endings\": [\"a\", \"b\"], \"label\": \"0\"}", "'ctx' is empty"),
        ("{\"question\": \"Q\", \"choices\": [\"a\"], \"answer\": 0}", "not two endings"),
        ("{\"question\": \"Q\", \"choices\": \"a\", \"answer\": 0}", "holds no list of texts"),
        ("{\"ctx\": \"Q\", \"endings\": [\"a\", \"b\"], \"label\": \"2\"}", "does not say"),
    ] {
        let message = read(row).expect_err(row);
        assert!(message.contains("line 1") && message.contains(what), "{message}");
    }
    for (row, found) in [("{\"text\": \"a\"}", "found 'text'"), ("{\"question\": \"a\", \"x\": 1}", "'question', 'x'")]
    {
        let message = read(row).expect_err("no question with endings");
        assert!(message.contains(found) && message.contains("question, choices and answer"), "{message}");
    }
}

#[test]
fn a_split_without_answers_is_not_used_and_rows_without_one_are_counted() {
    let row = |label: &str| format!("{{\"ctx\": \"Q\", \"endings\": [\"a\", \"b\"], \"label\": {label}}}\n");
    let labelled = format!("{}{}{}", row("\"1\""), row("0.0"), row("\"\""));
    let files = [("train", &labelled), ("validation", &labelled), ("test", &row("\"\"").repeat(2))];
    let files = files.map(|(name, text)| (format!("{name}.jsonl"), text.as_bytes().to_vec()));
    let reading = Reading::with_objective(ObjectiveKind::MultipleChoice);
    let task = parse_task("text", &files, &reading).expect("train and validation have answers");
    assert_eq!((task.train.len(), task.validation.len(), task.test), (2, 2, None));
    assert_eq!((task.read.files[0].left_out[0].rows, task.read.files[0].left_out[0].line), (1, 3));
    assert!(task.read.notes.iter().any(|note| note.contains("test.jsonl: it is not used")), "{:?}", task.read.notes);
}

// As github.com/hendrycks/test has them: question, four choices and a letter, without a header.
#[test]
fn mmlus_own_files_have_a_column_a_choice() {
    let expected = "Q?\nA. ice\nB. wood\nC. iron\nD. tin\nAnswer:";
    let reading = |no_header| Reading { no_header, ..Reading::with_objective(ObjectiveKind::MultipleChoice) };
    let rows = "Q?,ice,wood,iron,tin,B\n";
    for (text, no_header) in [(rows.to_owned(), true), (format!("question,A,B,C,D,answer\n{rows}"), false)] {
        let file = ("anatomy_test.csv".to_owned(), text.into_bytes());
        let task = parse_whole("text", file, &reading(no_header)).unwrap_or_else(|error| panic!("{error}"));
        let Target::Text(Spoken::Endings { endings, right }) = &task.validation[0].target else { panic!("endings") };
        assert_eq!((task.validation[0].a.as_str(), endings.join(" "), *right), (expected, "A B C D".to_owned(), 1));
    }
}
