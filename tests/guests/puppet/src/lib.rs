//! A policy that does what is written into it.
//!
//! A test replaces `ORDERS` in the finished component: words, of which each
//! is a key and a value. So one component stands for any number of policies,
//! without settings, which would be those of a whole mount.
//!
//! | order | |
//! |---|---|
//! | `letter=A` | what every line begins with |
//! | `lines=3` | how long the texts are |
//! | `path=/proc/extra` | serves one file more |
//! | `host=/etc/shadow` | asks for a file of the host |
//! | `show=host` | shows that file, and says that it is computed |
//! | `trap=10` | one of so many calls of `render` traps; 1 is all of them |
//! | `count=name/1` | keeps a history: the number of calls, as the last line |
//! | `loop=/proc/vmstat` | with a history, renders this file until its time is over |
//! | `fail=/proc/vmstat` | with a history, traps |
//! | `grow=/proc/vmstat` | with a history, takes memory until there is none |
//! | `strict=/proc/vmstat` | traps where the history is not of eight bytes |
//! | `many=7` | serves `/sys/many/n0` to `n9`, and traps in this one |
//! | `deep=max` | asks for `memory.max` of all groups, and traps where that of an upper one is none |

#![cfg(target_family = "wasm")]

wit_bindgen::generate!({ path: "../../../wit", world: "policy" });

use exports::vproc::policy::renderer::*;

struct Puppet;

export!(Puppet);

/// What tests write over, up to the full stop; its length stays.
static ORDERS: &str = concat!(
    "ORDERS: letter=A lines=3                                        ",
    "                                                                ",
    "                                                               .",
);

/// What the default policy also serves, and one more.
const PATHS: [&str; 7] = [
    "/proc/meminfo",
    "/proc/stat",
    "/proc/uptime",
    "/proc/cpuinfo",
    "/proc/loadavg",
    "/proc/vmstat",
    "/proc/puppet",
];

/// The value of an order.
fn order(key: &str) -> Option<&'static str> {
    // Read as it is now, not as it was when this was compiled.
    let orders = std::hint::black_box(ORDERS).trim_end_matches('.');
    orders.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

fn number(key: &str) -> Option<u64> {
    order(key)?.parse().ok()
}

impl Guest for Puppet {
    fn declare(_: Environment) -> Result<Manifest, Error> {
        let mut entries: Vec<Entry> = PATHS.into_iter().chain(order("path")).map(entry).collect();
        if order("many").is_some() {
            let directory = Entry { kind: Kind::Directory, mode: 0o555, ..entry("/sys/many") };
            entries.extend([directory, entry("/sys/many/n*")]);
        }
        let version = order("letter").unwrap_or("A").into();
        Ok(Manifest { name: "puppet".into(), version, entries, knobs: vec![] })
    }

    fn render(path: String, snapshot: Snapshot) -> Result<Rendered, Error> {
        // Not a counter: an instance that trapped is never used again.
        if number("trap").is_some_and(|one_of| scatter(snapshot.now).is_multiple_of(one_of)) {
            core::arch::wasm32::unreachable()
        }
        // What is tried out before it is used has no history.
        let shall = |deed| order(deed) == Some(&path) && snapshot.state.is_some();
        while shall("loop") {
            std::hint::black_box(());
        }
        while shall("grow") {
            std::mem::forget(std::hint::black_box(vec![1_u8; 1 << 20]));
        }
        if shall("fail") {
            core::arch::wasm32::unreachable()
        }
        if order("strict") == Some(&path) && snapshot.state.as_ref().is_some_and(|s| s.len() != 8) {
            core::arch::wasm32::unreachable()
        }
        let is_amount = |input: &Input| match &input.content {
            Content::Text(text) => text == "max\n" || text.trim().parse::<u64>().is_ok(),
            _ => false,
        };
        if order("deep").is_some() && !snapshot.inputs.iter().skip(1).all(is_amount) {
            core::arch::wasm32::unreachable()
        }
        if let Some(name) = path.strip_prefix("/sys/many") {
            if order("many").is_some_and(|bad| name.strip_prefix("/n") == Some(bad)) {
                core::arch::wasm32::unreachable()
            }
            let names = (0..10).map(|number| format!("n{number}\n"));
            return Ok(Rendered { body: Body::Text(names.collect()), state: None });
        }
        if order("show").is_some() {
            let body = snapshot.inputs.into_iter().find_map(|input| match input.content {
                Content::Text(text) => Some(Body::Text(text)),
                _ => None,
            });
            let body = body.ok_or_else(|| Error::MissingInput("key".into()))?;
            return Ok(Rendered { body, state: None });
        }
        let (letter, lines) = (order("letter").unwrap_or("A"), number("lines").unwrap_or(3));
        let mut text = String::new();
        for line in 1..=lines {
            // A text that two renders have made shows by its times.
            text += &format!("{letter} {:016x} {line:08} of {lines:08}\n", snapshot.now);
        }
        let state = order("count").map(|_| {
            let before = snapshot.state.and_then(|state| state.try_into().ok());
            (before.map_or(0, u64::from_le_bytes) + 1).to_le_bytes()
        });
        if let Some(count) = state {
            text += &format!("count {}\n", u64::from_le_bytes(count));
        }
        Ok(Rendered { body: Body::Text(text), state: state.map(|state| state.to_vec()) })
    }
}

fn entry(path: &str) -> Entry {
    let need = |path: &str| Need { key: "key".into(), from: Source::Host(path.into()) };
    let limit = |name: &str| Need {
        key: "limit".into(),
        from: Source::Cgroup(CgroupFile {
            version: CgroupVersion::V2,
            controller: "memory".into(),
            name: format!("memory.{name}"),
            scope: Scope::Lineage,
        }),
    };
    Entry {
        path: path.into(),
        kind: Kind::File,
        mode: 0o444,
        class: if order("show").is_some() { Class::Virtual } else { Class::Constant },
        summary: String::new(),
        reason: String::new(),
        needs: order("host").map(need).into_iter().chain(order("deep").map(limit)).collect(),
        history: order("count").map(|format| History { format: format.into(), interval_ms: 0 }),
        covers: true,
    }
}

/// The finalizer of SplitMix64: times that follow one another are far apart.
fn scatter(time: u64) -> u64 {
    let mixed = (time ^ (time >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
