//! One hit in two lines.
//!
//! ```text
//! [    0.000001234] CPU 0 small/1000  mem:counter/8:w  W 8 bytes at 0x4c7310 counter: 0x1 -> 0x2
//!                   0x401136 main+0x10 (small.c:7)  add dword ptr [0x4c7310], 1
//! ```

use std::fmt::Write;

use kernel_model::observe::AccessKind;

use super::disassembly::disassemble;
use super::numbers::{counted, seconds};
use super::tally::task_name;
use crate::session::event::{Hit, Origin};
use crate::session::plan::Watch;
use crate::symbols::Symbols;

/// The two lines.
pub(super) fn hit_lines(hit: &Hit, watch: &Watch, symbols: &Symbols<'_>) -> String {
    let time = seconds(hit.at.time_ns);
    let mut text = format!(
        "[{time:>15}] CPU {} {}  {}  {}",
        hit.at.cpu,
        task_name(&hit.who),
        watch.text,
        access_text(hit, symbols),
    );
    let (ip, place) = (hit.insn_ip, place_text(hit.insn_ip, symbols));
    let insn = disassemble(ip, &hit.insn_bytes).map_or(String::new(), |insn| format!("  {insn}"));
    let _ = writeln!(text, "\n{:17} {place}{insn}{}", "", origin_label(&hit.origin));
    text
}

fn access_text(hit: &Hit, symbols: &Symbols<'_>) -> String {
    let (addr, name) = (hit.access_addr, name_of(hit.access_addr, symbols));
    let len = counted(u64::from(hit.access_len), "byte", "bytes");
    match hit.kind {
        AccessKind::Execute => "X".to_owned(),
        AccessKind::Read => format!("R {len} at {addr:#x}{name}: {:#x}", hit.new),
        AccessKind::Write => {
            format!("W {len} at {addr:#x}{name}: {:#x} -> {:#x}", hit.old, hit.new)
        }
    }
}

fn name_of(addr: u64, symbols: &Symbols<'_>) -> String {
    symbols.place(addr).map_or(String::new(), |place| format!(" {place}"))
}

fn place_text(ip: u64, symbols: &Symbols<'_>) -> String {
    let line = symbols.line(ip).map_or(String::new(), |line| format!(" ({line})"));
    format!("{ip:#x}{}{line}", name_of(ip, symbols))
}

fn origin_label(origin: &Origin) -> String {
    match origin {
        Origin::User => String::new(),
        Origin::Kernel { syscall: Some(name) } => format!("  [kernel: {name}]"),
        Origin::Kernel { syscall: None } => "  [kernel]".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::event::Event;
    use crate::session::script;

    fn lines(change: impl FnOnce(&mut Hit)) -> String {
        let Event::Hit(mut hit) = script::hit(0, 250, 1, 2) else { unreachable!("a hit") };
        change(&mut hit);
        hit_lines(&hit, &script::plan().watches[0], &Symbols::default())
    }

    #[test]
    fn a_store() {
        assert_eq!(
            lines(|_| {}),
            "[    0.000000750] CPU 0 small/1000  mem:counter/8:w  \
             W 8 bytes at 0x4c7310: 0x1 -> 0x2\n                  \
             0x4010fa  mov [rdi], rax\n"
        );
    }

    #[test]
    fn kernel_reads_and_execution() {
        let text = lines(|hit| {
            hit.kind = AccessKind::Read;
            hit.access_len = 1;
            hit.origin = Origin::Kernel { syscall: Some("write".to_owned()) };
            hit.insn_bytes.clear();
        });
        assert!(text.contains("R 1 byte at 0x4c7310: 0x2\n"), "{text}");
        assert!(text.ends_with("0x4010fa  [kernel: write]\n"), "{text}");
        let text = lines(|hit| hit.kind = AccessKind::Execute);
        assert!(text.contains("mem:counter/8:w  X\n"), "{text}");
    }
}
