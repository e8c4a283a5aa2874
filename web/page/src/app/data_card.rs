//! What the data of the settings hold, read anew whenever the settings change how they are read.

use std::time::Duration;

use apt_bridge::{Command, DataLook, LookedRow};
use apt_experiment::{BUILTIN_TASK, Knobs};
use leptos::either::Either;
use leptos::prelude::*;

use super::columns;
use super::state::{Engine, Lab};
use crate::looking::{cut, labels, read, rows, short};

/// Milliseconds from the last change of the settings until the data are read.
const DELAY_MS: u64 = 300;

pub(crate) fn view(lab: Lab) -> impl IntoView {
    follow(lab);
    let shown = Memo::new(move |_| {
        let of = lab.settings.with(|settings| (settings.knobs.data.clone(), settings.knobs.task.clone()));
        lab.look.get().filter(|look| (Some(&look.data), look.task.as_str()) == (of.0.as_ref(), &*of.1))
    });
    move || shown.get().map(|look| card(lab, look))
}

/// Asks what the data hold when what decides it changes.
fn follow(lab: Lab) {
    let asked = Memo::new(move |_| {
        let of = |knobs: &Knobs| {
            (knobs.data.clone(), knobs.task.clone(), knobs.data_source(), knobs.model.clone(), knobs.max_length)
        };
        lab.settings.with(|settings| of(&settings.knobs))
    });
    // A set of the same name may have come in the place of another.
    let sets = Memo::new(move |_| lab.sets.get());
    let number = StoredValue::new(0u64);
    Effect::new(move || {
        let (data, task, ..) = asked.get();
        sets.track();
        let is_free = lab.engine.get() == Engine::Ready && !lab.is_open();
        let now = number.try_update_value(|number| {
            *number += 1;
            *number
        });
        let is_here = sets.with(|sets| sets.iter().any(|set| Some(&set.name) == data.as_ref()));
        if !is_free || !is_here || task == BUILTIN_TASK {
            return;
        }
        let ask = move || {
            if number.try_get_value() == now {
                let knobs = lab.settings.with_untracked(|settings| settings.knobs.clone());
                lab.send(Command::Look { knobs: Box::new(knobs) });
            }
        };
        set_timeout(ask, Duration::from_millis(DELAY_MS));
    });
}

fn card(lab: Lab, look: DataLook) -> impl IntoView {
    let choice = columns::view(lab, &look);
    let Some(problem) = look.problem.clone() else { return Either::Left(read_card(look, choice)) };
    Either::Right(view! {
        <section class="data-card" data-testid="data-card" aria-labelledby="data-card-title">
            <h3 id="data-card-title">"Which columns are read?"</h3>
            <p data-testid="data-problem">{format!("{}: {}.", problem.place, problem.what)}</p>
            {choice}
        </section>
    })
}

fn read_card(look: DataLook, choice: impl IntoView) -> impl IntoView {
    let cut = cut(&look).map(|words| view! { <p data-testid="data-cut">{words}</p> });
    let lines = read(&look).into_iter().map(|line| view! { <p class="aside">{line}</p> }).collect_view();
    view! {
        <section class="data-card" data-testid="data-card" aria-labelledby="data-card-title">
            <h3 id="data-card-title">{rows(&look)}</h3>
            <p data-testid="data-labels">{labels(&look)}</p>
            {cut}
            <div data-testid="data-read">{lines}</div>
            {choice}
            <details open>
                <summary>"First rows"</summary>
                <ol>{look.first.into_iter().map(row).collect_view()}</ol>
            </details>
        </section>
    }
}

fn row(row: LookedRow) -> impl IntoView {
    let pair = row.pair.map(|pair| view! { " / " {short(&pair)} });
    view! { <li>{short(&row.text)} {pair} " → " <b>{short(&row.label)}</b></li> }
}
