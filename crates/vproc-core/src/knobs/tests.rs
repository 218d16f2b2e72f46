#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn the_documented_default_of_each_knob_is_the_default() {
    for knob in KNOBS {
        assert_eq!(Knobs::parse([(knob.name, knob.default)]), Ok(Knobs::default()));
    }
}

#[test]
fn a_misspelt_knob_names_the_known_ones() {
    let error = Knobs::parse([("cpu", "quota")]).unwrap_err();
    assert!(alloc::string::ToString::to_string(&error).contains("cpus, cpu-rounding"));
}

#[test]
fn a_wrong_value_names_the_right_ones() {
    let error = Knobs::parse([("swap", "yes")]).unwrap_err();
    assert!(alloc::string::ToString::to_string(&error).contains("on | off"));
}

#[test]
fn numbered_files_are_treated_alike() {
    let path = "/sys/devices/system/cpu/cpu*/topology/core_id";
    let knobs = Knobs::parse([(path, "deny")]).unwrap();
    assert_eq!(knobs.treatment(path), Treatment::Deny);
    for (path, value) in [
        (path, "pass"),
        ("/sys/devices/system/cpu/cpu0/topology/core_id", "deny"),
        ("/sys/devices/system/cpu", "mask"),
    ] {
        assert!(Knobs::parse([(path, value)]).is_err(), "{path} {value}");
    }
}

#[test]
fn what_the_policy_knows_nothing_of_is_treated_by_its_path() {
    let settings = [("/proc/new", "mask"), ("/proc/a/b", "pass"), ("/proc/new", "pass")];
    let knobs = Knobs::parse(settings).unwrap();
    let unlisted: Vec<_> = knobs.unlisted().collect();
    assert_eq!(unlisted, [("/proc/a/b", Treatment::Pass), ("/proc/new", Treatment::Pass)]);
    for (path, value) in [
        ("/proc/new", "virtual"),
        ("/proc/new", "yes"),
        ("/proc/1/environ", "pass"),
        ("/proc/self/environ", "pass"),
        ("/proc/../etc/shadow", "pass"),
        ("/proc/pressure", "pass"),
        ("/proc/meminfo/x", "pass"),
        ("/proc/x*", "pass"),
        ("/etc/shadow", "pass"),
        ("/sys/kernel/notes", "pass"),
        ("/proc/acpi", "mask"),
    ] {
        assert!(Knobs::parse([(path, value)]).is_err(), "{path} {value}");
    }
}

#[test]
fn a_path_is_a_knob_and_the_last_setting_counts() {
    let knobs = Knobs::parse([("/proc/meminfo", "deny"), ("/proc/meminfo", "pass")]).unwrap();
    assert_eq!(knobs.treatment("/proc/meminfo"), Treatment::Pass);
    assert_eq!(knobs.treatment("/proc/swaps"), Treatment::Virtual);
}
