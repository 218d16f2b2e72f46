#![cfg_attr(target_family = "wasm", no_std)]
