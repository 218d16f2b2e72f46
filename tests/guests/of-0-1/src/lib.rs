//! A policy of version 0.1 of the contract, which has everything that there was.

#![cfg(target_family = "wasm")]

wit_bindgen::generate!({ path: "../../../wit/released/0.1.0", world: "explained-policy" });

use exports::vproc::policy::explainer;
use exports::vproc::policy::renderer::*;

struct Earlier;

export!(Earlier);

impl Guest for Earlier {
    fn declare(environment: Environment) -> Result<Manifest, Error> {
        if let Some(Setting { knob, .. }) =
            environment.settings.iter().find(|setting| !setting.knob.starts_with('/'))
        {
            let reason = "this policy has no knobs".into();
            return Err(Error::RejectedSetting(Rejected { knob: knob.clone(), reason }));
        }
        Ok(Manifest {
            name: "earlier".into(),
            version: "1.2.3".into(),
            entries: entries(),
            knobs: vec![Knob {
                name: "/PATH".into(),
                values: "any".into(),
                default: "none".into(),
                summary: "what is put over a container's own file".into(),
            }],
        })
    }

    fn render(path: String, snapshot: Snapshot) -> Result<Rendered, Error> {
        let state = snapshot.state.clone();
        Ok(match path.as_str() {
            "/proc/meminfo" => rendered(inputs(&snapshot)),
            "/proc/loadavg" => {
                let mut state = state.unwrap_or_default();
                state.push(b'.');
                let text = String::from_utf8_lossy(&state).into_owned() + "\n";
                Rendered { body: Body::Text(text), state: Some(state) }
            }
            "/proc/vmstat" => Rendered { body: Body::Bytes(vec![0xff, b'\n']), state: None },
            "/proc/swaps" => return Err(Error::MissingInput("swaps".into())),
            "/proc/timer_list" => rendered(String::new()),
            "/proc/version" => return Err(Error::Denied),
            "/sys/devices/system/cpu" => rendered("cpu0\ncpu1\n".into()),
            path if path.starts_with("/sys/devices/system/cpu/cpu") => rendered(path.into()),
            _ => return Err(Error::UnsupportedPath),
        })
    }
}

impl explainer::Guest for Earlier {
    fn explain(
        path: String,
        snapshot: explainer::Snapshot,
    ) -> Result<explainer::Explanation, Error> {
        use explainer::*;
        if path != "/proc/meminfo" {
            return Err(Error::UnsupportedPath);
        }
        let text = inputs(&snapshot);
        let mut end = 0;
        let field = |(line, number): (&str, u32)| {
            let start = end;
            end += line.len() as u32;
            Field {
                label: line.split(' ').next().unwrap_or_default().into(),
                column: String::new(),
                line: number,
                start,
                end: end - 1,
                layout: Layout::Text,
                provenance: Provenance::Passed,
                reason: "it is what was read".into(),
                value: None,
                quoted: None,
            }
        };
        let fields = text.split_inclusive('\n').zip(1..).map(field).collect();
        Ok(Explanation { text, fields, steps: vec![], inputs: vec![] })
    }
}

fn rendered(text: String) -> Rendered {
    Rendered { body: Body::Text(text), state: None }
}

/// A line for each input.
fn inputs(snapshot: &Snapshot) -> String {
    let Environment { page_size, user_hz, huge_page_size, machine, settings } =
        &snapshot.environment;
    let mut text = format!("{page_size} {user_hz} {huge_page_size} {machine} ");
    text += &format!("{} {} {}\n", settings.len(), snapshot.now, snapshot.is_host);
    for Input { key, level, depth, content } in &snapshot.inputs {
        let content = match content {
            Content::Text(text) => text.lines().next().unwrap_or_default().to_owned(),
            Content::Bytes(bytes) => format!("{} bytes", bytes.len()),
            Content::Tasks(counts) => format!("{} tasks", counts.total),
            Content::Absent(errno) => format!("errno {errno}"),
        };
        text += &format!("{key} {level} {depth} {content}\n");
    }
    text
}

fn entries() -> Vec<Entry> {
    let host = |path: &str| Need { key: "host".into(), from: Source::Host(path.into()) };
    vec![
        Entry { needs: needs(), ..entry("/proc/meminfo", Class::Virtual) },
        Entry {
            history: Some(History { format: "dots/1".into(), interval_ms: 5000 }),
            ..entry("/proc/loadavg", Class::Virtual)
        },
        Entry { needs: vec![host("/proc/vmstat")], ..entry("/proc/vmstat", Class::Filtered) },
        entry("/proc/swaps", Class::Constant),
        entry("/proc/timer_list", Class::Masked),
        Entry { needs: vec![host("/proc/version")], ..entry("/proc/version", Class::Denied) },
        Entry { kind: Kind::Directory, ..entry("/sys/devices/system/cpu", Class::Filtered) },
        entry("/sys/devices/system/cpu/cpu*/id", Class::Virtual),
        entry("/proc/sys/kernel/hostname", Class::Passed),
    ]
}

/// One need of each kind.
fn needs() -> Vec<Need> {
    let need = |key: &str, from: Source| Need { key: key.into(), from };
    let cgroup = |version, name: &str, scope| {
        let (controller, name) = ("memory".into(), name.into());
        Source::Cgroup(CgroupFile { version, controller, name, scope })
    };
    let process = |of, name: &str| Source::Process(ProcessFile { of, name: name.into() });
    let (v1, v2) = (CgroupVersion::V1, CgroupVersion::V2);
    vec![
        need("meminfo", Source::Host("/proc/meminfo".into())),
        need("max", cgroup(v2, "memory.max", Scope::Lineage)),
        need("current", cgroup(v2, "memory.current", Scope::Nearest)),
        need("usage", cgroup(v1, "memory.usage_in_bytes", Scope::Nearest)),
        need("init", process(Process::Init, "stat")),
        need("subject", process(Process::Subject, "cgroup")),
        need("hostname", Source::Namespaced("/proc/sys/kernel/hostname".into())),
        need("tasks", Source::Tasks),
    ]
}

fn entry(path: &str, class: Class) -> Entry {
    Entry {
        path: path.into(),
        kind: Kind::File,
        mode: 0o444,
        class,
        summary: "what it is".into(),
        reason: "why".into(),
        needs: vec![],
        history: None,
    }
}
