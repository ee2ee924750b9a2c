//! Symbols and lines of a program made by the host's C compiler.

use std::process::Command;

use super::*;

const SOURCE: &str = "\
int counter;
static int hidden[4];
__thread int each_thread;

int bump(int by)
{
    counter += by;
    return counter;
}

int main(void)
{
    hidden[1] = each_thread;
    return bump(2) - 2;
}
";

/// The program, or none where the host has no compiler.
fn compile() -> Option<Vec<u8>> {
    let directory = tempfile::tempdir().unwrap();
    let (source, program) = (directory.path().join("small.c"), directory.path().join("small"));
    std::fs::write(&source, SOURCE).unwrap();
    let answer = Command::new("cc")
        .args(["-g", "-O0", "-static", "-no-pie", "-o"])
        .args([&program, &source])
        .output();
    match answer {
        Ok(output) if output.status.success() => Some(std::fs::read(program).unwrap()),
        Ok(output) => {
            eprintln!("skipped: cc fails: {}", String::from_utf8_lossy(&output.stderr));
            None
        }
        Err(_) => {
            eprintln!("skipped: no C compiler");
            None
        }
    }
}

#[test]
fn names_lines_and_back() {
    let Some(image) = compile() else { return };
    crate::session::program::check(&image).unwrap();
    let symbols = Symbols::read(&image);

    let counter = symbols.lookup("counter").unwrap();
    assert_eq!(counter.size, 4);
    assert_eq!(symbols.lookup("hidden").unwrap().size, 16);
    assert!(matches!(symbols.lookup("each_thread"), Err(LookupError::ThreadLocal { .. })));
    let LookupError::Unknown { near, .. } = symbols.lookup("conuter").unwrap_err() else {
        panic!("found");
    };
    assert!(near.contains(&"counter".to_owned()), "{near:?}");

    let bump = symbols.lookup("bump").unwrap();
    let line = symbols.line(bump.addr).unwrap();
    assert_eq!(line.to_string(), "small.c:6");
    assert!(line.file.starts_with('/'), "{}", line.file);
    assert_eq!(symbols.near(bump.addr + 1).unwrap().to_string(), "bump+0x1");
    assert_eq!(symbols.near(counter.addr + 3).unwrap().to_string(), "counter+0x3");
}

#[test]
fn a_damaged_image_has_no_symbols() {
    let Some(image) = compile() else { return };
    for len in [0, 3, 64, image.len() / 2, image.len() - 1] {
        let symbols = Symbols::read(&image[..len]);
        let _ = symbols.near(0x40_1000);
        let _ = symbols.line(0x40_1000);
        let _ = symbols.lookup("main");
    }
}
