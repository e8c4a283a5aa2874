//! The questions at the end, each answered at once.

use leptos::prelude::*;

use crate::learn::{Choice, QUESTIONS, Question};

pub(super) fn view() -> impl IntoView {
    view! {
        <section class="questions" aria-labelledby="questions-title">
            <h3 id="questions-title">"Three questions"</h3>
            {QUESTIONS.iter().enumerate().map(question).collect_view()}
        </section>
    }
}

fn question((place, question): (usize, &'static Question)) -> impl IntoView {
    let chosen = RwSignal::new(None::<usize>);
    let choice = move |(number, choice): (usize, &'static Choice)| {
        view! {
            <label class="switch">
                <input
                    type="radio"
                    name=format!("question-{place}")
                    data-testid=format!("answer-{place}-{number}")
                    prop:checked=move || chosen.get() == Some(number)
                    on:change=move |_| chosen.set(Some(number))
                />
                {choice.answer}
            </label>
        }
    };
    let reply = move || {
        let choice = question.choices.get(chosen.get()?)?;
        let word = if choice.right { "Right." } else { "No." };
        Some(view! { <p class="reply" class:right=choice.right><b>{word}</b> " " {choice.reply}</p> })
    };
    view! {
        <fieldset class="question">
            <legend>{question.question}</legend>
            {question.choices.iter().enumerate().map(choice).collect_view()}
            <div role="status" data-testid=format!("reply-{place}")>{reply}</div>
        </fieldset>
    }
}
