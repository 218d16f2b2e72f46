//! A policy in Python.

use super::{CONTRACT, Template, any_name};

pub(super) static TEMPLATE: Template = Template {
    files: &[
        ("policy.py", include_str!("policy.py.in")),
        ("requirements.txt", include_str!("requirements.txt.in")),
        ("README.md", include_str!("README.md.in")),
        (".gitignore", include_str!("gitignore.in")),
        ("{{name}}.toml", include_str!("../overlay.toml.in")),
        ("captures/container/proc/uptime", include_str!("../uptime.in")),
        CONTRACT,
    ],
    commands: &[
        "python3 -m venv venv && venv/bin/pip install -r requirements.txt",
        "venv/bin/componentize-py -d wit -w policy componentize --stub-wasi policy -o {{component}}",
        "vprocctl policy test {{name}}.toml captures /proc/uptime",
        "vprocctl policy check {{component}}",
    ],
    is_reserved: any_name,
    sdk: None,
    component: |name| format!("{name}.wasm"),
};
