//! `--root` and `--mount`: programs of the host's own tree run as they do natively, what they
//! change stays in the guest, and a recording needs none of the files again.

mod guest_programs;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use guest_programs::beside::{emulated, native};
use guest_programs::{Variant, build_or_skip, dr7, run, skip, text};

/// A file of the host, or a line that says why a test has nothing to do.
fn host_file(path: &str) -> Option<PathBuf> {
    let path = PathBuf::from(path);
    if path.is_file() {
        return Some(path);
    }
    skip(format_args!("{} is not installed", path.display()));
    None
}

/// A directory with a text in it, at a path that is the same natively and in the guest.
fn text_directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let lines: String = (0..500).map(|n| format!("{} line {n}\n", n * 7919 % 1000)).collect();
    fs::write(directory.path().join("numbers"), lines).unwrap();
    fs::create_dir(directory.path().join("below")).unwrap();
    fs::write(directory.path().join("below/empty"), "").unwrap();
    symlink("numbers", directory.path().join("link")).unwrap();
    directory
}

/// Runs a program of this machine natively and with the machine's root directory.
fn compare(program: &str, arguments: &[&str]) {
    let Some(path) = host_file(program) else { return };
    let expected = native(&path, arguments, None, b"");
    let difference = match emulated(&["--root", "/"], &path, arguments, b"") {
        Ok(found) => expected.difference(&found),
        Err(reason) => Some(reason),
    };
    assert_eq!(difference, None, "{program} {}", arguments.join(" "));
}

#[test]
fn dynamic_programs_of_this_machine() {
    let directory = text_directory();
    let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let numbers = at("numbers");
    compare("/bin/cat", &[&numbers, &at("link")]);
    compare("/usr/bin/sort", &["-n", "-k3", &numbers]);
    compare("/usr/bin/wc", &[&numbers]);
    compare("/bin/ls", &["-A", directory.path().to_str().unwrap()]);
    compare("/bin/ls", &[&at("none")]);
    compare("/usr/bin/find", &[directory.path().to_str().unwrap(), "-name", "e*"]);
    compare("/usr/bin/stat", &["-c", "%n %s %A %h %U %Y", &numbers, &at("link")]);
    compare("/bin/grep", &["-r", "line 12", directory.path().to_str().unwrap()]);
    compare("/usr/bin/head", &["-c", "100", &numbers]);
    compare("/usr/bin/sha256sum", &[&numbers]);
}

#[test]
fn bash_of_this_machine() {
    let script = "echo hi; cd /; pwd; for i in 1 2 3; do echo $i; done | sort -r; \
        x=$(printf 'a b c' | wc -w); echo $x; test -d /etc && echo yes; (exit 4); echo $?; \
        echo text > /tmp/dr7-written && cat /tmp/dr7-written && rm /tmp/dr7-written; exit 7";
    compare("/bin/bash", &["-c", script]);
}

/// Programs by their names in a directory with a text, a makefile and a C program; what is not
/// installed is told of by both in the same way.
const BY_NAME: &[&str] = &[
    "ls -l numbers below | cut -c1-10; ls -ld . | cut -c1-10; ls -s numbers",
    "tar cf - numbers below | tar tvf - | awk '{print $1, $2, $3}'; tar czf a.tgz numbers; tar xOzf a.tgz | md5sum",
    "find . -type f -printf '%p %s %m %u\\n' | sort; du -b numbers; stat -c '%n %s %b %h' numbers link",
    "env -i A=1 B=2 env; id; groups; whoami; date -u -d @1700000000; uname -s; getconf PAGE_SIZE",
    "awk '{s += $1} END {print s}' numbers; sed -n '3,5p' numbers; grep -c 7 numbers; sort -rn numbers | head -n 2",
    "perl -e 'print join(q(,), map { $_ * $_ } 1 .. 9), qq(\\n); print `echo sub`; printf qq(%.12g\\n), 4 * atan2(1, 1)'",
    "python3 -S -c 'import os, json; print(sum(range(10 ** 4)), json.dumps([1, None])); print(sorted(os.listdir()), os.stat(\"numbers\").st_size)'",
    "make -s; cat out",
    "cc -O1 -o answer answer.c && ./answer; echo $?; rm answer",
    "git init -q g && cd g && git config user.email a@b && git config user.name n && echo hi > f && git add f && GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000' git commit -q -m first && git log && git status",
    "gzip -c numbers | gunzip | cmp - numbers && echo gzip; xz -c numbers | xz -d | cmp - numbers && echo xz",
    "diff numbers link; cmp numbers out; od -c numbers | head -n 2; b2sum numbers; base64 numbers | head -n 1",
    "setpriv --reuid=65534 --regid=65534 --clear-groups sh -c 'id; cat private; echo $?; echo x > new; echo $?; test -w . || echo not mine'",
    "mkfifo p; (echo through > p) & cat p; rm p; diff <(sort numbers) <(sort -r numbers) | wc -l",
    "bash -c 'a=(one two three); declare -A m=([x]=1); echo ${a[@]:1} ${#a[@]} ${m[x]}; [[ abc =~ b(.) ]] && echo ${BASH_REMATCH[1]}'",
    "bash -c 'trap \"echo usr1\" USR1; kill -USR1 $$; sleep 0.01 & wait $!; set -m; sleep 9 & kill %1; wait %1; echo $?; coproc cat; echo hey >&${COPROC[1]}; read y <&${COPROC[0]}; echo $y'",
    "timeout 0.1 sleep 9; echo $?; nice -n 3 true; flock numbers echo locked; split -l 200 numbers s; wc -l s*",
    "chmod 4711 numbers; stat -c '%A %a' numbers; chown 7:8 numbers; ls -ln numbers | awk '{print $1, $3, $4}'; truncate -s 9000 t; du -k t",
    "objdump -d answer.c; readelf -h /bin/true | head -n 4; file -b answer.c; strings -n 9 /bin/true | head -n 2",
];

/// What the programs of this machine print by way of its bash, natively and in the guest.
#[test]
fn programs_by_name() {
    let Some(bash) = host_file("/bin/bash") else { return };
    let place = tempfile::tempdir().unwrap();
    let work = place.path().join("w");
    let prepare = || {
        let _absent = fs::remove_dir_all(&work);
        fs::create_dir_all(work.join("below")).unwrap();
        let lines: String = (0..500).map(|n| format!("{} line {n}\n", n * 7919 % 1000)).collect();
        fs::write(work.join("numbers"), lines).unwrap();
        fs::write(work.join("below/empty"), "").unwrap();
        fs::write(work.join("private"), "text").unwrap();
        fs::set_permissions(work.join("private"), PermissionsExt::from_mode(0o600)).unwrap();
        fs::set_permissions(place.path(), PermissionsExt::from_mode(0o755)).unwrap();
        fs::write(work.join("Makefile"), "out: numbers\n\tsort -n numbers | head -n 3 > out\n")
            .unwrap();
        fs::write(
            work.join("answer.c"),
            "#include <stdio.h>\nint main(void) { return printf(\"%d\\n\", 42); }\n",
        )
        .unwrap();
        symlink("numbers", work.join("link")).unwrap();
    };
    let mut wrong = Vec::new();
    for command in BY_NAME {
        let script = format!("cd {} && {command}", work.display());
        prepare();
        let expected = native(&bash, &["-c", &script], None, b"");
        prepare();
        let difference = match emulated(&["--root", "/"], &bash, &["-c", &script], b"") {
            Ok(found) => expected.difference(&found),
            Err(reason) => Some(reason),
        };
        wrong.extend(difference.map(|difference| format!("{command}: {difference}")));
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), BY_NAME.len(), wrong.join("\n"));
}

/// A root directory with busybox in it, and links to it by the names of its applets.
fn busybox_root() -> Option<tempfile::TempDir> {
    let busybox = host_file("/usr/bin/busybox").or_else(|| host_file("/bin/busybox"))?;
    let root = text_directory();
    let bin = root.path().join("bin");
    fs::create_dir(&bin).unwrap();
    fs::copy(busybox, bin.join("busybox")).unwrap();
    for applet in ["sh", "cat", "find", "grep", "ls", "mkdir", "rm", "sort", "tar", "wc", "mv"] {
        symlink("busybox", bin.join(applet)).unwrap();
    }
    let script = root.path().join("script");
    fs::write(
        &script,
        "#!/bin/sh -e\n\
         cd /tmp\n\
         grep -c line /numbers\n\
         tar cf all.tar -C / numbers below link\n\
         mkdir out && cd out && tar xf ../all.tar && find . | sort\n\
         sort -n numbers | wc -l\n\
         mv numbers renamed; cat link 2>&1 || echo dangling\n\
         rm -r below renamed link && ls\n\
         echo changed > /numbers; cat /numbers /below/empty\n\
         for i in a b c; do echo $i; done | while read x; do echo \"got $x $1\"; done\n\
         exit 3\n",
    )
    .unwrap();
    fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    Some(root)
}

const SCRIPT_OUTPUT: &str = "500\n.\n./below\n./below/empty\n./link\n./numbers\n500\n\
    cat: can't open 'link': No such file or directory\ndangling\nchanged\n\
    got a word\ngot b word\ngot c word\n";

#[test]
fn a_script_replays_without_its_files() {
    let Some(root) = busybox_root() else { return };
    let before = fs::read(root.path().join("numbers")).unwrap();
    let place = tempfile::tempdir().unwrap();
    let recording = place.path().join("run.dr7");
    let mut command = dr7();
    command.arg("record").arg("-o").arg(&recording).arg("--root").arg(root.path());
    let recorded = run(command.args(["--", "/script", "word"]), b"");
    assert_eq!(text(&recorded.stdout), SCRIPT_OUTPUT);
    assert_eq!(recorded.status.code(), Some(3), "{}", text(&recorded.stderr));
    assert_eq!(fs::read(root.path().join("numbers")).unwrap(), before, "the host is not written");
    assert!(!root.path().join("tmp").exists());
    root.close().unwrap();
    let replayed = run(dr7().arg("replay").arg(&recording), b"");
    assert_eq!(text(&replayed.stdout), SCRIPT_OUTPUT);
    assert_eq!(replayed.status.code(), Some(0), "{}", text(&replayed.stderr));
    assert!(text(&replayed.stderr).contains("identical"));
}

#[test]
fn mounts_are_seen_and_kept() {
    let Some(busybox) = host_file("/usr/bin/busybox") else { return };
    let directory = text_directory();
    let host = directory.path().to_str().unwrap();
    let mounts = [format!("{host}:/data"), format!("{host}:/kept/in:ro")];
    let options: Vec<&str> = mounts.iter().flat_map(|mount| ["--mount", mount]).collect();
    let script = "cat /data/below/empty; echo new > /data/new && cat /data/new; \
        echo new > /kept/in/new; ls /kept/in";
    let found = emulated(&options, &busybox, &["sh", "-c", script], b"").unwrap();
    assert_eq!(text(&found.stdout), "new\nbelow\nlink\nnumbers\n");
    assert!(!directory.path().join("new").exists());
}

#[test]
fn without_a_root_only_the_program_is_there() {
    let Some(program) = build_or_skip("hello", Variant::SMALL) else { return };
    let Some(busybox) = host_file("/usr/bin/busybox") else { return };
    let found = emulated(&[], &busybox, &["cat", "/etc/passwd"], b"").unwrap();
    assert_eq!((found.status, found.stdout.len()), (1, 0));
    let found = emulated(&[], &busybox, &["ls", "/"], b"").unwrap();
    let own = busybox.components().nth(1).unwrap().as_os_str().to_str().unwrap().to_owned();
    assert_eq!(text(&found.stdout), format!("dev\nproc\nsys\ntmp\n{own}\n"));
    assert!(program.is_file());
}

/// What cannot be mounted or started is told, with exit status 2.
#[test]
fn bad_paths_are_refused() {
    let Some(program) = build_or_skip("hello", Variant::SMALL) else { return };
    let program: &Path = &program;
    let file = program.to_str().unwrap();
    let file_mount = format!("{file}:relative");
    let kept_mount = format!("{file}:/proc/x");
    let cases: [(&[&str], &str, &str); 7] = [
        (&["--root", "/no/such/directory"], file, "No such file or directory"),
        (&["--root", file], file, "not a directory"),
        (&["--mount", "/no/such/file:/x"], file, "No such file or directory"),
        (&["--mount", "nothing"], file, "HOST:GUEST"),
        (&["--mount", &file_mount], file, "HOST:GUEST"),
        (&["--mount", &kept_mount], file, "the machine's own"),
        (&["--root", "/"], "/no/such/program", "/no/such/program"),
    ];
    for (options, program, reason) in cases {
        let output = run(dr7().arg("run").args(options).args(["--", program]), b"");
        let complaint = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{options:?}: {complaint}");
        assert!(complaint.contains(reason), "{options:?}: {complaint}");
    }
}
