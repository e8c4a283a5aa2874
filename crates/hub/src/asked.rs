//! What is asked of the hub, at which addresses, and its refusals in words: one for programs and pages alike.

use crate::error::{HubError, Kind};
use crate::name::ModelName;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What an address may hold as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The model.
    pub name: &'a ModelName,
    /// A file of it; none where all of the model is asked about.
    pub file: Option<&'a str>,
}

/// Who asks, which decides what can be done about a refusal.
#[derive(Clone, Copy, Debug)]
pub enum Asker<'a> {
    /// A program that can be given a token, with where the one that it has came from.
    Program {
        /// A variable or a file.
        token: Option<&'a str>,
    },
    /// A page in a browser, which takes no token.
    Page,
}

/// An answer that is no success.
#[derive(Clone, Copy, Debug, Default)]
pub struct Refusal<'a> {
    /// The status of HTTP.
    pub status: u16,
    /// The header `X-Error-Code`.
    pub code: &'a str,
    /// The header `Retry-After`.
    pub retry_after: Option<&'a str>,
}

impl Refusal<'_> {
    /// The one that a model gets whose files are given to accounts that asked for them.
    pub const GATED: Refusal<'static> = Refusal { status: 401, code: "GatedRepo", retry_after: None };
}

impl Asked<'_> {
    /// What it is called in messages.
    #[must_use]
    pub fn place(&self) -> String {
        match self.file {
            Some(file) => format!("hf:{}/{file}", self.name.repo),
            None => self.name.to_string(),
        }
    }

    /// The address of what the hub at `endpoint` says of the model.
    #[must_use]
    pub fn listing(&self, endpoint: &str) -> String {
        format!("{endpoint}/api/models/{}/revision/{}", self.name.repo, quoted(self.name.revision()))
    }

    /// The address of the file at a commit.
    #[must_use]
    pub fn address(&self, endpoint: &str, commit: &str) -> String {
        format!("{endpoint}/{}/resolve/{commit}/{}", self.name.repo, quoted(self.file.unwrap_or_default()))
    }

    /// Why the hub does not give what was asked for.
    #[must_use]
    pub fn refused(&self, endpoint: &str, refusal: Refusal<'_>, asker: Asker<'_>) -> HubError {
        let Refusal { status, code, retry_after } = refusal;
        let page = format!("{endpoint}/{}", self.name.repo);
        let of_token = match asker {
            Asker::Program { token } => token.map(|token| format!("the token of {token}")),
            Asker::Page => None,
        };
        let login = match asker {
            Asker::Program { .. } => "`hf auth login`, or HF_TOKEN".to_owned(),
            Asker::Page => {
                let repo = &self.name.repo;
                format!(
                    "this page takes none, the desktop program does; or drop here what `hf download {repo}` fetches"
                )
            }
        };
        let other = |what: String, remedy: String| HubError::other(self.place(), what, remedy);
        match (status, code) {
            (_, "GatedRepo") | (403, _) => {
                let what = match &of_token {
                    Some(token) => format!("access to this model has to be granted, and {token} has none ({status})"),
                    None => format!("access to this model has to be granted, and there is no token ({status})"),
                };
                other(what, format!("ask for it at {page}, then give a token of that account: {login}"))
            }
            (_, "RepoNotFound") | (404, "") if code == "RepoNotFound" || self.file.is_none() => {
                let what = match &of_token {
                    Some(token) => format!("the hub has no model of this name that {token} opens ({status})"),
                    None => format!("the hub has no model of this name, or it is private ({status})"),
                };
                let remedy = format!("check the name; for a private model give a token: {login}");
                HubError::new(Kind::Missing, self.place(), what, remedy)
            }
            (401, _) => match of_token {
                Some(token) => {
                    let remedy = format!("make a new one at {endpoint}/settings/tokens, or take it away");
                    other(format!("the hub does not accept {token} (401)"), remedy)
                }
                None => other("the hub asks for a token (401)".to_owned(), format!("give one: {login}")),
            },
            (404, "RevisionNotFound") => {
                let what = format!("the hub has this model, but no revision `{}` of it", self.name.revision());
                other(what, format!("leave out the @ for `main`; its commits are at {page}/commits/main"))
            }
            (404, _) => {
                other("the hub has no such file (404)".to_owned(), format!("its files are at {page}/tree/main"))
            }
            (429, _) => {
                let wait = retry_after.map(|after| format!(" for {after} s")).unwrap_or_default();
                let what = "the hub has had too many requests from here (429)";
                HubError::new(Kind::Unreachable, self.place(), what, format!("wait{wait}, or give a token: {login}"))
            }
            (500.., _) => {
                let what = format!("the hub at {endpoint} has a fault of its own ({status})");
                HubError::new(Kind::Unreachable, self.place(), what, "try again later")
            }
            _ => {
                let what = format!("{endpoint} answers with status {status}");
                match asker {
                    Asker::Program { .. } => HubError::no_hub(&self.place(), what),
                    Asker::Page => HubError::new(Kind::Unreachable, self.place(), what, "try again later"),
                }
            }
        }
    }
}

fn quoted(part: &str) -> String {
    utf8_percent_encode(part, PLAIN).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use apt_core::problem::Explain;

    #[test]
    fn addresses_are_the_hubs() {
        let name = ModelName::parse("org/name@refs/pr/1").expect("it is a name");
        let asked = Asked { name: &name, file: Some("config.json") };
        assert_eq!(asked.listing("https://h"), "https://h/api/models/org/name/revision/refs%2Fpr%2F1");
        assert_eq!(asked.address("https://h", "c0"), "https://h/org/name/resolve/c0/config.json");
    }

    #[test]
    fn a_page_is_not_told_to_log_in() {
        let name = ModelName::parse("org/name").expect("it is a name");
        let asked = Asked { name: &name, file: None };
        let remedy = |asker| asked.refused("https://h", Refusal::GATED, asker).problem().remedy;
        assert!(remedy(Asker::Program { token: None }).contains("HF_TOKEN"));
        let page = remedy(Asker::Page);
        assert!(!page.contains("HF_TOKEN") && page.contains("hf download org/name"), "{page}");
    }
}
