//! The worker of a run: started, ended, and told what to do.

use std::time::Duration;

use apt_bridge::Command;
use apt_bridge::adapter::describe;
use apt_experiment::{Device, Problem};
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsValue;

use super::link::Link;
use super::state::{Engine, Lab};
use crate::engine::Program;
use crate::history::History;
use crate::hub::HubState;

/// How long the browser may take to say what adapter it has, before the worker is started as if it had none.
const ADAPTER_TIMEOUT: Duration = Duration::from_secs(1);

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

    /// Starts the worker once the browser has said what there is to compute on, or takes long to say so.
    pub(crate) fn start_first_worker(self) {
        let start = move || {
            if self.link.with_value(Option::is_none) {
                self.start_worker();
            }
        };
        if self.settings.with_untracked(|settings| settings.knobs.device == Device::Cpu) {
            start();
        }
        spawn_local(async move {
            self.adapter.set(describe().await.ok());
            start();
        });
        set_timeout(start, ADAPTER_TIMEOUT);
    }

    /// Starts a worker that can run what the settings say, in place of the one there may be.
    pub(crate) fn start_worker(self) {
        let device = self.settings.with_untracked(|settings| settings.knobs.device);
        self.program.set_value(self.adapter.with_untracked(|adapter| Program::for_device(device, adapter.as_ref())));
        self.start_program();
    }

    fn start_program(self) {
        self.engine.set(Engine::Loading);
        self.panic.set(None);
        self.hub.set(HubState::Idle);
        self.link.set_value(None);
        let fail = move |report| self.broken(report);
        let program = self.program.get_value();
        match Link::start(program, move |message, attachments| self.on_message(message, &attachments), fail) {
            Ok(link) => self.link.set_value(Some(link)),
            Err(why) => self.broken(why),
        }
    }

    /// Sends a command to the worker.
    pub(crate) fn send(self, command: Command) {
        self.send_with(command, Vec::new());
    }

    /// Sends a command with attachments to the worker, once it is loaded; where it needs the program with the GPU and the
    /// worker is the other, to one that takes its place.
    pub(crate) fn send_with(self, command: Command, attachments: Vec<JsValue>) {
        if self.program.get_value() == Program::Cpu && self.needs(&command) == Program::Gpu {
            self.program.set_value(Program::Gpu);
            match self.engine.get_untracked() {
                Engine::Ready => {
                    self.tell(&Command::Leave, &[]);
                    self.engine.set(Engine::Loading);
                }
                // Nothing was asked of the one that is being loaded.
                Engine::Loading if self.link.with_value(Option::is_some) => self.start_program(),
                // The first is about to be started, or has to be restarted by the user.
                Engine::Loading | Engine::Broken => {}
            }
        }
        if self.engine.get_untracked() == Engine::Loading {
            self.unsent.update_value(|unsent| unsent.push((command, attachments)));
            return;
        }
        self.tell(&command, &attachments);
    }

    fn needs(self, command: &Command) -> Program {
        let adapter = self.adapter.get_untracked();
        self.runs.with_untracked(|runs| Program::for_command(command, runs, adapter.as_ref()))
    }

    fn tell(self, command: &Command, attachments: &[JsValue]) {
        let is_broken = self.engine.get_untracked() == Engine::Broken;
        let sent = self.link.with_value(|link| match link {
            Some(link) if !is_broken => link.send(command, attachments),
            _ => Err("the worker is not running".to_owned()),
        });
        if let Err(what) = sent {
            self.report(Problem::new("the connection to the worker", what, "Restart the engine."));
        }
    }

    /// Starts the worker that takes the place of the one that has left.
    pub(crate) fn follow_worker(self) {
        // Later, for it is its own message that ends it.
        spawn_local(async move { self.start_program() });
    }

    /// If it was the program with the GPU that could not be started: starts the other, and returns true.
    pub(crate) fn does_without_gpu(self) -> bool {
        // The other may still be there, asked to leave.
        let program = self.link.with_value(|link| link.as_ref().map(Link::program));
        let program = program.unwrap_or(self.program.get_value());
        let gives_up = program == Program::Gpu && self.engine.get_untracked() == Engine::Loading;
        if gives_up {
            self.notice("The engine for the GPU could not be started. Runs on `auto` use the CPU.");
            self.adapter.set(None);
            self.program.set_value(Program::Cpu);
            self.follow_worker();
        }
        gives_up
    }

    /// Sends what waited for the worker to be loaded.
    pub(crate) fn send_unsent(self) {
        let unsent = self.unsent.try_update_value(std::mem::take);
        for (command, attachments) in unsent.unwrap_or_default() {
            self.send_with(command, attachments);
        }
    }
}
