//! Programs that want points for nothing.

use std::fs;

use crate::support::{Desk, Layer, Named, Test, ensure, expect_no_points, literal, said, spy};

pub const TESTS: &[Named] = &[
    ("printing_a_perfect_result", printing_a_perfect_result),
    ("ending_well_before_main", ending_well_before_main),
    ("ending_well_in_main", ending_well_in_main),
    ("writing_results", writing_results),
    ("output_that_a_terminal_obeys", output_that_a_terminal_obeys),
    ("paths_that_a_terminal_obeys", paths_that_a_terminal_obeys),
];

fn printing_a_perfect_result() -> Test {
    let mut desk = Desk::new()?;
    desk.checks.clear();
    let perfect = r#"{"schema":"grade/v1","modules":[{"module":"tcp-echo","score":100,"max_score":100,
        "bonus":40,"checks":[]}],"refused":null,"layer":"namespaces","fault":null}"#;
    let program = format!(
        "fn main() {{ let text = r##\"{}\"##; println!(\"{{text}}\\n{{{{\\\"cpu_ms\\\":1}}}}\"); eprintln!(\"{{text}}\"); }}",
        perfect.replace('\n', "")
    );
    let Some(result) = desk.grade_program(Layer::Everywhere, &program)? else { return Ok(()) };
    expect_no_points(&result)
}

fn ending_well_before_main() -> Test {
    let mut desk = Desk::new()?;
    desk.checks.clear();
    let program = "unsafe extern \"C\" { fn exit(status: i32) -> !; }\n\
        extern \"C\" fn first() { unsafe { exit(0) } }\n\
        #[used] #[unsafe(link_section = \".init_array\")] static FIRST: extern \"C\" fn() = first;\n\
        fn main() {}\n";
    let Some(result) = desk.grade_program(Layer::Everywhere, program)? else { return Ok(()) };
    ensure(result.modules[0].error.is_none(), "it does not compile")?;
    expect_no_points(&result)
}

fn ending_well_in_main() -> Test {
    let mut desk = Desk::new()?;
    desk.checks.clear();
    let program = "fn main() { std::process::exit(0) }";
    let Some(result) = desk.grade_program(Layer::Everywhere, program)? else { return Ok(()) };
    expect_no_points(&result)
}

/// Into the folder of results, the grader's own pipes, and whatever descriptors there are.
fn writing_results() -> Test {
    let desk = Desk::new()?;
    let out = desk.out();
    fs::create_dir_all(&out)?;
    let forged = out.join("forged.json");
    let body = format!(
        "    let text = b\"{{\\\"refused\\\":null,\\\"modules\\\":[]}}\\n{{\\\"cpu_ms\\\":1}}\\n\";
    if fs::write({}, text).is_ok() {{ found.push(\"wrote-result\".into()); }}
    if fs::write({}, text).is_ok() {{ found.push(\"wrote-one\".into()); }}
    for pid in 1..64 {{ for fd in 0..16 {{
        if pid == std::process::id() {{ continue; }}
        if let Ok(mut file) = fs::OpenOptions::new().write(true).open(format!(\"/proc/{{pid}}/fd/{{fd}}\")) {{
            if file.write(text).is_ok() {{ found.push(format!(\"wrote-to-{{pid}}-{{fd}}\")); }}
        }}
    }} }}
    for fd in 3..64 {{ if unsafe {{ write(fd, text.as_ptr(), text.len()) }} > 0 {{ found.push(format!(\"wrote-{{fd}}\")); }} }}",
        literal(&forged),
        literal(&out.join("one.json"))
    );
    let Some(result) = desk.grade_program(Layer::Namespaces, &spy(&body))? else { return Ok(()) };
    expect_no_points(&result)?;
    let said = said(&result)?;
    ensure(said.trim_end().ends_with("found"), said)?;
    ensure(!forged.exists(), "it wrote a result")
}

fn output_that_a_terminal_obeys() -> Test {
    let desk = Desk::new()?;
    let body = "    found.push(\"\\u{1b}]0;title\\u{7}\\u{1b}[2J\\u{202e}\\r\\u{9b}31m<script>alert(1)</script>\\0\".into());";
    let Some(result) = desk.grade_program(Layer::Everywhere, &spy(body))? else { return Ok(()) };
    let said = said(&result)?;
    ensure(said.contains("<script>"), format!("it is not shown as it was: {said}"))?;
    no_control_characters(&desk)
}

/// In the compiler's messages, and in the names of files.
fn paths_that_a_terminal_obeys() -> Test {
    let desk = Desk::new()?;
    desk.hand_in_file("one", "src/\u{1b}[31mred.rs", "")?;
    let program = "fn main() { compile_error!(\"\\u{1b}[2J\\u{7}<b>\") }";
    let Some(result) = desk.grade_program(Layer::Everywhere, program)? else { return Ok(()) };
    expect_no_points(&result)?;
    let notes = result.notes.join("\n");
    ensure(notes.contains("control characters"), format!("no word of the file: {notes}"))?;
    no_control_characters(&desk)
}

/// Nothing in a result's texts is obeyed by a terminal, or turns the direction of writing.
fn no_control_characters(desk: &Desk) -> Test {
    let text = fs::read_to_string(desk.out().join("one.json"))?;
    let document: classroom::results::SubmissionResult = serde_json::from_str(&text)?;
    let mut texts = document.notes.clone();
    for module in document.modules {
        texts.extend(module.error);
        for feedback in module.checks.into_iter().filter_map(|check| check.feedback) {
            texts.extend([feedback.transcript, feedback.expected, feedback.got, feedback.hint]);
        }
    }
    let obeyed = |letter: char| (letter.is_control() && letter != '\n') || letter == '\u{202e}';
    match texts.iter().find(|text| text.chars().any(obeyed)) {
        None => Ok(()),
        Some(text) => ensure(false, format!("control characters in {text:?}")),
    }
}
