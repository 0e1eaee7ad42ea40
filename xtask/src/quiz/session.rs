//! The course of a quiz: what is asked, the answers, the score.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use grader::pattern::Random;
use grader::report::text::TextOptions;

use super::keys::Keys;
use super::lines::Lines;
use super::questions::{Choice, Question, Quiz};
use super::telling;

/// A question with its options in the order of this quiz.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The module that it belongs to.
    pub module: &'static str,
    /// The question.
    pub question: &'a Question,
    order: Vec<usize>,
}

/// A quiz as it is held.
#[derive(Debug)]
pub struct Course<'a> {
    /// The module that it is about; a mix has none.
    pub module: Option<&'static str>,
    /// What decided all that is left to chance.
    pub seed: u64,
    /// The questions in their order.
    pub asked: &'a [Asked<'a>],
}

/// Where answers come from.
#[derive(Debug)]
pub enum Answers {
    /// Single keys of a terminal.
    Keys(Keys),
    /// Lines.
    Lines(Lines),
}

/// What came as an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The option shown at this place, counted from 0.
    Option(usize),
    /// The wish to leave, or the end of the input.
    Leave,
}

/// How it went so far.
#[derive(Debug, Default)]
pub struct Score {
    /// How many answers were right.
    pub right: usize,
    /// The indexes of the questions with other answers.
    pub wrong: Vec<usize>,
}

impl Score {
    /// How many questions were answered.
    pub fn answered(&self) -> usize {
        self.right + self.wrong.len()
    }
}

impl<'a> Asked<'a> {
    fn new(module: &'static str, question: &'a Question, seed: u64) -> Self {
        let mut random = Random::new(seed, &format!("quiz {module} {}", question.id));
        let mut order: Vec<usize> = (0..question.options.len()).collect();
        for end in (1..order.len()).rev() {
            order.swap(end, random.below(end as u64 + 1) as usize);
        }
        Self { module, question, order }
    }

    /// The options in the order in which they are shown.
    pub fn shown(&self) -> impl Iterator<Item = &'a Choice> {
        self.order.iter().map(|index| &self.question.options[*index])
    }

    /// The right option, and the place at which it is shown.
    pub fn right(&self) -> (usize, &'a Choice) {
        // The loader takes no question without a right option.
        self.shown().enumerate().find(|(_, choice)| choice.correct).expect("one option is right")
    }
}

/// All questions of a module, in the order of its lesson.
pub fn all_of(quiz: &Quiz, seed: u64) -> Vec<Asked<'_>> {
    quiz.questions.iter().map(|question| Asked::new(quiz.module, question, seed)).collect()
}

/// `count` questions, as evenly from all modules as can be, in the taught order.
pub fn mix(quizzes: &[Quiz], count: usize, seed: u64) -> Vec<Asked<'_>> {
    let mut random = Random::new(seed, "quiz mix");
    let mut drawn = Vec::new();
    for (taught, quiz) in quizzes.iter().enumerate() {
        let mut order: Vec<(u64, usize)> =
            (0..quiz.questions.len()).map(|index| (random.number(), index)).collect();
        order.sort_unstable();
        let in_rounds = order.into_iter().enumerate();
        drawn.extend(in_rounds.map(|(round, (lot, index))| (round, lot, taught, index)));
    }
    drawn.sort_unstable();
    drawn.truncate(count);
    drawn.sort_unstable_by_key(|(_, _, taught, index)| (*taught, *index));
    let ask = |(_, _, taught, index): (usize, u64, usize, usize)| {
        let quiz = &quizzes[taught];
        Asked::new(quiz.module, &quiz.questions[index], seed)
    };
    drawn.into_iter().map(ask).collect()
}

impl Answers {
    fn next(&mut self, options: usize, out: &mut dyn Write) -> anyhow::Result<Answer> {
        match self {
            Self::Keys(keys) => keys.answer(options, out),
            Self::Lines(lines) => lines.answer(options, out),
        }
    }

    /// Waits until an explanation has been read; whether the next question is wanted.
    fn go_on(&mut self, out: &mut dyn Write) -> anyhow::Result<bool> {
        match self {
            Self::Keys(keys) => keys.go_on(out),
            // Who answers by lines goes on by the next line.
            Self::Lines(_) => Ok(true),
        }
    }
}

impl Course<'_> {
    /// Asks everything; status 1 if the learner leaves before.
    ///
    /// # Errors
    ///
    /// Answers cannot be read, or nothing can be written.
    pub fn hold(
        &self,
        answers: &mut Answers,
        out: &mut dyn Write,
        options: &TextOptions,
    ) -> anyhow::Result<ExitCode> {
        match self.ask_all(answers, out, options) {
            // Whoever reads the output has gone (`… | head`): that is leaving, and no failure.
            Err(error) if is_broken_pipe(&error) => Ok(ExitCode::FAILURE),
            other => other,
        }
    }

    fn ask_all(
        &self,
        answers: &mut Answers,
        out: &mut dyn Write,
        options: &TextOptions,
    ) -> anyhow::Result<ExitCode> {
        let by_key = matches!(answers, Answers::Keys(_));
        say(out, &telling::opening(self, by_key, options))?;
        let mut score = Score::default();
        let count = self.asked.len();
        for (index, asked) in self.asked.iter().enumerate() {
            say(out, &telling::question(asked, index + 1, count, options))?;
            let Answer::Option(answer) = answers.next(asked.order.len(), out)? else { break };
            if answer == asked.right().0 {
                score.right += 1;
            } else {
                score.wrong.push(index);
            }
            say(out, &telling::verdict(asked, answer, options))?;
            if index + 1 < count && !answers.go_on(out)? {
                break;
            }
        }
        say(out, &telling::result(self, &score, options))?;
        Ok(if score.answered() == count { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Writes `text` so that it is seen at once.
///
/// # Errors
///
/// Standard output takes nothing.
pub fn say(out: &mut dyn Write, text: &str) -> anyhow::Result<()> {
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("write to standard output")
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
