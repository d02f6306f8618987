//! Whose message is it? The key comes from the body, unless our own attributes say so and the body agrees.

use super::Delivery;
use super::folder::Folder;
use crate::ids::CallKey;
use crate::trigger::Tracking;
use crate::trigger::{TriggerCall, Unusable, call_key};

/// The call that a delivery belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) key: CallKey,
    /// As our attribute says, or as the folder told.
    pub(super) attempt: Option<u32>,
    pub(super) mark: Mark,
}

/// What our attributes on a message are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// There are none, or the body contradicts them.
    None,
    /// The body has no id of its own: they count if the folder is absent or holds this very body.
    IfFolderAgrees,
    /// They count: this delivery continues the call.
    Counts,
}

impl Identity {
    pub(super) fn of(delivery: &Delivery, read: &Result<TriggerCall, Box<Unusable>>) -> Self {
        let tracking = tracking_of(read);
        let own = Self { key: call_key(tracking, &delivery.message_id), attempt: None, mark: Mark::None };
        let Some(key) = delivery.call_key.as_deref().and_then(|key| key.parse::<CallKey>().ok()) else {
            return own;
        };
        let is_key_alone = delivery.body.trim_ascii() == key.as_str().as_bytes();
        let has_id = tracking.id.as_deref().is_some_and(|id| !id.is_empty());
        let mark = match (is_key_alone, has_id) {
            (true, _) => Mark::Counts,
            (false, true) if key == own.key => Mark::Counts,
            (false, true) => return own,
            (false, false) => Mark::IfFolderAgrees,
        };
        let attempt = delivery.attempt.as_deref().and_then(|number| number.parse().ok());
        Self { key, attempt: attempt.filter(|number| *number >= 1), mark }
    }

    /// There may be a folder for this: otherwise nothing needs to be looked up to refuse a message.
    pub(super) fn may_have_a_folder(&self, read: &Result<TriggerCall, Box<Unusable>>) -> bool {
        let has_id = tracking_of(read).id.as_deref().is_some_and(|id| !id.is_empty());
        read.is_ok() || has_id || self.mark != Mark::None
    }

    /// The folder speaks: `false` if our attributes turn out to count for nothing, and this is now the
    /// body's own identity, whose folder is another one.
    pub(super) fn settle(&mut self, folder: &Folder, delivery: &Delivery) -> bool {
        // What made the call carries its first attempt at every delivery, whatever mark a stranger put on it.
        if folder.message.as_ref().is_some_and(|stored| stored.message_id == delivery.message_id) {
            self.attempt = Some(1);
        }
        if self.mark != Mark::IfFolderAgrees {
            return true;
        }
        if folder.message.as_ref().is_none_or(|stored| stored.body == delivery.body) {
            self.mark = Mark::Counts;
            return true;
        }
        // Only bodies without an id come here.
        *self =
            Self { key: CallKey::from_sqs_message(&delivery.message_id), attempt: None, mark: Mark::None };
        false
    }
}

fn tracking_of(read: &Result<TriggerCall, Box<Unusable>>) -> &Tracking {
    match read {
        Ok(trigger) => &trigger.tracking,
        Err(unusable) => &unusable.tracking,
    }
}
