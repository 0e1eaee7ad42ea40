//! The registry: every module that the runner knows, in the order in which the course teaches them.

use grader::module::Module;

/// All modules. A new one is a line here and a dependency in `xtask/Cargo.toml`.
pub static TAUGHT: &[Module] = &[
    tcp_echo_grading::MODULE,
    udp_echo_grading::MODULE,
    sticky_packet_grading::MODULE,
    broadcast_grading::MODULE,
    sockopt_inspect_grading::MODULE,
    http_mini_grading::MODULE,
    file_transfer_grading::MODULE,
];

/// The module of this name, or an error that suggests the nearest names.
///
/// # Errors
///
/// No module is called `name`.
pub fn find(name: &str) -> anyhow::Result<&'static Module> {
    if let Some(module) = TAUGHT.iter().find(|module| module.name == name) {
        return Ok(module);
    }
    let names: Vec<&str> = TAUGHT.iter().map(|module| module.name).collect();
    anyhow::bail!("there is no module `{name}`; {}", suggest(name, &names, "the modules"))
}

/// "did you mean …?" if something comes near `name`, else all that there is.
pub fn suggest(name: &str, known: &[&str], plural: &str) -> String {
    let mut near: Vec<(f64, &str)> = known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), *candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .collect();
    near.sort_by(|left, right| right.0.total_cmp(&left.0));
    let best = near.first().map_or(0.0, |(likeness, _)| *likeness);
    near.retain(|(likeness, _)| *likeness > best - 0.1);
    near.truncate(3);
    if near.is_empty() {
        return format!("{plural} are {}", known.join(", "));
    }
    let names: Vec<String> = near.iter().map(|(_, name)| format!("`{name}`")).collect();
    format!("did you mean {}?", names.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::suggest;

    #[test]
    fn a_typing_mistake_finds_its_name() {
        let known = ["tcp-echo", "udp-echo", "broadcast"];
        assert_eq!(suggest("tpc-echo", &known, "the modules"), "did you mean `tcp-echo`?");
        assert!(suggest("echo", &known, "the modules").contains("udp-echo"));
        assert_eq!(
            suggest("zzz", &known, "the modules"),
            "the modules are tcp-echo, udp-echo, broadcast"
        );
    }
}
