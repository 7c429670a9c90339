//! What the keys do.

use ratatui::Frame;
use ratatui::layout::{Constraint, Flex, Layout};
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Paragraph};

use super::draw::Paint;

const KEYS: [(&str, &str); 12] = [
    ("tab, 1 to 4", "queues, connections, channels, exchanges"),
    ("up, down, j, k", "choose a row; on to the next page at the end"),
    ("page up, page down", "turn pages"),
    ("home, end, g, G", "first page, last page"),
    ("s, S", "sort by the next or previous column"),
    ("r", "turn the order round"),
    ("/", "only names with this in them"),
    ("enter", "look at one queue closely"),
    ("esc", "back; without a filter: quit"),
    ("p, space", "hold the picture, go on"),
    ("ctrl-l", "ask now"),
    ("q, ctrl-c", "quit"),
];
/// Of the widest line, with frame.
const WIDTH: u16 = 68;

/// Draws it over what is there.
pub(super) fn draw(frame: &mut Frame<'_>) {
    let height = KEYS.len() as u16 + 2;
    let [area] = Layout::vertical([Constraint::Max(height)]).flex(Flex::Center).areas(frame.area());
    let [area] = Layout::horizontal([Constraint::Max(WIDTH)]).flex(Flex::Center).areas(area);
    let lines = KEYS.iter().map(|(keys, what)| Line::from(format!(" {keys:<20}{what}")));
    let block = Block::bordered().title(" Keys ").title_style(Paint::bold());
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()).block(block), area);
}
