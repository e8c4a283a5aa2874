//! Conversations: the answers are what is learned, however the model writes the rest.

use super::tokenizers::assets;
use super::{byte_tokenizer, gpt2, predicted};
use apt_data::{
    DataError, ObjectiveKind, RawTask, Reading, TokenizedTask, Tokenizer, load_task, parse_task, parse_whole,
    tokenize_task,
};
use serde_json::json;

const ROWS: &str = concat!(
    "{\"instruction\": \"Name a colour.\", \"input\": \"\", \"output\": \"Red é.\"}\n",
    "{\"instruction\": \"Say it.\", \"input\": \"Warm\", \"output\": \"No.\"}\n",
);

/// ChatML, as Qwen's templates have it.
const TEMPLATE: &str = concat!(
    "{% for message in messages %}\n",
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'].strip() + '<|im_end|>' + '\\n' }}",
    "{% endfor %}\n",
    "{% if add_generation_prompt %}\n{{ '<|im_start|>assistant\\n' }}{% endif %}\n",
);

fn read(name: &str, rows: &str) -> RawTask {
    let file = (name.to_owned(), rows.as_bytes().to_vec());
    parse_whole("text", file, &Reading::with_objective(ObjectiveKind::CausalLm))
        .unwrap_or_else(|error| panic!("{error}"))
}

fn answers(tokenizer: &Tokenizer, task: &TokenizedTask) -> Vec<String> {
    let next = task.validation.iter().filter_map(|example| example.target.tokens());
    next.map(|next| predicted(tokenizer, next)).collect()
}

#[test]
fn the_answer_and_its_end_are_learned_and_nothing_else() {
    let (task, tokenizer) = (read("alpaca.jsonl", ROWS), gpt2());
    let tokenized = tokenize_task(&task, &tokenizer, 256).expect("conversations");
    assert_eq!(answers(&tokenizer, &tokenized), ["Red é.⏹", "No.⏹"]);
    let bytes: Vec<usize> =
        tokenized.validation.iter().filter_map(|example| example.target.tokens()).map(|next| next.bytes).collect();
    assert_eq!(bytes, ["Red é.".len(), "No.".len()]);
    let text = tokenizer.decode(&tokenized.validation[1].tokens.ids).expect("tokens");
    assert!(text.ends_with("### Instruction:\nSay it.\n\n### Input:\nWarm\n\n### Response:\nNo."), "{text}");
    assert!(tokenized.notes[0].contains("Alpaca's headings: the model has no chat template"), "{:?}", tokenized.notes);
    let file = &task.read.files[0];
    assert_eq!(
        (file.text.as_str(), file.text_pair.as_deref(), file.label.as_deref(), file.unused.len()),
        ("instruction", Some("input"), Some("output"), 0)
    );
}

#[test]
fn an_answer_that_is_cut_away_is_counted_and_left_out() {
    let (task, tokenizer) = (read("alpaca.jsonl", ROWS), gpt2());
    let whole = tokenize_task(&task, &tokenizer, 256).expect("conversations");
    let length = whole.validation[0].tokens.ids.len() - 2;
    let tokenized = tokenize_task(&task, &tokenizer, length).expect("conversations");
    // The first loses the end of its answer, the second, which is longer, all of it.
    assert_eq!(answers(&tokenizer, &tokenized), ["Red é"]);
    let read = &tokenized.tokens[0];
    assert_eq!((read.unanswered, read.sequences, tokenized.cut.some, tokenized.cut.of), (1, 1, 2, 2));
    assert!(read.line().contains("1 left out"), "{}", read.line());
}

#[test]
fn messages_are_written_by_the_models_template_and_every_answer_is_learned() {
    let rows = "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}, {\"role\": \"assistant\", \"content\": \"Yes?\"}, \
                {\"role\": \"user\", \"content\": \"No\"}, {\"role\": \"assistant\", \"content\": \"Bye\"}]}\n\
                {\"messages\": [{\"from\": \"human\", \"value\": \"A\"}, {\"from\": \"gpt\", \"value\": \"B\"}]}\n";
    let tokenizer = byte_tokenizer(json!({"tokenizer_class": "GPT2Tokenizer", "chat_template": TEMPLATE}));
    let tokenized = tokenize_task(&read("chat.jsonl", rows), &tokenizer, 256).expect("conversations");
    assert_eq!(answers(&tokenizer, &tokenized), ["Yes?<|im_end|>\nBye<|im_end|>\n", "B<|im_end|>\n"]);
    let text = tokenizer.decode(&tokenized.validation[1].tokens.ids).expect("tokens");
    assert_eq!(text, "<|im_start|>user\nA<|im_end|>\n<|im_start|>assistant\nB<|im_end|>", "all but the last token");
    assert!(tokenized.notes[0].contains("chat template"), "{:?}", tokenized.notes);
    // What a user's message is about is part of it.
    let alpaca = tokenize_task(&read("alpaca.jsonl", ROWS), &tokenizer, 256).expect("conversations");
    let text = tokenizer.decode(&alpaca.validation[1].tokens.ids).expect("tokens");
    assert!(text.starts_with("<|im_start|>user\nSay it.\n\nWarm<|im_end|>"), "{text}");
}

#[test]
fn a_template_that_does_not_render_names_file_and_row() {
    let strict = "{% if messages[0].content == 'Say it.\\n\\nWarm' %}{{ raise_exception('no warm ones') }}{% endif %}x{% for m in \
                  messages %}{{ m.content }}{% endfor %}";
    let refused = |template: &str| {
        let tokenizer = byte_tokenizer(json!({"tokenizer_class": "GPT2Tokenizer", "chat_template": template}));
        tokenize_task(&read("alpaca.jsonl", ROWS), &tokenizer, 256).expect_err("refused")
    };
    let error = refused(strict);
    assert!(matches!(&error, DataError::BadRow { line: 2, .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains("alpaca.jsonl, line 2") && message.contains("no warm ones"), "{message}");
    let changing = refused("{{ messages | length }}{% for m in messages %}{{ m.content }}{% endfor %}").to_string();
    assert!(changing.contains("line 1") && changing.contains("otherwise"), "{changing}");
    let broken = refused("{% for m in messages %}").to_string();
    assert!(broken.contains("its chat template cannot be read"), "{broken}");
}

#[test]
fn rows_that_are_no_conversations_are_refused_with_their_line() {
    let refused = |rows: &str| {
        let file = ("chat.jsonl".to_owned(), rows.as_bytes().to_vec());
        parse_whole("text", file, &Reading::with_objective(ObjectiveKind::CausalLm)).expect_err("refused").to_string()
    };
    for (row, what) in [
        ("{\"messages\": \"hi\"}", "holds no list of messages"),
        ("{\"id\": 1, \"messages\": [{\"role\": \"user\", \"content\": 1}]}", "message 1 of 'messages' has no text"),
        (
            "{\"id\": 1, \"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}",
            "no message of 'messages' is an answer",
        ),
        ("{\"messages\": [{\"role\": \"narrator\", \"content\": \"a\"}]}", "unknown role, 'narrator'"),
        (
            "{\"messages\": [{\"role\": \"assistant\", \"content\": null, \"tool_calls\": []}]}",
            "message 1 of 'messages' calls a tool",
        ),
        (
            "{\"messages\": [{\"role\": \"assistant\", \"content\": \"a\", \"weight\": 0}]}",
            "message 1 of 'messages' has the weight 0",
        ),
        ("{\"instruction\": \"a\", \"input\": [\"b\"], \"output\": \"c\"}", "'input' holds no text"),
    ] {
        let message = refused(row);
        assert!(message.contains("line 1") && message.contains(what), "{message}");
    }
}

#[test]
fn what_is_asked_twice_contradicts_itself_only_where_the_answers_differ() {
    let row = |answer: &str| format!("{{\"instruction\": \"a\", \"output\": \"{answer}\"}}\n");
    let contradicting = |answers: &[&str]| {
        let rows: String = answers.iter().map(|answer| row(answer)).collect();
        let files =
            vec![("train.jsonl".to_owned(), rows.into_bytes()), ("dev.jsonl".to_owned(), row("z").into_bytes())];
        let task =
            parse_task("text", &files, &Reading::with_objective(ObjectiveKind::CausalLm)).expect("conversations");
        task.read.contradicting
    };
    assert_eq!((contradicting(&["x", "x", "x"]), contradicting(&["x", "y", "x"])), (0, 3));
}

#[test]
fn rows_without_an_answer_are_left_out_and_counted() {
    let read = |name: &str, rows: &str| {
        let file = (name.to_owned(), rows.as_bytes().to_vec());
        parse_whole("text", file, &Reading::with_objective(ObjectiveKind::CausalLm))
    };
    // As Alpaca's own file has them.
    let task = read(
        "alpaca.jsonl",
        "{\"instruction\": \"a\", \"output\": \"\"}\n{\"instruction\": \"b\", \"output\": \"c\"}\n{\"instruction\": \"d\"}\n",
    )
    .expect("one has an answer");
    let left = &task.read.files[0].left_out;
    assert_eq!((task.validation.len(), left.len(), left[0].rows, left[0].line), (1, 1, 2, 1));
    assert_eq!(left[0].why, "without an answer");
    let none = read("alpaca.jsonl", "{\"instruction\": \"a\", \"output\": \" \"}\n").expect_err("none is left");
    assert!(none.to_string().contains("not one row can be used: without an answer"), "{none}");
    let texts = read("wiki.jsonl", "{\"text\": \"\"}\n{\"text\": \"a b\"}\n{\"text\": null}\n").expect("a text");
    assert_eq!((texts.validation.len(), texts.read.files[0].left_out[0].rows), (1, 2));
    let silent =
        "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \" \"}]}\n";
    let said = silent.replace("\" \"", "\"b\"");
    assert_eq!(read("chat.jsonl", &format!("{silent}{said}")).expect("one").read.files[0].left_out[0].rows, 1);
}

#[test]
fn roles_and_contents_are_known_by_all_their_names() {
    let read = |rows: &str, name: &str| {
        let file = (name.to_owned(), rows.as_bytes().to_vec());
        parse_whole("text", file, &Reading::with_objective(ObjectiveKind::CausalLm)).unwrap_or_else(|e| panic!("{e}"))
    };
    let plain = "{\"messages\": [{\"role\": \"system\", \"content\": \"s\"}, {\"role\": \"user\", \"content\": \"a\"}, \
                 {\"role\": \"assistant\", \"content\": \"b\"}]}";
    let expected = read(plain, "chat.jsonl").validation;
    for other in [
        plain.replace("user", "Human").replace("assistant", "Assistant").replace("\"system", "\"developer"),
        plain.replace("\"a\"", "[{\"type\": \"text\", \"text\": \"a\"}]"),
        plain.replace("\"b\"}]", "\"b\"}, {\"role\": \"user\", \"content\": \"and?\"}]"),
    ] {
        let task = read(&other, "chat.jsonl");
        assert_eq!(task.validation, expected, "{other}");
        let is_cut = task.read.notes.iter().any(|note| note.contains("what follows the last answer"));
        assert_eq!(is_cut, other.contains("and?"), "{:?}", task.read.notes);
    }
    let list = plain.strip_prefix("{\"messages\": ").and_then(|rest| rest.strip_suffix('}')).expect("a list");
    let cell = format!("messages\n\"{}\"\n", list.replace('"', "\"\""));
    assert_eq!(read(&cell, "chat.csv").validation.len(), 1);
}

#[test]
fn published_instructions_are_read() {
    let Some(folder) = assets() else { return };
    let reading = Reading::with_objective(ObjectiveKind::CausalLm);
    let file = folder.join("data/lm/alpaca_en_demo.json");
    let task = load_task("text", Some(&file), &reading).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((task.train.len(), task.validation.len()), (900, 99));
    let tokenizer = gpt2();
    let tokenized = tokenize_task(&task, &tokenizer, 4096).expect("conversations");
    assert_eq!(tokenized.train.len(), 900, "all have an answer");
}
