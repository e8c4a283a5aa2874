//! What came out: the small model beside the whole one, and questions.

use apt_experiment::Record;
use leptos::prelude::*;

use super::{Run, questions};
use crate::app::outcome::told;
use crate::app::shipped::Shipped;
use crate::figures::{bytes, count, milliseconds, share};
use crate::outcome::Outcome;
use crate::shipped::beside;

/// A measure of the whole and of the small model.
#[derive(Clone, PartialEq)]
struct Pair {
    name: &'static str,
    words: [String; 2],
    /// The small one's share of the whole.
    left: f64,
}

pub(super) fn view(run: Run) -> impl IntoView {
    let shipped = Shipped::here();
    let outcome = run.memo(|history| {
        let record = history.record().filter(|_| history.done)?;
        Some((Outcome::of(record)?.headline, pairs(record)))
    });
    let study = move || {
        run.version.track();
        run.lab.history.with_value(|history| {
            let record = history.record().filter(|_| history.done)?;
            shipped
                .read_for(&record.config, |brief| beside(brief, record))
                .flatten()
                .map(|beside| told(beside, "learn-beside"))
        })
    };
    move || {
        let measured = match outcome.get() {
            None => view! { <p class="empty">"The run is measured when its training is over."</p> }.into_any(),
            Some((headline, pairs)) => view! {
                <p class="headline" data-testid="learn-headline">{headline}</p>
                {study}
                <table class="plain measures" data-testid="learn-measures">
                    <thead>
                        <tr><td></td><th scope="col">"whole"</th><th scope="col">"pruned"</th><th scope="col">"what is left"</th></tr>
                    </thead>
                    <tbody>{pairs.into_iter().map(row).collect_view()}</tbody>
                </table>
                <p class="help">"Both models were measured on the same device, after training. Embeddings are not pruned, so a file shrinks less than the layers."</p>
                <p class="buttons">
                    <a class="button" href="#lab">"Prune it yourself in the Lab"</a>
                    <a class="button" href="#compare">"Compare runs"</a>
                    <a class="button" href="#try">"Ask a model"</a>
                </p>
            }
            .into_any(),
        };
        view! { {measured} {questions::view()} }
    }
}

fn row(pair: Pair) -> impl IntoView {
    let [whole, pruned] = pair.words;
    let width = format!("{:.2}%", 100.0 * pair.left.clamp(0.0, 1.0));
    view! {
        <tr>
            <th scope="row">{pair.name}</th>
            <td class="number">{whole}</td>
            <td class="number">{pruned}</td>
            <td class="left-cell"><span class="left-bar" aria-hidden="true"><span style:width=width></span></span> {share(pair.left)}</td>
        </tr>
    }
}

fn pairs(record: &Record) -> Vec<Pair> {
    let measures = &record.measures;
    let whole = |name: &'static str, pair: apt_experiment::DenseKept, show: fn(u64) -> String| {
        let (dense, kept) = (pair.dense.filter(|dense| *dense > 0)?, pair.kept?);
        Some(Pair { name, words: [show(dense), show(kept)], left: kept as f64 / dense as f64 })
    };
    let time = |name: &'static str, times: &apt_experiment::BatchTimes| {
        let (dense, kept) = (times.dense_ms.filter(|dense| *dense > 0.0)?, times.compact_ms?);
        Some(Pair { name, words: [milliseconds(dense), milliseconds(kept)], left: kept / dense })
    };
    let layers = apt_experiment::DenseKept { dense: measures.params.dense, kept: measures.params.kept };
    [
        whole("weights in the layers", layers, count),
        whole("multiplications for one text", measures.macs, count),
        time("time for one text", &measures.inference.batch_1),
        time("time for 32 texts", &measures.inference.batch_32),
        whole("size of the file", measures.file_bytes, bytes),
    ]
    .into_iter()
    .flatten()
    .collect()
}
