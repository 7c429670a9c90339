//! What the screen shows and what keys do to it: plain state, without a terminal or a network.

use std::collections::VecDeque;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::Value;

use super::query::{PAGE_SIZE_MAX, Query, Snapshot};
use super::tabs::{TABS, Tab};

/// Samples that the rates of one queue are drawn from: the width of a wide terminal.
const HISTORY_MAX: usize = 240;
/// No name is longer (0-9-1, 4.2.5.3).
const FILTER_MAX_BYTES: usize = 255;

/// Everything there is to show.
#[derive(Debug)]
pub(super) struct App {
    pub(super) tab: Tab,
    pub(super) vhost: Option<String>,
    pub(super) filter: String,
    /// The filter is being typed.
    pub(super) is_typing: bool,
    pub(super) is_paused: bool,
    pub(super) is_help: bool,
    /// The column of each tab to sort by, and whether the largest comes first.
    sorts: [(usize, bool); TABS.len()],
    pub(super) page: usize,
    pub(super) page_size: usize,
    pub(super) selected: usize,
    pub(super) detail: Option<(String, String)>,
    /// In and out of that queue, oldest first.
    pub(super) rates: VecDeque<(f64, f64)>,
    pub(super) shown: Option<Snapshot>,
    /// Why the newest picture is missing.
    pub(super) trouble: Option<String>,
}

/// What a key asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// The same, drawn anew.
    Draw,
    /// Another question to the broker.
    Ask,
    Quit,
}

impl App {
    pub(super) fn new(tab: Tab, vhost: Option<String>) -> Self {
        // The third column is the first number of most lists: the fullest queue stands on top.
        let sorts = TABS.map(|tab| match tab {
            Tab::Queues | Tab::Channels => (2, true),
            Tab::Connections | Tab::Exchanges => (0, false),
        });
        Self {
            tab,
            vhost,
            filter: String::new(),
            is_typing: false,
            is_paused: false,
            is_help: false,
            sorts,
            page: 1,
            page_size: 1,
            selected: 0,
            detail: None,
            rates: VecDeque::new(),
            shown: None,
            trouble: None,
        }
    }

    /// The column that is sorted by, and whether the largest comes first.
    pub(super) fn sort(&self) -> (usize, bool) {
        self.sorts.get(self.tab as usize).copied().unwrap_or_default()
    }

    /// Sorts by the column with this name; `false` if the list has none.
    pub(super) fn sort_by(&mut self, name: &str, reverse: bool) -> bool {
        let at = self.tab.columns().iter().position(|shown| shown.column.name == name);
        let Some(at) = at else { return false };
        self.set_sort((at, reverse));
        true
    }

    /// What to ask for.
    pub(super) fn query(&self) -> Query {
        let (column, reverse) = self.sort();
        let columns = self.tab.columns();
        let column = columns.get(column).map_or("name", |shown| &shown.column.path);
        Query {
            tab: self.tab,
            vhost: self.vhost.clone(),
            filter: self.filter.clone(),
            sort: column,
            reverse,
            page: self.page,
            page_size: self.page_size,
            columns: Some(columns.iter().map(|shown| shown.column.path.to_string()).collect()),
            detail: self.detail.clone(),
        }
    }

    /// Takes an answer; one to an older question only fills in what is missing.
    pub(super) fn take(&mut self, answer: Result<Snapshot, String>) {
        let snapshot = match answer {
            Ok(snapshot) => snapshot,
            Err(trouble) => {
                // A page that is gone is asked for again from the front.
                self.page = 1;
                self.trouble = Some(trouble);
                return;
            }
        };
        if snapshot.query.tab != self.tab || snapshot.query.detail != self.detail {
            return;
        }
        if let Some(detail) = &snapshot.detail {
            let rate = |path| Snapshot::number(&detail.queue, path);
            let sample = (
                rate("message_stats.publish_details.rate"),
                rate("message_stats.deliver_get_details.rate"),
            );
            if self.rates.len() == HISTORY_MAX {
                self.rates.pop_front();
            }
            self.rates.push_back(sample);
        }
        self.trouble = None;
        self.page = self.page.min(snapshot.pages);
        self.selected = self.selected.min(snapshot.rows.len().saturating_sub(1));
        self.shown = Some(snapshot);
    }

    /// As many rows as there is room for; `true` if that means another question.
    pub(super) fn resize(&mut self, rows: usize) -> bool {
        let rows = rows.clamp(1, PAGE_SIZE_MAX);
        if rows == self.page_size {
            return false;
        }
        // What was on top stays on the screen.
        let before = (self.page - 1) * self.page_size;
        (self.page_size, self.page) = (rows, before / rows + 1);
        true
    }

    /// What a key does.
    pub(super) fn key(&mut self, key: KeyEvent) -> Step {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => Step::Quit,
                KeyCode::Char('l') => Step::Ask,
                _ => Step::Draw,
            };
        }
        if self.is_typing {
            return self.typed(key.code);
        }
        if self.is_help {
            self.is_help = false;
            return if key.code == KeyCode::Char('q') { Step::Quit } else { Step::Draw };
        }
        match key.code {
            KeyCode::Char('q') => Step::Quit,
            KeyCode::Esc => self.back(),
            KeyCode::Char('?' | 'h') => {
                self.is_help = true;
                Step::Draw
            }
            KeyCode::Char('p' | ' ') => {
                self.is_paused = !self.is_paused;
                if self.is_paused { Step::Draw } else { Step::Ask }
            }
            _ if self.detail.is_some() => Step::Draw,
            KeyCode::Char('/') => {
                self.is_typing = true;
                Step::Draw
            }
            KeyCode::Enter => self.open(),
            code => self.moved(code),
        }
    }

    fn typed(&mut self, code: KeyCode) -> Step {
        match code {
            KeyCode::Enter => self.is_typing = false,
            KeyCode::Esc => {
                self.is_typing = false;
                self.filter.clear();
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(c) if self.filter.len() + c.len_utf8() <= FILTER_MAX_BYTES => {
                self.filter.push(c);
            }
            _ => return Step::Draw,
        }
        self.top();
        Step::Ask
    }

    /// Leaves the innermost of what is open.
    fn back(&mut self) -> Step {
        if self.detail.take().is_some() {
            self.rates.clear();
            return Step::Ask;
        }
        if self.filter.is_empty() {
            return Step::Quit;
        }
        self.filter.clear();
        self.top();
        Step::Ask
    }

    fn open(&mut self) -> Step {
        let row = self.shown.as_ref().and_then(|shown| shown.rows.get(self.selected));
        let text = |row: &Value, name| row.get(name).and_then(Value::as_str).map(str::to_owned);
        let queue = row.and_then(|row| Some((text(row, "vhost")?, text(row, "name")?)));
        if self.tab != Tab::Queues || queue.is_none() {
            return Step::Draw;
        }
        self.detail = queue;
        self.rates.clear();
        Step::Ask
    }

    fn moved(&mut self, code: KeyCode) -> Step {
        let rows = self.shown.as_ref().map_or(0, |shown| shown.rows.len());
        let pages = self.shown.as_ref().map_or(1, |shown| shown.pages);
        match code {
            KeyCode::Tab | KeyCode::Right => self.go_to(self.tab as usize + 1),
            KeyCode::BackTab | KeyCode::Left => self.go_to(self.tab as usize + TABS.len() - 1),
            KeyCode::Char(digit @ '1'..='4') => self.go_to(digit as usize - '1' as usize),
            KeyCode::Char('s' | '>') => self.sort_further(1),
            KeyCode::Char('S' | '<') => self.sort_further(self.tab.columns().len() - 1),
            KeyCode::Char('r') => {
                let (column, reverse) = self.sort();
                self.set_sort((column, !reverse));
                Step::Ask
            }
            KeyCode::Down | KeyCode::Char('j') if self.selected + 1 < rows => {
                self.selected += 1;
                Step::Draw
            }
            KeyCode::Up | KeyCode::Char('k') if self.selected > 0 => {
                self.selected -= 1;
                Step::Draw
            }
            KeyCode::Down | KeyCode::Char('j') | KeyCode::PageDown if self.page < pages => {
                (self.page, self.selected) = (self.page + 1, 0);
                Step::Ask
            }
            KeyCode::Up | KeyCode::Char('k') | KeyCode::PageUp if self.page > 1 => {
                (self.page, self.selected) = (self.page - 1, 0);
                Step::Ask
            }
            KeyCode::Home | KeyCode::Char('g') => {
                self.top();
                Step::Ask
            }
            KeyCode::End | KeyCode::Char('G') => {
                (self.page, self.selected) = (pages, 0);
                Step::Ask
            }
            _ => Step::Draw,
        }
    }

    fn go_to(&mut self, tab: usize) -> Step {
        let tab = TABS.get(tab % TABS.len()).copied().unwrap_or_default();
        if tab == self.tab {
            return Step::Draw;
        }
        self.tab = tab;
        self.shown = None;
        // What was looked for is no name of these.
        self.filter.clear();
        self.top();
        Step::Ask
    }

    fn sort_further(&mut self, by: usize) -> Step {
        let columns = self.tab.columns();
        let at = (self.sort().0 + by) % columns.len();
        // Names from the first one on, numbers from the largest.
        let is_number = columns.get(at).is_some_and(|shown| shown.column.is_right());
        self.set_sort((at, is_number));
        Step::Ask
    }

    fn set_sort(&mut self, sort: (usize, bool)) {
        if let Some(of_tab) = self.sorts.get_mut(self.tab as usize) {
            *of_tab = sort;
        }
        self.top();
    }

    fn top(&mut self) {
        (self.page, self.selected) = (1, 0);
    }
}
