//! The default vproc policy: `vproc-core` behind the interface of
//! `wit/policy.wit`, as a component that imports nothing.

#![cfg_attr(target_family = "wasm", no_std)]

use vproc_sdk::Policy;

struct Default;

impl Policy for Default {
    const NAME: &str = "default";
    const IS_DEFAULT: bool = true;
}

vproc_sdk::export!(Default);
