//! The roster: who is in the class, from a CSV file with whatever columns a school's system gives.

use std::path::Path;

use anyhow::{Context, bail};

use crate::results::Person;

/// The people of a class.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    /// In the file's order.
    pub people: Vec<Person>,
}

/// What a column holds, told by its heading without case, spaces and punctuation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Name,
    FirstName,
    LastName,
    Email,
    Id,
    Username,
}

const HEADINGS: &[(&str, Column)] = &[
    ("name", Column::Name),
    ("fullname", Column::Name),
    ("student", Column::Name),
    ("studentname", Column::Name),
    ("displayname", Column::Name),
    ("firstname", Column::FirstName),
    ("givenname", Column::FirstName),
    ("forename", Column::FirstName),
    ("lastname", Column::LastName),
    ("surname", Column::LastName),
    ("familyname", Column::LastName),
    ("email", Column::Email),
    ("emailaddress", Column::Email),
    ("mail", Column::Email),
    ("id", Column::Id),
    ("sid", Column::Id),
    ("studentid", Column::Id),
    ("idnumber", Column::Id),
    ("sisuserid", Column::Id),
    ("participantid", Column::Id),
    ("username", Column::Username),
    ("login", Column::Username),
    ("loginid", Column::Username),
    ("sisloginid", Column::Username),
    ("github", Column::Username),
    ("githubusername", Column::Username),
];

impl Roster {
    /// Reads the file at `path`: CSV with a line of headings, separated by commas, semicolons or
    /// tabs.
    ///
    /// # Errors
    ///
    /// It cannot be read, or no heading says who a line is about.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let bytes = fs_err::read(path)?;
        Self::parse(&bytes).with_context(|| format!("read the roster {}", path.display()))
    }

    fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let count = |separator: u8| first.iter().filter(|byte| **byte == separator).count();
        let separator = *b",;\t"
            .iter()
            .max_by_key(|separator| (count(**separator), **separator == b','))
            .unwrap_or(&b',');
        let mut reader =
            csv::ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(bytes);
        let columns: Vec<Option<Column>> = reader.headers()?.iter().map(column).collect();
        if columns.iter().all(Option::is_none) {
            bail!(
                "no heading says who a line is about; name a column `name`, `email`, `id` or \
                 `username`"
            );
        }
        let mut people = Vec::new();
        for record in reader.records() {
            let person = person(&columns, &record?);
            if person != Person::default() {
                people.push(person);
            }
        }
        Ok(Self { people })
    }

    /// The one person who is `given`, as far as that says: by id, mail address, account or name, in
    /// this order.
    pub fn find(&self, given: &Person) -> Option<usize> {
        let same = |left: &Option<String>, right: &Option<String>| match (left, right) {
            (Some(left), Some(right)) => folded(left) == folded(right),
            _ => false,
        };
        let by: [fn(&Person) -> &Option<String>; 4] = [
            |person| &person.id,
            |person| &person.email,
            |person| &person.username,
            |person| &person.name,
        ];
        by.iter().find_map(|field| self.only(|person| same(field(person), field(given))))
    }

    /// The one person whom the name of a file or folder names: it is, begins or ends with an id, a
    /// mail address, an account or a name, set off by punctuation. The longest match counts; two
    /// people who match alike are nobody.
    pub fn find_in_name(&self, name: &str) -> Option<usize> {
        let name = folded(name);
        let longest = |person: &Person| -> usize {
            let email = person.email.as_deref();
            let local = email.and_then(|email| email.split('@').next());
            [person.id.as_deref(), email, local, person.username.as_deref(), person.name.as_deref()]
                .into_iter()
                .flatten()
                .map(folded)
                .filter(|key| !key.is_empty() && names(&name, key))
                .map(|key| key.len())
                .max()
                .unwrap_or(0)
        };
        let lengths: Vec<usize> = self.people.iter().map(longest).collect();
        let best = lengths.iter().copied().max().filter(|best| *best > 0)?;
        let mut those = (0..lengths.len()).filter(|index| lengths[*index] == best);
        let only = those.next()?;
        those.next().is_none().then_some(only)
    }

    fn only(&self, is_it: impl Fn(&Person) -> bool) -> Option<usize> {
        let mut those = (0..self.people.len()).filter(|index| is_it(&self.people[*index]));
        let only = those.next()?;
        those.next().is_none().then_some(only)
    }
}

/// What the roster knows and the export does not say.
pub fn complete(person: &mut Person, known: &Person) {
    let fill = |mine: &mut Option<String>, theirs: &Option<String>| {
        if let Some(theirs) = theirs {
            *mine = Some(theirs.clone());
        }
    };
    fill(&mut person.name, &known.name);
    fill(&mut person.email, &known.email);
    fill(&mut person.id, &known.id);
    fill(&mut person.username, &known.username);
}

fn column(heading: &str) -> Option<Column> {
    let plain: String = heading
        .chars()
        .filter(|letter| letter.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    HEADINGS.iter().find(|(name, _)| *name == plain).map(|(_, column)| *column)
}

fn person(columns: &[Option<Column>], record: &csv::StringRecord) -> Person {
    let field = |wanted: Column| {
        let cells = columns.iter().zip(record).filter(|(column, _)| **column == Some(wanted));
        cells.map(|(_, cell)| cell.trim()).find(|cell| !cell.is_empty()).map(str::to_owned)
    };
    let parts = [field(Column::FirstName), field(Column::LastName)];
    let joined = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
    Person {
        name: field(Column::Name).or((!joined.is_empty()).then_some(joined)),
        email: field(Column::Email),
        id: field(Column::Id),
        username: field(Column::Username),
    }
}

/// Small letters, and one hyphen for each run of what sets words off in file names.
fn folded(text: &str) -> String {
    let mut folded = String::new();
    for letter in text.trim().chars().flat_map(char::to_lowercase) {
        match letter {
            ' ' | '_' | '-' | ',' if folded.ends_with('-') => {}
            ' ' | '_' | '-' | ',' => folded.push('-'),
            letter => folded.push(letter),
        }
    }
    folded
}

/// Whether `name` is `key`, or begins or ends with it where a word does.
fn names(name: &str, key: &str) -> bool {
    let ends_word = |rest: &str| rest.chars().next().is_none_or(|letter| !letter.is_alphanumeric());
    let begins_word =
        |rest: &str| rest.chars().next_back().is_none_or(|letter| !letter.is_alphanumeric());
    name.strip_prefix(key).is_some_and(ends_word) || name.strip_suffix(key).is_some_and(begins_word)
}

#[cfg(test)]
mod tests {
    use super::Roster;
    use crate::results::Person;

    const ROSTER: &str = "\u{feff}Last Name;First name;SID;E-mail;GitHub username\n\
        Lovelace;Ada;100;ada@example.org;ada\n\
        Hopper;Grace;101;grace@example.org;ghopper\n\
        Hopper;Ada;102;;ada-h\n;;;;\n";

    #[test]
    fn columns_are_told_by_their_headings() {
        let roster = Roster::parse(ROSTER.as_bytes()).expect("it is a roster");
        assert_eq!(roster.people.len(), 3);
        let ada = &roster.people[0];
        assert_eq!(ada.name.as_deref(), Some("Ada Lovelace"));
        assert_eq!(ada.email.as_deref(), Some("ada@example.org"));
        assert_eq!((ada.id.as_deref(), ada.username.as_deref()), (Some("100"), Some("ada")));
        let told = Roster::parse(b"colour,size\nred,1\n").expect_err("it names nobody");
        assert!(told.to_string().contains("no heading"), "{told}");
    }

    #[test]
    fn people_are_found_by_what_is_known() {
        let roster = Roster::parse(ROSTER.as_bytes()).expect("it is a roster");
        let email = Some("GRACE@example.org".to_owned());
        assert_eq!(roster.find(&Person { email, ..Person::default() }), Some(1));
        let name = Some("ada  hopper".to_owned());
        assert_eq!(roster.find(&Person { name, ..Person::default() }), Some(2));
        let id = Some("999".to_owned());
        assert_eq!(roster.find(&Person { id, ..Person::default() }), None);
    }

    #[test]
    fn names_of_files_name_people() {
        let roster = Roster::parse(ROSTER.as_bytes()).expect("it is a roster");
        for (name, found) in [
            ("Ada_Lovelace.zip", Some(0)),
            ("100", Some(0)),
            ("1005", None),
            ("cs101-tcp-echo-ghopper", Some(1)),
            ("cs101-tcp-echo-ada", Some(0)),
            ("cs101-tcp-echo-ada-h", Some(2)),
            ("grace@example.org", Some(1)),
            ("nobody", None),
        ] {
            assert_eq!(roster.find_in_name(name), found, "{name}");
        }
    }
}
