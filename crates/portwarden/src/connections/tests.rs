use super::*;
use axum::http::StatusCode;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(150);
/// Between two steps of a slow client; all of its steps together take longer than `SHORT`.
const STEP: Duration = Duration::from_millis(40);
const STEPS: usize = 12;

/// Limits that nobody meets.
fn patient() -> Limits {
    Limits { connections: 100, of_address: 100, header: LONG, idle: LONG, body: LONG, stall: LONG }
}

struct Server {
    address: SocketAddr,
    end: CancellationToken,
    serving: JoinHandle<()>,
}

impl Server {
    async fn new(limits: Limits) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, end) = (socket.local_addr().unwrap(), CancellationToken::new());
        let serving = tokio::spawn(serve(socket, None, app(), limits, Arc::new([]), end.clone()));
        Self { address, end, serving }
    }

    async fn connect(&self, said: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        stream
    }
}

/// Answers at once, slowly, at length, and with the length of what was sent.
fn app() -> Router {
    let slowly = || async {
        let (mut from, to) = tokio::io::duplex(64);
        tokio::spawn(async move {
            let mut steps = tokio::time::interval(STEP);
            for _ in 0..STEPS {
                steps.tick().await;
                from.write_all(b"x").await.unwrap();
            }
        });
        Body::from_stream(tokio_util::io::ReaderStream::new(to))
    };
    let taken = |body: Body| async {
        match axum::body::to_bytes(body, usize::MAX).await {
            Ok(bytes) => (StatusCode::OK, bytes.len().to_string()),
            Err(error) => (StatusCode::BAD_REQUEST, error.to_string()),
        }
    };
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/slowly", get(slowly))
        .route("/much", get(|| async { vec![0u8; 64 << 20] }))
        .route("/take", post(taken))
}

/// Everything that comes until the other side hangs up.
async fn heard(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // One who is hung up on in the middle of a word is told so by a reset.
    let _ = tokio::time::timeout(LONG, stream.read_to_end(&mut bytes)).await.expect("nobody hung up");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn who_does_not_ask_in_time_is_hung_up_on() {
    let asked = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    for (said, header, idle, want, why) in [
        ("", SHORT, LONG, "", "nothing"),
        ("G", SHORT, LONG, "", "a letter"),
        ("GET / HTTP/1.1\r\nhost: a\r\nx: ", SHORT, LONG, "", "half a header"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n", SHORT, LONG, "", "half of HTTP/2"),
        (asked, LONG, SHORT, "hello", "nothing more"),
        (&format!("{asked}GET / HT"), LONG, SHORT, "hello", "half of a second one"),
    ] {
        let server = Server::new(Limits { header, idle, ..patient() }).await;
        let told = heard(server.connect(said).await).await;
        assert!(told.ends_with(want) && told.is_empty() == want.is_empty(), "{why}: {told}");
    }
}

#[tokio::test]
async fn a_header_in_drops_is_not_waited_for() {
    let server = Server::new(Limits { header: SHORT, ..patient() }).await;
    let (mut from, mut to) = server.connect("GET / HTTP/1.1\r\n").await.into_split();
    let dribbling = tokio::spawn(async move {
        let mut steps = tokio::time::interval(STEP);
        while to.write_all(b"x: y\r\n").await.is_ok() {
            steps.tick().await;
        }
    });
    let told = tokio::time::timeout(LONG, from.read(&mut [0])).await.expect("nobody hung up");
    assert!(matches!(told, Ok(0) | Err(_)));
    dribbling.await.unwrap();
}

#[tokio::test]
async fn who_does_his_part_is_served_however_long_it_takes() {
    let server = Server::new(Limits { header: SHORT, idle: SHORT, stall: SHORT, ..patient() }).await;
    let answer = heard(server.connect("GET /slowly HTTP/1.0\r\n\r\n").await).await;
    assert!(answer.ends_with(&"x".repeat(STEPS)), "{answer}");
    let head = format!("POST /take HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {STEPS}\r\n\r\n");
    let mut stream = server.connect(&head).await;
    let mut steps = tokio::time::interval(STEP);
    for _ in 0..STEPS {
        steps.tick().await;
        stream.write_all(b"x").await.unwrap();
    }
    let answer = heard(stream).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(&STEPS.to_string()), "{answer}");
}

#[tokio::test]
async fn a_body_that_stops_coming_is_an_error() {
    let server = Server::new(Limits { body: SHORT, ..patient() }).await;
    let said = "POST /take HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 9\r\n\r\nhalf";
    let answer = heard(server.connect(said).await).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("no byte of the body"), "{answer}");
}

#[tokio::test]
async fn who_reads_nothing_of_an_answer_makes_room_for_others() {
    let server = Server::new(Limits { connections: 1, stall: SHORT, ..patient() }).await;
    let deaf = server.connect("GET /much HTTP/1.0\r\n\r\n").await;
    deaf.readable().await.unwrap();
    let next = server.connect("GET / HTTP/1.0\r\n\r\n").await;
    assert!(heard(next).await.ends_with("hello"), "there is one place, and it is free again");
    assert!(heard(deaf).await.len() < 64 << 20, "not all of it");
}

#[tokio::test]
async fn an_address_that_holds_its_share_is_hung_up_on() {
    let server = Server::new(Limits { of_address: 2, ..patient() }).await;
    let ask = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = server.connect(ask).await;
        assert!(stream.read(&mut [0; 512]).await.unwrap() > 0);
        held.push(stream);
    }
    let refused = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(heard(refused).await, "");
}

#[tokio::test]
async fn what_is_under_way_ends_well_and_nothing_begins_anew() {
    let server = Server::new(patient()).await;
    let idle = server.connect("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    idle.readable().await.unwrap();
    let mut slow = server.connect("GET /slowly HTTP/1.1\r\nhost: a\r\n\r\n").await;
    slow.read_exact(&mut [0; 16]).await.unwrap();
    server.end.cancel();
    let answer = heard(slow).await;
    assert!(answer.matches("x\r\n").count() >= STEPS - 1 && answer.ends_with("0\r\n\r\n"), "{answer}");
    assert!(heard(idle).await.ends_with("hello"));
    tokio::time::timeout(LONG, server.serving).await.expect("it goes on").unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn http_2_is_spoken_as_well_and_who_stays_silent_there_is_hung_up_on() {
    let server = Server::new(Limits { idle: SHORT, connections: 1, ..patient() }).await;
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let url = format!("http://{}", server.address);
    let answer = client.get(format!("{url}/slowly")).send().await.unwrap();
    assert_eq!(answer.version(), axum::http::Version::HTTP_2);
    assert_eq!(answer.text().await.unwrap(), "x".repeat(STEPS));
    let answer = client.post(format!("{url}/take")).body(vec![0; 3 << 20]).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), (3 << 20).to_string());
    let next = server.connect("GET / HTTP/1.0\r\n\r\n").await;
    assert!(heard(next).await.ends_with("hello"), "there is one place, and it is free again");
}
