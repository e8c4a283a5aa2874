//! A stand-in for the hub on this machine: one model at one commit, known by an old name too, large files behind a redirect
//! to another host, ranges, and the faults that networks and hubs have. It counts what it serves.

use sha1::{Digest, Sha1};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// The commit of its model.
pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// How it behaves; the default is well.
#[derive(Clone, Default)]
pub(crate) struct Behaviour {
    /// Nobody answers: connections are closed at once.
    pub(crate) is_down: bool,
    /// The next body of a file ends after so many bytes, and then nobody answers if `goes_down`.
    pub(crate) cut_after: Option<usize>,
    /// Goes down after a cut.
    pub(crate) goes_down: bool,
    /// Files are sent whole, whatever part is asked for.
    pub(crate) has_no_ranges: bool,
    /// Bytes more (or less) than there are that are said to be in a file before it is sent.
    pub(crate) announces_more: i64,
    /// The same of what is said when it is sent.
    pub(crate) sends_as_more: i64,
    /// Sends bodies without their length, with so many bytes added.
    pub(crate) adds: Option<usize>,
    /// Sends other bytes.
    pub(crate) is_corrupt: bool,
    /// Answers to everything with this status, and this as `X-Error-Code`.
    pub(crate) refuses: Option<(u16, &'static str)>,
    /// Answers so to requests for files alone.
    pub(crate) refuses_files: Option<(u16, &'static str)>,
    /// Answers with a page.
    pub(crate) is_no_hub: bool,
    /// Waits before every 1,000 bytes of a body.
    pub(crate) pause: Option<Duration>,
}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) token: Option<String>,
    pub(crate) range: Option<String>,
    /// Whether it came to the host of the large files.
    pub(crate) is_far: bool,
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    behaviour: Behaviour,
    requests: Vec<Request>,
    served: BTreeMap<String, usize>,
}

/// The server, until it is dropped.
pub(crate) struct StandIn {
    near: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl StandIn {
    /// A hub whose model `org/tiny` has these files.
    pub(crate) fn new(files: &[(&str, &[u8])]) -> Self {
        let files = files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
        let state = Arc::new(Mutex::new(State { files, ..State::default() }));
        let bind = || TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let (near, far) = (bind(), bind());
        let far_address = far.local_addr().expect("it has an address");
        let stand_in = Self { near: near.local_addr().expect("it has an address"), state: Arc::clone(&state) };
        for (listener, is_far) in [(near, false), (far, true)] {
            let state = Arc::clone(&state);
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let state = Arc::clone(&state);
                    // A client that goes away is no fault of the server.
                    std::thread::spawn(move || drop(serve(stream, &state, is_far, far_address)));
                }
            });
        }
        stand_in
    }

    /// What `HF_ENDPOINT` is to be.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.near)
    }

    /// Changes how it behaves from now on.
    pub(crate) fn behave(&self, behaviour: Behaviour) {
        locked(&self.state).behaviour = behaviour;
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        locked(&self.state).requests.clone()
    }

    /// Bytes of a file's content that were sent, all requests together.
    pub(crate) fn served(&self, file: &str) -> usize {
        locked(&self.state).served.get(file).copied().unwrap_or_default()
    }

    /// The names of the files of which something was sent.
    pub(crate) fn served_files(&self) -> Vec<String> {
        locked(&self.state).served.keys().cloned().collect()
    }
}

/// Names a file in the cache: SHA-256 of a large one, git's hash of a small one.
pub(crate) fn etag(name: &str, bytes: &[u8]) -> String {
    let digest = if is_large(name) {
        Sha256::digest(bytes).to_vec()
    } else {
        Sha1::new_with_prefix(format!("blob {}\0", bytes.len())).chain_update(bytes).finalize().to_vec()
    };
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_large(name: &str) -> bool {
    name.ends_with(".safetensors")
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no thread of the server panics")
}

fn serve(stream: TcpStream, state: &Mutex<State>, is_far: bool, far: SocketAddr) -> std::io::Result<()> {
    let Some(request) = read_request(&stream, is_far)? else { return Ok(()) };
    let (behaviour, files) = {
        let mut state = locked(state);
        if state.behaviour.is_down {
            return Ok(());
        }
        state.requests.push(request.clone());
        (state.behaviour.clone(), state.files.clone())
    };
    let mut out = stream;
    if behaviour.is_no_hub {
        return answer(
            &mut out,
            "200 OK",
            &[("Content-Type", "text/html".into())],
            b"<html>log in to this network</html>",
        );
    }
    for (from, to) in [("org/old", "org/tiny"), ("org/loop", "org/loop")] {
        if request.path.contains(from) {
            let to = request.path.replace(from, to);
            return answer(&mut out, "307 Temporary Redirect", &[("Location", to)], b"");
        }
    }
    let is_file = request.path.contains("/resolve/");
    if let Some((status, code)) = behaviour.refuses.or(behaviour.refuses_files.filter(|_| is_file)) {
        return answer(&mut out, &format!("{status} no"), &[("X-Error-Code", code.into())], b"{}");
    }
    if request.path.starts_with("/api/models/org/tiny/revision/") {
        let siblings = files.keys().map(|name| format!("{{\"rfilename\":\"{name}\"}}")).collect::<Vec<_>>().join(",");
        let json = format!("{{\"id\":\"org/tiny\",\"sha\":\"{COMMIT}\",\"siblings\":[{siblings}]}}");
        return answer(&mut out, "200 OK", &[("Content-Type", "application/json".into())], json.as_bytes());
    }
    let name = request.path.rsplit('/').next().unwrap_or_default();
    let is_known = is_far || request.path.starts_with(&format!("/org/tiny/resolve/{COMMIT}/"));
    let Some(bytes) = files.get(name).filter(|_| is_known) else {
        let code = if request.path.contains("org/tiny") { "EntryNotFound" } else { "RepoNotFound" };
        return answer(&mut out, "404 Not Found", &[("X-Error-Code", code.into())], b"{}");
    };
    let announced = (bytes.len() as i64 + behaviour.announces_more).to_string();
    let said = [("X-Repo-Commit", COMMIT.to_owned()), ("Accept-Ranges", "bytes".to_owned())];
    if is_large(name) && !is_far {
        let linked = [
            ("X-Linked-Etag", format!("\"{}\"", etag(name, bytes))),
            ("X-Linked-Size", announced),
            ("Location", format!("http://{far}/far/{name}")),
        ];
        return answer(&mut out, "302 Found", &[&said[..], &linked[..]].concat(), b"");
    }
    if request.method == "HEAD" {
        let own = [("ETag", format!("\"{}\"", etag(name, bytes))), ("Content-Length", announced)];
        return head(&mut out, "200 OK", &[&said[..], &own[..]].concat());
    }
    send_file(&mut out, state, &behaviour, &request, (name, bytes))
}

fn send_file(
    out: &mut TcpStream,
    state: &Mutex<State>,
    behaviour: &Behaviour,
    request: &Request,
    (name, bytes): (&str, &[u8]),
) -> std::io::Result<()> {
    let from = request.range.as_deref().and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let from: usize = from.filter(|_| !behaviour.has_no_ranges).unwrap_or(0);
    if from > 0 && from >= bytes.len() {
        return answer(out, "416 Range Not Satisfiable", &[("Content-Range", format!("bytes */{}", bytes.len()))], b"");
    }
    let all = bytes.len() as i64 + behaviour.sends_as_more;
    let length = ("Content-Length", (all - from as i64).to_string());
    let mut body = bytes[from..].to_vec();
    match behaviour.adds {
        Some(more) => {
            body.extend(vec![b'+'; more]);
            head(out, "200 OK", &[])?;
        }
        None if from > 0 => {
            let range = ("Content-Range", format!("bytes {from}-{}/{all}", all - 1));
            head(out, "206 Partial Content", &[length, range])?;
        }
        None => head(out, "200 OK", &[length])?,
    }
    if behaviour.is_corrupt {
        body.iter_mut().for_each(|byte| *byte ^= 1);
    }
    if let Some(cut) = behaviour.cut_after {
        body.truncate(cut);
        let mut state = locked(state);
        state.behaviour.cut_after = None;
        state.behaviour.is_down = behaviour.goes_down;
    }
    for part in body.chunks(1000) {
        behaviour.pause.into_iter().for_each(std::thread::sleep);
        *locked(state).served.entry(name.to_owned()).or_default() += part.len();
        out.write_all(part)?;
    }
    out.flush()
}

fn answer(out: &mut TcpStream, status: &str, headers: &[(&str, String)], body: &[u8]) -> std::io::Result<()> {
    let length = ("Content-Length", body.len().to_string());
    head(out, status, &[headers, &[length]].concat())?;
    out.write_all(body)
}

fn head(out: &mut TcpStream, status: &str, headers: &[(&str, String)]) -> std::io::Result<()> {
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    out.write_all(format!("HTTP/1.1 {status}\r\n{lines}Connection: close\r\n\r\n").as_bytes())
}

fn read_request(stream: &TcpStream, is_far: bool) -> std::io::Result<Option<Request>> {
    let mut lines = BufReader::new(stream).lines();
    let Some(first) = lines.next().transpose()? else { return Ok(None) };
    let mut words = first.split(' ');
    let mut next = || words.next().unwrap_or_default().to_owned();
    let (method, path) = (next(), next());
    let mut request = Request { method, path, token: None, range: None, is_far };
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(": ") else { break };
        match name.to_lowercase().as_str() {
            "authorization" => request.token = Some(value.to_owned()),
            "range" => request.range = Some(value.to_owned()),
            _ => {}
        }
    }
    Ok(Some(request))
}
