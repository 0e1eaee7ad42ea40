//! The checks of sockopt-inspect: what the kernel knows of a socket.
//!
//! Each check is a promise of the contract. What a program reports is compared with what the kernel
//! says of the program's own socket, of which the grader takes a second descriptor. What a check is
//! worth and how it is told stands in `module.toml`.

mod inspection;
mod options;
mod report;
mod rules;
mod stretch;
mod truth;

use grader::Module;

/// The module, as the runner knows it.
pub const MODULE: Module = Module {
    name: "sockopt-inspect",
    checks: &[
        ("shape-tcp", report::shape_tcp),
        ("shape-udp", report::shape_udp),
        ("family-and-type", report::family_and_type),
        ("descriptor", report::descriptor),
        ("local-address", report::local_address),
        ("peer-address", report::peer_address),
        ("switches", options::switches),
        ("buffers", options::buffers),
        ("receive-timeout", options::receive_timeout),
        ("linger", options::linger),
        ("no-delay", options::no_delay),
        ("before-connect", options::before_connect),
        ("last-setting", options::last_setting),
        ("refusal", rules::refusal),
        ("bad-options", rules::bad_options),
        ("bad-options-first", rules::bad_options_first),
        ("stays-open", rules::stays_open),
        ("usage", rules::usage),
        ("error-line", rules::error_line),
        ("host-names", rules::host_names),
        ("ipv6", stretch::ipv6),
        ("linger-reset", stretch::linger_reset),
    ],
};
