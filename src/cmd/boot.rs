//! `dr7 boot`: an image on a bare machine, its serial port, its end.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use emulator::bare::{BareConfig, BareConfigError, BareEnding, BareMachine};
use emulator::boot::{BootImage, BootInputs, BootModule, ImageError, PlaceError};
use emulator::regs::{Segment, SegmentReg};

use super::{CommandError, Outcome};
use crate::cli::boot::{BootArgs, Serial};
use crate::output_file::OutputFile;
use crate::report::Streams;

/// How a guest ended its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BareEnd {
    /// It wrote this value to the debug-exit port.
    DebugExit(u32),
    /// It turned the power off, or reset the machine.
    Ended,
    /// A processor shut down.
    TripleFault,
    /// All processors wait, and nothing will come.
    HaltedForEver,
    /// A processor delivers exceptions without end.
    Livelock,
    /// It did not end before the limit.
    Limit,
}

/// Why an image could not be run.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The image or a module is not there.
    #[error("{}: cannot read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The image is none.
    #[error("{}: {source}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: ImageError,
    },
    /// The image does not fit into the machine.
    #[error("{}: {source}", path.display())]
    Place {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        source: PlaceError,
    },
    /// There is no such machine.
    #[error("{0}")]
    Config(#[from] BareConfigError),
    /// The file for the serial port's output.
    #[error("--serial {}: {source}", path.display())]
    Serial {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Standard input, for the serial port.
    #[error("standard input: {0}")]
    Input(#[source] io::Error),
    /// The machine could not go on.
    #[error("{}: {ending}{states}", path.display())]
    Stopped {
        /// The image.
        path: PathBuf,
        /// What it met.
        ending: BareEnding,
        /// Where the processors are.
        states: CpuStates,
    },
}

/// Where processors are, a line for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuStates(Vec<CpuState>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CpuState {
    code: Segment,
    rip: u64,
    cr2: u64,
    icount: u64,
    what: Doing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Running,
    Halted,
    WaitingForStartup,
}

impl CpuStates {
    fn of(machine: &BareMachine) -> Self {
        let machine = machine.machine();
        let states = (0..machine.nr_cpus()).map(|index| {
            let cpu = machine.cpu(index);
            let what = match (cpu.waits_for_startup(), cpu.is_halted()) {
                (true, _) => Doing::WaitingForStartup,
                (false, true) => Doing::Halted,
                (false, false) => Doing::Running,
            };
            let code = cpu.regs.seg[SegmentReg::Cs as usize];
            CpuState {
                code,
                rip: cpu.regs.rip,
                cr2: cpu.regs.control.cr2,
                icount: cpu.icount(),
                what,
            }
        });
        Self(states.collect())
    }
}

impl fmt::Display for CpuStates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (CpuState { code, rip, cr2, icount, what }, index) in self.0.iter().zip(0..) {
            write!(f, "\n  CPU {index}: ")?;
            let at = Place { code: *code, rip: *rip };
            match what {
                Doing::WaitingForStartup => f.write_str("waits for a start-up message")?,
                Doing::Halted => write!(f, "halted, RIP {at}")?,
                Doing::Running => write!(f, "RIP {at}, CR2 {cr2:#x}")?,
            }
            write!(f, ", {icount} instructions")?;
        }
        Ok(())
    }
}

/// RIP, with the selector of a code segment that does not begin at 0.
struct Place {
    code: Segment,
    rip: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.code.base != 0 {
            write!(f, "{:#x}:", self.code.selector)?;
        }
        write!(f, "{:#x}", self.rip)
    }
}

pub(super) fn boot(
    args: &BootArgs,
    stdin: impl Read,
    streams: Streams<'_>,
) -> Result<Outcome, CommandError> {
    let path = args.image();
    let mut machine = make_machine(args)?;
    let file = read(&path)?;
    let image = BootImage::parse(&file)
        .map_err(|source| BootError::Image { path: path.clone(), source })?;
    let inputs = BootInputs {
        image_name: path.as_os_str().as_bytes().to_vec(),
        arguments: args.append.clone().map_or_else(Vec::new, OsStringExt::into_vec),
        modules: args.modules().map(read_module).collect::<Result<_, _>>()?,
    };
    machine
        .load(&image, &inputs)
        .map_err(|source| BootError::Place { path: path.clone(), source })?;
    let mut console = Console::open(&args.serial(), streams)?;
    for note in &image.notes {
        console.say(&format!("{}: {note}", path.display()));
    }
    if args.serial() == Serial::Stdio {
        machine.board_mut().feed_serial(&console.read_input(stdin)?);
    }
    let ending = drive(&mut machine, args.max_insns.unwrap_or(u64::MAX), &mut console)?;
    console.finish()?;
    end(path, &machine, ending, &mut console)
}

fn make_machine(args: &BootArgs) -> Result<BareMachine, BootError> {
    let config = BareConfig {
        nr_cpus: args.cpus,
        ram_bytes: args.mem,
        timing: args.timing,
        model: args.cpu,
        vendor: args.cpu_vendor,
        kept_hits: args.kept_hits.into(),
    };
    Ok(BareMachine::new(&config)?)
}

fn read(path: &Path) -> Result<Vec<u8>, BootError> {
    let bytes = || match path.metadata()?.is_dir() {
        true => Err(io::ErrorKind::IsADirectory.into()),
        false => std::fs::read(path),
    };
    bytes().map_err(|source| BootError::Unreadable { path: path.to_owned(), source })
}

/// Reads the file that a module's string begins with, up to the first space.
fn read_module(name: Vec<u8>) -> Result<BootModule, BootError> {
    let file = name.split(|byte| *byte == b' ').next().unwrap_or_default();
    let data = read(Path::new(OsStr::from_bytes(file)))?;
    Ok(BootModule { name, data })
}

/// Runs a machine to its end, and passes on what it says on the way.
fn drive(
    machine: &mut BareMachine,
    max_insns: u64,
    console: &mut Console<'_>,
) -> Result<BareEnding, CommandError> {
    loop {
        let ending = machine.round(max_insns);
        let board = machine.board_mut();
        console.pass(&board.take_serial_output())?;
        for what in board.take_unmodelled() {
            console.say(&format!("not modelled: {what}"));
        }
        if let Some(ending) = ending {
            return Ok(ending);
        }
    }
}

/// Says what an end means.
fn end(
    path: PathBuf,
    machine: &BareMachine,
    ending: BareEnding,
    console: &mut Console<'_>,
) -> Result<Outcome, CommandError> {
    let (end, speaks) = match ending {
        BareEnding::DebugExit(value) => (BareEnd::DebugExit(value), false),
        BareEnding::PowerOff => (BareEnd::Ended, false),
        BareEnding::Reset => (BareEnd::Ended, true),
        BareEnding::TripleFault { .. } => (BareEnd::TripleFault, true),
        BareEnding::HaltedForEver => (BareEnd::HaltedForEver, true),
        BareEnding::Livelock { .. } => (BareEnd::Livelock, true),
        BareEnding::Limit => (BareEnd::Limit, true),
        BareEnding::Unsupported { .. } | BareEnding::Hypercall { .. } => {
            let states = CpuStates::of(machine);
            return Err(BootError::Stopped { path, ending, states }.into());
        }
    };
    if speaks {
        console.say(&format!("{}: {ending}{}", path.display(), CpuStates::of(machine)));
    }
    Ok(Outcome::Bare(end))
}

/// Where a machine is heard.
struct Console<'io> {
    streams: Streams<'io>,
    /// The serial port's output, if not standard output.
    file: Option<(PathBuf, OutputFile)>,
}

impl<'io> Console<'io> {
    fn open(serial: &Serial, streams: Streams<'io>) -> Result<Self, BootError> {
        let file = match serial {
            Serial::Output | Serial::Stdio => None,
            Serial::File(path) => {
                let file = OutputFile::create(path)
                    .map_err(|source| BootError::Serial { path: path.clone(), source })?;
                Some((path.clone(), file))
            }
        };
        Ok(Self { streams, file })
    }

    /// Passes on what the guest sent.
    fn pass(&mut self, bytes: &[u8]) -> Result<(), CommandError> {
        match &mut self.file {
            _ if bytes.is_empty() => Ok(()),
            None => self.streams.pass(1, bytes).map_err(CommandError::Output),
            Some((path, file)) => io::Write::write_all(file, bytes)
                .map_err(|source| BootError::Serial { path: path.clone(), source }.into()),
        }
    }

    /// Says something of dr7's own. Nobody reads what goes to a closed standard error.
    fn say(&mut self, text: &str) {
        let _ = self.streams.say(&format!("dr7: {text}\n"));
    }

    /// All of standard input, where it has an end: a terminal has none.
    fn read_input(&mut self, mut stdin: impl Read) -> Result<Vec<u8>, CommandError> {
        let mut bytes = Vec::new();
        let Ok(about) = Path::new("/dev/stdin").metadata() else { return Ok(bytes) };
        if about.file_type().is_fifo() {
            self.say("reading standard input to its end for the serial port");
        }
        if about.file_type().is_fifo() || about.is_file() {
            stdin.read_to_end(&mut bytes).map_err(BootError::Input)?;
        }
        Ok(bytes)
    }

    /// Gives the file its name.
    fn finish(&mut self) -> Result<(), BootError> {
        match self.file.take() {
            None => Ok(()),
            Some((path, file)) => {
                file.finish().map_err(|source| BootError::Serial { path, source })
            }
        }
    }
}
