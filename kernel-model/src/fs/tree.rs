//! The names that exist: a small read-only tree of devices and kernel files.
//!
//! A new file is a line in the table `NODES`.

use perf_core::Errno;

/// A name of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeId(u16);

/// The root directory.
pub const ROOT: NodeId = NodeId(0);

/// A memory device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// `/dev/null`.
    Null,
    /// `/dev/zero`.
    Zero,
    /// `/dev/full`.
    Full,
    /// `/dev/random` and `/dev/urandom`.
    Random,
}

/// Where a text comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// Always the same.
    Fixed(&'static str),
    /// The CPUs that there are, as a list of ranges.
    CpuList,
    /// A paragraph for each CPU.
    CpuInfo,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// A directory.
    Directory,
    /// A device, with its minor number (the major number is 1).
    Device(Device, u32),
    /// A file with a text.
    Text(Text),
    /// `/proc/self/exe`: a link to the program.
    ExeLink,
}

const DIRECTORY: Node = Node::Directory;
const fn text(text: &'static str) -> Node {
    Node::Text(Text::Fixed(text))
}

/// Every name with its full path. Directories come before what they hold.
const NODES: &[(&str, Node)] = &[
    ("/", DIRECTORY),
    ("/dev", DIRECTORY),
    ("/dev/null", Node::Device(Device::Null, 3)),
    ("/dev/zero", Node::Device(Device::Zero, 5)),
    ("/dev/full", Node::Device(Device::Full, 7)),
    ("/dev/random", Node::Device(Device::Random, 8)),
    ("/dev/urandom", Node::Device(Device::Random, 9)),
    ("/proc", DIRECTORY),
    ("/proc/cpuinfo", Node::Text(Text::CpuInfo)),
    ("/proc/self", DIRECTORY),
    ("/proc/self/exe", Node::ExeLink),
    ("/proc/sys", DIRECTORY),
    ("/proc/sys/kernel", DIRECTORY),
    ("/proc/sys/kernel/perf_cpu_time_max_percent", text("25\n")),
    ("/proc/sys/kernel/perf_event_max_contexts_per_stack", text("8\n")),
    ("/proc/sys/kernel/perf_event_max_sample_rate", text("100000\n")),
    ("/proc/sys/kernel/perf_event_max_stack", text("127\n")),
    ("/proc/sys/kernel/perf_event_mlock_kb", text("516\n")),
    ("/proc/sys/kernel/perf_event_paranoid", text("2\n")),
    ("/proc/sys/kernel/randomize_va_space", text("0\n")),
    ("/proc/sys/vm", DIRECTORY),
    ("/proc/sys/vm/max_map_count", text("65530\n")),
    ("/proc/sys/vm/mmap_min_addr", text("65536\n")),
    ("/proc/sys/vm/overcommit_memory", text("0\n")),
    ("/sys", DIRECTORY),
    ("/sys/bus", DIRECTORY),
    ("/sys/bus/event_source", DIRECTORY),
    ("/sys/bus/event_source/devices", DIRECTORY),
    ("/sys/bus/event_source/devices/breakpoint", DIRECTORY),
    ("/sys/bus/event_source/devices/breakpoint/type", text("5\n")),
    ("/sys/bus/event_source/devices/cpu", DIRECTORY),
    ("/sys/bus/event_source/devices/cpu/perf_event_mux_interval_ms", text("4\n")),
    ("/sys/bus/event_source/devices/cpu/type", text("4\n")),
    ("/sys/devices", DIRECTORY),
    ("/sys/devices/system", DIRECTORY),
    ("/sys/devices/system/cpu", DIRECTORY),
    ("/sys/devices/system/cpu/online", Node::Text(Text::CpuList)),
    ("/sys/devices/system/cpu/possible", Node::Text(Text::CpuList)),
    ("/sys/devices/system/cpu/present", Node::Text(Text::CpuList)),
];

impl NodeId {
    /// What the name stands for.
    #[must_use]
    pub fn node(self) -> Node {
        NODES[usize::from(self.0)].1
    }

    /// The full path.
    #[must_use]
    pub fn path(self) -> &'static str {
        NODES[usize::from(self.0)].0
    }

    /// The last part of the path; empty for the root.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.path().rsplit('/').next().unwrap_or_default()
    }

    /// Inode number, from 1.
    #[must_use]
    pub fn inode(self) -> u64 {
        u64::from(self.0) + 1
    }

    /// The directory that holds it; the root holds itself.
    #[must_use]
    pub fn parent(self) -> Self {
        let parent = self.path().rsplit_once('/').map_or("", |(parent, _)| parent);
        all().find(|node| node.path() == parent).unwrap_or(ROOT)
    }

    /// What a directory holds, in the table's order.
    pub fn children(self) -> impl Iterator<Item = Self> {
        all().filter(move |node| *node != ROOT && node.parent() == self)
    }

    /// The name in a directory.
    ///
    /// # Errors
    /// ENOTDIR where this is none, ENOENT where it has no such name.
    pub fn child(self, name: &[u8]) -> Result<Self, Errno> {
        if self.node() != Node::Directory {
            return Err(Errno::ENOTDIR);
        }
        self.children().find(|child| child.name().as_bytes() == name).ok_or(Errno::ENOENT)
    }
}

/// Every name.
fn all() -> impl Iterator<Item = NodeId> {
    (0..NODES.len() as u16).map(NodeId)
}

impl Text {
    /// The text on a machine with `nr_cpus` CPUs.
    #[must_use]
    pub fn contents(self, nr_cpus: u32) -> String {
        match self {
            Self::Fixed(text) => text.to_owned(),
            Self::CpuList if nr_cpus <= 1 => "0\n".to_owned(),
            Self::CpuList => format!("0-{}\n", nr_cpus - 1),
            Self::CpuInfo => (0..nr_cpus)
                .map(|cpu| {
                    format!("processor\t: {cpu}\nflags\t\t: fpu tsc cx8 cmov sse sse2 lm\n\n")
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_hangs_on_a_directory() {
        for node in all() {
            assert_eq!(node.parent().node(), Node::Directory, "{}", node.path());
            if node != ROOT {
                assert_eq!(node.parent().child(node.name().as_bytes()), Ok(node));
                assert!(node.parent() < node);
            }
        }
    }

    #[test]
    fn texts_follow_the_number_of_cpus() {
        assert_eq!(Text::CpuList.contents(1), "0\n");
        assert_eq!(Text::CpuList.contents(4), "0-3\n");
        assert_eq!(Text::CpuInfo.contents(3).matches("processor").count(), 3);
    }
}
