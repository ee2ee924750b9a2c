//! Where system calls are shown: standard error, or a file that is written as the run goes on.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use super::observer::ReportError;
use crate::strace::Lines;

/// Where system calls go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StraceTo {
    /// Standard error.
    Err,
    /// A file.
    File(PathBuf),
}

/// System calls on their way there.
#[derive(Debug)]
pub(super) struct Strace {
    pub(super) lines: Lines,
    pub(super) file: Option<TraceFile>,
}

impl Strace {
    pub(super) fn start(to: &StraceTo) -> Result<Self, ReportError> {
        let file = match to {
            StraceTo::Err => None,
            StraceTo::File(path) => Some(TraceFile::create(path.clone())?),
        };
        Ok(Self { lines: Lines::default(), file })
    }
}

/// A file that holds what there is also when the run is cut off: that is when it is wanted.
#[derive(Debug)]
pub(super) struct TraceFile {
    path: PathBuf,
    file: File,
}

impl TraceFile {
    fn create(path: PathBuf) -> Result<Self, ReportError> {
        match File::create(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(ReportError::File { path, source }),
        }
    }

    pub(super) fn write(&mut self, text: &str) -> Result<(), ReportError> {
        self.file
            .write_all(text.as_bytes())
            .map_err(|source| ReportError::File { path: self.path.clone(), source })
    }
}
