//! The answer of a finished run, above everything else of it: what came out, what it is worth beside the study, and what
//! to do next.

use apt_report::FEWEST_SEEDS;
use leptos::prelude::*;

use super::buttons::action;
use super::pair::Pair;
use super::shipped::Shipped;
use super::state::{Lab, Page};
use crate::outcome::Outcome;
use crate::pair::{arm, knobs, study};
use crate::shipped::{Beside, Next, beside};

pub(crate) fn view(lab: Lab, pair: Pair) -> impl IntoView {
    let shipped = Shipped::here();
    let run = Memo::new(move |_| lab.run.with(|run| run.as_ref().map(|run| run.name.clone())));
    let outcome = Memo::new(move |_| {
        run.get();
        let done = lab.status.with(|status| status.done);
        lab.history.with_value(|history| {
            let record = history.record().filter(|_| done)?;
            Some((Outcome::of(record)?, shipped.read_for(&record.config, |brief| beside(brief, record)).flatten()))
        })
    });
    let next = Memo::new(move |_| {
        let is_at_chance = outcome.with(|outcome| outcome.as_ref().is_none_or(|(outcome, _)| outcome.at_chance));
        let run = lab.run.get().filter(|_| !is_at_chance)?;
        shipped.next(lab, &run)
    });
    move || {
        outcome.get().map(|(outcome, beside)| {
            let (label, class) = match outcome.at_chance {
                true => ("At chance", "outcome at-chance"),
                false => ("What came out", "outcome"),
            };
            view! {
                <section class=class aria-labelledby="outcome-title" data-testid="outcome">
                    <h2 id="outcome-title">{label}</h2>
                    <p class="headline">{outcome.headline}</p>
                    {facts(outcome.lines)}
                    {beside.map(|beside| told(beside, "beside"))}
                    <p class="buttons">
                        {move || next.get().map(|next| buttons(lab, pair, next))}
                        <button type="button" class="button" on:click=move |_| Page::Compare.open()>"Compare"</button>
                        <button type="button" class="button" on:click=move |_| Page::Try.open()>"Ask the model"</button>
                    </p>
                </section>
            }
        })
    }
}

/// What the study says of a run.
pub(super) fn told(Beside { lines, source }: Beside, name: &'static str) -> impl IntoView {
    let source = source.map(|source| view! { <p class="aside">{source}</p> });
    view! { <div class="beside" data-testid=name>{facts(lines)} {source}</div> }
}

/// A word for each, and what is to be said under it.
fn facts(lines: Vec<(&'static str, String)>) -> impl IntoView {
    let line = |(name, words): (&'static str, String)| view! { <dt>{name}</dt> <dd>{words}</dd> };
    view! { <dl>{lines.into_iter().map(line).collect_view()}</dl> }
}

/// What to do with a run: see it beside another arm; of an ablation, find out whether its difference is more than chance.
fn buttons(lab: Lab, pair: Pair, next: Next) -> impl IntoView {
    let Next { label, arms, settings, is_ablation } = next;
    let as_study = {
        let settings = settings.clone();
        move || {
            let arms = arms.map(arm);
            let [baseline, _] = knobs(&settings, arms);
            match lab.queue_study(study(&baseline, arms)) {
                Ok(queued) => {
                    lab.run_study(&queued, false);
                    Page::Compare.open();
                }
                Err(problem) => lab.report(problem),
            }
        }
    };
    let both = move || pair.begin_with(arms, &settings);
    let ready = move || pair.is_ready();
    let with_seeds = format!("Run it and APT with {FEWEST_SEEDS} seeds");
    view! {
        {is_ablation.then(|| action(with_seeds, "next-study", || true, ready, as_study))}
        {action(label, "next-pair", move || !is_ablation, ready, both)}
    }
}
