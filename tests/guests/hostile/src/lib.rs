//! A policy that breaks every rule, on demand.
//!
//! Unlike the default policy it is built with the standard library, so it
//! imports WASI as a stranger's policy would. The setting `misdeed` says what
//! `declare` does wrong; the path says what `render` does.

#![cfg(target_family = "wasm")]

wit_bindgen::generate!({ path: "../../../wit", world: "policy" });

use exports::vproc::policy::renderer::*;

struct Hostile;

export!(Hostile);

/// What `render` can do.
const MISDEEDS: &[&str] = &[
    "/honest",
    "/loop",
    "/allocate",
    "/grow",
    "/huge",
    "/lie",
    "/trap",
    "/overflow-stack",
    "/state",
    "/write-stderr",
    "/read-clock",
    "/remember",
    "/bytes",
];

impl Guest for Hostile {
    fn declare(environment: Environment) -> Result<Manifest, Error> {
        let mut entries: Vec<Entry> = MISDEEDS.iter().map(|path| entry(path)).collect();
        let mut name = String::from("hostile");
        for Setting { knob, value } in environment.settings {
            match (knob.as_str(), value.as_str()) {
                ("misdeed", "loop") => spin(),
                ("misdeed", "trap") => unreachable(),
                ("misdeed", "no-name") => name = "\n".into(),
                ("misdeed", "relative-path") => entries.push(entry("etc/passwd")),
                ("misdeed", "dotted-path") => entries.push(entry("/proc/../etc/passwd")),
                ("misdeed", "twice") => entries.push(entry("/honest")),
                ("misdeed", "mode") => entries.push(Entry { mode: 0o4755, ..entry("/suid") }),
                ("misdeed", "no-directory") => entries.push(entry("/numbers/n*")),
                ("misdeed", "ambiguous") => {
                    let directory = Entry { kind: Kind::Directory, ..entry("/numbers") };
                    entries.extend([directory, entry("/numbers/n*"), entry("/numbers/n7")]);
                }
                ("misdeed", "same-key") => entries.push(Entry {
                    needs: vec![need("/proc/stat"), need("/proc/stat")],
                    ..entry("/keys")
                }),
                ("ask", path) => entries.push(Entry { needs: vec![need(path)], ..entry("/asked") }),
                _ => {
                    let reason = "no such knob".into();
                    return Err(Error::RejectedSetting(Rejected { knob, reason }));
                }
            }
        }
        Ok(Manifest { name, version: "6.6.6".into(), entries, knobs: vec![] })
    }

    fn render(path: String, _: Snapshot) -> Result<Rendered, Error> {
        static mut MEMORY: u32 = 0;
        match path.as_str() {
            "/honest" => Ok(text("honest\n".into())),
            "/loop" => spin(),
            "/allocate" => loop {
                std::mem::forget(std::hint::black_box(vec![1u8; 1 << 20]));
            },
            // All at once, and without touching it.
            "/grow" => Ok(text(core::arch::wasm32::memory_grow(0, 1 << 14).to_string())),
            "/huge" => Ok(text("x".repeat(40 << 20))),
            // SAFETY: none. The instance ends before the text could be freed.
            "/lie" => Ok(text(unsafe { String::from_raw_parts(8 as *mut u8, 1 << 30, 1 << 30) })),
            "/trap" => unreachable(),
            "/overflow-stack" => Ok(text(recurse(1).to_string())),
            "/state" => Ok(Rendered { state: Some(vec![0; 2 << 20]), ..text("state\n".into()) }),
            "/write-stderr" => {
                eprintln!("a policy has no standard error");
                Ok(text("written\n".into()))
            }
            "/read-clock" => Ok(text(format!("{:?}", std::time::SystemTime::now()))),
            // A counter in memory shows whether an instance is used again.
            "/remember" => Ok(text({
                // SAFETY: wasm has one thread.
                unsafe { MEMORY += 1 };
                let count = unsafe { MEMORY };
                format!("{count}\n")
            })),
            "/bytes" => Ok(Rendered { body: Body::Bytes(vec![0, 255, 10]), state: None }),
            _ => Err(Error::UnsupportedPath),
        }
    }
}

fn text(text: String) -> Rendered {
    Rendered { body: Body::Text(text), state: None }
}

fn entry(path: &str) -> Entry {
    Entry {
        path: path.into(),
        kind: Kind::File,
        mode: 0o444,
        class: Class::Constant,
        summary: String::new(),
        reason: String::new(),
        needs: vec![],
        history: None,
        covers: false,
    }
}

fn need(path: &str) -> Need {
    Need { key: "key".into(), from: Source::Host(path.into()) }
}

fn spin() -> ! {
    loop {
        std::hint::black_box(());
    }
}

fn unreachable() -> ! {
    core::arch::wasm32::unreachable()
}

#[allow(unconditional_recursion)]
fn recurse(depth: u64) -> u64 {
    std::hint::black_box(recurse(depth + 1)) + depth
}
