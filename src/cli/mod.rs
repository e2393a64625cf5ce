//! The command line: one file a noun. Data goes to standard output, words about it to standard error, and the exit code
//! says what happened.

mod agent;
mod ask;
mod bench;
mod cluster;
mod connect;
mod exit;
mod files;
mod group;
mod health;
mod journal;
mod key;
mod license;
mod message;
mod pool;
mod print;
mod role;
mod seat;
mod serve;
mod settings;
mod slave;
mod stack;
mod status;
mod token;
mod usage;
mod user;
mod user_group;

#[cfg(test)]
mod tests;

use clap::{CommandFactory as _, Parser, Subcommand};

pub use exit::{Exit, Failure};

use connect::ClientOptions;
use print::{Format, Output};

const EXAMPLES: &str = "\
Examples:
  quartermaster license keygen --out issuer.pem
  quartermaster license sign --key issuer.pem --claims claims.toml --out acme.lic
  export QUARTERMASTER_ADDR=https://n1:8089,https://n2:8089 QUARTERMASTER_CA=ca.pem QUARTERMASTER_USER=admin
  quartermaster key trust issuer.pem.pub --label 'our issuer' --password-file admin.password
  quartermaster license add acme.lic --password-file admin.password
  quartermaster status -o json";

/// A high-availability license master: any node answers.
#[derive(Debug, Parser)]
#[command(name = "quartermaster", version, before_help = EXAMPLES, after_help = exit::TABLE, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    client: ClientOptions,
    /// How data is written; JSON is stable and made for programs
    #[arg(short, long, global = true, env = "QUARTERMASTER_OUTPUT", value_name = "FORMAT", default_value = "table")]
    output: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node
    Serve(Box<serve::Serve>),
    /// Measure files and report what is appended to them
    Agent(Box<agent::AgentCommand>),
    /// Is the cluster well? Exit code 0 if so, 5 if not
    Status(status::Status),
    /// Make, join and change a cluster
    #[command(subcommand)]
    Cluster(cluster::ClusterCommand),
    /// Licenses, and the issuer that signs them offline
    #[command(subcommand)]
    License(license::LicenseCommand),
    /// Issuer keys whose signatures make a license count
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// License groups
    #[command(subcommand)]
    Group(group::GroupCommand),
    /// Stacks: licenses of one kind, added up
    #[command(subcommand)]
    Stack(stack::StackCommand),
    /// Pools: a stack's volume, shared out
    #[command(subcommand)]
    Pool(pool::PoolCommand),
    /// Slaves: whoever reports usage
    #[command(subcommand)]
    Slave(slave::SlaveCommand),
    /// Floating seats: take and give back, wait in line, reserve, borrow
    #[command(subcommand)]
    Seat(seat::SeatCommand),
    /// Report usage, and look back at it
    #[command(subcommand)]
    Usage(usage::UsageCommand),
    /// Messages: warnings and violations that stand now
    #[command(subcommand)]
    Message(message::MessageCommand),
    /// Users
    #[command(subcommand)]
    User(user::UserCommand),
    /// Groups of users
    #[command(subcommand)]
    UserGroup(user_group::UserGroupCommand),
    /// Roles: named sets of rights
    #[command(subcommand)]
    Role(role::RoleCommand),
    /// API tokens, for machines
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Settings of the whole cluster
    #[command(subcommand)]
    Settings(settings::SettingsCommand),
    /// The tamper-evident journal of everything that was asked
    #[command(subcommand)]
    Journal(journal::JournalCommand),
    /// Load on one node, to measure it
    Bench(bench::Bench),
    /// Probes for containers and monitoring
    #[command(subcommand)]
    Health(health::HealthCommand),
    /// Print completions for a shell
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print what this program is
    Version,
}

/// What every command has at hand.
struct Context {
    client: ClientOptions,
    out: Output,
}

impl Cli {
    /// Does what was asked.
    ///
    /// # Errors
    /// When it could not be done; the failure knows its exit code.
    pub fn run(self) -> Result<(), Failure> {
        let Cli { client, output, command } = self;
        if let Command::Serve(serve) = command {
            return serve.run();
        }
        let context = Context { client, out: Output::new(output) };
        if let Command::Agent(agent) = command {
            return agent.run(&context);
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::failed(format!("no runtime: {error}")))?;
        runtime.block_on(async {
            tokio::select! {
                result = dispatch(command, &context) => result,
                interrupted = tokio::signal::ctrl_c() => Err(match interrupted {
                    Ok(()) => Failure::interrupted(),
                    Err(error) => Failure::failed(format!("signals cannot be received: {error}")),
                }),
            }
        })
    }
}

async fn dispatch(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Serve(serve) => serve.run(),
        Command::Agent(agent) => agent.run(context),
        Command::Status(status) => status.run(context).await,
        Command::Cluster(command) => command.run(context).await,
        Command::License(command) => command.run(context).await,
        Command::Key(command) => command.run(context).await,
        Command::Group(command) => command.run(context).await,
        Command::Stack(command) => command.run(context).await,
        Command::Pool(command) => command.run(context).await,
        Command::Slave(command) => command.run(context).await,
        Command::Seat(command) => command.run(context).await,
        Command::Usage(command) => command.run(context).await,
        Command::Message(command) => command.run(context).await,
        Command::User(command) => command.run(context).await,
        Command::UserGroup(command) => command.run(context).await,
        Command::Role(command) => command.run(context).await,
        Command::Token(command) => command.run(context).await,
        Command::Settings(command) => command.run(context).await,
        Command::Journal(command) => command.run(context).await,
        Command::Bench(bench) => bench.run(context).await,
        Command::Health(command) => command.run(context).await,
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "quartermaster", &mut script);
            context.out.text(&String::from_utf8_lossy(&script))
        }
        Command::Version => {
            let version = serde_json::json!({ "name": "quartermaster", "version": env!("CARGO_PKG_VERSION") });
            context.out.either(&version, || format!("quartermaster {}\n", env!("CARGO_PKG_VERSION")))
        }
    }
}

/// The wall clock, for what is signed or shown here and now; nothing replicated ever sees it.
#[expect(clippy::disallowed_methods, reason = "an issuer has no cluster to ask for the time")]
fn now() -> crate::domain::time::Moment {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    crate::domain::time::Moment(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
