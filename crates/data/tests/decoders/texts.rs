//! Texts that are learned token by token: files, held-out parts, and sequences in which nothing is lost.

use super::tokenizers::assets;
use super::{END, gpt2, predicted};
use apt_data::{
    Metric, Objective, ObjectiveKind, RawTask, Reading, TokenizedTask, load_task, parse_task, parse_whole,
    tokenize_task,
};

fn parse(files: &[(&str, &str)]) -> RawTask {
    let files: Vec<(String, Vec<u8>)> =
        files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
    parse_task("text", &files, &Reading::with_objective(ObjectiveKind::CausalLm)).unwrap_or_else(|e| panic!("{e}"))
}

fn texts(examples: &[apt_data::RawExample]) -> Vec<&str> {
    examples.iter().map(|example| example.a.as_str()).collect()
}

/// What a split's sequences are to predict, one after the other.
fn all_predicted(task: &TokenizedTask) -> Vec<i32> {
    let next = task.train.iter().map(|example| &example.target.tokens().expect("tokens").ids);
    next.flatten().copied().collect()
}

#[test]
fn stories_are_joined_and_every_token_but_the_first_is_predicted_once() {
    let stories = "One day.\n<|endoftext|>\nTwo.\n\nDays. é\n<|endoftext|>\n";
    let task = parse(&[("train.txt", stories), ("validation.txt", "Three.")]);
    assert_eq!(texts(&task.train), ["One day.", "Two.\n\nDays. é"]);
    let tokenizer = gpt2();
    let tokenized = tokenize_task(&task, &tokenizer, 10).expect("texts");
    let stream: Vec<i32> = "One day.".bytes().map(i32::from).chain([END as i32]).collect();
    let stream: Vec<i32> =
        stream.into_iter().chain("Two.\n\nDays. é".bytes().map(i32::from)).chain([END as i32]).collect();
    assert_eq!(all_predicted(&tokenized), stream[1..]);
    let lengths: Vec<usize> = tokenized.train.iter().map(|example| example.tokens.ids.len()).collect();
    assert_eq!(lengths, [10, 10, 3], "the rest is a shorter sequence");
    for example in &tokenized.train {
        let next = example.target.tokens().expect("tokens");
        let follow: Vec<i32> = example.tokens.ids[1..].iter().map(|id| *id as i32).collect();
        assert_eq!(next.ids[..next.ids.len() - 1], follow, "the token that follows each");
    }
    let bytes: usize = tokenized.train.iter().map(|example| example.target.tokens().expect("tokens").bytes).sum();
    assert_eq!(bytes, "One day.Two.\n\nDays. é".len() - 1, "all bytes but the first, which is not predicted");
    let read = &tokenized.tokens[0];
    assert_eq!((read.texts, read.tokens, read.predicted, read.sequences), (2, 24, 23, 3));
    assert!(tokenized.notes[0].contains("every text ends with <|endoftext|>"), "{:?}", tokenized.notes);
}

#[test]
fn a_table_has_a_text_a_row_and_a_tenth_of_them_is_held_out() {
    let json: String = (0..30).map(|n| format!("{{\"id\": {n}, \"text\": \"  Story {n}.\\n\"}}\n")).collect();
    let task = parse(&[("mine.jsonl", &json)]);
    assert_eq!((task.train.len(), task.validation.len()), (27, 3));
    assert_eq!(task.objective, Objective::causal_lm());
    let file = &task.read.files[0];
    assert_eq!((file.text.as_str(), file.unused.join(" ")), ("text", "id".to_owned()));
    assert!(task.read.notes.iter().any(|note| note.contains("3 of 30 training texts")), "{:?}", task.read.notes);
    let csv: String = (0..12).map(|n| format!("\"Line one of {n}.\nLine two.\",x\n")).collect();
    let task = parse(&[("mine.csv", &format!("content,by\n{csv}"))]);
    assert_eq!(task.train.len() + task.validation.len(), 12);
    assert!(task.train[0].a.contains("\nLine two."), "{:?}", task.train[0]);
}

#[test]
fn what_is_no_text_is_refused_with_what_to_do() {
    let refused = |name: &str, text: &str, task: &str| {
        let files = [(name.to_owned(), text.as_bytes().to_vec())];
        parse_task(task, &files, &Reading::with_objective(ObjectiveKind::CausalLm)).expect_err(name).to_string()
    };
    let message = refused("mine.jsonl", "{\"id\": 1}\n{\"id\": 2}\n", "text");
    assert!(message.contains("no column called 'text' or 'messages'") && message.contains("--text"), "{message}");
    let message = refused("mine.jsonl", "{\"text\": \"a\"}\n{\"text\": [1]}\n", "text");
    assert!(message.contains("line 2") && message.contains("holds no text"), "{message}");
    assert!(refused("mine.txt", "\n \n", "text").contains("empty"));
    assert!(refused("mine.txt", "word", "text").contains("too few"), "nothing can be held out of a word");
    assert!(refused("train.tsv", "sentence\tlabel\n", "sst2").contains("cannot be learned as a causal_lm"));
}

#[test]
fn columns_are_named_with_and_without_a_header() {
    let read = |text: &str, column: &str, no_header: bool| {
        let file = ("mine.csv".to_owned(), text.as_bytes().to_vec());
        let reading =
            Reading { text: Some(column.to_owned()), no_header, ..Reading::with_objective(ObjectiveKind::CausalLm) };
        parse_whole("text", file, &reading).unwrap_or_else(|error| panic!("{error}")).validation
    };
    let rows = "One and two and three and four.,1\nFive.,2\n";
    assert_eq!(texts(&read(rows, "1", true)), ["One and two and three and four.", "Five."]);
    assert_eq!(texts(&read(&format!("lyrics,2\n{rows}"), "lyrics", false)).len(), 2, "a header with a number in it");
}

#[test]
fn names_of_special_tokens_in_a_text_are_told() {
    let notes = |text: &str| {
        let file = ("mine.jsonl".to_owned(), format!("{{\"text\": \"{text}\"}}\n").into_bytes());
        let task = parse_whole("text", file, &Reading::with_objective(ObjectiveKind::CausalLm)).expect("a text");
        tokenize_task(&task, &gpt2(), 64).expect("a text").notes.join("\n")
    };
    assert!(!notes("One, two.").contains("special tokens"));
    let named = notes("One <|endoftext|> two.");
    assert!(named.contains("1 texts hold names of special tokens"), "{named}");
}

#[test]
fn a_file_that_is_evaluated_is_evaluated_whole() {
    let file = ("held.txt".to_owned(), b"One.\n\nTwo.".to_vec());
    let task = parse_whole("text", file, &Reading::with_objective(ObjectiveKind::CausalLm)).expect("a text");
    assert_eq!((task.train.len(), texts(&task.validation)), (0, vec!["One.\n\nTwo."]));
    let tokenizer = gpt2();
    let tokenized = tokenize_task(&task, &tokenizer, 64).expect("a text");
    let next = tokenized.validation[0].target.tokens().expect("tokens");
    assert_eq!(predicted(&tokenizer, next), "ne.\n\nTwo.⏹");
}

#[test]
fn what_knows_only_how_often_tokens_occur_is_chance() {
    let tokenized =
        tokenize_task(&parse(&[("train.txt", "aab\n"), ("validation.txt", "x")]), &gpt2(), 8).expect("texts");
    let targets: Vec<_> = tokenized.train.iter().map(|example| example.target.clone()).collect();
    // a, b and the end are predicted once each, and counted twice, beside one of all others: 2 of 7.
    let perplexity = Metric::Perplexity.of_constant(&targets);
    assert!((perplexity - 3.5).abs() < 1e-9, "{perplexity}");
}

#[test]
fn published_stories_and_plays_are_read() {
    let Some(folder) = assets() else { return };
    let read = |name: &str| {
        let reading = Reading::with_objective(ObjectiveKind::CausalLm);
        load_task("text", Some(&folder.join("data/lm").join(name)), &reading).unwrap_or_else(|error| panic!("{error}"))
    };
    let stories = read("tinystories_sample.txt");
    assert_eq!(stories.train.len(), 5, "five stories, the last tenth of each held out");
    assert_eq!(stories.validation.len(), 5);
    let plays = read("tinyshakespeare.txt");
    let held = plays.validation[0].a.len() as f64 / 1_115_394.0;
    assert!((0.09..0.11).contains(&held), "{held} of the text");
    assert_eq!(plays.train.len(), 1, "it is one text");
}
