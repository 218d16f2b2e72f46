//! Slices of reading, in turns.

use crate::FILES;
use crate::container::Container;
use crate::inside::READERS;
use crate::many::Tenant;
use crate::servers::{Memory, Servers};
use std::time::Duration;

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Opened, read to its end and closed, by so many at the same time.
    Open(usize),
    /// Kept open, and read from its start.
    Keep,
}

pub(crate) const MODES: [Mode; 3] = [Mode::Open(1), Mode::Open(READERS), Mode::Keep];

/// A cell of the table: medians over the slices.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell {
    pub(crate) per_second: f64,
    /// In µs.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// CPU time of the server for a read, in µs; NaN where there is none.
    pub(crate) cpu: f64,
}

/// Cells by mode, file and target.
pub(crate) struct Table(Vec<(Mode, &'static str, Vec<Cell>)>);

impl Table {
    /// The rows of a mode: a file, and a cell for each target.
    pub(crate) fn rows(&self, mode: Mode) -> impl Iterator<Item = (&'static str, &[Cell])> {
        let rows = self.0.iter().filter(move |(of, _, _)| *of == mode);
        rows.map(|(_, file, cells)| (*file, cells.as_slice()))
    }
}

pub(crate) fn measure(
    servers: &Servers,
    container: &Container,
    slices: usize,
    slice: Duration,
) -> Table {
    let rows = MODES.into_iter().flat_map(|mode| FILES.map(|file| (mode, file)));
    let mut rows: Vec<_> =
        rows.map(|(mode, file)| (mode, file, vec![Vec::new(); servers.targets.len()])).collect();
    for round in 0..slices {
        eprint!("\rslice {} of {slices}", round + 1);
        for (mode, file, cells) in &mut rows {
            for (target, cells) in servers.targets.iter().zip(cells) {
                let group = target.server.as_ref().map(|server| &server.group);
                let before = group.map(crate::groups::Group::cpu_time);
                let (readers, word) = match mode {
                    Mode::Open(readers) => (*readers, "open"),
                    Mode::Keep => (1, "keep"),
                };
                let times = container.read(readers, word, &target.file(file), slice);
                let used = group.zip(before).map(|(group, before)| group.cpu_time() - before);
                cells.push(cell(times, slice, used));
            }
        }
    }
    eprintln!();
    let median = |cells: Vec<Cell>| Cell {
        per_second: median(cells.iter().map(|cell| cell.per_second)),
        p50: median(cells.iter().map(|cell| cell.p50)),
        p99: median(cells.iter().map(|cell| cell.p99)),
        cpu: median(cells.iter().map(|cell| cell.cpu)),
    };
    let rows = rows
        .into_iter()
        .map(|(mode, file, cells)| (mode, file, cells.into_iter().map(median).collect::<Vec<_>>()));
    Table(rows.collect())
}

#[allow(clippy::cast_precision_loss)] // counts
fn cell(mut times: Vec<u32>, slice: Duration, used: Option<Duration>) -> Cell {
    times.sort_unstable();
    let micros = |percent: usize| f64::from(times[times.len() * percent / 100]) / 1e3;
    let count = times.len() as f64;
    Cell {
        per_second: count / slice.as_secs_f64(),
        p50: micros(50),
        p99: micros(99),
        cpu: used.map_or(f64::NAN, |used| used.as_secs_f64() * 1e6 / count),
    }
}

/// The middle one.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The median of first reads of meminfo in fresh containers, in µs, for each
/// target.
pub(crate) fn first_reads(servers: &Servers, container: &Container, times: usize) -> Vec<f64> {
    let mut all = vec![Vec::new(); servers.targets.len()];
    for _ in 0..times {
        for (target, all) in servers.targets.iter().zip(&mut all) {
            all.push(f64::from(container.first(&target.file("meminfo")).0) / 1e3);
        }
    }
    all.into_iter().map(|all| median(all.into_iter())).collect()
}

/// Memory of a target.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Growth {
    /// Before the first read.
    pub(crate) idle: Memory,
    /// After all other measurements.
    pub(crate) used: Memory,
    /// More for each further container, in KiB: when it has just read, and
    /// when that is a while ago.
    pub(crate) at_once: f64,
    pub(crate) later: f64,
}

/// Lets further containers read once, and looks at the memory then.
pub(crate) fn memory(
    servers: &Servers,
    idle: Vec<Option<Memory>>,
    containers: usize,
) -> Vec<Option<Growth>> {
    let mut tenants: Vec<_> = (0..containers).map(|_| Tenant::start(1, None)).collect();
    let used = servers.memory();
    for target in &servers.targets {
        let path = [target.files.join("meminfo")];
        tenants.iter_mut().for_each(|tenant| _ = tenant.read(&path));
    }
    let at_once = servers.memory();
    std::thread::sleep(Duration::from_secs(12));
    let later = servers.memory();
    #[allow(clippy::cast_precision_loss)] // KiB
    let each = |before: Memory, after: Memory| {
        (after.resident as f64 - before.resident as f64) / containers as f64
    };
    let growth = |place: usize| {
        let (used, idle) = (used[place]?, idle[place]?);
        let (at_once, later) = (each(used, at_once[place]?), each(used, later[place]?));
        Some(Growth { idle, used, at_once, later })
    };
    (0..servers.targets.len()).map(growth).collect()
}
