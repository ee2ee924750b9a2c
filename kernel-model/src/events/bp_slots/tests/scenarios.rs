//! The worked examples X1 to X11 of rule 2.2, from `tests-data/bp_slots.scn`.

use perf_core::{Errno, Target};

use super::twin::{Live, Twin};
use super::{any_cpu, bound, event, invariants, wide};
use crate::events::bp_slots::{BpSlots, BpTypeIdx, RegisterPools};

const SCENARIOS: &str = include_str!("../../../../tests-data/bp_slots.scn");
const HW_BREAKPOINT_W: u32 = 2;

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// Admitted, as the event of this number where the example says so.
    Ok(Option<usize>),
    Enospc,
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Open { target: Target, times: usize, answer: Answer },
    Close(usize),
}

fn parse_target(text: &str) -> Target {
    let number = |digits: &str| digits.parse().unwrap_or_else(|_| panic!("number in {text:?}"));
    if let Some(cpu) = text.strip_prefix('C') {
        return wide(number(cpu));
    }
    let (task, cpu) = text.strip_prefix('T').and_then(|t| t.split_once('@')).expect(text);
    if cpu == "*" { any_cpu(number(task)) } else { bound(number(task), number(cpu)) }
}

fn parse_answer(text: &str) -> Answer {
    match text {
        "E" => Answer::Enospc,
        "ok" => Answer::Ok(None),
        _ => {
            let number = text.strip_prefix("ok(#").and_then(|t| t.strip_suffix(')'));
            Answer::Ok(Some(number.expect(text).parse().expect(text)))
        }
    }
}

fn parse_step(text: &str) -> Step {
    if let Some(number) = text.strip_prefix("-#") {
        return Step::Close(number.parse().expect(text));
    }
    let words: Vec<_> = text.split_whitespace().collect();
    let (times, answer) = match words[..] {
        [_, answer] => (1, answer),
        [_, times, answer] => (times.strip_prefix('x').expect(text).parse().expect(text), answer),
        _ => panic!("step {text:?}"),
    };
    Step::Open { target: parse_target(words[0]), times, answer: parse_answer(answer) }
}

struct Run {
    slots: BpSlots,
    twin: Twin,
    nr_admitted: usize,
}

impl Run {
    fn open(&mut self, target: Target, answer: &Answer, place: &str) {
        let number = self.nr_admitted;
        let result = self.slots.reserve_bp_slot(event(number), target, HW_BREAKPOINT_W);
        match answer {
            Answer::Enospc => {
                assert_eq!(result.unwrap_err().errno(), Errno::ENOSPC, "{place}");
            }
            Answer::Ok(expected) => {
                assert_eq!(result, Ok(()), "{place}");
                assert!(expected.is_none_or(|n| n == number), "{place}: was number {number}");
                self.nr_admitted += 1;
                let live = Live { event: event(number), target, idx: BpTypeIdx::Data };
                self.twin.live.push(live);
            }
        }
    }

    fn close(&mut self, number: usize, place: &str) {
        assert!(self.slots.release_bp_slot(event(number)).is_some(), "{place}");
        self.twin.live.retain(|live| live.event != event(number));
    }
}

fn run(line: &str) {
    let (name, steps) = line.split_once(": ").expect(line);
    let mut run = Run {
        slots: BpSlots::new(RegisterPools::X86, 2),
        twin: Twin::new(RegisterPools::X86, 2),
        nr_admitted: 0,
    };
    for (position, text) in steps.split(", ").enumerate() {
        let place = format!("{name} step {position}: {text}");
        match parse_step(text) {
            Step::Open { target, times, answer } => {
                (0..times).for_each(|_| run.open(target, &answer, &place));
            }
            Step::Close(number) => run.close(number, &place),
        }
        invariants::check(&run.slots, &run.twin);
    }
}

#[test]
fn worked_examples() {
    let lines = SCENARIOS.lines().filter(|line| !line.starts_with('#'));
    let mut names = Vec::new();
    for line in lines {
        run(line);
        names.push(line.split(':').next().unwrap_or_default());
    }
    let expected: Vec<_> = (1..=11).map(|n| format!("X{n}")).collect();
    assert_eq!(names, expected);
}
