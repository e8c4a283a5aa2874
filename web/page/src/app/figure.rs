//! A chart on the page with its title, its legend and a way to enlarge it; `paper` draws it.

use leptos::html::Dialog;
use leptos::prelude::*;
use web_sys::MouseEvent;

use super::behind::Ghost;
use super::paper::{self, Shown};
use super::state::Lab;
use super::zoom::{Zoom, zoomed};
use crate::chart::{DARK, LIGHT, Plot, Reading, Theme};
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
    beside(lab, None, slot, name, plot, empty)
}

/// The same, before the run that it is compared with.
pub(crate) fn beside(
    lab: Lab,
    ghost: Option<Ghost>,
    slot: u64,
    name: &'static str,
    plot: fn(&History) -> Plot,
    empty: &'static str,
) -> impl IntoView {
    let (redraw, zoom) = (lab.redraw_signal(slot), use_context::<Zoom>());
    let make = move || {
        redraw.get();
        let plot = ghost.map_or_else(|| lab.history.with_value(plot), |ghost| ghost.plot(plot));
        zoomed(zoom, &[lab], plot)
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
    let ([baseline, run], zoom) = (runs, use_context::<Zoom>());
    let make = move || {
        for redraw in redraws {
            redraw.get();
        }
        let [behind, before] = names.map(|name| name.get());
        let plot = baseline
            .history
            .with_value(|first| run.history.with_value(|second| plot([(&behind, first), (&before, second)])));
        zoomed(zoom, &runs, plot)
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
    let shown = Shown::new(lab, make);
    let open = RwSignal::new(false);
    let has_any = Memo::new(move |_| !shown.is_empty());
    let title = move || shown.title();
    let button = move || {
        has_any.get().then(|| {
            view! {
                <button
                    type="button"
                    class="enlarge"
                    aria-label=move || format!("Enlarge: {}", shown.title())
                    data-testid=format!("{name}-enlarge")
                    on:click=move |_| open.set(true)
                >
                    <svg viewBox="0 0 16 16" aria-hidden="true">
                        <path d="M9 2h5v5M14 2 9 7M7 14H2V9M2 14l5-5" />
                    </svg>
                </button>
            }
        })
    };
    view! {
        <figure class="chart" data-testid=name>
            <figcaption>
                <span class="chart-title">{title}</span>
                {legend(lab, shown)}
                {button}
            </figcaption>
            {paper::view(shown, Some(Callback::new(move |()| open.set(true))))}
            {move || (!has_any.get()).then(|| view! { <p class="empty">{empty}</p> })}
            {enlarged(lab, shown, open, name)}
        </figure>
    }
}

/// The names of the curves and their values at the step that is pointed to, or the last.
fn legend(lab: Lab, shown: Shown) -> impl IntoView {
    let entry = move |reading: Reading| {
        let (colour, mark) = (theme(lab).css(reading.colour), reading.mark.class());
        view! {
            <li>
                <span class=format!("swatch {mark}") style:color=colour></span>
                {reading.name}
                <b>{reading.value.unwrap_or_default()}</b>
            </li>
        }
    };
    let entries = move || {
        let (place, readings) = shown.readings();
        let place = (!place.is_empty()).then(|| view! { <li class="place">{place}</li> });
        (place, readings.into_iter().map(entry).collect_view())
    };
    view! { <ul class="legend">{entries}</ul> }
}

/// The same chart as large as the window, while it is open.
fn enlarged(lab: Lab, shown: Shown, open: RwSignal<bool>, name: &'static str) -> impl IntoView {
    let dialog = NodeRef::<Dialog>::new();
    Effect::new(move || {
        if let Some(dialog) = dialog.get().filter(|dialog| open.get() && !dialog.open()) {
            // Refused only where the page is being left.
            let _ = dialog.show_modal();
        }
    });
    let close = move || dialog.get_untracked().iter().for_each(|dialog| dialog.close());
    // A press beside what it holds is one on the dialog itself.
    let beside = move |event: MouseEvent| {
        if event.target() == event.current_target() {
            close();
        }
    };
    let content = move || {
        open.get().then(|| {
            view! {
                <div class="sheet">
                    <p class="chart-head">
                        <span class="chart-title">{move || shown.title()}</span>
                        <button type="button" class="button" data-testid=format!("{name}-close") on:click=move |_| close()>
                            "Close"
                        </button>
                    </p>
                    {legend(lab, shown)}
                    {paper::view(shown, None)}
                </div>
            }
        })
    };
    view! {
        <dialog
            class="enlarged chart"
            node_ref=dialog
            aria-label=move || shown.title()
            data-testid=format!("{name}-large")
            on:close=move |_| open.set(false)
            on:click=beside
        >
            {content}
        </dialog>
    }
}
