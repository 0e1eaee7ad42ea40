//! A client of the grader's that speaks HTTP as well, or as badly, as a check asks for.

use std::time::Duration;

use grader::bytes::first_difference;
use grader::retell::of_silence;
use grader::tcp::{Buffers, End};
use grader::wording::http_mini as words;
use grader::{Connection, Server, Stop, Symptom, Verdict};

use crate::answer::{Answer, BodyEnd, chunks, head_length};

/// No answer came, though the connection is open.
pub const NO_ANSWER: Symptom = Symptom::Named("no-answer");
/// What came is no answer of HTTP.
pub const NOT_HTTP: Symptom = Symptom::Named("not-http");
/// The answer has another status.
pub const UNEXPECTED_STATUS: Symptom = Symptom::Named("unexpected-status");
/// A header line of the answer is missing or wrong.
pub const WRONG_HEADER: Symptom = Symptom::Named("wrong-header");
/// The connection ended where it should be kept.
pub const CLOSED: Symptom = Symptom::Named("closed");

/// How many bytes an answer may bring where a check takes all that comes.
const ANSWER_LIMIT_BYTES: usize = 32 << 20;
/// How long a server is given to close a connection that the grader leaves.
const PARTING: Duration = Duration::from_millis(200);

/// A connection to the server, and the last answer on it.
pub struct Visit {
    /// The connection.
    pub connection: Connection,
    /// The last answer.
    pub answer: Answer,
    /// What was asked for, as sentences name it.
    pub asked: String,
    host: String,
    who: String,
    is_head: bool,
    is_body_taken: bool,
}

impl Visit {
    /// Connects to the server.
    ///
    /// # Errors
    ///
    /// A failure if the connection is refused.
    pub fn begin(server: &Server) -> Verdict<Self> {
        Ok(Self::on(server, server.connect()?))
    }

    /// As [`Visit::begin`], with kernel buffers of these sizes on the grader's side.
    ///
    /// # Errors
    ///
    /// As [`Visit::begin`].
    pub fn begin_with(server: &Server, buffers: &Buffers) -> Verdict<Self> {
        Ok(Self::on(server, Connection::open_with(server, server.address(), buffers)?))
    }

    fn on(server: &Server, connection: Connection) -> Self {
        Self {
            connection,
            answer: Answer::default(),
            asked: String::new(),
            host: server.address().to_string(),
            who: server.name(),
            is_head: false,
            is_body_taken: false,
        }
    }

    /// Connects and asks for one thing: `line` is a request line.
    ///
    /// # Errors
    ///
    /// A failure if no answer comes.
    pub fn ask_once(server: &Server, line: &str, fields: &[&str]) -> Verdict<Self> {
        let mut visit = Self::begin(server)?;
        visit.ask(line, fields)?;
        Ok(visit)
    }

    /// Asks on the connection that is there, with a Host and `fields`, and waits for the head of
    /// the answer.
    ///
    /// # Errors
    ///
    /// A failure if no answer comes.
    pub fn ask(&mut self, line: &str, fields: &[&str]) -> Verdict {
        let request = self.request(line, fields);
        self.asked = words::line(line.as_bytes());
        self.is_head = line.starts_with("HEAD ");
        self.connection.send(request.as_bytes())?;
        self.await_answer()
    }

    /// Sends a request as it is, and waits for the head of the answer. `asked` is what sentences
    /// name it.
    ///
    /// # Errors
    ///
    /// A failure if no answer comes.
    pub fn ask_as_it_is(&mut self, request: &[u8], asked: String) -> Verdict {
        self.asked = asked;
        self.is_head = request.starts_with(b"HEAD ");
        self.connection.send(request)?;
        self.await_answer()
    }

    /// A request with a Host and `fields`.
    pub fn request(&self, line: &str, fields: &[&str]) -> String {
        let mut request = format!("{line}\r\nHost: {}\r\n", self.host);
        for field in fields {
            request.push_str(field);
            request.push_str("\r\n");
        }
        request + "\r\n"
    }

    /// Waits for the head of the next answer; interim ones (1xx) are skipped.
    ///
    /// # Errors
    ///
    /// A failure if it does not come, or is no HTTP.
    pub fn await_answer(&mut self) -> Verdict {
        let expected = words::answers(&self.who, &self.asked);
        loop {
            let mut came = Vec::new();
            let read = self.connection.read_until(&expected, |bytes| {
                let length = head_length(bytes);
                if length.is_none() {
                    came = bytes[..bytes.len().min(200)].to_vec();
                }
                length
            });
            let bytes = read.map_err(|stop| told_as_silence(stop, &came))?;
            if head_length(&bytes).is_none() {
                return self.ended_unanswered(expected, &bytes);
            }
            let beginning = bytes[..bytes.len().min(200)].to_vec();
            match Answer::parse(bytes) {
                Some(answer) if answer.status < 200 => {}
                Some(answer) => {
                    self.answer = answer;
                    self.is_body_taken = false;
                    return Ok(());
                }
                None => {
                    let got = words::not_http(&beginning);
                    return self.connection.fail(NOT_HTTP, expected, got);
                }
            }
        }
    }

    fn ended_unanswered(&self, expected: String, came: &[u8]) -> Verdict {
        let is_reset = self.connection.end() == Some(End::Reset);
        let symptom = if is_reset { Symptom::Reset } else { Symptom::CutShort };
        let got = words::ended_unanswered(is_reset, came);
        self.connection.fail(symptom, expected, got)
    }

    /// Expects one of these statuses.
    ///
    /// # Errors
    ///
    /// A failure that shows the status line.
    pub fn expect_status(&self, wanted: &[u16]) -> Verdict<&Self> {
        if wanted.contains(&self.answer.status) {
            return Ok(self);
        }
        let (expected, got) = words::status(&self.asked, wanted, &self.answer.status_line);
        self.connection.fail(UNEXPECTED_STATUS, expected, got)
    }

    /// Expects a field of the answer to have this value.
    ///
    /// # Errors
    ///
    /// A failure that shows what it has.
    pub fn expect_field(&self, name: &str, value: &str) -> Verdict<&Self> {
        if self.answer.field(name) == Some(value) {
            return Ok(self);
        }
        self.wrong_field(name, value)
    }

    /// The failure of a field that should be another; `wanted` in words.
    ///
    /// # Errors
    ///
    /// Always.
    pub fn wrong_field<T>(&self, name: &str, wanted: &str) -> Verdict<T> {
        let (expected, got) = words::field(name, &self.asked, wanted, self.answer.field(name));
        self.connection.fail(WRONG_HEADER, expected, got)
    }

    /// Reads the body of the answer, as far as the head says where it ends.
    ///
    /// # Errors
    ///
    /// A failure if less comes.
    pub fn body(&mut self) -> Verdict<Vec<u8>> {
        self.is_body_taken = true;
        match self.answer.body_end(self.is_head) {
            BodyEnd::After(length) => {
                let expected = words::body(&self.asked, length as u64);
                let enough = |bytes: &[u8]| (bytes.len() >= length).then_some(length);
                let read = self.connection.read_until(&expected, enough);
                // For the client it is the same whether the rest is missing or never comes.
                let body = of_silence(read, Symptom::CutShort)?;
                if body.len() == length {
                    return Ok(body);
                }
                let is_reset = self.connection.end() == Some(End::Reset);
                let symptom = if is_reset { Symptom::Reset } else { Symptom::CutShort };
                let got = words::body_ended_after(is_reset, body.len() as u64);
                self.connection.fail(symptom, expected, got)
            }
            BodyEnd::LastChunk => {
                let expected = words::body_end(&self.asked);
                let count = |bytes: &[u8]| chunks(bytes).map(|(length, _)| length);
                let coded = self.connection.read_until(&expected, count)?;
                Ok(chunks(&coded).map_or(coded, |(_, body)| body))
            }
            BodyEnd::Close => self.connection.read_to_end(ANSWER_LIMIT_BYTES),
        }
    }

    /// Expects this body.
    ///
    /// # Errors
    ///
    /// A failure with the first difference.
    pub fn expect_body(&mut self, wanted: &[u8]) -> Verdict {
        let body = self.body()?;
        if body == wanted {
            return Ok(());
        }
        let (expected, got) = first_difference(wanted, &body, 0);
        let (expected, got) = words::body_differs(&self.asked, &expected, &got);
        self.connection.fail(Symptom::WrongBytes, expected, got)
    }

    /// Goes away without a reset, unless the server goes on sending for long. No failure: how a
    /// connection ends is judged elsewhere, and a server need not be quick to close what nobody
    /// uses any more.
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn leave(mut self) -> Verdict {
        self.connection.finish_sending()?;
        loop {
            match self.connection.has_news_within(PARTING) {
                Ok(true) if self.connection.unread() > 0 => {
                    let all = |bytes: &[u8]| Some(bytes.len());
                    self.connection.read_until("", all)?;
                }
                Ok(_) | Err(Stop::Failed(_)) => return Ok(()),
                Err(other) => return Err(other),
            }
        }
    }

    /// Expects that the server closes the connection after the last answer, in whatever way. One
    /// more request, for `/hello.txt`, is sent: a server that has not closed answers it with
    /// `hello`.
    ///
    /// # Errors
    ///
    /// A failure if the request is answered, or the connection stays open.
    pub fn expect_closed(&mut self, hello: &[u8]) -> Verdict {
        let expected = words::closes_after(&self.who, &self.asked);
        if !self.is_body_taken && matches!(self.answer.body_end(self.is_head), BodyEnd::After(_)) {
            match self.body() {
                Ok(_) | Err(Stop::Failed(_)) => {}
                Err(other) => return Err(other),
            }
        }
        self.connection.take_in()?;
        if self.connection.end().is_some() {
            return Ok(());
        }
        let request = self.request("GET /hello.txt HTTP/1.1", &[]);
        self.connection.send(request.as_bytes())?;
        let mut is_answered = false;
        let read = self.connection.read_until(&expected, |bytes| {
            is_answered = bytes.windows(hello.len()).any(|window| window == hello);
            is_answered.then_some(bytes.len())
        });
        match read {
            Ok(_) if !is_answered => Ok(()),
            Ok(_) => {
                let got = words::answered_another();
                self.connection.fail(Symptom::StillOpen, expected, got)
            }
            Err(Stop::Failed(failure)) if failure.symptom.is_silence() => {
                let got = format!("{}; {}", words::stays_open(), failure.got);
                self.connection.fail(Symptom::StillOpen, expected, got)
            }
            Err(other) => Err(other),
        }
    }

    /// Expects that the last answer leaves the connection open: it says so, and tells where its
    /// body ends. Reads the body, if it was not read before.
    ///
    /// # Errors
    ///
    /// A failure that shows what ends the connection.
    pub fn expect_kept(&mut self) -> Verdict {
        let expected = words::keeps(&self.who, &self.asked);
        if self.answer.words("connection").iter().any(|word| word == "close") {
            let value = self.answer.field("connection").unwrap_or_default();
            let got = words::says_close(value);
            return self.connection.fail(CLOSED, expected, got);
        }
        if self.answer.status_line.starts_with("HTTP/1.0") {
            let got = words::says_old_version(&self.answer.status_line);
            return self.connection.fail(CLOSED, expected, got);
        }
        if self.answer.body_end(self.is_head) == BodyEnd::Close {
            if self.connection.read_to_end(ANSWER_LIMIT_BYTES).is_ok() {
                let got = words::ended_unanswered(false, b"");
                return self.connection.fail(CLOSED, expected, got);
            }
            let expected = words::tells_length(&self.asked);
            return self.connection.fail(WRONG_HEADER, expected, words::no_length());
        }
        if self.is_body_taken { Ok(()) } else { self.body().map(drop) }
    }

    /// Asks again on the same connection, which should have been kept.
    ///
    /// # Errors
    ///
    /// A failure if it was not, or no answer comes.
    pub fn ask_again(&mut self, line: &str, fields: &[&str]) -> Verdict {
        let before = self.asked.clone();
        self.ask(line, fields).map_err(|stop| self.told_as_closed(stop, &before))
    }

    /// A connection that ended is told as one that should have been kept after what was asked
    /// `before`.
    pub fn told_as_closed(&self, stop: Stop, before: &str) -> Stop {
        stop.changed(|failure| {
            if matches!(failure.symptom, Symptom::CutShort | Symptom::Reset) {
                failure.symptom = CLOSED;
                failure.expected = words::keeps(&self.who, before);
            }
        })
    }

    /// The server as the learner knows it.
    pub fn who(&self) -> &str {
        &self.who
    }
}

/// Silence where an answer was awaited, with what came before it.
fn told_as_silence(stop: Stop, came: &[u8]) -> Stop {
    stop.changed(|failure| {
        if failure.symptom.is_silence() {
            failure.symptom = NO_ANSWER;
            if !came.is_empty() {
                failure.got = format!("{}; then {}", words::no_end_of_head(came), failure.got);
            }
        }
    })
}
