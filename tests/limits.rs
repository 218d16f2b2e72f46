//! A policy may be a stranger's. Whatever it does, the host gets an answer
//! that names what the policy did, in bounded time and memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::time::{Duration, Instant};
use vproc_runtime::{
    Allocation, Engine, Error, Limits, Options, Policy, Refusal, Rendered, wasmtime,
};
use vproc_tests::{GREEDY, HOSTILE, empty, environment};

/// Enough on a busy machine for all but an endless loop.
const TIME: Duration = Duration::from_secs(5);

fn hostile(allocation: Allocation) -> Policy {
    let limits = Limits { time: TIME, ..Limits::default() };
    let engine = Engine::new(Options { limits, allocation, target: None }).unwrap();
    Policy::compile(&engine, HOSTILE).unwrap()
}

fn render(path: &str) -> Result<Rendered, Error> {
    let environment = environment(&[]);
    let policy = hostile(Allocation::OnDemand);
    let result = policy.render(path, &empty(&environment));
    let after = policy.render("/honest", &empty(&environment)).unwrap();
    assert_eq!(after.body, b"honest\n", "another render of the policy works after {path}");
    result
}

fn declare(settings: &[(&str, &str)]) -> Error {
    hostile(Allocation::OnDemand).declare(&environment(settings)).unwrap_err()
}

#[test]
fn an_endless_loop_is_stopped() {
    let start = Instant::now();
    assert!(matches!(render("/loop"), Err(Error::Timeout(TIME))));
    assert!(start.elapsed() >= TIME);
    assert!(start.elapsed() < 10 * TIME);
}

#[test]
fn an_endless_loop_is_stopped_after_the_watchdog_slept() {
    let policy = hostile(Allocation::OnDemand);
    let environment = environment(&[]);
    policy.render("/honest", &empty(&environment)).unwrap();
    std::thread::sleep(Duration::from_millis(900)); // longer than the watchdog waits
    assert!(matches!(policy.render("/loop", &empty(&environment)), Err(Error::Timeout(_))));
}

/// An embedder's own engine, which may meter fuel and pool memory.
#[test]
fn limits_hold_in_the_engine_of_an_embedder() {
    let environment = environment(&[]);
    let limits = Limits { time: TIME, memory: 4 << 20, ..Limits::default() };
    for is_metered in [false, true] {
        let mut config = wasmtime::Config::new();
        config.epoch_interruption(true).consume_fuel(is_metered);
        let theirs = wasmtime::Engine::new(&config).unwrap();
        let engine = Engine::from_wasmtime(theirs.clone(), limits).unwrap();
        let policy = Policy::compile(&engine, HOSTILE).unwrap();
        let render = |path: &str| policy.render(path, &empty(&environment));
        assert_eq!(render("/honest").unwrap().body, b"honest\n");
        assert!(matches!(render("/loop"), Err(Error::Timeout(TIME))));
        assert!(matches!(render("/grow"), Err(Error::Memory(found)) if found == 4 << 20));
        assert_eq!(render("/honest").unwrap().body, b"honest\n");
        // The code that comes with the default policy is for another engine.
        let policy = vproc_default::load(&engine, None).unwrap();
        assert!(policy.declare(&environment).unwrap().entry("/proc/meminfo").is_some());
        // And theirs is still theirs.
        assert!(wasmtime::Module::new(&theirs, "\0asm\x01\0\0\0").is_ok());
    }
}

#[test]
fn an_engine_that_cannot_interrupt_is_refused() {
    let theirs = wasmtime::Engine::default();
    let refused = Engine::from_wasmtime(theirs, Limits::default()).err().unwrap();
    assert!(refused.to_string().contains("epoch_interruption(true)"), "{refused}");
}

#[test]
fn memory_is_limited() {
    let limit = Limits::default().memory;
    assert!(matches!(render("/allocate"), Err(Error::Memory(found)) if found == limit));
    assert!(matches!(render("/grow"), Err(Error::Memory(found)) if found == limit));
}

#[test]
fn tables_are_limited() {
    let limit = Limits::default().table_elements;
    for allocation in [Allocation::OnDemand, Allocation::Pooled { slots: 1 }] {
        let engine = Engine::new(Options { allocation, ..Options::default() }).unwrap();
        match Policy::compile(&engine, GREEDY).and_then(|policy| policy.instance()) {
            Err(Error::Table(found)) => assert_eq!(found, limit),
            // A pool refuses what can fit no slot when it is loaded.
            Err(Error::NotAComponent(why)) => assert!(why.contains("table"), "{why}"),
            Err(other) => panic!("{allocation:?}: {other:?}"),
            Ok(_) => panic!("{allocation:?}: a table of a million elements"),
        }
    }
}

/// Python comes as some forty modules, so a component may have as many; but not
/// any number of them.
#[test]
fn core_instances_are_limited() {
    let environment = environment(&[]);
    for allocation in [Allocation::OnDemand, Allocation::Pooled { slots: 1 }] {
        let engine = Engine::new(Options { allocation, ..Options::default() }).unwrap();
        let render = |more: u8| {
            Policy::compile(&engine, &with_instances(HOSTILE, more))?
                .render("/honest", &empty(&environment))
        };
        assert_eq!(render(40).unwrap().body, b"honest\n", "{allocation:?}");
        match render(100) {
            Err(Error::Trap(why) | Error::NotAComponent(why) | Error::NotAPolicy(why)) => {
                assert!(why.contains("instance"), "{allocation:?}: {why}");
            }
            other => panic!("{allocation:?}: {other:?}"),
        }
    }
}

/// The component with so many instances of one more module, which is empty.
fn with_instances(component: &[u8], more: u8) -> Vec<u8> {
    const MODULE: &[u8] = b"\0asm\x01\0\0\0";
    let mut made = component.to_vec();
    let module = u8::try_from(modules(component)).unwrap();
    made.extend([1, 8]);
    made.extend(MODULE);
    // For each of them a vector of one: without arguments, of this module.
    for _ in 0..more {
        made.extend([2, 4, 1, 0, module, 0]);
    }
    made
}

/// How many core modules the component has: its sections of id 1.
fn modules(component: &[u8]) -> usize {
    let (mut place, mut modules) = (8, 0);
    while place < component.len() {
        modules += usize::from(component[place] == 1);
        let (mut length, mut shift) = (0, 0);
        loop {
            place += 1;
            length |= usize::from(component[place] & 0x7f) << shift;
            shift += 7;
            if component[place] < 0x80 {
                break;
            }
        }
        place += 1 + length;
    }
    modules
}

#[test]
fn a_text_that_is_not_there_is_not_read() {
    assert!(matches!(render("/lie"), Err(Error::Trap(_))));
}

#[test]
fn output_is_limited() {
    let limit = Limits::default().output;
    let found = 40 << 20;
    match render("/huge") {
        Err(Error::Output { found: f, limit: l }) => assert_eq!((f, l), (found, limit)),
        other => panic!("{other:?}"),
    }
    assert!(matches!(render("/state"), Err(Error::Output { limit: 0x10_0000, .. })));
}

#[test]
fn a_trap_is_an_answer() {
    assert!(matches!(render("/trap"), Err(Error::Trap(why)) if why.contains("unreachable")));
    assert!(matches!(render("/overflow-stack"), Err(Error::Trap(why)) if why.contains("stack")));
}

#[test]
fn wasi_gives_nothing_away() {
    for path in ["/write-stderr", "/read-clock"] {
        match render(path) {
            Err(Error::Trap(why)) => assert!(why.contains("wasi:"), "{why}"),
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[test]
fn nothing_is_remembered_between_renders() {
    let policy = hostile(Allocation::Pooled { slots: 1 });
    let environment = environment(&[]);
    for _ in 0..3 {
        let rendered = policy.render("/remember", &empty(&environment)).unwrap();
        assert_eq!(rendered.body, b"1\n");
    }
    let mut instance = policy.instance().unwrap();
    for expected in ["1\n", "2\n"] {
        let rendered = instance.render("/remember", &empty(&environment)).unwrap();
        assert_eq!(rendered.body, expected.as_bytes(), "an instance is one tenant's own");
    }
}

#[test]
fn a_pool_has_the_same_limits() {
    let policy = hostile(Allocation::Pooled { slots: 2 });
    let environment = environment(&[]);
    for _ in 0..4 {
        assert!(matches!(policy.render("/allocate", &empty(&environment)), Err(Error::Memory(_))));
        assert!(matches!(policy.render("/trap", &empty(&environment)), Err(Error::Trap(_))));
        assert!(policy.render("/honest", &empty(&environment)).is_ok());
    }
    assert!(matches!(policy.render("/loop", &empty(&environment)), Err(Error::Timeout(_))));
}

#[test]
fn bytes_that_are_no_text_come_back_as_they_are() {
    assert_eq!(render("/bytes").unwrap().body, [0, 255, 10]);
}

#[test]
fn an_unknown_path_is_refused_by_the_policy() {
    assert!(matches!(render("/nowhere"), Err(Error::Refused(Refusal::UnsupportedPath))));
}

#[test]
fn a_manifest_that_cannot_be_served_is_refused() {
    let malformed = [
        ("no-name", "is no name"),
        ("relative-path", "`etc/passwd` is not an absolute"),
        ("dotted-path", "is not an absolute, normalised path"),
        ("twice", "/honest is declared twice"),
        ("mode", "/suid has mode 4755"),
        ("no-directory", "/numbers/n* needs an entry for the directory /numbers"),
        ("ambiguous", "`n7` and `n*` could be the same"),
        ("same-key", "/keys has two needs with the key `key`"),
    ];
    for (misdeed, reason) in malformed {
        match declare(&[("misdeed", misdeed)]) {
            Error::Manifest(why) => assert!(why.contains(reason), "{misdeed}: {why}"),
            other => panic!("{misdeed}: {other:?}"),
        }
    }
    assert!(matches!(declare(&[("misdeed", "loop")]), Error::Timeout(_)));
    assert!(matches!(declare(&[("misdeed", "trap")]), Error::Trap(_)));
}

#[test]
fn what_is_no_policy_is_refused() {
    let engine = Engine::new(Options::default()).unwrap();
    let refused = |bytes: &[u8]| Policy::compile(&engine, bytes).unwrap_err();
    assert!(matches!(refused(b""), Error::NotAComponent(_)));
    assert!(matches!(refused(b"MemTotal: 1 kB"), Error::NotAComponent(_)));
    let half = vproc_default::COMPONENT.split_at(vproc_default::COMPONENT.len() / 2).0;
    assert!(matches!(refused(half), Error::NotAComponent(_)));
    // A core module, and a component that exports nothing.
    assert!(matches!(refused(b"\0asm\x01\0\0\0"), Error::NotAComponent(_)));
    assert!(matches!(refused(b"\0asm\x0d\0\x01\0"), Error::NotAPolicy(_)));
    let large = Limits { component: 1000, ..Limits::default() };
    let engine = Engine::new(Options { limits: large, ..Options::default() }).unwrap();
    assert!(matches!(
        Policy::compile(&engine, HOSTILE).unwrap_err(),
        Error::NotAComponent(why) if why.contains("more than 1000")
    ));
}

#[test]
fn the_default_policy_is_small() {
    // 4 KiB for each module of a file, and 130 bytes for each file of a table:
    // what it is, and why. A quarter are the files of processes, each of a
    // process and of its threads, and the translation of ids, users and paths. A
    // seventh of the rest says why numbers are what they are: operations that
    // record their operands, and the interface that takes an explanation out.
    assert!(vproc_default::COMPONENT.len() <= 504 << 10, "{}", vproc_default::COMPONENT.len());
}

#[test]
fn the_default_policy_imports_nothing() {
    let engine = Engine::new(Options::default()).unwrap();
    let policy = Policy::compile(&engine, vproc_default::COMPONENT).unwrap();
    assert_eq!(policy.imports(), Vec::<String>::new());
    // The same look at a policy that does import something.
    assert!(!hostile(Allocation::OnDemand).imports().is_empty());
}

#[test]
fn the_embedded_code_is_that_of_the_component() {
    let engine = Engine::new(Options::default()).unwrap();
    let embedded = vproc_default::load(&engine, None).unwrap();
    let compiled = Policy::compile(&engine, vproc_default::COMPONENT).unwrap();
    assert_eq!(embedded.digest(), compiled.digest());
    let environment = environment(&[]);
    assert_eq!(embedded.declare(&environment).unwrap(), compiled.declare(&environment).unwrap());
}

#[test]
fn single_entries_are_those_of_the_manifest() {
    let engine = Engine::new(Options::default()).unwrap();
    let policy = vproc_default::load(&engine, None).unwrap();
    for settings in [&[][..], &[("/proc/stat", "deny"), ("/proc/nonsense", "pass")]] {
        let environment = environment(settings);
        let manifest = policy.declare(&environment).unwrap();
        let mut instance = policy.instance().unwrap();
        for entry in &manifest.entries {
            let path = entry.path.replace('*', "7");
            let found = instance.find(&path, &environment).unwrap();
            assert_eq!(found.as_ref(), Some(entry), "{path}");
        }
        let refused = instance.find("/proc/nowhere", &environment);
        assert!(matches!(refused, Err(Error::Refused(Refusal::UnsupportedPath))), "{refused:?}");
    }
    // A policy need not say.
    assert!(matches!(hostile(Allocation::OnDemand).find("/x", &environment(&[])), Ok(None)));
}
