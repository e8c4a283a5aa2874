//! The task: a review, its tokens, and what the model answers before and after.

use leptos::prelude::*;

use super::Run;
use crate::learn::standing;

/// A review of the built-in task, cut as its tokenizer cuts it, with what the parts are for.
const TOKENS: [&str; 14] =
    ["[CLS]", "although", "the", "room", "was", "lovely", ",", "the", "shower", "was", "a", "disaster", ".", "[SEP]"];

pub(super) fn view(run: Run) -> impl IntoView {
    let token = |token: &'static str| {
        let is_sign = token.starts_with('[');
        view! { <li class:sign=is_sign>{token}</li> }
    };
    let lines = run.memo(standing);
    let line = |(when, what): (String, String)| view! { <tr><th scope="row">{when}</th><td>{what}</td></tr> };
    view! {
        <figure class="example">
            <blockquote>"Although the room was lovely, the shower was a disaster."</blockquote>
            <figcaption>
                "The first clause praises, the second blames, and "
                <b>"although"</b>
                " says that the second counts: the answer is " <b>"negative"</b>
                ". A model that only counts words of praise and of blame is right half of the time."
            </figcaption>
        </figure>
        <h3>"What the model reads"</h3>
        <ol class="tokens-read">{TOKENS.into_iter().map(token).collect_view()}</ol>
        <p class="help">"The model reads tokens: here words and signs. [CLS] stands at the beginning, and the answer is read there; [SEP] is the end."</p>
        <h3>"How often this run's model is right"</h3>
        {move || match lines.get() {
            Some(lines) => view! {
                <table class="plain task-standing" data-testid="learn-standing"><tbody>{lines.into_iter().map(line).collect_view()}</tbody></table>
            }
            .into_any(),
            None => view! { <p class="empty">"Known when the run is over."</p> }.into_any(),
        }}
        <p>"Which words decide you can find out yourself: " <a href="#try">"ask a model that is open"</a> "."</p>
    }
}
