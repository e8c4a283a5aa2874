//! The sheet that a chart is drawn on: redrawn when its plot, its size or the theme changes, with a line at the step that
//! a pointer or the arrow keys point to. Charts below one [`share_cursor`] point to the same step.

use leptos::html::Div;
use leptos::prelude::*;
use web_sys::{KeyboardEvent, PointerEvent};

use super::figure::theme;
use super::measured::size_of;
use super::state::Lab;
use crate::chart::{Drawing, Plot, Reading, moved, nearest, place_read};

/// Where the reader points to: a place on the horizontal axis.
#[derive(Clone, Copy)]
pub(crate) struct Cursor(RwSignal<Option<f64>>);

/// Lets all charts that are made below here point to the same step.
pub(crate) fn share_cursor() {
    provide_context(Cursor(RwSignal::new(None)));
}

impl Cursor {
    /// That of all charts here, or one of its own.
    pub(crate) fn here() -> Self {
        use_context().unwrap_or_else(|| Self(RwSignal::new(None)))
    }

    /// Points there.
    pub(crate) fn point_to(self, place: Option<f64>) {
        self.0.set(place);
    }

    /// Where it points to.
    pub(crate) fn get(self) -> Option<f64> {
        self.0.get()
    }
}

/// A plot that is shown, and where the reader is on it. A handle: copies are the same.
#[derive(Clone, Copy)]
pub(super) struct Shown {
    lab: Lab,
    pub(super) plot: RwSignal<Plot>,
    cursor: Cursor,
    /// The place that is read.
    place: Memo<Option<f64>>,
}

impl Shown {
    pub(super) fn new(lab: Lab, make: impl Fn() -> Plot + 'static) -> Self {
        let (plot, cursor) = (RwSignal::new(Plot::default()), Cursor::here());
        Effect::new(move || plot.set(make()));
        let place =
            Memo::new(move |_| plot.with(|plot| place_read(&plot.stops(), cursor.get().map(|at| plot.clamp(at)))));
        Self { lab, plot, cursor, place }
    }

    pub(super) fn title(self) -> String {
        self.plot.with(|plot| plot.title.clone())
    }

    pub(super) fn is_empty(self) -> bool {
        self.plot.with(Plot::is_empty)
    }

    /// The legend with the values at the place that is read, and what that place is called.
    pub(super) fn readings(self) -> (String, Vec<Reading>) {
        let at = self.place.get();
        self.plot.with(|plot| {
            let place = at.map_or_else(String::new, |at| format!("{} {at}", plot.across));
            (place, plot.readings(at.unwrap_or_default()))
        })
    }

    fn words(self) -> String {
        let at = self.place.get();
        self.plot.with(|plot| at.map_or_else(String::new, |at| plot.words_at(at)))
    }

    /// Moves by a key; `false` if the key moves nothing.
    fn by_key(self, key: &str) -> bool {
        let stops = self.plot.with_untracked(Plot::stops);
        let here = self.place.get_untracked().and_then(|at| nearest(&stops, at)).unwrap_or(0);
        let to = moved(here, stops.len(), key).and_then(|to| stops.get(to));
        if let Some(to) = to {
            self.cursor.0.set(Some(*to));
        }
        to.is_some()
    }
}

/// The sheet. `enlarge` is done on Enter.
pub(super) fn view(shown: Shown, enlarge: Option<Callback<()>>) -> impl IntoView {
    let Shown { lab, plot, cursor, .. } = shown;
    let (sheet, ink) = (NodeRef::<Div>::new(), NodeRef::<Div>::new());
    let size = size_of(sheet);
    let drawn = RwSignal::new(Drawing::default());
    Effect::new(move || {
        let ((width, height, font), theme) = (size.get(), theme(lab));
        let Some(ink) = ink.get() else { return };
        let drawing = plot.with(|plot| plot.drawing((width.max(120), height.max(60)), theme, font));
        ink.set_inner_html(&drawing.svg);
        drawn.set(Drawing { svg: String::new(), ..drawing });
    });
    let point = move |event: PointerEvent| {
        let Some(sheet) = sheet.get_untracked() else { return };
        let share = f64::from(event.offset_x()) / f64::from(sheet.client_width().max(1));
        let at = drawn.with_untracked(|drawn| drawn.value_at(share).max(drawn.range.0).min(drawn.range.1));
        if at.is_finite() {
            cursor.0.set(Some(at));
        }
    };
    // A finger that leaves the screen leaves its mark; a pointer takes it along.
    let leave = move |event: PointerEvent| {
        if event.pointer_type() == "mouse" {
            cursor.0.set(None);
        }
    };
    let press = move |event: KeyboardEvent| match (event.key().as_str(), enlarge) {
        ("Enter", Some(enlarge)) => {
            event.prevent_default();
            enlarge.run(());
        }
        (key, _) if shown.by_key(key) => event.prevent_default(),
        _ => {}
    };
    // What is read out must not change by itself.
    let hold = move |_| {
        if cursor.0.get_untracked().is_none() {
            cursor.0.set(shown.place.get_untracked());
        }
    };
    let filled = Memo::new(move |_| !shown.is_empty());
    let end = move |of: fn(&[f64]) -> Option<&f64>| move || plot.with(|plot| of(&plot.stops()).copied().unwrap_or(0.0));
    let line = move || {
        let at = shown.place.get().filter(|_| cursor.get().is_some());
        at.map_or(-1.0, |at| drawn.with(|drawn| drawn.place_of(at)))
    };
    view! {
        <div
            class="paper"
            node_ref=sheet
            role=move || filled.get().then_some("slider")
            tabindex=move || filled.get().then_some("0")
            aria-label=move || filled.get().then(|| shown.title())
            aria-description=move || filled.get().then(|| plot.with(Plot::summary))
            aria-valuemin=move || filled.get().then(end(<[f64]>::first))
            aria-valuemax=move || filled.get().then(end(<[f64]>::last))
            aria-valuenow=move || filled.get().then(|| shown.place.get().unwrap_or(0.0))
            aria-valuetext=move || filled.get().then(|| shown.words())
            on:pointerdown=point
            on:pointermove=point
            on:pointerleave=leave
            on:keydown=press
            on:focus=hold
            on:blur=move |_| cursor.0.set(None)
        >
            <div class="ink" aria-hidden="true" node_ref=ink></div>
            <span
                class="cursor"
                aria-hidden="true"
                class:unseen-line=move || line() < 0.0
                style:left=move || format!("{:.3}%", 100.0 * line())
            ></span>
        </div>
    }
}
