//! Writes the seeds of every target to `corpus/TARGET/`, where cargo-fuzz looks for them.

use std::{fs, io, path::Path};

fn main() -> io::Result<()> {
    for target in vestibule_fuzz::TARGETS {
        let folder = Path::new("corpus").join(target.name);
        fs::create_dir_all(&folder)?;
        for (number, seed) in target.seeds.iter().enumerate() {
            fs::write(folder.join(format!("seed-{number}")), seed)?;
        }
    }
    Ok(())
}
