//! How much of a file a client wants: all of it, a part, or nothing if it has not changed.
//!
//! This is where a protocol without memory gets by without one: the client remembers, and says in
//! each request what it has.

use std::io::Seek;
use std::io::SeekFrom;

use crate::files::Document;
use crate::message::parse_digits;
use crate::request::Request;
use crate::response::{
    Body, INTERNAL_ERROR, NOT_MODIFIED, OK, PARTIAL_CONTENT, RANGE_NOT_SATISFIABLE, Response,
    http_date,
};

/// The part of a file that a `Range` field asks for.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// All of it: there is no such field, or none that we understand.
    Whole,
    /// The bytes from `first` to `last`, both counted from 0, both included.
    Bytes { first: u64, last: u64 },
    /// The file has none of the bytes.
    Nothing,
}

/// The answer to a GET or HEAD for a file.
pub fn answer(request: &Request, document: Document) -> Response {
    let date = document.modified.and_then(http_date);
    if is_unchanged(request, &document) {
        return Response::new(NOT_MODIFIED, Body::Nothing).with_some("Last-Modified", date);
    }
    let size = document.size;
    let (status, first, last) = match requested_part(request, size) {
        Part::Nothing => {
            return Response::error(RANGE_NOT_SATISFIABLE)
                .with("Content-Range", &format!("bytes */{size}"));
        }
        Part::Whole => (OK, 0, size.saturating_sub(1)),
        Part::Bytes { first, last } => (PARTIAL_CONTENT, first, last),
    };
    let mut file = document.file;
    if first > 0 && file.seek(SeekFrom::Start(first)).is_err() {
        return Response::error(INTERNAL_ERROR);
    }
    let length = if size == 0 { 0 } else { last - first + 1 };
    let response = Response::new(status, Body::File { file, length })
        .with("Content-Type", document.media_type)
        .with("Accept-Ranges", "bytes")
        .with_some("Last-Modified", date);
    if status == PARTIAL_CONTENT {
        return response.with("Content-Range", &format!("bytes {first}-{last}/{size}"));
    }
    response
}

/// Whether the client's copy, of the date that it gives, is as new as the file.
fn is_unchanged(request: &Request, document: &Document) -> bool {
    // A client that sends If-None-Match wants its tags compared, not the date, and we have no tags
    // (RFC 9110, section 13.1.3).
    if request.fields.has("if-none-match") {
        return false;
    }
    let date = request.fields.only("if-modified-since");
    let date = date.and_then(|text| httpdate::parse_http_date(text).ok());
    matches!((date, document.modified), (Some(date), Some(modified)) if modified <= date)
}

/// Reads the `Range` field (RFC 9110, section 14.2). What is malformed, or is more than one range,
/// counts as not there, which the RFC allows: the client gets the whole and sees that by the 200.
fn requested_part(request: &Request, size: u64) -> Part {
    // Ranges are for GET alone. With If-Range the client wants a part only of a version that it
    // knows, and our dates are too coarse to tell versions apart for certain.
    if request.method != "GET" || request.fields.has("if-range") {
        return Part::Whole;
    }
    let Some((unit, range)) = request.fields.only("range").and_then(|text| text.split_once('='))
    else {
        return Part::Whole;
    };
    let Some((first, last)) = range.trim().split_once('-') else { return Part::Whole };
    if !unit.eq_ignore_ascii_case("bytes") {
        return Part::Whole;
    }
    let end = size.saturating_sub(1);
    match (parse_digits(first), parse_digits(last)) {
        // `a-b`, backwards: malformed.
        (Some(first), Some(last)) if last < first => Part::Whole,
        (Some(first), _) if first >= size && is_end(last) => Part::Nothing,
        (Some(first), Some(last)) => Part::Bytes { first, last: last.min(end) },
        (Some(first), None) if last.is_empty() => Part::Bytes { first, last: end },
        // `-n`, the last n bytes.
        (None, Some(0)) if first.is_empty() => Part::Nothing,
        (None, Some(count)) if first.is_empty() && count > size => Part::Nothing,
        (None, Some(_)) if first.is_empty() && size == 0 => Part::Whole,
        (None, Some(count)) if first.is_empty() => {
            Part::Bytes { first: size.saturating_sub(count), last: end }
        }
        _ => Part::Whole,
    }
}

/// Whether what follows the hyphen is as it should be.
fn is_end(text: &str) -> bool {
    text.is_empty() || parse_digits(text).is_some()
}
