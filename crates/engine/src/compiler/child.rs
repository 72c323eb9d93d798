//! The parent's side of a compile worker: starts one, tells it its job, and says what it answered or how it died.

use std::{
    ffi::OsString,
    io,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
    time::timeout,
};
use vestibule_abi::codes::RefusalCode;

use super::CompileError;
use crate::{
    EngineError, Refusal,
    worker::{self, Job, Verdict},
};

/// The program that is started for each job.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) program: PathBuf,
    pub(super) args: Vec<OsString>,
}

impl Worker {
    /// Has a worker do a job on these inputs, the last of which is the upload of this digest.
    pub(super) async fn work(
        &self,
        job: &Job,
        inputs: &[&[u8]],
        upload: [u8; 32],
        artifact_bytes: u64,
    ) -> Result<Vec<u8>, CompileError> {
        let started = |source| EngineError::Worker { program: self.program.display().to_string(), source };
        let mut child = Command::new(&self.program)
            .args(&self.args)
            .env_clear() // The worker has nothing to know.
            .env(worker::VARIABLE, "1")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(started)?;
        // The worker watches its own clock; the parent's is for one that does not.
        let grace = job.wall() + Duration::from_millis(250);
        let talk = timeout(grace, talk(&mut child, job, inputs, artifact_bytes)).await;
        let Ok(talked) = talk else {
            // Dead and gone before the next takes its turn: two workers at a time are two, with memory for two.
            let _already_dead = child.kill().await;
            return Err(timed_out(job.wall()).into());
        };
        let said = talked.map_err(|error| crashed(&format!("its pipes failed: {error}")))?;
        if !said.status.success() && !said.is_cut {
            return Err(died(&said, job).into());
        }
        verdict(said.output, upload, artifact_bytes).map_err(CompileError::Refused)
    }
}

/// What came out of a worker.
struct Said {
    status: ExitStatus,
    output: Vec<u8>,
    /// Whether it was killed because it said more than it may.
    is_cut: bool,
    errors: Vec<u8>,
}

async fn talk(child: &mut Child, job: &Job, inputs: &[&[u8]], artifact_bytes: u64) -> io::Result<Said> {
    const LINE_BYTES: u64 = 8 * 1024;
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else {
        return Err(io::Error::other("a pipe is missing"));
    };
    let mut line = serde_json::to_vec(job)?;
    line.push(b'\n');
    let write = async {
        // A worker that died does not read; how it died says why.
        let _broken_pipe = stdin.write_all(&line).await;
        for input in inputs {
            let _broken_pipe = stdin.write_all(input).await;
        }
        drop(stdin);
        Ok(())
    };
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let mut stdout = stdout.take(artifact_bytes + LINE_BYTES + 1);
    let mut stderr = stderr.take(LINE_BYTES);
    let read = async {
        stdout.read_to_end(&mut output).await?;
        let is_cut = stdout.limit() == 0;
        if is_cut {
            child.start_kill()?; // It would wait for ever to write the rest, and we for its last error.
        }
        Ok(is_cut)
    };
    let ((), is_cut, _) = tokio::try_join!(write, read, stderr.read_to_end(&mut errors))?;
    Ok(Said { status: child.wait().await?, output, is_cut, errors })
}

/// Reads the verdict line and returns the code behind it.
fn verdict(mut output: Vec<u8>, upload: [u8; 32], artifact_bytes: u64) -> Result<Vec<u8>, Refusal> {
    let end = output.iter().position(|byte| *byte == b'\n').ok_or_else(|| crashed("it answered nothing"))?;
    let line: Vec<u8> = output.drain(..=end).collect();
    let code = output; // What is left, without another copy of up to 24 MiB.
    let verdict: Verdict = serde_json::from_slice(&line).map_err(|_| crashed("it answered nonsense"))?;
    if verdict.digest != upload {
        return Err(crashed("it answered for another module"));
    }
    if let Some((code, message)) = verdict.refused {
        return Err(Refusal::new(code, message));
    }
    if code.len() as u64 > artifact_bytes {
        let message = format!("the compiled code has more than {artifact_bytes} bytes");
        return Err(Refusal::new(RefusalCode::CompileMemory, message));
    }
    Ok(code)
}

/// Says what killed a worker.
fn died(said: &Said, job: &Job) -> Refusal {
    use std::os::unix::process::ExitStatusExt as _;
    const SIGXCPU: i32 = 24;
    const SIGKILL: i32 = 9;
    let out_of_memory = said.errors.windows(17).any(|window| window == b"memory allocation");
    match (said.status.code(), said.status.signal()) {
        (Some(worker::EXIT_TIMED_OUT), _) | (_, Some(SIGXCPU)) => timed_out(job.wall()),
        // The hard CPU limit and the kernel's out-of-memory killer both kill; the clock was not up, so it was memory
        // only if the worker said so.
        (_, Some(SIGKILL)) if !out_of_memory => crashed("it was killed"),
        _ if out_of_memory => {
            let message = format!("compiling needs more than {} bytes of memory", job.memory_bytes);
            Refusal::new(RefusalCode::CompileMemory, message)
        }
        _ => crashed(&format!("it ended with {}", said.status)),
    }
}

fn timed_out(wall: Duration) -> Refusal {
    let message =
        format!("compiling takes longer than {} ms; make the module or its largest function smaller", wall.as_millis());
    Refusal::new(RefusalCode::CompileTimeout, message)
}

pub(super) fn crashed(how: &str) -> Refusal {
    Refusal::new(RefusalCode::CompileCrashed, format!("the compile worker failed: {how}"))
}
