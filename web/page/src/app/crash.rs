//! A panic of the page itself: shown in plain elements, since the program that draws the others is gone.

use leptos::prelude::document;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::Element;

use super::browser;

/// Shows panics from now on.
pub(crate) fn watch() {
    std::panic::set_hook(Box::new(|panic| {
        let stack = js_sys::Reflect::get(&js_sys::Error::new(""), &"stack".into()).ok();
        let report = format!("{panic}\n\n{}", stack.and_then(|stack| stack.as_string()).unwrap_or_default());
        leptos::logging::error!("{report}");
        // Without a document there is nothing to show it on.
        let _ = show(report);
    }));
}

fn show(report: String) -> Result<(), JsValue> {
    let element = |name: &str, class: &str, text: &str| -> Result<Element, JsValue> {
        let element = document().create_element(name)?;
        element.set_class_name(class);
        element.set_text_content(Some(text));
        Ok(element)
    };
    let shown = element("section", "crash", "")?;
    shown.set_attribute("role", "alertdialog")?;
    shown.set_attribute("aria-label", "The page has failed")?;
    shown.set_attribute("data-testid", "panic")?;
    shown.append_child(&*element("h2", "", "The page has failed")?)?;
    let words = "This is a defect of the lab. Runs are kept up to their last save: reload the page and resume.";
    shown.append_child(&*element("p", "", words)?)?;
    shown.append_child(&*element("pre", "", &report)?)?;
    let copy = element("button", "button", "Copy report")?;
    let reload = element("button", "button primary", "Reload the page")?;
    listen(&copy, move || {
        let report = report.clone();
        wasm_bindgen_futures::spawn_local(async move {
            browser::copy(&report).await;
        });
    })?;
    listen(&reload, || {
        let _ = leptos::prelude::window().location().reload();
    })?;
    for button in [&reload, &copy] {
        button.set_attribute("type", "button")?;
        shown.append_child(button)?;
    }
    // A second panic, brought on by the first, says nothing new.
    if document().query_selector(".crash")?.is_none()
        && let Some(body) = document().body()
    {
        body.prepend_with_node_1(&shown)?;
    }
    Ok(())
}

fn listen(button: &Element, act: impl FnMut() + 'static) -> Result<(), JsValue> {
    let act = Closure::<dyn FnMut()>::new(act);
    button.add_event_listener_with_callback("click", act.as_ref().unchecked_ref())?;
    // It must outlive this function, as the button does.
    act.forget();
    Ok(())
}
