//! Share: the link that opens the lab for others as it is set here, what of it is locked or hidden for them, and its QR
//! code for the room.
//!
//! The dialogue works on a copy of the settings: what is locked for the room stays free for who shares it.

use std::collections::BTreeSet;

use apt_experiment::{KNOBS, Knob, MOST_SEEDS, is_own_model};
use leptos::html::Dialog;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::browser;
use super::state::{Lab, Page};
use crate::address::{self, JOBS, PRESET, SEEDS, STUDY, Settings, StudyChoice};
use crate::qr::Picture;
use crate::studies::offered;

/// What is being shared.
#[derive(Clone, Copy)]
struct Share {
    settings: RwSignal<Settings>,
    page: RwSignal<Page>,
    is_open: RwSignal<bool>,
}

impl Share {
    fn link(self) -> String {
        self.settings.with(|settings| address::link(&browser::address(), settings, self.page.get().name()))
    }
}

/// The button, and the dialogue that it opens.
pub(crate) fn view(lab: Lab) -> impl IntoView {
    let dialog = NodeRef::<Dialog>::new();
    let share = Share {
        settings: RwSignal::new(Settings::default()),
        page: RwSignal::new(Page::Lab),
        is_open: RwSignal::new(false),
    };
    let open = move |_| {
        share.settings.set(lab.settings.get_untracked());
        share.page.set(lab.page.get_untracked());
        share.is_open.set(true);
        if let Some(dialog) = dialog.get_untracked() {
            // It fails only where the dialogue is open already.
            let _ = dialog.show_modal();
        }
    };
    let close = move |_| {
        if let Some(dialog) = dialog.get_untracked() {
            dialog.close();
        }
    };
    view! {
        <button type="button" class="button quiet" data-testid="share" aria-haspopup="dialog" on:click=open>"Share"</button>
        <dialog
            class="share"
            node_ref=dialog
            aria-labelledby="share-title"
            data-testid="share-dialog"
            on:close=move |_| share.is_open.set(false)
        >
            <div class="share-head">
                <h2 id="share-title">"Share this lab"</h2>
                <button type="button" class="button" data-testid="share-close" on:click=close>"Close"</button>
            </div>
            {move || share.is_open.get().then(|| body(lab, share))}
        </dialog>
    }
}

fn body(lab: Lab, share: Share) -> impl IntoView {
    view! {
        <div class="share-body">
            <div class="share-code">{code(share)}</div>
            <div class="share-choices">
                {link(share)}
                {cautions(lab, share)}
                {opens(share)}
                {room(share)}
                <p class="aside">
                    <a href="LECTURE.md" target="_blank" rel="noopener">"Lessons of 10, 30 and 90 minutes"</a>
                    ": links, what to ask, what to expect."
                </p>
            </div>
        </div>
    }
}

fn code(share: Share) -> impl IntoView {
    let picture = Memo::new(move |_| Picture::of(&share.link()));
    move || match picture.get() {
        Some(Picture { size, path }) => view! {
            <svg
                class="qr"
                viewBox=format!("0 0 {size} {size}")
                role="img"
                aria-label="The link as a QR code"
                data-testid="share-qr"
                shape-rendering="crispEdges"
            >
                <rect width=size height=size fill="#fff"></rect>
                <path d=path fill="#000"></path>
            </svg>
        }
        .into_any(),
        None => view! { <p class="empty">"The link is too long for a QR code."</p> }.into_any(),
    }
}

fn link(share: Share) -> impl IntoView {
    let note = RwSignal::new("");
    let copy = move |_| {
        let link = untrack(|| share.link());
        spawn_local(async move {
            note.set(if browser::copy(&link).await { "Copied." } else { "Not copied: select the link by hand." });
        });
    };
    Effect::new(move || {
        share.settings.track();
        share.page.track();
        note.set("");
    });
    view! {
        <p class="share-link">
            <a href=move || share.link() target="_blank" rel="noopener" data-testid="share-link">{move || share.link()}</a>
        </p>
        <p class="buttons">
            <button type="button" class="button primary" data-testid="share-copy" on:click=copy>"Copy the link"</button>
            <span class="aside" role="status">{note}</span>
        </p>
    }
}

/// What others cannot open.
fn cautions(lab: Lab, share: Share) -> impl IntoView {
    let local = address::is_this_computer(&browser::host()).then_some(
        "This lab comes from your own computer: nobody else can open the link. Put the folder dist on any web host first.",
    );
    let files = move || {
        let dropped = |name: &String| lab.sets.with(|sets| sets.iter().any(|set| set.name == *name));
        let own = share.settings.with(|settings| {
            let model = &settings.knobs.model;
            let model = (!is_own_model(model) && dropped(model)).then(|| model.clone());
            [model, settings.knobs.data.clone()].into_iter().flatten().collect::<Vec<_>>()
        });
        (!own.is_empty()).then(|| {
            let words =
                format!("Others have to drop {} on the page themselves: it is not in the link.", own.join(" and "));
            view! { <p class="caution">{words}</p> }
        })
    };
    view! {
        {local.map(|words| view! { <p class="caution" data-testid="share-local">{words}</p> })}
        {files}
    }
}

/// Which page opens, and how.
fn opens(share: Share) -> impl IntoView {
    let page = |page: Page| {
        let chosen = move || share.page.get() == page;
        view! { <option value=page.name() selected=chosen>{page.title()}</option> }
    };
    let choose_page = move |event| {
        let name = event_target_value(&event);
        share.page.set(Page::ALL.into_iter().find(|page| page.name() == name).unwrap_or(Page::Lab));
    };
    let of_study = move || share.settings.with(|settings| settings.study.clone());
    let study = move |name: &'static str| {
        let chosen = move || of_study().is_some_and(|study| study.name == name);
        view! { <option value=name selected=chosen>{name}</option> }
    };
    let choose_study = move |event| {
        let name = event_target_value(&event);
        share.settings.update(|settings| {
            let seeds = settings.study.as_ref().and_then(|study| study.seeds);
            settings.study = (!name.is_empty()).then_some(StudyChoice { name, seeds });
        });
        if untrack(of_study).is_some() {
            share.page.set(Page::Compare);
        }
    };
    let choose_seeds = move |event| {
        let seeds = event_target_value(&event).parse().ok().filter(|seeds| (1..=MOST_SEEDS).contains(seeds));
        share.settings.update(|settings| {
            if let Some(study) = &mut settings.study {
                study.seeds = seeds;
            }
        });
    };
    let seeds = move || of_study().and_then(|study| study.seeds).map_or_else(String::new, |seeds| seeds.to_string());
    let present = move |event| share.settings.update(|settings| settings.present = event_target_checked(&event));
    view! {
        <fieldset class="share-opens">
            <legend>"The link opens"</legend>
            <label for="share-page">"Page"</label>
            <select id="share-page" data-testid="share-page" on:change=choose_page>
                {Page::ALL.map(page).collect_view()}
            </select>
            <label for="share-study">"Study"</label>
            <select id="share-study" data-testid="share-study" on:change=choose_study>
                <option value="">"none"</option>
                {offered().map(study).collect_view()}
            </select>
            <label for="share-seeds">"Seeds"</label>
            <input
                id="share-seeds"
                type="number"
                min="1"
                max=MOST_SEEDS
                data-testid="share-seeds"
                prop:value=seeds
                disabled=move || of_study().is_none()
                on:change=choose_seeds
            />
            <label class="switch share-wide">
                <input
                    type="checkbox"
                    data-testid="share-present"
                    prop:checked=move || share.settings.with(|settings| settings.present)
                    on:change=present
                />
                "as a presentation: large type, keys instead of a menu"
            </label>
        </fieldset>
    }
}

/// Which controls are locked or hidden for whoever opens the link.
fn room(share: Share) -> impl IntoView {
    let knobs = share.settings.get_untracked().knobs;
    let changed: BTreeSet<&str> =
        share.settings.with_untracked(|settings| settings.changed().iter().map(|knob| knob.name).collect());
    let (first, others): (Vec<&'static Knob>, Vec<_>) = KNOBS.iter().partition(|knob| changed.contains(knob.name));
    let of_knob = |knob: &'static Knob| row(share, knob.name, knob.text(&knobs));
    let preset = share.settings.with_untracked(|settings| settings.preset.name.to_owned());
    let count = move || {
        let (locked, hidden) = share.settings.with(|settings| (settings.locked.len(), settings.hidden.len()));
        format!("{locked} locked, {hidden} hidden")
    };
    view! {
        <details class="share-room" data-testid="share-room">
            <summary>"For the room " <span class="aside">{count}</span></summary>
            <p class="aside">"A locked setting is shown and cannot be changed; a hidden one is not shown."</p>
            <div class="scroll" tabindex="0" role="region" aria-label="Settings to lock or hide">
                <table class="plain">
                    <thead>
                        <tr>
                            <th scope="col">"setting"</th>
                            <th scope="col">"is"</th>
                            <th scope="col">"lock"</th>
                            <th scope="col">"hide"</th>
                        </tr>
                    </thead>
                    <tbody>
                        {row(share, PRESET, preset)}
                        {first.into_iter().map(of_knob).collect_view()}
                        {row(share, STUDY, String::new())}
                        {row(share, SEEDS, String::new())}
                        {row(share, JOBS, String::new())}
                        {others.into_iter().map(of_knob).collect_view()}
                    </tbody>
                </table>
            </div>
        </details>
    }
}

fn row(share: Share, name: &'static str, value: String) -> impl IntoView {
    let words = name.replace('_', " ");
    let of = |set: fn(&mut Settings) -> &mut BTreeSet<String>| {
        move |event| {
            share.settings.update(|settings| {
                match event_target_checked(&event) {
                    true => set(settings).insert(name.to_owned()),
                    false => set(settings).remove(name),
                };
            });
        }
    };
    let tick = |verb: &str, ticked: fn(&Settings, &str) -> bool, set: fn(&mut Settings) -> &mut BTreeSet<String>| {
        view! {
            <td>
                <input
                    type="checkbox"
                    aria-label=format!("{verb} {words}")
                    data-testid=format!("share-{verb}-{name}")
                    prop:checked=move || share.settings.with(|settings| ticked(settings, name))
                    on:change=of(set)
                />
            </td>
        }
    };
    let lock = tick("lock", Settings::is_locked, |settings| &mut settings.locked);
    let hide = tick("hide", Settings::is_hidden, |settings| &mut settings.hidden);
    view! { <tr><th scope="row">{words.clone()}</th><td class="aside">{value}</td>{lock}{hide}</tr> }
}
