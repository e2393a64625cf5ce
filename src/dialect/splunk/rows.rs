//! The rows of each collection: walked in the order that the state keeps them, made into entries one by one, so that a
//! list of a million slaves never stands in memory whole.

use std::ops::Bound;
use std::sync::Arc;

use super::content;
use super::routes::{Arg, Collection, Kind};
use super::value::{Acl, Content, Entry, Fields, encoded};
use crate::access::Caller;
use crate::domain::license::License;
use crate::domain::name::{Map, Name};
use crate::domain::placement;
use crate::domain::pool::{self, Pool};
use crate::domain::slave::Slave;
use crate::domain::stack::Stack;
use crate::domain::state::State;
use crate::domain::user::Right;
use crate::projection::groups::{self, GroupView};
use crate::projection::messages::{self, MessageView};
use crate::projection::slaves;

/// One row, not looked into yet.
#[derive(Debug, Clone)]
pub(super) enum Row<'a> {
    /// A group.
    Group(GroupView),
    /// A license.
    License(&'a Arc<License>),
    /// An instance's own view of its license; `None` is the license master's.
    Local(Option<&'a Arc<Slave>>),
    /// A message.
    Message(Box<MessageView>),
    /// A pool.
    Pool(&'a Pool),
    /// A slave; `None` is the license master itself, which lists itself (dialect note, 4).
    Slave(Option<&'a Arc<Slave>>),
    /// A stack.
    Stack(&'a Stack),
    /// Today's total.
    Usage,
    /// The server itself.
    Server,
}

/// What entries are made with: one state, and who asks.
pub(super) struct Desk<'a> {
    /// The state.
    pub(super) state: &'a State,
    /// The collection.
    pub(super) collection: &'static Collection,
    /// Sums of the sized pools by stack.
    pub(super) sized: Map<Name, u64>,
    /// The active group's stacks.
    pub(super) active: Vec<Name>,
    /// The license master's id as a slave of its own.
    pub(super) master: Name,
    /// The one slave that the caller is bound to.
    bound: Option<&'a Arc<Slave>>,
    acl: Acl,
}

impl<'a> Desk<'a> {
    /// A desk for one answer.
    pub(super) fn new(state: &'a State, collection: &'static Collection, caller: &Caller) -> Desk<'a> {
        let write = collection.write_right();
        let having = |right: Right| -> Vec<Name> {
            let roles = state.roles.iter().filter(|(_, role)| role.rights.contains(&right));
            roles.map(|(name, _)| name.clone()).collect()
        };
        let acl = Acl {
            owner: if collection.namespaced { "nobody" } else { "system" },
            app: if collection.namespaced { "system" } else { "" },
            can_write: write.is_some_and(|right| caller.may(right)),
            read: having(Right::View),
            write: write.map(having).unwrap_or_default(),
        };
        Desk {
            state,
            collection,
            sized: pool::sized_sums(state),
            active: placement::active_stacks(state),
            master: slaves::master_id(state),
            bound: caller.slave.as_ref().and_then(|slave| state.slaves.get(slave)),
            acl,
        }
    }

    /// How many rows there are at most, without walking them.
    pub(super) fn size(&self) -> usize {
        let state = self.state;
        match self.collection.kind {
            Kind::Groups | Kind::LocalSlave | Kind::Usage | Kind::ServerInfo => 6,
            Kind::Licenses => state.licenses.len(),
            Kind::Messages => {
                let closed = state.pool_pasts.len().saturating_mul(messages::MESSAGE_DAYS as usize);
                closed + 3 * state.pools.len() + state.stacks.len() + state.licenses.len() + state.orphans.len()
            }
            Kind::Pools => state.pools.len(),
            Kind::Slaves => state.slaves.len() + 1,
            Kind::Stacks => state.stacks.len(),
        }
    }

    /// All rows, in the state's own order.
    pub(super) fn walk(&self) -> Box<dyn Iterator<Item = Row<'a>> + Send + 'a> {
        let state = self.state;
        match self.collection.kind {
            Kind::Groups => Box::new(groups::groups(state).into_iter().map(Row::Group)),
            Kind::Licenses => {
                let metered = state.licenses.values().filter(|license| license.meters().next().is_some());
                Box::new(metered.map(Row::License))
            }
            Kind::LocalSlave => Box::new(std::iter::once(Row::Local(self.bound))),
            Kind::Messages => {
                let own = messages::messages(state).filter(is_metered);
                Box::new(own.map(|message| Row::Message(Box::new(message))))
            }
            Kind::Pools => Box::new(state.pools.values().map(Row::Pool)),
            Kind::Slaves => {
                let own = (!state.slaves.contains_key(&self.master)).then_some(Row::Slave(None));
                let from = |from, to| state.slaves.range(from, to).map(|slave| Row::Slave(Some(slave)));
                let before = from(Bound::Unbounded, Bound::Excluded(&*self.master));
                let after = from(Bound::Included(&*self.master), Bound::Unbounded);
                Box::new(before.chain(own).chain(after))
            }
            Kind::Stacks => Box::new(state.stacks.values().map(Row::Stack)),
            Kind::Usage => Box::new(std::iter::once(Row::Usage)),
            Kind::ServerInfo => Box::new(std::iter::once(Row::Server)),
        }
    }

    /// One row by its name.
    pub(super) fn find(&self, name: &str) -> Option<Row<'a>> {
        let state = self.state;
        match self.collection.kind {
            Kind::Groups => groups::group(state, name).map(Row::Group),
            Kind::Licenses => content::license_id(name).and_then(|id| state.licenses.get(&id)).map(Row::License),
            Kind::LocalSlave => (name == "license").then_some(Row::Local(self.bound)),
            Kind::Messages => {
                let found = messages::message(state, name).filter(is_metered);
                found.map(|message| Row::Message(Box::new(message)))
            }
            Kind::Pools => state.pools.get(name).map(Row::Pool),
            Kind::Slaves => match state.slaves.get(name) {
                Some(slave) => Some(Row::Slave(Some(slave))),
                None => self.master.eq_ignore_ascii_case(name).then_some(Row::Slave(None)),
            },
            Kind::Stacks => state.stacks.get(name.to_ascii_lowercase().as_str()).map(Row::Stack),
            Kind::Usage => (name == "license_usage").then_some(Row::Usage),
            Kind::ServerInfo => (name == "server-info").then_some(Row::Server),
        }
    }

    /// A row's name.
    pub(super) fn name(&self, row: &Row<'_>) -> Name {
        match row {
            Row::Group(group) => group.name.into(),
            Row::License(license) => content::license_name(license),
            Row::Local(_) => "license".into(),
            Row::Message(message) => message.id.as_str().into(),
            Row::Pool(pool) => pool.name.clone(),
            Row::Slave(Some(slave)) => slave.id.clone(),
            Row::Slave(None) => self.master.clone(),
            Row::Stack(stack) => stack.id.clone(),
            Row::Usage => "license_usage".into(),
            Row::Server => "server-info".into(),
        }
    }

    /// What a row says.
    pub(super) fn content(&self, row: &Row<'_>) -> Content {
        content::of(self, row)
    }

    /// A row as an entry of a list.
    pub(super) fn entry(&self, row: &Row<'_>) -> Entry {
        let name = self.name(row);
        let fixed = matches!(row, Row::Pool(pool) if pool.fixed);
        let links = self.collection.links.iter().copied();
        Entry {
            path: self.path_of(&name),
            name,
            links: links.filter(|link| !fixed || !matches!(*link, "edit" | "remove")).collect(),
            acl: self.acl.clone(),
            fields: None,
            content: self.content(row),
        }
    }

    /// A row as the one entry of an answer, which tells its arguments.
    pub(super) fn single(&self, row: &Row<'_>) -> Entry {
        let fields = (self.collection.kind != Kind::ServerInfo).then(|| fields(self.collection.edit_args()));
        Entry { fields, ..self.entry(row) }
    }

    /// The entry that does not exist yet: it says nothing but what it would have to be told.
    pub(super) fn blank(&self) -> Entry {
        Entry {
            name: "_new".into(),
            path: self.path_of("_new"),
            links: vec!["list"],
            acl: self.acl.clone(),
            fields: Some(fields(self.collection.new_args())),
            content: Content::new(),
        }
    }

    fn path_of(&self, name: &str) -> String {
        let root = if self.collection.namespaced { "/servicesNS/nobody/system" } else { "/services" };
        format!("{root}/{}/{}", self.collection.path, encoded(name))
    }
}

/// Of licenses that end, those that `licenser/licenses` lists.
fn is_metered(message: &MessageView) -> bool {
    message.license.is_none() || !message.stack.is_empty()
}

fn fields(args: &[Arg]) -> Fields {
    let named = |required: bool| args.iter().filter(move |arg| arg.required == required).map(|arg| arg.name).collect();
    Fields { required: named(true), optional: named(false) }
}
