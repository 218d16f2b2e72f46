//! The default vproc policy: `vproc-core` behind the interface of
//! `wit/policy.wit`, as a component that imports nothing.
//!
//! It does without `std`, which on `wasm32-wasip2` always imports WASI (for
//! the message of a panic, if for nothing else). Built for anything but wasm
//! the crate is empty.

#![cfg_attr(target_family = "wasm", no_std)]

#[cfg(target_family = "wasm")]
extern crate alloc;

#[cfg(target_family = "wasm")]
mod guest;
#[cfg(target_family = "wasm")]
mod runtime;
