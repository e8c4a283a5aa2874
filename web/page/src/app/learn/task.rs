//! The task: a review, its tokens, and what the model answers before and after; of a decoder how well it knows what follows.

use leptos::prelude::*;

use super::Run;
use crate::learn::standing;

/// A review of the built-in task, cut as its tokenizer cuts it, with what the parts are for.
const TOKENS: [&str; 14] =
    ["[CLS]", "although", "the", "room", "was", "lovely", ",", "the", "shower", "was", "a", "disaster", ".", "[SEP]"];

/// The same as the built-in decoder's tokenizer cuts it.
const FOLLOWING: [&str; 14] = [
    "Although",
    " the",
    " room",
    " was",
    " lovely",
    ",",
    " the",
    " shower",
    " was",
    " a",
    " dis",
    "aster",
    ".",
    "<|endoftext|>",
];

pub(super) fn view(run: Run) -> impl IntoView {
    let writes = run.memo(|history| history.record().is_some_and(|record| record.config.predicts_tokens()));
    let lines = run.memo(standing);
    let line = |(when, what): (String, String)| view! { <tr><th scope="row">{when}</th><td>{what}</td></tr> };
    let heading = move || {
        if writes.get() {
            "How well this run's model knows what follows"
        } else {
            "How often this run's model is right"
        }
    };
    view! {
        {move || if writes.get() { following().into_any() } else { review().into_any() }}
        <h3>{heading}</h3>
        {move || match lines.get() {
            Some(lines) => view! {
                <table class="plain task-standing" data-testid="learn-standing"><tbody>{lines.into_iter().map(line).collect_view()}</tbody></table>
            }
            .into_any(),
            None => view! { <p class="empty">"Known when the run is over."</p> }.into_any(),
        }}
        {move || if writes.get() {
            view! { <p>"How that reads you can see yourself: " <a href="#try">"have a model that is open write"</a> "."</p> }.into_any()
        } else {
            view! { <p>"Which words decide you can find out yourself: " <a href="#try">"ask a model that is open"</a> "."</p> }.into_any()
        }}
    }
}

fn tokens(all: [&'static str; 14], is_sign: fn(&str) -> bool) -> impl IntoView {
    let token = move |token: &'static str| view! { <li class:sign=is_sign(token)>{token}</li> };
    view! {
        <h3>"What the model reads"</h3>
        <ol class="tokens-read">{all.into_iter().map(token).collect_view()}</ol>
    }
}

fn review() -> impl IntoView {
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
        {tokens(TOKENS, |token| token.starts_with('['))}
        <p class="help">"The model reads tokens: here words and signs. [CLS] stands at the beginning, and the answer is read there; [SEP] is the end."</p>
    }
}

fn following() -> impl IntoView {
    view! {
        <figure class="example">
            <blockquote>"Although the room was lovely, the shower was a disaster."</blockquote>
            <figcaption>
                "After every token the model says how likely each token is to follow. After “Although the room was” it cannot know which "
                "word comes, after “a disaster” a full stop is nearly certain. "
                <b>"Perplexity"</b>
                " is how unsure it is on average: at 3.5 as if it had to choose among 3.5 tokens each time. Less is better, and 1 would be never wrong."
            </figcaption>
        </figure>
        {tokens(FOLLOWING, |token| token.starts_with('<'))}
        <p class="help">"A token is a word with the blank before it, or a part of one. <|endoftext|> stands between texts and is learned, too: with it the model says that its text is over."</p>
    }
}
