//! What the models answered on the page Try, and how they read the text.

use apt_bridge::{Answer, ModelAnswer, Outcome, Prediction, Reading, Word};
use leptos::prelude::*;

use super::state::Lab;
use crate::asking::{Candidate, Example, Question, agreement, doubt, saving, verdict};
use crate::figures::{count, milliseconds, plain, share};

const SIDES: [&str; 2] = ["try-left-answer", "try-right-answer"];

pub(crate) fn view(
    lab: Lab,
    candidates: Memo<Vec<Candidate>>,
    question: Memo<Option<Question>>,
    example: Memo<Option<Example>>,
) -> impl IntoView {
    // An empty text has no answer; one of another text or of others stays, dimmed, until its own comes.
    let shown = Memo::new(move |_| question.with(Option::is_some).then(|| lab.answer.get()).flatten());
    let stale = Memo::new(move |_| {
        let is_answered =
            |question: &Question| shown.with(|shown| shown.as_ref().is_some_and(|of| question.is_answered(of)));
        !question.with(|question| question.as_ref().is_some_and(is_answered))
    });
    let said = move || {
        let agreed = shown.with(|shown| shown.as_ref().and_then(|answer| agreement(&answer.models)));
        let agreed = agreed.filter(|_| !stale.get());
        let truth = example.get().filter(|_| !stale.get());
        let old = (stale.get() && shown.with(Option::is_some))
            .then(|| view! { <span class="aside">"The answer to the text before:"</span> });
        let truth =
            truth.map(|example| view! { <span data-testid="try-truth">"Right is: " <b>{example.label}</b> "."</span> });
        view! { {agreed} " " {truth} {old} }
    };
    view! {
        <p class="said" role="status">{said}</p>
        <div class="answer" class:stale=stale data-testid="try-answer">
            {move || {
                let example = example.get().filter(|_| !stale.get());
                shown.get().map(|answer| answer_view(answer, &candidates.get(), example))
            }}
        </div>
    }
}

fn answer_view(answer: Answer, candidates: &[Candidate], example: Option<Example>) -> impl IntoView + use<> {
    let title =
        |run: &str| candidates.iter().find(|of| of.run == run).map_or_else(|| run.to_owned(), |of| of.title.clone());
    let titles: Vec<String> = answer.models.iter().map(|model| title(&model.run)).collect();
    let saved = match titles.as_slice() {
        [a, b] => saving(&answer.models, [a, b]),
        _ => None,
    };
    // Most often both have one tokenizer; what it made of the text is then shown once.
    let first = answer.models.first().map(|model| model.reading.clone());
    let alike = answer.models.iter().all(|model| Some(&model.reading) == first.as_ref());
    let cards: Vec<_> = answer
        .models
        .into_iter()
        .zip(titles)
        .zip(SIDES)
        .map(|((model, title), name)| {
            let reading = (!alike).then(|| model.reading.clone());
            card(title, name, model, example, reading)
        })
        .collect();
    view! {
        <div class="verdicts">{cards}</div>
        <p data-testid="try-saved">{saved}</p>
        {first.filter(|_| alike).map(reading_view)}
    }
}

fn card(
    title: String,
    name: &'static str,
    model: ModelAnswer,
    example: Option<Example>,
    reading: Option<Reading>,
) -> impl IntoView {
    let prediction = model.prediction;
    let judged = example.and_then(|example| {
        let right = verdict(&prediction)? == example.label;
        Some(view! { <span class=if right { "right" } else { "wrong" }>{if right { "right" } else { "wrong" }}</span> })
    });
    let cost = cost(&prediction);
    let outcome = match prediction.outcome {
        Outcome::Classes(classes) => class_table(classes).into_any(),
        Outcome::Value(value) => view! { <p class="number">{plain(value)}</p> }.into_any(),
    };
    view! {
        <section class="verdict" data-testid=name>
            <h2>{title} " " {judged}</h2>
            {outcome}
            <p class="aside">{cost}</p>
            {reading.map(reading_view)}
        </section>
    }
}

fn cost(prediction: &Prediction) -> String {
    format!(
        "{} · {} weights in the layers · after step {}",
        milliseconds(prediction.milliseconds),
        count(prediction.parameters),
        prediction.step
    )
}

fn class_table(classes: Vec<(String, f64)>) -> impl IntoView {
    let best = classes.iter().map(|class| class.1).fold(f64::NEG_INFINITY, f64::max);
    let row = |(label, probability): (String, f64)| {
        let is_best = probability >= best;
        view! {
            <tr class:best=is_best>
                <th scope="row">{label}</th>
                <td><span class="bar" style:width=format!("{:.2}%", 100.0 * probability)></span></td>
                <td class="number">{share(probability)}</td>
            </tr>
        }
    };
    view! { <table class="plain"><tbody>{classes.into_iter().map(row).collect_view()}</tbody></table> }
}

/// The texts with the words that are not known marked, and where reading ends.
fn reading_view(reading: Reading) -> impl IntoView {
    let doubt = doubt(&reading).map(|doubt| view! { <p class="doubt" data-testid="try-known">{doubt}</p> });
    let cut = reading.is_cut().then(|| {
        let words = format!(
            "Read up to here: {} of {} tokens. The rest plays no part in the answer.",
            reading.read, reading.of
        );
        view! { <p class="cut" data-testid="try-cut">{words}</p> }
    });
    let is_cut = reading.is_cut();
    // A text that is read whole and known is not said again.
    let is_told = is_cut || doubt.is_some();
    let tokens: Vec<String> = reading.texts.iter().flatten().flat_map(|word| word.tokens.clone()).collect();
    let text = |words: Vec<Word>| {
        view! {
            <p class="as-read" data-testid="try-read">
                {words.into_iter().map(word).collect_view()}
                {is_cut.then(|| view! { <span class="cut-mark">" …"</span> })}
            </p>
        }
    };
    view! {
        <div class="reading">
            {doubt}
            {is_told.then(|| reading.texts.into_iter().map(text).collect_view())}
            {cut}
            <details>
                <summary>"Tokens"</summary>
                <p class="tokens">{tokens.join(" ")}</p>
            </details>
        </div>
    }
}

fn word(word: Word) -> impl IntoView {
    let blank = word.segment.spaced.then_some(" ");
    let is_unknown = word.is_word() && !word.is_known();
    let text = word.segment.text;
    let shown = match is_unknown {
        true => {
            let title = format!("not a word the model knows; it sees {}", word.tokens.join(" "));
            view! { <mark class="unknown" title=title>{text}</mark> }.into_any()
        }
        false => text.into_any(),
    };
    view! { {blank} {shown} }
}
