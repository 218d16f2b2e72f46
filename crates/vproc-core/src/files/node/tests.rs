#![allow(clippy::unwrap_used)]

use super::*;
use crate::contract::{Content, Input, Snapshot};
use crate::testing::{cgroup, host, snapshot};
use alloc::string::String;
use alloc::{format, vec};

const ZONES: &str = "Node 0, zone   Normal\n managed  300\nNode 1, zone   Normal\n managed  100\n\
                     Node 8, zone   Normal\n managed  100\nNode 9, zone  Movable\n managed  0\n";

fn inputs() -> Vec<Input<'static>> {
    vec![
        host(ONLINE_PATH, "0-1,8-9\n"),
        host(ITSELF, "0-1,8-9\n"),
        host(nodes::ZONES, ZONES),
        host("cpu-online", "0-7\n"),
        host("/sys/devices/system/node/node0/cpulist", "0-1,4-5\n"),
        host("/sys/devices/system/node/node1/cpulist", "2-3\n"),
        host("/sys/devices/system/node/node9/cpulist", "6-7\n"),
        host("/sys/devices/system/node/node0/distance", "10 21 32 40\n"),
        host("/sys/devices/system/node/node1/distance", "21 10 32 40\n"),
        host("meminfo", "MemTotal: 4000000 kB\nMemFree: 5 kB\nCached: 6 kB\nHugePages_Total: 0\n"),
        host("vmstat", "nr_free_pages 1\nnr_active_anon 5\nnr_dirty_threshold 99\npgfault 5\n"),
        cgroup("memory.max", 0, 1, "409600000\n"),
        cgroup("memory.current", 0, 1, "204800000\n"),
        cgroup("memory.stat", 0, 1, "file 102400000\nactive_anon 40960000\n"),
    ]
}

fn text(file: &str, snapshot: &Snapshot<'_>) -> Result<String, Error> {
    let path = format!("/sys/devices/system/node{file}");
    crate::render(&path, snapshot).map(|rendered| rendered.text)
}

#[test]
fn nodes_are_those_of_the_cpuset_with_memory() {
    let all = snapshot(inputs());
    assert_eq!(text("", &all).unwrap(), "node0\nnode1\nnode2\n");
    for list in ["online", "possible", "has_memory", "has_normal_memory"] {
        assert_eq!(text(&format!("/{list}"), &all).unwrap(), "0-2\n", "{list}");
    }
    assert_eq!(text("/has_cpu", &all).unwrap(), "0-1\n");
    let mut inputs = inputs();
    inputs.push(cgroup("cpuset.mems.effective", 0, 1, "1,8\n"));
    let mut some = snapshot(inputs);
    assert_eq!(text("", &some).unwrap(), "node0\nnode1\n");
    some.environment.settings = vec![("cpu-numbering", "host")];
    assert_eq!(text("", &some).unwrap(), "node1\nnode8\n");
    assert_eq!(text("/online", &some).unwrap(), "1,8\n");
    assert_eq!(text("/node1/cpulist", &some).unwrap(), "0-7\n", "none has no node");
    assert_eq!(text("/node8/cpulist", &some).unwrap(), "\n");
    assert_eq!(text("/node0/cpulist", &some), Err(Error::UnsupportedPath));
}

#[test]
fn every_cpu_is_in_a_node() {
    let mut inputs = inputs();
    inputs.push(cgroup("cpuset.cpus.effective", 0, 1, "1-3,6\n"));
    let snapshot = snapshot(inputs);
    let lists = ["0", "1", "2"].map(|node| text(&format!("/node{node}/cpulist"), &snapshot));
    assert_eq!(lists.map(Result::unwrap), ["0,3\n", "1-2\n", "\n"]);
    let masks = ["0", "1", "2"].map(|node| text(&format!("/node{node}/cpumap"), &snapshot));
    assert_eq!(masks.map(Result::unwrap), ["9\n", "6\n", "0\n"]);
}

#[test]
fn distances_are_the_hosts_between_these_nodes() {
    let mut inputs = inputs();
    inputs.push(cgroup("cpuset.mems", 0, 1, "1,8\n"));
    let snapshot = snapshot(inputs);
    assert_eq!(text("/node0/distance", &snapshot).unwrap(), "10 32\n");
    assert_eq!(text("/node1/distance", &snapshot).unwrap(), "20 10\n", "not known");
}

#[test]
fn memory_is_split_as_the_hosts_is() {
    let snapshot = snapshot(inputs());
    assert_eq!(
        text("/node1/meminfo", &snapshot).unwrap(),
        "Node 1 MemTotal:          80000 kB
Node 1 MemFree:           40000 kB
Node 1 MemUsed:           40000 kB
Node 1 FilePages:         20000 kB
Node 1 HugePages_Total:     0
"
    );
    assert_eq!(
        text("/node0/vmstat", &snapshot).unwrap(),
        "nr_free_pages 30000\nnr_active_anon 6000\n"
    );
    assert!(text("/node2/numastat", &snapshot).unwrap().starts_with("numa_hit 0\n"));
    for file in ["meminfo", "vmstat", "numastat", "distance", "cpulist", "cpumap"] {
        assert_eq!(text(&format!("/node3/{file}"), &snapshot), Err(Error::UnsupportedPath));
    }
}

#[test]
fn the_host_sees_its_own() {
    let mut snapshot = snapshot(inputs());
    snapshot.is_host = true;
    assert_eq!(text("/online", &snapshot).unwrap(), "0-1,8-9\n");
    assert_eq!(text("", &snapshot).unwrap(), "node0\nnode1\nnode8\n");
    assert_eq!(text("/node0/distance", &snapshot).unwrap(), "10 21 32\n");
}

#[test]
fn without_numa_there_is_no_list() {
    let absent = |key| Input { key, level: 0, depth: 0, content: Content::Absent(2) };
    let mut snapshot =
        snapshot(vec![absent(ITSELF), absent(ONLINE_PATH), host(nodes::ZONES, ZONES)]);
    snapshot.is_host = true;
    assert_eq!(text("/online", &snapshot), Err(Error::MissingInput(ITSELF)));
}
