//! A file that takes its name only when it is complete.
//!
//! Bytes go to a temporary file in the target's directory, which is renamed at
//! the end; a run that fails leaves an older file of that name alone. What is
//! not a regular file (`/dev/null`, a pipe) is written directly.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file being written.
#[derive(Debug)]
pub struct OutputFile {
    to: Target,
}

#[derive(Debug)]
enum Target {
    /// Renamed to the path at the end.
    Replace(BufWriter<NamedTempFile>, PathBuf),
    /// Written in place.
    Direct(BufWriter<File>),
}

impl OutputFile {
    /// Starts writing what will be at `path`.
    ///
    /// # Errors
    /// If the path is a directory or its directory cannot be written.
    pub fn create(path: &Path) -> io::Result<Self> {
        let to = match path.metadata() {
            Ok(about) if about.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(about) if about.is_file() => replace(&path.canonicalize()?)?,
            Ok(_) => Target::Direct(BufWriter::new(File::options().write(true).open(path)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => replace(path)?,
            Err(error) => return Err(error),
        };
        Ok(Self { to })
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// If the last bytes cannot be written or the file cannot be renamed.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        match self.to {
            Target::Direct(_) => Ok(()),
            Target::Replace(file, path) => {
                let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
                file.persist(path).map_err(|error| error.error)?;
                Ok(())
            }
        }
    }
}

fn replace(path: &Path) -> io::Result<Target> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let file = tempfile::Builder::new()
        .prefix(".dr7-")
        // The file is renamed to what the user named: its mode is the umask's.
        .permissions(std::fs::Permissions::from_mode(0o666))
        .tempfile_in(directory)?;
    Ok(Target::Replace(BufWriter::new(file), path.to_owned()))
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.to {
            Target::Replace(file, _) => file.write(bytes),
            Target::Direct(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.to {
            Target::Replace(file, _) => file.flush(),
            Target::Direct(file) => file.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_appears_at_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out");
        std::fs::write(&path, b"old").unwrap();

        let mut abandoned = OutputFile::create(&path).unwrap();
        abandoned.write_all(b"half").unwrap();
        abandoned.flush().unwrap();
        drop(abandoned);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");

        let mut file = OutputFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        file.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_directory_is_refused_and_a_device_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let refused = OutputFile::create(directory.path()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::IsADirectory);
        let mut null = OutputFile::create(Path::new("/dev/null")).unwrap();
        null.write_all(b"gone").unwrap();
        null.finish().unwrap();
        assert!(!Path::new("/dev/null").metadata().unwrap().is_file());
    }
}
