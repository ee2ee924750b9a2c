//! The `monitor` commands.

use kernel_model::debug::KgdbReport;
use kernel_model::kernel::Kernel;

const HELP: &str = "\
monitor help     this list
monitor slots    who holds the breakpoint slots of each CPU
monitor dr       the debug registers of each CPU, their shadow and their owners
monitor tasks    all tasks
monitor symbols  the kernel's symbols: address, size, name
Threads are CPUs: thread 1 is CPU 0. Only the CPU that is stepped moves. Kernel addresses
can have hbreak, watch and awatch, and no break.
";

/// What a command answers, in whole lines.
pub(super) fn answer(kernel: &Kernel, command: &str) -> String {
    match command {
        "" | "help" => HELP.to_owned(),
        "slots" => kernel.kgdb_report(KgdbReport::Slots),
        "dr" => kernel.kgdb_report(KgdbReport::DebugRegisters),
        "tasks" => kernel.kgdb_report(KgdbReport::Tasks),
        "symbols" => Kernel::symbols()
            .map(|symbol| format!("{:#x} {} {}\n", symbol.addr, symbol.size, symbol.name))
            .collect(),
        other => format!("\"{other}\" is no monitor command\n{HELP}"),
    }
}
