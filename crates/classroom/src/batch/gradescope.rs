//! `submission_metadata.yml`, which stands beside the folders of a Gradescope export.
//!
//! The file is YAML as Ruby writes it, with symbols for keys:
//!
//! ```yaml
//! submission_19260724:
//!   :submitters:
//!   - :name: Ada Lovelace
//!     :sid: '100'
//!     :email: ada@example.org
//!   :created_at: 2026-12-01 22:59:00.000000000 Z
//! ```
//!
//! Only these lines matter; everything deeper (results, history) is passed over by its indentation.

use std::collections::BTreeMap;

use crate::results::Person;

/// What the file says of one submission.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Whose it is.
    pub people: Vec<Person>,
    /// When it was handed in.
    pub created_at: Option<String>,
}

/// The submissions by the names of their folders.
pub fn parse(text: &str) -> BTreeMap<String, Entry> {
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    let mut current: Option<String> = None;
    let mut in_submitters = false;
    for line in text.lines() {
        let body = line.trim_start_matches(' ');
        let indent = line.len() - body.len();
        if indent == 0 && !body.starts_with(['-', '#']) {
            let name = body.split_once(':').map(|(name, _)| scalar(name));
            current = name.filter(|name| name.starts_with("submission_"));
            in_submitters = false;
            if let Some(name) = &current {
                entries.entry(name.clone()).or_default();
            }
            continue;
        }
        let Some(entry) = current.as_ref().and_then(|name| entries.get_mut(name)) else { continue };
        if indent == 2 && !body.starts_with('-') {
            in_submitters = body.starts_with(":submitters:");
            if let Some(value) = body.strip_prefix(":created_at:") {
                entry.created_at = Some(scalar(value)).filter(|text| !text.is_empty());
            }
            continue;
        }
        // A list's items stand at the key's own indentation, or deeper.
        let item = body.strip_prefix("- ").filter(|_| indent <= 4);
        if !in_submitters || (item.is_none() && indent > 6) {
            continue;
        }
        if item.is_some() {
            entry.people.push(Person::default());
        }
        if let (Some(person), Some((key, value))) = (
            entry.people.last_mut(),
            item.unwrap_or(body).trim_start().trim_start_matches(':').split_once(':'),
        ) {
            let value = Some(scalar(value)).filter(|value| !value.is_empty() && value != "null");
            match key {
                "name" => person.name = value,
                "sid" => person.id = value,
                "email" => person.email = value,
                _ => {}
            }
        }
    }
    entries
}

/// A plain, single-quoted or double-quoted scalar; YAML 1.2, sections 7.3.1 to 7.3.3.
fn scalar(text: &str) -> String {
    let text = text.trim();
    if let Some(inner) = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return inner.replace("''", "'");
    }
    if let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return unescape(inner);
    }
    text.to_owned()
}

fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            plain.push(letter);
            continue;
        }
        let digits = match letters.next() {
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            Some('n') => {
                plain.push('\n');
                continue;
            }
            Some('t') => {
                plain.push('\t');
                continue;
            }
            Some(other) => {
                plain.push(other);
                continue;
            }
            None => break,
        };
        let code: String = letters.by_ref().take(digits).collect();
        plain.extend(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn submitters_and_times_are_read_and_the_rest_passed_over() {
        let text = "---\n\
            submission_1:\n  :submitters:\n  - :name: Ada O''Brien\n    :sid: '0100'\n    :email: ada@example.org\n  \
            :created_at: 2026-12-01 22:59:00.000000000 Z\n  :score: 3.0\n  :results:\n    tests:\n    - name: \
            :submitters:\n      output: ':created_at: never'\n  :history:\n  - :id: 4\n    :created_at: 1999-01-01\n\
            submission_2:\n  :submitters:\n    - :name: \"Zo\\u00eb \\\"Z\\\" X\"\n      :sid:\n    - :name: 'It''s'\n";
        let entries = parse(text);
        assert_eq!(entries.len(), 2);
        let first = &entries["submission_1"];
        assert_eq!(first.people.len(), 1);
        assert_eq!(first.people[0].id.as_deref(), Some("0100"));
        assert_eq!(first.people[0].email.as_deref(), Some("ada@example.org"));
        assert_eq!(first.created_at.as_deref(), Some("2026-12-01 22:59:00.000000000 Z"));
        let second = &entries["submission_2"];
        let names: Vec<_> = second.people.iter().filter_map(|one| one.name.as_deref()).collect();
        assert_eq!(names, ["Zoë \"Z\" X", "It's"]);
        assert_eq!(second.people[0].id, None);
        assert_eq!(parse("not: yaml\n  at all"), parse(""));
    }
}
