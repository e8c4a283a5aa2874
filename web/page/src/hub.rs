//! Models of the hub: what is being asked, and what is said of it before anything is fetched.

use apt_bridge::{FileSet, HubNews, HubOffer};
use apt_experiment::GalleryModel;
use apt_hub::{ModelName, PREFIX};

use crate::figures::bytes;

/// How far a model of the hub has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HubState {
    /// Nothing is asked.
    #[default]
    Idle,
    /// The hub is asked what it has.
    Asking,
    /// It has said so; the user has not.
    Offered(HubOffer),
    /// It is fetched.
    Fetching {
        /// What the user has agreed to.
        offer: HubOffer,
        /// The file that is coming.
        file: String,
        /// Bytes that are here.
        done: u64,
    },
    /// It is here, looked at and written to the browser's storage.
    Keeping(HubOffer),
}

impl HubState {
    /// Whether nothing else can be asked now.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Asking | Self::Fetching { .. } | Self::Keeping(_))
    }

    /// What is to be said of it.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Idle => String::new(),
            Self::Asking => "It is looked up …".to_owned(),
            Self::Offered(offer) => question(offer),
            Self::Fetching { offer, .. } => format!("{} is fetched from {} …", repo(offer), offer.host),
            Self::Keeping(offer) => format!("All of {} is here. It is read and kept …", repo(offer)),
        }
    }

    /// What is offered or was agreed to.
    #[must_use]
    pub fn offer(&self) -> Option<&HubOffer> {
        match self {
            Self::Idle | Self::Asking => None,
            Self::Offered(offer) | Self::Fetching { offer, .. } | Self::Keeping(offer) => Some(offer),
        }
    }

    /// After the worker's news. What was offered stays on offer when it could not be fetched whole.
    #[must_use]
    pub fn after(&self, news: &HubNews) -> Self {
        match (news, self.offer()) {
            (HubNews::Offer(offer), _) => Self::Offered(offer.clone()),
            (HubNews::Fetching { file, done }, Some(offer)) => {
                Self::Fetching { offer: offer.clone(), file: file.clone(), done: *done }
            }
            (HubNews::Fetched, Some(offer)) => Self::Keeping(offer.clone()),
            (HubNews::Ended { done }, Some(offer)) => Self::Offered(HubOffer { done: *done, ..offer.clone() }),
            (HubNews::Here { .. } | HubNews::Fetching { .. } | HubNews::Fetched | HubNews::Ended { .. }, _) => {
                Self::Idle
            }
        }
    }

    /// The fetch that the user has agreed to begins.
    pub fn begin(&mut self) {
        if let Self::Offered(offer) = self {
            let done = offer.done;
            *self = Self::Fetching { offer: offer.clone(), file: String::new(), done };
        }
    }

    /// A model of this name is kept.
    pub fn end_with(&mut self, name: &str) {
        if self.offer().is_some_and(|offer| offer.model == name) {
            *self = Self::Idle;
        }
    }

    /// It could not be kept; what was fetched is still in the worker's hands.
    pub fn give_up_keeping(&mut self) {
        if let Self::Keeping(offer) = self {
            *self = Self::Offered(HubOffer { done: offer.bytes, ..offer.clone() });
        }
    }
}

/// The model of the hub that a name of the settings or of kept files means.
#[must_use]
pub fn of_hub(name: &str) -> Option<ModelName> {
    if name.starts_with(PREFIX) { ModelName::parse(name).ok() } else { None }
}

/// The beginning of its commit, as people name one.
#[must_use]
pub fn commit(name: &ModelName) -> &str {
    let revision = name.revision();
    if name.is_commit() { revision.get(..7).unwrap_or(revision) } else { revision }
}

fn repo(offer: &HubOffer) -> String {
    of_hub(&offer.model).map_or_else(|| offer.model.clone(), |name| name.repo)
}

/// What is asked before anything is fetched.
#[must_use]
pub fn question(offer: &HubOffer) -> String {
    let HubOffer { host, files, done, room, .. } = offer;
    let (name, repo) = (of_hub(&offer.model), repo(offer));
    let commit = name.as_ref().map(commit).unwrap_or_default();
    let files = if *files == 1 { "1 file".to_owned() } else { format!("{files} files") };
    let there = if *done > 0 { format!(", of which {} are here", bytes(*done)) } else { String::new() };
    let room = match room {
        Some(room) => format!("This browser has {} left for this page", bytes(*room)),
        None => "This browser does not say how much room it has left".to_owned(),
    };
    let asked =
        if has_room(offer) { ". Fetch and keep them?" } else { ", which is too little: remove something here." };
    format!("{host} has {repo} at commit {commit}: {files}, {}{there}. {room}{asked}", bytes(offer.bytes))
}

/// Whether what is offered finds room, as far as the browser says.
#[must_use]
pub fn has_room(offer: &HubOffer) -> bool {
    offer.room.is_none_or(|room| room >= offer.bytes)
}

/// What a model of the gallery is, in a line.
#[must_use]
pub fn facts(model: &GalleryModel) -> String {
    let size = bytes(u64::from(model.megabytes) * 1_000_000);
    format!("{}, about {size}, {}. {}", model.family, model.licence, capital(model.task))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The kept files of a model of the gallery, at whatever commit.
#[must_use]
pub fn kept<'s>(model: &GalleryModel, sets: &'s [FileSet]) -> Option<&'s FileSet> {
    sets.iter().find(|set| of_hub(&set.name).is_some_and(|name| name.repo == model.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use apt_experiment::in_gallery;

    const MODEL: &str = "hf:org/tiny@0123456789abcdef0123456789abcdef01234567";

    fn offer(room: Option<u64>) -> HubOffer {
        let (model, host) = (MODEL.to_owned(), "huggingface.co".to_owned());
        HubOffer { model, host, files: 4, bytes: 441_000_000, done: 0, room }
    }

    #[test]
    fn host_bytes_and_room_are_told_before_anything_is_fetched() {
        let of = |room| question(&offer(room));
        assert_eq!(
            of(Some(9_800_000_000)),
            "huggingface.co has org/tiny at commit 0123456: 4 files, 441 MB. This browser has 9.80 GB left for this page. \
             Fetch and keep them?"
        );
        assert!(
            of(Some(1_000_000)).ends_with("1.00 MB left for this page, which is too little: remove something here.")
        );
        assert!(!has_room(&offer(Some(1_000_000))) && has_room(&offer(None)));
        assert!(question(&HubOffer { done: 40_000_000, ..offer(None) }).contains("441 MB, of which 40.0 MB are here."));
    }

    #[test]
    fn what_was_cut_off_stays_on_offer_with_what_has_come() {
        let mut state = HubState::Idle.after(&HubNews::Offer(offer(None)));
        state.begin();
        let state = state.after(&HubNews::Fetching { file: "model.safetensors".into(), done: 5 });
        assert!(state.is_busy());
        let cut = state.after(&HubNews::Ended { done: 6 });
        assert_eq!(cut, HubState::Offered(HubOffer { done: 6, ..offer(None) }));
        // Bytes that were not those of the file are not kept, and not said to be here.
        assert_eq!(state.after(&HubNews::Ended { done: 0 }), HubState::Offered(offer(None)));
        let mut keeping = state.after(&HubNews::Fetched);
        keeping.give_up_keeping();
        assert_eq!(keeping.offer().map(|offer| offer.done), Some(441_000_000));
        keeping.end_with(MODEL);
        assert_eq!(keeping, HubState::Idle);
        assert_eq!(HubState::Asking.after(&HubNews::Ended { done: 0 }), HubState::Idle);
    }

    #[test]
    fn a_model_of_the_gallery_is_found_among_what_is_kept() {
        let model = in_gallery("all-MiniLM-L6-v2").expect("it is listed");
        let set = |name: &str| FileSet { name: name.into(), files: Vec::new() };
        let there = [set("my-model-1"), set(&format!("hf:{}@main", model.name))];
        assert_eq!(kept(model, &there), Some(&there[1]));
        assert_eq!(kept(model, &there[..1]), None);
        assert_eq!(facts(model), "BERT, about 92.0 MB, Apache-2.0. Sentence embeddings, English");
    }
}
