//! Looking for the GPU and testing it: by the worker that is there, if it can, else by one of its own beside it, so that
//! what the page's worker does goes on.

use apt_bridge::adapter::describe;
use apt_bridge::{Command, DeviceReport, Message};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::link::Link;
use super::state::Lab;
use crate::engine::Program;

impl Lab {
    /// Asks for the report on the GPU; with `again` it is tested even if it has passed before.
    pub(crate) fn look_for_gpu(self, again: bool) {
        spawn_local(async move {
            let found = describe().await.ok();
            let needs_another = found.is_some() && self.program.get_value() == Program::Cpu;
            self.adapter.set(found);
            if needs_another {
                self.test_apart(again);
            } else {
                // Without an adapter any worker says why there is none.
                self.send(Command::Devices { again });
            }
        });
    }

    fn test_apart(self, again: bool) {
        let end = move |report: DeviceReport| {
            self.devices.set(Some(report));
            self.progress.set(None);
            // Later, for the worker's own message ends it.
            spawn_local(async move { self.tester.set_value(None) });
        };
        let fail = move |why: String| {
            let (adapter, why_not) = (self.adapter.get_untracked(), why.lines().next().map(str::to_owned));
            end(DeviceReport { adapter, why_not, simd: cfg!(target_feature = "simd128"), ..DeviceReport::default() });
        };
        let listen = move |message, _| match message {
            Message::Ready => self.tester.with_value(|tester| {
                if let Some(Err(why)) = tester.as_ref().map(|link| link.send(&Command::Devices { again }, &[])) {
                    fail(why);
                }
            }),
            Message::Progress { .. } => self.on_message(message, &[]),
            Message::Devices(report) => end(*report),
            Message::Fault(fault) => fail(fault.problem.to_string()),
            Message::Panic { report } => fail(report),
            // It is asked nothing else.
            _ => {}
        };
        match Link::start(Program::Gpu, listen, fail) {
            Ok(link) => self.tester.set_value(Some(link)),
            Err(why) => fail(why),
        }
    }
}
