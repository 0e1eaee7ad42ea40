//! The checks of http-mini: a protocol of the application layer.
//!
//! Each check is a promise of the contract. It plays the program's peer, and stops at the first
//! step that the program does not keep. Answers are read leniently and each rule is judged in one
//! check, so that one mistake costs one check. What a check is worth and how it is told stands in
//! `module.toml`.

mod answer;
mod client;
mod connection;
mod paths;
mod peer;
mod refusals;
mod requests;
mod rules;
mod site;
mod stretch;
mod visit;

use grader::Module;

/// The module, as the runner knows it.
pub const MODULE: Module = Module {
    name: "http-mini",
    checks: &[
        ("ready-line", rules::ready_line),
        ("get-file", requests::get_file),
        ("content-type", requests::content_type),
        ("date", requests::date),
        ("index", requests::index),
        ("head", requests::head),
        ("not-found", requests::not_found),
        ("percent-decoding", requests::percent_decoding),
        ("stays-inside", paths::stays_inside),
        ("links-inside", paths::links_inside),
        ("absolute-form", requests::absolute_form),
        ("empty-lines", requests::empty_lines),
        ("any-case", requests::any_case),
        ("one-byte-segments", requests::one_byte_segments),
        ("keep-alive", connection::keep_alive),
        ("pipelining", connection::pipelining),
        ("close", connection::close),
        ("request-line", refusals::request_line),
        ("version", refusals::version),
        ("header-lines", refusals::header_lines),
        ("host", refusals::host),
        ("transfer-encoding", refusals::transfer_encoding),
        ("content-length", refusals::content_length),
        ("methods", refusals::methods),
        ("head-too-large", refusals::head_too_large),
        ("request-body", connection::request_body),
        ("error-while-uploading", connection::error_while_uploading),
        ("many-clients", connection::many_clients),
        ("reset-mid-body", connection::reset_mid_body),
        ("cannot-serve", rules::cannot_serve),
        ("client-request", client::request),
        ("client-length", client::length),
        ("client-until-close", client::until_close),
        ("client-chunked", client::chunked),
        ("client-dribs", client::dribs),
        ("client-names", client::names),
        ("client-interim", client::interim),
        ("client-no-body", client::no_body),
        ("client-error-status", client::error_status),
        ("client-cut-short", client::cut_short),
        ("client-garbage", client::garbage),
        ("host-names", rules::host_names),
        ("usage", rules::usage),
        ("error-line", rules::error_line),
        ("not-modified", stretch::not_modified),
        ("ranges", stretch::ranges),
        ("request-timeout", stretch::request_timeout),
        ("redirects", stretch::redirects),
        ("chunk-extensions", stretch::chunk_extensions),
        ("ipv6", stretch::ipv6),
    ],
};
