//! What a client has made of its own connection, as the replies have confirmed it.
//!
//! Everything here is told by replies, in their order, so that a command which Redis refused has changed nothing. Where
//! that cannot be followed (something that changes the connection was queued in a transaction, a stream was asked for)
//! the state is called *murky*: the client keeps its connection until it resets or leaves, which is always safe.

use failsoft_resp::Protocol;
use failsoft_resp::pubsub::Channels;

use super::effect::{Effect, Position, Switch};

/// The state of one connection.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// The database of those who have no connection of their own.
    home: u32,
    database: Option<u32>,
    multi: bool,
    watching: bool,
    subscriptions: Subscriptions,
    tracking: bool,
    no_evict: bool,
    no_touch: bool,
    user: bool,
    murky: bool,
    /// Nothing has happened that a later client could notice: it may be given this connection.
    pristine: bool,
}

/// How many channels of each kind are subscribed to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Subscriptions {
    named: usize,
    patterns: usize,
    sharded: usize,
}

impl Subscriptions {
    /// Whether messages may come.
    pub(super) fn any(self) -> bool {
        self.named + self.patterns + self.sharded > 0
    }

    /// How many of a kind.
    pub(super) fn of(self, channels: Channels) -> usize {
        match channels {
            Channels::Named => self.named,
            Channels::Patterns => self.patterns,
            Channels::Sharded => self.sharded,
        }
    }

    /// A confirmation has said how many there are now: of channels and patterns together, or of sharded channels.
    fn note(&mut self, channels: Channels, total: usize) {
        match channels {
            Channels::Named => self.named = total.saturating_sub(self.patterns),
            Channels::Patterns => self.patterns = total.saturating_sub(self.named),
            Channels::Sharded => self.sharded = total,
        }
    }
}

impl State {
    /// A connection on which nothing has been said but what every connection begins with; `home` is its database.
    pub(super) fn new(home: u32) -> Self {
        Self {
            home,
            database: Some(home),
            multi: false,
            watching: false,
            subscriptions: Subscriptions::default(),
            tracking: false,
            no_evict: false,
            no_touch: false,
            user: false,
            murky: false,
            pristine: true,
        }
    }

    /// Whether the client needs no connection of its own any more.
    pub(super) fn is_gone(&self) -> bool {
        let held = self.multi || self.watching || self.tracking || self.no_evict || self.no_touch;
        !held && !self.user && !self.murky && !self.subscriptions.any() && self.database == Some(self.home)
    }

    /// The same, but for a transaction.
    pub(super) fn is_only_multi(&self) -> bool {
        self.multi && Self { multi: false, ..self.clone() }.is_gone()
    }

    /// Whether the connection may be given to another client.
    pub(super) fn is_pristine(&self) -> bool {
        self.pristine && self.is_gone()
    }

    /// Whether replies may be queued up in a transaction.
    pub(super) fn is_multi(&self) -> bool {
        self.multi
    }

    /// Whether the node may have something to say that was not asked for.
    pub(super) fn listens(&self) -> bool {
        self.tracking || self.subscriptions.any()
    }

    /// Whether the connection is in the database of those who have none of their own.
    pub(super) fn is_at_home(&self) -> bool {
        self.database == Some(self.home)
    }

    /// Whether it is a user's that the client has named.
    pub(super) fn is_of_user(&self) -> bool {
        self.user
    }

    /// What is subscribed to.
    pub(super) fn subscriptions(&self) -> Subscriptions {
        self.subscriptions
    }

    /// It can no longer be said what the connection's state is.
    pub(super) fn make_murky(&mut self) {
        self.murky = true;
        self.pristine = false;
    }

    /// No later client may be given this connection.
    pub(super) fn spoil(&mut self) {
        self.pristine = false;
    }

    /// A confirmation of a subscription, or of its end.
    pub(super) fn handle_confirmation(&mut self, channels: Channels, total: usize) {
        self.pristine = false;
        self.subscriptions.note(channels, total);
    }

    /// A command with `effect` was carried out.
    pub(super) fn handle_done(&mut self, effect: &Effect) {
        match effect {
            Effect::None => {}
            Effect::Multi => self.multi = true,
            Effect::EndOfTransaction => (self.multi, self.watching) = (false, false),
            Effect::Watch => self.watching = true,
            Effect::Unwatch => self.watching = false,
            Effect::Select(database) => self.set_database(*database),
            Effect::Hello { protocol, user, .. } => self.handle_hello(*protocol, *user),
            Effect::User => self.handle_hello(None, true),
            Effect::Name(_) => {}
            Effect::Switch(switch, position) => self.set(*switch, *position),
        }
    }

    /// A command with `effect` was queued; it will be carried out by EXEC, or not.
    pub(super) fn handle_queued(&mut self, effect: &Effect) {
        match effect {
            Effect::None | Effect::Multi | Effect::EndOfTransaction | Effect::Watch | Effect::Unwatch => {}
            Effect::Select(_) | Effect::Hello { .. } | Effect::User | Effect::Name(_) | Effect::Switch(..) => {
                self.make_murky();
            }
        }
    }

    fn set_database(&mut self, database: Option<u32>) {
        self.database = database;
        self.pristine = false;
    }

    fn handle_hello(&mut self, protocol: Option<Protocol>, user: bool) {
        self.user |= user;
        self.pristine &= !user && protocol.is_none();
    }

    fn set(&mut self, switch: Switch, position: Position) {
        let is_on = position == Position::On;
        self.pristine = false;
        match switch {
            Switch::Tracking => self.tracking = is_on,
            Switch::NoEvict => self.no_evict = is_on,
            Switch::NoTouch => self.no_touch = is_on,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(effects: &[Effect]) -> State {
        let mut state = State::new(0);
        effects.iter().for_each(|effect| state.handle_done(effect));
        state
    }

    #[test]
    fn a_transaction_leaves_nothing_behind() {
        assert!(!after(&[Effect::Watch]).is_gone());
        assert!(!after(&[Effect::Watch, Effect::Multi]).is_gone());
        assert!(after(&[Effect::Watch, Effect::Multi, Effect::EndOfTransaction]).is_pristine());
        assert!(after(&[Effect::Watch, Effect::Unwatch]).is_pristine());
    }

    #[test]
    fn another_database_is_a_state_until_the_way_back() {
        assert!(!after(&[Effect::Select(Some(3))]).is_gone());
        let back = after(&[Effect::Select(Some(3)), Effect::Select(Some(0))]);
        assert!(back.is_gone() && !back.is_pristine());
        assert!(!after(&[Effect::Select(None)]).is_gone());
    }

    #[test]
    fn what_is_switched_on_is_a_state_until_it_is_switched_off() {
        for switch in [Switch::Tracking, Switch::NoEvict, Switch::NoTouch] {
            let on = Effect::Switch(switch, Position::On);
            assert!(!after(std::slice::from_ref(&on)).is_gone());
            let off = after(&[on, Effect::Switch(switch, Position::Off)]);
            assert!(off.is_gone() && !off.is_pristine());
        }
    }

    #[test]
    fn a_user_stays() {
        assert!(!after(&[Effect::User, Effect::EndOfTransaction]).is_gone());
    }

    #[test]
    fn subscriptions_are_counted_by_kind() {
        let mut state = State::new(0);
        state.handle_confirmation(Channels::Named, 1);
        state.handle_confirmation(Channels::Patterns, 2);
        state.handle_confirmation(Channels::Sharded, 1);
        assert_eq!(state.subscriptions(), Subscriptions { named: 1, patterns: 1, sharded: 1 });
        state.handle_confirmation(Channels::Named, 1);
        state.handle_confirmation(Channels::Patterns, 0);
        assert!(!state.is_gone());
        state.handle_confirmation(Channels::Sharded, 0);
        assert!(state.is_gone() && !state.is_pristine());
    }

    #[test]
    fn what_is_queued_and_would_change_the_connection_cannot_be_followed() {
        let mut state = after(&[Effect::Multi]);
        state.handle_queued(&Effect::Select(Some(1)));
        state.handle_done(&Effect::EndOfTransaction);
        assert!(!state.is_gone());
    }
}
