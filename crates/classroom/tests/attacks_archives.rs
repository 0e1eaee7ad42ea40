//! Archives and folders that mean no good. Layer: everywhere, since nothing is ever extracted.

use std::fs;
use std::io::{Cursor, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use classroom::batch::files::{Source, Taken, take};
use flate2::Compression;
use flate2::write::GzEncoder;
use zip::write::SimpleFileOptions;

/// The one file that every submission here has rightly.
const MAIN: &str = "work/src/main.rs";
const SOURCE: &[u8] = b"fn main() {}\n";

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::Builder::new().prefix("archives-").tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A tar archive with the right file and what `more` adds, in both forms.
    fn tar(&self, more: impl Fn(&mut tar::Builder<Vec<u8>>)) -> [Source; 2] {
        let mut archive = tar::Builder::new(Vec::new());
        add(&mut archive, MAIN, tar::EntryType::Regular, SOURCE);
        more(&mut archive);
        let bytes = archive.into_inner().expect("an archive");
        fs::write(self.path("one.tar"), &bytes).expect("written");
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&bytes).expect("packed");
        fs::write(self.path("one.tar.gz"), packed.finish().expect("packed")).expect("written");
        [Source::Tar(self.path("one.tar")), Source::TarGz(self.path("one.tar.gz"))]
    }

    /// A zip archive with the right file and what `more` adds.
    fn zip(&self, more: impl Fn(&mut zip::ZipWriter<Cursor<Vec<u8>>>)) -> Source {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        archive.start_file(MAIN, SimpleFileOptions::default()).expect("begun");
        archive.write_all(SOURCE).expect("written");
        more(&mut archive);
        let bytes = archive.finish().expect("an archive").into_inner();
        fs::write(self.path("one.zip"), bytes).expect("written");
        Source::Zip(self.path("one.zip"))
    }

    /// Nothing was written beside what the test wrote itself.
    fn is_untouched(&self, expected: &[&str]) {
        let mut names: Vec<String> = fs::read_dir(self.0.path())
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        assert_eq!(names, expected);
    }
}

/// Adds an entry under exactly this name, which the library's own functions would refuse.
fn add(archive: &mut tar::Builder<Vec<u8>>, name: &str, kind: tar::EntryType, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    let field = &mut header.as_old_mut().name;
    field[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    if kind.is_symlink() || kind.is_hard_link() {
        header.set_link_name("/etc/shadow").expect("a name");
    }
    header.set_cksum();
    archive.append(&header, content).expect("added");
}

fn taken(source: &Source) -> Taken {
    take(source, &["tcp-echo".to_owned()]).expect("it can be read")
}

/// The right file was taken and nothing else, and the notes say these words.
fn only_the_right_file(taken: &Taken, words: &[&str]) {
    assert_eq!(taken.refused, None, "{:?}", taken.notes);
    let files = &taken.modules["tcp-echo"];
    assert_eq!(files.keys().collect::<Vec<_>>(), ["src/main.rs"], "{:?}", taken.notes);
    assert_eq!(files["src/main.rs"], SOURCE);
    let notes = taken.notes.join("\n");
    for word in words {
        assert!(notes.contains(word), "{word:?} is not in: {notes}");
    }
}

fn refused(taken: &Taken, words: &str) {
    assert!(taken.modules.is_empty());
    let why = taken.refused.as_deref().unwrap_or("it was not refused");
    assert!(why.contains(words), "{why}");
    assert!(taken.notes.iter().any(|note| note.contains(words)), "{:?}", taken.notes);
}

#[test]
fn paths_that_lead_out_are_left_out() {
    let desk = Desk::new();
    let names =
        ["../../src/evil.rs", "work/src/../../../evil.rs", "/src/evil.rs", "C:/src/evil.rs"];
    for source in desk.tar(|archive| {
        for name in names {
            add(archive, name, tar::EntryType::Regular, b"evil");
        }
    }) {
        only_the_right_file(&taken(&source), &["a path that leads out", "an absolute path"]);
    }
    let source = desk.zip(|archive| {
        for name in names.into_iter().chain(["..\\..\\src\\evil.rs"]) {
            archive.start_file(name, SimpleFileOptions::default()).expect("begun");
        }
    });
    only_the_right_file(&taken(&source), &["a path that leads out", "an absolute path"]);
    desk.is_untouched(&["one.tar", "one.tar.gz", "one.zip"]);
}

#[test]
fn links_and_special_files_are_left_out() {
    let desk = Desk::new();
    for source in desk.tar(|archive| {
        add(archive, "work/src/symbolic.rs", tar::EntryType::Symlink, b"");
        add(archive, "work/src/hard.rs", tar::EntryType::Link, b"");
        add(archive, "work/src/fifo.rs", tar::EntryType::Fifo, b"");
        add(archive, "work/src/device.rs", tar::EntryType::Char, b"");
    }) {
        let words = ["a symbolic link", "a hard link", "a FIFO", "a device"];
        only_the_right_file(&taken(&source), &words);
    }
    let source = desk.zip(|archive| {
        let options = SimpleFileOptions::default();
        archive.add_symlink("work/src/symbolic.rs", "/etc/shadow", options).expect("added");
    });
    only_the_right_file(&taken(&source), &["a symbolic link"]);
}

#[test]
fn links_and_special_files_in_a_folder_are_left_out() {
    let desk = Desk::new();
    let folder = desk.path("one");
    fs::create_dir_all(folder.join("work/src")).expect("made");
    fs::write(folder.join(MAIN), SOURCE).expect("written");
    symlink("/etc/shadow", folder.join("work/src/symbolic.rs")).expect("linked");
    symlink("/etc", folder.join("work/src/etc")).expect("linked");
    symlink("..", folder.join("loop")).expect("linked");
    // Reading it would wait for a writer without end.
    let fifo = folder.join("work/src/fifo.rs");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o644.into(), 0)
        .expect("made");
    let taken = taken(&Source::Folder(folder));
    only_the_right_file(&taken, &["a symbolic link", "a FIFO"]);
}

#[test]
fn bombs_are_refused() {
    let desk = Desk::new();
    // Zeros, which gzip makes a thousandth of.
    let zeros = vec![0; 40 << 20];
    let [_, packed] =
        desk.tar(|archive| add(archive, "work/zeros", tar::EntryType::Regular, &zeros));
    refused(&taken(&packed), "unpacks to more than 200 times its size");
    // The same as a source file: it is larger than any source.
    let source = desk.zip(|archive| {
        archive.start_file("work/src/zeros.rs", SimpleFileOptions::default()).expect("begun");
        archive.write_all(&zeros).expect("written");
    });
    only_the_right_file(&taken(&source), &["larger than 1 MiB"]);
}

#[test]
fn too_much_source_is_refused() {
    let desk = Desk::new();
    let large = vec![b' '; 1 << 20];
    for source in desk.tar(|archive| {
        for number in 0..9 {
            let name = format!("work/src/large{number}.rs");
            add(archive, &name, tar::EntryType::Regular, &large);
        }
    }) {
        refused(&taken(&source), "its source files exceed 8 MiB");
    }
    let source = desk.zip(|archive| {
        for number in 0..600 {
            let name = format!("work/src/f{number}.rs");
            archive.start_file(name, SimpleFileOptions::default()).expect("begun");
        }
    });
    refused(&taken(&source), "more than 500 source files");
}

#[test]
fn more_than_fifty_thousand_entries_are_refused() {
    let desk = Desk::new();
    for source in desk.tar(|archive| {
        for number in 0..50_001 {
            add(archive, &format!("f{number}"), tar::EntryType::Regular, b"");
        }
    }) {
        refused(&taken(&source), "more than 50000 files and folders");
    }
    // A zip archive says in its last record how many there are.
    let source = desk.zip(|_| {});
    let mut bytes = fs::read(source.path()).expect("read");
    let record = bytes.len() - 22;
    bytes[record + 8..record + 12].copy_from_slice(&[0x60, 0xea, 0x60, 0xea]);
    fs::write(source.path(), &bytes).expect("written");
    refused(&taken(&source), "more than 50000 files and folders");
    bytes[record + 8..record + 12].copy_from_slice(&[0xff; 4]);
    fs::write(source.path(), &bytes).expect("written");
    refused(&taken(&source), "more than 50000 files and folders");
}

#[test]
fn names_that_differ_in_case_only_are_one() {
    let desk = Desk::new();
    for source in desk.tar(|archive| {
        add(archive, "work/src/MAIN.rs", tar::EntryType::Regular, b"evil");
        add(archive, "work/SRC/main.rs", tar::EntryType::Regular, b"evil");
        add(archive, "work/src/main.rs", tar::EntryType::Regular, b"evil");
    }) {
        let words = ["differs from another's in case only", "a second file of that name"];
        only_the_right_file(&taken(&source), &words);
    }
}

#[test]
fn names_with_control_characters_are_left_out() {
    let desk = Desk::new();
    for source in desk.tar(|archive| {
        add(archive, "work/src/\u{1b}[2J.rs", tar::EntryType::Regular, b"evil");
        add(archive, "work/src/new\nline.rs", tar::EntryType::Regular, b"evil");
    }) {
        let taken = taken(&source);
        only_the_right_file(&taken, &["control characters", "\\u{1b}[2J.rs", "new\\nline.rs"]);
        assert!(!taken.notes.join("").contains(char::is_control));
    }
}

/// An entry that describes the next one's name may be of any length.
#[test]
fn long_names_take_no_memory() {
    let desk = Desk::new();
    let long = vec![b'a'; 32 << 20];
    for source in desk.tar(|archive| {
        add(archive, "././@LongLink", tar::EntryType::GNULongName, &long);
        add(archive, "work/src/after.rs", tar::EntryType::Regular, b"evil");
    }) {
        let taken = taken(&source);
        let words = if matches!(source, Source::Tar(_)) { "too long a path" } else { "200 times" };
        assert!(taken.notes.join("\n").contains(words), "{:?}", taken.notes);
    }
}

#[test]
fn damaged_archives_are_refused() {
    let desk = Desk::new();
    let [tar, packed] = desk.tar(|_| {});
    let zip = desk.zip(|_| {});
    for source in [&packed, &zip] {
        let bytes = fs::read(source.path()).expect("read");
        fs::write(source.path(), &bytes[..bytes.len() / 2]).expect("written");
        refused(&taken(source), "cannot be read as an archive");
        fs::write(source.path(), "this is no archive at all").expect("written");
        refused(&taken(source), "cannot be read as an archive");
    }
    fs::write(tar.path(), vec![b'x'; 4096]).expect("written");
    refused(&taken(&tar), "cannot be read as an archive");
}

#[test]
fn only_sources_are_taken() {
    let desk = Desk::new();
    for source in desk.tar(|archive| {
        for name in [
            "work/build.rs",
            "work/.cargo/config.toml",
            "work/Cargo.toml",
            "work/src/data.bin",
            "work/tests/src/x.txt",
            "work/target/debug/build/src/generated.rs",
            "work/vendor/other/src/main.rs",
            ".git/src/main.rs",
            "solutions/tcp-echo/src/main.rs",
        ] {
            add(archive, name, tar::EntryType::Regular, b"evil");
        }
    }) {
        only_the_right_file(&taken(&source), &[]);
    }
}

#[test]
fn the_best_place_is_taken() {
    let desk = Desk::new();
    let [source, _] = desk.tar(|archive| {
        add(archive, "a/src/main.rs", tar::EntryType::Regular, b"deep");
        add(archive, "x/tcp-echo/src/main.rs", tar::EntryType::Regular, b"named");
        add(archive, "x/exercises/tcp-echo/src/main.rs", tar::EntryType::Regular, b"course");
        add(archive, "x/exercises/tcp-echo/src/deep/er.rs", tar::EntryType::Regular, b"module");
        add(archive, "x/exercises/udp-echo/src/main.rs", tar::EntryType::Regular, b"other");
    });
    let one = taken(&source);
    let files = &one.modules["tcp-echo"];
    assert_eq!(files["src/main.rs"], b"course");
    assert_eq!(files["src/deep/er.rs"], b"module");
    let modules = ["tcp-echo", "udp-echo", "broadcast"].map(str::to_owned);
    let several = take(&source, &modules).expect("it can be read");
    assert_eq!(several.modules["udp-echo"]["src/main.rs"], b"other");
    assert!(!several.modules.contains_key("broadcast"));
    assert_ne!(one.hash(), several.hash());
    // What was handed in for another module is not taken for this one.
    let [source, _] = desk.tar(|archive| {
        add(archive, "a/udp-echo/src/main.rs", tar::EntryType::Regular, b"other");
    });
    let none = take(&source, &["broadcast".to_owned()]).expect("it can be read");
    assert_eq!(none.modules["broadcast"]["src/main.rs"], SOURCE);
}

#[test]
fn an_archive_in_a_folder_is_looked_into() {
    let desk = Desk::new();
    let source = desk.zip(|_| {});
    let folder = desk.path("Ada_1_assignsubmission_file_");
    fs::create_dir(&folder).expect("made");
    fs::rename(source.path(), folder.join("homework.zip")).expect("moved");
    only_the_right_file(&taken(&Source::Folder(folder.clone())), &[]);
    fs::write(folder.join("later.tar"), "x").expect("written");
    only_the_right_file(&taken(&Source::Folder(folder)), &["another archive"]);
}

#[test]
fn a_folder_that_cannot_be_read_is_the_machines_fault() {
    let told = take(&Source::Folder(Path::new("/no/such/folder").into()), &["tcp-echo".to_owned()]);
    assert!(told.is_err_and(|error| format!("{error:#}").contains("/no/such/folder")));
}
