//! A serving node, and a client that speaks to it.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    ops::{Deref, DerefMut},
};

pub(crate) use vestibule_testkit::node::PATIENCE;
use vestibule_testkit::node::{self, Launch};

use crate::folder::{Ended, Folder};

/// A node that serves.
pub(crate) struct Node {
    node: node::Node,
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
        let launch = Launch::new(env!("CARGO_BIN_EXE_vestibule"), folder.path().join(data));
        let launch = launch.option(options).setting("LOG__LEVEL", "trace");
        let node = variables.iter().fold(launch, |launch, (name, value)| launch.variable(name, value)).start();
        Self { node, data: data.to_owned() }
    }

    /// Runs another command against it.
    pub(crate) fn run(&self, folder: &Folder, arguments: &[&str]) -> Ended {
        let with_data: Vec<&str> = arguments.iter().copied().chain(["--data", &self.data]).collect();
        folder.run(&with_data)
    }

    /// What it logged.
    pub(crate) fn log(&self) -> String {
        self.node.launch().log()
    }

    /// Waits until it has stopped.
    pub(crate) fn stopped(self) -> std::process::ExitStatus {
        self.node.stopped()
    }
}

impl Deref for Node {
    type Target = node::Node;

    fn deref(&self) -> &node::Node {
        &self.node
    }
}

impl DerefMut for Node {
    fn deref_mut(&mut self) -> &mut node::Node {
        &mut self.node
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
