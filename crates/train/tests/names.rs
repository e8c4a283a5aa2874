//! What settings may name is what data and objectives can be read from.

use apt_data::{ObjectiveKind, Reading, TASKS};
use apt_experiment::{BUILTIN_TASK, Knobs, ObjectiveChoice, PoolingChoice, TEXT_TASK};
use apt_train::pooling_of;

#[test]
fn the_built_in_task_needs_no_files_and_a_file_of_ones_own_has_no_objective() {
    let without_files: Vec<_> = TASKS.iter().filter(|task| !task.needs_files()).map(|task| task.name).collect();
    assert_eq!(without_files, [BUILTIN_TASK]);
    let own: Vec<_> = TASKS.iter().filter(|task| task.objective().is_none()).map(|task| task.name).collect();
    assert_eq!(own, [TEXT_TASK], "tasks whose objective is a matter of the file");
}

#[test]
fn every_objective_can_be_asked_for_by_its_name() {
    for choice in ObjectiveChoice::ALL {
        let asked = Reading::of(&Knobs { objective: *choice, ..Knobs::default() }).objective;
        assert_eq!(asked.map_or("auto", ObjectiveKind::name), choice.name());
    }
}

#[test]
fn every_pooling_can_be_asked_for_by_its_name() {
    for choice in PoolingChoice::ALL {
        let asked = pooling_of(&Knobs { pooling: *choice, ..Knobs::default() });
        let name = serde_json::to_value(asked).expect("a name");
        assert_eq!(name.as_str().unwrap_or("auto"), choice.name());
    }
}
