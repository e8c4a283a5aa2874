//! The worker of a run: started, ended, and told what to do.

use apt_bridge::Command;
use apt_experiment::Problem;
use leptos::prelude::*;
use wasm_bindgen::JsValue;

use super::link::Link;
use super::state::{Engine, Lab};
use crate::history::History;
use crate::hub::HubState;

impl Lab {
    /// Ends the worker, and with it what runs in it.
    pub(crate) fn stop_worker(self) {
        self.link.set_value(None);
        self.engine.set(Engine::Loading);
        self.progress.set(None);
        self.run.set(None);
        self.history.set_value(History::default());
        self.due();
    }

    /// Starts a worker, in place of the one there may be.
    pub(crate) fn start_worker(self) {
        self.engine.set(Engine::Loading);
        self.panic.set(None);
        self.hub.set(HubState::Idle);
        self.link.set_value(None);
        let fail = move |report| self.broken(report);
        match Link::start(move |message, attachments| self.on_message(message, &attachments), fail) {
            Ok(link) => self.link.set_value(Some(link)),
            Err(why) => self.broken(why),
        }
    }

    /// Sends a command to the worker.
    pub(crate) fn send(self, command: Command) {
        self.send_with(command, Vec::new());
    }

    /// Sends a command with attachments to the worker, once it is loaded.
    pub(crate) fn send_with(self, command: Command, attachments: Vec<JsValue>) {
        if self.engine.get_untracked() == Engine::Loading {
            self.unsent.update_value(|unsent| unsent.push((command, attachments)));
            return;
        }
        let is_broken = self.engine.get_untracked() == Engine::Broken;
        let sent = self.link.with_value(|link| match link {
            Some(link) if !is_broken => link.send(&command, &attachments),
            _ => Err("the worker is not running".to_owned()),
        });
        if let Err(what) = sent {
            self.report(Problem::new("the connection to the worker", what, "Restart the engine."));
        }
    }

    /// Sends what waited for the worker to be loaded.
    pub(crate) fn send_unsent(self) {
        let unsent = self.unsent.try_update_value(std::mem::take);
        for (command, attachments) in unsent.unwrap_or_default() {
            self.send_with(command, attachments);
        }
    }
}
