//! A module's questions, `crates/MODULE/quiz.toml`.

use std::ops::RangeInclusive;
use std::path::Path;

use grader::manifest::ManifestError;
use serde::Deserialize;
use toml::Spanned;
use unicode_width::UnicodeWidthStr;

/// The widest line of a program or a packet list, in columns: with its indent it fits into the
/// narrowest terminal.
const BLOCK_COLUMNS: usize = 56;
/// How many options a question has: there are four keys.
const OPTIONS: RangeInclusive<usize> = 2..=4;

/// All questions of a module.
#[derive(Debug)]
pub struct Quiz {
    /// The module's name.
    pub module: &'static str,
    /// The questions, in the order of the lesson.
    pub questions: Vec<Question>,
}

/// One question.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Its id, in words joined by hyphens.
    pub id: String,
    /// What it is about.
    pub topic: Topic,
    /// Whether something is to be predicted.
    pub kind: Kind,
    /// The anchor of the handout's section that teaches it.
    pub lesson: String,
    /// The question itself.
    pub ask: String,
    /// A program to read, shown as it is.
    pub code: Option<String>,
    /// Packets, bytes or a drawing to read, shown as it is.
    pub packets: Option<String>,
    /// What can be answered; the order here is not the one in which they are shown.
    #[serde(rename = "option")]
    pub options: Vec<Choice>,
}

/// One of a question's answers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// The answer.
    pub text: String,
    /// Whether it is the right one.
    #[serde(default)]
    pub correct: bool,
    /// Why it is right, or what is wrong with it.
    pub explanation: String,
}

/// The parts of the lecture that are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// The seven layers and who does the work of which.
    OsiLayers,
    /// The three-way handshake: connect, listen, accept.
    Handshake,
    /// The four-way close: half-close, reset, TIME-WAIT.
    Close,
    /// TCP against UDP.
    TcpUdp,
    /// The two buffers between a program and the network.
    Buffers,
    /// Hosts, ports, names and arguments.
    Addresses,
    /// Messages in a stream.
    Framing,
    /// One sends, many receive.
    Broadcast,
    /// What the kernel knows of a socket.
    Options,
    /// HTTP.
    Http,
    /// Files over TCP.
    Transfer,
}

/// What a question wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An idea understood.
    Concept,
    /// To say what happens, from a program or from packets.
    Predict,
}

impl Topic {
    /// What a question's heading calls it.
    pub fn words(self) -> &'static str {
        match self {
            Self::OsiLayers => "OSI layers",
            Self::Handshake => "handshake",
            Self::Close => "close",
            Self::TcpUdp => "TCP and UDP",
            Self::Buffers => "buffers",
            Self::Addresses => "addresses",
            Self::Framing => "framing",
            Self::Broadcast => "one to many",
            Self::Options => "socket options",
            Self::Http => "HTTP",
            Self::Transfer => "file transfer",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "question")]
    questions: Vec<Spanned<Question>>,
}

impl Quiz {
    /// Reads the questions of `module` in the file at `path`.
    ///
    /// # Errors
    ///
    /// The file cannot be read or breaks the format; the message names file, line and column, and
    /// says what to do.
    pub fn load(path: &Path, module: &'static str) -> Result<Self, ManifestError> {
        Self::parse(&ManifestError::read(path, "the questions")?, path, module)
    }

    /// Reads the questions in `text`, which came from the file at `path`.
    ///
    /// # Errors
    ///
    /// As [`Quiz::load`].
    pub fn parse(text: &str, path: &Path, module: &'static str) -> Result<Self, ManifestError> {
        let file: File =
            toml::from_str(text).map_err(|error| ManifestError::of_toml(&error, text, path))?;
        let mut questions: Vec<Question> = Vec::new();
        // A table's span is that of its header; what belongs to it reaches to the next one.
        let ends = file.questions.iter().skip(1).map(|next| next.span().start);
        let ends: Vec<usize> = ends.chain([text.len()]).collect();
        for (spanned, end) in file.questions.into_iter().zip(ends) {
            let start = spanned.span().start;
            let question = spanned.into_inner();
            let entry = text.get(start..end).unwrap_or_default();
            let fault = question.fault().or_else(|| {
                questions.iter().any(|other| other.id == question.id).then(|| Fault {
                    at: "id",
                    problem: "stands here a second time".to_owned(),
                    advice: "give it an id of its own",
                })
            });
            if let Some(Fault { at, problem, advice }) = fault {
                let offset = start + entry.find(at).unwrap_or(0);
                let problem = format!("the question `{}` {problem}", question.id);
                return Err(ManifestError::at(offset, text, path, problem, advice));
            }
            questions.push(question);
        }
        if questions.is_empty() {
            let problem = "there is no question".to_owned();
            return Err(ManifestError::at(0, text, path, problem, "write a [[question]]"));
        }
        Ok(Self { module, questions })
    }
}

/// What is wrong with a question.
struct Fault {
    /// The text in the question's entry at which the fault lies.
    at: &'static str,
    problem: String,
    advice: &'static str,
}

fn fault(at: &'static str, problem: impl Into<String>, advice: &'static str) -> Option<Fault> {
    Some(Fault { at, problem: problem.into(), advice })
}

impl Question {
    /// The program or the packets, if there are any.
    pub fn block(&self) -> Option<&str> {
        self.code.as_deref().or(self.packets.as_deref())
    }

    /// The first thing that makes it unfit to be asked.
    fn fault(&self) -> Option<Fault> {
        if self.id.is_empty() || !self.id.bytes().all(is_id) {
            return fault("id", "has a bad id", "use small letters, digits and hyphens");
        }
        let texts = [&self.lesson, &self.ask]
            .into_iter()
            .chain(self.options.iter().flat_map(|choice| [&choice.text, &choice.explanation]));
        for text in texts {
            if text.trim().is_empty() {
                return fault("[[", "has an empty text", "write the text");
            }
            if text.chars().any(char::is_control) {
                let advice = "write it on one line: it is filled to the width of the terminal";
                return fault("[[", "has a line end or a control character in a text", advice);
            }
        }
        self.fault_of_block().or_else(|| self.fault_of_options())
    }

    fn fault_of_block(&self) -> Option<Fault> {
        if self.code.is_some() && self.packets.is_some() {
            return fault("packets", "has both code and packets", "keep one of them");
        }
        let at = if self.code.is_some() { "code" } else { "packets" };
        match (self.block(), self.kind) {
            (None, Kind::Predict) => {
                fault("kind", "has nothing to predict from", "give it code or packets")
            }
            (Some(block), _) => {
                if let Some(wide) = block.lines().find(|line| line.width() > BLOCK_COLUMNS) {
                    let problem = format!(
                        "has a line of {} columns, and {BLOCK_COLUMNS} are shown: {wide}",
                        wide.width()
                    );
                    return fault(at, problem, "break the line");
                }
                let is_foreign = |letter: char| letter.is_control() && letter != '\n';
                if block.trim().is_empty() || block.contains(is_foreign) {
                    let problem = format!("has an empty line of {at} only, or tabs in it");
                    return fault(at, problem, "write it with spaces");
                }
                None
            }
            (None, Kind::Concept) => None,
        }
    }

    fn fault_of_options(&self) -> Option<Fault> {
        let count = self.options.len();
        if !OPTIONS.contains(&count) {
            let problem = format!("has {count} options");
            return fault("[[question.option", problem, "give it two to four");
        }
        let right = self.options.iter().filter(|choice| choice.correct).count();
        if right != 1 {
            let problem = format!("has {right} right options");
            return fault("[[question.option", problem, "mark one with `correct = true`");
        }
        let repeats = |field: fn(&Choice) -> &str| {
            let mut texts: Vec<&str> = self.options.iter().map(field).map(str::trim).collect();
            texts.sort_unstable();
            texts.windows(2).any(|pair| pair[0] == pair[1])
        };
        if repeats(|choice| &choice.text) || repeats(|choice| &choice.explanation) {
            let advice = "give each option a text and an explanation of its own";
            return fault("[[question.option", "says the same in two options", advice);
        }
        None
    }
}

fn is_id(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[[question]]\nid = \"a\"\ntopic = \"osi-layers\"\nkind = \"concept\"\n\
        lesson = \"the-idea\"\nask = \"Which?\"\n\
        [[question.option]]\ntext = \"this\"\ncorrect = true\nexplanation = \"Because.\"\n\
        [[question.option]]\ntext = \"that\"\nexplanation = \"That is not so.\"\n";

    fn error(text: &str) -> String {
        Quiz::parse(text, Path::new("m/quiz.toml"), "m")
            .map_or_else(|error| error.to_string(), |_| "no error".to_owned())
    }

    #[test]
    fn a_good_file_is_read() {
        assert_eq!(error(GOOD), "no error");
        let code = GOOD.replace("lesson", "code = '''\nlet a;\n'''\nlesson");
        assert_eq!(error(&code.replace("\"concept\"", "\"predict\"")), "no error");
    }

    #[test]
    fn a_break_of_the_format_is_told_with_its_place() {
        for (good, bad, place, word) in [
            ("ask =", "aks =", "6:1", "aks"),
            ("\"osi-layers\"", "\"layers\"", "3:9", "layers"),
            ("text = \"that\"", "text = 5", "12:8", "string"),
            ("\"concept\"", "\"predict\"", "4:1", "nothing to predict from"),
            ("id = \"a\"", "id = \"A b\"", "2:1", "bad id"),
            ("correct = true\n", "", "7:1", "0 right options"),
            ("That is not so.", "Because.", "7:1", "the same in two options"),
            ("\"Because.\"", "\"\"", "1:1", "empty text"),
            ("Which?", "Which\\u001b[2J?", "1:1", "control character"),
        ] {
            let told = error(&GOOD.replace(good, bad));
            assert!(told.starts_with(&format!("m/quiz.toml:{place}: ")), "{told}");
            assert!(told.contains(word), "{told}");
        }
        let third = "[[question.option]]\ntext = \"so\"\ncorrect = true\nexplanation = \"No.\"\n";
        assert!(error(&format!("{GOOD}{third}")).contains("has 2 right options"));
        let (one, _) = GOOD.rsplit_once("[[question.option]]").unwrap_or_default();
        assert!(error(one).contains("has 1 options"), "{}", error(one));
    }

    #[test]
    fn questions_are_told_apart() {
        let told = error(&format!("{GOOD}\n{GOOD}"));
        assert!(
            told.starts_with("m/quiz.toml:16:1: the question `a` stands here a second"),
            "{told}"
        );
        assert!(error("").contains("question"), "{}", error(""));
        assert!(error("question = []\n").contains("there is no question"));
    }

    #[test]
    fn a_block_fits_and_there_is_one() {
        let wide = "x".repeat(BLOCK_COLUMNS + 1);
        for (block, word) in [
            (format!("code = '''\n{wide}\n'''"), "has a line of 57 columns"),
            ("code = 'a'\npackets = 'b'".to_owned(), "both code and packets"),
            ("packets = \"a\\tb\"".to_owned(), "tabs"),
        ] {
            let told = error(&GOOD.replace("lesson =", &format!("{block}\nlesson =")));
            assert!(told.contains(word), "{told}");
        }
    }

    #[test]
    fn a_missing_file_is_told() {
        let told = Quiz::load(Path::new("no/such/quiz.toml"), "m").expect_err("no such file");
        assert!(told.to_string().starts_with("no/such/quiz.toml: cannot read the questions"));
    }
}
