//! Random operations, biased towards full slots. The model plays along, because what can come
//! next depends on what was answered.

use kernel_model::scenario::op::{
    Answer, BreakpointSpec, Enabled, EventKind, EventName, EventOption, ForkKind, Op, OpenOp,
    OpenTarget, TaskName,
};
use kernel_model::scenario::{ScenarioError, Stage};
use perf_core::attr::abi::PERF_SAMPLE_PERIOD;
use perf_core::{CpuId, Scope};

use super::super::rng::Rng;
use super::places;
use super::step::Step;

/// Tasks at first.
const FIRST_TASKS: usize = 3;
/// Tasks that are alive at a time.
const MAX_ALIVE: usize = 6;
/// Tasks of a sequence.
const MAX_TASKS: usize = 14;
/// Steps after which events are rather opened than closed, or the other way round.
const PHASE: u64 = 40;

/// A task that was made.
#[derive(Clone, Debug)]
struct Task {
    name: TaskName,
    /// Number of the task whose thread it is: its own for the first of a process.
    process: usize,
    is_alive: bool,
    is_reaped: bool,
    cpu: CpuId,
}

/// An event that was opened.
#[derive(Clone, Debug)]
struct Event {
    name: EventName,
    open: OpenOp,
}

/// Makes a sequence.
#[derive(Debug)]
pub(super) struct Generator {
    rng: Rng,
    stage: Stage,
    nr_cpus: u32,
    tasks: Vec<Task>,
    events: Vec<Event>,
    nr_events: usize,
    nr_steps: u64,
}

impl Generator {
    /// A sequence on a fresh stage, and its first step: declarations and tasks.
    ///
    /// # Errors
    /// What the stage cannot play.
    pub(super) fn new(rng: Rng, stage: Stage, nr_cpus: u32) -> Result<(Self, Step), ScenarioError> {
        let (tasks, events) = (Vec::new(), Vec::new());
        let mut made = Self { rng, stage, nr_cpus, tasks, events, nr_events: 0, nr_steps: 0 };
        let mut first = Step::default();
        for op in places::declarations() {
            made.play(&mut first, op)?;
        }
        for _ in 0..FIRST_TASKS {
            let task = made.new_task(None);
            made.play(&mut first, Op::Task { task })?;
        }
        Ok((made, first))
    }

    /// The next operations.
    ///
    /// # Errors
    /// What the stage cannot play.
    pub(super) fn step(&mut self) -> Result<Step, ScenarioError> {
        self.nr_steps += 1;
        let is_filling = (self.nr_steps / PHASE).is_multiple_of(2);
        let mut step = Step::default();
        while step.is_empty() {
            match self.rng.below(100) {
                0..=15 => self.open(&mut step)?,
                16..=30 if is_filling => self.open(&mut step)?,
                16..=30 => self.close(&mut step)?,
                31..=36 => self.close(&mut step)?,
                37..=58 => self.hit(&mut step)?,
                59..=65 => self.change(&mut step)?,
                66..=73 => self.switch(&mut step)?,
                74..=79 => self.free(&mut step)?,
                80..=85 => self.look(&mut step)?,
                86..=87 => self.sampling(&mut step)?,
                88..=91 => self.fork(&mut step)?,
                92..=94 => self.exit(&mut step)?,
                95..=96 => self.reap(&mut step)?,
                97..=98 => self.exec(&mut step)?,
                _ => self.dup(&mut step)?,
            }
        }
        Ok(step)
    }

    fn play(&mut self, step: &mut Step, op: Op) -> Result<Answer, ScenarioError> {
        let answer = self.stage.apply(&op)?;
        step.push(op, answer.clone());
        Ok(answer)
    }

    fn new_task(&mut self, process: Option<usize>) -> TaskName {
        let number = self.tasks.len();
        let name = TaskName(format!("T{number}"));
        self.tasks.push(Task {
            name: name.clone(),
            process: process.unwrap_or(number),
            is_alive: true,
            is_reaped: false,
            cpu: CpuId(0),
        });
        name
    }

    fn any_cpu(&mut self) -> CpuId {
        CpuId(self.rng.below(self.nr_cpus.into()) as u32)
    }

    /// The number of one of the tasks that are alive; there is always one.
    fn any_alive(&mut self) -> usize {
        let alive: Vec<usize> = (0..self.tasks.len()).filter(|&n| self.tasks[n].is_alive).collect();
        self.rng.pick(&alive)
    }

    fn any_event(&mut self) -> Option<Event> {
        if self.events.is_empty() {
            return None;
        }
        let number = self.rng.below(self.events.len() as u64) as usize;
        Some(self.events[number].clone())
    }

    /// A target: any task, also one that has ended, and any CPU, rarely one that is not there.
    fn target(&mut self) -> OpenTarget {
        let number = if self.rng.chance(8) {
            self.rng.below(self.tasks.len() as u64) as usize
        } else {
            self.any_alive()
        };
        let task = self.tasks[number].name.clone();
        let cpu = match self.rng.below(50) {
            0 => CpuId(self.nr_cpus + self.rng.below(3) as u32),
            _ => self.any_cpu(),
        };
        match self.rng.below(10) {
            0..=3 => OpenTarget::Task(task),
            4..=6 => OpenTarget::TaskOnCpu(task, cpu),
            _ => OpenTarget::Cpu(cpu),
        }
    }

    fn open(&mut self, step: &mut Step) -> Result<(), ScenarioError> {
        let event = EventName(format!("e{}", self.nr_events));
        let leader = if self.rng.chance(12) { self.any_event() } else { None };
        let target = match &leader {
            Some(leader) if self.rng.chance(85) => leader.open.target.clone(),
            _ => self.target(),
        };
        let breakpoint = places::breakpoint(&mut self.rng);
        let options = self.options(leader.as_ref());
        let kind = EventKind::Breakpoint(breakpoint);
        let open = OpenOp { event: event.clone(), target, kind, options };
        if self.play(step, Op::Open(open.clone()))? == Answer::Ok {
            self.events.push(Event { name: event, open });
        }
        self.nr_events += 1;
        Ok(())
    }

    fn options(&mut self, leader: Option<&Event>) -> Vec<EventOption> {
        use EventOption::{
            Disabled, EnableOnExec, ExcludeKernel, ExcludeUser, Exclusive, Group, Inherit,
            InheritThread, Period, Pinned, RemoveOnExec, SampleType,
        };
        // What a sibling may not have is rare: rule 3.3.1.
        let [inherit, pinned, exclusive] = match leader {
            Some(leader) if leader.open.options.contains(&Inherit) => [95, 3, 3],
            Some(_) => [3, 3, 3],
            None => [30, 15, 10],
        };
        let chances = [
            (inherit, Inherit),
            (pinned, Pinned),
            (exclusive, Exclusive),
            (25, Disabled),
            (4, ExcludeUser),
            (40, ExcludeKernel),
            (6, EnableOnExec),
            (8, RemoveOnExec),
            (15, Period(1 + self.rng.below(4))),
        ];
        let mut options: Vec<_> = chances
            .into_iter()
            .filter_map(|(percent, option)| self.rng.chance(percent).then_some(option))
            .collect();
        let only_threads = if options.contains(&Inherit) { 30 } else { 1 };
        if self.rng.chance(only_threads) {
            options.push(InheritThread);
        }
        if self.rng.chance(4) {
            options.push(SampleType(PERF_SAMPLE_PERIOD));
        }
        options.extend(leader.map(|leader| Group(leader.name.clone())));
        options
    }

    fn close(&mut self, step: &mut Step) -> Result<(), ScenarioError> {
        if let Some(Event { name, .. }) = self.any_event() {
            self.events.retain(|event| event.name != name);
            self.play(step, Op::Close { event: name })?;
        }
        Ok(())
    }

    fn dup(&mut self, step: &mut Step) -> Result<(), ScenarioError> {
        if let Some(Event { name: event, open }) = self.any_event() {
            let copy = EventName(format!("e{}", self.nr_events));
            self.nr_events += 1;
            if self.play(step, Op::Dup { event, copy: copy.clone() })? == Answer::Ok {
                self.events.push(Event { name: copy, open });
            }
        }
        Ok(())
    }

    /// A task runs somewhere, touches something, and waits.
    fn hit(&mut self, step: &mut Step) -> Result<(), ScenarioError> {
        let number = self.any_alive();
        if self.rng.chance(30) {
            self.tasks[number].cpu = self.any_cpu();
        }
        let Task { name: task, cpu, .. } = self.tasks[number].clone();
        let aim = if self.rng.chance(75) { self.any_event() } else { None };
        let aim = aim.as_ref().and_then(|event| match &event.open.kind {
            EventKind::Breakpoint(spec) => Some(spec),
            EventKind::Software(_) => None,
        });
        let access = places::access(&mut self.rng, aim);
        self.play(step, Op::Run { task: task.clone(), cpu })?;
        self.play(step, Op::Hit { task, access })?;
        self.play(step, Op::Idle { cpu })?;
        Ok(())
    }

    /// Another breakpoint in an event.
    fn change(&mut self, step: &mut Step) -> Result<(), ScenarioError> {
        let Some(Event { name: event, open }) = self.any_event() else { return Ok(()) };
        let breakpoint: BreakpointSpec = places::breakpoint(&mut self.rng);
        let enabled = if self.rng.chance(70) { Enabled::Yes } else { Enabled::No };
        let op = Op::Modify { event, breakpoint: breakpoint.clone(), enabled };
        if self.play(step, op)? == Answer::Ok {
            for event in self.events.iter_mut().filter(|event| event.open.event == open.event) {
                event.open.kind = EventKind::Breakpoint(breakpoint.clone());
            }
        }
        Ok(())
    }

    fn switch(&mut self, step: &mut Step) -> Result<(), ScenarioError> {
        let Some(Event { name: event, .. }) = self.any_event() else { return Ok(()) };
        let scope = if self.rng.chance(30) { Scope::Group } else { Scope::Event };
        let op = match self.rng.below(10) {
            0..=3 => Op::Enable { event, scope },
            4..=7 => Op::Disable { event, scope },
            _ => Op::Reset { event, scope },
        };
        self.play(step, op).map(drop)
    }

    fn free(&mut self, step: &mut Step) -> Result<(), ScenarioError> {
        let target = self.target();
        self.play(step, Op::Free { target }).map(drop)
    }

    fn look(&mut self, step: &mut Step) -> Result<(), ScenarioError> {
        let Some(Event { name: event, .. }) = self.any_event() else { return Ok(()) };
        let op = if self.rng.chance(90) { Op::Read { event } } else { Op::Poll { event } };
        self.play(step, op).map(drop)
    }

    fn sampling(&mut self, step: &mut Step) -> Result<(), ScenarioError> {
        let Some(Event { name: event, .. }) = self.any_event() else { return Ok(()) };
        let op = match self.rng.below(2) {
            0 => Op::Refresh { event, budget: self.rng.below(4) as i32 },
            _ => Op::Period { event, period: self.rng.below(5) },
        };
        self.play(step, op).map(drop)
    }

    fn fork(&mut self, step: &mut Step) -> Result<(), ScenarioError> {
        let alive = self.tasks.iter().filter(|task| task.is_alive).count();
        if alive >= MAX_ALIVE || self.tasks.len() >= MAX_TASKS {
            return Ok(());
        }
        let number = self.any_alive();
        let Task { name: parent, process, cpu, .. } = self.tasks[number].clone();
        let kind = if self.rng.chance(60) { ForkKind::Process } else { ForkKind::Thread };
        let child = self.new_task((kind == ForkKind::Thread).then_some(process));
        if self.play(step, Op::Fork { parent, child, kind })? == Answer::Ok {
            self.tasks.last_mut().expect("just made").cpu = cpu;
        } else {
            self.tasks.pop();
        }
        Ok(())
    }

    fn exit(&mut self, step: &mut Step) -> Result<(), ScenarioError> {
        let alive = self.tasks.iter().filter(|task| task.is_alive).count();
        if alive > 1 {
            let number = self.any_alive();
            self.tasks[number].is_alive = false;
            let task = self.tasks[number].name.clone();
            self.play(step, Op::Exit { task })?;
        }
        Ok(())
    }

    /// A process all of whose threads have ended is waited for.
    fn reap(&mut self, step: &mut Step) -> Result<(), ScenarioError> {
        let tasks = &self.tasks;
        let zombie = (0..tasks.len()).find(|&number| {
            tasks[number].process == number
                && !tasks[number].is_reaped
                && tasks.iter().all(|task| task.process != number || !task.is_alive)
        });
        if let Some(number) = zombie {
            self.tasks[number].is_reaped = true;
            let task = self.tasks[number].name.clone();
            self.play(step, Op::Reap { task })?;
        }
        Ok(())
    }

    /// Only a task that is alone in its process: EXECVE ends the other threads.
    fn exec(&mut self, step: &mut Step) -> Result<(), ScenarioError> {
        let number = self.any_alive();
        let process = self.tasks[number].process;
        let threads = self.tasks.iter().filter(|task| task.process == process).count();
        if threads == 1 {
            let task = self.tasks[number].name.clone();
            self.play(step, Op::Exec { task })?;
        }
        Ok(())
    }
}
