//! A receiver of webhooks that answers as it is told and keeps what it was sent.

use serde_json::Value;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// One request.
#[derive(Debug, Clone)]
pub struct Got {
    pub head: Vec<(String, String)>,
    pub body: String,
    /// What it was answered.
    pub status: u16,
}

impl Got {
    pub fn header(&self, name: &str) -> &str {
        self.head.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map_or("", |(_, v)| v)
    }
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

#[derive(Default)]
struct Told {
    got: Vec<Got>,
    /// What is answered next; 200 when nothing is left.
    answers: VecDeque<u16>,
}

/// A receiver on a port of its own; it listens until the test ends.
pub struct Receiver {
    pub port: u16,
    told: Arc<Mutex<Told>>,
    _thread: JoinHandle<()>,
}

impl Receiver {
    pub fn new(answers: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let told = Arc::new(Mutex::new(Told { got: Vec::new(), answers: answers.iter().copied().collect() }));
        let shared = Arc::clone(&told);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || take(stream, &shared));
            }
        });
        Self { port, told, _thread: thread }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook/geheim", self.port)
    }

    pub fn got(&self) -> Vec<Got> {
        self.told.lock().unwrap().got.clone()
    }

    /// What was answered with a 200.
    pub fn taken(&self) -> Vec<Got> {
        self.got().into_iter().filter(|got| got.status == 200).collect()
    }
}

fn take(mut stream: TcpStream, told: &Mutex<Told>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    let mut head: Vec<(String, String)> = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim_end().split_once(": ") {
            Some((name, value)) => head.push((name.to_owned(), value.to_owned())),
            None => break,
        }
    }
    let length =
        head.iter().find(|(n, _)| n.eq_ignore_ascii_case("content-length")).map_or(0, |(_, v)| v.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let status = {
        let mut told = told.lock().unwrap();
        let status = told.answers.pop_front().unwrap_or(200);
        told.got.push(Got { head, body: String::from_utf8(body).unwrap(), status });
        status
    };
    let _ = write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
}
