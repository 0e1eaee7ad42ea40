//! JUnit's XML report, as CI servers read it.
//!
//! It keeps to what Jenkins' `junit-10.xsd` and Maven Surefire's schema have in common: a suite a
//! module, a case a check, `skipped` with its reason as text, and the points as properties.

use std::fmt::Write;

use super::{Scored, ScoredCheck, ScoredModule, Worth, number, plain};
use crate::report::Status;

/// Writes the document.
pub fn write(scored: &Scored) -> Vec<u8> {
    let all: Vec<&ScoredCheck> = scored.checks().map(|(_, check)| check).collect();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string cannot fail.
    _ = writeln!(
        text,
        "<testsuites name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{:.3}\">",
        escaped(&scored.title),
        all.len(),
        count(&all, &[Status::Failed]),
        count(&all, &[Status::Error]),
        scored.seconds()
    );
    for (index, module) in scored.modules.iter().enumerate() {
        suite(&mut text, scored, module, index == 0);
    }
    text.push_str("</testsuites>\n");
    text.into_bytes()
}

fn suite(text: &mut String, scored: &Scored, module: &ScoredModule, is_first: bool) {
    let checks: Vec<&ScoredCheck> = module.checks.iter().collect();
    let seconds: f64 = checks.iter().map(|check| check.duration.as_secs_f64()).sum();
    _ = writeln!(
        text,
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" \
         time=\"{seconds:.3}\">",
        escaped(&module.name),
        checks.len(),
        count(&checks, &[Status::Failed]),
        count(&checks, &[Status::Error]),
        count(&checks, &[Status::Skipped, Status::Unsupported]),
    );
    let sum = |worth: Worth, points: fn(&ScoredCheck) -> u32| {
        checks.iter().filter(|check| check.worth == worth).map(|check| points(check)).sum::<u32>()
    };
    let mut properties = vec![
        ("points", sum(Worth::Points, |check| check.points).to_string()),
        ("max-points", sum(Worth::Points, |check| check.max_points).to_string()),
        ("extra-points", sum(Worth::Extra, |check| check.points).to_string()),
        ("seed", scored.seed.to_string()),
    ];
    if is_first {
        properties.push(("total-points", number(scored.points)));
        properties.push(("total-max-points", scored.max_points.to_string()));
        properties.extend(
            Some(("remark", scored.remark.clone())).filter(|(_, remark)| !remark.is_empty()),
        );
    }
    text.push_str("    <properties>\n");
    for (name, value) in properties {
        let value = escaped(&value);
        _ = writeln!(text, "      <property name=\"{name}\" value=\"{value}\"/>");
    }
    text.push_str("    </properties>\n");
    for check in checks {
        case(text, module, check);
    }
    if let Some(error) = &module.error {
        _ = writeln!(text, "    <system-err>{}</system-err>", escaped(error));
    }
    text.push_str("  </testsuite>\n");
}

fn case(text: &mut String, module: &ScoredModule, check: &ScoredCheck) {
    _ = write!(
        text,
        "    <testcase name=\"{}: {}\" classname=\"{}\" time=\"{:.3}\"",
        escaped(&check.id),
        escaped(&check.title),
        escaped(&module.name),
        check.duration.as_secs_f64()
    );
    if check.status == Status::Passed {
        text.push_str("/>\n");
        return;
    }
    let message = escaped(&check.message());
    text.push_str(">\n      ");
    match check.status {
        Status::Skipped | Status::Unsupported => {
            _ = writeln!(text, "<skipped>{message}</skipped>");
        }
        _ => {
            let element = if check.status == Status::Error { "error" } else { "failure" };
            let promise = check.feedback.as_ref().map_or("", |told| told.promise.as_str());
            _ = writeln!(
                text,
                "<{element} type=\"{}\" message=\"{}\">{message}</{element}>",
                escaped(check.symptom()),
                escaped(promise)
            );
        }
    }
    text.push_str("    </testcase>\n");
}

fn count(checks: &[&ScoredCheck], statuses: &[Status]) -> usize {
    checks.iter().filter(|check| statuses.contains(&check.status)).count()
}

/// Text as it may stand in an attribute or an element (XML 1.0, sections 2.2 to 2.4).
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in plain(text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::write;

    /// The elements of a document in which every `<` and `&` is markup, with their attributes'
    /// names; fails if they do not nest.
    fn elements(text: &str) -> Vec<(String, Vec<String>)> {
        let mut open: Vec<String> = Vec::new();
        let mut found = Vec::new();
        let body = text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        for piece in body.expect("a declaration").split('<').skip(1) {
            let (tag, content) = piece.split_once('>').expect("a tag ends");
            assert!(!content.contains('>'), "{content}");
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop().as_deref(), Some(name));
                continue;
            }
            let (tag, is_empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
            let name = tag.split(' ').next().unwrap_or_default();
            let pieces: Vec<&str> = tag.split('"').collect();
            assert_eq!(pieces.len() % 2, 1, "quotes come in pairs: {tag}");
            let attributes = pieces.iter().step_by(2).filter_map(|piece| {
                piece.trim().strip_suffix('=')?.rsplit(' ').next().map(str::to_owned)
            });
            found.push((name.to_owned(), attributes.collect()));
            if !is_empty {
                open.push(name.to_owned());
            }
        }
        assert!(open.is_empty(), "{open:?} stay open");
        found
    }

    #[test]
    fn the_document_is_well_formed_and_of_known_elements() {
        let text = String::from_utf8(write(&sample())).expect("it is UTF-8");
        let allowed: [(&str, &[&str]); 8] = [
            ("testsuites", &["name", "tests", "failures", "errors", "time"]),
            ("testsuite", &["name", "tests", "failures", "errors", "skipped", "time"]),
            ("properties", &[]),
            ("property", &["name", "value"]),
            ("testcase", &["name", "classname", "time"]),
            ("failure", &["type", "message"]),
            ("skipped", &[]),
            ("system-err", &[]),
        ];
        for (name, attributes) in elements(&text) {
            let known = allowed.iter().find(|(known, _)| *known == name);
            let (_, known) = known.unwrap_or_else(|| panic!("{name} is unknown"));
            assert_eq!(attributes, *known, "{name}");
        }
        for part in text.split('&').skip(1) {
            let entity = part.split(';').next().unwrap_or_default();
            assert!(["amp", "lt", "gt", "quot"].contains(&entity), "{part}");
        }
        assert!(text.contains("tests=\"6\" failures=\"2\" errors=\"0\" skipped=\"2\""), "{text}");
        assert!(text.contains("]]&gt;") && text.contains("&lt;/failure&gt;"), "{text}");
        assert!(!text.contains(|letter: char| letter.is_control() && letter != '\n'), "{text}");
    }
}
