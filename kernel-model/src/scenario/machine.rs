//! What happens to the machine: CPUs that come and go, sleep, guests, text patching.

use perf_core::CpuId;

use super::op::{Answer, GuestStep, Op, TextPokeStep};
use super::tasks::unqueue;
use super::{ScenarioError, Stage, answer};
use crate::arch::x86::debugreg::HBP_NUM;
use crate::arch::x86::kvm::{GuestDebug, GuestDebugRegs, enter_guest, leave_guest};
use crate::arch::x86::text_poke::{machine_kexec, unuse_temporary_mm, use_temporary_mm};

/// What a guest has in its debug registers.
const GUEST: GuestDebugRegs = GuestDebugRegs {
    addresses: [0x1111_0000, 0x2222_0000, 0x3333_0000, 0x4444_0000],
    dr6: 0xffff_0ff1,
};

impl Stage {
    pub(super) fn apply_to_machine(&mut self, op: &Op) -> Result<Answer, ScenarioError> {
        match op {
            Op::CpuDown { cpu } => {
                let cpu = self.existing(*cpu)?;
                let result = self.kernel.cpu_down(cpu);
                self.unqueue_all();
                Ok(answer(result))
            }
            Op::CpuUp { cpu } => {
                let cpu = self.existing(*cpu)?;
                Ok(answer(self.kernel.cpu_up(cpu)))
            }
            Op::Suspend => {
                self.asleep = self.kernel.suspend();
                self.unqueue_all();
                Ok(Answer::Ok)
            }
            Op::Resume => {
                let asleep = std::mem::take(&mut self.asleep);
                self.kernel.resume(&asleep);
                Ok(Answer::Ok)
            }
            Op::Guest { cpu, step } => self.guest(*cpu, *step),
            Op::TextPoke { cpu, step } => self.text_poke(*cpu, *step),
            Op::Kexec => {
                for cpu in self.kernel.online_cpus() {
                    machine_kexec(&mut self.kernel.hw, cpu);
                }
                Ok(Answer::Ok)
            }
            _ => unreachable!("apply sends only operations on the machine here"),
        }
    }

    /// Tasks run when the scenario says so, wherever the kernel has moved them.
    fn unqueue_all(&mut self) {
        let tasks: Vec<_> = self.tasks.values().map(|task| task.id).collect();
        for task in tasks {
            if self.kernel.tasks.tasks.contains_key(&task) {
                unqueue(&mut self.kernel, task);
            }
        }
    }

    fn guest(&mut self, cpu: CpuId, step: GuestStep) -> Result<Answer, ScenarioError> {
        let cpu = self.online(cpu)?;
        let Some(state) = self.kernel.breakpoints.cpu(cpu) else {
            return Err(ScenarioError::NoSuchCpu(cpu));
        };
        let hw = &mut self.kernel.hw;
        match step {
            GuestStep::Enter => enter_guest(hw, cpu, state, GuestDebug::NotInUse),
            GuestStep::EnterWithDebug => enter_guest(hw, cpu, state, GuestDebug::InUse(GUEST)),
            GuestStep::Exit => leave_guest(hw, cpu, state),
        }
        Ok(Answer::Ok)
    }

    fn text_poke(&mut self, cpu: CpuId, step: TextPokeStep) -> Result<Answer, ScenarioError> {
        let cpu = self.online(cpu)?;
        let Some(state) = self.kernel.breakpoints.cpu(cpu) else {
            return Err(ScenarioError::NoSuchCpu(cpu));
        };
        match step {
            TextPokeStep::Begin => use_temporary_mm(&mut self.kernel.hw, cpu, state),
            TextPokeStep::End => unuse_temporary_mm(&mut self.kernel.hw, cpu, state),
        }
        Ok(Answer::Ok)
    }

    pub(super) fn debug_register(&self, cpu: CpuId, number: u8) -> Result<Answer, ScenarioError> {
        let cpu = self.existing(cpu)?;
        let number = register_number(number)?;
        if (HBP_NUM..6).contains(&number) {
            return Err(ScenarioError::NoSuchRegister(number as u8));
        }
        Ok(Answer::Value(self.kernel.hw.get_debugreg(cpu, number)))
    }

    /// What a tracer does with a task's debug registers (section 5).
    pub(super) fn apply_to_debugreg(&mut self, op: &Op) -> Result<Answer, ScenarioError> {
        match op {
            Op::Poke { task, number, value } => {
                let id = self.live_task(task)?;
                let number = register_number(*number)?;
                self.enter_for(id);
                Ok(answer(self.kernel.ptrace_set_debugreg(id, number, *value)))
            }
            Op::Peek { task, number } => {
                let id = self.live_task(task)?;
                let number = register_number(*number)?;
                Ok(Answer::Value(self.kernel.ptrace_get_debugreg(id, number)))
            }
            _ => unreachable!("apply sends only operations on debug registers here"),
        }
    }
}

fn register_number(number: u8) -> Result<usize, ScenarioError> {
    if number < 8 { Ok(usize::from(number)) } else { Err(ScenarioError::NoSuchRegister(number)) }
}
