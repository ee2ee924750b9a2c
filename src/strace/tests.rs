//! Lines of calls that interleave.

use kernel_model::observe::TaskTag;
use perf_core::{Errno, TaskId};

use super::*;

fn told(tid: u32, nr_tasks: usize, event: CallEvent) -> CallTold {
    let task = TaskTag { task: TaskId(tid), pid: 1, tid, comm: String::from("t") };
    CallTold { task, nr_tasks, event }
}

fn entry(name: &str, words: &[&str], rest: Rest) -> CallEvent {
    CallEvent::Entry { name: name.to_owned(), args: args(words), rest }
}

fn args(words: &[&str]) -> Vec<CallArg> {
    let arg = |word: &&str| CallArg { label: "", value: Value::Word((*word).to_owned()) };
    words.iter().map(arg).collect()
}

fn exit(words: &[&str], result: CallResult) -> CallEvent {
    CallEvent::Exit { change: None, args: args(words), result }
}

fn number(number: &str) -> CallResult {
    CallResult::Value { number: number.to_owned(), note: None }
}

#[test]
fn results_stand_in_a_column() {
    let mut lines = Lines::default();
    assert_eq!(lines.told(&told(1, 1, entry("close", &["3"], Rest::Nothing))), "");
    let text = lines.told(&told(1, 1, exit(&[], CallResult::Error(Errno::EBADF))));
    assert_eq!(text, "close(3)                                = -1 EBADF (Bad file descriptor)\n");
}

#[test]
fn another_task_cuts_a_line() {
    let mut lines = Lines::default();
    lines.told(&told(1, 2, entry("read", &["0"], Rest::Arguments)));
    let text = lines.told(&told(2, 2, entry("pause", &[], Rest::Nothing)));
    assert_eq!(text, "[pid     1] read(0,  <unfinished ...>\n");
    let text = lines.told(&told(1, 2, exit(&["\"x\"", "1"], number("1"))));
    assert_eq!(
        text,
        "[pid     2] pause( <unfinished ...>\n[pid     1] <... read resumed>\"x\", 1)   = 1\n"
    );
    let killed = ExitStatus::Signaled { signal: 11, core: true };
    let text = lines.told(&told(2, 2, CallEvent::Ended(killed)));
    assert_eq!(
        text,
        "[pid     2] <... pause resumed>)        = ?\n\
         [pid     2] +++ killed by SIGSEGV (core dumped) +++\n"
    );
    assert_eq!(lines.end(), "");
}

#[test]
fn a_change_stands_behind_its_argument() {
    let mut lines = Lines::default();
    lines.told(&told(1, 1, entry("clone3", &["{a=1}"], Rest::Change)));
    let change = Some(Value::Word(String::from("{b=2}")));
    let event = CallEvent::Exit { change, args: args(&["88"]), result: number("7") };
    assert_eq!(lines.told(&told(1, 1, event)), "clone3({a=1} => {b=2}, 88)              = 7\n");
    lines.told(&told(1, 1, entry("read", &["0"], Rest::Arguments)));
    assert_eq!(lines.end(), "read(0,  <unfinished ...>\n");
}
