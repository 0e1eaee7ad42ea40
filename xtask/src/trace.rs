//! `cargo xtask trace`: the packets of one's own program, handshake to close, as a ladder.
//!
//! The program runs on one host of the lab and its peer on another; the switch between them sees
//! every packet. What is traced is a module's plain conversation or one of its checks.

mod draw;
mod picture;
mod scenes;
mod story;
mod tcp;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::Args;
use grader::failure::Stop;
use grader::ladder::Style;
use grader::module::{Module, Target};
use grader::page::Page;
use grader::stage::{self, Traced};
use grader::{Check, CheckFn, Verdict};
use sandbox::Sandbox;

use crate::grade::{self, DEFAULT_DEADLINE_MS};
use crate::hint::manifest_check;
use crate::output::{self, ResultFile};
use crate::terminal::{self, Progress};
use crate::workspace::{Owner, Workspace};
use scenes::{SCENES, Scene};
use story::Story;

/// See the packets of your own program, from the handshake to the close.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The module; without one, that in whose folder you stand.
    #[arg(value_name = "MODULE")]
    module: Option<String>,
    /// Trace this check instead of the module's plain conversation.
    #[arg(value_name = "CHECK")]
    check: Option<String>,
    /// Trace the reference solution.
    #[arg(long, conflicts_with = "program")]
    solutions: bool,
    /// Trace this executable, in whatever language it is written.
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
    /// Write the packets to this file, for Wireshark or tshark (pcapng).
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// Write the ladder to this file as a picture (SVG).
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// The seed of random input and of what the wires lose, as an earlier trace printed it.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

/// What is to be traced.
struct Subject {
    module: &'static Module,
    /// The check, if it is one.
    check: Option<String>,
    title: String,
    play: CheckFn,
    seed: u64,
}

/// Runs the command. The status is 0 if the conversation went as it should, 1 if not.
///
/// # Errors
///
/// Wrong usage, a program that does not build, or a machine on which there is no lab.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find()?;
    let subject = choose(&workspace, arguments)?;
    let pcap = arguments.pcap.as_deref().map(ResultFile::prepare).transpose()?;
    let svg = arguments.svg.as_deref().map(ResultFile::prepare).transpose()?;
    let target = target(&workspace, arguments, subject.module)?;
    let sandbox = grade::start_sandbox()?;
    let (subject, traced) = watch(&sandbox, subject, &target, arguments.seed)?;
    drop(sandbox);
    if traced.overruns > 0 {
        bail!(
            "the machine was too busy: {} packets were lost by the lab itself; run it again when \
             less is going on",
            traced.overruns
        );
    }
    let story = Story::of(&traced);
    if let Some(file) = pcap {
        let mut bytes = Vec::new();
        traced.capture.write_pcapng(&mut bytes)?;
        file.write(&bytes)?;
    }
    let heading = heading(&subject, &target);
    if let Some(file) = svg {
        file.write(picture::draw(&story, &heading).as_bytes())?;
    }
    output::print(tell(arguments, &subject, &heading, &story, &traced).as_bytes())?;
    Ok(if traced.verdict.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn choose(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<Subject> {
    let module = workspace.one_module(arguments.module.as_deref(), "trace")?;
    let Some(id) = &arguments.check else {
        return Ok(plain(module, arguments.seed));
    };
    let manifest = workspace.manifest(module.name)?;
    let check = manifest_check(&manifest, id)?;
    let Some((_, play)) = module.checks.iter().find(|(known, _)| known == id) else {
        bail!("the check {id} of {} has no function", module.name);
    };
    Ok(Subject {
        module,
        check: Some(id.clone()),
        title: format!("the check {id}: {}", check.title),
        play: *play,
        seed: arguments.seed.unwrap_or_else(grade::random_seed),
    })
}

/// The plain conversation of a module.
fn plain(module: &'static Module, seed: Option<u64>) -> Subject {
    let scene = scene_of(module);
    let seed = seed.unwrap_or(scene.seed);
    Subject { module, check: None, title: scene.about.to_owned(), play: scene.play, seed }
}

fn scene_of(module: &Module) -> &'static Scene {
    let scene = SCENES.iter().find(|scene| scene.module == module.name);
    scene.unwrap_or_else(|| panic!("{} has no scene", module.name))
}

fn target(
    workspace: &Workspace,
    arguments: &Arguments,
    module: &'static Module,
) -> anyhow::Result<Target> {
    if let Some(path) = &arguments.program {
        return grade::program_at(path, &format!("trace {}", module.name));
    }
    let owner = if arguments.solutions { Owner::Reference } else { Owner::Learner };
    let built = grade::build_one(workspace, module.name, owner)?;
    built.map_err(|errors| {
        let shown = format!("{}/{}", owner.folder(), module.name);
        anyhow!("{shown} does not build, so there is nothing to trace:\n{}", errors.trim_end())
    })
}

/// Plays the conversation; of a check that cannot be moved to the lab the module's plain one, which
/// is said.
fn watch(
    sandbox: &Sandbox,
    subject: Subject,
    target: &Target,
    seed: Option<u64>,
) -> anyhow::Result<(Subject, Traced)> {
    let traced = play(sandbox, &subject, target)?;
    let Some(check) = &subject.check else {
        return match traced.verdict {
            Err(Stop::Unsupported(why)) => bail!("this cannot be traced here: {why}"),
            _ => Ok((subject, traced)),
        };
    };
    let why = match &traced.verdict {
        Err(Stop::Unsupported(why)) => format!("cannot be traced: {why}"),
        _ if traced.capture.packets.is_empty() => "has brought about no packet".to_owned(),
        _ => return Ok((subject, traced)),
    };
    terminal::note(&format!("{check} {why}. This is the module's plain conversation:"));
    watch(sandbox, plain(subject.module, seed), target, None)
}

fn play(sandbox: &Sandbox, subject: &Subject, target: &Target) -> anyhow::Result<Traced> {
    let _progress = Progress::begin(format!("tracing {}", subject.module.name));
    let id = subject.check.as_deref().unwrap_or("plain");
    let deadline = Duration::from_millis(DEFAULT_DEADLINE_MS);
    let scene = stage::Scene { target, id, seed: subject.seed, deadline };
    let function = subject.play;
    match stage::trace(&scene, sandbox, |check: &mut Check| -> Verdict { function(check) }) {
        Ok(traced) => match traced.verdict {
            Err(Stop::Error(error)) => Err(error.context("the trace itself failed")),
            _ => Ok(traced),
        },
        Err(Stop::Unsupported(why)) => Err(anyhow!("a trace needs the lab. {}", capital(&why))),
        Err(Stop::Failed(failure)) => Err(anyhow!("the trace did not begin: {}", failure.got)),
        Err(Stop::Error(error)) => Err(error.context("the trace itself failed")),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

fn heading(subject: &Subject, target: &Target) -> String {
    format!("{}, {}", target.shown_as, subject.title)
}

/// What the terminal shows.
fn tell(
    arguments: &Arguments,
    subject: &Subject,
    heading: &str,
    story: &Story,
    traced: &Traced,
) -> String {
    let options = terminal::text_options(terminal::stdout_colours());
    let style =
        Style { columns: options.columns, unicode: options.unicode, colour: options.colour };
    let mut page = Page::new(&options);
    page.heading(0, heading);
    page.blank();
    let mut told = page.text().to_owned();
    told.push_str(&draw::draw(story, &style));
    let mut page = Page::new(&options);
    page.blank();
    for sentence in words::closing(story) {
        page.prose(0, &sentence);
    }
    let id = subject.check.as_deref();
    page.prose(0, "To see it again:");
    // On a line of its own, so that it can be copied.
    page.line(&again(arguments, subject));
    if let Err(Stop::Failed(failure)) = &traced.verdict {
        page.blank();
        page.heading(0, &words::failed(id));
        page.heading(2, grader::wording::EXPECTED);
        page.block(4, &failure.expected);
        page.heading(2, grader::wording::GOT);
        page.block(4, &failure.got);
    }
    told.push_str(page.text());
    told
}

/// How the same is seen again.
fn again(arguments: &Arguments, subject: &Subject) -> String {
    let name = subject.module.name;
    let check = subject.check.as_deref().map(|check| format!(" {check}")).unwrap_or_default();
    let whose = match &arguments.program {
        Some(path) => format!(" --program {}", path.display()),
        None if arguments.solutions => " --solutions".to_owned(),
        None => String::new(),
    };
    let seed = subject.seed;
    format!("  cargo xtask trace {name}{check}{whose} --seed {seed}")
}

#[cfg(test)]
mod tests {
    use super::{SCENES, scene_of};
    use crate::modules::TAUGHT;

    #[test]
    fn each_module_has_one_scene() {
        for module in TAUGHT {
            assert_eq!(scene_of(module).module, module.name);
        }
        assert_eq!(SCENES.len(), TAUGHT.len());
    }
}
