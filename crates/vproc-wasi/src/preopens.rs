//! The directories that a guest begins with.

use crate::Component;
use crate::bindings::exports::wasi::filesystem::preopens::Guest;
use crate::bindings::exports::wasi::filesystem::types::Descriptor as Exported;
use crate::bindings::wasi::filesystem::preopens as host;
use crate::descriptor::Descriptor;
use crate::tree::{ROOTS, is_above_rendered, is_rendered};

impl Guest for Component {
    fn get_directories() -> Vec<(Exported, String)> {
        let mut directories = Vec::new();
        for (directory, name) in host::get_directories() {
            let path = normal(&name);
            // What the runtime has where a directory is rendered is not shown.
            if is_hidden(&path) || is_rendered(&path) {
                continue;
            }
            let above = is_above_rendered(&path).then_some(path);
            directories.push((Exported::new(Descriptor::host(directory, above)), name));
        }
        // Behind the others: to many programs the first is where they work.
        let rendered = ROOTS.iter().map(|root| {
            (Exported::new(Descriptor::Directory((*root).to_owned())), format!("/{root}"))
        });
        directories.extend(rendered);
        directories
    }
}

/// Where the runtime preopens what only this component may see.
const HIDDEN: &str = "vproc";

/// Whether a path is meant for this component.
pub(crate) fn is_hidden(path: &str) -> bool {
    path.split('/').next() == Some(HIDDEN)
}

thread_local! {
    static NAMES: Vec<String> =
        host::get_directories().iter().map(|(_, name)| normal(name)).collect();
}

/// The paths of everything that the runtime preopened.
pub(crate) fn host_directories() -> Vec<String> {
    NAMES.with(Clone::clone)
}

/// The name of a preopen as a path below the root. wasi-libc takes `.` for the
/// root (`__wasilibc_find_relpath`).
fn normal(name: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}
