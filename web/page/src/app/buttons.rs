//! Controls that several pages share.

use leptos::prelude::*;

use super::state::Lab;

/// Of a button that is never the one to press next.
pub(crate) fn never() -> bool {
    false
}

/// A button that stays in place and in focus when it cannot be used.
pub(crate) fn action(
    label: impl Into<String>,
    name: impl Into<String>,
    primary: impl Fn() -> bool + Send + Sync + 'static,
    enabled: impl Fn() -> bool + Copy + Send + Sync + 'static,
    act: impl Fn() + 'static,
) -> impl IntoView {
    let (label, name): (String, String) = (label.into(), name.into());
    let click = move |_| {
        if untrack(enabled) {
            act();
        }
    };
    view! {
        <button
            type="button"
            class="button"
            class:primary=primary
            data-testid=name
            aria-disabled=move || if enabled() { "false" } else { "true" }
            on:click=click
        >
            {label}
        </button>
    }
}

/// A lock beside what the address has locked.
pub(crate) fn lock_mark(lab: Lab, name: &'static str) -> impl IntoView {
    let locked = lab.settings.with_untracked(|settings| settings.is_locked(name));
    locked.then(|| {
        view! {
            <svg class="lock" viewBox="0 0 16 16" role="img" aria-label="locked by the address" data-testid=format!("lock-{name}")>
                <path d="M4 7V5a4 4 0 0 1 8 0v2h1v7H3V7zm2 0h4V5a2 2 0 0 0-4 0z"></path>
            </svg>
        }
    })
}
