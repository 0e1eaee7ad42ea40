//! `report` as an instructor runs it, and what a submission could try with it.
#![cfg(unix)]

#[path = "support/class.rs"]
mod class;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use classroom::results::{Outcome, Person, SubmissionResult};

/// Elements that have no end.
const VOID: [&str; 6] = ["meta", "br", "rect", "line", "link", "img"];
/// What the report is made of; whatever else turns up came from a submission.
const ELEMENTS: &str = "!DOCTYPE html head meta title style body a header h1 h2 h3 p nav ul li \
    main dl div dt dd section svg rect text line details summary table caption thead tbody tr th \
    td br strong span article pre code";
/// Its attributes.
const ATTRIBUTES: &str = "lang charset name content http-equiv class href id aria-label \
    aria-labelledby scope style tabindex role viewBox x y width height rx x1 y1 x2 y2 open";

/// A parsed report: ids and the anchors that are linked to; fails where it is not well-formed or
/// holds what the report is not made of.
struct Parsed {
    ids: BTreeSet<String>,
    links: BTreeSet<String>,
}

impl Parsed {
    fn of(page: &str) -> Self {
        let elements: BTreeSet<&str> = ELEMENTS.split_whitespace().collect();
        let known: BTreeSet<&str> = ATTRIBUTES.split_whitespace().collect();
        let mut parsed = Self { ids: BTreeSet::new(), links: BTreeSet::new() };
        let mut open: Vec<&str> = Vec::new();
        let body = page.split_once("</style>").expect("a style").1;
        let head = page.split_once("<style>").expect("a style").0;
        let page = format!("{head}<style></style>{body}");
        for piece in page.split('<').skip(1) {
            let (tag, text) = piece.split_once('>').unwrap_or_else(|| panic!("no end: {piece}"));
            assert!(!text.contains(['>', '"']), "not escaped: {text}");
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), elements.get(name).copied(), "</{name}>");
                continue;
            }
            let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
            let name = *elements.get(name.trim_end_matches('/')).unwrap_or_else(|| {
                panic!("the report has no element {name:?}");
            });
            parsed.attributes(attributes.trim_end_matches('/'), &known);
            if !VOID.contains(&name) && name != "!DOCTYPE" {
                open.push(name);
            }
        }
        assert!(open.is_empty(), "{open:?}");
        parsed
    }

    fn attributes(&mut self, text: &str, known: &BTreeSet<&str>) {
        let pieces: Vec<&str> = text.split('"').collect();
        assert_eq!(pieces.len() % 2, 1, "quotes come in pairs: {text}");
        for pair in pieces.chunks_exact(2) {
            let words: Vec<&str> = pair[0].split_whitespace().collect();
            let name = words.last().and_then(|word| word.strip_suffix('='));
            let name = name.unwrap_or_else(|| panic!("{text}"));
            assert!(known.contains(name), "the report has no attribute {name:?}: {text}");
            match name {
                "id" => assert!(self.ids.insert(pair[1].to_owned()), "{} twice", pair[1]),
                "href" => {
                    let anchor = pair[1].strip_prefix('#');
                    self.links.insert(anchor.expect("links stay in the file").to_owned());
                }
                "style" => assert!(pair[1].starts_with("width:"), "{text}"),
                _ => {}
            }
        }
    }
}

fn report(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_classroom"));
    command.args(["report", "results"]).args(arguments).current_dir(folder);
    let course = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    command.env("CARGO_MANIFEST_DIR", course.join("xtask")).env("NO_COLOR", "1");
    command.stdin(Stdio::null()).output().expect("it starts")
}

fn page(folder: &Path, arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = report(folder, arguments);
    assert_eq!(status.code(), Some(0), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).expect("it is UTF-8")
}

/// A class of one, with this text wherever a submission or its export could put one.
fn hostile(folder: &Path, text: &str) {
    let person = Person { name: Some(text.to_owned()), ..Person::default() };
    let mut result = class::graded("h", vec![person], class::checks(false, false));
    result.notes.push(text.to_owned());
    result.submission.submitted_at = Some(text.to_owned());
    result.key.toolchain = text.to_owned();
    let check = &mut result.modules[0].checks[0];
    check.title = text.to_owned();
    check.id = text.to_owned();
    let told = check.feedback.as_mut().expect("feedback");
    for part in [
        &mut told.promise,
        &mut told.transcript,
        &mut told.expected,
        &mut told.got,
        &mut told.hint,
        &mut told.symptom,
    ] {
        *part = text.to_owned();
    }
    let mut broken = result.clone();
    broken.submission.name = "broken".into();
    broken.modules[0].error = Some(text.to_owned());
    let mut failed = result.clone();
    failed.submission.name = "failed".into();
    failed.status = Outcome::Error;
    failed.error = text.to_owned();
    class::write(&folder.join("results"), &[result, broken, failed]);
}

#[test]
fn the_report_tells_of_the_class_and_of_each_learner() {
    let folder = tempfile::tempdir().expect("a folder");
    class::small(&folder.path().join("results"));
    let assignment = folder.path().join("assignment.toml");
    std::fs::write(&assignment, class::ASSIGNMENT).expect("write");
    let page = page(folder.path(), &["--assignment", "assignment.toml"]);
    let parsed = Parsed::of(&page);
    assert!(parsed.links.is_subset(&parsed.ids), "{:?}", parsed.links.difference(&parsed.ids));
    for anchor in ["distribution", "checks", "misconceptions", "late", "learners", "p0", "p3"] {
        assert!(parsed.links.contains(anchor), "no link to {anchor}");
    }
    for words in [
        "Ada Lovelace</a>: up to 2 days late: 20 points less",
        "<strong>80 of 100 points; up to 2 days late: 20 points less</strong>",
        "=Grace Hopper, Heidi Ö",
        "<h3>Missing (1)</h3>\n<ul class=\"names\">\n<li>Judy</li>",
        "Ivan: no room on the disk",
        "There is no verdict, and that is no zero: no room on the disk",
        "--only pair --seed 7",
        "<td class=\"number\">1 of 2<br>50 %</td>",
    ] {
        assert!(page.contains(words), "no {words:?}");
    }
}

#[test]
fn misconceptions_are_those_of_the_known_wrong_programs() {
    let folder = tempfile::tempdir().expect("a folder");
    // As crates/tcp-echo/wrong/one-read fails, and a perfect one.
    let wrong = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tcp-echo/wrong/one-read/wrong.toml");
    let wrong: toml::Table =
        std::fs::read_to_string(wrong).expect("read it").parse().expect("a wrong.toml");
    let symptom = |id: &str| {
        let mut shows = wrong["shows"].as_array().expect("shows").iter();
        let shown = shows.find(|shown| shown["check"].as_str() == Some(id));
        shown.and_then(|shown| shown["symptom"].as_str()).unwrap_or("stalled").to_owned()
    };
    let fails = wrong["fails"].as_array().expect("fails").iter().filter_map(toml::Value::as_str);
    let checks: Vec<_> =
        fails.map(|id| class::check(id, "core", "failed", 10, &symptom(id))).collect();
    let passed = checks.iter().map(|check| class::check(&check.id, "core", "passed", 10, ""));
    let passed = passed.collect();
    let results =
        [class::graded("one", Vec::new(), checks), class::graded("two", Vec::new(), passed)];
    class::write(&folder.path().join("results"), &results);
    let page = page(folder.path(), &[]);
    let belief = wrong["misconception"].as_str().expect("a misconception");
    assert!(page.contains("<strong>1 of 2</strong>: “"), "{page}");
    assert!(page.contains(belief), "no {belief:?}");
}

#[test]
fn nothing_from_a_submission_is_obeyed() {
    for text in [
        class::ATTACK,
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' onmouseover='alert(1)",
        "]]></pre></article><style>*{display:none}</style>",
        "<!-- ",
        "&lt;b&gt;&#x3c;script&#x3e;",
        "\u{1b}[2J\u{1b}]0;owned\u{7}\r\0\u{9b}31m\u{7f}",
        "\u{202e}drawkcab\u{2066}\u{200f}\u{2028}",
        "\u{ffff}\u{fdd0}\u{feff}",
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        hostile(folder.path(), text);
        let page = page(folder.path(), &[]);
        let parsed = Parsed::of(&page);
        assert!(parsed.links.is_subset(&parsed.ids));
        let obeyed = |letter: char| {
            let turns =
                matches!(letter, '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            (letter.is_control() && letter != '\n') || turns || letter == '\u{ffff}'
        };
        assert!(!page.contains(obeyed), "{text:?}");
        // The text is there, for whoever reads it.
        if text.contains("alert(1)") {
            assert!(page.matches("alert(1)").count() >= 10, "{text:?}");
        }
    }
}

#[test]
fn nothing_is_loaded_from_anywhere() {
    let folder = tempfile::tempdir().expect("a folder");
    class::small(&folder.path().join("results"));
    let page = page(folder.path(), &[]);
    let policy = "<meta http-equiv=\"Content-Security-Policy\" \
        content=\"default-src 'none'; style-src 'unsafe-inline'\">";
    assert!(page.contains(policy));
    let style = page.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>"));
    let style = style.expect("a style").0;
    for loading in ["url(", "@import", "@font-face", "http"] {
        assert!(!style.contains(loading), "{loading}");
    }
    for needed in ["prefers-color-scheme: dark", "@media print", ":focus-visible", ".skip:focus"] {
        assert!(style.contains(needed), "{needed}");
    }
}

#[test]
fn the_file_appears_whole_and_over_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    class::small(&folder.path().join("results"));
    let out = folder.path().join("report.html");
    assert_eq!(report(folder.path(), &["--out", "report.html"]).status.code(), Some(0));
    let whole = std::fs::read(&out).expect("read it");
    let refused = report(folder.path(), &["--out", "report.html"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--force"));
    // A result that cannot be read is found on the way.
    let ivan = folder.path().join("results/ivan.json");
    let kept = SubmissionResult::load(&ivan).expect("a result");
    std::fs::write(&ivan, "{\"schema\": \"classroom/v9\"}").expect("write");
    let refused = report(folder.path(), &["--out", "report.html", "--force"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("ivan.json"));
    assert_eq!(std::fs::read(&out).expect("read it"), whole);
    kept.save(&folder.path().join("results")).expect("save");
    let again = report(folder.path(), &["--out", "report.html", "--force"]);
    assert_eq!(again.status.code(), Some(0));
    assert_eq!(std::fs::read(&out).expect("read it"), whole, "the same results, the same report");
    let names = std::fs::read_dir(folder.path()).expect("read").count();
    assert_eq!(names, 2, "nothing else is left behind");
}
