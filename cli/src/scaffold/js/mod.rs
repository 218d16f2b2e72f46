//! A policy in JavaScript.

use super::{CONTRACT, Template, any_name};

pub(super) static TEMPLATE: Template = Template {
    files: &[
        ("policy.js", include_str!("policy.js.in")),
        ("build.mjs", include_str!("build.mjs.in")),
        ("package.json", include_str!("package.json.in")),
        ("README.md", include_str!("README.md.in")),
        (".gitignore", include_str!("gitignore.in")),
        ("{{name}}.toml", include_str!("../overlay.toml.in")),
        ("captures/container/proc/uptime", include_str!("../uptime.in")),
        CONTRACT,
    ],
    commands: &[
        "npm install --ignore-scripts",
        "npm run build",
        "npm test",
        "vprocctl policy check {{component}}",
    ],
    is_reserved: any_name,
    sdk: None,
    component: |name| format!("{name}.wasm"),
};
