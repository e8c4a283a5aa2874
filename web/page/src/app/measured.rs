//! The size of an element and of its text, as they are now: what is drawn is drawn anew when they change.

use leptos::html::ElementType;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{Element, ResizeObserver};

/// Width, height and size of the text of an element in pixels; a width of 0 before it is shown.
pub(crate) fn size_of<E>(element: NodeRef<E>) -> RwSignal<(u32, u32, f64)>
where
    E: ElementType + 'static,
    E::Output: JsCast + Clone + AsRef<Element> + 'static,
{
    let size = RwSignal::new((0, 0, 16.0));
    Effect::new(move || {
        let Some(element) = element.get() else { return };
        let element = AsRef::<Element>::as_ref(&element).clone();
        let measured = element.clone();
        let measure = Closure::<dyn FnMut()>::new(move || {
            let font = window().get_computed_style(&measured).ok().flatten();
            let font = font.and_then(|style| style.get_property_value("font-size").ok());
            let font = font.and_then(|font| font.trim_end_matches("px").parse().ok()).unwrap_or(16.0);
            let now = (measured.client_width() as u32, measured.client_height() as u32, font);
            // A page that is not shown has no size; what is on it stays as it is.
            if now.0 > 0 && size.try_get_untracked().is_some_and(|before| before != now) {
                size.set(now);
            }
        });
        let Ok(observer) = ResizeObserver::new(measure.as_ref().unchecked_ref()) else { return };
        observer.observe(&element);
        let kept = StoredValue::new_local((observer, measure));
        on_cleanup(move || {
            kept.try_with_value(|(observer, _)| observer.disconnect());
        });
    });
    size
}
