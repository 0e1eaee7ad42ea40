//! What the steps of http-mini's checks say.

use std::time::Duration;

use crate::bytes::{self, thousands};
use crate::record::Sample;
use crate::wording::byte_count;

/// How many columns of bytes a sentence shows.
const SHOWN_COLUMNS: usize = 60;
/// How many characters of a line a sentence shows.
const SHOWN_CHARACTERS: usize = 90;

/// A line as one would type it, not too long.
pub fn line(line: &[u8]) -> String {
    let escaped = bytes::escape(line);
    if escaped.chars().count() <= SHOWN_CHARACTERS {
        return format!("`{escaped}`");
    }
    let beginning: String = escaped.chars().take(SHOWN_CHARACTERS).collect();
    format!("`{beginning}…`")
}

fn shown(data: &[u8]) -> String {
    bytes::show(&Sample::of(data), SHOWN_COLUMNS)
}

/// That an answer comes.
pub fn answers(who: &str, asked: &str) -> String {
    format!("{who} answers {asked}: a status line, header lines, and an empty line behind them")
}

/// A head that does not end.
pub fn no_end_of_head(came: &[u8]) -> String {
    format!("{}, and no empty line behind them", shown(came))
}

/// The connection ended instead of an answer.
pub fn ended_unanswered(is_reset: bool, came: &[u8]) -> String {
    let end = if is_reset { "a reset (RST)" } else { "the end of the stream" };
    if came.is_empty() {
        format!("{end}, and not one byte before it")
    } else {
        format!("{end} after {}", shown(came))
    }
}

/// Something that is no head.
pub fn not_http(came: &[u8]) -> String {
    format!(
        "something that does not begin with a status line such as `HTTP/1.1 200 OK`: {}",
        shown(came)
    )
}

/// The status that an answer should have, and its status line.
pub fn status(asked: &str, wanted: &[u16], got: &str) -> (String, String) {
    let wanted: Vec<String> = wanted.iter().map(u16::to_string).collect();
    let expected = format!("{asked} is answered with status {}", wanted.join(" or "));
    (expected, format!("the status line {}", line(got.as_bytes())))
}

/// That the connection ends after an answer.
pub fn closes_after(who: &str, asked: &str) -> String {
    format!("{who} closes the connection after its answer to {asked}")
}

/// The connection was not closed: the next request on it was answered.
pub fn answered_another() -> &'static str {
    "the connection stays open: the next request on it is answered too"
}

/// The connection was not closed, and nothing came.
pub fn stays_open() -> &'static str {
    "the connection stays open"
}

/// That the connection is kept for another request.
pub fn keeps(who: &str, asked: &str) -> String {
    format!("{who} keeps the connection after its answer to {asked}, and answers the next request")
}

/// An answer that tells the client that the connection ends.
pub fn says_close(value: &str) -> String {
    format!("the answer says `Connection: {value}`, so no client would send another request")
}

/// An answer whose version tells the client that the connection ends.
pub fn says_old_version(status_line: &str) -> String {
    format!(
        "the status line {}: after an answer of version 1.0 no client would send another request",
        line(status_line.as_bytes())
    )
}

/// That the client can tell where the body ends.
pub fn tells_length(asked: &str) -> String {
    format!("the answer to {asked} says with Content-Length where its body ends")
}

/// A header without Content-Length.
pub fn no_length() -> &'static str {
    "no Content-Length, and the connection stays open: the client would wait for ever"
}

/// A field that should have another value.
pub fn field(name: &str, asked: &str, wanted: &str, got: Option<&str>) -> (String, String) {
    let expected = format!("the answer to {asked} has `{name}: {wanted}`");
    let got = match got {
        Some(value) => line(format!("{name}: {value}").as_bytes()),
        None => format!("no {name}"),
    };
    (expected, got)
}

/// What a Content-Type may be.
pub fn types(wanted: &[&str]) -> String {
    wanted.join(" or ")
}

/// A date that is missing, or is none.
pub fn no_date(asked: &str, got: Option<&str>) -> (String, String) {
    let form = "`Date: Sun, 22 Nov 2026 12:00:00 GMT`";
    let expected = format!("the answer to {asked} has a line of the form {form}");
    let got = got.map_or("no Date".to_owned(), |date| line(format!("Date: {date}").as_bytes()));
    (expected, got)
}

/// A date that is not now.
pub fn date_is_off(asked: &str, date: &str, now: &str) -> (String, String) {
    let expected = format!("the Date of the answer to {asked} is the time of the answer, {now}");
    (expected, line(format!("Date: {date}").as_bytes()))
}

/// What a field's value should name.
pub fn names_both() -> &'static str {
    "GET, HEAD"
}

/// A line of a head that does not end as it should.
pub fn line_end(bad: &[u8]) -> (String, String) {
    let expected = "each line of the header ends with CR LF (`\\r\\n`)".to_owned();
    (expected, format!("a line that ends otherwise: {}", shown(bad)))
}

/// A status line that is none.
pub fn status_line(got: &str) -> (String, String) {
    let expected = "a status line: version, space, three digits, phrase, as in `HTTP/1.1 200 OK`";
    (expected.to_owned(), line(got.as_bytes()))
}

/// A field line that is none.
pub fn field_line(got: &[u8]) -> (String, String) {
    ("header lines of the form `Name: value`".to_owned(), line(got))
}

/// That a body comes.
pub fn body(asked: &str, length: u64) -> String {
    format!("the {} of body that the answer to {asked} announces", byte_count(length))
}

/// That a body ends.
pub fn body_end(asked: &str) -> String {
    format!("the rest of the body of the answer to {asked}")
}

/// A body that was cut short.
pub fn body_ended_after(is_reset: bool, count: u64) -> String {
    let end = if is_reset { "a reset (RST)" } else { "the end of the stream" };
    format!("{end} after {} of them", thousands(count))
}

/// A body, at the first difference.
pub fn body_differs(asked: &str, expected: &str, got: &str) -> (String, String) {
    (format!("this body in the answer to {asked}:\n{expected}"), format!("this body:\n{got}"))
}

/// That no body follows, or nothing behind a body.
pub fn nothing_behind(asked: &str) -> String {
    format!("nothing behind the answer to {asked}")
}

/// That HEAD has the header of GET.
pub fn header_of_get(target: &str) -> String {
    format!("the answer to HEAD has the header lines of that to GET (`{target}`): ")
}

/// The header lines of two answers that differ.
pub fn header_differs(target: &str, get: &[String], head: &[String]) -> (String, String) {
    let all = |lines: &[String]| {
        let lines: Vec<String> = lines.iter().map(|text| line(text.as_bytes())).collect();
        if lines.is_empty() { "none of that name".to_owned() } else { lines.join(", ") }
    };
    (format!("{}{}", header_of_get(target), all(get)), format!("HEAD has {}", all(head)))
}

/// That nothing outside comes.
pub fn stays_inside(asked: &str) -> String {
    format!("an answer to {asked} without any byte of a file outside DIR")
}

/// A file outside came.
pub fn served_outside(what: &str) -> String {
    format!("the content of {what}, which lies outside DIR")
}

/// Where a redirect should lead.
pub fn location(asked: &str, wanted: &str, got: Option<&str>) -> (String, String) {
    field("Location", asked, wanted, got)
}

/// The next request's answer.
pub fn next_answer(asked: &str) -> String {
    format!("the request behind the body of {asked} is answered with its own file")
}

/// A body was taken for a request.
pub fn body_was_request(status_line: &str) -> String {
    format!("{}: the answer to something else", line(status_line.as_bytes()))
}

/// That an upload goes on behind the answer.
pub fn drains(who: &str) -> String {
    format!(
        "{who} answers, finishes its sending half, and reads on: \
         what the client still sends does not reset the connection"
    )
}

/// An upload that was broken off.
pub fn upload_broken(sent: usize) -> String {
    format!("a reset (RST), after {} bytes more", thousands(sent as u64))
}

/// That a server goes on reading for a second after its answer, and when it had stopped.
pub fn drained_briefly(who: &str, after: Duration) -> (String, String) {
    let expected = format!(
        "{who} answers, finishes its sending half, and reads on for at least 1 s: \
         a client that pauses for half a second can go on"
    );
    let after = thousands(u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
    (
        expected,
        format!("a reset (RST): the connection was closed already {after} ms after the request"),
    )
}

/// A HEAD request with a fault in its last field; without a field at all, the Host is missing.
pub fn head_with(fault: Option<&str>) -> String {
    fault.map_or_else(
        || "a HEAD request without Host".to_owned(),
        |fault| format!("a HEAD request with {}", line(fault.as_bytes())),
    )
}

/// A request with a fault in it, for sentences.
pub fn request_with(fault: &str) -> String {
    format!("a request with {}", line(fault.as_bytes()))
}

/// A request without a field.
pub fn request_without(name: &str) -> String {
    format!("a request without {name}")
}

/// A request that has two fields of a name.
pub fn request_with_two(name: &str) -> String {
    format!("a request with two {name} lines")
}

/// A request with a head of so many bytes.
pub fn request_of(count: usize, how: &str) -> String {
    format!("a request whose request line and header have {} bytes, {how}", thousands(count as u64))
}

/// How a long head looks: words for [`request_of`].
pub mod head {
    /// One long field.
    pub const ONE_FIELD: &str = "most of them in one field";
    /// Many fields.
    pub const MANY_FIELDS: &str = "in many fields";
    /// Many fields and no empty line.
    pub const NO_EMPTY_LINE: &str = "in many fields and not ended yet";
    /// A line without an end.
    pub const NO_LINE_END: &str = "with a line that does not end";
    /// A long target.
    pub const LONG_LINE: &str = "all of them in a request line that does not end";
    /// A long target in a whole request.
    pub const ENDED_LINE: &str = "most of them in the request line";
    /// A long target and a long field.
    pub const SHARED: &str = "half of them in the request line";
}

/// A request that stops in the middle.
pub fn half_a_request() -> &'static str {
    "a request whose header stops in the middle"
}

/// How long a client may be silent, and when the answer came.
pub fn too_soon(after: Duration) -> (String, String) {
    (
        "a client that sends half a header is given at least 3 s after its last byte".to_owned(),
        format!("an answer, or the end, {:.1} s after it", after.as_secs_f64()),
    )
}

/// That a request comes.
pub fn sends_request(who: &str) -> String {
    format!("{who} sends a request: a request line, header lines, and an empty line behind them")
}

/// A line that a request should have.
pub fn request_line(wanted: &str, got: &str) -> (String, String) {
    (
        format!("the request line {}", line(wanted.as_bytes())),
        format!("the request line {}", line(got.as_bytes())),
    )
}

/// A field that a request should have.
pub fn request_field(name: &str, wanted: &str, got: &[&str]) -> (String, String) {
    let lines: Vec<String> =
        got.iter().map(|value| line(format!("{name}: {value}").as_bytes())).collect();
    let got = if lines.is_empty() { format!("no {name}") } else { lines.join(", ") };
    (format!("the request has exactly one line `{name}: {wanted}`"), got)
}

/// That a status line stands on standard error.
pub fn not_followed(count: usize) -> String {
    format!("`get` gives up after {count} redirects")
}

/// Another request came.
pub fn followed_again() -> &'static str {
    "it connects once more and follows the next one"
}

/// That nothing follows a request.
pub fn nothing_behind_request(who: &str) -> String {
    format!("nothing from {who} behind its request: a GET has no body")
}

/// What came too much.
pub fn more(bytes: &[u8]) -> String {
    format!("more bytes: {}", shown(bytes))
}
