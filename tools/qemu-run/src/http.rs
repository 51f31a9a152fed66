//! A web server on the loopback interface, for a guest to fetch from.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long one request may take to arrive; a guest under emulation is slow, not that slow.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// A server on 127.0.0.1 that answers every request with one body, until it is dropped.
///
/// Through QEMU's user network a guest reaches it as `http://10.0.2.2:PORT/`.
#[derive(Debug)]
pub struct HttpFixture {
    port: u16,
    requests: Arc<AtomicUsize>,
    closing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl HttpFixture {
    /// Starts to serve `body` on a free port.
    ///
    /// # Errors
    /// Whatever binding a loopback port fails with.
    pub fn serve(body: impl Into<Vec<u8>>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let requests = Arc::new(AtomicUsize::new(0));
        let closing = Arc::new(AtomicBool::new(false));
        let body = body.into();
        let thread = std::thread::spawn({
            let (requests, closing) = (Arc::clone(&requests), Arc::clone(&closing));
            move || {
                for stream in listener.incoming().flatten() {
                    if closing.load(Ordering::SeqCst) {
                        break;
                    }
                    if answer(&stream, &body).is_ok() {
                        requests.fetch_add(1, Ordering::SeqCst);
                    }
                }
            }
        });
        Ok(Self {
            port,
            requests,
            closing,
            thread: Some(thread),
        })
    }

    /// Returns the port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns how many requests were answered in full.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for HttpFixture {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        // Wakes the thread out of `accept`.
        let woken = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _ = thread.join();
        }
    }
}

/// Reads one request's head and writes `body`.
fn answer(mut stream: &TcpStream, body: &[u8]) -> io::Result<()> {
    stream.set_read_timeout(Some(REQUEST_TIMEOUT))?;
    let mut lines = BufReader::new(stream).lines();
    while lines
        .next()
        .transpose()?
        .is_some_and(|line| !line.is_empty())
    {}
    write!(
        stream,
        "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)?;
    stream.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_request_gets_the_body_and_is_counted() {
        let server = HttpFixture::serve("over the wire").expect("a loopback port");
        let mut stream =
            TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).expect("connects");
        stream
            .write_all(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
            .expect("sends");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).expect("reads");
        assert!(reply.starts_with("HTTP/1.0 200 OK\r\n"), "{reply}");
        assert!(reply.ends_with("\r\n\r\nover the wire"), "{reply}");
        drop(stream);
        // The count is raised after the last byte went out.
        for _ in 0..100 {
            if server.requests() == 1 {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the request was not counted");
    }
}
