//! What a program cannot do, and what it can all the same.

mod support;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use rustix::net::sockopt::socket_type;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use sandbox::{Disk, Job, Network, NetworkNamespace, Running, Sandbox};
use support::{
    Outcome, blocking, ensure, explained, output, python, read_line, reason_missing, same, shell,
    wait_exit,
};

fn main() -> ExitCode {
    sandbox::keeper_main_if_asked();
    if let Err(error) = sandbox::protect_self() {
        eprintln!("protect this process: {error}");
        return ExitCode::FAILURE;
    }
    support::run(&[
        ("without_privileges", support::without_privileges),
        ("layer_names_everything", layer_names_everything),
        ("writing_outside", writing_outside),
        ("writing_where_allowed", writing_where_allowed),
        ("reading_outside", reading_outside),
        ("missing_writable_folder_is_named", missing_writable_folder_is_named),
        ("signals_stay_inside", signals_stay_inside),
        ("abstract_sockets_stay_inside", abstract_sockets_stay_inside),
        ("system_calls_are_filtered", system_calls_are_filtered),
        ("no_powers_and_no_new_ones", no_powers_and_no_new_ones),
        ("the_caller_is_closed", the_caller_is_closed),
        ("the_program_is_open_to_the_caller", the_program_is_open_to_the_caller),
        ("lonely_network", lonely_network),
        ("lonely_program_is_open_to_the_caller", lonely_program_is_open_to_the_caller),
        ("given_network", given_network),
        ("given_network_beside_disk_and_descriptors", given_network_beside_disk_and_descriptors),
        ("what_is_no_network", what_is_no_network),
        ("small_disk", small_disk),
        ("disk_outlives_the_program", disk_outlives_the_program),
        ("own_hosts", own_hosts),
        ("own_hosts_beside_disk_and_network", own_hosts_beside_disk_and_network),
        ("ordinary_servers_run", ordinary_servers_run),
    ])
}

fn layer_names_everything() -> Outcome {
    let sandbox = Sandbox::start()?;
    let layer = sandbox.layer();
    println!("layer {:?}: {:?}", layer.name(), layer.measures);
    same("protections", layer.measures.len(), 6)?;
    for (name, reason) in layer.missing() {
        ensure(reason.len() > 10, format!("no reason why {name} is missing"))?;
    }
    same("files left by the search", fs::read_dir(sandbox.scratch())?.count(), 0)
}

fn writing_outside() -> Outcome {
    let sandbox = Sandbox::start()?;
    let (inside, outside) = (sandbox.scratch().join("inside"), sandbox.scratch().join("outside"));
    fs::create_dir(&inside)?;
    fs::create_dir(&outside)?;
    fs::write(outside.join("file"), "kept")?;
    let mut job = python(
        &sandbox,
        "import os
def denied(call, *arguments):
    try:
        call(*arguments)
        print('allowed', *arguments)
    except PermissionError as error:
        pass
    except OSError as error:
        if error.errno != 18: print(error, *arguments) # EXDEV: moved between folders
denied(open, '../outside/new', 'w')
denied(open, '../outside/file', 'r+')
denied(os.truncate, '../outside/file', 0)
denied(os.remove, '../outside/file')
denied(os.mkdir, '../outside/folder')
denied(os.symlink, 'a', '../outside/link')
denied(os.rename, '../outside/file', 'file')
open('file', 'w').write('mine')
denied(os.rename, 'file', '../outside/mine')
open('/dev/null', 'w').write('x')
print(open('../outside/file').read())",
    );
    job.directory = inside;
    let got = output(&sandbox, &job)?;
    match reason_missing(&sandbox, "Landlock") {
        None => same("writes", got, "kept\n".to_owned()),
        Some(reason) => {
            println!("no Landlock here, so only its absence is tested: {reason}");
            ensure(got.contains("allowed"), "writing is denied, yet no Landlock is reported")
        }
    }
}

fn writing_where_allowed() -> Outcome {
    let sandbox = Sandbox::start()?;
    let folders = ["inside", "other"].map(|name| sandbox.scratch().join(name));
    for folder in &folders {
        fs::create_dir(folder)?;
    }
    let file = sandbox.scratch().join("file");
    fs::write(&file, "old")?;
    let emptied = sandbox.scratch().join("emptied");
    fs::write(&emptied, "old")?;
    let script = "mkdir a && echo 1 > a/b && mv a/b ../other/c && echo 2 >> ../file && rm -r a \
        && : > ../emptied";
    let mut job = shell(&sandbox, script);
    job.directory.clone_from(&folders[0]);
    job.writable = vec![folders[1].clone(), file.clone(), emptied.clone()];
    same("output", output(&sandbox, &job)?, String::new())?;
    same("moved", fs::read_to_string(folders[1].join("c"))?, "1\n".to_owned())?;
    same("appended", fs::read_to_string(file)?, "old2\n".to_owned())?;
    same("emptied", fs::read_to_string(emptied)?, String::new())
}

fn reading_outside() -> Outcome {
    let sandbox = Sandbox::start()?;
    for name in ["inside", "shown", "other"] {
        fs::create_dir(sandbox.scratch().join(name))?;
        fs::write(sandbox.scratch().join(name).join("file"), name)?;
    }
    let script =
        "cat file ../shown/file ../other/file; ls ../other; ls ../shown; echo > ../shown/file";
    let mut job = shell(&sandbox, &format!("({script}) 2>/dev/null || echo; exit 0"));
    job.directory = sandbox.scratch().join("inside");
    let system = ["/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache"].map(Path::new);
    let mut readable: Vec<_> =
        system.iter().filter(|path| path.exists()).map(|path| path.into()).collect();
    readable.push(sandbox.scratch().join("shown"));
    job.readable = Some(readable);
    let got = output(&sandbox, &job)?;
    match reason_missing(&sandbox, "Landlock") {
        None => same("what was read", got, "insideshownfile\n\n".to_owned()),
        Some(reason) => {
            println!("no Landlock here, so only its absence is tested: {reason}");
            ensure(got.contains("other"), "reading is denied, yet no Landlock is reported")
        }
    }
}

fn missing_writable_folder_is_named() -> Outcome {
    let sandbox = Sandbox::start()?;
    let mut job = shell(&sandbox, "exit 0");
    job.writable = vec!["/no/such/folder".into()];
    let message = sandbox.spawn(&job).err().map(|error| error.to_string()).unwrap_or_default();
    let expected = "cannot start /bin/sh: allow writing to /no/such/folder: No such file";
    ensure(message.starts_with(expected), message)
}

fn signals_stay_inside() -> Outcome {
    let sandbox = Sandbox::start()?;
    let caller = std::process::id();
    // Its own children it may signal, its warden, the keeper and the caller not; everybody at
    // once neither.
    let script = format!(
        "import os, signal, subprocess
child = subprocess.Popen(['sleep', '600'])
child.terminate()
print(child.wait())
for pid in (os.getppid(), {caller}, -1):
    try:
        os.kill(pid, 0)
        print('allowed')
    except PermissionError:
        print('denied')"
    );
    let got = output(&sandbox, &python(&sandbox, &script))?;
    if let Some(reason) = reason_missing(&sandbox, "Landlock") {
        println!("no Landlock here, so the warden can be signalled: {reason}");
        return ensure(got.ends_with("denied\ndenied\n"), got);
    }
    same("signals", got, "-15\ndenied\ndenied\ndenied\n".to_owned())
}

fn abstract_sockets_stay_inside() -> Outcome {
    use std::os::linux::net::SocketAddrExt;
    let sandbox = Sandbox::start()?;
    let name = format!("sandbox-test-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name)?;
    let listener = UnixListener::bind_addr(&address)?;
    listener.set_nonblocking(true)?;
    let script = format!(
        "import socket
try:
    socket.socket(socket.AF_UNIX).connect('\\0{name}')
    print('connected')
except PermissionError:
    print('denied')"
    );
    let got = output(&sandbox, &python(&sandbox, &script))?;
    // The scope is younger than Landlock (Linux 6.12), so this tells what is the case.
    println!("a program that connects to the caller's abstract socket: {}", got.trim());
    same("told and seen", got == "connected\n", listener.accept().is_ok())
}

fn system_calls_are_filtered() -> Outcome {
    let sandbox = Sandbox::start()?;
    let script = "import ctypes, errno, os, platform
library = ctypes.CDLL(None, use_errno=True)
def told(result):
    return errno.errorcode[ctypes.get_errno()] if result == -1 else result
arm = platform.machine() == 'aarch64'
print('ptrace', told(library.ptrace(0, 0, 0, 0)))
print('unshare', told(library.unshare(0x10000000)))
print('mount', told(library.mount(b'x', b'/', b'tmpfs', 0, None)))
print('personality', told(library.personality(0x0040000)))
print('query', told(library.personality(0xffffffff)))
print('clone3', told(library.syscall(435, 0, 0)))
print('clone', told(library.syscall(220 if arm else 56, 0x10000000, 0, 0, 0, 0)))
print('io_uring', told(library.syscall(425, 1, 0)))
print('pidfd_getfd', told(library.syscall(438, 0, 0, 0)))
print('tiocsti', told(library.ioctl(0, 0x5412, b'x')))
print('x32', 'ENOSYS' if arm else told(library.syscall(0x40000000 + 39)))
if os.fork() == 0: os._exit(3)
print('child', os.waitstatus_to_exitcode(os.wait()[1]))";
    let got = output(&sandbox, &python(&sandbox, script))?;
    if let Some(reason) = reason_missing(&sandbox, "seccomp") {
        println!("no seccomp here, so only its absence is tested: {reason}");
        return ensure(got.contains("ptrace 0"), "ptrace is denied, yet no seccomp is reported");
    }
    let expected = "ptrace EPERM\nunshare EPERM\nmount EPERM\npersonality EPERM\nquery 0\n\
        clone3 ENOSYS\nclone EPERM\nio_uring EPERM\npidfd_getfd EPERM\ntiocsti EPERM\n\
        x32 ENOSYS\nchild 3\n";
    same("answers", got, expected.to_owned())
}

fn no_powers_and_no_new_ones() -> Outcome {
    let sandbox = Sandbox::start()?;
    let script = "import re
t = open('/proc/self/status').read()
power = 0
for name in ('CapEff', 'CapPrm'): power |= int(re.search(name + r':\\s*(\\w+)', t)[1], 16)
# kill, net_admin, sys_module, sys_ptrace, sys_admin, sys_resource
print([bit for bit in (5, 12, 16, 19, 21, 24) if power >> bit & 1])
print(re.search(r'NoNewPrivs:\\s*(\\d)', t)[1])";
    same("powers", output(&sandbox, &python(&sandbox, script))?, "[]\n1\n".to_owned())
}

fn the_caller_is_closed() -> Outcome {
    let sandbox = Sandbox::start()?;
    let caller = std::process::id();
    let script = format!(
        "import os
def parent(pid): return int(open(f'/proc/{{pid}}/stat').read().rsplit(')')[1].split()[1])
warden = os.getppid()
for pid in (warden, parent(warden), {caller}):
    for file in ('environ', 'mem', 'maps'):
        try:
            open(f'/proc/{{pid}}/{{file}}', 'rb').read(1)
            print('read', file)
        except PermissionError:
            pass
    try:
        print(os.listdir(f'/proc/{{pid}}/fd'))
    except PermissionError:
        pass
print('done')"
    );
    let got = output(&sandbox, &python(&sandbox, &script))?;
    if rustix::process::geteuid().is_root() {
        // Root owns the files of processes that are not dumpable, so it may list the descriptors.
        let listed = got.lines().filter(|line| line.starts_with("read")).count();
        return same("files read", listed, 0);
    }
    same("files read", got, "done\n".to_owned())
}

fn the_program_is_open_to_the_caller() -> Outcome {
    let sandbox = Sandbox::start()?;
    look_inside(&mut sandbox.spawn(&python(&sandbox, LISTENER))?).map(drop)
}

const LISTENER: &str = "import socket
s = socket.create_server(('127.0.0.1', 0))
print(s.fileno(), s.getsockname()[1], flush=True)
c, _ = s.accept()
c.sendall(c.recv(100))
s.accept()";

/// Looks at a [`LISTENER`] as a grader does; returns its listening socket.
fn look_inside(running: &mut Running) -> Result<OwnedFd, libtest_mimic::Failed> {
    let mut stdout = blocking(running.stdout())?;
    let line = read_line(&mut stdout)?;
    let number: i32 = line.split_once(' ').ok_or(line.clone())?.0.parse()?;
    let pid = running.pid();
    support::eventually("it waits in a system call", || {
        fs::read_to_string(format!("/proc/{pid}/task/{pid}/syscall"))
            .is_ok_and(|text| text.split(' ').count() > 6)
    })?;
    for file in ["stat", "status", "wchan", "environ", "maps", "net/tcp"] {
        let path = format!("/proc/{pid}/{file}");
        fs::read(&path).map_err(|error| format!("{path}: {error}"))?;
    }
    let link = fs::read_link(format!("/proc/{pid}/fd/{number}"))?;
    ensure(link.to_string_lossy().starts_with("socket:"), format!("{link:?}"))?;
    let pid = Pid::from_raw(pid.cast_signed()).ok_or("no number")?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    let socket = pidfd_getfd(&pidfd, number, PidfdGetfdFlags::empty())?;
    same("its socket", socket_type(&socket)?, rustix::net::SocketType::STREAM)?;
    Ok(socket)
}

fn lonely_network() -> Outcome {
    let sandbox = Sandbox::start()?;
    let mut job = python(
        &sandbox,
        "import errno, os, socket
print(sorted(name for _, name in socket.if_nameindex()))
for address in ('192.0.2.1', '255.255.255.255'):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    try:
        s.sendto(b'x', (address, 9))
        print('sent')
    except OSError as error:
        print(errno.errorcode[error.errno])
try:
    socket.create_connection(('192.0.2.1', 9), timeout=5)
except OSError as error:
    print(errno.errorcode[error.errno])
s = socket.create_server(('127.0.0.1', 0))
c = socket.create_connection(s.getsockname())
c.sendall(b'hi')
print(s.accept()[0].recv(9))
print(socket.create_server(('::1', 0), family=socket.AF_INET6).getsockname()[0])
print(os.getuid(), os.getgid())",
    );
    job.network = Network::Lonely;
    let got = match sandbox.spawn(&job) {
        Ok(running) => {
            drop(running);
            output(&sandbox, &job)?
        }
        Err(error) => return explained(&sandbox, "network namespace", &error),
    };
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let expected =
        format!("['lo']\nENETUNREACH\nENETUNREACH\nENETUNREACH\nb'hi'\n::1\n{user} {group}\n");
    same("what it sees", got, expected)
}

/// The network of a program that has one of its own, which runs for as long as this is kept.
fn somebody_elses_network(sandbox: &Sandbox) -> io::Result<(Running, NetworkNamespace)> {
    let mut job = shell(sandbox, "echo ready; read line");
    job.network = Network::Lonely;
    let mut running = sandbox.spawn(&job)?;
    // Once it runs, it is open to the caller.
    read_line(&mut blocking(running.stdout())?)?;
    let open = |name: &str| {
        let file = File::open(format!("/proc/{}/ns/{name}", running.pid()))?;
        Ok::<_, io::Error>(Arc::new(OwnedFd::from(file)))
    };
    let own_user = fs::read_link("/proc/self/ns/user")?;
    let its_user = fs::read_link(format!("/proc/{}/ns/user", running.pid()))?;
    let user = if own_user == its_user { None } else { Some(open("user")?) };
    let network = NetworkNamespace::new(user, open("net")?);
    Ok((running, network))
}

/// Prints which network the program is in, and what it may do there.
const IN_NETWORK: &str = "import os, socket
print(os.readlink('/proc/self/ns/net'))
print(sorted(name for _, name in socket.if_nameindex()))
for attempt in (lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
                lambda: socket.sethostname('x')):
    try:
        attempt()
        print('allowed')
    except PermissionError:
        print('denied')
print(os.getuid(), os.getgid(), len(os.listdir('/proc/self/fd')))";

fn told_in_network(running: &Running, descriptors: usize) -> io::Result<String> {
    let network = fs::read_link(format!("/proc/{}/ns/net", running.pid()))?;
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let network = network.display();
    Ok(format!("{network}\n['lo']\ndenied\ndenied\n{user} {group} {descriptors}\n"))
}

fn given_network() -> Outcome {
    let sandbox = Sandbox::start()?;
    let (running, network) = match somebody_elses_network(&sandbox) {
        Ok(made) => made,
        Err(error) => return explained(&sandbox, "network namespace", &error),
    };
    let mut job = python(&sandbox, IN_NETWORK);
    job.network = Network::Given(network);
    // Its own three, and the one by which it reads the folder.
    same("what it sees", output(&sandbox, &job)?, told_in_network(&running, 4)?)
}

fn given_network_beside_disk_and_descriptors() -> Outcome {
    let sandbox = Sandbox::start()?;
    let (running, network) = match somebody_elses_network(&sandbox) {
        Ok(made) => made,
        Err(error) => return explained(&sandbox, "network namespace", &error),
    };
    let mut job = with_disk(&sandbox, IN_NETWORK)?;
    job.network = Network::Given(network);
    job.hosts = Some(HOSTS.to_owned());
    job.extra_descriptors = 20;
    match output(&sandbox, &job) {
        Ok(got) => same("what it sees", got, told_in_network(&running, 24)?),
        Err(error) => explained(&sandbox, "mount namespace", &error),
    }
}

fn what_is_no_network() -> Outcome {
    let sandbox = Sandbox::start()?;
    let file = Arc::new(OwnedFd::from(File::open("/dev/null")?));
    let mut job = shell(&sandbox, "exit 0");
    job.network = Network::Given(NetworkNamespace::new(None, file));
    let error = sandbox.spawn(&job).err().ok_or("a program was started there")?;
    same("kind", error.kind(), io::ErrorKind::Unsupported)?;
    let expected = "cannot start /bin/sh by itself: join the network: Invalid argument";
    ensure(error.to_string().starts_with(expected), error.to_string())
}

fn lonely_program_is_open_to_the_caller() -> Outcome {
    let sandbox = Sandbox::start()?;
    let mut job = python(&sandbox, LISTENER);
    job.network = Network::Lonely;
    match sandbox.spawn(&job) {
        Ok(mut running) => look_inside(&mut running).map(drop),
        Err(error) => explained(&sandbox, "network namespace", &error),
    }
}

fn with_disk(sandbox: &Sandbox, script: &str) -> io::Result<Job> {
    let path = sandbox.scratch().join("disk");
    fs::create_dir(&path)?;
    let mut job = python(sandbox, script);
    job.disk = Some(Disk { path, bytes: 64 * 1024, inodes: 10 });
    Ok(job)
}

fn small_disk() -> Outcome {
    let sandbox = Sandbox::start()?;
    let job = with_disk(
        &sandbox,
        "import errno, os
try:
    with open('disk/big', 'wb', buffering=0) as file:
        while True: file.write(bytes(4096))
except OSError as error:
    print(errno.errorcode[error.errno], os.path.getsize('disk/big'), flush=True)
os.remove('disk/big')
made = 0
try:
    while True:
        open(f'disk/{made}', 'w').close()
        made += 1
except OSError as error:
    print(errno.errorcode[error.errno], made, flush=True)
print(open('disk/from-outside').read() if input() else '', flush=True)",
    )?;
    let mut running = match sandbox.spawn(&job) {
        Ok(running) => running,
        Err(error) => return explained(&sandbox, "mount namespace", &error),
    };
    let mut stdout = blocking(running.stdout())?;
    let mut stdin = blocking(running.stdin())?;
    same("bytes", read_line(&mut stdout)?, "ENOSPC 65536".to_owned())?;
    same("inodes", read_line(&mut stdout)?, "ENOSPC 9".to_owned())?;
    let path = sandbox.scratch().join("disk");
    same("seen by all", fs::read_dir(&path)?.count(), 0)?;
    let inside = running.path_inside(&path);
    same("seen from outside", fs::read_dir(&inside)?.count(), 9)?;
    fs::remove_file(inside.join("0"))?;
    fs::write(running.path_inside(&path.join("from-outside")), "hello")?;
    stdin.write_all(b"go\n")?;
    same("read inside", read_line(&mut stdout)?, "hello".to_owned())?;
    same("another path", running.path_inside(Path::new("/etc")), "/etc".into())
}

fn disk_outlives_the_program() -> Outcome {
    let sandbox = Sandbox::start()?;
    let job = with_disk(&sandbox, "open('disk/kept', 'w').write('still here')")?;
    let mut running = match sandbox.spawn(&job) {
        Ok(running) => running,
        Err(error) => return explained(&sandbox, "mount namespace", &error),
    };
    same("status", wait_exit(&mut running)?.status, Some(0))?;
    running.kill()?;
    let file = running.path_inside(&sandbox.scratch().join("disk/kept"));
    same("file", fs::read_to_string(file)?, "still here".to_owned())
}

/// Not what any machine has in its own.
const HOSTS: &str = "127.0.0.1 localhost\n127.0.0.1 two.test\n127.0.0.2 two.test\n";

fn own_hosts() -> Outcome {
    let sandbox = Sandbox::start()?;
    let before = fs::read_to_string("/etc/hosts")?;
    let mut job = python(
        &sandbox,
        "import os
print(open('/etc/hosts').read(), end='')
try:
    open('/etc/hosts', 'a')
    print('may write')
except PermissionError:
    print('may not write')
print(os.listdir('.'), os.getuid(), os.getgid())",
    );
    job.hosts = Some(HOSTS.to_owned());
    let got = match sandbox.spawn(&job) {
        Ok(running) => {
            drop(running);
            output(&sandbox, &job)?
        }
        Err(error) => return explained(&sandbox, "mount namespace", &error),
    };
    let may = if reason_missing(&sandbox, "Landlock").is_none() { "may not" } else { "may" };
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    same("what it sees", got, format!("{HOSTS}{may} write\n[] {user} {group}\n"))?;
    same("seen by all", fs::read_to_string("/etc/hosts")?, before.clone())?;
    // The next program sees the machine's again, and one with an empty file of its own that.
    let mut job = python(&sandbox, "print(open('/etc/hosts').read(), end='')");
    same("without", output(&sandbox, &job)?, before)?;
    job.hosts = Some(String::new());
    same("empty", output(&sandbox, &job)?, String::new())?;
    same("files left", fs::read_dir(sandbox.scratch())?.count(), 0)
}

fn own_hosts_beside_disk_and_network() -> Outcome {
    let sandbox = Sandbox::start()?;
    let mut job = with_disk(
        &sandbox,
        "import socket
print(sorted(name for _, name in socket.if_nameindex()))
open('disk/file', 'w').write(open('/etc/hosts').read())",
    )?;
    job.network = Network::Lonely;
    job.hosts = Some(HOSTS.to_owned());
    let mut running = match sandbox.spawn(&job) {
        Ok(running) => running,
        // The layer says which of the two is missing.
        Err(error) if reason_missing(&sandbox, "network namespace").is_some() => {
            return explained(&sandbox, "network namespace", &error);
        }
        Err(error) => return explained(&sandbox, "mount namespace", &error),
    };
    same("status", wait_exit(&mut running)?.status, Some(0))?;
    same("interfaces", support::read_all(running.stdout())?, "['lo']\n".to_owned())?;
    let file = running.path_inside(&sandbox.scratch().join("disk/file"));
    same("file", fs::read_to_string(file)?, HOSTS.to_owned())
}

/// Each prints a line with the port that it listens on, and echoes one conversation.
const SERVERS: [(&str, &str, &[&str]); 5] = [
    ("/usr/bin/java", "Echo.java", &[]),
    (
        "/usr/bin/python3",
        "-c",
        &["import socket, threading
s = socket.create_server(('127.0.0.1', 0))
print(s.getsockname()[1], flush=True)
def serve(c):
    while d := c.recv(65536): c.sendall(d)
    c.close()
while True: threading.Thread(target=serve, args=s.accept()[:1]).start()"],
    ),
    (
        "/usr/bin/node",
        "-e",
        &["const s = require('net').createServer(c => c.pipe(c));
        s.listen(0, '127.0.0.1', () => console.log(s.address().port));"],
    ),
    (
        "/usr/bin/perl",
        "-e",
        &["use IO::Socket::INET; $| = 1;
        my $s = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') or die;
        print $s->sockport, qq(\\n);
        while (my $c = $s->accept) {
            if (!fork) { while (sysread $c, my $d, 4096) { syswrite $c, $d } exit }
            close $c
        }"],
    ),
    ("/usr/bin/socat", "-dd", &["TCP-LISTEN:0,bind=127.0.0.1,fork", "EXEC:cat"]),
];

/// The same in Java, whose runtime reserves memory, starts threads and wants a place for files.
const JAVA_SERVER: &str =
    "public class Echo { public static void main(String[] a) throws Exception {
    var s = new java.net.ServerSocket(0, 5, java.net.InetAddress.getLoopbackAddress());
    System.out.println(s.getLocalPort());
    while (true) {
        var c = s.accept();
        new Thread(() -> { try (c) { c.getInputStream().transferTo(c.getOutputStream()); }
            catch (java.io.IOException e) {} }).start();
    }
} }";

fn ordinary_servers_run() -> Outcome {
    let sandbox = Sandbox::start()?;
    fs::write(sandbox.scratch().join("Echo.java"), JAVA_SERVER)?;
    for (program, option, rest) in SERVERS {
        if !Path::new(program).exists() {
            println!("{program} is not installed");
            continue;
        }
        let mut job = Job::new(program, sandbox.scratch());
        job.args = vec![option.into()];
        job.args.extend(rest.iter().map(|&argument| argument.into()));
        let mut running = sandbox.spawn(&job)?;
        let is_socat = program.ends_with("socat");
        let mut lines = blocking(if is_socat { running.stderr() } else { running.stdout() })?;
        let mut line = read_line(&mut lines)?;
        while is_socat && !line.contains("listening on") && !line.is_empty() {
            line = read_line(&mut lines)?;
        }
        let port = line.rsplit([':', ' ']).next().unwrap_or_default().parse();
        let port: u16 = port.map_err(|_| format!("{program} says {line:?}"))?;
        for _ in 0..2 {
            let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
            client.set_read_timeout(Some(support::DEADLINE))?;
            client.write_all(b"hello")?;
            let mut echo = [0; 5];
            client.read_exact(&mut echo)?;
            same(program, &echo, b"hello")?;
        }
        running.kill()?;
        if !is_socat {
            // Nothing complained of what it may not do.
            same("standard error", support::read_all(running.stderr())?, String::new())?;
        }
    }
    Ok(())
}
