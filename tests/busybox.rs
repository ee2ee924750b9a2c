//! Debian's busybox (`busybox-static`), the binary as it is shipped: standard
//! output and exit status are those of the native run.
//!
//! `DR7_LONG=1` gives it 5 MB of input instead of 300 KB.

mod guest_programs;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

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

/// A directory at a path of its own, made anew each time: texts, a link, a tree, fixed dates.
fn prepare(place: &Path) {
    let _absent = fs::remove_dir_all(place);
    fs::create_dir_all(place.join("tree/deep")).unwrap();
    let numbers: String = (0..200).map(|n| format!("{} line {n}\n", n * 7919 % 1000)).collect();
    for (name, content) in [
        ("numbers", numbers.as_str()),
        ("words", "alpha\nbeta\ngamma delta\n"),
        ("other", "alpha\nBeta\ngamma\nepsilon\n"),
        ("tree/conf", "x=1\ny=2\n"),
        ("tree/deep/leaf", "leaf\n"),
        ("tree/empty", ""),
    ] {
        fs::write(place.join(name), content).unwrap();
    }
    std::os::unix::fs::symlink("words", place.join("link")).unwrap();
    let date = SystemTime::UNIX_EPOCH + Duration::from_secs(1_704_164_645);
    let names = ["numbers", "words", "other", "tree/conf", "tree/deep/leaf", "tree/empty"];
    for name in names.into_iter().chain(["tree/deep", "tree", "."]) {
        fs::File::open(place.join(name)).unwrap().set_modified(date).unwrap();
    }
}

/// Commands of a shell in such a directory.
const COMMANDS: &[&str] = &[
    "ls -lRn tree; ls -1pa; ls -l words | cut -c1-10",
    "find . | sort; find . -type f -size +1k; find . -name '*e*' -print0 | tr '\\0' '\\n' | sort",
    "find tree -type f -exec cat {} + ; find . -type l; find tree -newer words",
    "tar cf - tree | tar tvf - | awk '{print $1, $3, $4, $6}' | sort",
    "tar czf all.tgz tree words && tar tzf all.tgz | sort && mkdir to && tar xzf all.tgz -C to && cat to/tree/conf",
    "tar cf all.tar words && tar xOf all.tar words && md5sum words",
    "grep -rn line numbers | wc -l; grep -r = tree; grep -l alpha words other; grep -vc a words",
    "sed -n '2,3p' words; sed -i 's/alpha/ALPHA/' words; cat words",
    "awk -F= '{s += $2} END {print s, NR}' tree/conf; awk 'BEGIN {while ((getline l < \"words\") > 0) n++; print n; print toupper(\"x\")}'",
    "awk 'BEGIN {\"echo from a command\" | getline x; print x; print \"b\\na\" | \"sort\"; close(\"sort\"); system(\"echo done\")}'",
    "sort -n numbers | head -n 3; sort -r words other; sort -u -k1,1 numbers | wc -l",
    "xargs echo < words; find tree -type f | sort | xargs -n 1 basename; echo a b c | xargs -n 1 -I{} echo '<{}>'",
    "gzip -k words && gunzip -c words.gz; gzip -t words.gz && echo good; bzip2 -c words | bunzip2",
    "md5sum words numbers > sums; md5sum -c sums; sha256sum words; cksum words",
    "diff words other; echo $?; diff -u words other | tail -n +3; cmp words other; echo $?",
    "diff -u words other > p; cp words w; patch w < p; cmp w other && echo patched",
    "od -An -tx1 words | head -n 1; od -c tree/conf; hexdump -C words | tail -n 2; xxd words | head -n 1",
    "dd if=numbers bs=10 skip=2 count=3 2> /dev/null; dd if=/dev/zero of=z bs=1024 count=3 seek=5 2> /dev/null; stat -c %s z",
    "stat -c '%n %s %a %F %Y' words tree; stat -c '%h %b %B' numbers",
    "cp -a tree copy; diff -r tree copy && echo same; stat -c '%Y %a' copy/conf; mv copy moved; rm -r moved; ls",
    "ln words hard; ln -s words soft; readlink soft; ls -i words hard | awk '{print $1}' | uniq | wc -l; rm words; cat hard; cat soft; echo $?",
    "mkdir -p a/b/c; rmdir a/b/c; rmdir -p a/b; ls; mkdir -m 700 m; stat -c %a m; rmdir tree; echo $?",
    "env -i X=1 env; env | sort | grep -v OLDPWD; printenv HOME; export Y=2; sh -c 'echo $Y'",
    "mktemp XXXXXX | wc -c; mktemp -d tXXXXXX | wc -c; mktemp -u /tmp/yXXXXXX | cut -c1-6",
    "sleep 0.01 & wait; echo $?; (exit 3) & wait $!; echo $?; sleep 9 & kill $!; wait $!; echo $?",
    "trap 'echo got' USR1; kill -USR1 $$; trap 'echo bye' EXIT; (trap - EXIT; exit 2); echo $?",
    "kill -l 9; kill -0 $$ && echo alive; kill -9 99999999 2> /dev/null; echo $?",
    "mkfifo p; (cat p; echo read) & echo through > p; wait; test -p p && echo fifo",
    "{ echo one; echo two >&2; } 2> e | cat; cat e; cat < words | tee t | wc -l; cmp t words && echo same",
    "cat <<END; cat <<'END'\nx $((1 + 1)) $(echo y)\nEND\n$raw\nEND",
    "(cd tree && pwd | sed 's:.*/::'); cd tree/deep && cd ../.. && ls | head -n 1; cd /nowhere; echo $?",
    "ps | head -n 1 | wc -w; test -d /proc/$$ && cat /proc/self/comm",
    "head -c 5 words; echo; tail -n 1 words; tac words; rev words; nl words; wc words; fold -w 4 words",
    "cut -c1-3 words; tr -d a < words; paste words other; comm words words | head -n 1; uniq -c words; expand words",
    "split -l 60 numbers s; wc -l s*; cat s* | cmp - numbers && echo whole",
    "truncate -s 5000 big; stat -c '%s %b' big; fallocate -l 4096 f; stat -c %s f; du -k numbers",
    "touch -d '2001-02-03 04:05:06' d; date -u -r d; stat -c %Y d; date -u -d @86400 +%F; cal 2 2024",
    "test words -nt tree; echo $?; test -r words -a -w words && echo rw; [ -s tree/empty ]; echo $?",
    "cpio -h 2> /dev/null; find tree | sort | cpio -o -H newc 2> /dev/null | cpio -t 2> /dev/null | sort",
    "seq 3 | while read n; do echo \"n $n\"; done; seq -s, 1 5; seq 5 -2 1; yes | head -n 2; expr 7 % 4",
    "timeout 5 echo in time; timeout 0.05 sleep 9; echo $?; time -p true 2> /dev/null; echo $?;",
    "id -u; whoami; uname -s; tty; echo $?; nproc > /dev/null && echo cpus; basename /a/b.c .c; dirname /a/b.c; realpath link | sed 's:.*/::'",
    "chmod 4755 words; stat -c %A words; chown 1:2 words; stat -c '%u %g %A' words; umask 077; : > u; stat -c %a u",
    "flock words echo locked; setsid sh -c 'echo session'; install -m 600 words i; stat -c %a i; sum words",
    "vi --help 2>&1 | head -n 1; ed words <<E\n1p\n$=\nq\nE",
    "sh -c 'echo $0 $1' name arg; echo '#!/bin/sh\necho script $1' > s; chmod +x s; ./s a; echo plain > n; chmod +x n; ./n 2> /dev/null; echo $?",
];

/// Natively and in the guest, each in a directory that was made anew.
#[test]
fn commands_in_a_directory() {
    let Some(busybox) = busybox() else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let place = place.path().join("w");
    let mut wrong = Vec::new();
    for command in COMMANDS {
        let script = format!("cd {} || exit 9; {command}", place.display());
        let arguments = ["sh", "-c", &script];
        prepare(&place);
        let expected = native(&busybox, &arguments, None, b"");
        prepare(&place);
        let difference = match emulated(&["--root", "/"], &busybox, &arguments, b"") {
            Ok(found) => expected.difference(&found),
            Err(reason) => Some(reason),
        };
        wrong.extend(difference.map(|difference| format!("{command}: {difference}")));
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), COMMANDS.len(), wrong.join("\n"));
}

/// Two hundred lines of everyday things, by busybox's shell and by the others that there are.
#[test]
fn a_long_script() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guest_programs/shell/script.sh");
    let place = tempfile::tempdir().unwrap();
    let place = place.path().join("w");
    for (shell, first) in
        [("/usr/bin/busybox", Some("sh")), ("/bin/bash", None), ("/bin/dash", None)]
    {
        let shell = Path::new(shell);
        if !shell.is_file() {
            skip(format_args!("{} is not installed", shell.display()));
            continue;
        }
        let (script, work) = (script.to_str().unwrap(), place.to_str().unwrap());
        let arguments: Vec<&str> = first.into_iter().chain([script, work]).collect();
        prepare(&place);
        let expected = native(shell, &arguments, None, b"");
        assert_eq!(expected.status, 7, "{}", text(&expected.stdout));
        prepare(&place);
        let found = emulated(&["--root", "/"], shell, &arguments, b"").unwrap();
        assert_eq!(expected.difference(&found), None, "{}", shell.display());
    }
}
