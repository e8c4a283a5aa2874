//! A question before work is thrown away or a run is put aside.

use leptos::html::Dialog;
use leptos::prelude::*;

/// A question that waits for its answer. A handle: copies are the same.
#[derive(Clone, Copy)]
pub(crate) struct Confirm {
    dialog: NodeRef<Dialog>,
    asked: RwSignal<Option<Asked>>,
}

#[derive(Clone)]
struct Asked {
    words: String,
    yes: &'static str,
    act: Callback<()>,
}

impl Confirm {
    pub(crate) fn new() -> Self {
        Self { dialog: NodeRef::new(), asked: RwSignal::new(None) }
    }

    /// Asks, and does it on yes. `words` say what will happen, `yes` what is done about it.
    pub(crate) fn ask(self, words: String, yes: &'static str, act: impl Fn() + Send + Sync + 'static) {
        self.asked.set(Some(Asked { words, yes, act: Callback::new(move |()| act()) }));
        if let Some(dialog) = self.dialog.get_untracked() {
            // It fails only where the dialogue is open already.
            let _ = dialog.show_modal();
        }
    }

    fn close(self) {
        if let Some(dialog) = self.dialog.get_untracked() {
            dialog.close();
        }
    }

    /// Where the question is shown.
    pub(crate) fn view(self) -> impl IntoView {
        let words = move || self.asked.with(|asked| asked.as_ref().map(|asked| asked.words.clone()));
        let label = move || self.asked.with(|asked| asked.as_ref().map(|asked| asked.yes));
        let yes = move |_| {
            self.close();
            if let Some(asked) = self.asked.get_untracked() {
                asked.act.run(());
            }
        };
        view! {
            <dialog class="confirm" node_ref=self.dialog aria-labelledby="confirm-words" data-testid="confirm">
                <p id="confirm-words">{words}</p>
                <p class="buttons">
                    <button type="button" class="button" data-testid="confirm-no" on:click=move |_| self.close()>"Cancel"</button>
                    <button type="button" class="button primary" data-testid="confirm-yes" on:click=yes>{label}</button>
                </p>
            </dialog>
        }
    }
}
