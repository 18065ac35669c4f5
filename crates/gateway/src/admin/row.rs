//! One row of the table of routes: a method, a path, who it is for, and the handler, whose types are also
//! its description.

use std::{future::Future, pin::Pin};

use actix_web::{
    HttpRequest, HttpResponse,
    http::Method,
    web::{self, Payload},
};
use nexus_core::{
    id::{RequestId, TeamId, Uuid},
    role::Reach,
};
use nexus_engine::identity;
use utoipa::openapi::{RefOr, Schema, path::Parameter};

use super::{
    answer::{Answer, AnswerDoc, Reply},
    body::{self, Body},
    call::Call,
    gate,
    manner::Manner,
    openapi::Components,
    policy::Policy,
    problem::{Kind, Problem},
    query::{Asking, Query},
    visit::Visit,
};
use crate::worker::Worker;

type Answering = Pin<Box<dyn Future<Output = Result<Reply, Problem>>>>;

/// A request before anything of it was looked at.
pub struct Arrival {
    request: HttpRequest,
    payload: Payload,
    worker: web::Data<Worker>,
    id: RequestId,
    /// Whether it says how a change is to be made.
    has_manner: bool,
}

/// What the types of a handler say.
pub struct Description {
    pub query: Vec<Parameter>,
    pub body: Option<RefOr<Schema>>,
    pub answer: AnswerDoc,
}

/// One row of the table.
pub struct Row {
    pub method: Method,
    /// Below `/admin/v1`.
    pub path: &'static str,
    pub policy: Policy,
    /// One sentence for the description.
    pub summary: &'static str,
    run: Box<dyn Fn(Arrival) -> Answering>,
    describe: fn(&mut Components) -> Description,
}

/// What a handler takes: a [`Call`] of somebody who was let in, or a [`Visit`] of anyone.
pub trait Entry: Sized {
    type Query: Query;
    type Body: Body;

    fn let_in(arrival: Arrival, policy: Policy) -> impl Future<Output = Result<Self, Problem>>;
}

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident $method:ident;)+) => {$(
        $(#[$doc])*
        pub fn $name<Q, B, A, F, H>(
            path: &'static str, policy: Policy, summary: &'static str, handler: H,
        ) -> Row
        where
            Q: Query, B: Body, A: Answer, F: Future<Output = Result<A, Problem>> + 'static,
            H: Fn(Call<Q, B>) -> F + Copy + 'static,
        {
            row(Method::$method, path, policy, summary, handler)
        }
    )+};
}

/// A row for whoever asks; its handler is told of no caller, because there is none.
pub fn open<Q, B, A, F, H>(method: Method, path: &'static str, summary: &'static str, handler: H) -> Row
where
    Q: Query,
    B: Body,
    A: Answer,
    F: Future<Output = Result<A, Problem>> + 'static,
    H: Fn(Visit<Q, B>) -> F + Copy + 'static,
{
    row(method, path, Policy::Anyone, summary, handler)
}

methods! {
    get GET;
    post POST;
    patch PATCH;
    put PUT;
    delete DELETE;
}

fn row<E, A, F, H>(
    method: Method,
    path: &'static str,
    policy: Policy,
    summary: &'static str,
    handler: H,
) -> Row
where
    E: Entry + 'static,
    A: Answer,
    F: Future<Output = Result<A, Problem>> + 'static,
    H: Fn(E) -> F + Copy + 'static,
{
    let run = move |arrival: Arrival| -> Answering {
        let arrival = Arrival { has_manner: A::IS_RECORDED, ..arrival };
        Box::pin(async move { handler(E::let_in(arrival, policy).await?).await?.into_reply() })
    };
    let describe = |components: &mut Components| Description {
        query: E::Query::describe(),
        body: E::Body::describe(components),
        answer: A::describe(components),
    };
    Row { method, path, policy, summary, run: Box::new(run), describe }
}

/// The caller first, then the query, then the body.
impl<Q: Query, B: Body> Entry for Call<Q, B> {
    type Query = Q;
    type Body = B;

    async fn let_in(arrival: Arrival, policy: Policy) -> Result<Self, Problem> {
        let Arrival { request, payload, worker, id, has_manner } = arrival;
        let admitted = gate::admit(&request, &worker, policy, id).await?;
        let text = request.query_string();
        let (manner, text) = match has_manner {
            true => Manner::take(text)?,
            false => (Manner::default(), text.to_owned()),
        };
        let query = query(&text, &request, &worker, admitted.caller.reach)?;
        let bytes = body::collect::<B>(&request, payload, body::BODY_BYTES_MAX).await?;
        let caller = admitted.with_body(&request, &worker, &bytes).await?;
        let body = B::parse(&bytes)?;
        Ok(Call { caller, query, body, manner, request, worker, bytes })
    }
}

impl<Q: Query, B: Body> Entry for Visit<Q, B> {
    type Query = Q;
    type Body = B;

    async fn let_in(arrival: Arrival, _: Policy) -> Result<Self, Problem> {
        let Arrival { request, payload, worker, id, has_manner: _ } = arrival;
        let address = gate::look_at(&request, &worker)?;
        // a query of a stranger has no list to walk, so its reach decides nothing
        let query = query(request.query_string(), &request, &worker, Reach::Team(TeamId(Uuid::nil())))?;
        let bytes = body::collect::<B>(&request, payload, body::STRANGERS_BODY_BYTES_MAX).await?;
        let body = B::parse(&bytes)?;
        Ok(Visit { query, body, address, id, request, worker })
    }
}

fn query<Q: Query>(text: &str, request: &HttpRequest, worker: &Worker, reach: Reach) -> Result<Q, Problem> {
    let cursors = &worker.admin.secrets.cursors;
    Q::read(&Asking { text, path: request.path(), reach, cursors })
}

impl Row {
    pub fn describe(&self, components: &mut Components) -> Description {
        (self.describe)(components)
    }

    /// Serves one request.
    pub async fn serve(
        &self,
        request: HttpRequest,
        payload: Payload,
        worker: web::Data<Worker>,
    ) -> HttpResponse {
        let id = fresh(&worker);
        match (self.run)(Arrival { request, payload, worker, id, has_manner: false }).await {
            Ok(reply) => reply.respond(id),
            Err(problem) => problem.respond(id),
        }
    }
}

/// What answers where the table has no row; only to those who are signed in, so that strangers learn nothing.
pub async fn nowhere(request: HttpRequest, worker: web::Data<Worker>) -> HttpResponse {
    refuse(request, worker, Kind::NotFound.into()).await
}

/// What answers where the table has the path and not the method.
pub async fn wrong_method(
    request: HttpRequest,
    worker: web::Data<Worker>,
    allow: Vec<Method>,
) -> HttpResponse {
    refuse(request, worker, Problem { allow, ..Kind::MethodNotAllowed.into() }).await
}

async fn refuse(request: HttpRequest, worker: web::Data<Worker>, problem: Problem) -> HttpResponse {
    let id = fresh(&worker);
    match gate::admit(&request, &worker, Policy::SignedIn, id).await {
        Ok(_) => problem.respond(id),
        Err(denied) => denied.respond(id),
    }
}

fn fresh(worker: &Worker) -> RequestId {
    RequestId(identity::mint(&*worker.engine.shared.clock, &*worker.engine.dice))
}
