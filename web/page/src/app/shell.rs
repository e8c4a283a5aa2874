//! What surrounds every page: the way to the others, alerts, the theme.

use leptos::prelude::*;
use leptos::tachys::reactive_graph::OwnedView;
use wasm_bindgen::JsCast;

use super::pair::Pair;
use super::recording::Recording;
use super::state::{Engine, Lab, Page};
use super::{alerts, ask, browser, compare, device, lab_page, learn, present, share};

const THEME: &str = "theme";
const PREFERS_DARK: &str = "(prefers-color-scheme: dark)";

pub(crate) fn view(lab: Lab, recording: Recording, pair: Pair) -> impl IntoView {
    view! {
        <a class="skip" href="#main" on:click=skip>"Skip to the page"</a>
        <header class="head">
            <a class="brand" href="#lab">"APT Lab"</a>
            <nav aria-label="Pages">
                <ul>{Page::ALL.map(|page| link(lab, page)).collect_view()}</ul>
            </nav>
            {present::keys(lab)}
            <div class="head-buttons">
                {share::view(lab)}
                {present::view(lab)}
                {theme_button(lab)}
            </div>
        </header>
        <main id="main" tabindex="-1">
            {alerts::view(lab)}
            {move || {
                let page = lab.page.get();
                // What a page shares with its charts ends with it: a context outlives the signal in it.
                Owner::new().with(|| {
                    OwnedView::new(match page {
                        Page::Lab => lab_page::view(lab, recording, pair).into_any(),
                        Page::Compare => compare::view(lab).into_any(),
                        Page::Try => ask::view(lab).into_any(),
                        Page::Learn => learn::view(lab, recording).into_any(),
                        Page::Device => device::view(lab).into_any(),
                    })
                })
            }}
        </main>
        <footer class="foot">
            <p>
                "APT Lab prunes and tunes a transformer at once. Everything is computed in this browser; nothing is sent anywhere. "
                <span data-testid="engine">{move || engine(lab)}</span>
            </p>
        </footer>
    }
}

fn engine(lab: Lab) -> &'static str {
    match lab.engine.get() {
        Engine::Loading => "The engine is loading.",
        Engine::Ready => "The engine is ready.",
        Engine::Broken => "The engine has stopped.",
    }
}

fn link(lab: Lab, page: Page) -> impl IntoView {
    let address = format!("#{}", page.name());
    let current = move || (lab.page.get() == page).then_some("page");
    let name = format!("nav-{}", page.name());
    view! { <li><a href=address aria-current=current data-testid=name>{page.title()}</a></li> }
}

/// The fragment names the page, so the link moves the focus by itself.
fn skip(event: web_sys::MouseEvent) {
    event.prevent_default();
    let main = document().get_element_by_id("main").and_then(|main| main.dyn_into::<web_sys::HtmlElement>().ok());
    if let Some(main) = main {
        let _ = main.focus();
    }
}

/// Keeps [`Lab::dark`] at what the user chose, or else what the system prefers.
pub(crate) fn watch_theme(lab: Lab) {
    let chosen = browser::kept(THEME);
    lab.dark.set(chosen.as_deref().map_or_else(|| browser::media(PREFERS_DARK), |theme| theme == "dark"));
    if chosen.is_none()
        && let Ok(Some(list)) = window().match_media(PREFERS_DARK)
    {
        let changed = wasm_bindgen::closure::Closure::<dyn Fn()>::new(move || {
            if browser::kept(THEME).is_none() {
                lab.dark.set(browser::media(PREFERS_DARK));
            }
        });
        list.set_onchange(Some(changed.as_ref().unchecked_ref()));
        // It listens as long as the page lives.
        changed.forget();
    }
    Effect::new(move || {
        let theme = if lab.dark.get() { "dark" } else { "light" };
        if let Some(root) = document().document_element() {
            let _ = root.set_attribute("data-theme", theme);
        }
    });
}

fn theme_button(lab: Lab) -> impl IntoView {
    let toggle = move |_| {
        let dark = !lab.dark.get_untracked();
        browser::keep(THEME, if dark { "dark" } else { "light" });
        lab.dark.set(dark);
    };
    view! {
        <button type="button" class="button quiet theme" data-testid="theme" on:click=toggle>
            {move || if lab.dark.get() { "Light" } else { "Dark" }}
            <span class="unseen">" theme"</span>
        </button>
    }
}
