//! Decoders write: a token of every author in turn, and between two turns the worker handles commands.

use crate::error::WorkerError;
use crate::predictions::LoadedModel;
use crate::worker::Worker;
use crate::{clock, model_files, port};
use apt_bridge::Message;
use apt_bridge::writing::{Author, Task, WritingEnd, Written};
use apt_data::Tokenizer;
use apt_nn::Transformer;
use apt_nn::generation::Sampling;
use apt_train::TextGenerator;
use burn::tensor::Device;

/// What is being written.
pub(crate) struct Writing {
    authors: Vec<Pen>,
    /// The first that has not come to its turn.
    turn: usize,
}

/// One author.
struct Pen {
    generator: TextGenerator,
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
        let sampling = Sampling { temperature: task.temperature, ..Sampling::GREEDY };
        let generator = TextGenerator::new(model, tokenizer, &task.prompt, sampling, task.seed)?;
        if generator.room() == 0 {
            let (tokens, most) = (generator.prompt().len(), model.config.max_length());
            let what = format!("it has {tokens} tokens, and the model takes {most} with what it writes");
            return Err(WorkerError::new("the prompt", what, "shorten it"));
        }
        let parameters = model.config.shape().parameters() as u64;
        let told = Written { author, text: String::new(), tokens: 0, milliseconds: 0.0, parameters, ended: None };
        Ok(Self { generator, left: task.length.max(1), told })
    }

    /// Writes a token.
    async fn write(&mut self) -> Result<Written, WorkerError> {
        let began = clock::now();
        let next = self.generator.next_token().await?;
        // The first comes of reading the prompt.
        if self.told.tokens > 0 {
            self.told.milliseconds += clock::now() - began;
        }
        self.told.tokens += 1;
        self.left -= 1;
        self.told.ended = match (&next, self.left, self.generator.room()) {
            (None, ..) => Some(WritingEnd::Text),
            (_, 0, _) => Some(WritingEnd::Length),
            (.., 0) => Some(WritingEnd::Positions),
            _ => None,
        };
        self.told.text = next.unwrap_or_default();
        if self.told.ended.is_some() {
            self.told.text.push_str(&self.generator.rest()?);
        }
        Ok(self.told.clone())
    }
}
