//! How much of a file a client wants: all of it, a part, or nothing if it has not changed.

use crate::files::Document;
use crate::request::Request;
use crate::response::Response;

/// The answer to a GET or HEAD for a file.
///
/// `httpdate` reads and writes dates. Begin with 200 and the whole file; the rest is stretch.
pub fn answer(request: &Request, document: Document) -> Response {
    todo!("200, 206, 304 or 416: how much of {document:?} does {request:?} want?")
}
