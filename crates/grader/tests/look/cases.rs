//! The cases, one a function.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use grader::look::{
    self, Direction, GraderSocket, Object, SockDiag, View, Waiting, describe, look, stalled,
};
use libtest_mimic::{Failed, Trial};

use super::fixtures::{MANY, PEER, fixture};

/// Two looks are this far apart.
const BETWEEN_LOOKS: Duration = Duration::from_millis(30);
/// Nothing here takes longer, on a busy machine either.
const DEADLINE: Duration = Duration::from_secs(20);

type Outcome = Result<(), Failed>;
/// A case and its name.
type Case = (&'static str, fn() -> Outcome);

pub fn trials() -> Vec<Trial> {
    let cases: Vec<Case> = vec![
        ("accept", accept),
        ("recv", recv),
        ("recv_of_a_mapped_connection", recv_mapped),
        ("recv_from_somebody_else", recv_from_somebody_else),
        ("recv_with_a_timeout", recv_timeout),
        ("recv_with_an_alarm", recv_alarm),
        ("stdin", standard_input),
        ("sleep", sleep),
        ("busy_loop", busy),
        ("stopped", stopped),
        ("poll", poll),
        ("poll_with_a_timeout", poll_timed),
        ("select", select),
        ("epoll", epoll),
        ("epoll_that_missed_an_edge", epoll_edge),
        ("epoll_with_a_timeout", epoll_timed),
        ("join_and_recv", join),
        ("many_threads", many),
        ("deadlock", deadlock),
        ("send_into_a_full_buffer", send),
        ("send_into_a_small_window", send_small),
        ("udp", udp),
        ("child", child),
        ("zombie", zombie),
        ("pause", pause),
        ("open_of_a_fifo", fifo),
        ("a_connection_to_itself", itself),
        ("connect", connect),
        ("a_connection_request_that_will_be_repeated", late_accept),
        ("an_answer_on_its_way_is_no_stall", hand_over),
        ("a_grader_that_answers_late", asker),
        ("an_answer_that_has_just_arrived", just_arrived),
        ("peer_state_by_address", peer_state),
        ("accounts", accounts),
        ("nobody", nobody),
    ];
    let trial = |(name, case): Case| Trial::test(name, case);
    cases.into_iter().map(trial).collect()
}

/// A running fixture; its end is the end of the process.
struct Program {
    child: Child,
    address: Option<SocketAddr>,
}

impl Program {
    fn start(name: &str) -> Self {
        Self::start_with(name, &[])
    }

    fn start_with(name: &str, environment: &[(&str, &str)]) -> Self {
        let mut child = fixture(name)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start the fixture");
        let mut line = String::new();
        let output = child.stdout.take().expect("piped");
        BufReader::new(output).read_line(&mut line).expect("read the ready line");
        assert!(line.starts_with("ready"), "{name} said {line:?}");
        let address = line.split_whitespace().nth(1).map(|word| word.parse().expect("an address"));
        Self { child, address }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).expect("connect");
        stream.set_nodelay(true).expect("no delay");
        stream
    }

    fn address(&self) -> SocketAddr {
        self.address.expect("a server")
    }

    fn pids(&self) -> [u32; 1] {
        [self.child.id()]
    }

    fn signal(&self, signal: libc::c_int) {
        let pid = libc::pid_t::try_from(self.child.id()).expect("a process id");
        // SAFETY: the call takes numbers; the process is our child and not yet waited for.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }

    /// Looks until the view is as wanted.
    fn look_until(&self, wanted: impl Fn(&View) -> bool) -> Result<View, Failed> {
        let end = Instant::now() + DEADLINE;
        loop {
            let view = look(&self.pids());
            if wanted(&view) {
                return Ok(view);
            }
            if Instant::now() > end {
                return Err(format!("at last it looked so: {view:#?}").into());
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Looks until its first thread waits as wanted.
    fn first_until(&self, wanted: impl Fn(&Waiting) -> bool) -> Result<View, Failed> {
        self.look_until(|view| view.threads.first().is_some_and(|first| wanted(&first.waiting)))
    }

    fn is_stalled(&self, streams: &[&TcpStream]) -> bool {
        let before = look(&self.pids());
        thread::sleep(BETWEEN_LOOKS);
        let sockets: Vec<GraderSocket> = streams.iter().map(|stream| socket(stream)).collect();
        let now = look(&self.pids());
        stalled(&before, &now, &sockets)
    }

    /// The verdict comes, well under the half second in which a learner is told of a hang.
    fn must_stall(&self, streams: &[&TcpStream]) -> Outcome {
        let end = Instant::now() + DEADLINE;
        while !self.is_stalled(streams) {
            if Instant::now() > end {
                let sockets: Vec<GraderSocket> = streams.iter().map(|one| socket(one)).collect();
                let view = look(&self.pids());
                return Err(format!("it is not stalled: {view:#?} {sockets:?}").into());
            }
        }
        Ok(())
    }

    /// The verdict does not come.
    fn must_not_stall(&self, streams: &[&TcpStream]) -> Outcome {
        for _ in 0..8 {
            if self.is_stalled(streams) {
                let view = look(&self.pids());
                return Err(format!("it is taken for stalled: {view:#?}").into());
            }
        }
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The end of its input ends a child of the fixture too.
        drop(self.child.stdin.take());
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What the grader knows of its socket.
fn socket(stream: &TcpStream) -> GraderSocket {
    let queue = |request| {
        let mut bytes: libc::c_int = 0;
        // SAFETY: both requests write one `int`.
        let result = unsafe { libc::ioctl(stream.as_raw_fd(), request, &raw mut bytes) };
        assert_eq!(result, 0, "the queues of an open socket can be read");
        bytes as u32
    };
    GraderSocket {
        local: stream.local_addr().expect("an address"),
        peer: stream.peer_addr().ok(),
        unread: queue(libc::FIONREAD),
        unsent: queue(libc::TIOCOUTQ),
    }
}

fn is_descriptor(waiting: &Waiting, name: &str, towards: Direction) -> bool {
    let Waiting::Descriptor { call, direction, .. } = waiting else { return false };
    *call == name && *direction == towards
}

fn says(view: &View, expected: &[&str]) -> Outcome {
    let lines = describe(view, "your server");
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    if lines == expected { Ok(()) } else { Err(format!("{lines:#?}\nnot {expected:#?}").into()) }
}

fn accept() -> Outcome {
    let program = Program::start("accept");
    let view = program.first_until(|first| is_descriptor(first, "accept", Direction::Accept))?;
    let address = program.address();
    let expected = format!(
        "your server is blocked in accept on fd 3 (listening on {address}); \
         no connection waits to be accepted"
    );
    says(&view, &[&expected])?;
    program.must_stall(&[])
}

fn recv() -> Outcome {
    let program = Program::start("recv");
    let mut stream = program.connect();
    let view = program.first_until(|first| is_descriptor(first, "recv", Direction::Receive))?;
    let local = stream.local_addr()?;
    let expected = format!(
        "your server is blocked in recv on fd 4 (the connection from {local}); \
         its receive buffer is empty"
    );
    says(&view, &[&expected])?;
    program.must_stall(&[&stream])?;
    stream.write_all(b"hello")?;
    program.must_stall(&[&stream])?;
    // Bytes that the program's kernel has not acknowledged may still come.
    let before = look(&program.pids());
    let unsent = GraderSocket { unsent: 1, ..socket(&stream) };
    assert!(!stalled(&before, &look(&program.pids()), &[unsent]));
    Ok(())
}

fn recv_mapped() -> Outcome {
    let program = Program::start("recv-mapped");
    let stream = program.connect();
    let view = program.first_until(|first| is_descriptor(first, "recv", Direction::Receive))?;
    let Waiting::Descriptor { on: Object::Tcp(tcp), .. } = &view.threads[0].waiting else {
        return Err("not a TCP socket".into());
    };
    assert!(tcp.ipv6 && tcp.local.is_some_and(|local| local.is_ipv6()));
    let expected = format!(
        "your server is blocked in recv on fd 4 (the connection from {}); \
         its receive buffer is empty",
        stream.local_addr()?
    );
    says(&view, &[&expected])?;
    program.must_stall(&[&stream])
}

fn recv_from_somebody_else() -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let program = Program::start_with("recv-peer", &[(PEER, &address)]);
    let (stream, _) = listener.accept()?;
    let view = program.first_until(|first| is_descriptor(first, "recv", Direction::Receive))?;
    let expected = format!(
        "your server is blocked in recv on fd 3 (the connection with {address}); \
         its receive buffer is empty"
    );
    says(&view, &[&expected])?;
    program.must_not_stall(&[])?;
    program.must_stall(&[&stream])
}

fn recv_timeout() -> Outcome {
    let program = Program::start("recv-timeout");
    let stream = program.connect();
    let view = program.first_until(|first| *first == Waiting::Timed { call: "recv" })?;
    says(&view, &["your server waits in recv, with a timeout"])?;
    program.must_not_stall(&[&stream])
}

fn recv_alarm() -> Outcome {
    let program = Program::start("recv-alarm");
    let stream = program.connect();
    let view = program.first_until(|first| is_descriptor(first, "recv", Direction::Receive))?;
    assert!(view.alarms);
    program.must_not_stall(&[&stream])
}

fn standard_input() -> Outcome {
    let program = Program::start("stdin");
    let view = program.first_until(|first| is_descriptor(first, "read", Direction::Receive))?;
    let expected = "your server is blocked in read on fd 0 (its standard input); \
                    nothing is there to read, and the other end is still open";
    says(&view, &[expected])?;
    program.must_stall(&[])
}

fn sleep() -> Outcome {
    let program = Program::start("sleep");
    let view = program.first_until(|first| matches!(first, Waiting::Timed { .. }))?;
    says(&view, &["your server sleeps for a set time (clock_nanosleep)"])?;
    program.must_not_stall(&[])
}

fn busy() -> Outcome {
    let program = Program::start("busy");
    let view = program.look_until(|view| view.threads.first().is_some_and(|t| t.cpu_ticks > 0))?;
    assert_eq!(view.threads[0].waiting, Waiting::Running);
    let lines = describe(&view, "your server");
    assert!(
        lines[0].starts_with("your server is not blocked: it runs, and has used "),
        "{lines:?}"
    );
    program.must_not_stall(&[])
}

fn stopped() -> Outcome {
    let program = Program::start("recv");
    let stream = program.connect();
    program.first_until(|first| is_descriptor(first, "recv", Direction::Receive))?;
    program.signal(libc::SIGSTOP);
    let view = program.first_until(|first| *first == Waiting::Stopped)?;
    says(&view, &["your server is stopped by a signal"])?;
    program.must_not_stall(&[&stream])
}

fn poll() -> Outcome {
    let program = Program::start("poll");
    let stream = program.connect();
    let view = program.first_until(|first| matches!(first, Waiting::Several { .. }))?;
    let lines = describe(&view, "your server");
    let expected = format!(
        "on fd 4 (the connection from {}) and fd 0 (its standard input); none of them is ready",
        stream.local_addr()?
    );
    assert!(lines[0].ends_with(&expected), "{lines:?}");
    program.must_stall(&[&stream])
}

fn poll_timed() -> Outcome {
    let program = Program::start("poll-timed");
    let stream = program.connect();
    program.first_until(|first| matches!(first, Waiting::Timed { call: "poll" | "ppoll" }))?;
    program.must_not_stall(&[&stream])
}

fn select() -> Outcome {
    let program = Program::start("select");
    let stream = program.connect();
    let view = program.first_until(|first| matches!(first, Waiting::Several { .. }))?;
    let lines = describe(&view, "your server");
    let expected = format!(
        "on fd 4 (the connection from {}); its receive buffer is empty",
        stream.local_addr()?
    );
    assert!(lines[0].ends_with(&expected), "{lines:?}");
    program.must_stall(&[&stream])
}

fn epoll() -> Outcome {
    let program = Program::start("epoll");
    let stream = program.connect();
    let view = program.first_until(|first| matches!(first, Waiting::Several { .. }))?;
    let expected = format!(
        "your server is blocked in epoll_wait on fd 4 (the connection from {}) and \
         fd 5 (a Unix-domain socket); none of them is ready",
        stream.local_addr()?
    );
    says(&view, &[&expected])?;
    program.must_stall(&[&stream])
}

/// The bytes are there, and the program has been told so once: it will not be told again.
fn epoll_edge() -> Outcome {
    let program = Program::start("epoll-edge");
    let mut stream = program.connect();
    program.first_until(|first| matches!(first, Waiting::Several { .. }))?;
    stream.write_all(b"hello")?;
    let unread = |waiting: &Waiting| match waiting {
        Waiting::Several { waits, ready: false, .. } => waits.iter().any(|(_, on, _)| on.ready()),
        _ => false,
    };
    let view = program.first_until(unread)?;
    let lines = describe(&view, "your server");
    assert!(lines[0].ends_with("; fd 4 is ready, but that is no news to it"), "{lines:?}");
    program.must_stall(&[&stream])
}

fn epoll_timed() -> Outcome {
    let program = Program::start("epoll-timed");
    let stream = program.connect();
    program.first_until(|first| *first == Waiting::Timed { call: "epoll_wait" })?;
    program.must_not_stall(&[&stream])
}

fn join() -> Outcome {
    let program = Program::start("join");
    let stream = program.connect();
    let view = program.look_until(|view| {
        matches!(&view.threads[..], [first, second]
            if first.waiting == Waiting::Lock { call: "futex" }
                && is_descriptor(&second.waiting, "recv", Direction::Receive))
    })?;
    let recv = format!(
        "the thread \"worker\" of your server is blocked in recv on fd 4 \
         (the connection from {}); its receive buffer is empty",
        stream.local_addr()?
    );
    let join = "your server waits for a lock, a channel or the end of another thread (futex)";
    says(&view, &[join, &recv])?;
    program.must_stall(&[&stream])
}

fn many() -> Outcome {
    let program = Program::start("many");
    let streams: Vec<TcpStream> = (0..MANY).map(|_| program.connect()).collect();
    let view = program.look_until(|view| {
        view.threads.len() == MANY + 1
            && is_descriptor(&view.threads[0].waiting, "accept", Direction::Accept)
            && view.threads[1..]
                .iter()
                .all(|thread| is_descriptor(&thread.waiting, "recv", Direction::Receive))
    })?;
    let lines = describe(&view, "your server");
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("your server is blocked in accept on fd 3"), "{lines:?}");
    assert!(lines[1].starts_with("another thread of your server is blocked in recv"), "{lines:?}");
    assert!(lines[1].ends_with("is empty; and 15 more threads the same"), "{lines:?}");
    let streams: Vec<&TcpStream> = streams.iter().collect();
    program.must_stall(&streams)?;
    program.must_not_stall(&streams[1..])
}

fn deadlock() -> Outcome {
    let program = Program::start("deadlock");
    let locked = Waiting::Lock { call: "futex" };
    let view = program.look_until(|view| {
        view.threads.len() == 2 && view.threads.iter().all(|thread| thread.waiting == locked)
    })?;
    let expected = "your server waits for a lock, a channel or the end of another thread (futex); \
                    and 1 more thread the same";
    says(&view, &[expected])?;
    program.must_stall(&[])
}

fn send() -> Outcome {
    let program = Program::start("send");
    full_buffer(&program, &program.connect())
}

/// A window so small that segments are lost for want of room, and sent again later.
fn send_small() -> Outcome {
    let program = Program::start("send");
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.set_recv_buffer_size(4_096)?;
    socket.connect(&program.address().into())?;
    full_buffer(&program, &socket.into())
}

fn full_buffer(program: &Program, stream: &TcpStream) -> Outcome {
    program.must_stall(&[stream])?;
    let view = look(&program.pids());
    assert!(is_descriptor(&view.threads[0].waiting, "send", Direction::Send), "{view:#?}");
    let lines = describe(&view, "your server");
    let expected = format!(
        "your server is blocked in send on fd 4 (the connection from {}); \
         its send buffer is full: ",
        stream.local_addr()?
    );
    assert!(lines[0].starts_with(&expected), "{lines:?}");
    // Longer than the kernel takes to send a lost segment again.
    thread::sleep(Duration::from_millis(700));
    let later = look(&program.pids());
    assert_eq!(view.threads[0].switches, later.threads[0].switches, "it went on by itself");
    // As soon as the grader reads, it is not stalled.
    let mut reader = stream.try_clone()?;
    let before = look(&program.pids());
    let known = socket(stream);
    let mut buffer = vec![0; 65_536];
    let end = Instant::now() + DEADLINE;
    while look(&program.pids()).threads[0].switches == before.threads[0].switches {
        reader.read_exact(&mut buffer)?;
        assert!(Instant::now() < end, "reading did not wake the program");
    }
    assert!(!stalled(&before, &look(&program.pids()), &[known]));
    Ok(())
}

fn udp() -> Outcome {
    let program = Program::start("udp");
    let view =
        program.first_until(|first| is_descriptor(first, "recv_from", Direction::Receive))?;
    let expected = format!(
        "your server is blocked in recv_from on fd 3 (UDP, bound to {}); no datagram waits",
        program.address()
    );
    says(&view, &[&expected])?;
    program.must_stall(&[])?;
    let before = look(&program.pids());
    UdpSocket::bind("127.0.0.1:0")?.send_to(b"", program.address())?;
    assert!(!stalled(&before, &look(&program.pids()), &[]), "a datagram has arrived");
    Ok(())
}

fn child() -> Outcome {
    let program = Program::start("child");
    let view = program.look_until(|view| {
        matches!(&view.threads[..], [parent, child]
            if matches!(parent.waiting, Waiting::Child { .. })
                && child.parent == parent.pid
                && is_descriptor(&child.waiting, "read", Direction::Receive))
    })?;
    let lines = describe(&view, "your server");
    assert!(lines[0].starts_with("your server waits for a child process to end"), "{lines:?}");
    assert!(lines[1].starts_with("a child process of your server is blocked in read"), "{lines:?}");
    program.must_stall(&[])
}

fn zombie() -> Outcome {
    let program = Program::start("zombie");
    let view = program.look_until(|view| {
        matches!(&view.threads[..], [parent, child]
            if is_descriptor(&parent.waiting, "read", Direction::Receive)
                && child.waiting == Waiting::Zombie)
    })?;
    assert_eq!(describe(&view, "your server").len(), 1);
    assert_eq!(look::zombies(&program.pids()), 1);
    program.must_stall(&[])
}

fn pause() -> Outcome {
    let program = Program::start("pause");
    let view = program.first_until(|first| matches!(first, Waiting::Signal { .. }))?;
    let lines = describe(&view, "your server");
    assert!(lines[0].starts_with("your server waits for a signal ("), "{lines:?}");
    program.must_stall(&[])
}

fn fifo() -> Outcome {
    let folder = std::env::temp_dir().join(format!("look-fifo-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let path = folder.join("fifo");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0)?;
    let program = Program::start_with("fifo", &[("LOOK_PATH", path.to_str().ok_or("not UTF-8")?)]);
    let view = program.first_until(|first| *first == Waiting::Other { call: "open" })?;
    says(&view, &["your server is blocked in open"])?;
    let outcome = program.must_not_stall(&[]);
    std::fs::remove_dir_all(&folder)?;
    outcome
}

fn itself() -> Outcome {
    let program = Program::start("itself");
    program.first_until(|first| is_descriptor(first, "recv", Direction::Receive))?;
    program.must_stall(&[])
}

/// Fills the queue of a listening socket, so that one more connection is not answered.
fn fill_queue(address: SocketAddr) -> Result<Vec<socket2::Socket>, Failed> {
    let mut filling = Vec::new();
    for _ in 0..4 {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => {
                return Err(error.into());
            }
            _ => filling.push(socket),
        }
    }
    Ok(filling)
}

fn connect() -> Outcome {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    socket.listen(0)?;
    let address = socket.local_addr()?.as_socket().ok_or("no address")?;
    let _filling = fill_queue(address)?;
    let program = Program::start_with("connect", &[(PEER, &address.to_string())]);
    let view = program.first_until(|first| is_descriptor(first, "connect", Direction::Connect))?;
    let expected = "your server is blocked in connect on fd 3 (a TCP socket that is not \
                    connected); there is no answer yet";
    says(&view, &[expected])?;
    program.must_not_stall(&[])
}

fn late_accept() -> Outcome {
    let mut program = Program::start("late-accept");
    let mut waiting = fill_queue(program.address())?;
    program.child.stdin.as_mut().ok_or("piped")?.write_all(b"\n")?;
    program.first_until(|first| is_descriptor(first, "accept", Direction::Accept))?;
    // The rest of the requests come again within a second or two, and are then accepted.
    let before = look(&program.pids());
    assert!(!program.is_stalled(&[]), "connection requests are on their way");
    program.look_until(|view| view.threads[0].switches > before.threads[0].switches)?;
    waiting.clear();
    Ok(())
}

/// Keeps both processors busy as long as it lives.
struct Load(Arc<AtomicBool>);

impl Load {
    fn start(threads: usize) -> Self {
        let on = Arc::new(AtomicBool::new(true));
        for _ in 0..threads {
            let on = Arc::clone(&on);
            thread::spawn(move || {
                while on.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        Self(on)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// The program works, hands over from thread to thread, or its bytes are on their way: as long as
/// its answer has not arrived, it is not stalled, however little the looks are apart.
fn hand_over() -> Outcome {
    let program = Program::start("hand-over");
    let mut stream = program.connect();
    let load = Load::start(4);
    let mut looks = 0;
    for round in 0..100_u8 {
        stream.write_all(&[round])?;
        loop {
            let before = look(&program.pids());
            thread::sleep(Duration::from_millis(u64::from(round % 4) * 3));
            let known = socket(&stream);
            let now = look(&program.pids());
            looks += 1;
            if stalled(&before, &now, &[known]) && known.unread == 0 {
                return Err(format!("round {round}: {before:#?}\n{now:#?}\n{known:?}").into());
            }
            if known.unread > 0 {
                break;
            }
        }
        let mut answer = [0; 2];
        assert_eq!((stream.read(&mut answer)?, answer[0]), (1, round));
    }
    drop(load);
    assert!(looks > 100, "the looks never met the program at work");
    program.must_stall(&[&stream])
}

/// The grader's own end answers late, in a thread of its own. Whenever it is the program's turn,
/// the program is not stalled.
fn asker() -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let program = Program::start_with("asker", &[(PEER, &address)]);
    let (mut stream, _) = listener.accept()?;
    let known = stream.try_clone()?;
    // Even: the program's turn; odd: the grader's.
    let turn = Arc::new(AtomicU64::new(0));
    let answering = Arc::clone(&turn);
    let answers = thread::spawn(move || -> std::io::Result<()> {
        let mut byte = [0; 16];
        for _ in 0..100 {
            if stream.read(&mut byte)? == 0 {
                break;
            }
            answering.fetch_add(1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(u64::from(byte[0] % 16) * 3));
            stream.write_all(&byte[..1])?;
            answering.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    });
    let _load = Load::start(4);
    let mut rightly = 0;
    while !answers.is_finished() {
        let first = turn.load(Ordering::SeqCst);
        let before = look(&program.pids());
        thread::sleep(Duration::from_millis(first % 4 * 3));
        let socket = socket(&known);
        let now = look(&program.pids());
        let verdict = stalled(&before, &now, &[socket]);
        let last = turn.load(Ordering::SeqCst);
        if verdict && first == last && first.is_multiple_of(2) && socket.unread == 0 {
            let view = format!("turn {first}: {before:#?}\n{now:#?}\n{socket:?}");
            // The hundredth answer is the last: the next question stays unanswered.
            assert!(first >= 200, "{view}");
        }
        rightly += usize::from(verdict && first == last && first % 2 == 1);
    }
    answers.join().map_err(|_| "the answering thread panicked")??;
    assert!(rightly > 0, "the verdict never came, so nothing was shown");
    Ok(())
}

/// The answer came after the grader had last read its queue.
fn just_arrived() -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let program = Program::start_with("asker", &[(PEER, &address)]);
    let (stream, _) = listener.accept()?;
    stream.peek(&mut [0])?;
    program.must_stall(&[&stream])?;
    let before = look(&program.pids());
    let earlier = GraderSocket { unread: 0, ..socket(&stream) };
    assert!(!stalled(&before, &look(&program.pids()), &[earlier]));
    Ok(())
}

fn peer_state() -> Outcome {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let listener = match TcpListener::bind(address) {
            Err(error) if address.starts_with('[') => {
                eprintln!("no IPv6 here ({error}); IPv4 was looked at");
                continue;
            }
            listener => listener?,
        };
        let local = listener.local_addr()?;
        let mut stream = TcpStream::connect(local)?;
        let diag = SockDiag::new()?;
        let state = || diag.peer_state(stream.local_addr()?, stream.peer_addr()?);
        let waiting = state()?.ok_or("no connection")?;
        assert_eq!((waiting.state, waiting.inode), (1, 0), "it is not yet accepted");
        let (mut accepted, _) = listener.accept()?;
        (&stream).write_all(b"hello")?;
        let arrived = state()?.ok_or("no connection")?;
        assert_eq!((arrived.receive_queue, arrived.send_queue), (5, 0));
        assert_ne!(arrived.inode, 0);
        accepted.read_exact(&mut [0; 3])?;
        assert_eq!(state()?.map(|state| state.receive_queue), Some(2));
        stream.write_all(b"!")?;
        stream.shutdown(std::net::Shutdown::Write)?;
        let by_function =
            look::tcp_receive_queue_of_peer(stream.local_addr()?, stream.peer_addr()?)?;
        let finished = by_function.ok_or("no connection")?;
        // Three bytes and the end of the stream, which the program has not read.
        assert_eq!((finished.state, finished.receive_queue), (8, 4));
        let nobody = SocketAddr::new(local.ip(), 1);
        assert_eq!(diag.peer_state(nobody, local)?, None, "a listening socket is no connection");
        let began = Instant::now();
        for _ in 0..1_000 {
            diag.peer_state(stream.local_addr()?, stream.peer_addr()?)?;
        }
        eprintln!("{address}: {:?} a question", began.elapsed() / 1_000);
    }
    Ok(())
}

fn accounts() -> Outcome {
    let program = Program::start("memory");
    let pid = program.child.id();
    program.first_until(|first| is_descriptor(first, "read", Direction::Receive))?;
    let (peak, resident) = (look::peak_memory_bytes(pid)?, look::resident_bytes(pid)?);
    assert!(peak > 64 << 20 && peak < 96 << 20, "peak {peak}");
    assert!(resident < 32 << 20 && look::anonymous_bytes(pid)? <= resident, "{resident}");
    assert!(look::cpu_time(pid)? > Duration::from_millis(1));
    assert_eq!(look::threads(pid)?, 1);
    let descriptors = look::descriptors(pid)?;
    assert!(descriptors[0].0 == 0 && descriptors[0].1.starts_with("pipe:["), "{descriptors:?}");
    assert_eq!(look::zombies(&program.pids()), 0);
    let input = look::duplicate_descriptor(pid, 0)?;
    let link = std::fs::read_link(format!("/proc/self/fd/{}", input.as_raw_fd()))?;
    assert_eq!(link.to_str(), Some(descriptors[0].1.as_str()));
    let error = look::duplicate_descriptor(pid, 99).map(drop);
    assert_eq!(error.map_err(|error| error.raw_os_error()), Err(Some(libc::EBADF)));
    Ok(())
}

/// A process that is gone: nothing is seen, nothing is certain, nothing panics.
fn nobody() -> Outcome {
    let mut program = Program::start("stdin");
    let pids = program.pids();
    let before = look(&pids);
    program.child.kill()?;
    program.child.wait()?;
    let now = look(&pids);
    assert_eq!(now, View::default());
    assert!(!stalled(&before, &now, &[]));
    assert!(!stalled(&before, &before, &[]));
    assert!(describe(&now, "your server").is_empty());
    assert!(look::cpu_time(pids[0]).is_err() && look::peak_memory_bytes(pids[0]).is_err());
    assert_eq!(look::zombies(&pids), 0);
    Ok(())
}
