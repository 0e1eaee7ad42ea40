//! A server that is measured: started, asked where it listens, and ended with this value.

use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process_group};

use super::measure::wait_until;
use crate::build;
use crate::interrupt::Group;

/// How long a server may take until it listens.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// How often a server that does not say when it is ready is looked at.
const READY_PERIOD: Duration = Duration::from_millis(2);
/// What stands before the port in the line by which a server says where it listens.
const PORT_MARK: &str = "127.0.0.1:";

/// A running program, ended when this is dropped, when a signal ends the runner, and, where the
/// kernel is Linux, when the runner is killed.
pub struct Server {
    child: Child,
    _group: Group,
}

/// Where a program says on which port it listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announces {
    /// On standard output; what it writes to standard error is thrown away.
    Stdout,
    /// On standard error; what it writes to standard output is thrown away.
    Stderr,
}

impl Server {
    /// Starts a server that says where it listens, and waits until it does.
    ///
    /// # Errors
    ///
    /// It is not installed, ends, or says nothing in time.
    pub fn start(
        command: &mut Command,
        announces: Announces,
    ) -> anyhow::Result<(Self, SocketAddr)> {
        command.stdout(Stdio::null()).stderr(Stdio::null());
        match announces {
            Announces::Stdout => command.stdout(Stdio::piped()),
            Announces::Stderr => command.stderr(Stdio::piped()),
        };
        let mut server = Self::spawn(command)?;
        let words: Option<Box<dyn Read + Send>> = match announces {
            Announces::Stdout => server.child.stdout.take().map(|pipe| Box::new(pipe) as _),
            Announces::Stderr => server.child.stderr.take().map(|pipe| Box::new(pipe) as _),
        };
        let words = words.context("a program was started without a pipe")?;
        let (found, port) = mpsc::channel();
        thread::Builder::new().spawn(move || {
            // To the end, also when the port is known: a full pipe would stop the server.
            for line in BufReader::new(words).lines().map_while(Result::ok) {
                if let Some(port) = announced_port(&line) {
                    _ = found.send(port);
                }
            }
        })?;
        let Ok(port) = port.recv_timeout(START_PATIENCE) else {
            bail!("{}", server.why_not_ready()?);
        };
        Ok((server, SocketAddr::from((Ipv4Addr::LOCALHOST, port))))
    }

    /// Starts a server that says nothing, and waits until `is_ready`.
    ///
    /// # Errors
    ///
    /// It is not installed, ends, or is not ready in time.
    pub fn start_silent(
        command: &mut Command,
        is_ready: impl Fn() -> bool,
    ) -> anyhow::Result<Self> {
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut server = Self::spawn(command)?;
        let deadline = Instant::now() + START_PATIENCE;
        while !is_ready() {
            let has_ended = server.child.try_wait().context("wait for a process")?.is_some();
            if has_ended || Instant::now() > deadline {
                bail!("{}", server.why_not_ready()?);
            }
            thread::sleep(READY_PERIOD);
        }
        Ok(server)
    }

    /// Starts a program that does its work and ends.
    ///
    /// # Errors
    ///
    /// It is not installed.
    pub fn spawn(command: &mut Command) -> anyhow::Result<Self> {
        build::end_with_runner(command);
        let child = command.stdin(Stdio::null()).spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => anyhow!("not installed"),
            _ => anyhow!(error).context(format!("start {command:?}")),
        })?;
        let group = Group::of(&child);
        Ok(Self { child, _group: group })
    }

    /// Waits until the program has ended by itself, and well.
    ///
    /// # Errors
    ///
    /// It fails, or runs on after `deadline`.
    pub fn finish(&mut self, deadline: Instant) -> anyhow::Result<()> {
        match wait_until(&mut self.child, deadline)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => bail!("ended with {status}"),
            None => bail!("not done in time"),
        }
    }

    fn why_not_ready(&mut self) -> anyhow::Result<String> {
        Ok(match wait_until(&mut self.child, Instant::now() + READY_PERIOD)? {
            Some(status) => format!("ended with {status} before it listened"),
            None => format!("did not listen within {} s", START_PATIENCE.as_secs()),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its group, which is its own: it may have started others. Until it has been waited for,
        // its number is nobody else's.
        if let Ok(None) = self.child.try_wait()
            && let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
        {
            _ = kill_process_group(group, Signal::KILL);
        }
        _ = self.child.wait();
    }
}

/// The port in a line such as `listening on 127.0.0.1:7000`, which servers word differently.
fn announced_port(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once(PORT_MARK)?;
    let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok().filter(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use super::announced_port;

    #[test]
    fn each_server_tells_its_port_in_its_own_words() {
        assert_eq!(announced_port("listening on 127.0.0.1:7000"), Some(7000));
        assert_eq!(announced_port("socat[7] N listening on AF=2 127.0.0.1:59629"), Some(59629));
        let python = "Serving HTTP on 127.0.0.1 port 36885 (http://127.0.0.1:36885/) ...";
        assert_eq!(announced_port(python), Some(36885));
        assert_eq!(announced_port("listening on 127.0.0.1:0"), None);
    }
}
