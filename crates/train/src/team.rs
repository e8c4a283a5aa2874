//! A run made by several workers, each with a model of its own: they go through different shards of every batch, add up what
//! they found, and make the same step of it.
//!
//! Every member runs the same [`crate::Session`] from the same start, so that nothing but sums has to be told: one leads, says
//! when a step begins and which settings were changed, and adds up in the order of the shards. What a member was to compute
//! is computed by the leader from the moment that the member is gone, or says what cannot be; the sums are then the same.

use crate::TrainError;
use crate::shard;
use std::collections::BTreeMap;
use std::pin::Pin;

/// What members of a team say to each other.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// The leader goes on, with knobs as they were changed since it last did: names and values.
    Turn(Vec<(String, String)>),
    /// What a member found of its shards.
    Parts {
        /// Of which exchange, from 0.
        exchange: u64,
        /// A number that follows from the model, where members make sure that theirs are the same; else 0.
        state: u64,
        /// Index and values of each shard.
        parts: Vec<(usize, Vec<f32>)>,
    },
    /// The sums over all shards.
    Sums {
        /// Of which exchange, from 0.
        exchange: u64,
        /// The values.
        sums: Vec<f32>,
    },
}

/// A note on its way; `None` when the other is gone.
pub type Receiving<'a> = Pin<Box<dyn Future<Output = Option<Note>> + 'a>>;

/// The way to another member.
pub trait Link {
    /// Sends a note. That the other is gone is told by [`Self::receive`].
    fn send(&mut self, note: Note);

    /// The next note of the other.
    fn receive(&mut self) -> Receiving<'_>;
}

/// What a session is in a team.
pub enum Team {
    /// It leads.
    Leader(Leader),
    /// It follows.
    Member(Member),
}

/// The member that leads.
pub struct Leader {
    members: Vec<Led>,
    /// Shards in a batch.
    shards: usize,
    exchange: u64,
    /// What was found of shards in the present exchange.
    gathered: BTreeMap<usize, Vec<f32>>,
    changes: Vec<(String, String)>,
}

struct Led {
    shards: Vec<usize>,
    link: Box<dyn Link>,
}

/// A member that follows.
pub struct Member {
    leader: Box<dyn Link>,
    exchange: u64,
}

/// What an exchange gives.
pub(crate) enum Exchanged {
    /// The sums over all shards.
    Sums(Vec<f32>),
    /// These shards are to be computed here too, from now on, and handed in with the others.
    Missing(Vec<usize>),
}

impl Team {
    /// The leader of members who compute these shards of a batch of `shards`; the leader computes the others.
    pub fn leader(shards: usize, members: Vec<(Vec<usize>, Box<dyn Link>)>) -> Self {
        let members = members.into_iter().map(|(shards, link)| Led { shards, link }).collect();
        Self::Leader(Leader { members, shards, exchange: 0, gathered: BTreeMap::new(), changes: Vec::new() })
    }

    /// A member with the way to its leader.
    pub fn member(leader: Box<dyn Link>) -> Self {
        Self::Member(Member { leader, exchange: 0 })
    }

    /// The leader: the others go on. A member: waits until they do; the knobs that are to be changed, `None` when the run is
    /// over for it.
    pub(crate) async fn turn(&mut self) -> Option<Vec<(String, String)>> {
        match self {
            Self::Leader(leader) => {
                let changes = std::mem::take(&mut leader.changes);
                leader.members.iter_mut().for_each(|member| member.link.send(Note::Turn(changes.clone())));
                Some(Vec::new())
            }
            Self::Member(member) => match member.leader.receive().await {
                Some(Note::Turn(changes)) => Some(changes),
                Some(Note::Parts { .. } | Note::Sums { .. }) | None => None,
            },
        }
    }

    /// The others change a knob before they go on.
    pub(crate) fn tell(&mut self, knob: &str, value: &str) {
        if let Self::Leader(leader) = self {
            leader.changes.push((knob.to_owned(), value.to_owned()));
        }
    }

    /// Adds up `parts`, index and values of each shard that was computed here, and those of the others whose `state` is the
    /// same.
    ///
    /// # Errors
    /// A leader that is gone.
    pub(crate) async fn add_up(&mut self, parts: Vec<(usize, Vec<f32>)>, state: u64) -> Result<Exchanged, TrainError> {
        match self {
            Self::Leader(leader) => Ok(leader.add_up(parts, state).await),
            Self::Member(member) => member.add_up(parts, state).await.map(Exchanged::Sums),
        }
    }
}

impl Leader {
    async fn add_up(&mut self, parts: Vec<(usize, Vec<f32>)>, own: u64) -> Exchanged {
        let length = parts.first().map(|(_, values)| values.len());
        self.gathered.extend(parts);
        let mut missing = Vec::new();
        let mut left = Vec::new();
        for mut member in std::mem::take(&mut self.members) {
            if member.shards.iter().all(|shard| self.gathered.contains_key(shard)) {
                left.push(member);
                continue;
            }
            // A member that says something else is no longer where the others are: it is left behind.
            let fits = |parts: &[(usize, Vec<f32>)]| {
                parts.iter().map(|(shard, _)| shard).eq(&member.shards)
                    && parts.iter().all(|(_, values)| length.is_none_or(|length| values.len() == length))
            };
            match member.link.receive().await {
                Some(Note::Parts { exchange, state, parts })
                    if (exchange, state) == (self.exchange, own) && fits(&parts) =>
                {
                    self.gathered.extend(parts);
                    left.push(member);
                }
                _ => missing.extend(member.shards),
            }
        }
        self.members = left;
        if !missing.is_empty() {
            return Exchanged::Missing(missing);
        }
        debug_assert_eq!(self.gathered.len(), self.shards);
        let sums = shard::sum(std::mem::take(&mut self.gathered).into_values());
        for member in &mut self.members {
            member.link.send(Note::Sums { exchange: self.exchange, sums: sums.clone() });
        }
        self.exchange += 1;
        Exchanged::Sums(sums)
    }
}

impl Member {
    async fn add_up(&mut self, parts: Vec<(usize, Vec<f32>)>, state: u64) -> Result<Vec<f32>, TrainError> {
        self.leader.send(Note::Parts { exchange: self.exchange, state, parts });
        match self.leader.receive().await {
            Some(Note::Sums { exchange, sums }) if exchange == self.exchange => {
                self.exchange += 1;
                Ok(sums)
            }
            _ => {
                let what = "the worker that leads the run is gone";
                Err(TrainError::unfit("shards", what, "go on from the last save"))
            }
        }
    }
}
