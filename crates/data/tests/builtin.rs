//! What the built-in task promises: labels that follow from the text, enough different texts, and no
//! shortcut through single words.

use std::collections::{BTreeMap, BTreeSet};

use apt_data::{RawExample, RawTask, Target, Tokenizer, builtin};

fn default_task() -> RawTask {
    apt_data::parse_task("builtin", &[], &apt_data::Reading::default()).expect("the built-in task at its default size")
}

fn texts(examples: &[RawExample]) -> BTreeSet<&str> {
    examples.iter().map(|example| example.a.as_str()).collect()
}

fn class(example: &RawExample) -> u32 {
    example.target.class().expect("the built-in task has classes")
}

fn words(text: &str) -> BTreeSet<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn splits_are_distinct_disjoint_and_balanced() {
    let task = default_task();
    let test = task.test.as_deref().expect("a test split");
    let splits = [("train", task.train.as_slice(), 4096), ("validation", &task.validation, 512), ("test", test, 1024)];
    let mut all = BTreeSet::new();
    for (name, split, size) in splits {
        assert_eq!(texts(split).len(), size, "distinct texts in {name}");
        let positive = split.iter().filter(|example| example.target == Target::Class(1)).count();
        assert_eq!(positive, size / 2, "positive texts in {name}");
        all.extend(texts(split));
    }
    assert_eq!(all.len(), 4096 + 512 + 1024, "distinct texts over all splits");
}

#[test]
fn its_texts_alone_are_learned_by_a_decoder_and_held_out_as_before() {
    let reading = apt_data::Reading::with_objective(apt_data::ObjectiveKind::CausalLm);
    let task = apt_data::parse_task("builtin", &[], &reading).expect("texts");
    let classified = default_task();
    assert_eq!((task.objective.deciding_metric(), task.train.len()), ("perplexity", builtin::TRAIN_TEXTS));
    assert_eq!(texts(&task.validation), texts(&classified.validation), "validation texts");
    let [of_texts, of_classes] =
        [&task.test, &classified.test].map(|test| texts(test.as_deref().expect("a test split")));
    assert_eq!(of_texts, of_classes, "test texts");
    assert!(texts(&task.train).is_disjoint(&of_texts), "a test text is trained on");
}

#[test]
fn the_data_is_that_of_records_already_made() {
    let published = "7b6502857f1e58e36e688891afffd15f591b9dc46ff86a346c81ad03f15875b4";
    assert_eq!(default_task().hash, published, "the data_hash of records of version 0.1.0");
}

#[test]
fn held_out_texts_do_not_depend_on_how_much_is_trained_on() {
    let small = builtin::task(9, 16, 64, 64).expect("small");
    let large = builtin::task(9, 256, 64, 64).expect("large");
    assert_eq!(small.validation, large.validation);
    assert_eq!(small.test, large.test);
    assert_ne!(small.hash, large.hash);
    assert_ne!(small.validation, builtin::task(10, 16, 64, 64).expect("another seed").validation);
}

#[test]
fn the_language_has_tens_of_thousands_of_sentences() {
    let corpus = builtin::corpus(3, 40_000);
    let distinct: BTreeSet<&String> = corpus.iter().collect();
    println!("{} distinct passages in 40000 draws", distinct.len());
    assert!(distinct.len() >= 20_000, "{} distinct passages in 40000 draws", distinct.len());
}

#[test]
fn pretraining_never_sees_a_held_out_text() {
    let task = default_task();
    let held_out: Vec<&str> = task.validation.iter().chain(task.test.iter().flatten()).map(|e| e.a.as_str()).collect();
    let passages = builtin::corpus(5, 20_000);
    // Every run of whole sentences of every passage.
    let mut runs: BTreeSet<String> = BTreeSet::new();
    for passage in &passages {
        let sentences: Vec<&str> = passage.split_inclusive('.').map(str::trim).collect();
        for start in 0..sentences.len() {
            for end in start + 1..=sentences.len() {
                runs.insert(sentences[start..end].join(" "));
            }
        }
    }
    let leaked = held_out.iter().filter(|text| runs.contains(**text)).count();
    assert_eq!(leaked, 0, "held-out texts in the corpus");
}

#[test]
fn every_label_follows_from_its_text() {
    let task = default_task();
    for example in task.train.iter().take(600).chain(&task.validation) {
        assert_eq!(builtin::judge(&example.a), Some(class(example)), "{}", example.a);
    }
}

#[test]
fn turning_one_fact_round_turns_the_label() {
    let pairs = [
        ("The soup was good.", "The soup was not good."),
        ("The soup was anything but awful.", "The soup was awful."),
        ("I liked the plot.", "I did not like the plot."),
        ("I would not say that the plot was not weak.", "I would not say that the plot was weak."),
        ("Although the room was ugly, the bed was superb.", "Although the bed was superb, the room was ugly."),
        (
            "The room was slightly ugly and the bed was utterly superb.",
            "The room was utterly ugly and the bed was slightly superb.",
        ),
        (
            "The cast was superb and the plot was weak, but the cast mattered more.",
            "The cast was superb and the plot was weak, but the plot mattered more.",
        ),
        (
            "Critics said that the plot was superb, and they were right.",
            "Critics said that the plot was superb, but they were wrong.",
        ),
        ("I expected a mess, but the pasta was perfect.", "I expected a treat, but the pasta was awful."),
        ("This hotel was better than I expected.", "This hotel was no better than I expected."),
        ("The traffic was awful, but I loved this film.", "The traffic was superb, but I hated this film."),
    ];
    for (one, other) in pairs {
        let labels = (builtin::judge(one), builtin::judge(other));
        assert!(matches!(labels, (Some(0), Some(1)) | (Some(1), Some(0))), "{labels:?}: {one} / {other}");
    }
    assert_eq!(builtin::judge("The soup sang."), None, "not of the language");
}

#[test]
fn removing_not_from_generated_texts_turns_their_labels() {
    let examples = builtin::task(2, 8000, 0, 0).expect("a large training split").train;
    let mut negated = 0;
    for example in examples.iter().filter(|example| example.a.matches(" was not ").count() == 1) {
        let without = example.a.replacen(" was not ", " was ", 1);
        // In a contrast, clauses that now agree are no sentence of the language.
        if let Some(label) = builtin::judge(&without) {
            assert_ne!(label, class(example), "{} / {without}", example.a);
            negated += 1;
        }
    }
    assert!(negated >= 40, "{negated} texts changed sides");
}

/// Logistic regression on word presence, plain gradient descent: the best a model can do that weighs
/// words and combines nothing.
#[test]
fn weighing_single_words_is_not_enough() {
    let task = default_task();
    let test = task.test.as_deref().expect("a test split");
    let mut index: BTreeMap<String, usize> = BTreeMap::new();
    for word in task.train.iter().flat_map(|example| words(&example.a)) {
        let next = index.len();
        index.entry(word).or_insert(next);
    }
    let features = |example: &RawExample| -> (Vec<usize>, f64) {
        (words(&example.a).iter().filter_map(|word| index.get(word).copied()).collect(), f64::from(class(example)))
    };
    let train: Vec<_> = task.train.iter().map(features).collect();
    let test: Vec<_> = test.iter().map(features).collect();
    let (mut weights, mut bias) = (vec![0.0; index.len()], 0.0);
    let score = |weights: &[f64], bias: f64, on: &[usize]| bias + on.iter().map(|word| weights[*word]).sum::<f64>();
    for epoch in 0..40 {
        let rate = 0.1 / (1.0 + 0.2 * f64::from(epoch));
        for (on, label) in &train {
            let step = rate * (label - 1.0 / (1.0 + (-score(&weights, bias, on)).exp()));
            bias += step;
            on.iter().for_each(|word| weights[*word] += step - rate * 1e-3 * weights[*word]);
        }
    }
    let accuracy = |set: &[(Vec<usize>, f64)]| {
        let right = set.iter().filter(|(on, label)| (score(&weights, bias, on) > 0.0) == (*label > 0.5)).count();
        right as f64 / set.len() as f64
    };
    println!("bag of words: {:.3} on training texts, {:.3} on test texts", accuracy(&train), accuracy(&test));
    assert!(accuracy(&test) <= 0.75, "a bag of words reaches {:.3}", accuracy(&test));
    assert!(
        accuracy(&test) >= 0.52,
        "a bag of words reaches {:.3}: single words should still help a little",
        accuracy(&test)
    );
}

#[test]
fn the_tokenizer_knows_every_word_the_generator_writes() {
    let tokenizer = Tokenizer::from_bytes(builtin::tokenizer_json().as_bytes(), "built-in").expect("a valid tokenizer");
    println!("{} entries", tokenizer.vocab_size());
    assert!((900..=1500).contains(&tokenizer.vocab_size()), "{} entries", tokenizer.vocab_size());
    assert_eq!((tokenizer.mask_id(), tokenizer.token(0).as_deref()), (Some(4), Some("[PAD]")));
    assert_eq!(tokenizer.special_ids(), [0, 1, 2, 3, 4]);
    let mut lengths = Vec::new();
    for passage in builtin::corpus(11, 1000) {
        let encoded = tokenizer.encode(&passage, None, 512).expect("encodes");
        assert!(!encoded.ids.contains(&1), "[UNK] in: {passage}");
        let pieces: Vec<_> =
            encoded.ids.iter().filter_map(|id| tokenizer.token(*id)).filter(|t| t.starts_with("##")).collect();
        assert!(pieces.is_empty(), "split words {pieces:?} in: {passage}");
        lengths.push(encoded.ids.len());
    }
    lengths.sort_unstable();
    println!("tokens: median {}, longest {}", lengths[500], lengths[999]);
    assert!(lengths[999] <= 64, "longest passage has {} tokens", lengths[999]);
}

#[test]
fn every_passage_ends_in_a_verdict_that_one_word_decides() {
    let deciding: BTreeSet<String> = builtin::verdict_words().into_iter().collect();
    assert_eq!(deciding.len() % 2, 0, "the words come in pairs: {deciding:?}");
    for passage in builtin::corpus(13, 2000) {
        let verdict = passage.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
        let words = words(verdict);
        assert_eq!(words.intersection(&deciding).count(), 1, "{words:?} in: {passage}");
    }
    for example in default_task().train {
        let given_away: Vec<_> = words(&example.a).intersection(&deciding).cloned().collect();
        assert!(given_away.is_empty(), "{given_away:?} in: {}", example.a);
    }
}

#[test]
fn words_outside_the_lexicon_fall_apart_instead_of_being_unknown() {
    let tokenizer = Tokenizer::from_bytes(builtin::tokenizer_json().as_bytes(), "built-in").expect("a valid tokenizer");
    let encoded = tokenizer.encode("Zxqv's 42 kettles, re-heated!", None, 64).expect("encodes");
    assert!(!encoded.ids.contains(&1), "{:?}", encoded.ids);
}

#[test]
fn articles_fit_their_words() {
    for passage in builtin::corpus(17, 3000) {
        for pair in passage.to_lowercase().split(' ').collect::<Vec<_>>().windows(2) {
            let vowel = pair[1].starts_with(['a', 'e', 'i', 'o', 'u']);
            assert!(
                (pair[0] != "a" || !vowel) && (pair[0] != "an" || vowel),
                "'{} {}' in: {passage}",
                pair[0],
                pair[1]
            );
        }
    }
}

#[test]
fn a_sample_to_read() {
    for example in builtin::task(1, 40, 0, 0).expect("a small task").train {
        println!("{} {}", ["-", "+"][class(&example) as usize], example.a);
    }
}
