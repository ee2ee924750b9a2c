//! The image on QEMU without KVM and on Bochs, where they are installed.
//!
//! Both run under `timeout` of the GNU core utilities, which ends them if the guest does
//! not; files are in the build directory.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::toolchain::{BuildError, Built};

/// Seconds after which a peer is ended, and killed five later.
const SECONDS: &str = "300";

/// Why a peer has no results.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// It is not installed.
    #[error("{0} is not installed")]
    Missing(&'static str),
    /// It could not be started.
    #[error("{name}: {source}")]
    Start {
        /// The program.
        name: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// Its files.
    #[error("{0}")]
    Files(#[from] BuildError),
    /// Its configuration or output.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// What a peer did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRun {
    /// Its name and version.
    pub version: String,
    /// What the image sent to the serial port.
    pub output: String,
    /// How it ended, if not as the image asked for.
    pub trouble: Option<String>,
}

fn start(name: &'static str, arguments: &[&str], directory: &Path) -> Result<Output, PeerError> {
    let run = Command::new("timeout")
        .args(["-k", "5", SECONDS, name])
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| PeerError::Start { name, source })?;
    // As timeout says that there is no such program.
    if run.status.code() == Some(127) { Err(PeerError::Missing(name)) } else { Ok(run) }
}

/// What an exit status means, if it is not one of a guest that came to its end.
fn trouble(output: &Output, of_guests: &[i32]) -> Option<String> {
    match output.status.code() {
        Some(code) if of_guests.contains(&code) => None,
        Some(124 | 137) => Some(format!("no end within {SECONDS} seconds")),
        _ => Some(format!("it ended with {}", output.status)),
    }
}

fn first_line_with(text: &[u8], word: &str) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    text.lines().map(str::trim).find(|line| line.contains(word)).map(str::to_owned)
}

/// QEMU's own translator.
///
/// # Errors
/// If it is not installed or cannot be started.
pub fn qemu(built: &Built, cpus: usize, command_line: &str) -> Result<PeerRun, PeerError> {
    const NAME: &str = "qemu-system-x86_64";
    let version = start(NAME, &["--version"], built.directory())?;
    let version = first_line_with(&version.stdout, "version").unwrap_or_else(|| "QEMU".to_owned());
    let cpus = cpus.to_string();
    let output = start(
        NAME,
        &[
            "-cpu",
            "max",
            "-kernel",
            "ring0.elf32",
            "-append",
            command_line,
            "-smp",
            &cpus,
            "-serial",
            "stdio",
            "-display",
            "none",
            "-device",
            "isa-debug-exit,iobase=0xf4,iosize=4",
            "-no-reboot",
        ],
        built.directory(),
    )?;
    Ok(PeerRun {
        version: version.replace("QEMU emulator version", "QEMU"),
        trouble: trouble(&output, &[1, 3]),
        output: String::from_utf8_lossy(&output.stdout).into_owned(),
    })
}

/// Bochs, whose Debian build needs a debugger's `continue`, and no sound and no speaker.
///
/// # Errors
/// If it is not installed, cannot be started, or its files cannot be written.
pub fn bochs(built: &Built, cpus: usize, command_line: &str) -> Result<PeerRun, PeerError> {
    let directory = built.directory();
    let disk = built.write_disk(command_line)?;
    fs::write(directory.join("bochs.continue"), "continue\n")?;
    fs::write(directory.join("bochs.rc"), configuration(cpus, disk.cylinders))?;
    let serial = directory.join("bochs.serial");
    for left_over in [&serial, &directory.join("ring0.disk.lock")] {
        match fs::remove_file(left_over) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
    }
    let arguments = ["-q", "-f", "bochs.rc", "-rc", "bochs.continue"];
    let output = start("bochs", &arguments, directory)?;
    let version = first_line_with(&output.stdout, "Bochs x86 Emulator");
    // Its exit status is 1 after a guest's own shutdown too.
    let text = match fs::read(&serial) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error.into()),
    };
    Ok(PeerRun {
        version: version.unwrap_or_else(|| "Bochs".to_owned()).replace("x86 Emulator ", ""),
        trouble: trouble(&output, &[0, 1]),
        output: text,
    })
}

fn configuration(cpus: usize, cylinders: usize) -> String {
    format!(
        "display_library: rfb, options=\"timeout=0\"\n\
         romimage: file=/usr/share/bochs/BIOS-bochs-latest\n\
         vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest\n\
         megs: 128\n\
         cpu: model=corei7_haswell_4770, count={cpus}, ips=8000000, reset_on_triple_fault=0\n\
         ata0: enabled=1\n\
         ata0-master: type=disk, path=ring0.disk, mode=flat, cylinders={cylinders}, heads=16, \
         spt=63\n\
         boot: disk\n\
         com1: enabled=1, mode=file, dev=bochs.serial\n\
         sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy\n\
         speaker: enabled=0\n\
         clock: sync=none\n\
         log: bochs.log\n\
         panic: action=fatal\n\
         error: action=report\n"
    )
}
