//! `[tune]` of a study: which trials there are, what they choose, and what is refused.

use apt_experiment::{Cell, Choice, Knobs, Study, StudyFile, TrialOutcome};

/// Two densities of the base, one of chance, and a dense arm with a learning rate of its own.
const STUDY: &str = r#"
seeds = [1, 2]
densities = [0.8, 0.4]
[tune]
seeds = [101, 102]
[tune.knobs]
learning_rate = [0.001, 0.0003, 0.002]
[[axes]]
name = "x"
arms = ["salience-random", "fine-tune"]
"#;

fn study(text: &str) -> Result<Study, String> {
    let file = StudyFile::from_toml(text, "my.toml").map_err(|error| error.to_string())?;
    Study::resolve(&file, "my").map_err(|error| error.to_string())
}

/// The choices where every trial's outcome is that of its cell.
fn choices(study: &Study, outcome: impl Fn(&Cell) -> TrialOutcome) -> Vec<Choice> {
    study.choices(&study.trials().iter().map(outcome).collect::<Vec<_>>())
}

fn chosen(choices: &[Choice]) -> Vec<(String, Option<String>)> {
    let text = |of: &Choice| of.chosen.map(|chosen| of.tried[chosen].values.text());
    choices.iter().map(|of| (of.name(), text(of))).collect()
}

fn rates(study: &Study) -> Vec<(String, f64)> {
    study.cells().iter().map(|cell| (cell.name(), cell.knobs.learning_rate)).collect()
}

#[test]
fn every_arm_at_every_density_has_the_same_trials_with_seeds_of_their_own() {
    let study = study(STUDY).expect("it resolves");
    let trials = study.trials();
    assert_eq!(trials.len(), 5 * 3 * 2, "arms at densities × combinations × seeds");
    for arm in trials.chunks(6) {
        let tried: Vec<_> = arm.iter().map(|cell| (cell.knobs.learning_rate, cell.knobs.seed)).collect();
        let wanted = [(0.001, 101), (0.001, 102), (0.0003, 101), (0.0003, 102), (0.002, 101), (0.002, 102)];
        assert_eq!(tried, wanted, "{}", arm[0].arm);
    }
    assert_eq!(trials[0].name(), "apt-learning-rate-0-001-d0.8-s101");
    assert_eq!(trials[25].name(), "fine-tune-learning-rate-0-001-s102", "the preset's own rate is not tried");
    assert_eq!(study.cells(), [], "nothing is run before it is chosen");
    assert_eq!(study.untuned().cells().len(), 10);
}

#[test]
fn knobs_of_several_values_are_combined() {
    let text = STUDY.replace("learning_rate = ", "weight-decay = [0.0, 0.1]\nlearning_rate = ");
    let study = study(&text).expect("it resolves");
    let combinations: Vec<_> = study.tune.as_ref().expect("a sweep").combinations.iter().map(|of| of.text()).collect();
    assert_eq!(combinations.len(), 6);
    assert_eq!(combinations[0], "learning_rate 0.001, weight_decay 0");
    let apt = &study.trials()[..12];
    assert!(apt.iter().all(|cell| cell.knobs.density == 0.8), "all are of one arm");
    assert_eq!(apt.iter().filter(|cell| cell.knobs.weight_decay == 0.1).count(), 6);
}

#[test]
fn each_arm_gets_the_combination_with_the_best_mean_on_validation_data() {
    let study = study(STUDY).expect("it resolves");
    // The best single trial is of 0.002, the best mean of 0.0003; chance does best with 0.001.
    let metric = |cell: &Cell| match (cell.knobs.learning_rate, cell.knobs.seed) {
        (0.001, _) if cell.arm.starts_with("random") => 0.99,
        (0.001, _) => 0.80,
        (0.0003, _) => 0.85,
        (_, 101) => 0.95,
        _ => 0.70,
    };
    let choices = choices(&study, |cell| TrialOutcome::Done(metric(cell)));
    let wanted = [
        ("apt at 0.8", "0.0003"),
        ("apt at 0.4", "0.0003"),
        ("random at 0.8", "0.001"),
        ("random at 0.4", "0.001"),
        ("fine-tune", "0.0003"),
    ];
    let wanted = wanted.map(|(arm, rate)| (arm.to_owned(), Some(format!("learning_rate {rate}"))));
    assert_eq!(chosen(&choices), wanted);
    assert_eq!((choices[0].tried[2].mean, choices[0].tried[2].n), (Some(0.825), 2));
    let tuned = study.with_choices(&choices);
    let cells = rates(&tuned);
    assert_eq!(cells.len(), 10);
    assert_eq!(cells[0], ("apt-d0.8-s1".to_owned(), 0.0003));
    assert_eq!(cells[2], ("random-d0.8-s1".to_owned(), 0.001));
    assert!(tuned.cells().iter().all(|cell| [1, 2].contains(&cell.knobs.seed)), "a trial is among the cells");
    assert_eq!(tuned.at_densities(&tuned.base)[1].learning_rate, 0.0003, "what reports go by");
    // The same from the same outcomes, whatever was chosen before.
    assert_eq!(
        tuned.choices(&study.trials().iter().map(|c| TrialOutcome::Done(metric(c))).collect::<Vec<_>>()),
        choices
    );
}

#[test]
fn of_equal_combinations_the_first_is_chosen_and_an_edge_is_said() {
    let study = study(STUDY).expect("it resolves");
    let equal = choices(&study, |_| TrialOutcome::Done(0.9));
    assert!(equal.iter().all(|of| of.chosen == Some(0) && of.at_edge.is_empty()), "0.001 lies between the others");
    // 0.1 + 0.2 + 0.3 is not 0.3 + 0.2 + 0.1 in the last digit.
    let text = STUDY.replace("[101, 102]", "[101, 102, 103]");
    let three = self::study(&text).expect("it resolves");
    let sums = choices(&three, |cell| {
        let place = if cell.knobs.learning_rate == 0.001 { cell.knobs.seed - 100 } else { 104 - cell.knobs.seed };
        TrialOutcome::Done(place as f64 / 10.0)
    });
    assert!(sums.iter().all(|of| of.chosen == Some(0)), "{:?}", chosen(&sums));
    let best = |rate: f64| {
        let metric = move |cell: &Cell| TrialOutcome::Done(if cell.knobs.learning_rate == rate { 0.9 } else { 0.8 });
        choices(&study, metric)[0].at_edge.clone()
    };
    assert_eq!(best(0.002), ["the largest learning_rate"]);
    assert_eq!(best(0.0003), ["the smallest learning_rate"]);
    // A range that ends where the list does has nothing beyond.
    let decay = self::study(&STUDY.replace("learning_rate = [0.001, 0.0003, 0.002]", "weight_decay = [0, 0.1]"));
    let decay = choices(&decay.expect("it resolves"), |cell| TrialOutcome::Done(-cell.knobs.weight_decay));
    assert_eq!((decay[0].chosen, decay[0].at_edge.len()), (Some(0), 0));
}

#[test]
fn a_combination_that_fails_on_a_seed_is_not_chosen_and_an_arm_without_any_is_not_run() {
    let study = study(STUDY).expect("it resolves");
    let choices = choices(&study, |cell| match (cell.knobs.learning_rate, cell.knobs.seed) {
        _ if cell.arm.starts_with("fine-tune") => TrialOutcome::Failed("the loss is NaN".to_owned()),
        (0.002, 102) => TrialOutcome::Failed("the loss is infinite".to_owned()),
        (rate, _) => TrialOutcome::Done(rate),
    });
    assert_eq!(choices[0].chosen, Some(0), "0.002 is better on the seed that it has");
    assert_eq!((choices[0].tried[2].n, choices[0].tried[2].failed.len()), (1, 1));
    assert_eq!(choices[4].chosen, None);
    let tuned = study.with_choices(&choices);
    assert!(tuned.cells().iter().all(|cell| cell.arm != "fine-tune"), "{:?}", rates(&tuned));
    let failed = tuned.failed_cells(&choices);
    let names: Vec<_> = failed.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["fine-tune-s1", "fine-tune-s2"]);
    assert!(failed.iter().all(|(_, why)| why.contains("the loss is NaN")), "{failed:?}");
}

#[test]
fn nothing_is_chosen_while_a_trial_is_missing() {
    let study = study(STUDY).expect("it resolves");
    let choices = choices(&study, |cell| {
        let is_missing = cell.arm.starts_with("apt") && cell.knobs.density == 0.4 && cell.knobs.seed == 102;
        if is_missing { TrialOutcome::Missing } else { TrialOutcome::Done(0.5) }
    });
    let missing: Vec<_> = choices.iter().map(|of| (of.missing(), of.chosen)).collect();
    assert_eq!(missing, [(0, Some(0)), (3, None), (0, Some(0)), (0, Some(0)), (0, Some(0))]);
    let cells = study.with_choices(&choices).cells();
    assert!(cells.len() == 8 && cells.iter().all(|cell| cell.name() != "apt-d0.4-s1"), "{} cells", cells.len());
    assert_eq!(study.failed_cells(&choices), [], "it has not failed");
    // No trial at all.
    assert!(study.choices(&[]).iter().all(|of| of.missing() == 6 && of.chosen.is_none()));
}

#[test]
fn a_cell_knows_what_its_runs_are_called() {
    let cell = Cell { arm: "apt".to_owned(), preset: "apt", knobs: Knobs { seed: 3, ..Knobs::default() } };
    assert!(cell.is_run_name("apt-d0.4-s3-0123456789ab"));
    for other in ["apt-d0.4-s3", "apt-d0.4-s31-0123456789ab", "apt-d0.4-s3-0123456789abc", "apt-d0.4-s3-0123456789xy"] {
        assert!(!cell.is_run_name(other), "{other}");
    }
}

#[test]
fn what_cannot_be_tuned_is_named_with_place_and_remedy() {
    let with = |knobs: &str| STUDY.replace("learning_rate = [0.001, 0.0003, 0.002]", knobs);
    for (text, said) in [
        (STUDY.replace("[101, 102]", "[2, 101, 1]"), "seed 1, seed 2 is both the study's and of its trials"),
        (STUDY.replace("[101, 102]", "[]"), "it has no seeds"),
        (STUDY.replace("[101, 102]", "2"), "my.toml, line 5"),
        (with(""), "there is nothing to choose from"),
        (with("learning_rate = [0.001]"), "there is nothing to choose from"),
        (with("learning_rate = []"), "`learning_rate` has no values"),
        (with("learning_rat = [1, 2]"), "did you mean `learning_rate`"),
        (with("learning_rate = [0.001, -1]"), "`learning_rate` cannot be -1"),
        (with("learning_rate = [0.001, 1e-3]"), "`learning_rate 0.001` and `learning_rate 0.001` are the same run"),
        (with("checkpoint_every = [1, 2]"), "are the same run"),
        (with("density = [0.2, 0.4]"), "`density` cannot be tuned"),
        (with("seed = [7, 8]"), "`seed` cannot be tuned"),
        (with("task = [\"sst2\", \"rte\"]"), "`task` cannot be tuned"),
        (
            with("salience = [\"gradient\", \"random\"]"),
            "the arms `apt` and `random` differ in nothing but what is tuned",
        ),
        (
            STUDY.replace("[tune]", "[knobs]\nlearning-rate = 0.001\n[tune]"),
            "`learning-rate` is set for every cell too",
        ),
        (
            STUDY.replace("\"fine-tune\"", "{ name = \"y\", knobs = { learning_rate = 0.1 } }"),
            "the arm `y` sets `learning_rate` too",
        ),
        (with("batch_size = [8, 16]\nfreeze_head = [true, false]"), "contradict"),
    ] {
        let error = study(&text).expect_err(&text);
        assert!(error.contains(said), "{text}\n{error}");
    }
}
