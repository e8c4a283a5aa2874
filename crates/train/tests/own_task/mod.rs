//! Runs on a file of one's own, read with the built-in tokenizer.

use crate::common;
use apt_data::{RawTask, Tokenizer, builtin, tokenize_task};
use apt_experiment::{Event, Knobs};
use apt_train::{NoProbe, Session, Setup};
use pollster::block_on;

/// Every event of a run of `knobs` on `task`, and the session as it has ended.
pub(crate) fn run(knobs: &Knobs, task: &RawTask) -> (Vec<Event>, Session) {
    let tokenizer = Tokenizer::from_bytes(builtin::tokenizer_json().as_bytes(), "built-in").expect("a valid tokenizer");
    let task = tokenize_task(task, &tokenizer, knobs.max_length).expect("short texts");
    let setup = Setup { task, watched: Vec::new(), ..common::setup(knobs) };
    let mut session = Session::new(setup, Box::new(NoProbe)).expect("a session");
    let mut events = Vec::new();
    while let Some(event) = block_on(session.step()).expect("a step") {
        events.push(event);
    }
    (events, session)
}
