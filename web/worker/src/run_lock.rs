//! One run, one tab: a run that is open in another tab of this browser cannot be opened or removed here, for each would
//! overwrite what the other saves.

use crate::{clock, port};
use futures::channel::oneshot;
use js_sys::{Function, Object, Promise, Reflect};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};

/// Holds a run for this tab until it is dropped. The browser releases it when the tab is closed.
pub(crate) struct RunLock {
    release: Option<Function>,
}

/// Milliseconds to wait for a run that is locked: a browser releases a lock a little after it was dropped.
const LOCK_TIMEOUT_MS: f64 = 500.0;

impl RunLock {
    /// Locks the run `name`; `None` if another tab has it. A browser without locks locks nothing and refuses nothing.
    pub(crate) async fn of(name: &str) -> Option<Self> {
        Self::named(&apt_bridge::run_lock(name)).await
    }

    /// Takes the browser's lock `name`, as [`Self::of`].
    pub(crate) async fn named(name: &str) -> Option<Self> {
        let began = clock::now();
        loop {
            let lock = Self::at_once(name).await;
            if lock.is_some() || clock::now() - began > LOCK_TIMEOUT_MS {
                return lock;
            }
            clock::yield_now().await;
        }
    }

    /// Takes the browser's lock `name` once nobody has it.
    pub(crate) async fn when_free(name: &str) -> Self {
        loop {
            if let Some(lock) = Self::named(name).await {
                return lock;
            }
            freed(name.to_owned()).await;
        }
    }

    async fn at_once(name: &str) -> Option<Self> {
        let Some((locks, request)) = requests() else { return Some(Self { release: None }) };
        let mut release = None;
        // The lock is held for as long as this promise is open.
        let held = Promise::new(&mut |resolve, _| release = Some(resolve));
        let (sender, answer) = oneshot::channel();
        let sender = Rc::new(RefCell::new(Some(sender)));
        let granted = Closure::once_into_js(move |lock: JsValue| -> JsValue {
            let got = !lock.is_null();
            if let Some(sender) = sender.borrow_mut().take() {
                // Whoever asked is waiting below.
                let _ = sender.send(got);
            }
            if got { held.into() } else { JsValue::NULL }
        });
        let options = Object::new();
        let asked = Reflect::set(&options, &"ifAvailable".into(), &true.into())
            .and_then(|_| request.call3(&locks, &name.into(), &options, &granted));
        // A request that the browser refuses outright is no reason to refuse the run.
        let got = if asked.is_ok() { answer.await.unwrap_or(true) } else { true };
        got.then_some(Self { release })
    }
}

/// Waits until nobody holds the browser's lock `name`; for ever where there are no locks.
pub(crate) async fn freed(name: String) {
    let (sender, answer) = oneshot::channel();
    let granted = Closure::once_into_js(move |_: JsValue| {
        // Whoever asked may not wait any more.
        let _ = sender.send(());
    });
    let asked =
        requests().is_some_and(|(locks, request)| request.call2(&locks, &JsValue::from_str(&name), &granted).is_ok());
    if !asked || answer.await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Whether this browser has locks for this page: where it is not served securely there are none.
pub(crate) fn are_there() -> bool {
    requests().is_some()
}

/// The browser's locks and their function `request`: the Web Locks API, which web-sys does not offer yet.
fn requests() -> Option<(JsValue, Function)> {
    let locks = Reflect::get(&port::scope().navigator(), &"locks".into()).ok()?;
    let request = Reflect::get(&locks, &"request".into()).and_then(JsValue::dyn_into::<Function>).ok()?;
    Some((locks, request))
}

impl Drop for RunLock {
    fn drop(&mut self) {
        if let Some(release) = &self.release {
            // Resolving a promise cannot fail.
            let _ = release.call0(&JsValue::NULL);
        }
    }
}
