//! `export` as an instructor runs it. Each document is read back by a reader of its format where
//! this machine has one (`xmllint`; for Python's, `CLASSROOM_PYTHON` names the interpreter).
#![cfg(unix)]

#[path = "support/class.rs"]
mod class;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The bytes of a file.
fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn text(path: &Path) -> String {
    String::from_utf8(bytes(path)).expect("it is UTF-8")
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A class, and a folder for what is made of it.
struct Desk {
    folder: tempfile::TempDir,
}

struct Ended {
    status: Option<i32>,
    stdout: Vec<u8>,
    stderr: String,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        class::small(&folder.path().join("results"));
        std::fs::write(folder.path().join("assignment.toml"), class::ASSIGNMENT).expect("write");
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        std::fs::write(self.path(name), content).expect("write");
        self.path(name)
    }

    /// Runs `export` in the class's folder.
    fn export(&self, arguments: &[&str]) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_classroom"));
        command.args(["export", "results"]).args(arguments).current_dir(self.folder.path());
        let course = here("../..");
        command.env("CARGO_MANIFEST_DIR", course.join("xtask")).env("NO_COLOR", "1");
        let Output { status, stdout, stderr } =
            command.stdin(Stdio::null()).output().expect("it starts");
        let stderr = String::from_utf8(stderr).expect("standard error is UTF-8");
        assert!(!stderr.contains("panicked"), "{stderr}");
        Ended { status: status.code(), stdout, stderr }
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(folder)).expect("a folder").flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Ended {
    fn is(self, status: i32, words: &[&str]) -> Self {
        assert_eq!(self.status, Some(status), "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in:\n{}", self.stderr);
        }
        self
    }
}

/// Reads the document with what this machine has; which readers did.
fn judge(format: &str, document: &Path) -> BTreeSet<String> {
    let mut judges = BTreeSet::new();
    if format == "junit" {
        let schema = here("tests/judges/junit.xsd");
        let mut command = Command::new("xmllint");
        command.args(["--noout", "--nonet", "--schema"]).arg(schema).arg(document);
        if let Ok(output) = command.output() {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            judges.insert("xmllint".to_owned());
        }
    }
    let python = std::env::var_os("CLASSROOM_PYTHON").unwrap_or_else(|| "python3".into());
    let mut command = Command::new(python);
    command.arg(here("tests/judges/read_back.py")).arg(format).arg(document);
    command.arg(here(&format!("tests/judges/{format}.schema.json")));
    if let Ok(output) = command.output() {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        judges.extend(told.split_whitespace().map(str::to_owned));
    }
    judges
}

#[test]
fn each_submission_has_its_document_and_an_error_has_none() {
    let desk = Desk::new();
    for (format, ending) in [
        ("gradescope", "json"),
        ("prairielearn", "json"),
        ("check50", "json"),
        ("exercism", "json"),
        ("junit", "xml"),
        ("autolab", "txt"),
        ("classroom50", "json"),
    ] {
        let mut arguments = vec!["--format", format, "--out", format];
        arguments.extend(["--assignment", "assignment.toml"]);
        if format == "classroom50" {
            arguments.extend(["--classroom", "sockets", "--slug", "echo"]);
        }
        let ended = desk.export(&arguments);
        ended.is(1, &["Ivan (no room on the disk)", "handed in nothing (1): Judy", "2 of 4"]);
        let files = [format!("ada.{ending}"), format!("pair.{ending}")];
        assert_eq!(desk.names(format), files);
        for file in files {
            let path = desk.path(format).join(file);
            if format != "autolab" {
                let judges = judge(format, &path);
                println!("{format} was read by {judges:?}");
            }
            let harmful = |letter: char| letter.is_control() && letter != '\n';
            assert!(!text(&path).contains(harmful), "{format}");
        }
    }
    let read =
        |path: &str| -> Value { serde_json::from_str(&text(&desk.path(path))).expect("JSON") };
    // Two days begun, at a tenth of the points each.
    assert_eq!(read("gradescope/ada.json")["score"], 80);
    assert_eq!(read("gradescope/pair.json")["score"], 60);
    assert_eq!(read("gradescope/pair.json")["tests"][1]["visibility"], "after_published");
    assert_eq!(read("prairielearn/ada.json")["score"], 0.8);
    let pair = read("classroom50/pair.json");
    assert_eq!((&pair["owner"], &pair["assignment_type"]), (&"ghopper".into(), &"group".into()));
    assert_eq!(pair["submission"], "submit/manual-2026-12-01T10-00-00Z");
    assert_eq!((&pair["score"], &pair["max-score"]), (&60.into(), &100.into()));
    let autolab = text(&desk.path("autolab/ada.txt"));
    assert_eq!(autolab.lines().last(), Some("{\"scores\":{\"tcp-echo\":80.0}}"));
    for hidden in ["prairielearn", "check50", "exercism", "classroom50"] {
        assert!(!text(&desk.path(hidden).join("pair.json")).contains("half-close"), "{hidden}");
    }
}

#[test]
fn nothing_is_replaced_unless_asked() {
    let desk = Desk::new();
    let arguments = ["--format", "check50", "--out", "out"];
    desk.export(&arguments).is(1, &[]);
    let first = bytes(&desk.path("out/ada.json"));
    desk.write("out/ada.json", b"mine");
    desk.export(&arguments).is(2, &["out is not empty", "--force"]);
    assert_eq!(bytes(&desk.path("out/ada.json")), b"mine");
    desk.write("out/other.txt", b"mine");
    desk.export(&[&arguments[..], &["--force"]].concat()).is(1, &[]);
    assert_eq!(bytes(&desk.path("out/ada.json")), first);
    assert_eq!(bytes(&desk.path("out/other.txt")), b"mine");
    desk.export(&["--format", "csv", "--out", "class.csv"]).is(1, &[]);
    desk.export(&["--format", "csv", "--out", "class.csv"]).is(2, &["there already", "--force"]);
    assert_eq!(desk.names("."), ["assignment.toml", "class.csv", "out", "results"]);
}

#[test]
fn the_table_guards_texts_and_gives_an_error_no_points() {
    let desk = Desk::new();
    let ended = desk.export(&["--format", "csv", "--assignment", "assignment.toml"]).is(1, &[]);
    let table = String::from_utf8(ended.stdout).expect("UTF-8");
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 6, "{table}");
    assert!(lines[0].starts_with("name,email,id,username,submission,status,submitted_at"));
    assert!(lines[1].ends_with("graded,2026-12-02T23:00:00Z,2,80,100,100,0,80,tcp-echo/later"));
    assert!(lines[2].starts_with("Ivan,ivan@example.org,103,ivan,ivan,not graded,,,,,,,,"));
    assert!(lines[3].starts_with("Judy,") && lines[3].contains(",missing,"), "{table}");
    assert!(lines[4].starts_with("'=Grace Hopper,grace@example.org,101,ghopper,pair,graded,"));
    assert!(lines[5].starts_with("Heidi Ö,"), "{table}");
}

/// As Canvas writes it in a German browser: semicolons, decimal commas, a byte-order mark.
const CANVAS: &str = "\u{feff}Student;ID;SIS User ID;SIS Login ID;Section;Echo (4711);\
    \"Quiz; 1 (12)\";Final Score\r\n\
    ;;;;;Manual Posting;;\r\n\
    \"    Points Possible\";;;;;100,00;5;(read only)\r\n\
    \"Lovelace, Ada\";9001;100;ada;\"A, B\";;\"4\";1\r\n\
    \"Hopper, \"\"Grace\"\"\";9002;101;ghopper;A;\"55,00\";5;2\r\n\
    \"Ö, Heidi\";9003;102;heidi;A;EX;;3\r\n\
    Ivan;9004;103;ivan;A;7;;\r\n\
    Judy;9005;104;judy;A;;;\r\n\
    \"Student, Test\";9999;;zz;A;;;\r\n";

#[test]
fn canvas_sheet_is_filled_by_id_and_otherwise_untouched() {
    let desk = Desk::new();
    let sheet = desk.write("gradebook.csv", CANVAS.as_bytes());
    let arguments = ["--format", "canvas=gradebook.csv", "--out", "filled.csv"];
    let assignment = ["--assignment", "assignment.toml"];
    let ended = desk.export(&[&arguments[..], &assignment].concat());
    ended.is(
        1,
        &[
            "2 filled in the column \"Echo (4711)\"",
            "people by \"SIS User ID\" and \"SIS Login ID\"",
            "since the sheet says \"EX\": Heidi Ö",
            "1 had other points in the sheet",
            "keep an empty cell (1): Judy",
            "rows without a result (2): Ivan 9004, Student, Test 9999",
            "Ivan (no room on the disk)",
        ],
    );
    let expected = CANVAS.replace("\"A, B\";;", "\"A, B\";80;").replace("\"55,00\"", "\"60\"");
    assert_eq!(text(&desk.path("filled.csv")), expected);
    assert_eq!(bytes(&sheet), CANVAS.as_bytes());

    let zero = ["--missing-as-zero", "--force"];
    desk.export(&[&arguments[..], &zero].concat()).is(1, &["3 filled"]);
    let expected = CANVAS
        .replace("\"A, B\";;", "\"A, B\";100;")
        .replace("\"55,00\"", "\"60\"")
        .replace("Judy;9005;104;judy;A;;", "Judy;9005;104;judy;A;0;");
    assert_eq!(text(&desk.path("filled.csv")), expected);
}

#[test]
fn a_sheet_of_another_maximum_is_converted_only_when_asked() {
    let desk = Desk::new();
    desk.write("gradebook.csv", CANVAS.replace("100,00", "2,5").as_bytes());
    let arguments = ["--format", "canvas=gradebook.csv", "--out", "filled.csv"];
    desk.export(&arguments).is(2, &["maximum is 2.5", "the assignment's 100", "--scale"]);
    assert!(!desk.path("filled.csv").exists());
    desk.export(&[&arguments[..], &["--scale"]].concat()).is(1, &[]);
    let filled = text(&desk.path("filled.csv"));
    assert!(filled.contains("\"A, B\";2,5;") && filled.contains(";\"1,5\";5;"), "{filled}");
}

/// As Moodle writes it in German; the number of the participant is not that of the school.
const MOODLE: &str = "ID,\"Vollständiger Name\",E-Mail-Adresse,Status,Bewertung,Bestwertung,\
    \"Bewertung kann geändert werden\",\"Zuletzt geändert (Bewertung)\",\
    \"Feedback als Kommentar\"\n\
    Teilnehmer/in4711,\"Ada Lovelace\",ADA@example.org,\"Zur Bewertung abgegeben - \",,\
    100.00,Ja,-,\n\
    Teilnehmer/in4712,Grace,grace@example.org,-,12.00,100.00,Ja,\"Mo, 1. Dez 2026\",\"gut\"\n\
    Teilnehmer/in4713,Heidi,heidi@example.org,-,60.00,100.00,Ja,-,\n\
    Teilnehmer/in4714,Otto,otto@example.org,-,,100.00,Ja,-,\n";

#[test]
fn moodle_sheet_is_filled_in_any_language() {
    let desk = Desk::new();
    desk.write("moodle.csv", MOODLE.as_bytes());
    let arguments = ["--format", "moodle=moodle.csv", "--out", "filled.csv"];
    let comments = ["--comments", "Feedback als Kommentar"];
    let ended = desk.export(&[&arguments[..], &comments].concat());
    ended.is(
        1,
        &[
            "3 filled in the column \"Bewertung\"; people by \"E-Mail-Adresse\"",
            "1 have a remark in the sheet already",
            "rows without a result (1): Teilnehmer/in4714 Otto",
        ],
    );
    let expected = MOODLE
        .replace(
            "abgegeben - \",,100.00,Ja,-,\n",
            "abgegeben - \",100,100.00,Ja,-,100 of 100 points; not passed: tcp-echo/later\n",
        )
        .replace("-,12.00,", "-,60,")
        // The same number stays as it is written.
        .replace(
            "-,60.00,100.00,Ja,-,\n",
            "-,60.00,100.00,Ja,-,\"60 of 100 points; not passed: tcp-echo/half-close, \
             tcp-echo/later\"\n",
        );
    assert_eq!(text(&desk.path("filled.csv")), expected);
}

#[test]
fn moodle_knows_people_by_the_number_of_the_participant() {
    let folder = tempfile::tempdir().expect("a folder");
    let people = vec![class::person("Ada", "4711", "", "")];
    let results = [class::graded("Ada_4711", people, class::checks(false, true))];
    class::write(&folder.path().join("results"), &results);
    let desk = Desk { folder };
    desk.write("moodle.csv", MOODLE.as_bytes());
    desk.export(&["--format", "moodle=moodle.csv", "--out", "filled.csv"]).is(0, &["1 filled"]);
    assert!(text(&desk.path("filled.csv")).contains("abgegeben - \",40,100.00"));
}

#[test]
fn nobody_is_guessed() {
    let desk = Desk::new();
    let out = ["--out", "filled.csv", "--format"];
    let refuse = |sheet: &str, more: &[&str], words: &[&str]| {
        desk.write("sheet.csv", sheet.as_bytes());
        let ended = desk.export(&[&out[..], &["canvas=sheet.csv"], more].concat());
        ended.is(2, words);
        assert!(!desk.path("filled.csv").exists());
    };
    let heading = "Student,ID,SIS Login ID,Section,Echo (1)";
    refuse(&format!("{heading}\nA,1,x,S,\n"), &[], &["names the people", "--roster", "--key"]);
    refuse(
        &format!("{heading},Other (2)\nA,1,ada,S,,\n").replace("Echo", "First"),
        &[],
        &["2 columns", "--column"],
    );
    refuse("Student,ID,Section\nA,100,S\n", &[], &["no column", "--column"]);
    refuse(&format!("{heading}\nA,100,ada,S,\n"), &["--column", "Nope"], &["no column \"Nope\""]);
    refuse(&format!("{heading}\nA,\"100,ada,S,\n"), &[], &["sheet.csv", "line 2", "never closed"]);
    // One of many fits by chance.
    let rows: String = (1..9).map(|id| format!("P{id},{},p{id},S,\n", 96 + id)).collect();
    refuse(
        &format!("{heading}\n{}", rows.replace("101", "1").replace("102", "2")),
        &[],
        &["2 of 4", "--key"],
    );

    desk.write(
        "sheet.csv",
        format!("{heading}\nA,100,ada,S,\nA,100,ada,S,\nB,101,heidi,S,\n").as_bytes(),
    );
    let ended = desk.export(&[&out[..], &["canvas=sheet.csv"]].concat());
    ended.is(
        1,
        &["2 rows are Ada Lovelace's: 2, 3", "row 4 fits =Grace Hopper and Heidi Ö", "0 filled"],
    );
    assert_eq!(text(&desk.path("filled.csv")), text(&desk.path("sheet.csv")));
}

#[test]
fn two_submissions_of_one_person_are_told_and_not_chosen_from() {
    let desk = Desk::new();
    let ada = class::person("Ada Lovelace", "100", "ada@example.org", "ada");
    class::graded("ada-2", vec![ada], class::checks(false, false))
        .save(&desk.path("results"))
        .expect("save");
    desk.write("gradebook.csv", CANVAS.as_bytes());
    let ended = desk.export(&["--format", "canvas=gradebook.csv", "--out", "filled.csv"]);
    ended.is(1, &["two submissions of theirs have different points (1): Ada Lovelace"]);
    assert!(text(&desk.path("filled.csv")).contains("\"A, B\";;\"4\""));
}

#[test]
fn wrong_usage_is_told_before_anything_is_written() {
    let desk = Desk::new();
    let refuse = |arguments: &[&str], words: &[&str]| {
        desk.export(arguments).is(2, words);
        assert_eq!(desk.names("."), ["assignment.toml", "results"]);
    };
    refuse(&["--format", "excel"], &["excel", "gradescope", "canvas=FILE"]);
    refuse(&["--format", "canvas"], &["canvas=FILE"]);
    refuse(&["--format", "junit"], &["--out"]);
    refuse(&["--format", "junit", "--out", "o", "--scale"], &["--scale", "canvas and moodle"]);
    refuse(&["--format", "classroom50", "--out", "o"], &["--classroom", "--slug"]);
    refuse(&["--format", "jplag", "--out", "o"], &["--submissions"]);
    refuse(&["--format", "junit", "--out", "no/such"], &["no/such", "not there"]);
    refuse(&["--format", "canvas=none.csv", "--out", "o"], &["none.csv"]);
    refuse(&["--format", "csv", "--assignment", "none.toml"], &["none.toml"]);
    std::fs::write(
        desk.path("assignment.toml"),
        format!("{}[check.\"tcp-echo/x\"]\ncounts = false\n", class::ASSIGNMENT),
    )
    .expect("write");
    refuse(
        &["--format", "csv", "--assignment", "assignment.toml"],
        &["\"tcp-echo/x\"", "no check"],
    );
    std::fs::write(desk.path("results/ada.json"), "{}").expect("write");
    refuse(&["--format", "csv"], &["ada.json", "schema"]);
}

#[test]
fn handed_in_files_go_to_jplag_and_dolos_with_the_starter_code() {
    let desk = Desk::new();
    for name in ["ada", "pair"] {
        let folder = desk.path("handed").join(name).join("src");
        std::fs::create_dir_all(&folder).expect("make a folder");
        std::fs::write(folder.join("main.rs"), format!("fn main() {{}} // {name}\n"))
            .expect("write");
    }
    let files = ["--submissions", "handed", "--format"];
    let ended = desk.export(&[&files[..], &["jplag", "--out", "jplag"]].concat());
    ended.is(1, &["2 submissions in jplag", "its files are not there: Ivan"]);
    assert_eq!(desk.names("jplag/tcp-echo/submissions"), ["ada", "pair"]);
    assert_eq!(text(&desk.path("jplag/tcp-echo/submissions/ada/main.rs")), "fn main() {} // ada\n");
    assert!(desk.names("jplag/tcp-echo/starter").contains(&"main.rs".to_owned()));
    assert!(text(&desk.path("jplag/README.txt")).contains("-l rust -bc tcp-echo/starter"));

    desk.export(&[&files[..], &["dolos", "--out", "dolos"]].concat()).is(1, &[]);
    let archive = std::fs::File::open(desk.path("dolos/tcp-echo.zip")).expect("an archive");
    let mut archive = zip::ZipArchive::new(archive).expect("a zip archive");
    let mut read = |name: &str| {
        let mut text = String::new();
        let mut entry = archive.by_name(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        std::io::Read::read_to_string(&mut entry, &mut text).expect("read it");
        text
    };
    let info = read("info.csv");
    let mut rows = csv::Reader::from_reader(info.as_bytes());
    let headings = rows.headers().expect("headings").clone();
    assert!(headings.iter().any(|heading| heading == "filename"), "{info}");
    let rows: Vec<csv::StringRecord> = rows.records().map(|row| row.expect("a row")).collect();
    assert_eq!(rows.len(), 3);
    for row in &rows {
        assert!(!read(&row[0]).is_empty());
    }
    assert_eq!((&rows[0][5], &rows[1][5]), ("true", ""));
    assert_eq!((&rows[1][1], &rows[1][4]), ("Ada Lovelace", "2026-12-02T23:00:00Z"));
    assert_eq!(&rows[2][1], "'=Grace Hopper, Heidi Ö");
}
