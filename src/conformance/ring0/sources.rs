//! The image's sources, kept in the program so that it can be built anywhere.

/// Where the files are in the repository.
macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../workloads/ring0/", $name)))),*]
    };
}

/// Names and contents of all files.
pub const FILES: &[(&str, &str)] = files![
    "apic.c",
    "boot.S",
    "bootsector.S",
    "case.c",
    "case.h",
    "check_bytes.c",
    "check_compat.c",
    "check_delivery.c",
    "check_faults.c",
    "check_frames.c",
    "check_interrupts.c",
    "check_io.c",
    "check_match.c",
    "check_movss.c",
    "check_registers.c",
    "check_rep.c",
    "check_software.c",
    "check_state.c",
    "check_step.c",
    "check_task.c",
    "console.c",
    "entry.S",
    "legacy.S",
    "link.ld",
    "main.c",
    "multiboot.S",
    "report.c",
    "ring0.h",
    "selectors.h",
    "smp.c",
    "sweep.c",
    "tables.c",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_is_forgotten() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/workloads/ring0");
        let mut on_disk: Vec<String> = std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| [".c", ".h", ".S", ".ld"].iter().any(|end| name.ends_with(end)))
            .collect();
        on_disk.sort();
        let known: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(on_disk, known);
    }
}
