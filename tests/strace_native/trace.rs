//! A trace as it can be compared: its lines by task, each call in one line, without what differs
//! from run to run.

use std::collections::BTreeMap;

/// What a call is cut with when another task has something to say.
const UNFINISHED: &str = " <unfinished ...>";

/// Calls whose times are the run's own.
const TIMED: [&str; 7] =
    ["clock_gettime", "gettimeofday", "getrusage", "wait4", "times", "select", "pselect6"];

/// The lines of each task, in the order in which the tasks came to be.
pub(crate) fn by_task(trace: &str) -> Vec<Vec<String>> {
    let ids = task_ids(trace);
    let mut tasks: Vec<Vec<String>> = vec![Vec::new(); ids.len().max(1)];
    let mut cut: BTreeMap<usize, String> = BTreeMap::new();
    for line in trace.lines() {
        let (id, line) = without_prefix(line);
        let task = id.and_then(|id| ids.iter().position(|known| *known == id)).unwrap_or(0);
        if let Some(start) = line.strip_suffix(UNFINISHED) {
            cut.insert(task, start.to_owned());
            continue;
        }
        let whole = match line.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>")) {
            Some((_, rest)) => cut.remove(&task).unwrap_or_default() + rest,
            None => line.to_owned(),
        };
        tasks[task].push(mask(&whole, &ids));
    }
    for lines in &mut tasks {
        // When a child's end is told, beside the parent's calls, is chance.
        lines.sort_by_key(|line| line.starts_with("--- SIGCHLD"));
    }
    tasks
}

/// `[pid N] `, or `N ` as strace has it in files, and what follows.
fn without_prefix(line: &str) -> (Option<u32>, &str) {
    let prefixed = match line.strip_prefix("[pid ") {
        Some(rest) => rest.split_once("] "),
        None => line.split_once(' ').filter(|(id, _)| id.parse::<u32>().is_ok()),
    };
    match prefixed {
        Some((id, rest)) => (id.trim().parse().ok(), rest.trim_start()),
        None => (None, line),
    }
}

/// Ids of tasks: the first one's, and those that clones returned.
fn task_ids(trace: &str) -> Vec<u32> {
    let mut ids = Vec::new();
    for line in trace.lines() {
        let (id, line) = without_prefix(line);
        let result = line.rsplit_once(" = ").and_then(|(_, result)| result.trim().parse().ok());
        let makes_tasks =
            ["set_tid_address(", "clone", "fork(", "vfork(", "<... clone", "<... vfork"];
        let made = makes_tasks.iter().any(|call| line.starts_with(call)).then_some(result);
        for id in [made.flatten(), id].into_iter().flatten() {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
    }
    ids
}

/// A line with the string behind `before` replaced.
fn without_string(line: &str, before: &str) -> String {
    match line.split_once(before) {
        Some((head, rest)) => {
            let end = rest.find('"').map_or(rest, |end| &rest[end..]);
            format!("{head}{before}MASKED{end}")
        }
        None => line.to_owned(),
    }
}

/// Replaces task ids, addresses, random bytes, the host's name, and times.
fn mask(line: &str, ids: &[u32]) -> String {
    if line.starts_with("getppid()") {
        return String::from("getppid() = PARENT");
    }
    let line = without_string(line, "getrandom(\"");
    let line = without_string(&line, "nodename=\"");
    let is_timed = TIMED.iter().any(|call| line.starts_with(call));
    let (mut out, mut word) = (String::new(), String::new());
    for c in line.chars().chain(['\n']) {
        if c.is_ascii_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        let is_time = is_timed && (out.ends_with("sec="));
        out.push_str(&masked_word(&word, ids, is_time));
        word.clear();
        out.push(c);
    }
    let collapsed = out.trim_end().split(") ").map(str::trim_start).collect::<Vec<_>>();
    collapsed.join(") ")
}

fn masked_word(word: &str, ids: &[u32], is_time: bool) -> String {
    if word.starts_with("0x") && word.len() > 6 {
        return String::from("ADDR");
    }
    let Ok(number) = word.parse::<u32>() else { return word.to_owned() };
    match ids.iter().position(|id| *id == number) {
        _ if is_time => String::from("TIME"),
        Some(task) => format!("TASK{task}"),
        None => word.to_owned(),
    }
}

/// Lines that only one of the two has: `-` the first, `+` the second.
pub(crate) fn difference(first: &[String], second: &[String]) -> Vec<String> {
    let (n, m) = (first.len(), second.len());
    let mut common = vec![vec![0_u32; m + 1]; n + 1];
    for i in (0..n).rev() {
        for j in (0..m).rev() {
            common[i][j] = if first[i] == second[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut found) = (0, 0, Vec::new());
    while i < n || j < m {
        if i < n && j < m && first[i] == second[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == m || i < n && common[i + 1][j] >= common[i][j + 1] {
            found.push(format!("- {}", first[i]));
            i += 1;
        } else {
            found.push(format!("+ {}", second[j]));
            j += 1;
        }
    }
    found
}
