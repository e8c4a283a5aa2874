//! Models of the hub by name, and a gallery of some: asked about when the user says so, fetched when the user agrees to what
//! it would be.

use apt_bridge::{Command, HubNews, HubOffer};
use apt_experiment::{Explain, GALLERY, GalleryModel};
use apt_hub::{ENDPOINT, ModelName};
use leptos::prelude::*;
use wasm_bindgen::JsValue;

use super::browser;
use super::model_choice::is_fixed;
use super::state::{Engine, Lab};
use crate::figures::bytes;
use crate::hub::{HubState, facts, has_room, kept, of_hub};

/// Under which the page's own host may name a path at which a copy of the hub answers in its place; tests do.
const MIRROR: &str = "apt-lab-hub";

impl Lab {
    /// Takes in what the worker says of a model of the hub.
    pub(crate) fn on_hub(self, news: HubNews, attachments: &[JsValue]) {
        let after = self.hub.with_untracked(|state| state.after(&news));
        match (&after, news) {
            (_, HubNews::Here { model }) => self.choose_model(model),
            (HubState::Keeping(offer), _) => self.keep(Some(offer.model.clone()), attachments.to_vec()),
            _ => {}
        }
        self.hub.set(after);
    }

    fn choose_model(self, model: String) {
        self.settings.update(|settings| settings.knobs.model = model);
    }

    fn ask_hub(self, name: &str) {
        let name = name.trim();
        if let Err(error) = ModelName::parse(name) {
            self.report(error.problem());
            return;
        }
        self.hub.set(HubState::Asking);
        self.send(Command::AskHub { name: name.to_owned(), mirror: browser::kept(MIRROR) });
    }

    /// The model of the settings, if it is one of the hub that this browser has not.
    pub(crate) fn absent_model(self) -> Option<String> {
        let model = self.settings.with(|settings| settings.knobs.model.clone());
        let is_here = self.sets.with(|sets| sets.iter().any(|set| set.name == model));
        of_hub(&model).filter(|_| !is_here).map(|_| model)
    }

    /// Whether nothing can be asked of the hub now.
    fn is_hub_busy(self) -> bool {
        is_fixed(self, "model") || self.hub.with(HubState::is_busy)
    }
}

pub(crate) fn view(lab: Lab) -> impl IntoView {
    let typed = RwSignal::new(String::new());
    let act = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if !untrack(|| lab.is_hub_busy()) {
            lab.ask_hub(&typed.get_untracked());
        }
    };
    let host = ENDPOINT.trim_start_matches("https://");
    view! {
        <details class="elsewhere" data-testid="hub">
            <summary>"A model of the hub"</summary>
            <form class="line" on:submit=act>
                <label for="hub-name">"Name"</label>
                <input
                    type="text"
                    id="hub-name"
                    data-testid="hub-name"
                    placeholder="org/name"
                    autocomplete="off"
                    autocapitalize="none"
                    spellcheck="false"
                    disabled=move || is_fixed(lab, "model")
                    on:input=move |event| typed.set(event_target_value(&event))
                />
                <button type="submit" class="button" data-testid="hub-ask" disabled=move || lab.is_hub_busy()>"Look up"</button>
            </form>
            <p class="help">
                "Nothing is asked of " {host} " before you press Look up, and nothing is fetched before you have seen how \
                 much it is. It is then kept in this browser, until you remove it. "
                <code>"org/name@revision"</code>
                " is another branch, tag or commit than the newest. Some encoders, smallest first; of size and licence a \
                 model's page on the hub is what counts:"
            </p>
            <ul class="gallery">{GALLERY.iter().map(|model| listed(lab, model)).collect_view()}</ul>
        </details>
        {absent(lab)}
        {state(lab)}
    }
}

/// A model of the gallery: used where it is here, else looked up.
fn listed(lab: Lab, model: &'static GalleryModel) -> impl IntoView {
    let here = move || lab.sets.with(|sets| kept(model, sets).map(|set| set.name.clone()));
    let act = move |_| match untrack(here) {
        Some(name) => lab.choose_model(name),
        None => lab.ask_hub(model.name),
    };
    let verb = move || if here().is_some() { "Use" } else { "Look up" };
    view! {
        <li>
            <span class="card-name">{model.short()}</span>
            <span class="card-words">{facts(model)}</span>
            <button
                type="button"
                class="button quiet"
                data-testid=format!("gallery-{}", model.short())
                aria-label=move || format!("{} {}", verb(), model.name)
                title=model.name
                disabled=move || lab.is_hub_busy()
                on:click=act
            >
                {verb}
            </button>
        </li>
    }
}

/// A model of the hub that a link or a record names and this browser has not.
fn absent(lab: Lab) -> impl IntoView {
    let named = Memo::new(move |_| {
        let is_asked = lab.hub.with(|state| *state != HubState::Idle);
        lab.absent_model().filter(|_| lab.engine.get() == Engine::Ready && !is_asked)
    });
    move || {
        named.get().map(|model| {
            let name = model.clone();
            view! {
                <p class="with-remove aside" data-testid="hub-absent">
                    <span>"These settings name " {model} ", which is not in this browser."</span>
                    <button type="button" class="button" data-testid="hub-absent-ask" disabled=move || lab.is_hub_busy() on:click=move |_| lab.ask_hub(&name)>
                        "Look up"
                    </button>
                </p>
            }
        })
    }
}

/// What is said and can be done while something is asked of the hub. The buttons stay while numbers change.
fn state(lab: Lab) -> impl IntoView {
    let words = Memo::new(move |_| lab.hub.with(HubState::words));
    let offer = Memo::new(move |_| match lab.hub.get() {
        HubState::Offered(offer) => Some(offer),
        _ => None,
    });
    let can_stop = Memo::new(move |_| lab.hub.with(|hub| matches!(hub, HubState::Asking | HubState::Fetching { .. })));
    let is_fetching = Memo::new(move |_| lab.hub.with(|hub| matches!(hub, HubState::Fetching { .. })));
    view! {
        <div class="hub-state" class:shown=move || lab.hub.with(|hub| *hub != HubState::Idle) data-testid="hub-state">
            <p role="status" data-testid="hub-words">{words}</p>
            {move || is_fetching.get().then(|| progress(lab))}
            {move || offer.get().map(|offer| offered(lab, &offer))}
            {move || can_stop.get().then(|| {
                let stop = move |_| lab.send(Command::StopHub);
                view! {
                    <p class="buttons">
                        <button type="button" class="button" data-testid="hub-stop" on:click=stop>"Stop"</button>
                    </p>
                }
            })}
        </div>
    }
}

fn progress(lab: Lab) -> impl IntoView {
    let of = move |number: fn(u64, u64, &str) -> String| {
        move || {
            lab.hub.with(|hub| match hub {
                HubState::Fetching { offer, file, done } => number(*done, offer.bytes, file),
                _ => String::new(),
            })
        }
    };
    view! {
        <p data-testid="hub-progress">
            {of(|done, all, file| format!("{} of {} are here. {file}", bytes(done), bytes(all)))}
            <progress max=of(|_, all, _| all.to_string()) value=of(|done, _, _| done.to_string()) aria-label="Fetched"></progress>
        </p>
    }
}

fn offered(lab: Lab, offer: &HubOffer) -> impl IntoView + use<> {
    let fetch = move |_| {
        lab.hub.update(HubState::begin);
        lab.send(Command::FetchOffer);
    };
    let fits = has_room(offer);
    view! {
        <p class="buttons">
            <button
                type="button"
                class="button primary"
                data-testid="hub-fetch"
                disabled=move || !fits || is_fixed(lab, "model")
                on:click=fetch
            >
                {format!("Fetch {}", bytes(offer.bytes.saturating_sub(offer.done)))}
            </button>
            <button type="button" class="button" data-testid="hub-decline" on:click=move |_| lab.hub.set(HubState::Idle)>
                "Not now"
            </button>
        </p>
    }
}
