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
        let began = clock::now();
        loop {
            let lock = Self::at_once(name).await;
            if lock.is_some() || clock::now() - began > LOCK_TIMEOUT_MS {
                return lock;
            }
            clock::yield_now().await;
        }
    }

    async fn at_once(name: &str) -> Option<Self> {
        // The Web Locks API, which web-sys does not offer yet.
        let locks = Reflect::get(&port::scope().navigator(), &"locks".into()).unwrap_or_default();
        let request = Reflect::get(&locks, &"request".into()).and_then(JsValue::dyn_into::<Function>);
        let Ok(request) = request else { return Some(Self { release: None }) };
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
            .and_then(|_| request.call3(&locks, &apt_bridge::run_lock(name).into(), &options, &granted));
        // A request that the browser refuses outright is no reason to refuse the run.
        let got = if asked.is_ok() { answer.await.unwrap_or(true) } else { true };
        got.then_some(Self { release })
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        if let Some(release) = &self.release {
            // Resolving a promise cannot fail.
            let _ = release.call0(&JsValue::NULL);
        }
    }
}
