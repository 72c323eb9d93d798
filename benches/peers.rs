//! `cargo xtask bench --peers`: side by side with the peers, in one run.
//!
//! `--quick` is a look of a minute or two that leaves the files alone, `--only WORD,WORD` measures the rows whose
//! ids hold one, `--render` makes tables and pictures of the last full run again, `--strict` fails on a missed bar. `--serve ID` is what
//! this program starts itself with; it is its own compile worker too.

use std::{fs, path::Path, process::ExitCode};

use anyhow::{Context as _, bail};
use vestibule_benches::{
    peers::{bars, contest, contest::Effort, ours, page, picture, results::Results},
    report::{Verdict, replaced},
};

/// What was asked for.
#[derive(Default)]
struct Asked {
    quick: bool,
    strict: bool,
    render: bool,
    only: Option<String>,
}

fn main() -> anyhow::Result<ExitCode> {
    vestibule_engine::worker::serve_if_asked();
    let mut args = std::env::args().skip(1);
    let mut asked = Asked::default();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--serve" => {
                let id = args.next().context("--serve whom?")?;
                vestibule_contest::serve::serve(ours::contestant(&id)?.as_ref())?;
                return Ok(ExitCode::SUCCESS);
            }
            "--quick" => asked.quick = true,
            "--strict" => asked.strict = true,
            "--render" => asked.render = true,
            "--only" => asked.only = args.next(),
            "--bench" => {} // Cargo says so to every benchmark.
            _ => bail!("`{arg}` is not known; there are --quick, --strict, --render and --only WORD,WORD"),
        }
    }
    compare(&asked)
}

fn compare(asked: &Asked) -> anyhow::Result<ExitCode> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let kept = folder.join("peers.json");
    let results = if asked.render {
        Results::read(&kept)?
    } else {
        let effort = if asked.quick { Effort::QUICK } else { Effort::FULL };
        let command = if asked.quick { "cargo xtask bench --peers --quick" } else { "cargo xtask bench --peers" };
        contest::measure(effort, asked.only.as_deref(), command)
    };
    println!("\n{}", page::full(&results));
    if asked.only.is_none() && !asked.quick {
        results.write(&kept)?;
        publish(folder, &results)?;
    }
    let bars = bars::bars(&results);
    for bar in &bars {
        println!("{}  {}  {} ({})", bar.verdict.as_str(), bar.what, bar.figure, bar.limit);
    }
    let count = |verdict| bars.iter().filter(|bar| bar.verdict == verdict).count();
    println!("{} bars, {} missed, {} not measured", bars.len(), count(Verdict::Miss), count(Verdict::Missing));
    let is_met = count(Verdict::Pass) == bars.len();
    Ok(if asked.strict && !is_met { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Writes tables and pictures where people look for them.
fn publish(folder: &Path, results: &Results) -> anyhow::Result<()> {
    put(&folder.join("PEERS.md"), &page::full(results))?;
    if let Some(root) = folder.parent() {
        put(&root.join("README.md"), &page::short(results))?;
    }
    let pictures = [
        ("peers.svg", picture::ranking(results)),
        ("peers-events.svg", picture::by_event(results)),
        ("peers-rules.svg", picture::by_rules(results)),
        ("peers-tenants.svg", picture::by_tenants(results)),
    ];
    for (name, svg) in pictures {
        if let Some(svg) = svg {
            fs::write(folder.join(name), svg).with_context(|| format!("cannot write {name}"))?;
        }
    }
    Ok(())
}

fn put(path: &Path, text: &str) -> anyhow::Result<()> {
    let page = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let page = replaced(&page, text).with_context(|| format!("{} has lost its marks", path.display()))?;
    fs::write(path, page).with_context(|| format!("cannot write {}", path.display()))
}
