//! What the steps of file-transfer's checks say.

use std::time::Duration;

use crate::bytes::{self, thousands};
use crate::record::Sample;

use super::byte_count;

/// How many columns of bytes a sentence shows.
const SHOWN_COLUMNS: usize = 60;
/// How many names a sentence lists.
const SHOWN_NAMES: usize = 8;

/// The grader has put a file into a folder.
pub fn grader_writes(path: &str, size: u64) -> String {
    format!("the grader writes the file {}, {}", name(path), byte_count(size))
}

/// A file's size stands in for the room on a disk.
pub fn limit_for_a_disk(bytes: u64) -> String {
    format!(
        "this machine gives the server no disk of its own: instead no file may grow beyond {}, \
         and a write beyond that fails (EFBIG)",
        byte_count(bytes)
    )
}

/// The grader takes the folder that is served away.
pub fn grader_takes_away(folder: &str) -> String {
    format!("the grader takes the folder {} away: no file can be created there", name(folder))
}

/// The grader leaves no room for another file.
pub fn grader_fills(folder: &str) -> String {
    format!("the grader adds empty files to {}, until the disk takes no more", name(folder))
}

/// The grader has put something into a folder that is no file.
pub fn grader_makes(kind: &str, path: &str) -> String {
    format!("the grader makes {kind}: {}", name(path))
}

/// A folder.
pub const A_FOLDER: &str = "a folder";
/// A FIFO.
pub const A_FIFO: &str = "a FIFO";

/// A symlink and where it leads.
pub fn a_link(to: &str) -> String {
    format!("a symlink to {}", name(to))
}

/// A name as a learner can tell it from the words around it.
pub fn name(name: &str) -> String {
    format!("\"{}\"", bytes::escape(name.as_bytes()))
}

/// A line that begins so.
pub fn line_beginning(who: &str, beginning: &str) -> String {
    format!("a line from {who} that begins with `{beginning}`")
}

/// A line with any words.
pub fn any_line(who: &str) -> String {
    format!("a line from {who}")
}

/// A line that came, or what came instead of one.
pub fn line(line: &[u8]) -> String {
    if line.is_empty() {
        return "the end of the stream, and no line before it".to_owned();
    }
    let shown = bytes::show(&Sample::of_printed(line), SHOWN_COLUMNS);
    if line.ends_with(b"\n") { shown } else { format!("{shown}, and no newline") }
}

/// An answer in one line, then the end.
pub fn one_refusal(who: &str) -> String {
    format!("one line of UTF-8 from {who} that begins with `ERR `, and nothing after it")
}

/// The request was refused.
pub fn refuses(who: &str, request: &str) -> String {
    format!("{who} answers `ERR REASON` to {request}")
}

/// The second OK came too early.
pub fn stored_too_early(sent: u64, size: u64) -> (String, String) {
    (
        "no second OK before the data has come".to_owned(),
        format!("it came when {} of {} had been sent", thousands(sent), byte_count(size)),
    )
}

/// The server said that half a file is stored.
pub fn said_stored(sent: u64, size: u64) -> (String, String) {
    (
        format!("no second OK: {} of {} came, then the end", thousands(sent), byte_count(size)),
        "a second OK".to_owned(),
    )
}

/// A file and how it should be.
pub fn file_wanted(path: &str, size: u64) -> String {
    format!("the file {} with these {}", name(path), byte_count(size))
}

/// A file that is not there, and what is.
pub fn file_missing(path: &str, present: &[String]) -> String {
    format!("there is no file {}; there {}", name(path), names(present))
}

/// A path that has something else than a file.
pub fn no_file(path: &str) -> String {
    format!("{} is no regular file", name(path))
}

/// A file at the first difference.
pub fn file_differs(
    path: &str,
    (expected, wanted): (&str, u64),
    (got, came): (&str, u64),
) -> (String, String) {
    (
        format!("the file {} with these {}:\n{expected}", name(path), byte_count(wanted)),
        format!("{}:\n{got}", byte_count(came)),
    )
}

/// A folder that should be as it was, and something new in it.
pub fn left_behind(folder: &str, left: &[String]) -> (String, String) {
    (
        format!("nothing is left of it in the folder {}", name(folder)),
        format!("there {}", names(left)),
    )
}

/// What is not complete has a name that nobody sees.
pub fn hidden(folder: &str, new: &[String]) -> (String, String) {
    (
        format!(
            "while a file is still coming, every new name in the folder {} begins with a dot",
            name(folder)
        ),
        format!("there {}", names(new)),
    )
}

/// How a name gets its new file.
pub fn in_one_step(path: &str) -> String {
    format!(
        "{} gets its new file in one step: a rename in the same folder, from a name that \
         begins with a dot",
        name(path)
    )
}

/// The bytes went to the name itself.
pub fn written_to(path: &str) -> String {
    format!("bytes were written to {} itself (inotify: IN_MODIFY)", name(path))
}

/// The last bytes came when the file had its name.
pub fn written_late(path: &str) -> String {
    format!(
        "bytes were written to the new file when it had the name {} already \
         (inotify: IN_MOVED_TO, then IN_MODIFY)",
        name(path)
    )
}

/// The name had no file for a moment.
pub fn gone_meanwhile(path: &str) -> String {
    format!(
        "{} was taken away first (inotify: IN_DELETE or IN_MOVED_FROM): for a moment there was no \
         file",
        name(path)
    )
}

/// A file of another folder got the name.
pub fn from_elsewhere(path: &str) -> String {
    format!("a file from another folder was renamed to {}", name(path))
}

/// A file that could be seen got the name.
pub fn from_in_sight(from: &str, to: &str) -> String {
    format!("{} was renamed to {}", name(from), name(to))
}

/// Bytes after the OK of a GET that are none of the file's.
pub fn only_its_bytes(who: &str, came: u64) -> (String, String) {
    (
        format!("{who} sends bytes of the file, all of them 0, and ends early"),
        format!("after {} of the file's there came others", byte_count(came)),
    )
}

/// A file becomes shorter while it is on its way.
pub fn grader_cuts(path: &str, size: u64) -> String {
    format!("the grader cuts the file {} to {}", name(path), byte_count(size))
}

/// Something that should be as it was and is not.
pub fn as_before(path: &str) -> String {
    format!("{} is as it was before", name(path))
}

/// What stood at a path has gone.
pub fn gone(path: &str) -> String {
    format!("{} is gone", name(path))
}

/// Something stands at a path where nothing was.
pub fn appeared(path: &str, size: u64) -> (String, String) {
    (format!("nothing at {}", name(path)), format!("a file of {}", byte_count(size)))
}

/// What stood at a path is another thing now.
pub fn changed(path: &str) -> String {
    format!("{} has changed", name(path))
}

/// That nothing is left in a folder some time.
pub fn tidies(who: &str, folder: &str) -> String {
    format!("{who} leaves the folder {} as it was", name(folder))
}

/// That a file is complete some time.
pub fn stores(who: &str, path: &str) -> String {
    format!("{who} stores the file {}", name(path))
}

/// An answer that takes or refuses.
pub fn says_ok_or_err(who: &str) -> String {
    format!("a line from {who} that begins with `OK` or with `ERR`")
}

/// An answer or its end, where both will do.
pub fn answers(who: &str) -> String {
    format!("{who} answers, and ends the connection")
}

/// That a write of the grader's does not fail.
pub fn takes_all(who: &str) -> (String, String) {
    (
        format!("{who} takes what the client still sends, for a while"),
        "a reset while the client was sending: its write failed".to_owned(),
    )
}

/// Neither of two uploads was stored.
pub fn nobody_stored() -> (String, String) {
    ("a second OK to at least one of the two uploads".to_owned(), "both were refused".to_owned())
}

/// A file that is neither of two versions.
pub fn mixture(path: &str, from_first: u64, from_second: u64, size: u64) -> (String, String) {
    (
        format!("the file {} is, whole, one of the versions that got a second OK", name(path)),
        format!(
            "{}, of which the first {} are those of one upload, and then come others \
             (of the other upload it has the first {})",
            byte_count(size),
            thousands(from_first.max(from_second)),
            thousands(from_first.min(from_second)),
        ),
    )
}

/// How much memory a transfer may take, and how much it took.
pub fn peak_memory(limit: u64, peak: u64) -> (String, String) {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    (
        format!("a peak of less than {:.0} MiB of memory", mib(limit)),
        format!("a peak of {:.1} MiB", mib(peak)),
    )
}

/// That a program shows something on a terminal.
pub fn shows_progress(who: &str) -> (String, String) {
    (
        format!("something on standard error of {who}, which is a terminal, during the transfer"),
        "nothing on standard error".to_owned(),
    )
}

/// That a program writes nothing where nobody watches.
pub fn silent_stderr(who: &str, printed: &[u8]) -> (String, String) {
    (
        format!("nothing on standard error of {who}, which is a pipe"),
        bytes::show(&Sample::of_printed(printed), SHOWN_COLUMNS),
    )
}

/// The grader has copied a file by itself.
pub fn copied(took: Duration) -> String {
    format!("the grader's own copy of 1 GiB through a socket took {:.2} s", took.as_secs_f64())
}

/// The program has moved a file.
pub fn moved(role: &str, took: Duration) -> String {
    format!("`{role}` of 1 GiB took {:.2} s", took.as_secs_f64())
}

/// The plain copies took too different times.
pub fn cannot_tell() -> &'static str {
    "this machine is too busy to tell more; the check passes"
}

/// How long a transfer may take, and how long it took at best.
pub fn too_slow(role: &str, limit: Duration, best: Duration) -> (String, String) {
    (
        format!("`{role}` of 1 GiB in at most {:.2} s, twice a plain copy", limit.as_secs_f64()),
        format!("{:.2} s, the best of all runs", best.as_secs_f64()),
    )
}

/// The disk cannot take a file of this size.
pub fn no_room(needed: u64) -> String {
    format!("a file of 1 GiB needs {} free where TMPDIR lies", byte_count(needed))
}

fn names(all: &[String]) -> String {
    if all.is_empty() {
        return "is nothing".to_owned();
    }
    let mut shown: Vec<String> = all.iter().take(SHOWN_NAMES).map(|one| name(one)).collect();
    if all.len() > SHOWN_NAMES {
        shown.push(format!("{} more", all.len() - SHOWN_NAMES));
    }
    format!("{} {}", if all.len() == 1 { "is" } else { "are" }, shown.join(", "))
}
