// A correct http-mini with nothing but std, in one file: a request is looked for in one growing
// buffer, and paths are opened name by name after a walk that follows links by hand.
use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::exit;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const HEAD_LIMIT: usize = 18_000;
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", address, folder] => serve(address, folder),
        ["get", url] => get(url),
        _ => {
            eprintln!("usage: http-mini serve ADDR DIR | get URL");
            exit(2);
        }
    };
    if let Err(error) = outcome {
        eprintln!("{error}");
        exit(1);
    }
}

fn serve(address: &str, folder: &str) -> Result<(), String> {
    let root = fs::canonicalize(folder).map_err(|error| format!("folder {folder}: {error}"))?;
    if !root.is_dir() {
        return Err(format!("folder {folder}: it is none"));
    }
    let listener = TcpListener::bind(address).map_err(|error| format!("bind {address}: {error}"))?;
    println!("listening on {}", listener.local_addr().map_err(|error| error.to_string())?);
    let root = Arc::new(root);
    loop {
        if let Ok((stream, _)) = listener.accept() {
            let root = Arc::clone(&root);
            let _ = thread::Builder::new().spawn(move || converse(stream, &root));
        } else {
            thread::sleep(Duration::from_millis(20));
        }
    }
}

struct Request {
    method: String,
    target: String,
    fields: Vec<(String, String)>,
    length: usize,
    keep: bool,
}

impl Request {
    fn field(&self, name: &str) -> Option<&str> {
        let mut all = self.fields.iter().filter(|(other, _)| other == name);
        all.next().map(|(_, value)| value.as_str())
    }
}

fn converse(mut stream: TcpStream, root: &Path) -> Option<()> {
    let mut held: Vec<u8> = Vec::new();
    stream.set_nodelay(true).ok()?;
    stream.set_read_timeout(Some(Duration::from_millis(5500))).ok()?;
    loop {
        while held.starts_with(b"\r\n") {
            held.drain(..2);
        }
        let end = held.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
        if end.unwrap_or(held.len()) > HEAD_LIMIT {
            let method = if held.starts_with(b"HEAD ") { "HEAD" } else { "" };
            return refuse(stream, 431, method);
        }
        let Some(end) = end else {
            let mut piece = [0; 4096];
            match stream.read(&mut piece) {
                Ok(0) => return None,
                Ok(count) => held.extend_from_slice(&piece[..count]),
                Err(_) if held.is_empty() => return None,
                Err(_) => return refuse(stream, 408, ""),
            }
            continue;
        };
        let head: Vec<u8> = held.drain(..end).collect();
        let request = match parse(&String::from_utf8_lossy(&head)) {
            Ok(request) => request,
            Err((status, method)) => return refuse(stream, status, &method),
        };
        let mut keep = request.keep;
        if request.length > 1 << 20 {
            keep = false;
        } else {
            while held.len() < request.length {
                let mut piece = [0; 4096];
                let count = stream.read(&mut piece).ok().filter(|count| *count > 0)?;
                held.extend_from_slice(&piece[..count]);
            }
            held.drain(..request.length);
        }
        answer(&mut stream, &request, root, keep)?;
        if !keep {
            return drain(stream);
        }
    }
}

fn parse(text: &str) -> Result<Request, (u16, String)> {
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let words: Vec<&str> = first.split(' ').collect();
    let method = words.first().map(|word| word.to_string()).unwrap_or_default();
    let bad = |status| (status, method.clone());
    let [_, target, version] = words[..] else { return Err(bad(400)) };
    let (major, minor) = match version.strip_prefix("HTTP/").map(str::as_bytes) {
        Some([major @ b'0'..=b'9', b'.', minor @ b'0'..=b'9']) => (*major, *minor),
        _ => return Err(bad(400)),
    };
    if method.is_empty() || target.is_empty() || first.contains(|c: char| c.is_control()) {
        return Err(bad(400));
    }
    if major != b'1' {
        return Err(bad(505));
    }
    let mut fields = Vec::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or(bad(400))?;
        if name.is_empty() || name.contains([' ', '\t']) {
            return Err(bad(400));
        }
        fields.push((name.to_ascii_lowercase(), value.trim().to_string()));
    }
    let all = |name: &str| -> Vec<&str> {
        let of_name = fields.iter().filter(|(other, _)| other == name);
        of_name.map(|(_, value)| value.as_str()).collect()
    };
    let hosts = all("host");
    if (minor != b'0' || !hosts.is_empty()) && !matches!(hosts[..], [host] if is_host(host)) {
        return Err(bad(400));
    }
    if !all("transfer-encoding").is_empty() {
        return Err(bad(501));
    }
    let mut length = 0;
    for (index, value) in all("content-length").into_iter().enumerate() {
        if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(bad(400));
        }
        let number: usize = value.parse().map_err(|_| bad(413))?;
        if index > 0 && number != length {
            return Err(bad(400));
        }
        length = number;
    }
    let close = all("connection").iter().any(|value| value.to_ascii_lowercase().contains("close"));
    let keep = minor != b'0' && !close;
    Ok(Request { method, target: target.to_string(), fields, length, keep })
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((name, port)) => (name, port.strip_prefix(':').unwrap_or(port)),
            None => return false,
        },
        None => host.split_once(':').unwrap_or((host, "")),
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:%".contains(&byte);
    !name.is_empty() && name.bytes().all(plain) && port.bytes().all(|byte| byte.is_ascii_digit())
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        304 => "Not Modified",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        416 => "Range Not Satisfiable",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        _ => "HTTP Version Not Supported",
    }
}

fn head(status: u16, keep: bool, fields: &str) -> String {
    let close = if keep { "" } else { "Connection: close\r\n" };
    let date = date(SystemTime::now());
    format!("HTTP/1.1 {status} {}\r\nDate: {date}\r\n{close}{fields}\r\n", reason(status))
}

fn refuse(mut stream: TcpStream, status: u16, method: &str) -> Option<()> {
    let body = if method == "HEAD" { "" } else { "no\n" };
    let all = head(status, false, "Content-Length: 3\r\nContent-Type: text/plain\r\n") + body;
    stream.write_all(all.as_bytes()).ok()?;
    drain(stream)
}

fn drain(mut stream: TcpStream) -> Option<()> {
    stream.shutdown(Shutdown::Write).ok()?;
    stream.set_read_timeout(Some(Duration::from_millis(200))).ok()?;
    let began = Instant::now();
    let mut piece = [0; 16384];
    while began.elapsed() < Duration::from_millis(1500) {
        match stream.read(&mut piece) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
    }
    None
}

fn answer(stream: &mut TcpStream, request: &Request, root: &Path, keep: bool) -> Option<()> {
    let is_head = request.method == "HEAD";
    let mut error = |status: u16, more: &str| {
        let body = if is_head { "" } else { "no\n" };
        let fields = format!("Content-Length: 3\r\nContent-Type: text/plain\r\n{more}");
        stream.write_all((head(status, keep, &fields) + body).as_bytes()).ok()
    };
    if !is_head && request.method != "GET" {
        let known = ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"];
        return match known.contains(&request.method.as_str()) {
            true => error(405, "Allow: HEAD,GET\r\n"),
            false => error(501, ""),
        };
    }
    let Some((path, kind)) = find(&request.target, root) else { return error(404, "") };
    let Ok(mut file) = fs::File::open(&path) else { return error(404, "") };
    let metadata = file.metadata().ok()?;
    let (size, modified) = (metadata.len(), metadata.modified().ok()?);
    let changed = modified.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let since = request.field("if-modified-since").and_then(parse_date);
    let changed_field = format!("Last-Modified: {}\r\n", date(modified));
    if since.is_some_and(|since| changed <= since) {
        return stream.write_all(head(304, keep, &changed_field).as_bytes()).ok();
    }
    let (status, first, count) = match request.field("range").and_then(|range| part(range, size)) {
        Some(Some((first, last))) => (206, first, last - first + 1),
        Some(None) => return error(416, &format!("Content-Range: bytes */{size}\r\n")),
        None => (200, 0, size),
    };
    let mut fields = format!("Content-Length: {count}\r\nContent-Type: {kind}\r\n{changed_field}");
    if status == 206 {
        fields += &format!("Content-Range: bytes {first}-{}/{size}\r\n", first + count - 1);
    }
    stream.write_all(head(status, keep, &fields).as_bytes()).ok()?;
    if !is_head {
        file.seek(SeekFrom::Start(first)).ok()?;
        let mut left = file.take(count);
        let mut piece = vec![0; 65536];
        loop {
            let read = left.read(&mut piece).ok()?;
            if read == 0 {
                break;
            }
            stream.write_all(&piece[..read]).ok()?;
        }
    }
    Some(())
}

/// None: no range that counts; Some(None): nothing of it is there.
fn part(range: &str, size: u64) -> Option<Option<(u64, u64)>> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| text.parse::<u64>().ok();
    match (number(first), number(last)) {
        (Some(first), _) if first >= size => Some(None),
        (Some(first), Some(last)) if last >= first => Some(Some((first, last.min(size - 1)))),
        (Some(first), None) if last.is_empty() => Some(Some((first, size - 1))),
        (None, Some(count)) if first.is_empty() && count > 0 && size > 0 => {
            Some(Some((size - count.min(size), size - 1)))
        }
        _ => None,
    }
}

fn find(target: &str, root: &Path) -> Option<(PathBuf, &'static str)> {
    let path = match target.strip_prefix("http://") {
        Some(rest) => rest.find(['/', '?']).map_or("/", |at| &rest[at..]),
        None => target,
    };
    let path = path.split('?').next()?;
    let path = if path.is_empty() { "/" } else { path };
    let mut bytes = path.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                u8::try_from(digit(bytes.next())? * 16 + digit(bytes.next())?).ok()?
            }
            byte => byte,
        });
    }
    let mut path = String::from_utf8(decoded).ok()?;
    if path.ends_with('/') {
        path.push_str("index.html");
    }
    // A `..` inside the folder is fine here: it is followed as the system does, and judged where it
    // ends.
    let full = fs::canonicalize(format!("{}/{}", root.to_str()?, path.trim_start_matches('/')));
    let full = full.ok().filter(|full| full.starts_with(root) && full.is_file())?;
    let name = path.rsplit('/').next()?;
    let kind = match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html",
        Some("css") => "text/css",
        Some("js") => "application/javascript",
        Some("json") => "application/json",
        Some("txt") => "text/plain; charset=utf-8",
        Some("png") => "image/png",
        Some("jpg") => "image/jpeg",
        Some("svg") => "image/svg+xml",
        Some("ico") => "image/x-icon",
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    };
    Some((full, kind))
}

fn date(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs());
    let (days, rest) = (seconds / 86400, seconds % 86400);
    let (mut year, mut left) = (1970, days);
    let leap = |year: u64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    while left >= 365 + u64::from(leap(year)) {
        left -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while left >= lengths[month] {
        left -= lengths[month];
        month += 1;
    }
    format!(
        "{}, {:02} {} {year} {:02}:{:02}:{:02} GMT",
        DAYS[days as usize % 7],
        left + 1,
        MONTHS[month],
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

fn parse_date(text: &str) -> Option<u64> {
    let words: Vec<&str> = text.split(' ').collect();
    let [_, day, month, year, clock, "GMT"] = words[..] else { return None };
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let (day, year): (u64, u64) = (day.parse().ok()?, year.parse().ok()?);
    let clock: Vec<u64> = clock.split(':').filter_map(|part| part.parse().ok()).collect();
    let [hour, minute, second] = clock[..] else { return None };
    // Days since 1970 by the count of March years (Howard Hinnant, days_from_civil).
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719_468;
    Some(days * 86400 + hour * 3600 + minute * 60 + second)
}

// The client.

fn get(url: &str) -> Result<(), String> {
    let mut place = url.to_string();
    for _ in 0..6 {
        let (host, address, target) = split(&place)?;
        let mut stream =
            TcpStream::connect(&address).map_err(|error| format!("connect to {address}: {error}"))?;
        let request = format!("GET {target} HTTP/1.1\r\nConnection: close\r\nHost: {host}\r\n\r\n");
        stream.write_all(request.as_bytes()).map_err(|error| format!("{place}: {error}"))?;
        let mut input = Input { stream, held: Vec::new() };
        let (status, line, fields) = loop {
            let head = input.head().ok_or_else(|| format!("{place}: no HTTP answer"))?;
            let (status, line, fields) =
                parse_answer(&head).ok_or_else(|| format!("{place}: not HTTP"))?;
            if status >= 200 {
                break (status, line, fields);
            }
        };
        let field = |name: &str| {
            fields.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
        };
        if let (301 | 302 | 303 | 307 | 308, Some(location)) = (status, field("location")) {
            place = resolve(&host, &target, location);
            continue;
        }
        let complete = input.body(status, &field);
        return match (complete, status >= 400) {
            (_, true) => Err(format!("{place}: {line}")),
            (Some(()), false) => Ok(()),
            (None, false) => Err(format!("{place}: the body is cut short")),
        };
    }
    Err(format!("{url}: too many redirects"))
}

fn split(url: &str) -> Result<(String, String, String), String> {
    let rest = url.strip_prefix("http://").ok_or(format!("{url}: not an http URL"))?;
    let rest = rest.split('#').next().unwrap_or_default();
    let (host, target) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if host.is_empty() {
        return Err(format!("{url}: no host"));
    }
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    let address = if has_port { host.to_string() } else { format!("{host}:80") };
    let target = if target.is_empty() { "/" } else { target };
    Ok((host.to_string(), address, target.to_string()))
}

fn resolve(host: &str, target: &str, location: &str) -> String {
    if location.contains("://") {
        return location.to_string();
    }
    let path = target.split('?').next().unwrap_or_default();
    let path = match location.strip_prefix('/') {
        Some(rest) => format!("/{rest}"),
        None => format!("{}/{location}", &path[..path.rfind('/').unwrap_or(0)]),
    };
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/').skip(1) {
        match name {
            "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    format!("http://{host}/{}", names.join("/"))
}

struct Input {
    stream: TcpStream,
    held: Vec<u8>,
}

impl Input {
    fn more(&mut self) -> Option<usize> {
        let mut piece = [0; 8192];
        let count = self.stream.read(&mut piece).ok()?;
        self.held.extend_from_slice(&piece[..count]);
        Some(count)
    }

    fn head(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.held.windows(4).position(|window| window == b"\r\n\r\n") {
                let head: Vec<u8> = self.held.drain(..at + 4).collect();
                return Some(String::from_utf8_lossy(&head).into_owned());
            }
            if self.held.len() > 65536 || self.more()? == 0 {
                return None;
            }
        }
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.held.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.held.drain(..at + 1).collect();
                return Some(String::from_utf8_lossy(&line).trim_end().to_string());
            }
            if self.more()? == 0 {
                return None;
            }
        }
    }

    fn print(&mut self, mut length: usize) -> Option<()> {
        while length > 0 {
            if self.held.is_empty() && self.more()? == 0 {
                return None;
            }
            let count = self.held.len().min(length);
            std::io::stdout().write_all(&self.held[..count]).ok()?;
            self.held.drain(..count);
            length -= count;
        }
        std::io::stdout().flush().ok()
    }

    fn body<'a>(&mut self, status: u16, field: &impl Fn(&str) -> Option<&'a str>) -> Option<()> {
        if status == 204 || status == 304 {
            return Some(());
        }
        if field("transfer-encoding").is_some() {
            loop {
                let line = self.line()?;
                let digits = line.split(';').next()?.trim();
                let size = usize::from_str_radix(digits, 16).ok()?;
                if size == 0 {
                    while !self.line()?.is_empty() {}
                    return Some(());
                }
                self.print(size)?;
                if !self.line()?.is_empty() {
                    return None;
                }
            }
        }
        if let Some(length) = field("content-length") {
            return self.print(length.parse().ok()?);
        }
        loop {
            let count = self.held.len();
            self.print(count)?;
            if self.more()? == 0 {
                return Some(());
            }
        }
    }
}

fn parse_answer(head: &str) -> Option<(u16, String, Vec<(String, String)>)> {
    let mut lines = head.split("\r\n");
    let line = lines.next()?.to_string();
    let rest = line.strip_prefix("HTTP/1.")?;
    let (status, phrase) = rest.get(1..)?.strip_prefix(' ')?.split_at_checked(3)?;
    let status = status.parse().ok().filter(|_| phrase.is_empty() || phrase.starts_with(' '))?;
    let fields = lines.filter_map(|line| line.split_once(':'));
    let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_string()));
    let fields = fields.collect();
    Some((status, line, fields))
}
