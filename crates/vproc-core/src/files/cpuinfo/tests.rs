#![allow(clippy::unwrap_used)]

use super::*;
use crate::contract::Snapshot;
use crate::testing::{cgroup, host, snapshot};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use proptest::prelude::*;

/// What a container with this cpuset sees of the text.
fn seen(text: &str, online: &str, cpuset: &str) -> String {
    seen_as("dense", text, online, cpuset)
}

fn seen_as(numbering: &'static str, text: &str, online: &str, cpuset: &str) -> String {
    let inputs = vec![
        host(HOST, text),
        host("cpu-online", online),
        cgroup("cpuset.cpus.effective", 0, 1, cpuset),
    ];
    let mut snapshot: Snapshot<'_> = snapshot(inputs);
    snapshot.environment.settings = vec![("cpu-numbering", numbering)];
    crate::render(ENTRY.path, &snapshot).unwrap().text
}

/// A CPU's number in the text and on the host, its place, and what is counted.
fn x86(cpu: u32, host: u32, package: u32, core: u32, siblings: u32, cores: u32) -> String {
    format!(
        "processor\t: {cpu}\nvendor_id\t: GenuineExample\nmodel name\t: Example CPU @ 2.00GHz\n\
         physical id\t: {package}\nsiblings\t: {siblings}\ncore id\t\t: {core}\n\
         cpu cores\t: {cores}\napicid\t\t: {host}\nflags\t\t: fpu vme\npower management:\n\n"
    )
}

/// Two packages of two cores of two threads; the threads of a core are 4
/// apart.
fn two_packages() -> String {
    (0..8).map(|cpu| x86(cpu, cpu, cpu % 2, cpu / 2 % 2, 4, 2)).collect()
}

#[test]
fn what_is_whole_is_the_hosts() {
    let all = two_packages();
    assert_eq!(seen(&all, "0-7", "0-7"), all);
    let package = [(0, 1, 0), (1, 3, 1), (2, 5, 0), (3, 7, 1)];
    let package = package.map(|(cpu, host, core)| x86(cpu, host, 1, core, 4, 2));
    assert_eq!(seen(&all, "0-7", "1,3,5,7"), package.concat());
}

#[test]
fn of_a_part_it_counts_what_is_seen() {
    // Both threads of a core, and one of another package.
    let part = [x86(0, 0, 0, 0, 2, 1), x86(1, 1, 1, 0, 1, 1), x86(2, 4, 0, 0, 2, 1)];
    assert_eq!(seen(&two_packages(), "0-7", "0-1,4"), part.concat());
}

#[test]
fn numbers_are_dense_or_the_hosts() {
    let all: String = (0..4).map(|cpu| x86(cpu, cpu, cpu, 0, 1, 1)).collect();
    let two = |first, second| x86(first, 2, 2, 0, 1, 1) + &x86(second, 3, 3, 0, 1, 1);
    assert_eq!(seen_as("dense", &all, "0-3", "2-3"), two(0, 1));
    assert_eq!(seen_as("host", &all, "0-3", "2-3"), two(2, 3));
}

#[test]
fn old_arm_has_a_heading_and_trailers() {
    let text = "Processor\t: ARMv7 Processor rev 1 (v7l)\nprocessor\t: 0\nBogoMIPS\t: 10.00\n\n\
                processor\t: 1\nBogoMIPS\t: 20.00\n\nFeatures\t: swp half\nCPU part\t: 0xc09\n\n\
                Hardware\t: Example board\nRevision\t: 0010\nSerial\t\t: 00000000abCD1234\n";
    assert_eq!(
        seen(text, "0-1", "1"),
        "Processor\t: ARMv7 Processor rev 1 (v7l)\nprocessor\t: 0\nBogoMIPS\t: 20.00\n\n\
         Features\t: swp half\nCPU part\t: 0xc09\n\n\
         Hardware\t: Example board\nRevision\t: 0010\nSerial\t\t: 0000000000000000\n"
    );
}

#[test]
fn trailers_stay_though_the_last_cpu_goes() {
    let text = "processor\t: 0\ncpu\t\t: POWER9, altivec supported\n\n\
                processor\t: 1\ncpu\t\t: POWER9, altivec supported\n\n\
                timebase\t: 512000000\nplatform\t: pSeries\nmachine\t\t: CHRP Example\n";
    assert_eq!(
        seen(text, "0-1", "0"),
        "processor\t: 0\ncpu\t\t: POWER9, altivec supported\n\n\
         timebase\t: 512000000\nplatform\t: pSeries\nmachine\t\t: CHRP Example\n"
    );
}

#[test]
fn headings_of_mips_and_loongarch_stay() {
    let text = "system type\t\t: Example\nmachine\t\t\t: Unknown\n\n\
                processor\t\t: 0\ncpu model\t\t: A\n\nprocessor\t\t: 1\ncpu model\t\t: B\n\n";
    assert_eq!(
        seen(text, "0-1", "1"),
        "system type\t\t: Example\nmachine\t\t\t: Unknown\n\nprocessor\t\t: 0\ncpu model\t\t: B\n\n"
    );
}

#[test]
fn ia64_has_other_columns() {
    let cpu = |number, core, siblings| {
        format!(
            "processor  : {number}\narch       : IA-64\ncpu number : 0\nsiblings   : {siblings}\n\
             physical id: 0\ncore id    : {core}\nthread id  : 0\n\n"
        )
    };
    let all = cpu(0, 0, 2) + &cpu(1, 1, 2);
    assert_eq!(seen(&all, "0-1", "0-1"), all);
    assert_eq!(seen(&all, "0-1", "1"), cpu(0, 1, 1));
}

#[test]
fn riscv_and_arm64_are_paragraphs() {
    let text = "processor\t: 0\nhart\t\t: 2\nisa\t\t: rv64imac\n\n\
                processor\t: 1\nhart\t\t: 1\nisa\t\t: rv64imac\n\n";
    assert_eq!(seen(text, "0-1", "1"), "processor\t: 0\nhart\t\t: 1\nisa\t\t: rv64imac\n\n");
}

const S390: &str = "\
vendor_id       : IBM/S390
# processors    : 3
bogomips per cpu: 3033.00
max thread id   : 1
features\t: esan3 zarch stfle\x20
cache0          : level=1 type=Data scope=Private size=128K line_size=256 associativity=8
processor 0: version = FF,  identification = 0133E8,  machine = 2964
processor 1: version = FF,  identification = 0133E8,  machine = 2964
processor 2: version = FF,  identification = 0133E8,  machine = 2964

cpu number      : 0
physical id     : 1
core id         : 0
book id         : 1
siblings        : 3
cpu cores       : 2
identification  : 0133E8
cpu MHz static  : 5000

cpu number      : 1
physical id     : 1
core id         : 0
book id         : 1
siblings        : 3
cpu cores       : 2
identification  : 0133E8
cpu MHz static  : 5000

cpu number      : 2
physical id     : 1
core id         : 1
book id         : 1
siblings        : 3
cpu cores       : 2
identification  : 0133E8
cpu MHz static  : 5000
";

#[test]
fn s390_lists_cpus_and_then_describes_them() {
    assert_eq!(seen(S390, "0-2", "0-2"), S390.replace("0133E8", "000000"));
    assert_eq!(
        seen(S390, "0-2", "1-2"),
        "vendor_id       : IBM/S390
# processors    : 2
bogomips per cpu: 3033.00
max thread id   : 1
features\t: esan3 zarch stfle\x20
cache0          : level=1 type=Data scope=Private size=128K line_size=256 associativity=8
processor 0: version = FF,  identification = 000000,  machine = 2964
processor 1: version = FF,  identification = 000000,  machine = 2964

cpu number      : 0
physical id     : 1
core id         : 0
book id         : 1
siblings        : 2
cpu cores       : 2
identification  : 000000
cpu MHz static  : 5000

cpu number      : 1
physical id     : 1
core id         : 1
book id         : 1
siblings        : 2
cpu cores       : 2
identification  : 000000
cpu MHz static  : 5000
"
    );
    let last = seen(S390, "0-2", "0");
    assert!(
        last.ends_with("cpu cores       : 1\nidentification  : 000000\ncpu MHz static  : 5000\n")
    );
    assert_eq!(last.matches("\n\n").count(), 1);
}

#[test]
fn sparc_names_cpus_in_keys() {
    let text = "cpu\t\t: UltraSparc T1\nncpus probed\t: 3\nncpus active\t: 3\n\
                Cpu0ClkTck\t: 000000003b9aca00\nCpu1ClkTck\t: 000000003b9aca01\n\
                Cpu2ClkTck\t: 000000003b9aca02\nMMU Type\t: Hypervisor\nState:\n\
                CPU0:\t\tonline\nCPU1:\t\tonline\nCPU2:\t\tonline\n";
    assert_eq!(seen(text, "0-2", "0-2"), text);
    assert_eq!(
        seen(text, "0-2", "0,2"),
        "cpu\t\t: UltraSparc T1\nncpus probed\t: 2\nncpus active\t: 2\n\
         Cpu0ClkTck\t: 000000003b9aca00\nCpu1ClkTck\t: 000000003b9aca02\nMMU Type\t: Hypervisor\n\
         State:\nCPU0:\t\tonline\nCPU1:\t\tonline\n"
    );
}

#[test]
fn alpha_and_xtensa_count_cpus() {
    let alpha = "cpu\t\t\t: Alpha\nsystem serial number\t: NI12-3\ncpus detected\t\t: 4\n\
                 cpus active\t\t: 4\ncpu active mask\t\t: 000000000000000f\n";
    assert_eq!(
        seen(alpha, "0-3", "1-3"),
        "cpu\t\t\t: Alpha\nsystem serial number\t: 0000-0\ncpus detected\t\t: 3\n\
         cpus active\t\t: 3\ncpu active mask\t\t: 0000000000000007\n"
    );
    let xtensa = "CPU count\t: 4\nCPU list\t: 0-3\nvendor_id\t: Tensilica\n";
    assert_eq!(
        seen_as("host", xtensa, "0-3", "1-3"),
        "CPU count\t: 3\nCPU list\t: 1-3\nvendor_id\t: Tensilica\n"
    );
}

#[test]
fn a_text_that_no_rule_knows_is_passed() {
    for text in ["", "\n\n", "CPU:\t\t68040\nMMU:\t\t68040\n", "processor type\t: x\nno colon"] {
        assert_eq!(seen(text, "0-3", "1"), text);
    }
}

#[test]
fn the_host_sees_its_own() {
    let mut snapshot = snapshot(vec![host(HOST, S390)]);
    snapshot.is_host = true;
    assert_eq!(crate::render(ENTRY.path, &snapshot).unwrap().text, S390);
}

/// A host of any shape: for each CPU whether it is in use, its package and
/// its core.
fn machines() -> impl Strategy<Value = vec::Vec<(bool, u32, u32)>> {
    proptest::collection::vec((any::<bool>(), 0u32..3, 0u32..3), 1..12).prop_map(|mut cpus| {
        if let Some(first) = cpus.first_mut() {
            first.0 = true;
        }
        cpus
    })
}

fn list(numbers: impl Iterator<Item = u32>) -> String {
    numbers.map(|number| format!("{number}")).collect::<vec::Vec<_>>().join(",")
}

proptest! {
    #[test]
    fn all_cpus_are_the_hosts_text(machine in machines(), trailer in "(\n|[a-z ]{1,9}(: [a-z]{1,9})?\n){0,4}") {
        let online = || (0..).zip(&machine).filter(|(_, (online, ..))| *online);
        let text: String = online().map(|(cpu, (_, package, core))| x86(cpu, cpu, *package, *core, 7, 5)).collect();
        let numbers = list(online().map(|(cpu, _)| cpu));
        let text = text + &trailer.replace("serial", "");
        prop_assert_eq!(seen_as("host", &text, &numbers, &numbers), text);
    }

    #[test]
    fn a_part_is_dense_and_of_the_containers_cpus(machine in machines(), hidden: u16) {
        let cpus = || (0u32..).zip(&machine).map(|(cpu, (_, package, core))| (cpu, *package, *core));
        let is_seen = |cpu: u32| cpu == 0 || hidden & (1 << cpu) == 0;
        let text: String = cpus().map(|(cpu, package, core)| x86(cpu, cpu, package, core, 99, 98)).collect();
        let all = list(cpus().map(|(cpu, ..)| cpu));
        let some = list(cpus().map(|(cpu, ..)| cpu).filter(|cpu| is_seen(*cpu)));
        let mut expected = String::new();
        for (number, (cpu, package, core)) in (0..).zip(cpus().filter(|(cpu, ..)| is_seen(*cpu))) {
            let with = cpus().filter(|(_, other, _)| *other == package);
            let seen = with.clone().filter(|(cpu, ..)| is_seen(*cpu));
            let cores: alloc::collections::BTreeSet<_> = seen.clone().map(|(_, _, core)| core).collect();
            let (siblings, cores) = match with.count() == seen.clone().count() {
                true => (99, 98),
                false => (seen.count() as u32, cores.len() as u32),
            };
            expected += &x86(number, cpu, package, core, siblings, cores);
        }
        prop_assert_eq!(seen(&text, &all, &some), expected);
    }

    #[test]
    fn any_text_renders(text: String, set in "[0-9](-[0-9])?") {
        let inputs = vec![host(HOST, &text), host("cpu-online", &set)];
        let _ = crate::render(ENTRY.path, &snapshot(inputs));
    }

    #[test]
    fn lines_in_any_order_render(lines in proptest::collection::vec(
        proptest::sample::select(vec![
            "processor\t: 0\n", "processor\t: 99\n", "processor 1: identification = AB", "\n",
            "vendor_id       : IBM/S390\n", "cpu number : 1\n", "siblings : 4\n", "cpu cores\n",
            "physical id : x\n", "Serial : é\n", "Cpu99999999999: 0\n", "CPU1", "# processors: 1\n",
        ]), 0..12)) {
        let text: String = lines.concat();
        seen(&text, "0-3", "0-1");
    }
}
