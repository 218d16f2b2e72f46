//! Keys of containers: see [`Subject::key`](super::Subject::key).

use crate::content::Scratch;
use crate::process::Process;
use crate::{Error, Host, Membership, PidNamespace, tasks};
use rustix::fs::{AtFlags, statat};

pub(super) fn of_namespace(
    host: &Host,
    init: &Process,
    namespace: &PidNamespace,
    scratch: &mut Scratch,
) -> Result<String, Error> {
    let start = init.stat(host.procfs(), scratch)?.start;
    let (boot, inode, id) = (host.boot(), namespace.inode(), init.id().get());
    Ok(format!("p{boot:x}-{inode:x}-{id:x}-{start:x}"))
}

pub(super) fn of_groups(
    host: &Host,
    namespace: &PidNamespace,
    membership: &Membership,
    text: &[u8],
) -> String {
    let group = tasks::group_of_its_own(host.hierarchy_set(), membership);
    let (device, file) = group
        .and_then(|(_, spot)| {
            let path = spot.names.join(&b'/');
            statat(spot.directory, path.as_slice(), AtFlags::SYMLINK_NOFOLLOW).ok()
        })
        .map_or((0, 0), |stat| (stat.st_dev, stat.st_ino));
    let (boot, inode, hash) = (host.boot(), namespace.inode(), fnv64(text));
    format!("g{boot:x}-{inode:x}-{device:x}.{file:x}-{hash:x}")
}

/// The hash of Fowler, Noll and Vo (FNV-1a, 64 bits): the same in every run,
/// which the standard library does not promise of its own.
fn fnv64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_its_inventors() {
        assert_eq!(fnv64(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv64(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv64(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
