//! `trainyard-driver probe`: asks a driver how it is. Images without a shell have nothing else to ask with.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::address::{Address, ways};

/// A driver that is well answers at once.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longer than any answer; what is at the address may be something else.
const LONGEST: u64 = 16 << 20;

/// The arguments of `trainyard-driver probe`.
#[derive(Debug, Args)]
pub struct Probe {
    /// What to ask for
    #[arg(value_enum)]
    what: What,

    /// Where the driver serves it
    #[arg(long, env = "TRAINYARD_HTTP", value_name = "IP:PORT|unix:PATH")]
    http: Address,
}

/// The argument
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Whether the process runs
    Healthz,
    /// Whether the kubelet has registered all drivers and their slices are published
    Readyz,
    /// The metrics, as OpenMetrics
    Metrics,
}

/// Prints the answer: 0 for a good one, 1 for another, 2 for none.
pub fn run(arguments: &Probe) -> ExitCode {
    let path = match arguments.what {
        What::Healthz => "/healthz",
        What::Readyz => "/readyz",
        What::Metrics => "/metrics",
    };
    match ask(&arguments.http, path) {
        Ok((good, body)) => {
            // A reader who has seen enough is no fault.
            let _ = io::stdout().write_all(body.as_bytes());
            ExitCode::from(u8::from(!good))
        }
        Err(error) => {
            eprintln!("error: {}: {error}", arguments.http);
            ExitCode::from(2)
        }
    }
}

/// Whether the status was 200, and the body.
fn ask(address: &Address, path: &str) -> io::Result<(bool, String)> {
    match address {
        Address::Tcp(address) => {
            let stream = dial(*address)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            exchange(stream, path)
        }
        Address::Unix(socket) => {
            let stream = UnixStream::connect(socket)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            exchange(stream, path)
        }
    }
}

fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let mut failed = None;
    for way in ways(address) {
        match TcpStream::connect_timeout(&way, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.expect("there is a way"))
}

/// HTTP/1.0: the answer ends with the connection, and has no chunks.
fn exchange(mut stream: impl Read + Write, path: &str) -> io::Result<(bool, String)> {
    write!(stream, "GET {path} HTTP/1.0\r\nHost: driver\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(LONGEST).read_to_string(&mut answer)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .filter(|(head, _)| head.starts_with("HTTP/1."))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no answer in HTTP"))?;
    let status = head.split_ascii_whitespace().nth(1);
    Ok((status == Some("200"), body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http;

    /// What the HTTP half says, through a real socket, of no driver at all.
    async fn answers(address: &str, socket: bool) {
        let mut address: Address = address.parse().unwrap();
        let listener = http::listen(&address).await.unwrap();
        if let http::Listener::Tcp(listener) = &listener {
            address = Address::Tcp(listener.local_addr().unwrap());
        }
        assert_eq!(matches!(address, Address::Unix(_)), socket);
        tokio::spawn(http::serve(listener, http::Shown::default()));
        let asking = tokio::task::spawn_blocking(move || {
            let asked = |path| ask(&address, path).unwrap();
            assert_eq!(asked("/healthz"), (true, "ok\n".to_owned()));
            assert_eq!(asked("/readyz"), (false, "no driver runs\n".to_owned()));
            assert!(!asked("/elsewhere").0);
            let (good, metrics) = asked("/metrics");
            assert!(good && metrics.ends_with("# EOF\n"), "{metrics}");
        });
        asking.await.unwrap();
    }

    #[tokio::test]
    async fn a_port_answers() {
        answers("127.0.0.1:0", false).await;
        answers("[::]:0", false).await;
    }

    #[tokio::test]
    async fn a_socket_answers_and_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        answers(&format!("unix:{}", socket.display()), true).await;
    }

    #[test]
    fn what_speaks_no_http_is_no_answer() {
        let silent = io::Cursor::new(Vec::new());
        assert!(exchange(silent, "/healthz").is_err());
    }
}
