//! The languages that clients speak, behind one trait and one path that every request walks.
//!
//! A dialect translates; it never decides, retries, forwards or reads a clock. Two dialects never import each other.

pub mod aside;
pub mod elastic;
pub mod immuta;
pub mod install;
pub mod login;
pub mod native;
pub mod nuix;
pub mod proof;
pub mod redis;
pub mod reply;
pub mod request;
pub mod rights;
pub mod splunk;
pub mod table;
pub mod tally;
pub mod trouble;
pub mod wording;
mod write;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::metrics::counter;
use hyper::Method;
use tokio::time::{Instant, timeout_at};

use crate::access::{Access, Caller, Denied, Presented};
use crate::domain::name::NAME_CHARS;
use crate::domain::user::Right;
use crate::metrics;
use crate::replica::{Consistency, Replica, View};
use aside::Aside;
use reply::Reply;
use request::{Body, Head, Request};
use tally::Tally;
use trouble::{Malformed, Trouble};
pub use write::{KEY_BYTES, idempotency_key, submit};

/// Longest body of a request that is answered where it came in: some twenty reports. A few connections with a thousand in each
/// would keep the replica from its peers for longer than they wait for their leader.
const QUICK_BYTES: u64 = 4 << 10;

/// What bounds a request; a node's configuration may change it.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest body (L1).
    pub body_bytes: usize,
    /// Largest license document (L1).
    pub license_bytes: usize,
    /// Largest body of a request without a credential (L1).
    pub login_bytes: usize,
    /// Longest stream of usage reports (decision 17).
    pub stream_bytes: usize,
    /// How long one piece of a stream may take.
    pub piece: Duration,
    /// How long a stream or a long poll may take beyond a request's own deadline.
    pub stream: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            body_bytes: 1 << 20,
            license_bytes: 256 << 10,
            login_bytes: 8 << 10,
            stream_bytes: 64 << 20,
            piece: Duration::from_secs(30),
            stream: Duration::from_secs(600),
        }
    }
}

/// What every dialect works with.
pub struct Context {
    /// The replicated truth.
    pub replica: Replica,
    /// The gatekeeper.
    pub access: Access,
    /// What bounds a request.
    pub limits: Limits,
    /// What was answered.
    pub tally: Tally,
    /// The one folder that licenses may be installed from by a file's name; `None`: from none (T7).
    pub license_folder: Option<PathBuf>,
    /// Where a request that may take long is answered; `None`: where it came in.
    pub aside: Option<Aside>,
    /// By what this node signs that a seat is borrowed; `None` when it has no certificate of a cluster.
    pub prover: Option<proof::Prover>,
}

impl Context {
    /// A context around a replica.
    #[must_use]
    pub fn new(replica: Replica, limits: Limits) -> Context {
        let (access, tally) = (Access::new(replica.clone()), Tally::default());
        Context { access, replica, limits, tally, license_folder: None, aside: None, prover: None }
    }

    /// The same with a folder that licenses may be installed from.
    #[must_use]
    pub fn with_license_folder(self, license_folder: Option<PathBuf>) -> Context {
        Context { license_folder, ..self }
    }
}

/// Who may call an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Anybody, without a credential (decision 16).
    Nobody,
    /// Anybody with a good credential; what they may see or do depends on whose it is.
    Somebody,
    /// Somebody with this right.
    Right(Right),
    /// Somebody, also with the token of a session that is closing: it may ask how its work stands, and nothing else.
    Work,
}

/// One request on its way through a dialect.
pub struct Call<E> {
    /// What the dialect works with.
    pub cx: Arc<Context>,
    /// The request's head.
    pub head: Arc<Head>,
    /// What is asked.
    pub endpoint: E,
    /// The body, not read yet.
    pub body: Body,
    /// Who asks; `None` for public endpoints only.
    pub caller: Option<Caller>,
    /// The credential that said so.
    pub presented: Option<Arc<Presented>>,
    /// The state that the caller was authenticated by; a read answers from it, a write lets go of it.
    pub view: Option<View>,
}

/// A language.
pub trait Dialect: 'static {
    /// Its name in metrics and logs.
    const NAME: &'static str;
    /// The first path segments that are its own.
    const PREFIXES: &'static [&'static str];
    /// What can be asked.
    type Endpoint: Send + Sync + 'static;

    /// Path and method into an endpoint.
    ///
    /// # Errors
    /// When there is none.
    fn parse(head: &Head) -> Result<Self::Endpoint, Malformed>;
    /// The endpoint's path as metrics name it: a template, never a name from a client.
    fn route(endpoint: &Self::Endpoint) -> &'static str;
    /// Who may call it.
    fn needs(endpoint: &Self::Endpoint) -> Needs;
    /// The credential that a request carries; most languages know Basic and Bearer only.
    ///
    /// # Errors
    /// When there is none, or none that the language knows.
    fn presented(head: &Head) -> Result<Presented, Denied> {
        Presented::of(&head.headers)
    }
    /// Brings the deadline forward where a client may say how long it waits; what it says wrongly is refused later.
    fn hurry(_head: &mut Head) {}
    /// Whether it answers beyond a request's own deadline: streams and long polls.
    fn is_long(endpoint: &Self::Endpoint) -> bool;
    /// Whether answering it takes no longer than taking in a few reports, as long as its body is short: such an answer is made
    /// where the request came in.
    fn is_quick(_endpoint: &Self::Endpoint) -> bool {
        false
    }
    /// Answers it.
    fn answer(call: Call<Self::Endpoint>) -> impl Future<Output = (Result<Reply, Trouble>, Body)> + Send;
    /// Words a trouble in the dialect's own shape.
    fn trouble(head: &Head, trouble: &Trouble) -> Reply;
}

/// The dialects that there are. The other products' come with their own rooms, one arm each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Our own `/api/v1`; it also words what no dialect claims.
    Native,
    /// Immuta's admin API.
    Immuta,
    /// The Nuix RESTful Service.
    Nuix,
    /// Splunk's licenser API.
    Splunk,
    /// Elasticsearch's license API; the root, and every path that begins with `_`, is its own.
    Elastic,
    /// Redis Enterprise's license API.
    Redis,
}

impl Language {
    /// The first segment picks the dialect.
    #[must_use]
    pub fn of_path(path: &[String]) -> Language {
        let Some(first) = path.first().map(String::as_str) else { return Language::Elastic };
        if elastic::Elastic::PREFIXES.contains(&first) || first.starts_with('_') {
            return Language::Elastic;
        }
        if immuta::Immuta::PREFIXES.contains(&first) {
            return Language::Immuta;
        }
        if nuix::Nuix::PREFIXES.contains(&first) {
            return Language::Nuix;
        }
        if splunk::Splunk::PREFIXES.contains(&first) {
            return Language::Splunk;
        }
        if redis::Redis::PREFIXES.contains(&first) { Language::Redis } else { Language::Native }
    }

    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Language::Native => native::Native::NAME,
            Language::Immuta => immuta::Immuta::NAME,
            Language::Nuix => nuix::Nuix::NAME,
            Language::Splunk => splunk::Splunk::NAME,
            Language::Elastic => elastic::Elastic::NAME,
            Language::Redis => redis::Redis::NAME,
        }
    }

    /// Words a trouble from before a dialect was asked.
    #[must_use]
    pub fn trouble(self, head: &Head, trouble: &Trouble) -> Reply {
        match self {
            Language::Native => native::Native::trouble(head, trouble),
            Language::Immuta => immuta::Immuta::trouble(head, trouble),
            Language::Nuix => nuix::Nuix::trouble(head, trouble),
            Language::Splunk => splunk::Splunk::trouble(head, trouble),
            Language::Elastic => elastic::Elastic::trouble(head, trouble),
            Language::Redis => redis::Redis::trouble(head, trouble),
        }
    }

    /// Answers a request. Our own API is where nearly all come: the futures of the others are apart, so that they do not
    /// make its own larger.
    pub async fn serve(self, cx: Arc<Context>, request: Request) -> Reply {
        match self {
            Language::Native => serve::<native::Native>(cx, request).await,
            Language::Immuta => Box::pin(serve::<immuta::Immuta>(cx, request)).await,
            Language::Nuix => Box::pin(serve::<nuix::Nuix>(cx, request)).await,
            Language::Splunk => Box::pin(serve::<splunk::Splunk>(cx, request)).await,
            Language::Elastic => Box::pin(serve::<elastic::Elastic>(cx, request)).await,
            Language::Redis => Box::pin(serve::<redis::Redis>(cx, request)).await,
        }
    }
}

/// Gauges that dashboards of other products read, under those products' names.
pub fn gauges(text: &mut metrics::Exposition, state: &crate::domain::state::State) {
    redis::gauges(text, state);
}

/// The one path that every request walks: parse, let in, answer, word what went wrong, count.
pub async fn serve<D: Dialect>(cx: Arc<Context>, request: Request) -> Reply {
    let begun = Instant::now();
    let Request { mut head, body } = request;
    D::hurry(Arc::make_mut(&mut head));
    let tally = Arc::clone(&cx);
    let (route, result, mut rest) = match D::parse(&head) {
        Ok(endpoint) => {
            let route = D::route(&endpoint);
            let deadline = head.deadline + if D::is_long(&endpoint) { cx.limits.stream } else { Duration::ZERO };
            let write = head.method != Method::GET && head.method != Method::HEAD;
            let quick = D::is_quick(&endpoint) && body.is_short(&head, QUICK_BYTES);
            let aside = if quick { None } else { cx.aside.clone() };
            // Boxed: what is around it would be moved with all of it, several times a request.
            let answer = Box::pin(let_in::<D>(cx, Arc::clone(&head), endpoint, body));
            let answered = match &aside {
                None => timeout_at(deadline, answer).await,
                Some(aside) => timeout_at(deadline, aside.run(answer)).await,
            };
            match answered {
                Ok((result, rest)) => match &aside {
                    None => (route, result, rest),
                    Some(aside) => (route, result.map(|reply| aside.makes(reply)), rest),
                },
                Err(_elapsed) => (route, Err(Trouble::TooLate { write }), Body::empty()),
            }
        }
        Err(malformed) => ("other", Err(malformed.into()), body),
    };
    let reply = match result {
        Ok(reply) => reply,
        Err(trouble) => {
            Box::pin(rest.drain()).await;
            count_trouble(D::NAME, &trouble);
            D::trouble(&head, &trouble)
        }
    };
    let kind = tally::Kind { dialect: D::NAME, route, method: method_label(&head.method), code: reply.status.as_u16() };
    tally.tally.answered(kind, begun.elapsed());
    reply.with("quartermaster-request-id", &head.id)
}

/// A method from a bounded set: a client may send any word.
fn method_label(method: &Method) -> &'static str {
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS]
        .iter()
        .zip(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
        .find_map(|(known, label)| (known == method).then_some(label))
        .unwrap_or("other")
}

/// Counts a trouble that metrics know.
fn count_trouble(dialect: &'static str, trouble: &Trouble) {
    if let Trouble::Denied(denied) = trouble {
        counter!(metrics::AUTH_FAILURES, "dialect" => dialect, "reason" => denied.reason()).increment(1);
        if matches!(denied, Denied::LockedOut { .. } | Denied::Busy) {
            counter!(metrics::RATE_LIMITED, "dialect" => dialect).increment(1);
        }
    }
}

async fn let_in<D: Dialect>(
    cx: Arc<Context>,
    head: Arc<Head>,
    endpoint: D::Endpoint,
    body: Body,
) -> (Result<Reply, Trouble>, Body) {
    let needs = D::needs(&endpoint);
    let let_in = match needs {
        Needs::Nobody => Ok(None),
        Needs::Somebody | Needs::Right(_) | Needs::Work => match D::presented(&head) {
            Ok(presented) => {
                caller(&cx, &head, &presented, needs).await.map(|known| Some((known, Arc::new(presented))))
            }
            Err(denied) => Err(denied.into()),
        },
    };
    match let_in {
        Ok(known) => {
            let (known, presented) = known.unzip();
            let (caller, view) = known.unzip();
            D::answer(Call { cx, head, endpoint, body, caller, presented, view }).await
        }
        Err(trouble) => (Err(trouble), body),
    }
}

/// Authenticates and checks the right. A read is authenticated by the view that answers it; a write by what this node
/// has, and, if that says no, by what the cluster has: `decide` checks again anyway.
async fn caller(cx: &Context, head: &Head, presented: &Presented, needs: Needs) -> Result<(Caller, View), Trouble> {
    let reads = head.method == Method::GET || head.method == Method::HEAD;
    let stale = !reads || consistency(head)? == Consistency::Stale;
    let view =
        cx.replica.view(if stale { Consistency::Stale } else { Consistency::Linearizable }, head.deadline).await?;
    let first = admit(cx, presented, &view, head, needs).await;
    match first {
        Ok(caller) => Ok((caller, view)),
        Err(denied @ (Denied::Busy | Denied::LockedOut { .. })) => Err(denied.into()),
        Err(denied) if reads => Err(denied.into()),
        Err(denied) => {
            let fresh = cx.replica.view(Consistency::Linearizable, head.deadline).await?;
            if fresh.state.heads.seq == view.state.heads.seq {
                return Err(denied.into());
            }
            if let (Denied::Wrong, Presented::Password { user, .. }) = (denied, presented) {
                let version = |view: &View| view.state.users.get(user.as_str()).map(|user| user.password_version);
                if version(&fresh) == version(&view) {
                    return Err(denied.into());
                }
            }
            let caller = admit(cx, presented, &fresh, head, needs).await?;
            Ok((caller, fresh))
        }
    }
}

async fn admit(cx: &Context, presented: &Presented, view: &View, head: &Head, needs: Needs) -> Result<Caller, Denied> {
    let caller = cx.access.authenticate(presented, &view.state, head.peer).await?;
    if caller.closing && needs != Needs::Work {
        return Err(Denied::Wrong);
    }
    if let Needs::Right(right) = needs {
        caller.must(right)?;
    }
    Ok(caller)
}

/// How fresh a read must be: `?consistency=stale` is for those who would rather have an old answer than none.
///
/// # Errors
/// When the parameter is neither `stale` nor `linearizable`.
pub fn consistency(head: &Head) -> Result<Consistency, Malformed> {
    match head.param("consistency") {
        None | Some("linearizable" | "") => Ok(Consistency::Linearizable),
        Some("stale") => Ok(Consistency::Stale),
        Some(other) => {
            let what = format!("{other:?} is neither linearizable nor stale");
            Err(Malformed::BadQuery { name: "consistency", what })
        }
    }
}

impl<E> Call<E> {
    /// The state that the caller was authenticated by.
    ///
    /// # Panics
    /// When called for a public endpoint, which has none, or after a write: a slip of its answer.
    #[must_use]
    pub fn view(&self) -> &View {
        self.view.as_ref().expect("a view is taken before a write, and by no public endpoint")
    }

    /// Who asks.
    ///
    /// # Panics
    /// When called for a public endpoint: a slip of its answer.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        self.caller.as_ref().expect("only public endpoints have no caller")
    }
}

/// Shortens a client's word for a message.
#[must_use]
pub fn shown(word: &str) -> String {
    if word.chars().count() <= NAME_CHARS {
        word.to_owned()
    } else {
        word.chars().take(NAME_CHARS).chain(['…']).collect()
    }
}
