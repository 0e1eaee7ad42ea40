//! `cargo xtask peer`: the reference talks to programs of the test's own, through the relay.
#![cfg(target_os = "linux")]

mod support;

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use support::{Ended, PATIENCE, course, folder, names_in, processes_in, wait_until, xtask};

/// A folder that a peer works in, so that its processes are found.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: folder() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = xtask(&course(), self.folder.path());
        command.arg("peer").args(arguments).current_dir(self.folder.path()).env("LC_ALL", "C");
        command
    }

    /// Runs a peer to its end, for which it does not get for ever.
    fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = self.command(arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let child = child.expect("the runner starts");
        let id = Pid::from_child(&child);
        let (done, is_done) = mpsc::channel::<()>();
        let watchdog = thread::spawn(move || {
            if is_done.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                _ = kill_process(id, Signal::KILL);
            }
        });
        let output = child.wait_with_output().expect("the runner ends");
        drop(done);
        watchdog.join().expect("the watchdog ends");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        let Output { status, stdout, stderr } = output;
        Ended { status: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }

    /// Starts a peer that waits, and reads its address.
    fn serve(&self, arguments: &[&str]) -> Waiting {
        let log = self.folder.path().join("stderr");
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(File::create(&log).expect("make a file"));
        let mut child = command.spawn().expect("the runner starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("the ready line");
        let address = line.trim_end().strip_prefix("listening on ").unwrap_or_else(|| {
            panic!("no ready line: {line:?} {}", fs_err::read_to_string(&log).unwrap_or_default())
        });
        Waiting { address: address.parse().expect("an address"), child, stdout, log }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

/// A peer that waits for the test.
struct Waiting {
    address: SocketAddr,
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    log: PathBuf,
}

impl Waiting {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("connect to the peer");
        stream.set_read_timeout(Some(PATIENCE)).expect("set a time limit");
        stream
    }

    fn log(&self) -> String {
        fs_err::read_to_string(&self.log).expect("read the log")
    }

    fn expect_logged(&self, words: &[&str]) {
        let is_logged = |word: &&str| {
            let log = self.log();
            log.contains(*word) || unwrapped(&log).contains(*word)
        };
        let logged = wait_until(|| words.iter().all(is_logged));
        assert!(logged, "not all of {words:?} in:\n{}", self.log());
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("a line of the peer's");
        line
    }

    fn signal(&mut self, signal: Signal) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), signal).expect("send the signal");
        self.child.wait().expect("the runner ends").code()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // A test that failed leaves nothing either.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// What stands between the rails of a log, sentences in one piece.
fn unwrapped(log: &str) -> String {
    let rows = log.lines().filter_map(|line| Some(line.split_once('|')?.1.trim_end_matches('|')));
    rows.map(str::trim).collect::<Vec<_>>().join(" ")
}

/// A datagram socket of the test's own.
fn datagrams() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
    socket.set_read_timeout(Some(PATIENCE)).expect("set a time limit");
    socket
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 65_536];
    let (count, from) = socket.recv_from(&mut buffer).expect("a datagram");
    buffer.truncate(count);
    (buffer, from)
}

/// The connection that comes, if one comes.
fn accept(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).expect("do not block");
    let mut came = None;
    wait_until(|| {
        came = listener.accept().ok();
        came.is_some()
    });
    let (stream, _) = came.expect("somebody connects");
    stream.set_nonblocking(false).expect("block");
    stream.set_read_timeout(Some(PATIENCE)).expect("set a time limit");
    stream
}

/// A server of the test's own: it echoes one client and closes.
fn echo_once() -> (String, thread::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
    let address = listener.local_addr().expect("the address").to_string();
    let echo = thread::spawn(move || {
        let mut client = accept(&listener);
        let (mut all, mut buffer) = (Vec::new(), vec![0; 65_536]);
        loop {
            let count = client.read(&mut buffer).expect("read");
            if count == 0 {
                return all;
            }
            client.write_all(&buffer[..count]).expect("write");
            all.extend_from_slice(&buffer[..count]);
        }
    });
    (address, echo)
}

fn pattern(count: u32) -> Vec<u8> {
    (0..count).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

// ---- what there is, and bad input ----

#[test]
fn without_a_role_the_partners_are_listed() {
    let place = Place::new();
    let all = place.run(&[]);
    assert_eq!(all.status, Some(0), "{}", all.stderr);
    for module in names_in(&course().join("exercises")) {
        let example = format!("cargo xtask peer {module} ");
        assert!(all.stdout.contains(&example), "no {example} in {}", all.stdout);
    }
    let one = place.run(&["broadcast"]);
    assert_eq!(one.status, Some(0), "{}", one.stderr);
    assert!(one.stdout.contains("listen [ADDR]") && !one.stdout.contains("tcp-echo"));
}

#[test]
fn inside_a_modules_folder_the_role_is_enough() {
    let place = Place::new();
    let run = |module: &str| {
        let mut command = place.command(&["udp", "192.0.2.1:0"]);
        command.current_dir(course().join("exercises").join(module));
        support::run(&mut command)
    };
    run("sockopt-inspect").refuses(&["cannot listen on 192.0.2.1:0"]);
    run("tcp-echo").refuses(&["no module `udp`"]);
}

#[test]
fn wrong_usage_is_told_before_anything_is_built() {
    let place = Place::new();
    let refuse = |arguments: &[&str], words: &[&str]| place.run(arguments).refuses(words);
    refuse(&["tpc-echo", "server"], &["no module `tpc-echo`", "did you mean `tcp-echo`?"]);
    refuse(&["tcp-echo", "sever"], &["no role `sever`", "did you mean `server`?"]);
    refuse(&["broadcast", "address"], &["talks to nobody", "listen, send"]);
    refuse(&["tcp-echo", "client"], &["misses an argument", "ADDR [MESSAGE]"]);
    refuse(&["udp-echo", "client", "127.0.0.1:7"], &["misses an argument", "MESSAGE..."]);
    refuse(&["tcp-echo", "server", "127.0.0.1:0", "more"], &["takes no argument \"more\""]);
    refuse(&["tcp-echo", "server", "7000"], &["`7000` is no address", "HOST:PORT"]);
    refuse(&["tcp-echo", "client", "host", "x"], &["`host` is no address", "HOST:PORT"]);
    refuse(&["http-mini", "get", "https://x/"], &["https://x/", "http://HOST"]);
    refuse(&["http-mini", "serve", "127.0.0.1:7000"], &["misses its folder"]);
    refuse(&["file-transfer", "serve", "nowhere"], &["no folder `nowhere`"]);
    refuse(&["tcp-echo", "server", "--weird=drips"], &["`drips`", "did you mean `dribs`"]);
    refuse(&["udp-echo", "server", "--weird=reset"], &["cannot do `reset`", "loss, double"]);
    refuse(&["broadcast", "listen", "--weird"], &["sends nothing"]);
    refuse(&["tcp-echo", "server", "--seed", "1"], &["--weird"]);
    let here = place.path("");
    refuse(&["tcp-echo", "server", "--log", &here], &["write the log", &here]);
    refuse(&["tcp-echo", "server", "192.0.2.1:0"], &["cannot listen on 192.0.2.1:0"]);
}

#[test]
fn an_address_in_use_is_told_with_what_to_do() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
    let address = taken.local_addr().expect("the address").to_string();
    let place = Place::new();
    let ended = place.run(&["tcp-echo", "server", &address, "--log", "log"]);
    ended.refuses(&["cannot listen on", &address, "in use", "another port"]);
    assert!(names_in(place.folder.path()).is_empty(), "no empty log stays");
    let taken = datagrams();
    let address = taken.local_addr().expect("the address").to_string();
    for module in ["udp-echo", "broadcast"] {
        let role = if module == "udp-echo" { "server" } else { "listen" };
        Place::new().run(&[module, role, &address]).refuses(&[&address, "in use"]);
    }
}

#[test]
fn a_reference_that_ends_at_once_is_told_with_its_own_words() {
    let ended = Place::new().run(&["sticky-packet", "receive", "semicolon"]);
    ended.refuses(&["ended before it listened", "status: 2", "semicolon"]);
}

#[test]
fn where_nobody_listens_the_learner_is_told_what_to_start() {
    let place = Place::new();
    let unused = || {
        // Bound and not listening, so that nobody else gets the port.
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
        socket.local_addr().expect("the address").to_string()
    };
    let address = unused();
    let ended = place.run(&["tcp-echo", "client", &address, "hello"]);
    ended.refuses(&["refused", &format!("cargo run -p tcp-echo -- server {address}")]);
    assert!(!ended.stderr.contains("says on stderr"), "{}", ended.stderr);
    let ended = place.run(&["tcp-echo", "client", &address, "hello", "--weird"]);
    assert!(ended.stderr.starts_with("error: "), "no table without a row: {}", ended.stderr);
    let ended = place.run(&["http-mini", "get", &format!("http://{address}/x")]);
    ended.refuses(&["refused", &format!("cargo run -p http-mini -- serve {address} .")]);
    // A datagram socket that is connected elsewhere answers like a closed port.
    let elsewhere = datagrams();
    elsewhere.connect(elsewhere.local_addr().expect("the address")).expect("connect");
    let address = elsewhere.local_addr().expect("the address").to_string();
    let ended = place.run(&["udp-echo", "client", &address, "hello"]);
    ended.refuses(&["refused", &format!("cargo run -p udp-echo -- server {address}")]);
}

// ---- streams ----

#[test]
fn a_server_echoes_through_the_relay_and_the_log_tells_it() {
    let place = Place::new();
    let peer = place.serve(&["tcp-echo", "server"]);
    let mut first = peer.connect();
    let data = pattern(8 << 20);
    let mut writer = first.try_clone().expect("a second handle");
    let sent = data.clone();
    let writing = thread::spawn(move || {
        writer.write_all(&sent).expect("write");
        writer.shutdown(Shutdown::Write).expect("finish");
    });
    let mut echoed = Vec::new();
    first.read_to_end(&mut echoed).expect("all comes back after the half-close");
    writing.join().expect("the writer ends");
    assert!(echoed == data, "{} of {} bytes, or others", echoed.len(), data.len());
    let mut second = peer.connect();
    second.write_all(b"hello\n").expect("write");
    let mut answer = [0; 6];
    second.read_exact(&mut answer).expect("the echo, before the end");
    let own = second.local_addr().expect("the address").to_string();
    peer.expect_logged(&[
        &format!("cargo run -p tcp-echo -- client {}", peer.address),
        &format!("<-- accepts a connection from {own}"),
        "<-- receives 6 bytes \"hello\\n\"",
        "--- sends 6 bytes \"hello\\n\"",
        " #2 ->|",
        "<-- receives the end of the stream (FIN)",
        "--- closes the connection",
    ]);
    assert!(peer.log().lines().count() < 150, "a long transfer shares rows:\n{}", peer.log());
}

#[test]
fn a_reset_is_passed_on_as_one_and_told_by_the_learners_address() {
    let place = Place::new();
    let peer = place.serve(&["tcp-echo", "server"]);
    let mut client = peer.connect();
    client.write_all(b"half").expect("write");
    peer.expect_logged(&["receives 4 bytes \"half\""]);
    let own = client.local_addr().expect("the address").to_string();
    rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).expect("linger");
    drop(client);
    peer.expect_logged(&["<-- receives a reset (RST)", &format!("on stderr: {own}:"), "reset by"]);
}

#[test]
fn a_client_talks_to_the_learners_server_and_passes_its_status_on() {
    let place = Place::new();
    let (address, server) = echo_once();
    let ended = place.run(&["tcp-echo", "client", &address, "hello"]);
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(0), "hello"), "{}", ended.stderr);
    assert_eq!(server.join().expect("the server ends"), b"hello");
    let rows =
        ["connects from", "sends 5 bytes \"hello\"", "receives 5 bytes", "exits with status 0"];
    for row in rows {
        assert!(ended.stderr.contains(row), "no {row:?} in:\n{}", ended.stderr);
    }

    // A server that closes at once: the reference complains, by the address that the learner gave.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
    let address = listener.local_addr().expect("the address").to_string();
    let server = thread::spawn(move || {
        let mut client = accept(&listener);
        client.read_exact(&mut [0; 2]).expect("two bytes");
    });
    let ended = place.run(&["tcp-echo", "client", &address, "hello", "--quiet"]);
    server.join().expect("the server ends");
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains(&address), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "quiet but for its complaint: {}", ended.stderr);
}

#[test]
fn a_client_without_a_message_sends_standard_input() {
    let place = Place::new();
    let (address, server) = echo_once();
    let input = place.path("input");
    fs_err::write(&input, pattern(300_000)).expect("write the input");
    let mut command = place.command(&["tcp-echo", "client", &address, "--quiet"]);
    let output = command.stdin(File::open(input).expect("open")).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout == pattern(300_000), "{} bytes came back", output.stdout.len());
    assert_eq!(server.join().expect("the server ends").len(), 300_000);
}

#[test]
fn a_sender_that_has_exited_is_still_delivered() {
    let place = Place::new();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
    let address = listener.local_addr().expect("the address").to_string();
    let receiver = thread::spawn(move || {
        let mut sender = accept(&listener);
        let mut all = Vec::new();
        sender.read_to_end(&mut all).expect("read");
        all
    });
    let arguments = ["sticky-packet", "send", &address, "delimiter", "one", "two", "--weird=dribs"];
    let ended = place.run(&arguments);
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    assert_eq!(receiver.join().expect("the receiver ends"), b"one\ntwo\n");
}

#[test]
fn two_peers_talk_to_each_other() {
    let (one, other) = (Place::new(), Place::new());
    fs_err::create_dir(one.path("store")).expect("make a folder");
    let store = one.serve(&["file-transfer", "serve", "store"]);
    fs_err::write(other.path("data"), pattern(200_000)).expect("write a file");
    let address = store.address.to_string();
    let put = other.run(&["file-transfer", "put", &address, "data", "name with spaces"]);
    assert_eq!(put.stdout, "200000 bytes\n", "{}", put.stderr);
    let stored = fs_err::read(one.path("store/name with spaces")).expect("the file is stored");
    assert!(stored == pattern(200_000));
    let web = other.serve(&["http-mini", "serve", "."]);
    let url = format!("http://{}/data", web.address);
    let mut get = one.command(&["http-mini", "get", &url, "--quiet"]);
    let got = get.output().expect("it runs");
    assert!(got.status.success() && got.stdout == pattern(200_000), "{}", web.log());
    let mut receiver = other.serve(&["sticky-packet", "receive", "length"]);
    let address = receiver.address.to_string();
    let sent = one.run(&["sticky-packet", "send", &address, "length", "a b", "", "--weird=dribs"]);
    assert_eq!(sent.status, Some(0), "{}", sent.stderr);
    let lines = [receiver.line(), receiver.line(), receiver.line()];
    assert_eq!(lines, ["message \"a b\"\n", "message \"\"\n", "closed\n"]);
}

// ---- datagrams ----

#[test]
fn datagrams_keep_their_edges_and_find_their_client() {
    let place = Place::new();
    let peer = place.serve(&["udp-echo", "server"]);
    let (one, other) = (datagrams(), datagrams());
    let largest = pattern(65_507);
    for (client, bytes) in [(&one, b"one".as_slice()), (&other, b"other"), (&one, b"")] {
        client.send_to(bytes, peer.address).expect("send");
    }
    other.send_to(&largest, peer.address).expect("send");
    assert_eq!(receive(&one), (b"one".to_vec(), peer.address));
    assert_eq!(receive(&one), (Vec::new(), peer.address));
    assert_eq!(receive(&other), (b"other".to_vec(), peer.address));
    assert!(receive(&other).0 == largest, "the largest datagram comes back whole");
    let from = one.local_addr().expect("the address");
    peer.expect_logged(&[&format!("receives a datagram from {from}: 3 bytes \"one\"")]);
}

#[test]
fn odd_datagrams_reach_the_learners_server() {
    let place = Place::new();
    let server = datagrams();
    let address = server.local_addr().expect("the address").to_string();
    // The first datagram meets an oddity in any case.
    let with = |kind: &str, answers: usize| {
        let kind = format!("--weird={kind}");
        let mut command = place.command(&["udp-echo", "client", &address, "hello", &kind]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start");
        let mut came = Vec::new();
        for _ in 0..answers {
            let (bytes, from) = receive(&server);
            server.send_to(&bytes, from).expect("answer");
            came.push((String::from_utf8_lossy(&bytes).into_owned(), from));
        }
        let output = child.wait_with_output().expect("it ends");
        let told = unwrapped(&String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{told}");
        assert_eq!(output.stdout, b"hello\n", "{told}");
        assert!(told.contains("a correct server"), "{told}");
        (came, told)
    };
    let (came, _) = with("double", 2);
    assert_eq!(came[0], came[1]);
    let (came, told) = with("stranger", 2);
    assert_eq!(came[0].0, "a stranger's datagram");
    assert_ne!(came[0].1, came[1].1, "the stranger has an address of its own");
    assert!(told.contains("the stranger gets an answer"), "{told}");
    let (_, told) = with("loss", 1);
    assert!(told.contains("is lost on its way"), "{told}");
}

#[test]
fn odd_datagrams_reach_the_learners_client() {
    let place = Place::new();
    let peer = place.serve(&["udp-echo", "server", "--weird=stranger"]);
    let client = datagrams();
    client.send_to(b"hello", peer.address).expect("send");
    let (bytes, stranger) = receive(&client);
    assert_eq!(bytes, b"a stranger's datagram");
    assert_ne!(stranger, peer.address);
    assert_eq!(receive(&client), (b"hello".to_vec(), peer.address));
    peer.expect_logged(&["odd (stranger)", "a correct client ignores it"]);
    let place = Place::new();
    let peer = place.serve(&["udp-echo", "server", "--weird=delay"]);
    client.send_to(b"hello", peer.address).expect("send");
    let began = Instant::now();
    assert_eq!(receive(&client), (b"hello".to_vec(), peer.address));
    assert!(began.elapsed() >= Duration::from_millis(90), "{:?}", began.elapsed());
}

#[test]
fn broadcast_is_heard_and_sent() {
    let (one, other) = (Place::new(), Place::new());
    let mut listener = one.serve(&["broadcast", "listen"]);
    let address = listener.address.to_string();
    let sent = other.run(&["broadcast", "send", &address, "hello", ""]);
    assert_eq!(sent.status, Some(0), "{}", sent.stderr);
    let row = format!("sends a datagram to {address}: 5 bytes \"hello\"");
    assert!(sent.stderr.contains(&row), "{}", sent.stderr);
    let (hello, empty) = (listener.line(), listener.line());
    assert!(hello.starts_with("from 127.0.0.1:") && hello.ends_with(" \"hello\"\n"), "{hello}");
    assert!(empty.ends_with(" \"\"\n"), "{empty}");
}

// ---- oddities of streams ----

#[test]
fn dribs_are_small_and_the_same_for_the_same_seed() {
    let segments = || {
        let place = Place::new();
        let peer = place.serve(&["tcp-echo", "server", "--weird=dribs", "--seed", "7"]);
        let mut client = peer.connect();
        client.write_all(b"twenty bytes of text").expect("write");
        client.shutdown(Shutdown::Write).expect("finish");
        let mut echoed = Vec::new();
        client.read_to_end(&mut echoed).expect("read");
        assert_eq!(echoed, b"twenty bytes of text");
        peer.expect_logged(&["--seed 7", "odd (dribs)", "a correct client", "closes"]);
        let log = peer.log();
        let sizes = log.lines().filter_map(|line| line.split_once("--- sends ")?.1.split_once(' '));
        sizes.map(|(size, _)| size.to_owned()).collect::<Vec<_>>()
    };
    let sizes = segments();
    assert!(sizes.len() >= 3, "{sizes:?}");
    assert!(sizes.iter().all(|size| ["1", "2", "3", "4", "5", "6", "7"].contains(&&**size)));
    assert_eq!(sizes, segments());
}

#[test]
fn a_stall_comes_in_the_middle() {
    let place = Place::new();
    let peer = place.serve(&["tcp-echo", "server", "--weird=stall"]);
    let mut client = peer.connect();
    client.write_all(b"hello").expect("write");
    let mut answer = [0; 5];
    let first = client.read(&mut answer).expect("a part");
    assert!((1..5).contains(&first), "{first} bytes come before the stall");
    let began = Instant::now();
    client.read_exact(&mut answer[first..]).expect("the rest");
    assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
    assert_eq!(&answer, b"hello");
    peer.expect_logged(&["odd (stall)", "a correct client waits for the rest"]);
}

#[test]
fn a_reset_breaks_off_and_the_next_connection_is_served() {
    let place = Place::new();
    let peer = place.serve(&["tcp-echo", "server", "--weird=reset", "--seed", "1"]);
    let converse = || {
        let mut client = peer.connect();
        client.write_all(b"hello")?;
        client.shutdown(Shutdown::Write)?;
        client.read_to_end(&mut Vec::new())
    };
    let error = converse().expect_err("the first connection is reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    peer.expect_logged(&["odd (reset)", "a correct client", "resets the connection (RST)"]);
    // Every second one on the average.
    assert!((0..40).any(|_| converse().is_ok_and(|count| count == 5)), "{}", peer.log());
    let place = Place::new();
    let receiver = place.serve(&["sticky-packet", "receive", "delimiter", "--weird=reset"]);
    let mut sender = receiver.connect();
    sender.write_all(&[b'x'; 64]).expect("write");
    let error = sender.read(&mut [0]).expect_err("reset by what it was sent");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

// ---- sockets to look at ----

#[test]
fn the_witness_tells_connect_close_and_reset() {
    let place = Place::new();
    let peer = place.serve(&["sockopt-inspect", "tcp"]);
    drop(peer.connect());
    peer.expect_logged(&["accepts a connection", "receives the end of the stream (FIN)"]);
    let client = peer.connect();
    rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).expect("linger");
    drop(client);
    peer.expect_logged(&["receives a reset (RST)"]);
    let place = Place::new();
    let peer = place.serve(&["sockopt-inspect", "udp"]);
    let client = datagrams();
    client.connect(peer.address).expect("connect");
    let own = client.local_addr().expect("the address").to_string();
    peer.expect_logged(&[&format!("{own} is connected to this socket")]);
    drop(client);
    peer.expect_logged(&[&format!("{own} is closed")]);
}

// ---- the log, and the end ----

#[test]
fn the_log_is_kept_after_what_the_file_holds() {
    let place = Place::new();
    let log = place.path("log");
    for _ in 0..2 {
        let (address, server) = echo_once();
        let arguments = ["tcp-echo", "client", &address, "hello", "--quiet", "--log", &log];
        let ended = place.run(&arguments);
        server.join().expect("the server ends");
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
    }
    let kept = fs_err::read_to_string(log).expect("the log");
    for row in ["cargo xtask peer tcp-echo client", "sends 5 bytes \"hello\"", "the peer prints"] {
        assert_eq!(kept.matches(row).count(), 2, "{row:?} in:\n{kept}");
    }
}

#[test]
fn however_it_ends_the_reference_ends_with_it() {
    let ends = [
        (Signal::INT, Some(130)),
        (Signal::TERM, Some(143)),
        (Signal::HUP, Some(129)),
        (Signal::KILL, None),
    ];
    for (signal, status) in ends {
        let place = Place::new();
        let mut peer = place.serve(&["tcp-echo", "server"]);
        let _client = peer.connect();
        let processes = || processes_in(place.folder.path()).len();
        assert!(processes() >= 2, "the runner and the reference");
        assert_eq!(peer.signal(signal), status);
        assert!(wait_until(|| processes() == 0), "{signal:?} leaves a process");
    }
}

#[test]
fn a_reference_that_is_killed_ends_the_runner_with_its_status() {
    let place = Place::new();
    let mut peer = place.serve(&["udp-echo", "server"]);
    let own = peer.child.id();
    let all = processes_in(place.folder.path());
    let reference = all.into_iter().find(|id| *id != own).expect("the reference runs");
    let reference = i32::try_from(reference).ok().and_then(Pid::from_raw).expect("an id");
    kill_process(reference, Signal::KILL).expect("kill it");
    assert_eq!(peer.child.wait().expect("the runner ends").code(), Some(137));
    assert!(peer.log().contains("ended by a signal"), "{}", peer.log());
}
