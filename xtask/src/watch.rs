//! `cargo xtask watch`: grades the module that was saved, at each save.
//!
//! One thread waits for everything (saves, keys, signals, what the worker says) and is the only one
//! that prints; the gradings run on threads of their own, and a new save ends the one that runs.
//! The learner's programs have neither this terminal nor its keyboard: their standard input is a
//! pipe, and they live in sessions of their own.

mod commands;
mod files;
mod rustc;
mod screen;
mod verdict;
mod wake;
mod work;

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Read};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{ExitCode, Stdio};
use std::slice;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use grader::module::Module;
use grader::report::{ModuleReport, Report};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, kill_current_process_group};
use signal_hook::consts::{SIGCONT, SIGWINCH};

use self::commands::{Command, KEYS, LINES, Reader, Source};
pub use self::commands::{EXPLAIN_KEY, HINT_KEY};
use self::files::{Change, Files, What};
use self::screen::Screen;
use self::wake::{POLL_PERIOD, Wake, Why};
use self::work::{Desk, Graded, Mailbox, News, Work};
use crate::keyboard::Keyboard;
use crate::terminal::{BAD, STRONG};
use crate::workspace::Workspace;
use crate::{advice, grade, keyboard, modules, progress, terminal};

/// How long no further event may come before the files are looked at: the steps of an editor that
/// saves by several follow each other closely. Where one takes longer, the build that has begun
/// begins afresh.
const QUIET: Duration = Duration::from_millis(5);
/// Events without end do not keep a save waiting for longer than this.
const QUIET_AT_MOST: Duration = Duration::from_millis(200);
/// A file that is gone or empty may be on its way back: so long it is waited for.
const RETURN: Duration = Duration::from_millis(250);
/// How often a watch in the background looks whether it is in the foreground again.
const BACKGROUND_PERIOD: Duration = Duration::from_secs(1);
/// How long a stop by Ctrl-Z may take to come. Where no shell could continue this process, the
/// kernel does not stop it at all.
const STOP_DELAY: Duration = Duration::from_millis(100);

/// Grade at each save the module that was saved.
///
/// On a terminal, keys give a hint, the next module and more. Elsewhere everything is plain lines,
/// and the same commands are read from standard input, one a line, where it is a pipe; the watch
/// ends when that pipe is closed. Ctrl-C ends it in any case.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Watch this module alone; without it, the one in whose folder you stand, else all.
    #[arg(value_name = "MODULE")]
    module: Option<String>,
    /// Look at the files by the clock, for drives on which saves are not told (network, shared
    /// folders of virtual machines).
    #[arg(long)]
    poll: bool,
}

/// Runs the command: until the learner quits, which is status 0.
///
/// # Errors
///
/// Wrong usage, or a machine that cannot watch. What one grading runs into is told, and the watch
/// goes on.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find()?;
    let names: Vec<String> = arguments.module.iter().cloned().collect();
    let chosen = workspace.chosen_modules(&names)?;
    let only = match chosen.as_slice() {
        [one] => Some(*one),
        _ => None,
    };
    let current = only.unwrap_or_else(|| unfinished(&workspace, 0).unwrap_or(&modules::TAUGHT[0]));
    let mut watch = Watch::begin(&workspace, only, current, arguments.poll)?;
    let ended = watch.greet().and_then(|()| watch.go_on());
    let ended = watch.end().and(ended);
    // From here on nothing is left to end, and whoever still grades waits for the process's end.
    drop(watch);
    sandbox::close_all_for_exit();
    match ended {
        // Whoever read along has gone away: `… | head`.
        Err(error) if is_closed_pipe(&error) => Ok(ExitCode::SUCCESS),
        other => other.map(|()| ExitCode::SUCCESS),
    }
}

/// All that the watch knows.
struct Watch<'a> {
    workspace: &'a Workspace,
    /// Other modules' saves are not graded.
    only: Option<&'static Module>,
    /// The module that the keys are about.
    current: &'static Module,
    files: Files,
    wake: Wake,
    /// When the files are looked at, and when the first event of this save came.
    due: Option<(Instant, Instant)>,
    /// A file was gone or empty, and it was waited for.
    waited: bool,
    screen: Screen,
    keyboard: Option<Keyboard>,
    source: Source,
    reader: Reader,
    bells: Bells,
    desk: Desk,
    news: Receiver<News>,
    /// What is to be graded, the next one first.
    queue: VecDeque<(&'static Module, Instant)>,
    work: Option<Work>,
    /// The verdict of that work is told; only its stretch checks still run.
    is_told: bool,
    numbers: u64,
    /// The last result of the current module.
    verdict: Option<ModuleReport>,
    /// This process has asked to be stopped, and if it is not, it goes on at this time.
    stopping_until: Option<Instant>,
}

/// What wakes the watch besides files and keys.
struct Bells {
    /// The worker has news, or the terminal another size.
    news: UnixStream,
    /// The process goes on after a stop.
    continued: UnixStream,
}

impl<'a> Watch<'a> {
    fn begin(
        workspace: &'a Workspace,
        only: Option<&'static Module>,
        current: &'static Module,
        polls: bool,
    ) -> anyhow::Result<Self> {
        let source = source();
        let keyboard = match source {
            Source::Keys => Some(Keyboard::of(io::stdin())?),
            _ => None,
        };
        let (bells, bell) = Bells::hang().context("wait for signals")?;
        let (sender, news) = channel();
        let files = Files::of(workspace.root());
        let wake = Wake::on(workspace.root(), &files.folders(), files.have_links(), polls);
        Ok(Self {
            workspace,
            only,
            current,
            files,
            wake,
            due: None,
            waited: false,
            screen: Screen::new(source == Source::Keys),
            keyboard,
            source,
            reader: Reader::new(source),
            bells,
            desk: Desk { mailbox: Mailbox::new(sender, bell), commands: Arc::default() },
            news,
            queue: VecDeque::new(),
            work: None,
            is_told: false,
            numbers: 0,
            verdict: None,
            stopping_until: None,
        })
    }

    /// Says what is watched, and begins with the module as it stands.
    fn greet(&mut self) -> anyhow::Result<()> {
        let what = match self.only {
            Some(module) => format!("exercises/{}", module.name),
            None => "exercises".to_owned(),
        };
        self.screen.announce(&format!("watching {what}: each save is graded"))?;
        if let Wake::Clock(why) = &self.wake {
            let why = why.clone();
            self.tell_clock(&why)?;
        }
        if self.source == Source::Lines {
            self.screen.tell(&format!("commands, one a line: {LINES}"))?;
        }
        self.ask_for(self.current, "as it stands")
    }

    fn tell_clock(&mut self, why: &Why) -> anyhow::Result<()> {
        match why.told() {
            Some(told) => Ok(self.screen.tell(&format!("note: {told}"))?),
            None => Ok(()),
        }
    }

    /// Waits and answers, until the learner quits.
    fn go_on(&mut self) -> anyhow::Result<()> {
        loop {
            self.begin_next()?;
            self.show_state()?;
            let ready = self.wait()?;
            if ready.continued || self.stopping_until.is_some_and(|until| until <= Instant::now()) {
                self.resume(ready.continued)?;
            }
            if ready.news {
                drain(&mut self.bells.news);
                self.screen.draw()?;
            }
            while let Ok(news) = self.news.try_recv() {
                self.hear(news)?;
            }
            if ready.input && self.may_read() {
                let ControlFlow::Continue(commands) = self.reader.read(io::stdin().as_fd()) else {
                    return Ok(());
                };
                for command in commands {
                    if command == Command::Quit {
                        return Ok(());
                    }
                    self.obey(command)?;
                }
            }
            self.look_if_due(ready.files)?;
        }
    }

    /// Leaves a clean terminal. A grading that runs is ended.
    fn end(&mut self) -> anyhow::Result<()> {
        self.work = None;
        self.queue.clear();
        Ok(self.screen.leave()?)
    }

    /// In the background, whoever reads from the terminal is stopped.
    fn may_read(&self) -> bool {
        self.source != Source::Nothing && keyboard::is_ours(io::stdin())
    }

    fn wait(&mut self) -> anyhow::Result<Ready> {
        if let Some(keyboard) = &mut self.keyboard
            && self.stopping_until.is_none()
        {
            keyboard.take().context("take the keyboard")?;
        }
        let reads = self.may_read();
        let timeout = self.timeout(reads);
        let timeout = timeout.map(Timespec::try_from).transpose().context("wait")?;
        let (stdin, flags) = (io::stdin(), PollFlags::IN);
        let mut polled =
            vec![PollFd::new(&self.bells.news, flags), PollFd::new(&self.bells.continued, flags)];
        let mut place = |descriptor| {
            polled.push(PollFd::from_borrowed_fd(descriptor, flags));
            polled.len() - 1
        };
        let files = self.wake.descriptor().map(&mut place);
        let input = reads.then(|| place(stdin.as_fd()));
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("wait for saves and keys"),
        }
        let ready = |place: Option<usize>| place.is_some_and(|at| !polled[at].revents().is_empty());
        Ok(Ready {
            news: ready(Some(0)),
            continued: ready(Some(1)),
            files: ready(files),
            input: ready(input),
        })
    }

    /// How long to wait at the most.
    fn timeout(&self, reads: bool) -> Option<Duration> {
        let now = Instant::now();
        let polls = matches!(self.wake, Wake::Clock(_)).then_some(POLL_PERIOD);
        let in_background = (self.source != Source::Nothing && !reads).then_some(BACKGROUND_PERIOD);
        let due = self.due.map(|(due, _)| due.saturating_duration_since(now));
        let stopping = self.stopping_until.map(|until| until.saturating_duration_since(now));
        [polls, in_background, due, stopping].into_iter().flatten().min()
    }

    /// Looks at the files once it has been quiet for a moment, or the clock says so.
    fn look_if_due(&mut self, has_events: bool) -> anyhow::Result<()> {
        let now = Instant::now();
        if has_events {
            self.wake.drain();
            let first = self.due.map_or(now, |(_, first)| first);
            self.due = Some(((now + QUIET).min(first + QUIET_AT_MOST), first));
        }
        match self.due {
            Some((due, first)) if due <= now => self.look(first),
            None if self.wake.descriptor().is_none() => self.look(now),
            _ => Ok(()),
        }
    }

    fn look(&mut self, since: Instant) -> anyhow::Result<()> {
        self.due = None;
        let look = self.files.look();
        if look.changes.is_empty() {
            self.files.accept(look);
            self.waited = false;
            return self.follow_folders();
        }
        let is_half = look.changes.iter().any(|change| change.what == What::Removed);
        if is_half && !std::mem::replace(&mut self.waited, true) {
            self.due = Some((Instant::now() + RETURN, since));
            return self.follow_folders();
        }
        self.waited = false;
        let changes = look.changes.clone();
        self.files.accept(look);
        self.follow_folders()?;
        self.saved(&changes, since)
    }

    fn follow_folders(&mut self) -> anyhow::Result<()> {
        if self.files.have_links() && self.wake.descriptor().is_some() {
            self.wake = Wake::Clock(Why::Links);
            return self.tell_clock(&Why::Links);
        }
        match self.wake.follow(&self.files.folders()) {
            Some(why) => self.tell_clock(&why),
            None => Ok(()),
        }
    }

    /// Puts the modules that were saved in front of the queue.
    fn saved(&mut self, changes: &[Change], since: Instant) -> anyhow::Result<()> {
        for module in modules::TAUGHT {
            let is_watched = self.only.is_none_or(|only| only.name == module.name);
            let of_it = changes.iter().filter(|change| change.module == module.name);
            let of_it: Vec<&Change> = of_it.collect();
            let is_unchanged = of_it.iter().all(|change| change.what == What::SavedUnchanged);
            let runs = self.work.as_ref().is_some_and(|work| work.module == module.name);
            // Written twice with the same content: the grading that runs is of that content.
            if of_it.is_empty() || !is_watched || (is_unchanged && runs) {
                continue;
            }
            self.enqueue(module, &saved_files(&of_it), since)?;
        }
        Ok(())
    }

    fn ask_for(&mut self, module: &'static Module, why: &str) -> anyhow::Result<()> {
        let told = format!("exercises/{}, {why}", module.name);
        self.enqueue(module, &told, Instant::now())
    }

    /// The newest wish comes first, and what runs for another module goes on after it.
    fn enqueue(
        &mut self,
        module: &'static Module,
        told: &str,
        since: Instant,
    ) -> anyhow::Result<()> {
        let is_stopped = self.work.is_some() && !self.is_told;
        let stopped = if is_stopped { " · the grading that ran is stopped" } else { "" };
        self.screen.print("")?;
        self.screen.announce(&format!("{told}{stopped} · building…"))?;
        if is_stopped {
            drop(self.put_off_work());
        }
        self.work = None;
        self.queue.retain(|(queued, _)| queued.name != module.name);
        self.queue.push_front((module, since));
        if self.current.name != module.name {
            self.current = module;
            self.verdict = None;
        }
        Ok(())
    }

    /// Ends the work that runs and puts it in front of the queue.
    fn put_off_work(&mut self) -> Option<Work> {
        let work = self.work.take()?;
        if let Ok(module) = modules::find(work.module) {
            self.queue.push_front((module, work.since));
        }
        Some(work)
    }

    fn begin_next(&mut self) -> anyhow::Result<()> {
        if self.work.is_some() || self.stopping_until.is_some() {
            return Ok(());
        }
        let Some((module, since)) = self.queue.pop_front() else { return Ok(()) };
        self.numbers += 1;
        let (number, colour) = (self.numbers, self.screen.colour());
        match Work::begin(self.workspace, module, number, since, colour, &self.desk) {
            Ok(work) => {
                self.work = Some(work);
                self.is_told = false;
                self.state("building")
            }
            Err(error) => self.tell_error(&error.context(format!("grade {}", module.name))),
        }
    }

    fn show_state(&mut self) -> anyhow::Result<()> {
        if self.work.is_some() { Ok(()) } else { self.state("waiting") }
    }

    /// What is being done, and the keys.
    fn state(&mut self, state: &str) -> anyhow::Result<()> {
        // In the background the terminal is the shell's.
        if self.stopping_until.is_some() || !self.may_read() {
            return Ok(());
        }
        let dots = if self.work.is_some() { "…" } else { "" };
        Ok(self.screen.set_last_line(&format!("{KEYS}  {state}{dots}"))?)
    }

    fn hear(&mut self, news: News) -> anyhow::Result<()> {
        let current =
            |work: &Option<Work>, number| work.as_ref().map(|work| work.number) == Some(number);
        match news {
            News::Stage(number, stage) if current(&self.work, number) => self.state(&stage),
            News::Core(number, graded) if current(&self.work, number) => self.tell_core(graded),
            News::Done(number, graded) if current(&self.work, number) => {
                self.work = None;
                match graded {
                    Ok(Some(report)) => self.tell_rest(report),
                    Ok(None) => Ok(()),
                    Err(error) => self.tell_error(&error),
                }
            }
            // Of work that was ended.
            _ => Ok(()),
        }
    }

    /// Tells the verdict, which is that of the core checks, and keeps it.
    fn tell_core(&mut self, graded: Graded) -> anyhow::Result<()> {
        let Graded { report: module, seed, warnings } = graded;
        let took = self.work.as_ref().map_or(Duration::ZERO, |work| work.since.elapsed());
        if !warnings.is_empty() {
            self.screen.print(&warnings)?;
        }
        let report = Report { seed, modules: vec![module], error: None };
        self.screen.print(&verdict::text(&report, self.screen.colour(), self.source)?)?;
        if let Some(advice) = grade::shortage(&report) {
            self.screen.tell_labelled(STRONG, "help:", advice)?;
        }
        let Some(module) = report.modules.into_iter().next() else { return Ok(()) };
        if !module.core_passed() {
            self.screen.announce(&verdict::next_step(&module, self.source))?;
        }
        self.screen.print(&format!("graded in {:.2} s", took.as_secs_f64()))?;
        progress::keep(self.workspace, slice::from_ref(&module));
        self.is_told = true;
        self.note(module);
        Ok(())
    }

    /// Tells what the stretch checks showed: in full only where the core is done, and keeps it all.
    fn tell_rest(&mut self, module: ModuleReport) -> anyhow::Result<()> {
        if module.error.is_some() {
            return Ok(());
        }
        progress::keep(self.workspace, slice::from_ref(&module));
        if let Some(told) = verdict::rest(&module, self.screen.colour(), self.source)? {
            self.screen.print(&told)?;
        }
        if module.core_passed() {
            self.screen.announce(&verdict::next_step(&module, self.source))?;
        }
        self.note(module);
        Ok(())
    }

    /// Keeps the result in mind, for the keys that are about it.
    fn note(&mut self, module: ModuleReport) {
        if module.module == self.current.name {
            self.verdict = Some(module);
        }
    }

    fn tell_error(&mut self, error: &anyhow::Error) -> anyhow::Result<()> {
        let told = format!("{error:#}");
        self.screen.tell_labelled(BAD, "error:", &told)?;
        if let Some(advice) = advice::for_error(&told) {
            self.screen.tell_labelled(STRONG, "help:", advice)?;
        }
        Ok(self.screen.print("the watch goes on")?)
    }

    fn obey(&mut self, command: Command) -> anyhow::Result<()> {
        let name = self.current.name;
        match command {
            Command::Hint(check) => {
                let check = check.or_else(|| self.failed_check());
                self.run_own(&["hint", name], check.as_deref())
            }
            Command::Explain(check) => match check.or_else(|| self.failed_check()) {
                Some(check) => self.run_own(&["explain", name], Some(&check)),
                None => {
                    let why = match &self.verdict {
                        Some(verdict) if verdict.error.is_some() => "the program does not build",
                        Some(_) => "no check of it failed",
                        None => "there is no verdict on it yet",
                    };
                    Ok(self.screen.tell(&format!("{name}: nothing to explain, {why}"))?)
                }
            },
            Command::List => self.run_own(&["list"], None),
            Command::Again => self.ask_for(self.current, "again"),
            Command::Next => self.next(),
            Command::Suspend => self.suspend(),
            Command::Unknown(word) => {
                Ok(self.screen.tell(&format!("there is no command `{word}`: {LINES}"))?)
            }
            Command::Quit => Ok(()),
        }
    }

    /// The check that the last verdict tells in full.
    fn failed_check(&self) -> Option<String> {
        let verdict = self.verdict.as_ref().filter(|verdict| verdict.error.is_none())?;
        verdict.failures().first().map(|check| check.id.clone())
    }

    /// On to the next module that is not finished.
    fn next(&mut self) -> anyhow::Result<()> {
        let here = modules::TAUGHT.iter().position(|module| module.name == self.current.name);
        let after = here.map_or(0, |here| here + 1);
        let Some(module) = unfinished(self.workspace, after) else {
            return Ok(self.screen.print("every module is finished")?);
        };
        if module.name == self.current.name {
            let told = format!("{} is the only module that is not finished", module.name);
            return Ok(self.screen.tell(&told)?);
        }
        // Whoever changes back to another module's file means that one.
        self.only = None;
        // Whoever goes on has no use for the verdict on what is left behind.
        self.work = None;
        self.queue.clear();
        self.screen.print("")?;
        let handout = format!("exercises/{}/README.md", module.name);
        self.screen.announce(&format!(
            "next: {}; its handout is {handout}. A save in another module is graded as before.",
            module.name
        ))?;
        self.ask_for(module, "as it stands")
    }

    /// Runs another command of this runner and prints what it says.
    fn run_own(&mut self, arguments: &[&str], check: Option<&str>) -> anyhow::Result<()> {
        let mut command = own_command();
        command.args(arguments).args(check);
        if self.source == Source::Keys && arguments.first() == Some(&"hint") {
            command.arg("--by-key");
        }
        command.env("COLUMNS", terminal::columns().to_string());
        if self.screen.colour() {
            command.env("CLICOLOR_FORCE", "1");
        }
        let words: Vec<&str> = arguments.iter().copied().chain(check).collect();
        self.screen.print("")?;
        self.screen.announce(&words.join(" "))?;
        let output = command.stdin(Stdio::null()).output();
        let output = output.with_context(|| format!("run `cargo xtask {}`", words.join(" ")))?;
        if !output.stdout.is_empty() {
            self.screen.print(&String::from_utf8_lossy(&output.stdout))?;
        }
        // What it says beside that went to a pipe, where it is not filled.
        let beside = anstream::adapter::strip_bytes(&output.stderr).into_vec();
        for line in String::from_utf8_lossy(&beside).lines() {
            match line.strip_prefix("error: ") {
                Some(error) => self.screen.tell_labelled(BAD, "error:", error)?,
                None => self.screen.tell(line)?,
            }
        }
        Ok(())
    }

    /// Gives the terminal back and stops until the shell continues this process. A grading would
    /// take the pause for the program's silence: it is ended, and begun afresh afterwards.
    fn suspend(&mut self) -> anyhow::Result<()> {
        if let Some(work) = self.put_off_work() {
            // The thread that would end its programs is about to be stopped with all others.
            work.end();
        }
        self.screen.leave()?;
        keyboard::give_back();
        self.stopping_until = Some(Instant::now() + STOP_DELAY);
        kill_current_process_group(Signal::TSTP).context("stop")
    }

    /// Goes on after a stop, one of the watch's own or another's.
    fn resume(&mut self, was_stopped: bool) -> anyhow::Result<()> {
        drain(&mut self.bells.continued);
        self.stopping_until = None;
        if was_stopped {
            drop(self.put_off_work());
            if let Some(keyboard) = &self.keyboard {
                keyboard.lost();
            }
        }
        self.show_state()
    }
}

/// What poll(2) found.
struct Ready {
    news: bool,
    continued: bool,
    files: bool,
    input: bool,
}

impl Bells {
    /// The bells, and the end that rings the one for news.
    fn hang() -> io::Result<(Self, UnixStream)> {
        let (news, ring_news) = UnixStream::pair()?;
        let (continued, ring_continued) = UnixStream::pair()?;
        for end in [&news, &ring_news, &continued, &ring_continued] {
            end.set_nonblocking(true)?;
        }
        signal_hook::low_level::pipe::register(SIGCONT, ring_continued)?;
        signal_hook::low_level::pipe::register(SIGWINCH, ring_news.try_clone()?)?;
        Ok((Self { news, continued }, ring_news))
    }
}

/// Where commands come from, and with it whether there is a last line.
fn source() -> Source {
    let stdin = io::stdin();
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    if stdin.is_terminal() {
        return if io::stdout().is_terminal() && !is_dumb { Source::Keys } else { Source::Lines };
    }
    let kind =
        rustix::fs::fstat(&stdin).map(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode));
    match kind {
        Ok(rustix::fs::FileType::Fifo | rustix::fs::FileType::Socket) => Source::Lines,
        _ => Source::Nothing,
    }
}

/// This runner again; also right when a build has replaced its file since it was started.
fn own_command() -> std::process::Command {
    let file = if cfg!(target_os = "linux") {
        "/proc/self/exe".into()
    } else {
        std::env::current_exe().unwrap_or_else(|_| "xtask".into())
    };
    let mut command = std::process::Command::new(file);
    // Not in the terminal's foreground: Ctrl-Z is meant for the watch.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command
}

/// The first module from `from` on, round the end, that is not finished.
fn unfinished(workspace: &Workspace, from: usize) -> Option<&'static Module> {
    let progress = progress::read(workspace);
    let is_open = |module: &&Module| {
        let manifest = workspace.manifest(module.name).ok();
        let standing = manifest.and_then(|manifest| progress.standing(&manifest));
        !standing.is_some_and(|standing| standing.is_done)
    };
    let taught = modules::TAUGHT;
    taught.iter().cycle().skip(from).take(taught.len()).find(is_open)
}

/// "saved exercises/tcp-echo/src/main.rs and 2 more files".
fn saved_files(changes: &[&Change]) -> String {
    let removed = changes.iter().all(|change| change.what == What::Removed);
    let verb = if removed { "removed" } else { "saved" };
    let first = changes.iter().find(|change| removed || change.what != What::Removed);
    let first = first.map_or_else(String::new, |change| change.path.display().to_string());
    match changes.len() {
        0 | 1 => format!("{verb} {first}"),
        2 => format!("{verb} {first} and 1 more file"),
        count => format!("{verb} {first} and {} more files", count - 1),
    }
}

fn drain(bell: &mut UnixStream) {
    let mut buffer = [0; 256];
    while bell.read(&mut buffer).is_ok_and(|count| count > 0) {}
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
