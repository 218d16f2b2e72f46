//! A container of which a process was killed for lack of memory.

use crate::shown::settled;
use crate::stage::{Group, Tree, mib};

/// Neither memory nor swap for more than this.
fn confine(group: &Group, bytes: u64) {
    group.limit(Some(bytes));
    if group.accounts_swap() {
        group.limit_swap(bytes, Some(0));
    }
}

#[test]
fn a_kill_is_counted_and_its_memory_free_again() {
    let test = "oom::a_kill_is_counted_and_its_memory_free_again";
    let Some(tree) = Tree::new(test) else { return };
    let group = tree.group("leaf");
    confine(&group, mib(48));
    let mut driver = group.driver();
    driver.must("anonymous 12");
    for kills in 1..=2 {
        driver.must("outgrow 64");
        settled(driver.pid(), |shown, differences| {
            differences.exact("oom_kill", shown.count("oom_kill"), kills);
            differences.exact("MemTotal", shown.amount("MemTotal"), 48 << 10);
            let anonymous = shown.amount("AnonPages") as i64;
            differences.compare("AnonPages", anonymous, 12 << 10, 48 << 10);
            let free = shown.amount("MemFree") as i64;
            differences.compare("MemFree", free, 36 << 10, 48 << 10);
        });
    }
}
