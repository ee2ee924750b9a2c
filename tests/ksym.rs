//! The ksym tracer end to end: from the command line, and through the guest's tracing directory.

mod guest_programs;

use guest_programs::{Variant, build_or_skip, dr7, run, text};

/// Rules 6.2.4 and 6.2.7: two forks are two hits, each with who, where and what.
#[test]
fn forks_are_traced_from_the_command_line() {
    let Some(program) = build_or_skip("two_tasks", Variant::SMALL) else { return };
    let output = run(dr7().args(["run", "--ksym", "total_forks:-w-", "--"]).arg(program), b"");
    let told = text(&output.stderr);
    let hits: Vec<&str> = told.lines().filter(|line| line.contains(" total_forks+0x0 ")).collect();
    assert!(!hits.is_empty(), "{told}");
    for hit in &hits {
        assert!(
            hit.starts_with("  two_tasks-1000  [000] total_forks+0x0 W  copy_process"),
            "{hit}"
        );
    }
    let profile = told.lines().find(|line| line.starts_with("  W ")).unwrap_or_default();
    assert!(profile.trim_end().ends_with(&format!(" {}", hits.len())), "{told}");
}

/// What cannot be traced is refused before anything runs, with the reason.
#[test]
fn bad_symbols_are_refused() {
    let Some(program) = build_or_skip("tiny", Variant::SMALL) else { return };
    for (filter, reason) in [
        ("nobody:-w-", "no symbol 'nobody'"),
        ("jiffies", "no ':'"),
        ("jiffies:rw", "instead of 3"),
        ("jiffies:rwx", "rw- and -w-"),
        ("jiffies:r--", "EINVAL"),
    ] {
        let output = run(dr7().args(["run", "--ksym", filter, "--"]).arg(&program), b"");
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{filter}: {told}");
        assert!(told.contains(reason), "{filter}: {told}");
    }
}

/// Rules 6.2.2 to 6.2.6, 6.2.8 and 6.2.10, with a shell in the guest.
#[test]
fn the_tracing_directory() {
    let script = "cd /sys/kernel/tracing
        cat available_tracers current_tracer
        echo ksym_tracer > current_tracer
        echo total_forks:rw- > ksym_trace_filter
        echo pid_max:rw- >> ksym_trace_filter
        echo pid_max:rw- > ksym_trace_filter || echo again: refused
        echo nobody:rw- > ksym_trace_filter || echo nobody: refused
        cat ksym_trace_filter
        (:)
        (:)
        cat trace ksym_profile
        echo > trace
        cat trace
        echo nop > current_tracer
        cat ksym_trace_filter";
    let busybox = std::path::Path::new("/bin/busybox");
    if !busybox.exists() {
        guest_programs::skip("no static busybox");
        return;
    }
    let output = run(dr7().args(["run", "--", "/bin/busybox", "sh", "-c", script]), b"");
    let (out, told) = (text(&output.stdout), text(&output.stderr));
    let listed = "ksym_tracer nop\nnop\nagain: refused\nnobody: refused\n\
                  pid_max+0x0/0x4:rw-\ntotal_forks+0x0/0x8:rw-\n";
    assert!(out.starts_with(listed), "{out}\n{told}");
    // The shell forks for each `cat` too. The second trace begins anew.
    let traces: Vec<&str> = out.split("#       TASK-PID").skip(1).collect();
    let hits = |trace: &str, symbol: &str| trace.matches(symbol).count();
    let [first, second] = traces[..] else { panic!("{out}") };
    let forks = hits(first, " total_forks+0x0 RW copy_process");
    assert!(forks >= 2, "{out}");
    assert_eq!(hits(first, " pid_max+0x0 RW alloc_pid"), forks, "{out}");
    assert!(hits(second, " total_forks+0x0 RW copy_process") < forks, "{out}");
    // Another tracer takes the entries away: the filter is empty.
    assert!(!second.contains(":rw-"), "{out}");
}
