//! How many of a package's CPUs and cores a container sees, and which CPUs
//! share one.
//!
//! x86, ia64 and s390 print in each CPU's paragraph of how many its package
//! is made: `siblings` are CPUs (`topology_core_cpumask`), `cpu cores` cores
//! (`booted_cores`). Where a container sees the whole package the host's
//! numbers stand; where it sees a part they count that.

use super::line::Field;
use crate::Text;
use crate::text::number;
use alloc::vec::Vec;

/// Drawer, book and package: s390 numbers packages within books, and books
/// within drawers; others have packages alone.
pub(in crate::files) type Package = [u64; 3];

/// Where a CPU sits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    package: Package,
    core: u64,
    /// The number that the container sees, if it sees the CPU.
    shown: Option<u32>,
}

/// Where a CPU that the container sees sits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::files) struct Seat {
    /// Its number in the container.
    pub(in crate::files) shown: u32,
    package: Package,
    core: u64,
}

impl Seat {
    /// That of a CPU of which nothing is told: a core of its own, of the same
    /// package as others.
    pub(in crate::files) fn untold(shown: u32) -> Self {
        Seat { shown, package: [0; 3], core: NO_CORE + 1 + u64::from(shown) }
    }

    /// As `physical id` says.
    pub(in crate::files) fn package_id(&self) -> u64 {
        let [_, _, package] = self.package;
        package
    }

    /// As `core id` says, else the CPU's own number: it is a core of its own.
    pub(in crate::files) fn core_id(&self) -> u64 {
        if self.core > NO_CORE { u64::from(self.shown) } else { self.core }
    }

    /// What all CPUs of its package have in common, and no other has.
    pub(in crate::files) fn package(&self) -> Package {
        self.package
    }

    /// The same of its core.
    pub(in crate::files) fn core(&self) -> (Package, u64) {
        (self.package, self.core)
    }
}

/// Cores above this number are those of CPUs of which none is told. The
/// kernel's are 32 bits wide.
const NO_CORE: u64 = u64::MAX / 2;

/// A core for a CPU alone.
fn own_core(index: usize) -> u64 {
    u64::MAX - index as u64
}

/// The places of all of the host's CPUs.
#[derive(Debug, Default)]
pub(super) struct Survey {
    places: Vec<Place>,
}

impl Survey {
    /// A CPU's paragraph begins. Until its lines say otherwise it is a core
    /// of its own, of the same package as others.
    pub(super) fn begin(&mut self, shown: Option<u32>) {
        let core = own_core(self.places.len());
        self.places.push(Place { package: [0; 3], core, shown });
    }

    /// A line of the CPU's paragraph.
    pub(super) fn line(&mut self, line: &str) {
        // Most lines are something else.
        if !matches!(line.as_bytes(), [b'p' | b'c' | b'b' | b'd', ..]) {
            return;
        }
        let (Some(field), Some(place)) = (Field::parse(line), self.places.last_mut()) else {
            return;
        };
        let [drawer, book, package] = &mut place.package;
        let level = match field.key {
            "physical id" => package,
            "core id" => &mut place.core,
            "book id" => book,
            "drawer id" => drawer,
            _ => return,
        };
        *level = number(field.value).filter(|level| *level <= NO_CORE).unwrap_or(*level);
    }

    /// Where each visible CPU sits, in the order of the text.
    pub(super) fn seats(&self) -> Vec<Seat> {
        let seat = |place: &Place| {
            Some(Seat { shown: place.shown?, package: place.package, core: place.core })
        };
        self.places.iter().filter_map(seat).collect()
    }

    pub(super) fn count(mut self) -> Topology {
        let order: Vec<Package> = self.places.iter().map(|place| place.package).collect();
        self.places.sort_unstable();
        let mut packages: Vec<Shown> = Vec::new();
        let mut last = None;
        for place in &self.places {
            if packages.last().is_none_or(|shown| shown.package != place.package) {
                packages.push(Shown { package: place.package, siblings: 0, cores: 0, hidden: 0 });
            }
            let Some(shown) = packages.last_mut() else { continue };
            if place.shown.is_none() {
                shown.hidden += 1;
                continue;
            }
            shown.siblings += 1;
            let core = Some((place.package, place.core));
            if core != last {
                shown.cores += 1;
                last = core;
            }
        }
        Topology { order, packages }
    }
}

/// What is shown of a package.
#[derive(Debug, Clone, Copy)]
struct Shown {
    package: Package,
    siblings: u32,
    cores: u32,
    hidden: u32,
}

/// What is shown of every package.
#[derive(Debug)]
pub(super) struct Topology {
    /// The package of each CPU, in the order of the paragraphs.
    order: Vec<Package>,
    packages: Vec<Shown>,
}

impl Topology {
    /// Whether two visible CPUs share a core.
    pub(super) fn has_threads(&self) -> bool {
        self.packages.iter().any(|shown| shown.cores < shown.siblings)
    }

    /// Prints a line of the paragraph at `index`.
    pub(super) fn print(&self, index: usize, line: &str, out: &mut Text) {
        match self.changed(index, line) {
            Some((field, value)) => field.print_number(out, value),
            None => {
                out.push_str(line);
            }
        }
    }

    fn changed<'a>(&self, index: usize, line: &'a str) -> Option<(Field<'a>, u32)> {
        if !line.starts_with("siblings") && !line.starts_with("cpu cores") {
            return None;
        }
        let package = self.order.get(index)?;
        let found = self.packages.binary_search_by_key(package, |shown| shown.package).ok()?;
        let shown = self.packages.get(found).filter(|shown| shown.hidden > 0)?;
        let field = Field::parse(line)?;
        match field.key {
            "siblings" => Some((field, shown.siblings)),
            "cpu cores" => Some((field, shown.cores)),
            _ => None,
        }
    }
}
