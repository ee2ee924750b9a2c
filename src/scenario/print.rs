//! Writing operations and answers, in words that [`super::parse`] reads.

use kernel_model::events::hw_breakpoint::Support;
use kernel_model::scenario::StageConfig;
use kernel_model::scenario::op::{
    AccessKind, Answer, BreakpointSpec, Enabled, EventKind, EventOption, ForkKind, GuestStep,
    LoggedHit, NotifierVerdict, Op, OpenOp, OpenTarget, RegisterHolder, RegisterTarget,
    RegistersView, SignalSeen, TextPokeStep, TrapAction,
};
use perf_core::{Defect, Defects, EventState, Generation, Mode, Scope};

use super::{Expected, Scenario, Step};

/// A whole scenario: what [`super::parse::scenario`] reads as the same steps.
#[must_use]
pub fn scenario(scenario: &Scenario) -> String {
    let mut text = settings(&scenario.config);
    for line in scenario.steps.iter().map(step) {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// The lines about the machine, each with its newline.
#[must_use]
pub fn settings(config: &StageConfig) -> String {
    let mut text = format!("cpus {}\n", config.nr_cpus);
    if config.support == Support::Absent {
        text.push_str("support off\n");
    }
    if config.generation != Generation::default() {
        text.push_str(&format!("kernel {}\n", config.generation));
    }
    let of_generation = Defects::of(config.generation);
    for &defect in Defect::ALL {
        let shows = config.defects.has(defect);
        if shows != of_generation.has(defect) {
            let to = if shows { "on" } else { "off" };
            text.push_str(&format!("defect {defect} {to}\n"));
        }
    }
    text
}

/// One line: the operation, and the answer that is expected.
#[must_use]
pub fn step(step: &Step) -> String {
    match &step.expected {
        None => op(&step.op),
        Some(Expected::Text(text)) => format!("{} = {text}", op(&step.op)),
        Some(Expected::Above(limit)) => format!("{} = >{limit}", op(&step.op)),
    }
}

/// An operation.
#[must_use]
pub fn op(op: &Op) -> String {
    match op {
        Op::Var { name } => format!("var {name}"),
        Op::Code { name } => format!("code {name}"),
        Op::Task { task } => format!("task {task}"),
        Op::Run { task, cpu } => format!("run {task} on {}", cpu.0),
        Op::Idle { cpu } => format!("idle {}", cpu.0),
        Op::Open(what) => open(what),
        Op::Dup { event, copy } => format!("dup {event} as {copy}"),
        Op::Close { event } => format!("close {event}"),
        Op::Enable { event, scope } => format!("enable {event}{}", scope_word(*scope)),
        Op::Disable { event, scope } => format!("disable {event}{}", scope_word(*scope)),
        Op::Reset { event, scope } => format!("reset {event}{}", scope_word(*scope)),
        Op::Refresh { event, budget } => format!("refresh {event} {budget}"),
        Op::Period { event, period } => format!("period {event} {period}"),
        Op::Modify { event, breakpoint: spec, enabled } => {
            format!("modify {event} {}{}", breakpoint(spec), disabled_word(*enabled))
        }
        Op::Read { event } => format!("read {event}"),
        Op::State { event } => format!("state {event}"),
        Op::Poll { event } => format!("poll {event}"),
        Op::Hit { task, access } => {
            format!("hit {task} {} {}", access_word(access.kind), access.place)
        }
        Op::Signals { task } => format!("signals {task}"),
        Op::OnTrap { task, action } => format!("ontrap {task} {}", trap_word(*action)),
        Op::Fork { parent, child, kind } => match kind {
            ForkKind::Process => format!("fork {parent} as {child}"),
            ForkKind::Thread => format!("clone {parent} as {child}"),
            ForkKind::ClearHandlers => format!("fork {parent} as {child} clear_handlers"),
        },
        Op::Exec { task } => format!("exec {task}"),
        Op::Exit { task } => format!("exit {task}"),
        Op::Reap { task } => format!("reap {task}"),
        Op::CpuDown { cpu } => format!("cpu {} down", cpu.0),
        Op::CpuUp { cpu } => format!("cpu {} up", cpu.0),
        Op::Registers { cpu } => format!("registers {}", cpu.0),
        Op::Slots => "slots".to_owned(),
        Op::Free { target: of } => format!("free {}", target(of)),
        Op::Explain { target: None } => "explain".to_owned(),
        Op::Explain { target: Some(of) } => format!("explain {}", target(of)),
        Op::DebugRegister { cpu, number } => format!("debugreg {} {number}", cpu.0),
        Op::Poke { task, number, value } => format!("poke {task} {number} {value:#x}"),
        Op::Peek { task, number } => format!("peek {task} {number}"),
        Op::Register { .. }
        | Op::ModifyRegistered { .. }
        | Op::Unregister { .. }
        | Op::Log { .. }
        | Op::Used
        | Op::Notifier { .. }
        | Op::Calls { .. }
        | Op::Suspend
        | Op::Resume
        | Op::Guest { .. }
        | Op::TextPoke { .. }
        | Op::Kexec => kernel_op(op),
    }
}

/// Operations on the machine and of code in the kernel.
fn kernel_op(op: &Op) -> String {
    match op {
        Op::Register { name, target, breakpoint: spec, enabled } => {
            let target = match target {
                RegisterTarget::User(task) => format!("user {task}"),
                RegisterTarget::Wide => "wide".to_owned(),
            };
            let disabled = disabled_word(*enabled);
            format!("register {name} {target} {}{disabled}", breakpoint(spec))
        }
        Op::ModifyRegistered { name, breakpoint: spec, enabled } => {
            format!("remodify {name} {}{}", breakpoint(spec), disabled_word(*enabled))
        }
        Op::Unregister { name } => format!("unregister {name}"),
        Op::Log { name } => format!("log {name}"),
        Op::Notifier { name, priority, verdict } => {
            let verdict = match verdict {
                NotifierVerdict::Done => "done",
                NotifierVerdict::Stop => "stop",
            };
            format!("notifier {name} {priority} {verdict}")
        }
        Op::Calls { name } => format!("calls {name}"),
        Op::Guest { cpu, step } => {
            let step = match step {
                GuestStep::Enter => "enter",
                GuestStep::EnterWithDebug => "enter debug",
                GuestStep::Exit => "exit",
            };
            format!("guest {} {step}", cpu.0)
        }
        Op::TextPoke { cpu, step } => {
            let step = match step {
                TextPokeStep::Begin => "begin",
                TextPokeStep::End => "end",
            };
            format!("textpoke {} {step}", cpu.0)
        }
        Op::Suspend => "suspend".to_owned(),
        Op::Resume => "resume".to_owned(),
        Op::Kexec => "kexec".to_owned(),
        _ => "used".to_owned(),
    }
}

fn disabled_word(enabled: Enabled) -> &'static str {
    match enabled {
        Enabled::Yes => "",
        Enabled::No => " disabled",
    }
}

fn scope_word(scope: Scope) -> &'static str {
    match scope {
        Scope::Event => "",
        Scope::Group => " group",
    }
}

fn trap_word(action: TrapAction) -> &'static str {
    match action {
        TrapAction::Default => "default",
        TrapAction::Handle => "handle",
        TrapAction::Ignore => "ignore",
        TrapAction::Block => "block",
        TrapAction::Unblock => "unblock",
    }
}

fn access_word(kind: AccessKind) -> String {
    match kind {
        AccessKind::Store(len) => format!("store{len}"),
        AccessKind::Load(len) => format!("load{len}"),
        AccessKind::Increment(len) => format!("inc{len}"),
        AccessKind::Exec => "exec".to_owned(),
        AccessKind::KernelStore(len) => format!("kstore{len}"),
        AccessKind::KernelLoad(len) => format!("kload{len}"),
    }
}

fn open(open: &OpenOp) -> String {
    let kind = match &open.kind {
        EventKind::Breakpoint(spec) => breakpoint(spec),
        EventKind::Software(config) => format!("software:{config}"),
    };
    let mut text = format!("open {} {} {kind}", open.event, target(&open.target));
    for word in open.options.iter().map(option) {
        text.push(' ');
        text.push_str(&word);
    }
    text
}

/// A target.
#[must_use]
pub fn target(target: &OpenTarget) -> String {
    match target {
        OpenTarget::Task(task) => format!("{task}@*"),
        OpenTarget::TaskOnCpu(task, cpu) => format!("{task}@{}", cpu.0),
        OpenTarget::Cpu(cpu) => format!("C{}", cpu.0),
    }
}

/// A breakpoint.
#[must_use]
pub fn breakpoint(spec: &BreakpointSpec) -> String {
    let BreakpointSpec { bp_type, bp_len, place } = spec;
    match (bp_type, bp_len) {
        (4, 8) => format!("x:{place}"),
        _ => match type_letters(*bp_type) {
            Some(letters) => format!("{letters}{bp_len}:{place}"),
            None => format!("bp{bp_type}/{bp_len}:{place}"),
        },
    }
}

fn type_letters(bp_type: u32) -> Option<&'static str> {
    Some(match bp_type {
        1 => "r",
        2 => "w",
        3 => "rw",
        4 => "x",
        _ => return None,
    })
}

fn option(option: &EventOption) -> String {
    let word = match option {
        EventOption::Inherit => "inherit",
        EventOption::InheritThread => "inherit_thread",
        EventOption::Pinned => "pinned",
        EventOption::Exclusive => "exclusive",
        EventOption::Disabled => "disabled",
        EventOption::ExcludeUser => "exclude_user",
        EventOption::ExcludeKernel => "exclude_kernel",
        EventOption::EnableOnExec => "enable_on_exec",
        EventOption::RemoveOnExec => "remove_on_exec",
        EventOption::Sigtrap => "sigtrap",
        EventOption::Period(period) => return format!("period={period}"),
        EventOption::SigData(data) => return format!("sig_data={data}"),
        EventOption::SampleType(bits) => return format!("sample_type={bits:#x}"),
        EventOption::Group(leader) => return format!("group={leader}"),
    };
    word.to_owned()
}

/// An answer.
#[must_use]
pub fn answer(answer: &Answer) -> String {
    match answer {
        Answer::Ok => "ok".to_owned(),
        Answer::Errno(errno) => errno.name().to_owned(),
        Answer::Count(count) => count.to_string(),
        Answer::State(state) => state_word(*state).to_owned(),
        Answer::Poll(bits) => poll(*bits),
        Answer::Registers(view) => registers(view),
        Answer::Value(value) => format!("{value:#x}"),
        Answer::Log(hits) if hits.is_empty() => "none".to_owned(),
        Answer::Log(hits) => hits.iter().map(logged).collect::<Vec<_>>().join(", "),
        Answer::Used(true) => "yes".to_owned(),
        Answer::Used(false) => "no".to_owned(),
        Answer::Report(None) => "nothing was refused".to_owned(),
        Answer::Report(Some(report)) => {
            if report.is_refused() { "ENOSPC" } else { "ok" }.to_owned()
        }
        Answer::Signals(seen) if seen.is_empty() => "none".to_owned(),
        Answer::Signals(seen) => seen.iter().map(signal).collect::<Vec<_>>().join(", "),
    }
}

fn state_word(state: EventState) -> &'static str {
    match state {
        EventState::Dead => "dead",
        EventState::Exit => "exit",
        EventState::Error => "error",
        EventState::Off => "off",
        EventState::Inactive => "inactive",
        EventState::Active => "active",
    }
}

fn poll(bits: u16) -> String {
    let names = [(0x01, "in"), (0x40, "rdnorm"), (0x08, "err"), (0x10, "hup")];
    let set: Vec<&str> =
        names.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name).collect();
    if set.is_empty() { "none".to_owned() } else { set.join(" ") }
}

/// The four registers: owner and breakpoint, or `-`.
#[must_use]
pub fn registers(view: &RegistersView) -> String {
    let slot = |slot: &Option<RegisterHolder>| slot.as_ref().map_or_else(|| "-".to_owned(), holder);
    let mut text = view.slots.iter().map(slot).collect::<Vec<_>>().join(", ");
    if !view.is_shadow_equal {
        text.push_str(" (shadow differs)");
    }
    text
}

fn holder(holder: &RegisterHolder) -> String {
    let place = match &holder.symbol {
        Some((name, 0)) => name.clone(),
        Some((name, offset)) => format!("{name}+{offset}"),
        None => format!("{:#x}", holder.address),
    };
    let letters = type_letters(holder.bp_type).unwrap_or("?");
    let len = if holder.bp_type == 4 { String::new() } else { holder.len.to_string() };
    format!("{} {letters}{len}:{place}", holder.owner)
}

fn logged(hit: &LoggedHit) -> String {
    let mode = match hit.mode {
        Mode::User => "",
        Mode::Kernel => " kernel",
    };
    format!("{}@{}{mode}", hit.task, hit.cpu.0)
}

fn signal(seen: &SignalSeen) -> String {
    let SignalSeen { code, addr, sig_data, flags } = seen;
    match code {
        1 => format!("brkpt {addr:#x}"),
        2 => format!("trace {addr:#x}"),
        4 => format!("hwbkpt {addr:#x}"),
        6 if *flags != 0 => format!("perf {addr:#x} {sig_data} async"),
        6 => format!("perf {addr:#x} {sig_data}"),
        code => format!("code{code} {addr:#x}"),
    }
}
