//! What `cargo xtask completions` prints, tried in the shells themselves.
#![cfg(unix)]

mod support;

use std::path::Path;
use std::process::Command;

use support::{course, folder, run, xtask};

/// Whether the shell is installed; the grader's own continuous integration installs all three.
fn has(shell: &str) -> bool {
    let has = Command::new(shell).args(["-c", "exit 0"]).status().is_ok_and(|ran| ran.success());
    if !has {
        eprintln!("note: {shell} is not installed, so its completions are not tried");
    }
    has
}

/// Runs `shell` in `directory` with the completions in `$SCRIPT`; what it printed.
fn shell(shell: &str, options: &[&str], directory: &Path, script: &str) -> String {
    let files = folder();
    let printed = run(xtask(&course(), files.path()).args(["completions", shell]));
    assert_eq!(printed.status, Some(0), "{}", printed.stderr);
    let path = files.path().join("completions");
    fs_err::write(&path, printed.stdout).expect("write the completions");
    let mut command = Command::new(shell);
    command.args(options).args(["-c", script]).current_dir(directory);
    command.env("SCRIPT", &path).env("HOME", files.path()).env("XDG_CONFIG_HOME", files.path());
    let ended = run(&mut command);
    assert_eq!(ended.stderr, "", "{script}");
    assert_eq!(ended.status, Some(0), "{script}");
    ended.stdout
}

/// The candidates of bash for the words of a command line, the last of which is being typed.
fn bash_at(directory: &Path, before: &str, words: &str) -> Vec<String> {
    let script = format!(
        "{before}\nsource \"$SCRIPT\"\nCOMP_WORDS=({words})\n\
         COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n\
         name=$(complete -p cargo); name=${{name#* -F }}; ${{name%% *}} cargo\n\
         ((${{#COMPREPLY[@]}} == 0)) || printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    shell("bash", &["--norc"], directory, &script).lines().map(str::to_owned).collect()
}

fn bash(words: &str) -> Vec<String> {
    bash_at(&course(), "", words)
}

#[test]
fn bash_completes_commands_modules_checks_and_values() {
    assert_eq!(bash("cargo xtask gra"), ["grade"]);
    assert_eq!(bash("cargo +stable xtask gra"), ["grade"]);
    assert_eq!(bash("cargo xtask grade tcp"), ["tcp-echo"]);
    assert_eq!(bash("cargo xtask grade tcp-echo udp"), ["udp-echo"]);
    assert_eq!(bash("cargo xtask grade tcp-echo --check hal"), ["half-close"]);
    assert_eq!(bash("cargo xtask grade --sol"), ["--solutions"]);
    assert_eq!(bash("cargo xtask grade --format js"), ["json"]);
    assert_eq!(bash("cargo xtask grade --format = js"), ["json"]);
    assert_eq!(bash("cargo xtask grade --seed 7 udp"), ["udp-echo"]);
    assert_eq!(bash("cargo xtask grade --program exerc"), ["exercises"]);
    assert_eq!(bash("cargo xtask completions ''"), ["bash", "zsh", "fish"]);
    assert_eq!(bash("cargo xtask solution tcp-echo se"), ["server.rs"]);
    assert_eq!(bash("cargo xtask help ver"), ["verify"]);
    assert_eq!(bash("cargo xtask reset tcp-echo udp"), [""; 0]);
}

#[test]
fn every_check_completes_and_in_a_modules_folder_its_own_only() {
    let modules = support::names_in(&course().join("exercises"));
    for module in modules {
        let manifest = course().join("crates").join(&module).join("module.toml");
        let manifest = fs_err::read_to_string(manifest).expect("read the manifest");
        let ids: Vec<&str> = manifest
            .lines()
            .filter_map(|line| line.strip_prefix("id = \"")?.strip_suffix('"'))
            .collect();
        assert!(ids.len() > 5, "{module}: {ids:?}");
        assert_eq!(bash(&format!("cargo xtask grade {module} --check ''")), ids);
        let inside = course().join("exercises").join(&module).join("src");
        assert_eq!(bash_at(&inside, "", "cargo xtask grade --check ''"), ids);
    }
}

#[test]
fn bash_leaves_all_else_to_what_completed_cargo_before() {
    let before = "earlier() { COMPREPLY=(\"earlier\"); }; complete -F earlier cargo";
    assert_eq!(bash_at(&course(), before, "cargo bu"), ["earlier"]);
    assert_eq!(bash_at(&course(), before, "cargo xtask gra"), ["grade"]);
    assert_eq!(bash_at(Path::new("/"), before, "cargo xtask gra"), ["earlier"]);
    // As bash-completion does it: loaded when first needed, which takes cargo over.
    let late = "_completion_loader() { earlier() { COMPREPLY=(\"late\"); }; \
                complete -F earlier cargo; }";
    assert_eq!(bash_at(&course(), late, "cargo bu"), ["late"]);
    let twice = format!("{before}; source \"$SCRIPT\"");
    assert_eq!(bash_at(&course(), &twice, "cargo bu"), ["earlier"]);
}

#[test]
fn zsh_offers_the_same_with_what_it_means() {
    if !has("zsh") {
        return;
    }
    // What the completion system would be asked to show.
    let stubs = "compdef() { : }; _describe() { print -rl -- ${(P)2} }; _files() { print files }\n\
                 _default() { print default }; typeset -A _comps; source $SCRIPT\n";
    let zsh = |words: &str| {
        let script = format!("{stubs}words=({words}); CURRENT=$#words; _xtask_course");
        shell("zsh", &["-f"], &course(), &script)
    };
    let commands = zsh("cargo xtask ''");
    assert!(commands.starts_with("grade:Grade programs: yours"), "{commands}");
    assert!(zsh("cargo xtask grade ''").starts_with("broadcast\nfile-transfer\n"));
    let checks = zsh("cargo xtask grade tcp-echo --check ha");
    assert!(checks.contains("\nhalf-close:"), "{checks}");
    assert!(zsh("cargo xtask grade --format=").starts_with("--format=text\n"));
    assert_eq!(zsh("cargo xtask grade --program ''"), "files\n");
    assert_eq!(zsh("cargo bu"), "default\n");
}

#[test]
fn fish_offers_the_same_with_what_it_means() {
    if !has("fish") {
        return;
    }
    let fish = |line: &str| {
        let script = format!("source $SCRIPT; complete -C '{line}'");
        shell("fish", &["-N"], &course(), &script)
    };
    assert!(fish("cargo xtask gra").starts_with("grade\tGrade programs: yours"));
    assert!(fish("cargo xtask grade tcp").starts_with("tcp-echo"));
    assert!(fish("cargo xtask grade tcp-echo --check ha").starts_with("half-close\t"));
    assert!(fish("cargo xtask grade --format=j").starts_with("--format=json"));
    assert!(fish("cargo xtask grade --program=exerc").starts_with("--program=exercises/"));
}
