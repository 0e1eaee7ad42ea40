// A correct file-transfer with nothing but std, and no BufReader: it keeps the bytes that came with
// a line by hand.
use std::fs::{self, File};
use std::io::{self, IsTerminal, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::exit;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

type Outcome<T> = Result<T, String>;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", address, folder] => serve(address, folder),
        ["put", address, path] => put(address, path, file_name(path)),
        ["put", address, path, name] => put(address, path, name),
        ["get", address, name] => get(address, name, name),
        ["get", address, name, target] => get(address, name, target),
        ["list", address] => list(address),
        _ => {
            eprintln!(
                "wrong arguments {arguments:?}: serve ADDR DIR | put ADDR FILE [NAME] | get ADDR NAME [DEST] | list ADDR"
            );
            exit(2);
        }
    };
    if let Err(error) = outcome {
        eprintln!("{error}");
        exit(1);
    }
}

fn file_name(path: &str) -> &str {
    Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or(path)
}

/// A stream and what was read from it too early.
struct Wire {
    stream: TcpStream,
    early: Vec<u8>,
}

impl Wire {
    fn new(stream: TcpStream) -> Self {
        Self { stream, early: Vec::new() }
    }

    /// The next line without its newline; None at the end of the stream.
    fn line(&mut self) -> Outcome<Option<String>> {
        let mut piece = [0; 1024];
        loop {
            if let Some(end) = self.early.iter().position(|byte| *byte == b'\n') {
                let rest = self.early.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.early, rest);
                line.pop();
                if line.len() > 4095 {
                    return Err("a line is too long".into());
                }
                return String::from_utf8(line).map(Some).map_err(|_| "a line is no text".into());
            }
            if self.early.len() > 4096 {
                return Err("a line is too long".into());
            }
            match self.stream.read(&mut piece) {
                Ok(0) if self.early.is_empty() => return Ok(None),
                Ok(0) => return Err("a line is cut short".into()),
                Ok(count) => self.early.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("read: {error}")),
            }
        }
    }

    /// Moves `size` bytes to `sink`.
    fn pour(&mut self, size: u64, sink: &mut File, mut each: impl FnMut(u64)) -> Outcome<()> {
        let from_early = self.early.len().min(usize::try_from(size).unwrap_or(usize::MAX));
        sink.write_all(&self.early[..from_early]).map_err(|error| format!("write: {error}"))?;
        self.early.drain(..from_early);
        let mut left = size - from_early as u64;
        let mut buffer = vec![0; 200_000];
        each(size - left);
        while left > 0 {
            let room = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            match self.stream.read(&mut buffer[..room]) {
                Ok(0) => return Err(format!("cut short: {left} of {size} bytes are missing")),
                Ok(count) => {
                    sink.write_all(&buffer[..count]).map_err(|error| format!("write: {error}"))?;
                    left -= count as u64;
                    each(size - left);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("read: {error}")),
            }
        }
        Ok(())
    }

    fn say(&mut self, line: &str) -> Outcome<()> {
        self.stream
            .write_all(format!("{line}\n").as_bytes())
            .map_err(|error| format!("send: {error}"))
    }
}

fn serve(address: &str, folder: &str) -> Outcome<()> {
    fs::metadata(folder).map_err(|error| format!("open {folder}: {error}"))?;
    let listener =
        TcpListener::bind(address).map_err(|error| format!("bind {address}: {error}"))?;
    let real = listener.local_addr().map_err(|error| error.to_string())?;
    println!("listening on {real}");
    loop {
        let Ok((stream, _)) = listener.accept() else {
            thread::sleep(Duration::from_millis(20));
            continue;
        };
        let folder = PathBuf::from(folder);
        let _ = thread::Builder::new().spawn(move || {
            let mut wire = Wire::new(stream);
            if let Err(reason) = answer(&mut wire, &folder) {
                let _ = wire.say(&format!("ERR {}", reason.replace('\n', " ")));
            }
            drain(wire.stream);
        });
    }
}

fn drain(mut stream: TcpStream) {
    let _ = stream.shutdown(Shutdown::Write);
    let began = Instant::now();
    let mut waste = vec![0; 1 << 16];
    while began.elapsed() < Duration::from_secs(4) {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
        if !matches!(stream.read(&mut waste), Ok(1..)) {
            return;
        }
    }
}

fn answer(wire: &mut Wire, folder: &Path) -> Outcome<()> {
    let Some(line) = wire.line()? else { return Ok(()) };
    if line == "LIST" {
        return give_list(wire, folder);
    }
    let (verb, rest) = line.split_once(' ').ok_or("what is that?")?;
    match verb {
        "GET" => give(wire, &folder.join(good(rest)?)),
        "PUT" => {
            let (size, name) = rest.split_once(' ').ok_or("PUT needs a size and a name")?;
            if size.is_empty() || !size.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err("that is no size".into());
            }
            let size = size.parse().map_err(|_| "that size is too large")?;
            take(wire, size, &folder.join(good(name)?))
        }
        _ => Err("what is that?".into()),
    }
}

fn good(name: &str) -> Outcome<&str> {
    let is_good = (1..=255).contains(&name.len())
        && !name.starts_with('.')
        && !name.chars().any(|c| c == '/' || c.is_control());
    if is_good { Ok(name) } else { Err("that is no name".into()) }
}

fn is_regular(path: &Path) -> Outcome<bool> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => Ok(true),
        Ok(_) => Err("that is no file".into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.to_string()),
    }
}

fn give(wire: &mut Wire, path: &Path) -> Outcome<()> {
    if !is_regular(path)? {
        return Err("there is no such file".into());
    }
    let mut file = File::open(path).map_err(|error| format!("open: {error}"))?;
    let size = file.metadata().map_err(|error| error.to_string())?.len();
    wire.say(&format!("OK {size}"))?;
    let _ = send_file(&mut file, size, &mut wire.stream, |_| {});
    Ok(())
}

fn send_file(
    file: &mut File,
    size: u64,
    stream: &mut TcpStream,
    mut each: impl FnMut(u64),
) -> io::Result<()> {
    let (mut buffer, mut left) = (vec![0; 200_000], size);
    each(0);
    while left > 0 {
        let room = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match file.read(&mut buffer[..room])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                stream.write_all(&buffer[..count])?;
                left -= count as u64;
                each(size - left);
            }
        }
    }
    Ok(())
}

/// Brings `size` bytes to `target`, by way of a name that nobody else has.
fn store(wire: &mut Wire, size: u64, target: &Path, each: impl FnMut(u64)) -> Outcome<()> {
    let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_nanos());
    let name = format!(".{}-{:?}-{now}", std::process::id(), thread::current().id());
    let part = target.with_file_name(name);
    let mut file = File::create_new(&part).map_err(|error| format!("create: {error}"))?;
    let stored = wire
        .pour(size, &mut file, each)
        .and_then(|()| fs::rename(&part, target).map_err(|error| format!("rename: {error}")));
    if stored.is_err() {
        let _ = fs::remove_file(&part);
    }
    stored
}

fn take(wire: &mut Wire, size: u64, target: &Path) -> Outcome<()> {
    is_regular(target)?;
    wire.say("OK")?;
    store(wire, size, target, |_| {})?;
    wire.say("OK")
}

fn give_list(wire: &mut Wire, folder: &Path) -> Outcome<()> {
    let mut lines: Vec<(String, u64)> = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| error.to_string())?.flatten() {
        if let (Ok(name), Ok(found)) = (entry.file_name().into_string(), entry.metadata())
            && found.is_file()
            && good(&name).is_ok()
        {
            lines.push((name, found.len()));
        }
    }
    lines.sort();
    let mut text = format!("OK {}", lines.len());
    for (name, size) in lines {
        text.push_str(&format!("\n{size} {name}"));
    }
    wire.say(&text)
}

fn connect(address: &str) -> Outcome<Wire> {
    TcpStream::connect(address)
        .map(Wire::new)
        .map_err(|error| format!("connect to {address}: {error}"))
}

fn ok(wire: &mut Wire, address: &str) -> Outcome<String> {
    let line = wire.line().map_err(|error| format!("{address}: {error}"))?;
    let line = line.ok_or(format!("{address} closed without a word"))?;
    match line.split_once(' ').unwrap_or((&line, "")) {
        ("OK", rest) => Ok(rest.to_owned()),
        ("ERR", reason) => Err(format!("{address} says: {reason}")),
        _ => Err(format!("{address} talks nonsense")),
    }
}

/// Something that shows how much is done, four times a second.
fn progress() -> impl FnMut(u64) {
    let (watched, mut last) = (io::stderr().is_terminal(), None::<Instant>);
    move |done| {
        if watched && last.is_none_or(|last| last.elapsed() > Duration::from_millis(250)) {
            eprint!("\r{} KiB", done >> 10);
            last = Some(Instant::now());
        }
    }
}

fn put(address: &str, path: &str, name: &str) -> Outcome<()> {
    let mut file = File::open(path).map_err(|error| format!("open {path}: {error}"))?;
    let size = file.metadata().map_err(|error| format!("open {path}: {error}"))?.len();
    let mut wire = connect(address)?;
    wire.say(&format!("PUT {size} {name}"))?;
    ok(&mut wire, address)?;
    if let Err(error) = send_file(&mut file, size, &mut wire.stream, progress()) {
        ok(&mut wire, address)?;
        return Err(format!("send {path} to {address}: {error}"));
    }
    ok(&mut wire, address)?;
    println!("{size} bytes");
    Ok(())
}

fn get(address: &str, name: &str, target: &str) -> Outcome<()> {
    let mut wire = connect(address)?;
    wire.say(&format!("GET {name}"))?;
    let size = ok(&mut wire, address)?;
    let size = size.parse().map_err(|_| format!("{address} said {size:?}, which is no size"))?;
    store(&mut wire, size, Path::new(target), progress())
        .map_err(|error| format!("get {name} from {address} as {target}: {error}"))?;
    println!("{size} bytes");
    Ok(())
}

fn list(address: &str) -> Outcome<()> {
    let mut wire = connect(address)?;
    wire.say("LIST")?;
    let count: u64 =
        ok(&mut wire, address)?.parse().map_err(|_| format!("{address} said no number"))?;
    for _ in 0..count {
        let line = wire.line()?.ok_or(format!("{address} cut its list short"))?;
        println!("{line}");
    }
    Ok(())
}
