//! Knobs, presets and configuration files: every way in agrees with every way out.

use apt_core::arms::PruneSchedule;
use apt_experiment::{
    Adapters, KNOBS, KnobError, KnobKind, Knobs, ObjectiveChoice, PRESETS, SettingsId, Site, TEXT_TASK, differences,
    is_time, knob, preset, schema, table, table_json,
};
use proptest::prelude::*;
use serde_json::Value;

/// Text for some allowed value of a knob, from one random number in 0..1.
fn allowed(kind: &KnobKind, dice: f64) -> String {
    let pick = |count: usize| ((dice * count as f64) as usize).min(count.saturating_sub(1));
    match kind {
        KnobKind::Int { min, max } | KnobKind::OptionalInt { min, max } => {
            (min + ((max - min) as f64 * dice) as i64).to_string()
        }
        KnobKind::Float { min, max } | KnobKind::OptionalFloat { min, max } => {
            (min + (max - min) * dice).clamp(*min, *max).to_string()
        }
        KnobKind::Bool => (dice < 0.5).to_string(),
        KnobKind::Choice(names) => names[pick(names.len())].to_owned(),
        KnobKind::List(names) => names[..=pick(names.len())].join(","),
        KnobKind::Text | KnobKind::OptionalText => format!("a \"quoted\" # folder\\{dice}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_knob_round_trips_through_text_toml_and_json(dice in proptest::collection::vec(0.0..1.0, KNOBS.len())) {
        let mut knobs = Knobs::default();
        for (knob, dice) in KNOBS.iter().zip(dice) {
            let text = allowed(&knob.kind, dice);
            knob.set(&mut knobs, &text).map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(&knob.text(&knobs), &text, "{} through text", knob.name);

            let mut other = Knobs::default();
            knob.set_json(&mut other, &knob.get(&knobs)).map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(knob.get(&other), knob.get(&knobs), "{} through its JSON value", knob.name);
        }
        prop_assert_eq!(Knobs::from_toml(&knobs.to_toml(), "config.toml"), Ok(knobs.clone()));
        prop_assert_eq!(Knobs::from_json(&knobs.to_json().to_string(), "config.json"), Ok(knobs.clone()));
        let serde: Knobs = serde_json::from_value(knobs.to_json()).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(serde, knobs);
    }

    #[test]
    fn no_text_makes_a_knob_panic_or_leave_its_range(text in any::<String>(), which in 0..KNOBS.len()) {
        let mut knobs = Knobs::default();
        let knob = &KNOBS[which];
        match knob.set(&mut knobs, &text) {
            Ok(()) => prop_assert_eq!(knob.set_json(&mut knobs.clone(), &knob.get(&knobs)), Ok(())),
            Err(_) => prop_assert_eq!(knobs, Knobs::default(), "a refused value changed something"),
        }
    }

    #[test]
    fn no_file_makes_the_reader_panic(text in any::<String>()) {
        let _ = Knobs::from_toml(&text, "config.toml");
        let _ = Knobs::from_json(&text, "config.json");
    }
}

#[test]
fn defaults_are_in_range_and_agree_with_each_other() {
    assert_eq!(Knobs::default().check().map(Knobs::from), Ok(Knobs::default()));
    let file = Knobs::default().to_toml();
    assert_eq!(Knobs::from_toml(&file, "config.toml"), Ok(Knobs::default()), "{file}");
    assert_eq!(KNOBS.iter().filter(|knob| !file.contains(knob.help)).count(), 0, "{file}");
    for knob in KNOBS.iter() {
        let mut knobs = Knobs::default();
        assert_eq!(knob.set(&mut knobs, &knob.default), Ok(()), "{} = {}", knob.name, knob.default);
        assert_eq!(knobs, Knobs::default(), "{}", knob.name);
    }
}

#[test]
fn densities_on_the_way_have_one_text_and_have_to_fall() {
    let mut knobs = Knobs::default();
    knobs.set("via", " 0.80, .6").expect("any text");
    assert_eq!((knobs.text("via"), knobs.densities()), (Ok("0.8,0.6".to_owned()), vec![0.8, 0.6, 0.4]));
    assert!(knobs.clone().check().is_ok());
    for wrong in ["0.6,0.8", "0.8,0.8", "0.4", "0.3", "1", "1.5,0.8", "0.8,", "0.8;0.6", "nan", "much"] {
        let knobs = Knobs { via: Some(wrong.to_owned().into()), ..Knobs::default() };
        match knobs.check() {
            Err(KnobError::Contradiction { first: "via", second: "density", .. }) => {}
            other => panic!("{wrong} gave {other:?}"),
        }
    }
    let at_once = Knobs { via: Some("0.8".to_owned().into()), schedule: PruneSchedule::OneShot, ..Knobs::default() };
    assert!(matches!(at_once.check(), Err(KnobError::Contradiction { first: "via", second: "schedule", .. })));
}

#[test]
fn optional_knobs_go_back_to_none() {
    let mut knobs = Knobs { steps: Some(7), data: Some("x".to_owned()), ..Knobs::default() };
    knobs.set("steps", "none").expect("optional");
    knobs.set("data", "").expect("optional");
    assert_eq!(knobs, Knobs::default());
}

#[test]
fn flags_may_be_written_as_people_write_them() {
    let mut knobs = Knobs::default();
    knobs.set("--prune-fraction", "0.1").expect("a flag's name");
    knobs.set("schedule", "one-shot").expect("kebab-case choice");
    knobs.set("adapters", "value, up").expect("spaces");
    assert_eq!(knobs.prune_fraction, 0.1);
    assert_eq!(knobs.text("schedule"), Ok("one_shot".to_owned()));
    assert_eq!(knobs.adapters, Adapters(vec![Site::Value, Site::Up]));
    assert_eq!(knob("rank_scale").expect("a knob").flag(), "rank-scale");
}

#[test]
fn every_knob_is_documented_once_and_no_name_looks_like_a_time() {
    for (place, knob) in KNOBS.iter().enumerate() {
        assert!(knob.help.len() > 10 && knob.help.ends_with('.'), "{}: {:?}", knob.name, knob.help);
        assert!(!is_time(knob.name), "{} would vanish when times are stripped", knob.name);
        assert!(KNOBS.iter().skip(place + 1).all(|other| other.name != knob.name), "{} twice", knob.name);
        let line =
            table().lines().find(|line| line.trim().starts_with(&format!("--{} ", knob.flag()))).map(str::to_owned);
        assert!(line.is_some_and(|line| line.contains(knob.help)), "{} is not in the table", knob.name);
    }
    assert_eq!(table_json().as_array().map(Vec::len), Some(KNOBS.len()));
}

/// The part of JSON Schema that our schema uses.
fn fits(schema: &Value, value: &Value) -> bool {
    let types = match &schema["type"] {
        Value::Array(types) => types.clone(),
        one => vec![one.clone()],
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        _ => "other",
    };
    let typed = types.iter().any(|name| name == kind || name == "number" && kind == "integer");
    let number = value.as_f64();
    let above = schema["minimum"].as_f64().zip(number).is_none_or(|(min, number)| number >= min);
    let below = schema["maximum"].as_f64().zip(number).is_none_or(|(max, number)| number <= max);
    let listed = schema["enum"].as_array().is_none_or(|names| names.contains(value));
    typed && above && below && listed
}

#[test]
fn the_schema_accepts_the_defaults_and_every_preset_and_knows_every_field() {
    let schema = schema();
    let properties = schema["properties"].as_object().expect("properties");
    let serialised = serde_json::to_value(Knobs::default()).expect("knobs serialise");
    assert_eq!(
        properties.keys().collect::<Vec<_>>(),
        serialised.as_object().expect("an object").keys().collect::<Vec<_>>()
    );
    for entry in PRESETS {
        let knobs = preset(entry.name).expect("a preset").to_json();
        for (name, value) in knobs.as_object().expect("an object") {
            assert!(fits(&properties[name], value), "{}: {name} = {value}", entry.name);
        }
    }
    assert!(!fits(&properties["density"], &2.0.into()), "the test's own reader of schemas must refuse something");
}

#[test]
fn every_preset_can_be_run_and_every_arm_has_one() {
    for entry in PRESETS {
        let knobs = preset(entry.name).unwrap_or_else(|error| panic!("{}: {error}", entry.name));
        assert!(knobs.clone().check().is_ok_and(|checked| *checked == knobs), "{}", entry.name);
    }
    for axis in ["salience", "rank_growth", "distillation", "schedule"] {
        let KnobKind::Choice(arms) = &knob(axis).expect("an axis").kind else { panic!("{axis} is no choice") };
        for arm in arms {
            // What is a method of its own has a preset that turns more than this knob.
            let method = matches!((axis, *arm), ("salience", "taylor" | "l0") | ("rank_growth", "allocate"));
            let found = PRESETS.iter().any(|entry| match method {
                true => entry.axis.is_none() && entry.overrides.contains(&(axis, *arm)),
                false => entry.axis.is_some() && entry.overrides == [(axis, *arm)],
            });
            assert!(found, "no preset sets {axis} = {arm}");
        }
    }
    assert_eq!(preset("apt"), Ok(Knobs::default()));
    assert!(preset("fine-tune").expect("a preset").train_base);
}

#[test]
fn unknown_names_are_answered_with_the_nearest() {
    let near = |result: Result<Knobs, KnobError>| result.expect_err("an unknown name").to_string();
    let knob = near(Knobs::from_toml("seed = 2\ndensty = 0.5", "my.toml"));
    assert!(knob.contains("my.toml, line 2") && knob.contains("`density`"), "{knob}");
    let knob = near(Knobs::from_json(r#"{"temperature": 1}"#, "my.json"));
    assert!(knob.contains("`distill_temperature`"), "{knob}");
    let preset = near(preset("salience-randm"));
    assert!(preset.contains("`salience-random`"), "{preset}");
    for far in ["zzzzqqq = 1", "sparsity = 0.6"] {
        let nothing = near(Knobs::from_toml(far, "my.toml"));
        assert!(!nothing.contains("did you mean"), "{nothing}");
    }
}

#[test]
fn refused_values_name_line_range_and_type() {
    let refused = |text: &str| Knobs::from_toml(text, "my.toml").expect_err(text).to_string();
    let cases = [
        ("\n\ndensity = 1.5", "my.toml, line 3: `density` cannot be 1.5; give a number from 0.05 to 1"),
        ("rank = 2.5", "wrong type"),
        ("rank = \"8\"", "wrong type"),
        ("rank = -1", "1 to 1024"),
        ("learning_rate = nan", "`learning_rate` cannot be nan"),
        ("steps = nan", "`steps` cannot be nan"),
        ("density = inf", "0.05 to 1"),
        ("salience = \"magic\"", "outlier_aware"),
        ("adapters = \"query,quary\"", "some of query"),
        ("adapters = [\"query\"]", "wrong type"),
        ("model = \"\"", "not empty"),
        ("train_base = 1", "true or false"),
        ("seed = 99999999999999999999", "my.toml, line 1"),
        ("density = 0.4\ndensity = 0.5", "line 2"),
        ("density 0.4", "line 1"),
        ("[training]\nsteps = 3", "line 1: there is no knob `training`"),
    ];
    for (text, part) in cases {
        let message = refused(text);
        assert!(message.contains(part), "{text:?} gave {message:?}, which lacks {part:?}");
    }
    let json = |text: &str| Knobs::from_json(text, "my.json").expect_err(text).to_string();
    assert!(json("{\"seed\": 1,\n").contains("my.json, line"), "{}", json("{\"seed\": 1,\n"));
    assert!(json(r#"{"density": null}"#).contains("wrong type"));
    assert!(json(r#"{"rank": 1e30}"#).contains("wrong type"));
    assert!(json("[1, 2]").contains("not a configuration"));
}

#[test]
fn a_refused_file_changes_nothing() {
    let mut knobs = Knobs::default();
    assert!(knobs.apply_toml("density = 0.5\nrank = 0", "my.toml").is_err());
    assert_eq!(knobs, Knobs::default());
}

#[test]
fn contradictory_knobs_are_named_with_a_remedy() {
    type Settings = &'static [(&'static str, &'static str)];
    let cases: [(Settings, &str, &str); 18] = [
        (&[("objective", "regression")], "task", "objective"),
        (&[("objective", "multi_label")], "task", "objective"),
        (&[("objective", "multiple_choice"), ("model", "builtin-decoder")], "task", "objective"),
        (&[("freeze_head", "true"), ("model", "builtin-decoder")], "freeze_head", "objective"),
        (&[("label_separator", ";")], "label_separator", "objective"),
        (&[("schedule", "one_shot"), ("mu_over", "pruning_window")], "schedule", "mu_over"),
        (&[("train_base", "true")], "train_base", "rank_growth"),
        (&[("train_base", "true"), ("density", "1")], "train_base", "rank_growth"),
        (&[("train_base", "true"), ("rank_growth", "static")], "train_base", "distillation"),
        (&[("salience", "l0"), ("schedule", "one_shot")], "salience", "schedule"),
        (&[("rank_growth", "allocate"), ("schedule", "one_shot")], "rank_growth", "schedule"),
        (&[("adapters", "")], "adapters", "train_base"),
        (&[("data", "/tmp/x")], "task", "data"),
        (&[("task", "sst2")], "task", "data"),
        (&[("distill_fraction", "0.8")], "distill_fraction", "tuning_fraction"),
        (&[("schedule", "late"), ("prune_fraction", "0.9")], "prune_fraction", "tuning_fraction"),
        (&[("tune_first", "0.9"), ("prune_fraction", "0.2")], "tune_first", "prune_fraction"),
        (
            &[("distill_logit_weight", "0"), ("distill_layer_weight", "0")],
            "distill_logit_weight",
            "distill_layer_weight",
        ),
    ];
    for (settings, one, other) in cases {
        let mut knobs = Knobs::default();
        for (name, text) in settings {
            knobs.set(name, text).expect("each in its range");
        }
        match knobs.check() {
            Err(KnobError::Contradiction { first, second, remedy, .. }) => {
                assert_eq!((first, second), (one, other), "{settings:?}");
                assert!(!remedy.is_empty());
            }
            result => panic!("{settings:?} gave {result:?}"),
        }
    }
    let beyond = Knobs { density: f64::NAN, ..Knobs::default() };
    assert!(beyond.check().is_err(), "a NaN put in by code is found too");
}

#[test]
fn differences_name_what_was_changed() {
    let found = differences(&Knobs::default(), &preset("lora").expect("a preset"));
    let found: Vec<_> = found.iter().map(|one| (one.knob, one.a.as_str(), one.b.as_str())).collect();
    assert_eq!(
        found,
        [("density", "0.4", "1"), ("rank_growth", "adaptive", "static"), ("distillation", "shared", "off")]
    );
}

#[test]
fn a_decoder_learns_texts_unless_it_is_told_otherwise() {
    let of = |model: &str| Knobs { model: model.to_owned(), ..Knobs::default() };
    let own = of("builtin-decoder");
    assert!(own.predicts_tokens() && !of("builtin").predicts_tokens() && !of("some/folder").predicts_tokens());
    assert_eq!(own.clone().check().expect("it fits").objective, ObjectiveChoice::CausalLm);
    let asked = Knobs { objective: ObjectiveChoice::CausalLm, ..own.clone() };
    assert_eq!(SettingsId::of(&own), SettingsId::of(&asked), "a study's cell and its record are one");
    assert_eq!(own.data_source(), asked.data_source());
    // Of others it is known once their configuration is read.
    assert_eq!(of("some/folder").fitted(true).objective, ObjectiveChoice::CausalLm);
    assert_eq!(Knobs { model: "builtin".into(), ..asked }.fitted(false).objective, ObjectiveChoice::Auto);
    let regression = Knobs { objective: ObjectiveChoice::Regression, ..of("some/folder") };
    assert_eq!(regression.fitted(false).objective, ObjectiveChoice::Regression);
    let texts = Knobs { data: Some("mine.txt".into()), ..own };
    assert_eq!(texts.check().expect("texts of one's own").task, TEXT_TASK);
}
