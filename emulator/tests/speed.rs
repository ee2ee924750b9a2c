use emulator::cpuid::CpuModel;
use emulator::flat::{self, Level};
use emulator::machine::{Machine, MachineConfig};
use emulator::timing::TimingChoice;
use iced_x86::code_asm::*;
#[test]
fn speed() {
    let mut a = CodeAssembler::new(64).unwrap();
    let mut top = a.create_label();
    a.mov(ecx, 100_000_000).unwrap();
    a.set_label(&mut top).unwrap();
    a.add(rax, rcx).unwrap();
    a.xor(rdx, rax).unwrap();
    a.lea(rsi, ptr(rax + rdx * 2 + 5)).unwrap();
    a.shr(rsi, 3).unwrap();
    a.sub(rdi, rsi).unwrap();
    a.imul_2(rdi, rsi).unwrap();
    a.and(rdi, 0xffff).unwrap();
    a.dec(ecx).unwrap();
    a.jne(top).unwrap();
    a.hlt().unwrap();
    for timing in [TimingChoice::None, TimingChoice::Table] {
        let mut m = Machine::new(&MachineConfig { nr_cpus: 1, ram_bytes: 16 << 20, timing, model: CpuModel::V1 });
        m.mem.write(0x10_0000, &a.assemble(0x10_0000).unwrap());
        flat::start(&mut m, 0, Level::Kernel, 0x10_0000, 0x20_0000);
        let t = std::time::Instant::now();
        m.run(0, u64::MAX);
        let n = m.cpu(0).icount();
        println!("{timing} {} insns {:?} {:.0} MIPS, ipc {:.2}", n, t.elapsed(), n as f64 / t.elapsed().as_secs_f64() / 1e6, n as f64 / m.cpu(0).cycles() as f64);
    }
}
