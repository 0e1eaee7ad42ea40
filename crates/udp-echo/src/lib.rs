//! The checks of udp-echo: datagrams have edges.
//!
//! Each check is a promise of the contract. It plays the program's peer, and stops at the first
//! step that the program does not keep. What a check is worth and how it is told stands in
//! `module.toml`.

mod client;
mod lab;
mod mistakes;
mod rules;
mod server;
mod stretch;

use grader::Module;

/// The module, as the runner knows it.
pub const MODULE: Module = Module {
    name: "udp-echo",
    checks: &[
        ("ready-line", rules::ready_line),
        ("one-datagram", server::one_datagram),
        ("arbitrary-bytes", server::arbitrary_bytes),
        ("edges", server::edges),
        ("empty-datagram", server::empty_datagram),
        ("largest-datagram", server::largest_datagram),
        ("two-clients", server::two_clients),
        ("vanished-client", server::vanished_client),
        ("port-taken", server::port_taken),
        ("own-port", server::own_port),
        ("client-messages", client::messages),
        ("client-retry", client::retry),
        ("client-gives-up", client::gives_up),
        ("client-earlier-replies", client::earlier_replies),
        ("client-stranger", client::stranger),
        ("client-late-duplicate", client::late_duplicate),
        ("client-clock", client::clock),
        ("client-large-message", client::large_message),
        ("host-names", rules::host_names),
        ("usage", rules::usage),
        ("error-line", rules::error_line),
        ("burst", stretch::burst),
        ("client-closed-port", stretch::client_closed_port),
        ("ipv6", stretch::ipv6),
        ("server-lossy-wire", lab::server),
        ("client-lossy-wire", lab::client),
    ],
};
