//! Random modules by the number: `smith [--modules N] [--seed FIRST] [--threads N] [--seeds-file PATH]
//! [--tally-file PATH]`.
//!
//! Exits with 0 when every promise held, 1 when one did not. To repeat a finding: `--seed SEED --modules 1`.

use std::{env, error::Error, fs, path::PathBuf, process::ExitCode};

use vestibule_tests::campaign::{Campaign, GROWTH};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let Asked { campaign, tally_file } = asked()?;
    let findings = campaign.run();
    println!("{findings}");
    if let Some(path) = tally_file {
        fs::write(path, findings.tally.to_json())?;
    }
    if let Some((seed, broken)) = &findings.broken {
        println!("broken with seed {seed}: {broken}");
        println!("repeat it with: cargo run --profile ci -p vestibule-tests --bin smith -- --seed {seed} --modules 1");
        return Ok(ExitCode::FAILURE);
    }
    if findings.growth() > GROWTH {
        println!("broken: the process grew by {} bytes, allowed are {GROWTH}", findings.growth());
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// What the command line asks for.
struct Asked {
    campaign: Campaign,
    /// Where the counts go, as JSON.
    tally_file: Option<PathBuf>,
}

fn asked() -> Result<Asked, Box<dyn Error>> {
    let mut tally_file = None;
    let threads = std::thread::available_parallelism()?.get();
    let mut campaign = Campaign { first_seed: 0, modules: 100_000, threads, seeds_file: None };
    let mut args = env::args().skip(1);
    while let Some(flag) = args.next() {
        let value = args.next().ok_or_else(|| format!("`{flag}` needs a value"))?;
        match flag.as_str() {
            "--modules" => campaign.modules = value.parse()?,
            "--seed" => campaign.first_seed = value.parse()?,
            "--threads" => campaign.threads = value.parse()?,
            "--seeds-file" => campaign.seeds_file = Some(value.into()),
            "--tally-file" => tally_file = Some(value.into()),
            _ => {
                let known = "--modules, --seed, --threads, --seeds-file and --tally-file";
                return Err(format!("`{flag}` is not one of {known}").into());
            }
        }
    }
    Ok(Asked { campaign, tally_file })
}
