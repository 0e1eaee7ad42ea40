//! The checks of file-transfer: a file, over TCP, whole or not at all.
//!
//! Each check is a promise of the contract. It plays the program's peer, looks into the folders,
//! and stops at the first step that the program does not keep. What a check is worth and how it is
//! told stands in `module.toml`.

mod client;
mod folder;
mod gigabyte;
mod lab;
mod requests;
mod rules;
mod stretch;
mod talk;
mod transfers;
mod watch;

use grader::Module;

/// The module, as the runner knows it.
pub const MODULE: Module = Module {
    name: "file-transfer",
    checks: &[
        ("ready-line", rules::ready_line),
        ("get", requests::get),
        ("put", requests::put),
        ("list", requests::list),
        ("any-bytes", requests::any_bytes),
        ("names", requests::names),
        ("names-that-lead-out", requests::names_that_lead_out),
        ("not-a-file", requests::not_a_file),
        ("bad-requests", requests::bad_requests),
        ("bad-sizes", requests::bad_sizes),
        ("bytewise", transfers::bytewise),
        ("one-segment", transfers::one_segment),
        ("more-than-announced", transfers::more_than_announced),
        ("overwrite", transfers::overwrite),
        ("upload-cut-short", transfers::upload_cut_short),
        ("constant-memory", transfers::constant_memory),
        ("ten-at-once", transfers::ten_at_once),
        ("silent-client", transfers::silent_client),
        ("full-disk", transfers::full_disk),
        ("refusal-arrives", transfers::refusal_arrives),
        ("client-get", client::get),
        ("client-put", client::put),
        ("client-list", client::list),
        ("client-cut-short", client::cut_short),
        ("client-missing", client::missing),
        ("client-shows-reason", client::shows_reason),
        ("client-refused-midway", client::refused_midway),
        ("client-constant-memory", client::constant_memory),
        ("work-together", rules::work_together),
        ("host-names", rules::host_names),
        ("port-taken", rules::port_taken),
        ("usage", rules::usage),
        ("error-line", rules::error_line),
        ("same-name", stretch::same_name),
        ("progress", stretch::progress),
        ("gigabyte", gigabyte::gigabyte),
        ("ipv6", rules::ipv6),
        ("lossy-wire", lab::lossy_wire),
    ],
};
