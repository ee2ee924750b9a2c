//! Compiles the kernels with the host's C compiler, into a directory that goes
//! away with the bench.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::BenchError;
use super::kernels::{HEADER, HEADER_NAME, Kernel, UNICORN_SCRIPT};

/// musl's string functions are the same on every processor, so it comes first.
const COMPILERS: [&str; 2] = ["musl-gcc", "cc"];
/// For the baseline of x86-64: no `-march`.
const OPTIONS: [&str; 4] = ["-O2", "-static", "-std=gnu11", "-g"];

/// Where the programs are.
#[derive(Debug)]
pub(super) struct Workshop {
    directory: TempDir,
    compiler: &'static str,
}

impl Workshop {
    /// A directory and a compiler that makes static programs; none if the host
    /// has no such compiler.
    pub(super) fn open() -> Result<Option<Self>, BenchError> {
        let directory = TempDir::new().map_err(BenchError::Directory)?;
        for (name, text) in [(HEADER_NAME, HEADER), (UNICORN_NAME, UNICORN_SCRIPT)] {
            fs::write(directory.path().join(name), text).map_err(BenchError::Directory)?;
        }
        let probe = directory.path().join("probe.c");
        fs::write(&probe, "int main(void) { return 0; }\n").map_err(BenchError::Directory)?;
        let works = |compiler: &&str| {
            let mut command = compile(compiler, &probe, &directory.path().join("probe"));
            command.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
        };
        let compiler = COMPILERS.into_iter().find(works);
        Ok(compiler.map(|compiler| Self { directory, compiler }))
    }

    /// The compiler and its options, for people.
    pub(super) fn command_line(&self) -> String {
        format!("{} {}", self.compiler, OPTIONS.join(" "))
    }

    /// The script for Unicorn.
    pub(super) fn unicorn_script(&self) -> PathBuf {
        self.directory.path().join(UNICORN_NAME)
    }

    /// The program of a kernel.
    pub(super) fn build(&self, kernel: &Kernel) -> Result<PathBuf, BenchError> {
        let to = self.directory.path().join(kernel.name);
        let source = to.with_extension("c");
        fs::write(&source, kernel.source).map_err(BenchError::Directory)?;
        let output = compile(self.compiler, &source, &to).output();
        match output {
            Ok(output) if output.status.success() => Ok(to),
            Ok(output) => Err(BenchError::Compile {
                kernel: kernel.name,
                complaint: String::from_utf8_lossy(&output.stderr).into_owned(),
            }),
            Err(source) => Err(self.unrunnable(source)),
        }
    }

    fn unrunnable(&self, source: io::Error) -> BenchError {
        BenchError::Spawn { program: self.compiler.to_owned(), source }
    }
}

const UNICORN_NAME: &str = "unicorn_run.py";

fn compile(compiler: &str, source: &Path, to: &Path) -> Command {
    let mut command = Command::new(compiler);
    command.args(OPTIONS).arg("-o").arg(to).arg(source).stdin(Stdio::null());
    command
}
