//! `dr7 boot`: images on the bare machine, through the command line.

#[path = "boot/images.rs"]
mod images;

mod guest_programs;
mod refusals;

use std::ffi::OsStr;
use std::path::Path;
use std::process::Output;

use guest_programs::{dr7, run, text};
use iced_x86::code_asm::{CodeAssembler, al, dword_ptr, dx, eax, rax};
use images::{build_or_skip, code64, elf64};
use proptest::prelude::*;
use refusals::{assert_empty, assert_refused, directory, write};

fn boot<W: AsRef<OsStr>>(image: &Path, words: &[W]) -> Output {
    run(dr7().arg("boot").args(words).arg(image), &[])
}

/// Boots 64-bit code that is assembled at its place.
fn boot_code(
    words: &[&str],
    assemble: impl Fn(&mut CodeAssembler) -> Result<(), iced_x86::IcedError>,
) -> Output {
    let directory = directory();
    boot(&write(&directory, "code", &code64(assemble)), words)
}

#[track_caller]
fn assert_ended(output: &Output, status: i32, said: &[&str]) {
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "stderr:\n{err}");
    assert!(said.iter().all(|part| err.contains(part)), "none of {said:?} in:\n{err}");
}

// ----------------------------------------------------------------- whole images

/// What `multiboot.S` prints of itself.
fn told(image: &Path) -> String {
    format!("{} one two|env.txt x,y|NR_CPUS=1\n|dr7", image.display())
}

#[test]
fn multiboot_images_are_told_what_they_must_know() {
    let directory = directory();
    let env = write(&directory, "env.txt", b"NR_CPUS=1\n");
    for bits in [32, 64] {
        let Some(image) = build_or_skip(&directory, "multiboot", bits) else { return };
        let mut command = dr7();
        command.current_dir(directory.path()).args(["boot", "-append", "one two", "-initrd"]);
        let output = run(command.args(["env.txt x,,y", "-kernel"]).arg(&image), &[]);
        assert_eq!(text(&output.stdout), told(&image), "{}", text(&output.stderr));
        // 127 MiB from 1 MiB on, less what the start needs.
        assert_ended(&output, (126 * 2 + 1) & 0xff, &[]);
        assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    }
    drop(env);
}

#[test]
fn a_64_bit_image_is_entered_in_64_bit_mode() {
    let directory = directory();
    let Some(image) = build_or_skip(&directory, "long", 64) else { return };
    let output = boot(&image, &["--append", "three"]);
    assert_eq!(text(&output.stdout), format!("{} three", image.display()));
    assert_ended(&output, 5 * 2 + 1, &[]);
}

#[test]
fn other_processors_start() {
    let directory = directory();
    let Some(image) = build_or_skip(&directory, "smp", 32) else { return };
    for others in ["1", "3", "7"] {
        let cpus = (others.parse::<u32>().unwrap() + 1).to_string();
        let output = boot(&image, &["--append", others, "--cpus", &cpus]);
        assert_ended(&output, others.parse::<i32>().unwrap() * 2 + 1, &[]);
    }
    // One that never comes.
    let output = boot(&image, &["--append", "2", "--cpus", "2", "--max-insns", "200000"]);
    assert_ended(&output, 8, &["limit", "CPU 0: RIP 0x1000", "CPU 1: halted, RIP 0x800:0x"]);
}

// --------------------------------------------------------------------- endings

#[test]
fn each_end_has_its_status() {
    let debug_exit = |value: u32| {
        boot_code(&[], |asm| {
            asm.mov(eax, value)?;
            asm.out(0xf4, eax)
        })
    };
    assert_ended(&debug_exit(0), 1, &[]);
    assert_ended(&debug_exit(0x1ff), 0xff, &[]);
    let triple = boot_code(&["--cpus", "2"], |asm| asm.ud2());
    let waits = "CPU 1: waits for a start-up message, 0 instructions";
    assert_ended(&triple, 4, &["triple fault of CPU 0", "CPU 0: RIP 0x200000, CR2 0x0", waits]);
    let halted = boot_code(&[], |asm| {
        asm.cli()?;
        asm.hlt()
    });
    assert_ended(&halted, 6, &["halted for ever", "CPU 0: halted, RIP 0x200002, 2 instructions"]);
    let power_off = boot_code(&[], |asm| {
        asm.mov(dx, 0x604)?;
        asm.mov(eax, 0x2000)?;
        asm.out(dx, iced_x86::code_asm::ax)
    });
    assert_ended(&power_off, 0, &[]);
    assert!(power_off.stderr.is_empty(), "{}", text(&power_off.stderr));
    let reset = boot_code(&[], |asm| {
        asm.mov(dx, 0xcf9)?;
        asm.mov(eax, 6)?;
        asm.out(dx, al)
    });
    assert_ended(&reset, 0, &["the guest reset the machine"]);
    let limit = boot_code(&["--max-insns", "1001"], |asm| {
        let mut top = asm.create_label();
        asm.set_label(&mut top)?;
        asm.jmp(top)
    });
    assert_ended(&limit, 8, &["limit", "1001 instructions"]);
}

/// A timer that nobody listens to does not keep a machine alive.
#[test]
fn a_machine_with_a_periodic_timer_halts_for_ever() {
    for count in [1, 1_000_000] {
        let halted = boot_code(&[], |asm| {
            asm.mov(eax, 0xfee0_0000u32)?;
            asm.mov(dword_ptr(rax + 0xf0), 0x1ff)?;
            asm.mov(dword_ptr(rax + 0x320), 0x2_0040)?;
            asm.mov(dword_ptr(rax + 0x3e0), 0xb)?;
            asm.mov(dword_ptr(rax + 0x380), count)?;
            asm.cli()?;
            asm.hlt()
        });
        assert_ended(&halted, 6, &["halted for ever"]);
    }
}

/// VMCALL is for monitors: here it is #UD.
#[test]
fn vmcall_is_undefined() {
    let output = boot_code(&[], |asm| asm.vmcall());
    assert_ended(&output, 4, &["triple fault of CPU 0", "RIP 0x200000"]);
}

#[test]
fn what_is_not_modelled_is_named_once() {
    let output = boot_code(&[], |asm| {
        asm.mov(dx, 0x1234)?;
        asm.in_(al, dx)?;
        asm.in_(al, dx)?;
        asm.movzx(eax, al)?;
        asm.out(0xf4, eax)
    });
    // An empty bus answers with ones.
    assert_ended(&output, (0xff * 2 + 1) & 0xff, &["not modelled: port 0x1234"]);
    assert_eq!(text(&output.stderr).matches("0x1234").count(), 1);
}

// ----------------------------------------------------------------- serial port

fn says_hi(asm: &mut CodeAssembler) -> Result<(), iced_x86::IcedError> {
    asm.mov(dx, 0x3f8)?;
    for byte in *b"hi\n" {
        asm.mov(al, u32::from(byte))?;
        asm.out(dx, al)?;
    }
    asm.mov(eax, 1)?;
    asm.out(0xf4, eax)
}

#[test]
fn the_serial_port_goes_where_it_is_told_to() {
    for words in [&[][..], &["--serial", "stdio"], &["-serial", "stdio"]] {
        let output = boot_code(words, says_hi);
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(3), "hi\n"));
    }
    let directory = directory();
    let file = directory.path().join("serial.txt");
    let output = boot_code(&["--serial", file.to_str().unwrap()], says_hi);
    assert_ended(&output, 3, &[]);
    assert!(output.stdout.is_empty());
    assert_eq!(std::fs::read(&file).unwrap(), b"hi\n");
    let output = boot_code(&["--serial", directory.path().to_str().unwrap()], says_hi);
    assert_refused(&output, &["directory"], "a directory for the serial port");
}

/// Code that sends back what it gets, up to a `q`.
#[test]
fn standard_input_is_what_comes_in() {
    let directory = directory();
    let image = code64(|asm| {
        let (mut wait, mut done) = (asm.create_label(), asm.create_label());
        asm.set_label(&mut wait)?;
        asm.mov(dx, 0x3fd)?;
        asm.in_(al, dx)?;
        asm.test(al, 1)?;
        asm.jz(wait)?;
        asm.mov(dx, 0x3f8)?;
        asm.in_(al, dx)?;
        asm.cmp(al, i32::from(b'q'))?;
        asm.je(done)?;
        asm.out(dx, al)?;
        asm.jmp(wait)?;
        asm.set_label(&mut done)?;
        asm.mov(eax, 2)?;
        asm.out(0xf4, eax)
    });
    let image = write(&directory, "echo", &image);
    let mut command = dr7();
    let output =
        run(command.args(["boot", "--serial", "stdio"]).arg(&image), b"some words\nq rest");
    assert_eq!(text(&output.stdout), "some words\n");
    assert_ended(&output, 5, &[]);
}

// -------------------------------------------------------------------- bad input

fn assert_image_refused(name: &str, bytes: &[u8], reasons: &[&str]) {
    let directory = directory();
    let image = write(&directory, name, bytes);
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("serial");
    let output = boot(&image, &[OsStr::new("--serial"), file.as_os_str()]);
    assert_refused(&output, reasons, name);
    assert!(text(&output.stderr).contains(name), "{name} is not named");
    assert_empty(out.path(), name);
}

#[test]
fn files_that_are_no_images() {
    let code = code64(|asm| asm.hlt());
    let changed = |at: usize, value: u8| {
        let mut bytes = code.clone();
        bytes[at] = value;
        bytes
    };
    assert_image_refused("empty", b"", &["empty"]);
    assert_image_refused("zeros", &[0; 10_000], &["no multiboot header in the first 8192 bytes"]);
    assert_image_refused("script", b"#!/bin/sh\n", &["not an ELF file"]);
    assert_image_refused("machine", &changed(18, 183), &["ELF machine 183 (offset 0x12)"]);
    assert_image_refused("class", &changed(4, 9), &["ELF class 9 (offset 0x4)"]);
    assert_image_refused("big-endian", &changed(5, 2), &["little endian"]);
    assert_image_refused("object", &changed(16, 1), &["ELF type 1 (offset 0x10)"]);
    assert_image_refused("cut", &code[..code.len() - 1], &["truncated: a LOAD segment at offset"]);
    assert_image_refused("header", &code[..40], &["truncated: the ELF header at offset 0x0"]);
    assert_image_refused("entry", &changed(25, 0xff), &["entry point"]);
    let outside = elf64(0x800_0000, &[0xf4]);
    assert_image_refused("outside", &outside, &["LOAD segment 0 (program header at offset 0x40)"]);
    assert_image_refused("outside", &outside, &["outside RAM, which ends at 0x8000000"]);

    let header = |flags: u32, checksum: u32| {
        [0x1bad_b002u32, flags, checksum].map(u32::to_le_bytes).concat()
    };
    let sum = |flags: u32| 0u32.wrapping_sub(0x1bad_b002).wrapping_sub(flags);
    let at_8 = |header: Vec<u8>| [vec![0; 8], header].concat();
    assert_image_refused("checksum", &at_8(header(3, 1)), &["multiboot header at offset 0x8"]);
    assert_image_refused("flags", &at_8(header(0x20, sum(0x20))), &["flag bit 5"]);
    assert_image_refused("no-addresses", &at_8(header(0, sum(0))), &["flag bit 16"]);

    let directory = directory();
    let output = boot(directory.path(), &[] as &[&str]);
    assert_refused(&output, &["cannot read", "directory"], "a directory");
    let output = boot(&directory.path().join("missing"), &[] as &[&str]);
    assert_refused(&output, &["No such file"], "a missing file");
}

#[test]
fn options_that_cannot_be() {
    let directory = directory();
    let image = write(&directory, "code", &code64(|asm| asm.hlt()));
    for (words, reasons) in [
        (&["--cpus", "0"][..], &["0 CPUs"][..]),
        (&["--cpus", "65"], &["65 CPUs"]),
        (&["--mem", "4097"], &["1 MiB"]),
        (&["--mem", "4G"], &["3 GiB"]),
        (&["--mem", "1048577"], &["pages"]),
        (&["--mem", "1M"], &["outside RAM"]),
        (&["-initrd", "missing one"], &["missing: cannot read"]),
        (&["-initrd", "/"], &["directory"]),
        (&["--timing", "slow"], &["timing"]),
    ] {
        assert_refused(&boot(&image, words), reasons, words[1]);
    }
    let big = write(&directory, "big", &vec![1; 2 << 20]);
    let output =
        boot(&image, &["--mem".as_ref(), "3M".as_ref(), "-initrd".as_ref(), big.as_os_str()]);
    assert_refused(
        &output,
        &["no room in RAM beside the image for module 0 (2097152 bytes)"],
        "big",
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Whatever the bytes are: a refusal, or an end of the guest's.
    #[test]
    fn damaged_images_end(
        changes in prop::collection::vec((0usize..140, any::<u8>()), 1..5),
        code in prop::collection::vec(any::<u8>(), 1..64),
    ) {
        let mut image = elf64(0x20_0000, &code);
        for (at, value) in changes {
            let len = image.len();
            image[at % len] = value;
        }
        let directory = directory();
        let image = write(&directory, "damaged", &image);
        let output = boot(&image, &["--max-insns", "100000", "--mem", "16M"]);
        let said = text(&output.stderr);
        prop_assert!(!said.contains("panicked"), "{said}");
        prop_assert!(output.status.code().is_some(), "{said}");
    }
}
