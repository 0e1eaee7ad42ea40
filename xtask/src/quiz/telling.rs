//! How questions, explanations and the result are laid out. Nothing is said by colour alone.

use grader::page::Page;
use grader::report::text::TextOptions;

use super::questions::Kind;
use super::session::{Asked, Course, Score};
use crate::terminal::{BAD, GOOD};

/// The keys of the options, in the order in which they are shown.
pub const LETTERS: [char; 4] = ['a', 'b', 'c', 'd'];
/// How far a program or a packet list is indented.
const BLOCK_INDENT: usize = 4;

/// What stands before the first question.
pub fn opening(course: &Course, by_key: bool, options: &TextOptions) -> String {
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
    let mut page = Page::new(options);
    page.prose(0, &format!("{about} {how}"));
    page.text().to_owned()
}

/// A question with its options, the `number`th of `count`.
pub fn question(asked: &Asked, number: usize, count: usize, options: &TextOptions) -> String {
    let question = asked.question;
    let what = match question.kind {
        Kind::Concept => "",
        Kind::Predict => ": what happens?",
    };
    let topic = question.topic.words();
    let module = asked.module;
    let mut page = Page::new(options);
    page.blank();
    page.heading(0, &format!("Question {number} of {count} ({module}, {topic}){what}"));
    page.blank();
    page.prose(0, &question.ask);
    if let Some(block) = question.block() {
        page.blank();
        for line in block.trim_end().trim_start_matches('\n').lines() {
            page.line(&format!("{:BLOCK_INDENT$}{line}", ""));
        }
    }
    page.blank();
    for (letter, choice) in LETTERS.iter().zip(asked.shown()) {
        let label = format!("{letter}) ");
        page.hanging(2, label.len(), &format!("{label}{}", choice.text));
    }
    page.blank();
    page.text().to_owned()
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
pub fn verdict(asked: &Asked, answer: usize, options: &TextOptions) -> String {
    let (right, correct) = asked.right();
    let mut page = Page::new(options);
    page.blank();
    let letter = LETTERS[answer];
    let Some(given) = asked.shown().nth(answer).filter(|_| answer != right) else {
        page.painted_line(GOOD, &format!("{letter} is right."));
        page.prose(2, &correct.explanation);
        return page.text().to_owned();
    };
    page.painted_line(BAD, &format!("{letter} is not right."));
    page.prose(2, &given.explanation);
    let label = format!("{} is right:", LETTERS[right]);
    page.labelled(GOOD, &label, &correct.text);
    page.prose(2, &correct.explanation);
    page.text().to_owned()
}

/// How it went, and what is worth reading again.
pub fn result(course: &Course, score: &Score, options: &TextOptions) -> String {
    let mut page = Page::new(options);
    let (right, given) = (score.right, score.answered());
    let count = course.asked.len();
    page.blank();
    if given < count {
        let left = format!("You left at question {} of {count}:", given + 1);
        page.heading(0, &format!("{left} {right} of {given} right."));
    } else {
        page.heading(0, &format!("Result: {right} of {count} right."));
    }
    if !score.wrong.is_empty() {
        page.blank();
        page.prose(0, "Worth reading again:");
        page.blank();
        for (section, numbers) in sections(course, score) {
            page.line(&format!("  {section}"));
            let plural = if numbers.len() == 1 { "" } else { "s" };
            page.prose(6, &format!("question{plural} {}", numbers.join(", ")));
        }
    }
    let module = course.module.map_or_else(String::new, |module| format!(" {module}"));
    page.blank();
    page.prose(0, "The same questions in the same order:");
    page.command(2, &format!("cargo xtask quiz{module} --seed {}", course.seed));
    page.text().to_owned()
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

#[cfg(test)]
mod tests {
    use super::no_answer;

    #[test]
    fn what_is_no_answer_is_shown_without_its_escapes() {
        let told = no_answer("\u{1b}[31m", 2);
        assert_eq!(told, "`\\u{1b}[31m` is no answer here; type one of a, b, or q to leave.\n");
    }
}
