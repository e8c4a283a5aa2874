//! Models of the hub by name: what it has is asked, and fetched once the user has agreed, beside the commands that go on to
//! be handled. The page gets the files back to have them kept as dropped ones are.

use crate::error::WorkerError;
use crate::fetch::Stop;
use crate::hub_file::{Partial, Source};
use crate::{clock, fetch, port};
use apt_bridge::store::Store;
use apt_bridge::{HubNews, HubOffer, Message};
use apt_experiment::in_gallery;
use apt_hub::{Asked, Asker, ENDPOINT, Listing, ModelName, Refusal};
use apt_train::{ModelFolder, NamedFiles};
use js_sys::{Function, Promise, Reflect};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::File;

/// Milliseconds between two messages of how far it has come.
const TOLD_MS: f64 = 100.0;

/// The hub as the worker knows it.
#[derive(Clone, Default)]
pub(crate) struct Hub(Rc<Shared>);

#[derive(Default)]
struct Shared {
    offer: RefCell<Option<Rc<Offered>>>,
    /// What is there of the offer's files.
    partials: RefCell<BTreeMap<String, Partial>>,
    /// What is being asked or fetched.
    at_work: RefCell<Option<Stop>>,
    told: Cell<f64>,
}

/// What was offered last.
struct Offered {
    endpoint: String,
    /// With its commit.
    name: ModelName,
    listing: Listing,
}

impl Offered {
    fn folder(&self) -> ModelFolder {
        ModelFolder::on_hub(&self.name.repo, &self.listing.commit, self.listing.names())
    }
}

impl Hub {
    /// Asks what the hub has under a name; the path `mirror` of the page's own host is asked in its place.
    pub(crate) fn ask(&self, name: String, mirror: Option<String>) {
        let hub = self.clone();
        // A path alone, so that nobody can make the page ask another host.
        let own = mirror.filter(|path| path.starts_with('/')).map(|path| port::scope().location().origin() + &path);
        let endpoint = own.unwrap_or_else(|| ENDPOINT.to_owned());
        self.work(move |stop| async move {
            let news = hub.answer(&name, endpoint, &stop).await?;
            port::post(&Message::Hub(news));
            Ok(())
        });
    }

    /// Fetches what was offered last.
    pub(crate) fn fetch(&self) {
        let hub = self.clone();
        self.work(move |stop| async move {
            let files = hub.files(&stop).await?.into_iter().map(JsValue::from).collect::<Vec<_>>();
            port::post_with(&Message::Hub(HubNews::Fetched), &files);
            Ok(())
        });
    }

    /// Stops asking or fetching.
    pub(crate) fn stop(&self) {
        if let Some(stop) = self.0.at_work.borrow_mut().take() {
            stop.stop();
        }
    }

    /// What was fetched is kept under `model`, and needed here no more.
    pub(crate) fn forget(&self, model: &str) {
        let is_it = self.0.offer.borrow().as_ref().is_some_and(|offer| offer.name.to_string() == model);
        if is_it {
            self.0.offer.take();
            self.0.partials.take();
        }
    }

    /// Does something that can be stopped, in place of what is being done.
    fn work<F: Future<Output = Result<(), WorkerError>>>(&self, what: impl FnOnce(Stop) -> F + 'static) {
        self.stop();
        let hub = self.clone();
        let Ok(stop) = Stop::new() else { return };
        self.0.at_work.replace(Some(stop.clone()));
        spawn_local(async move {
            let Err(error) = what(stop.clone()).await else { return };
            if !stop.is_stopped() {
                port::post(&Message::Fault(error.fault(None)));
            }
            port::post(&Message::Hub(HubNews::Ended { done: hub.done() }));
        });
    }

    async fn answer(&self, text: &str, endpoint: String, stop: &Stop) -> Result<HubNews, WorkerError> {
        let mut name = ModelName::parse(text)?;
        if let Some(model) = in_gallery(&name.repo) {
            model.name.clone_into(&mut name.repo);
        }
        // A commit never changes: one that is here needs no question.
        if name.is_commit() && is_kept(&name).await? {
            return Ok(HubNews::Here { model: name.to_string() });
        }
        let asked = Asked { name: &name, file: None };
        let source = Source { endpoint: &endpoint, commit: "", asked, stop };
        let answer = source.request(&format!("{}?blobs=true", asked.listing(&endpoint)), 0).await?;
        if !answer.ok() {
            return Err(source.refused(&answer));
        }
        let text = match answer.text() {
            Ok(text) => JsFuture::from(text).await.ok().and_then(|text| text.as_string()),
            Err(_) => None,
        };
        let listing = text.and_then(|text| Listing::parse(text.as_bytes()));
        let listing = listing.ok_or_else(|| {
            WorkerError::new(asked.place(), format!("{endpoint} does not answer as a hub does"), "try again later")
        })?;
        if listing.is_gated {
            return Err(asked.refused(&endpoint, Refusal::GATED, Asker::Page).into());
        }
        let name = name.at(&listing.commit);
        if is_kept(&name).await? {
            return Ok(HubNews::Here { model: name.to_string() });
        }
        let offered = Offered { endpoint: endpoint.clone(), name, listing };
        let sizes = offered.sizes().ok_or_else(|| no_size(&endpoint, asked))?;
        let largest = sizes.iter().copied().max().unwrap_or_default() as f64;
        if largest > fetch::LARGEST {
            return Err(fetch::too_large(&asked.place(), largest));
        }
        let model = offered.name.to_string();
        if self.0.offer.borrow().as_ref().is_none_or(|before| before.name != offered.name) {
            self.0.partials.take();
        }
        let done = self.done();
        let host = endpoint.split_once("://").map_or(&*endpoint, |(_, host)| host).to_owned();
        self.0.offer.replace(Some(Rc::new(offered)));
        let (files, bytes) = (sizes.len(), sizes.into_iter().sum());
        Ok(HubNews::Offer(HubOffer { model, host, files, bytes, done, room: room().await }))
    }

    /// The files of the offer, those that are read.
    async fn files(&self, stop: &Stop) -> Result<Vec<File>, WorkerError> {
        let offered = self.0.offer.borrow().clone();
        let offered = offered.ok_or_else(|| {
            WorkerError::new("a model of the hub", "nothing was looked up since the engine started", "look it up again")
        })?;
        let folder = offered.folder();
        let (mut files, mut texts) = (Vec::new(), NamedFiles::new());
        for name in folder.texts() {
            let file = self.file(&offered, &name, stop).await?;
            texts.push((folder.display(&name), fetch::read(&file).await?));
            files.push(file);
        }
        // What cannot be used is refused before its weights are fetched.
        for name in folder.open(&texts)?.weights {
            files.push(self.file(&offered, &name, stop).await?);
        }
        Ok(files)
    }

    async fn file(&self, offered: &Offered, name: &str, stop: &Stop) -> Result<File, WorkerError> {
        let Offered { endpoint, name: model, listing } = offered;
        let source = Source { endpoint, commit: &listing.commit, asked: Asked { name: model, file: Some(name) }, stop };
        let partials = &self.0.partials;
        let there = partials.borrow_mut().remove(name);
        let announced = || listing.file(name).and_then(|of| Some(Partial::new(of.size?, of.etag.clone())));
        let mut partial = there.or_else(announced).ok_or_else(|| no_size(endpoint, source.asked))?;
        let others: u64 = partials.borrow().values().map(|partial| partial.done).sum();
        let completed = partial.complete(source, |done| self.tell(name, others + done)).await;
        let file = completed.and_then(|()| partial.file(source));
        // Also what has come of a file that is not whole, to go on with.
        partials.borrow_mut().insert(name.to_owned(), partial);
        file
    }

    /// Bytes of the offer's files that are here.
    fn done(&self) -> u64 {
        self.0.partials.borrow().values().map(|partial| partial.done).sum()
    }

    fn tell(&self, file: &str, done: u64) {
        let now = clock::now();
        if now - self.0.told.get() < TOLD_MS {
            return;
        }
        self.0.told.set(now);
        port::post(&Message::Hub(HubNews::Fetching { file: file.to_owned(), done }));
    }
}

impl Offered {
    /// The sizes of the files that are read, as far as names tell which.
    fn sizes(&self) -> Option<Vec<u64>> {
        let folder = self.folder();
        let names = folder.texts().into_iter().chain(folder.weights().into_iter().map(str::to_owned));
        names.map(|name| self.listing.file(&name)?.size).collect()
    }
}

fn no_size(endpoint: &str, asked: Asked<'_>) -> WorkerError {
    let what = format!("{endpoint} does not say how large this is");
    WorkerError::new(asked.place(), what, "fetch it with another program, and drop its files here")
}

/// Whether the browser has this model.
async fn is_kept(name: &ModelName) -> Result<bool, WorkerError> {
    let sets = Store::open().await?.file_sets().await?;
    Ok(sets.iter().any(|set| set.name == name.to_string()))
}

/// The bytes that the browser has left for this page. Where a page is not encrypted, browsers do not say.
async fn room() -> Option<u64> {
    // The Storage API by its names: the bindings of its three types would be more than this.
    let storage = Reflect::get(&port::scope().navigator(), &"storage".into()).ok()?;
    let estimate: Function = Reflect::get(&storage, &"estimate".into()).ok()?.dyn_into().ok()?;
    let estimate = JsFuture::from(estimate.call0(&storage).ok()?.dyn_into::<Promise>().ok()?).await.ok()?;
    let number = |name: &str| Reflect::get(&estimate, &name.into()).ok()?.as_f64();
    Some((number("quota")? - number("usage")?).max(0.0) as u64)
}
