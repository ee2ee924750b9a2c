//! The privilege matrix of rule 1.6.

use super::*;

/// One row of answers a line, in the columns of rule 1.6: paranoid 0, 1 and 2 without any right,
/// then at level 2 with CAP_PERFMON, CAP_SYS_ADMIN, CAP_SYS_PTRACE.
const MATRIX: &str = "
self, user addr, exclude_kernel     | ok     ok     ok     ok     ok     ok
self, user addr                     | ok     ok     EACCES ok     ok     EACCES
self, kernel addr                   | EPERM  EPERM  EACCES EPERM  ok     EACCES
self, kernel addr, exclude_kernel   | EINVAL EINVAL EINVAL EINVAL EINVAL EINVAL
cpu-wide, user addr                 | ok     EACCES EACCES ok     ok     EACCES
cpu-wide, kernel addr               | EPERM  EPERM  EACCES EPERM  ok     EACCES
same uid, user addr, exclude_kernel | ok     ok     ok     ok     ok     ok
root's, user addr, exclude_kernel   | EACCES EACCES EACCES ok     ok     ok
root's, user addr, exclude_kernel, sigtrap | EACCES EACCES EACCES EACCES EACCES ok
";

/// The right that a column adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Right {
    None,
    Perf(Capability),
    /// CAP_SYS_PTRACE, which shows only in `ptrace_may_access`.
    SysPtrace,
}

const COLUMNS: [(i32, Right); 6] = [
    (0, Right::None),
    (1, Right::None),
    (2, Right::None),
    (2, Right::Perf(Capability::Perfmon)),
    (2, Right::Perf(Capability::SysAdmin)),
    (2, Right::SysPtrace),
];

fn scene(request: &str, paranoid: i32, right: Right) -> Scene {
    let mut scene = Scene::new();
    scene.clear_flag(AttrFlags::EXCLUDE_KERNEL);
    scene.facts.paranoid = paranoid;
    if let Right::Perf(capability) = right {
        scene.facts.capabilities.push(capability);
    }
    for word in request.trim().split(", ") {
        match word {
            "self" => {}
            "cpu-wide" => (scene.pid, scene.cpu) = (-1, 0),
            "same uid" => scene.pid = 7,
            "root's" => {
                scene.pid = 7;
                scene.facts.read_access = right == Right::SysPtrace;
                scene.facts.attach_access = right == Right::SysPtrace;
            }
            "user addr" => scene.attr.bp_addr = 0x1000,
            "kernel addr" => scene.attr.bp_addr = 0xffff_8880_0010_0000,
            "exclude_kernel" => scene.set_flag(AttrFlags::EXCLUDE_KERNEL),
            "sigtrap" => scene.set_flag(AttrFlags::SIGTRAP | AttrFlags::REMOVE_ON_EXEC),
            other => panic!("{other:?}"),
        }
    }
    scene
}

#[test]
fn matrix() {
    let mut nr_rows = 0;
    for line in MATRIX.lines().filter(|line| !line.is_empty()) {
        let (request, answers) = line.split_once('|').expect(line);
        let answers: Vec<_> = answers.split_whitespace().collect();
        assert_eq!(answers.len(), COLUMNS.len(), "{line}");
        for ((paranoid, right), answer) in COLUMNS.into_iter().zip(answers) {
            let errno = scene(request, paranoid, right).errno();
            let got = errno.map_or("ok", Errno::name);
            assert_eq!(got, answer, "{request}: paranoid {paranoid}, {right:?}");
        }
        nr_rows += 1;
    }
    assert_eq!(nr_rows, 9);
}

/// Rule 1.6.1: levels below 0 behave as 0, levels 3 and 4 as 2; CAP_KILL completes
/// CAP_SYS_ADMIN and CAP_PERFMON for sigtrap.
#[test]
fn other_levels_and_rights() {
    for (paranoid, errno) in [(-1, None), (3, Some(Errno::EACCES)), (4, Some(Errno::EACCES))] {
        assert_eq!(scene("self, user addr", paranoid, Right::None).errno(), errno);
        assert_eq!(scene("cpu-wide, user addr", paranoid, Right::None).errno(), errno);
    }
    for capability in [Capability::SysAdmin, Capability::Perfmon] {
        let request = "root's, user addr, exclude_kernel, sigtrap";
        let mut scene = scene(request, 2, Right::Perf(capability));
        scene.facts.capabilities.push(Capability::Kill);
        assert_eq!(scene.errno(), None, "{capability:?}");
    }
}
