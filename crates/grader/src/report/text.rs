//! A report as text for a person at a terminal.
//!
//! Each module: its checks, a line each; the first failure of a finished part in full; the other
//! failures, a line each; what is not implemented yet. At the end one summary and one next step.

use std::io;

use anstyle::{AnsiColor, Effects, Style as Paint};
use unicode_width::UnicodeWidthStr;

use super::{CheckReport, Feedback, ModuleReport, Report, Status};
use crate::bytes::thousands;
use crate::ladder::{self, fill, words};
use crate::manifest::Kind;
use crate::page::{Page, keep_colours};
pub use crate::page::{TextOptions, without_escapes};
use crate::record::What;
use crate::wording::{self, Tally};

/// How many different messages of unfinished parts are shown.
const TODO_MESSAGES: usize = 4;
/// The command that grades, and the one that knows what is left of the course.
const GRADE: &str = "cargo xtask grade";
const OVERVIEW: &str = "cargo xtask";
/// The command that tells clearer hints.
const HINT: &str = "cargo xtask hint";
/// The points of all core checks of a module.
const CORE_POINTS: u32 = 100;
const DIM: Paint = Paint::new().effects(Effects::DIMMED);
const GOOD: Paint = AnsiColor::Green.on_default();
const BAD: Paint = AnsiColor::Red.on_default().effects(Effects::BOLD);
const CAUTION: Paint = AnsiColor::Yellow.on_default();

/// Writes a report. Nothing that a program wrote reaches the terminal unescaped.
///
/// # Errors
///
/// Those of `out`.
pub fn write(report: &Report, options: &TextOptions, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = Page::new(options);
    let mut tells_untouched = true;
    for module in &report.modules {
        let is_brief = !options.all && !tells_untouched && is_untouched(module);
        tells_untouched &= !is_untouched(module);
        page.module(module, is_brief);
    }
    if let Some(error) = &report.error {
        page.prose(0, &wording::report_error(error.trim_end()));
        page.blank();
    }
    page.prose(0, &wording::summary(&tally(report), report.seed));
    if options.step {
        let (step, command) = next_step(report, options.whole);
        page.heading(0, &step);
        page.command(2, &command);
    }
    out.write_all(page.text().as_bytes())?;
    out.flush()
}

/// How wide the columns of a module's check lines are.
struct Widths {
    word: usize,
    points: usize,
    time: usize,
}

impl Page {
    fn module(&mut self, module: &ModuleReport, is_brief: bool) {
        let checks = module.checks.len() as u64;
        if is_brief {
            let state = wording::untouched(checks);
            let score = wording::score(module.score(), module.max_score());
            self.two_sides(&module.module, &format!("{state}   {score}"));
            self.blank();
            return;
        }
        self.header(module);
        if let Some(error) = &module.error {
            self.prose(0, &wording::does_not_build(&module.program, checks));
            self.blank();
            let messages = keep_colours(error, self.options.colour);
            self.text.push_str(messages.trim_matches('\n'));
            self.text.push('\n');
            self.blank();
            return;
        }
        self.check_lines(module);
        self.failures(module);
    }

    fn header(&mut self, module: &ModuleReport) {
        // With chosen checks alone there may be no core points at all.
        let core = Some(module.max_score()).filter(|max| *max > 0 || module.checks.is_empty());
        let core = core.map(|max| wording::score(module.score(), max));
        let stretch = Some(module.max_bonus()).filter(|max| *max > 0);
        let stretch = stretch.map(|max| wording::bonus(module.bonus(), max));
        let score: Vec<String> = core.into_iter().chain(stretch).collect();
        self.two_sides(&module.module, &score.join(", "));
        let program = self.printable(&module.program);
        self.painted_line(DIM, &program);
        self.blank();
    }

    fn check_lines(&mut self, module: &ModuleReport) {
        let widest = |text: fn(&CheckReport) -> String| {
            module.checks.iter().map(|check| text(check).width()).max().unwrap_or(0)
        };
        let widths = Widths {
            word: widest(|check| word(check).to_owned()),
            points: widest(points),
            time: widest(time),
        };
        for kind in [Kind::Core, Kind::Stretch] {
            let checks = module.checks.iter().filter(|check| check.kind == kind);
            for (index, check) in checks.enumerate() {
                if index == 0 && kind == Kind::Stretch {
                    if module.max_score() > 0 {
                        self.blank();
                    }
                    self.line(&format!("  {}", wording::STRETCH));
                }
                self.check_line(check, &widths);
            }
        }
        let skipped = count(module, |check| check.status == Status::Skipped);
        if skipped > 0 {
            self.blank();
            self.prose(2, &wording::skipped(skipped));
        }
        self.blank();
    }

    /// Mark, word, title, points and time of one check.
    fn check_line(&mut self, check: &CheckReport, widths: &Widths) {
        let (mark, paint) = self.mark(check);
        let (word, word_columns) = (word(check), widths.word);
        let mut right = format!("{:>1$}", points(check), widths.points + 1);
        if widths.time > 0 {
            right = format!("{right}{:>1$}", time(check), widths.time + 2);
        }
        let left_columns = 2 + mark.width() + 1 + word_columns + 2;
        let room = self.columns.saturating_sub(left_columns + right.width() + 1);
        let titles = fill(&words(&self.printable(&check.title)), room, room);
        for (index, title) in titles.iter().enumerate() {
            let gap = room.saturating_sub(title.width());
            if index == 0 {
                let left = self.paint(paint, &format!("{mark} {word:word_columns$}"));
                self.line(&format!("  {left}  {title}{:gap$} {right}", ""));
            } else {
                self.line(&format!("{:left_columns$}{title}", ""));
            }
        }
        let reason = reason(check);
        match check.status {
            Status::Unsupported => self.prose(left_columns, &wording::unsupported(&reason)),
            Status::Error => self.prose(left_columns, &wording::grader_error(&reason)),
            Status::Skipped if self.options.all => self.prose(left_columns, &reason),
            _ => {}
        }
    }

    fn failures(&mut self, module: &ModuleReport) {
        let (todo, failed): (Vec<_>, Vec<_>) =
            module.failures().into_iter().partition(|check| check.is_not_implemented());
        let in_full = if self.options.all { failed.len() } else { failed.len().min(1) };
        let (full, brief) = failed.split_at(in_full);
        for check in full {
            self.failure(module, check);
        }
        if !brief.is_empty() {
            self.heading(0, wording::ALSO_FAILED);
            let id_columns = brief.iter().map(|check| check.id.width()).max().unwrap_or(0);
            for check in brief {
                let text =
                    format!("{:id_columns$}  {}", check.id, wording::heading(check.symptom()));
                self.hanging(2, id_columns + 2, &text);
            }
            self.prose(2, wording::DETAILS);
            self.command(4, &format!("{} --check {}", command(module), brief[0].id));
            self.prose(2, wording::ALL_DETAILS);
            self.command(4, &format!("{} --all", command(module)));
            self.blank();
        }
        if !todo.is_empty() {
            self.todo(&todo);
        }
    }

    /// What is not implemented yet, each message once.
    fn todo(&mut self, checks: &[&CheckReport]) {
        self.heading(0, &wording::not_implemented(checks.len() as u64));
        let mut messages: Vec<&str> = Vec::new();
        for check in checks {
            let got = check.feedback.as_ref().map_or("", |feedback| feedback.got.trim());
            // A port that differs from check to check makes no new message.
            let is_new = messages.iter().all(|message| !differs_in_digits_only(message, got));
            if !got.is_empty() && is_new {
                messages.push(got);
            }
        }
        for message in messages.iter().take(TODO_MESSAGES) {
            self.block(2, message);
        }
        let hint = checks
            .iter()
            .filter_map(|check| check.feedback.as_ref())
            .find(|feedback| !feedback.lesson.is_empty());
        if let Some(feedback) = hint {
            self.prose(2, &format!("{} {}", wording::LESSON, feedback.lesson));
        }
        self.blank();
    }

    /// The parts of one failure, in their order.
    fn failure(&mut self, module: &ModuleReport, check: &CheckReport) {
        let (mark, paint) = self.mark(check);
        let head = format!("{mark} {}  ", word(check));
        let indent = head.width();
        let mut title = Page::new(&TextOptions { columns: self.columns, ..self.options });
        title.heading(indent, &format!("{}: {}", check.id, check.title));
        self.text.push_str(&title.text.replacen(&" ".repeat(indent), &self.paint(paint, &head), 1));
        self.blank();
        let nothing = Feedback::default();
        let feedback = check.feedback.as_ref().unwrap_or(&nothing);
        self.part(wording::PROMISE, &feedback.promise);
        let heading = wording::heading(&feedback.symptom);
        let happened = format!("{}: {heading}", wording::HAPPENED);
        self.heading(2, &happened);
        self.ladder(feedback);
        self.part(wording::EXPECTED, &feedback.expected);
        self.part(wording::GOT, &feedback.got);
        self.part(wording::HINT, &feedback.hint);
        let has_lesson = !feedback.lesson.is_empty();
        if has_lesson {
            self.prose(2, &format!("{} {}", wording::LESSON, feedback.lesson));
        }
        // Hints go on for the learner's own program, whose failures are remembered.
        if is_learners(module) {
            self.clearer_hints(module, check);
        }
        if has_lesson || is_learners(module) {
            self.blank();
        }
    }

    /// The key or the command that tells clearer hints; the command is typed again, so it stays on
    /// one line.
    fn clearer_hints(&mut self, module: &ModuleReport, check: &CheckReport) {
        let is_first = module.failures().first().is_some_and(|first| first.id == check.id);
        if let Some(key) = self.options.hint_key.filter(|_| is_first) {
            self.prose(2, &format!("{} {}", wording::CLEARER, wording::press(key)));
            return;
        }
        let mut command = format!("{HINT} {}", module.module);
        if !is_first {
            command = format!("{command} {}", check.id);
        }
        let line = format!("  {} {command}", wording::CLEARER);
        if line.width() <= self.columns {
            self.line(&line);
        } else {
            self.prose(2, wording::CLEARER);
            self.line(&format!("    {command}"));
        }
    }

    fn part(&mut self, heading: &str, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        self.heading(2, heading);
        self.block(4, text);
        self.blank();
    }

    fn ladder(&mut self, feedback: &Feedback) {
        let style = ladder::Style {
            columns: self.columns - 2,
            unicode: self.options.unicode,
            colour: self.options.colour,
        };
        if !feedback.events.is_empty() {
            for line in ladder::draw(&feedback.events, &style).lines() {
                self.line(&format!("  {line}"));
            }
        } else {
            for line in feedback.transcript.lines() {
                let line = self.printable(line);
                self.line(&line);
            }
        }
        self.blank();
    }

    fn mark(&self, check: &CheckReport) -> (&'static str, Paint) {
        let (unicode, ascii, paint) = match check.status {
            Status::Passed => ("✓", "+", GOOD),
            Status::Failed if check.is_not_implemented() => ("○", "o", Paint::new()),
            Status::Failed => ("✗", "x", BAD),
            Status::Skipped => ("-", "-", DIM),
            Status::Unsupported => ("?", "?", CAUTION),
            Status::Error => ("!", "!", CAUTION),
        };
        (if self.options.unicode { unicode } else { ascii }, paint)
    }
}

fn word(check: &CheckReport) -> &'static str {
    wording::status(check.status, check.symptom())
}

/// The points of a check, earned and possible.
fn points(check: &CheckReport) -> String {
    format!("{}/{}", check.points(), check.max_points)
}

fn differs_in_digits_only(one: &str, other: &str) -> bool {
    let rest = |text: &str| text.replace(|character: char| character.is_ascii_digit(), "");
    rest(one) == rest(other)
}

/// How long a check ran, where that says something of the program.
fn time(check: &CheckReport) -> String {
    let is_run = matches!(check.status, Status::Passed | Status::Failed | Status::Error);
    if !is_run || check.is_not_implemented() {
        return String::new();
    }
    let milliseconds = u64::try_from(check.duration.as_millis()).unwrap_or(u64::MAX);
    format!("{} {}", thousands(milliseconds), wording::MILLISECONDS)
}

/// Why a check could not be judged.
fn reason(check: &CheckReport) -> String {
    let Some(feedback) = &check.feedback else { return wording::NO_REASON.to_owned() };
    let told = [&feedback.got, &feedback.expected].into_iter().find(|text| !text.trim().is_empty());
    told.map_or_else(|| wording::NO_REASON.to_owned(), |text| text.trim().to_owned())
}

fn count(module: &ModuleReport, is_meant: impl Fn(&CheckReport) -> bool) -> u64 {
    module.checks.iter().filter(|check| is_meant(check)).count() as u64
}

/// Whether nothing of a module is written yet.
fn is_untouched(module: &ModuleReport) -> bool {
    module.error.is_none()
        && module.checks.iter().any(|check| check.is_not_implemented())
        && module.checks.iter().all(|check| {
            check.is_not_implemented()
                || matches!(check.status, Status::Skipped | Status::Unsupported)
        })
}

fn tally(report: &Report) -> Tally {
    let mut tally = Tally::default();
    for module in &report.modules {
        tally.modules += 1;
        tally.complete += u32::from(module.core_passed());
        for check in &module.checks {
            let passed = u32::from(check.status == Status::Passed);
            match check.kind {
                Kind::Core => {
                    tally.core += 1;
                    tally.core_passed += passed;
                }
                Kind::Stretch => {
                    tally.stretch += 1;
                    tally.stretch_passed += passed;
                }
            }
            tally.errors += u32::from(check.status == Status::Error);
        }
    }
    tally
}

/// The one thing to do next, and the command that shows whether it helped.
fn next_step(report: &Report, whole: bool) -> (String, String) {
    let modules = &report.modules;
    let failed = |module: &ModuleReport, kind: Kind| {
        module.checks.iter().any(|check| check.kind == kind && check.status == Status::Failed)
    };
    if let Some(module) = modules.iter().find(|module| module.error.is_some()) {
        return (wording::next_build(&place(module)), command(module));
    }
    if let Some(module) = modules.iter().find(|module| failed(module, Kind::Core)) {
        return (wording::next_edit(&place(module)), command(module));
    }
    let errors = |module: &&ModuleReport| count(module, |check| check.status == Status::Error) > 0;
    let erring = modules.iter().find(errors);
    if report.error.is_some() || erring.is_some() {
        let command = erring.or(modules.first()).map_or_else(|| GRADE.to_owned(), command);
        return (wording::NEXT_AGAIN.to_owned(), command);
    }
    match modules.iter().find(|module| failed(module, Kind::Stretch)) {
        Some(module) => (wording::next_stretch(&place(module)), command(module)),
        None => after_all(modules, whole),
    }
}

/// Nothing failed: what is left after that.
fn after_all(modules: &[ModuleReport], whole: bool) -> (String, String) {
    // Whoever chose some checks has not seen the others.
    let partial = modules.iter().find(|module| !whole && module.max_score() < CORE_POINTS);
    match (partial, modules) {
        (Some(module), _) => (wording::NEXT_ALL_CHECKS.to_owned(), command(module)),
        (None, [one]) => (wording::next_module(&one.module), OVERVIEW.to_owned()),
        (None, _) => (wording::NEXT_OVERVIEW.to_owned(), OVERVIEW.to_owned()),
    }
}

/// The command that grades a module again.
fn command(module: &ModuleReport) -> String {
    let name = &module.module;
    if is_learners(module) {
        format!("{GRADE} {name}")
    } else if module.program.starts_with("solutions/") {
        format!("{GRADE} {name} --solutions")
    } else {
        format!("{GRADE} {name} --program {}", quoted(&module.program))
    }
}

fn is_learners(module: &ModuleReport) -> bool {
    module.program.starts_with("exercises/")
}

/// A path as a shell takes it for one word.
fn quoted(path: &str) -> String {
    let is_plain =
        |character: char| character.is_alphanumeric() || "/._-+:@%=,".contains(character);
    if !path.is_empty() && path.chars().all(is_plain) {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}

/// Where the learner goes on: the file and line of the first unfinished part, else the source
/// folder.
pub fn place(module: &ModuleReport) -> String {
    let is_course = ["exercises/", "solutions/"].iter().any(|top| module.program.starts_with(top));
    if !is_course {
        return module.program.clone();
    }
    let first = module.failures().into_iter().next();
    let feedback = first.and_then(|check| check.feedback.as_ref());
    let file = feedback.and_then(|feedback| panicked_at(feedback, &module.program));
    file.unwrap_or_else(|| format!("{}/src", module.program.trim_end_matches('/')))
}

/// The place in the module's own sources that a panic message names:
/// "exercises/tcp-echo/src/server.rs:31".
fn panicked_at(feedback: &Feedback, program: &str) -> Option<String> {
    let mut texts = vec![feedback.got.clone()];
    for event in &feedback.events {
        if let What::Stderr { bytes } = &event.what {
            texts.push(String::from_utf8_lossy(&bytes.head).into_owned());
        }
    }
    let sources = format!("{}/src/", program.trim_end_matches('/'));
    texts.iter().find_map(|text| {
        let (_, rest) = text.split_once("panicked at ")?;
        let place = rest.split_whitespace().next()?;
        let mut parts = place.trim_end_matches(':').split(':');
        let file = parts.next().filter(|file| file.ends_with(".rs"))?;
        let line = parts.next().filter(|line| line.bytes().all(|byte| byte.is_ascii_digit()))?;
        let inside = file.strip_prefix(&sources).or_else(|| file.strip_prefix("src/"))?;
        Some(format!("{sources}{inside}:{line}"))
    })
}
