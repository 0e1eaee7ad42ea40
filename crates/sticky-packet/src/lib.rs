//! The checks of sticky-packet: a stream has no messages until you frame them.
//!
//! Each check is a promise of the contract. It plays the program's peer, and stops at the first
//! step that the program does not keep. What a check is worth and how it is told stands in
//! `module.toml`.

mod frames;
mod hostile;
mod receive;
mod receiver;
mod rules;
mod send;
mod stretch;

use grader::Module;

/// The module, as the runner knows it.
pub const MODULE: Module = Module {
    name: "sticky-packet",
    checks: &[
        ("ready-line", rules::ready_line),
        ("send-delimiter", send::delimiter),
        ("send-length", send::length),
        ("send-none", send::none),
        ("send-delay", send::delay),
        ("one-message", receive::one_message),
        ("three-in-one", receive::three_in_one),
        ("one-byte-segments", receive::one_byte_segments),
        ("cut-anywhere", receive::cut_anywhere),
        ("empty-message", receive::empty_message),
        ("one-mebibyte", receive::one_mebibyte),
        ("as-they-complete", receive::as_they_complete),
        ("truncated", receive::truncated),
        ("after-reset", hostile::after_reset),
        ("next-sender", receive::next_sender),
        ("length-too-long", hostile::length_too_long),
        ("not-utf8", hostile::not_utf8),
        ("receive-none", receive::without_framing),
        ("refused", send::refused),
        ("port-taken", rules::port_taken),
        ("usage", rules::usage),
        ("error-line", rules::error_line),
        ("host-names", rules::host_names),
        ("escapes-sent", stretch::escapes_sent),
        ("escapes-received", stretch::escapes_received),
        ("endless-message", stretch::endless_message),
        ("many-small", stretch::many_small),
        ("ipv6", stretch::ipv6),
    ],
};
