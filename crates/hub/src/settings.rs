//! Where the hub and its cache are, by the variables that all of its programs read.

use crate::ENDPOINT;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest wait for bytes.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A token and where it came from, which messages name in its place.
#[derive(Clone)]
pub struct Token {
    pub(crate) secret: String,
    /// A variable or a file.
    pub origin: String,
}

impl Token {
    /// The one in a file, as `hf auth login` leaves it; `None` without one.
    #[must_use]
    pub fn of_file(file: &Path) -> Option<Self> {
        let secret = std::fs::read_to_string(file).ok()?.trim().to_owned();
        (!secret.is_empty()).then(|| Self { secret, origin: file.display().to_string() })
    }
}

/// Where to look, and as whom.
#[derive(Clone)]
pub struct Settings {
    /// The folder of the cache (`HF_HUB_CACHE`).
    pub cache: PathBuf,
    /// The address of the hub, without a slash at its end (`HF_ENDPOINT`).
    pub endpoint: String,
    /// Who asks (`HF_TOKEN`, or what `hf auth login` left).
    pub token: Option<Token>,
    /// The variable that forbids asking, if one does (`HF_HUB_OFFLINE`).
    pub offline: Option<String>,
    /// A file with the certificates to trust in place of Mozilla's (`SSL_CERT_FILE`, `REQUESTS_CA_BUNDLE`).
    pub certificates: Option<PathBuf>,
    /// Longest wait for bytes (`HF_HUB_DOWNLOAD_TIMEOUT`).
    pub timeout: Duration,
    /// Before a file whose connection broke is asked for again.
    pub pause: Duration,
}

impl Settings {
    /// Those of this process.
    #[must_use]
    pub fn from_env() -> Self {
        let home = std::env::home_dir().unwrap_or_default();
        Self::of(|name| std::env::var(name).ok(), &home)
    }

    /// Those that the variables of `get` give somebody whose folder is `home`.
    fn of(get: impl Fn(&str) -> Option<String>, home: &Path) -> Self {
        let given = |name: &str| get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let path = |name: &str| given(name).map(|value| expanded(&value, home));
        let hf_home = path("HF_HOME")
            .unwrap_or_else(|| path("XDG_CACHE_HOME").unwrap_or_else(|| home.join(".cache")).join("huggingface"));
        let cache = path("HF_HUB_CACHE").or_else(|| path("HUGGINGFACE_HUB_CACHE"));
        let endpoint = given("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned());
        let is_set = |name: &&str| {
            let value = given(name).unwrap_or_default().to_uppercase();
            ["1", "ON", "YES", "TRUE"].contains(&value.as_str())
        };
        let offline = ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"].iter().find(|name| is_set(name));
        let seconds = given("HF_HUB_DOWNLOAD_TIMEOUT").and_then(|value| value.parse().ok());
        let token_file = path("HF_TOKEN_PATH").unwrap_or_else(|| hf_home.join("token"));
        let variable = |name: &str| given(name).map(|secret| Token { secret, origin: name.to_owned() });
        let token = variable("HF_TOKEN")
            .or_else(|| variable("HUGGING_FACE_HUB_TOKEN"))
            .or_else(|| if is_set(&"HF_HUB_DISABLE_IMPLICIT_TOKEN") { None } else { Token::of_file(&token_file) });
        Self {
            cache: cache.unwrap_or_else(|| hf_home.join("hub")),
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            token,
            offline: offline.map(|name| (*name).to_owned()),
            certificates: path("SSL_CERT_FILE").or_else(|| path("REQUESTS_CA_BUNDLE")),
            timeout: seconds.map_or(TIMEOUT, Duration::from_secs),
            pause: Duration::from_secs(1),
        }
    }
}

/// `~` as shells read it.
fn expanded(value: &str, home: &Path) -> PathBuf {
    match value.strip_prefix('~') {
        Some("") => home.to_owned(),
        Some(rest) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => PathBuf::from(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Settings {
        let get = |name: &str| variables.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_owned());
        Settings::of(get, Path::new("/home/me"))
    }

    #[test]
    fn the_cache_is_where_the_hubs_other_programs_look() {
        for (variables, cache) in [
            (&[][..], "/home/me/.cache/huggingface/hub"),
            (&[("XDG_CACHE_HOME", "/c")], "/c/huggingface/hub"),
            (&[("HF_HOME", "~/hf"), ("XDG_CACHE_HOME", "/c")], "/home/me/hf/hub"),
            (&[("HF_HUB_CACHE", "/h"), ("HF_HOME", "/hf")], "/h"),
            (&[("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HOME", "")], "/old"),
        ] {
            assert_eq!(settings(variables).cache, Path::new(cache), "{variables:?}");
        }
    }

    #[test]
    fn offline_is_what_the_hubs_other_programs_take_for_it() {
        for (variable, value, offline) in [
            ("HF_HUB_OFFLINE", "1", true),
            ("HF_HUB_OFFLINE", "yes", true),
            ("TRANSFORMERS_OFFLINE", "TRUE", true),
            ("HF_HUB_OFFLINE", "0", false),
            ("HF_HUB_OFFLINE", "", false),
        ] {
            assert_eq!(settings(&[(variable, value)]).offline.is_some(), offline, "{variable}={value}");
        }
    }

    #[test]
    fn a_token_is_a_variable_or_the_file_that_a_login_leaves() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        std::fs::write(folder.path().join("token"), "hf_file\n").expect("it can be written");
        let home = folder.path().display().to_string();
        let secret = |variables: &[(&str, &str)]| settings(variables).token.map(|token| token.secret);
        assert_eq!(secret(&[("HF_HOME", &home)]).as_deref(), Some("hf_file"));
        assert_eq!(secret(&[("HF_HOME", &home), ("HF_TOKEN", "hf_one ")]).as_deref(), Some("hf_one"));
        assert_eq!(secret(&[("HF_HOME", &home), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")]), None);
        assert_eq!(secret(&[("HF_HOME", "/nowhere")]), None);
        assert_eq!(settings(&[("HF_ENDPOINT", "http://mirror/")]).endpoint, "http://mirror");
    }
}
