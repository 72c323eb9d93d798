//! `vestibule build`: turns the source of rules into modules and puts each where its manifest says.
//!
//! Rust rules that share a workspace are built by one cargo call. A compiler's output is shown only when it fails.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, BufRead as _, BufReader, IsTerminal as _},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use vestibule_pipeline::manifest::Language;

use crate::{
    exit::{BadInput, Done, Exit, Fault},
    installation,
    local::LocalRule,
    output::{remark, say},
    progress::Progress,
    project::{self, RuleFolder},
    toolchain::{Node, RustGuests},
    workbench::{ProfileName, Workbench},
};

/// Builds rules from source.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Rule folders, folders of rules or pipeline files; the current folder when none is named
    #[arg(value_name = "DIR")]
    paths: Vec<PathBuf>,
}

/// Runs the verb.
pub(crate) fn run(args: &Args, json: bool) -> Done {
    let rules = project::rules_at(&args.paths)?;
    build(&rules)?;
    let built: Vec<Built> = rules.iter().map(Built::of).collect();
    if json {
        say!("{}", json!({ "rules": built }));
    } else {
        built.iter().for_each(Built::print);
    }
    Ok(Exit::Reached)
}

/// A rule whose code is where a deploy looks for it.
#[derive(Serialize)]
struct Built {
    rule: String,
    language: Language,
    code: PathBuf,
    bytes: u64,
}

impl Built {
    fn of(folder: &RuleFolder) -> Self {
        let code = folder.code();
        let bytes = fs::metadata(&code).map_or(0, |metadata| metadata.len());
        Self { rule: folder.name().to_owned(), language: folder.manifest.language, code, bytes }
    }

    fn print(&self) {
        let (rule, size, code) = (&self.rule, self.bytes.div_ceil(1024), self.code.display());
        match self.language {
            Language::JavaScript => say!("read {rule} ({size} KiB), which is deployed as source: {code}"),
            Language::Rust | Language::AssemblyScript => say!("built {rule} ({size} KiB) → {code}"),
        }
    }
}

/// Builds rules and puts their modules in place.
///
/// # Errors
/// [`Fault::Toolchain`] when a language has no compiler here, [`Fault::BadInput`] when a source does not compile.
pub(crate) fn build(rules: &[RuleFolder]) -> Result<(), Fault> {
    build_rust(&of_language(rules, Language::Rust))?;
    build_assemblyscript(&of_language(rules, Language::AssemblyScript))?;
    build_javascript(&of_language(rules, Language::JavaScript))
}

/// JavaScript is deployed as source: building it is to evaluate it once, so that its author is told what is wrong.
fn build_javascript(rules: &[&RuleFolder]) -> Result<(), Fault> {
    if rules.is_empty() {
        return Ok(());
    }
    let workbench = Workbench::new(ProfileName::Fast)?;
    rules.iter().try_for_each(|rule| workbench.compile(&LocalRule::read(rule)?).map(drop))
}

fn of_language(rules: &[RuleFolder], language: Language) -> Vec<&RuleFolder> {
    rules.iter().filter(|rule| rule.manifest.language == language).collect()
}

fn build_rust(rules: &[&RuleFolder]) -> Result<(), Fault> {
    if rules.is_empty() {
        return Ok(());
    }
    let guests = RustGuests::find_or_install()?;
    let mut workspaces: BTreeMap<PathBuf, Vec<&RuleFolder>> = BTreeMap::new();
    for rule in rules {
        workspaces.entry(workspace_of(rule)?).or_default().push(rule);
    }
    workspaces.iter().try_for_each(|(workspace, rules)| build_rust_workspace(&guests, workspace, rules))
}

fn build_rust_workspace(guests: &RustGuests, workspace: &Path, rules: &[&RuleFolder]) -> Result<(), Fault> {
    let mut cargo = guests.cargo_build();
    // From the workspace's folder, so that its `.cargo/config.toml` applies.
    cargo.current_dir(workspace.parent().unwrap_or(workspace)).arg("--message-format=json-render-diagnostics");
    for rule in rules {
        cargo.args(["--package", &package_of(rule)?]);
    }
    let what = names(rules);
    if let (RustGuests::BuildStd { .. }, None) = (guests, env::var_os("CARGO_TARGET_DIR")) {
        // The standard library is built once for all rules of this person, not once for each.
        cargo.envs(installation::rust_guests().map(|folder| ("CARGO_TARGET_DIR", folder)));
    }
    let output = watched(&mut cargo, &format!("compiling {what} for WebAssembly"))?;
    if !output.status.success() {
        return Err(build_failed(&what, &output));
    }
    let artifacts = artifacts_in(&output.stdout);
    rules.iter().try_for_each(|rule| {
        let manifest = absolute(&rule.dir.join("Cargo.toml"))?;
        let built = artifacts.get(&manifest).ok_or_else(|| {
            let message =
                format!("`{}` built no module: its Cargo.toml needs [lib] crate-type = [\"cdylib\"]", rule.name());
            Fault::bad_input(BadInput::BuildFailed, message)
        })?;
        put_in_place(built, &rule.code())
    })
}

fn build_assemblyscript(rules: &[&RuleFolder]) -> Result<(), Fault> {
    if rules.is_empty() {
        return Ok(());
    }
    let node = Node::find()?;
    for rule in rules {
        install_packages(&node, rule)?;
        let progress = Progress::start(format!("compiling {} for WebAssembly", rule.name()));
        let output = output_of(node.npm(&rule.dir).args(["run", "--silent", "build"]))?;
        drop(progress);
        if !output.status.success() {
            return Err(build_failed(rule.name(), &output));
        }
        if !rule.code().is_file() {
            let message = format!(
                "`npm run build` of `{}` did not write `{}`: let `outFile` in asconfig.json name the module of rule.toml",
                rule.name(),
                rule.code().display()
            );
            return Err(Fault::bad_input(BadInput::BuildFailed, message));
        }
    }
    Ok(())
}

/// Installs the npm packages of the project a rule belongs to, unless they are there.
fn install_packages(node: &Node, rule: &RuleFolder) -> Result<(), Fault> {
    let dir = absolute(&rule.dir)?;
    // A project of several rules has one lock file at its root; a rule on its own may have none yet.
    let nearest = |file: &str| dir.ancestors().find(|folder| folder.join(file).is_file());
    let project = nearest("package-lock.json").or_else(|| nearest("package.json")).ok_or_else(|| {
        let message = format!("`{}` has no package.json: `vestibule new` shows what one holds", rule.dir.display());
        Fault::bad_input(BadInput::FileMissing, message)
    })?;
    if project.join("node_modules/.package-lock.json").is_file() {
        return Ok(());
    }
    let (mut npm, called) = node.install(project);
    remark!("installing npm packages: {called} in {}", project.display());
    let output = output_of(&mut npm)?;
    if output.status.success() {
        return Ok(());
    }
    Err(Fault::Toolchain(format!(
        "`{called}` in {} failed; check the network and the registry of npm, then run this again\n{}",
        project.display(),
        String::from_utf8_lossy(&output.stderr).trim_end()
    )))
}

/// The manifest of the workspace a rule belongs to.
fn workspace_of(rule: &RuleFolder) -> Result<PathBuf, Fault> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(&rule.dir).args(["locate-project", "--workspace", "--message-format=plain"]);
    let output = output_of(&mut cargo)?;
    if !output.status.success() || !rule.dir.join("Cargo.toml").is_file() {
        let message = format!("`{}` has no Cargo.toml: `vestibule new` shows what one holds", rule.dir.display());
        return Err(Fault::bad_input(BadInput::FileMissing, message));
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

fn package_of(rule: &RuleFolder) -> Result<String, Fault> {
    #[derive(Deserialize)]
    struct CargoToml {
        package: Package,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
    }
    let path = rule.dir.join("Cargo.toml");
    let text = project::read_text(&path, "`vestibule new` shows what one holds")?;
    let manifest: CargoToml = toml::from_str(&text)
        .map_err(|error| Fault::bad_input(BadInput::ManifestInvalid, format!("{}: {error}", path.display())))?;
    Ok(manifest.package.name)
}

/// The modules cargo says it built, by the manifest of their package.
fn artifacts_in(messages: &[u8]) -> BTreeMap<PathBuf, PathBuf> {
    #[derive(Deserialize)]
    struct Message {
        manifest_path: PathBuf,
        filenames: Vec<PathBuf>,
    }
    let built = String::from_utf8_lossy(messages);
    built
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .filter_map(|message| {
            let module =
                message.filenames.into_iter().find(|name| name.extension().is_some_and(|ext| ext == "wasm"))?;
            Some((message.manifest_path, module))
        })
        .collect()
}

fn put_in_place(built: &Path, module: &Path) -> Result<(), Fault> {
    if built == module {
        return Ok(());
    }
    if let Some(folder) = module.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    fs::copy(built, module).with_context(|| format!("cannot write {}", module.display()))?;
    Ok(())
}

fn build_failed(what: &str, output: &Output) -> Fault {
    let said = [&output.stderr, &output.stdout].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let readable: Vec<&str> =
        said.iter().flat_map(|text| text.lines()).filter(|line| !line.starts_with("{\"reason\"")).collect();
    let message = format!("{what} does not compile; the compiler says:\n{}", readable.join("\n"));
    Fault::bad_input(BadInput::BuildFailed, message)
}

/// Runs cargo and tells what it is at: its output is kept, and a build can take minutes.
fn watched(cargo: &mut Command, what: &str) -> Result<Output, Fault> {
    let started = cargo.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = started.with_context(|| format!("cannot start {}", cargo.get_program().display()))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let progress = Progress::start(what);
    if !io::stderr().is_terminal() {
        remark!("{what}"); // No spinner is drawn there.
    }
    let (stdout, stderr) = thread::scope(|scope| {
        let stdout = scope.spawn(|| read(stdout, |_| {}));
        let stderr = read(stderr, |line| match at_work(line) {
            Some(At::Crate(name)) => progress.say(format!("{what}: {name}")),
            Some(At::Lock(said)) => {
                progress.say(format!("{what}: {said}"));
                if !io::stderr().is_terminal() {
                    remark!("{said}");
                }
            }
            None => {}
        });
        (stdout.join().unwrap_or_default(), stderr)
    });
    let status = child.wait().context("cannot wait for cargo")?;
    Ok(Output { status, stdout, stderr })
}

/// What a line of cargo's says that it is at.
#[derive(Debug, PartialEq, Eq)]
enum At<'l> {
    /// A crate, with its version.
    Crate(String),
    /// Another cargo holds what it needs.
    Lock(&'l str),
}

fn at_work(line: &str) -> Option<At<'_>> {
    let line = line.trim();
    if line.starts_with("Blocking waiting for file lock") {
        return Some(At::Lock(line));
    }
    let mut words = line.strip_prefix("Compiling ")?.split(' ');
    Some(At::Crate(format!("{} {}", words.next()?, words.next()?)))
}

/// Reads to the end, a line at a time.
fn read(stream: Option<impl io::Read>, mut tell: impl FnMut(&str)) -> Vec<u8> {
    let mut all = Vec::new();
    let Some(mut lines) = stream.map(BufReader::new) else { return all };
    let mut from = 0;
    while lines.read_until(b'\n', &mut all).is_ok_and(|read| read > 0) {
        tell(&String::from_utf8_lossy(all.get(from..).unwrap_or_default()));
        from = all.len();
    }
    all
}

fn output_of(command: &mut Command) -> Result<Output, Fault> {
    let output = command.stdin(Stdio::null()).output();
    Ok(output.with_context(|| format!("cannot start {}", command.get_program().display()))?)
}

fn absolute(path: &Path) -> Result<PathBuf, Fault> {
    Ok(fs::canonicalize(path).with_context(|| format!("cannot find {}", path.display()))?)
}

fn names(rules: &[&RuleFolder]) -> String {
    match rules {
        [rule] => rule.name().to_owned(),
        rules => format!("{} rules", rules.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_is_understood_where_it_tells_what_it_is_at() {
        assert_eq!(at_work("   Compiling serde v1.0.1 (/a/b)"), Some(At::Crate("serde v1.0.1".to_owned())));
        let waiting = "    Blocking waiting for file lock on build directory";
        assert_eq!(at_work(waiting), Some(At::Lock(waiting.trim())));
        assert_eq!(at_work("warning: unused"), None);
    }

    #[test]
    fn what_a_build_says_is_kept_and_told_line_by_line() {
        let mut told = Vec::new();
        let all = read(Some("one\ntwo".as_bytes()), |line| told.push(line.to_owned()));
        assert_eq!((all.as_slice(), told), (b"one\ntwo".as_slice(), vec!["one\n".to_owned(), "two".to_owned()]));
    }

    #[test]
    fn cargos_messages_name_the_module_of_each_package() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","manifest_path":"/r/a/Cargo.toml","filenames":["/t/a.wasm"]}"#,
            "\n",
            r#"{"reason":"compiler-artifact","manifest_path":"/r/dep/Cargo.toml","filenames":["/t/libdep.rlib"]}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
            "\nnot json\n",
        );
        let artifacts = artifacts_in(messages.as_bytes());
        assert_eq!(artifacts, BTreeMap::from([("/r/a/Cargo.toml".into(), "/t/a.wasm".into())]));
    }
}
