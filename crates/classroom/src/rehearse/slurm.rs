//! A plan graded by Slurm: munged, slurmctld and slurmd on this machine alone, a shard that is
//! killed and queued again, and one that is killed and left so until `merge` has missed it.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use fs_err::os::unix::fs::OpenOptionsExt;

use super::{Arguments, Stamp, conclude, judge, prepare, say, stamps, unchanged};
use crate::results::{BatchFile, Shard};
use crate::workspace::Workspace;

/// What has to be installed.
const PROGRAMS: [&str; 7] =
    ["munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol"];
/// How long the cluster may take for anything before the rehearsal gives up.
const PATIENCE: Duration = Duration::from_secs(1800);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Into how many shards the class is dealt.
const SHARDS: usize = 3;

/// Runs the rehearsal.
///
/// # Errors
///
/// The class cannot be made, or the cluster does not come up.
pub fn run(arguments: &Arguments, workspace: &Workspace) -> anyhow::Result<ExitCode> {
    if let Some(program) = PROGRAMS.into_iter().find(|program| find(program).is_none()) {
        say(&format!(
            "unsupported: there is no {program}; Debian's packages slurm-wlm and munge have it\n"
        ))?;
        return Ok(ExitCode::SUCCESS);
    }
    let dir = std::path::absolute(&arguments.dir)?;
    let count = arguments.submissions.unwrap_or(60);
    let class = prepare(workspace, &["tcp-echo"], count, &dir)?;
    let plan = dir.join("plan");
    let mut command = classroom("plan");
    command.arg(dir.join("class")).args(["--format", "slurm", "--jobs", "1"]);
    command.arg("--out").arg(&plan).arg("--roster").arg(dir.join("roster.csv"));
    command.args(["--module", "tcp-echo", "--seed", &arguments.seed.to_string()]);
    command.args(["--per-shard", &(count + 1).div_ceil(SHARDS).to_string()]);
    said(&mut command)?;
    let cluster = Cluster::start()?;
    let began = Instant::now();
    let mut problems = Vec::new();
    let results = plan.join("results");
    let job = cluster.submit(&plan, &format!("1-{SHARDS}"))?;
    // The first is killed by being queued again, which also starts it again.
    let kept = cluster.wait_for(&results, 1)?;
    cluster.ask("scontrol", &["requeue", &format!("{job}_1")])?;
    say(&format!("shard 1 killed and queued again after {} results\n", kept.len()))?;
    // The last is killed, and nobody starts it.
    let last_kept = cluster.wait_for(&results, SHARDS)?;
    cluster.ask("scancel", &[&format!("{job}_{SHARDS}")])?;
    say(&format!("shard {SHARDS} killed after {} results\n", last_kept.len()))?;
    cluster.wait_for_the_end()?;
    unchanged(&results, &kept, &mut problems)?;
    unchanged(&results, &last_kept, &mut problems)?;
    let out = dir.join("results-merged");
    let first = merge(&results, &out)?;
    let missed = format!("shard {SHARDS} of {SHARDS} is not at its end");
    if first.status.code() != Some(1) || !text(&first).contains(&missed) {
        problems.push(format!("merge does not miss shard {SHARDS}: {}", text(&first)));
    }
    cluster.submit(&plan, &SHARDS.to_string())?;
    cluster.wait_for_the_end()?;
    unchanged(&results, &last_kept, &mut problems)?;
    let whole = merge(&results, &out)?;
    say(&text(&whole))?;
    if !whole.status.success() {
        problems.push(format!("merge ended with {}", whole.status));
    }
    starts(&plan, &mut problems)?;
    let cpu_ms = judge(&class, &out, &mut problems)?;
    drop(cluster);
    say(&format!(
        "{count} submissions by Slurm in {SHARDS} shards: {:.0} s, {} s of processor time\n",
        began.elapsed().as_secs_f64(),
        cpu_ms / 1000,
    ))?;
    conclude(&problems)
}

/// Each shard's log says how often it was started.
fn starts(plan: &Path, problems: &mut Vec<String>) -> anyhow::Result<()> {
    for (shard, expected) in [(1, 2), (2, 1), (3, 2)] {
        let log = fs_err::read_to_string(plan.join(format!("logs/shard-{shard}.log")))?;
        let count = log.lines().filter(|line| line.starts_with("shard ")).count();
        if count != expected {
            problems.push(format!("shard {shard} was started {count} times, not {expected}"));
        }
    }
    Ok(())
}

fn merge(results: &Path, out: &Path) -> anyhow::Result<Output> {
    classroom("merge").arg(results).arg("--out").arg(out).output().context("start merge")
}

/// One of this program's own commands. Its real path, since a plan keeps it.
fn classroom(command: &str) -> Command {
    let program = std::env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into());
    let mut own = Command::new(program);
    own.arg(command).stdin(Stdio::null());
    own
}

fn text(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{out}{err}")
}

/// What the command prints, if it ends well.
fn said(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} ended with {}: {}", output.status, text(&output));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Daemons stand where the PATH of most users does not lead.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// A cluster of this machine, which nobody outside of it reaches; gone with this value.
struct Cluster {
    /// In the order in which they were started.
    daemons: Vec<(&'static str, Child)>,
    folder: tempfile::TempDir,
}

impl Cluster {
    fn start() -> anyhow::Result<Self> {
        // A socket's path is short, so the folder is not below the class's.
        let folder = tempfile::Builder::new().prefix("slurm-").tempdir()?;
        // munged wants all to reach its socket.
        fs_err::set_permissions(folder.path(), PermissionsExt::from_mode(0o755))?;
        let mut cluster = Self { daemons: Vec::new(), folder };
        cluster.configure()?;
        let at = |name: &str| cluster.path(name);
        let mut munged = Command::new(find("munged").context("find munged")?);
        munged.args(["--foreground", "--force", "--num-threads=2"]);
        for (option, file) in [
            ("--socket", "munge.socket"),
            ("--key-file", "munge.key"),
            ("--pid-file", "munged.pid"),
            ("--seed-file", "munged.seed"),
        ] {
            munged.arg(format!("{option}={}", at(file).display()));
        }
        cluster.daemon("munged", munged)?;
        cluster.until("munged has no socket", |cluster| cluster.path("munge.socket").exists())?;
        for name in ["slurmctld", "slurmd"] {
            let mut command = Command::new(find(name).with_context(|| format!("find {name}"))?);
            command.arg("-D").arg("-f").arg(cluster.path("slurm.conf"));
            cluster.daemon(name, command)?;
        }
        cluster.until("no node is idle", |cluster| {
            let answer = cluster.ask("sinfo", &["--noheader", "--format=%T"]);
            answer.is_ok_and(|answer| answer.lines().any(|state| state == "idle"))
        })?;
        Ok(cluster)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn configure(&self) -> anyhow::Result<()> {
        let mut key = vec![0; 1024];
        let mut random = fs_err::File::open("/dev/urandom")?;
        std::io::Read::read_exact(&mut random, &mut key)?;
        let mut options = fs_err::OpenOptions::new();
        options.create_new(true).write(true).mode(0o400);
        std::io::Write::write_all(&mut options.open(self.path("munge.key"))?, &key)?;
        for folder in ["state", "spool"] {
            fs_err::create_dir(self.path(folder))?;
        }
        let host = fs_err::read_to_string("/proc/sys/kernel/hostname")?;
        let host = host.trim().split('.').next().unwrap_or("localhost").to_owned();
        let user = said(Command::new("id").arg("--user").arg("--name"))?;
        let cpus = thread::available_parallelism().map_or(1, usize::from);
        // Both are taken at the same time, so that they differ.
        let ports = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
        let [controller, node] = [ports[0].local_addr()?.port(), ports[1].local_addr()?.port()];
        let here = self.folder.path().display();
        // The scripts ask for memory that this machine need not have: the submissions are small.
        let text = format!(
            "ClusterName=rehearsal\nSlurmctldHost={host}(127.0.0.1)\n\
             SlurmUser={user}\nSlurmdUser={user}\n\
             SlurmctldPort={controller}\nSlurmdPort={node}\n\
             CommunicationParameters=NoInAddrAny,NoCtldInAddrAny\n\
             AuthType=auth/munge\nAuthInfo=socket={here}/munge.socket,cred_expire=5\n\
             StateSaveLocation={here}/state\nSlurmdSpoolDir={here}/spool\n\
             SlurmctldPidFile={here}/slurmctld.pid\nSlurmdPidFile={here}/slurmd.pid\n\
             ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nMpiDefault=none\n\
             SelectType=select/cons_tres\nSelectTypeParameters=CR_CPU\n\
             ReturnToService=2\nKillWait=2\nSlurmdParameters=config_overrides\n\
             NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=65536 State=UNKNOWN\n\
             PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP\n"
        );
        Ok(fs_err::write(self.path("slurm.conf"), text)?)
    }

    fn daemon(&mut self, name: &'static str, mut command: Command) -> anyhow::Result<()> {
        let log = fs_err::File::create(self.path(&format!("{name}.log")))?.into_parts().0;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("start {name}"))?;
        self.daemons.push((name, child));
        Ok(())
    }

    fn until(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) -> anyhow::Result<()> {
        let until = Instant::now() + Duration::from_secs(60);
        while !is_so(self) {
            for (name, child) in &mut self.daemons {
                if let Some(status) = child.try_wait()? {
                    let log = self.folder.path().join(format!("{name}.log"));
                    bail!("{name} ended with {status}: {}", fs_err::read_to_string(log)?);
                }
            }
            if Instant::now() > until {
                let mut logs = String::new();
                for (name, _) in &self.daemons {
                    let log = self.path(&format!("{name}.log"));
                    logs.push_str(&fs_err::read_to_string(log).unwrap_or_default());
                }
                bail!("{what} after a minute; the daemons say:\n{logs}");
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    fn ask(&self, program: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(program);
        said(command.args(arguments).env("SLURM_CONF", self.path("slurm.conf")))
    }

    /// Starts these shards and returns the job's number.
    fn submit(&self, plan: &Path, shards: &str) -> anyhow::Result<String> {
        let script = plan.join("grade.sbatch");
        let array = format!("--array={shards}");
        self.ask("sbatch", &["--parsable", &array, &script.to_string_lossy()])
    }

    /// Waits until this shard has begun and is not at its end, and returns what it has graded.
    fn wait_for(&self, results: &Path, index: usize) -> anyhow::Result<BTreeMap<PathBuf, Stamp>> {
        let shard = Shard { index, count: SHARDS };
        let file = results.join(BatchFile::file_name(Some(shard)));
        let until = Instant::now() + PATIENCE;
        loop {
            if file.is_file() {
                let of_shard = BatchFile::load(&file)?.submissions;
                let name = |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into());
                let mut graded = stamps(results)?;
                graded.retain(|path, _| name(path).is_some_and(|name| of_shard.contains(&name)));
                if graded.len() >= 3 {
                    return Ok(graded);
                }
            }
            if Instant::now() > until {
                bail!("shard {index} does not begin; {}", self.ask("squeue", &[])?);
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    fn wait_for_the_end(&self) -> anyhow::Result<()> {
        let until = Instant::now() + PATIENCE;
        while !self.ask("squeue", &["--noheader"])?.is_empty() {
            if Instant::now() > until {
                bail!("the shards do not end; {}", self.ask("squeue", &[])?);
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // What fails here fails because it is gone already.
        if self.daemons.len() > 1 {
            _ = self.ask("scancel", &["--state=PENDING,RUNNING"]);
            let until = Instant::now() + Duration::from_secs(15);
            while Instant::now() < until
                && self.ask("squeue", &["--noheader"]).is_ok_and(|jobs| !jobs.is_empty())
            {
                thread::sleep(LOOK_EVERY);
            }
        }
        for (_, child) in self.daemons.iter_mut().rev() {
            if let Some(pid) =
                i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw)
            {
                _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
            let until = Instant::now() + Duration::from_secs(10);
            while Instant::now() < until && matches!(child.try_wait(), Ok(None)) {
                thread::sleep(LOOK_EVERY);
            }
            _ = child.kill();
            _ = child.wait();
        }
    }
}
