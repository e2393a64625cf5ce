//! What becomes of a cluster's accounts when it adopts newer rules, and which changes ask for an account seat.

use quartermaster::domain::cluster::{ROLES_KEPT_UP, builtin_roles};
use quartermaster::domain::event::Event;
use quartermaster::domain::evolve;
use quartermaster::domain::intent::Command;
use quartermaster::domain::name::{Name, Set};
use quartermaster::domain::record::Outcome;
use quartermaster::domain::refusal::Refusal;
use quartermaster::domain::user::{Right, UserCommand};

use crate::invariants;
use crate::world::World;

/// A cluster as it was under the first rules: its admin knows nothing of seats, nobody has the role of a seat holder, and
/// somebody has made a role of the same name as a later one.
fn older() -> World {
    let mut world = World::new();
    let state = &mut world.ledger.state;
    let rights: Set<Right> = Right::ALL.into_iter().take(10).collect();
    let mine = Set::unit(Right::View);
    for event in [
        Event::RolePut { name: "admin".into(), rights, builtin: true },
        Event::RoleDeleted { name: "seat_holder".into() },
        Event::RolePut { name: "auditor".into(), rights: mine, builtin: false },
        Event::RulesAdopted { rules: 1 },
    ] {
        evolve(state, &event);
    }
    world
}

#[test]
fn newer_rules_bring_the_built_in_roles_what_came_with_them_once() {
    let mut world = older();
    let adopt = Command::AdoptRules { rules: ROLES_KEPT_UP };
    let Outcome::Done(events) = world.run(world.admin(), adopt.clone()) else { panic!("newer rules are adopted") };
    let put: Vec<&Name> = events
        .iter()
        .filter_map(|event| if let Event::RolePut { name, .. } = event { Some(name) } else { None })
        .collect();
    assert_eq!(put, ["admin", "seat_holder"].map(Name::from).iter().collect::<Vec<_>>(), "what lacks nothing stays");
    let state = &world.ledger.state;
    for (name, rights) in builtin_roles() {
        let expected: Set<Right> =
            if name == "auditor" { Set::unit(Right::View) } else { rights.into_iter().collect() };
        assert_eq!(state.roles[name].rights, expected, "{name}");
    }
    invariants::check(state);
    assert_eq!(world.run(world.admin(), adopt), Outcome::Done(vec![]), "adopted once");
    let back = world.run(world.admin(), Command::AdoptRules { rules: 1 });
    assert!(matches!(back, Outcome::Refused(Refusal::RulesUnknown { .. })), "{back:?}");
}

fn user(name: &str, role: &str) -> Command {
    let roles = Set::unit(role.into());
    Command::User(UserCommand::CreateUser { name: name.into(), password: "$p".into(), roles, slave: None })
}

fn role(rights: &[Right]) -> Command {
    Command::User(UserCommand::PutRole { name: "lead".into(), rights: rights.iter().copied().collect() })
}

/// One seat, taken; and two who run the cluster through a role and a group.
fn full(mut world: World) -> World {
    let license = Box::new(crate::works::people("people", 1));
    let group = UserCommand::PutUserGroup {
        name: "team".into(),
        roles: Set::unit("operator".into()),
        members: Set::unit("cid".into()),
    };
    for command in
        [Command::InstallLicense(license), role(&[Right::InstallLicenses]), user("ann", "viewer"), user("bob", "lead")]
    {
        world.run(world.admin(), command);
    }
    let outcome = world.run(world.admin(), user("cid", "admin"));
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    for command in [
        Command::User(group),
        Command::User(UserCommand::EditUser {
            name: "cid".into(),
            roles: Some(Set::unit("viewer".into())),
            disabled: None,
            slave: None,
        }),
    ] {
        let outcome = world.run(world.admin(), command);
        assert!(matches!(outcome, Outcome::Done(_)), "an administrator by a group: {outcome:?}");
    }
    assert_eq!(world.ledger.state.account_seats_taken, 1);
    world
}

/// What would make somebody an ordinary account without a seat: by themselves, their role, or their group.
fn ways_out() -> Vec<Command> {
    let team = || Name::from("team");
    let viewer = || Set::unit(Name::from("viewer"));
    let users = vec![
        UserCommand::EditUser { name: "bob".into(), roles: Some(viewer()), disabled: None, slave: None },
        UserCommand::PutRole { name: "lead".into(), rights: Set::unit(Right::View) },
        UserCommand::EditUserGroup { name: team(), add: Set::new(), remove: Set::unit("cid".into()) },
        UserCommand::PutUserGroup { name: team(), roles: viewer(), members: Set::unit("cid".into()) },
        UserCommand::PutUserGroup { name: team(), roles: Set::unit("operator".into()), members: Set::new() },
        UserCommand::DeleteUserGroup { name: team() },
    ];
    users.into_iter().map(Command::User).collect()
}

#[test]
fn nobody_becomes_an_ordinary_account_beyond_the_seats_by_whatever_way() {
    for way in ways_out() {
        let mut world = full(World::new());
        let before = world.ledger.state.account_seats_taken;
        let outcome = world.run(world.admin(), way.clone());
        let no = Outcome::Refused(Refusal::NoAccountSeat { taken: 1, seats: 1 });
        assert_eq!(outcome, no, "{way:?}");
        assert_eq!(world.ledger.state.account_seats_taken, before);
        world.run(world.admin(), Command::User(UserCommand::DeleteUser { name: "ann".into() }));
        let outcome = world.run(world.admin(), way.clone());
        assert!(matches!(outcome, Outcome::Done(_)), "{way:?} with a free seat: {outcome:?}");
        assert_eq!(world.ledger.state.account_seats_taken, 1);
        invariants::check(&world.ledger.state);
    }
}

/// A node that still decides by the first rules, and one that knows newer ones, must decide alike.
#[test]
fn under_the_first_rules_roles_and_groups_ask_for_no_seat() {
    for way in ways_out().into_iter().skip(1) {
        let mut world = full(World::new());
        evolve(&mut world.ledger.state, &Event::RulesAdopted { rules: 1 });
        let outcome = world.run(world.admin(), way.clone());
        assert!(matches!(outcome, Outcome::Done(_)), "{way:?}: {outcome:?}");
        assert_eq!(world.ledger.state.account_seats_taken, 2, "{way:?}");
    }
}
