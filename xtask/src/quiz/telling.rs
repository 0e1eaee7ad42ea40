//! How questions, explanations and the result are laid out. Nothing is said by colour alone.

use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

use super::questions::Kind;
use super::session::{Asked, Course, Score};
use crate::terminal::{BAD, GOOD, STRONG};

/// The keys of the options, in the order in which they are shown.
pub const LETTERS: [char; 4] = ['a', 'b', 'c', 'd'];
/// Prose is not set wider than this: longer lines are hard to read.
const PROSE_COLUMNS: usize = 90;
/// How far a program or a packet list is indented.
const BLOCK_INDENT: usize = 4;

/// What stands before the first question.
pub fn opening(course: &Course, by_key: bool, columns: usize) -> String {
    let count = course.asked.len();
    let about = course.module.map_or_else(
        || format!("{count} questions from all modules."),
        |module| format!("{count} questions on {module}."),
    );
    let how = if by_key {
        "Press the key of an answer; q leaves."
    } else {
        "Type the letter of an answer, then Enter; q leaves."
    };
    let mut text = String::new();
    fill(&mut text, &format!("{about} {how}"), 0, "", columns);
    text
}

/// A question with its options, the `number`th of `count`.
pub fn question(asked: &Asked, number: usize, count: usize, columns: usize) -> String {
    let question = asked.question;
    let what = match question.kind {
        Kind::Concept => "",
        Kind::Predict => ": what happens?",
    };
    let topic = question.topic.words();
    let mut text = String::new();
    let module = asked.module;
    let heading = format!("Question {number} of {count} ({module}, {topic}){what}");
    _ = writeln!(text, "\n{STRONG}{heading}{STRONG:#}\n");
    fill(&mut text, &question.ask, 0, "", columns);
    if let Some(block) = question.block() {
        text.push('\n');
        for line in block.trim_end().trim_start_matches('\n').lines() {
            _ = writeln!(text, "{}", format!("{:BLOCK_INDENT$}{line}", "").trim_end());
        }
    }
    text.push('\n');
    for (letter, choice) in LETTERS.iter().zip(asked.shown()) {
        fill(&mut text, &choice.text, 2, &format!("{letter}) "), columns);
    }
    text.push('\n');
    text
}

/// The line on which the answer is typed.
pub fn prompt(options: usize) -> String {
    let last = LETTERS[options.clamp(1, LETTERS.len()) - 1];
    format!("Your answer (a-{last}, q leaves): ")
}

/// What an answer that is none is told.
pub fn no_answer(said: &str, options: usize) -> String {
    let shown: String = said.escape_debug().take(20).collect();
    let letters: Vec<String> = LETTERS[..options].iter().map(char::to_string).collect();
    format!("`{shown}` is no answer here; type one of {}, or q to leave.\n", letters.join(", "))
}

/// Why the answer is right, or what is wrong with it and which one is right.
pub fn verdict(asked: &Asked, answer: usize, columns: usize) -> String {
    let (right, correct) = asked.right();
    let mut text = String::from("\n");
    let letter = LETTERS[answer];
    let Some(given) = asked.shown().nth(answer).filter(|_| answer != right) else {
        _ = writeln!(text, "{GOOD}{letter} is right.{GOOD:#}");
        fill(&mut text, &correct.explanation, 2, "", columns);
        return text;
    };
    _ = writeln!(text, "{BAD}{letter} is not right.{BAD:#}");
    fill(&mut text, &given.explanation, 2, "", columns);
    let label = format!("{} is right:", LETTERS[right]);
    let mut found = String::new();
    fill(&mut found, &format!("{label} {}", correct.text), 0, "", columns);
    text.push_str(&found.replacen(&label, &format!("{GOOD}{label}{GOOD:#}"), 1));
    fill(&mut text, &correct.explanation, 2, "", columns);
    text
}

/// How it went, and what is worth reading again.
pub fn result(course: &Course, score: &Score, columns: usize) -> String {
    let mut text = String::new();
    let (right, given) = (score.right, score.answered());
    let count = course.asked.len();
    if given < count {
        let line =
            format!("You left at question {} of {count}: {right} of {given} right.", given + 1);
        _ = writeln!(text, "\n{STRONG}{line}{STRONG:#}");
    } else {
        _ = writeln!(text, "\n{STRONG}Result: {right} of {count} right.{STRONG:#}");
    }
    if !score.wrong.is_empty() {
        text.push_str("\nWorth reading again:\n\n");
        for (section, numbers) in sections(course, score) {
            _ = writeln!(text, "  {section}");
            let plural = if numbers.len() == 1 { "" } else { "s" };
            let numbers = numbers.join(", ");
            fill(&mut text, &format!("question{plural} {numbers}"), 6, "", columns);
        }
    }
    let module = course.module.map_or_else(String::new, |module| format!(" {module}"));
    let again = format!("cargo xtask quiz{module} --seed {}", course.seed);
    _ = writeln!(text, "\nThe same questions in the same order:\n  {again}");
    text
}

/// The sections of the handouts that teach what was answered wrongly, each with the numbers of its
/// questions.
fn sections(course: &Course, score: &Score) -> Vec<(String, Vec<String>)> {
    let mut sections: Vec<(String, Vec<String>)> = Vec::new();
    for index in &score.wrong {
        let Asked { module, question, .. } = &course.asked[*index];
        let section = format!("exercises/{module}/README.md#{}", question.lesson);
        let number = (index + 1).to_string();
        match sections.iter_mut().find(|(known, _)| *known == section) {
            Some((_, numbers)) => numbers.push(number),
            None => sections.push((section, vec![number])),
        }
    }
    sections
}

/// Puts `text` into lines of at most `columns`, all indented; `label` stands before the first, and
/// the others go on below what follows it.
fn fill(page: &mut String, text: &str, indent: usize, label: &str, columns: usize) {
    let hang = indent + label.width();
    let room = columns.min(PROSE_COLUMNS);
    let mut line = format!("{:indent$}{label}", "");
    let mut is_fresh = true;
    for word in text.split(' ') {
        let space = usize::from(!is_fresh);
        if !is_fresh && line.width() + space + word.width() > room {
            page.push_str(line.trim_end());
            page.push('\n');
            line = " ".repeat(hang);
        } else if !is_fresh {
            line.push(' ');
        }
        line.push_str(word);
        is_fresh = false;
    }
    page.push_str(line.trim_end());
    page.push('\n');
}

#[cfg(test)]
mod tests {
    use super::{fill, no_answer};

    #[test]
    fn prose_is_filled_and_hangs_below_its_label() {
        let mut page = String::new();
        fill(&mut page, "one two three four", 2, "a) ", 12);
        assert_eq!(page, "  a) one two\n     three\n     four\n");
    }

    #[test]
    fn what_is_no_answer_is_shown_without_its_escapes() {
        let told = no_answer("\u{1b}[31m", 2);
        assert_eq!(told, "`\\u{1b}[31m` is no answer here; type one of a, b, or q to leave.\n");
    }
}
