//! What a policy says, and what the default policy makes of the rest.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use vproc_sdk::capture::Machine;
use vproc_sdk::prelude::*;
use vproc_sdk::{Explanation, KNOBS};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures");

/// A container of one and a half CPUs.
fn machine() -> Machine {
    Machine::read(format!("{FIXTURES}/v1-run-256m.json")).unwrap()
}

struct Plain;

impl Policy for Plain {
    const NAME: &str = "plain";
}

struct Changed;

impl Policy for Changed {
    const NAME: &str = "changed";
    const PRESET: &[(&str, &str)] = &[("cpu-rounding", "floor"), ("/proc/swaps", "mask")];
    const FIXED: &[(&str, &str)] = &[("swap", "off")];

    fn entry(entry: Entry) -> Option<Entry> {
        match &*entry.path {
            "/proc/loadavg" => Some(entry.denied("no load")),
            "/proc/stat" => Some(entry.masked("no times")),
            "/proc/uptime" => None,
            _ => Some(entry),
        }
    }

    fn added() -> Vec<Entry> {
        let entry = Entry::file("/proc/number/n*", Class::Constant, "a number");
        Vec::from([entry])
    }

    fn render(path: &str, snapshot: &Snapshot<'_>, next: Next) -> Result<Rendered, Error> {
        match path {
            "/proc/version" => Ok("Linux version 1.0\n\n(x)\n".into()),
            "/proc/meminfo" => next.render(
                path,
                &snapshot.with("memory.limit_in_bytes", 0, Content::Text("104857600")),
            ),
            "/proc/number/n7" => Ok("7\n".into()),
            // Denied and masked all the same.
            "/proc/loadavg" | "/proc/stat" => Ok("0\n".into()),
            _ => next.render(path, snapshot),
        }
    }
}

fn cpus<P: Policy>(machine: &Machine) -> usize {
    machine.text::<P>("/proc/cpuinfo").unwrap().matches("processor\t").count()
}

/// The shape that the embedded policy has.
struct Default;

impl Policy for Default {
    const NAME: &str = "default";
    const IS_DEFAULT: bool = true;
}

#[test]
fn what_is_not_said_is_the_default_policys() {
    let machine = machine();
    let entries = machine.manifest::<Plain>().unwrap();
    let defaults = machine.manifest::<Default>().unwrap();
    assert_eq!(entries.len(), defaults.len());
    for (entry, default) in entries.iter().zip(&defaults) {
        assert_eq!((&entry.path, entry.class), (&default.path, default.class));
        let needs = |entry: &Entry| entry.needs.iter().map(|need| need.key).collect::<Vec<_>>();
        assert_eq!(needs(entry), needs(default));
        let path = entry.path.replace('*', "0");
        let text =
            |text: Result<String, String>| text.map_err(|error| error.replace("default", "plain"));
        let expected = text(machine.text::<Default>(&path));
        assert_eq!(text(machine.text::<Plain>(&path)), expected, "{path}");
    }
    assert!(machine.text::<Plain>("/proc/meminfo").is_ok());
}

#[test]
fn a_preset_gives_way_and_what_is_fixed_does_not() {
    let machine = machine();
    assert_eq!((cpus::<Plain>(&machine), cpus::<Changed>(&machine)), (2, 1));
    let ceil = machine.clone().with_setting("cpu-rounding", "ceil");
    assert_eq!(cpus::<Changed>(&ceil), 2);
    assert_eq!(machine.text::<Changed>("/proc/swaps").as_deref(), Ok(""));
    let shown = machine.clone().with_setting("/proc/swaps", "virtual");
    assert!(shown.text::<Changed>("/proc/swaps").unwrap().starts_with("Filename"));
    let error = machine.clone().with_setting("swap", "on").text::<Changed>("/proc/meminfo");
    assert!(
        error.unwrap_err().contains("`swap` is rejected: the policy changed fixes it to `off`")
    );
    assert!(machine.with_setting("swap", "off").text::<Changed>("/proc/meminfo").is_ok());
    assert!(KNOBS.iter().any(|knob| knob.name == "swap"));
}

#[test]
fn what_is_declared_is_enforced() {
    let machine = machine();
    assert_eq!(machine.text::<Changed>("/proc/loadavg"), Err("this path is denied".into()));
    assert_eq!(machine.text::<Changed>("/proc/stat").as_deref(), Ok(""));
    let gone = machine.text::<Changed>("/proc/uptime").unwrap_err();
    assert_eq!(gone, "changed does not serve /proc/uptime");
    assert_eq!(machine.text::<Changed>("/proc/number/n7").as_deref(), Ok("7\n"));
    assert!(machine.text::<Changed>("/proc/number/n").is_err());
    let entries = machine.manifest::<Changed>().unwrap();
    let denied = entries.iter().find(|entry| entry.path == "/proc/loadavg").unwrap();
    assert_eq!((denied.class, &*denied.reason, denied.needs.len()), (Class::Denied, "no load", 0));
}

#[test]
fn an_input_can_say_something_else() {
    let machine = machine();
    let total = |text: String| text.lines().next().unwrap().to_owned();
    let plain = total(machine.text::<Plain>("/proc/meminfo").unwrap());
    assert_eq!(plain, "MemTotal:         262144 kB");
    let changed = total(machine.text::<Changed>("/proc/meminfo").unwrap());
    assert_eq!(changed, "MemTotal:         102400 kB");
}

#[test]
fn no_explanation_is_better_than_a_wrong_one() {
    let machine = machine();
    let steps = |explained: Result<Explanation, String>| explained.unwrap().steps.len();
    // The default's text is explained as ever, also with other knobs.
    for path in ["/proc/cpuinfo", "/proc/vmstat"] {
        assert!(steps(machine.explanation::<Changed>(path)) > 0, "{path}");
    }
    // The default policy's steps would lead to another number.
    for path in ["/proc/meminfo", "/proc/version"] {
        let explained = machine.explanation::<Changed>(path).unwrap();
        assert_eq!(explained.steps.len(), 0, "{path}");
        let lines: Vec<&str> = explained.text.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(explained.fields.len(), lines.len(), "{path}");
        for (field, line) in explained.fields.iter().zip(lines) {
            assert_eq!(&explained.text[field.range.clone()], line);
            assert_eq!(field.reason, "the policy does not say why");
            assert_eq!((field.value, field.quoted), (None, None));
        }
    }
    assert!(machine.explanation::<Changed>("/proc/loadavg").is_err());
    assert_eq!(machine.explanation::<Changed>("/proc/stat").unwrap().fields.len(), 0);
}
