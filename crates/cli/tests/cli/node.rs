//! A serving node: the real process, on loopback, with a folder of its own; and a client that speaks to it.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::folder::{Ended, Folder};

/// How long a test waits for something that has to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A node that serves.
pub(crate) struct Node {
    child: Child,
    log: PathBuf,
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) announced: Value,
    data: String,
}

/// What a node answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Node {
    /// Starts a node whose data folder is `data` in the test's folder.
    pub(crate) fn start(folder: &Folder, data: &str, options: &[&str]) -> Self {
        Self::start_with(folder, data, options, &[])
    }

    /// The same with these variables.
    pub(crate) fn start_with(folder: &Folder, data: &str, options: &[&str], variables: &[(&str, &str)]) -> Self {
        let log = folder.path().join(format!("{data}.log"));
        let mut child = Command::new(env!("CARGO_BIN_EXE_vestibule"))
            .args(["--json", "serve", "--data", data])
            .args(options)
            .current_dir(folder.path())
            .env("VESTIBULE_LISTEN__PUBLIC", "127.0.0.1:0")
            .env("VESTIBULE_LISTEN__ADMIN", "127.0.0.1:0")
            .env("VESTIBULE_LOG__LEVEL", "trace")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let announced: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{error}: {line:?} {}", fs::read_to_string(&log).unwrap()));
        let address = |key: &str| announced[key].as_str().unwrap().parse().unwrap();
        Self { child, log, public: address("public"), admin: address("admin"), announced, data: data.to_owned() }
    }

    /// Runs another command against it.
    pub(crate) fn run(&self, folder: &Folder, arguments: &[&str]) -> Ended {
        let with_data: Vec<&str> = arguments.iter().copied().chain(["--data", &self.data]).collect();
        folder.run(&with_data)
    }

    /// The token of the first administrator.
    pub(crate) fn token(&self) -> String {
        self.announced["admin_token"].as_str().unwrap().to_owned()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        self.send(rustix::process::Signal::TERM);
    }

    /// Stops it where it stands, as a machine that hangs would.
    pub(crate) fn freeze(&self) {
        self.send(rustix::process::Signal::STOP);
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.send(rustix::process::Signal::CONT);
    }

    fn send(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits until it has stopped.
    pub(crate) fn stopped(mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not stop: {}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills it.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _already_gone = self.child.wait();
    }
}

/// Sends one request and reads the answer to its end.
pub(crate) fn ask(to: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut stream = TcpStream::connect(to).unwrap();
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    stream.write_all(request.as_bytes()).unwrap();
    answer(&mut stream)
}

/// Reads an answer to its end.
pub(crate) fn answer(stream: &mut TcpStream) -> Answer {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}
