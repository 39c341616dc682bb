//! `microbench [PART] [--json]`: CPU time of one step of each hot path, in nanoseconds per operation.
//!
//! One thread, no network, no other process: for seeing what a change costs. What a whole server costs, `loadgen` measures.

mod deltas;
mod fanout;
mod measure;
mod packets;
mod tokens;

use anyhow::{Result, ensure};
use clap::Parser;
use measure::{Effort, Runner};
use std::io::Write;
use std::time::Duration;

#[derive(Parser)]
#[command(about = "CPU time of one step of each hot path, in nanoseconds per operation")]
struct Options {
    /// Run only benchmarks whose name contains this
    part: Option<String>,
    /// Print JSON lines
    #[arg(long)]
    json: bool,
    /// Milliseconds of CPU time of one sample
    #[arg(long, default_value_t = 20)]
    sample_ms: u64,
    /// Samples of each benchmark; their median is the figure
    #[arg(long, default_value_t = 21, value_parser = clap::value_parser!(u16).range(1..))]
    samples: u16,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let effort =
        Effort { sample: Duration::from_millis(options.sample_ms), samples: usize::from(options.samples) };
    let mut runner = Runner::new(effort, options.part, options.json, std::io::stdout());
    run(&mut runner)?;
    ensure!(runner.count > 0, "no benchmark has this in its name");
    Ok(())
}

/// Runs them all, as far as the runner wants them.
fn run<W: Write>(runner: &mut Runner<W>) -> Result<()> {
    // One thread, so that its CPU time is all the CPU time.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    packets::run(runner)?;
    fanout::run(&runtime, runner)?;
    deltas::run(runner)?;
    tokens::run(&runtime, runner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn every_benchmark_runs_and_gives_a_figure() {
        let effort = Effort { sample: Duration::from_micros(1), samples: 1 };
        let mut out = Vec::new();
        let mut runner = Runner::new(effort, None, true, &mut out);
        run(&mut runner).unwrap();
        let count = runner.count;
        let lines: Vec<Value> =
            String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), count);
        for part in ["packet/", "fanout/", "delta/", "token/"] {
            let of_part = lines.iter().filter(|line| line["name"].as_str().unwrap().starts_with(part));
            assert!(of_part.clone().count() > 1, "{part}");
            assert!(of_part.into_iter().all(|line| line["ns"].as_f64().unwrap() > 0.0), "{part}");
        }
    }
}
