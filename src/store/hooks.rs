//! What tests of the layers above make the store do: hold still, and be full.

use std::sync::atomic::Ordering;

use super::Store;
use crate::outbox::Wakes;

impl Store {
    /// Nothing is settled while this is on.
    #[doc(hidden)]
    pub fn hold(&self, on: bool) {
        self.shared.held.store(on, Ordering::Release);
        self.shared.bell.ring();
    }

    /// There is no room while this is on.
    #[doc(hidden)]
    pub fn set_full(&self, on: bool) {
        let mut wakes = Wakes::default();
        let mut inbox = self.shared.inbox.lock();
        inbox.pretend_full(on, &mut wakes);
        self.shared.look_at_room(&inbox);
    }

    /// The disk has no room while this is on.
    #[doc(hidden)]
    pub fn set_out_of_space(&self, on: bool) {
        self.shared.out_of_space.store(on, Ordering::Release);
    }

    /// How many wait for something to be settled, or for room.
    #[doc(hidden)]
    pub fn waiting(&self) -> usize {
        self.shared.inbox.lock().waiting()
    }

    /// Everything that is defined on disk now.
    #[doc(hidden)]
    pub fn defined(&self) -> Vec<String> {
        self.shared.contents.decoded().iter().map(ToString::to_string).collect()
    }
}
