//! Decoders write: a token of every author in turn, and between two turns the worker hears commands.

use crate::error::WorkerError;
use crate::predictions::LoadedModel;
use crate::worker::Worker;
use crate::{clock, model_files, port};
use apt_bridge::Message;
use apt_bridge::writing::{Author, Task, WritingEnd, Written};
use apt_data::{Encoded, Stream, Tokenizer, collate, generator};
use apt_nn::checkpoint::read_back;
use apt_nn::generation::{Decoder, Sampler, Sampling};
use apt_nn::{ModelConfig, Transformer};
use burn::tensor::{Device, Tensor};

/// What is being written.
pub(crate) struct Writing {
    authors: Vec<Pen>,
    /// The first that has not come to its turn.
    turn: usize,
}

/// One author.
struct Pen {
    decoder: Decoder,
    tokenizer: Tokenizer,
    sampler: Sampler,
    /// The prompt, and what was written.
    ids: Vec<u32>,
    /// Tokens that end a text.
    ends: Vec<u32>,
    /// The longest text that the model takes.
    positions: usize,
    /// Tokens that are still to be written.
    left: usize,
    /// What has been told to the page last.
    told: Written,
}

impl Worker {
    /// Begins to write, in place of what is being written.
    ///
    /// # Errors
    /// A run that left no model, or one that does not write; a prompt that it cannot read.
    pub(crate) async fn write(&mut self, task: Task) -> Result<(), WorkerError> {
        self.stop_writing();
        let device = self.device();
        let runs: Vec<String> = task
            .authors
            .iter()
            .filter_map(|of| if let Author::Run(run) = of { Some(run.clone()) } else { None })
            .collect();
        self.asked.keep(&runs);
        let mut authors = Vec::new();
        for author in &task.authors {
            let (model, tokenizer) = self.author(author, &device).await?;
            authors.push(Pen::new(authors.len(), &model, tokenizer, &task)?);
        }
        self.writing = Some(Writing { authors, turn: 0 });
        Ok(())
    }

    async fn author(&mut self, author: &Author, device: &Device) -> Result<(Transformer, Tokenizer), WorkerError> {
        let Self { run, store, asked, .. } = self;
        let store = store.as_deref();
        match author {
            Author::Run(name) => {
                let LoadedModel { model, tokenizer, .. } = asked.loaded(name, run.as_ref(), store, device).await?;
                Ok((model.clone(), tokenizer.clone()))
            }
            Author::Model(name) => {
                let files = model_files::model(name, store).await?;
                Ok((files.source.model(device)?, files.tokenizer))
            }
        }
    }

    /// One token of the author whose turn it is.
    pub(crate) async fn write_on(&mut self) {
        let Some(writing) = &mut self.writing else { return };
        let result = writing.go_on().await;
        let over = writing.authors.iter().all(|author| author.told.ended.is_some());
        let is_ok = match &self.run {
            Some(run) => run.is_gpu_ok().await,
            None => true,
        };
        let recovered = self.check_gpu(result.as_ref().err()).await;
        match result {
            Ok(Some(told)) if is_ok => {
                port::post(&Message::Written(told));
                if over {
                    self.writing = None;
                }
            }
            Ok(_) => self.stop_writing(),
            Err(error) => {
                self.stop_writing();
                if !recovered {
                    port::post(&Message::Fault(error.fault(None)));
                }
            }
        }
    }

    /// Ends what is being written, if anything is, and says so.
    pub(crate) fn stop_writing(&mut self) {
        let Some(writing) = self.writing.take() else { return };
        for Pen { told, .. } in writing.authors.into_iter().filter(|author| author.told.ended.is_none()) {
            let ended = Some(WritingEnd::Stopped);
            port::post(&Message::Written(Written { text: String::new(), ended, ..told }));
        }
    }
}

impl Writing {
    /// A token of the next author that has not ended; `None` if all have.
    async fn go_on(&mut self) -> Result<Option<Written>, WorkerError> {
        let all = self.authors.len();
        let writes = |at: &usize| self.authors[*at].told.ended.is_none();
        let Some(next) = (self.turn..self.turn + all).map(|at| at % all).find(writes) else { return Ok(None) };
        self.turn = next + 1;
        self.authors[next].write().await.map(Some)
    }
}

impl Pen {
    fn new(author: usize, model: &Transformer, tokenizer: Tokenizer, task: &Task) -> Result<Self, WorkerError> {
        let decoder = Decoder::new(model)?;
        let config = &model.config;
        let ends = ends(config, &tokenizer);
        let mut ids: Vec<u32> = beginning(config, &tokenizer, &ends).into_iter().collect();
        ids.extend(tokenizer.pieces(&task.prompt)?.ids);
        if ids.is_empty() {
            // As behind the end of another text.
            ids.extend(ends.first());
        }
        let positions = config.max_length();
        if ids.len() >= positions {
            let what = format!("it has {} tokens, and the model takes {positions} with what it writes", ids.len());
            return Err(WorkerError::new("the prompt", what, "shorten it"));
        }
        let sampling = Sampling { temperature: task.temperature, ..Sampling::GREEDY };
        let sampler = Sampler::new(sampling, generator(task.seed, Stream::Writing, 0));
        let parameters = config.shape().parameters() as u64;
        let told = Written { author, text: String::new(), tokens: 0, milliseconds: 0.0, parameters, ended: None };
        Ok(Self { decoder, tokenizer, sampler, ids, ends, positions, left: task.length.max(1), told })
    }

    /// Writes a token.
    async fn write(&mut self) -> Result<Written, WorkerError> {
        let began = clock::now();
        let is_first = self.told.tokens == 0;
        let logits = if is_first { self.read()? } else { self.step()? };
        let id = self.sampler.choose(&read_back(logits, "logits").await?)? as u32;
        self.told.text.clear();
        self.told.tokens += 1;
        self.left -= 1;
        if !is_first {
            self.told.milliseconds += clock::now() - began;
        }
        if self.ends.contains(&id) {
            self.told.ended = Some(WritingEnd::Text);
            return Ok(self.told.clone());
        }
        self.told.text = self.tokenizer.text_decoder(&self.ids).push(id)?;
        self.ids.push(id);
        self.told.ended = match (self.left, self.ids.len() < self.positions) {
            (0, _) => Some(WritingEnd::Length),
            (_, false) => Some(WritingEnd::Positions),
            (_, true) => None,
        };
        Ok(self.told.clone())
    }

    /// Reads the prompt.
    fn read(&mut self) -> Result<Tensor<2>, WorkerError> {
        let prompt = Encoded { type_ids: vec![0; self.ids.len()], ids: self.ids.clone() };
        Ok(self.decoder.begin(&collate(&[&prompt], 0, 1))?)
    }

    /// Reads the token that was written last.
    fn step(&mut self) -> Result<Tensor<2>, WorkerError> {
        let last: Vec<i32> = self.ids.last().map(|&id| id as i32).into_iter().collect();
        Ok(self.decoder.step(&last)?)
    }
}

/// The tokens after which a text has ended, as the configuration and the tokenizer have them.
fn ends(config: &ModelConfig, tokenizer: &Tokenizer) -> Vec<u32> {
    let own = config.decoder.iter().flat_map(|decoder| &decoder.eos_ids).map(|&id| id as u32);
    own.chain(tokenizer.ends().eos.iter().copied()).collect()
}

/// The token before a text: the tokenizer's, or one that the configuration names and that does not also end texts.
fn beginning(config: &ModelConfig, tokenizer: &Tokenizer, ends: &[u32]) -> Option<u32> {
    let known = tokenizer.ends();
    let named = || config.decoder.as_ref()?.bos_id.map(|id| id as u32).filter(|id| !ends.contains(id));
    known.bos.filter(|_| known.adds_bos).or_else(named)
}
