//! A chart on the page: redrawn when what it reads changes, with a description for those who do not see it.

use leptos::html::Div;
use leptos::prelude::*;

use super::state::Lab;
use crate::chart::{DARK, LIGHT, Plot, Style, Theme};
use crate::history::History;
use crate::plots;

/// The colours of the present theme.
pub(crate) fn theme(lab: Lab) -> &'static Theme {
    if lab.dark.get() { &DARK } else { &LIGHT }
}

/// A chart of the run that is shown, redrawn as its events come, in its slot among the charts.
pub(crate) fn of_run(
    lab: Lab,
    slot: u64,
    name: &'static str,
    plot: fn(&History) -> Plot,
    empty: &'static str,
) -> impl IntoView {
    let redraw = lab.redraw_signal(slot);
    let make = move || {
        redraw.get();
        lab.history.with_value(plot)
    };
    figure(lab, name, make, empty)
}

/// A chart of two runs over each other, the first as the ghost of the second, redrawn as events of either come. `names`
/// are what each is called.
pub(crate) fn of_pair(
    runs: [Lab; 2],
    names: [Signal<String>; 2],
    slot: u64,
    name: &'static str,
    plot: fn(&History) -> Plot,
    empty: &'static str,
) -> impl IntoView {
    of_two(runs, names, slot, name, move |runs| plots::pair(plot, runs), empty)
}

/// What the second of two runs has more of the metric than the first.
pub(crate) fn of_difference(
    runs: [Lab; 2],
    names: [Signal<String>; 2],
    slot: u64,
    name: &'static str,
    empty: &'static str,
) -> impl IntoView {
    of_two(runs, names, slot, name, plots::difference, empty)
}

fn of_two(
    runs: [Lab; 2],
    names: [Signal<String>; 2],
    slot: u64,
    name: &'static str,
    plot: impl Fn([(&str, &History); 2]) -> Plot + 'static,
    empty: &'static str,
) -> impl IntoView {
    let redraws = runs.map(|lab| lab.redraw_signal(slot));
    let [baseline, run] = runs;
    let make = move || {
        for redraw in redraws {
            redraw.get();
        }
        let [behind, before] = names.map(|name| name.get());
        baseline
            .history
            .with_value(|first| run.history.with_value(|second| plot([(&behind, first), (&before, second)])))
    };
    figure(run, name, make, empty)
}

/// A chart of whatever `make` reads. `empty` stands in its place while there is nothing to draw.
pub(crate) fn figure(
    lab: Lab,
    name: &'static str,
    make: impl Fn() -> Plot + 'static,
    empty: &'static str,
) -> impl IntoView {
    let container = NodeRef::<Div>::new();
    let title = RwSignal::new(String::new());
    let words = RwSignal::new(String::new());
    let legend = RwSignal::new(Vec::<(String, String)>::new());
    Effect::new(move || {
        lab.width.track();
        let (plot, theme) = (make(), theme(lab));
        let Some(container) = container.get() else { return };
        let width = f64::from(container.client_width()).max(200.0);
        let height = (0.42 * width).clamp(130.0, 240.0);
        container.set_inner_html(&plot.svg((width as u32, height as u32), theme));
        let named = plot.curves.iter().filter(|curve| !curve.points.is_empty() && curve.style != Style::Faint);
        let entries: Vec<_> = named.map(|curve| (curve.name.clone(), theme.css(curve.colour))).collect();
        if legend.with_untracked(|legend| *legend != entries) {
            legend.set(entries);
        }
        if title.with_untracked(|title| *title != plot.title) {
            title.set(plot.title.clone());
        }
        words.set(plot.summary());
    });
    let entry = |(name, colour): (String, String)| {
        view! { <li><span class="swatch" style:background-color=colour></span>{name}</li> }
    };
    view! {
        <figure class="chart" data-testid=name>
            <figcaption>
                <span class="chart-title">{title}</span>
                <ul class="legend">{move || legend.get().into_iter().map(entry).collect_view()}</ul>
            </figcaption>
            <div class="paper" role="img" aria-label=words node_ref=container></div>
            {move || legend.with(Vec::is_empty).then(|| view! { <p class="empty">{empty}</p> })}
        </figure>
    }
}
