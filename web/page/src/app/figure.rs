//! A chart on the page: drawn anew when what it reads changes, told in words to those who do not see it.

use leptos::html::Div;
use leptos::prelude::*;

use super::state::Lab;
use crate::chart::{DARK, LIGHT, Plot, Style, Theme};
use crate::history::History;

/// The colours of the present theme.
pub(crate) fn ink(lab: Lab) -> &'static Theme {
    if lab.dark.get() { &DARK } else { &LIGHT }
}

/// A chart of the run that is shown, redrawn as its events come, in its turn among the charts.
pub(crate) fn of_run(
    lab: Lab,
    place: u64,
    name: &'static str,
    plot: fn(&History) -> Plot,
    empty: &'static str,
) -> impl IntoView {
    let turn = lab.turn_of(place);
    let make = move || {
        turn.get();
        lab.history.with_value(plot)
    };
    figure(lab, name, make, empty)
}

/// A chart of whatever `make` reads. `empty` stands in its place while there is nothing to draw.
pub(crate) fn figure(
    lab: Lab,
    name: &'static str,
    make: impl Fn() -> Plot + 'static,
    empty: &'static str,
) -> impl IntoView {
    let paper = NodeRef::<Div>::new();
    let title = RwSignal::new(String::new());
    let words = RwSignal::new(String::new());
    let legend = RwSignal::new(Vec::<(String, String)>::new());
    Effect::new(move || {
        lab.width.track();
        let (plot, ink) = (make(), ink(lab));
        let Some(paper) = paper.get() else { return };
        let width = f64::from(paper.client_width()).max(200.0);
        let height = (0.42 * width).clamp(130.0, 240.0);
        paper.set_inner_html(&plot.svg((width as u32, height as u32), ink));
        let named = plot.curves.iter().filter(|curve| !curve.points.is_empty() && curve.style != Style::Faint);
        let entries: Vec<_> = named.map(|curve| (curve.name.clone(), ink.css(curve.colour))).collect();
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
            <div class="paper" role="img" aria-label=words node_ref=paper></div>
            {move || legend.with(Vec::is_empty).then(|| view! { <p class="empty">{empty}</p> })}
        </figure>
    }
}
