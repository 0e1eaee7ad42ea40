//! The programs that the tests look into: this test binary, started again with the fixture's name.
//!
//! Each prints one line when it is set up (`ready`, with its address if it has one) and then does
//! the one thing that it is named for. None of them ends by itself.

use std::io::{PipeReader, PipeWriter, Read, Write, pipe, stdin, stdout};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::{Barrier, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};

/// The environment variable that names the fixture.
pub const FIXTURE: &str = "LOOK_FIXTURE";
/// The environment variable with an address that the fixture connects to.
pub const PEER: &str = "LOOK_PEER";
/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);
/// How many connections the fixture `many` serves.
pub const MANY: usize = 16;

/// Runs a fixture to its end, which only an error or a kill is.
pub fn run(name: &str) {
    match name {
        "accept" => drop(listen().accept().expect("accept")),
        "recv" => receive(&mut accept_one()),
        "recv-mapped" => receive_mapped(),
        "recv-timeout" => {
            let mut stream = accept_one();
            stream.set_read_timeout(Some(LONG)).expect("set the timeout");
            receive(&mut stream);
        }
        "recv-alarm" => receive_with_alarm(),
        "stdin" => announce_and_read(),
        "sleep" => {
            announce("ready");
            thread::sleep(LONG);
        }
        "busy" => {
            announce("ready");
            loop {
                std::hint::spin_loop();
            }
        }
        "poll" => poll_both(None),
        "poll-timed" => poll_both(Some(&Timespec { tv_sec: 600, tv_nsec: 0 })),
        "select" => select_one(),
        "epoll" => epoll_both(epoll::EventFlags::IN, None),
        "epoll-edge" => epoll_both(epoll::EventFlags::IN | epoll::EventFlags::ET, None),
        "epoll-timed" => {
            epoll_both(epoll::EventFlags::IN, Some(&Timespec { tv_sec: 600, tv_nsec: 0 }));
        }
        "join" => {
            let mut stream = accept_one();
            thread::Builder::new()
                .name("worker".to_owned())
                .spawn(move || receive(&mut stream))
                .expect("start a thread")
                .join()
                .expect("join");
        }
        "many" => serve_many(),
        name => run_another(name),
    }
}

/// The fixtures that wait for more than one thing, or for something else than one connection.
fn run_another(name: &str) {
    match name {
        "deadlock" => deadlock(),
        "send" => send_for_ever(&mut accept_one()),
        "udp" => {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("bind");
            announce(&format!("ready {}", socket.local_addr().expect("address")));
            socket.recv_from(&mut [0; 64]).expect("receive");
        }
        "child" => {
            let child = fixture("stdin").stdout(Stdio::null()).spawn();
            announce("ready");
            child.expect("start a child").wait().expect("wait");
        }
        "pause" => {
            announce("ready");
            // SAFETY: the call has no arguments.
            unsafe { libc::pause() };
        }
        "fifo" => open_fifo(),
        "itself" => talk_to_itself(),
        "connect" => wait_for_connection(),
        "late-accept" => accept_late(),
        "hand-over" => hand_over(),
        "cat" => each_byte(&mut stdin(), |byte| {
            stdout().write_all(&[byte]).and_then(|()| stdout().flush())
        }),
        "asker" => ask_again_and_again(),
        "recv-peer" => receive(&mut connect()),
        "zombie" => {
            let mut child = fixture("cat").stdin(Stdio::null()).spawn().expect("start a child");
            announce_and_read();
            child.wait().expect("wait");
        }
        "memory" => {
            let memory = vec![1_u8; 64 << 20];
            drop(memory);
            announce_and_read();
        }
        name => panic!("there is no fixture {name}"),
    }
}

/// The command that starts a fixture.
pub fn fixture(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the path of this binary"));
    command.env(FIXTURE, name).stdin(Stdio::inherit());
    command
}

fn announce(line: &str) {
    let mut stdout = stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).expect("print");
}

fn announce_and_read() {
    announce("ready");
    // Whatever comes, the fixture goes on to its end.
    stdin().read_exact(&mut [0]).unwrap_or(());
}

fn listen() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    announce(&format!("ready {}", listener.local_addr().expect("address")));
    listener
}

/// Leaks the listener, so that it stays open as a server's does.
fn accept_one() -> TcpStream {
    let listener = Box::leak(Box::new(listen()));
    listener.accept().expect("accept").0
}

fn peer() -> SocketAddr {
    std::env::var(PEER).expect("an address").parse().expect("an address")
}

fn connect() -> TcpStream {
    let stream = TcpStream::connect(peer()).expect("connect");
    announce("ready");
    stream
}

fn receive(stream: &mut TcpStream) {
    while stream.read(&mut [0; 4_096]).expect("receive") > 0 {}
}

fn receive_mapped() {
    let socket =
        socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::STREAM, None).expect("a socket");
    socket.set_only_v6(false).expect("both families");
    socket.bind(&SocketAddr::from(([0_u16; 8], 0)).into()).expect("bind");
    socket.listen(8).expect("listen");
    let port = socket.local_addr().expect("address").as_socket().expect("address").port();
    announce(&format!("ready 127.0.0.1:{port}"));
    let (stream, _) = socket.accept().expect("accept");
    receive(&mut stream.into());
}

fn receive_with_alarm() {
    extern "C" fn ring(_: libc::c_int) {}
    let mut stream = accept_one();
    // SAFETY: the handler does nothing, and the calls take no memory of ours.
    unsafe {
        libc::signal(libc::SIGALRM, ring as *const () as libc::sighandler_t);
        libc::alarm(600);
    }
    receive(&mut stream);
}

fn poll_both(timeout: Option<&Timespec>) {
    let stream = accept_one();
    let input = stdin();
    let mut entries = [
        PollFd::new(&stream, PollFlags::IN),
        PollFd::from_borrowed_fd(input.as_fd(), PollFlags::IN),
    ];
    poll(&mut entries, timeout).expect("poll");
}

fn select_one() {
    let stream = accept_one();
    // SAFETY: the set is plain data, and `select` gets a pointer to it that lives long enough.
    unsafe {
        let mut set: libc::fd_set = std::mem::zeroed();
        libc::FD_SET(stream.as_raw_fd(), &raw mut set);
        let none = std::ptr::null_mut();
        libc::select(stream.as_raw_fd() + 1, &raw mut set, none, none, std::ptr::null_mut());
    }
}

fn epoll_both(events: epoll::EventFlags, timeout: Option<&Timespec>) {
    let stream = accept_one();
    let (other, _keep) = UnixStream::pair().expect("a pair");
    let instance = epoll::create(epoll::CreateFlags::CLOEXEC).expect("epoll");
    epoll::add(&instance, &stream, epoll::EventData::new_u64(1), events).expect("add");
    epoll::add(&instance, &other, epoll::EventData::new_u64(2), events).expect("add");
    // One event is taken and not acted on, as by a program that reads too little at an edge.
    let mut seen = Vec::with_capacity(8);
    while events.contains(epoll::EventFlags::ET) || seen.is_empty() {
        let space = rustix::buffer::spare_capacity(&mut seen);
        epoll::wait(&instance, space, timeout).expect("wait");
    }
}

fn serve_many() {
    let listener = listen();
    loop {
        let (mut stream, _) = listener.accept().expect("accept");
        thread::spawn(move || receive(&mut stream));
    }
}

fn deadlock() {
    let (one, two) = (Mutex::new(()), Mutex::new(()));
    let both = Barrier::new(2);
    announce("ready");
    thread::scope(|scope| {
        scope.spawn(|| {
            let _two = two.lock();
            both.wait();
            drop(one.lock());
        });
        let _one = one.lock();
        both.wait();
        drop(two.lock());
    });
}

fn send_for_ever(stream: &mut TcpStream) {
    loop {
        stream.write_all(&[b'x'; 65_536]).expect("send");
    }
}

fn open_fifo() {
    let path = std::env::var_os("LOOK_PATH").expect("a path");
    announce("ready");
    drop(std::fs::File::open(path).expect("open"));
}

fn talk_to_itself() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let one = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
    let (mut two, _) = listener.accept().expect("accept");
    announce("ready");
    receive(&mut two);
    drop(one);
}

fn wait_for_connection() {
    announce("ready");
    drop(TcpStream::connect(peer()).expect("connect"));
}

/// Listens with room for one or two, lets them wait for a line on stdin, then accepts all it can.
fn accept_late() {
    let socket =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("bind");
    socket.listen(0).expect("listen");
    let local = socket.local_addr().expect("address").as_socket().expect("address");
    announce(&format!("ready {local}"));
    assert!(stdin().read(&mut [0; 64]).expect("read") > 0, "a line was to come");
    let mut accepted = Vec::new();
    loop {
        accepted.push(socket.accept().expect("accept"));
    }
}

/// An echo whose every byte goes from thread to thread (a channel, a socket pair, a pipe), through
/// a child process and round a ring of threads, with some work between, before it goes back.
fn hand_over() {
    let mut child =
        fixture("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("start a child");
    let (mut to_child, mut from_child) =
        (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
    let (to_second, from_first) = mpsc::channel::<u8>();
    let (mut to_third, mut from_second) = UnixStream::pair().expect("a pair");
    let mut stream = accept_one();
    let mut to_ring = ring(stream.try_clone().expect("clone"));
    thread::spawn(move || {
        for byte in from_first {
            work(byte);
            to_third.write_all(&[byte]).expect("write");
        }
    });
    thread::spawn(move || each_byte(&mut from_second, |byte| to_child.write_all(&[byte])));
    thread::spawn(move || each_byte(&mut from_child, |byte| to_ring.write_all(&[byte])));
    each_byte(&mut stream, |byte| to_second.send(byte).map_err(std::io::Error::other));
    child.wait().expect("wait");
}

/// Threads that hand each byte on to the one that was started before, so against the order in which
/// a look goes through them, some times round; then it goes to `end`. Returns the way in.
fn ring(mut end: TcpStream) -> PipeWriter {
    const THREADS: usize = 5;
    const ROUNDS: usize = 20;
    let (from_last, entry) = pipe().expect("a pipe");
    let (mut from_next, mut to_first) = pipe().expect("a pipe");
    let mut again = entry.try_clone().expect("clone");
    thread::spawn(move || {
        let mut byte = [0];
        let mut round = 0;
        while from_next.read(&mut byte).expect("read") > 0 {
            round = (round + 1) % ROUNDS;
            let on: &mut dyn Write = if round == 0 { &mut end } else { &mut again };
            on.write_all(&byte).expect("hand over");
        }
    });
    for _ in 2..THREADS {
        let (mut from, to) = pipe().expect("a pipe");
        let mut previous = std::mem::replace(&mut to_first, to);
        thread::spawn(move || drop(std::io::copy(&mut Unhurried(&mut from), &mut previous)));
    }
    let (mut from, mut to) = (from_last, to_first);
    thread::spawn(move || drop(std::io::copy(&mut Unhurried(&mut from), &mut to)));
    entry
}

/// Hides that it is a pipe from `std::io::copy`, which would else let the kernel move the bytes.
struct Unhurried<'a>(&'a mut PipeReader);

impl Read for Unhurried<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

fn each_byte(from: &mut impl Read, mut then: impl FnMut(u8) -> std::io::Result<()>) {
    let mut byte = [0];
    while from.read(&mut byte).expect("read") > 0 {
        work(byte[0]);
        then(byte[0]).expect("hand over");
    }
}

/// Up to some milliseconds on the processor, by the byte: never a sleep, which would be seen.
fn work(byte: u8) {
    let until = Instant::now() + Duration::from_micros(u64::from(byte % 8) * 700);
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

/// A client that asks with one byte and asks again when the answer is there.
fn ask_again_and_again() {
    let mut stream = connect();
    for byte in (0..=u8::MAX).cycle() {
        stream.write_all(&[byte]).expect("send");
        if stream.read(&mut [0; 16]).expect("receive") == 0 {
            break;
        }
        work(byte);
    }
}
