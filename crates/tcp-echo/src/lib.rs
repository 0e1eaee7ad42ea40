//! The checks of tcp-echo: the life of a stream socket.
//!
//! Each check is a promise of the contract. It plays the program's peer, and stops at the first
//! step that the program does not keep. What a check is worth and how it is told stands in
//! `module.toml`.

mod client;
mod mistakes;
mod rules;
mod server;
mod stretch;

use grader::Module;

/// The module, as the runner knows it.
pub const MODULE: Module = Module {
    name: "tcp-echo",
    checks: &[
        ("ready-line", rules::ready_line),
        ("one-message", server::one_message),
        ("arbitrary-bytes", server::arbitrary_bytes),
        ("large-payload", server::large_payload),
        ("echo-as-it-comes", server::echo_as_it_comes),
        ("empty-conversation", server::empty_conversation),
        ("half-close", server::half_close),
        ("second-client", server::second_client),
        ("many-clients", server::many_clients),
        ("reset-mid-way", server::reset_mid_way),
        ("reset-before-accept", server::reset_before_accept),
        ("restart-at-once", server::restart_at_once),
        ("port-taken", server::port_taken),
        ("client-message", client::message),
        ("client-half-close", client::half_close),
        ("client-stdin", client::stdin),
        ("client-dribs", client::dribs),
        ("client-late-answer", client::late_answer),
        ("client-early-close", client::early_close),
        ("client-refused", client::refused),
        ("host-names", rules::host_names),
        ("usage", rules::usage),
        ("error-line", rules::error_line),
        ("client-64-mib", stretch::client_64_mib),
        ("slow-reader", stretch::slow_reader),
        ("out-of-descriptors", stretch::out_of_descriptors),
        ("no-leaks", stretch::no_leaks),
        ("ipv6", stretch::ipv6),
    ],
};
