//! Runs of decoders: texts are learned token by token, questions by the likelihood of their endings.

use apt_core::arms::{Distillation, RankGrowth};
use apt_data::{ObjectiveKind, RawTask, Reading, TokenizerRead, parse_task};
use apt_experiment::{Event, Knobs, ObjectiveChoice, RecordBuilder, Split};
use apt_nn::ModelConfig;
use apt_nn::generation::Sampling;
use apt_train::device::cpu;
use apt_train::pretrain::{DecoderPretrainer, Recipe};
use apt_train::{Machine, ModelFiles, ModelSource, NoProbe, Session, Setup, TextGenerator};
use burn::tensor::Device;
use pollster::block_on;
use serde_json::{Map, Value, json};

/// A LLaMA of two layers with grouped heads and random weights that reads bytes. What it can learn beside a frozen table of
/// words that makes its logits too is little.
fn model(tied: bool) -> ModelFiles {
    let config = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 257, "hidden_size": 32,
        "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "hidden_act": "silu", "tie_word_embeddings": tied,
        "eos_token_id": 256,
    });
    // Bytes as GPT-2 writes them, and the token that ends a text.
    let (mut vocabulary, mut others) = (Map::new(), 0);
    for byte in 0..=255_u32 {
        let shown = matches!(byte, 33..=126 | 161..=172 | 174..=255);
        let character = if shown { byte } else { 256 + others };
        others += u32::from(!shown);
        vocabulary.insert(char::from_u32(character).expect("a letter").to_string(), byte.into());
    }
    vocabulary.insert("<|endoftext|>".to_owned(), 256.into());
    let files = [
        ("config.json", config.to_string()),
        ("vocab.json", Value::Object(vocabulary).to_string()),
        ("merges.txt", "#version: 0.2\n".to_owned()),
    ];
    let files = files.map(|(name, text)| (name.to_owned(), text.into_bytes()));
    let tokenizer = TokenizerRead::of(&files).expect("a tokenizer of bytes").json;
    let config = ModelConfig::from_json(&files[0].1, "config.json").expect("a configuration");
    ModelFiles::new(ModelSource::random(config, 1), "random".to_owned(), tokenizer, "tokenizer.json").expect("a model")
}

fn task(name: &str, text: String, objective: ObjectiveKind) -> RawTask {
    let files = [(name.to_owned(), text.into_bytes())];
    parse_task("text", &files, &Reading::with_objective(objective)).expect("a sound file")
}

/// Short stories that go on in few ways.
fn stories() -> RawTask {
    let ends = ["ran home", "sat down", "was glad"];
    let story = |n: usize| format!("The {} cat {}.\n<|endoftext|>\n", ["red", "old"][n % 2], ends[n % 3]);
    task("stories.txt", (0..60).map(story).collect(), ObjectiveKind::CausalLm)
}

fn knobs() -> Knobs {
    Knobs {
        objective: ObjectiveChoice::CausalLm,
        data: Some("stories.txt".into()),
        train_base: false,
        steps: Some(60),
        batch_size: 4,
        max_length: 32,
        eval_every: 10,
        learning_rate: 2e-2,
        density: 0.7,
        num_prunings: 2,
        tune_first: Some(0.2),
        round_neurons: 1,
        round_hidden: 1,
        ..Knobs::default()
    }
}

fn setup(knobs: Knobs, task: RawTask) -> Setup {
    let knobs = knobs.check().expect("settings that fit together");
    let model = model(!knobs.train_base);
    Setup::assemble(knobs, None, model, task, &cpu("a test"), Machine::default()).expect("settings that fit")
}

fn to_the_end(session: &mut Session) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(event) = block_on(session.step()).expect("a step") {
        events.push(event);
    }
    events
}

#[test]
fn a_decoder_is_pruned_and_tuned_and_its_lowest_perplexity_is_kept() {
    let mut session = Session::new(setup(knobs(), stories()), Box::new(NoProbe)).expect("a session");
    let events = to_the_end(&mut session);
    let losses: Vec<f64> =
        events.iter().filter_map(|e| if let Event::Step(p) = e { Some(p.task_loss) } else { None }).collect();
    assert!(losses[55..].iter().all(|loss| *loss < losses[0] - 0.15), "{losses:?}");
    let distilled = events.iter().any(|e| matches!(e, Event::Step(p) if p.distill_loss.is_some_and(|loss| loss > 0.0)));
    assert!(distilled, "a teacher's tokens are learned too");
    assert!((session.compacted().config.shape().parameters() as f64) < 0.72 * parameters(&events));

    let record = RecordBuilder::from_events(&events).expect("a whole run");
    let first = &record.evaluations[0];
    let untaught = losses[0].exp();
    assert_eq!(first.step, 0, "what it is worth before it is trained is known");
    assert!((first.metric / untaught - 1.0).abs() < 0.2, "{} and, of one batch, {untaught}", first.metric);

    let metric = &record.measures.metric;
    let step_of_last_pruning = record.last_point().expect("something was pruned").step;
    let after: Vec<f64> = record
        .evaluations
        .iter()
        .filter(|of| of.split == Split::Validation && of.step > step_of_last_pruning)
        .map(|of| of.metric)
        .collect();
    let lowest = after.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!((metric.name.as_str(), metric.validation), ("perplexity", Some(lowest)), "{after:?}");
    let others: Vec<&str> = metric.others.iter().map(|of| of.name.as_str()).collect();
    assert_eq!(others, ["bits_per_byte", "token_accuracy"]);
    let read = record.provenance.data.expect("it says what it read").tokens;
    assert_eq!((read[0].texts, read[0].joined, read[0].tokens - read[0].predicted), (54, true, 1));
}

fn parameters(events: &[Event]) -> f64 {
    let Some(Event::Started { parameters, .. }) = events.first() else { panic!("a run begins") };
    parameters.dense as f64
}

#[test]
fn a_decoders_run_goes_on_from_a_checkpoint_to_the_same_numbers() {
    let steps = |events: &[Event]| -> Vec<(usize, f64, Option<f64>)> {
        let of = |event: &Event| if let Event::Step(p) = event { Some((p.step, p.loss, p.grad_norm)) } else { None };
        events.iter().filter_map(of).collect()
    };
    let mut whole = Session::new(setup(knobs(), stories()), Box::new(NoProbe)).expect("a session");
    let expected = steps(&to_the_end(&mut whole));
    let mut first = Session::new(setup(knobs(), stories()), Box::new(NoProbe)).expect("a session");
    while first.steps_made() < 35 || first.has_pending_events() {
        block_on(first.step()).expect("a step");
    }
    let saved = block_on(first.snapshot()).expect("a snapshot");
    let resumed = Session::resume(setup(knobs(), stories()), Box::new(NoProbe), &saved.bytes, "a test");
    let rest = steps(&to_the_end(&mut resumed.expect("the same run")));
    assert_eq!(rest, expected[35..]);
}

#[test]
fn endings_are_told_apart_by_their_likelihood() {
    let row = |n: usize| {
        let (question, key) = [("Sky?", "A"), ("Grass?", "B")][n % 2];
        json!({"question": format!("{question} {n}"), "choices": {"text": ["blue", "green"], "label": ["A", "B"]},
               "answerKey": key})
        .to_string()
            + "\n"
    };
    let questions = task("arc.jsonl", (0..80).map(row).collect(), ObjectiveKind::MultipleChoice);
    let knobs = Knobs {
        objective: ObjectiveChoice::MultipleChoice,
        density: 1.0,
        train_base: true,
        rank_growth: RankGrowth::Static,
        distillation: Distillation::Off,
        max_length: 48,
        learning_rate: 1e-2,
        steps: Some(150),
        ..knobs()
    };
    let mut session = Session::new(setup(knobs, questions), Box::new(NoProbe)).expect("a session");
    let events = to_the_end(&mut session);
    let mut metrics =
        events.iter().filter_map(|e| if let Event::Evaluation(of) = e { Some(&of.metrics) } else { None });
    let last = metrics.next_back().expect("an evaluation");
    assert!(last["accuracy"] > 0.9 && last.contains_key("accuracy_by_length"), "{last:?}");
}

#[test]
fn a_generator_gives_out_whole_characters_and_what_is_left_at_the_end() {
    let files = model(false);
    let decoder = files.source.model(&Device::flex()).expect("a model");
    let whole = |ids: &[u32]| files.tokenizer.decode(ids).expect("a text");
    let mut halves = 0;
    for seed in 0..8 {
        let sampling = Sampling { temperature: 1.0, ..Sampling::GREEDY };
        let mut generator =
            TextGenerator::new(&decoder, files.tokenizer.clone(), "caf\u{e9}", sampling, seed).expect("a generator");
        assert_eq!((generator.prompt().len(), generator.room()), (5, 59), "a byte each");
        let mut text = String::new();
        while generator.room() > 0 {
            let Some(more) = block_on(generator.next_token()).expect("a token") else { break };
            halves += usize::from(more.is_empty());
            text.push_str(&more);
        }
        text.push_str(&generator.rest().expect("what is left"));
        assert_eq!(
            format!("caf\u{e9}{text}"),
            whole(&[generator.prompt(), generator.written()].concat()),
            "seed {seed}"
        );
    }
    assert!(halves > 0, "random bytes begin characters");
    let empty =
        TextGenerator::new(&decoder, files.tokenizer.clone(), "", Sampling::GREEDY, 0).expect("it begins a text");
    assert_eq!(empty.prompt(), [256], "behind the end of another");
}

#[test]
fn a_decoder_is_pretrained_from_random_weights_and_the_seed_decides() {
    let setup = setup(
        Knobs {
            train_base: true,
            density: 1.0,
            rank_growth: RankGrowth::Static,
            distillation: Distillation::Off,
            ..knobs()
        },
        stories(),
    );
    let recipe = Recipe { steps: 30, learning_rate: 1e-2, warmup: 0.1, weight_decay: 0.0, clip_norm: 1.0, seed: 5 };
    let trained = || {
        let mut run = DecoderPretrainer::new(&setup.source.config, recipe.clone(), &Device::flex());
        let before = block_on(run.evaluate(&setup.task.validation)).expect("a loss");
        let batch: Vec<_> = setup.task.train.iter().take(8).collect();
        for _ in 0..recipe.steps {
            block_on(run.step(&batch)).expect("a step");
        }
        (before, block_on(run.evaluate(&setup.task.validation)).expect("a loss"))
    };
    let (before, after) = trained();
    assert!((before - 257_f64.ln()).abs() < 0.2, "it knows nothing at first: {before}");
    assert!(after < 0.6 * before, "{before}, afterwards {after}");
    assert_eq!(trained(), (before, after));
}

#[test]
fn decoders_and_encoders_learn_what_is_theirs() {
    let reviews = parse_task("builtin", &[], &Reading::default()).expect("the built-in task");
    let knobs = Knobs::default().check().expect("the defaults");
    let refused = Setup::assemble(knobs, None, model(true), reviews, &cpu("a test"), Machine::default());
    let message = refused.err().expect("a decoder has no classes").to_string();
    assert!(message.contains("LLaMA is a decoder") && message.contains("causal_lm"), "{message}");
}

/// Shards of texts have tokens of their own to predict, of which some have more than others.
#[test]
fn shards_of_texts_give_what_the_whole_batch_gives() {
    let run = |shards: usize| {
        let knobs = Knobs { shards, steps: Some(30), batch_size: 5, ..knobs() };
        to_the_end(&mut Session::new(setup(knobs, stories()), Box::new(NoProbe)).expect("a session"))
    };
    let numbers = |events: &[Event]| -> Vec<f64> {
        let of = |event: &Event| match event {
            Event::Step(point) => vec![point.loss, point.task_loss, point.distill_loss.unwrap_or_default()],
            Event::Evaluation(evaluation) => evaluation.metrics.values().copied().collect(),
            _ => Vec::new(),
        };
        events.iter().flat_map(of).collect()
    };
    let whole = numbers(&run(1));
    for shards in [2, 3] {
        let ours = numbers(&run(shards));
        assert_eq!(ours.len(), whole.len());
        for (ours, whole) in ours.iter().zip(&whole) {
            assert!((ours - whole).abs() <= 5e-4 * whole.abs().max(1.0), "{shards} shards: {ours}, the whole {whole}");
        }
        assert_eq!(ours, numbers(&run(shards)), "{shards} shards again");
    }
}
