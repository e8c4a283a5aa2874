//! Which of its two programs a worker is started with: the one that computes on the CPU alone, or the one that has WebGPU
//! too and is twice as much to load.

use apt_bridge::{Adapter, Command, RunState, StoredRun};
use apt_experiment::{Device, Study};

/// A program of the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// For the CPU.
    Cpu,
    /// For the GPU, and the CPU.
    Gpu,
}

impl Program {
    /// What its files are called, and by what `start-worker.js` knows which one is wanted.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "apt-worker",
            Self::Gpu => "apt-worker-gpu",
        }
    }

    /// What a run needs that asks for `device`, in a browser with this adapter.
    #[must_use]
    pub fn for_device(device: Device, adapter: Option<&Adapter>) -> Self {
        if adapter.is_some_and(|adapter| adapter.is_for(device)) { Self::Gpu } else { Self::Cpu }
    }

    /// What the command needs, if it is about a run that is not open yet. `stored` are the runs that the browser keeps.
    #[must_use]
    pub fn for_command(command: &Command, stored: &[StoredRun], adapter: Option<&Adapter>) -> Self {
        let needs = |device| Self::for_device(device, adapter) == Self::Gpu;
        let is_for_gpu = match command {
            Command::Start { run } => needs(run.knobs.device),
            Command::Time { knobs } => needs(knobs.device),
            Command::Open { run, .. } => {
                stored.iter().any(|of| of.name == *run && of.state != RunState::Done && needs(of.knobs.device))
            }
            // What cannot be resolved is refused by either.
            Command::Study { study, file, .. } => {
                Study::resolve(file, study).is_ok_and(|study| study.cells().iter().any(|cell| needs(cell.knobs.device)))
            }
            _ => false,
        };
        if is_for_gpu { Self::Gpu } else { Self::Cpu }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use apt_experiment::{Knobs, StudyFile};

    fn adapter(software: bool) -> Adapter {
        Adapter { software, ..Adapter::default() }
    }

    fn run(device: Device, state: RunState) -> StoredRun {
        let knobs = Knobs { device, ..Knobs::default() };
        StoredRun { state, ..StoredRun::new("one".into(), None, knobs, 0.0) }
    }

    #[test]
    fn without_an_adapter_nothing_asks_for_the_program_of_the_gpu() {
        for device in [Device::Auto, Device::Webgpu, Device::Cpu] {
            assert_eq!(Program::for_device(device, None), Program::Cpu, "{}", device.name());
        }
    }

    #[test]
    fn auto_takes_the_program_of_a_real_gpu_and_software_has_to_be_named() {
        let (real, software) = (adapter(false), adapter(true));
        let of = |device, adapter| Program::for_device(device, Some(adapter));
        assert_eq!(of(Device::Auto, &real), Program::Gpu);
        assert_eq!(of(Device::Auto, &software), Program::Cpu);
        assert_eq!(of(Device::Webgpu, &software), Program::Gpu);
        assert_eq!(of(Device::Cpu, &real), Program::Cpu);
    }

    #[test]
    fn a_command_asks_for_the_device_of_its_run_and_a_finished_run_for_none() {
        let real = adapter(false);
        let of = |command: Command, stored: &[StoredRun]| Program::for_command(&command, stored, Some(&real));
        let start = |device| Command::Start { run: Box::new(run(device, RunState::Loading)) };
        assert_eq!(of(start(Device::Auto), &[]), Program::Gpu);
        assert_eq!(of(start(Device::Cpu), &[]), Program::Cpu);
        let open = || Command::Open { run: "one".into(), running: true };
        assert_eq!(of(open(), &[run(Device::Webgpu, RunState::Closed)]), Program::Gpu);
        assert_eq!(of(open(), &[run(Device::Webgpu, RunState::Done)]), Program::Cpu);
        assert_eq!(of(Command::Pause, &[]), Program::Cpu);
    }

    #[test]
    fn a_study_asks_for_the_devices_of_its_cells() {
        let mut file = StudyFile::built_in("density").expect("a built-in study");
        let of = |file: &StudyFile| {
            let command =
                Command::Study { study: "density".into(), file: Box::new(file.clone()), retry: false, jobs: 1 };
            Program::for_command(&command, &[], Some(&adapter(false)))
        };
        assert_eq!(of(&file), Program::Gpu, "its runs are on `auto`");
        file.knobs.insert("device".into(), "cpu".into());
        assert_eq!(of(&file), Program::Cpu, "its runs are on the CPU");
    }
}
