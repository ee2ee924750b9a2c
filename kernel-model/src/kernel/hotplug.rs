//! CPUs that go down and come up, and the machine that sleeps.
//! Source: Linux 6.18 `kernel/cpu.c`, `kernel/events/core.c` (`perf_event_exit_cpu`,
//! `perf_event_init_cpu`), `kernel/power/suspend.c`.

use perf_core::{CpuId, Errno};

use super::Kernel;
use crate::arch::x86::hw_breakpoint::initialize_debug_regs;
use crate::arch::x86::power;
use crate::events::bp_slots::CpuPower;

impl Kernel {
    /// The CPUs that are up.
    pub(crate) fn online_cpus(&self) -> Vec<CpuId> {
        self.hw.cpus().filter(|&cpu| self.perf.is_cpu_online(cpu)).collect()
    }

    /// Takes a CPU down (`cpu_down`): its tasks go elsewhere, its events come off and wait
    /// (rule 6.5.1).
    ///
    /// # Errors
    /// EBUSY for the last one, EINVAL for one that is down.
    pub(crate) fn cpu_down(&mut self, cpu: CpuId) -> Result<(), Errno> {
        let online = self.online_cpus();
        if !online.contains(&cpu) {
            return Err(Errno::EINVAL);
        }
        if online.len() == 1 {
            return Err(Errno::EBUSY);
        }
        self.sched.set_offline(cpu);
        self.this_cpu = cpu;
        let mut moved: Vec<_> = self.switch_out(cpu).into_iter().collect();
        moved.extend(self.sched.take_waiting(cpu));
        let now = self.now_ns();
        self.with_pmu(|perf, pmu| perf.cpu_offline(pmu, now, cpu));
        self.breakpoints.slots_mut().set_cpu_power(cpu, CpuPower::Offline);
        for task in moved {
            self.enqueue_new(task);
        }
        self.this_cpu = online.into_iter().find(|&other| other != cpu).unwrap_or(cpu);
        Ok(())
    }

    /// Brings a CPU up (`cpu_up`, `cpu_init`): debug registers at their reset values, then its
    /// events again.
    ///
    /// # Errors
    /// EINVAL for one that is up.
    pub(crate) fn cpu_up(&mut self, cpu: CpuId) -> Result<(), Errno> {
        if self.perf.is_cpu_online(cpu) {
            return Err(Errno::EINVAL);
        }
        initialize_debug_regs(&mut self.hw, cpu);
        self.sched.set_online(cpu);
        self.breakpoints.slots_mut().set_cpu_power(cpu, CpuPower::Online);
        let now = self.now_ns();
        self.hw.idle_until(cpu, now);
        self.with_pmu(|perf, pmu| perf.cpu_online(pmu, now, cpu));
        self.breakpoints.slots_mut().set_cpu_power(cpu, CpuPower::Online);
        Ok(())
    }

    /// The machine goes to sleep: tasks are frozen, all CPUs but the first go down, and the first
    /// loses its registers (rule 6.5.2). Tells which CPUs are to come up again.
    pub(crate) fn suspend(&mut self) -> Vec<CpuId> {
        let online = self.online_cpus();
        for &cpu in &online {
            self.this_cpu = cpu;
            self.switch_out(cpu);
        }
        let Some((&boot, others)) = online.split_first() else { return Vec::new() };
        for &cpu in others {
            // It is up and not the last.
            let _taken_down = self.cpu_down(cpu);
        }
        power::wake_from_reset(&mut self.hw, boot);
        self.this_cpu = boot;
        others.to_vec()
    }

    /// The machine wakes up.
    pub(crate) fn resume(&mut self, cpus: &[CpuId]) {
        for &cpu in cpus {
            // It went down when the machine went to sleep.
            let _brought_up = self.cpu_up(cpu);
        }
    }
}
