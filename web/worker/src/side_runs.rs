//! Runs of a study that workers beside this one make, at the same time as its own. This one says which, and writes how far
//! the study is; each of the others has a run open as a tab of its own would have it.

use crate::beside::{Beside, LOOK_MS};
use crate::clock;
use apt_bridge::team::{Order, Report};
use apt_bridge::{Command, Message, StoredRun};
use apt_experiment::CellState;

/// Milliseconds in which runs are to be saved when they are stopped.
const STOP_MS: f64 = 10_000.0;

/// The workers that make runs of a study.
#[derive(Default)]
pub(crate) struct SideRuns {
    hands: Vec<Hand>,
    started: bool,
}

/// A worker with the cell whose run it makes.
struct Hand {
    worker: Beside,
    cell: Option<usize>,
}

/// What is new of the runs of a study that are made beside.
pub(crate) enum News {
    /// The run of this cell has ended, or is left, in this state.
    Ended(usize, CellState),
    /// The worker that made the run of this cell is gone: another one is to go on with it.
    Lost(usize),
    /// The page is to have this.
    Tell(Message),
}

impl SideRuns {
    /// Starts the workers, once, for so many runs at the same time with this one's.
    pub(crate) fn start(&mut self, jobs: usize) {
        if !std::mem::replace(&mut self.started, true) {
            let workers = (1..jobs).filter_map(|_| Beside::start(|lock| Order::Serve { jobs, lock }));
            self.hands = workers.map(|worker| Hand { worker, cell: None }).collect();
        }
    }

    /// Whether runs are being made.
    pub(crate) fn is_busy(&self) -> bool {
        self.hands.iter().any(|hand| hand.cell.is_some())
    }

    /// Whether a worker waits for a run to make.
    pub(crate) fn has_idle(&self) -> bool {
        self.hands.iter().any(Hand::is_idle)
    }

    /// Has a worker that waits make the run of a cell.
    pub(crate) fn make(&mut self, cell: usize, run: StoredRun, begun: bool) {
        if let Some(hand) = self.hands.iter_mut().find(|hand| hand.is_idle()) {
            hand.worker.tell(&Command::Team(Order::Make { run: Box::new(run), begun }), &[]);
            hand.cell = Some(cell);
        }
    }

    /// Tells all who make a run.
    pub(crate) fn tell(&self, command: &Command) {
        self.hands.iter().filter(|hand| hand.cell.is_some()).for_each(|hand| hand.worker.tell(command, &[]));
    }

    /// What has happened since it was last asked; workers that are gone are let go.
    pub(crate) fn news(&mut self) -> Vec<News> {
        let mut news = Vec::new();
        self.hands.retain_mut(|hand| match hand.look(&mut news) {
            Ok(()) => true,
            Err(why) => {
                let text = format!("A worker that makes runs of the study is gone ({why}): one run less at a time.");
                news.push(News::Tell(Message::Notice { text }));
                news.extend(hand.cell.map(News::Lost));
                false
            }
        });
        news
    }

    /// Has all runs saved and closed, and ends the workers; what became of the runs.
    pub(crate) async fn stop(mut self) -> Vec<News> {
        self.tell(&Command::Stop);
        let until = clock::now() + STOP_MS;
        let mut news = Vec::new();
        loop {
            news.extend(self.news());
            if !self.is_busy() || clock::now() > until {
                return news;
            }
            clock::sleep(LOOK_MS).await;
        }
    }
}

impl Hand {
    fn is_idle(&self) -> bool {
        self.worker.is_prepared() && self.cell.is_none()
    }

    /// Reads what it has said.
    ///
    /// # Errors
    /// Why it is gone, in words.
    fn look(&mut self, news: &mut Vec<News>) -> Result<(), String> {
        if !self.worker.is_prepared() {
            return self.worker.look();
        }
        let is_gone = self.worker.is_gone();
        while let Some(message) = self.worker.said() {
            match message {
                Message::Team(Report::Ended { state }) => {
                    news.extend(self.cell.take().map(|cell| News::Ended(cell, state)));
                }
                Message::Recorded { .. } | Message::Notice { .. } => news.push(News::Tell(message)),
                // One of no run answers an order that came too late.
                Message::Fault(ref fault) if fault.run.is_some() => news.push(News::Tell(message)),
                Message::Panic { report } => return Err(report.lines().next().unwrap_or_default().to_owned()),
                _ => {}
            }
        }
        if is_gone { Err("the browser has ended it".to_owned()) } else { Ok(()) }
    }
}
