//! `dr7 run --kgdb` with the real gdb: breakpoints, watches, steps, threads, refusals.
//! Rules by number are those of linux-hw-breakpoint, section 6.3.

mod guest_programs;
mod refusals;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use guest_programs::{Variant, build_or_skip, dr7, run, skip, text};
use refusals::assert_refused;

/// What `dr7` says before the place where gdb is to connect.
const WAITING: &str = "target remote ";
/// No run of these tests takes as long as this.
const TIME_LIMIT: Duration = Duration::from_secs(180);

/// Whether gdb is there.
fn has_gdb() -> bool {
    let found = Command::new("gdb").arg("--version").output().is_ok_and(|o| o.status.success());
    if !found {
        skip("gdb is not installed");
    }
    found
}

/// A `dr7 run --kgdb` that waits for its debugger.
struct Waiting {
    child: Child,
    place: String,
    stdout: JoinHandle<Vec<u8>>,
    stderr: JoinHandle<String>,
}

fn collect(mut from: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What came before an error is what there is.
    let _ = from.read_to_end(&mut bytes);
    bytes
}

impl Waiting {
    fn start(options: &[&str], place: &str, program: &Path) -> Self {
        let mut command = dr7();
        command.args(["run", "--kgdb", place]).args(options).arg("--").arg(program);
        // The rounds of `spin`; the others take no argument.
        command.arg("1000000000000");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = child.stdout.take().unwrap();
        let mut err = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains(WAITING) {
            let before = said.len();
            err.read_line(&mut said).unwrap();
            assert_ne!(said.len(), before, "no place in: {said}");
        }
        let place = said.split_once(WAITING).unwrap().1.trim().to_owned();
        let stdout = thread::spawn(move || collect(out));
        let stderr = thread::spawn(move || said + &text(&collect(err)));
        Self { child, place, stdout, stderr }
    }

    /// Waits for the run's end: its status, standard output and error.
    fn end(self) -> (ExitStatus, String, String) {
        let (sender, ended) = mpsc::channel();
        let mut child = self.child;
        let id = child.id();
        thread::spawn(move || sender.send(child.wait()));
        let Ok(status) = ended.recv_timeout(TIME_LIMIT) else {
            let _ = Command::new("kill").arg(id.to_string()).status();
            panic!("dr7 has not ended after {TIME_LIMIT:?}");
        };
        let (out, err) = (self.stdout.join().unwrap(), self.stderr.join().unwrap());
        (status.unwrap(), text(&out), err)
    }
}

/// What gdb said, and how the run ended.
struct Debugged {
    gdb: String,
    status: Option<i32>,
    out: String,
    err: String,
}

/// Runs a program under gdb with these commands.
fn debug(options: &[&str], program: &Path, commands: &[&str]) -> Debugged {
    let waiting = Waiting::start(options, ":0", program);
    let gdb = gdb(&waiting.place, program, commands);
    let (status, out, err) = waiting.end();
    let status = status.code();
    assert!(!err.contains("panicked at"), "{err}");
    Debugged { gdb, status, out, err }
}

/// What gdb says, its errors and the answers of `monitor` last.
fn gdb(place: &str, program: &Path, commands: &[&str]) -> String {
    let mut command = Command::new("gdb");
    command.args(["-nx", "-batch", "-ex", "set confirm off", "-ex", "set width 0"]);
    command.args(["-ex", &format!("target remote {place}")]);
    for text in commands {
        command.args(["-ex", text]);
    }
    let Output { stdout, stderr, .. } = run(command.arg(program), b"");
    format!("{}{}", text(&stdout), text(&stderr))
}

/// Checks that gdb said all of this, in this order.
fn assert_said(debugged: &Debugged, wanted: &[&str]) {
    let mut rest = debugged.gdb.as_str();
    for text in wanted {
        let Some((_, after)) = rest.split_once(text) else {
            panic!("no {text:?} (in this order) in:\n{}\ndr7:\n{}", debugged.gdb, debugged.err);
        };
        rest = after;
    }
}

fn overflow() -> Option<std::path::PathBuf> {
    if has_gdb() { build_or_skip("overflow", Variant::HOST) } else { None }
}

#[test]
fn breaks_steps_and_detaches() {
    let Some(program) = overflow() else { return };
    let debugged = debug(
        &[],
        &program,
        &[
            "info registers rip cs fs_base",
            "break main",
            "continue",
            "x/2i $pc",
            "stepi",
            "next",
            "break copy_name if *from == 'f'",
            "continue",
            "print from",
            "info symbol $pc",
            "p $mxcsr",
            "p $fctrl",
            "set var name[0] = 'Z'",
            "print (char)name[0]",
            "print $xmm15.uint128 = 5",
            "x/4xb 0",
            "delete",
            "detach",
        ],
    );
    assert_said(
        &debugged,
        &[
            "_start",
            "rip ",
            "<_start>",
            "cs             0x33",
            "fs_base        0x0",
            "Breakpoint 1, main",
            "=> 0x",
            "Breakpoint 2, copy_name",
            "\"fifteen letters\"",
            "copy_name",
            "IM DM ZM OM UM PM",
            "= 895",
            "'Z'",
            "= 5",
            "detached",
            "Cannot access memory at address 0x0",
        ],
    );
    assert_eq!(debugged.status, Some(0), "{}", debugged.err);
    // INT3 has gone: the program is what it was.
    assert!(debugged.out.contains("guard:") && debugged.out.contains("checksum:"));
}

#[test]
fn hardware_breakpoints_stop_where_they_should() {
    let Some(program) = overflow() else { return };
    let debugged = debug(
        &[],
        &program,
        &[
            "hbreak copy_name",
            "continue",
            "delete",
            "watch guard",
            "continue",
            "delete",
            "awatch guard",
            "continue",
            "rwatch guard",
            "continue",
            "delete",
            "continue",
        ],
    );
    assert_said(
        &debugged,
        &[
            "Hardware assisted breakpoint 1",
            "Breakpoint 1, copy_name",
            "Hardware watchpoint 2: guard",
            "Old value = 1611516433",
            "New value = ",
            "Hardware access (read/write) watchpoint 3: guard",
            // Rule 6.3.3: x86 cannot watch reads alone.
            "Hardware read watchpoint 4: guard",
            "exited normally",
            "Could not insert hardware watchpoint 4",
        ],
    );
    assert_eq!(debugged.status, Some(0), "{}", debugged.err);
}

#[test]
fn slots_are_shared_with_perf() {
    let Some(program) = overflow() else { return };
    let watches = ["watch name[0]", "watch name[1]", "watch name[2]", "watch name[3]"];
    let fifth = ["break *main", "continue", "watch *(char*)&guard", "continue"];
    let end = ["kill"];
    let commands: Vec<&str> =
        fifth[..2].iter().chain(&watches).chain(&fifth[2..]).copied().collect();
    let debugged = debug(&[], &program, &[commands.as_slice(), &end].concat());
    assert_said(&debugged, &["Hardware watchpoint 5", "Could not insert hardware"]);
    assert!(debugged.err.contains("killed by the debugger"), "{}", debugged.err);
    assert_eq!(debugged.status, Some(2));
    // With two slots held by perf there are two left, and perf's are not evicted (rule 6.3.6).
    let held = ["-e", "mem:guard/8:w", "-e", "mem:name/8:w"];
    let two = ["monitor slots", "watch name[0]", "watch name[1]", "monitor slots"];
    let always = ["set breakpoint always-inserted on"];
    let debugged =
        debug(&held, &program, &[&always[..], &two, &["watch name[2]", "kill"]].concat());
    assert_said(
        &debugged,
        &[
            "Hardware watchpoint 1",
            "breakpoint slots of CPU 0",
            "2 of 4",
            "kgdb 0",
            "4 of 4",
            "Could not insert hardware",
        ],
    );
}

#[test]
fn cpus_are_threads() {
    if !has_gdb() {
        return;
    }
    let Some(program) = build_or_skip("two_tasks", Variant::HOST) else { return };
    let debugged = debug(
        &["--cpus", "2"],
        &program,
        &[
            "info threads",
            "break run_child",
            "continue",
            "info threads",
            "thread apply all p $pc",
            "thread apply all x/1xg $sp",
            "monitor tasks",
            "monitor dr",
            "delete",
            "kill",
        ],
    );
    assert_said(
        &debugged,
        &[
            "(CPU 0: pid 1000 two_tasks)",
            "(CPU 1: idle)",
            "run_child",
            "CPU 1: pid 1001 two_tasks",
            "PID   TID CPU STATE    COMM",
            "1001  1001   1 running  two_tasks",
            "CPU 1: DR6 0xffff0ff0 DR7 0x400",
        ],
    );
}

#[test]
fn kernel_variables_can_be_watched_by_name() {
    let Some(program) = overflow() else { return };
    let directory = refusals::directory();
    let symbols = directory.path().join("kernel.sym");
    let add = format!("add-symbol-file {}", symbols.display());
    let jiffies = "p/x *(unsigned long *)&jiffies";
    let debugged = debug(
        &["--kernel-symbols", symbols.to_str().unwrap()],
        &program,
        &[
            &add,
            "p/x &jiffies",
            jiffies,
            "watch *(unsigned long *)&nr_context_switches",
            "hbreak entry_SYSCALL_64",
            "continue",
            "bt 1",
            "delete 2",
            "continue",
            "x/i $pc",
            "p *(unsigned long *)&nr_context_switches",
            "x/2xb entry_SYSCALL_64",
            "kill",
        ],
    );
    assert_said(
        &debugged,
        &[
            "0xffffffff81800000",
            "0xfffedb08",
            "Hardware watchpoint 1: *(unsigned long *)&nr_context_switches",
            "Breakpoint 2, 0xffffffff81000000 in entry_SYSCALL_64 ()",
            "Hardware watchpoint 1",
            "Old value = 0",
            "New value = 1",
            "__schedule",
            "= 1",
            "0x0f\t0x01",
        ],
    );
}

/// gdb's interrupt needs a terminal; the byte it sends does not.
#[test]
fn an_interrupt_stops_a_program_that_never_ends() {
    let Some(program) = build_or_skip("spin", Variant::HOST) else { return };
    let waiting = Waiting::start(&["--cpus", "2"], ":0", &program);
    let mut gdb = Remote::connect(&waiting.place);
    assert!(gdb.ask("?").starts_with('S') || gdb.last.starts_with('T'), "{}", gdb.last);
    gdb.send("vCont;c");
    gdb.raw(&[3]);
    assert!(gdb.receive().starts_with("T02thread:"), "{}", gdb.last);
    // It stands still, so what is asked twice is answered alike.
    let regs = gdb.ask("g");
    assert_eq!(gdb.ask("g"), regs);
    assert_eq!(gdb.ask("Z3,401000,4"), "E01");
    assert_eq!(gdb.ask("Z2,401000,3"), "E01");
    assert_eq!(gdb.ask("Z2,401000,4"), "OK");
    assert_eq!(gdb.ask("z2,401000,4"), "OK");
    assert_eq!(gdb.ask("z2,401000,4"), "E01");
    assert_eq!(gdb.ask("Z5,401000,4"), "");
    assert_eq!(gdb.ask("m0,4"), "E0e");
    assert_eq!(gdb.ask("mffffc00000000000,8"), "E0e");
    assert_eq!(gdb.ask("M0,1:00"), "E0e");
    gdb.send("k");
    let (status, _, err) = waiting.end();
    assert_eq!(status.code(), Some(2), "{err}");
    assert!(err.contains("killed by the debugger"), "{err}");
}

/// The GDB remote protocol, as little of it as these tests need.
struct Remote {
    stream: TcpStream,
    last: String,
}

impl Remote {
    fn connect(place: &str) -> Self {
        let stream = TcpStream::connect(place).unwrap();
        stream.set_read_timeout(Some(TIME_LIMIT)).unwrap();
        Self { stream, last: String::new() }
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    fn send(&mut self, packet: &str) {
        let sum = packet.bytes().fold(0u8, u8::wrapping_add);
        self.raw(format!("${packet}#{sum:02x}").as_bytes());
    }

    /// The next packet, with runs spelled out.
    fn receive(&mut self) -> &str {
        let mut byte = [0];
        let mut packet = Vec::new();
        while byte != *b"$" {
            self.stream.read_exact(&mut byte).unwrap();
        }
        loop {
            self.stream.read_exact(&mut byte).unwrap();
            match byte[0] {
                b'#' => break,
                b'*' => {
                    self.stream.read_exact(&mut byte).unwrap();
                    let last = *packet.last().unwrap();
                    packet.extend(std::iter::repeat_n(last, usize::from(byte[0] - 29)));
                }
                other => packet.push(other),
            }
        }
        self.stream.read_exact(&mut [0; 2]).unwrap();
        self.raw(b"+");
        self.last = text(&packet);
        &self.last
    }

    fn ask(&mut self, packet: &str) -> String {
        self.send(packet);
        self.receive().to_owned()
    }
}

#[test]
fn a_client_that_speaks_nonsense_or_leaves_does_not_hurt_the_run() {
    let Some(program) = build_or_skip("overflow", Variant::HOST) else { return };
    let nonsense: [&[u8]; 6] = [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        b"$#00$g#00",
        b"$vCont;s:9999;c#xx",
        b"\x03\x03$Z0,ffffffffffffffffffffffffffffff,1#12",
        &[0xff; 10_000],
    ];
    for bytes in nonsense {
        let waiting = Waiting::start(&[], ":0", &program);
        let mut stream = TcpStream::connect(&waiting.place).unwrap();
        // The stub may have hung up already.
        let _ = stream.write_all(bytes);
        drop(stream);
        let (status, out, err) = waiting.end();
        assert_eq!(status.code(), Some(0), "{bytes:?}: {err}");
        assert!(out.contains("checksum:") && !err.contains("panicked"), "{err}");
        assert!(err.contains("the run goes on"), "{err}");
    }
}

#[test]
fn a_client_that_leaves_takes_its_breakpoints_with_it() {
    let Some(program) = build_or_skip("overflow", Variant::HOST) else { return };
    let waiting = Waiting::start(&[], ":0", &program);
    let mut gdb = Remote::connect(&waiting.place);
    let Ok(symbols) = Command::new("nm").arg(&program).output() else {
        skip("nm is not installed");
        gdb.send("k");
        return;
    };
    let symbols = text(&symbols.stdout);
    let main = symbols.lines().find(|line| line.ends_with(" main")).unwrap();
    let addr = main.split(' ').next().unwrap().trim_start_matches('0').to_owned();
    assert_eq!(gdb.ask(&format!("Z0,{addr},1")), "OK");
    assert_eq!(gdb.ask(&format!("Z1,{addr},1")), "OK");
    drop(gdb);
    let (status, out, err) = waiting.end();
    assert_eq!(status.code(), Some(0), "{err}");
    assert!(out.contains("checksum:"));
}

#[test]
fn a_socket_file_serves_as_well() {
    let Some(program) = overflow() else { return };
    let directory = refusals::directory();
    let path = directory.path().join("gdb.socket");
    let place = format!("unix:{}", path.display());
    let waiting = Waiting::start(&[], &place, &program);
    let said = gdb(&waiting.place, &program, &["info threads", "continue"]);
    assert!(
        said.contains("CPU 0: pid 1000 overflow") && said.contains("exited normally"),
        "{said}"
    );
    assert_eq!(waiting.end().0.code(), Some(0));
    assert!(!path.exists());
}

#[test]
fn what_cannot_be_is_refused() {
    let Some((program, _)) = refusals::small_program() else { return };
    for (place, reason) in [
        ("1234", "a place is"),
        (":port", "a place is"),
        ("0.0.0.0:0", "not a loopback address"),
        ("unix:/nonexistent/socket", "cannot listen"),
    ] {
        let output = run(dr7().args(["run", "--kgdb", place, "--"]).arg(&program), b"");
        assert_refused(&output, &[reason], place);
    }
    let directory = refusals::directory();
    let to = directory.path().join("recording");
    let mut record = dr7();
    record.args(["record", "--kgdb", ":0", "-o"]).arg(&to).arg("--").arg(&program);
    assert_refused(&run(&mut record, b""), &["could not be replayed"], "record --kgdb");
    refusals::assert_empty(directory.path(), "record --kgdb");
}
