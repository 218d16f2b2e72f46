//! The directories of the mount that no policy has.

use crate::tree::Item;
use vproc_snapshot::Kind;

pub(crate) const BY_PID: &str = "/by-pid";
pub(crate) const CONTAINERS: &str = "/containers";
pub(crate) const CONTROL: &str = "/.vproc";
pub(crate) const METRICS: &str = "/.vproc/metrics";

/// What is at a path that is ours. What is listed for `/` is there besides
/// what policies have.
pub(crate) fn special(path: &str) -> Option<Item> {
    let names = |names: &[&str]| {
        Some(Item::Directory(names.iter().map(|name| (*name).to_owned()).collect()))
    };
    match path {
        "/" => names(&["by-pid", "containers", ".vproc"]),
        BY_PID | CONTAINERS => names(&[]),
        CONTROL => names(&["metrics"]),
        METRICS => Some(Item::Entry { kind: Kind::File, mode: 0o400 }),
        _ => None,
    }
}
