//! The image on this emulator, in this process.

use emulator::bare::{BareConfig, BareConfigError, BareEnding, BareMachine};
use emulator::boot::{BootImage, BootInputs, ImageError, PlaceError};

/// More than the image needs by far.
const MAX_INSNS: u64 = 4_000_000_000;

/// Why the image did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no such machine.
    #[error("{0}")]
    Config(#[from] BareConfigError),
    /// The file is no image.
    #[error("{0}")]
    Image(#[from] ImageError),
    /// The image does not fit.
    #[error("{0}")]
    Place(#[from] PlaceError),
}

/// What became of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// What it sent to the serial port.
    pub output: String,
    /// How the machine ended.
    pub ending: BareEnding,
}

/// Runs an image to its end.
///
/// # Errors
/// If it cannot be started.
pub fn run(file: &[u8], nr_cpus: usize, command_line: &str) -> Result<Ran, StartError> {
    let image = BootImage::parse(file)?;
    let mut machine = BareMachine::new(&BareConfig { nr_cpus, ..BareConfig::default() })?;
    let inputs = BootInputs {
        image_name: b"ring0".to_vec(),
        arguments: command_line.as_bytes().to_vec(),
        modules: Vec::new(),
    };
    machine.load(&image, &inputs)?;
    let mut output = Vec::new();
    let ending = loop {
        let ending = machine.round(MAX_INSNS);
        output.extend(machine.board_mut().take_serial_output());
        if let Some(ending) = ending {
            break ending;
        }
    };
    Ok(Ran { output: String::from_utf8_lossy(&output).into_owned(), ending })
}
