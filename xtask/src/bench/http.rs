//! http-mini against nginx and `python3 -m http.server`: one small and one large file, over one
//! connection and over many, all of them kept.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::{Context, anyhow};

use super::load;
use super::rival::{Comparison, Measure, Rival, Unit};
use super::server::{Announces, Server};
use super::yard::Yard;

/// How long answers are counted in one run.
const WINDOW: Duration = Duration::from_millis(250);
/// The files: name, size in bytes, and how it is told.
const FILES: [(&str, usize, &str); 2] =
    [("small.bin", 1024, "1 KiB"), ("large.bin", 10 << 20, "10 MiB")];
/// From this size on the bytes count, not the answers.
const LARGE_BYTES: usize = 1 << 20;
/// How many connections at once.
const CONNECTIONS: [usize; 2] = [1, 32];

/// As distributions set it up for files, but without a log, for a connection that is kept for more
/// than 1,000 requests, and in one process.
const NGINX_CONFIGURATION: &str = "
daemon off;
master_process off;
error_log stderr crit;
pid PID_FILE;
events { worker_connections 512; }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    client_body_temp_path temporary-body;
    proxy_temp_path temporary-proxy;
    fastcgi_temp_path temporary-fastcgi;
    uwsgi_temp_path temporary-uwsgi;
    scgi_temp_path temporary-scgi;
    server { listen ADDRESS reuseport; root site; }
}
";

impl Yard {
    /// How many answers, or bytes, a second.
    pub fn http_mini(&self, runs: u32) -> anyhow::Result<Vec<Comparison>> {
        let folder = self.folder.path().join("http");
        let site = folder.join("site");
        fs_err::create_dir_all(&site)?;
        for (name, bytes, _) in FILES {
            fs_err::write(site.join(name), vec![b'h'; bytes])?;
        }
        let mut serve = Command::new(self.release_of("http-mini")?);
        serve.args(["serve", "127.0.0.1:0"]).arg(&site);
        let (_server, address) = Server::start(&mut serve, Announces::Stdout)?;
        let nginx = start_nginx(&folder);
        let python = start_python(&site);
        let mut comparisons = Vec::new();
        for (name, bytes, told) in FILES {
            for connections in CONNECTIONS {
                let speed = move |server| speed(server, name, bytes, connections);
                let plural = if connections == 1 { "" } else { "s" };
                comparisons.push(Comparison::measure(
                    format!("http-mini, {told}, {connections} connection{plural}"),
                    if bytes < LARGE_BYTES { Unit::Answers } else { Unit::Mebibytes },
                    runs,
                    || speed(address).context("http-mini"),
                    vec![rival("nginx", &nginx, speed), rival("python3", &python, speed)],
                )?);
            }
        }
        Ok(comparisons)
    }
}

fn speed(server: SocketAddr, name: &str, bytes: usize, connections: usize) -> anyhow::Result<f64> {
    let path = format!("/{name}");
    let answers = load::http_answers(server, &path, bytes, connections, WINDOW)?;
    if bytes < LARGE_BYTES {
        return Ok(answers);
    }
    Ok(answers * (bytes as f64 / f64::from(1 << 20)))
}

fn rival<'a, S>(
    name: &'static str,
    started: &anyhow::Result<(S, SocketAddr)>,
    speed: impl Fn(SocketAddr) -> anyhow::Result<f64> + 'a,
) -> Rival<'a> {
    let measure = match started {
        Ok((_, address)) => {
            let address = *address;
            Ok(Box::new(move || speed(address)) as Measure<'a>)
        }
        Err(error) => Err(anyhow!("{error:#}")),
    };
    Rival::new(name, measure)
}

/// A process for each CPU, which share the port, instead of a master with workers: a worker would
/// outlive a master that is killed. Each is single-threaded, so this is what
/// `worker_processes auto` gives.
fn start_nginx(folder: &Path) -> anyhow::Result<(Vec<Server>, SocketAddr)> {
    // It does not take port 0. One that was free a moment ago is most likely free now.
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let mut servers = Vec::new();
    for number in 0..available_parallelism()?.get() {
        let pid_file = format!("nginx-{number}.pid");
        let configuration = NGINX_CONFIGURATION
            .replace("PID_FILE", &pid_file)
            .replace("ADDRESS", &address.to_string());
        let name = format!("nginx-{number}.conf");
        fs_err::write(folder.join(&name), configuration)?;
        let mut command = Command::new("nginx");
        command.args(["-e", "stderr", "-p", "./", "-c", &name]).current_dir(folder);
        // It writes this file when it listens.
        let pid_file = folder.join(pid_file);
        servers.push(Server::start_silent(&mut command, || pid_file.exists())?);
    }
    Ok((servers, address))
}

/// It keeps connections only when asked to speak HTTP/1.1.
fn start_python(site: &Path) -> anyhow::Result<(Server, SocketAddr)> {
    let mut command = Command::new("python3");
    command.args(["-u", "-m", "http.server", "--protocol", "HTTP/1.1", "--bind", "127.0.0.1"]);
    command.arg("0").current_dir(site);
    Server::start(&mut command, Announces::Stdout).map_err(|error| match error.to_string() {
        told if told.starts_with("ended") => anyhow!("{told}; Python 3.11 or later is needed"),
        _ => error,
    })
}
