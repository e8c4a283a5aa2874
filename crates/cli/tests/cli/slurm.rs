//! A study through a real Slurm: controller and node daemon are started here, on loopback, and taken down again.
//!
//! Where Slurm is not installed the test prints that it did not run, and fails if `APT_REQUIRE_SLURM` is set, as
//! `cargo xtask test` sets it wherever it found or installed the packages.

use crate::program::{Finished, finished, program};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// How long the cluster may take for one change of state before the test fails with its logs.
const WAIT_TIMEOUT: Duration = Duration::from_secs(180);
/// The study's cells: two seeds of the baseline and two arms.
const STUDY: &str = r#"
summary = "Ranks through Slurm"
seeds = 2
[knobs]
model = "nano"
steps = 600
train_examples = 64
batch_size = 8
max_length = 16
checkpoint_every = 20
eval_every = 300
device = "cpu"
[[axes]]
name = "ranks"
arms = ["tuning-static", "tuning-uniform"]
"#;

/// Munge, controller and node daemon in a folder of their own.
struct Cluster {
    root: PathBuf,
}

impl Cluster {
    fn start(root: &Path) -> Self {
        let host = output(Command::new("hostname"));
        let at = |name: &str| root.join(name).display().to_string();
        fs::write(root.join("munge.key"), [7u8; 1024]).expect("it can be written");
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(root.join("munge.key"), private).expect("it can be made private");
        for folder in ["state", "spool"] {
            fs::create_dir(root.join(folder)).expect("a folder can be made");
        }
        let conf = format!(
            "ClusterName=apt\nSlurmctldHost={host}(127.0.0.1)\nSlurmUser=root\nSlurmdUser=root\n\
             AuthType=auth/munge\nAuthInfo=socket={}\nCredType=cred/munge\nSlurmctldPort={}\nSlurmdPort={}\n\
             StateSaveLocation={}\nSlurmdSpoolDir={}\nSlurmctldPidFile={}\nSlurmdPidFile={}\n\
             SlurmctldLogFile={}\nSlurmdLogFile={}\nProctrackType=proctrack/pgid\nTaskPlugin=task/none\n\
             SwitchType=switch/none\nMpiDefault=none\nSelectType=select/cons_tres\nSelectTypeParameters=CR_CPU\n\
             JobAcctGatherType=jobacct_gather/none\nAccountingStorageType=accounting_storage/none\n\
             ReturnToService=2\nKillWait=2\nSchedulerParameters=sched_interval=2\n\
             NodeName=apt NodeHostname={host} NodeAddr=127.0.0.1 CPUs={} State=UNKNOWN\n\
             PartitionName=debug Nodes=apt Default=YES MaxTime=INFINITE State=UP\n",
            at("munge.sock"),
            free_port(),
            free_port(),
            at("state"),
            at("spool"),
            at("ctld.pid"),
            at("slurmd.pid"),
            at("ctld.log"),
            at("slurmd.log"),
            std::thread::available_parallelism().map_or(1, usize::from).min(2),
        );
        fs::write(root.join("slurm.conf"), conf).expect("it can be written");
        let version = if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
            "autodetect\nIgnoreSystemd=yes"
        } else {
            "cgroup/v1"
        };
        fs::write(root.join("cgroup.conf"), format!("CgroupPlugin={version}\n")).expect("it can be written");
        let cluster = Self { root: root.into() };
        let munge = [
            ("key-file", "munge.key"),
            ("socket", "munge.sock"),
            ("pid-file", "munge.pid"),
            ("seed-file", "munge.seed"),
            ("log-file", "munge.log"),
        ];
        let munge: Vec<String> = munge.iter().map(|(flag, file)| format!("--{flag}={}", at(file))).collect();
        cluster.run_tool(Command::new("munged").arg("--force").args(munge));
        cluster.run_tool(Command::new("slurmctld").arg("-c"));
        cluster.run_tool(Command::new("slurmd").args(["-N", "apt"]));
        cluster.wait_until("an idle node", || cluster.query(&["sinfo", "-h", "-o", "%T"]).contains("idle"));
        cluster
    }

    /// Runs a command of Slurm; it must succeed.
    fn run_tool(&self, command: &mut Command) -> String {
        let ran = finished(command.env("SLURM_CONF", self.root.join("slurm.conf")).output().expect("it is installed"));
        assert_eq!(ran.status, 0, "{command:?}: {}{}\n{}", ran.out, ran.err, self.logs(&self.root));
        ran.out
    }

    fn query(&self, words: &[&str]) -> String {
        self.run_tool(Command::new(words[0]).args(&words[1..]))
    }

    /// What the controller, the node and the tasks wrote.
    fn logs(&self, tasks: &Path) -> String {
        let files = [&self.root, tasks].into_iter().flat_map(fs::read_dir).flatten().flatten().map(|file| file.path());
        let logs = files.filter(|file| file.extension().is_some_and(|kind| kind == "log"));
        logs.map(|log| format!("{}:\n{}\n", log.display(), fs::read_to_string(&log).unwrap_or_default())).collect()
    }

    fn wait_until(&self, what: &str, holds: impl Fn() -> bool) {
        let began = Instant::now();
        while !holds() {
            assert!(began.elapsed() < WAIT_TIMEOUT, "no {what} after {WAIT_TIMEOUT:?}:\n{}", self.logs(&self.root));
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for pid in ["slurmd.pid", "ctld.pid", "munge.pid"] {
            if let Ok(pid) = fs::read_to_string(self.root.join(pid)) {
                let _ = Command::new("kill").arg(pid.trim()).status();
            }
        }
    }
}

fn output(command: Command) -> String {
    let mut command = command;
    String::from_utf8_lossy(&command.output().expect("it runs").stdout).trim().to_owned()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port()
}

fn has_slurm() -> bool {
    let there = |tool: &str| Command::new(tool).arg("-V").output().is_ok();
    let all = ["sbatch", "slurmctld", "slurmd", "munged"].into_iter().all(there);
    let superuser = output({
        let mut id = Command::new("id");
        id.arg("-u");
        id
    }) == "0";
    assert!(
        (all && superuser) || std::env::var_os("APT_REQUIRE_SLURM").is_none(),
        "APT_REQUIRE_SLURM is set, and Slurm is not here"
    );
    if !(all && superuser) {
        eprintln!("NOT RUN: Slurm's daemons are not installed here, or this is not root, who starts them");
    }
    all && superuser
}

#[test]
fn a_study_runs_as_a_job_array_and_a_killed_task_is_requeued() {
    if !has_slurm() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder for the test");
    let slurm = dir.path().join("slurm");
    fs::create_dir(&slurm).expect("a folder can be made");
    let cluster = Cluster::start(&slurm);
    fs::write(dir.path().join("ranks.toml"), STUDY).expect("it can be written");
    let study = |more: &[&str]| -> Finished {
        let mut command = program(&[&["study", "ranks.toml", "--out", "s"], more].concat(), dir.path());
        finished(command.env("SLURM_CONF", slurm.join("slurm.conf")).output().expect("the program starts"))
    };
    let submitted = study(&["--slurm", "debug"]);
    assert!(submitted.status == 0 && submitted.out.contains("6 cells as job"), "{}{}", submitted.out, submitted.err);

    // A task that has saved and not ended is killed, as when its node is taken away, and goes back into the queue. Which of
    // those that run it is, Slurm does not say: all are.
    let running = || cluster.query(&["squeue", "-h", "-r", "-t", "R", "-o", "%i"]);
    let cells = dir.path().join("s/cells");
    let saved = |cell: &Path| fs::read_dir(cell.join("checkpoints")).is_ok_and(|c| c.count() > 0);
    let under_way = |cell: &Path| saved(cell) && !cell.join("record.json").exists();
    let victim = || fs::read_dir(&cells).into_iter().flatten().flatten().map(|c| c.path()).find(|c| under_way(c));
    cluster.wait_until("task that has saved", || victim().is_some() && !running().is_empty());
    let tasks: Vec<String> = running().lines().map(str::to_owned).collect();
    for task in &tasks {
        cluster.query(&["scontrol", "requeue", task]);
    }
    for task in &tasks {
        let state = || cluster.query(&["squeue", "-h", "-r", "-j", task, "-o", "%T"]);
        // One that ended before it could be killed is in the queue no more.
        cluster.wait_until("requeued task", || state().contains("PENDING") || state().is_empty());
        if state().contains("PENDING") {
            // Slurm would let it wait for two minutes.
            cluster.query(&["scontrol", "update", &format!("jobid={task}"), "StartTime=now"]);
        }
    }
    cluster.wait_until("empty queue", || cluster.query(&["squeue", "-h"]).trim().is_empty());

    let list = study(&["--list"]);
    let logs = || cluster.logs(&dir.path().join("s/slurm"));
    assert_eq!(list.out.lines().filter(|line| line.starts_with("done")).count(), 6, "{}\n{}", list.out, logs());
    let resumed = fs::read_dir(&cells).expect("cells").flatten().any(|cell| {
        fs::read_to_string(cell.path().join("events.jsonl")).is_ok_and(|e| e.contains("\"event\":\"resumed\""))
    });
    assert!(resumed, "the killed task started anew instead of resuming");
    let report = finished(program(&["report", "s"], dir.path()).output().expect("the program starts"));
    assert_eq!(report.status, 0, "{}", report.err);
    let again = study(&["--slurm", "debug"]);
    assert!(again.status == 0 && again.out.contains("no cell is left"), "{}{}", again.out, again.err);
}
