//! The answer of a finished run, above everything else of it.

use leptos::prelude::*;

use super::state::{Lab, Page};
use crate::outcome::Outcome;

pub(crate) fn view(lab: Lab) -> impl IntoView {
    let run = Memo::new(move |_| lab.run.with(|run| run.as_ref().map(|run| run.name.clone())));
    let outcome = Memo::new(move |_| {
        run.get();
        let done = lab.status.with(|status| status.done);
        lab.history.with_value(|history| history.record().filter(|_| done).and_then(Outcome::of))
    });
    move || {
        outcome.get().map(|outcome| {
            let line = |(name, words): (&'static str, String)| view! { <dt>{name}</dt> <dd>{words}</dd> };
            let (label, class) = match outcome.at_chance {
                true => ("At chance", "outcome at-chance"),
                false => ("What came out", "outcome"),
            };
            view! {
                <section class=class aria-labelledby="outcome-title" data-testid="outcome">
                    <h2 id="outcome-title">{label}</h2>
                    <p class="headline">{outcome.headline}</p>
                    <dl>{outcome.lines.into_iter().map(line).collect_view()}</dl>
                    <p class="buttons">
                        <button type="button" class="button primary" on:click=move |_| Page::Compare.open()>"Compare"</button>
                        <button type="button" class="button" on:click=move |_| Page::Try.open()>"Ask the model"</button>
                    </p>
                </section>
            }
        })
    }
}
