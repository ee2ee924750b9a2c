//! Debian's busybox (`busybox-static`), the binary as it is shipped: standard
//! output and exit status are those of the native run.
//!
//! `DR7_LONG=1` gives it 5 MB of input instead of 300 KB.

mod guest_programs;

use std::path::{Path, PathBuf};

use guest_programs::beside::{emulated, native};
use guest_programs::{dr7, run, skip, text};

/// The busybox that PATH leads to, if dr7 can run it.
fn busybox() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|d| d.join("busybox")).find(|p| p.is_file());
    let Some(found) = found else {
        skip("busybox is not installed");
        return None;
    };
    let output = run(dr7().args(["run", "--"]).arg(&found).arg("true"), b"");
    let refusal = text(&output.stderr);
    if refusal.contains("dynamically linked") || refusal.contains("position independent") {
        skip(format_args!("{} is not a static program (busybox-static is)", found.display()));
        return None;
    }
    Some(found)
}

/// Lines of words and numbers, the same on every run.
fn generated_text() -> Vec<u8> {
    let wanted = if std::env::var_os("DR7_LONG").is_some() { 5_000_000 } else { 300_000 };
    let words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "Eta", "theta", "iota"];
    let mut state = 88_172_645_463_325_252_u64;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let mut lines = Vec::new();
    while lines.len() < wanted {
        let number = random(100_000);
        let first = words[random(9) as usize];
        let second = words[random(9) as usize];
        lines.extend_from_slice(
            format!("{number} {first} {second}:{:x}\n", random(1 << 40)).as_bytes(),
        );
    }
    lines
}

/// One applet with its arguments.
fn compare(busybox: &Path, arguments: &[&str], stdin: &[u8]) -> Option<String> {
    let expected = native(busybox, arguments, None, stdin);
    let difference = match emulated(&[], busybox, arguments, stdin) {
        Ok(found) => expected.difference(&found),
        Err(reason) => Some(reason),
    };
    difference.map(|difference| format!("busybox {}: {difference}", arguments.join(" ")))
}

/// All of them, each failure told.
fn compare_all(cases: &[&[&str]], stdin: &[u8]) {
    let Some(busybox) = busybox() else {
        return;
    };
    let wrong: Vec<String> =
        cases.iter().filter_map(|arguments| compare(&busybox, arguments, stdin)).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn digests() {
    let cases: [&[&str]; 5] =
        [&["sha256sum"], &["md5sum"], &["sha1sum"], &["sha512sum"], &["sha3sum"]];
    compare_all(&cases, &generated_text());
}

#[test]
fn compression_and_back() {
    let Some(busybox) = busybox() else {
        return;
    };
    let input = generated_text();
    let wrong = compare(&busybox, &["gzip", "-9"], &input);
    assert_eq!(wrong, None);
    let packed = native(&busybox, &["gzip", "-9"], None, &input).stdout;
    assert!(packed.len() < input.len());
    for applet in ["gunzip", "zcat"] {
        assert_eq!(compare(&busybox, &[applet], &packed), None);
    }
    // A damaged end is found by both.
    assert_eq!(compare(&busybox, &["gunzip"], &packed[..packed.len() - 5]), None);
}

#[test]
fn sorting_and_counting() {
    let cases: [&[&str]; 8] = [
        &["sort"],
        &["sort", "-n"],
        &["sort", "-r", "-u", "-k2,2"],
        &["wc"],
        &["uniq", "-c", "-f1", "-w3"],
        &["head", "-n", "100"],
        &["tail", "-n", "100"],
        &["tail", "-c", "1000"],
    ];
    compare_all(&cases, &generated_text());
}

#[test]
fn line_by_line() {
    let cases: [&[&str]; 16] = [
        &["tr", "a-z", "A-Z"],
        &["tr", "-d", "0-9"],
        &["sed", "s/\\([a-z]*\\) \\([a-z]*\\)/\\2 \\1/; /zeta/d"],
        &["sed", "-n", "/alpha/{s/a/A/g;p}; $="],
        &["grep", "-c", "gamma"],
        &["grep", "-E", "^[0-9]{4} (al|be)"],
        &["grep", "-v", "-i", "eta"],
        &["grep", "-q", "no such word"],
        &["cut", "-d", " ", "-f", "2,1"],
        &["cut", "-c", "2-5,9"],
        &["tac"],
        &["rev"],
        &["nl"],
        &["fold", "-w", "33"],
        &["expand"],
        &["paste", "-", "-", "-"],
    ];
    compare_all(&cases, &generated_text());
}

#[test]
fn bytes_as_text() {
    let input = generated_text();
    let cases: [&[&str]; 6] = [
        &["base64"],
        &["od"],
        &["od", "-A", "x", "-t", "x1z"],
        &["hexdump", "-C"],
        &["xxd"],
        &["strings"],
    ];
    compare_all(&cases, &input[..input.len() / 4]);
    if let Some(busybox) = busybox() {
        let encoded = native(&busybox, &["base64"], None, &input).stdout;
        assert_eq!(compare(&busybox, &["base64", "-d"], &encoded), None);
    }
}

#[test]
fn arithmetic() {
    let sums = "{ n += $1; c[$2]++; x += sqrt($1) * sin(NR) } \
        END { print n; for (w in c) print w, c[w]; printf \"%.10f %e %d\\n\", x, n / NR, NR }";
    let strings = "{ gsub(/e/, \"E\"); if (length($0) % 7 == 0) print substr($0, 3, 9), toupper($2), \
        index($0, \"E\"), match($0, /[0-9]+:/), RLENGTH }";
    compare_all(&[&["awk", sums], &["awk", strings]], &generated_text());
    let bc = "scale=60; 4*a(1); e(1); sqrt(2); l(10); 2^200; s(1)+c(1)\n\
        define f(n) { if (n < 2) return 1; return n * f(n - 1); }\nf(60)\n17%5; -7/2\nibase=16; FF*FF\n";
    compare_all(&[&["bc", "-l"]], bc.as_bytes());
    compare_all(&[&["dc"]], b"30k 2v p 3 7 / p 2 100 ^ p [la 1 + d sa p la 5 >x] sx 0 sa lx x\n");
    let cases: [&[&str]; 8] = [
        &["factor", "600851475143", "99999999977", "97"],
        &["seq", "-w", "1", "7", "300"],
        &["expr", "17", "*", "(", "4", "+", "3", ")", "%", "11"],
        &["printf", "%d %5.2f %x %s|%-6s|%c\\n", "42", "3.14159", "255", "text", "ab", "z"],
        &["cal", "11", "2026"],
        &["date", "-u", "-d", "@1700000000", "+%Y-%m-%dT%H:%M:%S %j %U"],
        &["vi", "--help"],
        &["no-such-applet"],
    ];
    compare_all(&cases, b"");
}

/// A shell without a second process.
#[test]
fn shell() {
    let collatz = "steps() { n=$1; c=0; while [ $n -ne 1 ]; do \
        if [ $((n % 2)) -eq 0 ]; then n=$((n / 2)); else n=$((3 * n + 1)); fi; c=$((c + 1)); done; \
        echo $1 takes $c; }; for i in 6 7 27 97; do steps $i; done";
    let reading = "total=0; while read number first rest; do \
        case $first in a*|b*) total=$((total + number));; zeta) echo \"$rest\";; [A-Z]*) : ;; \
        *) last=${rest%%:*}; esac; done; echo $total ${last:-none} ${#rest}";
    let words = "set -- one 'two three' four; shift; for w in \"$@\"; do echo \"<$w>\"; done; \
        x=abcdef; echo ${x#abc} ${x%f} ${#x} ${y:=new} $y $((0x1f << 3)) $((7 / 2 * -1)); \
        printf '%s-%03d\\n' a 5 b 6; trap 'echo bye' EXIT; exit 3";
    let input = generated_text();
    let cases: [&[&str]; 5] = [
        &["sh", "-c", collatz],
        &["sh", "-c", reading],
        &["sh", "-c", words],
        &["sh", "-c", "echo $((1 / 0))"],
        &["sh", "-c", "kill -9 $$"],
    ];
    compare_all(&cases, &input[..input.len() / 8]);
}

/// A shell with children: fork, pipes, wait.
#[test]
fn shell_with_children() {
    let cases: [&[&str]; 3] = [
        &["sh", "-c", "(exit 5); echo $?; ( echo inside; exit 2 ) || echo failed $?"],
        &["sh", "-c", "echo one two three | { read a b; echo \"$b $a\"; }"],
        &["sh", "-c", "x=$(echo captured; echo twice); echo \"[$x]\"; (exit 7) & wait $!; echo $?"],
    ];
    compare_all(&cases, b"");
}
