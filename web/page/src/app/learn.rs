//! Learn: the method in eight steps, each beside the part of the real run that it explains.

use apt_experiment::Knobs;
use leptos::prelude::*;

use super::figure;
use super::state::{Engine, Lab, Page};
use crate::figures::{count, metric, milliseconds, or_nothing, plain, share};
use crate::history::History;
use crate::plots;

/// Steps of the run that the tour starts, in which the built-in model learns its task (METHOD §9).
const SHORT: usize = 128;

struct Step {
    title: &'static str,
    words: &'static str,
    live: fn(Lab) -> AnyView,
}

const STEPS: [Step; 8] = [
    Step {
        title: "Frozen layers with adapters",
        words: "Each linear layer keeps its pretrained weights W frozen. Beside it runs an adapter: two thin matrices A and B of rank r, so that the layer computes (W + s·B·A)·x. Only adapters and the classification head are trained, a small part of the whole.",
        live: adapters,
    },
    Step {
        title: "Masks",
        words: "A block is an attention head, a feed-forward neuron or a hidden dim. A mask stands on each: 1 lets it through, 0 silences it. Masks move in small steps, so that the model can adjust before a block is taken away for good.",
        live: masks,
    },
    Step {
        title: "Salience",
        words: "Which blocks matter? For each, activations are multiplied with their gradients: how much worse the loss would get without it. Activations with rare, large outliers (high kurtosis) are given more weight, since outliers carry what the model cannot do without.",
        live: salience,
    },
    Step {
        title: "Pruning points",
        words: "Now and then the blocks with the least salience per parameter are really removed: matrices become smaller, steps faster, memory less. The density falls along a curve until its target is reached.",
        live: points,
    },
    Step {
        title: "Growing ranks",
        words: "What is left must learn more. At pruning points the adapters that matter most get a higher rank, out of a budget that grows as the model shrinks. In the uniform arm all grow alike, in the static arm none does.",
        live: ranks,
    },
    Step {
        title: "A teacher",
        words: "While it shrinks, the student also learns from an earlier self: the same frozen weights with the adapters of that time. μ is the share of distillation in the loss; it rises from 0 to 1 while there is a teacher.",
        live: teacher,
    },
    Step {
        title: "The schedule",
        words: "Early pruning saves the most time, because most steps are then made on a small model. After pruning and distillation comes a stretch of plain tuning. Late, gradual and one-shot pruning are the arms to compare.",
        live: schedule,
    },
    Step {
        title: "Measuring",
        words: "At the end the compacted model is measured: its metric, its parameters, the time of an inference, beside the dense model on the same device. A mask of zeros would be no smaller and no faster; this one is.",
        live: measures,
    },
];

pub(crate) fn view(lab: Lab) -> impl IntoView {
    let at = RwSignal::new(0usize);
    let item = move |(place, step): (usize, &Step)| {
        view! {
            <li>
                <button
                    type="button"
                    class="button quiet"
                    data-testid=format!("learn-{}", place + 1)
                    aria-current=move || (at.get() == place).then_some("step")
                    on:click=move |_| at.set(place)
                >
                    {step.title}
                </button>
            </li>
        }
    };
    let last = STEPS.len() - 1;
    let go = move |by: isize| move |_| at.update(|at| *at = at.saturating_add_signed(by).min(last));
    view! {
        <div class="page learn" data-testid="page-learn">
            <h1>"Learn"</h1>
            {invitation(lab)}
            <div class="tour">
                <nav aria-label="Steps of the tour"><ol>{STEPS.iter().enumerate().map(item).collect_view()}</ol></nav>
                <article aria-live="polite">
                    {move || {
                        let step = &STEPS[at.get()];
                        view! {
                            <p class="aside">{format!("{} of {}", at.get() + 1, STEPS.len())}</p>
                            <h2>{step.title}</h2>
                            <p class="words">{step.words}</p>
                            <div class="live-part">{(step.live)(lab)}</div>
                        }
                    }}
                    <p class="buttons">
                        <button type="button" class="button" data-testid="learn-back" disabled=move || at.get() == 0 on:click=go(-1)>"Back"</button>
                        <button type="button" class="button primary" data-testid="learn-next" disabled=move || at.get() == last on:click=go(1)>"Next"</button>
                    </p>
                </article>
            </div>
        </div>
    }
}

/// Explains what the miniatures show, and starts a run where there is none.
fn invitation(lab: Lab) -> impl IntoView {
    let name = move || lab.run.with(|run| run.as_ref().map(|run| run.name.clone()));
    let start = move |_| {
        // The Lab's settings are not touched: whoever goes there finds what they left.
        let device = lab.settings.with_untracked(|settings| settings.knobs.device);
        lab.begin_with("apt", Knobs { steps: Some(SHORT), device, ..Knobs::default() });
    };
    move || match name() {
        Some(name) => view! { <p>"The pictures below are of " <b>{name}</b> ", as it is now."</p> }.into_any(),
        None => view! {
            <p class="line">
                <span>"There is no run yet, so the pictures below are empty."</span>
                <button
                    type="button"
                    class="button primary"
                    data-testid="learn-start"
                    disabled=move || lab.engine.get() != Engine::Ready
                    on:click=start
                >
                    "Prune the built-in model in a short run"
                </button>
            </p>
        }
        .into_any(),
    }
}

/// Something made from the history that is renewed as events come; `empty` while there is nothing to show.
fn live(lab: Lab, empty: &'static str, make: fn(&History) -> Option<AnyView>) -> AnyView {
    let redraw = lab.redraw_signal(0);
    let shown = move || {
        redraw.get();
        let made = lab.history.with_value(make);
        made.unwrap_or_else(|| view! { <p class="empty">{empty}</p> }.into_any())
    };
    view! { <div>{shown}</div> }.into_any()
}

/// Bars of one measure, the longest over the whole width.
fn bars(entries: Vec<(String, f64, String)>) -> AnyView {
    let most = entries.iter().map(|entry| entry.1).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let bar = |(name, value, words): (String, f64, String)| {
        view! {
            <tr>
                <th scope="row">{name}</th>
                <td><span class="bar" style:width=format!("{:.2}%", 100.0 * value.max(0.0) / most)></span></td>
                <td class="number">{words}</td>
            </tr>
        }
    };
    view! { <table class="plain bars"><tbody>{entries.into_iter().map(bar).collect_view()}</tbody></table> }.into_any()
}

fn adapters(lab: Lab) -> AnyView {
    live(lab, "A run counts its parameters when it begins.", |history| {
        let parameters = history.parameters?;
        let entry = |name: &str, number: u64| (name.to_owned(), number as f64, count(number));
        Some(bars(vec![
            entry("all weights", parameters.with_embeddings),
            entry("frozen, prunable", parameters.dense),
            entry("adapters", parameters.adapters),
            entry("trained", parameters.trainable),
        ]))
    })
}

fn masks(lab: Lab) -> AnyView {
    live(lab, "A run shows its heads when it begins.", |history| {
        let shape = &history.record()?.shape;
        let frame = history.frames.last()?;
        let row = |(layer, heads): (usize, &usize)| {
            let kept = frame.heads.get(layer).cloned().unwrap_or_default();
            let cell = |head: usize| view! { <span class="cell" class:gone=!kept.contains(&head)></span> };
            let words = format!("{} of {heads} heads", kept.len());
            view! {
                <tr>
                    <th scope="row">{format!("layer {layer}")}</th>
                    <td><span class="cells" aria-hidden="true">{(0..*heads).map(cell).collect_view()}</span></td>
                    <td class="number">{words}</td>
                </tr>
            }
        };
        let rows = shape.heads.iter().enumerate().map(row).collect_view();
        Some(view! { <table class="plain bars"><tbody>{rows}</tbody></table> }.into_any())
    })
}

fn salience(lab: Lab) -> AnyView {
    live(lab, "Scores come with the first pruning point.", |history| {
        let scores = history.frames.iter().rev().find_map(|frame| frame.scores.as_ref())?;
        let mut heads: Vec<(String, f64, String)> = Vec::new();
        for (layer, of_layer) in scores.layers.iter().enumerate() {
            let numbers = scores.of_heads.get(layer).into_iter().flatten();
            heads.extend(
                numbers
                    .zip(&of_layer.heads)
                    .map(|(head, score)| (format!("layer {layer}, head {head}"), *score, plain(*score))),
            );
        }
        heads.sort_by(|a, b| b.1.total_cmp(&a.1));
        heads.truncate(12);
        let step = scores.step;
        Some(
            view! { <p class="aside">{format!("The heads with the most salience at step {step}")}</p> {bars(heads)} }
                .into_any(),
        )
    })
}

fn points(lab: Lab) -> AnyView {
    figure::of_run(lab, 0, "learn-density", plots::density, "Nothing has been pruned yet.").into_any()
}

fn ranks(lab: Lab) -> AnyView {
    live(lab, "A run shows the ranks of its adapters when it begins.", |history| {
        let frame = history.frames.last()?;
        let first = history.adapters.first().map_or(0, |adapter| adapter.rank);
        let mut entries: Vec<_> =
            frame.ranks.iter().map(|(name, rank)| (name.clone(), *rank as f64, rank.to_string())).collect();
        entries.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        entries.truncate(12);
        Some(view! { <p class="aside">{format!("Ranks now, highest first; all began with {first}")}</p> {bars(entries)} }.into_any())
    })
}

fn teacher(lab: Lab) -> AnyView {
    view! {
        {figure::of_run(lab, 0, "learn-mu", plots::mu, "Distillation has not started.")}
        {figure::of_run(lab, 3, "learn-loss", plots::loss, "Nothing has been trained yet.")}
    }
    .into_any()
}

fn schedule(lab: Lab) -> AnyView {
    live(lab, "The parts of a run appear as it comes to them.", |history| {
        let steps = history.steps.max(1);
        if history.phases.is_empty() {
            return None;
        }
        let ends = history.phases.iter().skip(1).map(|(_, began)| *began).chain([history.step()]);
        let parts = history.phases.iter().zip(ends).map(|((phase, began), end)| {
            let made = end.saturating_sub(*began);
            (phase.name().to_owned(), made as f64, format!("{made} of {steps} steps, from step {began}"))
        });
        Some(bars(parts.collect()))
    })
}

fn measures(lab: Lab) -> AnyView {
    live(lab, "The run is measured when its training is over.", |history| {
        let record = history.record().filter(|_| history.done)?;
        let (measures, batch) = (&record.measures, &record.measures.inference.batch_32);
        let name = if measures.metric.name.is_empty() { "metric" } else { &measures.metric.name };
        let line = |what: String, dense: String, kept: String| {
            view! { <tr><th scope="row">{what}</th><td class="number">{dense}</td><td class="number">{kept}</td></tr> }
        };
        let dash = || crate::figures::NOTHING.to_owned();
        Some(
            view! {
                <table class="runs">
                    <thead><tr><th scope="col"></th><th scope="col" class="number">"dense"</th><th scope="col" class="number">"compacted"</th></tr></thead>
                    <tbody>
                        {line("parameters".to_owned(), or_nothing(measures.params.dense, count), or_nothing(measures.params.kept, count))}
                        {line("inference, batch 32".to_owned(), or_nothing(batch.dense_ms, milliseconds), or_nothing(batch.compact_ms, milliseconds))}
                        {line(format!("{name}, validation"), dash(), or_nothing(measures.metric.validation, metric))}
                        {line("density".to_owned(), share(1.0), or_nothing(record.density(), share))}
                    </tbody>
                </table>
                <p class="line">
                    <button type="button" class="button" on:click=move |_| Page::Compare.open()>"Compare runs"</button>
                    <button type="button" class="button" on:click=move |_| Page::Try.open()>"Ask the model"</button>
                </p>
            }
            .into_any(),
        )
    })
}
