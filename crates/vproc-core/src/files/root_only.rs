//! `/proc/pagetypeinfo` and `/proc/vmallocinfo`: denied.
//!
//! Only root may read them in the kernel (mode 0400), and no container's root
//! has any use of them: the first shows how everybody's memory is fragmented
//! (`mm/vmstat.c`), the second addresses and callers in the kernel
//! (`mm/vmalloc.c`).
//!
//! # lxcfs
//!
//! lxcfs does not have these files.

use crate::Error;
use crate::contract::{Class, Entry, Kind};

macro_rules! denied {
    ($($name:ident = $path:literal, $reason:literal;)*) => {$(
        pub(super) static $name: Entry = Entry {
            path: $path,
            kind: Kind::File,
            mode: 0o400,
            class: Class::Denied,
            summary: "cannot be opened",
            reason: $reason,
            needs: &[],
            history: None,
            render: |_, _| Err(Error::Denied),
        };
    )*};
}

denied! {
    PAGETYPEINFO = "/proc/pagetypeinfo",
        "how memory is fragmented tells what others do with it (mm/vmstat.c)";
    VMALLOCINFO = "/proc/vmallocinfo", "shows addresses of the kernel (mm/vmalloc.c)";
}
