//! A lease on a name, with a fencing token: what locks and idempotency records have in common.
//!
//! Whatever does not come out well is undone before it is told, as far as it can be: what was granted and not proven by
//! replicas, what was granted too late, what was granted and not heard of. Only where the undoing is certain is the caller
//! told that nothing is held; otherwise it hears that nobody knows, and the lease ends by itself at the latest.

use std::time::Duration;

use failsoft_core::fencing::{LEAST_TTL, Lease, MOST_TTL, REMEMBERED, Token};
use failsoft_core::outcome::{Failure, Silence};
use failsoft_core::request::Ending;
use failsoft_core::role::Role;
use failsoft_core::{Tier, Time};
use failsoft_resp::Protocol;
use failsoft_resp::reply::{self, Head};
use tokio::sync::oneshot;
use tokio::time::sleep_until;

use super::line::{Line, Proof};
use super::nonce::{Nonce, Whose};
use super::refusal::{Kind, Refusal};
use super::script::{Form, Script, is_unknown};
use super::{fence, route_for};
use crate::apology::Code;
use crate::context::Context;
use crate::job::{Job, Matter, Progress};
use crate::route::Way;
use crate::topology::Place;
use crate::world::RouteId;

/// Bytes that the key of a lease may have: there are two of them, and both go with every command.
pub const LONGEST_KEY: usize = 8 << 10;

static ACQUIRE: Script = Script::new(concat!(include_str!("fence.lua"), include_str!("acquire.lua")));
static EXTEND: Script = Script::new(concat!(include_str!("fence.lua"), include_str!("extend.lua")));
static RELEASE: Script = Script::new(concat!(include_str!("fence.lua"), include_str!("release.lua")));
static COMMIT: Script = Script::new(concat!(include_str!("fence.lua"), include_str!("commit.lua")));

/// What was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its fencing token: greater than that of every earlier grant.
    pub token: Token,
    /// How long it is proven.
    pub lease: Lease,
}

/// What came of asking for a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Acquired {
    Granted(Grant),
    /// Somebody else has it, for so long if nothing happens; `None`: it does not end by itself.
    Held(Option<Duration>),
    /// A result is there already.
    Done(Vec<u8>),
}

/// A name that leases are about.
pub(super) struct Subject<'c> {
    context: &'c Context,
    route: RouteId,
    key: &'c [u8],
    fence: Vec<u8>,
    begun: Time,
}

/// What came of a change that was put to the primary.
struct Put {
    /// Redis' own answer, or why there is none.
    reply: Result<Vec<u8>, Refusal>,
    /// Of which it was the last; there is none where nothing was sent.
    line: Option<Line>,
}

/// Whether what was done is certainly no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Undone {
    Certainly,
    Perhaps,
}

/// Asks for the lease on `key`, in a task of its own: whoever stops waiting leaves no lease behind that nobody knows of.
pub(super) async fn acquire(
    context: &Context,
    key: &[u8],
    role: Role,
    command: &'static str,
    ttl: Duration,
    nonce: &Nonce,
) -> Result<Acquired, Refusal> {
    let (context, key, nonce) = (context.clone(), key.to_vec(), nonce.clone());
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        let acquired = match Subject::of(&context, &key, role, command) {
            Ok(subject) => subject.acquire(ttl, &nonce).await,
            Err(refusal) => Err(refusal),
        };
        let untold = tell.send(acquired);
        if let (Err(Ok(Acquired::Granted(grant))), Whose::Ours) = (untold, nonce.whose())
            && let Ok(subject) = Subject::of(&context, &key, role, command)
        {
            // Otherwise it ends by itself.
            let _ = subject.release(grant.token, "lease").await;
        }
    });
    told.await.unwrap_or_else(|_| {
        let sentence = "failsoft is shutting down, a lease may be held by nobody until its end";
        Err(Refusal::sorry(Code::OutcomeUnknown, sentence, Failure::ShuttingDown))
    })
}

impl<'c> Subject<'c> {
    /// The lease on `key`, whose route has to have this role for `command`.
    pub(super) fn of(context: &'c Context, key: &'c [u8], role: Role, command: &str) -> Result<Self, Refusal> {
        let route = route_for(&context.world, key, role, command)?;
        if key.len() > LONGEST_KEY {
            let sentence = format!("the key has {} bytes; that of a lease may have {LONGEST_KEY}", key.len());
            return Err(Refusal::error(sentence));
        }
        let fence = fence::name_of(key, &context.views.redis)?;
        Ok(Self { context, route, key, fence, begun: context.now() })
    }

    async fn acquire(&self, ttl: Duration, nonce: &Nonce) -> Result<Acquired, Refusal> {
        let fences = self.context.world.fences();
        let numbers = [millis(ttl)?, fences.seen(self.key).to_string(), millis_text(REMEMBERED)];
        let arguments = [numbers[0].as_bytes(), nonce.as_bytes(), numbers[1].as_bytes(), numbers[2].as_bytes()];
        let asked = self.context.now();
        let put = self.put(&ACQUIRE, &[self.key, &self.fence], &arguments).await;
        let reply = match put.reply {
            Ok(reply) => reply,
            Err(refusal) => return Err(self.make_up_for(refusal, put.line, nonce).await),
        };
        let (told, line) = (Told::of(&reply).ok_or_else(Refusal::unintelligible)?, put.line);
        let (token, is_new) = match told {
            Told::Granted(token) => (token, true),
            Told::Again(token) => (token, false),
            Told::Held(left) => return Ok(self.end(line, Acquired::Held(left))),
            Told::Done(result) => return Ok(self.end(line, Acquired::Done(result.to_vec()))),
        };
        fences.handle_token(self.key, token);
        let grant = Grant { token, lease: Lease::new(asked, ttl) };
        self.prove(grant, is_new, nonce, line).await
    }

    /// A grant counts once it is proven, and while it lasts.
    async fn prove(&self, grant: Grant, is_new: bool, nonce: &Nonce, line: Option<Line>) -> Result<Acquired, Refusal> {
        let Some(mut line) = line else { return Err(Refusal::unintelligible()) };
        let proof = self.ask_replicas(&mut line).await;
        let failure = match (proof, grant.lease.is_proven(self.context.now())) {
            (Proof::Whole, true) => {
                line.hang_up_and_wonder();
                return Ok(Acquired::Granted(grant));
            }
            (Proof::Short, _) => Failure::NotReplicated,
            (Proof::Whole, false) => Failure::LeaseSpent,
        };
        if !is_new {
            // It may have been granted long ago, and be relied upon.
            line.hang_up();
            return Err(Refusal::sorry(Code::OutcomeUnknown, "it is held, and for how long is not proven", failure));
        }
        Err(match self.take_back(Some(line), nonce).await {
            Undone::Certainly => {
                Refusal::sorry(Code::Unavailable, "what was granted has been taken back, nothing is held", failure)
            }
            Undone::Perhaps => Refusal::sorry(
                Code::OutcomeUnknown,
                "what was granted was to be taken back and that was not answered, it may be held by nobody until its end",
                failure,
            ),
        })
    }

    /// A question that was sent and not answered is taken back, unless the caller has what it needs to ask again.
    async fn make_up_for(&self, refusal: Refusal, line: Option<Line>, nonce: &Nonce) -> Refusal {
        match (refusal.kind(), nonce.whose()) {
            (Kind::OutcomeUnknown, Whose::Ours) => {}
            (Kind::OutcomeUnknown, Whose::Callers) | (Kind::Unavailable | Kind::NotHeld | Kind::Error, _) => {
                return refusal;
            }
        }
        match self.take_back(line, nonce).await {
            Undone::Certainly => refusal.taken_back(),
            Undone::Perhaps => refusal,
        }
    }

    /// Ends a lease that nobody has heard of. On the line that it was asked for on, the answer is certain whatever it is; on
    /// another, the question may still be on its way, unless its lease was there.
    async fn take_back(&self, line: Option<Line>, nonce: &Nonce) -> Undone {
        let arguments: [&[u8]; 2] = [b"nonce", nonce.as_bytes()];
        if let Some(mut line) = line {
            let frame = RELEASE.frame(Form::Text, &[self.key], &arguments);
            match line.then(&frame.bytes, self.deadline()).await.as_deref().map(reply::head) {
                Ok(Some(Head::Integer(_))) => {
                    line.hang_up();
                    return Undone::Certainly;
                }
                Ok(_) => return Undone::Perhaps,
                Err(Silence::Timeout) => return Undone::Perhaps,
                Err(Silence::ConnectionLost | Silence::ProtocolViolation) => {}
            }
        }
        let put = self.put(&RELEASE, &[self.key], &arguments).await;
        match put.reply.as_deref().map(reply::head) {
            Ok(Some(Head::Integer(1))) => Undone::Certainly,
            Ok(_) | Err(_) => Undone::Perhaps,
        }
    }

    /// Lets a lease last for `ttl` from here on.
    pub(super) async fn extend(&self, token: Token, ttl: Duration, name: &str) -> Result<Lease, Refusal> {
        let numbers = [token.to_string(), millis(ttl)?, millis_text(REMEMBERED)];
        let asked = self.context.now();
        let keys = [self.key, self.fence.as_slice()];
        self.change(&EXTEND, &keys, &numbers.each_ref().map(|text| text.as_bytes()), name).await?;
        Ok(Lease::new(asked, ttl))
    }

    /// Puts `result` in the place of a lease, for `ttl` or what is left of it.
    pub(super) async fn commit(
        &self,
        token: Token,
        result: &[u8],
        ttl: Option<Duration>,
        name: &str,
    ) -> Result<(), Refusal> {
        let (token, ttl) = (token.to_string(), ttl.map_or_else(|| Ok("0".to_owned()), millis)?);
        self.change(&COMMIT, &[self.key], &[token.as_bytes(), result, ttl.as_bytes()], name).await
    }

    /// Ends a lease. Replicas are not waited for: one that has not heard of it holds the name for longer, which harms nobody.
    pub(super) async fn release(&self, token: Token, name: &str) -> Result<(), Refusal> {
        let put = self.put(&RELEASE, &[self.key], &[b"token", token.to_string().as_bytes()]).await;
        let (reply, line) = (put.reply?, put.line);
        self.end(line, is_held(&reply, name))
    }

    /// A change to a lease that is held with a token, and that counts once replicas have it.
    async fn change(
        &self,
        script: &'static Script,
        keys: &[&[u8]],
        arguments: &[&[u8]],
        name: &str,
    ) -> Result<(), Refusal> {
        let put = self.put(script, keys, arguments).await;
        is_held(&put.reply?, name)?;
        let Some(mut line) = put.line else { return Err(Refusal::unintelligible()) };
        let proof = self.ask_replicas(&mut line).await;
        line.hang_up();
        match proof {
            Proof::Whole => Ok(()),
            Proof::Short => Err(Refusal::sorry(
                Code::OutcomeUnknown,
                "the primary has done it, and not enough replicas have said that they have it: repeat it with this token",
                Failure::NotReplicated,
            )),
        }
    }

    async fn ask_replicas(&self, line: &mut Line) -> Proof {
        let (world, views) = (&self.context.world, &self.context.views);
        let route = world.route(self.route);
        let copies = route.proving.copies.wanted(world.fences().replicas(&views.redis));
        line.prove(copies, route.proving.wait_timeout, self.deadline()).await
    }

    async fn put(&self, script: &'static Script, keys: &[&[u8]], arguments: &[&[u8]]) -> Put {
        let put = self.put_as(Form::Name, script, keys, arguments).await;
        match &put.reply {
            Ok(reply) if is_unknown(reply) => self.put_as(Form::Text, script, keys, arguments).await.judged(),
            Ok(_) | Err(_) => put.judged(),
        }
    }

    /// Carries the change out as any write of the route, but on a line of its own.
    async fn put_as(&self, form: Form, script: &'static Script, keys: &[&[u8]], arguments: &[&[u8]]) -> Put {
        let context = self.context;
        let frame = script.frame(form, keys, arguments);
        let matter = Matter {
            route: self.route,
            way: Way::Write,
            verb: None,
            key: frame.key,
            place: self.place(),
            protocol: Protocol::Resp2,
            stand_in: None,
        };
        context.world.handle_request();
        let mut job = Job::new(&context.world, matter, frame.bytes, self.begun);
        let mut line = None;
        let mut progress = job.advance(context, context.now());
        let ending = loop {
            progress = match progress {
                Progress::Done(ending) => break ending,
                Progress::Wait(until) => {
                    sleep_until(context.clock.instant(until)).await;
                    job.advance(context, context.now())
                }
                Progress::Learn(by) => {
                    context.learn(by).await;
                    job.take_up(context.world.views());
                    job.advance(context, context.now())
                }
                Progress::Ask(ask) => {
                    let node = job.node(context, ask).clone();
                    let (delivered, own) = Line::ask(context, &node, ask, job.frame()).await;
                    line = own;
                    job.handle_kept_reply(context, delivered.outcome, delivered.reply, context.now())
                }
            };
        };
        job.finish(&context.world, ending, context.now());
        let mut reply = Vec::new();
        job.render(&context.world, ending, &[], &mut reply);
        Put::of(ending, reply, line)
    }

    fn place(&self) -> Place {
        self.context.views.redis.place_of(self.key)
    }

    fn deadline(&self) -> Time {
        self.begun + self.context.world.route(self.route).write.deadline
    }

    fn end<T>(&self, line: Option<Line>, with: T) -> T {
        if let Some(line) = line {
            line.hang_up();
        }
        with
    }
}

impl Put {
    fn of(ending: Ending, reply: Vec<u8>, line: Option<Line>) -> Self {
        let reply = match ending {
            Ending::Value(Tier::Primary) | Ending::PassOn(Tier::Primary) => Ok(reply),
            Ending::Value(_) | Ending::Absent(_) | Ending::PassOn(_) => Err(Refusal::unintelligible()),
            Ending::Unavailable(_) | Ending::Overloaded(_) | Ending::OutcomeUnknown(_) => {
                Err(Refusal::of_error_reply(&reply).unwrap_or_else(Refusal::unintelligible))
            }
        };
        Self { reply, line }
    }

    /// An error of Redis is no answer.
    fn judged(self) -> Self {
        let reply = self.reply.and_then(|reply| Refusal::of_error_reply(&reply).map_or(Ok(reply), Err));
        Self { reply, ..self }
    }
}

/// What `acquire.lua` says.
enum Told<'r> {
    Granted(Token),
    Again(Token),
    Held(Option<Duration>),
    Done(&'r [u8]),
}

impl<'r> Told<'r> {
    fn of(reply: &'r [u8]) -> Option<Self> {
        let mut parts = reply::elements(reply).map(reply::head);
        let (Some(Some(Head::Bulk(word))), Some(what), None) = (parts.next(), parts.next(), parts.next()) else {
            return None;
        };
        Some(match (word, what?) {
            (b"granted", Head::Bulk(token)) => Self::Granted(read_token(token)?),
            (b"again", Head::Bulk(token)) => Self::Again(read_token(token)?),
            (b"held", Head::Integer(left)) => Self::Held(u64::try_from(left).ok().map(Duration::from_millis)),
            (b"done", Head::Bulk(result)) => Self::Done(result),
            _ => return None,
        })
    }
}

fn read_token(text: &[u8]) -> Option<Token> {
    Token::new(std::str::from_utf8(text).ok()?.parse().ok()?)
}

fn is_held(reply: &[u8], name: &str) -> Result<(), Refusal> {
    match reply::head(reply) {
        Some(Head::Integer(1)) => Ok(()),
        Some(Head::Integer(0)) => Err(Refusal::not_held(name)),
        _ => Err(Refusal::unintelligible()),
    }
}

/// A ttl in whole milliseconds.
fn millis(ttl: Duration) -> Result<String, Refusal> {
    let shown = ttl.as_millis();
    if ttl < LEAST_TTL {
        let least = LEAST_TTL.as_millis();
        return Err(Refusal::error(format!(
            "a ttl of {shown} ms is over before its holder has heard of it; the least is {least}"
        )));
    }
    if ttl > MOST_TTL {
        let most = MOST_TTL.as_millis();
        return Err(Refusal::error(format!("a ttl of {shown} ms is too long; the most is {most} (366 days)")));
    }
    Ok(millis_text(ttl))
}

fn millis_text(span: Duration) -> String {
    span.as_millis().to_string()
}
