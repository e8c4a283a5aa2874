//! Files that arrive: in the cache's layout, once, and whole whatever the network does.

use crate::stand_in::{Behaviour, COMMIT};
use crate::{Place, WEIGHTS, fetch, name};
use apt_hub::{Hub, Kind, ModelName, Progress, Settings};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

#[test]
fn files_lie_where_the_hubs_other_programs_look_for_them() {
    let place = Place::new();
    let hub = place.client();
    let listed = hub.list(&name()).expect("the stand-in answers");
    assert_eq!((listed.commit.as_str(), listed.files.join(" ").as_str()), (COMMIT, "config.json model.safetensors"));
    let path = fetch(&hub, &listed, WEIGHTS).expect("it is there");
    fetch(&hub, &listed, "config.json").expect("it is there");
    hub.remember(&listed, &["tokenizer.json"]);
    let model = place.cache.path().join("models--org--tiny");
    assert_eq!(path, model.join("snapshots").join(COMMIT).join(WEIGHTS));
    place.assert_whole(&path);
    place.assert_whole(&place.blob());
    assert_eq!(place.hub.served_files(), ["config.json", WEIGHTS], "something else was fetched");
    assert_eq!(fs::read_to_string(model.join("refs/main")).expect("it is written"), COMMIT);
    assert!(model.join(".no_exist").join(COMMIT).join("tokenizer.json").is_file(), "that it is absent is remembered");
    #[cfg(unix)]
    {
        let target = fs::read_link(&path).expect("it is a link");
        assert!(target.starts_with("../../blobs"), "{}", target.display());
    }

    let asked = place.hub.requests().len();
    let cached = hub.cached(&name()).expect("it is in the cache");
    assert_eq!(cached.files, listed.files);
    assert!(hub.lacks(&cached, "tokenizer.json") && !hub.lacks(&cached, "vocab.txt"));
    fetch(&hub, &cached, WEIGHTS).expect("it is in the cache");
    assert_eq!(place.hub.requests().len(), asked, "what is in the cache was asked for again");
}

#[test]
fn the_token_is_for_the_hub_alone() {
    let place = Place::new();
    let hub = Hub::new(&place.with_token()).expect("no certificates are asked for");
    fetch(&hub, &hub.list(&name()).expect("the stand-in answers"), WEIGHTS).expect("it is there");
    let requests = place.hub.requests();
    assert!(requests.iter().any(|request| request.is_far), "the large file is on another host");
    for request in requests {
        let expected = (!request.is_far).then_some("Bearer hf_secret");
        assert_eq!(request.token.as_deref(), expected, "{request:?}");
    }
}

#[test]
fn a_model_that_was_renamed_is_found_by_its_old_name() {
    let place = Place::new();
    let hub = Hub::new(&place.with_token()).expect("no certificates are asked for");
    let old = ModelName::parse("org/old").expect("it is a name");
    let listed = hub.list(&old).expect("it is sent on");
    assert_eq!(listed.commit, COMMIT);
    let path = fetch(&hub, &listed, WEIGHTS).expect("it is sent on");
    assert!(fs::read(path).is_ok_and(|bytes| bytes == place.weights), "other bytes are there");
    let near: Vec<_> = place.hub.requests().into_iter().filter(|request| !request.is_far).collect();
    assert!(near.iter().all(|request| request.token.is_some()), "the same host gets the token again: {near:?}");
    let error = hub.list(&ModelName::parse("org/loop").expect("it is a name")).expect_err("it leads nowhere");
    assert!(error.to_string().contains("sent on more than 10 times"), "{error}");
}

#[test]
fn what_broke_off_goes_on_when_it_is_asked_for_again_and_nothing_is_sent_twice() {
    let place = Place::new();
    let listed = place.listed();
    place.hub.behave(Behaviour { cut_after: Some(700_000), goes_down: true, ..Behaviour::default() });
    let error = fetch(&place.client(), &listed, WEIGHTS).expect_err("the hub went away");
    assert_eq!(error.kind(), Kind::Unreachable, "{error}");
    assert!(error.to_string().contains("0.7 MB of 1.6 MB are there"), "{error}");
    assert_eq!(fs::metadata(place.partial()).expect("a part is there").len(), 700_000);
    assert!(!listed.folder.join(WEIGHTS).exists(), "a part has the name of the whole");

    place.hub.behave(Behaviour::default());
    let mut done = 0;
    let again = place.client().fetch(&listed, WEIGHTS, &mut |progress| {
        if let Progress::Starts { done: there, .. } = progress {
            done = there;
        }
        ControlFlow::Continue(())
    });
    place.assert_whole(&again.expect("the hub is there again"));
    assert_eq!((done, place.hub.served(WEIGHTS)), (700_000, place.weights.len()), "bytes were sent twice");
    let ranges: Vec<_> = place.hub.requests().into_iter().filter_map(|request| request.range).collect();
    assert!(ranges.iter().all(|range| range == "bytes=700000-") && !ranges.is_empty(), "{ranges:?}");
}

#[test]
fn a_connection_that_breaks_once_is_made_again() {
    let place = Place::new();
    let listed = place.listed();
    place.hub.behave(Behaviour { cut_after: Some(1_000_000), ..Behaviour::default() });
    let mut broken = Vec::new();
    let path = place.client().fetch(&listed, WEIGHTS, &mut |progress| {
        if let Progress::Again { why } = progress {
            broken.push(why.to_owned());
        }
        ControlFlow::Continue(())
    });
    place.assert_whole(&path.expect("it is there in the end"));
    assert_eq!((broken.len(), place.hub.served(WEIGHTS)), (1, place.weights.len()), "{broken:?}");
}

#[test]
fn a_server_without_ranges_sends_all_of_it_again() {
    let place = Place::new();
    let listed = place.listed();
    place.hub.behave(Behaviour { cut_after: Some(1_000_000), has_no_ranges: true, ..Behaviour::default() });
    place.assert_whole(&fetch(&place.client(), &listed, WEIGHTS).expect("it is there in the end"));
}

#[test]
fn several_that_want_the_same_file_fetch_it_once() {
    let place = Place::new();
    let listed = place.listed();
    place.hub.behave(Behaviour { pause: Some(Duration::from_micros(100)), ..Behaviour::default() });
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..4).map(|_| scope.spawn(|| fetch(&place.client(), &listed, WEIGHTS))).collect();
        for one in all {
            place.assert_whole(&one.join().expect("it does not panic").expect("it is there"));
        }
    });
    assert_eq!(place.hub.served(WEIGHTS), place.weights.len(), "it was sent more than once");
}

#[test]
fn who_stops_it_keeps_what_is_there() {
    let place = Place::new();
    let listed = place.listed();
    let mut there = 0;
    let stopped = place.client().fetch(&listed, WEIGHTS, &mut |progress| {
        if let Progress::Received(bytes) = progress {
            there += bytes;
        }
        if there > 300_000 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(stopped.expect_err("it was stopped").kind(), Kind::Stopped);
    assert_eq!(fs::metadata(place.partial()).expect("a part is there").len(), there);
    place.assert_whole(&place.fetch().expect("it goes on"));
}

#[test]
fn offline_nothing_is_asked() {
    let place = Place::new();
    let settings = Settings { offline: Some("HF_HUB_OFFLINE".into()), ..place.settings() };
    let hub = Hub::new(&settings).expect("no certificates are asked for");
    let error = hub.list(&name()).expect_err("it is offline");
    assert_eq!(error.kind(), Kind::Offline);
    assert!(error.to_string().contains("HF_HUB_OFFLINE is set"), "{error}");
    assert_eq!(hub.cached(&name()), None);
    assert!(place.hub.requests().is_empty(), "the hub was asked");
}

#[cfg(unix)]
#[test]
fn a_link_whose_file_was_removed_is_fetched_again() {
    let place = Place::new();
    let path = place.fetch().expect("it is there");
    fs::remove_file(place.blob()).expect("it was there");
    assert_eq!(place.client().cached(&name()), None, "a link that leads nowhere is no file");
    place.assert_whole(&place.fetch().expect("it is there again"));
    assert!(fs::symlink_metadata(&path).expect("it is there").is_symlink());
}

#[test]
fn a_part_that_another_program_left_is_gone_on_with() {
    let place = Place::new();
    let listed = place.listed();
    fs::create_dir_all(place.blob().parent().unwrap_or(Path::new(""))).expect("a folder can be made");
    fs::write(place.partial(), &place.weights[..123_456]).expect("it can be written");
    place.assert_whole(&fetch(&place.client(), &listed, WEIGHTS).expect("it is there"));
    assert_eq!(place.hub.served(WEIGHTS), place.weights.len() - 123_456);
}
