//! What a target may reach.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use grader::wording::http_mini as words;
use grader::{Check, Server, Stop, Symptom, Verdict};

use crate::answer::{BodyEnd, chunks};
use crate::site::{NAME, Site};
use crate::visit::Visit;

/// How much of an answer is looked through for what must not be in it.
const LOOK_THROUGH_BYTES: usize = 1 << 20;

/// Whatever a target looks like, nothing outside DIR comes. Of the answer only this is judged:
/// which status it has is free.
pub fn stays_inside(check: &mut Check) -> Verdict {
    let site = Site::new(check)?;
    site.file("sub/page.html", b"a page")?;
    let secret = format!("not for you: {}", check.random_text(20)).into_bytes();
    let outside = check.folder().join("secret.txt");
    fs_err::write(&outside, &secret)?;
    let neighbour = check.folder().join(format!("{NAME}-old"));
    fs_err::create_dir(&neighbour)?;
    fs_err::write(neighbour.join("secret.txt"), &secret)?;
    site.link("out.txt", "../secret.txt")?;
    site.link("out", "..")?;
    site.link("absolute.txt", &outside)?;
    site.link("old", format!("../{NAME}-old"))?;
    fs_err::create_dir(site.path().join("leak"))?;
    site.link("leak/index.html", "../../secret.txt")?;
    let server = site.serve(check)?;

    let absolute = in_target(&outside);
    let host = server.address();
    let plain = [
        "/../secret.txt".to_owned(),
        "/sub/../../secret.txt".to_owned(),
        format!("http://{host}/../secret.txt"),
        format!("/{absolute}"),
        format!("/%2f{}", absolute.trim_start_matches('/')),
        "/../secret.txt%00.html".to_owned(),
        "/hello.txt%00".to_owned(),
    ];
    expect_none_outside(&server, &plain, &secret, "outside")?;
    let encoded = [
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/%2E%2E%2Fsecret.txt",
        "/sub/%2e./.%2e/secret.txt",
        "/sub%2f..%2f..%2fsecret.txt",
    ];
    expect_none_outside(&server, &encoded, &secret, "encoded-dots")?;
    expect_none_outside(&server, &["/%252e%252e/secret.txt"], &secret, "decoded-twice")?;
    let links = ["/out.txt", "/out/secret.txt", "/absolute.txt", "/leak/"];
    expect_none_outside(&server, &links, &secret, "link-out")?;
    let names = format!("/../{NAME}-old/secret.txt");
    expect_none_outside(&server, &[&names, "/old/secret.txt"], &secret, "neighbour")?;
    let mut visit = Visit::ask_once(&server, "GET /sub/../hello.txt HTTP/1.1", &[])?;
    visit.expect_status(&[200, 400, 404])?;
    if visit.answer.status == 200 {
        visit.expect_body(&site.hello)?;
    }
    visit.leave()
}

fn expect_none_outside(
    server: &Server,
    targets: &[impl AsRef<str>],
    secret: &[u8],
    symptom: &'static str,
) -> Verdict {
    for target in targets {
        let target = target.as_ref();
        let mut visit = Visit::ask_once(server, &format!("GET {target} HTTP/1.1"), &[])?;
        let end = visit.answer.body_end(false);
        if end == BodyEnd::Close && visit.answer.status >= 400 {
            // A server that tells no length and keeps the connection goes on when it sees an end.
            visit.connection.finish_sending()?;
        }
        let found = visit.connection.read_until("", |bytes| {
            let is_over = match end {
                BodyEnd::After(length) => bytes.len() >= length,
                BodyEnd::LastChunk => chunks(bytes).is_some(),
                BodyEnd::Close => bytes.len() > LOOK_THROUGH_BYTES,
            };
            (is_over || contains(bytes, secret)).then_some(bytes.len())
        });
        let came = match found {
            Ok(came) => came,
            // The end of an error's body is judged elsewhere.
            Err(Stop::Failed(_)) => Vec::new(),
            Err(other) => return Err(other),
        };
        if contains(&came, secret) {
            let expected = words::stays_inside(&visit.asked);
            let got = words::served_outside(secret_name(symptom));
            return visit.connection.fail(Symptom::Named(symptom), expected, got);
        }
        visit.leave()?;
    }
    Ok(())
}

fn contains(bytes: &[u8], secret: &[u8]) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret)
}

fn secret_name(symptom: &str) -> &'static str {
    if symptom == "neighbour" { "`site-old/secret.txt`" } else { "`secret.txt`" }
}

/// A path as a target: everything that is not plain is encoded.
fn in_target(path: &Path) -> String {
    let mut target = String::new();
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(byte) {
            target.push(char::from(*byte));
        } else {
            let _ = write!(target, "%{byte:02X}");
        }
    }
    target
}

/// Where a link leads matters, not that it is one: links in DIR to what is in DIR, and DIR itself.
pub fn links_inside(check: &mut Check) -> Verdict {
    let site = Site::new(check)?;
    site.file("sub/page.html", b"a page")?;
    site.link("link.txt", "hello.txt")?;
    site.link("sub/up.txt", "../hello.txt")?;
    site.link("folder", "sub")?;
    let absolute = fs_err::canonicalize(site.path())?.join("hello.txt");
    site.link("absolute.txt", absolute)?;
    fs_err::os::unix::fs::symlink(NAME, check.folder().join("entrance"))?;
    for folder in [NAME, "entrance"] {
        let server = check.start_server(["serve", "127.0.0.1:0", folder])?;
        let targets: [(&str, &[u8]); 5] = [
            ("/link.txt", &site.hello),
            ("/sub/up.txt", &site.hello),
            ("/folder/page.html", b"a page"),
            ("/absolute.txt", &site.hello),
            ("/hello.txt", &site.hello),
        ];
        for (target, bytes) in targets {
            let mut visit = Visit::ask_once(&server, &format!("GET {target} HTTP/1.1"), &[])?;
            visit.expect_status(&[200])?;
            visit.expect_body(bytes)?;
            visit.leave()?;
        }
    }
    Ok(())
}
