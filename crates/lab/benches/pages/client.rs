//! A client as a browser is one: a connection that is kept, compressed answers, one request after the other.

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// A connection, and who asks.
pub struct Client {
    stream: BufReader<TcpStream>,
    token: String,
}

/// An answer.
pub struct Answer {
    pub status: u16,
    /// Bytes of head and body as they came.
    pub bytes: usize,
    pub text: String,
}

impl Client {
    pub fn new(port: u16, token: &str) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), token: token.to_owned() })
    }

    pub fn get(&mut self, path: &str) -> Result<Answer> {
        let answer = self.send("GET", path, "")?;
        ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.text);
        Ok(answer)
    }

    pub fn send(&mut self, method: &str, path: &str, body: &str) -> Result<Answer> {
        let (token, length) = (&self.token, body.len());
        let accept = if path.starts_with("/api/") { "application/json" } else { "text/html" };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nAccept: {accept}\r\n\
             Accept-Encoding: gzip\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.stream.get_mut().write_all(head.as_bytes())?;
        self.receive().with_context(|| format!("{method} {path}"))
    }

    fn line(&mut self, bytes: &mut usize) -> Result<String> {
        let mut line = String::new();
        *bytes += self.stream.read_line(&mut line)?;
        ensure!(!line.is_empty(), "the connection was closed");
        Ok(line.trim_end().to_owned())
    }

    fn receive(&mut self) -> Result<Answer> {
        let mut bytes = 0;
        let first = self.line(&mut bytes)?;
        let status = first.split(' ').nth(1).context("no status")?.parse()?;
        let (mut length, mut zipped) = (None, false);
        loop {
            let line = self.line(&mut bytes)?.to_ascii_lowercase();
            let Some((name, value)) = line.split_once(": ") else { break };
            match name {
                "content-length" => length = Some(value.parse()?),
                "content-encoding" => zipped = value == "gzip",
                _ => {}
            }
        }
        let body = match length {
            Some(length) => self.exactly(length, &mut bytes)?,
            None => self.chunks(&mut bytes)?,
        };
        let mut text = String::new();
        if zipped {
            GzDecoder::new(body.as_slice()).read_to_string(&mut text)?;
        } else {
            text = String::from_utf8(body)?;
        }
        Ok(Answer { status, bytes, text })
    }

    fn exactly(&mut self, length: usize, bytes: &mut usize) -> Result<Vec<u8>> {
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        *bytes += length;
        Ok(body)
    }

    fn chunks(&mut self, bytes: &mut usize) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let length = usize::from_str_radix(&self.line(bytes)?, 16)?;
            body.extend(self.exactly(length, bytes)?);
            self.line(bytes)?;
            if length == 0 {
                return Ok(body);
            }
        }
    }
}
