//! Reads a file again and again, as programs read files of `/proc`: open,
//! read with 8 KiB until the end, close.
//!
//! `measure PATH [SECONDS [READERS]]` prints how often, and how long it took.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: measure PATH [SECONDS [READERS]]")?;
    let seconds: f64 = arguments.next().map_or(Ok(3.0), |text| text.parse())?;
    let readers: usize = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let path = Path::new(&path);
    read(path)?;
    let begin = Instant::now();
    let end = begin + Duration::from_secs_f64(seconds);
    let mut times = Vec::new();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..readers).map(|_| scope.spawn(move || until(end, path))).collect();
        for thread in threads {
            times.extend(thread.join().map_err(|_| "a thread panicked")??);
        }
        Ok::<(), Box<dyn std::error::Error>>(())
    })?;
    let rate = times.len() as f64 / begin.elapsed().as_secs_f64();
    times.sort_unstable();
    let quantile = |percent: usize| {
        let time = times.get((times.len() * percent / 100).min(times.len().saturating_sub(1)));
        time.map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
    };
    let (p50, p99) = (quantile(50), quantile(99));
    println!("{rate:.0} reads/s, p50 {p50:.1} µs, p99 {p99:.1} µs");
    Ok(())
}

fn until(end: Instant, path: &Path) -> std::io::Result<Vec<Duration>> {
    let mut times = Vec::new();
    let mut now = Instant::now();
    while now < end {
        read(path)?;
        let before = now;
        now = Instant::now();
        times.push(now - before);
    }
    Ok(times)
}

fn read(path: &Path) -> std::io::Result<usize> {
    let mut file = File::open(path)?;
    let mut buffer = [0; 8192];
    let mut length = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(length),
            read => length += read,
        }
    }
}
