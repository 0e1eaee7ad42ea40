//! file-transfer against socat: the same file from one file to another through a socket.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::rival::{Comparison, Measure, Rival, Unit};
use super::server::{Announces, Server};
use super::yard::Yard;

/// How many MiB the file has.
const FILE_MEBIBYTES: u32 = 1024;
/// How long one transfer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The file that is sent.
const SOURCE: &str = "source.bin";
/// The name under which it arrives.
const COPY: &str = "copy.bin";

impl Yard {
    /// How fast a file is put: from the client's start until it has arrived and all is done.
    pub fn file_transfer(&self, runs: u32) -> anyhow::Result<Comparison> {
        let program = self.release_of("file-transfer")?;
        let folder = self.folder.path().join("files");
        let store = folder.join("store");
        fs_err::create_dir_all(&store)?;
        write_source(&folder.join(SOURCE))?;
        let mut serve = Command::new(&program);
        serve.args(["serve", "127.0.0.1:0"]).arg(&store);
        let (_server, address) = Server::start(&mut serve, Announces::Stdout)?;
        let put = || {
            let mut client = Command::new(&program);
            client.arg("put").arg(address.to_string()).args([SOURCE, COPY]).current_dir(&folder);
            let began = Instant::now();
            run_quietly(&mut client)?.finish(began + PATIENCE)?;
            speed(began, &store.join(COPY))
        };
        let comparison = Comparison::measure(
            "file-transfer, put 1 GiB",
            Unit::Mebibytes,
            runs,
            || put().context("file-transfer put"),
            vec![
                Rival::new("socat", Ok(socat(folder.clone(), &[]))),
                // With the buffer of the solution instead of its own 8 KiB.
                Rival::new("socat -b262144", Ok(socat(folder.clone(), &["-b262144"]))),
            ],
        )?;
        // The parts that follow may need the room.
        fs_err::remove_dir_all(&folder)?;
        Ok(comparison)
    }
}

/// The file's bytes are really there, and no two blocks are the same.
fn write_source(path: &Path) -> anyhow::Result<()> {
    let mut file = fs_err::File::create(path)?;
    let mut block = vec![b's'; 1 << 20];
    for number in 0..FILE_MEBIBYTES {
        block[..4].copy_from_slice(&number.to_be_bytes());
        file.write_all(&block)?;
    }
    Ok(())
}

/// Both ends are socat. Their paths are names only: in its addresses `,` and `:` mean something.
fn socat(folder: PathBuf, options: &'static [&'static str]) -> Measure<'static> {
    let socat = move |addresses: [&str; 2]| {
        let mut command = Command::new("socat");
        command.args(["-d", "-d", "-u"]).args(options).args(addresses).current_dir(&folder);
        (command, folder.join(COPY))
    };
    Box::new(move || {
        let create = format!("CREATE:{COPY}");
        let (mut receive, copy) = socat(["TCP4-LISTEN:0,bind=127.0.0.1", &create]);
        let (mut receiver, address) = Server::start(&mut receive, Announces::Stderr)?;
        let (mut send, _) = socat([&format!("FILE:{SOURCE}"), &format!("TCP4:{address}")]);
        let began = Instant::now();
        let mut sender = run_quietly(&mut send)?;
        receiver.finish(began + PATIENCE)?;
        sender.finish(began + PATIENCE)?;
        speed(began, &copy)
    })
}

fn run_quietly(command: &mut Command) -> anyhow::Result<Server> {
    Server::spawn(command.stdout(Stdio::null()).stderr(Stdio::null()))
}

/// The speed in MiB a second, once the copy is seen to be whole. It is removed: the next run makes
/// a new file too, and what was not yet on the disk need not go there.
fn speed(began: Instant, copy: &Path) -> anyhow::Result<f64> {
    let took = began.elapsed();
    let bytes = fs_err::metadata(copy)?.len();
    ensure!(bytes == u64::from(FILE_MEBIBYTES) << 20, "{bytes} bytes arrived");
    fs_err::remove_file(copy)?;
    Ok(f64::from(FILE_MEBIBYTES) / took.as_secs_f64())
}
