//! What the steps of sticky-packet's checks say.

use std::time::Duration;

use crate::bytes::{self, thousands};
use crate::record::Sample;

/// How many columns of bytes a sentence shows.
const SHOWN_COLUMNS: usize = 60;

/// How long after the last bytes the next ones came.
pub fn later(pause: Duration) -> String {
    format!("{:.1} ms later, by the kernel's clock:", pause.as_secs_f64() * 1000.0)
}

/// The line that says that a message was rejected.
pub fn rejects(who: &str) -> String {
    format!("{who} prints a line that begins with `rejected: ` and says why")
}

/// How a conversation ends that was broken off.
pub fn tells_the_end(who: &str) -> String {
    format!("{who} prints `truncated` or `closed`: the sender has reset its connection")
}

/// Any line.
pub fn prints_anything(who: &str) -> String {
    format!("{who} prints a line about what it received")
}

/// The line that came.
pub fn line(line: &[u8]) -> String {
    format!("this line: {}", bytes::show(&Sample::of_printed(line), SHOWN_COLUMNS))
}

/// A line on standard output that is no result.
pub fn no_result(line: &[u8]) -> (String, String) {
    let expected = "on standard output the ready line, and lines that begin with \
        `message`, `closed`, `truncated` or `rejected`";
    (expected.to_owned(), self::line(line))
}

/// All of these lines together.
pub fn prints_all(who: &str, count: usize) -> String {
    format!("{who} prints {} lines and `closed`", thousands(count as u64))
}

/// The bytes on the wire at their first difference.
pub fn sent_bytes(expected: &str, got: &str, wanted: u64, came: u64) -> (String, String) {
    // No more is read than should come: how much more there was is not known.
    let got = if came < wanted {
        format!("{} bytes:\n{got}", thousands(came))
    } else {
        format!("other bytes:\n{got}")
    };
    (format!("{} bytes from the sender:\n{expected}", thousands(wanted)), got)
}

/// The header before a message.
pub fn headers_differ(message: &str, expected: &[u8], got: &[u8]) -> (String, String) {
    let hex = |header: &[u8]| -> String {
        header.iter().map(|byte| format!(" {byte:02x}")).collect::<String>()
    };
    let shown = bytes::show(&Sample::of(message.as_bytes()), SHOWN_COLUMNS);
    (format!("the header{} before {shown}", hex(expected)), format!("the header{}", hex(got)))
}

/// Messages that came too close together.
pub fn gap(one: &str, next: &str, least: Duration, gap: Duration) -> (String, String) {
    (
        format!("at least {} ms between \"{one}\" and \"{next}\"", least.as_millis()),
        format!("at most {:.1} ms", gap.as_secs_f64() * 1000.0),
    )
}

/// The messages, in this order.
pub fn messages_in_order(all: &[u8], came: &[u8]) -> (String, String) {
    let show = |bytes: &[u8]| bytes::show(&Sample::of(bytes), SHOWN_COLUMNS);
    (format!("{} from the sender", show(all)), show(came))
}

/// The grader was never in time to see whether there was a pause.
pub fn never_in_time(tries: u32) -> String {
    format!("in {tries} runs the grader looked too late to see the pauses")
}

/// The text of all messages together.
pub fn texts(who: &str, expected: &str, came: &str) -> (String, String) {
    let show = |text: &str| bytes::show(&Sample::of(text.as_bytes()), SHOWN_COLUMNS);
    (
        format!("the messages of {who} are, put together, {}", show(expected)),
        format!("put together, they are {}", show(came)),
    )
}

/// A sender that prints.
pub fn prints_nothing(who: &str, printed: &[u8]) -> (String, String) {
    let shown = bytes::show(&Sample::of(printed), SHOWN_COLUMNS);
    (format!("nothing on standard output of {who}"), shown)
}

/// How much address space a receiver may reserve for what was announced, and how much it did.
pub fn address_space(limit: u64, growth: u64) -> (String, String) {
    (
        format!("less than {} MiB of address space for 4 bytes", limit >> 20),
        format!("{} MiB more than before", thousands(growth >> 20)),
    )
}

/// How much memory a receiver may hold of an endless message, and how much it did.
pub fn peak_memory(limit: u64, growth: u64) -> (String, String) {
    (
        format!("less than {} MiB of memory for a message that never ends", limit >> 20),
        format!("{} MiB more than before", thousands(growth >> 20)),
    )
}

/// How much processor time many messages may take, and how much they took.
pub fn processor_time(limit: Duration, used: Duration) -> (String, String) {
    (
        format!("less than {} ms of the receiver's processor time", limit.as_millis()),
        format!("{} ms and more", used.as_millis()),
    )
}
