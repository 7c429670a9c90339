//! Asks in a thread of its own, so that keys work while a broker takes its time.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::Scope;

use super::query::{Query, Snapshot};
use crate::cli::client::Client;

/// Somebody who asks.
pub(super) struct Fetcher {
    queries: SyncSender<Query>,
    answers: Receiver<Result<Snapshot, String>>,
    /// Put while another question was under way.
    waiting: Option<Query>,
    is_asking: bool,
}

impl Fetcher {
    /// Starts the thread. It ends when the fetcher is dropped and the last answer has come.
    pub(super) fn start<'scope>(scope: &'scope Scope<'scope, '_>, client: &'scope Client) -> Self {
        let (queries, to_ask) = sync_channel::<Query>(1);
        let (to_give, answers) = sync_channel(1);
        scope.spawn(move || {
            while let Ok(query) = to_ask.recv() {
                let answer = query.ask(client).map_err(|failure| failure.to_string());
                if to_give.send(answer).is_err() {
                    return;
                }
            }
        });
        Self { queries, answers, waiting: None, is_asking: false }
    }

    /// Puts a question. Of those that come while one is under way only the last is asked.
    pub(super) fn ask(&mut self, query: Query) {
        if self.is_asking {
            self.waiting = Some(query);
            return;
        }
        match self.queries.try_send(query) {
            Ok(()) => self.is_asking = true,
            Err(TrySendError::Full(query) | TrySendError::Disconnected(query)) => {
                self.waiting = Some(query);
            }
        }
    }

    /// Whether an answer is outstanding.
    pub(super) fn is_asking(&self) -> bool {
        self.is_asking
    }

    /// An answer that has come.
    pub(super) fn answer(&mut self) -> Option<Result<Snapshot, String>> {
        let answer = match self.answers.try_recv() {
            Ok(answer) => answer,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => return Some(Err("nobody asks any more".to_owned())),
        };
        self.is_asking = false;
        if let Some(query) = self.waiting.take() {
            self.ask(query);
        }
        Some(answer)
    }
}
