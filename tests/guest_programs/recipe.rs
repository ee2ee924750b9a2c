//! Programs that exist for one comparison: sources below `tests/guest_programs`,
//! built in one way each, and kept until a source or the way changes.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{keep, scratch_directory, skip, unfinished};

/// A compiler with options that make static programs.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct Recipe {
    pub(crate) compiler: &'static str,
    pub(crate) options: &'static [&'static str],
    /// After the source.
    pub(crate) libraries: &'static [&'static str],
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.compiler, self.options.join(" "))
    }
}

impl Recipe {
    /// The path of the built program; none, and a `skipped:` line, where this
    /// compiler makes no static programs in this way.
    ///
    /// # Panics
    /// If the compiler works and the program does not compile.
    pub(crate) fn build(&self, source: &str) -> Option<PathBuf> {
        let source =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guest_programs").join(source);
        let to = self.place(&source);
        if to.is_file() {
            return Some(to);
        }
        if !self.works(source.extension().unwrap_or_default()) {
            skip(format_args!("no compiler of static programs ({self})"));
            return None;
        }
        fs::create_dir_all(to.parent().unwrap_or(&to))
            .unwrap_or_else(|e| panic!("{}: {e}", to.display()));
        let output = self.command(&source, &unfinished(&to)).output();
        let output = output.unwrap_or_else(|e| panic!("{self}: {e}"));
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{self} {}:\n{complaint}", source.display());
        keep(&to);
        Some(to)
    }

    fn command(&self, source: &Path, to: &Path) -> Command {
        let mut command = Command::new(self.compiler);
        command.args(self.options).arg("-o").arg(to).arg(source).args(self.libraries);
        command.stdin(Stdio::null());
        command
    }

    /// A name that changes with the sources and the recipe.
    fn place(&self, source: &Path) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        let directory = source.parent().unwrap_or(source);
        let entries = fs::read_dir(directory)
            .unwrap_or_else(|e| panic!("{}: {e}", directory.display()))
            .flatten()
            .map(|entry| entry.path());
        let mut parts: Vec<PathBuf> = entries
            .filter(|path| path == source || path.extension() == Some("h".as_ref()))
            .collect();
        parts.sort();
        for part in parts {
            fs::read(&part).unwrap_or_else(|e| panic!("{}: {e}", part.display())).hash(&mut hasher);
        }
        let name = source.file_stem().unwrap_or_default();
        scratch_directory().join(format!("recipe-{:016x}", hasher.finish())).join(name)
    }

    /// Whether the compiler exists and makes static programs with these options.
    fn works(&self, extension: &OsStr) -> bool {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        let to = scratch_directory().join(format!("probe-{:016x}", hasher.finish()));
        let source = unfinished(&to).with_extension(extension);
        let text =
            if extension == "rs" { "fn main() {}\n" } else { "int main(void) { return 0; }\n" };
        let written = fs::write(&source, text);
        let built = unfinished(&to.with_extension("out"));
        let mut command = self.command(&source, &built);
        let works = written.is_ok()
            && command.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        for file in [source, built] {
            // What is not there need not go.
            let _ = fs::remove_file(file);
        }
        works
    }
}
