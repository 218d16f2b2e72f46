//! `/proc/diskstats`, `/proc/pressure` and `/proc/vmstat`.

use super::{container, shows_the_host};

const PATH: &str = "/proc/diskstats";
const SDA: &str = "   8       0 sda 2 0 16 0 1 0 8 0 0 0 0 0 0 0 0 0 0\n";

/// lxcfs shows the host's traffic on v2: lxc/lxcfs#653.
#[test]
fn disks_of_v2_show_the_containers_traffic() {
    let io = "8:0 rbytes=8192 wbytes=4096 rios=2 wios=1 dbytes=0 dios=0\n";
    assert_eq!(container().with_v2(&[&[("io.stat", io)]]).text(PATH), SDA);
}

/// lxcfs shows the host's traffic on v1 too: it reads files of a scheduler that
/// was removed from Linux 5.0.
#[test]
fn disks_of_v1_are_counted_by_throttling_or_by_bfq() {
    let bytes = "8:0 Read 8192\n8:0 Write 4096\nTotal 12288\n";
    let times = "8:0 Read 2\n8:0 Write 1\nTotal 3\n";
    for by in ["throttle", "bfq"] {
        let names = ["io_service_bytes", "io_serviced"];
        let [size, count] = names.map(|name| format!("blkio.{by}.{name}_recursive"));
        let group = [(size.as_str(), bytes), (count.as_str(), times)];
        assert_eq!(container().with_v1(&[&group]).text(PATH), SDA, "{by}");
    }
}

/// lxcfs copies the host's file where no controller counts.
#[test]
fn without_a_controller_there_are_no_disks() {
    for world in [container(), container().with_v2(&[&[]]), container().with_v1(&[&[]])] {
        assert_eq!(world.text(PATH), "");
    }
}

/// lxcfs makes room for a text as long as the host's, and returned nothing where
/// its own was longer: lxc/lxcfs#694.
#[test]
fn a_text_may_be_longer_than_the_hosts() {
    let io = "8:0 rbytes=9223372036854775807 wbytes=0 rios=9223372036854775807 wios=0\n";
    let host = "   8       0 sda 0 0 0 0 0 0 0 0 0 0 0\n";
    let text = container().with_host(PATH, host).with_v2(&[&[("io.stat", io)]]).text(PATH);
    assert!(text.len() > host.len() + 30, "{text}");
    assert!(text.contains(" sda 9223372036854775807 0 18014398509481983 "), "{text}");
}

/// lxcfs shows the host's pressure of I/O, which it seeks in a controller that v2
/// does not have, and the host's of all where a group has none.
#[test]
fn pressure_is_the_groups_for_every_resource() {
    let own = "some avg10=7.00 avg60=0.00 avg300=0.00 total=70\n\
               full avg10=7.00 avg60=0.00 avg300=0.00 total=70\n";
    for resource in ["cpu", "memory", "io"] {
        let path = format!("/proc/pressure/{resource}");
        let file = format!("{resource}.pressure");
        assert_eq!(container().with_v2(&[&[(&file, own)]]).text(&path), own);
        for world in [container().with_v2(&[&[]]), container().with_v1(&[&[]])] {
            assert!(!shows_the_host(&world.text(&path)), "{resource}");
        }
    }
}

/// lxcfs has no `/proc/vmstat`, so the host's shows: lxc/lxcfs#212.
#[test]
fn events_and_amounts_of_memory_are_the_containers() {
    let group = [
        ("memory.max", "1073741824\n"),
        ("memory.current", "8388608\n"),
        ("memory.stat", "file_mapped 8192\npgfault 5150\n"),
    ];
    let text = container().with_v2(&[&group]).text("/proc/vmstat");
    for line in ["nr_free_pages 260096\n", "nr_mapped 2\n", "pgfault 5150\n", "pgfree 0\n"] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(!shows_the_host(&text), "{text}");
}
