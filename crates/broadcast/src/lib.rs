//! The checks of broadcast: one sends, many receive.
//!
//! Each check is a promise of the contract. It plays the program's peer, and stops at the first
//! step that the program does not keep. What a check is worth and how it is told stands in
//! `module.toml`.

mod address;
mod lab;
mod listen;
mod mistakes;
mod rules;
mod send;

use grader::Module;

/// The module, as the runner knows it.
pub const MODULE: Module = Module {
    name: "broadcast",
    checks: &[
        ("address", address::whole_numbers),
        ("address-any-prefix", address::any_prefix),
        ("address-extremes", address::extremes),
        ("bad-cidr", address::bad_cidr),
        ("ready-line", rules::ready_line),
        ("one-message", listen::one_message),
        ("as-text", listen::as_text),
        ("edges", listen::edges),
        ("empty-message", listen::empty_message),
        ("largest-message", listen::largest_message),
        ("three-listeners", listen::three_listeners),
        ("burst", listen::burst),
        ("send-messages", send::messages),
        ("send-broadcast", send::broadcast),
        ("no-route", send::no_route),
        ("port-taken", rules::port_taken),
        ("host-names", rules::host_names),
        ("usage", rules::usage),
        ("error-line", rules::error_line),
        ("ipv6", rules::ipv6),
        ("three-hosts", lab::directed),
        ("limited-broadcast", lab::limited),
    ],
};
