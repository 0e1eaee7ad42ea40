//! Outside judges: `curl`, Python's own HTTP library and h11 talk to the reference, and have to be
//! content with it.
//!
//! A judge that is not installed is named and not counted. The last line is `N passed, N failed`.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Output, Stdio};

type Result<T = ()> = std::result::Result<T, String>;

/// A judge's verdict: `None` if it is not installed.
type Judge = fn(&Reference) -> Result<Option<String>>;

const BODY_BYTES: usize = 300_000;

fn main() -> ExitCode {
    let reference = match Reference::start() {
        Ok(reference) => reference,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let judges: [(&str, Judge); 3] = [("curl", curl), ("python", python), ("h11", h11)];
    let (mut passed, mut failed) = (0, 0);
    for (name, judge) in judges {
        match judge(&reference) {
            Ok(Some(told)) => {
                passed += 1;
                println!("{name}: {told}");
            }
            Ok(None) => println!("{name}: not run, it is not installed"),
            Err(error) => {
                failed += 1;
                println!("{name}: not content\n{error}");
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The reference, serving a folder.
struct Reference {
    program: PathBuf,
    folder: tempfile::TempDir,
    server: Child,
    address: String,
}

impl Reference {
    fn start() -> Result<Self> {
        let program = build()?;
        let folder = tempfile::tempdir().map_err(|error| format!("make a folder: {error}"))?;
        let site = folder.path().join("site");
        let body: Vec<u8> = (0..BODY_BYTES).map(|index| (index * 7 % 251) as u8).collect();
        let written = fs_err::create_dir(&site)
            .and_then(|()| fs_err::write(site.join("index.html"), "<p>the first page"))
            .and_then(|()| fs_err::write(site.join("data.bin"), body))
            .and_then(|()| fs_err::write(site.join("two words.txt"), "two words"))
            .and_then(|()| fs_err::write(folder.path().join("secret.txt"), "not for you"));
        written.map_err(|error| error.to_string())?;
        let mut command = Command::new(&program);
        command.args(["serve", "127.0.0.1:0"]).arg(&site).stdout(Stdio::piped());
        let mut server = command.spawn().map_err(|error| format!("start: {error}"))?;
        let mut line = String::new();
        if let Some(stdout) = server.stdout.take() {
            let read = BufReader::new(stdout).read_line(&mut line);
            read.map_err(|error| format!("read the ready line: {error}"))?;
        }
        let address = line.trim().strip_prefix("listening on ").unwrap_or_default().to_owned();
        Ok(Self { program, folder, server, address })
    }

    fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    fn site(&self) -> PathBuf {
        self.folder.path().join("site")
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Builds the reference with the profile of this test, and says where it is.
fn build() -> Result<PathBuf> {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "http-mini-solution"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .map_err(|error| format!("start cargo: {error}"))?;
    if !built.success() {
        return Err("the reference does not build".to_owned());
    }
    // This test is target/debug/deps/outside-HASH.
    let test = std::env::current_exe().map_err(|error| format!("find this test: {error}"))?;
    let folder = test.parent().and_then(Path::parent).unwrap_or(&test);
    Ok(folder.join("http-mini-solution"))
}

/// Runs a judge; `None` if it is not installed.
fn output(command: &mut Command) -> Result<Option<Output>> {
    match command.output() {
        Ok(output) => Ok(Some(output)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("start {command:?}: {error}")),
    }
}

/// What `curl` is asked to do, and what it has to print: the status, and more where a row asks for
/// more.
fn curl(reference: &Reference) -> Result<Option<String>> {
    let upload = reference.folder.path().join("upload");
    fs_err::write(&upload, vec![b'x'; 4 << 20]).map_err(|error| error.to_string())?;
    let from_upload = format!("@{}", upload.display());
    let status = "%{http_code}";
    let rows: [(&[&str], &str, &str, &str); 12] = [
        (&[], "/data.bin", "%{http_code} %{size_download}", "200 300000"),
        (&["-I"], "/data.bin", "%{http_code} %{size_download}", "200 0"),
        (
            &[],
            "/two%20words.txt?x=1",
            "%{http_code} %{content_type}",
            "200 text/plain; charset=utf-8",
        ),
        (&["-r", "10-19"], "/data.bin", "%{http_code} %{size_download}", "206 10"),
        (&["-r", "400000-"], "/data.bin", status, "416"),
        (
            &["-z", "Fri, 01 Jan 2100 00:00:00 GMT"],
            "/data.bin",
            "%{http_code} %{size_download}",
            "304 0",
        ),
        (&["--http1.0"], "/data.bin", "%{http_code} %{size_download}", "200 300000"),
        (&["-d", "x=1"], "/data.bin", status, "405"),
        (&["--data-binary", &from_upload], "/data.bin", status, "405"),
        (&["-H", "Transfer-Encoding: chunked", "--data-binary", &from_upload], "/", status, "501"),
        (&["--path-as-is"], "/../secret.txt", status, "400"),
        (&["--proxy", &reference.url("")], "/", "%{http_code} %{size_download}", "200 17"),
    ];
    for (arguments, target, format, wanted) in rows {
        let mut command = Command::new("curl");
        command.args(["-q", "-sS", "-m", "20", "-o", "/dev/null", "-w", format]);
        command.args(arguments).arg(reference.url(target)).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let Some(output) = output(&mut command)? else { return Ok(None) };
        let printed = String::from_utf8_lossy(&output.stdout);
        if printed != wanted || !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{command:?}\nprinted {printed:?}, not {wanted:?}; {stderr}"));
        }
    }
    let mut two = Command::new("curl");
    let url = reference.url("/data.bin");
    two.args(["-q", "-sS", "-m", "20", "-w", "%{num_connects} "]).arg("-o").arg("/dev/null");
    two.arg(&url).arg("-o").arg("/dev/null").arg(&url);
    let Some(output) = output(&mut two)? else { return Ok(None) };
    let printed = String::from_utf8_lossy(&output.stdout);
    if printed.trim() != "1 0" {
        return Err(format!("two URLs took other connections than one for both: {printed:?}"));
    }
    Ok(Some(format!("{} answers as they should be", rows.len() + 1)))
}

/// http.client and urllib against the server; the client against http.server.
fn python(reference: &Reference) -> Result<Option<String>> {
    script(reference, "python3", "library")
}

/// h11, a parser of HTTP/1.1 that forgives nothing, over the server's answers. The Python that
/// knows it need not be the first one on the path.
fn h11(reference: &Reference) -> Result<Option<String>> {
    for python in ["python3", "/usr/bin/python3"] {
        let mut probe = Command::new(python);
        let answer = output(probe.args(["-c", "import h11"]))?;
        if answer.is_some_and(|answer| answer.status.success()) {
            return script(reference, python, "h11");
        }
    }
    Ok(None)
}

fn script(reference: &Reference, python: &str, what: &str) -> Result<Option<String>> {
    let mut command = Command::new(python);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/outside.py")).arg(what);
    command.arg(&reference.address).arg(&reference.program).arg(reference.site());
    let Some(output) = output(&mut command)? else { return Ok(None) };
    let stdout = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() {
        return Ok(Some(stdout));
    }
    Err(format!("{stdout}\n{}", String::from_utf8_lossy(&output.stderr)))
}
