//! The clock of the benchmarks: CPU time of this thread, so that other work on the machine counts for little.

use anyhow::{Result, ensure};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use std::hint::black_box;
use std::io::Write;
use std::time::Duration;

/// Most calls in one sample: a bound for calls that the optimiser removed.
const MAX_CALLS: u64 = 1 << 32;

/// How long and how often each benchmark is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// CPU time of one sample; the calls in it are counted beforehand.
    pub(crate) sample: Duration,
    /// Samples, of which the median is the figure.
    pub(crate) samples: usize,
}

/// What one operation costs, in nanoseconds of CPU time.
#[derive(Clone, Copy, Debug)]
struct Cost {
    median: f64,
    low: f64,
    high: f64,
}

/// Runs benchmarks, one after the other, and prints each figure.
pub(crate) struct Runner<W> {
    effort: Effort,
    filter: Option<String>,
    json: bool,
    out: W,
    /// Benchmarks that were run.
    pub(crate) count: usize,
}

impl<W: Write> Runner<W> {
    /// Runs those whose name contains `filter`; prints JSON lines instead of a table with `json`.
    pub(crate) fn new(effort: Effort, filter: Option<String>, json: bool, out: W) -> Self {
        Self { effort, filter, json, out, count: 0 }
    }

    /// Whether anything under this prefix is wanted, so that costly preparations can be left out.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.filter.as_deref().is_none_or(|filter| name.contains(filter) || filter.starts_with(name))
    }

    /// Measures `call`, which does `operations` operations, each one `unit`.
    ///
    /// # Errors
    /// What `call` returns, and when the clock or the output fails.
    pub(crate) fn run<T>(
        &mut self,
        name: &str,
        unit: &str,
        operations: u32,
        mut call: impl FnMut() -> Result<T>,
    ) -> Result<()> {
        if !self.wants(name) {
            return Ok(());
        }
        let calls = self.calibrate(&mut call)?;
        let mut samples = Vec::with_capacity(self.effort.samples);
        for _ in 0..self.effort.samples {
            samples.push(per_operation(time(&mut call, calls)?, calls, operations));
        }
        samples.sort_by(f64::total_cmp);
        let cost =
            Cost { median: samples[samples.len() / 2], low: samples[0], high: samples[samples.len() - 1] };
        self.count += 1;
        self.print(name, unit, cost, calls)
    }

    /// Calls that fill one sample. Doing them warms the caches too.
    fn calibrate<T>(&self, call: &mut impl FnMut() -> Result<T>) -> Result<u64> {
        let mut calls = 1;
        loop {
            let taken = time(call, calls)?;
            if taken >= self.effort.sample {
                return Ok(calls);
            }
            calls *= 2;
            ensure!(calls < MAX_CALLS, "a benchmark takes no time; is its result used?");
        }
    }

    fn print(&mut self, name: &str, unit: &str, cost: Cost, calls: u64) -> Result<()> {
        let Cost { median, low, high } = cost;
        if self.json {
            let line = json!({
                "command": "micro", "name": name, "unit": unit, "ns": rounded(median), "ns_min": rounded(low),
                "ns_max": rounded(high), "samples": self.effort.samples, "calls": calls,
            });
            writeln!(self.out, "{line}")?;
        } else {
            writeln!(self.out, "{name:<34} {median:>10.1} ns per {unit:<9} ({low:.1} to {high:.1})")?;
        }
        Ok(())
    }
}

/// CPU time of this thread for so many calls.
fn time<T>(call: &mut impl FnMut() -> Result<T>, calls: u64) -> Result<Duration> {
    let before = thread_cpu();
    for _ in 0..calls {
        black_box(call()?);
    }
    Ok(thread_cpu().saturating_sub(before))
}

fn thread_cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.try_into().unwrap_or_default(), now.tv_nsec.try_into().unwrap_or_default())
}

#[expect(clippy::cast_precision_loss, reason = "counts of calls are far below 2^53")]
fn per_operation(taken: Duration, calls: u64, operations: u32) -> f64 {
    taken.as_secs_f64() * 1e9 / (calls as f64 * f64::from(operations))
}

fn rounded(nanoseconds: f64) -> f64 {
    (nanoseconds * 10.0).round() / 10.0
}
