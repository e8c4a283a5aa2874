//! What is said where a hub refuses, lies or is none.

use crate::stand_in::Behaviour;
use crate::{Place, WEIGHTS, fetch, name};
use apt_hub::{Hub, HubError, Kind, ModelName, Settings};
use std::fs;

#[track_caller]
fn assert_says(error: &HubError, kind: Kind, words: &[&str]) {
    assert_eq!(error.kind(), kind, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "`{word}` is not in: {error}");
    }
}

#[test]
fn every_refusal_says_what_to_do() {
    let place = Place::new();
    for (refusal, kind, words) in [
        (
            (401, "RepoNotFound"),
            Kind::Missing,
            &["hf:org/tiny", "no model of this name, or it is private", "hf auth login"][..],
        ),
        ((404, "RepoNotFound"), Kind::Missing, &["no model of this name", "check the name"]),
        ((404, ""), Kind::Missing, &["no model of this name"]),
        ((401, ""), Kind::Other, &["asks for a token", "HF_TOKEN"]),
        ((403, "GatedRepo"), Kind::Other, &["has to be granted, and there is no token", "/org/tiny, then"]),
        ((404, "RevisionNotFound"), Kind::Other, &["has this model, but no revision `main`", "/org/tiny/commits/main"]),
        ((429, ""), Kind::Unreachable, &["too many requests", "wait"]),
        ((503, ""), Kind::Unreachable, &["fault of its own (503)", "later"]),
        ((418, ""), Kind::Unreachable, &["status 418", "HF_ENDPOINT"]),
    ] {
        place.hub.behave(Behaviour { refuses: Some(refusal), ..Behaviour::default() });
        let error = place.client().list(&name()).expect_err("it refuses");
        assert_says(&error, kind, words);
    }
}

#[test]
fn a_token_that_does_not_help_is_named_by_its_place() {
    let place = Place::new();
    let hub = Hub::new(&place.with_token()).expect("no certificates are asked for");
    for (refusal, words) in [
        ((401, ""), ["does not accept the token of ", "/settings/tokens"]),
        ((401, "RepoNotFound"), ["no model of this name that the token of", "check the name"]),
        ((403, "GatedRepo"), ["has none (403)", "ask for it at"]),
    ] {
        place.hub.behave(Behaviour { refuses: Some(refusal), ..Behaviour::default() });
        let error = hub.list(&name()).expect_err("it refuses").to_string();
        for word in [words[0], words[1], "token"] {
            assert!(error.contains(word), "`{word}` is not in: {error}");
        }
        assert!(!error.contains("hf_secret"), "the token itself is told: {error}");
    }
}

#[test]
fn files_of_a_gated_model_are_refused_although_it_is_listed() {
    let place = Place::new();
    place.hub.behave(Behaviour { refuses_files: Some((401, "GatedRepo")), ..Behaviour::default() });
    let error = place.fetch().expect_err("it refuses");
    assert_says(&error, Kind::Other, &["hf:org/tiny/model.safetensors", "has to be granted", "HF_TOKEN"]);
}

#[test]
fn a_model_and_a_file_that_are_not_there_are_told_apart() {
    let place = Place::new();
    let other = ModelName::parse("org/other").expect("it is a name");
    let error = place.client().list(&other).expect_err("there is none");
    assert_says(&error, Kind::Missing, &["hf:org/other", "no model of this name"]);
    let error = fetch(&place.client(), &place.listed(), "vocab.txt").expect_err("there is none");
    assert_says(&error, Kind::Other, &["hf:org/tiny/vocab.txt", "no such file", "/org/tiny/tree/main"]);
    for outside in ["../vocab.txt", "a/b", ".."] {
        let error = fetch(&place.client(), &place.listed(), outside).expect_err("it leaves the folder");
        assert_says(&error, Kind::Other, &["lies beside the others"]);
    }
}

#[test]
fn a_file_that_is_not_as_long_as_announced_is_refused() {
    let lie = |behaviour: Behaviour| {
        let place = Place::new();
        let listed = place.listed();
        place.hub.behave(behaviour);
        let error = fetch(&place.client(), &listed, WEIGHTS).expect_err("it lies");
        assert!(!place.blob().exists(), "the wrong file is in the cache");
        // What comes next is not spoiled by what was kept.
        place.hub.behave(Behaviour::default());
        place.assert_whole(&fetch(&place.client(), &listed, WEIGHTS).expect("it does not lie any more"));
        error
    };
    let error = lie(Behaviour { announces_more: 10, ..Behaviour::default() });
    assert_says(&error, Kind::Other, &["1600010 bytes were announced, and 1600000 are sent"]);
    let error = lie(Behaviour { announces_more: -10, ..Behaviour::default() });
    assert_says(&error, Kind::Other, &["1599990 bytes were announced, and 1600000 are sent"]);
    let error = lie(Behaviour { announces_more: 10, sends_as_more: 10, ..Behaviour::default() });
    assert_says(&error, Kind::Other, &["ends after 1600000 bytes, and 1600010 were announced"]);
    let error = lie(Behaviour { adds: Some(3), ..Behaviour::default() });
    assert_says(&error, Kind::Other, &["1600000 bytes were announced, and more are sent"]);
}

#[test]
fn bytes_that_are_not_those_announced_are_thrown_away() {
    let place = Place::new();
    let listed = place.listed();
    for file in [WEIGHTS, "config.json"] {
        place.hub.behave(Behaviour { is_corrupt: true, ..Behaviour::default() });
        let error = fetch(&place.client(), &listed, file).expect_err("other bytes came");
        assert_says(&error, Kind::Other, &[file, "not those that were announced", "a proxy or a mirror"]);
        assert!(!place.partial().exists() && !listed.folder.join(file).exists(), "{file}: they are kept");
        place.hub.behave(Behaviour::default());
        fetch(&place.client(), &listed, file).expect("the right ones come");
    }
}

#[test]
fn what_is_no_hub_is_told() {
    let place = Place::new();
    place.hub.behave(Behaviour { is_no_hub: true, ..Behaviour::default() });
    let error = place.client().list(&name()).expect_err("it is none");
    assert_says(&error, Kind::Unreachable, &["not that of a hub", "HF_ENDPOINT"]);
    place.hub.behave(Behaviour { is_down: true, ..Behaviour::default() });
    let error = place.client().list(&name()).expect_err("nobody answers");
    assert_says(&error, Kind::Unreachable, &["cannot be reached", "check the network"]);
    // A port that nobody listens on.
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    let endpoint = format!("http://{}", free.expect("a port is free"));
    let hub = Hub::new(&Settings { endpoint, ..place.settings() }).expect("no certificates are asked for");
    assert_says(&hub.list(&name()).expect_err("nobody listens"), Kind::Unreachable, &["cannot be reached"]);
}

#[test]
fn certificates_that_are_none_are_told() {
    let place = Place::new();
    let file = place.cache.path().join("ca.pem");
    fs::write(&file, "no certificate").expect("it can be written");
    for (file, why) in [(file.clone(), "there are none in PEM"), (file.with_extension("gone"), "No such file")] {
        let settings = Settings { certificates: Some(file), ..place.settings() };
        let error = Hub::new(&settings).err().expect("there are none");
        assert_says(&error, Kind::Other, &[why, "SSL_CERT_FILE"]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_with_what_is_still_to_come() {
    let place = Place::new();
    let listed = place.listed();
    fs::create_dir_all(place.blob().parent().expect("it lies in a folder")).expect("a folder can be made");
    std::os::unix::fs::symlink("/dev/full", place.partial()).expect("a link can be made");
    let error = fetch(&place.client(), &listed, WEIGHTS).expect_err("nothing can be written");
    assert_says(&error, Kind::Other, &["the disk is full", "1.6 MB are still to come", "HF_HOME"]);
}
