//! How a grading is told: every kind of message against a snapshot, and the pieces that it is made
//! of.
//!
//! `SNAPSHOTS=overwrite cargo test -p grader --test render` writes the snapshots anew; read them as
//! a learner.

use std::path::Path;
use std::time::Duration;

use grader::bytes::{clean, escape, first_difference, first_difference_in, show, thousands};
use grader::failure::Symptom;
use grader::ladder::{self, Style};
use grader::manifest::Kind;
use grader::record::Sample;
use grader::report::json::document;
use grader::report::text::{self, TextOptions};
use grader::report::{CheckReport, ModuleReport, Report, Status};
use grader::wording;
use snapbox::{Assert, Data};
use unicode_width::UnicodeWidthStr;

#[path = "render/stories.rs"]
mod stories;

use stories::{Story, check, passed};

// ---- snapshots ----

/// One report for each kind of message, in both widths and both character sets.
#[test]
fn every_kind_of_message_reads_as_in_its_snapshot() {
    for story in stories::all() {
        let Story { name, check } = story;
        let report = report_of(check);
        let wide = written(&report, 80, true);
        let narrow = written(&report, 60, false);
        assert!(narrow.is_ascii(), "{name}: the ASCII text holds something else");
        assert_columns(name, &wide, 80);
        assert_columns(name, &narrow, 60);
        compare(&format!("{name}.80.txt"), &wide);
        compare(&format!("{name}.60.ascii.txt"), &narrow);
    }
}

/// A stall in the two combinations that the other snapshots leave out.
#[test]
fn width_and_character_set_are_independent() {
    let report = report_of(stories::stalled());
    compare("stalled.60.txt", &written(&report, 60, true));
    compare("stalled.80.ascii.txt", &written(&report, 80, false));
}

#[test]
fn a_ladder_of_everything_that_can_happen() {
    let events = stories::everything();
    for columns in [60, 80, 120] {
        let ladder = ladder::draw(&events, &Style { columns, ..Style::default() });
        assert_columns("everything", &ladder, columns);
        compare(&format!("ladder.{columns}.txt"), &ladder);
    }
    let ladder = ladder::draw(&events, &Style { columns: 60, unicode: false, colour: false });
    assert!(ladder.is_ascii(), "the ASCII ladder holds something else");
    compare("ladder.60.ascii.txt", &ladder);
}

#[test]
fn several_programs_connections_and_addresses_are_named() {
    compare("ladder.lanes.txt", &ladder::draw(&stories::lanes(), &Style::default()));
    compare("ladder.datagrams.txt", &ladder::draw(&stories::datagrams(), &Style::default()));
}

#[test]
fn a_long_conversation_loses_its_middle_and_says_so() {
    let ladder = ladder::draw(&stories::long(), &Style::default());
    assert!(ladder.contains("468 more steps"), "{ladder}");
    compare("ladder.long.txt", &ladder);
}

#[test]
fn colours_add_nothing_but_colours() {
    let report = report_of(stories::stalled());
    let colourful = write(&report, TextOptions { colour: true, ..TextOptions::default() });
    assert!(colourful.contains("\x1b["), "no colour at all");
    assert_eq!(text::without_escapes(&colourful), written(&report, 80, true));
}

#[test]
fn a_fresh_clone_a_class_of_failures_and_full_marks() {
    compare("report.fresh.txt", &written(&stories::fresh_clone(), 80, true));
    compare("report.mixed.txt", &written(&stories::mixed(), 80, true));
    compare("report.does-not-build.txt", &written(&stories::does_not_build(), 80, true));
    compare("report.full-marks.txt", &written(&stories::full_marks(), 80, true));
    compare("report.chosen-stretch.txt", &written(&stories::chosen_stretch(), 80, true));
    let all = TextOptions { all: true, ..TextOptions::default() };
    compare("report.mixed.all.txt", &write(&stories::mixed(), all));
    let other = stories::of_program("/home/a learner/echo.py");
    compare("report.program.txt", &written(&other, 80, true));
    compare("report.grader-failed.txt", &written(&stories::grader_failed(), 80, true));
}

#[test]
fn the_document_has_the_fields_in_their_order() {
    compare("report.mixed.json", &format!("{}\n", document(&stories::mixed())));
    compare("report.does-not-build.json", &format!("{}\n", document(&stories::does_not_build())));
}

// ---- what a program wrote stays harmless ----

#[test]
fn nothing_of_a_program_reaches_the_terminal_unescaped() {
    let report = report_of(stories::hostile());
    for unicode in [true, false] {
        let text = written(&report, 80, unicode);
        let bad = text.chars().find(|c| (c.is_control() && *c != '\n') || is_hidden(*c));
        assert_eq!(bad, None, "{text}");
    }
    let json = document(&report).to_string();
    let value: serde_json::Value = serde_json::from_str(&json).expect("the document is JSON");
    assert_eq!(value["schema"], "grade/v1");
}

#[test]
fn compiler_messages_keep_their_colours_and_nothing_else() {
    let mut report = stories::does_not_build();
    report.modules[0].error =
        Some("\x1b[1m\x1b[31merror\x1b[0m: \x1b]0;title\x07 \x1b[2Jno\u{9b}31m\tx\r\n".to_owned());
    let colourful = write(&report, TextOptions { colour: true, ..TextOptions::default() });
    assert!(colourful.contains("\x1b[1m\x1b[31merror\x1b[0m: ]0;title no31m\tx\n"), "{colourful}");
    let plain = written(&report, 80, true);
    assert!(plain.contains("error: ]0;title no31m\tx\n"), "{plain}");
}

fn is_hidden(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(character, '\u{feff}' | '\u{fe0f}' | '\u{115f}' | '\u{3164}' | '\u{e0041}')
}

// ---- wording ----

#[test]
fn every_symptom_has_a_heading_of_its_own() {
    use Symptom::*;
    let all = [
        NotImplemented,
        Stalled,
        TooLate,
        WrongBytes,
        CutShort,
        ExtraBytes,
        StillOpen,
        Reset,
        Refused,
        Exited,
        Crashed,
        StillRunning,
        NoReadyLine,
        BadReadyLine,
        WrongStatus,
        WrongStdout,
        WrongStderr,
        Flood,
        TooMuchMemory,
        TooMuchCpu,
        Leak,
    ];
    let mut headings: Vec<String> =
        all.iter().map(|symptom| wording::heading(symptom.as_str())).collect();
    for (symptom, heading) in all.iter().zip(&headings) {
        let is_own = *symptom == NotImplemented || *heading != symptom.as_str().replace('-', " ");
        assert!(is_own, "{symptom} has no heading");
        assert!(!heading.ends_with('.') && heading.width() <= 70, "{heading}");
    }
    headings.sort();
    headings.dedup();
    assert_eq!(headings.len(), all.len(), "two symptoms share a heading");
    assert_eq!(wording::heading("serves-one-at-a-time"), "serves one at a time");
}

// ---- escape, show, thousands ----

#[test]
fn escapes() {
    let cases: [(&[u8], &str); 16] = [
        (b"", ""),
        (b"hello", "hello"),
        (b"it's \"so\" \\ \n\r\t\0", "it's \\\"so\\\" \\\\ \\n\\r\\t\\0"),
        (b"\x1b[31m\x07\x7f", "\\u{1b}[31m\\u{7}\\u{7f}"),
        (b"a\xffb\x80", "a\\xffb\\x80"),
        (b"\xe4\xbd", "\\xe4\\xbd"),
        ("你好 é ß".as_bytes(), "你好 é ß"),
        ("a\u{202e}b\u{200b}c\u{feff}".as_bytes(), "a\\u{202e}b\\u{200b}c\\u{feff}"),
        ("\u{2066}\u{2028}\u{85}".as_bytes(), "\\u{2066}\\u{2028}\\u{85}"),
        ("e\u{301}".as_bytes(), "e\u{301}"),
        ("\u{301}e".as_bytes(), "\\u{301}e"),
        ("e\u{301}\u{301}\u{301}".as_bytes(), "e\u{301}\u{301}\\u{301}"),
        ("❤\u{fe0f}".as_bytes(), "❤\\u{fe0f}"),
        ("\u{3164}\u{115f}\u{2800}".as_bytes(), "\\u{3164}\\u{115f}\\u{2800}"),
        ("\u{e0041}\u{e000}".as_bytes(), "\\u{e0041}\\u{e000}"),
        ("हिन्दी".as_bytes(), "हिन्दी"),
    ];
    for (bytes, expected) in cases {
        assert_eq!(escape(bytes), expected, "{bytes:?}");
    }
}

#[test]
fn clean_keeps_prose_as_it_is() {
    assert_eq!(
        clean("say \"hi\" \\ it's\nnext \x1b[2J \u{202e}"),
        "say \"hi\" \\ it's\nnext \\u{1b}[2J \\u{202e}"
    );
}

#[test]
fn numbers_have_commas() {
    let cases =
        [(0, "0"), (999, "999"), (1_000, "1,000"), (65_536, "65,536"), (1 << 20, "1,048,576")];
    for (number, expected) in cases {
        assert_eq!(thousands(number), expected);
    }
    assert_eq!(thousands(u64::MAX), "18,446,744,073,709,551,615");
}

#[test]
fn shows_text_hex_and_the_ends_of_long_data() {
    let show = |bytes: &[u8], columns| show(&Sample::of(bytes), columns);
    assert_eq!(show(b"", 40), "0 bytes");
    assert_eq!(show(b"x", 40), "1 byte \"x\"");
    assert_eq!(show(b"hello", 40), "5 bytes \"hello\"");
    assert_eq!(show(&[0, 255, 128], 40), "3 bytes 00 ff 80");
    assert_eq!(show(&[0; 4], 40), "4 bytes 00 00 00 00");
    assert_eq!(show(b"\0\0\0\x05hello", 40), "9 bytes \"\\0\\0\\0\\u{5}hello\"");
    assert_eq!(show("你好".as_bytes(), 40), "6 bytes \"你好\"");
    let text: Vec<u8> = (b'a'..=b'z').cycle().take(1 << 20).collect();
    assert_eq!(show(&text, 50), "1,048,576 bytes \"abcdefghijklmnopqr\" … \"nopqrstuv\"");
    // Fewer columns than the count itself needs still leave some bytes to see.
    assert_eq!(show(&text, 5), "1,048,576 bytes \"abcdefgh\" …");
    let binary: Vec<u8> = (128..=255).cycle().take(1_000).collect();
    assert_eq!(show(&binary, 44), "1,000 bytes 80 81 82 83 84 85 … e5 e6 e7");
}

/// Random bytes and what a lossy conversion made of them are both hex, so that they can be
/// compared.
#[test]
fn a_lossy_conversion_does_not_change_the_form() {
    let bytes: Vec<u8> = (0..90_u32).map(|i| (i * i * 31 + i * 7 + 200) as u8).collect();
    let lossy = String::from_utf8_lossy(&bytes).into_owned();
    assert!(show(&Sample::of(&bytes), 60).starts_with("90 bytes c8 "));
    assert!(show(&Sample::of(lossy.as_bytes()), 60).contains(" bytes ef bf bd "));
    assert_eq!(show(&Sample::of(b"caf\xe9 au lait"), 60), "12 bytes \"caf\\xe9 au lait\"");
    let lossy = "caf\u{fffd} au lait";
    assert_eq!(show(&Sample::of(lossy.as_bytes()), 60), "14 bytes \"caf\\u{fffd} au lait\"");
}

#[test]
fn a_sample_cut_inside_a_character_is_still_text() {
    for shift in 0..3 {
        let text = format!("{}{}", "x".repeat(shift), "你".repeat(400));
        let shown = show(&Sample::of(text.as_bytes()), 60);
        assert!(!shown.contains("\\x"), "{shown}");
        assert!(shown.width() <= 60, "{shown}");
    }
}

#[test]
fn show_keeps_to_its_columns() {
    let samples: [Vec<u8>; 4] =
        [vec![b'a'; 300], vec![200; 300], "你好".repeat(60).into_bytes(), vec![b'\n'; 300]];
    for sample in samples {
        for columns in 30..140 {
            let shown = show(&Sample::of(&sample), columns);
            assert!(shown.width() <= columns.max(35), "{columns}: {shown}");
        }
    }
}

// ---- the first difference ----

#[test]
fn a_difference_has_its_caret_below_it() {
    let (expected, got) = first_difference(b"hello world", b"hello World", 0);
    assert_eq!(expected, "\"hello world\"\n       ^");
    assert_eq!(got, "\"hello World\"\n       ^ the 6 bytes before are right");
    let (expected, got) = first_difference(b"abc", b"xbc", 0);
    assert_eq!(expected, "\"abc\"\n ^");
    assert_eq!(got, "\"xbc\"\n ^ differs from the first byte on");
}

#[test]
fn one_side_that_ends_early_is_said_in_words() {
    let (expected, got) = first_difference(b"hello", b"hel", 0);
    assert_eq!(expected, "\"hello\"\n    ^");
    assert_eq!(got, "\"hel\"\n    ^ ends here, 2 bytes short");
    let (expected, got) = first_difference(b"hel", b"hello", 0);
    assert_eq!(expected, "\"hel\"\n    ^ ends here");
    assert_eq!(got, "\"hello\"\n    ^ from here on 2 bytes too many");
    let (expected, got) = first_difference(b"hello", b"", 0);
    assert_eq!(
        (expected.as_str(), got.as_str()),
        ("\"hello\"\n ^", "nothing: all 5 bytes are missing")
    );
    let (expected, got) = first_difference(b"", b"x", 0);
    assert_eq!(expected, "nothing");
    assert_eq!(got, "\"x\"\n ^ from here on 1 byte too many");
    let (_, got) = first_difference(b"hello", b"", 70_000);
    assert_eq!(got, "from byte 70,000 on:\n... \"\"\n     ^ ends here, 5 bytes short");
}

#[test]
fn the_same_bytes_have_no_difference() {
    assert_eq!(first_difference(b"", b"", 0), ("0 bytes".to_owned(), "0 bytes".to_owned()));
    let (expected, got) = first_difference(b"same", b"same", 9);
    assert_eq!((expected.as_str(), got.as_str()), ("4 bytes \"same\"", "4 bytes \"same\""));
}

#[test]
fn what_is_not_text_is_compared_in_hex() {
    let (expected, got) = first_difference(&[0, 255, 128, 7], &[0, 255, 129, 7], 0);
    assert_eq!(expected, "00 ff 80 07\n      ^");
    assert_eq!(got, "00 ff 81 07\n      ^ the 2 bytes before are right");
    // One side decides for both, so that they can be compared.
    let (expected, got) = first_difference(&[0xff, 0xfe, 0xfd], "\u{fffd}".as_bytes(), 0);
    assert_eq!(expected, "ff fe fd\n^");
    assert_eq!(got, "ef bf bd\n^ differs from the first byte on");
    let (_, got) = first_difference(&[0xff; 9], &[0xff; 5], 0);
    assert_eq!(got, "ff ff ff ff ff\n               ^ ends here, 4 bytes short");
}

#[test]
fn carets_count_terminal_columns() {
    let (expected, _) = first_difference("你好吗".as_bytes(), "你好吧".as_bytes(), 0);
    assert_eq!(expected, "\"你好吗\"\n     ^");
    let (expected, _) = first_difference(b"a\n\tbc", b"a\n\tbX", 0);
    assert_eq!(expected, "\"a\\n\\tbc\"\n       ^");
    let (_, got) = first_difference("naïve text, in all".as_bytes(), b"na\xefve text, in all", 0);
    assert_eq!(got, "\"na\\xefve text, in all\"\n   ^ the 2 bytes before are right");
}

#[test]
fn a_difference_in_the_middle_of_a_mebibyte_shows_its_surroundings() {
    let expected: Vec<u8> = (b'a'..=b'z').cycle().take(1 << 20).collect();
    let mut got = expected.clone();
    got[524_288] = b'#';
    let (expected_text, got_text) = first_difference(&expected, &got, 0);
    let context = "from byte 524,270 on:\n... \"ghijklmnopqrstuvwx";
    let caret = " ".repeat(23) + "^";
    let after = "zabcdefghijklmnopqrstuvwxy\" ...";
    assert_eq!(expected_text, format!("{context}y{after}\n{caret}"));
    // There is no room for the note on either side of the caret.
    let note = "the 524,288 bytes before are right";
    assert_eq!(got_text, format!("{context}#{after}\n{caret}\n{note}"));
    let (_, got_text) = first_difference(&expected[500_000..], &got[500_000..], 500_000);
    assert!(got_text.starts_with("from byte 524,270 on:\n"), "{got_text}");
    let half = &expected[..1 << 19];
    let (_, got_text) = first_difference(&expected, half, 0);
    assert!(got_text.contains("ends here, 524,288 bytes short"), "{got_text}");
    // A side that is shown in part is as long as it is, not as what is shown of it.
    let (_, got_text) = first_difference_in(&expected[..64], b"", 1000, (84_465, 0));
    assert!(got_text.contains("ends here, 84,465 bytes short"), "{got_text}");
}

#[test]
fn both_sides_keep_to_a_narrow_terminal() {
    let samples: [Vec<u8>; 4] =
        [vec![b'a'; 900], vec![200; 900], "你好".repeat(150).into_bytes(), vec![0x1b; 900]];
    for sample in samples {
        for at in [0, 1, 2, 3, 40, 448, 449, 450, 451, 897, 898, 899] {
            let mut other = sample.clone();
            other[at] ^= 1;
            let (expected, got) = first_difference(&sample, &other, 0);
            let (_, far) = first_difference(&sample, &other, 1 << 40);
            let (long, short) = first_difference(&sample, &sample[..at], 0);
            let texts = [expected, got, far, long, short];
            for line in texts.iter().flat_map(|text| text.lines()) {
                assert!(line.width() <= 56, "{at}: {line}");
            }
        }
    }
}

/// Python's tracebacks have carets too: lines too wide for the page are filled like prose.
#[test]
fn carets_below_long_lines_keep_to_the_page() {
    let mut check = stories::stalled();
    let feedback = check.feedback.as_mut().expect("a failure has feedback");
    let code = "h, p = sys.argv[2].rsplit(':', 1); s.bind((h, int(p))); s.listen(); s.accept()";
    feedback.got = format!("    {code}\n    {:40}^^^^^^\nshort\n  ^ here", "");
    let text = written(&report_of(check), 80, true);
    assert_columns("traceback", &text, 80);
    assert!(text.contains("    short\n      ^ here\n"), "{text}");
}

#[test]
fn nothing_said_still_takes_its_line() {
    let mut check = stories::stalled();
    check.title.clear();
    let feedback = check.feedback.as_mut().expect("a failure has feedback");
    feedback.events.truncate(1);
    feedback.events[0].what = grader::record::What::Note { text: String::new() };
    let text = written(&report_of(check), 80, true);
    assert!(text.contains("✗ FAILED  ") && text.contains("0/5  143 ms"), "{text}");
    assert!(text.contains("       0  │  · "), "{text}");
}

// ---- helpers ----

/// A report of one module in which one check passed and `check` is told.
fn report_of(told: CheckReport) -> Report {
    let checks = vec![passed("wrong-usage", "Wrong usage is told"), told];
    let module = ModuleReport {
        module: "tcp-echo".to_owned(),
        program: "exercises/tcp-echo".to_owned(),
        checks,
        error: None,
    };
    Report { seed: 20_211, modules: vec![module], error: None }
}

fn written(report: &Report, columns: usize, unicode: bool) -> String {
    write(report, TextOptions { columns, unicode, ..TextOptions::default() })
}

fn write(report: &Report, options: TextOptions) -> String {
    let mut out = Vec::new();
    text::write(report, &options, &mut out).expect("a vector takes everything");
    String::from_utf8(out).expect("the text is UTF-8")
}

fn compare(name: &str, actual: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots");
    let expected = Data::read_from(&folder.join(name), Some(snapbox::data::DataFormat::Text)).raw();
    let assert = Assert::new().action_env("SNAPSHOTS");
    assert.eq(Data::text(actual).raw(), expected);
}

fn assert_columns(name: &str, text: &str, columns: usize) {
    for line in text.lines() {
        assert!(line.width() <= columns, "{name}: wider than {columns} columns: {line}");
    }
}

/// A stretch failure never stands before a core failure, and is told in full where it is the only
/// one.
#[test]
fn stretch_failures_come_last() {
    let mut report = report_of(stories::stalled());
    let mut stretch = check("ipv6", "IPv6", Status::Failed);
    stretch.kind = Kind::Stretch;
    stretch.duration = Duration::from_millis(3);
    report.modules[0].checks.insert(0, stretch);
    let text = written(&report, 80, true);
    let (first, second) = (text.find("one-message:"), text.find("Also failed\n  ipv6"));
    assert!(first.is_some() && first < second, "{text}");
    report.modules[0].checks.remove(2);
    let text = written(&report, 80, true);
    assert!(
        text.contains("FAILED  ipv6: IPv6") && text.contains("Next, for extra credit"),
        "{text}"
    );
}
