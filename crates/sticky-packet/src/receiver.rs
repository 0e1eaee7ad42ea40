//! A receiver at work: its senders are the grader's, and its lines are read one after another.

use grader::bytes::first_difference;
use grader::retell::of_silence;
use grader::wording::{steps, sticky_packet};
use grader::{Check, Connection, Program, ResultLines, Server, Stop, Symptom, Verdict};

use crate::frames::{Framing, line_for};

/// What a receiver may print in all: twice what the longest check makes it print.
const MOST_PRINTED_BYTES: u64 = 16 << 20;

/// A receiver, and how far the check has read what it prints.
pub(crate) struct Receiver {
    pub(crate) server: Server,
    pub(crate) lines: ResultLines,
}

impl Receiver {
    /// Starts a receiver for one of the framings that work. Each sender should get one of its own,
    /// where the check is not about a second one: then a receiver that does not outlive a sender
    /// fails the checks that are about that.
    pub(crate) fn start(check: &mut Check, framing: Framing) -> Verdict<Self> {
        Self::start_with(check, "127.0.0.1:0", framing.name())
    }

    pub(crate) fn start_with(check: &mut Check, address: &str, framing: &str) -> Verdict<Self> {
        Self::of(check.start_server(["receive", address, framing])?)
    }

    pub(crate) fn of(server: Server) -> Verdict<Self> {
        let lines = server.follow_results(MOST_PRINTED_BYTES)?;
        Ok(Self { server, lines })
    }

    /// A sender that has connected.
    pub(crate) fn sender(&self) -> Verdict<Connection> {
        let mut sender = self.server.connect()?;
        sender.forget_sent();
        Ok(sender)
    }

    /// A sender that sends these pieces, each as a segment of its own, and finishes.
    pub(crate) fn sender_of<I>(&self, segments: I) -> Verdict<Connection>
    where
        I: IntoIterator<Item: AsRef<[u8]>>,
    {
        let mut sender = self.sender()?;
        sender.send_in_segments(segments)?;
        sender.finish_sending()?;
        Ok(sender)
    }

    /// How much more `measure` tells of the receiver than `before`; 0 if it has ended, which other
    /// checks judge.
    pub(crate) fn growth(
        &self,
        before: u64,
        measure: impl Fn(&Program) -> Verdict<u64>,
    ) -> Verdict<u64> {
        match measure(&self.server) {
            Ok(now) => Ok(now.saturating_sub(before)),
            Err(Stop::Error(_)) if self.server.expect_running().is_err() => Ok(0),
            Err(other) => Err(other),
        }
    }

    /// The next result. Other lines are passed over: `ready-line` alone judges that there are none.
    pub(crate) fn next(&mut self, expected: &str) -> Verdict<String> {
        loop {
            let line = self.lines.next(expected)?;
            if is_result(&line) {
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
        }
    }

    /// Expects the line of the message `text` next.
    pub(crate) fn expect_message(&mut self, text: &str) -> Verdict {
        self.expect(&line_for(text), rejected)
    }

    /// Expects the line of the message `text` next; one line before it may be such as `may_come`
    /// says.
    pub(crate) fn expect_message_after(
        &mut self,
        text: &str,
        may_come: impl Fn(&str) -> bool,
    ) -> Verdict {
        let line = line_for(text);
        let came = self.next(&steps::prints_line(&self.server.name(), &line))?;
        if may_come(&came) {
            self.expect_message(text)
        } else {
            self.compare(&line, &came, rejected)
        }
    }

    /// Expects the message lines of `texts` next, and then `closed`.
    pub(crate) fn expect_conversation(&mut self, texts: &[&str]) -> Verdict {
        for text in texts {
            self.expect_message(text)?;
        }
        self.expect("closed", rejected)
    }

    /// Expects exactly `line` next. For another one `tell` may name the mistake that it shows.
    pub(crate) fn expect(
        &mut self,
        line: &str,
        tell: impl Fn(&str) -> Option<&'static str>,
    ) -> Verdict {
        let came = self.next(&steps::prints_line(&self.server.name(), line))?;
        self.compare(line, &came, tell)
    }

    /// As [`Receiver::expect`], of a line that has been taken already.
    pub(crate) fn compare(
        &self,
        line: &str,
        came: &str,
        tell: impl Fn(&str) -> Option<&'static str>,
    ) -> Verdict {
        if came == line {
            return Ok(());
        }
        let (expected, got) = first_difference(line.as_bytes(), came.as_bytes(), 0);
        let (expected, got) = steps::lines_differ(&self.server.name(), &expected, &got);
        Err(self.lines.failure(named(tell(came)), expected, got))
    }

    /// Expects the message line of `text`, which came in one segment with a frame that is broken.
    pub(crate) fn expect_kept(&mut self, text: &str) -> Verdict {
        self.expect(&line_for(text), |came| is_ending(came).then_some("messages-lost"))
    }

    /// Expects that a message is rejected, while its connection is still open on the grader's side;
    /// gives the line that says so.
    pub(crate) fn expect_rejection(&mut self) -> Verdict<String> {
        let expected = sticky_packet::rejects(&self.server.name());
        // One that takes the message says nothing, or prints it.
        let came = of_silence(self.next(&expected), Symptom::Named("not-rejected"))?;
        if came.starts_with("rejected") {
            return Ok(came);
        }
        let symptom = named(came.starts_with("message").then_some("not-rejected"));
        Err(self.lines.failure(symptom, expected, sticky_packet::line(came.as_bytes())))
    }
}

/// Whether a line is a result, well written or not.
pub(crate) fn is_result(line: &[u8]) -> bool {
    ["message", "closed", "truncated", "rejected"]
        .iter()
        .any(|word| line.starts_with(word.as_bytes()))
}

/// Whether a line tells that a conversation is over.
pub(crate) fn is_ending(line: &str) -> bool {
    line == "closed" || line == "truncated" || line.starts_with("rejected")
}

/// The mistake of a receiver that rejects what is right.
pub(crate) fn rejected(line: &str) -> Option<&'static str> {
    line.starts_with("rejected").then_some("rejected")
}

fn named(mistake: Option<&'static str>) -> Symptom {
    mistake.map_or(Symptom::WrongStdout, Symptom::Named)
}

/// Expects that the program ends the connection, by a FIN or a reset.
pub(crate) fn expect_any_end(sender: &mut Connection) -> Verdict {
    of_silence(sender.await_any_end(), Symptom::StillOpen).map(drop)
}
