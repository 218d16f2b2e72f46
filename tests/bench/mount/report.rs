//! The numbers for people, and what was to be reached.

use crate::FILES;
use crate::many::Outcome;
use crate::servers::Servers;
use crate::speed::{Cell, Growth, MODES, Mode, Table};
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Where it was measured, and how.
pub(crate) struct Machine {
    cpu: String,
    cpus: usize,
    memory: String,
    kernel: String,
    load: String,
    nice: i32,
    pub(crate) date: String,
    pub(crate) command: String,
}

impl Machine {
    pub(crate) fn here() -> Self {
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
        let value = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let kib: u64 =
            value(&read("/proc/meminfo"), "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0);
        let load = read("/proc/loadavg");
        Machine {
            cpu: value(&read("/proc/cpuinfo"), "model name"),
            cpus: std::thread::available_parallelism().map_or(0, usize::from),
            memory: format!("{} GiB", (kib + (1 << 19)) >> 20),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load: load.split(' ').take(2).collect::<Vec<_>>().join(" "),
            nice: rustix::process::getpriority_process(None).unwrap_or(0),
            date: "on a day that was not given".to_owned(),
            command: "cargo bench --bench mount".to_owned(),
        }
    }
}

/// Markdown, and the name of its part in a file.
pub(crate) struct Report {
    part: &'static str,
    heading: String,
    versions: String,
    body: String,
}

const MICROS: &str = "µs";

impl Report {
    pub(crate) fn single(
        servers: &Servers,
        table: &Table,
        first: &[f64],
        memory: &[Option<Growth>],
    ) -> Self {
        let names: Vec<&str> = servers.targets.iter().map(|target| target.name).collect();
        let mut body = String::new();
        for mode in MODES {
            let _ = write!(body, "\n### {}\n\n", title(mode));
            body += &speed_table(&names, table, mode);
        }
        body += &cost_table(&names, table, first, memory);
        body += &goals(&names, table, first, memory);
        let heading = "One container".to_owned();
        let versions = match &servers.lxcfs {
            Some(version) => format!("vproc {}, lxcfs {version}", env!("CARGO_PKG_VERSION")),
            None => format!("vproc {}", env!("CARGO_PKG_VERSION")),
        };
        Report { part: "one", heading, versions, body }
    }

    pub(crate) fn many(containers: usize, tasks: usize, outcomes: &[Outcome]) -> Self {
        let mut body = String::from("\n| |");
        let mut row = |name: &str, value: &dyn Fn(&Outcome) -> String| {
            let _ = write!(body, "{name} |");
            for outcome in outcomes {
                let _ = write!(body, " {} |", value(outcome));
            }
            body.push_str("\n|");
        };
        row("", &|outcome| outcome.name.to_owned());
        row("---", &|_| "--:".to_owned());
        let pair = |(p50, p99): (f64, f64)| format!("{p50:.0} / {p99:.0}");
        row(" first reads: p50 / p99 µs", &|outcome| pair(outcome.first));
        row(" later reads, each container in turn: p50 / p99 µs", &|outcome| pair(outcome.later));
        let kib = |kib: u64| format!("{:.1}", mebibytes(kib));
        row(" memory without containers, MiB", &|outcome| kib(outcome.idle.resident));
        row(" right after the first reads, MiB", &|outcome| kib(outcome.memory[0].resident));
        row(" half a minute after the last read, MiB", &|outcome| kib(outcome.memory[1].resident));
        let each = |outcome: &Outcome| {
            let more = outcome.memory[1].resident.saturating_sub(outcome.idle.resident);
            format!("{:.1}", mebibytes(more) * 1024.0 / number(containers))
        };
        row(" that is for each container, KiB", &each);
        row(" descriptors after the first reads", &|outcome| outcome.descriptors.to_string());
        let samples = [
            " CPU time in 5 s without containers, ms",
            " with all of them asleep, ms",
            " with a tenth of them working, ms",
        ];
        for (place, name) in samples.iter().enumerate() {
            row(name, &|outcome| format!("{:.1}", outcome.samples[place]));
        }
        body.pop();
        body += COST;
        let heading = format!("{containers} containers of {tasks} tasks");
        let versions = format!("vproc {}", env!("CARGO_PKG_VERSION"));
        Report { part: "many", heading, versions, body }
    }

    /// All of it.
    pub(crate) fn text(&self, machine: &Machine) -> String {
        let Machine { cpu, cpus, memory, kernel, load, nice, date, command } = machine;
        format!(
            "## {}\n\n{cpu}, {cpus} CPUs, {memory}; Linux {kernel}; {}. Measured {date} with \
             `{command}`, niceness {nice}, load average {load} before it.\n{}",
            self.heading, self.versions, self.body
        )
    }

    /// Replaces its part of a file, and leaves the others.
    pub(crate) fn write(&self, machine: &Machine, file: &Path) {
        let marks = ["begin", "end"].map(|end| format!("<!-- {} {end} -->", self.part));
        let before = fs::read_to_string(file).unwrap_or_else(|_| INTRODUCTION.to_owned());
        let part = format!("{}\n\n{}\n{}", marks[0], self.text(machine), marks[1]);
        let place = before.find(&marks[0]).zip(before.find(&marks[1]));
        let after = match place {
            Some((begin, end)) => {
                format!("{}{part}{}", &before[..begin], &before[end + marks[1].len()..])
            }
            None => format!("{before}\n{part}\n"),
        };
        fs::write(file, after).unwrap();
    }
}

const INTRODUCTION: &str = "\
# Benchmarks

Written by `cargo xtask bench --mount`, which needs root. Times of different
runs cannot be compared; numbers within one run can: what is compared took turns
in short slices, and each number is the median over the slices.

The floor is a FUSE server that answers the same requests with constant bytes of
the same length. No server can be faster. `--max-age 0` renders for each read
instead of handing out again what is younger than 1 ms.
";

const COST: &str = "
Every 5 s each container's load average is sampled. One in which nothing has run
since the last sample costs three reads of files that are kept open (the groups
of its init, their CPU time, the number of tasks), a render, and a write of 32
bytes. Where something has run, each task is looked at besides.

Containers that were read in the last 10 s are ready to be read again, but not
more than 64 of them: each has up to 80 files open. A read of another one opens
what it needs. All others keep 7 descriptors each, until few are left.
";

fn title(mode: Mode) -> String {
    match mode {
        Mode::Open(1) => "Open, read to the end, close: one reader".to_owned(),
        Mode::Open(readers) => format!("Open, read to the end, close: {readers} readers"),
        Mode::Keep => "Kept open, read from the start".to_owned(),
    }
}

fn speed_table(names: &[&str], table: &Table, mode: Mode) -> String {
    let mut text = format!("| reads/s, p50 / p99 {MICROS} |");
    names.iter().for_each(|name| _ = write!(text, " {name} |"));
    text += "\n|---|";
    names.iter().for_each(|_| text.push_str("--:|"));
    for (file, cells) in table.rows(mode) {
        let _ = write!(text, "\n| {file} |");
        for cell in cells {
            let Cell { per_second, p50, p99, .. } = cell;
            let _ = write!(text, " {per_second:.0}, {p50:.1} / {p99:.0} |");
        }
    }
    text.push('\n');
    text
}

fn cost_table(names: &[&str], table: &Table, first: &[f64], memory: &[Option<Growth>]) -> String {
    let mut text = String::from("\n### What a server uses\n\n| |");
    names.iter().for_each(|name| _ = write!(text, " {name} |"));
    text += "\n|---|";
    names.iter().for_each(|_| text.push_str("--:|"));
    for (file, cells) in table.rows(Mode::Open(1)) {
        let _ = write!(text, "\n| CPU time for a read of {file}, {MICROS} |");
        cells.iter().for_each(|cell| _ = write!(text, " {} |", some(cell.cpu)));
    }
    let _ = write!(text, "\n| first read of meminfo in a fresh container, {MICROS} |");
    first.iter().for_each(|micros| _ = write!(text, " {micros:.0} |"));
    let rows: [Row; 6] = [
        ("memory before the first read (RSS), MiB", |growth| mebibytes(growth.idle.resident)),
        ("the same, shared pages divided (PSS), MiB", |growth| mebibytes(growth.idle.proportional)),
        ("memory after all of the above (RSS), MiB", |growth| mebibytes(growth.used.resident)),
        ("the same, shared pages divided (PSS), MiB", |growth| mebibytes(growth.used.proportional)),
        ("more for each further container, at once, KiB", |growth| growth.at_once),
        ("the same 12 s later, KiB", |growth| growth.later),
    ];
    for (name, value) in rows {
        let _ = write!(text, "\n| {name} |");
        for growth in memory {
            let value = growth.as_ref().map_or(f64::NAN, value);
            let _ = write!(text, " {} |", some(value));
        }
    }
    text.push('\n');
    text
}

/// What a row of memory shows, and where it comes from.
type Row = (&'static str, fn(&Growth) -> f64);

/// What was to be reached, and whether it was.
fn goals(names: &[&str], table: &Table, first: &[f64], memory: &[Option<Growth>]) -> String {
    let find = |name: &str| names.iter().position(|known| known.starts_with(name));
    let (Some(floor), Some(vproc)) = (find("floor"), find("vproc")) else { return String::new() };
    let mut text = String::from("\n### Goals\n\n| goal | | |\n|---|---|---|\n");
    let mut line = |goal: &str, shown: String, is_met: bool| {
        let verdict = if is_met { "met" } else { "**missed**" };
        let _ = writeln!(text, "| {goal} | {shown} | {verdict} |");
    };
    let mut ratios = |goal: &str, mode: Mode, limit: f64, ratio: &dyn Fn(&[Cell]) -> f64| {
        let found: Vec<(f64, &str)> =
            table.rows(mode).map(|(file, cells)| (ratio(cells), file)).collect();
        let shown: Vec<String> =
            found.iter().map(|(ratio, file)| format!("{file} {ratio:.2}")).collect();
        line(goal, shown.join(", "), found.iter().all(|(ratio, _)| *ratio <= limit));
    };
    let (one, four) = (MODES[0], MODES[1]);
    ratios("p50 at most 1.6 of the floor's", one, 1.6, &|cells| {
        cells[vproc].p50 / cells[floor].p50
    });
    if let Some(lxcfs) = find("lxcfs") {
        ratios("p50 at most a quarter of lxcfs's", one, 0.25, &|cells| {
            cells[vproc].p50 / cells[lxcfs].p50
        });
        ratios("lxcfs's reads/s at most a quarter of ours, 4 readers", four, 0.25, &|cells| {
            cells[lxcfs].per_second / cells[vproc].per_second
        });
        ratios("CPU time for a read at most a quarter of lxcfs's", one, 0.25, &|cells| {
            cells[vproc].cpu / cells[lxcfs].cpu
        });
    }
    let fresh = first[vproc];
    line("first read in a fresh container within 1 ms", format!("{fresh:.0} µs"), fresh <= 1e3);
    if let Some(growth) = memory[vproc] {
        let idle = mebibytes(growth.idle.resident);
        line("at most 40 MiB before the first read", format!("{idle:.1} MiB"), idle <= 40.0);
        let Growth { at_once, later, .. } = growth;
        line(
            "at most 64 KiB for each further container",
            format!("{at_once:.1} KiB at once, {later:.1} KiB 12 s later"),
            at_once <= 64.0 && later <= 64.0,
        );
    }
    let _ = write!(text, "\nEach over {} files.\n", FILES.len());
    text
}

fn some(value: f64) -> String {
    if value.is_nan() { "–".to_owned() } else { format!("{value:.1}") }
}

#[allow(clippy::cast_precision_loss)] // KiB
fn mebibytes(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

#[allow(clippy::cast_precision_loss)] // a count
fn number(count: usize) -> f64 {
    count as f64
}
