//! Extism: the rule as a plug-in, with a fresh plug-in for each login (`fresh`) or one that is kept (`reused`).
//!
//! As its documentation has it: the plug-in is written with `extism-pdk`, exports a function that takes and gives JSON,
//! and is compiled once into a `CompiledPlugin`, from which plug-ins are made; compiled code is kept in wasmtime's cache,
//! whose configuration is given by file. Limits are set, because a host of other people's code would set them: fuel and
//! a time-out, which are what Vestibule enforces too.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};
use extism::{CompiledPlugin, Manifest, Plugin, PluginBuilder, Wasm};
use vestibule_contest::{
    host::{Decide, Library, MakeRule},
    rule::{Answer, Rule},
    serve::serve,
};

const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/plugin/target/rule.wasm");
const CACHE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/extism-cache");

/// As much as a rule of Vestibule may ask for.
const FUEL: u64 = 50_000_000;
const TIME: Duration = Duration::from_secs(1);

fn main() -> anyhow::Result<()> {
    let mode = std::env::args().nth(1).unwrap_or_default();
    let is_fresh = match mode.as_str() {
        "fresh" => true,
        "reused" => false,
        _ => bail!("say `fresh` or `reused`"),
    };
    let cache = cache_configuration(Path::new(CACHE), &mode)?;
    let wasm = fs::read(MODULE).with_context(|| format!("cannot read {MODULE}: `vestibule build` makes it"))?;
    let deploy = move |rule: Rule, number: usize| -> anyhow::Result<MakeRule> {
        let manifest = Manifest::new([Wasm::data(distinct(&wasm, number))]).with_timeout(TIME);
        let builder = PluginBuilder::new(manifest).with_cache_config(&cache).with_fuel_limit(FUEL);
        let compiled = CompiledPlugin::new(builder)?;
        Ok(Box::new(move || {
            let reused = if is_fresh { None } else { Some(Plugin::new_from_compiled(&compiled)?) };
            Ok(Box::new(Prepared { compiled: compiled.clone(), reused, export: rule.name() }))
        }))
    };
    serve(&Library { described: format!("extism {}", script::version("extism")), deploy })
}

struct Prepared {
    compiled: CompiledPlugin,
    reused: Option<Plugin>,
    export: &'static str,
}

impl Decide for Prepared {
    fn decide(&mut self, event: &str) -> anyhow::Result<Answer> {
        let mut fresh;
        let plugin = match &mut self.reused {
            Some(plugin) => plugin,
            None => {
                fresh = Plugin::new_from_compiled(&self.compiled)?;
                &mut fresh
            }
        };
        let answer: &[u8] = plugin.call(self.export, event)?;
        Ok(serde_json::from_slice(answer)?)
    }
}

/// The same plug-in as another module: tenants and rules do not share code.
fn distinct(wasm: &[u8], number: usize) -> Vec<u8> {
    let mut wasm = wasm.to_vec();
    // A custom section of 13 bytes: the length of its name, the name, eight bytes.
    wasm.extend([0, 13, 4]);
    wasm.extend(b"rule");
    wasm.extend(u64::try_from(number).unwrap_or_default().to_le_bytes());
    wasm
}

/// Beside the cache: what is in it and not the cache's own, the cache deletes.
fn cache_configuration(folder: &Path, mode: &str) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let folder = folder.canonicalize()?;
    let file = folder.with_extension(format!("{mode}.toml"));
    fs::write(&file, format!("[cache]\ndirectory = {:?}\n", folder.display().to_string()))?;
    Ok(file)
}
